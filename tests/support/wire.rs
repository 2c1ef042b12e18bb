use sansocket::Role;

/// A frame as §5.2 draws it, with whatever first byte, its length in the shortest form.
pub(crate) fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if key.is_some() { 0x80 } else { 0 };
    let mut wire = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ ..=125), _) => wire.push(masked | len),
        (_, Ok(len)) => {
            wire.push(masked | 126);
            wire.extend(len.to_be_bytes());
        }
        _ => {
            wire.push(masked | 127);
            wire.extend((payload.len() as u64).to_be_bytes());
        }
    }
    wire.extend(key.into_iter().flatten());
    let key = key.unwrap_or_default();
    wire.extend(payload.iter().enumerate().map(|(i, octet)| octet ^ key[i % 4]));
    wire
}

/// A key for what the peer of this end sends: clients mask, servers do not (§5.1).
pub(crate) fn peer_key(receiver: Role) -> Option<[u8; 4]> {
    (receiver == Role::Server).then_some([0x37, 0xFA, 0x21, 0x3D])
}

/// What stands in a Close frame.
pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// A frame that this crate has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawFrame {
    pub(crate) first: u8,
    pub(crate) key: Option<[u8; 4]>,
    pub(crate) payload: Vec<u8>,
}

/// Takes whole frames apart. Anything else in `wire` is a mistake of who wrote it.
pub(crate) fn frames(mut wire: &[u8]) -> Vec<RawFrame> {
    let mut frames = Vec::new();
    while let &[first, second, ref rest @ ..] = wire {
        let (len, rest) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes(rest[..2].try_into().unwrap())), &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().unwrap()), &rest[8..]),
            len => (u64::from(len), rest),
        };
        let (key, rest) = match rest.split_first_chunk() {
            Some((key, rest)) if second & 0x80 != 0 => (Some(*key), rest),
            _ => (None, rest),
        };
        let (payload, rest) = rest.split_at(usize::try_from(len).unwrap());
        let mask = key.unwrap_or_default();
        let payload = payload.iter().enumerate().map(|(i, octet)| octet ^ mask[i % 4]).collect();
        frames.push(RawFrame { first, key, payload });
        wire = rest;
    }
    assert!(wire.is_empty(), "half a frame was written: {wire:02x?}");
    frames
}
