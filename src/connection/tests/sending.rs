//! How messages leave: cut, copied, shared.

use super::*;

/// Whether the payload of a message that was put like this leaves from where it is.
fn keeps_its_storage(put: impl Fn(&mut Connection, Bytes), payload: usize) -> bool {
    let bytes = Bytes::from(vec![7; payload]);
    let address = bytes.as_ptr();
    let mut server = server();
    put(&mut server, bytes);
    let header = server.output().remaining() - payload;
    server.output().advance(header);
    server.output().chunk().as_ptr() == address
}

#[test]
fn an_owned_payload_keeps_its_storage_from_the_threshold_on() {
    let send = |server: &mut Connection, bytes: Bytes| server.send(bytes).unwrap();
    assert!(!keeps_its_storage(send, Output::INSERTED - 1));
    assert!(keeps_its_storage(send, Output::INSERTED));
    assert!(keeps_its_storage(send, Output::INSERTED + 1));
}

/// What a front end makes of a message that is lent: its header and how much of the payload it was lent, then all that
/// was queued.
fn lent(connection: &mut Connection, payload: &[u8]) -> Result<(Option<usize>, Vec<u8>), SendError> {
    let lent = connection.sender.send_lending(payload.into())?;
    Ok((lent.map(<[u8]>::len), written(connection)))
}

#[test]
fn a_payload_is_lent_where_it_leaves_as_it_is() {
    let payload = [7; 5000];
    let whole = [&[0x82, 126, 0x13, 0x88][..], &payload].concat();
    assert_eq!(lent(&mut server(), &payload), Ok((Some(5000), whole[..4].to_vec())));

    let mut cuts = Connection::new(Role::Server, Config::new().fragment_size(4999));
    let (is_lent, wire) = lent(&mut cuts, &payload).unwrap();
    assert_eq!((is_lent, wire.len()), (None, 4 + 4999 + 2 + 1));
    let mut fits = Connection::new(Role::Server, Config::new().fragment_size(5000));
    assert_eq!(lent(&mut fits, &payload).unwrap().0, Some(5000));

    let mut client = Connection::new(Role::Client, Config::new());
    let (is_lent, wire) = lent(&mut client, &payload).unwrap();
    assert_eq!((is_lent, wire.len()), (None, 8 + 5000));
}

#[test]
fn no_payload_is_lent_that_may_not_be_sent() {
    let mut server = server();
    server.send_fragment("begun", false).unwrap();
    written(&mut server);
    assert_eq!(lent(&mut server, &[7; 5000]), Err(SendError::FragmentedMessage));
    server.send_fragment("done", true).unwrap();
    server.close(None).unwrap();
    written(&mut server);
    assert_eq!(lent(&mut server, &[7; 5000]), Err(SendError::Closed));
    assert_eq!(written(&mut server), b"");
}

#[test]
fn the_rest_of_a_payload_stands_behind_all_that_waits() {
    let mut server = server();
    server.send("hi").unwrap();
    assert_eq!(server.sender.send_lending(b"Hello".into()), Ok(Some(&b"Hello"[..])));
    server.sender.put_rest(b"llo");
    server.send("you").unwrap();
    assert_eq!(written(&mut server), b"\x81\x02hi\x82\x05llo\x81\x03you");
}

#[test]
fn only_what_is_borrowed_and_large_is_lent() {
    let payload = vec![7; Outgoing::LARGE];
    assert!(Outgoing::from(&payload).is_lent());
    assert!(!Outgoing::from(&payload[1..]).is_lent());
    assert!(!Outgoing::from(payload).is_lent());
}

#[test]
fn a_prepared_frame_is_shared_from_the_threshold_on() {
    // A header of four bytes.
    for (payload, is_shared) in
        [(Output::INSERTED - 5, false), (Output::INSERTED - 4, true), (Output::INSERTED, true)]
    {
        let message = PreparedMessage::binary(vec![7; payload]);
        let address = message.plain().bytes.as_ptr();
        let mut server = server();
        server.send_prepared(&message).unwrap();
        assert_eq!(server.output().chunk().as_ptr() == address, is_shared, "{payload}");
        assert_eq!(written(&mut server), message.plain().bytes);
    }
}

#[test]
fn no_fragment_is_empty_but_that_of_an_empty_message() {
    for (text, expected) in [
        ("Hell", &b"\x01\x02He\x80\x02ll"[..]),
        ("He", b"\x81\x02He"),
        ("", b"\x81\x00"),
        ("Hel", b"\x01\x02He\x80\x01l"),
    ] {
        let mut server = Connection::new(Role::Server, Config::new().fragment_size(2));
        server.send(text).unwrap();
        assert_eq!(written(&mut server), expected, "{text}");
    }
}

#[test]
fn control_frames_have_125_bytes_at_most() {
    let mut server = server();
    for (opcode, send) in
        [(0x89, Connection::ping as fn(&mut Connection, &[u8]) -> _), (0x8A, Connection::pong)]
    {
        assert_eq!(send(&mut server, &[7; 125]), Ok(()));
        assert_eq!(written(&mut server), [&[opcode, 125][..], &[7; 125]].concat());
        assert_eq!(send(&mut server, &[7; 126]), Err(SendError::ControlTooLong));
        assert_eq!(written(&mut server), b"");
    }
}

#[test]
fn the_high_water_mark_is_exact() {
    let mut server = Connection::new(Role::Server, Config::new().high_water_mark(8));
    server.send("123456").unwrap();
    assert_eq!((server.buffered_amount(), server.send("")), (8, Err(SendError::QueueFull)));
    server.output().advance(1);
    assert_eq!((server.buffered_amount(), server.send("")), (7, Ok(())));
}

#[test]
fn a_pong_waits_at_the_high_water_mark() {
    let mut server = Connection::new(Role::Server, Config::new().high_water_mark(8));
    server.send("123456").unwrap();
    server.receive(&masked(true, Opcode::Ping, b"?"));
    events(&mut server).unwrap();
    assert_eq!((server.output().remaining(), server.buffered_amount()), (8, 11));
    server.output().advance(1);
    assert_eq!(server.output().remaining(), 7 + 3);
}
