//! The reference by which compressed messages are judged is right itself, and so are the helpers that write what
//! no compressor would.

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use support::deflate::Piece::{Literals, Match};
use support::deflate::{Deflate, Piece, fixed_literals};
use support::inflate::{
    Alphabet, Block, DISTANCES, Inflated, Invalid, Kind, LENGTHS, ORDER, inflate, message,
};
use support::random::Xorshift;

const WINDOW: usize = 32_768;

fn deflate() -> Deflate {
    Deflate::default()
}

fn kinds(inflated: &Inflated) -> Vec<Kind> {
    inflated.blocks.iter().map(|block| block.kind).collect()
}

/// So many symbols, of which these have codes of these lengths.
fn lengths(count: usize, some: &[(usize, usize)]) -> Vec<usize> {
    let mut lengths = vec![0; count];
    for &(symbol, length) in some {
        lengths[symbol] = length;
    }
    lengths
}

#[test]
fn the_examples_of_rfc_7692() {
    let empty = Kind::Stored { len: 0 };
    // §7.2.3.1.
    let hello = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let first = message(b"", &hello, WINDOW).unwrap();
    assert_eq!((&first.bytes[..], first.max_distance, first.reach), (&b"Hello"[..], 0, 0));
    assert_eq!(kinds(&first), [Kind::Fixed, empty]);
    assert_eq!(first.window, b"Hello");
    // §7.2.3.2: the same bytes again, and by reference to those of the first message.
    assert_eq!(message(&first.window, &hello, WINDOW).unwrap().window, b"HelloHello");
    let second = [0xF2, 0x00, 0x11, 0x00, 0x00];
    let inflated = message(&first.window, &second, WINDOW).unwrap();
    assert_eq!((&inflated.bytes[..], inflated.max_distance, inflated.reach), (&b"Hello"[..], 5, 4));
    assert_eq!(message(b"", &second, WINDOW), Err(Invalid::BeforeStart));
    // §7.2.3.3: without compression.
    let stored = [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00];
    let inflated = message(b"", &stored, WINDOW).unwrap();
    assert_eq!(inflated.bytes, b"Hello");
    assert_eq!(kinds(&inflated), [Kind::Stored { len: 5 }, empty]);
    // §7.2.3.4: a final block.
    let ended = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00];
    let inflated = message(b"", &ended, WINDOW).unwrap();
    assert_eq!((&inflated.bytes[..], &inflated.window[..]), (&b"Hello"[..], &b""[..]));
    let blocks = [
        Block { kind: Kind::Fixed, is_final: true, at: 0 },
        Block { kind: empty, is_final: false, at: 8 * 7 },
    ];
    assert_eq!(inflated.blocks, blocks);
    // §7.2.3.5: two blocks, with an empty one between them.
    let two = [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00];
    let inflated = message(b"", &two, WINDOW).unwrap();
    assert_eq!(inflated.bytes, b"Hello");
    assert_eq!(kinds(&inflated), [Kind::Fixed, empty, Kind::Fixed, empty]);
    // §7.2.3.6: no data. No byte at all is no message.
    assert_eq!(kinds(&message(b"", &[0x00], WINDOW).unwrap()), [empty]);
    assert_eq!(message(b"", b"", WINDOW), Err(Invalid::CutOff));
    for payload in [&hello[..], &stored, &ended, &two, &[0x00]] {
        assert!(message(b"", payload, WINDOW).unwrap().ends_with_empty_stored());
    }
}

#[test]
fn the_helpers_write_what_the_rfc_does() {
    assert_eq!(deflate().fixed(false, &[Literals(b"Hello")]).message(), b"\xF2\x48\xCD\xC9\xC9\x07\x00");
    assert_eq!(deflate().stored(false, b"Hello").message(), b"\x00\x05\x00\xFA\xFFHello\x00");
    assert_eq!(
        deflate().fixed(true, &[Literals(b"Hello")]).align().message(),
        b"\xF3\x48\xCD\xC9\xC9\x07\x00\x00"
    );
    let two = deflate().fixed(false, &[Literals(b"He")]).stored(false, b"").fixed(false, &[Literals(b"llo")]);
    assert_eq!(two.message(), b"\xF2\x48\x05\x00\x00\x00\xFF\xFF\xCA\xC9\xC9\x07\x00");
    let second = deflate().fixed(false, &[Literals(b"H"), Match { length: 4, distance: 5 }]);
    assert_eq!(second.message(), b"\xF2\x00\x11\x00\x00");
}

#[test]
fn every_byte_in_every_kind_of_block() {
    let all: Vec<u8> = (0..=255).collect();
    // All codes but two are of 8 bits, so that literals of both lengths occur.
    let dynamic: Vec<usize> = (0..257).map(|symbol| if symbol < 255 { 8 } else { 9 }).collect();
    let data = deflate()
        .stored(false, &all)
        .fixed(false, &[Literals(&all)])
        .dynamic(false, &dynamic, &[0], &[Literals(&all)])
        .stored(false, &[7; 65_535])
        .stored(true, b"");
    let inflated = inflate(b"", &data.finish(), WINDOW).unwrap();
    assert_eq!(inflated.bytes, [&all[..], &all, &all, &[7; 65_535]].concat());
    let blocks = [Kind::Stored { len: 256 }, Kind::Fixed, Kind::Dynamic, Kind::Stored { len: 65_535 }];
    assert_eq!(kinds(&inflated)[..4], blocks);
    assert_eq!(inflated.blocks[1].at, 8 * (1 + 4 + 256));
}

#[test]
fn every_length_and_every_distance() {
    let history = Xorshift::new(1).bytes(WINDOW);
    for length in 3..=258 {
        // Up to the distance 258 a match runs into its own output.
        for distance in [1, 2, length - 1, length, WINDOW] {
            let inflated = matched(&history, length, distance);
            assert_eq!((inflated.max_distance, inflated.reach), (distance, distance), "{length}");
        }
    }
    for distance in 1..=WINDOW {
        matched(&history, 3, distance);
    }
}

fn matched(history: &[u8], length: usize, distance: usize) -> Inflated {
    let payload = deflate().fixed(false, &[Match { length, distance }]).message();
    let inflated = message(history, &payload, WINDOW).unwrap();
    let expected: Vec<u8> =
        history[history.len() - distance..].iter().copied().cycle().take(length).collect();
    assert_eq!(inflated.bytes, expected, "{length} from {distance}");
    inflated
}

/// The tables of §3.2.5 have neither gaps nor overlaps, except for the last length; the order of §3.2.7 goes from
/// the middle outwards.
#[test]
fn the_tables_hang_together() {
    for table in [&LENGTHS[..28], &DISTANCES] {
        for pair in table.windows(2) {
            assert_eq!(pair[0].0 + (1 << pair[0].1), pair[1].0);
            assert!(pair[1].1 == pair[0].1 || pair[1].1 == pair[0].1 + 1);
        }
    }
    for away in 1..=7 {
        assert_eq!(ORDER[3 + 2 * away..][..2], [8 - away, 8 + away]);
    }
    assert_eq!((LENGTHS[27], LENGTHS[28]), ((227, 5), (258, 0)));
    assert_eq!(DISTANCES[29].0 + (1 << DISTANCES[29].1) - 1, WINDOW);
}

/// The head of a dynamic block with all three repetitions, as zlib 1.2.13 wrote it for its strategy
/// `Z_HUFFMAN_ONLY`, and a text in the codes that it describes.
#[test]
fn a_head_that_zlib_wrote() {
    #[rustfmt::skip]
    let head = [
        0x05, 0xC1, 0xAB, 0x81, 0x6D, 0x5B, 0x94, 0x6D, 0x39, 0x50, 0x3F, 0x07, 0x1E, 0x4B, 0x96, 0xEC, 0xB2, 0xC3,
        0x82, 0x6D, 0xB6, 0xD8, 0x64, 0x83, 0x75, 0xD6, 0x98, 0xFC, 0xB7, 0xA0,
    ];
    let mut literals =
        lengths(257, &[(3, 14), (4, 14), (5, 14), (6, 14), (7, 14), (20, 13), (27, 12), (34, 12), (256, 14)]);
    for length in 1..=10 {
        literals[111 - 7 * length] = length;
    }
    let text = [104, 3, 4, 5, 6, 7, 20, 27, 34, 41, 48, 55, 62, 69, 76, 83, 90, 97, 104];
    let data = deflate().fixed(false, &[]);
    let data = head.iter().fold(data, |data, &byte| data.bits(byte, 8)).bits(0xA4, 7);
    let inflated =
        inflate(b"", &data.pieces(&literals, &[1, 1], &[Literals(&text)]).finish(), WINDOW).unwrap();
    assert_eq!(inflated.bytes, text);
    assert_eq!(inflated.blocks[1], Block { kind: Kind::Dynamic, is_final: true, at: 10 });
}

#[test]
fn what_is_written_is_read() {
    for seed in 0..200 {
        let mut random = Xorshift::new(seed);
        let history = random.bytes(300);
        let (mut data, mut expected, mut kinds_of) = (deflate(), history.clone(), vec![]);
        let (literals, distances) = (random_lengths(&mut random, 286), random_lengths(&mut random, 30));
        for _ in 0..1 + random.below(6) {
            let bytes = random.bytes(20);
            let (length, distance) = (3 + random.below(256), 1 + random.below(300));
            let pieces = [Literals(&bytes), Match { length, distance }, Literals(&bytes[..3])];
            expected.extend_from_slice(&bytes);
            let kind = random.below(3);
            if kind == 0 {
                data = data.stored(false, &bytes);
                kinds_of.push(Kind::Stored { len: 20 });
                continue;
            }
            for _ in 0..length {
                expected.push(expected[expected.len() - distance]);
            }
            expected.extend_from_slice(&bytes[..3]);
            data = match kind {
                1 => data.fixed(false, &pieces),
                _ => data.dynamic(false, &literals, &distances, &pieces),
            };
            kinds_of.push(if kind == 1 { Kind::Fixed } else { Kind::Dynamic });
        }
        kinds_of.push(Kind::Stored { len: 0 });
        let inflated = message(&history, &data.message(), 512).unwrap();
        assert_eq!(inflated.bytes, expected[300..], "{seed}");
        assert_eq!(inflated.window, expected[expected.len().saturating_sub(512)..], "{seed}");
        assert_eq!(kinds(&inflated), kinds_of, "{seed}");
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

#[test]
fn the_window_and_the_history() {
    let match_of = |distance| deflate().fixed(false, &[Match { length: 3, distance }]).message();
    assert_eq!(message(&[0; 512], &match_of(256), 256).unwrap().reach, 256);
    assert_eq!(message(&[0; 512], &match_of(257), 256), Err(Invalid::BeyondWindow));
    assert_eq!(message(&[0; 256], &match_of(256), 512).unwrap().reach, 256);
    assert_eq!(message(&[0; 256], &match_of(257), 512), Err(Invalid::BeforeStart));
    // Matches within the output need no history; those from both do, as far as they go back.
    let pieces = [Literals(b"abc"), Match { length: 3, distance: 3 }, Match { length: 3, distance: 8 }];
    let inflated = message(b"xyz", &deflate().fixed(false, &pieces).message(), 256).unwrap();
    assert_eq!((&inflated.bytes[..], inflated.max_distance, inflated.reach), (&b"abcabcyza"[..], 8, 2));
    assert_eq!(inflated.window, b"xyzabcabcyza");
    assert_eq!(message(b"xyz", &deflate().message(), 2).unwrap().window, b"yz");
}

#[test]
fn a_final_block_forgets_the_window() {
    let hello = [Literals(b"Hello")];
    let again = [Match { length: 5, distance: 5 }];
    let kept = deflate().fixed(false, &hello).fixed(false, &again).message();
    assert_eq!(message(b"", &kept, WINDOW).unwrap().bytes, b"HelloHello");
    let forgotten = deflate().fixed(true, &hello).align().fixed(false, &again).message();
    assert_eq!(message(b"World", &forgotten, WINDOW), Err(Invalid::BeforeStart));
    // Whatever kind it is, and whatever the bits are that fill its last byte.
    let lengths = lengths(257, &[(b'x'.into(), 1), (256, 1)]);
    let [x, next] = [[Literals(b"x")], [Literals(b"next")]];
    for data in [
        deflate().fixed(true, &x).bits(0xFF, 6),
        deflate().stored(true, b"x"),
        deflate().dynamic(true, &lengths, &[0], &x).bits(0xFF, 4),
    ] {
        let len = data.clone().finish().len();
        let inflated = message(b"World", &data.align().fixed(false, &next).message(), WINDOW).unwrap();
        assert_eq!((&inflated.bytes[..], &inflated.window[..]), (&b"xnext"[..], &b"next"[..]));
        assert_eq!(inflated.blocks[1].at, 8 * len);
    }
}

#[test]
fn data_end_with_a_block() {
    let dynamic = lengths(260, &[(b'a'.into(), 1), (256, 2), (259, 2)]);
    let pieces = [Literals(b"aaa"), Match { length: 5, distance: 3 }];
    let data = deflate().fixed(false, &pieces).stored(false, b"abc");
    let end_of_stored = data.clone().finish().len();
    let data = data.dynamic(true, &dynamic, &[0, 0, 1], &pieces).finish();
    for len in 1..data.len() {
        // The stored block is the only one in between that ends with a byte.
        let error = (len != end_of_stored).then_some(Invalid::CutOff);
        assert_eq!(inflate(b"", &data[..len], WINDOW).err(), error, "{len}");
    }
    assert_eq!(inflate(b"", &data, WINDOW).unwrap().bytes, b"aaaaaaaaabcaaaaaaaa");
    assert_eq!(inflate(b"", b"", WINDOW).unwrap().blocks, []);
    // A block that is not final, and three bits: is that the header of another?
    assert_eq!(inflate(b"", &deflate().fixed(false, &[]).finish(), WINDOW), Err(Invalid::CutOff));
}

#[test]
fn the_tail_may_be_the_end_of_something_else() {
    let within_stored = [0x00, 0x04, 0x00, 0xFB, 0xFF];
    let inflated = message(b"", &within_stored, WINDOW).unwrap();
    assert_eq!(inflated.bytes, [0x00, 0x00, 0xFF, 0xFF]);
    assert!(!inflated.ends_with_empty_stored());
    // Two bits for each of 0, 1 and 2, and fifteen ones for the end of the block. What is missing of the last byte
    // and the tail are 19 zeros, of which pairs are literals, and 16 ones.
    let some: Vec<_> =
        [(0, 2), (1, 2), (2, 2), (256, 15)].into_iter().chain((3..16).map(|n| (n, n))).collect();
    let literals = lengths(257, &some);
    let payload = deflate().dynamic_codes(false, &literals, &[0]).symbol(&literals, 3).finish();
    let inflated = message(b"", &payload, WINDOW).unwrap();
    assert_eq!(inflated.bytes, [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(kinds(&inflated), [Kind::Dynamic]);
    assert!(!inflated.ends_with_empty_stored());
}

/// A dynamic block's head with these symbols of the code length code, all of whose codes are of 5 bits but those
/// of the first thirteen, which are of 4.
fn head(literals: usize, distances: usize, symbols: &[(usize, usize, usize)]) -> Deflate {
    let mut lengths = [5; 19];
    lengths[..13].fill(4);
    let data = deflate().dynamic_header(false, literals, distances, &lengths);
    let write = |data: Deflate, &(symbol, more, extra)| data.symbol(&lengths, symbol).bits(more, extra);
    symbols.iter().fold(data, write)
}

#[test]
fn every_fault_has_its_name() {
    use Alphabet::{CodeLengths, Distances, Literals as LiteralCodes};
    let fixed = || deflate().header(false, 1);
    let a = |lengths: &[(usize, usize)], distances: &[usize], pieces: &[Piece<'_>]| {
        deflate().dynamic(false, &self::lengths(286, lengths), distances, pieces).bits(0xFFFF, 16).finish()
    };
    let three = [Literals(b"\0"), Match { length: 3, distance: 1 }];
    let lone_code = |length| {
        deflate().dynamic_header(false, 257, 1, &{
            let mut lengths = [0; 19];
            lengths[0] = length;
            lengths
        })
    };
    let zeros = (18, 127, 7);
    #[rustfmt::skip]
    let cases = [
        (vec![0x07], Invalid::BlockType),
        (vec![0x00, 0x05, 0x00, 0xFA, 0xFE], Invalid::StoredLength),
        (vec![0x00, 0x00, 0x00, 0x00, 0x00], Invalid::StoredLength),
        (vec![0x00, 0x05, 0x00, 0xFA, 0xFF, b'H'], Invalid::CutOff),
        (head(287, 1, &[]).finish(), Invalid::TooManyCodes),
        (head(288, 32, &[]).finish(), Invalid::TooManyCodes),
        (head(286, 31, &[]).finish(), Invalid::TooManyCodes),
        (head(286, 32, &[]).finish(), Invalid::TooManyCodes),
        (head(257, 1, &[(16, 0, 2)]).finish(), Invalid::NothingToRepeat),
        (head(257, 1, &[zeros, (18, 108, 7), (16, 0, 2)]).finish(), Invalid::TooManyLengths),
        (head(257, 1, &[zeros, (18, 108, 7), (17, 0, 3)]).finish(), Invalid::TooManyLengths),
        (head(257, 1, &[zeros, zeros]).finish(), Invalid::TooManyLengths),
        (head(257, 1, &[zeros, (18, 109, 7)]).finish(), Invalid::NoEndOfBlock),
        (deflate().dynamic_header(false, 257, 1, &[4; 19]).finish(), Invalid::OverSubscribed(CodeLengths)),
        (deflate().dynamic_header(false, 257, 1, &[5; 19]).finish(), Invalid::Incomplete(CodeLengths)),
        (lone_code(1).finish(), Invalid::Incomplete(CodeLengths)),
        (lone_code(0).finish(), Invalid::Incomplete(CodeLengths)),
        (a(&[(0, 1), (1, 1), (256, 1)], &[0], &[]), Invalid::OverSubscribed(LiteralCodes)),
        (a(&[(0, 1), (1, 2), (256, 3)], &[0], &[]), Invalid::Incomplete(LiteralCodes)),
        (a(&[(256, 2)], &[0], &[]), Invalid::Incomplete(LiteralCodes)),
        (a(&[(0, 1), (256, 1)], &[1, 1, 1], &[]), Invalid::OverSubscribed(Distances)),
        (a(&[(0, 1), (256, 1)], &[1, 2], &[]), Invalid::Incomplete(Distances)),
        (a(&[(0, 1), (256, 1)], &[2], &[]), Invalid::Incomplete(Distances)),
        (a(&[(0, 1), (256, 2), (257, 2)], &[0], &three), Invalid::NoSuchCode(Distances)),
        (fixed().symbol(&fixed_literals(), 286).finish(), Invalid::ReservedLength),
        (fixed().symbol(&fixed_literals(), 287).finish(), Invalid::ReservedLength),
        (fixed().symbol(&fixed_literals(), 257).symbol(&[5; 32], 30).finish(), Invalid::ReservedDistance),
        (fixed().symbol(&fixed_literals(), 257).symbol(&[5; 32], 31).finish(), Invalid::ReservedDistance),
        (deflate().fixed(false, &[Match { length: 3, distance: 1 }]).finish(), Invalid::BeforeStart),
        (deflate().fixed(false, &[Match { length: 3, distance: 32_768 }]).finish(), Invalid::BeyondWindow),
    ];
    for (at, (data, invalid)) in cases.into_iter().enumerate() {
        assert_eq!(inflate(b"", &data, 256), Err(invalid), "{at}");
        // In front of it, something valid changes nothing.
        let later = [&deflate().stored(false, b"").finish()[..], &data].concat();
        assert_eq!(inflate(b"", &later, 256), Err(invalid), "{at}");
    }
}

/// What zlib takes although the codes are incomplete, or not in the RFC's table.
#[test]
fn what_is_odd_but_valid() {
    let a = usize::from(b'a');
    let literals = lengths(260, &[(a, 1), (256, 2), (259, 2)]);
    let pieces = [Literals(b"aaaaa"), Match { length: 5, distance: 1 }];
    let read = |data: Deflate| inflate(b"", &data.stored(false, b"").finish(), WINDOW);
    // One distance, of one bit, and what uses the other bit.
    assert_eq!(read(deflate().dynamic(false, &literals, &[1], &pieces)).unwrap().bytes, b"aaaaaaaaaa");
    let data = deflate().dynamic_codes(false, &literals, &[1]).symbol(&literals, a).symbol(&literals, 259);
    assert_eq!(read(data.bits(1, 1)), Err(Invalid::NoSuchCode(Alphabet::Distances)));
    // No distances, of one or of many; no literals.
    for none in [&[0][..], &[0; 30]] {
        assert_eq!(read(deflate().dynamic(false, &literals, none, &[Literals(b"a")])).unwrap().bytes, b"a");
    }
    let end = lengths(257, &[(256, 1)]);
    assert_eq!(kinds(&read(deflate().dynamic(false, &end, &[0], &[])).unwrap())[0], Kind::Dynamic);
    let data = deflate().dynamic_codes(false, &end, &[0]).bits(1, 1);
    assert_eq!(read(data), Err(Invalid::NoSuchCode(Alphabet::Literals)));
    // The length 258 written as 227 and 31.
    let fixed = fixed_literals();
    let data = deflate().header(false, 1).symbol(&fixed, a).symbol(&fixed, 284).bits(31, 5);
    assert_eq!(read(data.symbol(&[5; 32], 0).symbol(&fixed, 256)).unwrap().bytes, [b'a'; 259]);
    // A length that is repeated from the last literal on through the distances.
    let data = head(258, 2, &[(18, 127, 7), (18, 107, 7), (1, 0, 0), (16, 0, 2)]);
    let codes = lengths(258, &[(256, 1), (257, 1)]);
    let data = data.pieces(&codes, &[1, 1], &[Match { length: 3, distance: 2 }]).stored(false, b"");
    assert_eq!(inflate(b"ab", &data.finish(), WINDOW).unwrap().bytes, b"aba");
}

/// Damaged data are refused or read, and what the reader says about its reading is true.
#[test]
fn damaged_data() {
    let (mut read, mut refused) = (0, 0);
    for seed in 0..2000 {
        let mut random = Xorshift::new(seed);
        let history = random.bytes(400);
        let literals = random_lengths(&mut random, 286);
        let distances = random_lengths(&mut random, 30);
        let pieces = [Literals(b"some literals"), Match { length: 9, distance: 200 }];
        let data = deflate().fixed(false, &pieces).dynamic(false, &literals, &distances, &pieces);
        let mut payload = data.fixed(false, &pieces).message();
        for _ in 0..random.below(4) {
            let bit = random.below(8 * payload.len());
            payload[bit / 8] ^= 1 << (bit % 8);
        }
        let Ok(inflated) = message(&history, &payload, 400) else {
            refused += 1;
            continue;
        };
        read += 1;
        let (nearest, needed) = (inflated.max_distance, inflated.reach);
        let with = |reach: usize, window| message(&history[400 - reach..], &payload, window);
        assert_eq!(with(needed, nearest).unwrap().bytes, inflated.bytes, "{seed}");
        if nearest > 0 {
            assert_eq!(with(needed, nearest - 1), Err(Invalid::BeyondWindow), "{seed}");
        }
        if needed > 0 {
            assert_eq!(with(needed - 1, nearest), Err(Invalid::BeforeStart), "{seed}");
        }
    }
    assert!(read > 200 && refused > 200, "{read} read, {refused} refused");
}
