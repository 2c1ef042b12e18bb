//! Runs the tasks of a connection in every order that there is, with loom:
//!
//! ```sh
//! RUSTFLAGS="--cfg sansocket_loom" cargo test --lib --no-default-features --features futures wakers::model
//! ```
//!
//! The claim: whatever happens between a party's poll and its registration is not lost. A task that is left
//! asleep is a deadlock, which loom reports. The `Arc`s are the standard library's, and not a part of the model;
//! what they hold is.

use super::{Party, Wakers};
use loom::future::block_on;
use loom::sync::Mutex;
use loom::thread;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

const READER: Party = Party(0);
const WRITER: Party = Party(1);
const OTHER: Party = Party(2);

/// What the tasks share, as a split connection does: it is locked inside each poll.
struct Shared {
    wakers: Wakers,
    state: Mutex<State>,
}

/// A transport, which remembers one waker for each direction; and what the tasks do to each other.
#[derive(Default)]
struct State {
    readable: usize,
    writable: usize,
    read_waker: Option<Waker>,
    write_waker: Option<Waker>,
    /// Something that one task does, and another waits for.
    queued: usize,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self { wakers: Wakers::new(), state: Mutex::new(State::default()) })
    }

    /// Waits as `party` until `poll` is ready.
    fn wait(&self, party: Party, mut poll: impl FnMut(&mut State, &mut Context<'_>) -> (Poll<()>, bool)) {
        block_on(poll_fn(|cx| self.poll(party, cx, &mut poll)));
    }

    fn poll(
        &self,
        party: Party,
        cx: &mut Context<'_>,
        poll: &mut impl FnMut(&mut State, &mut Context<'_>) -> (Poll<()>, bool),
    ) -> Poll<()> {
        self.wakers.poll(party, cx, |cx| poll(&mut self.state.lock().unwrap(), cx))
    }

    /// The network brings something; it wakes when nothing is locked, or may.
    fn becomes_readable(&self) {
        let mut state = self.state.lock().unwrap();
        state.readable += 1;
        let waker = state.read_waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    fn becomes_writable(&self) {
        let mut state = self.state.lock().unwrap();
        state.writable += 1;
        // This one wakes while the state is locked.
        let waker = state.write_waker.take();
        waker.into_iter().for_each(Waker::wake);
    }
}

/// Waits for input.
fn read(state: &mut State, cx: &mut Context<'_>) -> (Poll<()>, bool) {
    if state.readable > 0 {
        state.readable -= 1;
        return (Poll::Ready(()), true);
    }
    state.read_waker = Some(cx.waker().clone());
    (Poll::Pending, false)
}

/// Waits for room, and waits for input too as a writer does, which may take that from the reader.
fn write(state: &mut State, cx: &mut Context<'_>) -> (Poll<()>, bool) {
    if state.writable > 0 {
        state.writable -= 1;
        return (Poll::Ready(()), true);
    }
    state.write_waker = Some(cx.waker().clone());
    state.read_waker = Some(cx.waker().clone());
    (Poll::Pending, false)
}

/// Runs the tasks of a connection in every order. Of three tasks there are too many orders: they are interrupted
/// at most three times where they would not wait.
fn model(tasks: &'static [fn(&Arc<Shared>)]) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = (tasks.len() > 2).then_some(3);
    builder.check(|| {
        let shared = Shared::new();
        let (last, others) = tasks.split_last().unwrap();
        let spawn = |task: &'static fn(&Arc<Shared>)| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || task(&shared))
        };
        let threads: Vec<_> = others.iter().map(spawn).collect();
        last(&shared);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn what_the_network_brings_is_not_lost() {
    model(&[|shared| shared.wait(READER, read), |shared| shared.becomes_readable()]);
}

#[test]
fn two_that_wait_for_different_things_are_both_woken() {
    model(&[
        |shared| shared.wait(READER, read),
        |shared| shared.wait(WRITER, write),
        |shared| {
            shared.becomes_readable();
            shared.becomes_writable();
        },
    ]);
}

#[test]
fn what_one_task_changes_wakes_the_other() {
    model(&[
        |shared| {
            shared.wait(READER, |state, _| {
                (if state.queued > 0 { Poll::Ready(()) } else { Poll::Pending }, false)
            });
        },
        |shared| {
            shared.wait(WRITER, |state, _| {
                state.queued += 1;
                (Poll::Ready(()), true)
            });
        },
    ]);
}

/// Each changes something in the poll in which it begins to wait: that alone is no reason to poll again, but what
/// the other has changed meanwhile is.
#[test]
fn two_that_change_something_and_then_wait_for_each_other() {
    fn queue_and_wait(shared: &Arc<Shared>, party: Party) {
        let mut queued = false;
        shared.wait(party, |state, _| {
            let changed = !std::mem::replace(&mut queued, true);
            state.queued += usize::from(changed);
            (if state.queued == 2 { Poll::Ready(()) } else { Poll::Pending }, changed)
        });
    }
    model(&[|shared| queue_and_wait(shared, READER), |shared| queue_and_wait(shared, WRITER)]);
}

#[test]
fn two_changes_at_once_are_both_seen() {
    fn queue(shared: &Arc<Shared>, party: Party) {
        shared.state.lock().unwrap().queued += 1;
        shared.wakers.wake_all_but(Some(party));
    }
    model(&[
        |shared| {
            shared.wait(READER, |state, _| {
                (if state.queued == 2 { Poll::Ready(()) } else { Poll::Pending }, false)
            });
        },
        |shared| queue(shared, WRITER),
        |shared| queue(shared, OTHER),
    ]);
}

/// A party that leaves wakes who waits for that, as a closing writer does for the reader.
#[test]
fn who_leaves_wakes_the_others() {
    model(&[
        |shared| {
            shared.wait(WRITER, |state, _| {
                (if state.queued > 0 { Poll::Ready(()) } else { Poll::Pending }, false)
            });
        },
        |shared| {
            shared.state.lock().unwrap().queued += 1; // its flag
            shared.wakers.leave(READER);
        },
    ]);
}

/// A stream that wakes its task inside the poll, while others wake too.
#[test]
fn who_is_woken_inside_its_poll_is_polled_again() {
    model(&[
        |shared| {
            let mut put_off = false;
            shared.wait(READER, |state, cx| {
                if !std::mem::replace(&mut put_off, true) {
                    cx.waker().wake_by_ref();
                    return (Poll::Pending, false);
                }
                read(state, cx)
            });
        },
        |shared| shared.wait(WRITER, write),
        |shared| {
            shared.becomes_writable();
            shared.becomes_readable();
        },
    ]);
}

/// A party goes from one task to another: the second is woken.
#[test]
fn a_party_may_change_its_task() {
    model(&[
        |shared| {
            let first = shared.poll(READER, &mut Context::from_waker(Waker::noop()), &mut read);
            if first.is_pending() {
                shared.wait(READER, read);
            }
        },
        |shared| shared.becomes_readable(),
    ]);
}
