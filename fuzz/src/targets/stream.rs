//! What an endpoint makes of a stream, however it is cut and whichever calls deliver it, against the reference.

use super::{delivery, octet, octets};
use crate::reference::Reference;
use crate::reference::received::{self, Way};
use crate::support::choices::Choices;
use crate::support::delivery::Delivery;
use crate::support::wire::{close_payload, frame, peer_key};
use sansocket::Role;
use sansocket::frame::inspect::{Inspected, Inspector};

/// More than this is not generated.
const LONGEST: usize = 100_000;

pub(super) fn run(role: Role, data: &[u8]) {
    let mut choices = Choices::from_bytes(data);
    let reference = limits(role, &mut choices);
    let (delivery, seed) = (delivery(&mut choices), u64::from(octet(&mut choices)));
    let wire = match choices.below(2) {
        0 => choices.rest().to_vec(),
        _ => generated(role, &mut choices),
    };
    // Many small pieces of much are slow, and show nothing that few of little do not.
    let delivery = if wire.len() > 4_000 { Delivery::RandomCuts(seed) } else { delivery };
    let ways = [(delivery, Way::Read), (delivery, Way::Mixed(seed))];
    received::alike(&reference, &wire, &ways).unwrap();
    received::judged(&reference, &wire, Delivery::Whole, Way::Receive).unwrap();
    received::streamed(&reference, &wire, delivery, Way::Mixed(seed)).unwrap();
    let log = logged(&wire, Delivery::Whole);
    assert_eq!(log, logged(&wire, delivery));
    assert!(log.iter().all(|frame| !frame.to_string().is_empty()));
}

/// The wire log of what comes.
fn logged(wire: &[u8], delivery: Delivery) -> Vec<Inspected> {
    let mut inspector = Inspector::new();
    delivery.pieces(wire).into_iter().flat_map(|piece| inspector.inspect(piece)).collect()
}

fn limits(role: Role, choices: &mut Choices<'_>) -> Reference {
    let sizes = [16 << 20, 0, 1, 125, 300, 1_000, 65_535, 65_536];
    Reference {
        role,
        max_frame_size: choices.pick(&sizes),
        max_message_size: choices.pick(&sizes),
        max_fragments: choices.pick(&[65_536, 0, 1, 3]),
    }
}

/// Frames that mostly keep to the protocol: what they are, and what is in them, stands in the input.
fn generated(role: Role, choices: &mut Choices<'_>) -> Vec<u8> {
    let mut wire = Vec::new();
    while !choices.is_over() && wire.len() < LONGEST {
        let key = match choices.below(16) {
            0..=7 => peer_key(role),
            8..=14 => peer_key(role).map(|_| [0; 4].map(|_: u8| octet(choices))),
            // The other role's frames.
            _ => peer_key(role.peer()),
        };
        let first = choices.pick(&[0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A]);
        match choices.below(16) {
            0..=5 => wire.extend(frame(first, key, &text(choices))),
            6..=9 => {
                let len = choices.below(160);
                wire.extend(frame(first, key, &octets(choices, len)));
            }
            10 => {
                let len = length(choices);
                wire.extend(frame(first, key, &choices.payload(len)));
            }
            11 => {
                let len = length(choices);
                wire.extend(frame(first, key, choices.text(len).as_bytes()));
            }
            12 => {
                let code =
                    choices.pick(&[1000, 999, 1004, 1005, 1006, 1014, 1015, 1016, 2999, 3000, 4999, 5000]);
                let reason = text(choices);
                wire.extend(frame(0x88, key, &[&close_payload(code, "")[..], &reason].concat()));
            }
            13 => {
                let (first, len) = (octet(choices), choices.below(8));
                wire.extend(frame(first, key, &octets(choices, len)));
            }
            14 => wire.extend(header(first, key, choices)),
            _ => {
                let len = choices.below(20);
                wire.extend(octets(choices, len));
            }
        }
    }
    wire
}

/// Around the thresholds of frames more often than elsewhere; most are small.
fn length(choices: &mut Choices<'_>) -> usize {
    let most = choices.pick(&[300, 300, 300, 300, 300, 300, 5_000, 70_000]);
    choices.len(most)
}

/// Pieces of characters, mostly whole ones.
fn text(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..choices.below(12) {
        let piece = choices.pick(&[
            &b"a"[..],
            b"\xC3\xA9",
            b"\xE2\x82\xAC",
            b"\xF0\x9F\x98\x80",
            b"\xE2\x82",
            b"\xF0\x9F",
            b"\x80",
            b"\xAC",
            b"sixteen letters.",
            b"\xED\xA0\x80",
            b"\xF4\x90",
            b"\xC0",
        ]);
        text.extend_from_slice(piece);
    }
    text
}

/// A length in whatever form, and not much of the payload.
fn header(first: u8, key: Option<[u8; 4]>, choices: &mut Choices<'_>) -> Vec<u8> {
    let form = choices.pick(&[126, 127]);
    let len =
        choices.pick(&[125, 126, 0xFFFF, 0x1_0000, 1 << 24, 1 << 62, (1 << 63) - 1, 1 << 63, 0, u64::MAX]);
    let mut wire = vec![first, form | if key.is_some() { 0x80 } else { 0 }];
    let bytes = len.to_be_bytes();
    wire.extend_from_slice(if form == 126 { &bytes[6..] } else { &bytes });
    wire.extend(key.into_iter().flatten());
    let present = choices.below(130);
    wire.extend(octets(choices, present));
    wire
}
