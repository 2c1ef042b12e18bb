//! What a connection holds of the heap while nothing comes: in the core, and over each front end.
//!
//! The connection itself counts too, in the box where it stands. What its thread keeps for all connections
//! does not: it is there before the first is counted.

use crate::memory;
use crate::script::Script;
use crate::support::wire::{frame, peer_key};
use sansocket::{Agreement, Config, Connection, Role, blocking};
use std::any::Any;
use std::io::ErrorKind;
#[cfg(any(feature = "tokio", feature = "futures"))]
use std::{pin::pin, task};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// What has received all there is, and waits for more: a connection, or a front end's. The core keeps the buffer that it
/// reads into until it is told to [release](Connection::release_buffers) it, and a front end tells it.
type Idle = Box<dyn Any>;

type Open = fn(Connection, Script) -> Idle;

const FRONT_ENDS: &[(&str, Open)] = &[
    ("core", core),
    ("blocking", blocking),
    #[cfg(feature = "tokio")]
    ("tokio", tokio),
    #[cfg(feature = "futures")]
    ("futures", futures),
];

fn core(mut connection: Connection, mut script: Script) -> Idle {
    while let Ok(n) = std::io::Read::read(&mut script, connection.input()) {
        connection.filled(n).unwrap();
        while connection.poll_event().unwrap().is_some() {}
        let written = bytes::Buf::remaining(connection.output());
        bytes::Buf::advance(connection.output(), written);
    }
    memory::aside(|| drop(script));
    connection.release_buffers();
    Box::new(connection)
}

fn blocking(connection: Connection, script: Script) -> Idle {
    let mut ws = blocking::WebSocket::from_connection(script, connection);
    while ws.read().is_ok() {}
    assert_eq!(ws.close_info(), None);
    memory::aside(|| drop(std::mem::take(ws.get_mut()))); // as if it were a socket
    Box::new(ws)
}

/// Reads until nothing comes.
#[cfg(any(feature = "tokio", feature = "futures"))]
macro_rules! read_all {
    ($ws:ident) => {{
        let mut cx = task::Context::from_waker(task::Waker::noop());
        while pin!($ws.read()).poll(&mut cx).is_ready() {}
        assert_eq!($ws.close_info(), None);
        memory::aside(|| drop(std::mem::take($ws.get_mut())));
    }};
}

#[cfg(feature = "tokio")]
fn tokio(connection: Connection, script: Script) -> Idle {
    let mut ws = sansocket::tokio::WebSocket::from_connection(script, connection);
    read_all!(ws);
    Box::new(ws)
}

#[cfg(feature = "futures")]
fn futures(connection: Connection, script: Script) -> Idle {
    let mut ws = sansocket::futures::WebSocket::from_connection(script, connection);
    read_all!(ws);
    Box::new(ws)
}

/// What has answered the peer's Close frame, and waits for the peer to end the stream.
#[cfg(feature = "futures")]
fn closing(connection: Connection, script: Script) -> Idle {
    let mut ws = sansocket::futures::WebSocket::from_connection(script, connection);
    let mut cx = task::Context::from_waker(task::Waker::noop());
    assert!(pin!(ws.read()).poll(&mut cx).is_pending());
    assert!(ws.close_info().is_some());
    memory::aside(|| drop(std::mem::take(ws.get_mut())));
    Box::new(ws)
}

/// How many bytes each of so many connections holds once it has received this and waits for more.
fn held_by_each(many: usize, open: Open, role: Role, agreement: &Agreement, received: &[&[u8]]) -> usize {
    let open = || {
        let script = memory::aside(|| Script::of(received.iter().copied()).then(ErrorKind::WouldBlock));
        open(Connection::with_agreement(role, Config::new(), agreement.clone()), script)
    };
    drop(open()); // fills the thread's pools
    let (connections, heap) = memory::measure(|| {
        let mut connections = Vec::with_capacity(many);
        connections.extend((0..many).map(|_| open()));
        connections
    });
    drop(connections);
    heap.bytes / many
}

/// The header of a binary frame that declares the most that the default limits allow.
pub(crate) fn largest_header(receiver: Role) -> Vec<u8> {
    let mut header = vec![0x82, 127, 0, 0, 0, 0, 1, 0, 0, 0];
    if let Some(key) = peer_key(receiver) {
        header[1] |= 0x80;
        header.extend(key);
    }
    header
}

#[test]
fn f_06_f_07_r_01_connections_that_have_received_only_headers() {
    for (role, (name, open)) in ROLES.into_iter().flat_map(|role| FRONT_ENDS.iter().map(move |it| (role, it)))
    {
        let header = largest_header(role);
        let (mut fragment, mut text) = (header.clone(), header.clone());
        (fragment[0], text[0]) = (0x02, 0x81);
        let begun = frame(0x02, peer_key(role), b"a");
        let (mut continuation, mut ping) = (header.clone(), frame(0x89, peer_key(role), &[b'p'; 125]));
        continuation[0] = 0x80;
        continuation[9] = 0;
        continuation[7] = 0xFF;
        continuation[6] = 0;
        ping.truncate(2);
        for received in [
            vec![&header[..]],
            vec![&text],
            vec![&fragment],
            vec![&header[..9]],
            vec![&ping],
            vec![&begun, &continuation],
            vec![&begun, &ping],
            // A first byte of each, and of the payload too.
            vec![&header, b"a"],
            vec![&text, b"a"],
            header.chunks(1).collect(),
        ] {
            let each = held_by_each(1_000, *open, role, &Agreement::new(), &received);
            println!("{name}, {role:?}: {each} bytes for each after {received:02x?}");
            assert!(each <= 2 << 10, "{name}, {role:?}: {each} bytes for each after {received:02x?}");
        }
    }
}

#[cfg(feature = "futures")]
#[test]
fn connections_whose_peer_does_not_end_the_stream_hold_no_buffer() {
    for role in ROLES {
        let close = frame(0x88, peer_key(role), &1000_u16.to_be_bytes());
        let each = held_by_each(1_000, closing, role, &Agreement::new(), &[&close]);
        assert!(each <= 2 << 10, "{role:?}: {each} bytes for each");
    }
}

#[test]
fn r_02_idle_connections() {
    for (role, (name, open)) in ROLES.into_iter().flat_map(|role| FRONT_ENDS.iter().map(move |it| (role, it)))
    {
        let message = frame(0x81, peer_key(role), &[b'x'; 20_000]);
        let large = frame(0x82, peer_key(role), &[7; 100_000]);
        let ping = frame(0x89, peer_key(role), b"p");
        for (many, received) in [(10_000, vec![]), (10_000, vec![&message[..], &ping]), (1_000, vec![&large])]
        {
            let each = held_by_each(many, *open, role, &Agreement::new(), &received);
            println!("{name}, {role:?}: {each} bytes for each after {} pieces", received.len());
            assert!(
                each <= 2 << 10,
                "{name}, {role:?}: {each} bytes for each after {} pieces",
                received.len()
            );
        }
    }
}

/// Of the decompressor nothing is left but what the next message may refer to: up to 32 KiB. Without that, before the
/// first message and without context takeover, 2 KiB are enough too.
#[cfg(feature = "deflate")]
#[test]
fn d_17_r_02_idle_connections_that_compress() {
    for (role, (name, open)) in ROLES.into_iter().flat_map(|role| FRONT_ENDS.iter().map(move |it| (role, it)))
    {
        let bytes = [0x55_u8; 20_000];
        // A stored block, and what ends a message.
        let (len, [low, high]) = (bytes.len(), u16::try_from(bytes.len()).unwrap().to_le_bytes());
        let payload = [&[0x00, low, high, !low, !high][..], &bytes, &[0x00]].concat();
        let message = frame(0xC2, peer_key(role), &payload);
        for (no_takeover, received, history) in
            [(false, vec![], 0), (false, vec![&message[..]], len), (true, vec![&message], 0)]
        {
            let deflate = sansocket::Deflate::new()
                .server_no_context_takeover(no_takeover)
                .client_no_context_takeover(no_takeover);
            let agreement = Agreement::new().with_deflate(deflate.params());
            let each = held_by_each(1_000, *open, role, &agreement, &received);
            println!("{name}, {role:?}: {each} bytes for each, of them {history} of history");
            assert!(each <= history + (2 << 10), "{name}, {role:?}, {no_takeover}: {each} bytes for each");
        }
    }
}
