//! The work of each parser grows as its input does, and no faster: from 1 KiB to 16 MiB, whole and in pieces of
//! one byte.
//!
//! Work is counted in instructions, by valgrind's callgrind, so that neither the machine nor its load matters. A
//! test runs itself again under it: there it makes the input of each size, and what it then does is counted. Where
//! there is no valgrind the work is done and nothing is counted, unless `SANSOCKET_CALLGRIND` is set: then that
//! is a failure. `cargo test --test linear -- --nocapture` prints the numbers.
//!
//! Pieces of one byte end at 256 KiB or 1 MiB, where 16 MiB would take minutes: callgrind is some fifty times slower
//! than the processor. With `SANSOCKET_CALLGRIND=all` they go on to 16 MiB. Heads end at their limit of 16 KiB, behind
//! which the work must not grow at all. SOCKS is not
//! here, because an answer of its has at most 262 bytes; headers of frames and Close frames have 14 and 125.

use std::env;
use support::callgrind::{self, Work, do_what_is_counted};

/// A test for each row: for inputs of these sizes, what is to be done with one.
macro_rules! rows {
    ($($row:ident { $growth:expr => $make:expr; })*) => {$(
        #[test]
        fn $row() {
            crate::check(concat!(module_path!(), "::", stringify!($row)), &$growth, $make);
        }
    )*};
}

#[cfg(feature = "deflate")]
#[path = "linear/compression.rs"]
mod compression;
#[path = "linear/frames.rs"]
mod frames;
#[path = "linear/handshakes.rs"]
mod handshakes;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// How the work may grow over these sizes of the input, in bytes or whatever else there are many of.
enum Growth {
    /// As the input does.
    Linear(&'static [usize]),
    /// Not at all: what is behind a limit is not looked at.
    Bounded(&'static [usize]),
}

impl Growth {
    /// The sizes, up to 16 MiB if that was asked for and the row is about so many single bytes.
    fn sizes(&self, test: &str) -> Vec<usize> {
        let (Self::Linear(sizes) | Self::Bounded(sizes)) = *self;
        let mut sizes = sizes.to_vec();
        let is_long = test.contains("in_bytes") && sizes.iter().any(|&size| size >= 256 * KIB);
        if is_long && env::var_os("SANSOCKET_CALLGRIND").is_some_and(|which| which == "all") {
            sizes.extend([4 * MIB, 16 * MIB]);
            sizes.sort_unstable();
            sizes.dedup();
        }
        sizes
    }
}

fn check(test: &str, growth: &Growth, make: fn(usize) -> Work) {
    let sizes = &growth.sizes(test)[..];
    if callgrind::is_counted() || !callgrind::can_count() {
        sizes.iter().for_each(|&size| do_what_is_counted(make(size)));
        if !callgrind::is_counted() {
            eprintln!("{test}: nothing is counted, because there is no valgrind");
        }
        return;
    }
    let name = test.strip_prefix("linear::").unwrap();
    let counts = callgrind::instructions(&["--exact", name, "--test-threads=1"], sizes.len());
    for (size, count) in sizes.iter().zip(&counts) {
        eprintln!("{test}: {size:>9}: {count:>12} instructions, {:8.3} each", *count as f64 / *size as f64);
        assert!(*count > 100, "{test}: this is no work");
    }
    for (size, count) in sizes.windows(2).zip(counts.windows(2)) {
        let times = match growth {
            Growth::Linear(_) => size[1] as f64 / size[0] as f64,
            Growth::Bounded(_) => 1.0,
        };
        let grew = count[1] as f64 / count[0] as f64;
        assert!(grew <= times * 1.1, "{test}: from {} to {} the work grew {grew:.2} times", size[0], size[1]);
    }
}
