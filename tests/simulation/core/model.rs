use crate::support::end::Seen;
use std::collections::VecDeque;

/// What one end has said, and the other must see of it.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// What was said and not seen yet, in order: all but the pongs that answer pings, and the keepalive's pings.
    expected: VecDeque<Seen>,
    /// The pings that have to be answered, and whether the answer may be left out, because a newer ping was seen
    /// before there was room for it.
    owed: VecDeque<(Vec<u8>, bool)>,
    /// The message that is being sent in parts.
    pub(super) unfinished: Option<(bool, Vec<u8>)>,
    /// The largest message that was said, or begun.
    pub(super) largest: u64,
    /// What the largest message takes in the output.
    pub(super) largest_framed: usize,
    /// How many of the keepalive's pings were seen.
    keepalive_pings: usize,
    /// What was said before, to be referred to.
    pub(super) past: Vec<u8>,
    /// Somebody has tampered with what is under way: anything may be seen.
    pub(super) is_forged: bool,
}

/// An application's pings can be told from the keepalive's, which have 8 bytes, and from what its pongs say: it begins
/// with an even byte, and a pong is empty or begins with an odd one.
pub(super) fn is_keepalive_ping(payload: &[u8]) -> bool {
    payload.len() == 8
}

impl Model {
    pub(super) fn expect(&mut self, seen: Seen) {
        match &seen {
            Seen::Text(text) => self.largest = self.largest.max(text.len() as u64),
            Seen::Binary(bytes) => self.largest = self.largest.max(bytes.len() as u64),
            _ => {}
        }
        self.expected.push_back(seen);
    }

    /// A ping was seen that has to be answered.
    pub(super) fn owe(&mut self, ping: &[u8], may_be_left_out: bool) {
        self.owed.push_back((ping.to_vec(), may_be_left_out));
    }

    /// The other end sees this; `pings` are those that were written.
    pub(super) fn deliver(&mut self, seen: &Seen, pings: &[(Vec<u8>, u64)]) {
        if self.is_forged {
            return;
        }
        match seen {
            Seen::Pong(payload) if self.expected.front() != Some(seen) => {
                while let Some((owed, may_be_left_out)) = self.owed.pop_front() {
                    if owed == *payload {
                        return;
                    }
                    assert!(may_be_left_out, "a ping was not answered: {owed:02x?}");
                }
                panic!("a pong that answers nothing, or once more: {payload:02x?}");
            }
            Seen::Ping(payload) if is_keepalive_ping(payload) => {
                let mut written = pings.iter().map(|(ping, _)| ping).filter(|ping| is_keepalive_ping(ping));
                assert_eq!(written.nth(self.keepalive_pings), Some(payload), "a ping that was not sent");
                self.keepalive_pings += 1;
            }
            seen => {
                let expected = self.expected.pop_front();
                assert!(
                    expected.as_ref() == Some(seen),
                    "expected {}, seen {}",
                    brief(expected.as_ref()),
                    brief(Some(seen))
                );
            }
        }
    }

    /// What was seen of a message in parts is how the next one begins.
    pub(super) fn check_begun(&self, is_text: bool, begun: &[u8]) {
        if self.is_forged {
            return;
        }
        let is_message = |seen: &&Seen| matches!(seen, Seen::Text(_) | Seen::Binary(_));
        let (kind, bytes) = match (self.expected.iter().find(is_message), &self.unfinished) {
            (Some(Seen::Text(text)), _) => (true, text.as_bytes()),
            (Some(Seen::Binary(bytes)), _) => (false, &bytes[..]),
            (_, Some((kind, bytes))) => (*kind, &bytes[..]),
            _ => panic!("parts of a message that was not sent"),
        };
        assert!(kind == is_text && bytes.starts_with(begun), "parts of another message than was sent");
    }

    /// All was seen, and all that had to be answered was.
    pub(super) fn check_all_seen(&self) {
        assert!(self.expected.is_empty(), "never seen: {}", brief(self.expected.front()));
    }

    pub(super) fn check_all_answered(&self) {
        assert!(self.owed.is_empty(), "never answered: {:02x?}", self.owed);
    }
}

fn brief(seen: Option<&Seen>) -> String {
    let mut text = format!("{seen:02x?}");
    if text.len() > 300 {
        let cut = (0..=300).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(cut);
        text.push_str("...");
    }
    text
}
