//! Max-min fair shares, weighted by past use: everybody gets what it asks for
//! up to its weight times one level, found from a histogram in one pass.

const PER_OCTAVE: i32 = 8;
const LOWEST: i32 = -6 * PER_OCTAVE;
const BINS: usize = 16 * PER_OCTAVE as usize;

/// What clients ask for and the weight that they have, by the ratio of both.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    demand: [f32; BINS],
    weight: [f32; BINS],
}

impl Default for Shares {
    fn default() -> Self {
        Self { demand: [0.0; BINS], weight: [0.0; BINS] }
    }
}

impl Shares {
    /// Adds a client.
    pub fn add(&mut self, demand: f32, weight: f32) {
        if demand > 0.0 && weight > 0.0 {
            let at = bin(demand / weight);
            self.demand[at] += demand;
            self.weight[at] += weight;
        }
    }

    /// All that is asked for.
    #[must_use]
    pub fn demand(&self) -> f32 {
        self.demand.iter().sum()
    }

    /// Tokens for each unit of weight, so that all together take no more than
    /// `most`; none where all of them fit. Clients of like ratio are taken for
    /// one, which costs at most a twelfth of what there is.
    #[must_use]
    pub fn level(&self, most: f32) -> Option<f32> {
        let mut left = most;
        let mut weight: f32 = self.weight.iter().sum();
        if self.demand() <= most {
            return None;
        }
        for (demand, of_bin) in self.demand.iter().zip(&self.weight).filter(|(_, weight)| **weight > 0.0) {
            let level = (left / weight).max(0.0);
            if level < demand / of_bin {
                return Some(level);
            }
            left -= demand;
            weight -= of_bin;
        }
        None
    }
}

/// Eight to an octave; what lies beyond both ends counts with them.
fn bin(ratio: f32) -> usize {
    // The exponent and the first three bits of the mantissa.
    let octaves = (ratio.to_bits() >> (23 - 3)) as i32 - (127 << 3);
    (octaves - LOWEST).clamp(0, BINS as i32 - 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Found by halving.
    fn slow(clients: &[(f32, f32)], most: f32) -> f32 {
        let given = |level: f32| clients.iter().map(|(d, w)| d.min(w * level)).sum::<f32>();
        let (mut low, mut high) = (0.0_f32, 1e9_f32);
        for _ in 0..200 {
            let middle = f32::midpoint(low, high);
            if given(middle) > most { high = middle } else { low = middle }
        }
        low
    }

    proptest! {
        #[test]
        fn gives_what_the_slow_way_gives(
            clients in prop::collection::vec((0.1_f32..1000.0, 0.5_f32..50.0), 1..60),
            part in 0.05_f32..1.2,
        ) {
            let mut shares = Shares::default();
            clients.iter().for_each(|(demand, weight)| shares.add(*demand, *weight));
            let all: f32 = clients.iter().map(|(demand, _)| demand).sum();
            match shares.level(all * part) {
                None => prop_assert!(part >= 0.999),
                Some(level) => {
                    let given: f32 = clients.iter().map(|(d, w)| d.min(w * level)).sum();
                    prop_assert!(given <= all * part * 1.001, "{given} of {}", all * part);
                    prop_assert!(given >= all * part * 11.0 / 12.0, "{given} of {}", all * part);
                    prop_assert!(level <= slow(&clients, all * part) * 1.13);
                }
            }
        }
    }

    #[test]
    fn who_asks_for_more_gets_no_more() {
        let level = |asked: f32| {
            let mut shares = Shares::default();
            (0..9).for_each(|_| shares.add(10.0, 10.0));
            shares.add(asked, 10.0);
            shares.level(80.0).unwrap()
        };
        assert!((level(1000.0) - level(100.0)).abs() < 1e-6);
    }
}
