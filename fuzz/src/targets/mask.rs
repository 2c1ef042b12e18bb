//! `mask::apply`, `mask::copy` and `mask::rotate` against the byte loop of RFC 6455 §5.3.

use super::{octet, octets};
use crate::support::choices::Choices;
use sansocket::frame::mask;

pub fn run(data: &[u8]) {
    let mut choices = Choices::from_bytes(data);
    let key = [0; 4].map(|_: u8| octet(&mut choices));
    // Where the data lies in memory, and where it is cut. Some of it again makes it longer than the input.
    let [from, to, cut, again] = [64, 64, 256, 8].map(|limit| choices.below(limit));
    let payload = choices.rest().repeat(1 << again.saturating_sub(3));
    // "j = i MOD 4; transformed-octet-i = original-octet-i XOR masking-key-octet-j"
    let expected: Vec<u8> = payload.iter().enumerate().map(|(i, octet)| octet ^ key[i % 4]).collect();

    let mut place = [vec![0xA5; from], payload.clone(), vec![0xA5; 3]].concat();
    mask::apply(&mut place[from..from + payload.len()], key);
    assert_eq!(place, [vec![0xA5; from], expected.clone(), vec![0xA5; 3]].concat(), "in place");

    let mut target = vec![0x5A; to + payload.len() + cut % 5];
    assert_eq!(mask::copy(&payload, &mut target[to..], key), payload.len());
    assert_eq!(target[..to], vec![0x5A; to], "before the copy");
    assert_eq!(target[to..to + payload.len()], expected, "the copy");
    assert_eq!(target[to + payload.len()..], vec![0x5A; cut % 5], "behind the copy");
    // The shorter of both decides.
    let short = payload.len().saturating_sub(cut);
    let mut target = vec![0x5A; short];
    assert_eq!(mask::copy(&payload, &mut target, key), short);
    assert_eq!(target, expected[..short], "a part of it");

    // Cut anywhere it is the same, and twice it is what it was.
    let mut pieces = payload.clone();
    let (first, second) = pieces.split_at_mut(cut.min(payload.len()));
    mask::apply(first, key);
    mask::apply(second, mask::rotate(key, first.len()));
    assert_eq!(pieces, expected, "cut at {cut}");
    mask::apply(&mut pieces, key);
    assert_eq!(pieces, payload);

    let by = octets(&mut Choices::from_bytes(&payload), 8)
        .iter()
        .fold(0, |by, &octet| by << 8 | usize::from(octet));
    assert_eq!(mask::rotate(key, by), [0, 1, 2, 3].map(|j| key[(by % 4 + j) % 4]));
}
