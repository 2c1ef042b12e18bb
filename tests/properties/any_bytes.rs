//! What an endpoint makes of the bytes that it receives, whatever they are and however they are cut.

use super::{Kind, config, role, size};
use crate::reference::{Reference, Verdict};
use crate::support::delivery::Delivery;
use crate::support::end::{End, Seen};
use crate::support::random::Xorshift;
use crate::support::wire::{close_payload, frame, peer_key};
use proptest::prelude::*;
use sansocket::{Config, ProtocolError, Role};

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

/// What may be done to a connection while it receives. None of it may show.
#[derive(Clone, Copy, Debug)]
enum Way {
    Receive,
    Read,
    /// One or the other; now and then an event is owned, or the buffers are released.
    Mixed(u64),
}

/// Everything that an endpoint shows of what it received.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    seen: Vec<Seen>,
    error: Option<ProtocolError>,
    wire: Vec<u8>,
}

fn deliver(role: Role, config: &Config, bytes: &[u8], delivery: Delivery, way: Way) -> (End, Vec<u8>) {
    let mut end = End::new(role, config.clone());
    let mut wire = Vec::new();
    let mut random = Xorshift::new(if let Way::Mixed(seed) = way { seed } else { 0 });
    for piece in delivery.pieces(bytes) {
        end.owning = matches!(way, Way::Mixed(_)) && random.below(2) == 0;
        match (way, random.below(4)) {
            (Way::Receive, _) | (Way::Mixed(_), 0 | 1) => end.receive(piece),
            (Way::Read, _) | (Way::Mixed(_), _) => end.read(piece),
        }
        if matches!(way, Way::Mixed(_)) && random.below(2) == 0 {
            end.connection.release_buffers();
        }
        wire.extend(end.write_all());
    }
    (end, wire)
}

fn show((end, wire): (End, Vec<u8>)) -> Shown {
    Shown { seen: end.seen, error: end.error, wire }
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
        let shown = |delivery, way| show(deliver(reference.role, &reference.config(), &bytes, delivery, way));
        let whole = shown(Delivery::Whole, Way::Receive);
        prop_assert_eq!(&shown(Delivery::Whole, Way::Read), &whole);
        prop_assert_eq!(&shown(Delivery::RandomCuts(seed), Way::Receive), &whole);
        prop_assert_eq!(&shown(Delivery::RandomCuts(seed), Way::Mixed(seed)), &whole);
        if bytes.len() < 10_000 {
            prop_assert_eq!(&shown(Delivery::ByteByByte, Way::Read), &whole);
            prop_assert_eq!(&shown(Delivery::ByteByByte, Way::Mixed(seed)), &whole);
        }
    }

    #[test]
    fn any_stream_is_judged_as_the_reference_does((reference, bytes) in stream_and_limits(), seed: u64) {
        let (end, wire) =
            deliver(reference.role, &reference.config(), &bytes, Delivery::RandomCuts(seed), Way::Mixed(seed));
        reference.judge(&bytes).check(&end, &wire).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn any_bytes_at_all_are_judged_as_the_reference_does(
        role in role(),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let reference = Reference::strict(role);
        let (end, wire) = deliver(role, &reference.config(), &bytes, Delivery::ByteByByte, Way::Read);
        reference.judge(&bytes).check(&end, &wire).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn the_parts_of_a_streamed_message_are_the_message(
        (reference, bytes) in stream_and_limits(),
        seed: u64,
    ) {
        let config = reference.config().streaming(true);
        for delivery in [Delivery::Whole, Delivery::RandomCuts(seed)] {
            let (mut end, wire) = deliver(reference.role, &config, &bytes, delivery, Way::Mixed(seed));
            let (messages, begun) = joined(&end.seen);
            end.seen = messages;
            let judgement = reference.judge(&bytes);
            judgement.check(&end, &wire).map_err(TestCaseError::fail)?;
            let Some(kept) = judgement.unfinished.strip_prefix(&begun[..]) else {
                return Err(TestCaseError::fail("what was lent is not how the last message begins"));
            };
            // While all is well nothing is kept back but the beginning of a character.
            prop_assert!(judgement.verdict != Verdict::Open || kept.len() <= 3, "{} bytes kept", kept.len());
        }
    }
}

/// Joins the parts of messages; what was lent of the last one, if it never ended, is returned apart.
/// (That texts are cut between characters is shown by the type of a text's part.)
pub(super) fn joined(seen: &[Seen]) -> (Vec<Seen>, Vec<u8>) {
    let (mut events, mut begun) = (Vec::new(), Vec::new());
    for event in seen {
        match event {
            Seen::TextPart(part, fin) => {
                assert!(*fin || !part.is_empty(), "only the last part may be empty");
                begun.extend_from_slice(part.as_bytes());
                if *fin {
                    events.push(Seen::Text(String::from_utf8(std::mem::take(&mut begun)).unwrap()));
                }
            }
            Seen::BinaryPart(part, fin) => {
                assert!(*fin || !part.is_empty(), "only the last part may be empty");
                begun.extend_from_slice(part);
                if *fin {
                    events.push(Seen::Binary(std::mem::take(&mut begun)));
                }
            }
            event => events.push(event.clone()),
        }
    }
    (events, begun)
}
