//! A second model beside the one that runs: it predicts for everybody, sets the
//! limits of a part, and what both would have done is compared on the same
//! windows.
//!
//! What belongs to it is kept beside the clients' own state and goes with it:
//! the running model's predictions and corrections are never touched, so that
//! whose limits go back finds them as if there had been no trial.

mod evidence;
mod part;

pub use evidence::{Cluster, Evidence};
pub use part::{CLUSTERS, Part};

use super::advice::{self, Bounds, Outcome};
use super::estimator::Predictor;
use super::features::Features;
use super::state::ClientState;
use super::tally::Ticks;
use super::tenant::Backend;
use super::{Correction, Hold, TICKS};
use crate::RateSettings;
use libm::{expm1f, logf};
use openclaw_limiter::Key;
use std::sync::Arc;

/// Windows of a client before it counts as evidence: corrections begin where
/// the running model's are and have to find their own place.
const WARM_UP: u8 = 8;
/// Own faults beyond which a client's refusals are nobody's loss.
const OWN_FAULTS_MAX: f32 = 0.2;

/// A model on trial.
pub(super) struct Trial {
    predictor: Box<dyn Predictor>,
    name: Arc<str>,
    salt: u64,
    part: Part,
    sides: Vec<Side>,
    outputs: Vec<[f32; 2]>,
    evidence: Evidence,
}

/// What the model on trial makes of one client.
#[derive(Debug, Clone, Copy, Default)]
struct Side {
    advised: [f32; 2],
    correction: [f32; 2],
    /// Tokens refused in the last tick, and asked for again since, and refused
    /// within the target, in the running window.
    refused: f32,
    retried: f32,
    turned_away: f32,
    cluster: u16,
    /// Predictions so far; at 0 nothing else counts.
    windows: u8,
}

/// A client's window that has ended, as both models see it.
pub(super) struct Seen<'w> {
    pub(super) ticks: &'w Ticks,
    pub(super) bounds: &'w Bounds,
    pub(super) coverage: f32,
    pub(super) own_faults: f32,
}

impl Trial {
    pub(super) fn new(predictor: Box<dyn Predictor>, salt: u64) -> Self {
        Self {
            name: predictor.name().into(),
            predictor,
            salt,
            part: Part::NOBODY,
            sides: Vec::new(),
            outputs: Vec::new(),
            evidence: Evidence::default(),
        }
    }

    pub(super) fn set_part(&mut self, part: Part) {
        self.part = part;
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn evidence_mut(&mut self) -> &mut Evidence {
        &mut self.evidence
    }

    pub(super) fn into_predictor(self) -> Box<dyn Predictor> {
        self.predictor
    }

    /// What it advises, where it sets the client's limits.
    pub(super) fn sets(&self, client: usize) -> Option<[f32; 2]> {
        let side = self.sides.get(client)?;
        (side.windows > 0 && self.part.has(side.cluster.into())).then_some(side.advised)
    }

    /// What it advises and how that is corrected, wherever it sets limits.
    pub(super) fn knows(&self, client: usize) -> Option<([f32; 2], [f32; 2])> {
        let side = self.sides.get(client).filter(|side| side.windows > 0)?;
        Some((side.advised, side.correction))
    }

    pub(super) fn forget(&mut self, client: usize) {
        if let Some(side) = self.sides.get_mut(client) {
            *side = Side::default();
        }
    }

    /// One client, one tick.
    pub(super) fn tick(
        &mut self,
        client: usize,
        state: &ClientState,
        offered: f32,
        refused: f32,
        within: f32,
    ) {
        let Some(side) = self.sides.get_mut(client) else { return };
        if side.refused > 0.0 {
            let usual = expm1f(state.last()[0]) / TICKS as f32;
            side.retried += side.refused.min((offered - usual).max(0.0));
        }
        side.refused = refused;
        side.turned_away += within;
    }

    /// Answers of a client whose latency is known.
    pub(super) fn timed(&mut self, latency: &[u16; 8]) {
        let count = |bins: &[u16]| bins.iter().map(|count| u64::from(*count)).sum::<u64>();
        self.evidence.timed += count(latency);
        self.evidence.slow += count(&latency[4..]);
    }

    /// What backends did within a tick.
    pub(super) fn heard(&mut self, heard: Backend) {
        self.evidence.answers += u64::from(heard.answers);
        self.evidence.failures += u64::from(heard.failures);
    }

    /// Compares what both said of a window that has ended. Gives how that went
    /// where this model sets the client's limits.
    pub(super) fn end(
        &mut self,
        client: usize,
        state: &ClientState,
        seen: &Seen<'_>,
    ) -> Option<(Outcome, Arc<str>)> {
        let side = self.sides.get_mut(client).filter(|side| side.windows > 0)?;
        let range = self.predictor.correction_range();
        let advised = [state.advised(), side.advised];
        let mut outcome = Outcome::default();
        if state.is_known() {
            let correction = Correction { coverage: seen.coverage, range };
            outcome = advice::judge(side.advised, &mut side.correction, seen.ticks.window(), correction);
            if side.windows >= WARM_UP {
                let of = &mut self.evidence.clusters[usize::from(side.cluster)];
                compare(of, state, advised, seen);
                let all: f32 = seen.ticks.0.iter().map(|count| *count as f32).sum::<f32>() + 1.0;
                of.turned_away += f64::from((side.turned_away / all).min(1.0));
                of.retried += f64::from((side.retried / all).min(1.0));
            }
        }
        (side.turned_away, side.retried) = (0.0, 0.0);
        self.part.has(side.cluster.into()).then(|| (outcome, Arc::clone(&self.name)))
    }

    /// Predicts for clients whose window has ended.
    pub(super) fn predict(&mut self, features: &[Features]) {
        self.outputs.clear();
        self.outputs.resize(features.len(), [f32::NAN; 2]);
        self.predictor.predict(features, &mut self.outputs);
        self.evidence.outputs += features.len() as u64;
    }

    /// Takes in what it predicted for one of these; tells whether that is a
    /// prediction. `state` has the running model's of the window before.
    pub(super) fn predicted(&mut self, row: usize, client: usize, key: Key, state: &ClientState) -> bool {
        let output = self.outputs[row];
        if self.sides.len() <= client {
            self.sides.resize(client + 1, Side::default());
        }
        let (low, high) = self.predictor.correction_range();
        let side = &mut self.sides[client];
        if side.windows == 0 {
            let correction = state.correction().map(|shift| shift.clamp(low, high));
            let cluster = part::cluster_of(key, self.salt) as u16;
            *side = Side { advised: state.advised(), correction, cluster, ..Side::default() };
        }
        side.windows = side.windows.saturating_add(1);
        let (next, is_sound) = advice::next(&state.base(), side.advised, side.correction, output);
        side.advised = next;
        if !is_sound {
            let is_finite = output.iter().all(|number| number.is_finite());
            let of = if is_finite { &mut self.evidence.absurd } else { &mut self.evidence.not_finite };
            *of += 1;
        }
        is_sound
    }
}

/// Adds one window; the first of `advised` is the running model's.
fn compare(of: &mut Cluster, state: &ClientState, advised: [[f32; 2]; 2], seen: &Seen<'_>) {
    let window = seen.ticks.window();
    let logs = [window.count, window.burst].map(libm::log1pf);
    of.windows += 1.0;
    for (model, advised) in advised.into_iter().enumerate() {
        let off: [f32; 2] = std::array::from_fn(|at| logs[at] - advised[at]);
        // As it would be in force, but for shares: both have them alike.
        let bucket = state.allowance(advised, seen.bounds, Hold::default());
        if seen.own_faults <= OWN_FAULTS_MAX {
            of.refused[model] += f64::from(refused(seen.ticks, bucket) / (window.count + 1.0));
        }
        of.loss[model] += off.iter().map(|off| f64::from(pinball(*off, seen.coverage))).sum::<f64>();
        of.beyond[model] += f64::from(u8::from(off.iter().any(|off| *off > 0.0)));
        of.room[model] += f64::from(logf(bucket.rate_per_s as f32 * TICKS as f32 + bucket.burst as f32));
    }
}

/// What a bucket that is full when the window begins doesn't let through.
fn refused(ticks: &Ticks, bucket: RateSettings) -> f32 {
    let (rate, burst) = (bucket.rate_per_s as f32, bucket.burst as f32);
    let (mut left, mut refused) = (burst, 0.0);
    for came in ticks.0.map(|count| count as f32) {
        left = (left + rate).min(burst);
        let passed = came.min(left);
        left -= passed;
        refused += came - passed;
    }
    refused
}

fn pinball(off: f32, quantile: f32) -> f32 {
    if off > 0.0 { quantile * off } else { (quantile - 1.0) * off }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_through_what_is_in_it() {
        let bucket = RateSettings { rate_per_s: 2.0, burst: 10 };
        let mut ticks = [0; TICKS];
        (ticks[0], ticks[1], ticks[11]) = (9, 5, 30);
        // 10 - 9, and 2 more: 3 of 5; full again at the end: 10 of 30.
        assert!((refused(&Ticks(ticks), bucket) - 22.0).abs() < 1e-6);
        assert!(refused(&Ticks([2; TICKS]), bucket).abs() < 1e-6);
    }

    #[test]
    fn a_client_takes_32_bytes_of_a_trial() {
        assert!(size_of::<Side>() <= 32, "{}", size_of::<Side>());
    }
}
