//! What a client makes of any response, however it is cut, against the rules of RFC 6455 §4.1 read once more.

use super::delivery;
use super::http::{self, Head};
use crate::support::choices::Choices;
use crate::support::end::{End, Seen};
use crate::support::extensions::{answered, elements, valid};
use crate::support::wire::frames;
use sansocket::handshake::client::{Handshake, Request};
use sansocket::handshake::{MAX_BODY, MAX_HEAD, MAX_HEADERS, MAX_INTERIM, accept_key};
use sansocket::{Config, Deflate, HandshakeError, ProtocolError, Role};

const NONCE: [u8; 16] = *b"the sample nonce";
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const PROTOCOLS: [&str; 2] = ["chat", "v2"];

/// All that a client shows of a handshake, and of what came behind it.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    /// The error in words, and a refusal's status, whether it redirects, and its body.
    Failed(String, Option<(u16, bool, Vec<u8>)>),
    Opened {
        response: String,
        protocol: Option<String>,
        extensions: String,
        seen: Vec<Seen>,
        fault: Option<ProtocolError>,
        /// What was written since, without the keys.
        written: Vec<(u8, Vec<u8>)>,
    },
}

pub fn run(data: &[u8]) {
    let mut choices = Choices::from_bytes(data);
    let (deflate, protocols) = (choices.below(2) == 1, &PROTOCOLS[..choices.below(3)]);
    let delivery = delivery(&mut choices);
    let wire = http::expand(choices.rest(), &accept_key(KEY.as_bytes()));
    let whole = open(deflate, protocols, &[&wire]);
    assert_eq!(open(deflate, protocols, &delivery.pieces(&wire)), whole, "{delivery:?}");
    check(&wire, deflate, protocols, &whole);
}

fn config(deflate: bool) -> Config {
    Config::new().deflate(deflate.then(Deflate::new))
}

fn open(deflate: bool, protocols: &[&str], pieces: &[&[u8]]) -> Shown {
    let request = Request::new("ws://a.example/chat").unwrap();
    let request = protocols.iter().fold(request, |request, protocol| request.protocol(*protocol).unwrap());
    let mut handshake = Handshake::with_nonce(request, config(deflate), NONCE);
    let mut pieces = pieces.iter();
    let failed = |error: HandshakeError| {
        let refusal = match &error {
            HandshakeError::Http(response) | HandshakeError::Redirect(response) => {
                let is_redirect = matches!(error, HandshakeError::Redirect(_));
                Some((response.status().as_u16(), is_redirect, response.body().to_vec()))
            }
            _ => None,
        };
        Shown::Failed(format!("{error:?}"), refusal)
    };
    loop {
        let Some(piece) = pieces.next() else { return failed(handshake.receive_eof().unwrap_err()) };
        match handshake.receive(piece) {
            Ok(None) => {}
            Ok(Some(_)) => break,
            Err(error) => {
                assert!(matches!(handshake.receive(b"x"), Err(HandshakeError::OutOfOrder)));
                return failed(error);
            }
        }
    }
    let (connection, response) = handshake.open().unwrap();
    let mut end = End::of(connection);
    end.poll();
    pieces.for_each(|piece| end.receive(piece));
    Shown::Opened {
        response: format!("{response:?}"),
        protocol: end.connection.protocol().map(str::to_owned),
        extensions: end.connection.extensions().to_owned(),
        written: written(&mut end),
        seen: end.seen,
        fault: end.error,
    }
}

fn written(end: &mut End) -> Vec<(u8, Vec<u8>)> {
    frames(&end.write_all()).into_iter().map(|frame| (frame.first, frame.payload)).collect()
}

fn check(mut wire: &[u8], deflate: bool, protocols: &[&str], shown: &Shown) {
    let mut interim = 0;
    let (head, version, status) = loop {
        let Some((head, version, status)) = http::head(wire).and_then(|head| {
            let (version, status) = status(head.start)?;
            let is_small = head.len <= MAX_HEAD && head.fields.len() <= MAX_HEADERS;
            is_small.then_some((head, version, status))
        }) else {
            assert!(matches!(shown, Shown::Failed(_, None)), "no head was taken for one: {shown:?}");
            return;
        };
        if status == 101 || status >= 200 {
            break (head, version, status);
        }
        interim += 1;
        if interim > MAX_INTERIM {
            assert!(matches!(shown, Shown::Failed(_, None)), "too many heads: {shown:?}");
            return;
        }
        wire = head.rest;
    };
    if status != 101 {
        let Shown::Failed(_, Some((its, is_redirect, body))) = shown else {
            panic!("a refusal with status {status}, and not {shown:?}")
        };
        let has_location = !head.all("location").is_empty();
        assert_eq!(*its, status);
        assert_eq!(*is_redirect, has_location && [301, 302, 303, 307, 308].contains(&status));
        if let Some(expected) = expected_body(&head, status) {
            assert_eq!(body, expected);
        }
        return;
    }
    let expected = if version == b"HTTP/1.1" { agreed(&head, deflate, protocols) } else { None };
    match (expected, shown) {
        (None, Shown::Failed(_, None)) => {}
        (Some(expected), Shown::Opened { protocol, extensions, seen, fault, written: its, .. }) => {
            assert_eq!((protocol.as_deref(), extensions), (expected.0, &expected.1));
            // What came behind the response is the connection's, every byte of it.
            let agreement = match extensions.is_empty() {
                true => sansocket::Agreement::new(),
                false => agreement(extensions),
            };
            let mut end = End::agreed(Role::Client, config(deflate), agreement);
            end.receive(head.rest);
            assert_eq!((&end.seen, &end.error), (seen, fault));
            assert_eq!(&written(&mut end), its);
        }
        (expected, shown) => panic!("expected {expected:?}, not {shown:?}"),
    }
}

/// The version and the status of a status line (RFC 9112 §4). The space before the reason may be missing with it.
fn status(line: &[u8]) -> Option<(&[u8], u16)> {
    let (version, rest) = line.split_at_checked(8)?;
    let (status, rest) = rest.strip_prefix(b" ")?.split_first_chunk::<3>()?;
    let is_right = matches!(version, b"HTTP/1.1" | b"HTTP/1.0")
        && status.iter().all(u8::is_ascii_digit)
        && status[0] != b'0'
        && (rest.is_empty() || rest[0] == b' ');
    is_right.then(|| (version, status.iter().fold(0, |n, digit| 10 * n + u16::from(digit - b'0'))))
}

/// What a 101 response agrees on, if it is as it should be: the points 2 to 6 of §4.1.
fn agreed<'a>(head: &Head<'a>, deflate: bool, protocols: &[&str]) -> Option<(Option<&'a str>, String)> {
    let is_right = head.single("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
        && head.lists("connection", "upgrade")
        && head.single("sec-websocket-accept") == Some(&accept_key(KEY.as_bytes()));
    let lines = head.all("sec-websocket-extensions");
    let lines = lines.iter().map(|line| {
        let line = str::from_utf8(line).ok().filter(|line| line.is_ascii())?;
        elements(line).filter(|elements| !elements.is_empty())
    });
    let extensions = match &lines.collect::<Option<Vec<_>>>()?.concat()[..] {
        [] => String::new(),
        // A number has to stand behind the one that an offer can leave open.
        [one] => {
            let said = valid(one).filter(|said| !said.contains(&("client_max_window_bits".into(), None)));
            answered(&said.filter(|_| deflate)?)
        }
        _ => return None,
    };
    let protocol = match head.all("sec-websocket-protocol")[..] {
        [] => None,
        _ => Some(head.single("sec-websocket-protocol").filter(|value| protocols.contains(value))?),
    };
    is_right.then_some((protocol, extensions))
}

/// The agreement of another handshake whose server answered the same.
fn agreement(extensions: &str) -> sansocket::Agreement {
    let response = format!(
        "HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\
         Sec-WebSocket-Extensions: {extensions}\r\n\r\n",
        accept_key(KEY.as_bytes()),
    );
    let mut handshake = Handshake::with_nonce(Request::new("ws://a/").unwrap(), config(true), NONCE);
    handshake.receive(response.as_bytes()).unwrap().unwrap();
    handshake.open().unwrap().0.agreement().clone()
}

/// RFC 9112 §6.3, where it is simple: as much as came of a body of a known length, or of one without.
fn expected_body<'a>(head: &Head<'a>, status: u16) -> Option<&'a [u8]> {
    let most = |len: usize| &head.rest[..len.min(head.rest.len()).min(MAX_BODY)];
    if matches!(status, 204 | 304) {
        return Some(&[]);
    }
    if !head.all("transfer-encoding").is_empty() {
        return None;
    }
    match head.all("content-length")[..] {
        [] => Some(most(MAX_BODY)),
        [len] if len.iter().all(u8::is_ascii_digit) => {
            str::from_utf8(len).ok().and_then(|len| len.parse().ok()).map(most)
        }
        _ => None,
    }
}
