//! Events that are found when nobody can take them: they are kept, in their order, and answered in time.

use super::*;
use crate::connection::event::Place;

/// Reads ahead as far as it goes; how many events were found.
fn read_ahead(connection: &mut Connection) -> usize {
    (0..1000).take_while(|_| connection.advance_ahead().unwrap()).count()
}

#[test]
fn what_was_read_ahead_comes_in_order_and_is_answered_once() {
    let mut server = server();
    for frame in [
        masked(true, Opcode::Text, b"one"),
        masked(true, Opcode::Ping, b"?"),
        masked(true, Opcode::Pong, b""),
        masked(false, Opcode::Binary, &[1; 300]),
        masked(true, Opcode::Continuation, &[2; 300]),
        masked(true, Opcode::Close, b"\x03\xE8"),
    ] {
        server.receive(&frame);
    }
    assert!(!server.receiver.has_kept());
    assert_eq!(read_ahead(&mut server), 5);
    assert!(server.receiver.has_kept());
    assert_eq!(written(&mut server), b"\x8A\x01?", "the pong at once, the Close frame when its turn comes");
    server.send("reply").unwrap();
    let expected = ["text one", "ping 1", "pong 0", "binary 600", "close 1000"].map(String::from);
    assert_eq!(events(&mut server), Ok(expected.to_vec()));
    assert_eq!(written(&mut server), b"\x81\x05reply\x88\x02\x03\xE8");
    assert!(!server.receiver.has_kept());
    assert_eq!(read_ahead(&mut server), 0);
}

#[test]
fn what_was_kept_has_its_bytes() {
    let mut server = server();
    server.receive(&masked(true, Opcode::Text, b"shared"));
    server.receive(&masked(false, Opcode::Text, b"coll"));
    server.receive(&masked(true, Opcode::Continuation, b"ected"));
    assert_eq!(read_ahead(&mut server), 2);
    server.receive(&masked(true, Opcode::Text, b"later"));
    let (receiver, _) = server.halves();
    for expected in ["shared", "collected", "later"] {
        let Some(Event::Text(text)) = receiver.poll_event().unwrap() else { panic!("no text") };
        assert_eq!(&*text, expected);
    }
    assert!(receiver.poll_event().unwrap().is_none());
}

#[test]
fn a_part_that_is_kept_ends_before_the_character_that_is_cut_off() {
    let mut server = Connection::new(Role::Server, Config::new().streaming(true));
    server.receive(&masked(false, Opcode::Text, b"a\xE2\x82"));
    assert_eq!(read_ahead(&mut server), 1);
    server.receive(&masked(true, Opcode::Continuation, b"\xACz"));
    assert_eq!(read_ahead(&mut server), 1);
    assert_eq!(events(&mut server), Ok(vec!["text a+".into(), "text €z".into()]));
}

#[test]
fn a_pong_that_was_read_ahead_answers_the_keepalive() {
    let second = Duration::from_secs(1);
    let (mut server, now, ping) = pinged(10 * second, 3 * second);
    server.receive(&masked(true, Opcode::Pong, &ping[2..]));
    assert_eq!(read_ahead(&mut server), 1);
    server.handle_timeout(now + 2 * second);
    assert_eq!(server.round_trip_time(), Some(2 * second));
}

#[test]
fn no_more_is_kept_than_there_is_room_for() {
    let mut server = server();
    let mut found = 0;
    while server.receiver.keeps_more() {
        assert!(found < 64);
        server.receive(&masked(true, Opcode::Ping, b""));
        found += read_ahead(&mut server);
    }
    assert_eq!(found, 64);
    assert_eq!(events(&mut server).unwrap().len(), 64);
    assert!(server.receiver.keeps_more());
}

#[test]
fn a_whole_message_is_lent_from_where_it_was_read() {
    for opcode in [Opcode::Text, Opcode::Binary] {
        let config = Config::new().max_frame_size(5).max_message_size(5);
        let mut server = Connection::new(Role::Server, config);
        server.receive(&masked(true, opcode, b"Hello"));
        let descriptor = server.advance().unwrap().unwrap();
        assert!(matches!(descriptor.place, Place::Shared { len: 5, .. }), "{descriptor:?}");
    }
}
