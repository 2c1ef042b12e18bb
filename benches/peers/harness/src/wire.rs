//! Messages and frames, made by rule: the same in every run.

use sansocket::Opcode;
use sansocket::frame::{Header, mask};
use std::fmt::Write;

/// Numbers that follow from a seed (xorshift).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The seed must not be zero.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next_u64() % end
    }

    /// A masking key.
    pub fn key(&mut self) -> [u8; 4] {
        (self.next_u64() as u32).to_ne_bytes()
    }
}

/// Bytes without any order.
pub fn noise(length: usize) -> Vec<u8> {
    let mut random = Random::new(1);
    (0..length).map(|_| random.next_u64() as u8).collect()
}

/// Printable ASCII.
pub fn ascii(length: usize) -> String {
    let mut random = Random::new(2);
    (0..length).map(|_| char::from(b' ' + random.below(95) as u8)).collect()
}

/// Characters of three bytes each, and up to two of one byte to fill up the length.
pub fn cjk(length: usize) -> String {
    let mut random = Random::new(3);
    let mut text: String =
        (0..length / 3).filter_map(|_| char::from_u32(0x4E00 + random.below(0x5000) as u32)).collect();
    text.extend((text.len()..length).map(|_| 'x'));
    text
}

/// What an application pushes: records of a few fields, of so many bytes in all. Each number gives another.
pub fn json(number: u64, length: usize) -> String {
    const NAMES: [&str; 8] = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"];
    let mut random = Random::new(0x9E37_79B9_7F4A_7C15 ^ (number + 1).wrapping_mul(0x123_4567));
    let mut json = format!(r#"{{"type":"update","seq":{number},"ts":{},"items":["#, 1_700_000_000 + number);
    while json.len() < length {
        let (id, name) = (random.below(100_000), NAMES[random.below(8) as usize]);
        let (price, cents, quantity) = (random.below(1000), random.below(100), random.below(50));
        let (active, tag) = (random.below(2) == 0, random.next_u64() as u32);
        // Writing to a string does not fail.
        let _ = write!(
            json,
            r#"{{"id":{id},"name":"{name}","price":{price}.{cents:02},"qty":{quantity},"active":{active},"tag":"{tag:x}"}},"#
        );
    }
    json.truncate(length.saturating_sub(2));
    json.push_str("]}");
    json
}

/// Appends a client's frame.
pub fn frame(out: &mut Vec<u8>, opcode: Opcode, rsv: u8, payload: &[u8], key: [u8; 4]) {
    let header = Header { rsv, mask: Some(key), ..Header::new(opcode, payload.len() as u64) };
    header.encode(out);
    let at = out.len();
    out.extend_from_slice(payload);
    mask::apply(&mut out[at..], key);
}
