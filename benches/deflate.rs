//! What compression costs (permessage-deflate, RFC 7692), a message at a time, beside `zlib-rs` alone on the same
//! bytes in the same run.
//!
//! ```text
//! cargo bench --features deflate --bench deflate               # everything, under two minutes
//! cargo bench --features deflate --bench deflate -- 'send'     # or: 'receive', 'broadcast', 'JSON'
//! ```
//!
//! Messages are 1 KiB of JSON, 64 KiB of prose, and 1 and 64 KiB that cannot be compressed. Each message is another.
//! What is sent is taken from the output at once; what is received was compressed and framed beforehand, and is fed
//! and polled as in `decode.rs`. Windows are the largest. The bytes on the wire stand before the rows of each
//! corpus.
//!
//! - `floor: zlib-rs` compresses, or decompresses, the same bytes by the same parameters with one call for each
//!   message, into memory that is there. Without context takeover that includes the reset.
//! - A server receives masked frames, and sends unmasked ones; a client's rows are there for one kind only.
//! - `broadcast` sends 1 KiB of JSON to 1 000 connections, another at each turn.
//!
//! Compare within one run: the ratios hold on a noisy machine, the nanoseconds do not.

use bytes::Buf;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use sansocket::{Agreement, Config, Connection, Deflate, Message, PreparedMessage, Role};
use std::hint::black_box;
use zlib_rs::{DeflateConfig, DeflateFlush, Inflate, InflateFlush};

use corpus::Corpus;
use drain::drain;
use look::look;

#[path = "support/corpus.rs"]
mod corpus;

#[path = "support/drain.rs"]
mod drain;

#[path = "support/look.rs"]
mod look;

#[path = "support/settings.rs"]
mod settings;

/// How hard to try, and whether messages may refer to those before them.
#[derive(Clone, Copy)]
struct Way {
    level: u8,
    takeover: bool,
}

const WAYS: [Way; 4] = [
    Way { level: 1, takeover: true },
    Way { level: 1, takeover: false },
    Way { level: 6, takeover: true },
    Way { level: 6, takeover: false },
];
const MEMBERS: usize = 1_000;

fn send(criterion: &mut Criterion) {
    for corpus in Corpus::all() {
        for way in WAYS {
            let mut group = group(criterion, "send", &corpus, way);
            sending(&mut group, "server", Role::Server, &corpus, way);
            if way.level == 1 && way.takeover {
                sending(&mut group, "client", Role::Client, &corpus, way);
            }
            let mut stream = compressor(way);
            let mut next = corpus.messages.iter().cycle();
            let mut room = vec![0; ROOM];
            group.bench_function("floor: zlib-rs", |bencher| {
                bencher.iter(|| deflate(&mut stream, way, next.next().unwrap().as_bytes(), &mut room));
            });
        }
    }
}

fn receive(criterion: &mut Criterion) {
    for corpus in Corpus::all() {
        for way in WAYS {
            let mut group = group(criterion, "receive", &corpus, way);
            receiving(&mut group, "server", Role::Server, &corpus, way);
            if way.level == 1 && way.takeover {
                receiving(&mut group, "client", Role::Client, &corpus, way);
            }
            let payloads = payloads(&corpus, way);
            let mut stream = Inflate::new(false, 15);
            let mut next = payloads.iter().cycle();
            let mut room = vec![0; ROOM];
            group.bench_function("floor: zlib-rs", |bencher| {
                bencher.iter(|| inflate(&mut stream, way, next.next().unwrap(), &mut room));
            });
        }
    }
}

fn broadcast(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("broadcast");
    group.throughput(Throughput::Elements(MEMBERS as u64));
    let corpus = Corpus::json();
    let mut texts = corpus.messages.iter().filter_map(Message::as_text).cycle();
    let mut row = |name: &str, way: Option<Way>, send: fn(&mut [Connection], &str)| {
        let member = || match way {
            Some(way) => connection(Role::Server, way),
            None => Connection::new(Role::Server, Config::new()),
        };
        let mut members: Vec<_> = std::iter::repeat_with(member).take(MEMBERS).collect();
        group.bench_function(name, |bencher| bencher.iter(|| send(&mut members, texts.next().unwrap())));
    };
    let [takeover, alone, ..] = WAYS;
    row("prepared, compressed", Some(takeover), broadcast_prepared);
    row("prepared, not compressed", None, broadcast_prepared);
    row("each by itself, takeover", Some(takeover), broadcast_each);
    row("each by itself, no takeover", Some(alone), broadcast_each);
    row("each by itself, not compressed", None, broadcast_each);
}

fn broadcast_prepared(members: &mut [Connection], text: &str) {
    let message = PreparedMessage::text(text);
    for member in members {
        member.send_prepared(&message).unwrap();
        drain(member);
    }
}

fn broadcast_each(members: &mut [Connection], text: &str) {
    for member in members {
        member.send(text).unwrap();
        drain(member);
    }
}

/// The rows of a corpus, after what becomes of it on the wire.
fn group<'a>(
    criterion: &'a mut Criterion,
    name: &str,
    corpus: &Corpus,
    way: Way,
) -> BenchmarkGroup<'a, WallTime> {
    let takeover = if way.takeover { "takeover" } else { "no takeover" };
    let name = format!("{name} {}, level {}, {takeover}", corpus.name, way.level);
    println!(
        "{name}: {:.3} of its bytes",
        frames(Role::Server, corpus, way).len() as f64 / corpus.len() as f64
    );
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(corpus.messages[0].len() as u64));
    group
}

fn sending(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, role: Role, corpus: &Corpus, way: Way) {
    let mut connection = connection(role, way);
    let mut next = corpus.messages.iter().cycle();
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            connection.send(black_box(next.next().unwrap())).unwrap();
            drain(&mut connection);
        });
    });
}

fn receiving(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, role: Role, corpus: &Corpus, way: Way) {
    let sender = if role == Role::Server { Role::Client } else { Role::Server };
    let mut peer = Peer { connection: connection(role, way), frames: frames(sender, corpus, way), next: 0 };
    group.bench_function(name, |bencher| bencher.iter(|| peer.next_message()));
}

fn connection(role: Role, way: Way) -> Connection {
    let deflate = Deflate::new()
        .level(way.level)
        .server_no_context_takeover(!way.takeover)
        .client_no_context_takeover(!way.takeover);
    let agreement = Agreement::new().with_deflate(deflate.params());
    Connection::with_seed(role, Config::new().deflate(deflate), agreement, [7; 32])
}

/// All messages of a corpus as they are sent. The first refers to nothing, so that it may follow the last.
fn frames(sender: Role, corpus: &Corpus, way: Way) -> Vec<u8> {
    let mut connection = connection(sender, way);
    let mut frames = Vec::new();
    for message in &corpus.messages {
        connection.send(message).unwrap();
        let output = connection.output();
        while output.has_remaining() {
            let n = output.chunk().len();
            frames.extend_from_slice(output.chunk());
            output.advance(n);
        }
    }
    frames
}

/// A connection, and what its peer sends, over and over.
struct Peer {
    connection: Connection,
    frames: Vec<u8>,
    next: usize,
}

impl Peer {
    #[inline(always)]
    fn next_message(&mut self) {
        while self.connection.poll_event().unwrap().map(look).is_none() {
            self.read();
        }
    }

    fn read(&mut self) {
        let (room, rest) = (self.connection.input(), &self.frames[self.next..]);
        let n = rest.len().min(room.len());
        room[..n].copy_from_slice(&rest[..n]);
        self.next = if n == rest.len() { 0 } else { self.next + n };
        self.connection.filled(n).unwrap();
    }
}

/// More than any message becomes, either way.
const ROOM: usize = 80 << 10;

/// `zlib-rs` as the crate sets it up.
fn compressor(way: Way) -> zlib_rs::Deflate {
    let mut config = DeflateConfig::new(way.level.into());
    config.window_bits = -15;
    config.mem_level = 8;
    zlib_rs::Deflate::new_with_config(config)
}

/// Compresses a message, and says how long it became.
#[inline(always)]
fn deflate(stream: &mut zlib_rs::Deflate, way: Way, message: &[u8], room: &mut [u8]) -> usize {
    if !way.takeover {
        stream.reset();
    }
    let before = stream.total_out();
    stream.compress(black_box(message), room, DeflateFlush::SyncFlush).unwrap();
    black_box(&*room);
    usize::try_from(stream.total_out() - before).unwrap()
}

/// All messages of a corpus, compressed, each with the end of its flush.
fn payloads(corpus: &Corpus, way: Way) -> Vec<Vec<u8>> {
    let (mut stream, mut room) = (compressor(way), vec![0; ROOM]);
    let mut payload = |message: &Message| {
        let n = deflate(&mut stream, way, message.as_bytes(), &mut room);
        room[..n].to_vec()
    };
    corpus.messages.iter().map(&mut payload).collect()
}

#[inline(always)]
fn inflate(stream: &mut Inflate, way: Way, payload: &[u8], room: &mut [u8]) {
    if !way.takeover {
        stream.reset(false);
    }
    stream.decompress(black_box(payload), room, InflateFlush::NoFlush).unwrap();
    black_box(&*room);
}

criterion_group! {
    name = benches;
    config = settings::criterion();
    targets = send, receive, broadcast
}
criterion_main!(benches);
