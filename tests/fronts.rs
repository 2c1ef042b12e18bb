//! One suite for all front ends: blocking, tokio and futures talk to each other and to themselves, over TCP.
#![cfg(all(feature = "tokio", feature = "futures", feature = "deflate"))]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use sansocket::handshake::client::Request;
use sansocket::handshake::negotiate::Answer;
use sansocket::handshake::server::Options;
use sansocket::handshake::{OriginPolicy, Rejection};
use sansocket::http::StatusCode;
use sansocket::{
    CloseCode, CloseFrame, Config, Error, Event, HandshakeError, Keepalive, Message, Outgoing,
    PreparedMessage, ProtocolError, Role, SendError, State,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};
use support::fronts::{Front, Scenario, play};
use support::wire::frame;

/// Short, but long enough to be measured.
const SOON: Duration = Duration::from_millis(100);
/// Nothing here takes so long.
const NEVER: Duration = Duration::from_secs(30);

/// Makes a scenario of two functions, and a test of it.
macro_rules! scenario {
    ($(#[doc = $doc:literal])* $name:ident, server: |$F:ident, $stream:ident| $server:block,
        client: |$G:ident, $to:ident, $request:ident| $client:block) => {
        $(#[doc = $doc])*
        #[test]
        fn $name() {
            struct This;
            impl Scenario for This {
                async fn server<$F: Front>($stream: TcpStream) $server
                async fn client<$G: Front>($to: TcpStream, $request: Request) $client
            }
            play::<This>();
        }
    };
}

/// Sends every message back until the peer closes.
async fn echo<F: Front>(stream: TcpStream, options: Options) {
    let mut ws = F::accept(stream, options).await.unwrap();
    while let Some(message) = ws.read().await.unwrap() {
        ws.feed(message).await.unwrap();
    }
    assert!(ws.close_info().unwrap().clean);
}

/// Waits for a request, which does not come, as long as the handshake may take.
async fn accept_in_vain<F: Front>(stream: TcpStream) {
    let options = Options::new().config(Config::new().handshake_timeout(SOON));
    let start = Instant::now();
    let error = F::accept(stream, options).await.err().unwrap();
    assert!(matches!(error, Error::Handshake(HandshakeError::Timeout)), "{error:?}");
    assert!((SOON..NEVER).contains(&start.elapsed()));
}

/// Begins a head and goes on byte by byte, each soon after the one before it, until the other end has left;
/// how many bytes that makes.
fn trickle(mut stream: TcpStream, head: &[u8]) -> usize {
    stream.write_all(head).unwrap();
    let mut bytes = 0;
    while stream.write_all(b"y").is_ok() {
        thread::sleep(SOON / 10);
        bytes += 1;
    }
    bytes
}

async fn connect<F: Front>(stream: TcpStream, request: Request) -> F {
    F::client(stream, request, Config::new()).await.unwrap()
}

async fn close<F: Front>(mut ws: F) {
    let info = ws.close(Some(CloseFrame::new(CloseCode::NORMAL, "bye"))).await.unwrap();
    assert_eq!((info.first, info.clean), (Some(Role::Client), true));
    assert_eq!(info.received, CloseFrame::new(CloseCode::NORMAL, "bye"));
    assert_eq!(ws.state(), State::Closed);
    assert_eq!(ws.read().await.unwrap(), None);
    assert!(matches!(ws.send("late").await, Err(Error::Send(SendError::Closed))));
}

scenario!(messages_come_back,
    server: |F, stream| { echo::<F>(stream, Options::new()).await },
    client: |F, stream, request| {
        let mut ws = connect::<F>(stream, request).await;
        for len in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
            for message in [Message::text("x".repeat(len)), Message::binary(vec![7; len])] {
                ws.send(&message).await.unwrap();
                assert_eq!(ws.read().await.unwrap(), Some(message));
            }
        }
        close(ws).await;
    }
);

scenario!(compressed_messages_come_back,
    server: |F, stream| {
        echo::<F>(stream, Options::new().config(Config::new().deflate(sansocket::Deflate::new()))).await
    },
    client: |F, stream, request| {
        let config = Config::new().deflate(sansocket::Deflate::new());
        let mut ws = F::client(stream, request, config).await.unwrap();
        assert_eq!(ws.extensions(), "permessage-deflate");
        for len in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
            for message in [Message::text("x".repeat(len)), Message::binary(vec![7; len])] {
                ws.send(&message).await.unwrap();
                ws.send(Outgoing::from(&message).uncompressed()).await.unwrap();
                ws.send_prepared(&PreparedMessage::from(&message)).await.unwrap();
                for _ in 0..3 {
                    assert_eq!(ws.read().await.unwrap().as_ref(), Some(&message));
                }
                ws.release_buffers();
            }
        }
        let (first, rest) = ("x".repeat(70_000), "y".repeat(70_000));
        ws.send_fragment(&first, false).await.unwrap();
        ws.ping(b"between").await.unwrap();
        ws.send_fragment(&rest, true).await.unwrap();
        assert_eq!(ws.read().await.unwrap(), Some(Message::text(first + &rest)));
        close(ws).await;
    }
);

scenario!(a_burst_comes_back_in_order,
    server: |F, stream| { echo::<F>(stream, Options::new()).await },
    client: |F, stream, request| {
        let mut ws = connect::<F>(stream, request).await;
        for i in 0..1000 {
            ws.feed(format!("message {i}")).await.unwrap();
        }
        assert!(ws.buffered_amount() > 0);
        ws.flush().await.unwrap();
        assert_eq!(ws.buffered_amount(), 0);
        for i in 0..1000 {
            assert_eq!(ws.read().await.unwrap(), Some(Message::text(format!("message {i}"))));
        }
        close(ws).await;
    }
);

scenario!(
    /// What is fed and never flushed leaves when the connection waits for input.
    what_is_fed_leaves_before_a_read_waits,
    server: |F, stream| { echo::<F>(stream, Options::new()).await },
    client: |F, stream, request| {
        let mut ws = connect::<F>(stream, request).await;
        ws.feed("fed").await.unwrap();
        assert_eq!(ws.read().await.unwrap(), Some(Message::text("fed")));
        close(ws).await;
    }
);

scenario!(fragments_prepared_messages_and_pings,
    server: |F, stream| { echo::<F>(stream, Options::new()).await },
    client: |F, stream, request| {
        let mut ws = connect::<F>(stream, request).await;
        ws.send_fragment("frag", false).await.unwrap();
        ws.ping(b"between").await.unwrap();
        let interleaved = ws.send("no").await;
        assert!(matches!(interleaved, Err(Error::Send(SendError::FragmentedMessage))));
        let binary = ws.send_fragment(&b"no"[..], true).await;
        assert!(matches!(binary, Err(Error::Send(SendError::FragmentType))));
        ws.send_fragment("ments", true).await.unwrap();
        let pong = ws.read_with(|event, _| matches!(event, Event::Pong(payload) if &*payload == b"between"));
        assert_eq!(pong.await.unwrap(), Some(true));
        assert_eq!(ws.read().await.unwrap(), Some(Message::text("fragments")));
        ws.send_prepared(&PreparedMessage::text("prepared")).await.unwrap();
        assert_eq!(ws.read().await.unwrap(), Some(Message::text("prepared")));
        assert!(matches!(ws.ping(&[0; 126]).await, Err(Error::Send(SendError::ControlTooLong))));
        close(ws).await;
    }
);

scenario!(events_are_lent_and_answered_in_place,
    server: |F, stream| {
        let mut ws = F::accept(stream, Options::new()).await.unwrap();
        while let Some(sent) = ws.read_with(|event, sender| match event {
            Event::Text(text) => sender.send(text.to_uppercase()),
            Event::Binary(payload) => sender.send(payload),
            _ => Ok(()),
        }).await.unwrap() {
            sent.unwrap();
        }
    },
    client: |F, stream, request| {
        let mut ws = connect::<F>(stream, request).await;
        ws.feed("text").await.unwrap();
        ws.feed(&[1, 2][..]).await.unwrap();
        assert_eq!(ws.read().await.unwrap(), Some(Message::text("TEXT")));
        assert_eq!(ws.read().await.unwrap(), Some(Message::binary(vec![1, 2])));
        close(ws).await;
    }
);

scenario!(the_server_may_close_first,
    server: |F, stream| {
        let mut ws = F::accept(stream, Options::new()).await.unwrap();
        let info = ws.close(Some(CloseCode::GOING_AWAY.into())).await.unwrap();
        assert!(info.clean && info.first == Some(Role::Server), "{info:?}");
    },
    client: |F, stream, request| {
        let mut ws = connect::<F>(stream, request).await;
        assert_eq!(ws.read().await.unwrap(), None);
        assert_eq!(ws.close_info().unwrap().received.code, CloseCode::GOING_AWAY);
    }
);

scenario!(a_close_frame_that_must_not_be_sent_changes_nothing,
    server: |F, stream| { echo::<F>(stream, Options::new()).await },
    client: |F, stream, request| {
        let mut ws = connect::<F>(stream, request).await;
        let bad = ws.close(Some(CloseCode::ABNORMAL.into())).await;
        assert!(matches!(bad, Err(Error::Send(SendError::InvalidCloseCode(_)))));
        assert_eq!(ws.state(), State::Open);
        ws.send("still here").await.unwrap();
        assert_eq!(ws.read().await.unwrap(), Some(Message::text("still here")));
        close(ws).await;
    }
);

scenario!(a_limit_is_an_error_here_and_1009_there,
    server: |F, stream| {
        let options = Options::new().config(Config::new().max_message_size(1000));
        let mut ws = F::accept(stream, options).await.unwrap();
        let error = ws.read().await.unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::MessageTooLarge)), "{error:?}");
        assert!(matches!(ws.read().await, Err(Error::Closed)));
        assert_eq!(ws.close_info().unwrap().sent.code, CloseCode::MESSAGE_TOO_BIG);
    },
    client: |F, stream, request| {
        let mut ws = connect::<F>(stream, request).await;
        ws.send(vec![0; 1001]).await.unwrap();
        assert_eq!(ws.read().await.unwrap(), None);
        assert_eq!(ws.close_info().unwrap().received.code, CloseCode::MESSAGE_TOO_BIG);
    }
);

scenario!(a_stream_that_ends_early_is_an_error,
    server: |F, stream| {
        let mut ws = F::accept(stream, Options::new()).await.unwrap();
        assert_eq!(ws.read().await.unwrap(), Some(Message::text("last words")));
        let error = ws.read().await.unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::UnexpectedEof)), "{error:?}");
        assert!(matches!(ws.read().await, Err(Error::Closed)));
        assert_eq!(ws.close_info().unwrap().received.code, CloseCode::ABNORMAL);
    },
    client: |F, stream, request| {
        connect::<F>(stream, request).await.send("last words").await.unwrap();
    }
);

scenario!(requests_are_looked_at_and_answered,
    server: |F, stream| {
        let options = Options::new().protocols(["v1", "v2"]).origin(OriginPolicy::any());
        let ws = F::decide(stream, options, |request| {
            assert_eq!((request.uri().path(), &request.headers()["x-token"]), ("/", &"secret".parse().unwrap()));
            Ok(Answer::new().protocol(Some("v2")))
        }).await.unwrap();
        assert_eq!(ws.protocol().as_deref(), Some("v2"));
    },
    client: |F, stream, request| {
        let request = request.protocol("v1").unwrap().protocol("v2").unwrap();
        let request = request.header("X-Token", "secret").unwrap();
        let ws = F::client(stream, request, Config::new()).await.unwrap();
        assert_eq!(ws.protocol().as_deref(), Some("v2"));
    }
);

scenario!(a_refusal_arrives_whole,
    server: |F, stream| {
        let refusal = Rejection::new(StatusCode::UNAUTHORIZED).unwrap();
        let refusal = refusal.header("X-Why", "no token").unwrap().body("who are you?");
        let error = F::decide(stream, Options::new(), |_| Err(refusal)).await.err().unwrap();
        assert!(matches!(error, Error::Handshake(HandshakeError::Rejected(_))), "{error:?}");
    },
    client: |F, stream, request| {
        let refused = F::client(stream, request, Config::new()).await.err().unwrap();
        let Error::Handshake(HandshakeError::Http(response)) = refused else { panic!("{refused:?}") };
        assert_eq!((response.status(), &**response.body()), (StatusCode::UNAUTHORIZED, &b"who are you?"[..]));
        assert_eq!(response.headers()["x-why"], "no token");
    }
);

scenario!(what_is_no_handshake_is_answered_so,
    server: |F, stream| {
        let error = F::accept(stream, Options::new()).await.err().unwrap();
        assert!(matches!(error, Error::Handshake(HandshakeError::Rejected(_))), "{error:?}");
    },
    client: |F, stream, _request| {
        let mut stream = stream;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
        assert!(!F::NAME.is_empty());
    }
);

scenario!(a_silent_client_is_dropped_in_time,
    server: |F, stream| {
        accept_in_vain::<F>(stream).await;
    },
    client: |F, stream, _request| {
        let mut stream = stream;
        stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        assert_eq!(stream.read(&mut [0; 100]).unwrap(), 0, "{}", F::NAME);
    }
);

scenario!(hs_35_frames_in_one_piece_with_the_request_arrive,
    server: |F, stream| {
        let mut ws = F::accept(stream, Options::new()).await.unwrap();
        assert_eq!(ws.read().await.unwrap(), Some(Message::text("Hi")));
        for i in 0..64 {
            assert_eq!(ws.read().await.unwrap(), Some(Message::binary(vec![i; 1_000])));
        }
        assert_eq!(ws.read().await.unwrap(), None);
    },
    client: |F, stream, _request| {
        let mut stream = stream;
        let key = Some([5, 6, 7, 8]);
        let mut bytes = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".to_vec();
        bytes.extend(frame(0x89, key, b"p"));
        bytes.extend(frame(0x81, key, b"Hi"));
        bytes.extend((0..64).flat_map(|i| frame(0x82, key, &[i; 1_000])));
        bytes.extend(frame(0x88, key, b""));
        stream.write_all(&bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", F::NAME);
        assert!(answer.ends_with(b"\r\n\r\n\x8A\x01p\x88\x00"), "{}", F::NAME);
    }
);

scenario!(hs_32_a_client_that_trickles_is_dropped_in_time,
    server: |F, stream| {
        accept_in_vain::<F>(stream).await;
    },
    client: |F, stream, _request| {
        assert!(trickle(stream, b"GET / HTTP/1.1\r\nX: ") < 3_000, "{}", F::NAME);
    }
);

scenario!(hc_11_a_server_that_trickles_is_given_up_in_time,
    server: |F, stream| {
        assert!(trickle(stream, b"HTTP/1.1 101 \r\nX: ") < 3_000, "{}", F::NAME);
    },
    client: |F, stream, request| {
        let config = Config::new().handshake_timeout(SOON);
        let start = Instant::now();
        let error = F::client(stream, request, config).await.err().unwrap();
        assert!(matches!(error, Error::Handshake(HandshakeError::Timeout)), "{error:?}");
        assert!((SOON..NEVER).contains(&start.elapsed()));
    }
);

scenario!(a_silent_server_is_given_up_in_time,
    server: |F, stream| {
        let mut stream = stream;
        let mut request = Vec::new();
        stream.read_to_end(&mut request).unwrap();
        assert!(request.ends_with(b"\r\n\r\n"), "{}", F::NAME);
    },
    client: |F, stream, request| {
        let config = Config::new().handshake_timeout(SOON);
        let start = Instant::now();
        let error = F::client(stream, request, config).await.err().unwrap();
        assert!(matches!(error, Error::Handshake(HandshakeError::Timeout)), "{error:?}");
        assert!((SOON..NEVER).contains(&start.elapsed()));
    }
);

scenario!(t_03_a_peer_that_answers_no_ping_is_given_up_in_time,
    server: |F, stream| {
        let keepalive = Keepalive { interval: SOON / 2, timeout: SOON / 2 };
        let options = Options::new().config(Config::new().keepalive(keepalive));
        let start = Instant::now(); // before the connection's own time begins
        let mut ws = F::accept(stream, options).await.unwrap();
        let error = ws.read().await.unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::PongTimeout)), "{error:?}");
        assert!((SOON..NEVER).contains(&start.elapsed()));
    },
    client: |F, stream, request| {
        let raw = stream.try_clone().unwrap();
        let ws = connect::<F>(stream, request).await;
        // It is there, and does nothing, until the server has gone.
        raw.set_nonblocking(false).unwrap();
        let mut pings = Vec::new();
        (&raw).read_to_end(&mut pings).unwrap();
        assert_eq!((pings.len(), pings[0]), (10, 0x89));
        drop(ws);
    }
);

scenario!(a_peer_that_answers_no_close_frame_is_given_up_in_time,
    server: |F, stream| {
        let mut ws = F::accept(stream, Options::new().config(Config::new().close_timeout(SOON))).await.unwrap();
        // So that the Close frame comes alone.
        assert_eq!(ws.read().await.unwrap(), Some(Message::text("now")));
        let start = Instant::now();
        let error = ws.close(None).await.unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::CloseTimeout)), "{error:?}");
        assert!((SOON..NEVER).contains(&start.elapsed()));
        assert!(matches!(ws.read().await, Err(Error::Closed)));
    },
    client: |F, stream, request| {
        let raw = stream.try_clone().unwrap();
        let mut ws = connect::<F>(stream, request).await;
        ws.send("now").await.unwrap();
        raw.set_nonblocking(false).unwrap();
        let mut close = Vec::new();
        (&raw).read_to_end(&mut close).unwrap();
        assert_eq!(close, b"\x88\x00");
        drop(ws);
    }
);

scenario!(parts_are_lent_as_they_come,
    server: |F, stream| {
        let options = Options::new().config(Config::new().streaming(true));
        let mut ws = F::accept(stream, options).await.unwrap();
        let mut text = String::new();
        while let Some(more) = ws.read_with(|event, _| match event {
            Event::TextPart { part, fin } => {
                text.push_str(&part);
                !fin
            }
            other => panic!("{other:?}"),
        }).await.unwrap() && more {}
        assert_eq!(text, "é".repeat(100_000));
        assert!(matches!(ws.read().await, Err(Error::Streaming)));
    },
    client: |F, stream, request| {
        let mut ws = connect::<F>(stream, request).await;
        ws.send("é".repeat(100_000)).await.unwrap();
        ws.send("whole").await.unwrap();
        // The server just goes.
        ws.read().await.unwrap_err();
    }
);

scenario!(hs_43_a_client_that_never_reads_its_refusal_is_dropped_in_time,
    server: |F, stream| {
        let options = Options::new().config(Config::new().handshake_timeout(SOON));
        let start = Instant::now();
        let refusal = Rejection::new(StatusCode::NOT_FOUND).unwrap().body(vec![b'x'; 32 << 20]);
        let error = F::decide(stream, options, |_| Err(refusal)).await.err().unwrap();
        assert!(matches!(error, Error::Handshake(_)), "{}: {error:?}", F::NAME);
        assert!((SOON..NEVER).contains(&start.elapsed()));
    },
    client: |F, stream, _request| {
        let mut stream = stream;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").unwrap();
        assert!(!F::NAME.is_empty());
        std::mem::forget(stream); // it stays open, and nobody reads
    }
);

scenario!(t_01_t_02_t_03_a_peer_that_never_reads_makes_the_sender_wait_and_then_fail,
    server: |F, stream| {
        let keepalive = Keepalive { interval: SOON / 2, timeout: SOON / 2 };
        let config = Config::new().keepalive(keepalive).close_timeout(SOON);
        let (start, mut sent) = (Instant::now(), 0); // before the connection's own time begins
        let mut ws = F::accept(stream, Options::new().config(config)).await.unwrap();
        // The queue holds no more than its mark and the message that crosses it, and nothing is dropped silently.
        while ws.send(vec![0; 64 << 10]).await.is_ok() {
            sent += 1;
            assert!(ws.buffered_amount() <= (1 << 20) + (64 << 10) + 10, "{}", ws.buffered_amount());
            assert!(sent < (1 << 30) / (64 << 10), "{}: all was taken", F::NAME);
        }
        let error = ws.read().await.unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::PongTimeout)), "{}: {error:?}", F::NAME);
        assert!((SOON..NEVER).contains(&start.elapsed()));
        assert!(ws.send("more").await.is_err());
    },
    client: |F, stream, request| {
        std::mem::forget(connect::<F>(stream, request).await); // it stays open, and nobody reads
    }
);
