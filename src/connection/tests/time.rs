//! Deadlines: time goes in as an argument, and nothing here waits.

use super::*;

#[test]
fn a_server_gives_up_a_peer_that_does_not_answer_the_close_frame() {
    let now = Instant::now();
    let mut server = server();
    assert_eq!(server.handle_timeout(now), None);
    server.close(None).unwrap();
    let deadline = server.handle_timeout(now).unwrap();
    assert_eq!(deadline, now + Duration::from_secs(5));
    written(&mut server);
    assert_eq!(server.state(), State::Closing);
    assert_eq!(server.handle_timeout(deadline), None);
    assert_eq!(events(&mut server), Err(ProtocolError::CloseTimeout));
    assert_eq!((server.state(), server.wants_shutdown()), (State::Closed, true));
}

#[test]
fn a_client_gives_up_a_server_that_keeps_the_transport_open() {
    let now = Instant::now();
    let mut client = Connection::new(Role::Client, Config::new());
    client.receive(b"\x88\x00");
    events(&mut client).unwrap();
    written(&mut client);
    let deadline = client.handle_timeout(now).unwrap();
    assert!(!client.wants_shutdown());
    client.handle_timeout(deadline);
    assert!(client.wants_shutdown());
    assert_eq!(events(&mut client), Ok(vec![]));
    assert!(client.close_info().unwrap().clean);
}

#[test]
fn keepalive_finds_a_dead_peer() {
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let keepalive = Keepalive { interval: 30 * second, timeout: 10 * second };
    let mut server = Connection::new(Role::Server, Config::new().keepalive(keepalive));
    assert_eq!(server.handle_timeout(now), Some(now + 30 * second));
    assert_eq!(server.handle_timeout(now + 30 * second), Some(now + 40 * second));
    let ping = written(&mut server);
    assert_eq!(ping[..2], [0x89, 8]);
    server.receive(&masked(true, Opcode::Pong, b"unasked!"));
    events(&mut server).unwrap();
    server.receive(&masked(true, Opcode::Pong, &ping[2..]));
    events(&mut server).unwrap();
    assert_eq!(server.handle_timeout(now + 33 * second), Some(now + 63 * second));
    assert_eq!(server.round_trip_time(), Some(3 * second));
    server.handle_timeout(now + 63 * second);
    written(&mut server);
    assert_eq!(server.handle_timeout(now + 73 * second), None);
    assert_eq!(events(&mut server), Err(ProtocolError::PongTimeout));
    assert!(server.wants_shutdown());
}

#[test]
fn the_round_trip_time_is_the_pongs_whatever_comes_before_it() {
    let second = Duration::from_secs(1);
    let (mut server, now, ping) = pinged(10 * second, 10 * second);
    server.receive(&masked(true, Opcode::Text, b"first"));
    events(&mut server).unwrap();
    server.handle_timeout(now + second);
    server.receive(&masked(true, Opcode::Pong, &ping[2..]));
    events(&mut server).unwrap();
    server.handle_timeout(now + 2 * second);
    assert_eq!(server.round_trip_time(), Some(2 * second));
}

/// §5.5.3: "the endpoint MAY elect to send a Pong frame for only the most recently processed Ping frame."
#[test]
fn a_peer_may_answer_the_applications_ping_instead_of_the_keepalives() {
    let second = Duration::from_secs(1);
    let (mut server, now, _) = pinged(30 * second, 10 * second);
    server.ping(b"newer").unwrap();
    written(&mut server);
    server.receive(&masked(true, Opcode::Pong, b"newer"));
    events(&mut server).unwrap();
    assert_eq!(server.handle_timeout(now + 3 * second), Some(now + 33 * second));
    assert_eq!(server.round_trip_time(), None);
    server.handle_timeout(now + 33 * second);
    server.handle_timeout(now + 43 * second);
    assert_eq!(events(&mut server), Err(ProtocolError::PongTimeout));
}

#[test]
fn whoever_reads_late_does_not_blame_the_peer() {
    let (now, second) = (Instant::now(), Duration::from_secs(1));
    let mut server = Connection::new(Role::Server, Config::new().message_timeout(second));
    server.handle_timeout(now);
    let (begin, end) = (masked(true, Opcode::Text, b"Hello"), 5);
    server.receive(&begin[..end]);
    events(&mut server).unwrap();
    assert_eq!(server.handle_timeout(now), Some(now + second));
    server.receive(&begin[end..]);
    assert_eq!(server.handle_timeout(now + 2 * second), Some(now + second), "the rest is not polled yet");
    assert_eq!(events(&mut server), Ok(vec!["text Hello".into()]));
    assert_eq!(server.handle_timeout(now + 2 * second), None);
}

#[test]
fn a_close_frame_that_never_left_was_not_sent() {
    let now = Instant::now();
    let mut server = server();
    server.receive(&masked(true, Opcode::Close, b""));
    events(&mut server).unwrap();
    let deadline = server.handle_timeout(now).unwrap();
    server.handle_timeout(deadline);
    let info = server.close_info().unwrap();
    assert_eq!((info.sent.code, info.clean), (CloseCode::ABNORMAL, false));
    assert_eq!(info.received.code, CloseCode::NO_STATUS);
}

#[test]
fn a_slow_message_is_refused() {
    let now = Instant::now();
    let timeout = Duration::from_secs(2);
    let mut server = Connection::new(Role::Server, Config::new().message_timeout(timeout));
    server.handle_timeout(now);
    server.receive(&masked(true, Opcode::Text, b"Hello")[..3]);
    events(&mut server).unwrap();
    assert_eq!(server.handle_timeout(now), Some(now + timeout));
    server.handle_timeout(now + timeout);
    assert_eq!(events(&mut server), Err(ProtocolError::MessageTimeout));
    assert_eq!(written(&mut server)[2..4], 1008u16.to_be_bytes());
}

#[test]
fn the_close_timeout_is_the_one_that_was_asked_for() {
    let (now, timeout) = (Instant::now(), Duration::from_secs(7));
    let mut server = Connection::new(Role::Server, Config::new().close_timeout(timeout));
    assert_eq!((server.close_timeout(), server.handle_timeout(now)), (timeout, None));
    server.close(None).unwrap();
    assert_eq!(server.handle_timeout(now), Some(now + timeout));
}
