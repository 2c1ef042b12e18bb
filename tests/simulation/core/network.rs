use std::collections::VecDeque;

/// One direction of the network. The bytes that are under way stay in order.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) bytes: VecDeque<u8>,
    /// How many bytes fit; the writer waits while it is full.
    pub(super) capacity: usize,
    /// Nothing comes out at the moment.
    pub(super) is_stalled: bool,
    pub(super) fate: Fate,
    /// How many bytes have been read in all.
    pub(super) read: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// What is written comes out.
    Flows,
    /// Nothing can be written any more; behind what is under way the stream ends.
    Ended,
    /// It takes all that is written, and nothing comes out ever again.
    Silent,
}

impl Network {
    pub(super) fn new() -> Self {
        Self { bytes: VecDeque::new(), capacity: 64 << 10, is_stalled: false, fate: Fate::Flows, read: 0 }
    }

    /// How many bytes can be written now.
    pub(super) fn room(&self) -> usize {
        match self.fate {
            Fate::Flows => self.capacity.saturating_sub(self.bytes.len()),
            Fate::Ended => 0,
            Fate::Silent => usize::MAX,
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        match self.fate {
            Fate::Flows => self.bytes.extend(bytes),
            Fate::Ended => assert!(bytes.is_empty(), "written although the stream has ended"),
            Fate::Silent => {}
        }
    }

    /// How many bytes can be read now.
    pub(super) fn available(&self) -> usize {
        if self.is_stalled || self.fate == Fate::Silent { 0 } else { self.bytes.len() }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.fate == Fate::Ended && self.bytes.is_empty() && !self.is_stalled
    }

    pub(super) fn read(&mut self, n: usize) -> Vec<u8> {
        self.read += n as u64;
        self.bytes.drain(..n).collect()
    }
}
