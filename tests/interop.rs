//! Whatever our encoder can emit, Python's `wsproto` accepts and reads as it was meant; and C zlib, by way of
//! Python's module for it, takes what we compress, and makes what we take.
//!
//! `tests/interop/run.sh` installs `wsproto` and runs this; without it, these tests are skipped. The script
//! then lets whole implementations talk to the examples.

#[cfg(feature = "deflate")]
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;
#[cfg(feature = "deflate")]
#[path = "interop/zlib.rs"]
mod zlib;

use bytes::Buf;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sansocket::{
    Agreement, CloseCode, CloseFrame, Config, Connection, Event, Message, Opcode, Role, State, frame,
};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Lengths around which a header changes its form, and around which payloads are stored in other ways.
const LENGTHS: [usize; 19] =
    [0, 1, 2, 3, 7, 8, 124, 125, 126, 127, 128, 4_095, 4_096, 4_097, 65_534, 65_535, 65_536, 65_537, 1 << 17];

#[test]
fn wsproto_reads_whatever_the_encoder_writes() {
    let mut connections = Vec::new();
    for role in [Role::Client, Role::Server] {
        connections.extend(LENGTHS.map(|len| every_way_to_send(role, len)));
        connections.extend((0..300).map(|len| every_way_to_send(role, len)));
        connections.extend(sendable_codes().map(|code| closed_with(role, code)));
        connections.extend((0..250).map(|seed| anything(role, seed)));
    }
    if let Some(said) = python(&["wsproto_check.py"], &connections) {
        assert_eq!(said.trim(), format!("{} connections", connections.len()));
    }
}

/// What a Python script of `tests/interop` makes of these lines; `None` if Python is not installed there.
fn python(command: &[&str], lines: &[String]) -> Option<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    let python = here.join(".venv/bin/python");
    if !python.exists() {
        assert!(std::env::var_os("SANSOCKET_INTEROP").is_none(), "{} is missing", python.display());
        println!("skipped: run tests/interop/run.sh first");
        return None;
    }
    let mut python = Command::new(python)
        .current_dir(here)
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut stdin = python.stdin.take().expect("it is piped");
    // At the first mistake it stops reading, and says what it is.
    lines.iter().all(|line| stdin.write_all(line.as_bytes()).is_ok());
    drop(stdin);
    let said = python.wait_with_output().expect("python ends");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    Some(String::from_utf8_lossy(&said.stdout).into_owned())
}

/// A connection that notes what its output means.
struct Encoder {
    connection: Connection,
    role: Role,
    wire: Vec<u8>,
    meant: String,
    /// The fragments so far of a message that is not finished.
    unfinished: Option<Message>,
}

impl Encoder {
    fn new(role: Role, config: Config, seed: u64) -> Self {
        let connection =
            Connection::with_seed(role, config, Agreement::new(), StdRng::seed_from_u64(seed).random());
        Self { connection, role, wire: Vec::new(), meant: String::new(), unfinished: None }
    }

    /// Takes what was queued, as if it had been written.
    fn flush(&mut self) {
        let output = self.connection.output();
        while output.has_remaining() {
            self.wire.extend_from_slice(output.chunk());
            output.advance(output.chunk().len());
        }
    }

    fn mean(&mut self, event: &str, payload: &[u8]) {
        self.meant += &format!(" {event}:{}", hex(payload));
    }

    fn mean_message(&mut self, message: &Message) {
        let kind = if message.as_text().is_some() { "text" } else { "binary" };
        self.mean(kind, message.as_bytes());
    }

    /// Sends a message in one of four ways: borrowed, owned, shared or prepared.
    fn send(&mut self, message: &Message, how: usize) {
        match (how % 4, message) {
            (0, _) => self.connection.send(message),
            (1, Message::Text(text)) => self.connection.send(text.as_str().to_owned()),
            (1, Message::Binary(bytes)) => self.connection.send(bytes.to_vec()),
            (2, _) => self.connection.send(message.clone()),
            _ => self.connection.send_prepared(&message.into()),
        }
        .expect("the queue has room");
        self.mean_message(message);
        self.flush();
    }

    /// Sends a part of a message: text or binary, as the part before it.
    fn send_part(&mut self, part: &Message, fin: bool) {
        self.connection.send_fragment(part, fin).expect("the queue has room");
        self.flush();
        let whole = match (self.unfinished.take(), part) {
            (None, part) => part.clone(),
            (Some(before), Message::Text(part)) => {
                Message::text(before.as_text().unwrap_or_default().to_owned() + part)
            }
            (Some(before), Message::Binary(part)) => Message::binary([before.as_bytes(), part].concat()),
        };
        if fin {
            self.mean_message(&whole);
        } else {
            self.unfinished = Some(whole);
        }
    }

    fn ping(&mut self, payload: &[u8]) {
        self.connection.ping(payload).expect("the queue has room");
        self.mean("ping", payload);
        self.flush();
    }

    fn pong(&mut self, payload: &[u8]) {
        self.connection.pong(payload).expect("the queue has room");
        self.mean("pong", payload);
        self.flush();
    }

    /// Lets the peer send one control frame, and takes the answer to it.
    fn receive(&mut self, opcode: Opcode, payload: &[u8]) {
        let mask = (self.role == Role::Server).then_some([1, 2, 3, 4]);
        let header = frame::Header { mask, ..frame::Header::new(opcode, payload.len() as u64) };
        let (mut wire, mut payload) = (Vec::new(), payload.to_vec());
        header.encode(&mut wire);
        frame::mask::apply(&mut payload, mask.unwrap_or_default());
        self.connection.receive(&[wire, payload].concat());
        match self.connection.poll_event().expect("a valid frame").expect("a whole frame") {
            Event::Ping(payload) => {
                let payload = payload.to_vec();
                self.mean("pong", &payload);
            }
            Event::Close(frame) => self.mean_close(frame.as_ref()),
            other => panic!("{other:?}"),
        }
        self.flush();
    }

    fn close(&mut self, frame: Option<CloseFrame>) {
        self.mean_close(frame.as_ref());
        self.connection.close(frame).expect("a valid Close frame");
        self.flush();
    }

    fn mean_close(&mut self, frame: Option<&CloseFrame>) {
        let (code, reason) = frame.map_or((1005, ""), |frame| (frame.code.as_u16(), &*frame.reason));
        self.mean(&format!("close:{code}"), reason.as_bytes());
    }

    /// A line for `wsproto_check.py`.
    fn line(self) -> String {
        assert!(self.unfinished.is_none());
        let role = if self.role == Role::Client { "client" } else { "server" };
        format!("{role} {}{}\n", hex(&self.wire), self.meant)
    }
}

/// Text and binary of one length, in every way in which they can be handed over.
fn every_way_to_send(role: Role, len: usize) -> String {
    let mut encoder = Encoder::new(role, Config::new(), len as u64);
    for how in 0..4 {
        encoder.send(&Message::text("x".repeat(len)), how);
        encoder.send(&Message::binary(vec![0xA5; len]), how);
    }
    if len <= 125 {
        encoder.ping(&vec![1; len]);
        encoder.pong(&vec![2; len]);
        encoder.receive(Opcode::Ping, &vec![3; len]);
    }
    encoder.close(None);
    encoder.line()
}

/// Every code that we send, but 1014, which is younger than `wsproto`'s list.
fn sendable_codes() -> impl Iterator<Item = CloseCode> {
    let codes = (0..=u16::MAX).map(CloseCode::new);
    codes.filter(|code| code.is_sendable() && *code != CloseCode::BAD_GATEWAY)
}

/// A Close frame with this code, ours or the answer to one.
fn closed_with(role: Role, code: CloseCode) -> String {
    let number = code.as_u16();
    let reason = "é".repeat(usize::from(number) % (CloseFrame::MAX_REASON / 2 + 1));
    let mut encoder = Encoder::new(role, Config::new(), number.into());
    if number.is_multiple_of(2) {
        encoder.close(Some(CloseFrame::new(code, reason)));
    } else {
        encoder.receive(Opcode::Close, &[&number.to_be_bytes(), reason.as_bytes()].concat());
    }
    assert_ne!(encoder.connection.state(), State::Open);
    encoder.line()
}

/// Up to forty calls in any order that the contract allows.
fn anything(role: Role, seed: u64) -> String {
    let random = &mut StdRng::seed_from_u64(seed);
    let mut config = Config::new().high_water_mark(usize::MAX);
    if random.random_bool(0.5) {
        config = config.fragment_size(1 << random.random_range(0..14));
    }
    let mut encoder = Encoder::new(role, config, seed);
    for _ in 0..random.random_range(1..40) {
        let control = bytes(random, 126);
        match random.random_range(0..8) {
            0 => encoder.ping(&control),
            1 => encoder.pong(&control),
            2 => encoder.receive(Opcode::Ping, &control),
            3 | 4 if encoder.unfinished.is_none() => {
                let message = any_message(random);
                encoder.send(&message, random.random_range(0..4));
            }
            _ => {
                let part = match &encoder.unfinished {
                    None => any_message(random),
                    Some(Message::Text(_)) => Message::text(text(random)),
                    Some(Message::Binary(_)) => Message::binary(bytes(random, 6_000)),
                };
                encoder.send_part(&part, random.random_bool(0.4));
            }
        }
    }
    if let Some(unfinished) = &encoder.unfinished {
        let empty = if unfinished.as_text().is_some() { Message::text("") } else { Message::binary(vec![]) };
        encoder.send_part(&empty, true);
    }
    encoder.close(Some(CloseFrame::new(CloseCode::NORMAL, "that was all")));
    encoder.line()
}

fn any_message(random: &mut StdRng) -> Message {
    if random.random() { Message::text(text(random)) } else { Message::binary(bytes(random, 70_000)) }
}

/// Fewer bytes than `limit`, mostly much fewer.
fn bytes(random: &mut StdRng, limit: usize) -> Vec<u8> {
    let limit = if random.random_bool(0.9) { limit.min(200) } else { limit };
    (0..random.random_range(0..limit)).map(|_| random.random()).collect()
}

/// Characters of one to four bytes.
fn text(random: &mut StdRng) -> String {
    let characters = ['a', '\0', 'é', '\u{7FF}', '€', '\u{FFFD}', '😀', '\u{10FFFF}'];
    bytes(random, 6_000).into_iter().map(|byte| characters[usize::from(byte) % 8]).collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = vec![0; 2 * bytes.len()];
    for (digits, byte) in hex.chunks_exact_mut(2).zip(bytes) {
        digits.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    String::from_utf8(hex).expect("digits")
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
