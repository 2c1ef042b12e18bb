//! Buffers that connections use while data is under way, and give back while they idle.

use crate::connection::Input;
use std::cell::RefCell;

/// No more than this many idle buffers are kept for each thread: 1 MiB.
const KEPT: usize = 16;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of [`Input::SIZE`] initialised bytes, whatever they are.
pub(super) fn take() -> Vec<u8> {
    BUFFERS
        .try_with(|buffers| buffers.borrow_mut().pop())
        .ok()
        .flatten()
        .unwrap_or_else(|| vec![0; Input::SIZE])
}

/// Keeps a buffer for the next [`take`], if it is of the size of all.
pub(super) fn give(buffer: Vec<u8>) {
    if buffer.len() == Input::SIZE {
        let _thread_ends = BUFFERS.try_with(|buffers| {
            let mut buffers = buffers.borrow_mut();
            if buffers.len() < KEPT {
                buffers.push(buffer);
            }
        });
    }
}
