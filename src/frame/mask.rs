//! Masking: the XOR between a client's frames and what it meant to say ([RFC 6455 §5.3]).
//!
//! > Octet i of the transformed data ("transformed-octet-i") is the XOR of octet i of the original
//! > data ("original-octet-i") with octet at index i modulo 4 of the masking key
//! > ("masking-key-octet-j"):
//! >
//! > ```text
//! > j                   = i MOD 4
//! > transformed-octet-i = original-octet-i XOR masking-key-octet-j
//! > ```
//!
//! XOR undoes itself: "the same steps are applied to mask the data as to unmask the data". It hides
//! nothing, since the key stands in the frame; a fresh random key for each frame keeps an attacker from
//! choosing the bytes that appear on the wire (§10.3).
//!
//! [`apply`] masks in place, [`copy`] on the way into another buffer, and [`rotate`] lets a payload
//! come in pieces:
//!
//! ```
//! use sansocket::frame::mask;
//!
//! let key = [0x37, 0xfa, 0x21, 0x3d]; // RFC 6455 §5.7
//! let mut payload = *b"\x7f\x9f\x4d\x51\x58";
//! mask::apply(&mut payload, key);
//! assert_eq!(&payload, b"Hello");
//!
//! let (first, second) = payload.split_at_mut(3);
//! mask::apply(first, key);
//! mask::apply(second, mask::rotate(key, 3));
//! assert_eq!(&payload, b"\x7f\x9f\x4d\x51\x58");
//! ```
//!
//! # Speed
//!
//! Up to 128 bytes are masked inline and without a loop. More goes to a safe loop that is compiled for
//! several sets of x86 vector instructions, of which the best that the machine has runs. Its stores are
//! aligned, which inside the L1 cache is worth a factor of 1.4: masking 16 KiB takes less time than
//! `memcpy`. `benches/mask.rs` measures all of it.
//!
//! [RFC 6455 §5.3]: https://www.rfc-editor.org/rfc/rfc6455#section-5.3

#![cfg_attr(
    any(target_arch = "x86", target_arch = "x86_64"),
    expect(
        unsafe_code,
        reason = "a function with target features is safe to call only where the CPU has them"
    )
)]
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

/// Masks or unmasks `payload`, whose first byte meets the first byte of `key`.
///
/// ```
/// let mut payload = *b"Hello";
/// sansocket::frame::mask::apply(&mut payload, [0x37, 0xfa, 0x21, 0x3d]);
/// assert_eq!(&payload, b"\x7f\x9f\x4d\x51\x58");
/// ```
#[inline(always)]
pub fn apply(payload: &mut [u8], key: [u8; 4]) {
    match payload.len() {
        129.. => apply_long(payload, key),
        64.. => apply_ends::<64>(payload, key),
        32.. => apply_ends::<32>(payload, key),
        16.. => apply_ends::<16>(payload, key),
        8.. => apply_ends::<8>(payload, key),
        4.. => apply_ends::<4>(payload, key),
        2.. => apply_ends::<2>(payload, key),
        1 => apply_ends::<1>(payload, key),
        0 => {}
    }
}

/// Copies `source` into `target`, masked or unmasked, and returns how many bytes that were.
///
/// Both should be of one length. Otherwise the shorter decides: the rest of `source` is not copied, and
/// the rest of `target` stays as it is.
///
/// ```
/// let mut frame = *b"\x81\x85\x37\xfa\x21\x3d\0\0\0\0\0"; // a header with its key, room for the payload
/// let copied = sansocket::frame::mask::copy(b"Hello", &mut frame[6..], [0x37, 0xfa, 0x21, 0x3d]);
/// assert_eq!(copied, 5);
/// assert_eq!(&frame, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
/// ```
#[inline(always)]
pub fn copy(source: &[u8], target: &mut [u8], key: [u8; 4]) -> usize {
    let length = source.len().min(target.len());
    let (Some(source), Some(target)) = (source.get(..length), target.get_mut(..length)) else { return 0 };
    match length {
        129.. => copy_long(source, target, key),
        64.. => copy_ends::<64>(source, target, key),
        32.. => copy_ends::<32>(source, target, key),
        16.. => copy_ends::<16>(source, target, key),
        8.. => copy_ends::<8>(source, target, key),
        4.. => copy_ends::<4>(source, target, key),
        2.. => copy_ends::<2>(source, target, key),
        1 => copy_ends::<1>(source, target, key),
        0 => {}
    }
    length
}

/// The key as it stands `by` bytes into a payload: masking goes on from there with it.
///
/// ```
/// assert_eq!(sansocket::frame::mask::rotate([1, 2, 3, 4], 5), [2, 3, 4, 1]);
/// ```
#[expect(clippy::cast_possible_truncation, reason = "at most 3")]
#[inline(always)]
#[must_use]
pub const fn rotate(key: [u8; 4], by: usize) -> [u8; 4] {
    u32::from_le_bytes(key).rotate_right(8 * (by % 4) as u32).to_le_bytes()
}

/// Masks `N` to `2 * N` bytes as two pieces of `N`, which overlap as they must. Masking a few bytes
/// twice costs less than a loop and a tail, whose branches change with every payload's length.
#[inline(always)]
fn apply_ends<const N: usize>(payload: &mut [u8], key: [u8; 4]) {
    if let Some((first, last)) = masked_ends::<N>(payload, key) {
        put_ends(payload, first, last);
    }
}

#[inline(always)]
fn copy_ends<const N: usize>(source: &[u8], target: &mut [u8], key: [u8; 4]) {
    // One end after the other. Both at once go by way of the stack, and that cost up to 20 of 200 ns an echo.
    if let (Some(&first), Some(room)) = (source.first_chunk::<N>(), target.first_chunk_mut()) {
        *room = masked(first, key);
    }
    if let (Some(&last), Some(room)) = (source.last_chunk::<N>(), target.last_chunk_mut()) {
        *room = masked(last, rotate(key, source.len() - N));
    }
}

/// The first and the last `N` bytes of `source`, masked. `None`: it is shorter.
#[inline(always)]
fn masked_ends<const N: usize>(source: &[u8], key: [u8; 4]) -> Option<([u8; N], [u8; N])> {
    let (&first, &last) = (source.first_chunk()?, source.last_chunk()?);
    Some((masked(first, key), masked(last, rotate(key, source.len() - N))))
}

#[inline(always)]
fn put_ends<const N: usize>(target: &mut [u8], first: [u8; N], last: [u8; N]) {
    if let Some(chunk) = target.first_chunk_mut() {
        *chunk = first;
    }
    if let Some(chunk) = target.last_chunk_mut() {
        *chunk = last;
    }
}

#[inline(always)]
fn masked<const N: usize>(mut bytes: [u8; N], key: [u8; 4]) -> [u8; N] {
    let (words, rest) = bytes.as_chunks_mut();
    for word in words {
        *word = masked_word(*word, twice(key));
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
    bytes
}

/// The key, for eight bytes at a time.
#[inline(always)]
fn twice(key: [u8; 4]) -> u64 {
    let key = u64::from(u32::from_le_bytes(key));
    key << 32 | key
}

#[inline(always)]
fn masked_word(word: [u8; 8], key: u64) -> [u8; 8] {
    (u64::from_le_bytes(word) ^ key).to_le_bytes()
}

/// The widest vector, and a cache line.
const BLOCK: usize = 64;

/// Masks a block or more (of less it does nothing): the whole blocks that lie on block boundaries, so
/// that no store crosses a cache line, then both ends, which overlap the blocks as they must.
///
/// It is one flat loop over words, because that is what a compiler vectorises well anywhere: with
/// AVX-512, LLVM makes scatters of a loop over blocks, thirteen times slower.
#[inline(always)]
fn apply_blocks(payload: &mut [u8], key: [u8; 4]) {
    let Some((first, last)) = masked_ends::<BLOCK>(payload, key) else { return };
    let head = before_boundary(payload);
    if let Some(aligned) = payload.get_mut(head..) {
        let key = twice(rotate(key, head));
        for word in aligned.as_chunks_mut::<BLOCK>().0.as_flattened_mut().as_chunks_mut().0 {
            *word = masked_word(*word, key);
        }
    }
    put_ends(payload, first, last);
}

/// The same from `source` to `target`, which are of one length; the target's blocks are the aligned ones.
#[inline(always)]
fn copy_blocks(source: &[u8], target: &mut [u8], key: [u8; 4]) {
    let Some((first, last)) = masked_ends::<BLOCK>(source, key) else { return };
    let head = before_boundary(target);
    if let (Some(source), Some(aligned)) = (source.get(head..), target.get_mut(head..)) {
        let key = twice(rotate(key, head));
        let source = source.as_chunks::<BLOCK>().0.as_flattened().as_chunks().0;
        let aligned = aligned.as_chunks_mut::<BLOCK>().0.as_flattened_mut().as_chunks_mut().0;
        for (word, &original) in aligned.iter_mut().zip(source) {
            *word = masked_word(original, key);
        }
    }
    put_ends(target, first, last);
}

/// How many bytes lie before the first boundary of a block.
#[inline(always)]
fn before_boundary(bytes: &[u8]) -> usize {
    bytes.as_ptr().addr().wrapping_neg() % BLOCK
}

/// Compiles both loops once more, for a set of target features.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
macro_rules! kernels {
    ($set:ident, $features:literal) => {
        mod $set {
            #[target_feature(enable = $features)]
            pub(super) fn apply(payload: &mut [u8], key: [u8; 4]) {
                super::apply_blocks(payload, key);
            }

            #[target_feature(enable = $features)]
            pub(super) fn copy(source: &[u8], target: &mut [u8], key: [u8; 4]) {
                super::copy_blocks(source, target, key);
            }
        }
    };
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
kernels!(avx512, "avx512f");
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
kernels!(avx2, "avx2");

/// Runs the best loop that the machine has. The CPU is asked once, in the whole process; from then on
/// each question is one load (a function pointer kept instead saves half a nanosecond).
#[inline(never)]
fn apply_long(payload: &mut [u8], key: [u8; 4]) {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has AVX-512F, the one feature that the function is compiled for; nothing
            // else in it is unsafe.
            return unsafe { avx512::apply(payload, key) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has AVX2, the one feature that the function is compiled for; nothing else
            // in it is unsafe.
            return unsafe { avx2::apply(payload, key) };
        }
    }
    apply_blocks(payload, key);
}

/// As [`apply_long`].
#[inline(never)]
fn copy_long(source: &[u8], target: &mut [u8], key: [u8; 4]) {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: as in `apply_long`.
            return unsafe { avx512::copy(source, target, key) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as in `apply_long`.
            return unsafe { avx2::copy(source, target, key) };
        }
    }
    copy_blocks(source, target, key);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Range;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    /// Around where a kernel's loop changes step, and where a window or a page ends.
    const LONG: [usize; 11] = [319, 320, 321, 1023, 4095, 4096, 4097, 8191, 8192, 8193, 8256];

    type Apply = fn(&mut [u8], [u8; 4]);
    type Copy = fn(&[u8], &mut [u8], [u8; 4]);

    /// The twin of everything here, straight from §5.3.
    fn by_the_rfc(original: &[u8], key: [u8; 4]) -> Vec<u8> {
        original.iter().enumerate().map(|(i, octet)| octet ^ key[i % 4]).collect()
    }

    /// What callers use, then every kernel that this machine can run, each with the shortest payload it
    /// takes.
    fn implementations() -> impl Iterator<Item = (&'static str, usize, Apply, Copy)> {
        let dispatched: Copy = |source, target, key| assert_eq!(copy(source, target, key), source.len());
        let always: [(_, _, Apply, Copy); 2] =
            [("dispatched", 0, apply, dispatched), ("baseline", BLOCK, apply_blocks, copy_blocks)];
        always.into_iter().chain(vectorised().into_iter().flatten())
    }

    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    fn vectorised() -> [Option<(&'static str, usize, Apply, Copy)>; 2] {
        // SAFETY: the pair below is used only where the CPU has AVX2.
        let avx2: Apply = |payload, key| unsafe { avx2::apply(payload, key) };
        // SAFETY: as above.
        let avx2_copy: Copy = |source, target, key| unsafe { avx2::copy(source, target, key) };
        // SAFETY: the pair below is used only where the CPU has AVX-512F.
        let avx512: Apply = |payload, key| unsafe { avx512::apply(payload, key) };
        // SAFETY: as above.
        let avx512_copy: Copy = |source, target, key| unsafe { avx512::copy(source, target, key) };
        [
            is_x86_feature_detected!("avx2").then_some(("avx2", BLOCK, avx2, avx2_copy)),
            is_x86_feature_detected!("avx512f").then_some(("avx512", BLOCK, avx512, avx512_copy)),
        ]
    }

    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
    fn vectorised() -> [Option<(&'static str, usize, Apply, Copy)>; 0] {
        []
    }

    /// Bytes without a period, the first of them on a block's boundary.
    #[repr(align(64))]
    #[derive(Clone)]
    struct Buffer([u8; 9 << 10]);

    impl Buffer {
        fn new() -> Self {
            let mut state = 1_u32;
            Self(std::array::from_fn(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            }))
        }
    }

    /// Every length up to four blocks and the long ones, at every alignment.
    fn places() -> impl Iterator<Item = Range<usize>> {
        (0..=256).chain(LONG).flat_map(|length| (0..BLOCK).map(move |start| start..start + length))
    }

    /// `found` is `expected` in `masked` and `before` around it.
    #[track_caller]
    fn check(name: &str, found: &Buffer, before: &Buffer, masked: Range<usize>, expected: &[u8]) {
        let Range { start, end } = masked.clone();
        assert!(found.0[masked] == *expected, "{name}: wrong in {start}..{end}");
        assert!(found.0[..start] == before.0[..start], "{name}: {start}..{end} touched what is before it");
        assert!(found.0[end..] == before.0[end..], "{name}: {start}..{end} touched what follows");
    }

    #[test]
    fn m_03_every_kernel_masks_in_place_as_the_rfc_says() {
        let before = Buffer::new();
        let mut buffer = before.clone();
        for place in places() {
            let expected = by_the_rfc(&before.0[place.clone()], KEY);
            for (name, shortest, apply, _) in implementations() {
                if place.len() >= shortest {
                    apply(&mut buffer.0[place.clone()], KEY);
                    check(name, &buffer, &before, place.clone(), &expected);
                    buffer.0[place.clone()].copy_from_slice(&before.0[place.clone()]);
                }
            }
        }
    }

    #[test]
    fn m_03_every_kernel_copies_as_the_rfc_says() {
        let source = Buffer::new();
        let before = Buffer([0xa5; 9 << 10]);
        let mut target = before.clone();
        for place in places() {
            // The source stands at another alignment, which comes to be each of them.
            let from = (place.start * 7 + place.len()) % BLOCK;
            let original = &source.0[from..from + place.len()];
            let expected = by_the_rfc(original, KEY);
            for (name, shortest, _, copy) in implementations() {
                if place.len() >= shortest {
                    copy(original, &mut target.0[place.clone()], KEY);
                    check(name, &target, &before, place.clone(), &expected);
                    target.0[place.clone()].fill(0xa5);
                }
            }
        }
    }

    #[test]
    fn m_03_pieces_mask_as_the_whole_does() {
        let original = Buffer::new();
        for length in [1, 2, 3, 7, 8, 15, 16, 17, 63, 64, 65, 127, 128, 129, 192, 300, 1025] {
            let original = &original.0[..length];
            let expected = by_the_rfc(original, KEY);
            for split in 0..=length {
                let (key, mut pieces) = (rotate(KEY, split), original.to_vec());
                apply(&mut pieces[..split], KEY);
                apply(&mut pieces[split..], key);
                assert!(pieces == expected, "applied in two, {length} split at {split}");

                pieces.fill(0);
                copy(&original[..split], &mut pieces[..split], KEY);
                copy(&original[split..], &mut pieces[split..], key);
                assert!(pieces == expected, "copied in two, {length} split at {split}");
            }
        }
    }

    #[test]
    fn the_key_rotates_by_any_count() {
        for by in (0..9).chain(usize::MAX - 8..=usize::MAX) {
            let rotated = rotate(KEY, by);
            for (i, octet) in rotated.into_iter().enumerate() {
                assert_eq!(octet, KEY[(by % 4 + i) % 4]);
            }
        }
    }

    #[test]
    fn masking_twice_changes_nothing() {
        let original = Buffer::new();
        let mut buffer = original.clone();
        apply(&mut buffer.0, KEY);
        apply(&mut buffer.0, KEY);
        assert!(buffer.0 == original.0);
    }

    #[test]
    fn the_shorter_of_two_lengths_is_copied() {
        for length in [0, 1, 5, 64, 128, 129, 500] {
            let original = &Buffer::new().0[..length + 3];
            let expected = by_the_rfc(&original[..length], KEY);

            let mut shorter = vec![0; length];
            assert_eq!(copy(original, &mut shorter, KEY), length);
            assert_eq!(shorter, expected);

            let mut longer = vec![0; length + 3];
            assert_eq!(copy(&original[..length], &mut longer, KEY), length);
            assert_eq!(longer, [expected, vec![0; 3]].concat());
        }
    }
}
