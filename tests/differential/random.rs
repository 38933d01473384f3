//! Numbers that a seed decides.

/// SplitMix64: small, and the same on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream of one case, whatever the others draw.
    pub(crate) fn of_case(seed: u64, case: usize) -> Self {
        let mut random = Self(seed ^ (case as u64).wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    /// Another stream.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `end`, which is left out.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// The seed of this run.
pub(crate) fn seed() -> u64 {
    let set = std::env::var("OPENCLAW_SEED").ok();
    set.map_or(20_261_122, |text| text.parse().expect("`OPENCLAW_SEED` is a number"))
}
