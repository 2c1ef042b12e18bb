//! Heads, lists, URLs, and a proxy's answer.

use crate::Growth::{Bounded, Linear};
use crate::{KIB, MIB, Work};
use sansocket::handshake::client::{self, Request};
use sansocket::handshake::negotiate::Offer;
use sansocket::handshake::server::{self, Options};
use sansocket::handshake::{MAX_HEAD, Url};
use sansocket::{Config, Connect, Proxy, blocking, http};
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

/// Heads end at 16 KiB.
const HEADS: [usize; 3] = [KIB, 4 * KIB, MAX_HEAD];
/// Behind that nothing is looked at.
const BEYOND: [usize; 4] = [17 * KIB, 256 * KIB, 4 * MIB, 16 * MIB];
/// A refusal's body ends at 64 KiB.
const BODIES: [usize; 3] = [KIB, 8 * KIB, 63 * KIB];
/// Lists are in heads, but an HTTP server may have read one of another size.
const LISTS: [usize; 4] = [KIB, 16 * KIB, 256 * KIB, MIB];
const URLS: [usize; 5] = [KIB, 16 * KIB, 256 * KIB, 4 * MIB, 16 * MIB];

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const RESPONSE: &str = "HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

rows! {
    hs_31_a_request { Linear(&HEADS) => |size| requested(long_line(REQUEST, size), usize::MAX); }
    hs_31_a_request_in_bytes { Linear(&HEADS) => |size| requested(long_line(REQUEST, size), 1); }
    hs_31_a_request_of_many_lines { Linear(&HEADS) => |size| requested(many_lines(REQUEST, size), usize::MAX); }
    hs_31_a_request_of_many_lines_in_bytes { Linear(&HEADS) => |size| requested(many_lines(REQUEST, size), 1); }
    hs_30_a_request_that_is_too_large { Bounded(&BEYOND) => |size| refused(long_line(REQUEST, size), usize::MAX); }
    hs_30_a_request_that_is_too_large_in_bytes {
        Bounded(&BEYOND) => |size| refused(long_line(REQUEST, size), 1);
    }
    hs_30_a_line_without_end { Bounded(&BEYOND) => |size| refused(vec![b'G'; size], 1_000); }
    hs_30_too_many_lines { Bounded(&BEYOND) => |size| refused(many_lines(REQUEST, size), usize::MAX); }

    a_response { Linear(&HEADS) => |size| answered(long_line(RESPONSE, size), usize::MAX); }
    a_response_in_bytes { Linear(&HEADS) => |size| answered(long_line(RESPONSE, size), 1); }
    a_response_of_many_lines { Linear(&HEADS) => |size| answered(many_lines(RESPONSE, size), usize::MAX); }
    a_response_of_many_lines_in_bytes { Linear(&HEADS) => |size| answered(many_lines(RESPONSE, size), 1); }
    hc_09_a_response_that_is_too_large { Bounded(&BEYOND) => |size| failed(long_line(RESPONSE, size), usize::MAX); }
    hc_09_a_response_that_is_too_large_in_bytes {
        Bounded(&BEYOND) => |size| failed(long_line(RESPONSE, size), 1);
    }
    hc_02_interim_responses_without_end {
        Bounded(&BEYOND) => |size| failed(b"HTTP/1.1 100 \r\n\r\n".repeat(size / 16), usize::MAX);
    }
    hc_01_a_body { Linear(&BODIES) => |size| failed(body(size), usize::MAX); }
    hc_01_a_body_in_bytes { Linear(&BODIES) => |size| failed(body(size), 1); }
    hc_01_a_body_of_chunks { Linear(&BODIES) => |size| failed(chunks(size), usize::MAX); }
    hc_01_a_body_of_chunks_in_bytes { Linear(&BODIES) => |size| failed(chunks(size), 1); }
    hc_01_a_body_that_is_too_large { Bounded(&[65 * KIB, MIB, 16 * MIB]) => |size| failed(body(size), 1_000); }

    hs_18_extensions { Linear(&LISTS) => |size| offered("extensions", "a; b=c, ".repeat(size / 8), true); }
    hs_18_parameters { Linear(&LISTS) => |size| offered("extensions", ["a", &"; b = c ".repeat(size / 8)].concat(), true); }
    hs_18_quoted_parameters {
        Linear(&LISTS) => |size| offered("extensions", ["a", &r#"; b="\c" "#.repeat(size / 9)].concat(), true);
    }
    hs_18_a_string_without_end {
        Linear(&LISTS) => |size| offered("extensions", ["a; p=\"", &r"\\".repeat(size / 2)].concat(), false);
    }
    hs_18_spaces_inside_a_parameter {
        Linear(&LISTS) => |size| offered("extensions", ["a; p", &" ".repeat(size), "q"].concat(), false);
    }
    hs_18_spaces_before_nothing {
        Linear(&LISTS) => |size| offered("extensions", [&" ".repeat(size), ";"].concat(), false);
    }
    hs_18_empty_elements { Linear(&LISTS) => |size| offered("extensions", ",".repeat(size), false); }
    hs_18_offers_of_compression {
        Linear(&LISTS) => |size| offered("extensions", "permessage-deflate; x, ".repeat(size / 23), true);
    }
    hs_19_protocols { Linear(&LISTS) => |size| offered("protocol", protocols(size), true); }
    hs_19_spaces_inside_a_list {
        Linear(&LISTS) => |size| offered("protocol", ["a,", &" ".repeat(size), "b"].concat(), true);
    }
    hs_19_spaces_inside_a_protocol {
        Linear(&LISTS) => |size| offered("protocol", ["a", &" ".repeat(size), "b"].concat(), false);
    }
    upgrades { Linear(&LISTS) => |size| upgraded("h2c ,  ".repeat(size / 7) + ", websocket"); }

    a_url { Linear(&URLS) => |size| parsed(["ws://a/", &"x/?".repeat(size / 3)].concat()); }
    a_url_with_credentials { Linear(&URLS[..4]) => |size| parsed(["ws://a:", &"%41b".repeat(size / 4), "@a/"].concat()); }
    a_url_with_a_long_host { Linear(&URLS[..4]) => |size| parsed(["ws://", &"abc.".repeat(size / 4), "a/"].concat()); }
    a_url_with_a_long_international_host {
        Linear(&LISTS) => |size| parsed(["ws://", &"bücher.".repeat(size / 8), "a/"].concat());
    }
    a_url_with_a_long_international_label {
        Linear(&LISTS) => |size| parsed(["ws://", &"ü".repeat(size / 2), "/"].concat());
    }
    a_url_with_many_at_signs { Linear(&URLS[..4]) => |size| parsed(["ws://", &"@".repeat(size), "a/"].concat()); }

    hc_17_a_proxys_answer { Linear(&HEADS) => proxied; }
}

/// A head of this size, with one long line.
fn long_line(head: &str, size: usize) -> Vec<u8> {
    let rest = size - head.len() - "X: \r\n\r\n".len();
    [head, "X: ", &"x".repeat(rest), "\r\n\r\n"].concat().into_bytes()
}

/// A head of about this size, with a line for each 170 bytes.
fn many_lines(head: &str, size: usize) -> Vec<u8> {
    let line = |i| format!("X-{i:08}: {}\r\n", "x".repeat(156));
    let lines: String = (0..(size - head.len()) / 170).map(line).collect();
    [head, &lines, "\r\n"].concat().into_bytes()
}

fn protocols(size: usize) -> String {
    (0..size / 8).map(|i| format!("{i:07},")).collect()
}

fn body(size: usize) -> Vec<u8> {
    format!("HTTP/1.1 404 \r\nContent-Length: {size}\r\n\r\n{}", "x".repeat(size)).into_bytes()
}

fn chunks(size: usize) -> Vec<u8> {
    let chunks = "1\r\nx\r\n".repeat(size / 6);
    format!("HTTP/1.1 404 \r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n").into_bytes()
}

fn requested(head: Vec<u8>, piece: usize) -> Work {
    let mut handshake = server::Handshake::new(Options::new());
    Box::new(move || {
        let mut complete = false;
        for piece in head.chunks(piece) {
            complete = black_box(handshake.receive(piece)).unwrap().is_some();
        }
        assert!(complete);
    })
}

fn refused(head: Vec<u8>, piece: usize) -> Work {
    let mut handshake = server::Handshake::new(Options::new());
    Box::new(move || {
        let mut pieces = head.chunks(piece);
        assert!(pieces.any(|piece| handshake.receive(piece).is_err()));
    })
}

fn client() -> client::Handshake {
    let request = Request::new("ws://a/").unwrap();
    client::Handshake::with_nonce(request, Config::new(), *b"the sample nonce")
}

fn answered(head: Vec<u8>, piece: usize) -> Work {
    let mut handshake = client();
    Box::new(move || {
        let mut complete = false;
        for piece in head.chunks(piece) {
            complete = black_box(handshake.receive(piece)).unwrap().is_some();
        }
        assert!(complete);
    })
}

fn failed(head: Vec<u8>, piece: usize) -> Work {
    let mut handshake = client();
    Box::new(move || {
        let mut pieces = head.chunks(piece);
        assert!(pieces.any(|piece| handshake.receive(piece).is_err()));
    })
}

fn request() -> http::request::Builder {
    http::Request::get("/")
        .header("host", "a")
        .header("connection", "upgrade")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// Looks at all that is offered, and chooses.
fn judged(request: http::Request<()>, is_right: bool) -> Work {
    Box::new(move || {
        let offer = Offer::from_request(&request);
        assert_eq!(offer.is_ok(), is_right);
        if let Ok(offer) = offer {
            black_box((
                offer.choose_protocol(&["x", "y"]),
                offer.extensions().count(),
                offer.protocols().count(),
            ));
        }
    })
}

fn offered(what: &str, list: String, is_right: bool) -> Work {
    let name = format!("sec-websocket-{what}");
    judged(request().header("upgrade", "websocket").header(name, list).body(()).unwrap(), is_right)
}

fn upgraded(list: String) -> Work {
    judged(request().header("upgrade", list).body(()).unwrap(), true)
}

fn parsed(url: String) -> Work {
    Box::new(move || drop(black_box(Url::parse(&url))))
}

/// The answer has this size; behind it the stream ends.
fn proxied(size: usize) -> Work {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let answer = long_line("HTTP/1.1 200 \r\n", size);
    let proxy_thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        stream.write_all(&answer).unwrap();
    });
    let to = Connect::new("ws://a.example/").unwrap().proxy(proxy);
    Box::new(move || {
        assert!(blocking::connect(to).is_err());
        proxy_thread.join().unwrap();
    })
}
