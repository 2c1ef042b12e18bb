use super::*;
use crate::connection::Event;
use crate::handshake::{FieldError, MAX_BODY, MAX_HEAD, deliveries};
use bytes::Buf;
use std::collections::HashSet;

/// The nonce of RFC 6455 §1.3.
const NONCE: &[u8; 16] = b"the sample nonce";

const R101: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    \r\n";

fn drain(output: &mut impl Buf) -> Vec<u8> {
    output.copy_to_bytes(output.remaining()).to_vec()
}

fn request() -> Request {
    Request::new("ws://a.example/chat").unwrap()
}

fn handshake(protocols: &[&str]) -> Handshake {
    let request = protocols.iter().fold(request(), |request, protocol| request.protocol(*protocol).unwrap());
    Handshake::with_nonce(request, Config::new(), *NONCE)
}

/// R101 with another line in place of one of its own.
fn with(old: &str, new: &str) -> Vec<u8> {
    assert_eq!(R101.matches(old).count(), 1, "{old}");
    R101.replace(old, new).into_bytes()
}

/// R101 with more lines.
fn and(lines: &str) -> Vec<u8> {
    with("\r\n\r\n", &format!("\r\n{lines}\r\n\r\n"))
}

/// What the handshake comes to: `None` while it is incomplete. It is the same for every delivery.
fn outcome(protocols: &[&str], response: &[u8], then_eof: bool) -> Option<Result<Opened, HandshakeError>> {
    let mut outcomes = deliveries::of(response).into_iter().map(|parts| {
        let mut handshake = handshake(protocols);
        for part in parts {
            if let Err(error) = handshake.receive(part) {
                assert!(matches!(handshake.receive(b"HTTP"), Err(HandshakeError::OutOfOrder)));
                assert!(matches!(handshake.receive_eof(), Err(HandshakeError::OutOfOrder)));
                return Some(Err(error));
            }
        }
        match if then_eof { handshake.receive_eof() } else { Ok(()) } {
            Err(error) => Some(Err(error)),
            Ok(()) => match handshake.state {
                State::Open(opened) => Some(Ok(*opened)),
                _ => None,
            },
        }
    });
    let show = |outcome: &Option<Result<Opened, _>>| {
        format!(
            "{:?}",
            outcome.as_ref().map(|result| result.as_ref().map(|opened| (&opened.response, &opened.rest)))
        )
    };
    let first = outcomes.next().unwrap();
    assert!(outcomes.all(|outcome| show(&outcome) == show(&first)));
    first
}

#[track_caller]
fn open(response: impl AsRef<[u8]>) -> Opened {
    outcome(&[], response.as_ref(), false).expect("complete").expect("open")
}

#[track_caller]
fn fails(response: impl AsRef<[u8]>) -> HandshakeError {
    outcome(&[], response.as_ref(), false).expect("complete").err().expect("an error")
}

fn http(error: HandshakeError) -> Response<Bytes> {
    match error {
        HandshakeError::Http(response) => *response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_request_is_written_as_the_rfc_shows_it() {
    let request = Request::new("ws://user:pass@a.example:9001/chat?x=1")
        .unwrap()
        .protocol("chat")
        .unwrap()
        .protocol("superchat")
        .unwrap()
        .origin("http://example.com")
        .unwrap();
    let mut handshake = Handshake::with_nonce(request, Config::new(), *NONCE);
    let expected = "GET /chat?x=1 HTTP/1.1\r\n\
        Host: a.example:9001\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Protocol: chat, superchat\r\n\
        authorization: Basic dXNlcjpwYXNz\r\n\
        origin: http://example.com\r\n\
        \r\n";
    assert_eq!(String::from_utf8(drain(handshake.output())).unwrap(), expected);
    assert!(handshake.output().is_empty());
}

#[test]
fn the_answer_of_the_rfc_opens_the_connection() {
    for parts in deliveries::of(&[R101.as_bytes(), b"\x81\x02Hi\x81\x02o"].concat()) {
        let mut handshake = handshake(&[]);
        for part in parts {
            handshake.receive(part).unwrap();
        }
        handshake.receive_eof().unwrap();
        let (mut connection, response) = handshake.open().unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers().len(), 3);
        connection.receive(b"k");
        for expected in ["Hi", "ok"] {
            let Ok(Some(Event::Text(text))) = connection.poll_event() else { panic!("no text") };
            assert_eq!(&*text, expected);
        }
    }
}

#[test]
fn a_handshake_that_is_not_complete_cannot_be_opened() {
    assert!(matches!(handshake(&[]).open(), Err(HandshakeError::OutOfOrder)));
    for len in 0..R101.len() {
        let mut handshake = handshake(&[]);
        assert!(handshake.receive(&R101.as_bytes()[..len]).unwrap().is_none());
        assert!(matches!(handshake.receive_eof(), Err(HandshakeError::UnexpectedEof)));
        assert!(matches!(handshake.open(), Err(HandshakeError::OutOfOrder)));
    }
}

#[test]
fn hc_01_another_status_is_an_error_with_the_response() {
    for status in [200, 400, 403, 404, 426, 500, 503] {
        let error =
            fails(format!("HTTP/1.1 {status} What\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello, and more"));
        assert!(error.to_string().contains(&status.to_string()));
        let response = http(error);
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["x-a"], "b");
        assert_eq!(response.body(), "hello");
    }
    for head in
        ["HTTP/1.1 204 \r\n\r\n", "HTTP/1.1 304 \r\n\r\n", "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n"]
    {
        assert_eq!(http(fails(head)).body(), "");
    }
    let upgraded = with("101 Switching Protocols", "200 OK");
    assert!(outcome(&[], &upgraded, false).is_none());
    assert_eq!(http(outcome(&[], &upgraded, true).unwrap().err().unwrap()).status(), 200);
    assert_eq!(http(fails("HTTP/1.0 404 Not Found\r\nContent-Length: 2\r\n\r\nno")).body(), "no");
}

#[test]
fn hc_01_a_body_can_end_with_the_stream() {
    for head in
        ["", "Content-Length: x\r\n", "Content-Length: 9\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n"]
    {
        let response = format!("HTTP/1.1 500 \r\n{head}\r\nhello");
        assert!(outcome(&[], response.as_bytes(), false).is_none());
        assert_eq!(http(outcome(&[], response.as_bytes(), true).unwrap().err().unwrap()).body(), "hello");
    }
}

#[test]
fn hc_01_chunks_are_joined() {
    let head = "HTTP/1.1 500 \r\nTransfer-Encoding: chunked\r\n\r\n";
    for (chunks, body) in [
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5;a=b\r\nhello\r\n0B \r\n, and more.\r\n000\r\nTrailer: x\r\n\r\n", "hello, and more."),
        ("0\r\n\r\n", ""),
        ("5\r\nhelloX", "hello"),
        ("x", ""),
        ("ffffffffffffffffffffff\r\nhello", "hello"),
    ] {
        let response = [head, chunks].concat();
        let result = outcome(&[], response.as_bytes(), chunks.starts_with("ffff"));
        assert_eq!(http(result.unwrap().err().unwrap()).body(), body, "{chunks:?}");
    }
}

#[test]
fn hc_01_the_body_is_cut_off() {
    let body = "x".repeat(MAX_BODY + 1000);
    let chunk = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for rest in [format!("\r\n{body}"), format!("Content-Length: {}\r\n\r\n{body}", body.len()), chunk] {
        let mut handshake = handshake(&[]);
        let error = handshake.receive(format!("HTTP/1.1 500 \r\n{rest}").as_bytes()).unwrap_err();
        assert_eq!(http(error).body().len(), MAX_BODY);
    }
}

#[test]
fn hc_01_the_body_is_cut_off_wherever_it_is_cut() {
    for first in [1, 60_000, MAX_BODY - 1] {
        let mut handshake = handshake(&[]);
        handshake.receive(b"HTTP/1.1 500 \r\n\r\n").unwrap();
        handshake.receive(&vec![b'x'; first]).unwrap();
        assert_eq!(http(handshake.receive(&[b'x'; MAX_BODY]).unwrap_err()).body().len(), MAX_BODY);
    }
}

#[test]
fn hc_01_what_came_of_a_refusal_in_time_is_reported() {
    let mut handshake = handshake(&[]);
    handshake.receive(b"HTTP/1.1 500 \r\n\r\nhel").unwrap();
    assert_eq!(http(handshake.handle_timeout()).body(), "hel");
    assert!(matches!(handshake.handle_timeout(), HandshakeError::Timeout));
}

#[test]
fn hc_02_interim_responses_are_skipped() {
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 102 \r\n\r\n",
        "HTTP/1.1 103 \r\nLink: a\r\nContent-Length: 5\r\n\r\n",
    ] {
        open([interim, R101].concat());
        open([&interim.repeat(8), R101].concat());
        assert!(matches!(fails([&interim.repeat(9), R101].concat()), HandshakeError::TooManyInterim));
    }
}

#[test]
fn hc_03_a_redirect_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let head = format!("HTTP/1.1 {status} \r\nContent-Length: 0\r\n");
        let error = fails(format!("{head}Location: ws://b.example/\r\n\r\n"));
        let HandshakeError::Redirect(response) = error else { panic!("{error:?}") };
        assert_eq!(response.headers()["location"], "ws://b.example/");
        assert_eq!(http(fails(format!("{head}\r\n"))).status(), status);
    }
}

#[test]
fn hc_04_upgrade_and_connection_have_to_be_there() {
    for upgrade in
        ["", "Upgrade:\r\n", "Upgrade: h2c\r\n", "Upgrade: xwebsocket\r\n", "Upgrade: h2c, websocket\r\n"]
    {
        assert!(
            matches!(fails(with("Upgrade: websocket\r\n", upgrade)), HandshakeError::Upgrade),
            "{upgrade}"
        );
    }
    for connection in ["", "Connection:\r\n", "Connection: close\r\n", "Connection: NotUpgrade\r\n"] {
        assert!(matches!(fails(with("Connection: Upgrade\r\n", connection)), HandshakeError::Connection));
    }
    let response = with("Upgrade: websocket", "upgrade: WebSocket");
    open(
        String::from_utf8(response)
            .unwrap()
            .replace("Connection: Upgrade", "connection: keep-alive, upgrade"),
    );
}

#[test]
fn hc_05_only_the_accept_value_of_this_key_opens() {
    let good = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    for bad in [
        "",
        "HSmrc0sMlYUkAGmm5OPpG2HaGWk=",
        "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "s3ppLMBiTxaQ9kYGzzhZRbK+xOo=",
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo==",
        "3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "b37a4f2cc0624f1690f64606cf385945b2bec4ea",
    ] {
        assert!(matches!(fails(with(good, bad)), HandshakeError::Accept), "{bad}");
    }
    let line = format!("Sec-WebSocket-Accept: {good}");
    assert!(matches!(fails(with(&format!("{line}\r\n"), "")), HandshakeError::Accept));
    for other in ["a", good] {
        let other = format!("Sec-WebSocket-Accept: {other}");
        assert!(matches!(fails(with(&line, &format!("{line}\r\n{other}"))), HandshakeError::Accept));
        assert!(matches!(fails(with(&line, &format!("{other}\r\n{line}"))), HandshakeError::Accept));
    }
    open(with(good, &format!(" \t{good} \t")));
}

#[test]
fn hc_06_every_handshake_has_its_own_key() {
    let mut requests = HashSet::new();
    for _ in 0..100 {
        let mut handshake = Handshake::new(request(), Config::new()).unwrap();
        assert!(requests.insert(drain(handshake.output())));
        assert!(matches!(handshake.receive(R101.as_bytes()), Err(HandshakeError::Accept)));
    }
}

#[test]
fn hc_07_an_extension_that_was_not_offered_fails() {
    for value in ["permessage-deflate", "x-foo; a=b", "a;", ";", "", "permessage-deflate, permessage-deflate"]
    {
        let error = fails(and(&format!("Sec-WebSocket-Extensions: {value}")));
        let HandshakeError::Extension(quoted) = error else { panic!("{error:?}") };
        assert_eq!(&*quoted, value);
    }
    let error = fails(and(&format!("Sec-WebSocket-Extensions: {}", "\u{e9}".repeat(1000))));
    assert!(error.to_string().len() < 300);
}

#[test]
fn hc_08_the_protocol_is_one_that_was_requested() {
    for (requested, answer) in [
        (&[][..], "a"),
        (&["a", "b"], "c"),
        (&["a", "b"], "A"),
        (&["a", "b"], "a, b"),
        (&["a", "b"], "a,"),
        (&["a", "b"], "a\r\nSec-WebSocket-Protocol: b"),
        (&["a", "b"], "a\r\nSec-WebSocket-Protocol: a"),
        (&["a", "b"], ""),
        (&[], ""),
    ] {
        let result = outcome(requested, &and(&format!("Sec-WebSocket-Protocol: {answer}")), false);
        assert!(matches!(result.unwrap().err().unwrap(), HandshakeError::Protocol(_)), "{answer}");
    }
    let opened =
        outcome(&["a", "b"], &and("Sec-WebSocket-Protocol: b"), false).unwrap().unwrap_or_else(|_| panic!());
    assert_eq!(opened.agreement.protocol(), Some("b"));
    let opened = outcome(&["a", "b"], R101.as_bytes(), false).unwrap().unwrap_or_else(|_| panic!());
    assert_eq!(opened.agreement.protocol(), None);
}

#[test]
fn hc_09_a_large_head_fails_at_the_limit() {
    let line = ["HTTP/1.1 101 \r\nX: ", &"y".repeat(MAX_HEAD)].concat();
    assert!(matches!(fails(line), HandshakeError::HeadTooLarge));
    assert!(matches!(fails(["HTTP/1.1 101 ", &"y".repeat(MAX_HEAD)].concat()), HandshakeError::HeadTooLarge));
    assert!(matches!(fails(and(&format!("X: {}", "y".repeat(17 << 10)))), HandshakeError::HeadTooLarge));
    assert!(matches!(
        fails(["HTTP/1.1 101 \r\n", &"X: y\r\n".repeat(101)].concat()),
        HandshakeError::TooManyHeaders
    ));
    open(and("X: y\r\n".repeat(97).trim_end()));
}

#[test]
fn hc_10_another_protocol_fails_at_its_first_impossible_byte() {
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.6"[..],
        b"220 mail.example ESMTP",
        b"<!DOCTYPE html>",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x81\x05hello",
        b"\r\n",
        b" HTTP/1.1",
    ] {
        assert!(matches!(fails(bytes), HandshakeError::Malformed(_)));
        assert!(matches!(fails(&bytes[..1]), HandshakeError::Malformed(_)));
    }
    for line in ["HTTP/1.1 x", "HTTP/2", "HTTP/1.1 101x", "HTTP/1.1 1010", "HTTQ"] {
        assert!(handshake(&[]).receive(&line.as_bytes()[..line.len() - 1]).unwrap().is_none(), "{line}");
        assert!(matches!(fails(line), HandshakeError::Malformed(_)), "{line}");
    }
}

#[test]
fn hc_12_the_status_line_is_read_exactly() {
    for line in
        ["HTTP/1.1 101", "HTTP/1.1 101 ", "HTTP/1.1 101 Switching  Protocols\t", "HTTP/1.1 101 \u{e9}\u{ff}"]
    {
        open(with("HTTP/1.1 101 Switching Protocols", line));
    }
    open(
        [b"HTTP/1.1 101 \x80\xFF", R101.strip_prefix("HTTP/1.1 101 Switching Protocols").unwrap().as_bytes()]
            .concat(),
    );
    for line in [
        "HTTP/1.1 0101 a",
        "HTTP/1.1 101x",
        "HTTP/1.1 1010",
        "HTTP/1.1 +101",
        "HTTP/1.1 1 01",
        "HTTP/1.0 101 a",
        "HTTP/1.1 101 a\0",
        "HTTP/1.1  101 a",
    ] {
        let error = fails(with("HTTP/1.1 101 Switching Protocols", line));
        assert!(matches!(error, HandshakeError::Malformed(_)), "{line} {error:?}");
    }
    assert!(matches!(fails(R101.replace("\r\n", "\n")), HandshakeError::Malformed(_)));
}

#[test]
fn hc_13_nothing_is_injected() {
    for bad in ["a\r\nX: y", "a\r", "a\n", "a\0"] {
        assert!(matches!(request().header("x", bad), Err(HandshakeError::Field(FieldError::Value))));
        assert!(matches!(request().header(bad, "x"), Err(HandshakeError::Field(FieldError::Name))));
        assert!(matches!(request().protocol(bad), Err(HandshakeError::Field(FieldError::Protocol))));
        assert!(matches!(request().origin(bad), Err(HandshakeError::Field(FieldError::Origin))));
        assert!(matches!(Request::new(&format!("ws://{bad}/")), Err(HandshakeError::Url(_))));
        assert!(matches!(Request::new(&format!("ws://a/{bad}")), Err(HandshakeError::Url(_))));
        assert!(matches!(Request::new(&format!("ws://a/?{bad}")), Err(HandshakeError::Url(_))));
    }
    for bad in ["", "a b", "a,b", "a;", "\"a\"", "a/b", "\u{e9}"] {
        assert!(matches!(request().protocol(bad), Err(HandshakeError::Field(FieldError::Protocol))), "{bad}");
    }
    for bad in ["", "http://a b", "http://a, http://b", "\u{e9}"] {
        assert!(matches!(request().origin(bad), Err(HandshakeError::Field(FieldError::Origin))), "{bad}");
        assert!(
            matches!(request().header("origin", bad), Err(HandshakeError::Field(FieldError::Origin))),
            "{bad}"
        );
    }
    assert!(matches!(request().header("a b", "x"), Err(HandshakeError::Field(FieldError::Name))));
    let error = request().protocol("a").unwrap().protocol("a").unwrap_err();
    assert!(matches!(error, HandshakeError::Field(FieldError::DuplicateProtocol)));
}

#[test]
fn hc_13_the_fields_of_the_handshake_are_its_own() {
    for name in [
        "Host",
        "upgrade",
        "Connection",
        "Content-Length",
        "Transfer-Encoding",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Accept",
    ] {
        assert!(
            matches!(request().header(name, "a"), Err(HandshakeError::Field(FieldError::Reserved(_)))),
            "{name}"
        );
    }
}

#[test]
fn secrets_do_not_appear_in_debug_output() {
    let request = Request::new("ws://user:secret@a/").unwrap().header("Cookie", "secret").unwrap();
    let handshake = Handshake::new(request.clone(), Config::new()).unwrap();
    let shown = format!("{request:?} {handshake:?}");
    assert!(!shown.contains("secret") && !shown.contains("c2VjcmV0") && !shown.contains("Basic"), "{shown}");
    // One set by hand replaces the one of the URL.
    let request = request.header("authorization", "Bearer secret").unwrap();
    assert_eq!(request.headers().get_all("authorization").iter().count(), 1);
    assert!(!format!("{request:?}").contains("Bearer"));
}

#[test]
fn both_sides_agree() {
    let mut client = handshake(&["b", "a"]);
    let mut server = crate::handshake::server::Handshake::new(
        crate::handshake::server::Options::new().protocols(["a", "b"]),
    );
    server.receive(&drain(client.output())).unwrap();
    let (mut accepted, request) = server.accept().unwrap();
    assert_eq!(request.headers()["host"], "a.example");
    client.receive(&drain(accepted.output())).unwrap();
    let (opened, _) = client.open().unwrap();
    assert_eq!((opened.protocol(), accepted.protocol()), (Some("b"), Some("b")));
}

#[test]
fn a_handshake_knows_its_response_and_its_deadline() {
    let timeout = Duration::from_secs(7);
    let mut handshake = Handshake::with_nonce(request(), Config::new().handshake_timeout(timeout), *NONCE);
    assert_eq!(handshake.timeout(), timeout);
    assert!(handshake.response().is_none());
    assert_eq!(format!("{handshake:?}").split_once(',').unwrap().0, r#"Handshake { state: "Head""#);
    assert_eq!(handshake.receive(R101.as_bytes()).unwrap().unwrap().status(), 101);
    assert_eq!(handshake.response().unwrap().headers()["upgrade"], "websocket");
    assert_eq!(format!("{handshake:?}").split_once(',').unwrap().0, r#"Handshake { state: "Open""#);
}

#[cfg(feature = "deflate")]
#[test]
fn hc_07_what_was_offered_may_be_answered_once() {
    let outcome = |lines: &str| {
        let config = Config::new().deflate(Deflate::new());
        let mut handshake = Handshake::with_nonce(request(), config, *NONCE);
        handshake.receive(&and(lines)).map(|_| ())?;
        Ok::<_, HandshakeError>(handshake.open()?.0.extensions().to_owned())
    };
    let line = "Sec-WebSocket-Extensions: permessage-deflate";
    assert_eq!(outcome(line).unwrap(), "permessage-deflate");
    assert_eq!(outcome("X: y").unwrap(), "");
    for lines in [
        format!("{line}\r\n{line}"),
        format!("{line}, permessage-deflate"),
        format!("{line}\r\nSec-WebSocket-Extensions:"),
        format!("{line}\r\nSec-WebSocket-Extensions: x"),
        "Sec-WebSocket-Extensions: x".into(),
        "Sec-WebSocket-Extensions:".into(),
        "Sec-WebSocket-Extensions: ,".into(),
    ] {
        assert!(matches!(outcome(&lines), Err(HandshakeError::Extension(_))), "{lines}");
    }
}

#[test]
fn the_protocols_can_be_asked_for_in_their_order() {
    let request = request().protocol("b").unwrap().protocol("a").unwrap();
    assert!(request.protocols().eq(["b", "a"]));
}
