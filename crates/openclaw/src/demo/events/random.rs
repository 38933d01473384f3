//! Random numbers that are the same for a seed on every machine and release.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// A stream of its own for each pair.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let base = Self(seed).next();
        Self(Self(base.wrapping_add(stream)).next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 up to but without 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True in `share` of all calls.
    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// 0 up to but without `end`, which is above 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        (self.unit() * end as f64) as u64
    }

    /// From `first` to `last`, both included.
    pub(super) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// One of `choices`, which has some.
    pub(super) fn one_of<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    /// Index of a weight, the more often the heavier it is.
    pub(super) fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.unit() * weights.clone().sum::<f64>();
        let passed = |weight: &f64| {
            left -= weight;
            left >= 0.0
        };
        let last = weights.clone().count() - 1;
        weights.take_while(passed).count().min(last)
    }

    /// A value whose quantiles are `table`, as in [`quantile_at`].
    pub(super) fn quantile(&mut self, table: &[(f64, f64)]) -> f64 {
        quantile_at(table, self.unit())
    }

    /// A whole number by its cumulative shares: (share, largest value so far);
    /// values between two entries are equally likely.
    pub(super) fn step(&mut self, table: &[(f64, u64)]) -> u64 {
        let share = self.unit();
        let at = table.partition_point(|(until, _)| *until <= share).min(table.len() - 1);
        let smallest = at.checked_sub(1).map_or(1, |before| table[before].1 + 1);
        self.between(smallest, table[at].1)
    }

    /// Number of arrivals where `mean` are expected (Knuth's product of
    /// uniforms; made for means below some hundreds).
    pub(super) fn poisson(&mut self, mean: f64) -> u64 {
        let (floor, mut product, mut arrivals) = ((-mean).exp(), self.unit(), 0);
        while product > floor {
            product *= self.unit();
            arrivals += 1;
        }
        arrivals
    }
}

/// The quantile of `share` in a table of (share, value), ascending, from share
/// 0 to share 1; straight lines between.
pub(super) fn quantile_at(table: &[(f64, f64)], share: f64) -> f64 {
    let above = table.partition_point(|(at, _)| *at <= share).clamp(1, table.len() - 1);
    let ((from, low), (to, high)) = (table[above - 1], table[above]);
    low + (share - from) / (to - from) * (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 20_000;

    fn mean(mut draw: impl FnMut() -> f64) -> f64 {
        (0..DRAWS).map(|_| draw()).sum::<f64>() / DRAWS as f64
    }

    #[test]
    fn means_are_as_asked_for() {
        let mut random = Random::new(7, 1);
        let close = |found: f64, want: f64| assert!((found - want).abs() < 0.03 * want, "{found} for {want}");
        close(mean(|| random.unit()), 0.5);
        close(mean(|| random.between(3, 7) as f64), 5.0);
        close(mean(|| random.poisson(4.5) as f64), 4.5);
        close(mean(|| random.weighted([1.0, 2.0, 1.0].into_iter()) as f64), 1.0);
        close(mean(|| random.quantile(&[(0.0, 0.0), (0.5, 1.0), (1.0, 5.0)])), 1.75);
        close(mean(|| random.step(&[(0.5, 1), (1.0, 3)]) as f64), 1.75);
    }

    #[test]
    fn draws_stay_inside() {
        let mut random = Random::new(1, 2);
        for _ in 0..DRAWS {
            assert!(random.below(3) < 3);
            assert!((2..=4).contains(&random.between(2, 4)));
            assert!(random.weighted([0.0, 1.0, 0.0].into_iter()) == 1);
            assert!((1.0..=9.0).contains(&random.quantile(&[(0.0, 1.0), (0.9, 2.0), (1.0, 9.0)])));
            assert!((1..=12).contains(&random.step(&[(0.6, 1), (0.9, 4), (1.0, 12)])));
        }
    }

    #[test]
    fn streams_differ() {
        let first = |seed, stream| Random::new(seed, stream).next();
        assert_eq!(first(1, 1), first(1, 1));
        assert_ne!(first(1, 1), first(1, 2));
        assert_ne!(first(1, 2), first(2, 1));
    }
}
