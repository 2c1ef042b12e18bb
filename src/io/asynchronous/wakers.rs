#[cfg(all(test, sansocket_loom))]
use loom::sync::{Mutex, MutexGuard, atomic::AtomicUsize};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
#[cfg(not(all(test, sansocket_loom)))]
use std::sync::{Mutex, MutexGuard, atomic::AtomicUsize};
use std::task::{Context, Poll, Wake, Waker};

#[cfg(all(test, sansocket_loom))]
mod model;

/// Lets several tasks wait on one connection.
///
/// A transport remembers one waker for each direction, and each task of a connection may have to wait for
/// both. So the transport gets one that all tasks share, and that wakes all who wait.
///
/// A task is registered only when it has to wait. Whatever happens between its poll and its registration is
/// counted, and makes it poll again.
#[derive(Debug)]
pub(super) struct Wakers {
    waiting: Arc<Waiting>,
    /// Wakes all of `waiting`.
    shared: Waker,
}

/// Who waits, and how often there was reason to wake.
#[derive(Debug, Default)]
struct Waiting {
    /// So many times [`EVENT`](Self::EVENT), and [`SOMEBODY`](Self::SOMEBODY) while there are parties: in one number, so
    /// that an event either finds the bit or is found by whoever sets it. Most events find nobody.
    events: AtomicUsize,
    parties: Mutex<Vec<(Party, Waker)>>,
}

/// One of those who wait: it has one task at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Party(pub(super) usize);

impl Wakers {
    pub(super) fn new() -> Self {
        let waiting = Arc::new(Waiting::default());
        Self { shared: Waker::from(Arc::clone(&waiting)), waiting }
    }

    /// Polls for one party, with the waker that all share. `poll` also says whether it has changed something
    /// that others may wait for.
    #[inline]
    pub(super) fn poll<R>(
        &self,
        party: Party,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> (Poll<R>, bool),
    ) -> Poll<R> {
        let mut events = self.waiting.events();
        let (polled, changed) = poll(&mut Context::from_waker(&self.shared));
        if changed {
            self.wake_all_but(Some(party));
            events = events.wrapping_add(Waiting::EVENT); // this one is no reason to poll again
        }
        if polled.is_pending() && self.waiting.register(party, cx.waker()) != events {
            cx.waker().wake_by_ref();
        }
        polled
    }

    /// Something has changed that others may wait for.
    pub(super) fn wake_all_but(&self, polled: Option<Party>) {
        self.waiting.wake_all_but(polled);
    }

    /// The party is gone. What it waited for is for the others to see to.
    pub(super) fn leave(&self, party: Party) {
        self.waiting.parties().retain(|(other, _)| *other != party);
        self.waiting.wake_all_but(None);
    }
}

impl Waiting {
    const SOMEBODY: usize = 1;
    const EVENT: usize = 2;

    /// How many events there have been.
    fn events(&self) -> usize {
        self.events.load(Ordering::Acquire) & !Self::SOMEBODY
    }

    fn parties(&self) -> MutexGuard<'_, Vec<(Party, Waker)>> {
        self.parties.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how many events there were before.
    fn register(&self, party: Party, waker: &Waker) -> usize {
        let mut parties = self.parties();
        match parties.iter_mut().find(|(other, _)| *other == party) {
            Some((_, known)) => known.clone_from(waker),
            None => parties.push((party, waker.clone())),
        }
        self.events.fetch_or(Self::SOMEBODY, Ordering::AcqRel) & !Self::SOMEBODY
    }

    /// Wakes all who wait, but not the party that is just being polled; each registers again if it has to.
    fn wake_all_but(&self, polled: Option<Party>) {
        if self.events.fetch_add(Self::EVENT, Ordering::AcqRel) & Self::SOMEBODY == 0 {
            return;
        }
        let mut parties = self.parties();
        self.events.fetch_and(!Self::SOMEBODY, Ordering::AcqRel);
        // A waker may drop its task, and with it a party: so none is woken, or dropped, while this is locked.
        let mut woken = std::mem::take(&mut *parties);
        drop(parties);
        for (party, waker) in woken.drain(..) {
            if Some(party) != polled {
                waker.wake();
            }
        }
        let mut parties = self.parties();
        if parties.capacity() == 0 {
            *parties = woken; // its memory is for the next who wait
        }
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_all_but(None);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all_but(None);
    }
}
