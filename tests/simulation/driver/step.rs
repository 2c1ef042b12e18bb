//! What happened, in order, for whoever has to understand a failure.

use super::wire::Call;
use std::io::ErrorKind;
use std::time::Duration;

/// One step. The first number says which end.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "it is read by its Debug")]
pub(crate) enum Step {
    Begins(usize, &'static str, &'static str, usize),
    Ready(usize, &'static str, &'static str),
    Dropped(usize, &'static str, &'static str),
    Polls(usize, &'static str),
    Call(usize, Call, Result<usize, ErrorKind>),
    Pending(usize, Call),
    Clock(Duration),
    Stall(usize, Duration),
    Reset,
    Cut(usize),
    Left(usize),
    Gathers(usize),
    Received(usize, usize),
    Finale,
}

/// All steps so far.
#[derive(Debug, Default)]
pub(crate) struct Log(Vec<Step>);

impl Log {
    pub(crate) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    /// Prints the steps; of very many the last.
    pub(crate) fn print(&self) {
        let skipped = self.0.len().saturating_sub(600);
        eprintln!("{skipped} steps before:");
        self.0.iter().skip(skipped).for_each(|step| eprintln!("  {step:?}"));
    }
}
