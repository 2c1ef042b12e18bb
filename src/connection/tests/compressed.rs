//! Compressed messages (RFC 7692), both ways.

use super::*;
use crate::{Deflate, Message};

fn connection(role: Role, config: Config) -> Connection {
    let deflate = Deflate::new();
    let agreement = Agreement::new().with_deflate(deflate.params());
    Connection::with_agreement(role, config.deflate(deflate), agreement)
}

/// Letters, of which no two hundred are like others.
fn letters(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let random = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'a' + (state >> 28) as u8
    });
    random.take(len).collect()
}

/// The frames on a wire: the first byte, the key, the bytes of payload.
fn frames(mut wire: &[u8]) -> Vec<(u8, Option<[u8; 4]>, usize)> {
    let mut seen = Vec::new();
    while let Some((header, len)) = Header::decode(wire).unwrap() {
        let payload = usize::try_from(header.payload_len).unwrap();
        seen.push((wire[0], header.mask, payload));
        wire = &wire[len + payload..];
    }
    assert_eq!(wire, b"");
    seen
}

/// What arrives in such pieces, parts joined.
fn arrives(receiver: &mut Connection, wire: &[u8], step: usize) -> Result<Vec<Vec<u8>>, ProtocolError> {
    let (mut whole, mut part) = (Vec::new(), Vec::new());
    for piece in wire.chunks(step) {
        receiver.receive(piece);
        while let Some(event) = receiver.poll_event()? {
            match event {
                Event::Text(text) => whole.push(text.as_bytes().to_vec()),
                Event::Binary(bytes) => whole.push(bytes.to_vec()),
                Event::TextPart { part: text, fin } => {
                    part.extend_from_slice(text.as_bytes());
                    if fin {
                        whole.push(std::mem::take(&mut part));
                    }
                }
                Event::BinaryPart { part: bytes, fin } => {
                    assert!(bytes.len() <= 64 << 10);
                    part.extend_from_slice(&bytes);
                    if fin {
                        whole.push(std::mem::take(&mut part));
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
    Ok(whole)
}

#[test]
fn no_payload_is_lent_where_messages_are_compressed() {
    let payload = [7; 5000];
    let mut server = connection(Role::Server, Config::new());
    assert_eq!(server.sender.send_lending(payload.as_slice().into()), Ok(None));
    assert!(written(&mut server).len() < 1000);
}

#[test]
fn what_is_sent_arrives_however_it_is_cut() {
    let sizes = [0, 1, 63, 64, 1000, 8 << 10, 70_000, 300_000];
    for role in [Role::Client, Role::Server] {
        for streaming in [false, true] {
            for (fragment_size, step) in
                [(usize::MAX, usize::MAX), (1000, 1), (7000, 4096), (100_000, 65 << 10)]
            {
                let mut sender =
                    connection(role, Config::new().fragment_size(fragment_size).high_water_mark(1 << 30));
                let mut receiver = connection(role.peer(), Config::new().streaming(streaming));
                let sent = sizes.map(letters);
                for (i, payload) in sent.iter().enumerate() {
                    if i % 2 == 0 {
                        sender.send(&**payload).unwrap();
                    } else {
                        sender.send(str::from_utf8(payload).unwrap()).unwrap();
                    }
                }
                let wire = written(&mut sender);
                assert_eq!(
                    arrives(&mut receiver, &wire, step),
                    Ok(sent.to_vec()),
                    "{role:?} {streaming} {step}"
                );
            }
        }
    }
}

#[test]
fn the_first_frame_of_a_compressed_message_is_marked() {
    let mut server = connection(Role::Server, Config::new().fragment_size(100));
    server.send(&*letters(250)).unwrap();
    let first_bytes = |wire: &[u8]| frames(wire).iter().map(|frame| frame.0).collect::<Vec<_>>();
    assert_eq!(first_bytes(&written(&mut server)), [0x42, 0x00, 0x80]);
    server.send(&*letters(63)).unwrap();
    assert_eq!(first_bytes(&written(&mut server)), [0x82], "below the threshold");
    server.send(&*letters(64)).unwrap();
    assert_eq!(first_bytes(&written(&mut server)), [0xC2]);
    server.send(Outgoing::from(&*letters(100)).uncompressed()).unwrap();
    assert_eq!(first_bytes(&written(&mut server)), [0x82]);
    // The threshold is for what is known to be whole.
    server.send_fragment("a", false).unwrap();
    server.send_fragment(Outgoing::from("b").uncompressed(), false).unwrap();
    server.send_fragment("c", true).unwrap();
    server.send_fragment("d", true).unwrap();
    let wire = written(&mut server);
    assert_eq!(first_bytes(&wire), [0x41, 0x00, 0x80, 0x81]);
    assert_eq!(frames(&wire)[1].2, 1 + 4 + 1 + 5, "a stored block, and the end of a flush");
    let mut client = connection(Role::Client, Config::new());
    assert_eq!(arrives(&mut client, &wire, 1), Ok(vec![b"abc".to_vec(), b"d".to_vec()]));
}

#[test]
fn a_client_masks_compressed_frames() {
    let mut client = connection(Role::Client, Config::new().fragment_size(1000));
    client.send(&*letters(2500)).unwrap();
    let keys: Vec<_> = frames(&written(&mut client)).iter().map(|frame| frame.1.unwrap()).collect();
    assert!(keys.len() == 3 && keys[0] != keys[1], "{keys:?}");
}

#[test]
fn a_prepared_message_is_compressed_for_whoever_can_read_it() {
    let payload = letters(1000);
    let message = PreparedMessage::from(&Message::binary(payload.clone()));
    for role in [Role::Client, Role::Server] {
        let (mut sender, mut receiver) =
            (connection(role, Config::new()), connection(role.peer(), Config::new()));
        sender.send(&*payload).unwrap();
        sender.send_prepared(&message).unwrap();
        sender.send_prepared(&PreparedMessage::binary(&payload[..10])).unwrap();
        sender.send(&*payload).unwrap();
        let wire = written(&mut sender);
        let first_bytes: Vec<_> = frames(&wire).iter().map(|frame| frame.0).collect();
        assert_eq!(first_bytes, [0xC2, 0xC2, 0x82, 0xC2]);
        let expected = vec![payload.clone(), payload.clone(), payload[..10].to_vec(), payload.clone()];
        assert_eq!(arrives(&mut receiver, &wire, 7), Ok(expected));
    }
}

#[test]
fn the_limit_is_one_of_what_comes_out() {
    for size in [100, 64 << 10, 200_000] {
        let mut server = connection(Role::Server, Config::new());
        let payload = vec![b'x'; size];
        server.send_fragment(&payload[..60], false).unwrap();
        server.send_fragment(&payload[60..], true).unwrap();
        let wire = written(&mut server);
        for streaming in [false, true] {
            for step in [1, usize::MAX] {
                let config = |limit| Config::new().streaming(streaming).max_message_size(limit);
                let mut client = connection(Role::Client, config(size as u64));
                assert_eq!(arrives(&mut client, &wire, step), Ok(vec![payload.clone()]), "{size} {step}");
                let mut client = connection(Role::Client, config(size as u64 - 1));
                let outcome = arrives(&mut client, &wire, step);
                assert_eq!(outcome, Err(ProtocolError::MessageTooLarge), "{size} {step} {streaming}");
            }
        }
    }
}

#[test]
fn what_is_no_deflate_fails() {
    // A block of the reserved type, and a stored block whose lengths differ.
    for payload in [&b"\x07"[..], b"\x00\x01\x00\x00\x00a"] {
        let mut server = connection(Role::Server, Config::new());
        let mut wire = masked(true, Opcode::Text, payload);
        wire[0] |= 0x40;
        server.receive(&wire);
        assert_eq!(events(&mut server), Err(ProtocolError::InvalidDeflate));
        assert_eq!(written(&mut server)[2..4], 1007u16.to_be_bytes());
    }
}

#[test]
fn what_comes_out_as_text_is_validated() {
    let mut server = connection(Role::Server, Config::new());
    let payload = [&[b'x'; 1000][..], b"\xFF"].concat();
    server.send(&*payload).unwrap();
    let mut wire = written(&mut server);
    wire[0] ^= 0x03; // binary becomes text
    let mut client = connection(Role::Client, Config::new());
    assert_eq!(arrives(&mut client, &wire, usize::MAX), Err(ProtocolError::InvalidUtf8));
}

#[test]
fn to_forget_makes_the_next_message_stand_alone() {
    let payload = letters(2000);
    let mut server = connection(Role::Server, Config::new());
    let mut len_of_next = |forget: bool| {
        if forget {
            server.release_buffers();
        }
        server.send(&*payload).unwrap();
        written(&mut server).len()
    };
    let (first, second, third) = (len_of_next(false), len_of_next(false), len_of_next(true));
    assert!(second < first / 2, "{first} {second}: it refers to the first");
    assert_eq!(third, first);
}

#[test]
fn a_large_result_is_not_copied_again() {
    // What does not compress, and comes out larger than the scratch space.
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(100_000)
    .collect();
    let mut server = connection(Role::Server, Config::new());
    server.send(&*noise).unwrap();
    let remaining = server.output().remaining();
    let header = server.output().chunk().len();
    assert!(header <= Header::MAX_LEN && remaining > 100_000, "{header} of {remaining}");
    let wire = written(&mut server);
    assert_eq!(arrives(&mut connection(Role::Client, Config::new()), &wire, usize::MAX), Ok(vec![noise]));
}

#[test]
fn the_agreement_says_what_it_is() {
    let params = Deflate::new().server_no_context_takeover(true).params();
    let agreement = Agreement::new().with_deflate(params);
    assert_eq!(agreement.deflate(), Some(params));
    assert_eq!(agreement.extensions(), "permessage-deflate; server_no_context_takeover");
    assert_eq!(Agreement::new().deflate(), None);
    let server = connection(Role::Server, Config::new());
    assert_eq!(server.extensions(), "permessage-deflate");
}
