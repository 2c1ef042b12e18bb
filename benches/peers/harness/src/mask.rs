//! How long masking takes in place, beside its floors.

use crate::measure::{count, cpu_time, print};
use crate::{Codec, Failure, wire};
use std::hint::black_box;

/// Bytes of a payload.
const SIZES: [usize; 4] = [64, 1 << 10, 16 << 10, 1 << 20];
/// A payload stands as in a receive buffer: behind a header of two bytes and a key of four.
const HEADER: usize = 6;
/// Bytes that a read brings: payloads stand one behind another, so that none waits for the stores of the one before.
const READ: usize = 16 << 10;
const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
/// Each number is the median of so many samples.
const SAMPLES: usize = 9;

pub(crate) fn measure<C: Codec>() -> Result<(), Failure> {
    let Some((name, mask)) = C::MASK else { return Ok(()) };
    let mut other = vec![0; SIZES[SIZES.len() - 1]];
    for size in SIZES {
        let (plain, mut masked) = (wire::noise(size), wire::noise(size));
        mask(&mut masked, KEY);
        word_by_word(&mut masked, KEY);
        if masked != plain {
            return Err(format!("{name} is wrong with {size} bytes").into());
        }
        time(name, size, mask);
        time("floor: u64 loop", size, word_by_word);
        time("floor: memcpy", size, |payload, _| black_box(&mut other[..size]).copy_from_slice(payload));
    }
    Ok(())
}

fn time(name: &str, size: usize, mut mask: impl FnMut(&mut [u8], [u8; 4])) {
    let frame = HEADER + size;
    let mut buffer = vec![0x5A; 64 + READ.max(frame)];
    let aligned = buffer.as_ptr().align_offset(64);
    let read = &mut buffer[aligned..][..READ.max(frame)];
    let (frames, passes) = (read.len() / frame, count(size) * frame / READ.max(frame));
    let mut samples = Vec::new();
    for _ in 0..SAMPLES {
        let begun = cpu_time();
        for _ in 0..passes {
            for frame in read.chunks_exact_mut(frame) {
                mask(black_box(&mut frame[HEADER..]), black_box(KEY));
            }
        }
        samples.push((cpu_time() - begun) / (passes * frames) as f64);
    }
    print(name, "mask", "binary", size, samples);
}

/// What one would write first.
fn word_by_word(payload: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let key = [a, b, c, d, a, b, c, d];
    let (words, rest) = payload.as_chunks_mut();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ u64::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}
