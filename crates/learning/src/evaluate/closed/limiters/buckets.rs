//! A token bucket for each client, and fair shares of what is left.

use super::super::world::Bucket;

/// Buckets of all clients.
#[derive(Debug, Clone)]
pub(super) struct Buckets {
    pub(super) sizes: Vec<Bucket>,
    tokens: Vec<f64>,
}

impl Buckets {
    /// Full ones.
    pub(super) fn new(sizes: Vec<Bucket>) -> Self {
        Self { tokens: sizes.iter().map(|size| size.depth).collect(), sizes }
    }

    /// Refills all; says what each would let through of what is offered.
    pub(super) fn offer(&mut self, offered: &[f64], admitted: &mut [f64]) {
        for (at, size) in self.sizes.iter().enumerate() {
            self.tokens[at] = size.depth.min(self.tokens[at] + size.rate);
            admitted[at] = offered[at].min(self.tokens[at].floor());
        }
    }

    pub(super) fn take(&mut self, admitted: &[f64]) {
        for (tokens, taken) in self.tokens.iter_mut().zip(admitted) {
            *tokens = (*tokens - taken).max(0.0);
        }
    }
}

/// Rounds of sharing out; what is then left stays unused.
const ROUNDS: usize = 8;

/// Max-min fair shares of `most`, weighted; who asks for less than its share
/// leaves the rest to the others.
pub(super) fn shared(asked: &[f64], weights: &[f64], most: f64) -> Vec<f64> {
    if asked.iter().sum::<f64>() <= most {
        return asked.to_vec();
    }
    let mut given = vec![0.0; asked.len()];
    let mut waits: Vec<bool> = asked.iter().map(|asked| *asked > 0.0).collect();
    let mut left = most;
    for _ in 0..ROUNDS {
        let weight: f64 = weights.iter().zip(&waits).filter(|(_, waits)| **waits).map(|(w, _)| w).sum();
        let share = |at: usize| left * weights[at] / weight.max(1e-9);
        let full: Vec<usize> =
            (0..asked.len()).filter(|at| waits[*at] && asked[*at] - given[*at] <= share(*at)).collect();
        if full.is_empty() {
            (0..asked.len()).filter(|at| waits[*at]).for_each(|at| given[at] += share(at));
            return given;
        }
        for at in full {
            left -= asked[at] - given[at];
            given[at] = asked[at];
            waits[at] = false;
        }
        if left <= 0.0 || !waits.contains(&true) {
            break;
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_fair_and_leave_nothing() {
        assert_eq!(shared(&[1.0, 5.0, 50.0], &[1.0, 1.0, 1.0], 12.0), [1.0, 5.0, 6.0]);
        assert_eq!(shared(&[10.0, 40.0], &[1.0, 3.0], 20.0), [5.0, 15.0]);
        assert_eq!(shared(&[3.0, 4.0], &[1.0, 1.0], 7.0), [3.0, 4.0]);
    }
}
