use super::random::Xorshift;

/// Where a simulation's decisions come from: a seed, or bytes that a fuzzer has chosen. The same source, the same
/// decisions.
///
/// Bytes come to an end: from then on each choice is the first, which is always the harmless one.
#[derive(Clone, Debug)]
pub(crate) enum Choices<'d> {
    Seed(Xorshift),
    Bytes(&'d [u8]),
}

impl<'d> Choices<'d> {
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self::Seed(Xorshift::new(seed))
    }

    pub(crate) const fn from_bytes(bytes: &'d [u8]) -> Self {
        Self::Bytes(bytes)
    }

    /// Whether nothing is left to choose from. A seed never is.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self, Self::Bytes([]))
    }

    /// A number below `limit`, which is not 0. It takes as many bytes as `limit` needs.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        match self {
            Self::Seed(random) => random.below(limit),
            Self::Bytes(_) => {
                let mut number = 0;
                let mut most = limit - 1;
                while most > 0 {
                    number = number << 8 | usize::from(self.byte());
                    most >>= 8;
                }
                number % limit
            }
        }
    }

    /// True in one of `n` cases, and never when nothing is left.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// One of these; the first is the harmless one.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A length up to `most`: mostly short, and around the thresholds of frames more often than elsewhere.
    pub(crate) fn len(&mut self, most: usize) -> usize {
        let len = match self.below(16) {
            0..=9 => self.below(24),
            10..=12 => self.below(300),
            13 => self.pick(&[0, 125, 126, 127, 4095, 4096, 65_535, 65_536]),
            14 => self.below(5000),
            _ => self.below(most.saturating_add(1)),
        };
        len.min(most)
    }

    /// Bytes to be told from others by: what they are does not matter, and costs no decisions.
    pub(crate) fn payload(&mut self, len: usize) -> Vec<u8> {
        match self {
            Self::Seed(random) => random.bytes(len),
            Self::Bytes(_) => Xorshift::new(u64::from(self.byte())).bytes(len),
        }
    }

    /// The same as text of at most `len` bytes, with characters of one to four bytes.
    pub(crate) fn text(&mut self, len: usize) -> String {
        match self {
            Self::Seed(random) => random.text(len),
            Self::Bytes(_) => Xorshift::new(u64::from(self.byte())).text(len),
        }
    }

    /// What is left of the bytes, taken as they are; nothing of a seed.
    pub(crate) fn rest(&mut self) -> &'d [u8] {
        match self {
            Self::Seed(_) => &[],
            Self::Bytes(bytes) => std::mem::take(bytes),
        }
    }

    fn byte(&mut self) -> u8 {
        match self {
            Self::Seed(random) => random.next().to_be_bytes()[0],
            Self::Bytes(bytes) => match bytes.split_first() {
                Some((&byte, rest)) => {
                    *bytes = rest;
                    byte
                }
                None => 0,
            },
        }
    }
}
