//! Codecs that no connection needs at the moment, for the next one on this thread.

use std::cell::RefCell;
use zlib_rs::{Deflate, DeflateConfig, Inflate};

/// What two compressors must have in common to stand in for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(super) level: u8,
    /// 9 to 15
    pub(super) window_bits: u8,
}

#[derive(Default)]
struct Pool {
    inflaters: Vec<Inflate>,
    deflaters: Vec<(Shape, Deflate)>,
    scratch: Vec<u8>,
}

/// So many of each kind are kept on each thread.
const KEPT: usize = 8;
/// The most bytes of scratch space that are kept.
pub(crate) const SCRATCH: usize = 64 << 10;

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// While a thread ends it has no pool.
fn with<T>(f: impl FnOnce(&mut Pool) -> T) -> Option<T> {
    POOL.try_with(|pool| f(&mut pool.borrow_mut())).ok()
}

/// A decompressor that has seen nothing.
pub(super) fn inflater() -> Inflate {
    match with(|pool| pool.inflaters.pop()).flatten() {
        Some(mut used) => {
            used.reset(false);
            used
        }
        None => Inflate::new(false, super::MAX_BITS),
    }
}

/// Returns one, in whatever state it is.
pub(super) fn give_inflater(inflater: Inflate) {
    with(|pool| {
        if pool.inflaters.len() < KEPT {
            pool.inflaters.push(inflater);
        }
    });
}

/// A compressor that has seen nothing.
pub(super) fn deflater(shape: Shape) -> Deflate {
    let found = with(|pool| {
        let at = pool.deflaters.iter().rposition(|(other, _)| *other == shape)?;
        Some(pool.deflaters.remove(at).1)
    });
    match found.flatten() {
        Some(mut used) => {
            used.reset();
            used
        }
        None => {
            let mut config = DeflateConfig::new(shape.level.into());
            config.window_bits = -i32::from(shape.window_bits);
            // The buffers shrink with the window: 112 KiB of them for 15 bits, 3.5 KiB for 9.
            config.mem_level = i32::from(shape.window_bits - 6).min(8);
            Deflate::new_with_config(config)
        }
    }
}

/// Returns one, in whatever state it is.
pub(super) fn give_deflater(shape: Shape, deflater: Deflate) {
    with(|pool| {
        if pool.deflaters.len() == KEPT {
            pool.deflaters.remove(0);
        }
        pool.deflaters.push((shape, deflater));
    });
}

/// Space to compress into.
pub(crate) fn scratch() -> Vec<u8> {
    with(|pool| std::mem::take(&mut pool.scratch)).unwrap_or_default()
}

/// Returns it, whatever is in it.
pub(crate) fn give_scratch(scratch: Vec<u8>) {
    if scratch.capacity() <= SCRATCH {
        with(|pool| pool.scratch = scratch);
    }
}
