//! Sockets that fail, block or say nothing; and time.

use crate::hs::R0;
use crate::script::{Script, Step};
use crate::support::end::{End, Seen};
use crate::support::wire::{RawFrame, close_payload, frame, frames, peer_key};
use crate::tcp::{self, Leave};
use crate::{DELIVERIES, memory};
use sansocket::blocking::{self, WebSocket};
use sansocket::handshake::client::Request;
use sansocket::handshake::{accept_key, server};
use sansocket::{
    CloseCode, CloseFrame, Config, Connection, Error, HandshakeError, Keepalive, ProtocolError, Role,
    SendError,
};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const ROLES: [Role; 2] = [Role::Client, Role::Server];
const SHORT: Duration = Duration::from_millis(200);
/// Far more than anything here takes, and less than any default deadline.
const SOON: Duration = Duration::from_secs(3);

/// A connection over TCP, and the raw socket at its other end, behind the opening handshake.
fn open(role: Role, config: Config) -> (WebSocket<TcpStream>, TcpStream) {
    match role {
        Role::Server => {
            let (mut peer, server) = tcp::pair();
            peer.write_all(R0.0.as_bytes()).unwrap();
            let ws = blocking::accept_with(server, server::Options::new().config(config)).unwrap();
            read_head(&mut peer);
            (ws, peer)
        }
        Role::Client => {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let peer = thread::spawn(move || {
                let (mut peer, _) = listener.accept().unwrap();
                let request = read_head(&mut peer);
                let (_, key) = request.split_once("Sec-WebSocket-Key: ").unwrap();
                let accept = accept_key(&key.as_bytes()[..24]);
                let head =
                    "HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
                peer.write_all(format!("{head}{accept}\r\n\r\n").as_bytes()).unwrap();
                peer
            });
            let request = Request::new(&format!("ws://{address}/")).unwrap();
            let stream = TcpStream::connect(address).unwrap();
            let ws = WebSocket::client_tcp(stream, request, config).unwrap();
            (ws, peer.join().unwrap())
        }
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

fn over(script: Script, role: Role) -> WebSocket<Script> {
    WebSocket::from_connection(script, Connection::new(role, Config::new()))
}

/// All events, and what ended them.
fn events<S: Read + Write>(ws: &mut WebSocket<S>) -> (Vec<Seen>, Result<(), Error>) {
    let mut seen = Vec::new();
    loop {
        match ws.read_with(|event, _| Seen::from(event)) {
            Ok(Some(event)) => seen.push(event),
            Ok(None) => return (seen, Ok(())),
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return (seen, Err(error)),
        }
    }
}

/// Whatever ended the connection was reported once; now there is nothing but that it is over.
fn assert_over<S: Read + Write>(ws: &mut WebSocket<S>, context: &str) {
    for _ in 0..100 {
        let again = ws.read();
        assert!(matches!(again, Ok(None) | Err(Error::Closed)), "{context}: {again:?}");
    }
    assert!(ws.send("more").is_err() && ws.close(None).is_err() | ws.close_info().is_some(), "{context}");
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    match result {
        Err(Error::Io(error)) => error.kind(),
        other => panic!("{other:?}"),
    }
}

fn close_frame(receiver: Role, code: u16) -> Vec<u8> {
    frame(0x88, peer_key(receiver), &close_payload(code, ""))
}

fn payloads(wire: &[u8]) -> Vec<(u8, Vec<u8>)> {
    frames(wire).into_iter().map(|RawFrame { first, payload, .. }| (first, payload)).collect()
}

#[test]
fn f_21_a_peer_that_closes_and_keeps_the_socket_open() {
    for role in ROLES {
        let (mut ws, mut peer) = open(role, Config::new().close_timeout(SHORT));
        peer.write_all(&close_frame(role, 1001)).unwrap();
        let begun = Instant::now();
        assert!(ws.read().unwrap().is_none());
        let took = begun.elapsed();
        assert!(took < SOON, "{role:?} took {took:?}");
        assert_eq!(ws.close_info().unwrap().received.code, CloseCode::GOING_AWAY);
        drop(ws);
        assert_eq!(payloads(&tcp::rest(&peer)), [(0x88, close_payload(1001, ""))]);
    }
    // A client does not wait for the deadline when the server closes; its own 5 s would be too long.
    let (mut ws, mut peer) = open(Role::Client, Config::new());
    peer.write_all(&close_frame(Role::Client, 1000)).unwrap();
    drop(peer);
    let begun = Instant::now();
    assert!(ws.read().unwrap().is_none());
    assert!(begun.elapsed() < SOON);
}

#[test]
fn f_23_a_close_frame_that_is_never_answered() {
    let mut end = End::new(Role::Server, Config::new());
    let now = Instant::now();
    end.connection.close(None).unwrap();
    assert_eq!(end.connection.handle_timeout(now), Some(now + Duration::from_secs(5)), "the default");

    for role in ROLES {
        let (mut ws, peer) = open(role, Config::new().close_timeout(SHORT));
        let begun = Instant::now();
        let result = ws.close(CloseFrame::from(CloseCode::NORMAL));
        let took = begun.elapsed();
        assert!(matches!(result, Err(Error::Protocol(ProtocolError::CloseTimeout))), "{result:?}");
        assert!(took >= SHORT && took < SOON, "{role:?} took {took:?}");
        assert!(!ws.close_info().unwrap().clean);
        assert_over(&mut ws, "f_23");
        drop(ws);
        assert_eq!(payloads(&tcp::rest(&peer)), [(0x88, close_payload(1000, ""))]);
    }
}

#[test]
fn f_25_t_06_a_failed_write_does_not_hide_what_was_received() {
    for (role, error) in ROLES
        .iter()
        .flat_map(|role| [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].map(|error| (*role, error)))
    {
        let text = frame(0x81, peer_key(role), b"Hi");
        let script = Script { then_write: Some(error), ..Script::of([text, close_frame(role, 1001)]) };
        let mut ws = over(script, role);
        assert_eq!(kind(ws.send("lost")), error);
        let (seen, outcome) = events(&mut ws);
        assert_eq!(seen, [Seen::Text("Hi".into()), Seen::Close(Some((1001, String::new())))], "{outcome:?}");
        assert_eq!(ws.close_info().unwrap().received.code, CloseCode::GOING_AWAY);
        assert_over(&mut ws, "f_25");
    }
}

#[test]
fn f_33_a_peer_that_pings_and_never_reads() {
    for role in ROLES {
        let mut end = End::new(role, Config::new());
        let before = memory::live();
        flood_with_pings(&mut end, (1 << 20) + 131);
        assert!(memory::live() - before < 128 << 10, "{} bytes", memory::live() - before);
        // They are answered, and the newest is among them.
        let written = payloads(&end.write_all());
        assert_eq!(written.last().unwrap().1, newest_ping());
        assert!(written.iter().all(|(first, payload)| (*first, payload.len()) == (0x8A, 125)));
    }
}

#[test]
fn f_33_behind_a_full_queue_there_is_room_for_one_pong() {
    for (role, limit) in ROLES.into_iter().flat_map(|role| [1_000, 1 << 20].map(|limit| (role, limit))) {
        let mut end = End::new(role, Config::new().high_water_mark(limit));
        let mask = if role == Role::Client { 4 } else { 0 };
        let header = if limit > 0xFFFF { 10 } else { 4 } + mask;
        end.connection.send(vec![0; limit - header]).unwrap();
        assert_eq!(end.connection.buffered_amount(), limit);
        flood_with_pings(&mut end, limit + 131);
        assert_eq!(payloads(&end.write_all()).pop(), Some((0x8A, newest_ping())));
    }
}

/// Never reads, and pings 10 000 times. No more than so many bytes may wait for it.
#[track_caller]
fn flood_with_pings(end: &mut End, most: usize) {
    for i in 0..10_000_u32 {
        let payload = [&i.to_be_bytes()[..], &[0; 121]].concat();
        end.read(&frame(0x89, peer_key(end.connection.role()), &payload));
        end.seen.clear();
        let waiting = end.connection.buffered_amount();
        assert!(waiting <= most, "{waiting} bytes instead of {most} wait after {i} pings");
    }
}

fn newest_ping() -> Vec<u8> {
    [&9_999_u32.to_be_bytes()[..], &[0; 121]].concat()
}

#[test]
fn f_34_a_full_queue_has_room_for_the_close_frame() {
    for role in ROLES {
        for fails in [false, true] {
            let mut end = End::new(role, Config::new().high_water_mark(1_000));
            while end.connection.send(&[0; 100]).is_ok() {}
            assert_eq!(end.connection.send(b""), Err(SendError::QueueFull));
            if fails {
                end.receive(&frame(0xC1, peer_key(role), b""));
            } else {
                end.connection.close(CloseFrame::from(CloseCode::PROTOCOL_ERROR)).unwrap();
            }
            let (last, code) = (payloads(&end.write_all()).pop().unwrap(), 1002_u16.to_be_bytes());
            assert_eq!((last.0, &last.1[..2]), (0x88, &code[..]));
        }
    }
}

#[test]
fn f_35_a_pong_that_was_blocked_leaves_with_a_later_read() {
    for role in ROLES {
        let mut script = Script::of([frame(0x89, peer_key(role), b"p")]).then(ErrorKind::WouldBlock);
        script.writes.push_back(Step::Fails(ErrorKind::WouldBlock));
        let mut ws = over(script, role);
        assert_eq!(kind(ws.read()), ErrorKind::WouldBlock);
        assert_eq!(kind(ws.read()), ErrorKind::WouldBlock);
        assert_eq!(payloads(&ws.get_ref().written), [(0x8A, b"p".to_vec())]);
    }
}

#[test]
fn f_37_a_write_of_nothing_is_an_error() {
    for role in ROLES {
        let mut ws = over(Script { writes: [Step::Takes(0)].into(), ..Script::default() }, role);
        assert_eq!(kind(ws.send("lost")), ErrorKind::WriteZero);
        assert!(matches!(ws.flush(), Err(Error::Closed)) && ws.send("more").is_err());
        assert!(ws.read().is_err());
        assert_over(&mut ws, "f_37");
    }
    let script = Script { writes: [Step::Takes(0)].into(), ..Script::default() };
    let result = WebSocket::client(script, Request::new("ws://a/").unwrap(), Config::new());
    assert_eq!(kind(result), ErrorKind::WriteZero);
}

#[test]
fn f_38_a_write_of_more_than_there_is_is_an_error() {
    for (role, more) in
        [(Role::Client, 1), (Role::Client, usize::MAX), (Role::Server, 1), (Role::Server, 1 << 40)]
    {
        let liar = || Script { writes: [Step::ClaimsTooMany(more)].into(), ..Script::default() };
        let mut ws = over(liar(), role);
        assert_eq!(kind(ws.send("lost")), ErrorKind::Other);
        assert!(ws.read().is_err());
        assert_over(&mut ws, "f_38");
        // A large message leaves in several pieces.
        let mut ws = over(liar(), role);
        ws.feed("small").unwrap();
        ws.feed(vec![0; 100_000]).unwrap();
        assert_eq!(kind(ws.flush()), ErrorKind::Other);

        let result = WebSocket::client(liar(), Request::new("ws://a/").unwrap(), Config::new());
        assert_eq!(kind(result), ErrorKind::Other);
        let refused = Script { reads: [Step::Data(b"POST / HTTP/1.1\r\n\r\n".into())].into(), ..liar() };
        assert!(blocking::Handshake::new(refused, server::Options::new()).read().is_err());
    }
}

#[test]
fn f_39_a_read_of_more_than_there_is_room_for_is_an_error() {
    for (role, more) in ROLES.into_iter().flat_map(|role| [1, usize::MAX].map(|more| (role, more))) {
        let large = frame(0x82, peer_key(role), &[7; 100_000]);
        // At once, and in the middle of a message that is read into storage of its own.
        for before in [0, 5, 50_000] {
            let mut script = Script::of(large[..before].chunks(4_000));
            script.reads.push_back(Step::ClaimsTooMany(more));
            let mut ws = over(script, role);
            let error = ws.read().unwrap_err();
            assert!(matches!(error, Error::Io(_)), "{error:?}");
            assert_over(&mut ws, "f_39");
        }
        let liar = || Script { reads: [Step::ClaimsTooMany(more)].into(), ..Script::default() };
        assert!(blocking::Handshake::new(liar(), server::Options::new()).read().is_err());
        assert!(WebSocket::client(liar(), Request::new("ws://a/").unwrap(), Config::new()).is_err());
    }
}

#[test]
fn f_39_a_read_that_touches_nothing_or_looks_at_the_buffer_is_harmless() {
    /// Looks at all that it is lent, leaves it as it is, and says that it was filled.
    struct Lazy(usize);
    impl Read for Lazy {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += buffer.iter().map(|byte| usize::from(*byte)).sum::<usize>() % 2 + 1;
            Ok(buffer.len())
        }
    }
    impl Write for Lazy {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let config = Config::new().close_timeout(SHORT).handshake_timeout(SHORT);
    for role in ROLES {
        let mut ws = WebSocket::from_connection(Lazy(0), Connection::new(role, config.clone()));
        let results: Vec<_> = (0..10).map(|_| ws.read().is_ok()).collect();
        assert!(ws.get_ref().0 > 0, "{results:?}");
    }
    assert!(blocking::Handshake::new(Lazy(0), server::Options::new().config(config)).read().is_err());
}

#[test]
fn f_40_interrupted_and_blocked_everywhere() {
    for role in ROLES {
        let key = peer_key(role);
        let wire = [
            frame(0x01, key, b"H\xC3"),
            frame(0x89, key, b"p"),
            frame(0x80, key, b"\xA9"),
            frame(0x82, key, &[7; 20_000]),
            close_frame(role, 1000),
        ]
        .concat();
        for (i, delivery) in DELIVERIES.into_iter().enumerate() {
            let mut script = Script::default();
            for piece in delivery.pieces(&wire) {
                script.reads.extend([
                    Step::Fails(ErrorKind::Interrupted),
                    Step::Fails(ErrorKind::WouldBlock),
                    Step::Data(piece.into()),
                ]);
            }
            script.writes = (0..100)
                .flat_map(|_| {
                    [
                        Step::Fails(ErrorKind::Interrupted),
                        Step::Fails(ErrorKind::WouldBlock),
                        Step::Takes(i + 1),
                    ]
                })
                .collect();
            let mut ws = over(script, role);
            ws.feed("first").unwrap();
            let (seen, outcome) = events(&mut ws);
            outcome.unwrap();
            let expected = [
                Seen::Ping(b"p".into()),
                Seen::Text("H\u{E9}".into()),
                Seen::Binary(vec![7; 20_000]),
                Seen::Close(Some((1000, String::new()))),
            ];
            assert_eq!(seen, expected, "{delivery:?}");
            let written = [(0x81, b"first".to_vec()), (0x8A, b"p".to_vec()), (0x88, close_payload(1000, ""))];
            assert_eq!(payloads(&ws.get_ref().written), written, "{delivery:?}");
        }
    }
}

#[test]
fn f_40_a_handshake_goes_on_where_it_was_interrupted() {
    let mut script = Script::default();
    for byte in R0.0.bytes() {
        let blocked = [ErrorKind::Interrupted, ErrorKind::WouldBlock].map(Step::Fails);
        script.reads.extend(blocked);
        script.reads.push_back(Step::Data(vec![byte]));
    }
    script.writes = [ErrorKind::Interrupted, ErrorKind::WouldBlock].map(Step::Fails).into();
    script.then_read = Some(ErrorKind::WouldBlock);
    let mut handshake = blocking::Handshake::new(script, server::Options::new());
    for _ in R0.0.bytes() {
        assert_eq!(kind(handshake.read().map(|_| ())), ErrorKind::WouldBlock);
    }
    handshake.read().unwrap();
    let mut ws = handshake.accept().unwrap();
    assert_eq!(ws.get_ref().written, b"", "the response is blocked");
    assert_eq!(kind(ws.read()), ErrorKind::WouldBlock);
    assert!(
        ws.get_ref().written.starts_with(b"HTTP/1.1 101 ") && ws.get_ref().written.ends_with(b"\r\n\r\n")
    );
}

#[test]
fn f_41_one_terminal_error_and_no_work_afterwards() {
    for role in ROLES {
        let script = Script::of([frame(0xC1, peer_key(role), b""), frame(0x81, peer_key(role), b"more")]);
        let mut ws = over(script, role);
        assert!(matches!(ws.read(), Err(Error::Protocol(ProtocolError::ReservedBits))));
        let calls = ws.get_ref().calls;
        assert_over(&mut ws, "f_41");
        assert_eq!(ws.get_ref().calls, calls);
        assert_eq!(frames(&ws.get_ref().written).len(), 1);
    }
}

#[test]
fn t_01_t_02_a_peer_that_never_reads_makes_sending_wait() {
    let (mut ws, mut peer) = open(Role::Server, Config::new());
    ws.get_ref().set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    let before = memory::live();
    let message = |i: u32| i.to_be_bytes().repeat(16 << 10);
    let sent = (0..1_000).take_while(|i| match ws.send(message(*i)) {
        Ok(()) => true,
        Err(Error::Io(error)) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            false
        }
        Err(error) => panic!("{error:?}"),
    });
    let sent = u32::try_from(sent.count()).unwrap();
    assert!(sent < 1_000);
    assert!(ws.buffered_amount() <= (1 << 20) + (64 << 10) + 10, "{}", ws.buffered_amount());
    assert!(memory::live() - before <= 3 << 20, "{} held", memory::live() - before);

    // What was taken arrives, in order.
    let reader = thread::spawn(move || {
        for i in 0..sent {
            let mut header = [0; 10];
            peer.read_exact(&mut header).unwrap();
            assert_eq!(header, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
            let mut payload = vec![0; 64 << 10];
            peer.read_exact(&mut payload).unwrap();
            assert!(payload == message(i), "message {i} is another");
        }
        tcp::rest(&peer)
    });
    while let Err(error) = ws.flush() {
        assert_eq!(kind(Err::<(), _>(error)), ErrorKind::WouldBlock);
    }
    drop(ws);
    assert_eq!(reader.join().unwrap(), b"");
}

#[test]
fn t_03_a_half_open_connection_is_found() {
    let keepalive = Keepalive { interval: SHORT, timeout: SHORT };
    for role in ROLES {
        // Nothing comes ...
        let (mut ws, _peer) = open(role, Config::new().keepalive(keepalive).close_timeout(SHORT));
        let begun = Instant::now();
        let error = ws.read().unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::PongTimeout)), "{error:?}");
        let took = begun.elapsed();
        assert!(took >= SHORT && took < SOON, "{took:?}");
        assert_eq!(ws.close_info().unwrap().received.code, CloseCode::ABNORMAL);
        assert_over(&mut ws, "t_03");
        // ... and nothing is taken.
        let (mut ws, _peer) = open(role, Config::new().keepalive(keepalive).close_timeout(SHORT));
        let begun = Instant::now();
        while ws.send(vec![0; 64 << 10]).is_ok() {
            assert!(begun.elapsed() < SOON, "{} MB were taken", ws.buffered_amount() >> 20);
        }
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        let error = ws.read().unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::PongTimeout) | Error::Closed), "{error:?}");
    }
}

#[test]
fn t_04_only_the_pong_that_answers_the_ping_counts() {
    let second = Duration::from_secs(1);
    for role in ROLES {
        let keepalive = Keepalive { interval: 10 * second, timeout: 3 * second };
        let mut end = End::new(role, Config::new().keepalive(keepalive));
        let start = Instant::now();
        end.connection.handle_timeout(start);
        end.connection.handle_timeout(start + 10 * second);
        let (ping, payload) = payloads(&end.write_all()).pop().unwrap();
        assert_eq!(ping, 0x89);
        for other in [&b""[..], b"other", &payload[1..], &[&payload[..], b"x"].concat()] {
            end.receive(&frame(0x8A, peer_key(role), other));
            end.connection.handle_timeout(start + 12 * second);
        }
        assert_eq!(end.connection.round_trip_time(), None);
        end.connection.handle_timeout(start + 13 * second);
        end.poll();
        assert_eq!(end.error, Some(ProtocolError::PongTimeout));
    }
}

#[test]
fn t_05_a_peer_that_leaves_while_the_connection_is_open() {
    for role in ROLES {
        let key = peer_key(role);
        let text = frame(0x81, key, b"Hello");
        let received: [(&str, Vec<u8>, &[Seen]); 6] = [
            ("idle", vec![], &[]),
            ("in a header", text[..1].into(), &[]),
            ("in a payload", text[..text.len() - 2].into(), &[]),
            ("between fragments", frame(0x01, key, b"He"), &[]),
            ("behind a message", text, &[Seen::Text("Hello".into())]),
            ("behind its Close", close_frame(role, 1000), &[Seen::Close(Some((1000, String::new())))]),
        ];
        for ((state, bytes, expected), leave) in
            received.iter().flat_map(|case| Leave::BOTH.map(|leave| (case, leave)))
        {
            let context = format!("{role:?}, {state}, {leave:?}");
            let (mut ws, mut peer) = open(role, Config::new());
            peer.write_all(bytes).unwrap();
            let peer = leave.let_go(peer, ws.get_ref());
            let begun = Instant::now();
            let (seen, outcome) = events(&mut ws);
            assert_eq!(seen, *expected, "{context}: {outcome:?}");
            match (&outcome, leave) {
                (Ok(()), _) if *state == "behind its Close" => {}
                (Err(Error::Protocol(ProtocolError::UnexpectedEof)), Leave::Fin) => {}
                (Err(Error::Io(error)), Leave::Rst) if error.kind() == ErrorKind::ConnectionReset => {}
                _ => panic!("{context}: {outcome:?}"),
            }
            assert_over(&mut ws, &context);
            assert!(begun.elapsed() < SOON, "{context}");
            drop(ws);
            peer.inspect(|peer| drop(tcp::rest(peer))); // the descriptor is released
        }
    }
}

#[test]
fn t_05_a_peer_that_leaves_instead_of_answering_our_close_frame() {
    for (role, leave) in ROLES.into_iter().flat_map(|role| Leave::BOTH.map(|leave| (role, leave))) {
        let (mut ws, mut peer) = open(role, Config::new());
        let leaver = thread::spawn(move || {
            peer.read_exact(&mut [0]).unwrap();
            match leave {
                Leave::Fin => peer.shutdown(std::net::Shutdown::Write).map(|()| tcp::rest(&peer)),
                Leave::Rst => peer.peek(&mut [0]).map(|_| vec![]), // what is unread resets it
            }
        });
        let begun = Instant::now();
        let result = ws.close(CloseFrame::from(CloseCode::NORMAL));
        match (&result, leave) {
            (Err(Error::Protocol(ProtocolError::UnexpectedEof)), Leave::Fin) => {}
            (Err(Error::Io(error)), Leave::Rst) if error.kind() == ErrorKind::ConnectionReset => {}
            _ => panic!("{role:?}, {leave:?}: {result:?}"),
        }
        assert!(begun.elapsed() < SOON && !ws.close_info().unwrap().clean);
        assert_over(&mut ws, "t_05");
        drop(ws);
        leaver.join().unwrap().unwrap();
    }
}

#[test]
fn t_05_a_server_that_leaves_before_it_answers() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(kind(blocking::connect(format!("ws://{closed}/"))), ErrorKind::ConnectionRefused);
    for leave in Leave::BOTH {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            peer.read_exact(&mut [0]).unwrap();
            match leave {
                Leave::Fin => peer.shutdown(std::net::Shutdown::Write).map(|()| tcp::rest(&peer)),
                Leave::Rst => peer.peek(&mut [0]).map(|_| vec![]),
            }
        });
        let result = blocking::connect(url);
        match (&result, leave) {
            (Err(Error::Handshake(HandshakeError::UnexpectedEof)), Leave::Fin) => {}
            (Err(Error::Io(error)), Leave::Rst) if error.kind() == ErrorKind::ConnectionReset => {}
            _ => panic!("{leave:?}: {result:?}"),
        }
        server.join().unwrap().unwrap();
    }
}

#[test]
fn t_09_dropping_a_connection_closes_the_socket_and_never_blocks() {
    for role in ROLES {
        for state in ["idle", "half a message received", "a full queue", "Close sent", "failed"] {
            let (mut ws, mut peer) = open(role, Config::new().close_timeout(SHORT));
            match state {
                "half a message received" => peer.write_all(&frame(0x01, peer_key(role), b"a")[..2]).unwrap(),
                "a full queue" => {
                    ws.get_ref().set_write_timeout(Some(Duration::from_millis(10))).unwrap();
                    while ws.feed(vec![0; 1 << 20]).is_ok() {}
                }
                "Close sent" => drop(ws.close(None).unwrap_err()),
                "failed" => {
                    peer.write_all(&frame(0xC1, peer_key(role), b"")).unwrap();
                    ws.read().unwrap_err();
                }
                _ => {}
            }
            let begun = Instant::now();
            drop(ws);
            assert!(begun.elapsed() < Duration::from_secs(4), "{state}");
            tcp::rest(&peer); // ends
        }
    }
}

#[test]
fn t_14_deadlines_beyond_the_clock_do_not_panic() {
    let forever = Duration::MAX;
    let config = Config::new()
        .handshake_timeout(forever)
        .close_timeout(forever)
        .message_timeout(forever)
        .keepalive(Keepalive { interval: forever, timeout: forever });
    for role in ROLES {
        let (mut ws, mut peer) = open(role, config.clone());
        peer.write_all(&frame(0x81, peer_key(role), b"Hi")).unwrap();
        assert_eq!(ws.read().unwrap().unwrap().as_text(), Some("Hi"));
        peer.write_all(&close_frame(role, 1000)).unwrap();
        drop(peer);
        assert_eq!(ws.close(None).unwrap().received.code, CloseCode::NORMAL);
    }
}
