mod accessors;
mod ahead;
mod buffers;
#[cfg(feature = "deflate")]
mod compressed;
mod ends;
mod limits;
mod sending;
mod time;

use super::*;
use crate::frame::{CloseCode, CloseFrame, Header, Opcode};
use bytes::{Buf, Bytes};
use std::io::IoSlice;

fn server() -> Connection {
    Connection::new(Role::Server, Config::new())
}

/// What the events say, in short; parts of one message joined by `+`.
fn events(connection: &mut Connection) -> Result<Vec<String>, ProtocolError> {
    let mut seen = Vec::new();
    while let Some(event) = connection.poll_event()? {
        seen.push(match event {
            Event::Text(text) => format!("text {}", &*text),
            Event::Binary(payload) => format!("binary {}", payload.len()),
            Event::TextPart { part, fin } => format!("text {}{}", &*part, if fin { "" } else { "+" }),
            Event::BinaryPart { part, fin } => {
                format!("binary {}{}", part.len(), if fin { "" } else { "+" })
            }
            Event::Ping(payload) => format!("ping {}", payload.len()),
            Event::Pong(payload) => format!("pong {}", payload.len()),
            Event::Close(Some(frame)) => format!("close {}", frame.code.as_u16()),
            Event::Close(None) => "close".into(),
        });
    }
    Ok(seen)
}

fn written(connection: &mut Connection) -> Vec<u8> {
    let mut wire = Vec::new();
    while connection.output().has_remaining() {
        let chunk = connection.output().chunk().to_vec();
        connection.output().advance(chunk.len());
        wire.extend(chunk);
    }
    wire
}

fn masked(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let mut wire = Vec::new();
    Header { fin, mask: Some(key), ..Header::new(opcode, payload.len() as u64) }.encode(&mut wire);
    wire.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    wire
}

/// A server that has pinged a silent client after this interval, when that was, and the ping.
fn pinged(interval: Duration, timeout: Duration) -> (Connection, Instant, Vec<u8>) {
    let (start, keepalive) = (Instant::now(), Keepalive { interval, timeout });
    let mut server = Connection::new(Role::Server, Config::new().keepalive(keepalive));
    server.handle_timeout(start);
    server.handle_timeout(start + interval);
    let ping = written(&mut server);
    (server, start + interval, ping)
}

#[test]
fn messages_of_every_size_arrive_whole_and_byte_by_byte() {
    for size in [0, 1, 125, 126, 4096, 8 << 10, (8 << 10) + 1, 0xFFFF, 0x1_0000, 300_000] {
        for step in [1, 7, 4096, usize::MAX] {
            let wire = masked(true, Opcode::Text, &vec![b'x'; size]);
            let mut server = server();
            let mut seen = Vec::new();
            for piece in wire.chunks(step.min(wire.len())) {
                server.receive(piece);
                seen.extend(events(&mut server).unwrap());
            }
            assert_eq!(seen, [format!("text {}", "x".repeat(size))]);
        }
    }
}

#[test]
fn reading_straight_into_the_input_gives_the_same() {
    let wire = masked(true, Opcode::Binary, &[7; 200_000]);
    let mut server = server();
    let mut rest = &wire[..];
    let mut seen = Vec::new();
    while !rest.is_empty() {
        let room = server.input();
        let n = room.len().min(rest.len());
        room[..n].copy_from_slice(&rest[..n]);
        server.filled(n).unwrap();
        rest = &rest[n..];
        seen.extend(events(&mut server).unwrap());
    }
    assert_eq!(seen, ["binary 200000"]);
}

#[test]
fn more_than_was_lent_cannot_be_filled() {
    let mut server = server();
    let room = server.input().len();
    assert_eq!(server.filled(room + 1), Err(Overfilled));
    server.receive(&masked(true, Opcode::Binary, &[0; 200_000])[..100_000]);
    assert_eq!(events(&mut server), Ok(vec![]));
    let room = server.input().len();
    assert!(room <= 100_014, "reads are cut to what the frame lacks");
    assert_eq!(server.filled(room + 1), Err(Overfilled));
    assert_eq!(server.filled(0), Ok(()));
}

#[test]
fn fragments_are_joined_and_control_frames_pass_between_them() {
    let mut server = server();
    for frame in [
        masked(false, Opcode::Text, b"a\xE2"),
        masked(true, Opcode::Ping, b"1"),
        masked(false, Opcode::Continuation, b""),
        masked(true, Opcode::Pong, b""),
        masked(true, Opcode::Continuation, b"\x82\xACz"),
        masked(true, Opcode::Binary, b"\xFF"),
    ] {
        server.receive(&frame);
    }
    assert_eq!(
        events(&mut server),
        Ok(["ping 1", "pong 0", "text a€z", "binary 1"].map(String::from).to_vec())
    );
    assert_eq!(written(&mut server), b"\x8A\x011");
}

#[test]
fn invalid_text_fails_inside_an_unfinished_frame() {
    let mut wire = masked(true, Opcode::Text, &[b"\xFF", &[b'x'; 1 << 20][..]].concat());
    wire.truncate(1000);
    let mut server = server();
    server.receive(&wire);
    assert_eq!(events(&mut server), Err(ProtocolError::InvalidUtf8));
    assert_eq!(written(&mut server)[2..4], 1007u16.to_be_bytes());
}

#[test]
fn an_error_comes_back_for_ever_and_is_reported_once() {
    let mut server = server();
    server.receive(b"\x83\x80");
    for _ in 0..100 {
        assert_eq!(server.poll_event().unwrap_err(), ProtocolError::ReservedOpcode(3));
        server.receive(&masked(true, Opcode::Text, b"late"));
    }
    let reply = written(&mut server);
    assert_eq!(reply[2..4], 1002u16.to_be_bytes());
    assert_eq!(reply.len(), 2 + usize::from(reply[1]));
    assert_eq!(server.state(), State::Closed);
    assert!(server.wants_shutdown());
    assert!(!server.close_info().unwrap().clean);
}

#[test]
fn a_close_frame_is_echoed_and_ends_everything() {
    let mut server = server();
    server.receive(&masked(true, Opcode::Close, b"\x0F\xA0bye"));
    server.receive(&masked(true, Opcode::Text, b"late"));
    assert_eq!(events(&mut server), Ok(vec!["close 4000".into()]));
    assert_eq!(server.send("late"), Err(SendError::Closed));
    assert_eq!(server.state(), State::Closing);
    assert!(!server.wants_shutdown());
    assert_eq!(written(&mut server), b"\x88\x05\x0F\xA0bye");
    assert_eq!(server.state(), State::Closed);
    assert!(server.wants_shutdown());
    let info = server.close_info().unwrap();
    assert_eq!((info.first, info.clean), (Some(Role::Client), true));
    assert_eq!((&info.sent, &info.received), (&CloseFrame::new(4000, "bye"), &CloseFrame::new(4000, "bye")));
    assert_eq!(events(&mut server), Ok(vec![]));
}

#[test]
fn a_close_frame_without_a_code_is_answered_without_one() {
    let mut server = server();
    server.receive(&masked(true, Opcode::Close, b""));
    assert_eq!(events(&mut server), Ok(vec!["close".into()]));
    assert_eq!(written(&mut server), b"\x88\x00");
    assert_eq!(server.close_info().unwrap().received.code, CloseCode::NO_STATUS);
}

#[test]
fn the_client_lets_the_server_close_the_transport() {
    let mut client = Connection::new(Role::Client, Config::new());
    client.close(CloseFrame::from(CloseCode::NORMAL)).unwrap();
    assert_eq!(client.close(None), Err(SendError::Closed));
    assert_eq!(written(&mut client).len(), 8);
    client.receive(b"\x88\x02\x03\xE8");
    assert_eq!(events(&mut client), Ok(vec!["close 1000".into()]));
    assert_eq!(client.state(), State::Closed);
    assert!(!client.wants_shutdown());
    client.receive_eof();
    assert!(client.wants_shutdown());
    let info = client.close_info().unwrap();
    assert_eq!((info.first, info.clean), (Some(Role::Client), true));
}

#[test]
fn the_stream_must_not_end_without_a_close_frame() {
    for cut in [0, 1, 3, 6, 8] {
        let mut server = server();
        server.receive(&masked(false, Opcode::Text, b"Hello")[..cut]);
        server.receive_eof();
        assert_eq!(events(&mut server), Err(ProtocolError::UnexpectedEof), "cut at {cut}");
        assert_eq!(written(&mut server), b"", "nobody is there to read a Close frame");
        assert_eq!((server.state(), server.wants_shutdown()), (State::Closed, true));
        assert_eq!(server.close_info().unwrap().received.code, CloseCode::ABNORMAL);
    }
}

#[test]
fn what_was_complete_at_the_end_of_the_stream_is_delivered() {
    let mut server = server();
    server.receive(&masked(true, Opcode::Text, b"last"));
    server.receive_eof();
    assert_eq!(server.poll_event().unwrap().unwrap().into_message(), Some(crate::Message::text("last")));
    assert_eq!(server.poll_event().unwrap_err(), ProtocolError::UnexpectedEof);
}

#[test]
fn limits_are_judged_on_the_header() {
    let config = Config::new().max_frame_size(10).max_message_size(15).max_fragments(2);
    let judge = |frames: &[Vec<u8>]| {
        let mut server = Connection::new(Role::Server, config.clone());
        frames.iter().for_each(|frame| server.receive(frame));
        let seen = events(&mut server);
        (seen, written(&mut server).get(2..4).map(|code| u16::from_be_bytes([code[0], code[1]])))
    };
    let first = |size| masked(false, Opcode::Binary, &vec![0; size]);
    let more = |fin, size| masked(fin, Opcode::Continuation, &vec![0; size]);
    let whole = masked(true, Opcode::Binary, &[0; 11]);
    assert_eq!(judge(&[whole[..6].to_vec()]), (Err(ProtocolError::FrameTooLarge), Some(1009)));
    assert_eq!(judge(&[first(10), more(true, 5)]).0, Ok(vec!["binary 15".into()]));
    let header = more(true, 6)[..6].to_vec();
    assert_eq!(judge(&[first(10), header]), (Err(ProtocolError::MessageTooLarge), Some(1009)));
    let endless = [first(1), more(false, 1), more(false, 1)];
    assert_eq!(judge(&endless), (Err(ProtocolError::TooManyFragments), Some(1008)));
    assert_eq!(judge(&[first(1), more(false, 1), more(true, 1)]).0, Ok(vec!["binary 3".into()]));
}

#[test]
fn the_fragment_that_ends_a_message_is_never_one_too_many() {
    for step in [1, 7] {
        let mut server = Connection::new(Role::Server, Config::new().max_fragments(0));
        let wire = masked(true, Opcode::Text, b"a");
        let seen = wire.chunks(step).map(|piece| (server.receive(piece), events(&mut server)).1);
        assert_eq!(seen.last().unwrap(), Ok(vec!["text a".into()]));
    }
}

#[test]
fn a_pong_that_waits_goes_before_the_next_message() {
    let mut server = Connection::new(Role::Server, Config::new().high_water_mark(8));
    server.send("123456").unwrap();
    server.receive(&masked(true, Opcode::Ping, b"?"));
    events(&mut server).unwrap();
    server.output().advance(1);
    server.send("7").unwrap();
    assert_eq!(written(&mut server), b"\x06123456\x8A\x01?\x81\x017");
}

#[test]
fn a_pong_that_waits_leaves_once_there_is_room() {
    let mut server = server();
    server.send(&[0; 20_000]).unwrap();
    server.receive(&masked(true, Opcode::Ping, b"??"));
    events(&mut server).unwrap();
    assert_eq!(server.output().remaining(), 20_004, "it has no room yet");
    server.output().advance(20_000);
    assert_eq!(server.output().remaining(), 4 + 4);
}

#[test]
fn a_type_that_is_not_accepted_is_refused_with_1003_at_its_header() {
    for (config, refused, accepted) in [
        (Config::new().text_only(), Opcode::Binary, Opcode::Text),
        (Config::new().binary_only(), Opcode::Text, Opcode::Binary),
    ] {
        let mut server = Connection::new(Role::Server, config);
        server.receive(&masked(false, accepted, b"a"));
        server.receive(&masked(true, Opcode::Ping, b""));
        server.receive(&masked(true, Opcode::Continuation, b"b"));
        server.receive(&masked(true, accepted, b"c"));
        assert_eq!(events(&mut server).unwrap().len(), 3);
        written(&mut server);
        server.receive(&masked(true, refused, b"no")[..6]);
        assert_eq!(events(&mut server), Err(ProtocolError::UnsupportedData));
        assert_eq!(written(&mut server)[2..4], 1003u16.to_be_bytes());
    }
}

#[test]
fn nothing_is_allocated_from_a_declared_length() {
    let config = Config::new().max_frame_size(u64::MAX).max_message_size(u64::MAX);
    let mut server = Connection::new(Role::Server, config);
    server.receive(b"\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0");
    assert_eq!(events(&mut server), Ok(vec![]));
    assert_eq!(server.input().len(), Input::SIZE, "what comes first goes to the shared buffer");
    server.receive(&[0; 100]);
    assert_eq!(events(&mut server), Ok(vec![]));
    assert!(server.input().len() <= Input::SIZE);
}

#[test]
fn the_streaming_mode_lends_parts_cut_between_characters() {
    let config = Config::new().streaming(true);
    let mut server = Connection::new(Role::Server, config);
    let mut seen = Vec::new();
    let frames = [
        masked(false, Opcode::Text, "a€".as_bytes()),
        masked(true, Opcode::Ping, b""),
        masked(true, Opcode::Continuation, "😀z".as_bytes()),
        masked(true, Opcode::Binary, b"!"),
    ];
    for byte in frames.concat() {
        server.receive(&[byte]);
        seen.extend(events(&mut server).unwrap());
    }
    assert_eq!(seen, ["text a+", "text €+", "ping 0", "text 😀+", "text z", "binary 1"]);
    server.receive(&masked(true, Opcode::Text, b"at once"));
    assert_eq!(events(&mut server), Ok(vec!["text at once".into()]));
}

#[test]
fn the_streaming_mode_holds_no_more_than_a_part() {
    let config = Config::new().streaming(true).max_message_size(u64::MAX).max_frame_size(u64::MAX);
    let mut server = Connection::new(Role::Server, config);
    let wire = masked(true, Opcode::Binary, &[5; 10 << 20]);
    let (mut total, mut largest, mut ended) = (0, 0, 0);
    for piece in wire.chunks(100_000) {
        server.receive(piece);
        while let Some(event) = server.poll_event().unwrap() {
            let Event::BinaryPart { part, fin } = event else { panic!("{event:?}") };
            assert!(part.iter().all(|&byte| byte == 5));
            total += part.len();
            largest = largest.max(part.len());
            ended += usize::from(fin);
        }
    }
    assert_eq!((total, ended), (10 << 20, 1));
    assert!(largest <= 64 << 10, "{largest}");
}

#[test]
fn a_streamed_text_is_still_validated_after_a_part_was_taken() {
    let mut server = Connection::new(Role::Server, Config::new().streaming(true));
    server.receive(&masked(false, Opcode::Text, &[b'x'; 9000]));
    let Some(Event::TextPart { part, fin: false }) = server.poll_event().unwrap() else { panic!() };
    assert_eq!(part.into_utf8_bytes().len(), 9000);
    server.receive(&masked(true, Opcode::Continuation, b"\xFF"));
    assert_eq!(server.poll_event().unwrap_err(), ProtocolError::InvalidUtf8);
}

#[test]
fn a_large_owned_message_brings_its_storage_along() {
    let mut server = server();
    for piece in masked(true, Opcode::Binary, &[9; 100_000]).chunks(50_000) {
        server.receive(piece);
        if let Some(event) = server.poll_event().unwrap() {
            let Event::Binary(payload) = event else { panic!("{event:?}") };
            let address = payload.as_ptr();
            let bytes = payload.into_bytes();
            assert_eq!((bytes.as_ptr(), bytes.len()), (address, 100_000));
            return;
        }
    }
    panic!("no message");
}

#[test]
fn fragments_go_out_as_the_caller_cuts_them() {
    let mut server = server();
    server.send_fragment("Hel", false).unwrap();
    assert_eq!(server.send("no"), Err(SendError::FragmentedMessage));
    assert_eq!(server.send_prepared(&PreparedMessage::text("no")), Err(SendError::FragmentedMessage));
    assert_eq!(server.send_fragment(b"no", true), Err(SendError::FragmentType));
    server.ping(b"").unwrap();
    server.send_fragment("lo", true).unwrap();
    server.send("!").unwrap();
    assert_eq!(written(&mut server), b"\x01\x03Hel\x89\x00\x80\x02lo\x81\x01!");
}

#[test]
fn the_fragment_size_cuts_messages() {
    let mut server = Connection::new(Role::Server, Config::new().fragment_size(2));
    server.send("Hello").unwrap();
    server.send(Bytes::from_static(b"ab")).unwrap();
    assert_eq!(written(&mut server), b"\x01\x02He\x00\x02ll\x80\x01o\x82\x02ab");
}

#[test]
fn the_high_water_mark_refuses_messages_and_never_the_close_frame() {
    let mut server = Connection::new(Role::Server, Config::new().high_water_mark(10));
    server.send("123456789").unwrap();
    for refused in [server.send("no"), server.ping(b""), server.send_fragment("no", true)] {
        assert_eq!(refused, Err(SendError::QueueFull));
    }
    server.close(None).unwrap();
    assert_eq!(written(&mut server), b"\x81\x09123456789\x88\x00");
}

#[test]
fn a_ping_flood_is_answered_within_bounds() {
    let mut server = server();
    let ping = masked(true, Opcode::Ping, &[b'a'; 125]);
    let mut last = ping.clone();
    last.truncate(6);
    for _ in 0..10_000 {
        server.receive(&ping);
        events(&mut server).unwrap();
        assert!(server.buffered_amount() <= (16 << 10) + 2 * 127);
    }
    server.receive(&masked(true, Opcode::Ping, b"newest"));
    events(&mut server).unwrap();
    assert!(written(&mut server).ends_with(b"\x8A\x06newest"));
}

#[test]
fn every_ping_is_answered_while_the_peer_reads() {
    let mut server = server();
    let mut expected = Vec::new();
    for i in 0..100 {
        server.receive(&masked(true, Opcode::Ping, &[i]));
        expected.extend([0x8A, 1, i]);
    }
    events(&mut server).unwrap();
    assert_eq!(written(&mut server), expected);
}

#[test]
fn a_client_masks_each_frame_with_a_key_of_its_own() {
    let mut client = Connection::new(Role::Client, Config::new());
    let mut keys = std::collections::HashSet::new();
    let large = vec![0; 5000];
    for payload in [&[0; 20][..], &large] {
        for _ in 0..50 {
            client.send(payload).unwrap();
            client.send(Bytes::copy_from_slice(payload)).unwrap(); // masked in place
            let shared = Bytes::copy_from_slice(payload);
            client.send(shared.clone()).unwrap(); // copied and masked
            assert!(shared.iter().all(|&byte| byte == 0));
            client.send_prepared(&PreparedMessage::binary(payload)).unwrap();
            let mut wire = &written(&mut client)[..];
            while let Ok(Some((header, length))) = Header::decode(wire) {
                let (frame, rest) = wire[length..].split_at(payload.len());
                let key = header.mask.unwrap();
                assert!(frame.chunks(4).all(|chunk| chunk == &key[..chunk.len()]));
                keys.insert(key);
                wire = rest;
            }
        }
    }
    assert!(keys.len() > 390, "{} of 400 keys differ", keys.len());
}

#[test]
fn a_seed_repeats_a_connection_to_the_byte() {
    let run = || {
        let mut client = Connection::with_seed(Role::Client, Config::new(), Agreement::new(), [7; 32]);
        client.send("Hello").unwrap();
        written(&mut client)
    };
    assert_eq!(run(), run());
}

#[test]
fn invalid_closes_are_refused() {
    let mut server = server();
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        let refused = server.close(CloseFrame::new(code, ""));
        assert_eq!(refused, Err(SendError::InvalidCloseCode(code.into())));
    }
    let long = CloseFrame::new(1000, "x".repeat(124));
    assert_eq!(server.close(long), Err(SendError::ControlTooLong));
    assert_eq!(server.ping(&[0; 126]), Err(SendError::ControlTooLong));
    assert_eq!((written(&mut server), server.state()), (vec![], State::Open));
    server.close(CloseFrame::new(1000, "x".repeat(123))).unwrap();
}

#[test]
fn released_buffers_lose_nothing() {
    let frames = [masked(true, Opcode::Text, b"one"), masked(true, Opcode::Text, &[b'x'; 70_000])].concat();
    for step in [1, 5, 1000, 66_000] {
        let mut server = server();
        let mut seen = Vec::new();
        for piece in frames.chunks(step) {
            server.receive(piece);
            seen.extend(events(&mut server).unwrap());
            server.release_buffers();
        }
        assert_eq!(seen, ["text one".into(), format!("text {}", "x".repeat(70_000))]);
    }
}

#[test]
fn halves_answer_when_they_are_told_to() {
    let (mut receiver, mut sender) = server().split();
    receiver.receive(&masked(true, Opcode::Ping, b"?"));
    let event = receiver.poll_event().unwrap().unwrap();
    sender.answer(&event);
    assert_eq!(sender.output().chunk(), b"\x8A\x01?");
}

#[test]
fn a_lent_event_can_be_sent_on() {
    // In the shared buffer; in storage of its own, and small; and large: that storage leaves as it is.
    for (len, cut) in [(4, 0), (4096, 50), (4097, 50), (100_000, 50_000)] {
        for opcode in [Opcode::Text, Opcode::Binary] {
            let (mut server, payload) = (server(), vec![b'e'; len]);
            let wire = masked(true, opcode, &payload);
            server.receive(&wire[..cut]);
            assert!(server.poll_event().unwrap().is_none());
            server.receive(&wire[cut..]);
            let (receiver, sender) = server.halves();
            let lent = match receiver.poll_event().unwrap() {
                Some(Event::Text(text)) => (text.as_ptr(), sender.send(text).unwrap()).0,
                Some(Event::Binary(payload)) => (payload.as_ptr(), sender.send(payload).unwrap()).0,
                other => panic!("{other:?}"),
            };
            let mut slices = [IoSlice::new(&[]); 3];
            let output = sender.output();
            let filled = output.chunks_vectored(&mut slices);
            let mut expected = Vec::new();
            Header::new(opcode, len as u64).encode(&mut expected);
            expected.extend_from_slice(&payload);
            let chunks: Vec<&[u8]> = slices[..filled].iter().map(|slice| &**slice).collect();
            assert_eq!(chunks.concat(), expected);
            let is_moved = slices[filled - 1].as_ptr() == lent;
            assert_eq!((filled, is_moved), if len > 4096 { (2, true) } else { (1, false) }, "{len}");
        }
    }
}

#[test]
fn an_idle_connection_is_hundreds_of_bytes() {
    assert!(size_of::<Connection>() <= 240, "{}", size_of::<Connection>());
    let mut server = server();
    server.receive(&masked(true, Opcode::Text, &[b'x'; 100_000])[..50_000]);
    events(&mut server).unwrap();
    server.receive(&masked(true, Opcode::Text, &[b'x'; 100_000])[50_000..]);
    events(&mut server).unwrap();
    server.send("x").unwrap();
    written(&mut server);
    server.release_buffers();
    assert_eq!(server.receiver.take_buffer().capacity(), 0);
    assert!(server.sender.take_buffer().unwrap().is_empty());
}

#[test]
fn a_ping_that_was_kept_is_answered_once_by_halves_too() {
    let mut server = server();
    server.receive(&[masked(true, Opcode::Ping, b"1"), masked(true, Opcode::Ping, b"2")].concat());
    while server.advance_ahead().unwrap() {}
    let pongs = b"\x8A\x011\x8A\x012";
    assert_eq!(written(&mut server), pongs);
    // The first is lent by the whole connection, the second by its half; the third was never kept.
    assert!(matches!(server.poll_event(), Ok(Some(Event::Ping(payload))) if *payload == *b"1"));
    let (mut receiver, mut sender) = server.split();
    receiver.receive(&masked(true, Opcode::Ping, b"3"));
    while let Some(event) = receiver.poll_event().unwrap() {
        sender.answer(&event);
    }
    assert_eq!(sender.output().chunk(), b"\x8A\x013");
}
