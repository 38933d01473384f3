//! A client's past, window by window, through the code that serves.

use super::Row;
use libm::log1pf;
use openclaw_admission::{Base, ClientState, Features, OUTPUTS, TICKS, Window};

/// Windows before anything is predicted, at least.
const WINDOWS_MIN: usize = 8;

/// What was known before a window, and what the window then needed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// Known before.
    pub features: Features,
    /// Where the client was.
    pub base: Base,
    /// ln(1 + tokens), ln(1 + burst).
    pub needed: [f32; OUTPUTS],
}

impl Known {
    /// To be learned from.
    #[must_use]
    pub fn row(&self) -> Row {
        Row::new(self.features, self.base, self.needed)
    }
}

/// What a window needs, in log space.
#[must_use]
pub fn needed(ticks: &[f32; TICKS]) -> [f32; OUTPUTS] {
    let window = Window::of(*ticks);
    [log1pf(window.count), log1pf(window.burst)]
}

/// Every window of a client that is known by its volume alone.
#[must_use]
pub fn by_volume(windows: &[[f32; TICKS]], windows_a_day: usize) -> Vec<Known> {
    let needs: Vec<_> = windows.iter().map(needed).collect();
    let mut state = ClientState::default();
    let rate = |window: usize| needs[window][0];
    let known = windows.iter().enumerate().map(|(at, ticks)| {
        let yesterday =
            at.checked_sub(windows_a_day).filter(|yesterday| windows_a_day > 0 && *yesterday >= 1);
        let season = yesterday.map_or(0.0, |window| rate(window) - rate(window - 1));
        let known = Known { features: state.volume_features(season), base: state.base(), needed: needs[at] };
        state.roll(Window::of(*ticks));
        known
    });
    known.collect()
}

/// The first window of so many that has past enough to be predicted.
#[must_use]
pub fn usable_from(windows: usize, windows_a_day: usize) -> usize {
    WINDOWS_MIN.max(windows_a_day.min(windows / 3) + 1)
}
