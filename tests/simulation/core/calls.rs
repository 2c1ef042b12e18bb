//! What an application may call, and what must be refused.

use super::World;
use super::log::What;
use crate::support::end::Seen;
use crate::support::random::Xorshift;
use crate::support::repeats::repeats;
use bytes::Bytes;
use sansocket::{CloseCode, CloseFrame, Outgoing, PreparedMessage, Role, SendError};

impl World<'_> {
    /// Some call at one end.
    pub(super) fn call(&mut self, role: Role) {
        match self.choices.below(24) {
            0..=9 => self.send(role),
            10..=15 => self.send_fragment(role),
            16..=17 => self.send_ping(role),
            18 => self.send_pong(role),
            19..=20 => self.peers[role as usize].connection.release_buffers(),
            21..=22 => self.be_refused(role),
            _ if self.choices.one_in(4) => self.close(role),
            _ => {}
        }
    }

    /// A text or not, and its bytes.
    pub(super) fn message(&mut self, role: Role) -> (bool, Vec<u8>) {
        let most = self.choices.pick(&[2000, 20_000, 100_000]);
        let (is_text, len) = (self.choices.one_in(2), self.choices.len(most));
        let bytes = if self.choices.one_in(2) {
            let mut random = Xorshift::new(self.choices.below(1 << 16) as u64);
            let past = &mut self.lanes[role as usize].model.past;
            if past.len() > 100_000 {
                past.clear();
            }
            let bytes = repeats(len, past, &mut random);
            // As text it has a character for each byte.
            if is_text { bytes.into_iter().map(char::from).collect::<String>().into_bytes() } else { bytes }
        } else if is_text {
            self.choices.text(len).into_bytes()
        } else {
            self.choices.payload(len)
        };
        (is_text, bytes)
    }

    fn send(&mut self, role: Role) {
        let (is_text, bytes) = self.message(role);
        let (how, plain) = (self.choices.below(5), self.choices.one_in(5));
        let refusal =
            self.lanes[role as usize].model.unfinished.is_some().then_some(SendError::FragmentedMessage);
        let shared = Bytes::from(bytes.clone());
        let connection = &mut self.peers[role as usize].connection;
        let waited = connection.buffered_amount();
        let result = if how == 4 {
            let mut prepared = match is_text {
                true => PreparedMessage::text(text(&bytes)),
                false => PreparedMessage::binary(&bytes),
            };
            if plain {
                prepared = prepared.uncompressed();
            }
            connection.send_prepared(&prepared)
        } else {
            connection.send(outgoing(is_text, &bytes, &shared, how, plain))
        };
        self.taken("send", role, bytes.len(), waited, refusal, result);
        if result.is_ok() {
            let seen = if is_text { Seen::Text(text(&bytes).to_owned()) } else { Seen::Binary(bytes) };
            self.lanes[role as usize].model.expect(seen);
        }
    }

    fn send_fragment(&mut self, role: Role) {
        let (mut is_text, bytes) = self.message(role);
        let (how, plain, fin) = (self.choices.below(4), self.choices.one_in(5), self.choices.one_in(3));
        let unfinished = self.lanes[role as usize].model.unfinished.as_ref().map(|(is_text, _)| *is_text);
        // A text is a binary part too, if need be; the reverse is refused.
        is_text &= unfinished != Some(false);
        let refusal = unfinished.filter(|&begun| begun != is_text).map(|_| SendError::FragmentType);
        let shared = Bytes::from(bytes.clone());
        let connection = &mut self.peers[role as usize].connection;
        let waited = connection.buffered_amount();
        let part = outgoing(is_text, &bytes, &shared, how, plain);
        let result = connection.send_fragment(part, fin);
        self.taken(if fin { "the last part" } else { "a part" }, role, bytes.len(), waited, refusal, result);
        if result.is_err() {
            return;
        }
        let model = &mut self.lanes[role as usize].model;
        let (_, message) = model.unfinished.get_or_insert((is_text, Vec::new()));
        message.extend(bytes);
        model.largest = model.largest.max(message.len() as u64);
        if fin && let Some((_, message)) = model.unfinished.take() {
            model.expect(if is_text { Seen::Text(text(&message).to_owned()) } else { Seen::Binary(message) });
        }
    }

    /// See [`is_keepalive_ping`](super::model::is_keepalive_ping).
    fn send_ping(&mut self, role: Role) {
        let payload = self.control_payload(0);
        let connection = &mut self.peers[role as usize].connection;
        let waited = connection.buffered_amount();
        let result = connection.ping(&payload);
        self.taken("ping", role, payload.len(), waited, None, result);
        if result.is_ok() {
            self.peers[role as usize].watch.pinged();
            self.lanes[role as usize].model.expect(Seen::Ping(payload));
        }
    }

    fn send_pong(&mut self, role: Role) {
        let payload = self.control_payload(1);
        let connection = &mut self.peers[role as usize].connection;
        let waited = connection.buffered_amount();
        let result = connection.pong(&payload);
        self.taken("pong", role, payload.len(), waited, None, result);
        if result.is_ok() {
            self.lanes[role as usize].model.expect(Seen::Pong(payload));
        }
    }

    /// A payload that begins with an even or an odd byte, and has not 8 bytes; an even one is like no other.
    pub(super) fn control_payload(&mut self, low_bit: u8) -> Vec<u8> {
        let len = match self.choices.len(125) {
            8 => 9,
            len if low_bit == 0 => len.max(4),
            len => len,
        };
        let mut payload = self.choices.payload(len);
        if low_bit == 0 {
            self.pings += 1;
            payload[1..4].copy_from_slice(&self.pings.to_be_bytes()[1..]);
        }
        if let Some(first) = payload.first_mut() {
            *first = *first & !1 | low_bit;
        }
        payload
    }

    /// What no state of the connection allows.
    fn be_refused(&mut self, role: Role) {
        let which = self.choices.below(4);
        let peer = &mut self.peers[role as usize];
        let (waited, was_open) = (peer.connection.buffered_amount(), peer.is_open());
        let code = CloseCode::new(1005);
        let (frame, refusal) = match which {
            0 | 1 => {
                let too_long = [0; 126];
                let ping = which == 0;
                let connection = &mut peer.connection;
                let result = if ping { connection.ping(&too_long) } else { connection.pong(&too_long) };
                return self.taken("too long", role, 126, waited, Some(SendError::ControlTooLong), result);
            }
            2 => (CloseFrame::from(code), SendError::InvalidCloseCode(code)),
            _ => (CloseFrame::new(1000, "x".repeat(124)), SendError::ControlTooLong),
        };
        let result = peer.connection.close(frame);
        assert_eq!(result, Err(if was_open { refusal } else { SendError::Closed }));
        assert_eq!(peer.connection.buffered_amount(), waited, "what was refused was queued");
    }

    pub(super) fn close(&mut self, role: Role) {
        let codes = [1000, 1001, 1003, 1011, 3000, 4999];
        let (code, len) = (self.choices.pick(&codes), self.choices.len(CloseFrame::MAX_REASON));
        let frame = match self.choices.one_in(4) {
            true => None,
            false => Some(CloseFrame::new(code, self.choices.text(len))),
        };
        let peer = &mut self.peers[role as usize];
        let was_open = peer.is_open();
        let result = peer.connection.close(frame.clone());
        self.log.note(self.now, role, What::Calls("close", len, result));
        assert_eq!(result, if was_open { Ok(()) } else { Err(SendError::Closed) });
        if was_open {
            peer.closes = true;
            let sent = frame.unwrap_or_else(|| CloseCode::NO_STATUS.into());
            assert_eq!(peer.connection.close_info().map(|info| &info.sent), Some(&sent));
            self.has_closed(role);
            self.tell(role);
        }
    }

    /// A call that queues something was answered so; `waited` bytes waited before it, and only this refusal is right,
    /// unless the connection is closing or full.
    fn taken(
        &mut self,
        call: &'static str,
        role: Role,
        len: usize,
        waited: usize,
        refusal: Option<SendError>,
        result: Result<(), SendError>,
    ) {
        self.log.note(self.now, role, What::Calls(call, len, result));
        let peer = &self.peers[role as usize];
        let mark = peer.terms.high_water_mark;
        let waits = peer.connection.buffered_amount();
        match result {
            Err(SendError::Closed) => assert!(!peer.is_open(), "closed, and yet open"),
            _ if !peer.is_open() => panic!("not refused after a Close frame"),
            Err(SendError::QueueFull) => assert!(waited >= mark, "full at {waited} of {mark}"),
            _ if waited >= mark + 131 => panic!("taken beyond the high-water mark, {waited} of {mark}"),
            result => assert_eq!(result.err(), refusal),
        }
        match result {
            Ok(()) => {
                assert!(waits > waited, "nothing was queued");
                let model = &mut self.lanes[role as usize].model;
                model.largest_framed = model.largest_framed.max(peer.terms.framed(len));
            }
            Err(_) => assert_eq!(waits, waited, "what was refused was queued"),
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A message as it is sent: borrowed, owned, or owned by somebody else too.
fn outgoing<'m>(is_text: bool, bytes: &'m [u8], shared: &Bytes, how: usize, plain: bool) -> Outgoing<'m> {
    let message: Outgoing<'m> = match (is_text, how) {
        (true, 0 | 1) => text(bytes).into(),
        (true, _) => text(bytes).to_owned().into(),
        (false, 0 | 1) => bytes.into(),
        (false, 2) => bytes.to_vec().into(),
        (false, _) => shared.clone().into(),
    };
    if plain { message.uncompressed() } else { message }
}
