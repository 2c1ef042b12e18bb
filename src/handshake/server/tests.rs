use super::*;
use crate::connection::Event;
use crate::handshake::{FieldError, MAX_HEAD, MAX_HEADERS, MAX_TARGET, deliveries};
use bytes::Buf;
use http::StatusCode;

/// The request of RFC 6455 §1.3.
const R0: &str = "GET /chat HTTP/1.1\r\n\
    Host: a.example\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\
    \r\n";

const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    \r\n";

fn drain(output: &mut impl Buf) -> Vec<u8> {
    output.copy_to_bytes(output.remaining()).to_vec()
}

/// R0 with another line in place of one of its own.
fn with(old: &str, new: &str) -> Vec<u8> {
    assert_eq!(R0.matches(old).count(), 1, "{old}");
    R0.replace(old, new).into_bytes()
}

/// R0 with more lines.
fn and(lines: &str) -> Vec<u8> {
    let head = R0.strip_suffix("\r\n").unwrap();
    [head, lines, "\r\n\r\n"].concat().into_bytes()
}

/// The same with bytes that are no text.
fn and_bytes(name: &str, value: &[u8]) -> Vec<u8> {
    let head = R0.strip_suffix("\r\n").unwrap();
    [head.as_bytes(), name.as_bytes(), b": ", value, b"\r\n\r\n"].concat()
}

/// What the server answers, which is the same however the request is delivered.
fn answer_of(options: &Arc<Options>, request: &[u8]) -> String {
    let mut answers = deliveries::of(request).into_iter().map(|parts| {
        let mut handshake = Handshake::new(Arc::clone(options));
        for part in parts {
            if let Err(error) = handshake.receive(part) {
                assert!(matches!(error, HandshakeError::Rejected(_)));
                assert!(matches!(handshake.receive(b"GET"), Err(HandshakeError::OutOfOrder)));
                assert!(matches!(handshake.accept(), Err(HandshakeError::OutOfOrder)));
                return drain(handshake.output());
            }
        }
        assert!(handshake.request().is_some(), "incomplete");
        let answer = drain(handshake.accept().unwrap().0.output());
        assert!(handshake.output().is_empty());
        answer
    });
    let first = answers.next().unwrap();
    assert!(answers.all(|answer| answer == first));
    String::from_utf8(first).unwrap()
}

fn answer(request: impl AsRef<[u8]>) -> String {
    answer_of(&Arc::default(), request.as_ref())
}

#[track_caller]
fn accepted(request: impl AsRef<[u8]>) {
    assert_eq!(answer(&request), ACCEPTED, "{:?}", String::from_utf8_lossy(request.as_ref()));
}

/// Checks that the answer is a complete refusal with this status; returns it.
#[track_caller]
fn refused(status: u16, request: impl AsRef<[u8]>) -> String {
    let answer = answer(&request);
    let request = String::from_utf8_lossy(request.as_ref());
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer} {request:?}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nConnection: close"));
    assert!(head.contains("\r\nContent-Length: "));
    if !request.starts_with("HEAD ") {
        assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{answer}");
    }
    answer
}

/// The request that arrived at the application.
fn arrived(request: &[u8]) -> Request<()> {
    let mut handshake = Handshake::new(Options::new());
    handshake.receive(request).unwrap();
    handshake.accept().unwrap().1
}

#[test]
fn hs_01_the_example_of_the_rfc_is_accepted() {
    accepted(R0);
}

#[test]
fn hs_02_other_methods_are_405() {
    for method in ["POST", "PUT", "OPTIONS", "get", "MARKER"] {
        assert!(refused(405, with("GET", method)).contains("\r\nAllow: GET\r\n"));
    }
    assert!(refused(405, with("GET", "HEAD")).ends_with("\r\n\r\n"));
    refused(405, with("GET /chat", "CONNECT a.example:80"));
    refused(405, with("GET /chat", "OPTIONS *"));
    let refusal = refused(400, "HEAD / HTTP/1.1\r\nA B: c\r\n");
    assert!(refusal.ends_with("\r\n\r\n"), "a response to HEAD has no body: {refusal}");
}

#[test]
fn hs_03_http_1_0_is_400() {
    refused(400, with("HTTP/1.1", "HTTP/1.0"));
}

#[test]
fn hs_04_the_preface_of_http_2_is_400() {
    refused(400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}

#[test]
fn hs_05_a_missing_host_is_400() {
    refused(400, with("Host: a.example\r\n", ""));
}

#[test]
fn hs_06_a_malformed_host_is_400() {
    for host in ["", "a b", "[", "[::1", "a/b@c", "a:b", "a:99999", "a@b", "a, b"] {
        refused(400, with("Host: a.example", &format!("Host: {host}")));
    }
    let head = R0.replace("Host: a.example\r\n", "");
    let head = head.strip_suffix("\r\n").unwrap();
    refused(400, [head.as_bytes(), b"Host: \x80\xFF\r\n\r\n"].concat());
    for host in ["a", "a:80", "[::1]:9001", "127.0.0.1"] {
        accepted(with("Host: a.example", &format!("Host: {host}")));
    }
}

#[test]
fn hs_07_a_plain_get_is_400() {
    refused(400, with("Upgrade: websocket\r\n", ""));
    refused(400, with("Upgrade: websocket\r\nConnection: Upgrade\r\n", ""));
    refused(400, "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n");
}

#[test]
fn hs_08_upgrade_is_case_insensitive() {
    accepted(with("Upgrade: websocket", "Upgrade: WebSocket"));
    accepted(with("Upgrade: websocket", "upgrade: WEBSOCKET"));
}

#[test]
fn hs_09_upgrade_is_a_list_of_whole_elements() {
    accepted(with("Upgrade: websocket", "Upgrade: h2c, websocket"));
    for value in ["websocket/13", "xwebsocket", "websocketx", "web socket", ""] {
        refused(400, with("Upgrade: websocket", &format!("Upgrade: {value}")));
    }
}

#[test]
fn hs_10_connection_is_a_list() {
    accepted(with("Connection: Upgrade", "Connection: keep-alive, Upgrade"));
}

#[test]
fn hs_11_connection_close_is_400() {
    refused(400, with("Connection: Upgrade", "Connection: close"));
}

#[test]
fn hs_12_a_missing_version_is_426() {
    let refusal = refused(426, with("Sec-WebSocket-Version: 13\r\n", ""));
    assert!(refusal.contains("\r\nSec-WebSocket-Version: 13\r\n"));
    assert!(refusal.contains("\r\nUpgrade: websocket\r\n"));
}

#[test]
fn hs_13_another_version_is_426() {
    for version in ["0", "6", "7", "8", "12", "14", "25", "255"] {
        let refusal = refused(426, with("Version: 13", &format!("Version: {version}")));
        assert!(refusal.contains("\r\nSec-WebSocket-Version: 13\r\n"));
    }
}

#[test]
fn hs_14_a_malformed_version_is_426() {
    for version in ["013", "+13", "0x0d", "13.0", "13;q=1", "99999999999999999999", "", "13, 13"] {
        refused(426, with("Version: 13", &format!("Version: {version}")));
    }
    refused(400, with("Version: 13", "Version: 1\u{FF13}"));
    accepted(with("Version: 13", "Version: \t 13 \t"));
}

#[test]
fn hs_15_malformed_keys_are_400() {
    for key in [
        "",
        "AA==",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZWU=",
        "dGhlIHNhbXBsZSBub25jZWRHaGxJSE5oYlhCc1pTQno=",
        "test",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQAA",
        "dGhlIHNhbXBsZSBub25_-Q==",
        "dGhlIHNhbX lZSBub25jZQ==",
        "!!!!!!!!!!!!!!!!!!!!!!==",
    ] {
        refused(400, with("dGhlIHNhbXBsZSBub25jZQ==", key));
    }
    refused(400, with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""));
}

#[test]
fn hs_16_the_unused_bits_of_a_key_do_not_matter() {
    let key = "dGhlIHNhbXBsZSBub25jZR==";
    let accept = crate::handshake::accept_key(key.as_bytes());
    assert_ne!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let answer = answer(with("dGhlIHNhbXBsZSBub25jZQ==", key));
    assert!(answer.contains(&format!("\r\nSec-WebSocket-Accept: {accept}\r\n")), "{answer}");
}

#[test]
fn hs_17_unknown_extensions_are_ignored() {
    for value in [
        "x-foo",
        "x-foo; a; b=1, bar",
        "x-foo; a=\"q\"",
        "x-webkit-deflate-frame",
        "constructor",
        "__proto__; hasOwnProperty",
    ] {
        accepted(and(&format!("Sec-WebSocket-Extensions: {value}")));
    }
}

#[test]
fn hs_18_malformed_extensions_are_400() {
    for value in [
        ";",
        ",;constructor",
        "a;",
        "a;=",
        "a=b",
        "a b",
        "a; b=",
        "a; b c",
        "a@b",
        "a; b=\"unterminated",
        "",
        ",",
    ] {
        refused(400, and(&format!("Sec-WebSocket-Extensions: {value}")));
    }
    refused(400, and(&format!("Sec-WebSocket-Extensions: a; p=\"{}", r"\\".repeat(3_000))));
    refused(400, and("Sec-WebSocket-Extensions: a; b=\"c\r\nSec-WebSocket-Extensions: d\""));
}

#[test]
fn hs_19_malformed_protocols_are_400() {
    for value in ["a, a", "a b", "a/b", "{x}", "", ","] {
        refused(400, and(&format!("Sec-WebSocket-Protocol: {value}")));
    }
    refused(400, and("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a"));
    accepted(and("Sec-WebSocket-Protocol: a,"));
    accepted(and(&format!("Sec-WebSocket-Protocol: a,{}b", " ".repeat(14_000))));
    refused(431, and(&format!("Sec-WebSocket-Protocol: a,{}b", " ".repeat(60_000))));
}

#[test]
fn hs_20_protocols_are_merged_over_lines() {
    let options = Arc::new(Options::new().protocols(["x", "c"]));
    let request = and("Sec-WebSocket-Protocol: a, b\r\nsec-websocket-protocol: c");
    let answer = answer_of(&options, &request);
    assert_eq!(answer.matches("\r\nSec-WebSocket-Protocol: c\r\n").count(), 1, "{answer}");
    let mut handshake = Handshake::new(options);
    handshake.receive(&request).unwrap();
    assert_eq!(handshake.offer().unwrap().protocols().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(handshake.accept().unwrap().0.protocol(), Some("c"));
}

#[test]
fn hs_20_the_clients_order_counts() {
    let options = Arc::new(Options::new().protocols(["b", "a"]));
    assert!(answer_of(&options, &and("Sec-WebSocket-Protocol: z, a, b")).contains("Protocol: a\r\n"));
}

#[test]
fn hs_21_protocols_that_are_not_supported_are_not_answered() {
    accepted(and("Sec-WebSocket-Protocol: a, b"));
    let options = Arc::new(Options::new().protocols(["A"]));
    assert_eq!(answer_of(&options, &and("Sec-WebSocket-Protocol: a, b")), ACCEPTED);
}

#[test]
fn hs_22_folded_lines_are_400() {
    refused(400, and("X-A: a\r\n b"));
    refused(400, and("X-A: a\r\n\tb"));
    refused(400, and("X-A: a\r\n b: c"));
    refused(400, with("Upgrade: websocket", "Upgrade:\r\n websocket"));
}

#[test]
fn hs_23_a_bare_lf_is_400() {
    refused(400, R0.replace("\r\n", "\n"));
    refused(400, with("HTTP/1.1\r\n", "HTTP/1.1\n"));
    refused(400, with("Connection: Upgrade\r\n", "Connection: Upgrade\n"));
    refused(400, with("13\r\n\r\n", "13\r\n\n"));
}

#[test]
fn hs_24_bytes_above_ascii_are_400_where_they_are_read_and_opaque_elsewhere() {
    for byte in [0x80, 0x85, 0xA0, 0xC3, 0xFF] {
        for name in ["Upgrade", "Connection", "Host", "Origin", "Sec-WebSocket-Protocol", "Sec-WebSocket-Foo"]
        {
            refused(400, and_bytes(name, &[byte]));
            refused(400, and_bytes(name, &[b'a', b',', byte]));
        }
        for name in ["X-Foo", "Cookie", "User-Agent"] {
            accepted(and_bytes(name, &[byte, b'a', byte]));
        }
    }
    refused(400, with("Upgrade: websocket", "Upgrade: websoc\u{212A}et"));
}

#[test]
fn hs_25_malformed_field_lines_are_400() {
    for line in [
        ": b", "X A: b", "X(: b", "X@: b", "\"X\": b", "X\0: b", "nocolon", "X : b", "X\t: b", "X: a\0",
        "X: \x01",
    ] {
        refused(400, and(line));
    }
    refused(400, [R0.strip_suffix("\r\n").unwrap().as_bytes(), b"X\x80: b\r\n\r\n"].concat());
}

#[test]
fn hs_26_one_empty_line_may_precede_the_request() {
    accepted(["\r\n", R0].concat());
    refused(400, ["\r\n\r\n", R0].concat());
    refused(400, ["\r\n".repeat(10_000).as_str(), R0].concat());
}

#[test]
fn hs_27_an_absolute_target_names_this_server() {
    accepted(with("GET /chat", "GET http://a.example/chat"));
    accepted(with("GET /chat", "GET HTTP://A.example:80/chat"));
    accepted(with("GET /chat", "GET http://a.example"));
    for target in [
        "http://b.example/chat",
        "http://a.example:81/chat",
        "http://u@a.example/chat",
        "https://a.example/chat",
        "ftp://a.example/chat",
        "ws://a.example/chat",
        "http://",
        "http:/chat",
    ] {
        refused(400, with("GET /chat", &format!("GET {target}")));
    }
    let secure = Arc::new(Options::new().secure(true));
    assert_eq!(answer_of(&secure, &with("GET /chat", "GET https://a.example:443/chat")), ACCEPTED);
    assert!(answer_of(&secure, &with("GET /chat", "GET http://a.example/chat")).contains(" 400 "));
}

#[test]
fn hs_28_a_legal_target_arrives_byte_for_byte() {
    for target in ["//", "//a.example/b", "/../..", "/%", "/%zz", r"/?a={b}\|^`\", "/{}", "/a?b?c", "/?"] {
        let request = arrived(&with("GET /chat", &format!("GET {target}")));
        assert_eq!(request.uri().path_and_query().unwrap().as_str(), target);
        assert_eq!(request.uri().to_string(), target);
        accepted(with("GET /chat", &format!("GET {target}")));
    }
    for target in
        ["", "*", "{}", ":", "?", "chat", "/a#b", "/\"<>", "/\0", "/\x01", "/\t", "/\x7F", "/\u{80}", "a:80"]
    {
        refused(400, with("GET /chat", &format!("GET {target}")));
    }
    refused(400, [b"GET /\x80", R0.strip_prefix("GET /chat").unwrap().as_bytes()].concat());
}

#[test]
fn hs_29_a_long_target_is_414() {
    let target = |len: usize| with("/chat", &format!("/{}", "a".repeat(len - 1)));
    accepted(target(MAX_TARGET));
    refused(414, target(MAX_TARGET + 1));
    refused(414, target(12_000));
}

#[test]
fn hs_30_a_large_head_is_431() {
    let padded = |len: usize| and(&format!("X: {}", "y".repeat(len - R0.len() - 5)));
    assert_eq!(padded(MAX_HEAD).len(), MAX_HEAD);
    accepted(padded(16_000));
    accepted(padded(MAX_HEAD));
    accepted([b"\r\n", &padded(MAX_HEAD)[..]].concat()); // an empty line in front does not count
    refused(431, [b"\r\n", &padded(MAX_HEAD + 1)[..]].concat());
    refused(431, padded(MAX_HEAD + 1));
    refused(431, padded(17_000));
    refused(431, ["GET /", &"a".repeat(20 << 10)].concat());
    refused(431, [&R0[..R0.len() - 2], "X: ", &"a".repeat(20 << 10)].concat());
    refused(431, [&R0[..R0.len() - 2], &"X: y\r\n".repeat(5_000)].concat());
    accepted(and("X: y\r\n".repeat(MAX_HEADERS - 5).trim_end()));
    refused(431, and("X: y\r\n".repeat(MAX_HEADERS - 4).trim_end()));
}

#[test]
fn hs_33_a_body_is_400() {
    refused(400, and("Content-Length: 5"));
    refused(400, [&*and("Content-Length: 5"), b"hello"].concat());
    refused(400, and("Content-Length: +0"));
    refused(400, and("Content-Length: 0\r\nContent-Length: 0"));
    refused(400, and("Transfer-Encoding: chunked"));
    accepted(and("Content-Length: 0"));
}

#[test]
fn hs_34_expect_is_ignored() {
    accepted(and("Expect: 100-continue"));
}

#[test]
fn hs_35_frames_behind_the_head_belong_to_the_connection() {
    // "Hi", masked with zeros, and half a frame.
    let bytes = [R0.as_bytes(), b"\x81\x82\0\0\0\0Hi\x81\x82\0\0\0\0o"].concat();
    for parts in deliveries::of(&bytes) {
        let mut handshake = Handshake::new(Options::new());
        for part in parts {
            handshake.receive(part).unwrap();
        }
        let (mut connection, _) = handshake.accept().unwrap();
        connection.receive(b"k");
        for expected in ["Hi", "ok"] {
            let Ok(Some(Event::Text(text))) = connection.poll_event() else { panic!("no text") };
            assert_eq!(&*text, expected);
        }
        assert!(connection.poll_event().unwrap().is_none());
        assert_eq!(drain(connection.output()), ACCEPTED.as_bytes());
    }
}

#[test]
fn hs_36_a_stream_that_ends_early_is_an_error() {
    for len in 0..R0.len() {
        let mut handshake = Handshake::new(Options::new());
        assert!(handshake.receive(&R0.as_bytes()[..len]).unwrap().is_none());
        let error = handshake.receive_eof().unwrap_err();
        assert!(error.to_string().starts_with("handshake incomplete"));
        assert!(handshake.output().is_empty());
        assert!(matches!(handshake.accept(), Err(HandshakeError::OutOfOrder)));
    }
    let mut handshake = Handshake::new(Options::new());
    handshake.receive(R0.as_bytes()).unwrap();
    handshake.receive_eof().unwrap();
    handshake.accept().unwrap();
}

#[test]
fn hs_37_a_foreign_origin_is_403() {
    let options = Arc::new(Options::new().origin(OriginPolicy::same_origin()));
    assert_eq!(answer_of(&options, &and("Origin: http://a.example")), ACCEPTED);
    for origin in ["http://b.example", "https://a.example", "http://a.example:81", "null"] {
        let request = and(&format!("Origin: {origin}"));
        assert!(answer_of(&options, &request).starts_with("HTTP/1.1 403 Forbidden\r\n"));
        accepted(request);
    }
    refused(400, and("Origin: http://a.example\r\nOrigin: http://a.example"));
    let mut handshake = Handshake::new(Options::new());
    handshake.receive(&and("Origin: http://b.example")).unwrap();
    assert_eq!(handshake.offer().unwrap().origin(), Some("http://b.example"));
}

#[test]
fn hs_38_an_origin_can_be_required() {
    let options = Arc::new(Options::new().origin(OriginPolicy::any().required()));
    assert!(answer_of(&options, R0.as_bytes()).starts_with("HTTP/1.1 403 "));
}

#[test]
fn hs_41_a_protocol_that_was_not_offered_cannot_be_chosen() {
    for protocol in ["c", "", "A", "a, b", "a\r\nx: y", "a "] {
        let mut handshake = Handshake::new(Options::new());
        handshake.receive(&and("Sec-WebSocket-Protocol: a, b")).unwrap();
        let error = handshake.accept_with(Answer::new().protocol(protocol)).unwrap_err();
        assert!(matches!(error, HandshakeError::Field(FieldError::ProtocolNotOffered)));
        assert!(handshake.output().is_empty());
        // The request can still be answered.
        let (mut connection, _) = handshake.accept_with(Answer::new().protocol("b")).unwrap();
        assert!(drain(connection.output()).ends_with(b"\r\nSec-WebSocket-Protocol: b\r\n\r\n"));
    }
}

#[test]
fn hs_42_nothing_of_the_request_is_in_a_refusal() {
    for request in [
        with("GET", "M4RK"),
        with("/chat", "/M4RK"),
        with("/chat", "M4RK"),
        and("M4RK"),
        and("X: M4RK\0"),
        and("M4RK\0: a"),
        with("websocket", "M4RK"),
        with("Version: 13", "Version: M4RK"),
        with("a.example", "M4RK@"),
        and("Sec-WebSocket-Protocol: M4RK, M4RK"),
        and("Sec-WebSocket-Extensions: M4RK;"),
        and("Origin: M4RK\r\nOrigin: M4RK"),
    ] {
        let mut handshake = Handshake::new(Options::new().origin(OriginPolicy::same_origin().required()));
        let error = handshake.receive(&request).unwrap_err();
        let refusal = drain(handshake.output());
        assert!(!String::from_utf8(refusal).unwrap().contains("M4RK"));
        assert!(!format!("{error} {error:?}").contains("M4RK"));
    }
}

#[test]
fn hs_44_a_field_that_is_no_list_appears_once() {
    for line in [
        "Host: a.example",
        "Origin: null\r\nOrigin: null",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Foo: a\r\nSec-WebSocket-Foo: a",
    ] {
        refused(400, and(line));
    }
    accepted(with("Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: websocket"));
}

#[test]
fn hs_45_the_request_line_has_single_spaces() {
    for line in [
        "GET  /chat HTTP/1.1",
        "GET /chat  HTTP/1.1",
        "GET /chat HTTP/1.1 ",
        "GET\t/chat HTTP/1.1",
        " GET /chat HTTP/1.1",
        "GET /ch at HTTP/1.1",
        "GET /chat",
    ] {
        refused(400, with("GET /chat HTTP/1.1", line));
    }
}

#[test]
fn hs_47_the_application_can_refuse() {
    let refusal = || Rejection::new(StatusCode::NOT_FOUND).unwrap().header("x-a", "b").unwrap().body("no\n");
    for received in [&R0.as_bytes()[..20], R0.as_bytes()] {
        let mut handshake = Handshake::new(Options::new());
        handshake.receive(received).unwrap();
        assert!(matches!(handshake.reject(refusal()), HandshakeError::Rejected(_)));
        let expected =
            b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 3\r\nx-a: b\r\n\r\nno\n";
        assert_eq!(drain(handshake.output()), expected);
        assert!(matches!(handshake.receive(b"more"), Err(HandshakeError::OutOfOrder)));
        assert!(matches!(handshake.reject(refusal()), HandshakeError::OutOfOrder));
        assert!(handshake.output().is_empty());
    }
}

#[test]
fn a_timeout_ends_the_handshake_without_an_answer() {
    let mut handshake = Handshake::new(Options::new());
    handshake.receive(b"GET").unwrap();
    assert!(matches!(handshake.handle_timeout(), HandshakeError::Timeout));
    assert!(handshake.output().is_empty());
    assert!(matches!(handshake.receive(b" "), Err(HandshakeError::OutOfOrder)));
}

#[test]
fn fields_can_be_added_to_the_default_answer() {
    let mut handshake = Handshake::new(Options::new().protocols(["a"]));
    handshake.receive(&and("Sec-WebSocket-Protocol: a")).unwrap();
    let answer = handshake.answer().header("Set-Cookie", "a=b").unwrap().header("Set-Cookie", "c=d").unwrap();
    let (mut connection, request) = handshake.accept_with(answer).unwrap();
    let response = String::from_utf8(drain(connection.output())).unwrap();
    assert!(
        response.ends_with("\r\nSec-WebSocket-Protocol: a\r\nset-cookie: a=b\r\nset-cookie: c=d\r\n\r\n")
    );
    assert_eq!(request.uri(), "/chat");
}

#[test]
fn a_request_with_one_wrong_byte_is_accepted_or_refused_whatever_the_delivery() {
    for at in 0..R0.len() {
        for byte in *b"\0\t\n\r \",:;=@[\x7F\x80\xFF" {
            let mut request = R0.as_bytes().to_vec();
            request[at] = byte;
            // What has lost its end may go on for ever.
            request.extend_from_slice(&b"X: y\r\n".repeat(MAX_HEADERS));
            let answer = answer(request);
            assert!(["101", "400", "405", "426", "431"].contains(&&answer[9..12]), "{answer}");
        }
    }
}

#[test]
fn what_can_be_no_request_is_refused_at_its_first_byte() {
    for byte in [0x00, 0x16, b' ', b'\n', b'<', 0x80] {
        let mut handshake = Handshake::new(Options::new());
        assert!(matches!(handshake.receive(&[byte]), Err(HandshakeError::Rejected(_))), "{byte:#x}");
        assert!(drain(handshake.output()).starts_with(b"HTTP/1.1 400 "));
    }
}

#[test]
fn a_handshake_knows_its_request_and_its_configuration() {
    let timeout = Duration::from_secs(7);
    let options = Options::new().config(Config::new().handshake_timeout(timeout)).protocols(["a"]);
    let mut handshake = Handshake::new(options);
    assert_eq!(handshake.timeout(), timeout);
    assert!(handshake.request().is_none() && handshake.offer().is_none());
    assert!(format!("{handshake:?}").starts_with(r#"Handshake { state: "Head", options: "#));
    handshake.receive(&and("Sec-WebSocket-Protocol: a\r\nCookie: secret")).unwrap();
    assert_eq!(handshake.request().unwrap().uri(), "/chat");
    let shown = format!("{handshake:?}");
    assert!(shown.starts_with(r#"Handshake { state: "Request", options: "#) && !shown.contains("secret"));
    let (connection, _) = handshake.accept().unwrap();
    assert_eq!(connection.protocol(), Some("a"));
}
