use super::support::end::Seen;
use super::support::net::{Line, Speed};
use super::{BYTEWISE, NARROW, STUBBORN, STUTTERING, runtime};
use sansocket::asynchronous::{Futures, Handshake, Tokio, Transport, WebSocket};
use sansocket::handshake::{Rejection, client::Request, negotiate::Answer, server::Options};
use sansocket::http::StatusCode;
use sansocket::{Config, Error, HandshakeError, Message, Role};

#[test]
fn t_07_opening_handshakes() {
    let runtime = runtime();
    let _entered = runtime.enter();
    for way in 0..4 {
        for speed in [BYTEWISE, STUTTERING, NARROW, STUBBORN] {
            let futures = (0..).take_while(|&k| open::<Futures<_>>(way, speed, k)).count();
            let tokio = (0..).take_while(|&k| open::<Tokio<_>>(way, speed, k)).count();
            assert_eq!(futures, tokio);
            println!("{futures:4} ways {way} {speed:?}");
        }
    }
}

/// Whether the opening handshake, in one of the ways that there are, was dropped when it was pending `k` times.
fn open<T: Transport + From<Line>>(way: usize, speed: Speed, k: usize) -> bool {
    let role = if way == 0 { Role::Client } else { Role::Server };
    let line = Line::unopened(role, speed);
    line.net().peer.connection.send("hello").unwrap();
    let request = || Request::new("ws://a/").unwrap();
    if way == 0 {
        let ws = line.poll(k, WebSocket::<T>::client(line.clone(), request(), Config::new()));
        ws.map(|ws| meet(&line, ws.unwrap())).is_none()
    } else {
        let mut handshake = Handshake::<T>::new(line.clone(), Options::new());
        let was_dropped = line.poll(k, handshake.read()).is_none();
        assert_eq!(line.finish(handshake.read()).unwrap().uri(), "/");
        match way {
            1 => meet(&line, line.poll(1, handshake.accept()).unwrap().unwrap()),
            2 => meet(&line, line.poll(1, handshake.accept_with(Answer::new())).unwrap().unwrap()),
            _ => {
                let refusal = Rejection::new(StatusCode::FORBIDDEN).unwrap().body("no");
                let refused = line.poll(k, handshake.reject(refusal));
                while line.net().step() {}
                let net = line.net();
                let refused = refused.map(|error| {
                    assert!(matches!(error, Error::Handshake(HandshakeError::Rejected(_))), "{error:?}");
                    assert!(net.head().ends_with(b"\r\n\r\nno"));
                });
                assert!(net.head().starts_with(&b"HTTP/1.1 403 "[..net.head().len().min(13)]));
                return refused.is_none();
            }
        }
        was_dropped
    }
}

/// The connection works.
fn meet<T: Transport>(line: &Line, mut ws: WebSocket<T>) {
    assert_eq!(line.finish(ws.read()).unwrap(), Some(Message::text("hello")));
    line.finish(ws.send("hello")).unwrap();
    assert!(line.finish(ws.close(None)).unwrap().clean);
    assert_eq!(line.net().peer.seen[0], Seen::Text("hello".into()));
}
