//! What it costs to know that bytes are text, beside its floors in the same run: `simdutf8`, which does the work,
//! and the standard library's own validation.
//!
//! ```text
//! cargo bench --bench utf8                  # everything, under a minute
//! cargo bench --bench utf8 -- 'utf8 CJK'    # or: 'utf8 ASCII', 'utf8 mixed'
//! ```
//!
//! - `sansocket` pushes a whole text into a new [`Validator`], as is done with a message that came in one piece.
//! - `sansocket, in pieces` pushes it 1 400 bytes at a time, as packets bring it; pieces end inside characters.
//!
//! Compare within one run: the ratios hold on a noisy machine, the nanoseconds do not.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sansocket::utf8::Validator;
use std::hint::black_box;

#[path = "support/settings.rs"]
mod settings;

#[path = "support/text.rs"]
mod text;

const SIZES: [usize; 4] = [64, 1 << 10, 16 << 10, 1 << 20];
const PIECE: usize = 1_400;
/// Characters of one to four bytes, most of them of one.
const MIXED: &str = "Grüße aus Zürich – naïve cafés, 東京 and Ελλάδα, at 20 °C and for 5 €. 🌍 ";

fn validation(criterion: &mut Criterion) {
    for (name, pattern) in [("ASCII", text::ASCII), ("CJK", text::CJK), ("mixed", MIXED)] {
        let mut group = criterion.benchmark_group(format!("utf8 {name}"));
        for size in SIZES {
            group.throughput(Throughput::Bytes(size as u64));
            let text = text::of(pattern, size).into_bytes();

            group.bench_function(BenchmarkId::new("sansocket", size), |bencher| {
                bencher.iter(|| {
                    let mut validator = Validator::new();
                    validator.push(black_box(&text)).is_ok() && validator.is_complete()
                });
            });
            if size > PIECE {
                group.bench_function(BenchmarkId::new("sansocket, in pieces", size), |bencher| {
                    bencher.iter(|| {
                        let mut validator = Validator::new();
                        black_box(&text).chunks(PIECE).all(|piece| validator.push(piece).is_ok())
                            && validator.is_complete()
                    });
                });
            }
            group.bench_function(BenchmarkId::new("floor: simdutf8", size), |bencher| {
                bencher.iter(|| simdutf8::basic::from_utf8(black_box(&text)).is_ok());
            });
            group.bench_function(BenchmarkId::new("std", size), |bencher| {
                bencher.iter(|| str::from_utf8(black_box(&text)).is_ok());
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = settings::criterion();
    targets = validation
}
criterion_main!(benches);
