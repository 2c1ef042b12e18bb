//! DEFLATE read once more, from the text of RFC 1951 alone: slow, plain, and without a line of the codec's. It
//! takes one bit after the other, and looks each code up by its length and its value.
//!
//! Where the RFC leaves open which codes are valid it judges as zlib does, and says so.

use std::iter::repeat_n;

/// What a piece of DEFLATE data amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inflated {
    /// The data, uncompressed.
    pub(crate) bytes: Vec<u8>,
    pub(crate) blocks: Vec<Block>,
    /// The longest distance of any match, in bytes; 0 without one.
    pub(crate) max_distance: usize,
    /// How many bytes of the given history, counted from its end, the matches need; 0 if none.
    pub(crate) reach: usize,
    /// What the window holds at the end: the history of what comes next, if the context is taken over.
    pub(crate) window: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) kind: Kind,
    pub(crate) is_final: bool,
    /// Where its header is, in bits from the start of the data.
    pub(crate) at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Stored { len: usize },
    Fixed,
    Dynamic,
}

/// Why it is not DEFLATE data, or not within the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// The data end within a block.
    CutOff,
    /// BTYPE is 3.
    BlockType,
    /// NLEN is not the complement of LEN.
    StoredLength,
    /// HLIT says more than 286 codes, or HDIST more than 30.
    TooManyCodes,
    /// A repetition goes on behind the last code length.
    TooManyLengths,
    /// The first code length is a repetition of the one before it.
    NothingToRepeat,
    /// The code has no end of block (256).
    NoEndOfBlock,
    /// The lengths make more codes than there are.
    OverSubscribed(Alphabet),
    /// The lengths leave codes without a symbol.
    Incomplete(Alphabet),
    /// A code without a symbol is used.
    NoSuchCode(Alphabet),
    /// Length 286 or 287, which "will never actually occur".
    ReservedLength,
    /// Distance 30 or 31, which neither will.
    ReservedDistance,
    /// A distance longer than the window.
    BeyondWindow,
    /// A distance to before all that there is, or to before a final block's end.
    BeforeStart,
}

/// What a code stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alphabet {
    CodeLengths,
    Literals,
    Distances,
}

/// The order of the code length code's lengths (RFC 1951 §3.2.7).
pub(crate) const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The shortest length, and the number of extra bits, of each symbol from 257 on (§3.2.5).
#[rustfmt::skip]
pub(crate) const LENGTHS: [(usize, usize); 29] = [
    (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0), (11, 1), (13, 1), (15, 1), (17, 1),
    (19, 2), (23, 2), (27, 2), (31, 2), (35, 3), (43, 3), (51, 3), (59, 3), (67, 4), (83, 4), (99, 4), (115, 4),
    (131, 5), (163, 5), (195, 5), (227, 5), (258, 0),
];

/// The same for distances.
#[rustfmt::skip]
pub(crate) const DISTANCES: [(usize, usize); 30] = [
    (1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (7, 1), (9, 2), (13, 2), (17, 3), (25, 3), (33, 4), (49, 4),
    (65, 5), (97, 5), (129, 6), (193, 6), (257, 7), (385, 7), (513, 8), (769, 8), (1025, 9), (1537, 9),
    (2049, 10), (3073, 10), (4097, 11), (6145, 11), (8193, 12), (12_289, 12), (16_385, 13), (24_577, 13),
];

/// Reads the payload of a whole message (RFC 7692 §7.2.2).
pub(crate) fn message(history: &[u8], payload: &[u8], window: usize) -> Result<Inflated, Invalid> {
    // "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message."
    inflate(history, &[payload, &[0x00, 0x00, 0xFF, 0xFF]].concat(), window)
}

/// Reads blocks until the data end together with one of them.
///
/// Matches reach back into `history`, too, by at most `window` bytes. Behind a final block comes another
/// stream, from the next byte on, for which the window is empty.
pub(crate) fn inflate(history: &[u8], data: &[u8], window: usize) -> Result<Inflated, Invalid> {
    let (start, held) = (history.len(), history.to_vec());
    let mut reader =
        Reader { data, at: 0, window, start, oldest: 0, held, blocks: vec![], max_distance: 0, reach: 0 };
    while reader.at < 8 * data.len() {
        reader.block()?;
    }
    let Reader { held, blocks, max_distance, reach, .. } = reader;
    let oldest = reader.oldest.max(held.len().saturating_sub(window));
    Ok(Inflated {
        bytes: held[start..].to_vec(),
        blocks,
        max_distance,
        reach,
        window: held[oldest..].to_vec(),
    })
}

impl Inflated {
    /// Whether the data end with "an empty DEFLATE block with no compression" (RFC 7692 §7.2.1).
    ///
    /// Without it a message may be readable all the same: the four bytes may be the end of anything.
    pub(crate) fn ends_with_empty_stored(&self) -> bool {
        self.blocks.last().is_some_and(|block| block.kind == Kind::Stored { len: 0 })
    }
}

struct Reader<'d> {
    data: &'d [u8],
    /// The next bit.
    at: usize,
    window: usize,
    /// The history, and behind it the output.
    held: Vec<u8>,
    /// Where the output starts.
    start: usize,
    /// The first byte that a match may still refer to, however large the window is.
    oldest: usize,
    blocks: Vec<Block>,
    max_distance: usize,
    reach: usize,
}

impl Reader<'_> {
    /// A number of so many bits, of which the lowest comes first.
    fn bits(&mut self, count: usize) -> Result<usize, Invalid> {
        let mut value = 0;
        for place in 0..count {
            let byte = *self.data.get(self.at / 8).ok_or(Invalid::CutOff)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Ok(value)
    }

    /// On to the next whole byte, whatever the bits before it are.
    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    /// RFC 1951 §3.2.3.
    fn block(&mut self) -> Result<(), Invalid> {
        let at = self.at;
        let is_final = self.bits(1)? == 1;
        let kind = match self.bits(2)? {
            0 => self.stored()?,
            1 => self.fixed()?,
            2 => self.dynamic()?,
            _ => return Err(Invalid::BlockType),
        };
        self.blocks.push(Block { kind, is_final, at });
        if is_final {
            self.align();
            self.oldest = self.held.len();
        }
        Ok(())
    }

    /// §3.2.4.
    fn stored(&mut self) -> Result<Kind, Invalid> {
        self.align();
        let (len, complement) = (self.bits(16)?, self.bits(16)?);
        if complement != len ^ 0xFFFF {
            return Err(Invalid::StoredLength);
        }
        let from = self.at / 8;
        self.held.extend_from_slice(self.data.get(from..from + len).ok_or(Invalid::CutOff)?);
        self.at += 8 * len;
        Ok(Kind::Stored { len })
    }

    /// §3.2.6.
    fn fixed(&mut self) -> Result<Kind, Invalid> {
        let literals = [vec![8; 144], vec![9; 112], vec![7; 24], vec![8; 8]].concat();
        self.symbols(&Code::new(Alphabet::Literals, &literals)?, &Code::new(Alphabet::Distances, &[5; 32])?)?;
        Ok(Kind::Fixed)
    }

    /// §3.2.7.
    fn dynamic(&mut self) -> Result<Kind, Invalid> {
        let (literals, distances, order) = (257 + self.bits(5)?, 1 + self.bits(5)?, 4 + self.bits(4)?);
        if literals > 286 || distances > 30 {
            return Err(Invalid::TooManyCodes);
        }
        let mut code_lengths = [0; 19];
        for &symbol in &ORDER[..order] {
            code_lengths[symbol] = self.bits(3)?;
        }
        let code = Code::new(Alphabet::CodeLengths, &code_lengths)?;
        let mut lengths = Vec::new();
        // "[A]ll code lengths form a single sequence of HLIT + HDIST + 258 values."
        while lengths.len() < literals + distances {
            let (length, times) = match self.symbol(&code)? {
                16 => (*lengths.last().ok_or(Invalid::NothingToRepeat)?, 3 + self.bits(2)?),
                17 => (0, 3 + self.bits(3)?),
                18 => (0, 11 + self.bits(7)?),
                length => (length, 1),
            };
            lengths.extend(repeat_n(length, times));
        }
        if lengths.len() > literals + distances {
            return Err(Invalid::TooManyLengths);
        }
        let (literals, distances) = lengths.split_at(literals);
        if literals[256] == 0 {
            return Err(Invalid::NoEndOfBlock);
        }
        self.symbols(&Code::new(Alphabet::Literals, literals)?, &Code::new(Alphabet::Distances, distances)?)?;
        Ok(Kind::Dynamic)
    }

    /// Literals and matches, as far as the end of the block (§3.2.5).
    fn symbols(&mut self, literals: &Code, distances: &Code) -> Result<(), Invalid> {
        loop {
            let symbol = self.symbol(literals)?;
            if let Ok(literal) = u8::try_from(symbol) {
                self.held.push(literal);
                continue;
            }
            if symbol == 256 {
                return Ok(());
            }
            let &(shortest, extra) = LENGTHS.get(symbol - 257).ok_or(Invalid::ReservedLength)?;
            // zlib takes 258 as symbol 284 with all extra bits set, too, which §3.2.5 does not list.
            let length = shortest + self.bits(extra)?;
            let symbol = self.symbol(distances)?;
            let &(nearest, extra) = DISTANCES.get(symbol).ok_or(Invalid::ReservedDistance)?;
            let distance = nearest + self.bits(extra)?;
            self.copy(length, distance)?;
        }
    }

    fn copy(&mut self, length: usize, distance: usize) -> Result<(), Invalid> {
        if distance > self.window {
            return Err(Invalid::BeyondWindow);
        }
        if distance > self.held.len() - self.oldest {
            return Err(Invalid::BeforeStart);
        }
        self.max_distance = self.max_distance.max(distance);
        self.reach = self.reach.max(distance.saturating_sub(self.held.len() - self.start));
        for _ in 0..length {
            self.held.push(self.held[self.held.len() - distance]);
        }
        Ok(())
    }

    /// A symbol, by its code, of which the highest bit comes first (§3.1.1).
    fn symbol(&mut self, code: &Code) -> Result<usize, Invalid> {
        let mut value = 0;
        for (first, symbols) in &code.lengths {
            value = value << 1 | self.bits(1)?;
            if let Some(&symbol) = value.checked_sub(*first).and_then(|at| symbols.get(at)) {
                return Ok(symbol);
            }
        }
        Err(Invalid::NoSuchCode(code.alphabet))
    }
}

/// A Huffman code.
struct Code {
    alphabet: Alphabet,
    /// For each length, from one bit on: the first code, and the symbols whose codes count on from there.
    lengths: Vec<(usize, Vec<usize>)>,
}

impl Code {
    /// By the length of each symbol's code, of at most 15 bits; 0 for a symbol without one (§3.2.2).
    fn new(alphabet: Alphabet, lengths: &[usize]) -> Result<Self, Invalid> {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        // Of all values of 15 bits, how many start with a code.
        let taken: usize =
            lengths.iter().filter(|&&length| length > 0).map(|length| 1 << (15 - length)).sum();
        if taken > 1 << 15 {
            return Err(Invalid::OverSubscribed(alphabet));
        }
        // "If only one distance code is used, it is encoded using one bit, not zero bits"; with none, "the data is
        // all literals". zlib allows the former for the literals, too, where the one code can only end the block.
        let may_lack = alphabet != Alphabet::CodeLengths && longest <= 1;
        if taken < 1 << 15 && !may_lack {
            return Err(Invalid::Incomplete(alphabet));
        }
        // Shorter codes come before longer ones, and those of one length in the order of their symbols.
        let mut next = 0;
        let lengths = (1..=longest).map(|length| {
            let symbols: Vec<_> = (0..lengths.len()).filter(|&symbol| lengths[symbol] == length).collect();
            let first = next;
            next = (first + symbols.len()) << 1;
            (first, symbols)
        });
        Ok(Self { alphabet, lengths: lengths.collect() })
    }
}
