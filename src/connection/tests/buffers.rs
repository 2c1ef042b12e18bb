//! Memory that comes and goes with the data.

use super::*;

#[test]
fn connections_that_return_their_buffers_use_the_same() {
    let (mut first, mut second) = (server(), server());
    let address = first.input().as_ptr();
    let wire = masked(true, Opcode::Text, b"Hello");
    first.receive(&wire[..4]);
    first.return_buffers();
    assert_eq!(second.input().as_ptr(), address);
    second.return_buffers();
    // What is unread is not lost with the buffer.
    assert_eq!(first.receiver.progress().unfinished, Some(0));
    assert_eq!(first.input().as_ptr().addr(), address.addr() + 4);
    first.receive(&wire[4..]);
    assert_eq!(events(&mut first), Ok(vec!["text Hello".into()]));
}

#[test]
fn no_buffer_is_taken_while_a_message_is_read_into_its_own_storage() {
    let mut server = server();
    let wire = masked(true, Opcode::Binary, &[7; 100_000]);
    server.receive(&wire[..50_000]);
    events(&mut server).unwrap();
    server.return_buffers();
    server.receive(&wire[50_000..]);
    assert_eq!(server.receiver.take_buffer().capacity(), 0);
    assert_eq!(events(&mut server), Ok(vec!["binary 100000".into()]));
}

/// A message that does not fit into the shared buffer twice over.
const LARGE: usize = 400_000;

#[test]
fn little_is_read_behind_a_large_message_until_something_comes() {
    let mut server = server();
    let large = masked(true, Opcode::Binary, &[7; LARGE]);
    let (first, rest) = large.split_at(1000);
    server.receive(first);
    assert_eq!(events(&mut server), Ok(vec![]));
    server.receive(rest);
    assert_eq!(events(&mut server), Ok(vec![format!("binary {LARGE}")]));
    for _ in 0..2 {
        let beginning = server.input().len();
        assert!(beginning < 4096, "{beginning}");
        assert_eq!(server.filled(beginning + 1), Err(Overfilled));
        assert_eq!(server.filled(0), Ok(()));
    }
    let small = masked(true, Opcode::Text, b"Hello");
    server.input()[..small.len()].copy_from_slice(&small);
    server.filled(small.len()).unwrap();
    assert_eq!(events(&mut server), Ok(vec!["text Hello".into()]));
    assert_eq!(server.input().len(), Input::SIZE);
    // What comes in one read with the end of a large message says more.
    server.receive(first);
    assert_eq!(events(&mut server), Ok(vec![]));
    server.receive(&[rest, &small].concat());
    assert_eq!(events(&mut server), Ok(vec![format!("binary {LARGE}"), "text Hello".into()]));
    assert_eq!(server.input().len(), Input::SIZE);
}

#[test]
fn much_is_read_behind_a_message_that_would_nearly_have_fitted() {
    for (len, is_large) in [(20_000, false), (2 * Input::SIZE, false), (2 * Input::SIZE + 1, true)] {
        let mut server = server();
        let wire = masked(true, Opcode::Binary, &vec![7; len]);
        server.receive(&wire[..1000]);
        assert_eq!(events(&mut server), Ok(vec![]));
        server.receive(&wire[1000..]);
        assert_eq!(events(&mut server), Ok(vec![format!("binary {len}")]));
        assert_eq!(server.input().len() < Input::SIZE, is_large, "{len}");
    }
}

#[test]
fn a_large_message_is_read_into_the_storage_of_one_that_was_sent() {
    let mut server = server();
    let mut addresses = Vec::new();
    for size in [LARGE, LARGE - 1, LARGE / 2 + 1] {
        let wire = masked(true, Opcode::Binary, &vec![7; size]);
        let mut read = 0;
        let message = loop {
            let room = server.input();
            let n = room.len().min(wire.len() - read);
            room[..n].copy_from_slice(&wire[read..read + n]);
            read += n;
            server.filled(n).unwrap();
            if let Some(event) = server.poll_event().unwrap() {
                break event.into_message().unwrap();
            }
        };
        assert_eq!(message.as_bytes(), vec![7; size]);
        addresses.push(message.as_bytes().as_ptr().addr());
        server.send(message).unwrap();
        // Nobody else may write where it lies until all of it has left.
        server.output().advance(size / 2);
        assert!(server.output().chunk().iter().all(|&byte| byte == 7));
        assert_eq!(server.output().chunk().len(), server.buffered_amount());
        let rest = server.buffered_amount();
        server.output().advance(rest);
    }
    assert_eq!(addresses[0], addresses[1]);
    assert_eq!(addresses[0], addresses[2]);
}

#[test]
fn an_output_is_small_until_it_shares_the_buffers_of_the_thread() {
    let mut server = server();
    server.send("Hello").unwrap();
    assert_eq!(server.sender.take_buffer(), None, "something waits");
    assert_eq!(written(&mut server), b"\x81\x05Hello");
    let small = server.sender.take_buffer().unwrap();
    assert!(small.len() <= 4096, "{}", small.len());

    let address = server.input().as_ptr();
    server.return_buffers();
    server.send("Hello").unwrap();
    assert_eq!(server.output().chunk().as_ptr(), address);
    server.return_buffers();
    assert_eq!(written(&mut server), b"\x81\x05Hello", "something waited");
    // It is returned, and not kept twice.
    server.return_buffers();
    assert_eq!(server.input().as_ptr(), address);
    server.send("Hello").unwrap();
    assert_ne!(server.output().chunk().as_ptr(), address);
}

#[test]
fn more_than_a_buffer_takes_storage_of_its_own() {
    let mut server = server();
    server.input();
    server.return_buffers();
    server.send(&[7; Input::SIZE][..]).unwrap();
    assert_eq!(written(&mut server).len(), Input::SIZE + 10);
}

/// The address of what a message of so many bytes is lent at, and of what the caller keeps of it.
fn addresses(opcode: Opcode, size: usize) -> (*const u8, *const u8) {
    let mut server = server();
    let half = size / 2;
    server.receive(&masked(false, opcode, &vec![b'x'; half]));
    server.receive(&masked(true, Opcode::Continuation, &vec![b'x'; size - half]));
    match server.poll_event().unwrap() {
        Some(Event::Text(text)) => (text.as_ptr(), text.into_utf8_bytes().as_ptr()),
        Some(Event::Binary(payload)) => (payload.as_ptr(), payload.into_bytes().as_ptr()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_small_message_leaves_its_storage_for_the_next() {
    for opcode in [Opcode::Text, Opcode::Binary] {
        let (lent, kept) = addresses(opcode, 4 << 10);
        assert_ne!(lent, kept, "{opcode:?}: copied");
        let (lent, kept) = addresses(opcode, (4 << 10) + 1);
        assert_eq!(lent, kept, "{opcode:?}: taken along");
    }
}

#[test]
fn a_connection_that_has_failed_holds_nothing() {
    let mut server = server();
    server.receive(&masked(false, Opcode::Binary, &[0; 300]));
    server.receive(&masked(true, Opcode::Text, b"no"));
    assert_eq!(events(&mut server), Err(ProtocolError::ExpectedContinuation));
    let shown = format!("{:?}", server.receiver);
    assert!(shown.contains("unread: 0") && shown.contains("collected: 0"), "{shown}");
}

#[test]
fn room_comes_as_long_as_a_message_lacks_something() {
    let wire = masked(true, Opcode::Text, &[b'x'; 500_000]);
    let mut server = server();
    let (mut rest, mut reads) = (&wire[..], 0);
    while !rest.is_empty() {
        let room = server.input();
        assert!(!room.is_empty(), "after {reads} reads");
        let n = room.len().min(rest.len());
        room[..n].copy_from_slice(&rest[..n]);
        server.filled(n).unwrap();
        rest = &rest[n..];
        reads += 1;
        if rest.is_empty() {
            assert_eq!(events(&mut server).unwrap()[0].len(), 5 + 500_000);
        } else {
            assert_eq!(events(&mut server), Ok(vec![]));
        }
    }
    assert!(reads <= 4, "{reads}: all in four times what has come");
}

#[test]
fn no_more_is_reserved_than_a_frame_lacks_or_came_four_times() {
    let wire = masked(true, Opcode::Binary, &[7; 400_000]);
    let mut server = server();
    for (piece, room) in [(0..20_000, 59_958), (20_000..79_958, 239_836), (79_958..319_794, 80_220)] {
        server.receive(&wire[piece.clone()]);
        events(&mut server).unwrap();
        assert_eq!(server.input().len(), room, "after {piece:?}");
    }
}

#[test]
fn a_frame_is_read_alone_while_it_lacks_much() {
    for (missing, room) in [(8193, 8193), (8192, Input::SIZE), (1, Input::SIZE)] {
        let wire = masked(true, Opcode::Binary, &[7; 30_000]);
        let mut server = server();
        server.receive(&wire[..wire.len() - missing]);
        events(&mut server).unwrap();
        assert_eq!(server.input().len(), room, "{missing} missing");
    }
}
