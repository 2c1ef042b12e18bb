//! How fast masking is, beside its floors in the same run: `memcpy` of the same bytes to another
//! buffer, and the XOR loop over `u64` that one would write first.
//!
//! ```text
//! cargo bench --bench mask                  # everything, under a minute
//! cargo bench --bench mask -- 'in place'    # or: copying
//! ```
//!
//! Payloads stand as a read leaves them in a receive buffer: one behind another, each after a header of
//! six bytes, the first at offset 6 of a cache line. A pass takes the next one each time, so small
//! payloads stand at all alignments, and no pass waits for the stores of the one before. Compare
//! within one run: the ratios hold on a noisy machine, the nanoseconds do not.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sansocket::frame::mask;
use std::hint::black_box;
use std::ops::Range;

#[path = "support/settings.rs"]
mod settings;

const SIZES: [usize; 7] = [8, 64, 125, 1 << 10, 16 << 10, 256 << 10, 1 << 20];
const HEADER: usize = 6;
const READ: usize = 16 << 10;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn in_place(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("in place");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let (mut payloads, mut other) = (Payloads::new(size), Payloads::new(size));

        group.bench_function(BenchmarkId::new("sansocket", size), |bencher| {
            bencher.iter(|| mask::apply(payloads.advance(), black_box(KEY)));
        });
        group.bench_function(BenchmarkId::new("memcpy", size), |bencher| {
            bencher.iter(|| other.advance().copy_from_slice(payloads.advance()));
        });
        group.bench_function(BenchmarkId::new("u64 loop", size), |bencher| {
            bencher.iter(|| u64_loop(payloads.advance(), black_box(KEY)));
        });
    }
}

fn copying(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("copying");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let (mut source, mut target) = (Payloads::new(size), Payloads::new(size));

        group.bench_function(BenchmarkId::new("sansocket", size), |bencher| {
            bencher.iter(|| mask::copy(source.advance(), target.advance(), black_box(KEY)));
        });
        group.bench_function(BenchmarkId::new("memcpy", size), |bencher| {
            bencher.iter(|| target.advance().copy_from_slice(source.advance()));
        });
        group.bench_function(BenchmarkId::new("u64 loop", size), |bencher| {
            bencher.iter(|| {
                let target = target.advance();
                target.copy_from_slice(source.advance());
                u64_loop(target, black_box(KEY));
            });
        });
    }
}

fn u64_loop(payload: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let key = [a, b, c, d, a, b, c, d];
    let (words, rest) = payload.as_chunks_mut();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ u64::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// A read's worth of payloads of one size.
struct Payloads {
    bytes: Vec<u8>,
    first: usize,
    next: Range<usize>,
}

impl Payloads {
    fn new(size: usize) -> Self {
        let bytes = vec![0x5a; 64 + READ.max(HEADER + size)];
        let first = bytes.as_ptr().align_offset(64) + HEADER;
        Self { bytes, first, next: first..first + size }
    }

    fn advance(&mut self) -> &mut [u8] {
        let payload = self.next.clone();
        let start = payload.end + HEADER;
        self.next = start..start + payload.len();
        if self.next.end > self.bytes.len() {
            self.next = self.first..self.first + payload.len();
        }
        black_box(&mut self.bytes[payload])
    }
}

criterion_group! {
    name = benches;
    config = settings::criterion();
    targets = in_place, copying
}
criterion_main!(benches);
