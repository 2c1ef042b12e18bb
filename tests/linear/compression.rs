//! Compressed messages, in both directions.

use crate::Growth::Linear;
use crate::support::deflate::Deflate as ByHand;
use crate::support::deflate::Piece::Literals;
use crate::support::random::Xorshift;
use crate::support::wire::{frame, frames, peer_key};
use crate::{KIB, MIB, Work};
use bytes::Buf;
use sansocket::{Agreement, Config, Connection, Deflate, Role};
use std::hint::black_box;

/// From where on a window is full and a buffer as large as it gets. Only what costs little goes on to 16 MiB: callgrind
/// would take minutes for the rest.
const WHOLE: [usize; 2] = [MIB, 4 * MIB];
const ZEROS: [usize; 3] = [MIB, 4 * MIB, 16 * MIB];
const SMALL: [usize; 3] = [KIB, 16 * KIB, 256 * KIB];
/// Blocks of DEFLATE, or messages.
const MANY: [usize; 3] = [250, 1_000, 4_000];

rows! {
    inflating_text { Linear(&WHOLE) => |size| inflated(compressed(&words(size)), usize::MAX); }
    inflating_text_in_bytes { Linear(&SMALL) => |size| inflated(compressed(&words(size)), 1); }
    inflating_zeros { Linear(&ZEROS) => |size| inflated(compressed(&vec![0; size]), usize::MAX); }
    inflating_zeros_in_bytes { Linear(&ZEROS[..2]) => |size| inflated(compressed(&vec![0; size]), 1); }
    inflating_noise { Linear(&SMALL) => |size| inflated(compressed(&Xorshift::new(1).bytes(size)), usize::MAX); }
    inflating_fragments_of_one_byte { Linear(&SMALL) => |size| inflated(in_fragments(&words(size)), usize::MAX); }
    inflating_small_messages { Linear(&MANY) => |count| inflated(messages(count), usize::MAX); }
    inflating_small_messages_in_bytes { Linear(&MANY) => |count| inflated(messages(count), 1); }
    d_19_many_blocks { Linear(&MANY) => |count| inflated(blocks(count), usize::MAX); }
    d_19_many_blocks_in_bytes { Linear(&MANY) => |count| inflated(blocks(count), 1); }
    d_19_many_deep_codes { Linear(&[60, 240, 960]) => |count| inflated(deep_codes(count), usize::MAX); }
    d_19_many_deep_codes_in_bytes { Linear(&[60, 240, 960]) => |count| inflated(deep_codes(count), 1); }

    deflating_text { Linear(&WHOLE) => |size| sent(words(size), usize::MAX); }
    deflating_zeros { Linear(&ZEROS) => |size| sent(vec![0; size], usize::MAX); }
    deflating_noise { Linear(&WHOLE) => |size| sent(Xorshift::new(1).bytes(size), usize::MAX); }
    deflating_small_messages { Linear(&SMALL) => |size| sent(words(size), 64); }
    deflating_fragments_of_one_byte { Linear(&SMALL) => sent_in_fragments; }
}

fn connection(role: Role) -> Connection {
    let deflate = Deflate::new();
    let agreement = Agreement::new().with_deflate(deflate.params());
    let config = Config::new().deflate(deflate).max_fragments(u32::MAX).high_water_mark(usize::MAX);
    Connection::with_agreement(role, config, agreement)
}

/// About as well compressible as text, and everywhere alike.
fn words(size: usize) -> Vec<u8> {
    let mut random = Xorshift::new(3);
    let words: Vec<_> = (0..2_000).map(|_| random.bytes(4)).collect();
    (0..size / 4).flat_map(|_| words[random.below(words.len())].clone()).collect()
}

/// One message, as a client sends it.
fn compressed(data: &[u8]) -> Vec<u8> {
    let mut client = connection(Role::Client);
    client.send(data).unwrap();
    let len = client.output().remaining();
    client.output().copy_to_bytes(len).to_vec()
}

fn messages(count: usize) -> Vec<u8> {
    let mut client = connection(Role::Client);
    words(64 * count).chunks(64).for_each(|message| client.send(message).unwrap());
    let len = client.output().remaining();
    client.output().copy_to_bytes(len).to_vec()
}

/// The same message with a fragment for each byte.
fn in_fragments(data: &[u8]) -> Vec<u8> {
    let key = peer_key(Role::Server);
    let mut wire = frame(0x42, key, b"");
    for byte in &frames(&compressed(data))[0].payload {
        wire.extend(frame(0x00, key, &[*byte]));
    }
    wire.extend(frame(0x80, key, b""));
    wire
}

fn blocks(count: usize) -> Vec<u8> {
    let data = (0..count).fold(ByHand::default(), |data, _| data.fixed(false, &[Literals(b"a")]));
    frame(0xC2, peer_key(Role::Server), &data.message())
}

/// Codes of all lengths up to 15 bits, for literals and distances.
fn deep_codes(count: usize) -> Vec<u8> {
    let mut codes = vec![0; 286];
    (0..14).for_each(|i| codes[i] = i + 1);
    (codes[14], codes[256]) = (15, 15);
    let distances: Vec<_> = (1..=14).chain([15, 15]).collect();
    let block = |data: ByHand, _| data.dynamic(false, &codes, &distances, &[Literals(&[0, 7, 13])]);
    frame(0xC2, peer_key(Role::Server), &(0..count).fold(ByHand::default(), block).message())
}

fn inflated(wire: Vec<u8>, piece: usize) -> Work {
    let mut server = connection(Role::Server);
    Box::new(move || {
        let mut seen = 0;
        for piece in wire.chunks(piece) {
            server.receive(piece);
            while black_box(server.poll_event()).unwrap().is_some() {
                seen += 1;
            }
        }
        assert!(seen > 0);
    })
}

fn sent(data: Vec<u8>, piece: usize) -> Work {
    let mut client = connection(Role::Client);
    Box::new(move || {
        for piece in data.chunks(piece) {
            client.send(piece).unwrap();
            let len = client.output().remaining();
            client.output().advance(len);
        }
    })
}

fn sent_in_fragments(size: usize) -> Work {
    let mut client = connection(Role::Client);
    let data = words(size);
    Box::new(move || {
        for (i, byte) in data.iter().enumerate() {
            client.send_fragment(&[*byte], i + 1 == data.len()).unwrap();
            let len = client.output().remaining();
            client.output().advance(len);
        }
    })
}
