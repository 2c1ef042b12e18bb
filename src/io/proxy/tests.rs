use super::opening::{Handshake as _, Opening};
use super::*;
use crate::handshake::{MAX_HEAD, MAX_HEADERS, MAX_INTERIM, deliveries};
use crate::io::transport::{Std, Transport};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// What we say, and what the proxy answers.
type Dialogue<'a> = &'a [(&'a [u8], &'a [u8])];

const HTTP: &str = "http://p.example";
const SOCKS: &str = "socks5://p.example";
const SOCKS_USER: &str = "socks5://user:secret@p.example";

const CONNECT_A: &[u8] = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\nVia: x\r\n\r\n";

const HELLO: &[u8] = &[5, 1, 0];
const HELLO_USER: &[u8] = &[5, 2, 0, 2];
const LOGIN: &[u8] = b"\x01\x04user\x06secret";
const ASK_A: &[u8] = b"\x05\x01\x00\x03\x09a.example\x01\xbb";
const REPLY: &[u8] = &[5, 0, 0, 1, 127, 0, 0, 1, 0, 80];

const GOOD: &[(&str, Dialogue<'static>)] = &[
    (HTTP, &[(CONNECT_A, OK)]),
    (SOCKS, &[(HELLO, &[5, 0]), (ASK_A, REPLY)]),
    (SOCKS_USER, &[(HELLO_USER, &[5, 0]), (ASK_A, REPLY)]),
    (SOCKS_USER, &[(HELLO_USER, &[5, 2]), (LOGIN, &[1, 0]), (ASK_A, REPLY)]),
];

fn start(proxy: &str) -> Handshake {
    Proxy::parse(proxy).unwrap().handshake("a.example", 443).unwrap()
}

fn proxy_error(error: Error) -> ProxyError {
    match error {
        Error::Proxy(error) => error,
        other => panic!("{other:?}"),
    }
}

/// Takes what the handshake has to write.
fn written(handshake: &mut Handshake) -> Bytes {
    std::mem::take(handshake.output())
}

/// Whether the tunnel is there in the end, which has to be the same however the answers are delivered.
fn run(mut start: impl FnMut() -> Handshake, dialogue: Dialogue<'_>) -> Result<bool, ProxyError> {
    let mut run_once = |delivery: usize| {
        let mut handshake = start();
        for (ours, theirs) in dialogue {
            assert!(!handshake.is_complete());
            assert_eq!(written(&mut handshake).escape_ascii().to_string(), ours.escape_ascii().to_string());
            let parts = deliveries::of(theirs);
            for part in parts.get(delivery).unwrap_or(&parts[0]) {
                handshake.receive(part).map_err(|error| {
                    assert!(handshake.output().is_empty());
                    proxy_error(error)
                })?;
            }
        }
        assert!(!handshake.is_complete() || handshake.output().is_empty());
        Ok(handshake.is_complete())
    };
    let first = run_once(0);
    for delivery in 1..12 {
        assert_eq!(run_once(delivery), first, "delivery {delivery}");
    }
    first
}

#[test]
fn a_url_is_taken_apart() {
    for (url, host, port, shown) in [
        ("http://p.example", "p.example", 80, "http://p.example:80"),
        ("HTTP://P.Example:3128/", "p.example", 3128, "http://p.example:3128"),
        ("http://user:secret@p.example:", "p.example", 80, "http://p.example:80"),
        ("http://@p.example", "p.example", 80, "http://p.example:80"),
        ("http://[::1]:8080", "::1", 8080, "http://[::1]:8080"),
        ("http://:secret@[::1]", "::1", 80, "http://[::1]:80"),
        ("socks5://127.0.0.1", "127.0.0.1", 1080, "socks5://127.0.0.1:1080"),
        ("Socks5h://user:secret@[2001:DB8::1]:1/", "2001:db8::1", 1, "socks5://[2001:db8::1]:1"),
    ] {
        let proxy = Proxy::parse(url).unwrap();
        assert_eq!((proxy.host(), proxy.port(), &*proxy.to_string()), (host, port, shown), "{url}");
        assert_eq!(url.parse(), Ok(proxy.clone()));
        assert_eq!(Proxy::try_from(url), Ok(proxy));
    }
}

#[test]
fn hc_13_what_is_no_proxy_is_refused() {
    let long = "x".repeat(256);
    for (url, error) in [
        ("", ProxyError::Scheme),
        ("p.example:80", ProxyError::Scheme),
        ("://p.example", ProxyError::Scheme),
        (" http://p.example", ProxyError::Scheme),
        ("ws://p.example", ProxyError::Scheme),
        ("socks://p.example", ProxyError::Scheme),
        ("socks4a://p.example", ProxyError::Scheme),
        ("https://p.example", ProxyError::Tls),
        ("http://p.example/x", ProxyError::Path),
        ("http://p.example//", ProxyError::Path),
        ("http://p.example?x", ProxyError::Path),
        ("http://p.example#x", ProxyError::Path),
        ("http://", UrlError::Host.into()),
        ("http:///", UrlError::Host.into()),
        ("http://user@", UrlError::Host.into()),
        ("http://:80", UrlError::Host.into()),
        ("http://::1", UrlError::Host.into()),
        ("http://p example", UrlError::Host.into()),
        ("http://p\r\n", UrlError::Host.into()),
        ("http://p:0", UrlError::Port.into()),
        ("http://p:65536", UrlError::Port.into()),
        ("http://p:x", UrlError::Port.into()),
        ("http://u\r\n:p@p", UrlError::Credentials.into()),
        ("http://u%0d%0a:p@p", UrlError::Credentials.into()),
        ("http://u%3av:p@p", UrlError::Credentials.into()),
        ("http://u%zz:p@p", UrlError::Credentials.into()),
        ("http://u@v@p", UrlError::Credentials.into()),
        ("socks5://u%zz:p@p", UrlError::Credentials.into()),
        ("socks5://user@p", UrlError::Credentials.into()),
        ("socks5://:secret@p", UrlError::Credentials.into()),
        (&format!("socks5://{long}:p@p"), UrlError::Credentials.into()),
        (&format!("socks5://u:{long}@p"), UrlError::Credentials.into()),
    ] {
        assert_eq!(Proxy::parse(url), Err(error), "{url}");
    }
}

#[test]
fn requests_are_exact() {
    let first = |proxy: &str, host: &str| {
        let mut handshake = Proxy::parse(proxy).unwrap().handshake(host, 9001).unwrap();
        written(&mut handshake).escape_ascii().to_string().replace("\\r\\n", "|")
    };
    assert_eq!(first(HTTP, "a.example"), "CONNECT a.example:9001 HTTP/1.1|Host: a.example:9001||");
    assert_eq!(first(HTTP, "127.0.0.1"), "CONNECT 127.0.0.1:9001 HTTP/1.1|Host: 127.0.0.1:9001||");
    assert_eq!(
        first("http://us%65r:s%C3%A4:@p", "::1"),
        "CONNECT [::1]:9001 HTTP/1.1|Host: [::1]:9001|Proxy-Authorization: Basic dXNlcjpzw6Q6||"
    );

    let asked = |proxy: &str, host: &str, answers: &[&[u8]]| {
        let mut handshake = Proxy::parse(proxy).unwrap().handshake(host, 0x1234).unwrap();
        for answer in answers {
            written(&mut handshake);
            handshake.receive(answer).unwrap();
        }
        written(&mut handshake)
    };
    assert_eq!(asked(SOCKS, "a", &[]), &[5, 1, 0][..]);
    assert_eq!(asked(SOCKS_USER, "a", &[]), &[5, 2, 0, 2][..]);
    assert_eq!(asked("socks5://%00%3A:%FF@p", "a", &[&[5, 2]]), &b"\x01\x02\0:\x01\xff"[..]);
    assert_eq!(asked(SOCKS, "a", &[&[5, 0]]), &b"\x05\x01\x00\x03\x01a\x12\x34"[..]);
    assert_eq!(asked(SOCKS, "127.0.0.1", &[&[5, 0]]), &[5, 1, 0, 1, 127, 0, 0, 1, 0x12, 0x34][..]);
    let ipv6 = [5, 1, 0, 4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x12, 0x34];
    assert_eq!(asked(SOCKS_USER, "2001:db8::1", &[&[5, 2], &[1, 0]]), &ipv6[..]);

    // The longest there are.
    let text = "x".repeat(255);
    let login = asked(&format!("socks5://{text}:{text}@p"), "a", &[&[5, 2]]);
    let expected = [&[1, 255][..], text.as_bytes(), &[255], text.as_bytes()].concat();
    assert_eq!(login, expected);
}

#[test]
fn a_name_has_at_most_255_bytes_for_socks() {
    let ask = |len: usize| Proxy::parse(SOCKS).unwrap().handshake(&"x".repeat(len), 80).map(|_| ());
    assert_eq!(ask(255), Ok(()));
    assert_eq!(ask(256), Err(ProxyError::HostTooLong));
}

#[test]
fn a_good_answer_opens_the_tunnel() {
    for (proxy, dialogue) in GOOD {
        assert_eq!(run(|| start(proxy), dialogue), Ok(true), "{proxy}");
    }
    for answer in ["HTTP/1.0 200 Connection established\r\n\r\n", "HTTP/1.1 299\r\nA: b\r\n\r\n"] {
        assert_eq!(run(|| start(HTTP), &[(CONNECT_A, answer.as_bytes())]), Ok(true), "{answer}");
    }
    let ipv6: &[u8] = &[5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80];
    let longest = [&[5, 0, 0, 3, 255][..], &[b'x'; 255], &[0, 80]].concat();
    for reply in [ipv6, b"\x05\0\0\x03\x01a\0\0", &[5, 0, 0, 3, 0, 0, 80], &longest] {
        assert_eq!(run(|| start(SOCKS), &[(HELLO, &[5, 0]), (ASK_A, reply)]), Ok(true), "{reply:?}");
    }
}

#[test]
fn an_answer_cut_short_is_the_end() {
    for (proxy, dialogue) in GOOD {
        for (round, (_, last)) in dialogue.iter().enumerate() {
            for cut in 0..last.len() {
                let mut handshake = start(proxy);
                for (_, theirs) in &dialogue[..round] {
                    written(&mut handshake);
                    handshake.receive(theirs).unwrap();
                }
                written(&mut handshake);
                handshake.receive(&last[..cut]).unwrap();
                assert!(!handshake.is_complete() && handshake.output().is_empty());
                assert_eq!(proxy_error(handshake.receive_eof().unwrap_err()), ProxyError::UnexpectedEof);
                assert_eq!(proxy_error(handshake.handle_timeout()), ProxyError::Timeout);
            }
        }
    }
}

#[test]
fn hc_17_nobody_speaks_unasked() {
    for (proxy, dialogue) in GOOD {
        for round in 0..dialogue.len() {
            for more in [&b"\0"[..], b"\x05", b"HTTP/1.1 101 \r\n\r\n"] {
                let mut dialogue = dialogue[..=round].to_vec();
                let answer = [dialogue[round].1, more].concat();
                dialogue[round].1 = &answer;
                assert_eq!(run(|| start(proxy), &dialogue), Err(ProxyError::Unsolicited), "{proxy} {round}");
            }
        }
        // Before our first word.
        let mut early = start(proxy);
        assert_eq!(proxy_error(early.receive(dialogue[0].1).unwrap_err()), ProxyError::Unsolicited);
    }
}

#[test]
fn hc_17_http_any_final_status_but_2xx_is_a_refusal() {
    for code in 200..1000 {
        let answer = format!("HTTP/1.1 {code} x\r\nContent-Length: 2\r\n\r\n");
        let expected = match code {
            200..300 => Ok(true),
            _ => Err(ProxyError::Http(StatusCode::from_u16(code).unwrap())),
        };
        assert_eq!(run(|| start(HTTP), &[(CONNECT_A, answer.as_bytes())]), expected, "{code}");
    }
    let refused = ProxyError::Http(StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    assert_eq!(refused.to_string(), "the proxy refused: 407 Proxy Authentication Required");
    // Its body is not read.
    let answer = b"HTTP/1.1 407 x\r\n\r\n<html>";
    assert_eq!(run(|| start(HTTP), &[(CONNECT_A, answer)]), Err(refused));
}

#[test]
fn http_interim_responses_are_skipped_up_to_a_limit() {
    let after = |interim: &str, count| {
        let answer = [interim.repeat(count).as_bytes(), OK].concat();
        run(|| start(HTTP), &[(CONNECT_A, &answer)])
    };
    for interim in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 199 \r\nA: b\r\n\r\n"] {
        assert_eq!(after(interim, MAX_INTERIM), Ok(true));
        assert_eq!(after(interim, MAX_INTERIM + 1), Err(ProxyError::TooManyInterim));
    }
    assert_eq!(
        after("HTTP/1.1 101 Switching Protocols\r\n\r\n", 1),
        Err(ProxyError::Http(StatusCode::SWITCHING_PROTOCOLS))
    );
}

#[test]
fn hc_17_http_the_limits_of_a_head_hold() {
    let answer = |answer: &str| run(|| start(HTTP), &[(CONNECT_A, answer.as_bytes())]);
    let padded = |len: usize| {
        let (before, after) = ("HTTP/1.1 200 \r\nA: ", "\r\n\r\n");
        [before, &"x".repeat(len - before.len() - after.len()), after].concat()
    };
    assert_eq!(answer(&padded(MAX_HEAD)), Ok(true));
    assert_eq!(answer(&padded(MAX_HEAD + 1)), Err(ProxyError::HeadTooLarge));
    let fields = |count| format!("HTTP/1.1 200 \r\n{}\r\n", "A: b\r\n".repeat(count));
    assert_eq!(answer(&fields(MAX_HEADERS)), Ok(true));
    assert_eq!(answer(&fields(MAX_HEADERS + 1)), Err(ProxyError::TooManyHeaders));
    for malformed in ["\x05\x00", "SSH-2.0-x\r\n", "HTTP/1.1 200 \n\n", "HTTP/1.1 200 \r\nA : b\r\n\r\n"] {
        assert!(matches!(answer(malformed), Err(ProxyError::Malformed(_))), "{malformed:?}");
    }
}

#[test]
fn socks_every_reply_but_zero_is_a_refusal() {
    let mut texts = std::collections::HashSet::new();
    for code in 1..=255 {
        let expected = Err(ProxyError::Socks(code));
        // With an address, or without.
        for reply in [&[5, code, 0, 1, 0, 0, 0, 0, 0, 0][..], &[5, code]] {
            assert_eq!(run(|| start(SOCKS), &[(HELLO, &[5, 0]), (ASK_A, reply)]), expected);
        }
        texts.insert(socks::reply_text(code));
    }
    assert_eq!(texts.len(), 9);
    assert_eq!(ProxyError::Socks(5).to_string(), "the proxy refused: the server refuses connections (0x05)");
}

#[test]
fn socks_only_an_offered_method_is_chosen() {
    for method in 1..=255 {
        let expected = match method {
            2 => continue,
            0xFF => ProxyError::NoAcceptableMethod,
            _ => ProxyError::Malformed("it chose a method that was not offered"),
        };
        assert_eq!(run(|| start(SOCKS), &[(HELLO, &[5, method])]), Err(expected.clone()), "{method}");
        assert_eq!(run(|| start(SOCKS_USER), &[(HELLO_USER, &[5, method])]), Err(expected), "{method}");
    }
    let unasked = ProxyError::Malformed("it chose a method that was not offered");
    assert_eq!(run(|| start(SOCKS), &[(HELLO, &[5, 2])]), Err(unasked));
}

#[test]
fn socks_wrong_credentials_are_refused() {
    for status in 1..=255 {
        let dialogue: Dialogue<'_> = &[(HELLO_USER, &[5, 2]), (LOGIN, &[1, status])];
        assert_eq!(run(|| start(SOCKS_USER), dialogue), Err(ProxyError::Unauthorized));
    }
}

/// Each is refused at its last byte, and not before.
#[test]
fn socks_another_protocol_is_known_by_its_first_wrong_byte() {
    let dialogues: &[Dialogue<'_>] = &[
        &[(HELLO_USER, b"H")],
        &[(HELLO_USER, &[0])],
        &[(HELLO_USER, &[4])],
        &[(HELLO_USER, &[5, 2]), (LOGIN, &[5])],
        &[(HELLO_USER, &[5, 2]), (LOGIN, &[1, 0]), (ASK_A, &[4])],
        &[(HELLO_USER, &[5, 0]), (ASK_A, &[1])],
        &[(HELLO_USER, &[5, 0]), (ASK_A, &[5, 0, 1])],
        &[(HELLO_USER, &[5, 0]), (ASK_A, &[5, 0, 0, 0])],
        &[(HELLO_USER, &[5, 0]), (ASK_A, &[5, 0, 0, 2])],
        &[(HELLO_USER, &[5, 0]), (ASK_A, &[5, 0, 0, 5])],
    ];
    for dialogue in dialogues {
        let result = run(|| start(SOCKS_USER), dialogue);
        assert!(matches!(result, Err(ProxyError::Malformed(_))), "{dialogue:?}");
        let (&(ours, theirs), before) = dialogue.split_last().unwrap();
        let shorter = [before, &[(ours, &theirs[..theirs.len() - 1])]].concat();
        assert_eq!(run(|| start(SOCKS_USER), &shorter), Ok(false));
    }
}

#[test]
fn credentials_are_never_shown() {
    for url in ["http://us%65r:secret@p", "socks5://us%65r:secret@p"] {
        let proxy = Proxy::parse(url).unwrap();
        let handshake = proxy.handshake("a.example", 443).unwrap();
        let opening = Opening::new(Std::new(Script::default()), handshake, Instant::now());
        let shown = format!("{proxy} {proxy:?} {opening:?}");
        for secret in ["user", "us%65r", "secret", "dXNlcjpzZWNyZXQ", "117, 115"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    let error = Proxy::parse("http://us%zzer:secret@p").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("us%zzer"));
}

/// A stream with a given input.
#[derive(Debug, Default)]
struct Script {
    input: io::Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_proxy_that_breaks_the_protocol_learns_no_credentials() {
    let stream = Script { input: io::Cursor::new(vec![5, 2, 1, 0]), output: Vec::new() };
    let mut opening = Opening::new(Std::new(stream), start(SOCKS_USER), later());
    assert_eq!(poll(&mut opening), Err(ProxyError::Unsolicited));
    assert_eq!(opening.transport.get_ref().output, HELLO_USER);
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn poll<S: Read + Write>(opening: &mut Opening<Std<S>, Handshake>) -> Result<(), ProxyError> {
    match opening.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.map_err(proxy_error),
        Poll::Pending => panic!("a blocking stream is never pending"),
    }
}

/// Over a real socket: what was sent in the end, and what became of it.
fn over_tcp(proxy: &str, deadline: Instant, serve: impl FnOnce(TcpStream) + Send) -> Result<(), ProxyError> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || serve(listener.accept().unwrap().0));
        let stream = TcpStream::connect(address).unwrap();
        let mut opening = Opening::new(Std::tcp(stream), start(proxy), deadline);
        poll(&mut opening)?;
        let stream = opening.transport.get_mut();
        stream.write_all(b"through").unwrap();
        let mut echo = [0; 7];
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, b"through");
        Ok(())
    })
}

#[test]
fn over_tcp_the_tunnel_is_the_same_stream() {
    for (proxy, dialogue) in GOOD {
        let result = over_tcp(proxy, later(), |mut stream| {
            let mut expect = |expected: &[u8]| {
                let mut read = vec![0; expected.len()];
                stream.read_exact(&mut read).unwrap();
                assert_eq!(read, expected);
                stream.try_clone().unwrap()
            };
            for (ours, theirs) in *dialogue {
                expect(ours).write_all(theirs).unwrap();
            }
            expect(b"through").write_all(b"through").unwrap();
        });
        assert_eq!(result, Ok(()), "{proxy}");
    }
}

#[test]
fn over_tcp_a_proxy_may_end_or_be_silent() {
    for (proxy, dialogue) in GOOD {
        let (ours, _) = dialogue[0];
        let ended = over_tcp(proxy, later(), |mut stream| {
            stream.read_exact(&mut vec![0; ours.len()]).unwrap();
        });
        assert_eq!(ended, Err(ProxyError::UnexpectedEof), "{proxy}");
        let soon = Instant::now() + Duration::from_millis(50);
        let silent = over_tcp(proxy, soon, |mut stream| {
            // Until the client has given up.
            let _reset_or_end = stream.read_to_end(&mut Vec::new());
        });
        assert_eq!(silent, Err(ProxyError::Timeout), "{proxy}");
        assert!(Instant::now() >= soon);
    }
}
