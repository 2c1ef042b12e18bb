//! What can be tried out completely is: every header, every Close code, every short text, every short
//! mask. The reference model, `std` or a formula of the RFC says what must come out.

#[expect(dead_code, reason = "each test uses a part of it")]
mod reference;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use reference::{Judgement, Reference, Verdict, may_be_sent};
use sansocket::utf8::Validator;
use sansocket::{ProtocolError, Role, frame::mask};
use support::delivery::Delivery;
use support::end::{End, Seen};
use support::random::Xorshift;
use support::wire::{close_payload, frame, frames, peer_key};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// What an endpoint may have received before the frame in question.
#[derive(Clone, Copy, Debug)]
enum Before {
    Nothing,
    Text,
    Binary,
    HalfACharacter,
}

impl Before {
    const ALL: [Self; 4] = [Self::Nothing, Self::Text, Self::Binary, Self::HalfACharacter];

    fn wire(self, role: Role) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Text => frame(0x01, peer_key(role), b"a"),
            Self::Binary => frame(0x02, peer_key(role), b"\xFF"),
            Self::HalfACharacter => frame(0x01, peer_key(role), b"\xE2\x82"),
        }
    }
}

/// Delivers `before` whole and then the pieces, and asks the reference about each prefix.
fn check_each_prefix<'a>(
    reference: &Reference,
    before: &[u8],
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Verdict {
    let mut end = End::new(reference.role, reference.config());
    let (mut all, mut wire) = (before.to_vec(), Vec::new());
    end.receive(before);
    let mut judgement = reference.judge(&all);
    for piece in pieces {
        all.extend(piece);
        end.receive(piece);
        wire.extend(end.write_all());
        if !matches!(judgement.verdict, Verdict::Failed(_)) {
            judgement = reference.judge(&all);
        }
        if let Err(difference) = judgement.check(&end, &wire) {
            panic!("{:?} received {all:02x?}\n{difference}", reference.role);
        }
    }
    judgement.verdict
}

/// Both ways to deliver a frame: all at once; byte by byte up to its payload.
fn check_frame(reference: &Reference, before: &[u8], header: &[u8], payload: &[u8]) -> Verdict {
    let whole = [header, payload].concat();
    check_each_prefix(reference, before, [&whole[..]]);
    check_each_prefix(reference, before, header.chunks(1).chain([payload]))
}

#[test]
fn every_first_two_bytes_are_judged_as_the_reference_does() {
    let mut failed = 0;
    for role in ROLES {
        let reference = Reference::strict(role);
        for before in Before::ALL {
            let before = before.wire(role);
            for two in 0..=u16::MAX {
                let verdict = check_frame(&reference, &before, &two.to_be_bytes(), b"");
                failed += usize::from(matches!(verdict, Verdict::Failed(_)));
            }
        }
    }
    // A frame that may come has one mask bit and 128 lengths, or 126 for each of the three control
    // opcodes: with no message open, text and binary, each with FIN or without; else a continuation.
    // A client, which awaits no key, sees at once that half a character ends with an empty frame.
    let may_come = 3 * 126 + 4 * 128 + 3 * (3 * 126 + 2 * 128);
    assert_eq!(failed, 2 * (4 * 65_536 - may_come) + 1);
}

#[test]
fn every_length_in_every_form_is_judged_as_the_reference_does() {
    let short = (0..=125).map(|len: u8| (len, vec![]));
    let medium = [0, 1, 125, 126, 127, 298, 299, 300, 301, 302, 0x7FFF, 0xFFFF];
    let medium = medium.map(|len: u16| (126, len.to_be_bytes().to_vec()));
    let long = [0, 125, 126, 300, 0xFFFF, 0x1_0000, 1 << 32, i64::MAX as u64, 1 << 63, 1 << 63 | 1, u64::MAX];
    let long = long.map(|len: u64| (127, len.to_be_bytes().to_vec()));
    let lengths: Vec<_> = short.chain(medium).chain(long).collect();

    for role in ROLES {
        let reference = Reference::strict(role);
        let key = peer_key(role);
        for before in Before::ALL {
            let before = before.wire(role);
            for first in [0x00, 0x80, 0x01, 0x81, 0x02, 0x82, 0x88, 0x89, 0x8A] {
                for (short, extended) in &lengths {
                    let mut header = vec![first, short | if key.is_some() { 0x80 } else { 0 }];
                    header.extend(extended);
                    header.extend(key.into_iter().flatten());
                    let payloads = [&b"aaaa"[..], b"\xACaaa", b"\x03\xE8aa", b"\x03\xE8a\xFF", b"\xF4\x90aa"];
                    for start in payloads {
                        // As much as the limits let in, behind it a ping that shows where the frame ended.
                        let declared = extended.iter().fold(0, |len, octet| len << 8 | u64::from(*octet));
                        let len = if extended.is_empty() { u64::from(*short) } else { declared };
                        let mut payload = start.to_vec();
                        payload.resize(usize::try_from(len.min(302)).unwrap(), b'a');
                        let mask = key.unwrap_or_default();
                        let octets = payload.iter().enumerate();
                        let mut masked: Vec<u8> = octets.map(|(i, octet)| octet ^ mask[i % 4]).collect();
                        masked.extend(frame(0x89, key, b"?"));
                        check_frame(&reference, &before, &header, &masked);
                    }
                }
            }
        }
    }
}

#[test]
fn limits_are_exact_for_every_way_to_cut_a_message() {
    for role in ROLES {
        let reference = Reference { max_frame_size: 5, max_message_size: 7, ..Reference::strict(role) };
        let key = peer_key(role);
        // Sizes up to one above the limit for up to one fragment above the limit, a ping between them.
        for code in 0..7 * 7 * 7 * 7 {
            let sizes = [code % 7, code / 7 % 7, code / 49 % 7, code / 343];
            for count in 1..=4 {
                let mut pieces = Vec::new();
                for (i, &size) in sizes[..count].iter().enumerate() {
                    let fin = if i + 1 == count { 0x80 } else { 0 };
                    let opcode = if i == 0 { 0x02 } else { 0 };
                    pieces.push(frame(fin | opcode, key, &vec![0xFF; size]));
                    pieces.push(frame(0x89, key, b""));
                }
                check_each_prefix(&reference, b"", pieces.iter().map(Vec::as_slice));
                check_each_prefix(&reference, b"", [&pieces.concat()[..]]);
            }
        }
    }
}

#[test]
fn f_18_every_close_code_is_echoed_or_refused() {
    for role in ROLES {
        for code in 0..=u16::MAX {
            let mut end = End::new(role, Reference::strict(role).config());
            end.receive(&frame(0x88, peer_key(role), &close_payload(code, "why")));
            let [reply] = &frames(&end.write_all())[..] else { panic!("{code}: one Close frame") };
            assert_eq!(reply.first, 0x88);
            let valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            assert_eq!(valid, may_be_sent(code));
            if valid {
                assert_eq!(reply.payload, close_payload(code, "why"));
                assert_eq!(end.seen, [Seen::Close(Some((code, "why".into())))]);
            } else {
                assert_eq!(reply.payload[..2], 1002_u16.to_be_bytes(), "{code}");
                assert_eq!(end.error, Some(ProtocolError::InvalidCloseCode(code.into())));
                assert_eq!(end.seen, []);
            }
        }
    }
}

#[test]
fn every_length_of_a_close_reason_is_echoed() {
    for role in ROLES {
        for len in 0..=123 {
            let mut end = End::new(role, Reference::strict(role).config());
            let payload = close_payload(4000, &"x".repeat(len));
            end.receive(&frame(0x88, peer_key(role), &payload));
            assert_eq!(frames(&end.write_all())[0].payload, payload);
        }
    }
}

/// Bytes at the edges of what §3 of RFC 3629 distinguishes.
const EDGES: [u8; 16] =
    [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xED, 0xF0, 0xF4, 0xFF];

/// A server that is given one text after the other, and made anew when it has refused one.
struct TextServer(Option<End>);

impl TextServer {
    /// Delivers the pieces; together they are the one text message `text`.
    fn check(&mut self, text: &[u8], pieces: &[&[u8]]) {
        let end =
            self.0.get_or_insert_with(|| End::new(Role::Server, Reference::strict(Role::Server).config()));
        pieces.iter().for_each(|piece| end.receive(piece));
        if let Ok(text) = str::from_utf8(text) {
            assert_eq!((end.seen.pop(), end.error), (Some(Seen::Text(text.into())), None));
        } else {
            assert_eq!(
                (&end.seen[..], end.error),
                (&[][..], Some(ProtocolError::InvalidUtf8)),
                "{text:02x?}"
            );
            assert_eq!(frames(&end.write_all())[0].payload[..2], 1007_u16.to_be_bytes());
            self.0 = None;
        }
    }

    fn check_whole(&mut self, text: &[u8]) {
        self.check(text, &[&frame(0x81, peer_key(Role::Server), text)]);
    }
}

#[test]
fn f_27_every_text_of_one_or_two_bytes_is_judged_like_std_however_it_is_cut() {
    let key = peer_key(Role::Server);
    let mut server = TextServer(None);
    let one = (0..=u8::MAX).map(|a| vec![a]);
    let two = (0..=u16::MAX).map(|ab| ab.to_be_bytes().to_vec());
    for text in one.chain(two) {
        let whole = frame(0x81, key, &text);
        server.check(&text, &[&whole]);
        server.check(&text, &[&whole[..6], &whole[6..]]);
        server.check(&text, &[&whole[..7], &whole[7..]]);
        for cut in 0..=text.len() {
            let fragments = [frame(0x01, key, &text[..cut]), frame(0x80, key, &text[cut..])];
            server.check(&text, &[&fragments.concat()]);
            server.check(&text, &[&fragments[0], &fragments[1]]);
        }
    }
}

#[test]
fn f_27_texts_of_three_and_four_bytes_are_judged_like_std_at_every_boundary() {
    let mut server = TextServer(None);
    for ab in 0..=u16::MAX {
        let [a, b] = ab.to_be_bytes();
        for c in [0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF] {
            server.check_whole(&[a, b, c]);
        }
    }
    for a in 0xEF..=0xF8 {
        for b in EDGES {
            for c in EDGES {
                for d in EDGES {
                    server.check_whole(&[a, b, c, d]);
                }
            }
        }
    }
}

#[test]
fn f_27_the_validator_judges_every_text_of_three_bytes_like_std_at_every_split() {
    // `None` once a piece was refused.
    let push = |before: &Option<Validator>, piece: &[u8]| {
        let mut validator = before.clone()?;
        validator.push(piece).is_ok().then_some(validator)
    };
    let new = Some(Validator::new());
    for ab in 0..=u16::MAX {
        let ab = ab.to_be_bytes();
        let a = push(&new, &ab[..1]);
        let beginnings = [push(&new, &ab), push(&a, &ab[1..])];
        for c in 0..=u8::MAX {
            let text = [ab[0], ab[1], c];
            let expected = match str::from_utf8(&text) {
                Ok(_) => Some(true),
                Err(error) => error.error_len().is_none().then_some(false),
            };
            let verdict = |validator: Option<Validator>| validator.map(|it| it.is_complete());
            assert_eq!(verdict(push(&new, &text)), expected, "{text:02x?} whole");
            for beginning in &beginnings {
                if beginning.is_some() || expected.is_some() {
                    assert_eq!(verdict(push(beginning, &text[2..])), expected, "{text:02x?} in pieces");
                }
            }
            if a.is_some() {
                assert_eq!(verdict(push(&a, &text[1..])), expected, "{text:02x?} after one");
            }
        }
    }
}

#[test]
fn m_03_every_short_payload_is_masked_by_the_formula_of_the_rfc() {
    let original = Xorshift::new(1).bytes(64 + 256 + 64);
    let key = [0x37, 0xFA, 0x21, 0x3D];
    for len in 0..=256 {
        for offset in 0..64 {
            let place = offset..offset + len;
            // §5.3: "transformed-octet-i = original-octet-i XOR masking-key-octet-j", j = i MOD 4.
            let mut expected = original.clone();
            expected[place.clone()].iter_mut().enumerate().for_each(|(i, octet)| *octet ^= key[i % 4]);

            let mut applied = original.clone();
            mask::apply(&mut applied[place.clone()], key);
            assert!(applied == expected, "{len} bytes at {offset}, in place");

            let mut copied = original.clone();
            assert_eq!(mask::copy(&original[place.clone()], &mut copied[place], key), len);
            assert!(copied == expected, "{len} bytes at {offset}, copied");
        }
    }
}

#[test]
fn m_03_masking_goes_on_after_any_cut() {
    let original = Xorshift::new(2).bytes(256);
    let key = [1, 2, 4, 8];
    let mut expected = original.clone();
    mask::apply(&mut expected, key);
    for cut in 0..=256 {
        let mut pieces = original.clone();
        let (first, second) = pieces.split_at_mut(cut);
        mask::apply(first, key);
        mask::apply(second, mask::rotate(key, cut));
        assert!(pieces == expected, "cut at {cut}");
    }
}

#[test]
fn every_cut_of_a_conversation_gives_the_same() {
    for role in ROLES {
        let key = peer_key(role);
        let conversation = [
            frame(0x81, key, "grüezi".as_bytes()),
            frame(0x01, key, b"\xF0\x9F"),
            frame(0x89, key, b"ping"),
            frame(0x00, key, b""),
            frame(0x8A, key, b""),
            frame(0x80, key, b"\x98\x80!"),
            frame(0x82, key, &[0xFF; 200]),
            frame(0x88, key, &close_payload(4999, "bye")),
            b"anything".to_vec(),
        ]
        .concat();
        let reference = Reference::strict(role);
        for cut in 0..=conversation.len() {
            let (first, second) = conversation.split_at(cut);
            assert_eq!(check_each_prefix(&reference, b"", [first, second]), Verdict::Closed);

            // §7.1.5: what was whole is delivered, and the rest is lost.
            let mut end = End::new(role, reference.config());
            end.receive(first);
            end.receive_eof();
            let Judgement { events, verdict, .. } = reference.judge(first);
            assert_eq!(end.seen, events);
            let lost = (verdict == Verdict::Open).then_some(ProtocolError::UnexpectedEof);
            assert_eq!(end.error, lost, "the stream ends at {cut}");
        }
        check_each_prefix(&reference, b"", Delivery::ByteByByte.pieces(&conversation));
    }
}
