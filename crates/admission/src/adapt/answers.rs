//! What the answers to a client's requests were like.

use libm::logf;

/// ln(p95 / SLO) where nobody has reported: that of a healthy backend.
pub const UNREPORTED_LATENCY: f32 = -0.980_829_3;
/// Steps of a kept ln(p95 / SLO).
const STEPS: f32 = 2048.0;
/// Farther than this from the SLO is not told apart.
const LATENCY_MAX: f32 = 8.0;

/// What is known of a window beside how much came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answers {
    /// Share of the client's answers that were its own fault: 4xx other than
    /// 429. What the backend failed to do isn't the client's.
    pub own_faults: f32,
    /// ln(p95 / SLO) of what the client waited for.
    pub latency: f32,
}

impl Answers {
    /// Of so many answers, so many of which were the client's own faults.
    #[must_use]
    pub fn of(answered: u16, own_faults: u16, latency: f32) -> Self {
        match answered {
            0 => Self::default(),
            _ => Self { own_faults: f32::from(own_faults) / f32::from(answered), latency },
        }
    }
}

impl Default for Answers {
    /// Nobody has reported.
    fn default() -> Self {
        Self { own_faults: 0.0, latency: UNREPORTED_LATENCY }
    }
}

/// A client's own faults from which on it is suspect: so many, and that part of
/// its answers.
const SUSPECT: (u16, f32) = (5, 0.1);

/// Answers heard of, in 6 bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heard {
    answered: u16,
    own_faults: u16,
    latency: i16,
}

impl Heard {
    /// Of so many answers, with the 95th percentile of what was waited for
    /// over the SLO.
    #[must_use]
    pub fn new(answered: u32, own_faults: u32, p95_of_slo: f32) -> Self {
        let latency = match p95_of_slo > 0.0 {
            true => logf(p95_of_slo).clamp(-LATENCY_MAX, LATENCY_MAX),
            false => UNREPORTED_LATENCY,
        };
        let short = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
        let own_faults = short(own_faults.min(answered));
        Self { answered: short(answered), own_faults, latency: (latency * STEPS) as i16 }
    }

    /// Both together: percentiles by the mean of their logarithms.
    pub(super) fn and(self, other: Self) -> Self {
        let [ours, others] = [self, other].map(|heard| i32::from(heard.answered));
        let all = ours + others;
        if all == 0 {
            return self;
        }
        let latency = (i32::from(self.latency) * ours + i32::from(other.latency) * others) / all;
        Self {
            answered: u16::try_from(all).unwrap_or(u16::MAX),
            own_faults: self.own_faults.saturating_add(other.own_faults),
            latency: latency as i16,
        }
    }

    /// Whether so many are the client's own faults that it may not be honest.
    pub(super) fn is_suspect(self) -> bool {
        self.own_faults >= SUSPECT.0 && f32::from(self.own_faults) > SUSPECT.1 * f32::from(self.answered)
    }

    /// Answers, and those that were the client's own faults.
    pub(super) fn counts(self) -> [u16; 2] {
        [self.answered, self.own_faults]
    }

    pub(super) fn answers(self) -> Answers {
        Answers::of(self.answered, self.own_faults, f32::from(self.latency) / STEPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_heard_is_a_share_and_finite(
            heard in prop::collection::vec((any::<u32>(), any::<u32>(), any::<f32>()), 0..20),
        ) {
            let all = heard.iter().fold(Heard::default(), |all, (n, faults, p95)| {
                all.and(Heard::new(*n, *faults, *p95))
            });
            let answers = all.answers();
            prop_assert!((0.0..=1.0).contains(&answers.own_faults));
            prop_assert!(answers.latency.abs() <= LATENCY_MAX);
        }
    }

    #[test]
    fn answers_of_two_ticks_weigh_by_their_number() {
        let both = Heard::new(30, 3, 1.0).and(Heard::new(10, 5, 4.0)).answers();
        assert!((both.own_faults - 0.2).abs() < 1e-6);
        assert!((both.latency - 4.0_f32.ln() / 4.0).abs() < 1e-3);
    }
}
