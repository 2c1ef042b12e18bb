use crate::connection::event::Kind;
use bytes::Bytes;
use std::collections::VecDeque;

/// Events that were found when nobody could take them, in their order. They go before all others.
#[derive(Default)]
pub(super) struct Kept {
    events: VecDeque<(Kind, Bytes)>,
    /// How many bytes of payload those have.
    size: usize,
    /// The payload of the one that is being lent.
    lent: Bytes,
}

impl Kept {
    /// No more are kept than so many,
    const EVENTS: usize = 64;
    /// or so many bytes before the last.
    const BYTES: usize = 64 << 10;

    pub(super) fn push(&mut self, kind: Kind, payload: Bytes) {
        self.size += payload.len();
        self.events.push_back((kind, payload));
    }

    /// Takes the first, to be lent.
    pub(super) fn pop(&mut self) -> Option<Kind> {
        let (kind, payload) = self.events.pop_front()?;
        self.size -= payload.len();
        self.lent = payload;
        Some(kind)
    }

    /// The payload of the last that was taken.
    pub(super) fn lent(&self) -> &[u8] {
        &self.lent
    }

    /// Whether another may be kept.
    pub(super) fn has_room(&self) -> bool {
        self.events.len() < Self::EVENTS && self.size < Self::BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_for_many_small_events_or_one_large_one() {
        let mut kept = Kept::default();
        for i in 0..Kept::EVENTS {
            assert!(kept.has_room());
            kept.push(Kind::Ping, vec![u8::try_from(i).unwrap()].into());
        }
        assert!(!kept.has_room());
        for i in 0..Kept::EVENTS {
            assert_eq!((kept.pop(), kept.lent()), (Some(Kind::Ping), &[u8::try_from(i).unwrap()][..]));
        }
        assert_eq!(kept.pop(), None);
        kept.push(Kind::Binary, vec![0; Kept::BYTES].into());
        assert!(!kept.has_room());
        kept.pop();
        kept.push(Kind::Binary, vec![0; Kept::BYTES - 1].into());
        assert!(kept.has_room(), "what was taken counts no more");
    }
}
