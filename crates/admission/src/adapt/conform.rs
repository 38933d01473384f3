//! Adaptive conformal correction: outputs are shifted until the share of
//! windows beyond them is the one that was asked for, whatever the traffic.

/// How fast a correction follows.
const STEP: f32 = 0.3;

/// How outputs are corrected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correction {
    /// Share of windows that are to stay within.
    pub coverage: f32,
    /// Least and most shift, in scales.
    pub range: (f32, f32),
}

impl Correction {
    /// Shifts after one window, which was beyond what was predicted or not.
    pub fn learn(self, shift: &mut f32, is_beyond: bool) {
        let missed = if is_beyond { self.coverage } else { self.coverage - 1.0 };
        *shift = (*shift + STEP * missed).clamp(self.range.0, self.range.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Gibbs and Candès: misses stray from the target by at most
        /// (range + step) / (step × windows), whatever comes.
        #[test]
        fn misses_come_to_their_share(
            outcomes in prop::collection::vec(-3.0_f32..10.0, 200..2000),
            drift in -0.005_f32..0.005,
        ) {
            let correction = Correction { coverage: 0.98, range: (-4.0, 12.0) };
            let (mut shift, mut beyond) = (0.0, 0_usize);
            for (window, outcome) in outcomes.iter().enumerate() {
                let is_beyond = (outcome + drift * window as f32).clamp(-3.9, 11.0) > shift;
                beyond += usize::from(is_beyond);
                correction.learn(&mut shift, is_beyond);
            }
            let strays = (beyond as f32 / outcomes.len() as f32 - 0.02).abs();
            prop_assert!(strays <= (16.0 + STEP) / (STEP * outcomes.len() as f32) + 1e-4, "{}", strays);
        }
    }
}
