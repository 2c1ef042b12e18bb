//! `Url::parse`: what is accepted is clean in each part, is read again as the same, and makes one request.

use super::http;
use crate::support::choices::Choices;
use sansocket::Config;
use sansocket::handshake::client::{Handshake, Request};
use sansocket::handshake::{MAX_HEAD, MAX_TARGET, Url, server};

pub fn run(data: &[u8]) {
    let mut choices = Choices::from_bytes(data);
    let scheme = choices.pick(&["ws://", "wss://", "", "wS://"]);
    let Ok(rest) = str::from_utf8(choices.rest()) else { return };
    let text = format!("{scheme}{rest}");
    let Ok(url) = Url::parse(&text) else { return };

    let (written, behind) = text.split_once("://").expect("there is a scheme");
    assert!(written.eq_ignore_ascii_case(if url.is_secure() { "wss" } else { "ws" }));
    assert!(!text.contains('#'));
    let authority = &behind[..behind.find(['/', '?']).unwrap_or(behind.len())];
    let target = &behind[authority.len()..];
    assert_eq!(url.target(), if target.starts_with('/') { target.to_owned() } else { format!("/{target}") });
    assert!(url.target().bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"<>".contains(&byte)));

    // An address of version 6, in brackets, or a name (RFC 3986 §3.2.2).
    let host = url.host();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
    let is_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
    assert!(is_v6 || (!host.is_empty() && host.bytes().all(is_name)), "{host:?}");
    assert!(!host.bytes().any(|byte| byte.is_ascii_uppercase()), "{host:?}");
    let bracketed = if is_v6 { format!("[{host}]") } else { host.to_owned() };
    let default = if url.is_secure() { 443 } else { 80 };
    let port = if url.port() == default { String::new() } else { format!(":{}", url.port()) };
    assert_eq!(url.authority(), bracketed + &port);
    assert_ne!(url.port(), 0);
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    if let Some((before, digits)) = place.rsplit_once(':')
        && (!is_v6 || before.ends_with(']'))
    {
        assert_eq!(digits.is_empty(), digits.parse::<u16>().is_err(), "{digits:?}");
        assert_eq!(digits.parse().unwrap_or(default), url.port());
    } else {
        assert_eq!(url.port(), default);
    }

    let again = Url::parse(&url.to_string()).expect("it is read again");
    assert_eq!(again.to_string(), url.to_string());
    assert_eq!((again.is_secure(), again.host(), again.port()), (url.is_secure(), host, url.port()));
    assert_eq!((again.authority(), again.target()), (url.authority(), url.target()));
    assert!(again.authorization().is_none());
    assert_eq!(url.authorization().is_some(), authority.rfind('@').is_some_and(|at| at > 0));
    requested(url);
}

/// The request for it has a line and fields, of which none comes from the URL but those that it has to have.
fn requested(url: Url) {
    let mut handshake = Handshake::with_nonce(Request::to(url.clone()), Config::new(), *b"the sample nonce");
    let wire = handshake.output().split_off(0);
    let head = http::head(&wire).expect("a whole head");
    assert_eq!(head.rest, b"");
    assert_eq!(head.start, format!("GET {} HTTP/1.1", url.target()).as_bytes());
    let authorization = url.authorization().map(|value| value.to_str().unwrap());
    let mut fields = vec![
        ("host", url.authority()),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ];
    fields.extend(authorization.map(|value| ("authorization", value)));
    http::is_exactly(&head, &fields);
    if let Some(value) = authorization {
        assert!(value.strip_prefix("Basic ").unwrap().bytes().all(|byte| byte.is_ascii_graphic()));
    }
    // Our own server understands what our own client asks. What RFC 3986 §3.3 and §3.4 do not allow in a path or a
    // query, and browsers write in queries all the same, it may refuse.
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
    let is_small = wire.len() <= MAX_HEAD && url.target().len() <= MAX_TARGET;
    let mut server = server::Handshake::new(server::Options::new());
    match server.receive(&wire) {
        Ok(request) => assert_eq!(request.expect("the whole request").uri().to_string(), url.target()),
        Err(error) => assert!(!is_small || !url.target().bytes().all(is_allowed), "{error:?}"),
    }
}
