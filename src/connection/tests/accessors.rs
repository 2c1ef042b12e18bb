//! What a connection says about itself.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn it_knows_what_was_agreed_on() {
    let agreement = Agreement { protocol: Some("chat".into()), extensions: "x-a".into(), deflate: None };
    let connection = Connection::with_agreement(Role::Client, Config::new(), agreement.clone());
    assert_eq!((connection.protocol(), connection.extensions()), (Some("chat"), "x-a"));
    assert_eq!((connection.agreement(), connection.role()), (&agreement, Role::Client));
    let connection = server();
    assert_eq!((connection.protocol(), connection.extensions()), (None, ""));
    assert_eq!((connection.agreement(), connection.role()), (&Agreement::new(), Role::Server));
}

#[test]
fn what_waits_is_counted_with_its_headers() {
    for (role, header) in [(Role::Server, 2), (Role::Client, 6)] {
        let mut connection = Connection::new(role, Config::new().high_water_mark(9));
        assert_eq!(connection.buffered_amount(), 0);
        connection.send("1234567").unwrap();
        assert_eq!(connection.buffered_amount(), 7 + header);
        connection.sender.answer_ping(b"abc"); // it waits for room
        assert_eq!(connection.buffered_amount(), 7 + header + 3 + header);
        connection.output().advance(7 + header);
        assert_eq!((connection.output().remaining(), connection.buffered_amount()), (3 + header, 3 + header));
    }
}

#[test]
fn time_matters_when_a_deadline_may_be_set() {
    let keepalive = Keepalive { interval: SECOND, timeout: SECOND };
    for (config, has_deadlines) in [
        (Config::new(), false),
        (Config::new().keepalive(keepalive), true),
        (Config::new().message_timeout(SECOND), true),
    ] {
        let mut server = Connection::new(Role::Server, config);
        assert_eq!(server.has_deadlines(), has_deadlines);
        server.close(None).unwrap();
        assert!(server.has_deadlines());
    }
}

#[test]
fn the_next_deadline_can_be_asked_for() {
    let now = Instant::now();
    let mut server = Connection::new(Role::Server, Config::new().close_timeout(3 * SECOND));
    assert_eq!((server.close_timeout(), server.next_timeout()), (3 * SECOND, None));
    server.close(None).unwrap();
    assert_eq!(server.handle_timeout(now), Some(now + 3 * SECOND));
    assert_eq!(server.next_timeout(), Some(now + 3 * SECOND));
    server.sender.abandon();
    assert_eq!(server.next_timeout(), None);
}

#[test]
fn the_receiver_knows_how_far_it_is() {
    let mut server = server();
    let message = masked(false, Opcode::Text, b"12345");
    let unfinished = |server: &Connection| server.receiver.progress().unfinished;
    assert_eq!(unfinished(&server), None);
    server.receive(&message);
    events(&mut server).unwrap();
    assert_eq!(unfinished(&server), Some(0), "between its fragments");
    server.receive(&masked(true, Opcode::Continuation, b"6")[..6]);
    events(&mut server).unwrap();
    assert_eq!(unfinished(&server), Some(0), "inside a frame");
    server.receive(&masked(true, Opcode::Continuation, b"6")[6..]);
    events(&mut server).unwrap();
    assert_eq!(unfinished(&server), None);
    server.receive(&message[..4]);
    events(&mut server).unwrap();
    assert_eq!(unfinished(&server), Some(18), "inside a header");
    server.receive(&message[4..]);
    events(&mut server).unwrap();
    assert_eq!(unfinished(&server), Some(18));
    assert_eq!(server.receiver.progress().arrived, 18 + 11);
    assert!(!server.receiver.is_closed());
    server.receive(&masked(true, Opcode::Close, b""));
    events(&mut server).unwrap();
    assert!(server.receiver.is_closed());
    assert_eq!(unfinished(&server), None);
}

#[cfg(any(feature = "tokio", feature = "futures"))]
#[test]
fn what_arrived_is_counted() {
    let mut server = server();
    server.receive(&masked(true, Opcode::Text, b"12345"));
    assert_eq!(server.receiver.arrived(), 11);
}

#[test]
fn the_mode_can_be_asked_for() {
    for on in [false, true] {
        let server = Connection::new(Role::Server, Config::new().streaming(on));
        assert_eq!(server.receiver.is_streaming(), on);
    }
}

#[test]
fn a_lent_payload_looks_like_what_it_is() {
    for size in [3, 5000] {
        let mut server = server();
        let [text, binary] =
            [Opcode::Text, Opcode::Binary].map(|opcode| masked(true, opcode, &vec![b'x'; size]));
        for piece in [&text[..], &binary].iter().flat_map(|wire| wire.chunks(3000)) {
            server.receive(piece);
            match server.poll_event().unwrap() {
                Some(Event::Text(text)) => {
                    assert_eq!((text.as_ref(), format!("{text:?}")), (&*text, format!("{:?}", &*text)));
                    assert_eq!(text.len(), size);
                }
                Some(Event::Binary(bytes)) => {
                    assert_eq!((bytes.as_ref(), format!("{bytes:?}")), (&*bytes, format!("{:?}", &*bytes)));
                    assert_eq!(bytes.len(), size);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_message_becomes_the_callers() {
    let mut server = server();
    server.receive(&masked(true, Opcode::Binary, b"ab"));
    assert_eq!(
        server.poll_event().unwrap().unwrap().into_message(),
        Some(crate::Message::binary(&b"ab"[..]))
    );
    server.receive(&masked(true, Opcode::Ping, b"ab"));
    assert_eq!(server.poll_event().unwrap().unwrap().into_message(), None);
}

#[test]
fn what_was_received_is_in_no_debug_output() {
    let mut server = server();
    server.receive(&masked(false, Opcode::Text, b"secret"));
    events(&mut server).unwrap();
    server.receive(b"\x80");
    server.send("secret").unwrap();
    let shown = format!("{server:?}");
    assert!(shown.contains("collected: 6") && shown.contains("unread: 1"), "{shown}");
    assert!(shown.contains("remaining: 8") && !shown.contains("secret"), "{shown}");
}
