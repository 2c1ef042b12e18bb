/// Counts durations in steps of 1/64 of each power of two.
#[derive(Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

/// Steps within a power of two, as a power of two.
const BITS: u32 = 6;

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; 64 << BITS], total: 0 }
    }

    pub(crate) fn add(&mut self, nanoseconds: u64) {
        let n = nanoseconds.max(1 << BITS);
        let octave = n.ilog2() - BITS;
        let step = (n >> octave) & ((1 << BITS) - 1);
        self.counts[((octave as usize) << BITS) + step as usize] += 1;
        self.total += 1;
    }

    /// The nanoseconds that this share of all durations does not exceed; 0 if there are none.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        let wanted = share * self.total as f64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen as f64 >= wanted {
                let (octave, step) = (index >> BITS, index as u64 & ((1 << BITS) - 1));
                return ((1 << BITS) + step) << octave;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::Histogram;

    #[test]
    fn a_quantile_is_right_to_one_in_64() {
        let mut histogram = Histogram::new();
        (1..=1000).for_each(|n| histogram.add(n * 1000));
        let (median, most) = (histogram.quantile(0.5), histogram.quantile(1.0));
        assert!((492_000..=500_000).contains(&median), "{median}");
        assert!((984_000..=1_000_000).contains(&most), "{most}");
    }
}
