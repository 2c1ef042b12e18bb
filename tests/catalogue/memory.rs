//! What the current thread holds on the heap.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    /// Bytes that this thread has allocated and not freed. What another thread frees counts there.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    /// Larger allocations fail.
    static LARGEST: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The system's allocator, counted.
struct Counting;

/// Bytes that are allocated at the moment.
pub(crate) fn live() -> usize {
    usize::try_from(LIVE.get().max(0)).unwrap()
}

/// The most bytes that `work` needed at a time.
pub(crate) fn peak<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = work();
    (result, usize::try_from(PEAK.get() - before).unwrap())
}

/// Runs `work` on a machine that has no more than so many bytes in one piece.
pub(crate) fn with_no_more_than<R>(bytes: usize, work: impl FnOnce() -> R) -> R {
    LARGEST.set(bytes);
    let result = work();
    LARGEST.set(usize::MAX);
    result
}

fn count(allocated: usize, freed: usize) {
    let by = isize::try_from(allocated).unwrap_or(isize::MAX) - isize::try_from(freed).unwrap_or(isize::MAX);
    LIVE.set(LIVE.get() + by);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

#[expect(unsafe_code, reason = "an allocator is unsafe by nature; this one hands everything to the system's")]
// SAFETY: every pointer comes from `System` and goes to it, with the same layout; null is a legal answer.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST.get() {
            return ptr::null_mut();
        }
        count(layout.size(), 0);
        // SAFETY: the caller's promise is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST.get() {
            return ptr::null_mut();
        }
        count(layout.size(), 0);
        // SAFETY: the caller's promise is that of `System`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > LARGEST.get() {
            return ptr::null_mut();
        }
        count(size, layout.size());
        // SAFETY: the caller's promise is that of `System`.
        unsafe { System.realloc(ptr, layout, size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promise is that of `System`.
        unsafe { System.dealloc(ptr, layout) }
    }
}
