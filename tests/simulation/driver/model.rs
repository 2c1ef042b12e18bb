//! What may arrive: what was sent in this direction, as far as those who sent it know.

use sansocket::Message;
use std::rc::Rc;

/// Whether something was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was.
    Sure,
    /// The call that sends it is not done, or was dropped, or failed.
    Maybe,
    /// It was not.
    Never,
}

/// A message, or a part of one that ends with the part that says `fin`.
#[derive(Clone, Debug)]
struct Sent {
    message: Rc<Message>,
    /// `None`: a whole message.
    fin: Option<bool>,
    fate: Fate,
}

/// One direction of a connection. Each lane is one who sends, one thing after the other; what several send may be
/// mixed, but not reordered.
#[derive(Debug)]
pub(crate) struct Flow {
    lanes: [Vec<Sent>; LANES],
    /// How far the reader may be in each lane: what has arrived can be explained in one of these ways.
    at: Vec<[usize; LANES]>,
    /// What was sent before may have been dropped by the one who received it.
    lost: [usize; LANES],
    pub(crate) pings: Vec<Vec<u8>>,
    /// What was sent as a stream of bytes, and how much of it has arrived.
    bytes: Vec<u8>,
    arrived: usize,
    /// How many events there may be of it at most, the smallest `fragment_size` being 64.
    pub(crate) events: usize,
    /// The largest message or part.
    pub(crate) longest: usize,
}

/// How many may send at the same end.
pub(crate) const LANES: usize = 2;

impl Default for Flow {
    fn default() -> Self {
        Self {
            lanes: Default::default(),
            at: vec![[0; LANES]],
            lost: [0; LANES],
            pings: Vec::new(),
            bytes: Vec::new(),
            arrived: 0,
            events: 0,
            longest: 0,
        }
    }
}

impl Flow {
    /// Something is being sent; the number is for [`settle`](Self::settle).
    pub(crate) fn begin(&mut self, lane: usize, message: Rc<Message>, fin: Option<bool>) -> usize {
        self.longest = self.longest.max(message.as_bytes().len());
        self.events += 1 + message.as_bytes().len() / 64;
        self.lanes[lane].push(Sent { message, fin, fate: Fate::Maybe });
        self.lanes[lane].len() - 1
    }

    pub(crate) fn settle(&mut self, lane: usize, number: usize, fate: Fate) {
        self.lanes[lane][number].fate = fate;
        let is_passed = |at: &[usize; LANES]| at[lane] > number;
        assert!(
            fate != Fate::Never || !self.at.iter().all(is_passed),
            "it arrived, and was said not to be sent"
        );
    }

    /// All that was sent so far may be dropped by the one who receives it.
    pub(crate) fn lose(&mut self) {
        self.lost = self.lanes.each_ref().map(Vec::len);
    }

    /// A message has arrived.
    pub(crate) fn arrive(&mut self, message: &Message) {
        let mut at = Vec::new();
        for before in &self.at {
            for lane in 0..LANES {
                let mut ends = Vec::new();
                self.fit(lane, before[lane], message.as_bytes(), message, false, &mut ends);
                for end in ends {
                    let mut after = *before;
                    after[lane] = end;
                    if !at.contains(&after) {
                        at.push(after);
                    }
                }
            }
        }
        assert!(
            !at.is_empty(),
            "{} bytes arrived that are not what was sent next, at {:?}",
            message.as_bytes().len(),
            self.at
        );
        self.at = at;
    }

    /// Where in a lane the reader may be when the rest of a message, which has begun or not, is made of what comes
    /// from `at` on.
    fn fit(&self, lane: usize, at: usize, rest: &[u8], whole: &Message, begun: bool, ends: &mut Vec<usize>) {
        let Some(sent) = self.lanes[lane].get(at) else { return };
        if sent.fate != Fate::Sure || at < self.lost[lane] {
            self.fit(lane, at + 1, rest, whole, begun, ends);
        }
        let is_text = |message: &Message| message.as_text().is_some();
        let Some(left) = rest.strip_prefix(sent.message.as_bytes()) else { return };
        if sent.fate == Fate::Never || is_text(&sent.message) != is_text(whole) {
            return;
        }
        match sent.fin {
            None if !begun && left.is_empty() => ends.push(at + 1),
            Some(true) if left.is_empty() => ends.push(at + 1),
            Some(false) => self.fit(lane, at + 1, left, whole, true, ends),
            _ => {}
        }
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.events += 1 + bytes.len() / 64;
    }

    /// A piece of a stream of bytes has arrived.
    pub(crate) fn arrive_bytes(&mut self, bytes: &[u8]) {
        let rest = &self.bytes[self.arrived..];
        assert!(rest.starts_with(bytes), "other bytes arrived than were sent, behind {}", self.arrived);
        self.arrived += bytes.len();
    }

    /// Everything has arrived that surely was sent, and is whole.
    pub(crate) fn is_complete(&self) -> bool {
        let has_all_bytes = self.arrived == self.bytes.len();
        let mut at = self.at.iter();
        has_all_bytes
            && at.any(|at| {
                self.lanes.iter().zip(at).all(|(lane, &at)| {
                    // The parts of a message that never was finished.
                    lane[at..].iter().all(|sent| sent.fate != Fate::Sure || sent.fin == Some(false))
                })
            })
    }
}
