//! What a server makes of any request, however it is cut, against the rules of RFC 6455 §4.2.1 read once more.

use super::delivery;
use super::http::{self, Head};
use crate::support::choices::Choices;
use crate::support::end::{End, Seen};
use crate::support::extensions::{answered, elements, valid};
use sansocket::handshake::server::{Handshake, Options};
use sansocket::handshake::{MAX_HEAD, MAX_HEADERS, OriginPolicy, accept_key};
use sansocket::{Config, Deflate, HandshakeError, ProtocolError, Role};
use std::sync::Arc;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const PROTOCOLS: [&str; 2] = ["chat", "v2"];

/// All that a server shows of a handshake, and of what came behind it.
#[derive(Debug, PartialEq, Eq)]
struct Served {
    error: Option<String>,
    request: Option<String>,
    wire: Vec<u8>,
    seen: Vec<Seen>,
    fault: Option<ProtocolError>,
}

/// What the server is like.
struct Server {
    deflate: bool,
    any_origin: bool,
    secure: bool,
}

pub fn run(data: &[u8]) {
    let mut choices = Choices::from_bytes(data);
    let server = Server {
        deflate: choices.below(2) == 1,
        any_origin: choices.below(4) < 3,
        secure: choices.below(4) == 3,
    };
    let delivery = delivery(&mut choices);
    let wire = http::expand(choices.rest(), KEY);
    let served = server.serve(&[&wire]);
    assert_eq!(server.serve(&delivery.pieces(&wire)), served, "{delivery:?}");
    server.check(&wire, &served);
}

impl Server {
    fn config(&self) -> Config {
        Config::new().deflate(self.deflate.then(Deflate::new))
    }

    fn serve(&self, pieces: &[&[u8]]) -> Served {
        let origin = if self.any_origin { OriginPolicy::any() } else { OriginPolicy::same_origin() };
        let options =
            Options::new().protocols(PROTOCOLS).origin(origin).secure(self.secure).config(self.config());
        let mut handshake = Handshake::new(Arc::new(options));
        let (mut request, mut end, mut error) = (None, None::<End>, None);
        for piece in pieces {
            match &mut end {
                Some(end) => end.receive(piece),
                None => match handshake.receive(piece) {
                    Ok(None) => {}
                    Ok(Some(_)) => {
                        let (connection, its) = handshake.accept().unwrap();
                        request = Some(format!("{its:?}"));
                        end = Some(End::of(connection));
                        end.as_mut().unwrap().poll();
                    }
                    Err(its) => {
                        assert!(matches!(its, HandshakeError::Rejected(_)), "{its:?}");
                        assert!(matches!(handshake.receive(b"x"), Err(HandshakeError::OutOfOrder)));
                        error = Some(format!("{its:?}"));
                        break;
                    }
                },
            }
        }
        let Some(mut end) = end else {
            let wire = handshake.output().to_vec();
            if error.is_none() {
                assert!(matches!(handshake.receive_eof(), Err(HandshakeError::UnexpectedEof)));
            }
            return Served { error, request, wire, seen: Vec::new(), fault: None };
        };
        assert!(handshake.output().is_empty());
        let wire = end.write_all();
        Served { error, request, wire, seen: end.seen, fault: end.error }
    }

    fn check(&self, wire: &[u8], served: &Served) {
        // RFC 9112 §2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at least
        // one empty line (CRLF) received prior to the request-line."
        let wire = wire.strip_prefix(b"\r\n").unwrap_or(wire);
        let is_head_request = wire.starts_with(b"HEAD ");
        let Some(request) = http::head(wire) else {
            assert!(served.request.is_none(), "no head was accepted: {served:?}");
            return if served.error.is_some() {
                refused(&served.wire, is_head_request)
            } else {
                assert!(served.wire.is_empty())
            };
        };
        assert!(served.request.is_some() || served.error.is_some(), "the head is there");
        let opening = Opening::read(&request);
        if served.request.is_some() {
            self.accepted(&request, &opening.expect("what was accepted is an opening handshake"), served);
        } else {
            let is_certain = self.any_origin && is_plain(&request);
            assert!(!is_certain || opening.is_none(), "nothing is wrong with it: {served:?}");
            refused(&served.wire, is_head_request);
        }
    }

    fn accepted(&self, request: &Head<'_>, opening: &Opening<'_>, served: &Served) {
        let response = http::head(&served.wire).expect("a whole response");
        assert_eq!(response.start, b"HTTP/1.1 101 Switching Protocols");
        let accept = accept_key(opening.key.as_bytes());
        let mut fields =
            vec![("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", &*accept)];
        let protocol = opening.protocols.iter().find(|offered| PROTOCOLS.contains(offered));
        fields.extend(protocol.map(|&protocol| ("sec-websocket-protocol", protocol)));
        let extensions = self.deflate.then(|| opening.deflate.clone()).flatten();
        fields.extend(extensions.as_deref().map(|value| ("sec-websocket-extensions", value)));
        http::is_exactly(&response, &fields);

        // What came behind the request is the connection's, every byte of it.
        let agreement = sansocket::Agreement::new();
        let agreement = match extensions {
            Some(_) => agreed(self.config(), opening),
            None => agreement,
        };
        let mut end = End::agreed(Role::Server, self.config(), agreement);
        end.receive(request.rest);
        assert_eq!((&end.seen, end.error), (&served.seen, served.fault));
        assert_eq!(end.write_all(), response.rest);
    }
}

/// The agreement of another handshake that offers the same.
fn agreed(config: Config, opening: &Opening<'_>) -> sansocket::Agreement {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: {}\r\n\r\n",
        opening.deflate.as_deref().unwrap_or_default(),
    );
    let mut handshake = Handshake::new(Options::new().config(config));
    handshake.receive(request.as_bytes()).unwrap().unwrap();
    handshake.accept().unwrap().0.agreement().clone()
}

/// A refusal says why in words of ours, and that the connection ends.
fn refused(wire: &[u8], is_head_request: bool) {
    let response = http::head(wire).expect("a whole response");
    let status = str::from_utf8(response.start).unwrap().strip_prefix("HTTP/1.1 ").unwrap();
    let (status, body) = (&status[..3], str::from_utf8(response.rest).unwrap());
    assert!(["400", "403", "405", "414", "426", "431"].contains(&status), "{status}");
    let length = response.single("content-length").expect("one length");
    // To a HEAD request goes no body (RFC 9110 §9.3.2).
    assert!(length == body.len().to_string() || (body.is_empty() && is_head_request), "{length}: {body:?}");
    let mut fields = vec![
        ("connection", if status == "426" { "close, Upgrade" } else { "close" }),
        ("content-length", length),
        ("content-type", "text/plain; charset=utf-8"),
    ];
    match status {
        "405" => fields.push(("allow", "GET")),
        "426" => fields.extend([("upgrade", "websocket"), ("sec-websocket-version", "13")]),
        _ => {}
    }
    http::is_exactly(&response, &fields);
}

/// What counts of a request that is an opening handshake.
struct Opening<'a> {
    key: &'a str,
    protocols: Vec<&'a str>,
    /// The answer to what is offered of permessage-deflate, if anything is.
    deflate: Option<String>,
}

impl<'a> Opening<'a> {
    /// §4.2.1, except for the forms of a target and of a host.
    fn read(head: &Head<'a>) -> Option<Self> {
        let mut parts = head.start.split(|&byte| byte == b' ');
        let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
        let is_request = method == b"GET" && version == b"HTTP/1.1" && parts.next().is_none();
        let is_target =
            !target.is_empty() && target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#');
        let is_small = head.len <= MAX_HEAD && head.fields.len() <= MAX_HEADERS;
        if !(is_request && is_target && is_small) {
            return None;
        }
        let lists = ["upgrade", "connection", "sec-websocket-protocol", "sec-websocket-extensions"];
        for (name, value) in &head.fields {
            let is_list = lists.contains(&&**name);
            let is_single = ["host", "origin", "content-length"].contains(&&**name)
                || (name.starts_with("sec-websocket-") && !is_list);
            if (is_list || is_single) && !value.is_ascii() || is_single && head.all(name).len() > 1 {
                return None;
            }
        }
        let has_host = head.single("host").is_some_and(|host| !host.is_empty());
        let upgrades = head.lists("upgrade", "websocket") && head.lists("connection", "upgrade");
        let is_bodiless = head.all("content-length").iter().all(|&length| length == b"0")
            && head.all("transfer-encoding").is_empty();
        let key = head.single("sec-websocket-key")?;
        // 16 bytes are 22 digits and two that only fill up.
        let digits = key.strip_suffix("==")?.bytes();
        let is_key = digits.len() == 22 && { digits }
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte));
        if !(has_host && upgrades && is_bodiless && is_key)
            || head.single("sec-websocket-version") != Some("13")
        {
            return None;
        }
        let protocols = head.elements("sec-websocket-protocol").into_iter().map(str::from_utf8);
        let protocols: Vec<_> = protocols.collect::<Result<_, _>>().ok()?;
        let are_unique = (1..protocols.len()).all(|i| !protocols[..i].contains(&protocols[i]));
        let are_tokens = protocols.iter().all(|protocol| http::is_token(protocol));
        if !are_unique || !are_tokens || protocols.is_empty() != head.all("sec-websocket-protocol").is_empty()
        {
            return None;
        }
        let lines = head.all("sec-websocket-extensions");
        let extensions = lines.iter().map(|line| elements(str::from_utf8(line).ok()?));
        let extensions = extensions.collect::<Option<Vec<_>>>()?.concat();
        if extensions.is_empty() != lines.is_empty() {
            return None;
        }
        let deflate = extensions.iter().find_map(valid).map(|offer| answered(&offer));
        Some(Self { key, protocols, deflate })
    }
}

/// Whether the target and the host are of the plainest kind, which nobody may refuse.
fn is_plain(head: &Head<'_>) -> bool {
    let target = head.start.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte);
    let host = head.single("host").unwrap_or_default();
    target.starts_with(b"/")
        && target.iter().all(is_plain)
        && target.len() <= 8 << 10
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
}
