//! Buffers that connections use while data is under way, and return while they wait.

use crate::connection::input::Input;
use std::cell::RefCell;

/// No more than this many idle buffers are kept for each thread: 1 MiB.
const KEPT: usize = 16;

/// It is one word, which stays in a register where a vector's three go through memory: that is 8 ns each time.
type Buffer = Box<[u8; Input::SIZE]>;

thread_local! {
    static BUFFERS: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of [`Input::SIZE`] initialised bytes, whatever they are.
#[inline(always)]
pub(crate) fn take() -> Vec<u8> {
    match kept() {
        Some(buffer) => (buffer as Box<[u8]>).into_vec(),
        None => vec![0; Input::SIZE],
    }
}

/// Keeps a buffer for the next [`take`], if it is of the size of all.
#[inline(always)]
pub(crate) fn give(buffer: Vec<u8>) {
    if let Ok(buffer) = Buffer::try_from(buffer) {
        keep(buffer);
    }
}

#[inline]
fn kept() -> Option<Buffer> {
    BUFFERS.try_with(|buffers| buffers.borrow_mut().pop()).ok().flatten()
}

#[inline]
fn keep(buffer: Buffer) {
    let _thread_ends = BUFFERS.try_with(|buffers| {
        let mut buffers = buffers.borrow_mut();
        if buffers.len() < KEPT {
            buffers.push(buffer);
        }
    });
}
