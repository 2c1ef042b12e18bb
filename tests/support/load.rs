//! Messages that their receiver can check, and a watchdog over those who move them.

use super::random::Xorshift;
use sansocket::bytes::Bytes;
use sansocket::{Message, Utf8Bytes};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// Messages of which each byte, the length and the kind follow from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    random: Xorshift,
    /// What the messages are pieces of.
    block: Bytes,
    smallest: usize,
    largest: usize,
    left: usize,
}

impl Load {
    /// So many bytes in messages of `smallest` (at least 1) to `largest` bytes, most of them short.
    pub(crate) fn new(seed: u64, total: usize, smallest: usize, largest: usize) -> Self {
        let mut random = Xorshift::new(seed);
        let block = random.bytes(largest + 4096).into_iter().map(|byte| b' ' + byte % 95).collect();
        Self { random, block, smallest, largest, left: total }
    }
}

impl Iterator for Load {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        if self.left == 0 {
            return None;
        }
        let wide = (self.largest - self.smallest + 1).ilog2() as usize;
        let bits = self.random.below(wide + 1);
        let len = self.smallest + self.random.below(1 << bits);
        self.left = self.left.saturating_sub(len);
        let at = self.random.below(4096);
        let bytes = self.block.slice(at..at + len);
        Some(if self.random.below(4) == 0 {
            Message::Text(Utf8Bytes::try_from(bytes).unwrap())
        } else {
            Message::Binary(bytes)
        })
    }
}

/// What came has to be the next message of one of these loads.
#[derive(Debug)]
pub(crate) struct Expected {
    loads: Vec<(Load, Option<Message>)>,
    progress: Progress,
}

impl Expected {
    pub(crate) fn new(loads: impl IntoIterator<Item = Load>, progress: &Progress) -> Self {
        let first = |mut load: Load| {
            let next = load.next();
            (load, next)
        };
        Self { loads: loads.into_iter().map(first).collect(), progress: progress.clone() }
    }

    pub(crate) fn receive(&mut self, message: &Message) {
        self.progress.add(message.len());
        let sent = self.loads.iter_mut().find(|(_, next)| next.as_ref() == Some(message));
        let (load, next) = sent.unwrap_or_else(|| panic!("{} bytes that are none's turn", message.len()));
        *next = load.next();
    }

    /// All has come.
    pub(crate) fn is_complete(&self) -> bool {
        self.loads.iter().all(|(_, next)| next.is_none())
    }
}

/// How far all of a test have come together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<AtomicUsize>);

impl Progress {
    pub(crate) fn add(&self, n: usize) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn total(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Nothing here rests for so long, even on a busy machine.
const STUCK: Duration = Duration::from_secs(4);

/// Runs `body` in a thread of its own, and fails if it comes no further.
pub(crate) fn watched<R: Send + 'static>(
    name: &str,
    body: impl FnOnce(&Progress) -> R + Send + 'static,
) -> R {
    let progress = Progress::default();
    let watched = progress.clone();
    let (done, is_done) = mpsc::channel();
    let thread = thread::spawn(move || {
        let result = body(&watched);
        done.send(()).unwrap();
        result
    });
    let mut before = None;
    while let Err(RecvTimeoutError::Timeout) = is_done.recv_timeout(STUCK) {
        let now = progress.total();
        assert_ne!(before, Some(now), "{name}: stuck; {now} bytes have come in all");
        before = Some(now);
    }
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
