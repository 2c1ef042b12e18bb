//! `Header::decode` against RFC 6455 §5.2 read once more, and `Header::encode` against both.

use sansocket::ProtocolError;
use sansocket::frame::{Header, Opcode};

/// What the bytes are, by the fields' places in the drawing of §5.2.
#[derive(Debug, PartialEq, Eq)]
struct Plain {
    fin: bool,
    rsv: u8,
    opcode: u8,
    mask: Option<[u8; 4]>,
    payload_len: u64,
    len: usize,
}

pub fn run(data: &[u8]) {
    let found = Header::decode(data);
    let plain = |(header, len): (Header, usize)| Plain {
        fin: header.fin,
        rsv: header.rsv,
        opcode: header.opcode as u8,
        mask: header.mask,
        payload_len: header.payload_len,
        len,
    };
    assert_eq!(found.map(|found| found.map(plain)), decode(data));

    // What is known of fewer bytes is nothing, or all of it: no more bytes change it.
    let known = |len: usize| !matches!(Header::decode(&data[..len]), Ok(None));
    let first = (0..=data.len()).find(|&len| known(len)).unwrap_or(data.len() + 1);
    assert!(first <= Header::MAX_LEN || first > data.len());
    for len in first..=data.len().min(first + 8) {
        assert_eq!(Header::decode(&data[..len]), found, "{len} bytes");
    }

    if let Ok(Some((header, len))) = found {
        assert_eq!(first, len, "the header was complete before its last byte, or not with it");
        let mut written = Vec::new();
        header.encode(&mut written);
        assert_eq!(written, data[..len]);
    }
    if let Some((&[first, second, key @ .., a], len)) = data.split_first_chunk::<7>()
        && let Some((length, _)) = len.split_first_chunk()
    {
        written_is_read(first, second, key, u64::from_be_bytes(*length) >> (a % 64));
    }
}

/// Any header that can be made up is written so that it is read as what it is, if it may be sent at all.
fn written_is_read(first: u8, second: u8, key: [u8; 4], payload_len: u64) {
    let opcodes =
        [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Close, Opcode::Ping, Opcode::Pong];
    let header = Header {
        fin: first & 0x80 != 0,
        rsv: first >> 4 & 0b111,
        opcode: opcodes[usize::from(first & 0x0F) % opcodes.len()],
        mask: (second & 0x80 != 0).then_some(key),
        payload_len,
    };
    let mut wire = Vec::new();
    header.encode(&mut wire);
    let is_control = header.opcode as u8 >= 8;
    let expected = match () {
        () if is_control && !header.fin => Err(ProtocolError::FragmentedControl),
        () if is_control && payload_len > 125 => Err(ProtocolError::ControlTooLong),
        () if payload_len > i64::MAX as u64 => Err(ProtocolError::LengthTooLarge),
        () => Ok(Some((header, wire.len()))),
    };
    assert_eq!(Header::decode(&wire), expected);
}

/// §5.2, one bit after the other.
fn decode(data: &[u8]) -> Result<Option<Plain>, ProtocolError> {
    let bit = |at: usize| data[at / 8] >> (7 - at % 8) & 1;
    let number = |from: usize, bits: usize| (from..from + bits).fold(0, |n, at| n << 1 | u64::from(bit(at)));
    let has = |bytes: usize| data.len() >= bytes;
    if !has(2) {
        return Ok(None);
    }
    let (fin, rsv, opcode) = (bit(0) == 1, number(1, 3), number(4, 4));
    let (is_masked, short) = (bit(8) == 1, number(9, 7));
    let opcode = u8::try_from(opcode).unwrap();
    if !matches!(opcode, 0x0..=0x2 | 0x8..=0xA) {
        return Err(ProtocolError::ReservedOpcode(opcode));
    }
    // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented."
    if opcode >= 8 && !fin {
        return Err(ProtocolError::FragmentedControl);
    }
    if opcode >= 8 && short > 125 {
        return Err(ProtocolError::ControlTooLong);
    }
    let (extended, shortest) = match short {
        126 => (2, 126),
        127 => (8, 1 << 16),
        _ => (0, 0),
    };
    if !has(2 + extended) {
        return Ok(None);
    }
    let payload_len = if extended == 0 { short } else { number(16, 8 * extended) };
    if payload_len < shortest {
        return Err(ProtocolError::LengthNotMinimal);
    }
    // "the most significant bit MUST be 0"
    if payload_len >> 63 == 1 {
        return Err(ProtocolError::LengthTooLarge);
    }
    let key = 2 + extended;
    let len = if is_masked { key + 4 } else { key };
    if !has(len) {
        return Ok(None);
    }
    let mask = is_masked.then(|| [data[key], data[key + 1], data[key + 2], data[key + 3]]);
    Ok(Some(Plain { fin, rsv: u8::try_from(rsv).unwrap(), opcode, mask, payload_len, len }))
}
