//! Storage of large messages that are over, for the next ones on this thread.
//!
//! Fresh memory has to be filled with zeros, and often to be mapped first: that is 8 % of an echo of 1 MiB. So storage goes
//! round, from the message that is received to the one that is sent and back.

use bytes::Bytes;
use std::cell::RefCell;

/// Less than this many bytes are not worth it.
pub(super) const LEAST: usize = 64 << 10;
/// No more than this many bytes are kept on each thread.
const KEPT: usize = 4 << 20;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { kept: Vec::new(), asked: 0 }) };
}

struct Pool {
    /// The oldest first.
    kept: Vec<Vec<u8>>,
    /// How often storage was asked for, and not given since: a thread that receives no large messages keeps none of what
    /// it sends.
    asked: u8,
}

impl Pool {
    fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        self.asked = self.asked.saturating_add(1);
        let fits = |storage: &Vec<u8>| (len..=len.saturating_mul(2)).contains(&storage.len());
        let at = self.kept.iter().rposition(fits)?;
        Some(self.kept.remove(at))
    }

    fn give(&mut self, storage: Vec<u8>) {
        let Some(asked) = self.asked.checked_sub(1) else { return };
        self.asked = asked;
        let mut bytes = storage.capacity();
        let newest = self.kept.iter().rev().take_while(|other| {
            bytes = bytes.saturating_add(other.capacity());
            bytes <= KEPT
        });
        let oldest = self.kept.len() - newest.count();
        self.kept.drain(..oldest);
        self.kept.push(storage);
    }
}

/// Initialised storage for a message of this many bytes, whatever is in it: at most twice as large.
pub(super) fn take(len: usize) -> Option<Vec<u8>> {
    POOL.try_with(|pool| pool.borrow_mut().take(len)).ok().flatten()
}

/// Keeps it for the next, if it is worth it. The oldest make room.
pub(super) fn give(storage: Vec<u8>) {
    if storage.len() >= LEAST && storage.capacity() <= KEPT {
        let _thread_ends = POOL.try_with(|pool| pool.borrow_mut().give(storage));
    }
}

/// The same for what was sent, unless somebody else holds it.
pub(super) fn give_bytes(bytes: Bytes) {
    if bytes.len() >= LEAST
        && let Ok(bytes) = bytes.try_into_mut()
    {
        give(bytes.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Vec<usize> {
        POOL.with_borrow(|pool| pool.kept.iter().map(Vec::len).collect())
    }

    fn ask(times: usize) {
        for _ in 0..times {
            assert_eq!(take(usize::MAX), None);
        }
    }

    #[test]
    fn storage_fits_and_is_not_much_too_large() {
        ask(1);
        give(vec![1; 3 * LEAST]);
        assert_eq!((take(LEAST), take(3 * LEAST + 1)), (None, None));
        assert_eq!(take(3 * LEAST - 1), Some(vec![1; 3 * LEAST]));
        assert_eq!(take(3 * LEAST), None, "it is there once");
    }

    #[test]
    fn the_newest_are_kept() {
        ask(10);
        give(vec![0; LEAST - 1]);
        give(vec![0; KEPT + 1]);
        let mut small = Vec::with_capacity(KEPT + 1);
        small.resize(LEAST, 0);
        give(small);
        assert!(kept().is_empty());
        let sizes = [KEPT / 2, KEPT / 4, KEPT / 4, LEAST];
        for size in sizes {
            give(vec![0; size]);
        }
        assert_eq!(kept(), sizes[1..]);
        give(vec![0; KEPT]);
        assert_eq!(kept(), [KEPT]);
    }

    #[test]
    fn as_many_are_kept_as_were_asked_for() {
        give(vec![0; LEAST]);
        assert!(kept().is_empty());
        ask(2);
        for _ in 0..3 {
            give(vec![0; LEAST]);
        }
        assert_eq!(kept(), [LEAST; 2]);
        let taken = take(LEAST).unwrap();
        give(taken);
        assert_eq!(kept(), [LEAST; 2]);
    }

    #[test]
    fn what_somebody_else_holds_is_not_kept() {
        ask(3);
        let bytes = Bytes::from(vec![7; LEAST]);
        give_bytes(bytes.clone());
        give_bytes(Bytes::from_static(&[7; LEAST]));
        assert!(kept().is_empty());
        let address = bytes.as_ptr();
        give_bytes(bytes);
        let storage = take(LEAST).unwrap();
        assert_eq!(storage.as_ptr(), address);
    }
}
