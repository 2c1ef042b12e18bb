//! How a conversation ends: the network flows as far as it can, and then time goes by.

use super::log::What;
use super::peer::{Ending, said};
use super::{ROLES, World};
use sansocket::{Role, State};
use std::time::Duration;

impl World<'_> {
    pub(super) fn wind_down(&mut self) {
        self.log.note(self.now, Role::Client, What::WindsDown);
        for lane in &mut self.lanes {
            (lane.network.is_stalled, lane.network.capacity) = (false, 1 << 20);
        }
        self.flow();
        let is_whole = self.lanes.iter().all(|lane| !lane.is_broken && !lane.model.is_forged);
        if is_whole {
            self.end_in_peace();
        }
        self.end_in_time();
        for role in ROLES {
            let lane = &self.lanes[role.peer() as usize];
            if let Some((is_text, begun)) = &self.peers[role as usize].begun
                && !begun.is_empty()
            {
                lane.model.check_begun(*is_text, begun);
            }
        }
    }

    /// Nothing was lost, so all has arrived; the closing handshake takes no time.
    fn end_in_peace(&mut self) {
        if self.peers.iter().all(|peer| peer.ending.is_none() && peer.is_open()) {
            for lane in &self.lanes {
                lane.model.check_all_seen();
                lane.model.check_all_answered();
            }
            let first = self.choices.pick(&ROLES);
            self.close(first);
            if self.choices.one_in(3) {
                self.close(first.peer());
            }
            self.flow();
        }
        for peer in &self.peers {
            assert_eq!(
                peer.connection.state(),
                State::Closed,
                "{:?} is not closed in the end",
                peer.terms.role
            );
        }
        if self.peers.iter().all(|peer| peer.ending == Some(Ending::Close)) {
            let [client, server] = self.peers.each_ref().map(|peer| peer.connection.close_info().unwrap());
            assert!(client.clean && server.clean, "{client:?}, {server:?}");
            assert_eq!((&client.sent, &client.received), (&server.received, &server.sent));
            for (role, info) in ROLES.into_iter().zip([client, server]) {
                let peer = &self.peers[role as usize];
                let first = if peer.closes { role } else { role.peer() };
                assert_eq!(info.first, Some(first), "who closes first");
                self.lanes[role as usize].model.check_all_seen();
            }
        }
    }

    /// Whatever has happened, both ends come to their end when time goes by.
    fn end_in_time(&mut self) {
        for round in 0.. {
            let all_closed = self.peers.iter().all(|peer| peer.connection.state() == State::Closed);
            if all_closed {
                break;
            }
            assert!(round < 4, "somebody never comes to an end");
            for role in ROLES {
                if self.peers[role as usize].is_open() {
                    self.close(role);
                }
            }
            self.flow();
            self.now += Duration::from_secs(61);
            for role in ROLES {
                self.tell(role);
            }
            self.flow();
        }
        for role in ROLES {
            let peer = &mut self.peers[role as usize];
            let info = peer.connection.close_info().unwrap();
            if info.clean {
                assert_eq!(peer.ending, Some(Ending::Close), "clean, and no Close frame was seen");
                assert!(said(&info.sent).is_none_or(|(code, _)| code != 1006), "clean, and nothing was sent");
            }
            assert!(
                !peer.connection.poll_event().is_ok_and(|event| event.is_some()),
                "an event behind the end"
            );
        }
    }

    /// Both write and read until nothing moves any more, and nothing waits.
    fn flow(&mut self) {
        for round in 0.. {
            assert!(round < 100_000, "it moves for ever, or what waits is not written");
            let endings = self.peers.each_ref().map(|peer| peer.ending);
            let mut moved = false;
            for role in ROLES {
                let most = self.some_bytes();
                moved |= self.write(role, most);
                let most = self.some_bytes();
                moved |= self.read(role, most);
                moved |= self.poll(role, usize::MAX);
                self.check();
            }
            // They were told the time, and may have failed, or pinged.
            moved |= endings != self.peers.each_ref().map(|peer| peer.ending);
            moved |= self.peers.iter().any(|peer| peer.connection.buffered_amount() > 0);
            if !moved {
                return;
            }
        }
    }
}
