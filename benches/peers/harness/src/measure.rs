//! How long a message takes in memory: CPU time of this process, so that what others do meanwhile does not
//! count.

use crate::wire::{self, Random};
use crate::{Codec, Endless, Failure, Role, Sample};
use rustix::time::{ClockId, clock_gettime};
use sansocket::Opcode;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes of a message.
const SIZES: [usize; 7] = [8, 64, 125, 1 << 10, 16 << 10, 256 << 10, 1 << 20];
/// Bytes of frames that reading goes round over: they fit into a second-level cache.
const WIRE: usize = 256 << 10;
/// Bytes that a sample takes, headers and work of one's own counted as this many.
const SAMPLE: usize = 24 << 20;
const OVERHEAD: usize = 90;
/// Each number is the median of so many samples.
const SAMPLES: usize = 5;

pub(crate) fn decode<C: Codec>(name: &str) -> Result<(), Failure> {
    for kind in ["binary", "ascii", "cjk"] {
        for size in SIZES {
            let message = message(kind, size);
            let (wire, per_round) = frames(&message);
            // Whole rounds, so that each sample begins with a frame.
            let count = count(size).div_ceil(per_round) * per_round;
            let mut samples = Vec::new();
            for _ in 0..SAMPLES {
                let begun = cpu_time();
                let decoded = C::decode(Endless::new(Arc::clone(&wire)), count)?;
                samples.push((cpu_time() - begun) / count as f64);
                if decoded != count * size {
                    return Err(
                        format!("{name} has decoded {decoded} bytes instead of {}", count * size).into()
                    );
                }
            }
            print(name, "decode", kind, size, samples);
        }
    }
    Ok(())
}

pub(crate) fn encode<C: Codec>(name: &str) -> Result<(), Failure> {
    for (test, role, key) in [("encode, server", Role::Server, 0), ("encode, client", Role::Client, 4)] {
        for kind in ["binary", "ascii"] {
            for size in SIZES {
                let (message, count) = (message(kind, size), count(size));
                let header = key
                    + match size {
                        ..126 => 2,
                        126..65_536 => 4,
                        _ => 10,
                    };
                let mut samples = Vec::new();
                for _ in 0..SAMPLES {
                    let stream = Endless::new([]);
                    let written = stream.count();
                    let begun = cpu_time();
                    C::encode(stream, role, black_box(&message), count)?;
                    samples.push((cpu_time() - begun) / count as f64);
                    let written = written.load(Ordering::Relaxed);
                    if written < count * (header + size) {
                        return Err(format!("{name} has written {written} bytes for {count} messages").into());
                    }
                }
                print(name, test, kind, size, samples);
            }
        }
    }
    Ok(())
}

pub(crate) fn message(kind: &str, size: usize) -> Sample {
    match kind {
        "binary" => Sample::Binary(wire::noise(size)),
        "ascii" => Sample::Text(wire::ascii(size)),
        _ => Sample::Text(wire::cjk(size)),
    }
}

/// Frames of a client, and how many there are.
pub(crate) fn frames(message: &Sample) -> (Arc<[u8]>, usize) {
    let opcode = if message.is_text() { Opcode::Text } else { Opcode::Binary };
    let (mut wire, mut count, mut random) = (Vec::new(), 0, Random::new(4));
    while count == 0 || wire.len() + message.bytes().len() < WIRE {
        wire::frame(&mut wire, opcode, 0, message.bytes(), random.key());
        count += 1;
    }
    (wire.into(), count)
}

/// How many messages of this size a sample has.
pub(crate) fn count(size: usize) -> usize {
    (SAMPLE / (size + OVERHEAD)).clamp(16, 150_000)
}

/// Nanoseconds.
pub(crate) fn cpu_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

pub(crate) fn print(name: &str, test: &str, kind: &str, size: usize, mut samples: Vec<f64>) {
    samples.sort_by(f64::total_cmp);
    let (median, least, most) = (samples[samples.len() / 2], samples[0], samples[samples.len() - 1]);
    println!(
        r#"{{"row":"{name}","test":"{test}","kind":"{kind}","size":{size},"ns":{median:.2},"least":{least:.2},"most":{most:.2}}}"#
    );
}
