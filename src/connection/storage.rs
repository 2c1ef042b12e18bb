//! Storage of large messages that are over, for the next ones on this thread.
//!
//! Fresh memory has to be filled with zeros, and often to be mapped first: for an echo of 1 MiB that is a third of the
//! time. So storage goes round, from the message that is received to the one that is sent and back.

use bytes::Bytes;
use std::cell::RefCell;

/// Less than this many bytes are not worth it.
pub(super) const LEAST: usize = 64 << 10;
/// No more than this many bytes are kept on each thread.
const KEPT: usize = 4 << 20;

thread_local! {
    /// The oldest first.
    static STORAGE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Initialised storage for a message of this many bytes, whatever is in it: at most twice as large.
pub(super) fn take(len: usize) -> Option<Vec<u8>> {
    let fits = |storage: &Vec<u8>| (len..=len.saturating_mul(2)).contains(&storage.len());
    let take = |kept: &RefCell<Vec<Vec<u8>>>| {
        let mut kept = kept.borrow_mut();
        let at = kept.iter().rposition(fits)?;
        Some(kept.remove(at))
    };
    STORAGE.try_with(take).ok().flatten()
}

/// Keeps it for the next, if it is worth it. The oldest make room.
pub(super) fn give(storage: Vec<u8>) {
    if !(LEAST..=KEPT).contains(&storage.len()) {
        return;
    }
    let _thread_ends = STORAGE.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        let mut bytes = storage.capacity();
        let newest = kept.iter().rev().take_while(|other| {
            bytes = bytes.saturating_add(other.capacity());
            bytes <= KEPT
        });
        let oldest = kept.len() - newest.count();
        kept.drain(..oldest);
        kept.push(storage);
    });
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
        STORAGE.with(|kept| kept.borrow().iter().map(Vec::len).collect())
    }

    #[test]
    fn storage_fits_and_is_not_much_too_large() {
        give(vec![1; 3 * LEAST]);
        assert_eq!((take(LEAST), take(3 * LEAST + 1)), (None, None));
        assert_eq!(take(3 * LEAST - 1), Some(vec![1; 3 * LEAST]));
        assert_eq!(take(3 * LEAST), None, "it is there once");
    }

    #[test]
    fn the_newest_are_kept() {
        give(vec![0; LEAST - 1]);
        give(vec![0; KEPT + 1]);
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
    fn what_somebody_else_holds_is_not_kept() {
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
