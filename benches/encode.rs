//! What sending costs, a message at a time, beside its floors in the same run.
//!
//! ```text
//! cargo bench --bench encode                       # everything, under a minute
//! cargo bench --bench encode -- 'encode server'    # or: 'encode client'
//! ```
//!
//! A message is queued, and the output taken as a socket with room would take it, at once and whole.
//!
//! - `slice` sends `&[u8]`, `str` sends `&str` (nothing looks at the text, so its characters do not
//!   matter).
//! - `Bytes` sends a clone of the same `Bytes`, as whoever sends one message to many does; the clone and
//!   its drop are part of the measure. From 4 KiB on a server does not copy them.
//! - `own Bytes`, large and from a client: nobody else holds them, so they are masked where they are.
//! - `floor: memcpy` and `floor: mask::copy` bring the same payload to a buffer and do no more.
//!
//! Compare within one run: the ratios hold on a noisy machine, the nanoseconds do not.

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sansocket::frame::mask;
use sansocket::{Config, Connection, Role};
use std::hint::black_box;

use drain::drain;

#[path = "support/drain.rs"]
mod drain;

#[path = "support/settings.rs"]
mod settings;

const SIZES: [usize; 7] = [8, 64, 125, 1 << 10, 16 << 10, 256 << 10, 1 << 20];
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn server(criterion: &mut Criterion) {
    sending(criterion, "encode server", Role::Server);
}

fn client(criterion: &mut Criterion) {
    sending(criterion, "encode client", Role::Client);
}

fn sending(criterion: &mut Criterion, name: &str, role: Role) {
    let mut group = criterion.benchmark_group(name);
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let mut connection = Connection::new(role, Config::new());
        let payload = vec![b'a'; size];
        let bytes = Bytes::from(payload.clone());
        let mut target = vec![0; size];

        group.bench_function(BenchmarkId::new("slice", size), |bencher| {
            bencher.iter(|| {
                connection.send(black_box(payload.as_slice())).unwrap();
                drain(&mut connection);
            });
        });
        group.bench_function(BenchmarkId::new("str", size), |bencher| {
            let text = str::from_utf8(&payload).unwrap();
            bencher.iter(|| {
                connection.send(black_box(text)).unwrap();
                drain(&mut connection);
            });
        });
        group.bench_function(BenchmarkId::new("Bytes", size), |bencher| {
            bencher.iter(|| {
                connection.send(black_box(&bytes).clone()).unwrap();
                drain(&mut connection);
            });
        });
        if role == Role::Client && size > 4 << 10 {
            group.bench_function(BenchmarkId::new("own Bytes", size), |bencher| {
                let send = |payload: Vec<u8>| {
                    connection.send(payload).unwrap();
                    drain(&mut connection);
                };
                bencher.iter_batched(|| payload.clone(), send, BatchSize::PerIteration);
            });
        }
        match role {
            Role::Server => group.bench_function(BenchmarkId::new("floor: memcpy", size), |bencher| {
                bencher.iter(|| black_box(&mut target).copy_from_slice(black_box(&payload)));
            }),
            Role::Client => group.bench_function(BenchmarkId::new("floor: mask::copy", size), |bencher| {
                bencher.iter(|| mask::copy(black_box(&payload), black_box(&mut target), black_box(KEY)));
            }),
        };
    }
}

criterion_group! {
    name = benches;
    config = settings::criterion();
    targets = server, client
}
criterion_main!(benches);
