//! permessage-deflate (RFC 7692).

use crate::DELIVERIES;
use crate::frames::{Case, ROLES, check, delivers, fails, fails_after, ping, text};
use crate::memory;
use crate::support::deflate::Piece::{Literals, Match};
use crate::support::deflate::{Deflate as ByHand, fixed_literals};
use crate::support::delivery::Delivery;
use crate::support::end::{End, Seen};
use crate::support::inflate;
use crate::support::random::Xorshift;
use crate::support::wire::{frame, frames, peer_key};
use bytes::Buf;
use sansocket::{Agreement, Config, Connection, Deflate, Keepalive, ProtocolError, Role};
use std::thread;
use std::time::{Duration, Instant};
use zlib_rs::{DeflateFlush, Status};

#[path = "deflate/documented_memory.rs"]
mod documented_memory;
#[path = "deflate/negotiation.rs"]
mod negotiation;
#[path = "deflate/sending.rs"]
mod sending;

const HELLO: &str = "C1 87 K F2 48 CD C9 C9 07 00";
const HELLO_AGAIN: &str = "C1 85 K F2 00 11 00 00";

rows! {
    d_02_a_compressed_message {
        compressed([HELLO]) => delivers([text("Hello")]);
        compressed(["C2 87 K F2 48 CD C9 C9 07 00"]) => delivers([Seen::Binary(b"Hello".into())]);
        compressed(["41 83 K F2 48 CD | 80 84 K C9 C9 07 00"]) => delivers([text("Hello")]); // §7.2.3.1
        // §7.2.3.5
        compressed(["C1 8D K F2 48 05 00 00 00 FF FF CA C9 C9 07 00"]) => delivers([text("Hello")]);
        compressed(["81 85 K 48 65 6C 6C 6F"]) => delivers([text("Hello")]); // as it is
        compressed([HELLO.to_owned() + "|" + HELLO + "| 81 81 K 61"])
            => delivers([text("Hello"), text("Hello"), text("a")]);
    }
    d_03_context_takeover {
        compressed([format!("{HELLO} | {HELLO_AGAIN}")]) => delivers([text("Hello"), text("Hello")]);
        // What is not compressed does not count.
        compressed([format!("{HELLO} | 81 81 K 61 | 89 80 K | {HELLO_AGAIN}")])
            => delivers([text("Hello"), text("a"), ping(""), text("Hello")]);
    }
    d_04_stored_blocks {
        compressed(["C1 8B K 00 05 00 FA FF 48 65 6C 6C 6F 00"]) => delivers([text("Hello")]);
    }
    d_05_empty_messages {
        compressed(["C1 81 K 00", "C1 80 K"]) => delivers([text("")]);
        compressed(["41 80 K | 80 80 K", "41 80 K | 80 81 K 00", "41 81 K 00 | 80 80 K"])
            => delivers([text("")]);
        compressed([format!("C1 80 K | {HELLO} | C1 81 K 00 | {HELLO_AGAIN} | C1 80 K | {HELLO_AGAIN}")])
            => delivers(["", "Hello", "", "Hello", "", "Hello"].map(text));
    }

    d_06_broken_data {
        compressed(["C1 81 K 07 !", "C1 81 K 06 !", "C1 82 K 07 ! 00", "41 81 K 07 !"]) => fails(1007);
        compressed(["C1 8B K 00 05 00 FA FE ! 48 65 6C 6C 6F 00"]) => fails(1007); // LEN and NLEN
        hand(&over_subscribed()) => fails(1007);
        hand(&incomplete()) => fails(1007);
        hand(&no_end_of_block()) => fails(1007);
        hand(&first_lengths(257, 1, |data, code| data.symbol(code, 16).bits(0, 2))) => fails(1007); // nothing before
        hand(&first_lengths(257, 1, |data, code| (0..2).fold(data, |data, _| data.symbol(code, 18).bits(127, 7))))
            => fails(1007); // 276 lengths instead of 258
        hand(&first_lengths(287, 1, |data, _| data)) => fails(1007); // symbols that do not exist
        hand(&first_lengths(257, 31, |data, _| data)) => fails(1007);
        hand(&ByHand::default().header(false, 1).symbol(&fixed_literals(), 286).bits(0, 13).message())
            => fails(1007);
        hand(&ByHand::default().header(false, 1).symbol(&fixed_literals(), 257).symbol(&[5; 32], 30).message())
            => fails(1007);
        hand(&ByHand::default().fixed(false, &[Literals(b"a"), Match { length: 3, distance: 2 }]).message())
            => fails(1007); // before the start
        compressed([HELLO_AGAIN]) => fails(1007);
        compressed(["C1 80 K | C1 85 K F2 00 11 00 00"]) => fails_after([text("")], 1007);
    }
    d_06_a_message_ends_with_its_data {
        cut_off() => fails(1007);
        // The four bytes end another block, and some of their bits are left over.
        hand(&left_over()) => fails(1007);
        // Half an empty block more.
        compressed(["C1 88 K F2 48 CD C9 C9 07 00 00", "C1 83 K 00 00 00"]) => fails(1007);
    }

    d_08_final_blocks {
        compressed(["C1 88 K F3 48 CD C9 C9 07 00 00"]) => delivers([text("Hello")]); // §7.2.3.4
        compressed(["C1 87 K F3 48 CD C9 C9 07 00"]) => delivers([text("Hello")]); // and nothing behind
        hand(&a_and_b()) => delivers([text("AB")]);
        in_two_frames(&a_and_b()) => delivers([text("AB")]);
        compressed([format!("C1 88 K F3 48 CD C9 C9 07 00 00 | {HELLO} | {HELLO_AGAIN}")])
            => delivers([text("Hello"), text("Hello"), text("Hello")]);
        compressed([format!("C1 87 K F3 48 CD C9 C9 07 00 | {HELLO_AGAIN}")])
            => fails_after([text("Hello")], 1007);
        compressed(["C1 88 K F3 48 CD C9 C9 07 00 07", "C1 8C K F3 48 CD C9 C9 07 00 F2 00 11 00 00"])
            => fails(1007); // garbage; a reference to before the final block
        // The last block, of which four bytes are not sent, may be a final one.
        compressed([format!("{HELLO} | C1 81 K 01 | {HELLO_AGAIN}")])
            => fails_after([text("Hello"), text("")], 1007);
        compressed([format!("{HELLO} | C1 81 K 01 | {HELLO}")])
            => delivers([text("Hello"), text(""), text("Hello")]);
        hand(&finals(1_024)) => delivers([text("")]);
        hand(&finals(1_025)) => fails(1008);
    }

    d_14_rsv1_without_the_extension {
        [HELLO, "C1 87 ! K F2 48 CD C9 C9 07 00", "C1 80 ! K", "C2 81 ! K 00", "41 83 ! K F2 48 CD"]
            => fails(1002);
        ["81 85 K 48 65 6C 6C 6F | C1 81 ! K 00"] => fails_after([text("Hello")], 1002);
    }

    d_11_rsv1_where_it_means_nothing {
        compressed(["C9 80 ! K", "C8 80 ! K", "CA 80 ! K", "C9 81 ! K 00"]) => fails(1002);
        compressed(["41 83 K F2 48 CD | C0 84 ! K C9 C9 07 00", "01 81 K 61 | C0 81 ! K 61"]) => fails(1002);
        compressed(["41 83 K F2 48 CD | 40 84 ! K C9 C9 07 00"]) => fails(1002);
    }
    f_02_rsv2_and_rsv3_with_the_extension {
        compressed(["A1 80 K", "91 80 K", "E1 80 K", "D1 80 K"]) => fails(1002);
    }
    f_15_control_frames_between_compressed_fragments {
        compressed(["41 83 K F2 48 CD | 89 81 K 61 | 8A 80 K | 80 84 K C9 C9 07 00"])
            => delivers([ping("a"), Seen::Pong(vec![]), text("Hello")]);
        compressed(["41 83 K F2 48 CD | 89 81 K 61 | 00 80 K | 88 80 K | 80 84 K C9 C9 07 00"])
            => delivers([ping("a"), Seen::Close(None)]);
    }
    f_26_invalid_utf8_in_compressed_text {
        hand(&ByHand::default().stored(false, b"abc\xE2\x82").message()) => fails(1007);
        hand(&ByHand::default().stored(false, b"\xED\xA0\x80").message()) => fails(1007);
        compressed(["C1 FE 03 E8 K 00 E8 03 17 FC 61*9 FF !"]) => fails(1007); // at once
        hand(&ByHand::default().stored(false, "\u{1F600}".as_bytes()).message())
            => delivers([text("\u{1F600}")]);
    }
}

fn agreement(deflate: &Deflate) -> Agreement {
    Agreement::new().with_deflate(deflate.params())
}

fn under<S: Into<String>>(deflate: &Deflate, inputs: impl IntoIterator<Item = S>) -> Vec<Case> {
    inputs.into_iter().map(|input| Case { agreement: agreement(deflate), ..input.into().into() }).collect()
}

fn compressed<S: Into<String>>(inputs: impl IntoIterator<Item = S>) -> Vec<Case> {
    under(&Deflate::new(), inputs)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X} ")).collect()
}

/// This payload in one text frame.
fn hand(payload: &[u8]) -> Vec<Case> {
    let len = match u8::try_from(payload.len()) {
        Ok(len @ ..=125) => format!("{:02X}", 0x80 | len),
        _ => format!("FE {}", hex(&u16::try_from(payload.len()).unwrap().to_be_bytes())),
    };
    compressed([format!("C1 {len} K {}", hex(payload))])
}

/// This payload cut at each place.
fn in_two_frames(payload: &[u8]) -> Vec<Case> {
    let cut = |at| {
        let (first, rest) = payload.split_at(at);
        format!(
            "41 {:02X} K {} | 80 {:02X} K {}",
            0x80 | first.len(),
            hex(first),
            0x80 | rest.len(),
            hex(rest)
        )
    };
    compressed((0..=payload.len()).map(cut))
}

/// Lengths of 257 literals' codes, of which these have one.
fn literals(some: &[(usize, usize)]) -> Vec<usize> {
    let mut lengths = vec![0; 257];
    some.iter().for_each(|&(symbol, length)| lengths[symbol] = length);
    lengths
}

fn over_subscribed() -> Vec<u8> {
    let lengths = literals(&[(97, 1), (98, 1), (256, 1)]);
    ByHand::default().dynamic_codes(false, &lengths, &[1]).message()
}

fn incomplete() -> Vec<u8> {
    let lengths = literals(&[(97, 2), (98, 2), (256, 2)]);
    ByHand::default().dynamic_codes(false, &lengths, &[1]).message()
}

fn no_end_of_block() -> Vec<u8> {
    ByHand::default().dynamic_codes(false, &literals(&[(97, 1), (98, 1)]), &[1]).message()
}

/// A block of so many codes, of whose lengths the first are written in a code for 16 and 18, and zeros.
fn first_lengths(literals: usize, distances: usize, write: fn(ByHand, &[usize]) -> ByHand) -> Vec<u8> {
    let mut code = [0; 19];
    (code[16], code[18]) = (1, 1);
    write(ByHand::default().dynamic_header(false, literals, distances, &code), &code).bits(0, 64).message()
}

/// A final block with "A", and another stream with "B".
fn a_and_b() -> Vec<u8> {
    ByHand::default().fixed(true, &[Literals(b"A")]).align().fixed(false, &[Literals(b"B")]).message()
}

/// So many empty final blocks.
fn finals(count: usize) -> Vec<u8> {
    (0..count).fold(ByHand::default(), |data, _| data.fixed(true, &[]).align()).message()
}

/// A block whose codes end in the four bytes that are not sent, as does the block itself, a few bits before them.
fn left_over() -> Vec<u8> {
    let mut lengths = [0_usize; 19];
    let some = [(18, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (0, 7), (1, 7)];
    some.iter().for_each(|&(symbol, length)| lengths[symbol] = length);
    let zeros = |data: ByHand, count: usize| data.symbol(&lengths, 18).bits(count - 11, 7);
    let data = zeros(ByHand::default().dynamic_header(false, 257, 24, &lengths), 97).symbol(&lengths, 1);
    zeros(zeros(data, 138), 20).symbol(&lengths, 1).finish()
}

/// Messages that lack their last bytes.
fn cut_off() -> Vec<Case> {
    let codes = literals(&[(97, 1), (98, 2), (256, 2)]);
    let dynamic = ByHand::default().dynamic(false, &codes, &[1], &[Literals(b"abbaab")]).message();
    let fixed =
        ByHand::default().fixed(false, &[Literals(b"abc"), Match { length: 20, distance: 3 }]).message();
    let stored = ByHand::default().stored(false, b"abc").message();
    let whole = [dynamic, fixed, stored];
    let cut = whole.iter().flat_map(|message| (1..message.len()).map(|len| &message[..len]));
    cut.filter(|part| inflate::message(b"", part, 32_768).is_err()).flat_map(hand).collect()
}

#[test]
fn d_06_most_cuts_are_noticed_by_the_reference_too() {
    assert!(cut_off().len() >= 40, "{}", cut_off().len());
}

/// The other codec: what it makes of data, up to a flush.
struct Compressor(zlib_rs::Deflate);

impl Compressor {
    fn new(level: i32, window_bits: u8) -> Self {
        Self(zlib_rs::Deflate::new(level, false, window_bits))
    }

    /// The payload of a message.
    fn message(&mut self, data: &[u8]) -> Vec<u8> {
        let mut out = vec![0; data.len() + data.len() / 8 + 64];
        let before = self.0.total_out();
        let status = self.0.compress(data, &mut out, DeflateFlush::SyncFlush).unwrap();
        assert_eq!(status, Status::Ok);
        out.truncate(usize::try_from(self.0.total_out() - before).unwrap());
        assert_eq!(out.split_off(out.len() - 4), [0x00, 0x00, 0xFF, 0xFF]);
        out
    }
}

/// Every way in which a message may come: whole, and in fragments of so many bytes.
fn framed(role: Role, payload: &[u8], fragment: usize) -> Vec<u8> {
    let key = peer_key(role);
    let (mut wire, mut rest, mut opcode) = (Vec::new(), payload, 0x42);
    while rest.len() > fragment {
        let (part, more) = rest.split_at(fragment);
        wire.extend(frame(opcode, key, part));
        (rest, opcode) = (more, 0x00);
    }
    wire.extend(frame(0x80 | opcode, key, rest));
    wire
}

const MIB: usize = 1 << 20;

/// So many zeros as one payload, made piece by piece.
fn zeros(count: usize) -> Vec<u8> {
    let mut compressor = zlib_rs::Deflate::new(9, false, 15);
    let piece = vec![0; MIB];
    let (mut payload, mut out) = (Vec::new(), vec![0; 2 * MIB]);
    let mut left = count;
    while left > 0 {
        let n = left.min(piece.len());
        left -= n;
        let flush = if left == 0 { DeflateFlush::SyncFlush } else { DeflateFlush::NoFlush };
        let before = compressor.total_out();
        compressor.compress(&piece[..n], &mut out, flush).unwrap();
        payload.extend_from_slice(&out[..usize::try_from(compressor.total_out() - before).unwrap()]);
    }
    payload.truncate(payload.len() - 4);
    payload
}

fn end(role: Role, config: Config) -> End {
    End::agreed(role, config, agreement(&Deflate::new()))
}

#[test]
fn d_07_each_direction_has_its_own_context() {
    let [server, client] =
        [Deflate::new().server_no_context_takeover(true), Deflate::new().client_no_context_takeover(true)];
    for (receiver, deflate, is_kept) in [
        (Role::Server, &client, false),
        (Role::Server, &server, true),
        (Role::Client, &server, false),
        (Role::Client, &client, true),
    ] {
        for delivery in DELIVERIES {
            let key = peer_key(receiver);
            let hello = frame(0xC1, key, b"\xF2\x48\xCD\xC9\xC9\x07\x00");
            let again = frame(0xC1, key, b"\xF2\x00\x11\x00\x00");
            let mut end = End::agreed(receiver, Config::new(), agreement(deflate));
            delivery.pieces(&[hello, again].concat()).into_iter().for_each(|piece| end.receive(piece));
            let expected = if is_kept { &[text("Hello"), text("Hello")][..] } else { &[text("Hello")] };
            assert_eq!(end.seen, expected, "{receiver:?} {deflate:?} {delivery:?}");
            assert_eq!(end.error.is_none(), is_kept, "{receiver:?} {deflate:?} {delivery:?}");
        }
    }
}

#[test]
fn d_09_bombs() {
    let max = 16 * MIB;
    for count in [max + MIB, 1 << 30] {
        let payload = zeros(count);
        for (role, fragment) in [(Role::Server, usize::MAX), (Role::Client, 50_000)] {
            let wire = framed(role, &payload, fragment);
            for streaming in [false, true] {
                let mut end = end(role, Config::new().streaming(streaming));
                // Its receive buffer is there, and all that a message may refer to.
                let noise = Compressor::new(1, 15).message(&Xorshift::new(1).bytes(40_000));
                end.receive(&framed(role, &noise, usize::MAX));
                end.release_buffers();
                end.connection.receive(&wire[..1]);
                let ((), peak) = memory::peak(|| {
                    for piece in wire[1..].chunks(4_096) {
                        end.connection.receive(piece);
                        while let Ok(Some(_)) = end.connection.poll_event() {}
                    }
                });
                assert_eq!(end.connection.poll_event().unwrap_err(), ProtocolError::MessageTooLarge);
                assert_eq!(&frames(&end.write_all())[0].payload[..2], 1009_u16.to_be_bytes());
                let most = if streaming { 64 << 10 } else { max };
                assert!(peak <= most + (64 << 10), "{count} {role:?} {streaming}: {peak}");
            }
        }
    }
}

#[test]
fn d_10_the_largest_message_to_the_byte() {
    let data = Xorshift::new(1).text(100_000);
    let payload = Compressor::new(6, 15).message(data.as_bytes());
    for role in ROLES {
        for streaming in [false, true] {
            for fragment in [usize::MAX, 1, 1_000] {
                for (max, fits) in [(data.len(), true), (data.len() - 1, false)] {
                    let config = Config::new().max_message_size(max as u64).streaming(streaming);
                    let mut end = end(role, config.max_fragments(u32::MAX));
                    end.receive(&framed(role, &payload, fragment));
                    assert_eq!(
                        end.error,
                        (!fits).then_some(ProtocolError::MessageTooLarge),
                        "{role:?} {fragment}"
                    );
                    if fits {
                        assert_eq!(binary(&end.seen), data.as_bytes(), "{role:?} {streaming} {fragment}");
                    }
                }
            }
        }
    }
    // A limit of zero lets only the empty message through.
    let mut server = end(Role::Server, Config::new().max_message_size(0));
    server.receive(&[framed(Role::Server, b"\0", 9), framed(Role::Server, b"", 9)].concat());
    assert_eq!((server.seen.len(), server.error), (2, None));
    server.receive(&framed(Role::Server, &Compressor::new(1, 15).message(b"a"), 9));
    assert_eq!(server.error, Some(ProtocolError::MessageTooLarge));
}

/// All of the one message that was seen, whole or in parts.
fn binary(seen: &[Seen]) -> Vec<u8> {
    let part = |seen: &Seen| match seen {
        Seen::Binary(bytes) | Seen::BinaryPart(bytes, _) => bytes.clone(),
        other => panic!("{other:?}"),
    };
    seen.iter().flat_map(part).collect()
}

#[test]
fn d_12_what_a_message_may_refer_to_does_not_depend_on_how_it_comes() {
    let data = Xorshift::new(2).bytes(1_000);
    for bits in 8..=15 {
        let window = 1 << bits;
        let deflate = Deflate::new().client_max_window_bits(bits);
        for (distance, is_right) in [(window.min(1_000), true), (window + 1, false)] {
            let first = ByHand::default().stored(false, &data).message();
            let second = ByHand::default().fixed(false, &[Match { length: 3, distance }]).message();
            let wire = [framed(Role::Server, &first, 99), framed(Role::Server, &second, 9)].concat();
            for delivery in DELIVERIES {
                for releases in [false, true] {
                    let mut end = End::agreed(Role::Server, Config::new(), agreement(&deflate));
                    for piece in delivery.pieces(&wire) {
                        end.receive(piece);
                        if releases {
                            end.release_buffers();
                        }
                    }
                    let context = format!("{bits} {distance} {delivery:?} {releases}");
                    if is_right {
                        let from = &data[1_000 - distance..][..3];
                        assert_eq!(
                            end.seen,
                            [Seen::Binary(data.clone()), Seen::Binary(from.into())],
                            "{context}"
                        );
                    } else {
                        assert_eq!(end.error, Some(ProtocolError::InvalidDeflate), "{context}");
                    }
                }
            }
        }
    }
}

/// RFC 7692 §7.2.2: without a limit each end "MUST use a 32,768-byte LZ77 sliding window to decompress
/// received messages"; and with one, a window of that size.
#[test]
fn d_12_a_message_may_refer_back_as_far_as_the_window_reaches() {
    let data = Xorshift::new(2).bytes(40_000);
    for (receiver, bits) in ROLES.into_iter().flat_map(|role| (8..=15).map(move |bits| (role, bits))) {
        let (deflate, distance) = (Deflate::new(), 1 << bits);
        let deflate = match receiver {
            Role::Server => deflate.client_max_window_bits(bits),
            Role::Client => deflate.server_max_window_bits(bits),
        };
        let first = ByHand::default().stored(false, &data).message();
        let second = ByHand::default().fixed(false, &[Match { length: 258, distance }]).message();
        let wire = [framed(receiver, &first, 9_999), framed(receiver, &second, 9)].concat();
        let back = &data[data.len() - distance..];
        let from: Vec<u8> = back.iter().cycle().take(258).copied().collect();
        for delivery in [DELIVERIES[0], DELIVERIES[2]] {
            for releases in [false, true] {
                let mut end = End::agreed(receiver, Config::new(), agreement(&deflate));
                for piece in delivery.pieces(&wire) {
                    end.receive(piece);
                    if releases {
                        end.release_buffers();
                    }
                }
                let expected = [Seen::Binary(data.clone()), Seen::Binary(from.clone())];
                assert!(end.seen == expected, "{receiver:?} {bits} {delivery:?} {releases}: {:?}", end.error);
            }
        }
    }
}

#[test]
fn d_13_a_small_limit() {
    let payload = Compressor::new(9, 15).message(&[b'a'; 4_096]);
    assert!(payload.len() <= 22);
    for role in ROLES {
        for delivery in DELIVERIES {
            let mut end = end(role, Config::new().max_message_size(128));
            delivery.pieces(&framed(role, &payload, 9)).into_iter().for_each(|piece| end.receive(piece));
            assert_eq!((&*end.seen, end.error), (&[][..], Some(ProtocolError::MessageTooLarge)));
        }
    }
}

/// What they cost: tests/linear.rs.
#[test]
fn d_19_many_blocks_need_little_stack() {
    let blocks = (0..20_000).fold(ByHand::default(), |data, _| data.fixed(false, &[Literals(b"a")]));
    let blocks = framed(Role::Server, &blocks.message(), usize::MAX);
    // Codes of all lengths up to 15 bits, for literals and distances.
    let mut codes = vec![0; 286];
    (0..14).for_each(|i| codes[i] = i + 1);
    (codes[14], codes[256]) = (15, 15);
    let distances: Vec<_> = (1..=14).chain([15, 15]).collect();
    let deep = (0..2_000)
        .fold(ByHand::default(), |data, _| data.dynamic(false, &codes, &distances, &[Literals(&[0, 7, 13])]));
    let deep = framed(Role::Server, &deep.message(), usize::MAX);
    let receive = move || {
        for delivery in [Delivery::Whole, Delivery::RandomCuts(1)] {
            let mut server = end(Role::Server, Config::new());
            delivery.pieces(&blocks).into_iter().for_each(|piece| server.receive(piece));
            delivery.pieces(&deep).into_iter().for_each(|piece| server.receive(piece));
            assert_eq!(server.error, None);
            assert_eq!(server.seen[0], Seen::Binary(vec![b'a'; 20_000]));
            assert_eq!(server.seen[1], Seen::Binary([0, 7, 13].repeat(2_000)));
        }
    };
    thread::Builder::new().stack_size(256 << 10).spawn(receive).unwrap().join().unwrap();
}

/// What one connection has received is no history of another's, though they share a decompressor.
#[test]
fn d_07_no_context_leaks_from_one_connection_to_another() {
    let secret = Xorshift::new(5).bytes(32_768);
    let payload = Compressor::new(6, 15).message(&secret);
    for deflate in [Deflate::new(), Deflate::new().client_no_context_takeover(true)] {
        for distance in [1, 2, 257, 4_096, 32_768] {
            for literals in [&b""[..], b"a"] {
                // It is the pool's now: given back, or dropped.
                let mut first = End::agreed(Role::Server, Config::new(), agreement(&deflate));
                first.receive(&framed(Role::Server, &payload, usize::MAX));
                assert_eq!(first.seen, [Seen::Binary(secret.clone())]);
                first.connection.release_buffers();

                let probe =
                    [Literals(literals), Match { length: 258, distance: distance.max(literals.len() + 1) }];
                let probe = ByHand::default().fixed(false, &probe).message();
                let mut second = End::agreed(Role::Server, Config::new(), agreement(&deflate));
                second.receive(&framed(Role::Server, &probe, usize::MAX));
                assert_eq!(second.error, Some(ProtocolError::InvalidDeflate), "{distance}");
            }
        }
    }
}

#[test]
fn d_17_what_an_idle_connection_keeps() {
    let payload = Compressor::new(1, 15).message(&Xorshift::new(6).bytes(10_000));
    let kept = |deflate: &Deflate| {
        let before = memory::live();
        let mut server = Connection::with_agreement(Role::Server, Config::new(), agreement(deflate));
        for _ in 0..9 {
            server.receive(&framed(Role::Server, &payload, usize::MAX));
            assert!(server.poll_event().unwrap().is_some());
        }
        server.send("Hello".repeat(1_000)).unwrap();
        let written = server.output().remaining();
        server.output().advance(written);
        server.release_buffers();
        memory::live() - before
    };
    kept(&Deflate::new()); // the thread keeps a compressor and a decompressor
    for bits in 8..=15 {
        let deflate = Deflate::new().client_max_window_bits(bits);
        let (with, without) = (kept(&deflate), kept(&deflate.client_no_context_takeover(true)));
        assert!(with <= (1 << bits) + 640 && without <= 640, "{bits}: {with}, {without}");
    }
}

#[test]
fn d_17_a_keepalive_ping_gives_the_compressor_back() {
    let keepalive = Keepalive { interval: Duration::from_secs(30), timeout: Duration::from_secs(10) };
    let config = Config::new().deflate(Deflate::new()).keepalive(keepalive);
    let message = "the same again, ".repeat(20);
    let mut server = end(Role::Server, config);
    let now = Instant::now();
    server.connection.handle_timeout(now);
    let length = |server: &mut End| {
        server.connection.send(&message).unwrap();
        frames(&server.write_all()).pop().unwrap().payload.len()
    };
    let (first, second) = (length(&mut server), length(&mut server));
    assert!(second < first);
    server.connection.handle_timeout(now + keepalive.interval);
    assert_eq!((length(&mut server), length(&mut server)), (first, second));
}

/// What comes out before the data goes wrong counts first: so the error does not depend on the delivery.
#[test]
fn d_06_what_is_wrong_first_is_what_is_reported() {
    let wrong = |start: &[u8]| ByHand::default().stored(false, start).header(false, 3).message();
    for delivery in DELIVERIES {
        for streaming in [false, true] {
            for (first, max, start, error) in [
                (0xC1, 99, &b"abc\xFF"[..], ProtocolError::InvalidUtf8),
                (0xC2, 2, b"abc", ProtocolError::MessageTooLarge),
                (0xC2, 3, b"abc", ProtocolError::InvalidDeflate),
            ] {
                let config = Config::new().max_message_size(max).streaming(streaming);
                let mut server = end(Role::Server, config);
                let wire = frame(first, peer_key(Role::Server), &wrong(start));
                delivery.pieces(&wire).into_iter().for_each(|piece| server.receive(piece));
                assert_eq!(server.error, Some(error), "{delivery:?} {streaming}");
            }
        }
    }
}
