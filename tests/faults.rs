//! The n-th call of one kind goes wrong, for every n until a scenario no longer makes so many: over every front
//! end, with the connection whole, in halves, and as a stream of bytes.
//!
//! Whatever happens, nothing panics and nobody waits for ever; what came before is delivered, intact and in
//! order; the failure is reported once; and how the connection ended is told as it was.
#![cfg(all(feature = "tokio", feature = "futures"))]

#[path = "faults/bytes.rs"]
mod bytes;
#[path = "faults/front.rs"]
mod front;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use front::{Blocking, Front};
use sansocket::asynchronous::{Futures, Tokio, WebSocket};
use sansocket::handshake::{client::Request, server::Options};
use sansocket::{CloseCode, CloseFrame, CloseInfo, Config, Error, Message, ProtocolError, Role, SendError};
use std::io::ErrorKind;
use support::end::Seen;
use support::net::{Call, Context, Fault, Line, Speed};

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
        sent.into_iter().for_each(|sent| self.note(sent));
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

#[test]
fn f_37_f_38_f_40_t_05_t_06_futures() {
    play_all::<WebSocket<Futures<Line>>>();
    bytes::play_all::<Futures<Line>>(true);
}

#[test]
fn f_37_f_38_f_40_t_05_t_06_tokio_() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    play_all::<WebSocket<Tokio<Line>>>();
    bytes::play_all::<Tokio<Line>>(false);
}

#[test]
fn f_37_f_38_f_40_t_05_t_06_blocking_() {
    play_all::<Blocking>();
}
