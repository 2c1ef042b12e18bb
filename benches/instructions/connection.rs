//! A connection alone: receiving, sending, the opening handshake, compression.

use crate::browser::REQUEST;
use crate::corpus::Corpus;
use crate::drain::drain;
use crate::look::look;
use crate::wire::{frame, peer_key};
use crate::{BURST, MESSAGES, Row, Work, steady};
use bytes::{Buf, Bytes};
use sansocket::handshake::{client, server};
use sansocket::{Agreement, Config, Connection, Deflate, Event, PreparedMessage, Role};
use std::hint::black_box;
use std::sync::Arc;

pub(crate) const ROWS: &[Row] = &[
    ("receive, binary, 8 B", || receiving(&message(0x82, 8), look)),
    ("receive, binary, 125 B", || receiving(&message(0x82, 125), look)),
    ("receive, binary, 1 KiB", || receiving(&message(0x82, 1 << 10), look)),
    ("receive, text, 64 B", || receiving(&message(0x81, 64), look)),
    ("receive, text, 1 KiB", || receiving(&message(0x81, 1 << 10), look)),
    ("receive, text, four fragments of 64 B", || receiving(&fragments(), look)),
    ("receive, binary, 64 B, owned", || receiving(&message(0x82, 64), own)),
    ("receive and answer a ping, 8 B", a_ping),
    ("send, server, slice, 64 B", || a_slice(Role::Server, 64)),
    ("send, server, slice, 1 KiB", || a_slice(Role::Server, 1 << 10)),
    ("send, client, slice, 1 KiB", || a_slice(Role::Client, 1 << 10)),
    ("send, server, Bytes, 64 B", cloned_bytes),
    ("send, server, prepared, 1 KiB", prepared),
    ("handshake, server", accepted),
    ("handshake, client", connected),
    ("deflate, send, JSON, 1 KiB", compressed),
    ("deflate, receive, JSON, 1 KiB", decompressed),
];

/// A frame from a client.
fn message(first: u8, len: usize) -> Vec<u8> {
    frame(first, peer_key(Role::Server), &vec![b'a'; len])
}

fn fragments() -> Vec<u8> {
    [0x01, 0x00, 0x00, 0x80].map(|first| message(first, 64)).concat()
}

fn own(event: Event<'_>) {
    drop(black_box(event.into_message()));
}

fn read(connection: &mut Connection, bytes: &[u8]) {
    connection.input()[..bytes.len()].copy_from_slice(bytes);
    connection.filled(bytes.len()).unwrap();
}

fn receiving(message: &[u8], take: impl Fn(Event<'_>) + 'static) -> Work {
    let mut connection = Connection::new(Role::Server, Config::new());
    let burst = message.repeat(BURST);
    steady(MESSAGES / BURST, move || {
        read(&mut connection, &burst);
        for _ in 0..BURST {
            connection.poll_event().unwrap().map(&take).unwrap();
        }
        assert!(connection.poll_event().unwrap().is_none());
    })
}

fn a_ping() -> Work {
    let mut connection = Connection::new(Role::Server, Config::new());
    let ping = message(0x89, 8);
    steady(MESSAGES, move || {
        read(&mut connection, &ping);
        assert!(matches!(connection.poll_event(), Ok(Some(Event::Ping(_)))));
        assert!(connection.output().has_remaining());
        drain(&mut connection);
    })
}

fn sending(role: Role, send: impl Fn(&mut Connection) + 'static) -> Work {
    let mut connection = Connection::new(role, Config::new());
    steady(MESSAGES, move || {
        send(&mut connection);
        drain(&mut connection);
    })
}

fn a_slice(role: Role, len: usize) -> Work {
    let payload = vec![b'a'; len];
    sending(role, move |connection| connection.send(black_box(payload.as_slice())).unwrap())
}

fn cloned_bytes() -> Work {
    let payload = Bytes::from(vec![b'a'; 64]);
    sending(Role::Server, move |connection| connection.send(black_box(&payload).clone()).unwrap())
}

fn prepared() -> Work {
    let message = PreparedMessage::binary([b'a'; 1 << 10]);
    sending(Role::Server, move |connection| connection.send_prepared(black_box(&message)).unwrap())
}

fn accept(options: &Arc<server::Options>, request: &[u8]) -> Connection {
    let mut handshake = server::Handshake::new(Arc::clone(options));
    handshake.receive(request).unwrap();
    handshake.accept().unwrap().0
}

fn accepted() -> Work {
    let options = Arc::new(server::Options::new());
    steady(MESSAGES, move || drain(&mut accept(&options, black_box(REQUEST))))
}

fn connected() -> Work {
    let request = client::Request::new("ws://ws.example.com/chat?room=7").unwrap();
    let ask = move || client::Handshake::with_nonce(request.clone(), Config::new(), [7; 16]);
    let response = accept(&Arc::default(), ask().output()).output().chunk().to_vec();
    steady(MESSAGES, move || {
        let mut handshake = ask();
        black_box(handshake.output());
        handshake.receive(black_box(&response)).unwrap();
        drop(black_box(handshake.open().unwrap()));
    })
}

fn deflating(role: Role) -> Connection {
    let deflate = Deflate::new();
    let agreement = Agreement::new().with_deflate(deflate.params());
    Connection::with_agreement(role, Config::new().deflate(deflate), agreement)
}

fn compressed() -> Work {
    let (mut connection, messages) = (deflating(Role::Server), Corpus::json().messages);
    let mut next = 0;
    steady(MESSAGES, move || {
        connection.send(&messages[next % messages.len()]).unwrap();
        drain(&mut connection);
        next += 1;
    })
}

/// The first frame refers to nothing, so that it may follow the last.
fn decompressed() -> Work {
    let mut client = deflating(Role::Client);
    let frame = |message| {
        client.send(message).unwrap();
        let output = client.output();
        output.copy_to_bytes(output.remaining())
    };
    let frames: Vec<_> = Corpus::json().messages.iter().map(frame).collect();
    let mut connection = deflating(Role::Server);
    let mut next = 0;
    steady(MESSAGES, move || {
        read(&mut connection, &frames[next % frames.len()]);
        connection.poll_event().unwrap().map(look).unwrap();
        next += 1;
    })
}
