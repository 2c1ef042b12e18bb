//! DEFLATE written by hand (RFC 1951): any blocks that a peer might send, the broken ones too. Nothing is
//! checked and nothing is compressed.

use super::inflate::{DISTANCES, LENGTHS, ORDER};

/// What a compressed block holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece<'p> {
    Literals(&'p [u8]),
    /// 3 to 258 bytes, from 1 to 32 768 bytes ago.
    Match {
        length: usize,
        distance: usize,
    },
}

/// Data to which each method adds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deflate {
    bytes: Vec<u8>,
    /// How many bits there are.
    len: usize,
}

impl Deflate {
    /// A number of so many bits, the lowest first.
    pub(crate) fn bits(mut self, value: usize, count: usize) -> Self {
        for place in 0..count {
            if self.len.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if value >> place & 1 == 1 {
                self.bytes[self.len / 8] |= 1 << (self.len % 8);
            }
            self.len += 1;
        }
        self
    }

    /// Zeros, up to a whole byte.
    pub(crate) fn align(self) -> Self {
        let missing = self.len.next_multiple_of(8) - self.len;
        self.bits(0, missing)
    }

    /// The code of a symbol, the highest bit first, where the symbols have codes of these lengths (§3.2.2).
    pub(crate) fn symbol(self, lengths: &[usize], symbol: usize) -> Self {
        let count = |length| lengths.iter().filter(|&&its| its == length).count();
        let first = (1..lengths[symbol]).fold(0, |code, length| (code + count(length)) << 1);
        let before = lengths[..symbol].iter().filter(|&&its| its == lengths[symbol]).count();
        (0..lengths[symbol]).rev().fold(self, |data, place| data.bits((first + before) >> place, 1))
    }

    /// BFINAL and BTYPE.
    pub(crate) fn header(self, is_final: bool, kind: usize) -> Self {
        self.bits(usize::from(is_final), 1).bits(kind, 2)
    }

    /// A stored block, of at most 65 535 bytes. Behind a final block, `align` comes before the next one.
    pub(crate) fn stored(self, is_final: bool, bytes: &[u8]) -> Self {
        let data = self.header(is_final, 0).align().bits(bytes.len(), 16).bits(!bytes.len(), 16);
        bytes.iter().fold(data, |data, &byte| data.bits(usize::from(byte), 8))
    }

    /// A block with the fixed codes.
    pub(crate) fn fixed(self, is_final: bool, pieces: &[Piece<'_>]) -> Self {
        self.header(is_final, 1).pieces(&fixed_literals(), &[5; 32], pieces)
    }

    /// A block with codes of these lengths: of 257 literals or more, and of one distance or more.
    pub(crate) fn dynamic(
        self,
        is_final: bool,
        literals: &[usize],
        distances: &[usize],
        pieces: &[Piece<'_>],
    ) -> Self {
        self.dynamic_codes(is_final, literals, distances).pieces(literals, distances, pieces)
    }

    /// The same as far as the codes.
    pub(crate) fn dynamic_codes(self, is_final: bool, literals: &[usize], distances: &[usize]) -> Self {
        // Sixteen codes of four bits are a code for all lengths, and need no repetitions.
        let mut flat = [4; 19];
        flat[16..].fill(0);
        let data = self.dynamic_header(is_final, literals.len(), distances.len(), &flat);
        literals.iter().chain(distances).fold(data, |data, &length| data.symbol(&flat, length))
    }

    /// The same as far as the code lengths, which are written in a code of these lengths (§3.2.7).
    pub(crate) fn dynamic_header(
        self,
        is_final: bool,
        literals: usize,
        distances: usize,
        lengths: &[usize; 19],
    ) -> Self {
        let data = self.header(is_final, 2).bits(literals - 257, 5).bits(distances - 1, 5).bits(19 - 4, 4);
        ORDER.iter().fold(data, |data, &symbol| data.bits(lengths[symbol], 3))
    }

    /// The inside of a compressed block, and its end.
    pub(crate) fn pieces(self, literals: &[usize], distances: &[usize], pieces: &[Piece<'_>]) -> Self {
        let data = pieces.iter().fold(self, |data, piece| match *piece {
            Piece::Literals(bytes) => {
                bytes.iter().fold(data, |data, &literal| data.symbol(literals, usize::from(literal)))
            }
            Piece::Match { length, distance } => {
                let (symbol, more, extra) = find(&LENGTHS, length);
                let data = data.symbol(literals, 257 + symbol).bits(more, extra);
                let (symbol, more, extra) = find(&DISTANCES, distance);
                data.symbol(distances, symbol).bits(more, extra)
            }
        });
        data.symbol(literals, 256)
    }

    /// All of it, with zeros behind it up to a whole byte.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// As the payload of a message: an empty stored block, without its last four bytes (RFC 7692 §7.2.1).
    pub(crate) fn message(self) -> Vec<u8> {
        let mut bytes = self.stored(false, b"").finish();
        bytes.truncate(bytes.len() - 4);
        bytes
    }
}

/// The lengths of the fixed code; those of the distances are all 5 (§3.2.6).
pub(crate) fn fixed_literals() -> Vec<usize> {
    let length = |symbol| match symbol {
        0..=143 => 8,
        144..=255 => 9,
        256..=279 => 7,
        _ => 8,
    };
    (0..288).map(length).collect()
}

/// The last symbol that starts at or before `value`, what is left, and in how many bits that is written.
fn find(table: &[(usize, usize)], value: usize) -> (usize, usize, usize) {
    let symbol = table.iter().rposition(|&(first, _)| first <= value).expect("at least the first");
    (symbol, value - table[symbol].0, table[symbol].1)
}
