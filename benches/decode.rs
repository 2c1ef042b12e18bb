//! What receiving costs, a message at a time, beside its floors in the same run.
//!
//! ```text
//! cargo bench --bench decode                       # everything, under two minutes
//! cargo bench --bench decode -- 'decode server'    # or: 'decode client', 'decode large'
//! ```
//!
//! A connection is fed as by a socket that always has more: what the peer sends is framed beforehand,
//! and each read copies of it what fits [`input`](Connection::input). Then events are polled until there
//! are none. The copy is part of what is measured, except in `decode large`, which stops the clock for
//! it.
//!
//! - `lent` looks at each event and drops it; `owned` calls [`Event::into_message`] first.
//! - `floor: read` is the copy alone, `floor: mask` the masking kernel alone on bytes that lie in the
//!   cache, `floor: read, mask` the one after the other, a read at a time; `floor: validate` is
//!   `simdutf8` alone. Text has to pay for all of them.
//!
//! Compare within one run: the ratios hold on a noisy machine, the nanoseconds do not.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sansocket::frame::mask;
use sansocket::{Config, Connection, Event, Role};
use std::hint::black_box;
use std::time::{Duration, Instant};

use look::look;
use wire::{Content, Wire};

#[path = "support/look.rs"]
mod look;

#[path = "support/text.rs"]
mod text;

#[path = "support/wire.rs"]
mod wire;

#[path = "support/settings.rs"]
mod settings;

const SIZES: [usize; 7] = [8, 64, 125, 1 << 10, 16 << 10, 256 << 10, 1 << 20];
const CLIENT_SIZES: [usize; 4] = [8, 125, 16 << 10, 1 << 20];
const LARGE_SIZES: [usize; 3] = [64 << 10, 256 << 10, 1 << 20];
/// The most that a read takes while nothing large is on its way.
const READ: usize = 64 << 10;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn server(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode server");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        for content in Content::ALL {
            lent(&mut group, Role::Server, content, size);
            owned(&mut group, Role::Server, content, size);
        }
        floors(&mut group, size);

        let mut payload = vec![0x5a; size];
        group.bench_function(BenchmarkId::new("floor: mask", size), |bencher| {
            bencher.iter(|| mask::apply(black_box(&mut payload), black_box(KEY)));
        });
        let mut reads = Reads::new(size);
        group.bench_function(BenchmarkId::new("floor: read, mask", size), |bencher| {
            bencher.iter(|| mask::apply(reads.next(), black_box(KEY)));
        });
    }
}

fn client(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode client");
    for size in CLIENT_SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        for content in Content::ALL {
            lent(&mut group, Role::Client, content, size);
        }
        owned(&mut group, Role::Client, Content::Binary, size);
        floors(&mut group, size);
    }
}

/// A large frame without the read that brings it, beside the masking kernel on bytes that were read in
/// the same way.
fn large(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode large");
    for size in LARGE_SIZES {
        group.throughput(Throughput::Bytes(size as u64));

        for content in Content::ALL {
            let mut peer = Peer::new(Role::Server, content, size);
            group.bench_function(BenchmarkId::new(format!("lent {content}"), size), |bencher| {
                bencher.iter_custom(|messages| {
                    let start = Instant::now();
                    let mut reading = Duration::ZERO;
                    for _ in 0..messages {
                        while !peer.poll(look) {
                            reading += peer.read();
                        }
                    }
                    start.elapsed().saturating_sub(reading)
                });
            });
        }
        let mut reads = Reads::new(size);
        group.bench_function(BenchmarkId::new("floor: mask", size), |bencher| {
            bencher.iter_custom(|messages| {
                let mut masking = Duration::ZERO;
                for _ in 0..messages {
                    let payload = reads.next();
                    let start = Instant::now();
                    mask::apply(payload, black_box(KEY));
                    masking += start.elapsed();
                }
                masking
            });
        });
    }
}

fn lent(group: &mut BenchmarkGroup<'_, WallTime>, role: Role, content: Content, size: usize) {
    let mut peer = Peer::new(role, content, size);
    group.bench_function(BenchmarkId::new(format!("lent {content}"), size), |bencher| {
        bencher.iter(|| peer.next(look));
    });
}

fn owned(group: &mut BenchmarkGroup<'_, WallTime>, role: Role, content: Content, size: usize) {
    let mut peer = Peer::new(role, content, size);
    group.bench_function(BenchmarkId::new(format!("owned {content}"), size), |bencher| {
        bencher.iter(|| peer.next(|event| drop(black_box(event.into_message()))));
    });
}

/// What is the same for both roles: the read, and the look at text.
fn floors(group: &mut BenchmarkGroup<'_, WallTime>, size: usize) {
    let mut reads = Reads::new(size);
    group.bench_function(BenchmarkId::new("floor: read", size), |bencher| {
        bencher.iter(|| reads.next().len());
    });
    for content in [Content::Ascii, Content::Cjk] {
        let text = content.payload(size);
        group.bench_function(BenchmarkId::new(format!("floor: validate {content}"), size), |bencher| {
            bencher.iter(|| simdutf8::basic::from_utf8(black_box(&text)).is_ok());
        });
    }
}

/// A connection, and what its peer sends.
struct Peer {
    connection: Connection,
    wire: Wire,
}

impl Peer {
    fn new(receiver: Role, content: Content, size: usize) -> Self {
        let sender = match receiver {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        Self { connection: Connection::new(receiver, Config::new()), wire: Wire::new(sender, content, size) }
    }

    /// Receives one message.
    #[inline(always)]
    fn next(&mut self, take: impl Fn(Event<'_>)) {
        while !self.poll(&take) {
            let n = self.wire.read(self.connection.input());
            self.connection.filled(n).unwrap();
        }
    }

    #[inline(always)]
    fn poll(&mut self, take: impl Fn(Event<'_>)) -> bool {
        self.connection.poll_event().unwrap().map(take).is_some()
    }

    /// Reads once, and says how long the copy took.
    fn read(&mut self) -> Duration {
        let room = self.connection.input();
        let start = Instant::now();
        let n = self.wire.read(room);
        let taken = start.elapsed();
        self.connection.filled(n).unwrap();
        taken
    }
}

/// What is read, without a connection: one payload behind another.
struct Reads {
    wire: Wire,
    buffer: Vec<u8>,
    next: usize,
    size: usize,
}

impl Reads {
    fn new(size: usize) -> Self {
        let wire = Wire::new(Role::Client, Content::Binary, size);
        let buffer = vec![0; READ.max(wire.frame_len())];
        Self { wire, next: buffer.len(), buffer, size }
    }

    #[inline(always)]
    fn next(&mut self) -> &mut [u8] {
        if self.buffer.len() - self.next < self.wire.frame_len() {
            self.next = 0;
            let mut filled = 0;
            while filled < self.buffer.len() {
                filled += self.wire.read(&mut self.buffer[filled..]);
            }
        }
        self.next += self.wire.frame_len();
        black_box(&mut self.buffer[self.next - self.size..self.next])
    }
}

criterion_group! {
    name = benches;
    config = settings::criterion();
    targets = server, client, large
}
criterion_main!(benches);
