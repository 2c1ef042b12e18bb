//! The n-th call of one kind goes wrong, for every n until a scenario no longer makes so many: over every front
//! end, with the connection whole, in halves, and as a stream of bytes.
//!
//! Whatever happens, nothing panics and nobody waits for ever; what came before is delivered, intact and in
//! order; the failure is reported once; and how the connection ended is told as it was.
#![cfg(all(feature = "tokio", feature = "futures"))]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use futures_util::future::join;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use sansocket::asynchronous::{Futures, Handshake, Tokio, Transport, WebSocket};
use sansocket::handshake::{client::Request, server::Options};
use sansocket::{
    CloseCode, CloseFrame, CloseInfo, Config, Connection, Error, Message, ProtocolError, Role, SendError,
    blocking,
};
use std::io::ErrorKind;
use support::end::Seen;
use support::net::{Call, Fault, Line, Speed};

/// A connection, by one of the front ends. A blocking call is a future that is ready at once.
trait Front: Sized {
    /// An interrupted call is made again.
    const RETRIES: bool;
    /// A stream can say that it has read more than it was asked for.
    const CAN_LIE: bool;

    fn over(line: &Line, role: Role) -> Self;
    async fn client(line: &Line) -> Result<Self, Error>;
    async fn accept(line: &Line) -> Result<Self, Error>;
    async fn read(&mut self) -> Result<Option<Message>, Error>;
    async fn send(&mut self, message: &Message) -> Result<(), Error>;
    async fn flush(&mut self) -> Result<(), Error>;
    async fn close(&mut self) -> Result<CloseInfo, Error>;
    fn info(&self) -> Option<CloseInfo>;
    fn buffered(&self) -> usize;
    /// Splits it; one half echoes what the other reads, until the end.
    async fn echo_in_halves(self, log: &mut Log);
}

const BYE: CloseCode = CloseCode::GOING_AWAY;

fn config() -> Config {
    Config::new().high_water_mark(1000)
}

fn request() -> Request {
    Request::new("ws://a/").unwrap()
}

fn options() -> Options {
    Options::new().config(config())
}

macro_rules! asynchronous {
    ($transport:ident, $can_lie:literal) => {
        impl Front for WebSocket<$transport<Line>> {
            const RETRIES: bool = false;
            const CAN_LIE: bool = $can_lie;

            fn over(line: &Line, role: Role) -> Self {
                Self::from_connection(line.clone(), Connection::with_seed(role, config(), [3; 32]))
            }

            async fn client(line: &Line) -> Result<Self, Error> {
                Self::client(line.clone(), request(), config()).await
            }

            async fn accept(line: &Line) -> Result<Self, Error> {
                let mut handshake = Handshake::new(line.clone(), options());
                if let Err(error) = handshake.read().await {
                    // It comes to an end, whatever that is.
                    let _again = handshake.read().await;
                    return Err(error);
                }
                handshake.accept().await
            }

            async fn read(&mut self) -> Result<Option<Message>, Error> {
                self.read().await
            }

            async fn send(&mut self, message: &Message) -> Result<(), Error> {
                self.send(message).await
            }

            async fn flush(&mut self) -> Result<(), Error> {
                self.flush().await
            }

            async fn close(&mut self) -> Result<CloseInfo, Error> {
                self.close(CloseFrame::from(BYE)).await
            }

            fn info(&self) -> Option<CloseInfo> {
                self.close_info().cloned()
            }

            fn buffered(&self) -> usize {
                self.buffered_amount()
            }

            async fn echo_in_halves(self, log: &mut Log) {
                let (mut reader, mut writer) = self.split();
                let mut other = writer.clone();
                loop {
                    let message = reader.read().await;
                    let sent = match &message {
                        Ok(Some(message)) => join(writer.feed(message), other.flush()).await,
                        _ => (Ok(()), writer.flush().await),
                    };
                    if !log.note_read(message, [sent.0, sent.1]) {
                        break;
                    }
                }
                assert!(matches!(reader.read().await, Ok(None) | Err(Error::Closed)));
                assert_eq!(writer.buffered_amount(), 0);
                log.info = reader.close_info();
            }
        }
    };
}

asynchronous!(Futures, true);
asynchronous!(Tokio, false);

struct Blocking(blocking::WebSocket<Line>, Line);

/// Calls again as long as it would block.
fn retry<R>(line: &Line, mut call: impl FnMut() -> Result<R, Error>) -> Result<R, Error> {
    for _ in 0..1000 {
        match call() {
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => line.net().step(),
            result => return result,
        };
    }
    panic!("it would block for ever");
}

impl Front for Blocking {
    const RETRIES: bool = true;
    const CAN_LIE: bool = true;

    fn over(line: &Line, role: Role) -> Self {
        let connection = Connection::with_seed(role, config(), [3; 32]);
        Self(blocking::WebSocket::from_connection(line.clone(), connection), line.clone())
    }

    async fn client(line: &Line) -> Result<Self, Error> {
        Ok(Self(blocking::WebSocket::client(line.clone(), request(), config())?, line.clone()))
    }

    async fn accept(line: &Line) -> Result<Self, Error> {
        let mut handshake = blocking::Handshake::new(line.clone(), options());
        retry(line, || handshake.read().map(|_| ()))?;
        Ok(Self(handshake.accept()?, line.clone()))
    }

    async fn read(&mut self) -> Result<Option<Message>, Error> {
        retry(&self.1, || self.0.read())
    }

    async fn send(&mut self, message: &Message) -> Result<(), Error> {
        retry(&self.1, || self.0.send(message))
    }

    async fn flush(&mut self) -> Result<(), Error> {
        retry(&self.1, || self.0.flush())
    }

    async fn close(&mut self) -> Result<CloseInfo, Error> {
        retry(&self.1, || self.0.close(CloseFrame::from(BYE)))
    }

    fn info(&self) -> Option<CloseInfo> {
        self.0.close_info().cloned()
    }

    fn buffered(&self) -> usize {
        self.0.buffered_amount()
    }

    async fn echo_in_halves(self, log: &mut Log) {
        let Self(ws, line) = self;
        let (mut reader, writer) = ws.split().unwrap();
        loop {
            let message = retry(&line, || reader.read());
            let sent = match &message {
                Ok(Some(message)) => retry(&line, || writer.send(message)),
                _ => Ok(()),
            };
            if !log.note_read(message, [sent, retry(&line, || writer.flush())]) {
                break;
            }
        }
        assert!(matches!(reader.read(), Ok(None) | Err(Error::Closed)));
        assert_eq!(writer.buffered_amount(), 0);
        log.info = reader.close_info();
    }
}

/// What an application sees.
#[derive(Debug, Default)]
struct Log {
    got: Vec<Message>,
    /// All errors but those that only say that it was over before.
    failures: Vec<Error>,
    info: Option<CloseInfo>,
}

impl Log {
    fn note<R>(&mut self, result: Result<R, Error>) {
        match result {
            Ok(_) | Err(Error::Closed | Error::Send(SendError::Closed)) => {}
            Err(error) => self.failures.push(error),
        }
    }

    /// Notes what a read and the writes after it came to; whether more may come.
    fn note_read(&mut self, read: Result<Option<Message>, Error>, sent: [Result<(), Error>; 2]) -> bool {
        let more = matches!(read, Ok(Some(_)));
        match read {
            Ok(message) => self.got.extend(message),
            Err(error) => self.note(Err::<(), _>(error)),
        }
        sent.map(|sent| self.note(sent));
        more
    }
}

/// What is done with a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scenario {
    /// The opening handshake, and then an echo.
    Open,
    /// An echo, until the peer closes.
    Echo,
    /// The same in halves.
    Halves,
    /// An echo of one message; then this end closes.
    Close,
}

const SCENARIOS: [Scenario; 4] = [Scenario::Open, Scenario::Echo, Scenario::Halves, Scenario::Close];
const ROLES: [Role; 2] = [Role::Client, Role::Server];
const SPEEDS: [Speed; 2] = [
    Speed { call: 60_000, step: 60_000, capacity: 60_000, stutters: false, writes_first: false },
    Speed { call: 9000, step: 5000, capacity: 8000, stutters: false, writes_first: false },
];
const FAULTS: [Fault; 7] = [
    Fault::Fails(ErrorKind::ConnectionReset),
    Fault::Fails(ErrorKind::Interrupted),
    Fault::Dies(ErrorKind::ConnectionReset),
    Fault::Short,
    Fault::Blocks,
    Fault::Zero,
    Fault::Lies,
];

/// The last has storage of its own.
fn messages() -> Vec<Message> {
    let bytes: Vec<u8> = (0..40_000u32).map(|i| (i % 251).to_le_bytes()[0]).collect();
    vec![Message::text("hello"), Message::binary(Vec::new()), Message::binary(bytes), Message::text("bye")]
}

async fn echo<F: Front>(mut ws: F, closes: bool, log: &mut Log) {
    loop {
        let message = ws.read().await;
        let sent = if let Ok(Some(message)) = &message { ws.send(message).await } else { Ok(()) };
        assert!(ws.buffered() <= 1000 + 40_014, "{}", ws.buffered());
        if !log.note_read(message, [sent, Ok(())]) {
            break;
        }
        if closes {
            log.note(ws.close().await);
            break;
        }
    }
    // What is over stays so.
    for _ in 0..3 {
        let read = ws.read().await;
        assert!(matches!(read, Ok(None) | Err(Error::Closed)), "{read:?}");
    }
    let late = ws.send(&Message::text("late")).await;
    assert!(matches!(late, Err(Error::Closed | Error::Send(SendError::Closed))), "{late:?}");
    log.note(ws.flush().await);
    assert!(matches!(ws.close().await, Ok(_) | Err(Error::Closed)));
    assert_eq!(ws.buffered(), 0);
    log.info = ws.info();
}

/// Plays a scenario in which something goes wrong. False: it did not come to that.
fn play<F: Front>(
    scenario: Scenario,
    role: Role,
    speed: Speed,
    (call, n, fault): (Call, usize, Fault),
) -> bool {
    let _context = Context(format!("{scenario:?} {role:?} {speed:?} {call:?} {n} {fault:?}"));
    let is_opened = scenario != Scenario::Open;
    let line = if is_opened { Line::new(role, speed) } else { Line::unopened(role, speed) };
    let mut net = line.net();
    (net.fault, net.gives_up) = (Some((call, n, fault)), true);
    for message in messages() {
        net.peer.connection.send(message).unwrap();
    }
    if scenario != Scenario::Close {
        net.peer.connection.close(CloseFrame::from(BYE)).unwrap();
    }
    drop(net);
    let mut log = Log::default();
    let opened = line.finish(async {
        let ws = match (is_opened, role) {
            (true, _) => F::over(&line, role),
            (false, Role::Client) => F::client(&line).await?,
            (false, Role::Server) => F::accept(&line).await?,
        };
        match scenario {
            Scenario::Halves => ws.echo_in_halves(&mut log).await,
            _ => echo(ws, scenario == Scenario::Close, &mut log).await,
        }
        Ok(())
    });
    while line.net().step() {}
    let net = line.net();
    if net.fault.is_some() {
        assert!(opened.is_ok() && log.failures.is_empty(), "{:?} {:?}", opened, log.failures);
        return false;
    }

    let is_harmless = match fault {
        Fault::Short | Fault::Blocks => true,
        Fault::Fails(ErrorKind::Interrupted) => F::RETRIES,
        Fault::Zero | Fault::Lies => matches!(call, Call::Flush | Call::Close),
        _ => false,
    };
    if let Err(error) = opened {
        let blocks = F::RETRIES && fault == Fault::Blocks && role == Role::Client; // as it says
        assert!(matches!(error, Error::Io(_) | Error::Handshake(_)) && (blocks || !is_harmless), "{error:?}");
        return true;
    }
    // What came is intact and in order; a fault of the writing direction does not hide it.
    let sent = messages();
    assert!(sent.starts_with(&log.got), "{} messages", log.got.len());
    let all = log.got.len() == sent.len() || scenario == Scenario::Close;
    let reads_on = call != Call::Read && !matches!(fault, Fault::Dies(_));
    assert!(all || !(reads_on || is_harmless), "{} messages", log.got.len());
    // The failure is reported, once for each direction.
    let info = log.info.expect("it has ended");
    let most = if matches!(fault, Fault::Dies(_)) { 2 } else { 1 };
    assert!(log.failures.len() <= most, "{:?}", log.failures);
    assert!(all && info.clean || !log.failures.is_empty(), "{all} {info:?}");
    assert!(!is_harmless || (info.clean && log.failures.is_empty()), "{info:?} {:?}", log.failures);
    // The peer saw no more than that, nothing torn, and no Close frame that was not told of, or the reverse.
    assert!(matches!(net.peer.error, None | Some(ProtocolError::UnexpectedEof)), "{:?}", net.peer.error);
    let seen = |message: &Message| match message {
        Message::Text(text) => Seen::Text(text.as_str().to_owned()),
        Message::Binary(bytes) => Seen::Binary(bytes.to_vec()),
    };
    let echoed: Vec<_> = log.got.iter().map(seen).collect();
    let (closes, echo): (Vec<_>, Vec<_>) =
        net.peer.seen.iter().cloned().partition(|seen| matches!(seen, Seen::Close(_)));
    assert!(
        echoed.starts_with(&echo) && (echo == echoed || !is_harmless),
        "{} of {}",
        echo.len(),
        echoed.len()
    );
    assert!(!info.clean || closes == [Seen::Close(Some((BYE.as_u16(), String::new())))], "{closes:?}");
    assert!(!info.clean || info.sent.code == BYE && info.received.code == BYE, "{info:?}");
    true
}

/// Says in a panic where it was.
struct Context(String);

impl Drop for Context {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in {}", self.0);
        }
    }
}

/// Lets each call go wrong in each way; how many ways that makes.
fn play_all<F: Front>() {
    for scenario in SCENARIOS {
        for (role, speed) in ROLES.into_iter().flat_map(|role| SPEEDS.map(|speed| (role, speed))) {
            for call in [Call::Read, Call::Write, Call::Flush, Call::Close] {
                for fault in FAULTS {
                    if fault == Fault::Lies && call == Call::Read && !F::CAN_LIE {
                        continue;
                    }
                    let made =
                        (0..).take_while(|&n| play::<F>(scenario, role, speed, (call, n, fault))).count();
                    println!("{made:4} {scenario:?} {role:?} {call:?} {fault:?}");
                }
            }
        }
    }
}

/// The same for a stream of bytes, which also must not end where its peer did not end it. False: it did not come
/// to the fault.
fn play_bytes<T: Transport + From<Line> + Unpin>(
    role: Role,
    speed: Speed,
    (call, n, fault): (Call, usize, Fault),
) -> bool {
    let _context = Context(format!("{role:?} {speed:?} {call:?} {n} {fault:?}"));
    let line = Line::new(role, speed);
    let mut net = line.net();
    (net.fault, net.gives_up) = (Some((call, n, fault)), true);
    let sent: Vec<u8> = messages().iter().flat_map(Message::as_bytes).copied().collect();
    for part in sent.chunks(15_000) {
        net.peer.connection.send(part).unwrap();
    }
    net.peer.connection.close(CloseFrame::from(BYE)).unwrap();
    drop(net);
    let connection = Connection::with_seed(role, config(), [3; 32]);
    let mut stream = WebSocket::<T>::from_connection(line.clone(), connection).into_byte_stream();
    let (mut got, mut written, mut buffer) = (Vec::new(), 0, [0; 7000]);
    let (ended, closed) = line.finish(async {
        // The peer's Close frame may come before all is written.
        while written < sent.len()
            && let Ok(n) = stream.write(&sent[written..]).await
        {
            written += n;
        }
        let ended = loop {
            match stream.read(&mut buffer).await {
                Ok(0) => break Ok(()),
                Ok(n) => got.extend_from_slice(&buffer[..n]),
                Err(error) => break Err(error),
            }
        };
        let again = stream.read(&mut buffer).await;
        assert_eq!(
            again.map_err(|error| error.kind()),
            ended.as_ref().map(|()| 0).map_err(|_| ErrorKind::BrokenPipe)
        );
        assert_eq!(stream.write(b"late").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        (ended, stream.close().await)
    });
    while line.net().step() {}
    let net = line.net();
    let info = stream.close_info().unwrap();
    assert!(sent.starts_with(&got), "{} bytes", got.len());
    assert_eq!(ended.is_ok(), got == sent && info.received.code == BYE, "{ended:?} {info:?}");
    let echo: Vec<u8> = net
        .peer
        .seen
        .iter()
        .flat_map(|seen| if let Seen::Binary(bytes) = seen { &bytes[..] } else { &[] })
        .copied()
        .collect();
    assert!(
        sent[..written].starts_with(&echo) && (echo.len() == written || !info.clean),
        "{} of {written}",
        echo.len()
    );
    if net.fault.is_some() || matches!(fault, Fault::Short | Fault::Blocks) {
        assert!(ended.is_ok() && closed.is_ok() && info.clean, "{ended:?} {closed:?} {info:?}");
    }
    net.fault.is_none()
}

fn play_all_bytes<T: Transport + From<Line> + Unpin>(can_lie: bool) {
    for (role, speed) in ROLES.into_iter().flat_map(|role| SPEEDS.map(|speed| (role, speed))) {
        for (call, fault) in [Call::Read, Call::Write, Call::Flush, Call::Close]
            .into_iter()
            .flat_map(|call| FAULTS.map(|fault| (call, fault)))
        {
            if fault == Fault::Lies && call == Call::Read && !can_lie {
                continue;
            }
            let made = (0..).take_while(|&n| play_bytes::<T>(role, speed, (call, n, fault))).count();
            println!("{made:4} bytes {role:?} {call:?} {fault:?}");
        }
    }
}

#[test]
fn futures() {
    play_all::<WebSocket<Futures<Line>>>();
    play_all_bytes::<Futures<Line>>(true);
}

#[test]
fn tokio_() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    play_all::<WebSocket<Tokio<Line>>>();
    play_all_bytes::<Tokio<Line>>(false);
}

#[test]
fn blocking_() {
    play_all::<Blocking>();
}
