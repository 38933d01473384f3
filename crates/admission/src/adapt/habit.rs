//! What a client is used to, and what it has saved.
//!
//! A prediction tells what a client is going to ask for, not whether it ought
//! to have it: who floods asks for much, too. So what is predicted counts
//! between what the client is used to (a slow 95th percentile that moves by
//! little whatever comes) and what its savings pay for. Who stays within its
//! habit saves; a surge spends. A crowd that comes for minutes is let in at
//! several times the usual; who floods for long runs out.

use super::TICKS;
use libm::{expm1f, log1pf};

/// How far the habit rises after a window beyond it, in log space; it falls by
/// a nineteenth of that after one within.
const RISES: f32 = 0.038;
/// Share of windows that stay within the habit.
const WITHIN: f32 = 0.95;
/// A new client's habit is this far above its first window, in log space.
const ABOVE_FIRST: f32 = 0.1;
/// Savings of a client at most, in ticks of its habit.
const SAVED_TICKS_MAX: f32 = 100.0;
/// Part of its habit that a client saves in a tick that stays within.
const SAVED: f32 = 0.1;
/// A surge lasts this many ticks at least before savings run out.
const SURGE_TICKS: f32 = 12.0;

/// A client's habit and savings, in 8 bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Habit {
    /// ln(1 + tokens a window).
    usual: f32,
    /// Parts of [`SAVED_TICKS_MAX`] that have been spent.
    spent: u16,
    /// Whether the last window was full of the client's own faults.
    is_suspect: bool,
    padding: u8,
}

impl Habit {
    /// Of a client's first window.
    pub(super) fn begin(tokens: f32) -> Self {
        Self { usual: log1pf(tokens) + ABOVE_FIRST, ..Self::default() }
    }

    /// Tokens a tick that the client is used to.
    pub(super) fn usual(self) -> f32 {
        expm1f(self.usual) / TICKS as f32
    }

    /// Tokens a tick that its savings pay for.
    pub(super) fn surge(self) -> f32 {
        self.usual() * SAVED_TICKS_MAX * (1.0 - f32::from(self.spent) / f32::from(u16::MAX)) / SURGE_TICKS
    }

    pub(super) fn is_suspect(self) -> bool {
        self.is_suspect
    }

    pub(super) fn suspect(&mut self, is_suspect: bool) {
        self.is_suspect = is_suspect;
    }

    /// Takes in a window of which so many tokens count.
    pub(super) fn roll(&mut self, tokens: f32) {
        let usual = expm1f(self.usual).max(1.0);
        let beyond = (tokens / usual - 1.0).max(0.0) - SAVED;
        let spent = f32::from(self.spent) / f32::from(u16::MAX) + beyond * TICKS as f32 / SAVED_TICKS_MAX;
        self.spent = (spent.clamp(0.0, 1.0) * f32::from(u16::MAX)) as u16;
        let is_beyond = log1pf(tokens) > self.usual;
        self.usual += RISES * if is_beyond { 1.0 } else { (WITHIN - 1.0) / WITHIN };
        self.usual = self.usual.max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_twentieth_of_windows_is_beyond_the_habit(mean in 10.0_f32..10_000.0, seed in 0_u32..1000) {
            let mut habit = Habit::begin(mean);
            // Evenly between 0 and twice the mean.
            let part = |at: u32| ((at + seed).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32;
            let mut beyond = 0;
            for at in 0..4000 {
                let tokens = mean * 2.0 * part(at);
                beyond += usize::from(at >= 2000 && tokens > habit.usual() * TICKS as f32);
                habit.roll(tokens);
            }
            prop_assert!((60..=140).contains(&beyond), "{beyond} of 2000");
        }

        #[test]
        fn savings_run_out_and_come_back(mean in 10.0_f32..10_000.0, times in 2.0_f32..50.0) {
            let mut habit = Habit::begin(mean);
            (0..300).for_each(|_| habit.roll(mean));
            let full = habit.surge();
            let most = SAVED_TICKS_MAX / SURGE_TICKS;
            prop_assert!((full / habit.usual() - most).abs() < 0.01);
            (0..12).for_each(|_| habit.roll(mean * times));
            prop_assert!(habit.surge() < full);
            (0..12).for_each(|_| habit.roll(mean * 50.0));
            prop_assert!(habit.surge() < 0.01 * full, "{}", habit.surge());
            (0..400).for_each(|_| habit.roll(mean * 0.5));
            prop_assert!(habit.surge() > 0.9 * habit.usual() * most);
        }
    }
}
