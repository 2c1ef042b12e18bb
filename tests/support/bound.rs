//! What a connection may hold of the heap, asserted at every call where the allocator counts.

use super::heap::Meter;
use sansocket::{Agreement, Config};

/// Holds a connection to its bound: see [`Bound::most`].
#[derive(Debug, Default)]
pub(crate) struct Bound {
    meter: Meter,
    /// `None` for a connection of which the limits are not known.
    limits: Option<Limits>,
    /// Bytes that it was handed, in all.
    come: usize,
    /// The most that it was handed at once, if that was more than there was room for: it holds them until it is polled,
    /// and its buffer shrinks with a later read.
    appended: usize,
}

#[derive(Debug)]
struct Limits {
    max_message_size: usize,
    high_water_mark: usize,
    is_compressed: bool,
}

/// The buffer that is read into.
const BUFFER: usize = 65 << 10;
/// Pongs that wait to be written: 16 KiB of them and one more, in storage that doubles. No more than the output's limit,
/// but for the 8 KiB that it begins with.
const PONGS: usize = 32 << 10;
/// What the decompressor remembers, and its own storage, as the documentation of `deflate` states it.
const DECOMPRESSOR: usize = (32 << 10) + (47 << 10);
/// Everything else: the error, a fragment's few words, the least storage of a message.
const REST: usize = 1 << 10;

impl Bound {
    pub(crate) fn of(config: &Config, agreement: &Agreement) -> Self {
        let limits = Limits {
            max_message_size: number(config, "max_message_size"),
            high_water_mark: number(config, "high_water_mark"),
            is_compressed: !agreement.extensions().is_empty(),
        };
        Self { limits: Some(limits), ..Self::default() }
    }

    /// The same when so many bytes have come.
    pub(crate) fn once_have_come(self, come: usize) -> Self {
        Self { come, ..self }
    }

    /// Lets the connection work, which is handed so many bytes at a time.
    #[track_caller]
    pub(crate) fn hold<R>(&mut self, handed: usize, work: impl FnOnce() -> R) -> R {
        let (result, held) = self.meter.of(work);
        self.come += handed;
        if handed > BUFFER {
            self.appended = self.appended.max(handed);
        }
        if let Some(limits) = &self.limits {
            let most = limits.most(self.come).saturating_add(self.appended);
            assert!(
                held <= most,
                "{held} bytes are held instead of {most}, {} have come: {limits:?}",
                self.come
            );
        }
        result
    }
}

impl Limits {
    /// The message, the output and some 64 KiB. What is not compressed never takes more than four times what has come,
    /// because no length is believed.
    fn most(&self, come: usize) -> usize {
        let message = if self.is_compressed { usize::MAX } else { 4 * come };
        let codec = if self.is_compressed { DECOMPRESSOR } else { 0 };
        let pongs = PONGS.min(self.high_water_mark.max(8 << 10));
        message.min(self.max_message_size).saturating_add(BUFFER + pongs + REST + codec)
    }
}

/// A configuration tells what it was given only to whoever debugs it.
fn number(config: &Config, name: &str) -> usize {
    let shown = format!("{config:?}");
    let (_, value) = shown.split_once(&format!(" {name}: ")).unwrap();
    let value: u64 = value.split(',').next().unwrap().parse().unwrap();
    usize::try_from(value).unwrap()
}
