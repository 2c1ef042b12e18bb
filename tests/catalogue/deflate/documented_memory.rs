//! The table of what compression costs a connection, held to what is allocated.

use super::{Compressor, agreement};
use crate::memory;
use crate::support::random::Xorshift;
use crate::support::wire::{frame, peer_key};
use bytes::Buf;
use sansocket::{Config, Connection, Deflate, Event, Role};
use std::thread;

/// What a connection holds on top of one that does not compress, in bytes: when it is new, after `work`, and when it
/// has given its buffers back. What its thread keeps for all of them is not counted.
fn held(deflate: &Deflate, work: fn(&mut Connection)) -> [usize; 3] {
    let states = |deflate: Option<&Deflate>| {
        let agreement = deflate.map(agreement).unwrap_or_default();
        // A new thread frees a little that another has allocated: its count begins above that.
        let _above = vec![0; 1 << 10];
        let new = || Connection::with_agreement(Role::Server, Config::new(), agreement.clone());
        // These have what the thread would have kept, until they give it back.
        let mut others = [(); 8].map(|()| new());
        others.iter_mut().for_each(work);
        let before = memory::live();
        let mut server = new();
        let fresh = memory::live() - before;
        work(&mut server);
        let active = memory::live() - before;
        others.iter_mut().for_each(Connection::release_buffers);
        let before_release = memory::live();
        server.release_buffers();
        [fresh, active, active - (before_release - memory::live())]
    };
    let in_a_new_thread =
        |deflate| thread::scope(|scope| scope.spawn(move || states(deflate)).join().unwrap());
    let (with, without) = (in_a_new_thread(Some(deflate)), in_a_new_thread(None));
    std::array::from_fn(|i| with[i] - without[i])
}

/// A hundred messages of about 1 KiB, each another.
fn a_hundred_messages() -> impl Iterator<Item = String> {
    let mut random = Xorshift::new(7);
    let mut record = move |_| {
        let (id, price) = (random.below(100_000), random.below(1_000));
        format!(r#"{{"id":{id},"name":"user {}","price":{price},"active":{}}},"#, id % 99, price % 2 == 0)
    };
    (0..100).map(move |_| format!("[{}null]", (0..20).map(&mut record).collect::<String>()))
}

fn send_all(server: &mut Connection) {
    for message in a_hundred_messages() {
        server.send(message).unwrap();
        let written = server.output().remaining();
        server.output().advance(written);
    }
}

fn receive_all(server: &mut Connection) {
    let is_compressed = !server.extensions().is_empty();
    // The last one is so large that who owns it takes its storage along.
    for message in a_hundred_messages().chain(["x".repeat(5_000)]) {
        // Each by itself, and within the least window.
        let payload = Compressor::new(1, 9).message(message.as_bytes());
        let key = peer_key(Role::Server);
        server.receive(&frame(if is_compressed { 0xC1 } else { 0x82 }, key, &payload));
        assert!(server.poll_event().unwrap().and_then(Event::into_message).is_some());
    }
    assert!(server.poll_event().unwrap().is_none());
}

/// Each row of the table in the documentation has the window, and KiB: of the compressor, of the decompressor, of what
/// an idle connection remembers, and of a connection without context takeover.
#[test]
fn d_17_memory_is_what_the_documentation_says() {
    let row = |line: &str| -> Option<Vec<f64>> {
        line.trim_matches(['|', ' ']).split(" | ").map(|cell| cell.parse().ok()).collect()
    };
    let rows: Vec<_> = include_str!("../../../src/deflate/memory.md").lines().filter_map(row).collect();
    assert_eq!(rows.len(), 8);
    for (row, bits) in rows.iter().zip(8..) {
        let deflate = Deflate::new().server_max_window_bits(bits).client_max_window_bits(bits);
        let alone = deflate.clone().server_no_context_takeover(true).client_no_context_takeover(true);
        let [_, sending, sent] = held(&deflate, send_all);
        let [fresh, receiving, received] = held(&deflate, receive_all);
        let without = held(&alone, send_all).into_iter().chain(held(&alone, receive_all)).max().unwrap();
        let measured = [sending - sent, receiving - received, received - fresh, without];
        assert_eq!(row[0], f64::from(bits));
        for (stated, bytes) in row[1..].iter().zip(measured) {
            let kib = bytes as f64 / 1024.0;
            assert!(
                (kib..=1.1 * kib + 0.2).contains(stated),
                "{bits} bits: {stated} KiB, but {measured:?} bytes"
            );
        }
    }
}
