//! The blocking front end over loopback sockets, and over scripted streams that misbehave.

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use sansocket::blocking::{self, Handshake, TryClone, WebSocket};
use sansocket::handshake::{OriginPolicy, Rejection, client, server};
use sansocket::http::StatusCode;
use sansocket::{
    CloseCode, CloseFrame, Config, Connect, Connection, Error, Event, HandshakeError, Keepalive, Message,
    PreparedMessage, ProtocolError, Role, SendError, State,
};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use support::sockets::{is_blocked, pair, serve};

const SOON: Duration = Duration::from_millis(200);

fn echo(stream: TcpStream) -> Result<(), Error> {
    let mut ws = blocking::accept(stream)?;
    while let Some(message) = ws.read()? {
        ws.feed(message)?;
    }
    Ok(())
}

#[test]
fn everything_can_move_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Connection>();
    is_send::<WebSocket<TcpStream>>();
    is_send::<blocking::Reader<TcpStream>>();
    is_send::<blocking::Writer<TcpStream>>();
    is_send::<client::Handshake>();
    is_send::<server::Handshake>();
}

#[test]
fn messages_come_back() {
    let (url, server) = serve(echo);
    let mut ws = blocking::connect(&url).unwrap();
    let large = vec![7; 300_000];
    for message in [Message::text("hello"), Message::binary(&b""[..]), Message::binary(large)] {
        ws.send(&message).unwrap();
        assert_eq!(ws.read().unwrap(), Some(message));
    }
    ws.send_fragment("frag", false).unwrap();
    ws.ping(b"between").unwrap();
    ws.send_fragment("ments", true).unwrap();
    assert_eq!(ws.read().unwrap(), Some(Message::text("fragments")));
    ws.send_prepared(&PreparedMessage::text("prepared")).unwrap();
    assert_eq!(ws.read().unwrap(), Some(Message::text("prepared")));

    let info = ws.close(CloseFrame::new(CloseCode::NORMAL, "bye")).unwrap();
    assert_eq!((info.first, info.clean), (Some(Role::Client), true));
    assert_eq!(info.received, CloseFrame::new(CloseCode::NORMAL, "bye"));
    assert_eq!(ws.state(), State::Closed);
    assert!(matches!(ws.read(), Ok(None)));
    assert!(matches!(ws.send("late"), Err(Error::Send(SendError::Closed))));
    assert!(server.join().unwrap().is_ok());
}

#[test]
fn the_server_may_close_first() {
    let (url, server) =
        serve(|stream| blocking::accept(stream)?.close(CloseFrame::from(CloseCode::GOING_AWAY)));
    let mut ws = blocking::connect(&url).unwrap();
    assert_eq!(ws.read().unwrap(), None);
    assert_eq!(ws.read().unwrap(), None);
    assert_eq!(ws.close_info().unwrap().received.code, CloseCode::GOING_AWAY);
    assert_eq!(ws.close_info().unwrap().first, Some(Role::Server));
    assert!(server.join().unwrap().unwrap().clean);
}

#[test]
fn a_subprotocol_is_agreed_on_and_a_request_can_be_looked_at() {
    let (url, server) = serve(|stream| {
        let options = server::Options::new().protocols(["v2", "v1"]).origin(OriginPolicy::any());
        let mut handshake = Handshake::tcp(stream, options)?;
        assert_eq!(handshake.read()?.headers()["x-token"], "secret");
        assert_eq!(handshake.read()?.uri().path(), "/");
        let ws = handshake.accept()?;
        Ok::<_, Error>(ws.protocol().map(str::to_owned))
    });
    let request = client::Request::new(&url).unwrap();
    let request =
        request.protocol("v1").unwrap().protocol("v2").unwrap().header("X-Token", "secret").unwrap();
    let ws = blocking::connect(request).unwrap();
    assert_eq!((ws.protocol(), ws.extensions()), (Some("v1"), ""));
    assert_eq!(server.join().unwrap().unwrap().as_deref(), Some("v1"));
}

#[test]
fn a_refusal_reaches_the_client_whole() {
    let (url, server) = serve(|stream| -> Result<Error, Error> {
        let mut handshake = Handshake::tcp(stream, server::Options::new())?;
        handshake.read()?;
        let refusal =
            Rejection::new(StatusCode::UNAUTHORIZED)?.header("X-Why", "no token")?.body("who are you?");
        Ok(handshake.reject(refusal))
    });
    let Err(Error::Handshake(HandshakeError::Http(response))) = blocking::connect(&url) else { panic!() };
    assert_eq!((response.status(), &response.body()[..]), (StatusCode::UNAUTHORIZED, &b"who are you?"[..]));
    assert_eq!(response.headers()["x-why"], "no token");
    assert!(matches!(server.join().unwrap(), Ok(Error::Handshake(HandshakeError::Rejected(_)))));
}

#[test]
fn a_silent_client_is_dropped_at_the_handshake_deadline() {
    let options = server::Options::new().config(Config::new().handshake_timeout(SOON));
    let (url, server) = serve(move |stream| blocking::accept_with(stream, options).err().unwrap());
    let mut silent = TcpStream::connect(url.trim_start_matches("ws://").trim_end_matches('/')).unwrap();
    let start = Instant::now();
    silent.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    assert_eq!(silent.read(&mut [0; 100]).unwrap(), 0);
    assert!(start.elapsed() >= SOON);
    assert!(matches!(server.join().unwrap(), Error::Handshake(HandshakeError::Timeout)));
}

#[test]
fn a_silent_server_is_given_up_at_the_handshake_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let error = blocking::connect(Connect::new(&url).unwrap().config(Config::new().handshake_timeout(SOON)))
        .unwrap_err();
    assert!(matches!(error, Error::Handshake(HandshakeError::Timeout)), "{error:?}");
}

#[test]
fn a_peer_that_never_answers_the_close_frame_is_given_up() {
    let config = Config::new().close_timeout(SOON);
    let (url, server) = serve(move |stream| {
        let mut ws = blocking::accept_with(stream, server::Options::new().config(config)).unwrap();
        (ws.close(None).unwrap_err(), ws.read().unwrap_err())
    });
    let deaf = blocking::connect(&url).unwrap();
    let (first, then) = server.join().unwrap();
    assert!(matches!(first, Error::Protocol(ProtocolError::CloseTimeout)), "{first:?}");
    assert!(matches!(then, Error::Closed), "{then:?}");
    drop(deaf);
}

#[test]
fn a_dead_peer_is_found_by_keepalive_alone() {
    let config = Config::new().keepalive(Keepalive { interval: SOON / 2, timeout: SOON / 2 });
    let (deaf, mut server) = pair(Config::new(), config);
    let start = Instant::now();
    let error = server.read().unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::PongTimeout)), "{error:?}");
    assert!(start.elapsed() >= SOON);
    assert!(matches!(server.read(), Err(Error::Closed)));
    drop(deaf);
}

#[test]
fn a_slow_application_does_not_lose_a_live_peer() {
    let config = Config::new().keepalive(Keepalive { interval: SOON / 2, timeout: SOON });
    let (mut client, mut server) = pair(Config::new(), config);
    let peer = thread::spawn(move || {
        // The ping comes; its pong leaves with the next message.
        while client.read_with(|event, _| !matches!(event, Event::Ping(_))).unwrap().unwrap() {}
        client.send("a").unwrap();
        client.send("b").unwrap();
        client
    });
    assert_eq!(server.read().unwrap(), Some(Message::text("a")));
    let client = peer.join().unwrap();
    thread::sleep(2 * SOON); // the application takes its time
    assert_eq!(server.read().unwrap(), Some(Message::text("b")));
    drop(client);
}

#[test]
fn keepalive_measures_the_round_trip_and_keeps_the_timeout_of_the_socket() {
    let config = Config::new().keepalive(Keepalive { interval: SOON / 4, timeout: 50 * SOON });
    let (mut client, mut server) = pair(Config::new(), config);
    let client = thread::spawn(move || client.read());
    server.get_ref().set_read_timeout(Some(2 * SOON)).unwrap();
    let timed_out = server.read();
    assert!(is_blocked(timed_out), "the socket's own timeout ends the read");
    assert!(server.round_trip_time().is_some());
    assert_eq!(server.get_ref().read_timeout().unwrap(), Some(2 * SOON));
    assert!(server.close(None).unwrap().clean);
    assert_eq!(client.join().unwrap().unwrap(), None);
}

#[test]
fn a_read_that_times_out_loses_nothing() {
    let (mut client, mut server) = pair(Config::new(), Config::new());
    server.get_ref().set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    assert!(is_blocked(server.read()));
    // Half a frame comes, the read times out in the middle of it, the rest comes.
    client.get_mut().write_all(&[0x81, 0x85, 0, 0, 0, 0, b'H', b'e']).unwrap();
    assert!(is_blocked(server.read()));
    client.get_mut().write_all(b"llo").unwrap();
    assert_eq!(server.read().unwrap(), Some(Message::text("Hello")));
}

#[test]
fn a_burst_is_lent_and_answered() {
    let (mut client, mut server) = pair(Config::new(), Config::new());
    let server = thread::spawn(move || {
        let mut kinds = Vec::new();
        while let Some(sent) = server
            .read_with(|event, sender| match event {
                Event::Text(text) => (kinds.push('t'), sender.send(text)).1,
                Event::Binary(payload) => (kinds.push('b'), sender.send(payload)).1,
                Event::Ping(_) => (kinds.push('p'), Ok(())).1,
                _ => Ok(()),
            })
            .unwrap()
        {
            sent.unwrap();
        }
        kinds
    });
    client.feed("one").unwrap();
    client.feed(&[2u8]).unwrap();
    client.ping(b"?").unwrap();
    assert_eq!(client.read().unwrap(), Some(Message::text("one")));
    assert_eq!(client.read().unwrap(), Some(Message::binary(vec![2])));
    client.close(None).unwrap();
    assert_eq!(server.join().unwrap(), ['t', 'b', 'p']);
}

#[test]
fn the_streaming_mode_is_read_in_parts() {
    let (mut client, mut server) = pair(Config::new(), Config::new().streaming(true));
    let total = 3_000_000;
    let client = thread::spawn(move || client.send(vec![1; total]).map(|()| client));
    let mut received = 0;
    loop {
        let fin = server.read_with(|event, _| {
            let Event::BinaryPart { part, fin } = event else { panic!("{event:?}") };
            received += part.len();
            fin
        });
        if fin.unwrap().unwrap() {
            break;
        }
    }
    assert_eq!(received, total);
    client.join().unwrap().unwrap().send("x").unwrap();
    assert!(matches!(server.read(), Err(Error::Streaming)));
}

#[test]
fn non_blocking_sockets_lose_nothing() {
    let (mut client, mut server) = pair(Config::new(), Config::new());
    server.get_ref().set_nonblocking(true).unwrap();
    assert!(is_blocked(server.read()));
    let client = thread::spawn(move || {
        let mut echoed = Vec::new();
        for size in [10, 100_000, 10] {
            client.send(vec![3; size]).unwrap();
            echoed.push(client.read().unwrap().unwrap().len());
        }
        (client.close(None).unwrap().clean, echoed)
    });
    let mut waiting = None;
    loop {
        match waiting.take() {
            None => match server.read() {
                Ok(None) => break,
                Ok(message) => waiting = message,
                result => assert!(is_blocked(result)),
            },
            Some(message) => {
                if is_blocked(server.send(&message)) {
                    waiting = Some(message);
                }
            }
        }
        thread::yield_now();
    }
    assert_eq!(client.join().unwrap(), (true, vec![10, 100_000, 10]));
}

#[test]
fn two_threads_share_a_split_connection() {
    const EACH: usize = 4 << 20;
    let (client, server) = pair(Config::new(), Config::new());
    // Both ends send more than any socket buffers before either has read anything: only reading and
    // writing at the same time gets through.
    let client = thread::spawn(move || talk(client, EACH));
    assert_eq!(talk(server, EACH), (4 * EACH, true));
    assert_eq!(client.join().unwrap(), (4 * EACH, true));
}

/// Sends four messages of this size while it reads four, and closes; how many bytes came, and whether the end
/// was clean.
fn talk<S>(ws: WebSocket<S>, each: usize) -> (usize, bool)
where
    S: Read + Write + TryClone + Send + 'static,
{
    let (mut reader, writer) = ws.split().unwrap();
    let other = writer.clone();
    let sending = thread::spawn(move || {
        for _ in 0..4 {
            writer.send(vec![9; each]).unwrap();
        }
        writer
    });
    let mut received = 0;
    while received < 4 * each {
        received += reader.read().unwrap().unwrap().len();
    }
    let writer = sending.join().unwrap();
    let closing = thread::spawn(move || (other.ping(b"more"), writer.close(None)).1.unwrap());
    assert_eq!(reader.read().unwrap(), None);
    assert_eq!(reader.state(), State::Closed);
    (received, closing.join().unwrap().clean)
}

#[test]
fn the_reading_half_answers_pings_although_nobody_writes() {
    let (mut client, server) = pair(Config::new(), Config::new());
    let reading = thread::spawn(move || server.split().unwrap().0.read());
    client.ping(b"alone?").unwrap();
    let pong = client.read_with(|event, _| matches!(event, Event::Pong(payload) if &*payload == b"alone?"));
    assert_eq!(pong.unwrap(), Some(true));
    client.close(None).unwrap();
    assert_eq!(reading.join().unwrap().unwrap(), None);
}

#[test]
fn closing_a_split_connection_frees_the_reader_of_a_silent_peer() {
    let (silent, server) = pair(Config::new(), Config::new().close_timeout(SOON));
    let (mut reader, writer) = server.split().unwrap();
    let reading = thread::spawn(move || (reader.read().unwrap_err(), reader.read().unwrap_err()));
    let info = writer.close(CloseFrame::from(CloseCode::NORMAL)).unwrap();
    assert!(!info.clean);
    assert!(matches!(reading.join().unwrap().1, Error::Closed));
    drop(silent);
}

/// A stream that does as its script says, and then nothing.
#[derive(Debug, Default)]
struct Script {
    reads: VecDeque<io::Result<Vec<u8>>>,
    /// How much each write takes.
    writes: VecDeque<io::Result<usize>>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.reads.pop_front() {
            Some(Ok(bytes)) => {
                let n = bytes.len().min(buffer.len());
                buffer[..n].copy_from_slice(&bytes[..n]);
                if n < bytes.len() {
                    self.reads.push_front(Ok(bytes[n..].to_vec()));
                }
                Ok(n)
            }
            Some(Err(error)) => Err(error),
            None => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let claimed = self.writes.pop_front().unwrap_or(Ok(usize::MAX - 1))?;
        let taken = claimed.min(bytes.len());
        self.written.lock().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(if claimed == usize::MAX { claimed } else { taken })
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write(&slices.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<u8>>())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn scripted(
    reads: impl IntoIterator<Item = io::Result<Vec<u8>>>,
    writes: impl IntoIterator<Item = io::Result<usize>>,
) -> (WebSocket<Script>, Arc<Mutex<Vec<u8>>>) {
    let script = Script {
        reads: reads.into_iter().collect(),
        writes: writes.into_iter().collect(),
        ..Script::default()
    };
    let written = Arc::clone(&script.written);
    let connection = Connection::new(Role::Server, Config::new());
    (WebSocket::from_connection(script, connection), written)
}

fn frame(b0: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![b0, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(payload);
    frame
}

fn error<T>(kind: ErrorKind) -> io::Result<T> {
    Err(kind.into())
}

#[test]
fn a_pong_that_was_blocked_leaves_with_a_later_read() {
    let (mut ws, written) = scripted(
        [Ok(frame(0x89, b"1")), error(ErrorKind::WouldBlock), Ok(frame(0x81, b"text"))],
        [error(ErrorKind::WouldBlock), error(ErrorKind::Interrupted), Ok(1), Ok(1)],
    );
    assert!(is_blocked(ws.read()));
    assert_eq!(ws.read().unwrap(), Some(Message::text("text")));
    assert!(is_blocked(ws.read()));
    assert_eq!(*written.lock().unwrap(), b"\x8A\x011");
}

#[test]
fn what_is_lent_leaves_once_and_in_order_however_little_each_write_takes() {
    let payload: Vec<u8> = (0..10_000_u32).map(|i| (i * i).to_le_bytes()[0]).collect();
    let expected = [&b"\x81\x02hi\x82\x7E\x27\x10"[..], &payload, b"\x81\x03you"].concat();
    for takes in [1, 3, 4, 7, 8, 9, 4096, 10_007, 10_008, usize::MAX - 1] {
        for blocked_after in 0..8 {
            let all = expected.len() / takes + 1;
            let mut writes: Vec<_> = (0..all.min(blocked_after)).map(|_| Ok(takes)).collect();
            writes.push(error(ErrorKind::WouldBlock));
            writes.extend((0..all).map(|_| Ok(takes)));
            let (mut ws, written) = scripted([], writes);
            ws.feed("hi").unwrap();
            ws.send(&payload).unwrap();
            ws.send("you").unwrap();
            while !matches!(ws.flush(), Ok(())) {}
            assert_eq!(*written.lock().unwrap(), expected, "{takes}, {blocked_after}");
            assert_eq!(ws.buffered_amount(), 0);
        }
    }
}

#[test]
fn what_is_lent_to_a_broken_stream_is_reported_once() {
    let (mut ws, written) =
        scripted([error(ErrorKind::ConnectionReset)], [Ok(100), error(ErrorKind::BrokenPipe)]);
    let sent = ws.send(&[7; 10_000]);
    assert!(matches!(sent, Err(Error::Io(error)) if error.kind() == ErrorKind::BrokenPipe));
    assert_eq!(written.lock().unwrap().len(), 100);
    assert!(matches!(ws.send(&[7; 10_000]), Err(Error::Send(SendError::Closed))));
    assert_eq!(ws.buffered_amount(), 0);
}

#[test]
fn interrupted_and_blocked_reads_are_resumed_at_every_byte() {
    let wire = [frame(0x01, b"He"), frame(0x89, b""), frame(0x80, b"llo")].concat();
    let reads = wire
        .iter()
        .flat_map(|&byte| [error(ErrorKind::Interrupted), error(ErrorKind::WouldBlock), Ok(vec![byte])]);
    let (mut ws, written) = scripted(reads, []);
    let message = loop {
        match ws.read() {
            Ok(message) => break message,
            result => assert!(is_blocked(result)),
        }
    };
    assert_eq!(message, Some(Message::text("Hello")));
    assert_eq!(*written.lock().unwrap(), b"\x8A\x00");
}

#[test]
fn a_write_of_nothing_is_an_error() {
    let (mut ws, _) = scripted([], [Ok(0)]);
    let Err(Error::Io(error)) = ws.send("x") else { panic!() };
    assert_eq!(error.kind(), ErrorKind::WriteZero);
    assert!(matches!(ws.send("x"), Err(Error::Send(SendError::Closed))));
}

#[test]
fn a_write_of_more_than_there_is_is_an_error() {
    let (mut ws, _) = scripted([], [Ok(usize::MAX)]);
    assert!(matches!(ws.send("x"), Err(Error::Io(_))));
}

#[test]
fn a_read_of_more_than_there_is_room_for_is_an_error() {
    struct Liar;
    impl Read for Liar {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            Ok(buffer.len() + 1)
        }
    }
    impl Write for Liar {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut ws = WebSocket::from_connection(Liar, Connection::new(Role::Client, Config::new()));
    assert!(matches!(ws.read(), Err(Error::Io(_))));
    assert!(matches!(ws.read(), Err(Error::Closed)));
}

#[test]
fn a_broken_write_does_not_hide_what_was_received() {
    let reads = [Ok(frame(0x81, b"last")), Ok(frame(0x88, b"\x03\xE9"))];
    let (mut ws, _) = scripted(reads, [error(ErrorKind::BrokenPipe)]);
    assert!(matches!(ws.send("x"), Err(Error::Io(_))));
    assert_eq!(ws.read().unwrap(), Some(Message::text("last")));
    assert!(ws.read().is_ok_and(|end| end.is_none()));
    let info = ws.close_info().unwrap();
    assert_eq!((info.received.code, info.clean), (CloseCode::GOING_AWAY, false));
}

#[test]
fn a_broken_write_is_reported_once_if_nothing_better_is_found() {
    let (mut ws, _) = scripted([Ok(frame(0x89, b"?")), Ok(vec![])], [error(ErrorKind::BrokenPipe)]);
    let Err(Error::Io(error)) = ws.read() else { panic!() };
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    for _ in 0..100 {
        assert!(matches!(ws.read(), Err(Error::Closed)));
    }
}

#[test]
fn a_protocol_error_is_told_once_to_each_side() {
    let (mut ws, written) = scripted([Ok(vec![0x83, 0x80, 0, 0, 0, 0]), Ok(vec![])], []);
    assert!(matches!(ws.read(), Err(Error::Protocol(ProtocolError::ReservedOpcode(3)))));
    for _ in 0..100 {
        assert!(matches!(ws.read(), Err(Error::Closed)));
    }
    let written = written.lock().unwrap();
    assert_eq!(written[2..4], 1002u16.to_be_bytes());
    assert_eq!(written.len(), 2 + usize::from(written[1]));
}

#[test]
fn a_peer_that_is_gone_and_takes_nothing_is_not_polled_for_ever() {
    struct Gone {
        close: Option<Vec<u8>>,
        reads: Arc<Mutex<usize>>,
    }
    impl Read for Gone {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            *self.reads.lock().unwrap() += 1;
            let close = self.close.take().unwrap_or_default();
            buffer[..close.len()].copy_from_slice(&close);
            Ok(close.len())
        }
    }
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            error(ErrorKind::WouldBlock)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let reads = Arc::new(Mutex::new(0));
    let stream = Gone { close: Some(frame(0x88, b"")), reads: Arc::clone(&reads) };
    let mut ws = WebSocket::from_connection(stream, Connection::new(Role::Server, Config::new()));
    for _ in 0..10 {
        assert!(is_blocked(ws.read()));
    }
    assert!(*reads.lock().unwrap() <= 2, "the Close frame, and the end of the stream");
}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
#[test]
fn wss_is_refused_with_a_clear_error() {
    let Err(Error::Io(error)) = blocking::connect("wss://127.0.0.1/") else { panic!() };
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
