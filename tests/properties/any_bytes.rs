//! What an endpoint makes of the bytes that it receives, whatever they are and however they are cut.

use super::{Kind, config, role, size};
use crate::reference::Reference;
use crate::reference::received::{self, Way};
use crate::support::delivery::Delivery;
use crate::support::random::Xorshift;
use crate::support::wire::{close_payload, frame, peer_key};
use proptest::prelude::*;
use sansocket::Role;

/// A stretch of the stream towards an endpoint.
#[derive(Clone, Debug)]
enum Stretch {
    Message {
        kind: Kind,
        fragments: Vec<Vec<u8>>,
        controls: Vec<(u8, Vec<u8>)>,
    },
    /// Text that need not be one.
    Text(Vec<u8>),
    Large(Kind, usize, u64),
    Frame(u8, Vec<u8>),
    Close(u16, String),
    Raw(Vec<u8>),
}

fn stretch() -> impl Strategy<Value = Stretch> {
    let payload = || prop::collection::vec(prop_oneof![3 => Just(b'a'), 1 => any::<u8>()], 0..20);
    let ascii = || prop::collection::vec(b' '..=b'~', 0..140);
    let broken_text = prop::collection::vec(
        prop::sample::select(vec![
            &b"a"[..],
            b"\xC3\xA9",
            b"\xE2\x82\xAC",
            b"\xF0\x9F\x98\x80",
            b"\xE2\x82",
            b"\x80",
        ]),
        0..6,
    );
    let message = |kind| {
        let controls = prop::collection::vec((prop::sample::select(vec![0x89, 0x8A]), payload()), 0..3);
        (prop::collection::vec(ascii(), 1..4), controls)
            .prop_map(move |(fragments, controls)| Stretch::Message { kind, fragments, controls })
    };
    let code = prop::sample::select(vec![999, 1000, 1004, 1014, 1015, 3000, 4999, 5000]);
    prop_oneof![
        6 => message(Kind::Text),
        6 => message(Kind::Binary),
        4 => broken_text.prop_map(|pieces| Stretch::Text(pieces.concat())),
        2 => (any::<bool>(), size(), any::<u64>()).prop_map(|(text, size, seed)| {
            Stretch::Large(if text { Kind::Text } else { Kind::Binary }, size, seed)
        }),
        1 => (any::<u8>(), payload()).prop_map(|(first, payload)| Stretch::Frame(first, payload)),
        1 => (code, "[a-zé]{0,9}").prop_map(|(code, reason)| Stretch::Close(code, reason)),
        1 => prop::collection::vec(any::<u8>(), 0..30).prop_map(Stretch::Raw),
    ]
}

impl Stretch {
    fn wire(&self, key: Option<[u8; 4]>) -> Vec<u8> {
        match self {
            Self::Message { kind, fragments, controls } => {
                let mut wire = Vec::new();
                for (i, fragment) in fragments.iter().enumerate() {
                    let fin = if i + 1 == fragments.len() { 0x80 } else { 0 };
                    let opcode = if i > 0 { 0 } else { *kind as u8 + 1 };
                    wire.extend(frame(fin | opcode, key, fragment));
                    if let Some((first, payload)) = controls.get(i) {
                        wire.extend(frame(*first, key, payload));
                    }
                }
                wire
            }
            Self::Text(payload) => frame(0x81, key, payload),
            Self::Large(kind, size, seed) => {
                let message = kind.message(*size, &mut Xorshift::new(*seed));
                frame(0x81 + *kind as u8, key, message.as_bytes())
            }
            Self::Frame(first, payload) => frame(*first, key, payload),
            Self::Close(code, reason) => frame(0x88, key, &close_payload(*code, reason)),
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}

/// A stream that mostly keeps to the protocol; in half of the cases one bit of it is turned over.
fn stream() -> impl Strategy<Value = (Role, Vec<u8>)> {
    let flip = prop::option::of((any::<prop::sample::Index>(), 0..8));
    (role(), prop::collection::vec(stretch(), 0..8), flip).prop_map(|(role, stretches, flip)| {
        let mut wire: Vec<u8> = stretches.iter().flat_map(|stretch| stretch.wire(peer_key(role))).collect();
        if let Some((index, bit)) = flip
            && !wire.is_empty()
        {
            let index = index.index(wire.len());
            wire[index] ^= 1_u8 << bit;
        }
        (role, wire)
    })
}

fn limits(role: Role) -> impl Strategy<Value = Reference> {
    let size = || prop_oneof![2 => Just(16_u64 << 20), 1 => 0_u64..1_000];
    let fragments = prop_oneof![2 => Just(65_536), 1 => 0_u32..4];
    (size(), size(), fragments).prop_map(move |(max_frame_size, max_message_size, max_fragments)| Reference {
        role,
        max_frame_size,
        max_message_size,
        max_fragments,
    })
}

fn stream_and_limits() -> impl Strategy<Value = (Reference, Vec<u8>)> {
    stream().prop_flat_map(|(role, bytes)| (limits(role), Just(bytes)))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn cutting_never_changes_what_comes_out((reference, bytes) in stream_and_limits(), seed: u64) {
        let mut ways = vec![
            (Delivery::Whole, Way::Read),
            (Delivery::RandomCuts(seed), Way::Receive),
            (Delivery::RandomCuts(seed), Way::Mixed(seed)),
        ];
        if bytes.len() < 10_000 {
            ways.extend([(Delivery::ByteByByte, Way::Read), (Delivery::ByteByByte, Way::Mixed(seed))]);
        }
        received::alike(&reference, &bytes, &ways).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn any_stream_is_judged_as_the_reference_does((reference, bytes) in stream_and_limits(), seed: u64) {
        let (delivery, way) = (Delivery::RandomCuts(seed), Way::Mixed(seed));
        received::judged(&reference, &bytes, delivery, way).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn any_bytes_at_all_are_judged_as_the_reference_does(
        role in role(),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        received::judged(&Reference::strict(role), &bytes, Delivery::ByteByByte, Way::Read)
            .map_err(TestCaseError::fail)?;
    }

    #[test]
    fn the_parts_of_a_streamed_message_are_the_message(
        (reference, bytes) in stream_and_limits(),
        seed: u64,
    ) {
        for delivery in [Delivery::Whole, Delivery::RandomCuts(seed)] {
            received::streamed(&reference, &bytes, delivery, Way::Mixed(seed)).map_err(TestCaseError::fail)?;
        }
    }
}
