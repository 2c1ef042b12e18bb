//! What the opening handshake costs either side, without the network, beside the one thing in it that
//! has to be computed: SHA-1 and base64 of the key.
//!
//! ```text
//! cargo bench --bench handshake    # a few seconds
//! ```
//!
//! The request is one that a browser sends, with 12 header fields. The server reads it and has a
//! connection whose output begins with the 101 response. The client writes its request, reads that
//! response and has a connection; its nonce is given, because to ask the operating system for one takes
//! a system call.
//!
//! Compare within one run: the ratios hold on a noisy machine, the nanoseconds do not.

use bytes::Buf;
use criterion::{Criterion, criterion_group, criterion_main};
use sansocket::handshake::{accept_key, client, server};
use sansocket::{Config, Connection};
use std::hint::black_box;
use std::sync::Arc;

use browser::REQUEST;

#[path = "support/browser.rs"]
mod browser;

#[path = "support/settings.rs"]
mod settings;

const KEY: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";
const NONCE: [u8; 16] = *b"the sample nonce";

fn handshake(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    let options = Arc::new(server::Options::new());
    group.bench_function("server", |bencher| bencher.iter(|| accept(&options, black_box(REQUEST))));

    let request = client::Request::new("ws://ws.example.com/chat?room=7").unwrap();
    let mut accepted = accept(&options, ask(&request).output());
    let response = accepted.output().chunk().to_vec();
    group.bench_function("client", |bencher| {
        bencher.iter(|| {
            let mut handshake = ask(black_box(&request));
            black_box(handshake.output());
            handshake.receive(black_box(&response)).unwrap();
            handshake.open().unwrap()
        });
    });

    group.bench_function("floor: accept key", |bencher| bencher.iter(|| accept_key(black_box(KEY))));
}

fn accept(options: &Arc<server::Options>, request: &[u8]) -> Connection {
    let mut handshake = server::Handshake::new(Arc::clone(options));
    handshake.receive(request).unwrap();
    let (mut connection, _) = handshake.accept().unwrap();
    black_box(connection.output().chunk());
    connection
}

fn ask(request: &client::Request) -> client::Handshake {
    client::Handshake::with_nonce(request.clone(), Config::new(), NONCE)
}

criterion_group! {
    name = benches;
    config = settings::criterion();
    targets = handshake
}
criterion_main!(benches);
