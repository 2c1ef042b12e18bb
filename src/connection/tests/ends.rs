//! A connection that has ended stays as it ended.

use super::*;

#[test]
fn the_close_frame_that_reports_an_error_outlives_a_second_error() {
    let mut server = server();
    server.sender.fail(&ProtocolError::ReservedBits);
    server.sender.fail(&ProtocolError::UnexpectedEof);
    assert_eq!(written(&mut server)[2..4], 1002u16.to_be_bytes());
    assert!(!server.sender.is_abandoned());
}

#[test]
fn what_was_abandoned_stays_so() {
    let mut server = server();
    server.send("lost").unwrap();
    server.sender.abandon();
    server.sender.fail(&ProtocolError::ReservedBits);
    assert!(server.sender.is_abandoned());
    assert_eq!(written(&mut server), b"");
    assert_eq!(server.send("late"), Err(SendError::Closed));
}

#[test]
fn a_half_takes_note_of_a_pong() {
    let second = Duration::from_secs(1);
    let (mut server, now, ping) = pinged(10 * second, 3 * second);
    let (receiver, sender) = server.halves();
    receiver.receive(&masked(true, Opcode::Pong, &ping[2..]));
    sender.answer(&receiver.poll_event().unwrap().unwrap());
    server.handle_timeout(now + second);
    assert_eq!(server.round_trip_time(), Some(second));
}

#[test]
fn a_peer_that_takes_nothing_is_given_up_though_it_says_something() {
    let second = Duration::from_secs(1);
    let (mut server, now, _) = pinged(10 * second, 3 * second);
    server.send("not taken").unwrap();
    server.receive(&masked(true, Opcode::Text, b"not polled"));
    let deadline = now + 4 * second;
    assert_eq!(server.handle_timeout(now + second), Some(deadline), "a message on its way delays a pong");
    assert_eq!(
        server.handle_timeout_while(false, deadline),
        Some(deadline),
        "what was not polled may be the pong"
    );
    assert_eq!(server.handle_timeout_while(true, deadline - second), Some(deadline));
    server.handle_timeout_while(true, deadline);
    assert_eq!(events(&mut server), Err(ProtocolError::PongTimeout));
}
