//! How many allocations a message takes in memory, and how many bytes they have, in the long run.

use crate::allocator::count;
use crate::measure::{count as messages, frames, message};
use crate::{Codec, Endless, Failure, Role, Sample};
use std::sync::Arc;

/// Bytes of a message.
const SIZES: [(usize, &str); 3] = [(64, "64 B"), (1 << 10, "1 KiB"), (1 << 20, "1 MiB")];

pub(crate) fn measure<C: Codec>(name: &str) -> Result<(), Failure> {
    for (size, title) in SIZES {
        let borrowed = message("binary", size);
        let (wire, _) = frames(&borrowed);
        each(name, &format!("decode {title}"), size, |count| {
            C::decode(Endless::new(Arc::clone(&wire)), count).map(drop)
        })?;
        let owned = Sample::Shared(borrowed.bytes().to_vec().into());
        for (test, message) in [("slice", borrowed), ("Bytes", owned)] {
            each(name, &format!("encode {title}, {test}"), size, |count| {
                C::encode(Endless::new([]), Role::Server, &message, count)
            })?;
        }
    }
    Ok(())
}

/// What a message more takes: so many more, of twice as many, than once.
fn each(
    name: &str,
    column: &str,
    size: usize,
    work: impl Fn(usize) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let messages = messages(size);
    // What only the first takes.
    work(1)?;
    let (done, once) = count(|| work(messages));
    done?;
    let (done, twice) = count(|| work(2 * messages));
    done?;
    let [allocations, bytes] =
        [0, 1].map(|index| (twice[index] as f64 - once[index] as f64) / messages as f64);
    println!(r#"{{"row":"{name}","column":"{column}","allocations":{allocations:.3},"bytes":{bytes:.1}}}"#);
    Ok(())
}
