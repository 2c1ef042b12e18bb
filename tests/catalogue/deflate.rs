//! permessage-deflate (RFC 7692).

use crate::DELIVERIES;
use crate::frames::{Case, ROLES, check, delivers, fails, fails_after, ping, text};
use crate::memory;
use crate::support::deflate::Piece::{Literals, Match};
use crate::support::deflate::{Deflate as ByHand, fixed_literals};
use crate::support::delivery::Delivery;
use crate::support::end::{End, Seen};
use crate::support::inflate::{self, Inflated};
use crate::support::random::Xorshift;
use crate::support::wire::{RawFrame, frame, frames, peer_key};
use bytes::Buf;
use sansocket::deflate::Params;
use sansocket::{
    Agreement, Config, Connection, Deflate, Outgoing, PreparedMessage, ProtocolError, Role, SendError,
};
use std::thread;
use zlib_rs::{DeflateFlush, Status};

mod offers {
    use crate::hs::{R0, accepted, accepted_with, check, with};
    use sansocket::handshake::server::Options;
    use sansocket::{Config, Deflate};

    const MALFORMED: [&str; 22] = [
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=+9",
        "server_max_window_bits=0x9",
        "server_max_window_bits=10.0",
        "server_max_window_bits=-9",
        "server_max_window_bits=100000000000000000000",
        "server_max_window_bits=\"16\"",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "client_max_window_bits; client_max_window_bits",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "unknown",
        "unknown=1; server_no_context_takeover",
        "Server_No_Context_Takeover",
    ];

    fn to_server<S: AsRef<str>>(
        deflate: Deflate,
        offers: impl IntoIterator<Item = S>,
    ) -> Vec<crate::hs::Case> {
        let options = Options::new().config(Config::new().deflate(deflate));
        with(options, R0.and_field("Sec-WebSocket-Extensions", offers))
    }

    fn offered<S: AsRef<str>>(offers: impl IntoIterator<Item = S>) -> Vec<crate::hs::Case> {
        to_server(Deflate::new(), offers)
    }

    fn answered(params: &str) -> crate::hs::Expected {
        accepted_with(&format!("Sec-WebSocket-Extensions: permessage-deflate{params}"))
    }

    rows! {
        d_01_a_plain_offer {
            offered(["permessage-deflate", " permessage-deflate ,", "permessage-deflate; client_max_window_bits"])
                => answered("");
            offered(["x-foo, permessage-deflate", "x-foo; a=1\r\nSec-WebSocket-Extensions: permessage-deflate"])
                => answered("");
            with(Options::new(), R0.and_field("Sec-WebSocket-Extensions", ["permessage-deflate"])) => accepted();
            offered(["x-foo", "permessage-deflate-frame", "Permessage-Deflate"]) => accepted();
            with(Options::new().config(Config::new().deflate(Deflate::new())), [R0.0]) => accepted();
        }
        d_01_context_takeover {
            offered(["permessage-deflate; server_no_context_takeover"])
                => answered("; server_no_context_takeover");
            offered(["permessage-deflate; client_no_context_takeover"])
                => answered("; client_no_context_takeover");
            offered(["permessage-deflate;client_no_context_takeover ; server_no_context_takeover"])
                => answered("; server_no_context_takeover; client_no_context_takeover");
            to_server(Deflate::new().server_no_context_takeover(true), ["permessage-deflate"])
                => answered("; server_no_context_takeover");
            to_server(Deflate::new().client_no_context_takeover(true), ["permessage-deflate"])
                => answered("; client_no_context_takeover");
        }
        d_01_the_servers_window {
            offered(["permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=\"15\""])
                => answered("; server_max_window_bits=15");
            offered(["permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=\"1\\0\""])
                => answered("; server_max_window_bits=10");
            offered(["permessage-deflate; server_max_window_bits=8"]) => answered("; server_max_window_bits=8");
            to_server(Deflate::new().server_max_window_bits(9), ["permessage-deflate; server_max_window_bits=12"])
                => answered("; server_max_window_bits=9");
            to_server(Deflate::new().server_max_window_bits(9), ["permessage-deflate"])
                => answered("; server_max_window_bits=9");
        }
        d_01_the_clients_window {
            offered(["permessage-deflate; client_max_window_bits=8"]) => answered("; client_max_window_bits=8");
            offered(["permessage-deflate; client_max_window_bits=\"10\""]) => answered("; client_max_window_bits=10");
            to_server(Deflate::new().client_max_window_bits(9), ["permessage-deflate; client_max_window_bits"])
                => answered("; client_max_window_bits=9");
            to_server(Deflate::new().client_max_window_bits(9), ["permessage-deflate; client_max_window_bits=8"])
                => answered("; client_max_window_bits=8");
            // It cannot be told.
            to_server(Deflate::new().client_max_window_bits(9), ["permessage-deflate"]) => accepted();
        }
        d_01_malformed_offers_are_declined {
            offered(MALFORMED.map(|params| format!("permessage-deflate; {params}"))) => accepted();
            offered(MALFORMED.map(|params| format!("permessage-deflate; {params}, permessage-deflate; {params}")))
                => accepted();
        }
        d_01_the_first_good_offer_counts {
            offered(MALFORMED.map(|params| {
                format!("permessage-deflate; {params}, permessage-deflate; server_max_window_bits=9, permessage-deflate")
            })) => answered("; server_max_window_bits=9");
            offered(MALFORMED.map(|params| {
                format!("permessage-deflate; {params}\r\nSec-WebSocket-Extensions: permessage-deflate")
            })) => answered("");
        }
    }
}

mod answers {
    use crate::hc::{Case, R101, check, configured, fails, open_compressed};
    use sansocket::{Config, Deflate, HandshakeError};

    fn answered<S: AsRef<str>>(deflate: Deflate, answers: impl IntoIterator<Item = S>) -> Vec<Case> {
        configured(&Config::new().deflate(deflate), R101.and_field("Sec-WebSocket-Extensions", answers))
    }

    fn wrong() -> crate::hc::Expected {
        fails(HandshakeError::Extension("".into()))
    }

    rows! {
        hc_07_answers_to_an_offer {
            configured(&Config::new().deflate(Deflate::new()), [R101.0]) => open_compressed("");
            answered(Deflate::new(), ["permessage-deflate", ", permessage-deflate\t"])
                => open_compressed("permessage-deflate");
            answered(Deflate::new(), ["permessage-deflate; client_max_window_bits=\"8\";server_no_context_takeover"])
                => open_compressed("permessage-deflate; server_no_context_takeover; client_max_window_bits=8");
            answered(Deflate::new(), ["permessage-deflate; server_max_window_bits=15; client_no_context_takeover"])
                => open_compressed("permessage-deflate; client_no_context_takeover; server_max_window_bits=15");
            answered(Deflate::new().client_max_window_bits(9), ["permessage-deflate; client_max_window_bits=12"])
                => open_compressed("permessage-deflate; client_max_window_bits=12");
        }
        hc_07_malformed_answers_to_an_offer {
            answered(Deflate::new(), [
                "", ",", "x-foo", "permessage-deflate, x-foo", "permessage-deflate, permessage-deflate",
                "permessage-deflate\r\nSec-WebSocket-Extensions: permessage-deflate",
                "permessage-deflate\r\nSec-WebSocket-Extensions: ", "permessage-deflate; unknown", "permessage-deflate;",
                "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
                "permessage-deflate; server_no_context_takeover=1", "permessage-deflate; client_no_context_takeover=1",
                "permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=7",
                "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=08",
                "permessage-deflate; server_max_window_bits=-1", "permessage-deflate; server_max_window_bits=abc",
                "permessage-deflate; server_max_window_bits=100000000000000000000",
                "permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=16",
                "permessage-deflate; client_max_window_bits=08", "Permessage-deflate", "permessage-deflate; =",
            ]) => wrong();
        }
        hc_07_answers_that_do_not_grant_what_was_asked_for {
            answered(Deflate::new().server_no_context_takeover(true), [
                "permessage-deflate", "permessage-deflate; client_no_context_takeover",
            ]) => wrong();
            answered(Deflate::new().server_max_window_bits(10), [
                "permessage-deflate", "permessage-deflate; server_max_window_bits=11",
            ]) => wrong();
            answered(Deflate::new().server_max_window_bits(10), ["permessage-deflate; server_max_window_bits=9"])
                => open_compressed("permessage-deflate; server_max_window_bits=9");
        }
    }
}

const HELLO: &str = "C1 87 K F2 48 CD C9 C9 07 00";
const HELLO_AGAIN: &str = "C1 85 K F2 00 11 00 00";

rows! {
    d_02_a_compressed_message {
        compressed([HELLO]) => delivers([text("Hello")]);
        compressed(["C2 87 K F2 48 CD C9 C9 07 00"]) => delivers([Seen::Binary(b"Hello".into())]);
        compressed(["41 83 K F2 48 CD | 80 84 K C9 C9 07 00"]) => delivers([text("Hello")]); // §7.2.3.1
        compressed(["C1 8D K F2 48 05 00 00 00 FF FF CA C9 C9 07 00"]) => delivers([text("Hello")]); // §7.2.3.5
        compressed(["81 85 K 48 65 6C 6C 6F"]) => delivers([text("Hello")]); // as it is
        compressed([HELLO.to_owned() + "|" + HELLO + "| 81 81 K 61"])
            => delivers([text("Hello"), text("Hello"), text("a")]);
    }
    d_03_context_takeover {
        compressed([format!("{HELLO} | {HELLO_AGAIN}")]) => delivers([text("Hello"), text("Hello")]);
        compressed([format!("{HELLO} | 81 81 K 61 | 89 80 K | {HELLO_AGAIN}")])
            => delivers([text("Hello"), text("a"), ping(""), text("Hello")]); // what is not compressed does not count
    }
    d_04_stored_blocks {
        compressed(["C1 8B K 00 05 00 FA FF 48 65 6C 6C 6F 00"]) => delivers([text("Hello")]);
    }
    d_05_empty_messages {
        compressed(["C1 81 K 00", "C1 80 K", "41 80 K | 80 80 K", "41 80 K | 80 81 K 00", "41 81 K 00 | 80 80 K"])
            => delivers([text("")]);
        compressed([format!("C1 80 K | {HELLO} | C1 81 K 00 | {HELLO_AGAIN} | C2 80 K | {HELLO_AGAIN}")])
            => delivers([text(""), text("Hello"), text(""), text("Hello"), Seen::Binary(vec![]), text("Hello")]);
    }

    d_06_broken_data {
        compressed(["C1 81 K 07 !", "C1 81 K 06 !", "C1 82 K 07 ! 00", "41 81 K 07 !"]) => fails(1007);
        compressed(["C1 8B K 00 05 00 FA FE ! 48 65 6C 6C 6F 00"]) => fails(1007); // LEN and NLEN
        hand(&over_subscribed()) => fails(1007);
        hand(&incomplete()) => fails(1007);
        hand(&no_end_of_block()) => fails(1007);
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
        compressed(["C1 88 K F2 48 CD C9 C9 07 00 00", "C1 83 K 00 00 00"]) => fails(1007); // half an empty block more
    }

    d_08_final_blocks {
        compressed(["C1 88 K F3 48 CD C9 C9 07 00 00"]) => delivers([text("Hello")]); // §7.2.3.4
        compressed(["C1 87 K F3 48 CD C9 C9 07 00"]) => delivers([text("Hello")]); // and nothing behind
        hand(&a_and_b()) => delivers([text("AB")]);
        in_two_frames(&a_and_b()) => delivers([text("AB")]);
        compressed([format!("C1 88 K F3 48 CD C9 C9 07 00 00 | {HELLO} | {HELLO_AGAIN}")])
            => delivers([text("Hello"), text("Hello"), text("Hello")]);
        compressed([format!("C1 87 K F3 48 CD C9 C9 07 00 | {HELLO_AGAIN}")]) => fails_after([text("Hello")], 1007);
        compressed(["C1 88 K F3 48 CD C9 C9 07 00 07", "C1 8C K F3 48 CD C9 C9 07 00 F2 00 11 00 00"])
            => fails(1007); // garbage; a reference to before the final block
        hand(&finals(1_024)) => delivers([text("")]);
        hand(&finals(1_025)) => fails(1008);
    }

    d_11_rsv1_where_it_means_nothing {
        compressed(["C9 80 ! K", "C8 80 ! K", "CA 80 ! K", "C9 81 ! K 00"]) => fails(1002);
        compressed(["41 83 K F2 48 CD | C0 84 ! K C9 C9 07 00", "01 81 K 61 | C0 81 ! K 61"]) => fails(1002);
        compressed(["41 83 K F2 48 CD | 40 84 ! K C9 C9 07 00"]) => fails(1002);
    }
    f_02_rsv2_and_rsv3_with_the_extension { compressed(["A1 80 K", "91 80 K", "E1 80 K", "D1 80 K"]) => fails(1002); }
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
        hand(&ByHand::default().stored(false, "\u{1F600}".as_bytes()).message()) => delivers([text("\u{1F600}")]);
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

/// A final block with "A", and another stream with "B".
fn a_and_b() -> Vec<u8> {
    ByHand::default().fixed(true, &[Literals(b"A")]).align().fixed(false, &[Literals(b"B")]).message()
}

/// So many empty final blocks.
fn finals(count: usize) -> Vec<u8> {
    (0..count).fold(ByHand::default(), |data, _| data.fixed(true, &[]).align()).message()
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
                end.connection.receive(&wire[..1]); // its receive buffer is there
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
                            end.connection.release_buffers();
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
    // §7.2.3.2: the second "Hello" refers to the first, in one of several ways; §7.2.3.6: an empty message is one
    // byte.
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

/// Who finds the compressed form larger, sends the plain one, and lets the compressor remember it, refers the peer
/// to what it never saw. Ours sends whatever it compressed.
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
                end.connection.release_buffers();
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
