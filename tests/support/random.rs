/// A tiny generator (xorshift64*): the same seed, the same test, on every machine and for ever.
#[derive(Clone, Debug)]
pub(crate) struct Xorshift(u64);

impl Xorshift {
    /// Any seed will do.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from((self.next() >> 32) % limit as u64).expect("below a usize")
    }

    /// Bytes without a pattern.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_be_bytes()[0]).collect()
    }

    /// A text of at most `len` bytes, with characters of one to four bytes.
    pub(crate) fn text(&mut self, len: usize) -> String {
        let mut text = String::new();
        while text.len() + 4 <= len {
            text.push(['a', '~', '\0', 'é', '\u{7FF}', '€', '\u{FFFD}', '😀'][self.below(8)]);
        }
        text
    }
}
