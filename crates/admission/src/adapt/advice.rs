//! From outputs to a bucket that may be put in force.

use super::estimator::PLAIN_OUTPUT;
use super::state::ClientState;
use super::{Base, Correction, Hold, TICKS, Window};
use crate::RateSettings;
use libm::{expm1f, log1pf};
use openclaw_limiter::Rate;

/// Farthest that an output moves a limit: a factor of e⁴.
const REACH_MAX: f32 = 4.0;
/// Outputs beyond this are no predictions.
const OUTPUT_MAX: f32 = 64.0;
/// Largest logarithm that is turned back into a number.
const LOG_MAX: f32 = 22.0;
/// Of a fall, the part that is followed in one window: a client that pauses
/// finds most of its bucket again.
const FALL: f32 = 0.5;
/// Granted for each token that is predicted, and for each that the client is
/// used to at least.
const HEADROOM: f32 = 1.6;
/// Bursts of a client, in ticks of what it is used to.
const BURST_TICKS: (f32, f32) = (4.0, 9.0);
/// A suspect client has between these many times its past use.
const SUSPECT: (f32, f32) = (1.5, 2.5);
/// Who has waited for a backend has so many times more, where it is honest.
const RELIEF: f32 = 30.0;

/// What an adaptive policy allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// What clients have beyond what is learned of them; 1 is what is usual,
    /// more refuses fewer of them and lets more abuse through.
    pub headroom: f32,
    /// Never below.
    pub floor: RateSettings,
    /// Never above.
    pub ceiling: RateSettings,
}

impl Bounds {
    /// The nearest bucket that is neither below the floor nor above the
    /// ceiling; where they contradict each other, the ceiling.
    #[must_use]
    pub fn hold(&self, rate_per_s: f32, burst: f32) -> RateSettings {
        let rate = f64::from(rate_per_s).max(self.floor.rate_per_s).min(self.ceiling.rate_per_s);
        let burst = (burst.ceil() as u32).max(self.floor.burst).min(self.ceiling.burst);
        RateSettings { rate_per_s: rate, burst }
    }

    /// Whether a rate is between both, as nearly as rates are kept.
    pub(super) fn hold_rate(&self, rate: Rate) -> bool {
        let word = |bucket: RateSettings| Rate::new(bucket.rate_per_s, bucket.burst);
        let (floor, ceiling) = (word(self.floor), word(self.ceiling));
        (ceiling.nanos_per_token()..=floor.nanos_per_token()).contains(&rate.nanos_per_token())
            && (floor.burst()..=ceiling.burst()).contains(&rate.burst())
    }
}

/// How one client's window ended, beside what had been predicted for it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outcome {
    /// |predicted - seen| / (seen + 1), of rate and of burst.
    pub errors: [f32; 2],
    /// Whether all that came was within what had been advised.
    pub is_within: bool,
}

impl ClientState {
    /// Whether enough is known to advise.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.windows() >= super::WINDOWS_MIN
    }

    /// Tokens a tick and burst that were advised for the running window.
    #[must_use]
    pub fn advice(&self) -> (f32, f32) {
        tokens(self.advised())
    }

    /// Whether the client's own faults are so many that it may not be honest:
    /// in the last window or in the one that runs.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.habit().is_suspect() || self.heard().is_suspect()
    }

    /// The bucket that the client is to have where `advised` is what a model
    /// predicts: between what it is used to and what its savings pay for, no
    /// more than its share of what the backend bears, within bounds.
    #[must_use]
    pub fn allowance(&self, advised: [f32; 2], bounds: &Bounds, hold: Hold) -> RateSettings {
        let relief = if hold.is_relieved { RELIEF } else { 1.0 };
        let (mut rate, mut burst) = self.held(tokens(advised), bounds.headroom, relief);
        if let Some(share) = hold.share.filter(|share| *share < rate) {
            (rate, burst) = (share, burst * share / rate);
        }
        bounds.hold(rate, burst)
    }

    /// Without a share and bounds.
    fn held(&self, (rate, burst): (f32, f32), headroom: f32, relief: f32) -> (f32, f32) {
        let (rate, burst) = (headroom * HEADROOM * rate, headroom * HEADROOM * burst);
        let most = self.usual() + self.habit().surge();
        if self.is_suspect() {
            let past = headroom * self.past_use();
            let rate = rate.max(SUSPECT.0 * past).min(SUSPECT.1 * past).min(most);
            return (rate, burst.min(BURST_TICKS.0 * rate + 2.0));
        }
        let usual = headroom * self.usual();
        let (rate, least) = (rate.min(most).max(relief * HEADROOM * usual), relief * BURST_TICKS.0 * usual);
        (rate, burst.min(BURST_TICKS.1 * usual + rate).max(least))
    }

    /// Learns from a window that has ended, held beside what was predicted;
    /// `granted` is the bucket that the client had. Gives what was taken in of
    /// it, too.
    pub fn end(&mut self, window: Window, correction: Correction, granted: Grant) -> (Outcome, Window) {
        let outcome = self.judge(window, correction);
        let is_suspect = self.heard().is_suspect();
        let mut counted = granted.clip(window);
        if is_suspect && self.is_known() {
            // What isn't honest tells nothing of what is needed.
            let past = self.past_use() * TICKS as f32;
            counted = Window { count: counted.count.min(past), burst: counted.burst.min(past) };
        }
        self.habit_mut().suspect(is_suspect);
        self.roll(counted);
        (outcome, counted)
    }

    fn judge(&mut self, window: Window, correction: Correction) -> Outcome {
        if !self.is_known() {
            return Outcome::default();
        }
        let advised = self.advised();
        judge(advised, self.correction_mut(), window, correction)
    }

    /// Takes in a prediction for the next window. An output that is none gives
    /// way to the plain estimator's; gives whether there was such a one.
    pub fn predicted(&mut self, output: [f32; 2]) -> bool {
        let (advised, is_sound) = next(&self.base(), self.advised(), self.correction(), output);
        self.advise(advised);
        is_sound
    }
}

/// Tokens a tick and burst of what was advised.
pub(super) fn tokens([rate, burst]: [f32; 2]) -> (f32, f32) {
    let a_tick = expm1f(rate).max(0.02) / TICKS as f32;
    (a_tick, expm1f(burst).max(1.0) + a_tick)
}

/// Holds a window beside what was predicted for it, and corrects.
pub(super) fn judge(
    advised: [f32; 2],
    shifts: &mut [f32; 2],
    window: Window,
    correction: Correction,
) -> Outcome {
    let (seen, mut outcome) =
        ([window.count, window.burst], Outcome { is_within: true, ..Outcome::default() });
    for at in 0..2 {
        let is_beyond = log1pf(seen[at]) > advised[at];
        outcome.errors[at] = (expm1f(advised[at]) - seen[at]).abs() / (seen[at] + 1.0);
        outcome.is_within &= !is_beyond;
        correction.learn(&mut shifts[at], is_beyond);
    }
    outcome
}

/// What an output comes to, after what was advised before; and whether it is
/// one at all.
pub(super) fn next(base: &Base, before: [f32; 2], shifts: [f32; 2], output: [f32; 2]) -> ([f32; 2], bool) {
    let (mut advised, mut is_sound) = (before, true);
    for at in 0..2 {
        let is_output = output[at].abs() <= OUTPUT_MAX;
        is_sound &= is_output;
        let shifted = if is_output { output[at] } else { PLAIN_OUTPUT } + shifts[at];
        let reach = (base.scale[at] * shifted).clamp(-REACH_MAX, REACH_MAX);
        let next = (base.centre[at] + reach).clamp(0.0, LOG_MAX);
        advised[at] = if next < before[at] { before[at] + FALL * (next - before[at]) } else { next };
    }
    (advised, is_sound)
}

/// The bucket that a client had.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grant {
    /// As it would have been without a share.
    pub bucket: RateSettings,
    /// Whether the backend suffered.
    pub is_strained: bool,
}

impl Grant {
    /// A window counts as far as it was granted, so that who takes all it gets
    /// doesn't buy itself more.
    fn clip(self, window: Window) -> Window {
        let count = self.bucket.rate_per_s as f32 * TICKS as f32;
        let burst = self.bucket.burst as f32;
        Window { count: window.count.min(count.max(1.0)), burst: window.burst.min(burst.max(1.0)) }
    }
}
