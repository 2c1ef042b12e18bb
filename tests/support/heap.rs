//! An allocator that counts. A test that uses it says so:
//! `#[global_allocator] static ALLOCATOR: Counting = Counting;`
#![expect(unsafe_code, reason = "a global allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

/// Counts what its thread allocates, so that tests may run beside each other.
pub(crate) struct Counting;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heap {
    /// Allocations and reallocations so far.
    pub(crate) allocations: u64,
    /// Bytes allocated now.
    pub(crate) bytes: usize,
    /// The most there ever were.
    pub(crate) peak: usize,
    /// The most there ever were if each reallocation moves, so that both places exist for a moment.
    pub(crate) peak_when_moving: usize,
}

/// Of one thread, in bytes. A thread may free what another has allocated.
#[derive(Clone, Copy)]
struct Counts {
    allocations: u64,
    live: isize,
    /// How much of it is [`aside`].
    aside: isize,
    is_aside: bool,
    /// The most of what is not.
    peak: isize,
    peak_when_moving: isize,
    /// Larger allocations fail.
    largest: usize,
}

impl Counts {
    const NONE: Self = Self {
        allocations: 0,
        live: 0,
        aside: 0,
        is_aside: false,
        peak: 0,
        peak_when_moving: 0,
        largest: usize::MAX,
    };

    const fn counted(&self) -> isize {
        self.live - self.aside
    }
}

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(Counts::NONE) };
}

/// `old` bytes become `new` bytes, unless there is no room for so many.
fn count(old: usize, new: usize) -> bool {
    let mut counts = COUNTS.get();
    if new > counts.largest {
        return false;
    }
    let bytes = |n| isize::try_from(n).unwrap_or(isize::MAX);
    counts.allocations += u64::from(new > 0);
    counts.live += bytes(new) - bytes(old);
    if counts.is_aside {
        counts.aside += bytes(new) - bytes(old);
    }
    counts.peak = counts.peak.max(counts.counted());
    counts.peak_when_moving = counts.peak_when_moving.max(counts.counted() + bytes(old));
    COUNTS.set(counts);
    true
}

// SAFETY: each call is passed on to `System` as it is, and its result comes back as it is; or it fails, for which null
// is the answer. `count` touches a `Cell` without a destructor and never allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !count(0, layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !count(0, layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if !count(layout.size(), new_size) {
            return ptr::null_mut();
        }
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(old, layout, new_size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }
}

/// Bytes that this thread has allocated and nobody has freed.
pub(crate) fn live() -> usize {
    usize::try_from(COUNTS.get().live).unwrap_or_default()
}

/// What `work` allocates, and the bytes on top of those that were there before.
pub(crate) fn heap_of(work: impl FnOnce()) -> Heap {
    measure(work).1
}

/// What `work` allocates beside its result.
pub(crate) fn peak<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let (result, heap) = measure(work);
    (result, heap.peak)
}

pub(crate) fn measure<R>(work: impl FnOnce() -> R) -> (R, Heap) {
    let counts = COUNTS.get();
    let before = counts.counted();
    COUNTS.set(Counts { allocations: 0, peak: before, peak_when_moving: before, ..counts });
    let result = work();
    let counts = COUNTS.get();
    let above = |bytes: isize| usize::try_from(bytes - before).unwrap_or_default();
    let heap = Heap {
        allocations: counts.allocations,
        bytes: above(counts.counted()),
        peak: above(counts.peak),
        peak_when_moving: above(counts.peak_when_moving),
    };
    (result, heap)
}

/// Runs `work` on a machine that has no more than so many bytes in one piece.
pub(crate) fn with_no_more_than<R>(bytes: usize, work: impl FnOnce() -> R) -> R {
    COUNTS.set(Counts { largest: bytes, ..COUNTS.get() });
    let result = work();
    COUNTS.set(Counts { largest: usize::MAX, ..COUNTS.get() });
    result
}

/// What a test keeps for itself while something else is measured: it counts for nobody.
pub(crate) fn aside<R>(work: impl FnOnce() -> R) -> R {
    let before = COUNTS.get().is_aside;
    COUNTS.set(Counts { is_aside: true, ..COUNTS.get() });
    let result = work();
    COUNTS.set(Counts { is_aside: before, ..COUNTS.get() });
    result
}

/// What one thing holds of the heap: what is allocated and not freed while it works.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    held: isize,
}

impl Meter {
    /// Lets it work. Returns also the most bytes that it held.
    pub(crate) fn of<R>(&mut self, work: impl FnOnce() -> R) -> (R, usize) {
        let counts = COUNTS.get();
        let before = counts.counted();
        COUNTS.set(Counts { peak: before, ..counts });
        let result = work();
        let after = COUNTS.get();
        COUNTS.set(Counts { peak: after.peak.max(counts.peak), ..after });
        let most = self.held + after.peak - before;
        // It may free what it was given.
        self.held = (self.held + after.counted() - before).max(0);
        (result, usize::try_from(most).unwrap_or_default())
    }
}
