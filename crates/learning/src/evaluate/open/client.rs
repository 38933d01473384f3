//! A client of the evaluation: its windows, and which of them are tested.

use crate::traces::Trace;
use crate::train::{Known, by_volume, usable_from};
use openclaw_admission::{OUTPUTS, TICKS};
use std::ops::Range;

/// A client's windows with what was known before each.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its name.
    pub name: String,
    /// Whether no model was trained on it.
    pub is_held_out: bool,
    pub(super) windows_a_day: usize,
    pub(super) windows: Vec<[f32; TICKS]>,
    pub(super) known: Vec<Known>,
    /// What each window needed: in `f64`, since exactly as much is a question
    /// that refusals turn on.
    pub(super) needed: Vec<[f64; OUTPUTS]>,
    /// Windows before this one may be learned from.
    pub(super) cut: usize,
    pub(super) test: Range<usize>,
}

impl Client {
    /// Tested from that share of its windows on.
    #[must_use]
    pub fn new(trace: &Trace, from: f64, is_held_out: bool) -> Self {
        let windows = trace.windows().to_vec();
        let cut = (windows.len() as f64 * from) as usize;
        let usable = usable_from(windows.len(), trace.windows_a_day);
        Self {
            name: trace.client.clone(),
            is_held_out,
            windows_a_day: trace.windows_a_day,
            known: by_volume(&windows, trace.windows_a_day),
            needed: windows.iter().map(needed).collect(),
            cut,
            test: cut.max(usable).min(windows.len())..windows.len(),
            windows,
        }
    }

    /// Windows that are tested.
    #[must_use]
    pub fn tested(&self) -> usize {
        self.test.len()
    }

    pub(super) fn is_testable(&self) -> bool {
        let asked: f32 = self.windows[self.test.clone()].iter().flatten().sum();
        asked > 0.0 && self.cut > 0
    }

    /// What each tested window needed.
    pub(super) fn tested_needs(&self) -> &[[f64; OUTPUTS]] {
        &self.needed[self.test.clone()]
    }
}

/// ln(1 + tokens), ln(1 + burst).
fn needed(ticks: &[f32; TICKS]) -> [f64; OUTPUTS] {
    let count: f64 = ticks.iter().copied().map(f64::from).sum();
    let refill = count / TICKS as f64;
    let (mut owed, mut burst) = (0.0_f64, 0.0_f64);
    for came in ticks {
        owed = (owed - refill).max(0.0) + f64::from(*came);
        burst = burst.max(owed);
    }
    [libm::log1p(count), libm::log1p(burst)]
}
