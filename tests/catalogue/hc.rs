//! The opening handshake, client side.

use crate::DELIVERIES;
use crate::head::{Head, latin1};
use crate::script::Script;
use crate::support::delivery::Delivery;
use crate::support::wire::frame;
use crate::tcp;
use sansocket::blocking::{self, WebSocket};
use sansocket::handshake::client::{Handshake, Request};
use sansocket::handshake::{HandshakeError, Url, accept_key};
use sansocket::{Config, Connect, Connection, Error, Event};
use std::collections::HashSet;
use std::io::{self, ErrorKind, Read, Write};
use std::mem::{Discriminant, discriminant};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

/// The nonce of RFC 6455 §1.3.
const NONCE: &[u8; 16] = b"the sample nonce";

/// The response that answers it.
pub(crate) const R101: Head = Head(
    "HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    \r\n",
);

const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

rows! {
    hc_01_another_status {
        [200, 400, 403, 404, 426, 500, 503].map(|status| {
            format!("HTTP/1.1 {status} What\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello, and more")
        }) => http("hello");
        ["HTTP/1.1 204 No Content\r\n\r\n"] => http("");
        R101.start(["HTTP/1.1 200 OK"]) => http("");
        ["HTTP/1.1 500 \r\n\r\n".to_owned() + &"x".repeat((64 << 10) + 1_000)] => http(&"x".repeat(64 << 10));
    }
    hc_02_interim_responses {
        ["100 Continue", "102 Processing", "103 Early Hints"]
            .map(|status| format!("HTTP/1.1 {status}\r\nLink: a\r\n\r\n{}", R101.0)) => open();
        ["HTTP/1.1 100 \r\n\r\n".repeat(8) + R101.0] => open();
        ["HTTP/1.1 100 \r\n\r\n".repeat(9) + R101.0] => fails(HandshakeError::TooManyInterim);
        ["HTTP/1.1 103 \r\n\r\n".repeat(1_000)] => fails(HandshakeError::TooManyInterim);
    }
    hc_03_redirects {
        [301, 302, 303, 307, 308].map(|status| {
            format!("HTTP/1.1 {status} \r\nContent-Length: 0\r\nLocation: ws://127.0.0.1/\r\n\r\n")
        }) => redirect();
    }
    hc_04_upgrade_and_connection {
        R101.without(&["Upgrade"]) => fails(HandshakeError::Upgrade);
        R101.field("Upgrade", ["h2c", "xwebsocket", ""]) => fails(HandshakeError::Upgrade);
        R101.without(&["Connection"]) => fails(HandshakeError::Connection);
        R101.field("Connection", ["close", "NotUpgrade", ""]) => fails(HandshakeError::Connection);
        [R101.0.replace("websocket", "WebSocket").replace(": Upgrade", ": keep-alive, upgrade")] => open();
    }
    hc_05_the_accept_value {
        R101.without(&["Sec-WebSocket-Accept"]) => fails(HandshakeError::Accept);
        R101.field("Sec-WebSocket-Accept", [
            "",
            "HSmrc0sMlYUkAGmm5OPpG2HaGWk=", // of another key
            "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo==",
            "b37a4f2cc0624f1690f64606cf385945b2bec4ea",
        ]) => fails(HandshakeError::Accept);
        R101.and_field("Sec-WebSocket-Accept", ["HSmrc0sMlYUkAGmm5OPpG2HaGWk="])
            => fails(HandshakeError::Accept);
        R101.field("Sec-WebSocket-Accept", ["a\r\nSec-WebSocket-Accept: ".to_owned() + ACCEPT])
            => fails(HandshakeError::Accept);
        R101.field("Sec-WebSocket-Accept", [format!(" \t{ACCEPT} \t")]) => open();
    }
    hc_07_extensions_that_were_not_offered {
        R101.and_field("Sec-WebSocket-Extensions", [
            "x-foo", "permessage-deflate", "permessage-deflate, permessage-deflate", "a;", ";",
            "permessage-deflate; client_max_window_bits=10", "permessage-deflate; server_max_window_bits",
        ]) => fails(HandshakeError::Extension("".into()));
    }
    hc_08_subprotocols {
        R101.and_field("Sec-WebSocket-Protocol", ["a", ""]) => fails(HandshakeError::Protocol("".into()));
        asking(&["a", "b"], R101.and_field("Sec-WebSocket-Protocol", [
            "c", "A", "a, b", "a\r\nSec-WebSocket-Protocol: b", "",
        ])) => fails(HandshakeError::Protocol("".into()));
        asking(&["a", "b"], R101.and_field("Sec-WebSocket-Protocol", ["b"])) => open_with(Some("b"));
        asking(&["a", "b"], vec![R101.0.to_owned()]) => open_with(None);
    }
    hc_09_large_heads {
        ["HTTP/1.1 101 \r\n".to_owned() + &"X: y\r\n".repeat(5_000)] => fails(HandshakeError::TooManyHeaders);
        ["HTTP/1.1 101 \r\n".to_owned() + &format!("X: {}\r\n", "y".repeat(190)).repeat(200)]
            => fails(HandshakeError::HeadTooLarge);
        ["HTTP/1.1 101 ", "HTTP/1.1 101 \r\nX: "].map(|head| head.to_owned() + &"y".repeat(40_000))
            => fails(HandshakeError::HeadTooLarge);
        R101.padded_to(16 << 10) => open();
        R101.padded_to(17 << 10) => fails(HandshakeError::HeadTooLarge);
        R101.and(["X: y\r\n".repeat(97).trim_end()]) => open(); // 100 fields
        R101.and(["X: y\r\n".repeat(98).trim_end()]) => fails(HandshakeError::TooManyHeaders);
    }
    hc_10_other_protocols {
        ["SSH-2.0-OpenSSH_9.6\r\n", "220 mail.example ESMTP\r\n", "<!DOCTYPE html>\n", "HTTP/1.1 xyz\r\n\r\n"]
            => fails(HandshakeError::Malformed(""));
        ["\x15\x03\x01\0\x02\x02\x28", "\u{81}\x05hello"] => fails(HandshakeError::Malformed(""));
    }
    hc_12_status_lines {
        R101.start(["HTTP/1.1 101", "HTTP/1.1 101 ", "HTTP/1.1 101 \u{80}\u{FF}\u{E9}"]) => open();
        R101.start([
            "HTTP/1.1 0101 a", "HTTP/1.1 101x", "HTTP/1.1 1010", "HTTP/1.1 +101", "HTTP/1.1 1 01",
            "HTTP/1.0 101 a",
        ]) => fails(HandshakeError::Malformed(""));
    }
}

/// A response, and what was asked for: the subprotocols, and what the configuration offers.
#[derive(Debug)]
pub(crate) struct Case {
    protocols: Vec<&'static str>,
    config: Config,
    response: String,
}

#[derive(Debug)]
pub(crate) enum Expected {
    /// A connection with this subprotocol and these extensions.
    Open(Option<&'static str>, String),
    /// An error of this kind.
    Fails(Discriminant<HandshakeError>),
    /// The server's refusal, with its status and fields, and this body.
    Http(String),
    Redirect,
}

fn open() -> Expected {
    open_with(None)
}

fn open_with(protocol: Option<&'static str>) -> Expected {
    Expected::Open(protocol, String::new())
}

#[cfg(feature = "deflate")]
pub(crate) fn open_compressed(extensions: &str) -> Expected {
    Expected::Open(None, extensions.to_owned())
}

/// Fails in this way; what the error quotes does not matter.
pub(crate) fn fails(error: HandshakeError) -> Expected {
    Expected::Fails(discriminant(&error))
}

fn http(body: &str) -> Expected {
    Expected::Http(body.to_owned())
}

fn redirect() -> Expected {
    Expected::Redirect
}

fn asking(protocols: &[&'static str], responses: Vec<String>) -> Vec<Case> {
    let case = |response: String| Case { protocols: protocols.to_vec(), ..response.into() };
    responses.into_iter().map(case).collect()
}

#[cfg(feature = "deflate")]
pub(crate) fn configured<S: Into<String>>(
    config: &Config,
    responses: impl IntoIterator<Item = S>,
) -> Vec<Case> {
    responses.into_iter().map(|response| Case { config: config.clone(), ..Case::from(response) }).collect()
}

impl<S: Into<String>> From<S> for Case {
    fn from(response: S) -> Self {
        Self { protocols: Vec::new(), config: Config::new(), response: response.into() }
    }
}

impl Case {
    fn request(&self) -> Request {
        let request = Request::new("ws://a.example/chat").unwrap();
        self.protocols.iter().fold(request, |request, protocol| request.protocol(*protocol).unwrap())
    }
}

/// Holds every delivery of the response, followed by a frame and the end of the stream or a reset, to the
/// same outcome: by the core, and over a stream.
pub(crate) fn check(row: &str, case: impl Into<Case>, expected: &Expected) {
    let case = case.into();
    for delivery in DELIVERIES {
        let context = format!("{row}: {:.300?}, {delivery:?}", case.response);
        let outcome = deliver(&case, delivery, &context);
        assert_outcome(outcome.as_ref(), &case, expected, &context);

        for last in [None, Some(ErrorKind::ConnectionReset)] {
            let context = format!("{context}, then {last:?}");
            let server = Server::new(&case.response, delivery, last);
            let outcome = match WebSocket::client(server, case.request(), case.config.clone()) {
                Ok(ws) => Ok(ws.into_parts().1),
                Err(Error::Handshake(error)) => Err(error),
                Err(error) => panic!("{context}: {error:?}"),
            };
            assert_outcome(outcome.as_ref(), &case, expected, &context);
            if let Ok(mut connection) = outcome {
                // A server may send at once.
                connection.receive(&frame(0x81, None, b"Hi"));
                let event = connection.poll_event().unwrap();
                assert!(matches!(&event, Some(Event::Text(text)) if &**text == "Hi"), "{context}: {event:?}");
            }
        }
    }
}

fn deliver(case: &Case, delivery: Delivery, context: &str) -> Result<Connection, HandshakeError> {
    let mut handshake = Handshake::with_nonce(case.request(), case.config.clone(), *NONCE);
    let bytes = latin1(&case.response);
    let pieces = delivery.pieces(&bytes);
    let received = pieces.into_iter().try_for_each(|piece| handshake.receive(piece).map(|_| ()));
    if let Err(error) = received.and_then(|()| handshake.receive_eof()) {
        assert!(matches!(handshake.receive(R101.0.as_bytes()), Err(HandshakeError::OutOfOrder)), "{context}");
        assert!(matches!(handshake.receive_eof(), Err(HandshakeError::OutOfOrder)), "{context}");
        assert!(matches!(handshake.open(), Err(HandshakeError::OutOfOrder)), "{context}");
        return Err(error);
    }
    handshake.open().map(|(connection, _)| connection)
}

fn assert_outcome(
    outcome: Result<&Connection, &HandshakeError>,
    case: &Case,
    expected: &Expected,
    context: &str,
) {
    match (expected, outcome) {
        (Expected::Open(protocol, extensions), Ok(connection)) => {
            assert_eq!(connection.protocol(), *protocol, "{context}");
            assert_eq!(connection.extensions(), extensions, "{context}");
        }
        (Expected::Fails(kind), Err(error)) if discriminant(error) == *kind => {}
        (Expected::Http(body), Err(HandshakeError::Http(response))) => {
            assert_eq!(str::from_utf8(response.body()), Ok(&**body), "{context}");
            assert!(case.response.starts_with(&format!("HTTP/1.1 {}", response.status().as_u16())));
            assert_eq!(response.headers().contains_key("x-a"), case.response.contains("X-A"), "{context}");
        }
        (Expected::Redirect, Err(HandshakeError::Redirect(response))) => {
            assert_eq!(response.headers()["location"], "ws://127.0.0.1/", "{context}");
        }
        _ => panic!("{context}: {outcome:?} instead of {expected:?}"),
    }
}

/// A stream with a server at its other end, which sends the response when it has the request. Where the
/// response has the answer to the RFC's key, the answer to the request's key takes its place.
#[derive(Debug)]
struct Server {
    response: String,
    delivery: Delivery,
    script: Script,
    answered: bool,
}

impl Server {
    /// Behind the response comes this error, or the end of the stream.
    fn new(response: &str, delivery: Delivery, last: Option<ErrorKind>) -> Self {
        let script = Script { then_read: last, ..Script::default() };
        Self { response: response.to_owned(), delivery, script, answered: false }
    }
}

impl Read for Server {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.answered {
            self.answered = true;
            let request = str::from_utf8(&self.script.written).unwrap();
            let response = latin1(&self.response.replace(ACCEPT, &accept_key(key_of(request).as_bytes())));
            self.script.reads = Script::of(self.delivery.pieces(&response)).reads;
        }
        self.script.read(buffer)
    }
}

impl Write for Server {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.script.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.script.flush()
    }
}

fn key_of(request: &str) -> &str {
    let (_, rest) = request.split_once("\r\nSec-WebSocket-Key: ").unwrap();
    rest.split("\r\n").next().unwrap()
}

fn connect_to(listener: &TcpListener, timeout: Duration) -> Result<(), Error> {
    let url = format!("ws://{}/chat", listener.local_addr().unwrap());
    let config = Config::new().handshake_timeout(timeout);
    blocking::connect(Connect::new(url)?.config(config)).map(|_| ())
}

#[test]
fn hc_03_a_redirect_makes_no_second_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let redirect =
            format!("HTTP/1.1 302 Found\r\nLocation: ws://{address}/\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(redirect.as_bytes()).unwrap();
        let request = tcp::rest(&stream);
        listener.set_nonblocking(true).unwrap();
        (request, listener.accept().map(|_| ()))
    });
    let result = blocking::connect(format!("ws://{address}/chat"));
    assert!(matches!(result, Err(Error::Handshake(HandshakeError::Redirect(_)))), "{result:?}");
    let (request, second) = server.join().unwrap();
    assert!(request.starts_with(b"GET /chat HTTP/1.1\r\n"));
    assert_eq!(second.unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn hc_06_one_accept_value_opens_no_other_connection() {
    let mut keys = HashSet::new();
    for _ in 0..10_000 {
        let request = Request::new("ws://a.example/").unwrap();
        let mut handshake = Handshake::new(request, Config::new()).unwrap();
        assert!(keys.insert(key_of(str::from_utf8(handshake.output()).unwrap()).to_owned()));
        assert!(matches!(handshake.receive(R101.0.as_bytes()), Err(HandshakeError::Accept)));
    }
}

#[test]
fn hc_10_another_protocol_fails_at_its_first_impossible_byte() {
    for (before, impossible) in [
        ("", "S"),
        ("", "2"),
        ("", "<"),
        ("", "\x15"),
        ("", "\u{81}"),
        ("", "\r"),
        ("HTTP/1.1 ", "x"),
        ("HTTP/", "2"),
        ("HTTP/1.1 101", "x"),
    ] {
        let request = Request::new("ws://a.example/").unwrap();
        let mut handshake = Handshake::with_nonce(request, Config::new(), *NONCE);
        assert!(handshake.receive(&latin1(before)).unwrap().is_none());
        let result = handshake.receive(&latin1(impossible));
        assert!(matches!(result, Err(HandshakeError::Malformed(_))), "{before}{impossible}: {result:?}");
    }
}

#[test]
fn hc_11_a_silent_or_slow_server_is_given_up_at_the_deadline() {
    let request = Request::new("ws://a.example/").unwrap();
    assert_eq!(Handshake::new(request, Config::new()).unwrap().timeout(), Duration::from_secs(10));
    for slow in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let trickle = listener.try_clone().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = trickle.accept().unwrap();
            for byte in R101.0.as_bytes().iter().filter(|_| slow) {
                thread::sleep(Duration::from_millis(20));
                if stream.write_all(&[*byte]).is_err() {
                    break;
                }
            }
            tcp::rest(&stream)
        });
        let begun = Instant::now();
        let result = connect_to(&listener, Duration::from_millis(200));
        assert!(matches!(result, Err(Error::Handshake(HandshakeError::Timeout))), "{result:?}");
        assert!(begun.elapsed() >= Duration::from_millis(200) && begun.elapsed() < Duration::from_secs(8));
        server.join().unwrap();
    }
}

#[test]
fn hc_13_nothing_can_be_injected_into_a_request() {
    let request = || Request::new("ws://a.example/").unwrap();
    for bad in ["a\r\nX: y", "a\n", "a\r", "a\0"] {
        assert!(request().header("x", bad).is_err(), "value {bad:?}");
        assert!(request().header(bad, "x").is_err(), "name {bad:?}");
    }
    for bad in ["a\r\nX: y", "a\n", "a\r", "a\0", "a b"] {
        assert!(request().header(bad, "x").is_err(), "name {bad:?}");
        assert!(request().protocol(bad).is_err(), "subprotocol {bad:?}");
        assert!(request().origin(bad).is_err(), "origin {bad:?}");
        assert!(request().header("origin", bad).is_err(), "origin {bad:?}");
        for url in [
            format!("ws://{bad}/"),
            format!("ws://a/{bad}"),
            format!("ws://a/?{bad}"),
            format!("ws://{bad}@a/"),
            format!("ws://u:{bad}@a/"),
        ] {
            assert!(Request::new(&url).is_err(), "{url:?}");
        }
    }
    assert!(request().header("Host", "b").is_err());
    assert!(request().header("Sec-WebSocket-Key", "a").is_err());
}

#[test]
fn hc_14_urls() {
    for (url, host, port, authority, target) in [
        ("ws://a.example", "a.example", 80, "a.example", "/"),
        ("ws://a.example:80/x", "a.example", 80, "a.example", "/x"),
        ("wss://a.example:443?q", "a.example", 443, "a.example", "/?q"),
        ("WS://a.example:443/", "a.example", 443, "a.example:443", "/"),
        ("ws://user:secret@a.example/", "a.example", 80, "a.example", "/"),
        ("ws://[::1]:9001/", "::1", 9001, "[::1]:9001", "/"),
        ("wss://[2001:db8::1]/", "2001:db8::1", 443, "[2001:db8::1]", "/"),
        ("ws://b\u{FC}cher.example/", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/"),
    ] {
        let parsed = Url::parse(url).unwrap();
        let parts = (parsed.host(), parsed.port(), parsed.authority(), parsed.target());
        assert_eq!(parts, (host, port, authority, target), "{url}");
        let mut handshake = Handshake::new(Request::to(parsed), Config::new()).unwrap();
        let output = String::from_utf8(handshake.output().to_vec()).unwrap();
        let expected = format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\n");
        assert!(output.starts_with(&expected) && !output.contains("secret"), "{output}");
    }
    for url in [
        "http://a",
        "https://a",
        "a",
        "ws:a",
        "ws://",
        "ws:///a",
        "ws://a/#f",
        "ws://a#",
        "ws://a:0",
        "ws://a:65536",
        "ws://x:80:80",
        "ws://::1/",
        "ws://[::1",
        "ws://a/\u{80}",
    ] {
        assert!(Url::parse(url).is_err(), "{url}");
    }
}
