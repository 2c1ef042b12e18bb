//! What the core allocates: nothing in steady state, and never much because a peer asks for it.

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use bytes::Buf;
use sansocket::{Config, Connection, Event, Message, Role, SendError, blocking};
use std::hint::black_box;
use std::io::{self, IoSlice, Read, Write};
use support::heap::{Counting, Heap, heap_of};
use support::random::Xorshift;
use support::wire::{frame, peer_key};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROLES: [Role; 2] = [Role::Client, Role::Server];
const SIZES: [usize; 8] = [0, 8, 125, 126, 1_000, 4_096, 10_000, 16 << 10];

/// Hands over bytes as a front end does.
fn read(connection: &mut Connection, bytes: &[u8]) {
    let room = connection.input();
    room[..bytes.len()].copy_from_slice(bytes);
    connection.filled(bytes.len()).unwrap();
}

fn drain(connection: &mut Connection) {
    let all = connection.output().remaining();
    black_box(connection.output().chunk());
    connection.output().advance(all);
}

/// A text frame and a binary frame of each size for the end in this role.
fn messages(role: Role) -> Vec<Vec<u8>> {
    let text = |size| frame(0x81, peer_key(role), Xorshift::new(1).text(size).as_bytes());
    let binary = |size| frame(0x82, peer_key(role), &Xorshift::new(2).bytes(size));
    SIZES.into_iter().flat_map(|size| [text(size), binary(size)]).collect()
}

#[test]
fn receiving_a_lent_message_allocates_nothing() {
    for role in ROLES {
        let messages = messages(role);
        let mut connection = Connection::new(role, Config::new());
        let mut receive_all = || {
            for message in &messages {
                read(&mut connection, message);
                assert!(black_box(connection.poll_event()).unwrap().is_some());
                assert!(connection.poll_event().unwrap().is_none());
            }
        };
        receive_all();
        assert_eq!(heap_of(receive_all).allocations, 0, "{role:?}");
    }
}

#[test]
fn receiving_a_lent_message_in_pieces_allocates_nothing_once_there_was_one() {
    for role in ROLES {
        let message = frame(0x82, peer_key(role), &Xorshift::new(3).bytes(200_000));
        let mut connection = Connection::new(role, Config::new());
        let mut receive_pieces = || {
            let mut rest = &message[..];
            while !rest.is_empty() {
                let n = connection.input().len().min(rest.len()).min(1_400);
                read(&mut connection, &rest[..n]);
                rest = &rest[n..];
                assert_eq!(connection.poll_event().unwrap().is_some(), rest.is_empty());
            }
        };
        receive_pieces();
        assert_eq!(heap_of(receive_pieces).allocations, 0, "{role:?}");
    }
}

#[test]
fn sending_a_borrowed_message_allocates_nothing() {
    for role in ROLES {
        let mut random = Xorshift::new(4);
        let messages: Vec<_> = SIZES.iter().map(|&size| (random.text(size), random.bytes(size))).collect();
        let mut connection = Connection::new(role, Config::new());
        let mut send_all = || {
            for (text, bytes) in &messages {
                connection.send(text.as_str()).unwrap();
                connection.send(bytes.as_slice()).unwrap();
                connection.send_fragment(text.as_str(), false).unwrap();
                connection.ping(b"between").unwrap();
                connection.send_fragment(text.as_str(), true).unwrap();
                drain(&mut connection);
            }
        };
        send_all();
        assert_eq!(heap_of(send_all).allocations, 0, "{role:?}");
    }
}

/// A stream that takes everything.
struct Taken(usize);

impl Read for Taken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Taken {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = slices.iter().map(|slice| black_box(slice).len()).sum();
        self.0 += len;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_server_sends_a_borrowed_message_of_any_size_from_where_it_lies() {
    let bytes = vec![b'a'; 10 << 20];
    let mut ws = blocking::WebSocket::from_connection(Taken(0), Connection::new(Role::Server, Config::new()));
    ws.send("the buffer that goes round").unwrap();
    let before = ws.get_ref().0;
    let heap = heap_of(|| {
        for len in [10, 5_000, 100_000, 10 << 20] {
            ws.send(&bytes[..len]).unwrap();
            ws.send(str::from_utf8(&bytes[..len]).unwrap()).unwrap();
        }
    });
    assert_eq!(heap.allocations, 0);
    assert!(ws.get_ref().0 - before > 2 * bytes.len());
}

/// A text and a binary message from one end to the other.
#[cfg(feature = "deflate")]
fn pass(from: &mut Connection, to: &mut Connection, text: &str, bytes: &[u8]) {
    from.send(text).unwrap();
    from.send(bytes).unwrap();
    let wire = from.output();
    let n = wire.remaining();
    to.input()[..n].copy_from_slice(wire.chunk());
    to.filled(n).unwrap();
    from.output().advance(n);
    for _ in 0..2 {
        assert!(black_box(to.poll_event()).unwrap().is_some());
    }
    assert!(to.poll_event().unwrap().is_none());
}

#[cfg(feature = "deflate")]
#[test]
fn compressed_messages_allocate_nothing_once_there_was_one() {
    for no_takeover in [false, true] {
        let deflate = sansocket::Deflate::new()
            .server_no_context_takeover(no_takeover)
            .client_no_context_takeover(no_takeover);
        let agreement = sansocket::Agreement::new().with_deflate(deflate.params());
        let [mut client, mut server] = ROLES.map(|role| {
            Connection::with_agreement(role, Config::new().deflate(deflate.clone()), agreement.clone())
        });
        let mut random = Xorshift::new(5);
        let messages: Vec<_> = SIZES.iter().map(|&size| (random.text(size), random.bytes(size))).collect();
        let mut send_all = || {
            for (text, bytes) in &messages {
                pass(&mut client, &mut server, text, bytes);
                pass(&mut server, &mut client, text, bytes);
            }
        };
        send_all();
        send_all(); // what was received is remembered up to the window
        send_all();
        assert_eq!(heap_of(send_all).allocations, 0, "{no_takeover}");
    }
}

#[test]
fn an_echo_of_a_lent_message_allocates_nothing() {
    let messages = messages(Role::Server);
    let mut connection = Connection::new(Role::Server, Config::new());
    let mut echo_all = || {
        for message in &messages {
            read(&mut connection, message);
            let (receiver, sender) = connection.halves();
            match receiver.poll_event().unwrap() {
                Some(Event::Text(text)) => sender.send(text).unwrap(),
                Some(Event::Binary(payload)) => sender.send(payload).unwrap(),
                other => panic!("{other:?}"),
            }
            drain(&mut connection);
        }
    };
    echo_all();
    assert_eq!(heap_of(echo_all).allocations, 0);
}

#[test]
fn answering_a_ping_allocates_nothing() {
    for role in ROLES {
        let ping = frame(0x89, peer_key(role), &[7; 125]);
        let mut connection = Connection::new(role, Config::new());
        let mut answer = || {
            read(&mut connection, &ping);
            assert!(connection.poll_event().unwrap().is_some());
            drain(&mut connection);
        };
        answer();
        assert_eq!(heap_of(answer).allocations, 0);
    }
}

#[test]
fn owning_a_small_message_allocates_once() {
    for role in ROLES {
        let mut connection = Connection::new(role, Config::new());
        for message in messages(role) {
            read(&mut connection, &message);
            let mut owned: Option<Message> = None;
            let heap = heap_of(|| {
                let event = connection.poll_event().unwrap().unwrap();
                owned = event.into_message();
            });
            // The first one also finds that the queue of owed things has no memory.
            assert!(heap.allocations <= 1, "{heap:?}");
            let len = owned.unwrap().len();
            assert!(heap.bytes <= len, "{len} bytes take {heap:?}");
        }
    }
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    for role in ROLES {
        let heap = heap_of(|| {
            let mut connection = Connection::new(role, Config::new());
            for message in messages(role) {
                read(&mut connection, &message);
                while connection.poll_event().unwrap().is_some() {}
                connection.send(&message).unwrap();
                drain(&mut connection);
            }
            connection.release_buffers();
            std::mem::forget(connection);
        });
        assert!(heap.bytes < 600, "{role:?} {heap:?}");
        assert!(size_of::<Connection>() < 800, "{}", size_of::<Connection>());
    }
}

#[test]
fn a_declared_length_costs_nothing() {
    let limits = Config::new().max_frame_size(u64::MAX).max_message_size(u64::MAX);
    for (config, len) in [(limits, i64::MAX as u64), (Config::new(), 16 << 20)] {
        let mut header = vec![0x82, 0xFF];
        header.extend(len.to_be_bytes());
        header.extend([1, 2, 3, 4]);
        for payload in [0, 1, 100] {
            let mut connection = Connection::new(Role::Server, config.clone());
            let heap = heap_of(|| {
                for byte in header.iter().chain(&[0; 100][..payload]) {
                    connection.receive(&[*byte]);
                    assert!(connection.poll_event().unwrap().is_none());
                }
            });
            assert!(heap.peak_when_moving < 80 << 10, "{heap:?}");
            let heap = heap_of(|| connection.release_buffers());
            assert!(heap.peak <= 16, "what is left of an unfinished header: {heap:?}");
        }
    }
}

#[test]
fn a_ping_flood_that_is_never_read_has_a_bound() {
    for role in ROLES {
        let ping = frame(0x89, peer_key(role), &[7; 125]);
        let mut connection = Connection::new(role, Config::new());
        let heap = heap_of(|| {
            for _ in 0..10_000 {
                connection.receive(&ping);
                assert!(connection.poll_event().unwrap().is_some());
                assert!(connection.buffered_amount() <= (16 << 10) + 2 * 131);
            }
        });
        assert!(heap.peak < 128 << 10, "{heap:?}");
    }
}

#[test]
fn messages_that_are_never_written_stop_at_the_high_water_mark() {
    let mut connection = Connection::new(Role::Server, Config::new());
    let mut refused = false;
    let heap = heap_of(|| {
        refused = (0..2_000).any(|_| connection.send(&[0; 1_000]) == Err(SendError::QueueFull));
    });
    assert!(refused);
    assert!(connection.buffered_amount() <= (1 << 20) + 1_004);
    assert!(heap.bytes <= 3 << 20, "{heap:?}");
}

/// What waits is counted by its bytes: so it holds no more than those, however much it was compressed.
#[cfg(feature = "deflate")]
#[test]
fn compressed_messages_that_are_never_written_stop_at_the_high_water_mark() {
    let deflate = sansocket::Deflate::new();
    let agreement = sansocket::Agreement::new().with_deflate(deflate.params());
    let message = "{\"number\":1,\"text\":\"hello world\"},".repeat(300_000);
    for role in ROLES {
        let config = Config::new().deflate(deflate.clone());
        let mut connection = Connection::with_agreement(role, config, agreement.clone());
        let heap = heap_of(|| while connection.send(&message).is_ok() {});
        assert!(connection.buffered_amount() < (1 << 20) + message.len() / 10);
        assert!(heap.bytes < connection.buffered_amount() * 5 / 4 + (512 << 10), "{role:?}: {heap:?}");
    }
}

#[test]
fn empty_fragments_cost_nothing() {
    let fragment = frame(0x00, peer_key(Role::Server), b"");
    let mut connection = Connection::new(Role::Server, Config::new());
    connection.receive(&frame(0x01, peer_key(Role::Server), b""));
    assert!(connection.poll_event().unwrap().is_none());
    let heap = heap_of(|| {
        for _ in 1..65_536 {
            connection.receive(&fragment);
            assert!(connection.poll_event().unwrap().is_none());
        }
    });
    assert_eq!(heap.allocations, 0);
    connection.receive(&fragment);
    assert_eq!(connection.poll_event().unwrap_err().close_code().unwrap().as_u16(), 1008);
}

/// What receiving a message costs at most, and at the end.
fn heap_of_message(wire: &[u8], piece: usize) -> Heap {
    let mut connection = Connection::new(Role::Server, Config::new());
    let mut owned = None;
    let heap = heap_of(|| {
        for piece in wire.chunks(piece) {
            connection.receive(piece);
            if let Some(event) = connection.poll_event().unwrap() {
                owned = event.into_message();
            }
        }
    });
    assert_eq!(owned.unwrap().len(), 16 << 20);
    heap
}

#[test]
fn a_large_message_in_small_pieces_takes_little_more_than_its_size() {
    const SIZE: usize = 16 << 20;
    const BOUND: usize = SIZE + SIZE / 10 + (64 << 10);
    let payload = vec![0; SIZE];
    let one = frame(0x82, peer_key(Role::Server), &payload);
    let mut many = frame(0x02, peer_key(Role::Server), b"");
    for fragment in payload.chunks(10_000) {
        many.extend(frame(0x00, peer_key(Role::Server), fragment));
    }
    many.extend(frame(0x80, peer_key(Role::Server), b""));
    for (name, wire) in [("one frame", one), ("fragments", many)] {
        for piece in [100, 1_400, 100_000] {
            let heap = heap_of_message(&wire, piece);
            eprintln!("{name} in pieces of {piece}: {heap:?}");
            assert!(heap.bytes <= BOUND, "{name} in pieces of {piece}: {heap:?}");
            assert!(heap.peak <= BOUND, "{name} in pieces of {piece}: {heap:?}");
        }
    }
}
