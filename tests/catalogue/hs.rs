//! The opening handshake, server side.

use crate::DELIVERIES;
use crate::head::{Head, Response, latin1};
use crate::memory;
use crate::script::Script;
use crate::support::end::Seen;
use crate::support::wire::frame;
use crate::tcp::{self, Leave};
use bytes::Buf;
use sansocket::handshake::negotiate::Answer;
use sansocket::handshake::server::{Handshake, Options};
use sansocket::handshake::{FieldError, OriginPolicy, Rejection, accept_key};
use sansocket::http::StatusCode;
use sansocket::{Config, Error, HandshakeError, ProtocolError, blocking};
use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// The request of RFC 6455 §1.3.
pub(crate) const R0: Head = Head(
    "GET /chat HTTP/1.1\r\n\
    Host: a.example\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\
    \r\n",
);

/// The same to a server at a port of its own.
const R0_AT_9001: Head = Head(
    "GET /chat HTTP/1.1\r\n\
    Host: a.example:9001\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\
    \r\n",
);

/// The whole answer to R0.
const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    \r\n";

const R0_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

rows! {
    hs_01_the_example_of_the_rfc { [R0.0] => accepted(); }

    hs_02_other_methods {
        R0.start([
            "POST /chat HTTP/1.1", "PUT /chat HTTP/1.1", "HEAD /chat HTTP/1.1", "OPTIONS /chat HTTP/1.1",
            "OPTIONS * HTTP/1.1", "CONNECT a.example:80 HTTP/1.1", "get /chat HTTP/1.1",
        ]) => refused(405);
    }
    hs_03_http_1_0 { R0.start(["GET /chat HTTP/1.0"]) => refused(400); }
    hs_04_the_preface_of_http_2 { ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] => refused(400); }

    hs_05_no_host { R0.without(&["Host"]) => refused(400); }
    hs_06_malformed_hosts {
        R0.field("Host", ["", "a b", "[", "[::1", "a/b@c", "a:b", "a:99999", "\u{80}\u{FF}", "a@b", "a, b"])
            => refused(400);
        R0.field("Host", ["a", "a:80", "[::1]:9001", "127.0.0.1"]) => accepted();
    }

    hs_07_a_plain_get {
        R0.without(&["Upgrade"]) => refused(400);
        R0.without(&["Upgrade", "Connection"]) => refused(400);
        ["GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n"] => refused(400);
    }
    hs_08_upgrade_in_any_letter_case { R0.field("Upgrade", ["WebSocket", "WEBSOCKET"]) => accepted(); }
    hs_09_upgrade_is_a_list_of_whole_elements {
        R0.field("Upgrade", ["h2c, websocket"]) => accepted();
        R0.field("Upgrade", ["websocket/13", "xwebsocket", "websocketx", "web socket"]) => refused(400);
    }
    hs_10_connection_is_a_list { R0.field("Connection", ["keep-alive, Upgrade"]) => accepted(); }
    hs_11_connection_close { R0.field("Connection", ["close"]) => refused(400); }

    hs_12_no_version { R0.without(&["Sec-WebSocket-Version"]) => refused(426); }
    hs_13_other_versions {
        R0.field("Sec-WebSocket-Version", ["0", "6", "7", "8", "12", "14", "25", "255"]) => refused(426);
    }
    hs_14_malformed_versions {
        R0.field("Sec-WebSocket-Version", [
            "013", "+13", "0x0d", "13.0", "13;q=1", "99999999999999999999", "",
        ]) => refused(426);
        R0.field("Sec-WebSocket-Version", ["1\u{EF}\u{BC}\u{93}"]) => refused(400); // a full-width 3
        R0.field("Sec-WebSocket-Version", [" \t 13 \t "]) => accepted();
    }

    hs_15_malformed_keys {
        R0.without(&["Sec-WebSocket-Key"]) => refused(400);
        R0.field("Sec-WebSocket-Key", [
            "",
            "AA==",                                         // 1 byte
            "dGhlIHNhbXBsZSBub25j",                         // 15
            "dGhlIHNhbXBsZSBub25jZWU=",                     // 17
            "dGhlIHNhbXBsZSBub25jZWRHaGxJSE5oYlhCc1pTQno=", // 32
            "test",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZQAA", // no padding
            "dGhlIHNhbXBsZSBub25_-Q==", // of base64url
            "dGhlIHNhbX lZSBub25jZQ==",
            "!!!!!!!!!!!!!!!!!!!!!!==",
        ]) => refused(400);
    }
    hs_16_the_unused_bits_of_a_key_do_not_matter {
        R0.field("Sec-WebSocket-Key", ["dGhlIHNhbXBsZSBub25jZR=="]) =>
            accepted_with_key("dGhlIHNhbXBsZSBub25jZR==");
    }

    hs_17_unknown_extensions {
        R0.and_field("Sec-WebSocket-Extensions", [
            "x-foo", "x-foo; a; b=1, bar", "x-foo; a=\"q\"", "x-webkit-deflate-frame", "constructor",
            "__proto__; hasOwnProperty",
        ]) => accepted();
    }
    hs_18_malformed_extensions {
        R0.and_field("Sec-WebSocket-Extensions", [
            ";", ",;constructor", "a;", "a;=", "a=b", "a b", "a; b=", "a; b c", "a@b",
            "a; b=\"unterminated", "",
        ]) => refused(400);
        R0.and_field("Sec-WebSocket-Extensions", ["a; p=\"".to_owned() + &r"\\".repeat(3_000)])
            => refused(400);
    }
    hs_19_malformed_protocols {
        R0.and_field("Sec-WebSocket-Protocol", ["a, a", "a b", "a/b", "{x}", ""]) => refused(400);
        R0.and_field("Sec-WebSocket-Protocol", ["a,".to_owned(), format!("a,{}b", " ".repeat(14_000))])
            => accepted();
        R0.and_field("Sec-WebSocket-Protocol", [format!("a,{}b", " ".repeat(60_000))]) => refused(431);
    }
    hs_20_protocols_in_several_lines_are_one_list {
        speaking(&["c"], R0.and(["Sec-WebSocket-Protocol: a, b\r\nsec-websocket-protocol: c"])) =>
            accepted_with("Sec-WebSocket-Protocol: c");
    }
    hs_21_protocols_that_are_not_supported {
        R0.and_field("Sec-WebSocket-Protocol", ["a, b"]) => accepted();
        speaking(&["A"], R0.and_field("Sec-WebSocket-Protocol", ["a, b"])) => accepted();
    }

    hs_22_folded_lines {
        R0.and(["X-A: a\r\n b", "X-A: a\r\n\tb"]) => refused(400);
        R0.field("Upgrade", ["\r\n websocket"]) => refused(400);
    }
    hs_23_bare_lf {
        [R0.0.replace("\r\n", "\n")] => refused(400);
        [R0.0.replacen("\r\n", "\n", 1), R0.0.replace("Upgrade\r\n", "Upgrade\n")] => refused(400);
        [R0.0.replace("\r\n\r\n", "\r\n\n")] => refused(400);
    }
    hs_24_bytes_above_ascii_in_fields_that_are_read {
        R0.field("Upgrade", high_bytes_around("websocket")) => refused(400);
        R0.field("Connection", high_bytes_around("Upgrade")) => refused(400);
        R0.field("Host", high_bytes_around("a.example")) => refused(400);
        R0.field("Sec-WebSocket-Key", high_bytes_around(R0_KEY)) => refused(400);
        R0.field("Sec-WebSocket-Version", high_bytes_around("13")) => refused(400);
        R0.and_field("Origin", high_bytes_around("http://a.example")) => refused(400);
        R0.and_field("Sec-WebSocket-Protocol", high_bytes_around("a")) => refused(400);
        R0.and_field("Sec-WebSocket-Extensions", high_bytes_around("a")) => refused(400);
        R0.and_field("Sec-WebSocket-Foo", high_bytes_around("a")) => refused(400);
        // The Kelvin sign, which is a k in lower case.
        R0.field("Upgrade", ["websoc\u{E2}\u{84}\u{AA}et"]) => refused(400);
    }
    hs_24_bytes_above_ascii_in_other_fields {
        R0.and_field("X-Foo", high_bytes_around("a")) => accepted();
        R0.and_field("Cookie", high_bytes_around("a")) => accepted();
    }
    hs_25_malformed_field_lines {
        R0.and([": b", "X A: b", "X(: b", "X@: b", "\"X\": b", "X\u{80}: b", "X\0: b", "nocolon", "X : b"])
            => refused(400);
    }
    hs_26_empty_lines_before_the_request {
        ["\r\n".to_owned() + R0.0] => accepted();
        ["\r\n".repeat(2) + R0.0, "\r\n".repeat(10_000) + R0.0] => refused(400);
    }

    hs_27_absolute_targets {
        R0.start(["GET http://a.example/chat HTTP/1.1", "GET http://A.Example:80/chat HTTP/1.1"])
            => accepted();
        R0.start(["GET http://b.example/chat HTTP/1.1", "GET http://a.example:81/chat HTTP/1.1"])
            => refused(400);
        R0.start(["GET https://a.example/chat HTTP/1.1", "GET ftp://a.example/chat HTTP/1.1"])
            => refused(400);
    }
    hs_28_targets {
        targets(["", "*", "{}", ":", "?", "chat", "/a#b", "/\"<>"]) => refused(400);
        targets(["/\0", "/\x01", "/\t", "/\x7F", "/\u{80}"]) => refused(400);
        targets(["//", "/../..", "/%", "/%zz", r"/?a={b}\|^`\"]) => accepted();
    }
    hs_29_long_targets {
        targets([format!("/{}", "a".repeat(8_191))]) => accepted();
        targets([format!("/{}", "a".repeat(8_192)), format!("/{}", "a".repeat(11_999))]) => refused(414);
    }
    hs_30_large_heads {
        R0.padded_to(16_000) => accepted();
        R0.padded_to(16 << 10) => accepted();
        R0.padded_to((16 << 10) + 1) => refused(431);
        R0.padded_to(17_000) => refused(431);
        ["GET /".to_owned() + &"a".repeat(20 << 10)] => refused(431);
        ["GET / HTTP/1.1\r\n".to_owned() + &"X: y\r\n".repeat(10_000)] => refused(431);
        R0.and(["X: y\r\n".repeat(95).trim_end()]) => accepted(); // 100 fields
        R0.and(["X: y\r\n".repeat(96).trim_end()]) => refused(431);
    }
    // That each byte is visited at most four times is a test of the parser itself.
    hs_31_large_heads_in_one_byte_reads {
        R0.padded_to(14 << 10) => accepted();
        R0.and([format!("X: {}\r\n", "y".repeat(160)).repeat(95).trim_end()]) => accepted();
    }

    hs_33_bodies {
        R0.and(["Content-Length: 5", "Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked"])
            => refused(400);
        R0.and(["Content-Length: 0"]) => accepted();
    }
    hs_34_expect_is_ignored { R0.and(["Expect: 100-continue"]) => accepted(); }

    hs_37_foreign_origins {
        same_origin(R0_AT_9001.and_field("Origin", [
            "http://b.example:9001", "https://a.example:9001", "http://a.example:9002", "http://a.example",
            "null", "http://a.example:9001.evil", "http://a.example.evil:9001",
            "http://evil/?http://a.example:9001", "http://evil#http://a.example:9001",
            "http://a.example:9001@evil", "http://[::1]:9001",
        ])) => refused(403);
        same_origin(R0.and(["Origin: http://a.example\r\nOrigin: http://a.example"])) => refused(400);
        with(Options::new().origin(OriginPolicy::same_origin().or("null")), R0.and_field("Origin", ["null"]))
            => accepted();
    }
    hs_37_the_same_origin {
        same_origin(R0_AT_9001.and_field("Origin", ["http://a.example:9001", "HTTP://A.Example:9001"]))
            => accepted();
        same_origin(R0.and_field("Origin", ["http://a.example", "http://a.example:80"])) => accepted();
        with(
            Options::new().origin(OriginPolicy::same_origin()).secure(true),
            R0.and_field("Origin", ["https://a.example", "https://a.example:443"]),
        ) => accepted();
    }
    hs_38_no_origin {
        same_origin([R0.0]) => accepted();
        with(Options::new().origin(OriginPolicy::any().required()), [R0.0]) => refused(403);
    }

    hs_44_fields_that_may_appear_once {
        R0.and(["Host: a.example", "Origin: null\r\nOrigin: null"]) => refused(400);
        R0.and(["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]) => refused(400);
        R0.and(["Sec-WebSocket-Accept: a\r\nSec-WebSocket-Accept: a"]) => refused(400);
        R0.and(["Sec-WebSocket-Foo: a\r\nsec-websocket-foo: b"]) => refused(400);
        R0.and(["Origin: http://a.example\r\nOrigin: http://b.example"]) => refused(400);
        R0.field("Upgrade", ["h2c\r\nUpgrade: websocket"]) => accepted();
    }
    hs_45_the_request_line_has_two_spaces {
        R0.start([
            "GET  /chat HTTP/1.1", "GET /chat  HTTP/1.1", "GET /chat HTTP/1.1 ", "GET\t/chat HTTP/1.1",
            "GET /chat\tHTTP/1.1", " GET /chat HTTP/1.1", "GET /ch at HTTP/1.1",
        ]) => refused(400);
    }
}

/// A request, and the server that it goes to.
#[derive(Debug)]
pub(crate) struct Case {
    options: Arc<Options>,
    request: String,
}

#[derive(Debug)]
pub(crate) enum Expected {
    /// Exactly this response, and a connection.
    Accepted(String),
    /// A response with this status, and the end of the connection.
    Refused(u16),
}

pub(crate) fn accepted() -> Expected {
    answered(ACCEPTED.to_owned())
}

pub(crate) fn accepted_with(line: &str) -> Expected {
    answered(format!("{}{line}\r\n\r\n", ACCEPTED.strip_suffix("\r\n").unwrap()))
}

fn accepted_with_key(key: &str) -> Expected {
    answered(ACCEPTED.replace(&accept_key(R0_KEY.as_bytes()), &accept_key(key.as_bytes())))
}

fn answered(response: String) -> Expected {
    Expected::Accepted(response)
}

pub(crate) fn refused(status: u16) -> Expected {
    Expected::Refused(status)
}

pub(crate) fn with<S: Into<String>>(options: Options, requests: impl IntoIterator<Item = S>) -> Vec<Case> {
    let options = Arc::new(options);
    let case = |request: S| Case { options: Arc::clone(&options), request: request.into() };
    requests.into_iter().map(case).collect()
}

fn speaking(protocols: &[&str], requests: Vec<String>) -> Vec<Case> {
    with(Options::new().protocols(protocols.iter().copied()), requests)
}

fn same_origin<S: Into<String>>(requests: impl IntoIterator<Item = S>) -> Vec<Case> {
    with(Options::new().origin(OriginPolicy::same_origin()), requests)
}

fn targets<S: AsRef<str>>(targets: impl IntoIterator<Item = S>) -> Vec<String> {
    R0.start(targets.into_iter().map(|target| format!("GET {} HTTP/1.1", target.as_ref())))
}

/// The value with a byte above ASCII before it, behind it, and behind a comma.
fn high_bytes_around(value: &str) -> Vec<String> {
    let bytes = ['\u{80}', '\u{85}', '\u{A0}', '\u{C3}', '\u{FF}'];
    bytes
        .iter()
        .flat_map(|b| [format!("{b}{value}"), format!("{value}{b}"), format!("{value},{b}")])
        .collect()
}

impl<S: Into<String>> From<S> for Case {
    fn from(request: S) -> Self {
        Self { options: Arc::default(), request: request.into() }
    }
}

/// Holds every delivery of the request, one over TCP and one before a reset to the same answer; then asks
/// whether the next client is served.
pub(crate) fn check(row: &str, case: impl Into<Case>, expected: &Expected) {
    let case = case.into();
    let bytes = latin1(&case.request);
    let mut answer = None;
    for delivery in DELIVERIES {
        let context = format!("{row}: {:.300?}, {delivery:?}", case.request);
        let this = deliver(&case, &delivery.pieces(&bytes), &context);
        assert_eq!(&this, answer.get_or_insert_with(|| this.clone()), "{context}");
    }
    let answer = answer.unwrap();
    let context = format!("{row}: {:.300?}", case.request);
    match expected {
        Expected::Accepted(response) => assert_eq!(str::from_utf8(&answer), Ok(&**response), "{context}"),
        Expected::Refused(status) => {
            assert_refusal(&answer, *status, case.request.starts_with("HEAD "), &context);
        }
    }
    assert_eq!(over_tcp(&case, &bytes, &context), answer, "{context} over TCP");
    assert_eq!(before_a_reset(&case, &bytes, &context), answer, "{context}, and then a reset");
    assert_eq!(
        over_tcp(&R0.0.into(), R0.0.as_bytes(), row),
        ACCEPTED.as_bytes(),
        "{context}, and R0 after it"
    );
}

/// What a server answers to the request in these pieces. When it refuses, it reads nothing more.
fn deliver(case: &Case, pieces: &[&[u8]], context: &str) -> Vec<u8> {
    let mut handshake = Handshake::new(Arc::clone(&case.options));
    for piece in pieces {
        if let Err(error) = handshake.receive(piece) {
            assert!(matches!(error, HandshakeError::Rejected(_)), "{context}: {error:?}");
            let answer = handshake.output().split_off(0);
            assert!(matches!(handshake.receive(R0.0.as_bytes()), Err(HandshakeError::OutOfOrder)));
            assert!(matches!(handshake.receive_eof(), Err(HandshakeError::OutOfOrder)));
            assert!(matches!(handshake.accept(), Err(HandshakeError::OutOfOrder)));
            assert!(handshake.request().is_none() && handshake.output().is_empty());
            return answer.to_vec();
        }
    }
    handshake.receive_eof().unwrap_or_else(|error| panic!("{context}: {error:?}"));
    let (mut connection, request) = handshake.accept().unwrap();
    // A legal target arrives byte for byte.
    let target = case.request.split(' ').nth(1).unwrap();
    assert!(!target.starts_with('/') || *request.uri() == target, "{context}: {}", request.uri());
    assert!(handshake.output().is_empty(), "{context}");
    connection.output().chunk().to_vec()
}

fn assert_refusal(answer: &[u8], status: u16, to_head: bool, context: &str) {
    let response = Response::parse(answer);
    assert_eq!(response.status, status, "{context}");
    assert_eq!(response.field("transfer-encoding"), None, "{context}");
    let length: usize = response.field("content-length").expect(context).parse().unwrap();
    if to_head {
        assert_eq!(response.body, "", "{context}: a response to HEAD has no body");
    } else {
        assert_eq!(response.body.len(), length, "{context}");
    }
    let upgrade = (status == 426).then_some("websocket");
    assert_eq!(response.field("upgrade"), upgrade, "{context}");
    assert_eq!(response.field("sec-websocket-version"), upgrade.map(|_| "13"), "{context}");
    assert_eq!(
        response.field("connection"),
        Some(upgrade.map_or("close", |_| "close, Upgrade")),
        "{context}"
    );
    assert_eq!(response.field("allow"), (status == 405).then_some("GET"), "{context}");
}

/// What a client that sends this, and then no more, reads until the server has closed.
fn over_tcp(case: &Case, bytes: &[u8], context: &str) -> Vec<u8> {
    let (mut client, server) = tcp::pair();
    client.write_all(bytes).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    match blocking::accept_with(server, Arc::clone(&case.options)) {
        Err(error) => {
            assert!(matches!(error, Error::Handshake(HandshakeError::Rejected(_))), "{context}: {error:?}")
        }
        Ok(mut ws) => {
            let end = ws.read().unwrap_err();
            assert!(matches!(end, Error::Protocol(ProtocolError::UnexpectedEof)), "{context}: {end:?}");
            assert!(matches!(ws.read(), Err(Error::Closed)));
        }
    }
    tcp::rest(&client)
}

/// What a server answers to the request when the client resets the connection behind it.
fn before_a_reset(case: &Case, bytes: &[u8], context: &str) -> Vec<u8> {
    let mut script = Script::of([bytes]).then(ErrorKind::ConnectionReset);
    let mut handshake = blocking::Handshake::new(&mut script, Arc::clone(&case.options));
    if let Err(error) = handshake.read().map(|_| ()) {
        assert!(matches!(error, Error::Handshake(HandshakeError::Rejected(_))), "{context}: {error:?}");
        drop(handshake);
    } else {
        let mut ws = handshake.accept().unwrap();
        let Err(Error::Io(error)) = ws.read() else { panic!("{context}: not reset") };
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{context}");
        assert!(matches!(ws.read(), Err(Error::Closed)), "{context}");
    }
    script.written
}

fn short_deadline() -> Options {
    Options::new().config(Config::new().handshake_timeout(Duration::from_millis(200)))
}

#[test]
fn hs_24_every_byte_above_ascii() {
    let cases = ('\u{80}'..='\u{FF}').flat_map(|byte| {
        let around =
            |value: &str| [format!("{byte}{value}"), format!("{value}{byte}"), format!("{value},{byte}")];
        let read = [
            R0.field("Upgrade", around("websocket")),
            R0.field("Connection", around("Upgrade")),
            R0.field("Host", around("a.example")),
            R0.field("Sec-WebSocket-Key", around(R0_KEY)),
            R0.field("Sec-WebSocket-Version", around("13")),
            R0.and_field("Origin", around("http://a.example")),
            R0.and_field("Sec-WebSocket-Protocol", around("a")),
            R0.and_field("Sec-WebSocket-Extensions", around("a")),
        ];
        let opaque = [R0.and_field("X-Foo", around("a")), R0.and_field("Cookie", around("a"))];
        let read = read.concat().into_iter().map(|request| (request, true));
        read.chain(opaque.concat().into_iter().map(|request| (request, false)))
    });
    for (request, is_read) in cases {
        let (bytes, context) = (latin1(&request), format!("{request:?}"));
        let answer = deliver(&request.into(), &[&bytes], &context);
        match is_read {
            true => assert_refusal(&answer, 400, false, &context),
            false => assert_eq!(answer, ACCEPTED.as_bytes(), "{context}"),
        }
    }
}

#[test]
fn hs_30_no_more_than_16_kib_are_kept() {
    let endless = [
        "GET / HTTP/1.1\r\n".to_owned() + &"X: y\r\n".repeat(100_000),
        "GET / HTTP/1.1\r\nX: ".to_owned() + &"y".repeat(1 << 20),
        "G".repeat(1 << 20),
        "GET /".to_owned() + &"a".repeat(1 << 20),
        "GET / HTTP/1.1\r\n".to_owned() + &format!("X: {}\r\n", "y".repeat(190)).repeat(5_000),
    ];
    for request in &endless {
        for delivery in DELIVERIES {
            let pieces = delivery.pieces(request.as_bytes());
            let (read, peak) = memory::peak(|| {
                let mut handshake = Handshake::new(Options::new());
                let refused_at = pieces.iter().position(|piece| handshake.receive(piece).is_err()).unwrap();
                pieces[..refused_at].concat().len()
            });
            assert!(read <= 16 << 10, "{delivery:?}: read on to {read}");
            assert!(peak - read <= 48 << 10, "{delivery:?}: {peak} bytes for {read}");
        }
    }
}

#[test]
fn hs_32_the_deadline_is_for_the_whole_handshake() {
    assert_eq!(Handshake::new(Options::new()).timeout(), Duration::from_secs(10));
    let (mut client, server) = tcp::pair();
    let slow = thread::spawn(move || {
        // Each byte comes soon after the one before it, and all of them would take for three seconds.
        let sent = R0.0.as_bytes().iter().take_while(|byte| {
            thread::sleep(Duration::from_millis(20));
            client.write_all(&[**byte]).is_ok()
        });
        (sent.count(), tcp::rest(&client))
    });
    let begun = Instant::now();
    let result = blocking::accept_with(server, short_deadline());
    assert!(matches!(result, Err(Error::Handshake(HandshakeError::Timeout))), "{result:?}");
    assert!(begun.elapsed() >= Duration::from_millis(200) && begun.elapsed() < Duration::from_secs(8));
    let (sent, answer) = slow.join().unwrap();
    assert!(sent < R0.0.len(), "it was not dropped");
    assert_eq!(answer, b"");
}

#[test]
fn hs_35_frames_behind_the_request_are_delivered_in_order() {
    let hi = frame(0x81, Some([1, 2, 3, 4]), b"Hi");
    let many: Vec<u8> = (0..64).flat_map(|i| frame(0x82, Some([5, 6, 7, i]), &[i; 1_000])).collect();
    let cases: [(Vec<u8>, Vec<Seen>); 4] = [
        (hi.clone(), vec![Seen::Text("Hi".into())]),
        (hi[..5].to_vec(), vec![]),
        (
            [frame(0x89, Some([0; 4]), b"p"), hi].concat(),
            vec![Seen::Ping(b"p".into()), Seen::Text("Hi".into())],
        ),
        (many, (0..64).map(|i| Seen::Binary(vec![i; 1_000])).collect()),
    ];
    for (frames, expected) in cases {
        let bytes = [R0.0.as_bytes(), &frames].concat();
        for delivery in DELIVERIES {
            let script = Script::of(delivery.pieces(&bytes));
            let (mut ws, peak) = memory::peak(|| {
                let mut handshake = blocking::Handshake::new(script, Options::new());
                handshake.read().unwrap();
                handshake.accept().unwrap()
            });
            assert!(peak < 512 << 10, "{delivery:?}: {peak} bytes before the first frame");
            assert_eq!(ws.get_ref().written, ACCEPTED.as_bytes(), "{delivery:?}");
            let mut seen = Vec::new();
            let end = loop {
                match ws.read_with(|event, _| Seen::from(event)) {
                    Ok(event) => seen.push(event.unwrap()),
                    Err(error) => break error,
                }
            };
            assert_eq!(seen, expected, "{delivery:?}");
            assert!(matches!(end, Error::Protocol(ProtocolError::UnexpectedEof)), "{end:?}");
        }
    }
}

#[test]
fn hs_36_each_proper_prefix_is_an_incomplete_handshake() {
    for len in 0..R0.0.len() {
        let prefix = &R0.0.as_bytes()[..len];
        let mut handshake = Handshake::new(Options::new());
        assert!(handshake.receive(prefix).unwrap().is_none());
        let error = handshake.receive_eof().unwrap_err();
        assert!(matches!(error, HandshakeError::UnexpectedEof), "{error:?}");
        assert!(error.to_string().starts_with("handshake incomplete"));
        assert!(handshake.output().is_empty());

        for leave in Leave::BOTH {
            let (mut client, server) = tcp::pair();
            client.write_all(prefix).unwrap();
            let client = leave.let_go(client, &server);
            match (leave, blocking::accept(server).unwrap_err()) {
                (_, Error::Handshake(HandshakeError::UnexpectedEof)) => {}
                (Leave::Rst, Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
                (_, error) => panic!("{len} bytes, {leave:?}: {error:?}"),
            }
            assert!(client.is_none_or(|client| tcp::rest(&client).is_empty()));
        }
    }
}

#[test]
fn hs_39_nothing_can_be_injected_into_a_response() {
    for bad in ["a\r\nset-cookie: a=b", "a\n", "a\r", "a\0"] {
        assert!(Answer::new().header("x", bad).is_err(), "{bad:?}");
        assert!(Answer::new().header(bad, "x").is_err(), "{bad:?}");
        let refusal = || Rejection::new(StatusCode::FOUND).unwrap();
        assert!(refusal().header("location", bad).is_err(), "{bad:?}");
        assert!(refusal().header(bad, "x").is_err(), "{bad:?}");
    }
    for bad in ["a b", "a,", "", "a:", "(a)"] {
        assert!(Answer::new().header(bad, "x").is_err(), "{bad:?}");
    }
    for bad in ["a\r\nx: y", "a\0", "a,b", "a, b", "a b", " a", ""] {
        let mut handshake = Handshake::new(Options::new().protocols([bad]));
        handshake.receive(R0.and_field("Sec-WebSocket-Protocol", ["a, b"])[0].as_bytes()).unwrap();
        assert!(handshake.accept_with(Answer::new().protocol(bad)).is_err(), "{bad:?}");
        assert!(handshake.output().is_empty());
        let (mut connection, _) = handshake.accept().unwrap();
        assert_eq!(connection.output().chunk(), ACCEPTED.as_bytes());
    }
}

#[test]
fn hs_40_the_fields_of_a_101_are_not_the_applications() {
    for name in ["Upgrade", "connection", "Sec-WebSocket-Accept", "Content-Length", "transfer-encoding"] {
        let error = Answer::new().header(name, "a").unwrap_err();
        assert!(matches!(error, HandshakeError::Field(FieldError::Reserved(_))), "{name}: {error:?}");
    }
    assert!(Answer::new().header("Sec-WebSocket-Extensions", "permessage-deflate").is_err());
    assert!(Answer::new().header("Sec-WebSocket-Protocol", "a").is_err());
}

#[test]
fn hs_41_only_what_was_offered_can_be_chosen() {
    for protocol in ["c", "A", "ab"] {
        let mut handshake = Handshake::new(Options::new());
        handshake.receive(R0.and_field("Sec-WebSocket-Protocol", ["a, b"])[0].as_bytes()).unwrap();
        let error = handshake.accept_with(Answer::new().protocol(protocol)).unwrap_err();
        assert!(matches!(error, HandshakeError::Field(FieldError::ProtocolNotOffered)), "{error:?}");
        handshake.accept_with(Answer::new().protocol("b")).unwrap();
    }
}

#[test]
fn hs_42_nothing_of_the_request_is_in_a_refusal() {
    let mut bodies = Vec::new();
    for marker in ["M4RK", "Z9-x"] {
        let requests = [
            R0.start([format!("{marker} /chat HTTP/1.1"), format!("GET {marker} HTTP/1.1")]),
            R0.start([format!("POST /{marker} HTTP/1.1"), format!("GET /{marker} HTTP/{marker}")]),
            R0.and([marker.to_owned(), format!("{marker}\0: a"), format!("X: {marker}\0")]),
            R0.field("Upgrade", [marker]),
            R0.field("Host", [format!("{marker}@")]),
            R0.field("Sec-WebSocket-Version", [marker]),
            R0.field("Sec-WebSocket-Key", [marker]),
            R0.and_field("Sec-WebSocket-Protocol", [format!("{marker}, {marker}")]),
            R0.and_field("Sec-WebSocket-Extensions", [format!("{marker};")]),
            R0.and_field("Origin", [marker]),
            targets(["/".to_owned() + &marker.repeat(3_000)]),
        ];
        let options = Arc::new(Options::new().origin(OriginPolicy::same_origin()));
        let mut answers = Vec::new();
        for request in requests.concat() {
            let case = Case { options: Arc::clone(&options), request };
            let answer = deliver(&case, &[&latin1(&case.request)], "hs_42");
            let response = Response::parse(&answer);
            assert!(!str::from_utf8(&answer).unwrap().contains(marker), "{case:?}");
            assert_eq!(response.field("content-length"), Some(&*response.body.len().to_string()));
            answers.push(answer);
        }
        bodies.push(answers);
    }
    assert_eq!(bodies[0], bodies[1], "an answer depends on what was refused");
}

#[test]
fn hs_43_a_client_that_never_reads_its_refusal_is_dropped() {
    let begun = Instant::now();
    // A small refusal fits the network's buffers, and the client's FIN is awaited in vain.
    let (mut client, server) = tcp::pair();
    client.write_all(b"POST / HTTP/1.1\r\n\r\n").unwrap();
    let error = blocking::accept_with(server, short_deadline()).unwrap_err();
    assert!(matches!(error, Error::Handshake(HandshakeError::Rejected(_))), "{error:?}");
    // A large one does not.
    let (mut other, server) = tcp::pair();
    other.write_all(R0.0.as_bytes()).unwrap();
    let mut handshake = blocking::Handshake::tcp(server, short_deadline()).unwrap();
    handshake.read().unwrap();
    let error = handshake.reject(Rejection::new(StatusCode::NOT_FOUND).unwrap().body(vec![b'x'; 32 << 20]));
    assert!(matches!(error, Error::Handshake(_)), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(tcp::rest(&client).starts_with(b"HTTP/1.1 405 "));
    assert!(tcp::rest(&other).len() < 32 << 20);
}

#[test]
fn hs_46_unfinished_handshakes_cost_what_they_have_sent() {
    let unfinished = R0.padded_to(16_000)[0].as_bytes()[..15_900].to_vec();
    let before = memory::live();
    let mut waiting: Vec<_> = (0..300)
        .map(|_| {
            let script = Script::of([&*unfinished]).then(ErrorKind::WouldBlock);
            blocking::Handshake::new(script, Options::new())
        })
        .collect();
    for handshake in &mut waiting {
        let Err(Error::Io(error)) = handshake.read() else { panic!("complete?") };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
    let each = (memory::live() - before) / waiting.len();
    assert!(each <= 36 << 10, "{each} bytes for each");
    assert_eq!(over_tcp(&R0.0.into(), R0.0.as_bytes(), "hs_46"), ACCEPTED.as_bytes());
}

#[test]
fn hs_47_the_application_refuses_with_any_status_and_fields() {
    for status in [200, 204, 302, 401, 404, 500, 599] {
        let refusal = Rejection::new(StatusCode::from_u16(status).unwrap()).unwrap();
        let refusal = refusal.header("location", "/elsewhere").unwrap().body("no\n");
        let (mut client, server) = tcp::pair();
        client.write_all(R0.0.as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut handshake = blocking::Handshake::tcp(server, Options::new()).unwrap();
        handshake.read().unwrap();
        let error = handshake.reject(refusal);
        assert!(matches!(error, Error::Handshake(HandshakeError::Rejected(_))), "{error:?}");
        let response = Response::parse(&tcp::rest(&client));
        assert_eq!(response.status, status);
        assert_eq!(response.field("connection"), Some("close"));
        assert_eq!(response.field("location"), Some("/elsewhere"));
        let (length, body) = if status == 204 { (None, "") } else { (Some("3"), "no\n") };
        assert_eq!((response.field("content-length"), &*response.body), (length, body));
    }
    assert!(Rejection::new(StatusCode::SWITCHING_PROTOCOLS).is_err());
}

/// The deadline is for what is read and written, and not for what the application does between them.
#[test]
fn hs_47_a_decision_that_takes_longer_than_the_deadline_is_written() {
    for accepts in [true, false] {
        let (mut client, server) = tcp::pair();
        client.write_all(R0.0.as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut handshake = blocking::Handshake::tcp(server, short_deadline()).unwrap();
        handshake.read().unwrap();
        thread::sleep(Duration::from_millis(220)); // the application takes its time
        if accepts {
            drop(handshake.accept().unwrap());
            assert_eq!(tcp::rest(&client), ACCEPTED.as_bytes());
        } else {
            let error = handshake.reject(Rejection::new(StatusCode::NOT_FOUND).unwrap());
            assert!(matches!(error, Error::Handshake(HandshakeError::Rejected(_))), "{error:?}");
            assert!(tcp::rest(&client).starts_with(b"HTTP/1.1 404 "));
        }
    }
}

#[test]
fn hs_47_the_application_panics_while_it_decides() {
    let options = Arc::new(Options::new());
    let (mut client, server) = tcp::pair();
    client.write_all(R0.0.as_bytes()).unwrap();
    let shared = Arc::clone(&options);
    let decides = AssertUnwindSafe(move || {
        let mut handshake = blocking::Handshake::tcp(server, shared).unwrap();
        handshake.read().unwrap();
        std::panic::resume_unwind(Box::new("the application's"));
    });
    assert!(catch_unwind(decides).is_err());
    assert_eq!(tcp::rest(&client), b"", "closed, and nothing said");
    assert_eq!(
        over_tcp(&Case { options, request: R0.0.into() }, R0.0.as_bytes(), "hs_47"),
        ACCEPTED.as_bytes()
    );
}
