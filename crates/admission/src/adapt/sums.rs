//! What was decided within the window that is running.

/// Numbers that are summed.
const SUMS: usize = 3;
/// Bits of a shift.
const SHIFT_BITS: usize = 5;

/// Three sums in 8 bytes: exact up to 65 535, beyond that to one part in
/// 5 000 over a window's ticks.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sums {
    parts: [u16; SUMS],
    shifts: u16,
}

/// What was decided within a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Decided {
    /// Decisions that let the client go on.
    pub allowed: u64,
    /// Decisions that didn't.
    pub refused: u64,
    /// Tokens spent.
    pub cost: u64,
}

impl Sums {
    pub(super) fn add(&mut self, decided: Decided) {
        let more = [decided.allowed, decided.refused, decided.cost];
        for (at, more) in more.into_iter().enumerate().filter(|(_, more)| *more > 0) {
            self.set(at, self.get(at).saturating_add(more));
        }
    }

    pub(super) fn decided(self) -> Decided {
        let [allowed, refused, cost] = [0, 1, 2].map(|at| self.get(at));
        Decided { allowed, refused, cost }
    }

    fn get(self, at: usize) -> u64 {
        let shift = self.shifts >> (at * SHIFT_BITS) & 0x1f;
        u64::from(self.parts[at]) << shift
    }

    fn set(&mut self, at: usize, sum: u64) {
        let sum = sum.min(u64::from(u16::MAX) << 0x1f);
        let mut shift = (u64::BITS - sum.leading_zeros()).saturating_sub(u16::BITS);
        let mut part = rounded(sum, shift);
        if part > u64::from(u16::MAX) {
            shift += 1;
            part = rounded(sum, shift);
        }
        self.parts[at] = part as u16;
        self.shifts &= !(0x1f << (at * SHIFT_BITS));
        self.shifts |= (shift as u16) << (at * SHIFT_BITS);
    }
}

fn rounded(sum: u64, shift: u32) -> u64 {
    (sum + (1 << shift >> 1)) >> shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn count() -> impl Strategy<Value = u64> {
        prop_oneof![0_u64..10, 0_u64..6000, 0_u64..100_000, 0_u64..u64::from(u32::MAX), 0..u64::MAX]
    }

    proptest! {
        #[test]
        fn sums_of_a_window_are_as_if_counted_in_full(
            ticks in prop::collection::vec((count(), count(), count()), 12),
        ) {
            let (mut sums, mut exact) = (Sums::default(), [0_u64; 3]);
            for (allowed, refused, cost) in ticks {
                sums.add(Decided { allowed, refused, cost });
                for (exact, more) in exact.iter_mut().zip([allowed, refused, cost]) {
                    *exact = exact.saturating_add(more).min(u64::from(u16::MAX) << 31);
                }
            }
            let Decided { allowed, refused, cost } = sums.decided();
            for (kept, exact) in [allowed, refused, cost].into_iter().zip(exact) {
                let tolerance = if exact <= u64::from(u16::MAX) { 0 } else { exact / 5000 };
                prop_assert!(kept.abs_diff(exact) <= tolerance, "{} for {}", kept, exact);
            }
        }
    }
}
