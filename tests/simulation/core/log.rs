use sansocket::{ProtocolError, Role, SendError};
use std::time::{Duration, Instant};

/// What has happened, to be printed if it ends badly.
#[derive(Debug)]
pub(super) struct Log {
    start: Instant,
    lines: Vec<(Duration, Role, What)>,
}

/// One step of it; numbers are bytes.
#[derive(Debug)]
#[expect(dead_code, reason = "it is printed")]
pub(super) enum What {
    Has(Box<super::terms::Terms>),
    Calls(&'static str, usize, Result<(), SendError>),
    Writes(usize),
    Reads(usize),
    ReadsEof,
    Sees(&'static str, usize),
    Fails(ProtocolError),
    IsToldTheTime {
        next: Option<Duration>,
    },
    Injects(&'static str, usize),
    /// What happens to the direction in which it writes.
    Network(&'static str, usize),
    WindsDown,
}

impl Log {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, lines: Vec::new() }
    }

    pub(super) fn note(&mut self, now: Instant, role: Role, what: What) {
        self.lines.push((now - self.start, role, what));
    }

    /// An instant as a time since the beginning.
    pub(super) fn since(&self, at: Instant) -> Duration {
        at - self.start
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if std::thread::panicking() || std::env::var_os("SIMULATION_SEED").is_some() {
            for (at, role, what) in &self.lines {
                eprintln!("{at:?} {role:?} {what:?}");
            }
        }
    }
}
