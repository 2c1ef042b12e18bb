use super::random::Xorshift;

/// How a stream of bytes is cut on its way. What arrives never depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// All there is at once.
    Whole,
    /// Each byte alone.
    ByteByByte,
    /// Pieces of 1 to 4 096 bytes, mostly short, that follow from a seed.
    RandomCuts(u64),
    /// Pieces of these lengths, and again from the first; 0 counts as 1.
    InTurn([u16; 4]),
}

/// A [`Delivery`] under way.
#[derive(Clone, Debug)]
pub(crate) struct Cutter {
    delivery: Delivery,
    random: Xorshift,
    /// How many pieces there were.
    count: usize,
}

impl Delivery {
    pub(crate) fn cutter(self) -> Cutter {
        let seed = if let Self::RandomCuts(seed) = self { seed } else { 0 };
        Cutter { delivery: self, random: Xorshift::new(seed), count: 0 }
    }

    /// The pieces in which `bytes` arrive.
    pub(crate) fn pieces(self, mut bytes: &[u8]) -> Vec<&[u8]> {
        let (mut cutter, mut pieces) = (self.cutter(), Vec::new());
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(cutter.next(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}

impl Cutter {
    /// How many of the `available` bytes come next: at least one, unless there is none.
    pub(crate) fn next(&mut self, available: usize) -> usize {
        let wanted = match self.delivery {
            Delivery::Whole => available,
            Delivery::ByteByByte => 1,
            Delivery::RandomCuts(_) => {
                let longest = 1 << self.random.below(13);
                1 + self.random.below(longest)
            }
            Delivery::InTurn(lengths) => usize::from(lengths[self.count % 4]).max(1),
        };
        self.count += 1;
        wanted.min(available)
    }
}
