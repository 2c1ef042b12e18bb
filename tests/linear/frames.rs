//! Frames and texts.

use crate::Growth::Linear;
use crate::support::wire::{frame, peer_key};
use crate::{KIB, MIB, Work};
use bytes::Buf;
use sansocket::frame::inspect::Inspector;
use sansocket::frame::mask;
use sansocket::utf8::Validator;
use sansocket::{Config, Connection, Role};
use std::hint::black_box;

const WHOLE: [usize; 5] = [KIB, 16 * KIB, 256 * KIB, 4 * MIB, 16 * MIB];
const BYTES: [usize; 3] = [KIB, 16 * KIB, 256 * KIB];

rows! {
    small_messages_to_a_server { Linear(&WHOLE) => |size| whole(Role::Server, small(Role::Server, size)); }
    small_messages_to_a_client { Linear(&WHOLE) => |size| whole(Role::Client, small(Role::Client, size)); }
    small_messages_in_bytes { Linear(&BYTES) => |size| in_bytes(Role::Server, small(Role::Server, size)); }
    a_message_to_a_server { Linear(&WHOLE) => |size| whole(Role::Server, one(Role::Server, 0x81, size)); }
    a_message_to_a_client { Linear(&WHOLE) => |size| whole(Role::Client, one(Role::Client, 0x81, size)); }
    a_binary_message { Linear(&WHOLE) => |size| whole(Role::Server, one(Role::Server, 0x82, size)); }
    f_29_a_message_in_bytes { Linear(&BYTES) => |size| in_bytes(Role::Server, one(Role::Server, 0x81, size)); }
    f_29_a_message_in_bytes_to_a_client {
        Linear(&BYTES) => |size| in_bytes(Role::Client, one(Role::Client, 0x81, size));
    }
    f_29_a_message_read_in_bytes { Linear(&[KIB, 16 * KIB, 256 * KIB, MIB]) => |size| read_in_bytes(one(Role::Server, 0x81, size)); }
    parts_of_a_message { Linear(&WHOLE) => |size| streamed(one(Role::Server, 0x81, size), usize::MAX); }
    parts_of_a_message_in_bytes { Linear(&BYTES) => |size| streamed(one(Role::Server, 0x81, size), 1); }
    fragments_of_one_byte { Linear(&BYTES) => |size| whole(Role::Server, fragments(size)); }
    fragments_of_one_byte_in_bytes { Linear(&BYTES) => |size| in_bytes(Role::Server, fragments(size)); }
    many_pings { Linear(&[256 * KIB, MIB]) => |size| whole(Role::Server, pings(size)); }
    what_follows_a_close_frame { Linear(&WHOLE) => after_the_close_frame; }
    what_is_polled_more_slowly_than_it_comes { Linear(&BYTES) => a_backlog; }

    a_text { Linear(&WHOLE) => |size| validated(text(size), usize::MAX); }
    a_text_in_bytes { Linear(&WHOLE[..4]) => |size| validated(text(size), 1); }

    inspected_small_messages { Linear(&WHOLE[..4]) => |size| inspected(small(Role::Server, size), usize::MAX); }
    inspected_small_messages_in_bytes { Linear(&BYTES) => |size| inspected(small(Role::Server, size), 1); }
    an_inspected_message { Linear(&WHOLE) => |size| inspected(one(Role::Server, 0x82, size), usize::MAX); }
    an_inspected_message_in_bytes { Linear(&BYTES) => |size| inspected(one(Role::Server, 0x82, size), 1); }
}

/// So many bytes, a multiple of 16, with characters of one to four bytes.
fn text(size: usize) -> Vec<u8> {
    "abcdefé世\u{1F600}x".as_bytes().repeat(size / 16)
}

/// A frame with a text of this size; made quickly.
fn one(receiver: Role, first: u8, size: usize) -> Vec<u8> {
    let key = peer_key(receiver);
    let mut wire = vec![first, 127 | if key.is_some() { 0x80 } else { 0 }];
    wire.extend((size as u64).to_be_bytes());
    if size <= 0xFFFF {
        wire[1] -= 1;
        wire.drain(2..8);
    }
    wire.extend(key.into_iter().flatten());
    let header = wire.len();
    wire.extend(text(size));
    mask::apply(&mut wire[header..], key.unwrap_or_default());
    wire
}

/// Texts of 16 bytes, of this size together.
fn small(receiver: Role, size: usize) -> Vec<u8> {
    frame(0x81, peer_key(receiver), &text(16)).repeat(size / 16)
}

fn fragments(size: usize) -> Vec<u8> {
    let key = peer_key(Role::Server);
    [frame(0x01, key, b"a"), frame(0x00, key, b"b").repeat(size - 2), frame(0x80, key, b"c")].concat()
}

fn pings(size: usize) -> Vec<u8> {
    frame(0x89, peer_key(Role::Server), &[7; 16]).repeat(size / 16)
}

fn connection(role: Role) -> Connection {
    Connection::new(role, Config::new().max_fragments(u32::MAX))
}

fn poll(connection: &mut Connection) {
    while black_box(connection.poll_event()).unwrap().is_some() {}
}

fn in_pieces(mut connection: Connection, wire: Vec<u8>, piece: usize) -> Work {
    Box::new(move || {
        for piece in wire.chunks(piece) {
            connection.receive(piece);
            poll(&mut connection);
        }
    })
}

fn whole(role: Role, wire: Vec<u8>) -> Work {
    in_pieces(connection(role), wire, usize::MAX)
}

fn in_bytes(role: Role, wire: Vec<u8>) -> Work {
    in_pieces(connection(role), wire, 1)
}

fn streamed(wire: Vec<u8>, piece: usize) -> Work {
    in_pieces(Connection::new(Role::Server, Config::new().streaming(true)), wire, piece)
}

/// As a front end reads.
fn read_in_bytes(wire: Vec<u8>) -> Work {
    let mut connection = connection(Role::Server);
    Box::new(move || {
        for byte in wire {
            connection.input()[0] = byte;
            connection.filled(1).unwrap();
            poll(&mut connection);
        }
    })
}

fn after_the_close_frame(size: usize) -> Work {
    let mut connection = connection(Role::Server);
    let wire = vec![0x55; size];
    Box::new(move || {
        connection.receive(&frame(0x88, peer_key(Role::Server), b""));
        poll(&mut connection);
        connection.receive(&wire);
        poll(&mut connection);
    })
}

/// All of it is there, and each event is followed by one more byte.
fn a_backlog(size: usize) -> Work {
    let mut connection = connection(Role::Server);
    let (wire, more) = (small(Role::Server, size), small(Role::Server, size));
    Box::new(move || {
        connection.receive(&wire);
        for byte in more.chunks(1) {
            black_box(connection.poll_event()).unwrap();
            connection.receive(byte);
        }
        poll(&mut connection);
        assert_eq!(connection.output().remaining(), 0);
    })
}

fn validated(text: Vec<u8>, piece: usize) -> Work {
    Box::new(move || {
        let mut validator = Validator::new();
        text.chunks(piece).for_each(|piece| validator.push(piece).unwrap());
        assert!(validator.is_complete());
    })
}

fn inspected(wire: Vec<u8>, piece: usize) -> Work {
    Box::new(move || {
        let mut inspector = Inspector::new();
        wire.chunks(piece).for_each(|piece| drop(black_box(inspector.inspect(piece))));
    })
}
