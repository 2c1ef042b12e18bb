//! `Sec-WebSocket-Extensions` and `Sec-WebSocket-Protocol`, at both ends, against their grammar read once more.

use super::octet;
use crate::support::choices::Choices;
use crate::support::extensions::{Element, answered, elements, token, valid};
use ::http::{HeaderValue, Request};
use sansocket::Deflate;
use sansocket::handshake::negotiate::{Answer, Offer};
use sansocket::handshake::{accept_key, client};

const NONCE: [u8; 16] = *b"the sample nonce";
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const PROTOCOLS: [&str; 2] = ["chat", "v2"];

/// Lines of both fields, in their order.
#[derive(Debug, Default)]
struct Lines {
    extensions: Vec<HeaderValue>,
    protocols: Vec<HeaderValue>,
}

pub fn run(data: &[u8]) {
    let mut choices = Choices::from_bytes(data);
    let kinds = octet(&mut choices);
    let mut lines = Lines::default();
    for (i, line) in choices.rest().split(|&byte| byte == b'\n').enumerate() {
        // What no field can hold does not come so far.
        let Ok(line) = HeaderValue::from_bytes(line) else { return };
        let is_protocol = kinds >> (i % 8) & 1 == 1;
        if is_protocol { &mut lines.protocols } else { &mut lines.extensions }.push(line);
    }
    serve(&lines);
    open(&lines);
}

fn serve(lines: &Lines) {
    let mut request = Request::builder()
        .uri("/")
        .header("host", "a")
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-key", KEY)
        .header("sec-websocket-version", "13");
    for line in &lines.extensions {
        request = request.header("sec-websocket-extensions", line);
    }
    for line in &lines.protocols {
        request = request.header("sec-websocket-protocol", line);
    }
    let offer = Offer::from_request(&request.body(()).unwrap()).ok();
    let (extensions, protocols) = (extensions(&lines.extensions), protocols(&lines.protocols));
    let (Some(extensions), Some(protocols)) = (extensions, protocols) else {
        return assert!(offer.is_none(), "{lines:?} does not follow the grammar");
    };
    let offer = offer.unwrap_or_else(|| panic!("{lines:?} follows the grammar"));
    let read = |params: Vec<(&str, Option<std::borrow::Cow<'_, str>>)>| {
        params.into_iter().map(|(name, value)| (name.to_owned(), value.map(Into::into))).collect()
    };
    let found: Vec<Element> = offer.extensions().map(|its| (its.name.to_owned(), read(its.params))).collect();
    assert_eq!(found, extensions);
    assert_eq!(offer.protocols().collect::<Vec<_>>(), protocols);

    let chosen = protocols.iter().find(|protocol| PROTOCOLS.contains(&protocol.as_str()));
    assert_eq!(offer.choose_protocol(&PROTOCOLS), chosen.map(String::as_str));
    let deflate = extensions.iter().find_map(valid).map(|offer| answered(&offer));
    let answer = Answer::new().protocol(chosen.map(String::as_str)).deflate(Deflate::new());
    let (response, agreement) = offer.accept(answer).unwrap();
    let field = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!(field("sec-websocket-extensions"), deflate.as_deref());
    assert_eq!(agreement.extensions(), deflate.unwrap_or_default());
    assert_eq!(field("sec-websocket-protocol"), chosen.map(String::as_str));
    assert_eq!(agreement.protocol(), chosen.map(String::as_str));
}

fn open(lines: &Lines) {
    let mut response = format!(
        "HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n",
        accept_key(KEY.as_bytes()),
    )
    .into_bytes();
    let names = [("Extensions", &lines.extensions), ("Protocol", &lines.protocols)];
    for (name, line) in names.into_iter().flat_map(|(name, lines)| lines.iter().map(move |line| (name, line)))
    {
        response.extend_from_slice(format!("Sec-WebSocket-{name}: ").as_bytes());
        response.extend_from_slice(line.as_bytes());
        response.extend_from_slice(b"\r\n");
    }
    response.extend_from_slice(b"\r\n");
    if response.len() > sansocket::handshake::MAX_HEAD || names.iter().any(|(_, lines)| lines.len() > 40) {
        return;
    }

    let request = client::Request::new("ws://a/").unwrap().protocol("chat").unwrap().protocol("v2").unwrap();
    let config = sansocket::Config::new().deflate(Deflate::new());
    let mut handshake = client::Handshake::with_nonce(request, config, NONCE);
    let opened = handshake.receive(&response).is_ok().then(|| handshake.open().unwrap().0);

    // "1#extension" in each line, and one extension in all.
    let read = lines.extensions.iter().map(|line| one(line).filter(|elements| !elements.is_empty()));
    let extensions = read.collect::<Option<Vec<_>>>().and_then(|read| match &read.concat()[..] {
        [] => Some(String::new()),
        [one] => valid(one)
            .filter(|said| !said.contains(&("client_max_window_bits".into(), None)))
            .map(|said| answered(&said)),
        _ => None,
    });
    let protocol = match &lines.protocols[..] {
        [] => Some(None),
        [line] => {
            let line = line.to_str().unwrap_or_default().trim_matches([' ', '\t']);
            PROTOCOLS.iter().find(|&&its| its == line).copied().map(Some)
        }
        _ => None,
    };
    let found = opened.as_ref().map(|opened| (opened.extensions().to_owned(), opened.protocol()));
    assert_eq!(found, extensions.zip(protocol), "{lines:?}");
}

fn one(line: &HeaderValue) -> Option<Vec<Element>> {
    str::from_utf8(line.as_bytes()).ok().filter(|line| line.is_ascii()).and_then(elements)
}

/// The extensions of all lines; `None` if one does not follow the grammar, or if there is none in them.
fn extensions(lines: &[HeaderValue]) -> Option<Vec<Element>> {
    let all = lines.iter().map(one).collect::<Option<Vec<_>>>()?.concat();
    (all.is_empty() == lines.is_empty()).then_some(all)
}

/// "1#token", each once (§4.1, §4.3).
fn protocols(lines: &[HeaderValue]) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for line in lines {
        for element in str::from_utf8(line.as_bytes()).ok()?.split(',') {
            if element.trim_matches([' ', '\t']).is_empty() {
                continue;
            }
            let protocol = token(element)?;
            if all.contains(&protocol) {
                return None;
            }
            all.push(protocol);
        }
    }
    (all.is_empty() == lines.is_empty()).then_some(all)
}
