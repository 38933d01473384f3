//! What all clients may take together within a tick, as the served limiter
//! has it: a bucket that refills all the time, of which whatever is taken is
//! taken, and which refuses only what goes beyond each client's guarantee.

use openclaw_admission::RateSettings;
use openclaw_limiter::{Common, LevelId, Rate};

/// Floor of every client, in tokens a tick.
const FLOOR: u32 = 1;

/// Tokens that are there; less than none where more was guaranteed than there is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Together {
    left: f64,
    is_set: bool,
}

impl Together {
    /// Cuts what clients would take in a tick, evenly over it, to what the
    /// bucket lets through; each has a bucket of its own of such a size.
    pub(super) fn cut<'b>(
        &mut self,
        most: Option<RateSettings>,
        own: impl Iterator<Item = &'b RateSettings>,
        admitted: &mut [f64],
    ) {
        let was_set = std::mem::replace(&mut self.is_set, most.is_some());
        let Some(RateSettings { rate_per_s, burst }) = most else { return };
        let burst = f64::from(burst);
        let there = rate_per_s + if was_set { self.left.clamp(-burst, burst) } else { burst };
        let sure: Vec<f64> = own.zip(&*admitted).map(|(own, wants)| wants.min(guaranteed(*own))).collect();
        let [wanted, guaranteed] = [admitted.iter().sum::<f64>(), sure.iter().sum()];
        let part = ((there - guaranteed) / (wanted - guaranteed).max(1e-9)).clamp(0.0, 1.0);
        for (admitted, sure) in admitted.iter_mut().zip(sure) {
            *admitted = sure + (*admitted - sure) * part;
        }
        self.left = there - admitted.iter().sum::<f64>();
    }
}

fn guaranteed(own: RateSettings) -> f64 {
    let common = Common { level: LevelId(0), floor: FLOOR };
    common.guaranteed(Rate::new(own.rate_per_s, own.burst)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_limiter::{Adaptive, Ask, CoreId, Limiter, Policy, PolicyId, Seed, Sizes};

    const POLICY: PolicyId = PolicyId(0);
    const SECOND: u64 = 1_000_000_000;
    const OWN: [(f64, u32); 4] = [(400.0, 1000), (100.0, 300), (60.0, 200), (20.0, 80)];

    fn limiter() -> Limiter {
        let sizes = Sizes { clients: 64, policies: 1, levels: 1, cores: 1 };
        let limiter = Limiter::new(sizes, Seed::new([1; 16])).with_learned(8);
        limiter.set_policy(POLICY, Policy { rate: Rate::new(100.0, 100), within: [None; 2] }, SECOND);
        let common = Common { level: LevelId(0), floor: FLOOR };
        limiter.set_adaptive(POLICY, Some(Adaptive { slo_ms: 200, common: Some(common) }));
        for (at, (rate, burst)) in OWN.iter().enumerate() {
            let rate = Rate::new(*rate, *burst);
            limiter.learn(POLICY, limiter.key(0, &[at as u8]), rate, SECOND).unwrap();
        }
        limiter
    }

    /// What each gets of a tick in which all ask evenly.
    fn ask(limiter: &Limiter, wants: [u32; 4], from: u64) -> [u32; 4] {
        let mut asks: Vec<(u64, u8)> = Vec::new();
        for (at, wants) in wants.iter().enumerate() {
            asks.extend((0..*wants).map(|n| (u64::from(n) * SECOND / u64::from(*wants), at as u8)));
        }
        asks.sort_unstable();
        let mut got = [0; 4];
        for (after, at) in asks {
            let ask = Ask { policy: POLICY, key: limiter.key(0, &[at]), cost: 1 };
            got[usize::from(at)] += u32::from(limiter.decide(CoreId(0), ask, from + after).is_allowed());
        }
        let _counted_anew = limiter.learned(0..8, from + SECOND).count();
        got
    }

    #[test]
    fn the_limiter_does_what_is_reckoned_with_here() {
        let (limiter, mut together) = (limiter(), Together::default());
        let own = OWN.map(|(rate_per_s, burst)| RateSettings { rate_per_s, burst });
        let ticks = [
            ([100, 90, 50, 10], 1000.0),
            ([100, 90, 50, 10], 300.0),
            ([380, 90, 50, 10], 300.0),
            ([380, 90, 50, 10], 300.0),
            ([390, 90, 55, 19], 200.0),
            ([50, 40, 20, 10], 200.0),
            ([390, 95, 20, 10], 450.0),
        ];
        for (tick, (wants, most)) in ticks.into_iter().enumerate() {
            let most = RateSettings { rate_per_s: most, burst: 10 };
            let from = (tick as u64 + 2) * SECOND;
            limiter.set_level(LevelId(0), Rate::new(most.rate_per_s, most.burst), from);
            let got = ask(&limiter, wants, from);
            let mut reckoned = wants.map(f64::from);
            together.cut(Some(most), own.iter(), &mut reckoned);
            for (client, (got, reckoned)) in got.into_iter().zip(reckoned).enumerate() {
                let off = (f64::from(got) - reckoned).abs();
                assert!(
                    off <= 0.08 * f64::from(wants[client]) + 5.0,
                    "{tick} {client}: {got}, not {reckoned}"
                );
            }
            let sums = [got.iter().sum::<u32>().into(), reckoned.iter().sum::<f64>()];
            assert!((sums[0] - sums[1]).abs() <= 0.05 * sums[1], "{tick}: {sums:?}");
        }
    }
}
