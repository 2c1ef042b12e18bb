use super::random::Xorshift;

/// Bytes that are like others before them, so that they are referred to from as far as the window reaches and from
/// farther away; and now and then what ends a flush.
pub(crate) fn repeats(size: usize, past: &mut Vec<u8>, random: &mut Xorshift) -> Vec<u8> {
    let start = past.len();
    while past.len() < start + size {
        let left = start + size - past.len();
        match random.below(8) {
            0 => {
                let some = random.below(200).min(left);
                past.extend(random.bytes(some));
            }
            1 => past.extend(std::iter::repeat_n(0, random.below(600).min(left))),
            2 => past.extend_from_slice(&[0x00, 0x00, 0xFF, 0xFF][..left.min(4)]),
            3 => past.extend_from_slice(&b"words, words and words"[..left.min(22)]),
            _ => {
                let window = 1 << (8 + random.below(8));
                let distance = match random.below(3) {
                    0 => window - 8 + random.below(16),
                    1 => 1 + random.below(window),
                    _ => 1 + random.below(600),
                };
                let at = past.len().saturating_sub(distance);
                let len = random.below(400).min(left).min(past.len() - at);
                past.extend_from_within(at..at + len);
            }
        }
    }
    let mut bytes = past[start..].to_vec();
    if size >= 4 && random.below(8) == 0 {
        bytes[size - 4..].copy_from_slice(&[0x00, 0x00, 0xFF, 0xFF]);
    }
    bytes
}
