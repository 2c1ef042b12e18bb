//! What is compressed: made by rule, the same in every run.

use sansocket::Message;
use std::fmt::Write;

/// Messages of one kind, each another.
pub(crate) struct Corpus {
    pub(crate) name: &'static str,
    pub(crate) messages: Vec<Message>,
}

impl Corpus {
    pub(crate) fn all() -> [Self; 4] {
        [
            Self::json(),
            Self::text(),
            Self::noise("noise 1 KiB", 64, 1 << 10),
            Self::noise("noise 64 KiB", 4, 64 << 10),
        ]
    }

    /// What an application pushes: records of a few fields, of 1 KiB in all. Together the messages are eight times
    /// the largest window, so that none is found in it when its turn comes again.
    pub(crate) fn json() -> Self {
        let mut random = Random(1);
        let words = Words::new(&mut random);
        let messages = (0..256).map(|i| json(i, 1 << 10, &words, &mut random).into()).collect();
        Self { name: "JSON 1 KiB", messages }
    }

    /// Prose, as far as its statistics go: few of its words make up most of it.
    fn text() -> Self {
        let mut random = Random(2);
        let words = Words::new(&mut random);
        let messages = (0..4).map(|_| text(64 << 10, &words, &mut random).into()).collect();
        Self { name: "text 64 KiB", messages }
    }

    /// Bytes that nothing can shorten.
    fn noise(name: &'static str, count: usize, size: usize) -> Self {
        let mut random = Random(3);
        let mut bytes = || (0..size / 8).flat_map(|_| random.next().to_le_bytes()).collect::<Vec<_>>();
        Self { name, messages: (0..count).map(|_| bytes().into()).collect() }
    }

    /// Bytes of all messages.
    pub(crate) fn len(&self) -> usize {
        self.messages.iter().map(Message::len).sum()
    }
}

/// A message of exactly `size` bytes.
fn json(number: usize, size: usize, words: &Words, random: &mut Random) -> String {
    let mut json = format!(r#"{{"type":"orders","sequence":{},"changes":["#, 104_729 + number);
    while json.len() + 240 < size {
        let status = ["new", "paid", "packed", "shipped", "returned"][random.below(5)];
        let (id, customer, cents) = (random.next(), random.below(100_000), random.below(100_000));
        write!(
            json,
            r#"{{"id":"{id:016x}","customer":{{"id":{customer},"name":"{} {}"}},"status":"{status}","quantity":{},"price":{}.{:02},"gift":{}}},"#,
            words.pick(random),
            words.pick(random),
            1 + random.below(9),
            cents / 100,
            cents % 100,
            random.below(4) == 0,
        )
        .unwrap();
    }
    json.pop();
    json.push_str(r#"],"note":""#);
    while json.len() < size {
        json.push_str(words.pick(random));
        json.push(' ');
    }
    json.truncate(size - 2);
    json + r#""}"#
}

/// Sentences and paragraphs of exactly `size` bytes.
fn text(size: usize, words: &Words, random: &mut Random) -> String {
    let mut text = String::new();
    while text.len() < size {
        let length = 4 + random.below(20);
        for i in 0..length {
            let word = words.pick(random);
            let (first, rest) = word.split_at(1);
            text += &if i == 0 { first.to_uppercase() } else { first.into() };
            text += rest;
            text += match random.below(12) {
                _ if i + 1 == length => ".",
                0 => ", ",
                _ => " ",
            };
        }
        text += if random.below(6) == 0 { "\n\n" } else { " " };
    }
    text.truncate(size);
    text
}

/// A vocabulary, by rank: the word of rank n is met 1/n times as often as the first (Zipf).
struct Words(Vec<(f64, String)>);

impl Words {
    fn new(random: &mut Random) -> Self {
        const BEGIN: [&str; 24] = [
            "b", "br", "c", "ch", "d", "f", "g", "gr", "h", "k", "l", "m", "n", "p", "pr", "qu", "r", "s",
            "st", "t", "th", "tr", "v", "w",
        ];
        const MIDDLE: [&str; 9] = ["a", "e", "i", "o", "u", "ea", "ie", "ou", "y"];
        const END: [&str; 11] = ["", "", "", "d", "l", "n", "nd", "r", "s", "st", "t"];
        let mut sum = 0.0;
        let mut word = |rank: usize| {
            sum += 1.0 / (rank + 1) as f64;
            // Frequent words are short.
            let syllables = 1 + (rank > 60) as usize + (rank > 400) as usize * random.below(3);
            let mut word = String::new();
            for _ in 0..syllables {
                for part in [&BEGIN[..], &MIDDLE, &END] {
                    word += part[random.below(part.len())];
                }
            }
            (sum, word)
        };
        Self((0..6_000).map(&mut word).collect())
    }

    fn pick(&self, random: &mut Random) -> &str {
        let total = self.0.last().unwrap().0;
        let at = total * (random.next() >> 11) as f64 / (1u64 << 53) as f64;
        &self.0[self.0.partition_point(|&(sum, _)| sum <= at)].1
    }
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit
    }
}
