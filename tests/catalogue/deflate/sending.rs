//! What this side sends, as an independent inflater reads it.

use super::{agreement, end};
use crate::frames::ROLES;
use crate::support::end::End;
use crate::support::inflate::{self, Inflated};
#[cfg(feature = "futures")]
use crate::support::pipe::pipe;
use crate::support::random::Xorshift;
use crate::support::wire::{RawFrame, frames};
use sansocket::deflate::Params;
use sansocket::{Config, Deflate, Outgoing, PreparedMessage, Role, SendError};
#[cfg(feature = "futures")]
use sansocket::{Connection, futures::WebSocket};

/// Messages like one another, and some that are not.
fn messages() -> Vec<Vec<u8>> {
    let mut random = Xorshift::new(3);
    let mut messages = vec![vec![], b"Hello".to_vec(), b"Hello".to_vec(), vec![], vec![], vec![b'a'; 70_000]];
    for len in [1, 100, 127, 1_000, 5_000, 40_000] {
        messages.push(random.text(len).into_bytes());
        messages.push(random.bytes(len));
        messages.push(format!("{{\"type\":\"tick\",\"price\":{len}}}").repeat(20).into_bytes());
    }
    messages.extend_from_within(6..12);
    messages
}

/// Reads what an end has written, as a peer that knows nothing but what came before.
struct Judge {
    role: Role,
    deflate: Params,
    history: Vec<u8>,
}

impl Judge {
    fn new(role: Role, deflate: &Deflate) -> Self {
        Self { role, deflate: deflate.params(), history: Vec::new() }
    }

    /// The messages, checked against what was agreed on; and whether each was compressed.
    fn read(&mut self, wire: &[u8]) -> Vec<(Vec<u8>, bool)> {
        let (mut messages, mut payload, mut is_compressed) = (Vec::new(), Vec::new(), None);
        for RawFrame { first, key, payload: part } in frames(wire) {
            assert_eq!(key.is_some(), self.role == Role::Client);
            assert_eq!(first & 0x30, 0, "RSV2 or RSV3");
            if first & 0x0F > 2 {
                assert_eq!(first & 0x40, 0, "RSV1 on a control frame");
                continue;
            }
            // §6.1: RSV1 stands on the first frame only.
            assert_eq!(first & 0x0F == 0, is_compressed.is_some());
            assert!(first & 0x40 == 0 || is_compressed.is_none(), "RSV1 on a continuation");
            let compressed = *is_compressed.get_or_insert(first & 0x40 != 0);
            payload.extend(part);
            if first & 0x80 != 0 {
                let message = std::mem::take(&mut payload);
                messages.push((if compressed { self.inflate(&message) } else { message }, compressed));
                is_compressed = None;
            }
        }
        assert_eq!(is_compressed, None, "an unfinished message");
        messages
    }

    fn inflate(&mut self, payload: &[u8]) -> Vec<u8> {
        let window = 1 << self.deflate.max_window_bits(self.role);
        let inflated = inflate::message(&self.history, payload, window);
        let Inflated { bytes, blocks, window, .. } = inflated.as_ref().unwrap();
        assert!(inflated.as_ref().unwrap().ends_with_empty_stored(), "the tail was not that of a flush");
        assert!(blocks.iter().all(|block| !block.is_final), "BFINAL");
        if !self.deflate.no_context_takeover(self.role) {
            self.history.clone_from(window);
        }
        bytes.clone()
    }
}

/// Every combination of a level and the parameters of one direction.
fn every_way() -> Vec<(u8, Role, Deflate)> {
    let mut ways = Vec::new();
    for level in 0..=9 {
        for bits in 8..=15 {
            for no_takeover in [false, true] {
                let server =
                    Deflate::new().server_max_window_bits(bits).server_no_context_takeover(no_takeover);
                let client =
                    Deflate::new().client_max_window_bits(bits).client_no_context_takeover(no_takeover);
                ways.push((level, Role::Server, server));
                ways.push((level, Role::Client, client));
            }
        }
    }
    ways
}

#[test]
fn d_15_what_is_sent_keeps_to_the_agreement() {
    let messages = messages();
    for (level, role, agreed) in every_way() {
        // Only one of the two ends limits itself by its configuration; the other was told to.
        for own in [agreed.clone(), Deflate::new()] {
            let config = Config::new().deflate(own.level(level).threshold(0)).high_water_mark(usize::MAX);
            let mut end = End::agreed(role, config, agreement(&agreed));
            let mut judge = Judge::new(role, &agreed);
            for message in &messages {
                end.connection.send(message).unwrap();
                end.connection.ping(b"between").unwrap();
                let seen = judge.read(&end.write_all());
                assert_eq!(seen, [(message.clone(), true)], "{level} {role:?} {agreed:?}");
            }
        }
    }
}

/// RFC 7692 §7.1.1.2, §7.1.2.2: what a client's offer says of its own messages holds "even if the server doesn't
/// include" it in the answer.
#[test]
fn d_15_a_client_keeps_to_its_hints() {
    let ways =
        every_way().into_iter().filter(|(level, role, _)| *role == Role::Client && [1, 6].contains(level));
    for (level, role, own) in ways {
        let config = Config::new().deflate(own.clone().level(level).threshold(0)).high_water_mark(usize::MAX);
        let mut end = End::agreed(role, config, agreement(&Deflate::new()));
        let mut judge = Judge::new(role, &own);
        for message in messages() {
            end.connection.send(&message).unwrap();
            assert_eq!(judge.read(&end.write_all()), [(message, true)], "{level} {own:?}");
        }
    }
}

#[test]
fn d_15_fragments_keep_to_the_agreement() {
    let messages = messages();
    for (level, role, agreed) in every_way().into_iter().filter(|(level, ..)| [1, 6].contains(level)) {
        for fragment_size in [1, 700] {
            let own = Deflate::new().level(level).threshold(0);
            let config = Config::new().deflate(own).high_water_mark(usize::MAX).fragment_size(fragment_size);
            let mut end = End::agreed(role, config, agreement(&agreed));
            let mut judge = Judge::new(role, &agreed);
            for message in messages.iter().filter(|message| message.len() / fragment_size < 200) {
                end.connection.send(message).unwrap();
                // And by hand, with an empty part at either end.
                end.connection.send_fragment(b"", false).unwrap();
                for part in message.chunks(fragment_size) {
                    end.connection.ping(b"between").unwrap();
                    end.connection.send_fragment(part, false).unwrap();
                }
                end.connection.send_fragment(b"", true).unwrap();
                let seen = judge.read(&end.write_all());
                assert_eq!(
                    seen,
                    [(message.clone(), true), (message.clone(), true)],
                    "{level} {role:?} {agreed:?}"
                );
            }
        }
    }
}

#[test]
fn d_15_a_message_after_which_nothing_was_said() {
    let mut server = end(Role::Server, Config::new().deflate(Deflate::new().threshold(0)));
    for message in ["Hello", "", "Hello", ""] {
        server.connection.send(message).unwrap();
    }
    let payloads: Vec<_> = frames(&server.write_all()).into_iter().map(|frame| frame.payload).collect();
    // §7.2.3.2: the second "Hello" refers to the first, in one of several ways; §7.2.3.6: an empty message is
    // one byte.
    assert_eq!(payloads[0], b"\xF2\x48\xCD\xC9\xC9\x07\x00");
    assert_eq!(payloads[1], b"\0");
    assert!(payloads[2].len() <= 5, "{payloads:02X?}");
    assert_eq!(payloads[3], b"\0");
}

#[test]
fn d_16_what_is_refused_was_not_compressed() {
    for role in ROLES {
        let config = Config::new().deflate(Deflate::new().threshold(0)).high_water_mark(100);
        let mut end = end(role, config);
        let mut judge = Judge::new(role, &Deflate::new());
        let mut said = Vec::new();
        for i in 0..50 {
            let message = format!("{i} bottles of beer on the wall, {i} bottles of beer");
            match end.connection.send(&message) {
                Ok(()) => said.push(message.into_bytes()),
                Err(error) => {
                    assert_eq!(error, SendError::QueueFull);
                    // And so are parts; and one of the wrong kind.
                    assert_eq!(end.connection.send_fragment(&message, false), Err(SendError::QueueFull));
                    for (seen, said) in judge.read(&end.write_all()).into_iter().zip(said.drain(..)) {
                        assert_eq!(seen, (said, true), "{role:?}");
                    }
                    end.connection.send_fragment("bottles ", false).unwrap();
                    assert_eq!(end.connection.send_fragment(b"of beer", false), Err(SendError::FragmentType));
                    assert_eq!(end.connection.send("of beer"), Err(SendError::FragmentedMessage));
                    end.connection.send_fragment("of beer", true).unwrap();
                    said.push(b"bottles of beer".to_vec());
                }
            }
        }
        assert!(judge.read(&end.write_all()).len() == said.len());
        end.connection.close(None).unwrap();
        assert_eq!(end.connection.send("bottles"), Err(SendError::Closed));
    }
}

/// A send that is dropped while it waits was queued whole or not at all; what follows is in step with it.
#[cfg(feature = "futures")]
#[test]
fn d_16_a_send_that_is_dropped_leaves_the_compressor_in_step() {
    for (role, capacity) in ROLES.into_iter().flat_map(|role| [1, 9, 64].map(|capacity| (role, capacity))) {
        let config = Config::new().deflate(Deflate::new().threshold(0)).high_water_mark(60);
        let connection = Connection::with_agreement(role, config, agreement(&Deflate::new()));
        let (peer, stream) = pipe(capacity);
        let mut ws = WebSocket::from_connection(stream, connection);
        let (mut wire, mut surely, mut dropped) = (Vec::new(), Vec::new(), 0);
        // About half of it was said before.
        let message = |i: u64| format!("{i} bottles of beer, {}", Xorshift::new(i + 1).text(60)).into_bytes();
        for i in 0..200 {
            match smol::block_on(smol::future::poll_once(ws.send(message(i)))) {
                Some(sent) => surely.push(sent.map(|()| message(i)).unwrap()),
                None => dropped += 1,
            }
            if i % 5 == 0 {
                wire.extend(peer.drain());
            }
        }
        while smol::block_on(smol::future::poll_once(ws.flush())).is_none() {
            wire.extend(peer.drain());
        }
        wire.extend(peer.drain());
        let seen = Judge::new(role, &Deflate::new()).read(&wire);
        let mut all = (0..200).map(message);
        assert!(seen.iter().all(|(seen, _)| all.any(|message| message == *seen)), "each once, and in order");
        assert!(surely.iter().all(|sent| seen.contains(&(sent.clone(), true))), "what was sent is there");
        assert!(dropped > 20, "{dropped}");
    }
}

/// Who finds the compressed form larger, sends the plain one, and lets the compressor remember it, refers the
/// peer to what it never saw. Ours sends whatever it compressed.
#[test]
fn d_15_what_was_compressed_is_sent_however_large() {
    for role in ROLES {
        let mut end = end(role, Config::new().deflate(Deflate::new().threshold(0)));
        let mut judge = Judge::new(role, &Deflate::new());
        let noise = Xorshift::new(4).bytes(300);
        for _ in 0..3 {
            end.connection.send(&noise).unwrap();
            end.connection.send(Outgoing::from(&noise).uncompressed()).unwrap();
        }
        let wire = end.write_all();
        let lengths: Vec<_> = frames(&wire).iter().map(|frame| frame.payload.len()).collect();
        assert!(lengths[0] > 300 && lengths[2] < 50 && lengths[1] == 300, "{lengths:?}");
        let expected: Vec<_> = (0..6).map(|i| (noise.clone(), i % 2 == 0)).collect();
        assert_eq!(judge.read(&wire), expected);
    }
}

#[test]
fn d_18_a_part_that_is_not_to_be_compressed_is_stored() {
    let secret = "token=31415926535897932384626433832795".repeat(9);
    for role in ROLES {
        let mut end = end(role, Config::new().deflate(Deflate::new()));
        end.connection.send_fragment(&secret, false).unwrap();
        end.connection.send_fragment(Outgoing::from(&secret).uncompressed(), false).unwrap();
        end.connection.send_fragment(&secret, false).unwrap();
        end.connection.send_fragment(Outgoing::from(&secret).uncompressed(), true).unwrap();
        end.connection.send(&secret).unwrap();
        let wire = end.write_all();
        let lengths: Vec<_> = frames(&wire).iter().map(|frame| frame.payload.len()).collect();
        // A block's header, and what ends a flush, whole or without its tail.
        assert_eq!((lengths[1], lengths[3]), (secret.len() + 10, secret.len() + 6), "{role:?}");
        // And nothing refers to them: the third is no shorter than the first, the next message about as long.
        assert_eq!(lengths[2], lengths[0], "{role:?}");
        assert!(lengths[4] + 4 >= lengths[0], "{role:?}: {lengths:?}");
        let seen = Judge::new(role, &Deflate::new()).read(&wire);
        assert_eq!(seen, [(secret.repeat(4).into_bytes(), true), (secret.clone().into_bytes(), true)]);
    }
}

#[test]
fn d_18_what_is_not_to_be_compressed_is_not() {
    let secret = "token=31415926535897932384626433832795".repeat(9);
    for role in ROLES {
        let mut end = end(role, Config::new().deflate(Deflate::new()));
        let connection = &mut end.connection;
        connection.send(Outgoing::from(&secret).uncompressed()).unwrap();
        connection.send_fragment(Outgoing::from(&secret).uncompressed(), false).unwrap();
        connection.send_fragment(&secret, true).unwrap();
        connection.send_prepared(&PreparedMessage::text(&secret).uncompressed()).unwrap();
        connection.send("x".repeat(63)).unwrap(); // under the threshold
        connection.send(&secret).unwrap();
        let seen = Judge::new(role, &Deflate::new()).read(&end.write_all());
        let twice = (secret.repeat(2).into_bytes(), false);
        let (plain, short) = ((secret.clone().into_bytes(), false), (vec![b'x'; 63], false));
        // Had the last one a reference to any of the others, the judge could not read it.
        assert_eq!(seen, [plain.clone(), twice, plain, short, (secret.clone().into_bytes(), true)]);
    }
    // Compression is off unless a configuration turns it on.
    let mut server = End::new(Role::Server, Config::new());
    server.connection.send(&secret).unwrap();
    assert_eq!(frames(&server.write_all())[0].payload, secret.as_bytes());
}

/// And what one has sent is nothing that another refers to.
#[test]
fn d_15_no_context_leaks_from_one_sender_to_another() {
    for deflate in [Deflate::new(), Deflate::new().server_no_context_takeover(true)] {
        for _ in 0..5 {
            let config = Config::new().deflate(deflate.clone());
            let mut end = End::agreed(Role::Server, config, agreement(&deflate));
            let said = "the same in each connection, ".repeat(5);
            end.connection.send(&said).unwrap();
            let seen = Judge::new(Role::Server, &deflate).read(&end.write_all());
            assert_eq!(seen, [(said.into_bytes(), true)]);
        }
    }
}

/// After a prepared message the peer's window holds what our compressor never saw.
#[test]
fn d_15_prepared_messages_do_not_desynchronise() {
    let prepared = PreparedMessage::text("tick tock ".repeat(20));
    let plain = prepared.payload();
    for (level, role, agreed) in every_way() {
        let own = Deflate::new().level(level).threshold(0);
        let mut end = End::agreed(role, Config::new().deflate(own), agreement(&agreed));
        let mut judge = Judge::new(role, &agreed);
        for i in 0..6 {
            let own = format!("{i}: tick tock, says the clock, tick tock ").repeat(3);
            end.connection.send(&own).unwrap();
            end.connection.send_prepared(&prepared).unwrap();
            if i % 2 == 0 {
                end.release_buffers();
            }
            let seen = judge.read(&end.write_all());
            assert_eq!(
                seen,
                [(own.into_bytes(), true), (plain.to_vec(), true)],
                "{level} {role:?} {agreed:?}"
            );
        }
    }
}
