//! Random numbers that are the same on every machine: xoshiro256++ (Blackman
//! and Vigna, 2019) seeded by SplitMix64, and `libm` for what needs logarithms.

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Random([u64; 4]);

impl Random {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        }))
    }

    /// Where the stream stands; [`Random::from_state`] goes on from there.
    #[must_use]
    pub fn state(&self) -> [u64; 4] {
        self.0
    }

    /// The stream that goes on from where another stood.
    #[must_use]
    pub fn from_state(state: [u64; 4]) -> Self {
        Self(state)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let state = &mut self.0;
        let result = state[0].wrapping_add(state[3]).rotate_left(23).wrapping_add(state[0]);
        let shifted = state[1] << 17;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = state[3].rotate_left(45);
        result
    }

    /// From 0 up to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Between two numbers.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// From 0 up to `end`, without it; 0 where `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }

    /// Normally distributed (Box and Muller).
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        mean + deviation * radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// Poisson distributed: by inversion for small means, else by Hörmann's
    /// transformed rejection (PTRS, 1993).
    pub fn poisson(&mut self, mean: f64) -> f64 {
        if mean < 10.0 { self.poisson_small(mean) } else { self.poisson_large(mean) }
    }

    fn poisson_small(&mut self, mean: f64) -> f64 {
        if mean <= 0.0 {
            return 0.0;
        }
        let limit = libm::exp(-mean);
        let (mut count, mut product) = (0.0, self.unit());
        while product > limit {
            count += 1.0;
            product *= self.unit();
        }
        count
    }

    fn poisson_large(&mut self, mean: f64) -> f64 {
        let root = libm::sqrt(mean);
        let b = 0.931 + 2.53 * root;
        let a = -0.059 + 0.024_83 * b;
        let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
        let near = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let u = self.unit() - 0.5;
            let v = self.unit();
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + mean + 0.43).floor();
            if us >= 0.07 && v <= near {
                return k;
            }
            if k < 0.0 || (us < 0.013 && v > us) {
                continue;
            }
            let left = libm::log(v * inverse_alpha / (a / (us * us) + b));
            if left <= k * libm::log(mean) - mean - libm::lgamma(k + 1.0) {
                return k;
            }
        }
    }

    /// Puts things into a random order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for end in (1..things.len()).rev() {
            things.swap(end, self.below(end + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let drawn: Vec<f64> = (0..200_000).map(|_| draw()).collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        (mean, drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / drawn.len() as f64)
    }

    #[test]
    fn distributions_have_their_moments() {
        let mut random = Random::new(7);
        for mean in [0.3, 4.0, 9.9, 10.0, 30.0, 4000.0] {
            let (got, variance) = moments(|| random.poisson(mean));
            assert!((got / mean - 1.0).abs() < 0.01, "mean {got} of {mean}");
            assert!((variance / mean - 1.0).abs() < 0.03, "variance {variance} of {mean}");
        }
        let (mean, variance) = moments(|| random.normal(2.0, 3.0));
        assert!((mean - 2.0).abs() < 0.03 && (variance - 9.0).abs() < 0.15);
        let (mean, variance) = moments(|| random.uniform(-1.0, 1.0));
        assert!(mean.abs() < 0.01 && (variance - 1.0 / 3.0).abs() < 0.01);
    }

    #[test]
    fn a_seed_gives_the_same_numbers_everywhere() {
        let mut random = Random::new(1);
        let drawn: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        let mut again = Random::new(1);
        assert_eq!(drawn, (0..3).map(|_| again.bits()).collect::<Vec<_>>());
        assert_ne!(drawn[0], Random::new(2).bits());
    }
}
