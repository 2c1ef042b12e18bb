//! What the network does, and what others put into it.

use super::World;
use super::log::What;
use super::network::Fate;
use crate::support::end::Seen;
use crate::support::wire::{frame, peer_key};
use sansocket::Role;

impl World<'_> {
    /// The direction in which this end writes gets narrow, or stands still for a while: nothing is lost.
    pub(super) fn delay(&mut self, role: Role) {
        let capacity = self.choices.pick(&[64 << 10, 1 << 20, 1, 10, 1000]);
        let is_stalled = self.choices.one_in(3);
        let network = &mut self.lanes[role as usize].network;
        (network.capacity, network.is_stalled) = (capacity, is_stalled);
        self.log.note(
            self.now,
            role,
            What::Network(if is_stalled { "stands still" } else { "flows" }, capacity),
        );
    }

    /// Something breaks for good.
    pub(super) fn break_something(&mut self, role: Role) {
        let (what, both, fate, loses) = match self.choices.below(5) {
            0 => ("ends", false, Fate::Ended, false),
            1 => ("is cut off", false, Fate::Ended, true),
            2 => ("falls silent", false, Fate::Silent, true),
            3 => ("is reset, as the other", true, Fate::Ended, true),
            _ => ("falls silent, as the other", true, Fate::Silent, true),
        };
        for role in [role, role.peer()].into_iter().take(if both { 2 } else { 1 }) {
            let loses = loses && (!both || !self.choices.one_in(3));
            let lane = &mut self.lanes[role as usize];
            lane.is_broken = true;
            if lane.network.fate == Fate::Flows {
                lane.network.fate = fate;
            }
            if loses {
                lane.network.bytes.clear();
            }
            self.log.note(self.now, role, What::Network(what, lane.network.bytes.len()));
        }
    }

    /// Another implementation speaks in this end's place for a moment: frames that are valid, and that this crate
    /// would not have written so.
    pub(super) fn inject(&mut self, role: Role) {
        let lane = &self.lanes[role as usize];
        let peer = &self.peers[role as usize];
        let all_is_written = peer.is_open() && peer.connection.buffered_amount() == 0;
        let flows = lane.network.fate == Fate::Flows && !lane.model.is_forged;
        if !(all_is_written && flows && lane.wire.is_between_frames()) {
            return;
        }
        let mut bytes = Vec::new();
        if lane.wire.is_between_messages() && !self.choices.one_in(3) {
            self.fragments(role, &mut bytes);
        } else {
            self.control(role, &mut bytes);
        }
        self.log.note(self.now, role, What::Injects("frames", bytes.len()));
        let lane = &mut self.lanes[role as usize];
        lane.wire.push(&bytes);
        lane.network.write(&bytes);
    }

    /// A message in any number of fragments, some of them empty, with control frames between them.
    fn fragments(&mut self, role: Role, bytes: &mut Vec<u8>) {
        let key = peer_key(role.peer());
        let (is_text, message) = self.message(role);
        let mut opcode = if is_text { 1 } else { 2 };
        let mut rest = &message[..];
        while !self.choices.one_in(3) {
            let (part, later) = rest.split_at(self.choices.len(rest.len()));
            bytes.extend(frame(opcode, key, part));
            (opcode, rest) = (0, later);
            if self.choices.one_in(3) {
                self.control(role, bytes);
            }
            if self.choices.is_over() {
                break;
            }
        }
        bytes.extend(frame(0x80 | opcode, key, rest));
        self.lanes[role as usize].model.expect(match is_text {
            true => Seen::Text(String::from_utf8(message).unwrap()),
            false => Seen::Binary(message),
        });
    }

    /// A ping, or a pong that nobody asked for. (A keepalive would not know of a ping that is answered in place of its
    /// own.)
    fn control(&mut self, role: Role, bytes: &mut Vec<u8>) {
        let is_pong = self.choices.one_in(2) || self.peers[role as usize].terms.keepalive.is_some();
        let payload = self.control_payload(u8::from(is_pong));
        bytes.extend(frame(if is_pong { 0x8A } else { 0x89 }, peer_key(role.peer()), &payload));
        let seen = if is_pong { Seen::Pong(payload) } else { Seen::Ping(payload) };
        self.lanes[role as usize].model.expect(seen);
    }

    /// Somebody tampers with what this end has written. What the other makes of it is anybody's guess, but it stays
    /// within its limits, and ends properly.
    pub(super) fn forge(&mut self, role: Role) {
        let len = self.choices.len(300);
        let bytes = self.forged(role, len);
        let lane = &mut self.lanes[role as usize];
        lane.model.is_forged = true;
        self.log.note(self.now, role, What::Injects("what is forged", bytes.len()));
        if lane.network.fate != Fate::Flows {
            return;
        }
        if !lane.network.bytes.is_empty() && self.choices.one_in(2) {
            let at = self.choices.below(lane.network.bytes.len());
            lane.network.bytes[at] ^= 1 << self.choices.below(8);
        } else {
            lane.network.bytes.extend(bytes);
        }
    }

    /// Bytes of any kind, or a frame of any kind.
    fn forged(&mut self, role: Role, len: usize) -> Vec<u8> {
        let payload = self.choices.payload(len);
        match self.choices.below(4) {
            0 => payload,
            1 => frame(u8::try_from(self.choices.below(256)).unwrap(), peer_key(role.peer()), &payload),
            2 => frame(u8::try_from(self.choices.below(256)).unwrap(), peer_key(role), &payload),
            _ => {
                let first = self.choices.pick(&[0x01, 0x02, 0x41, 0x81, 0x82, 0x88, 0x89, 0x80, 0xC1]);
                frame(first, peer_key(role.peer()), &payload)
            }
        }
    }
}
