//! An allocator that counts. A test that uses it says so:
//! `#[global_allocator] static ALLOCATOR: Counting = Counting;`
#![expect(unsafe_code, reason = "a global allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

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

thread_local! {
    static HEAP: Cell<Heap> = const { Cell::new(Heap { allocations: 0, bytes: 0, peak: 0, peak_when_moving: 0 }) };
}

/// `old` bytes become `new` bytes.
fn count(old: usize, new: usize) {
    let mut heap = HEAP.get();
    heap.allocations += u64::from(new > 0);
    heap.peak_when_moving = heap.peak_when_moving.max(heap.bytes + new);
    // A thread may free what another has allocated.
    heap.bytes = (heap.bytes + new).saturating_sub(old);
    heap.peak = heap.peak.max(heap.bytes);
    HEAP.set(heap);
}

// SAFETY: each call is passed on to `System` as it is, and its result comes back as it is. `count` touches
// a `Cell` without a destructor and never allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(0, layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(0, layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(layout.size(), new_size);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(old, layout, new_size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }
}

/// How many bytes this thread has allocated now; 0 without the allocator.
pub(crate) fn live() -> usize {
    HEAP.get().bytes
}

/// What `work` allocates, and the bytes on top of those that were there before.
pub(crate) fn heap_of(work: impl FnOnce()) -> Heap {
    let Heap { bytes: before, .. } = HEAP.get();
    HEAP.set(Heap { bytes: before, peak: before, peak_when_moving: before, ..Heap::default() });
    work();
    let heap = HEAP.get();
    Heap {
        bytes: heap.bytes.saturating_sub(before),
        peak: heap.peak - before,
        peak_when_moving: heap.peak_when_moving - before,
        ..heap
    }
}
