//! What an endpoint makes of compressed messages, whatever is in them, held against the independent reader.

use super::{config, role};
use crate::support::deflate::Deflate as ByHand;
use crate::support::deflate::Piece::{self, Literals, Match};
use crate::support::delivery::Delivery;
use crate::support::end::Seen;
use crate::support::inflate::message;
use crate::support::inflating::{Inflating, Script, WITHIN};
use crate::support::random::Xorshift;
use crate::support::repeats::repeats;
use crate::support::wire::{frame, peer_key};
use proptest::prelude::*;
use sansocket::{ProtocolError, Role};
use zlib_rs::DeflateFlush;

/// Where a payload comes from, before it is damaged.
#[derive(Clone, Debug)]
enum Origin {
    /// The other codec, which has seen the messages before, or not.
    Codec {
        size: usize,
        flushes: usize,
    },
    /// Blocks that follow from a seed.
    ByHand {
        seed: u64,
        blocks: usize,
        end: Ending,
    },
    /// A match that reaches as far back as there is anything, or by so many bytes farther.
    Reach {
        farther: usize,
    },
    /// So many empty final blocks.
    Finals(usize),
    Raw(Vec<u8>),
}

/// How a payload by hand ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// With an empty stored block.
    Flush,
    /// With one that is final.
    FinalFlush,
    /// With the last block.
    Bare,
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Remove(prop::sample::Index),
    Insert(prop::sample::Index, u8),
}

#[derive(Clone, Debug)]
struct Sent {
    origin: Origin,
    damage: Vec<Damage>,
    is_text: bool,
}

/// The endpoint that receives, and who sends.
#[derive(Clone, Debug)]
struct Terms {
    receiver: Inflating,
    /// The codec's level and window.
    level: i32,
    codec_bits: u8,
}

fn sent() -> impl Strategy<Value = Sent> {
    let ending = prop::sample::select(vec![Ending::Flush, Ending::Flush, Ending::FinalFlush, Ending::Bare]);
    let origin = prop_oneof![
        4 => (prop_oneof![4 => 0_usize..400, 1 => 0_usize..5_000, 1 => 0_usize..40_000], 0_usize..3)
            .prop_map(|(size, flushes)| Origin::Codec { size, flushes }),
        6 => (any::<u64>(), 0_usize..5, ending).prop_map(|(seed, blocks, end)| Origin::ByHand { seed, blocks, end }),
        3 => prop_oneof![3 => Just(0), 1 => 1_usize..3].prop_map(|farther| Origin::Reach { farther }),
        1 => prop_oneof![3 => 0_usize..4, 1 => 1_020_usize..1_030].prop_map(Origin::Finals),
        1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Origin::Raw),
    ];
    let index = any::<prop::sample::Index>;
    let damage = prop_oneof![
        4 => (index(), 0_u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        1 => index().prop_map(Damage::Cut),
        1 => index().prop_map(Damage::Remove),
        1 => (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
    ];
    let damage = prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(damage, 1..3)];
    (origin, damage, prop::bool::weighted(0.2)).prop_map(|(origin, damage, is_text)| Sent {
        origin,
        damage,
        is_text,
    })
}

fn terms() -> impl Strategy<Value = Terms> {
    let bits = || prop_oneof![3 => 8_u8..=9, 1 => 10_u8..=14, 2 => Just(15_u8)];
    let max = prop_oneof![4 => Just(16_u64 << 20), 1 => 0_u64..1_000];
    (role(), bits(), prop::bool::weighted(0.8), max, 0..=9, bits()).prop_map(
        |(role, bits, takeover, max_message_size, level, codec_bits)| Terms {
            receiver: Inflating { role, bits, takeover, max_message_size },
            level,
            codec_bits: codec_bits.max(9),
        },
    )
}

impl Damage {
    fn apply(&self, payload: &mut Vec<u8>) {
        if let Self::Insert(at, byte) = self {
            return payload.insert(at.index(payload.len() + 1), *byte);
        }
        if payload.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, bit) => {
                let at = at.index(payload.len());
                payload[at] ^= 1 << bit;
            }
            Self::Cut(at) => payload.truncate(at.index(payload.len())),
            Self::Remove(at) => {
                payload.remove(at.index(payload.len()));
            }
            Self::Insert(..) => {}
        }
    }
}

/// Blocks of any kinds, final ones too, whose matches reach about as far as they may, or too far. `behind` is how
/// many bytes they may refer to at the start.
fn by_hand(seed: u64, blocks: usize, end: Ending, behind: usize, window: usize) -> Vec<u8> {
    let mut random = Xorshift::new(seed);
    let (mut data, mut held) = (ByHand::default(), behind);
    for _ in 0..blocks {
        let is_final = random.below(5) == 0;
        let (len, zeros) = (random.below(30), vec![0; random.below(300)]);
        let literals = random.bytes(len);
        let mut pieces = Vec::new();
        for _ in 0..random.below(4) {
            pieces.push(if random.below(2) == 0 { Literals(&literals) } else { Literals(&zeros) });
            let all = held + pieces.iter().map(length).sum::<usize>();
            let farthest = match random.below(6) {
                0 => all,
                1 => all + 1,
                2 => window,
                3 => window + 1,
                4 => 1 + random.below(window),
                _ => 1 + random.below(all.max(1)),
            };
            // Mostly what is there.
            let farthest = if random.below(8) > 0 { farthest.min(all) } else { farthest };
            pieces.push(Match { length: 3 + random.below(256), distance: farthest.clamp(1, WITHIN) });
        }
        (data, held) = match random.below(3) {
            0 => (data.stored(is_final, &literals), held + literals.len()),
            1 => (data.fixed(is_final, &pieces), held + pieces.iter().map(length).sum::<usize>()),
            _ => {
                let [literals, distances] = [286, 30].map(|count| random_lengths(&mut random, count));
                let made = pieces.iter().map(length).sum::<usize>();
                (data.dynamic(is_final, &literals, &distances, &pieces), held + made)
            }
        };
        if is_final {
            (data, held) = (data.align(), 0);
        }
    }
    match end {
        Ending::Flush => data.message(),
        Ending::Bare => data.finish(),
        Ending::FinalFlush => {
            let mut payload = data.stored(true, b"").finish();
            payload.truncate(payload.len() - 4);
            payload
        }
    }
}

fn length(piece: &Piece<'_>) -> usize {
    match piece {
        Literals(bytes) => bytes.len(),
        Match { length, .. } => *length,
    }
}

/// The lengths of a complete code for so many symbols: one code that is split again and again.
fn random_lengths(random: &mut Xorshift, count: usize) -> Vec<usize> {
    let mut lengths = vec![0];
    while lengths.len() < count {
        let split = random.below(lengths.len());
        if lengths[split] < 15 {
            lengths[split] += 1;
            lengths.insert(split, lengths[split]);
        }
    }
    lengths
}

/// A peer's compressor.
struct Codec(zlib_rs::Deflate);

impl Codec {
    fn flush(&mut self, data: &[u8], flush: DeflateFlush) -> Vec<u8> {
        let mut out = vec![0; 2 * data.len() + 100];
        let before = self.0.total_out();
        self.0.compress(data, &mut out, flush).unwrap();
        out.truncate(usize::try_from(self.0.total_out() - before).unwrap());
        out
    }

    /// The payload of a message, with so many flushes in it.
    fn message(&mut self, data: &[u8], flushes: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for chunk in data.chunks(data.len() / (flushes + 1) + 1) {
            let flush = if chunk.len() % 5 == 0 { DeflateFlush::FullFlush } else { DeflateFlush::SyncFlush };
            out.extend(self.flush(chunk, flush));
        }
        if data.is_empty() {
            return vec![0x00];
        }
        out.truncate(out.len() - 4);
        out
    }
}

/// What these messages amount to, with the codec at the other end.
fn script(terms: &Terms, messages: &[Sent], seed: u64) -> Script {
    let mut random = Xorshift::new(seed);
    let mut codec = Codec(zlib_rs::Deflate::new(terms.level, false, terms.codec_bits));
    let mut past = Vec::new();
    let mut script = Script::new(terms.receiver);
    for sent in messages {
        let behind = script.history().len();
        let mut compressed = match &sent.origin {
            Origin::Codec { size, flushes } => {
                if random.below(4) == 0 || !terms.receiver.takeover {
                    codec.0.reset();
                }
                codec.message(&repeats(*size, &mut past, &mut random), *flushes)
            }
            Origin::ByHand { seed, blocks, end } => {
                by_hand(*seed, *blocks, *end, behind, 1 << terms.receiver.bits)
            }
            Origin::Reach { farther } => {
                let distance = (behind + farther).clamp(1, WITHIN);
                ByHand::default().fixed(false, &[Match { length: 3 + random.below(256), distance }]).message()
            }
            Origin::Finals(count) => {
                (0..*count).fold(ByHand::default(), |data, _| data.fixed(true, &[]).align()).message()
            }
            Origin::Raw(bytes) => bytes.clone(),
        };
        sent.damage.iter().for_each(|damage| damage.apply(&mut compressed));
        if !script.send(sent.is_text, &compressed, &mut random) {
            break;
        }
    }
    script
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn compressed_messages_are_judged_as_the_reference_does(
        terms in terms(),
        messages in prop::collection::vec(sent(), 1..8),
        seed: u64,
    ) {
        let script = script(&terms, &messages, seed);
        let mut ways = vec![
            (Delivery::Whole, None), (Delivery::Whole, Some(seed)),
            (Delivery::RandomCuts(seed), None), (Delivery::RandomCuts(seed), Some(seed)),
        ];
        if script.wire.len() < 5_000 {
            ways.extend([(Delivery::ByteByByte, None), (Delivery::ByteByByte, Some(seed))]);
        }
        script.check(&ways).map_err(TestCaseError::fail)?;
    }
}

/// What was seen, and the error, for these messages' payloads in one frame each: the same in every way of delivery.
fn outcome(receiver: &Inflating, messages: &[(bool, &[u8])]) -> (Vec<Seen>, Option<ProtocolError>) {
    let payload = |&(is_text, payload): &(bool, &[u8])| {
        frame(if is_text { 0xC1 } else { 0xC2 }, peer_key(receiver.role), payload)
    };
    let wire: Vec<u8> = messages.iter().flat_map(payload).collect();
    let ways = [(Delivery::Whole, None), (Delivery::ByteByByte, None), (Delivery::ByteByByte, Some(1))];
    let [first, rest @ ..] = ways.map(|(delivery, way)| {
        let end = receiver.deliver(&wire, false, delivery, way);
        (end.seen, end.error)
    });
    assert_eq!(rest, [first.clone(), first.clone()]);
    first
}

fn server(bits: u8, max_message_size: u64) -> Inflating {
    Inflating { role: Role::Server, bits, takeover: true, max_message_size }
}

#[test]
fn a_final_block_that_the_tail_completes_forgets_the_window_too() {
    // An empty stored block; and a dynamic one, the end of which happens to be the four bytes.
    let mut lengths = [0; 19];
    (lengths[0], lengths[8], lengths[16]) = (1, 2, 2);
    let mut data =
        ByHand::default().dynamic_header(true, 257 + 7, 28, &lengths).symbol(&lengths, 0).symbol(&lengths, 8);
    for more in [3; 42].into_iter().chain([0]) {
        data = data.symbol(&lengths, 16).bits(more, 2);
    }
    let dynamic = (0..7).fold(data, |data, _| data.symbol(&lengths, 0)).finish();
    for last in [&[0x01][..], &dynamic] {
        assert_eq!(message(b"Hello", last, WITHIN).unwrap().window, b"", "{last:02X?}");
        for bits in [8, 14, 15] {
            let [hello, again] = [&b"\xF2\x48\xCD\xC9\xC9\x07\x00"[..], b"\xF2\x00\x11\x00\x00"];
            let sent =
                [(true, hello), (true, last), (true, hello), (true, again), (true, last), (true, again)];
            let text = |text: &str| Seen::Text(text.into());
            let seen = vec![text("Hello"), text(""), text("Hello"), text("Hello"), text("")];
            assert_eq!(
                outcome(&server(bits, 100), &sent),
                (seen, Some(ProtocolError::InvalidDeflate)),
                "{bits}"
            );
        }
    }
}

#[test]
fn the_first_fault_counts() {
    let broken = [0x00, 0x00, 0x00, 0x00, 0x00];
    let stored =
        |bytes: &[u8]| [&ByHand::default().stored(false, bytes).finish()[..], &broken, &[0x00]].concat();
    for (is_text, byte, max, error) in [
        (false, b"U", 1, ProtocolError::InvalidDeflate),
        (false, b"U", 0, ProtocolError::MessageTooLarge),
        (true, b"\xFF", 1, ProtocolError::InvalidUtf8),
    ] {
        assert_eq!(outcome(&server(15, max), &[(is_text, &stored(byte))]), (vec![], Some(error)));
    }
    let finals = |first: &[u8]| {
        let data = ByHand::default().stored(true, first);
        (0..1024).fold(data, |data, _| data.fixed(true, &[]).align()).message()
    };
    for (byte, error) in [(b"a", ProtocolError::TooManyFinalBlocks), (b"\xFF", ProtocolError::InvalidUtf8)] {
        assert_eq!(outcome(&server(15, 1), &[(true, &finals(byte))]), (vec![], Some(error)));
    }
}
