//! The system's allocator, which counts on demand. While nothing is counted an allocation costs one relaxed load and
//! one branch more than without, and a deallocation nothing: the libraries that do the same count always, with locked
//! additions or without `calloc` and `realloc`.
#![expect(unsafe_code, reason = "an allocator cannot be implemented without; each call is the caller's own")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static IS_ON: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// How many allocations the work takes, and how many bytes they have. To grow one is to allocate all of it.
pub(crate) fn count<T>(work: impl FnOnce() -> T) -> (T, [usize; 2]) {
    let before = [&ALLOCATIONS, &BYTES].map(|count| count.load(Relaxed));
    IS_ON.store(true, Relaxed);
    let done = work();
    IS_ON.store(false, Relaxed);
    let [allocations, bytes] = before;
    (done, [ALLOCATIONS.load(Relaxed) - allocations, BYTES.load(Relaxed) - bytes])
}

#[inline]
fn note(bytes: usize) {
    if IS_ON.load(Relaxed) {
        ALLOCATIONS.fetch_add(1, Relaxed);
        BYTES.fetch_add(bytes, Relaxed);
    }
}

// SAFETY: whatever is asked for, `System` does, and returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller's.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}
