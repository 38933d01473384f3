//! A client's past, window by window, through the code that serves.

use super::Row;
use libm::log1pf;
use openclaw_admission::{Answers, Base, ClientState, Features, OUTPUTS, TICKS, Window};

/// Windows before anything is predicted, at least.
const WINDOWS_MIN: usize = 8;

/// What was known before a window, and what the window then came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// Known before.
    pub features: Features,
    /// Where the client was.
    pub base: Base,
    /// ln(1 + tokens), ln(1 + burst): of all that was asked for.
    pub needed: [f32; OUTPUTS],
    /// The same of what counts: at most so many times the client's bucket.
    pub counted: [f32; OUTPUTS],
    /// What the client's answers in it were like.
    pub answers: Answers,
    /// When it ended, in milliseconds since 1970.
    pub at_ms: i64,
    /// For how many windows it stands.
    pub weight: f32,
}

impl Known {
    /// To be learned from: what counts is what serving takes in, too.
    #[must_use]
    pub fn row(&self) -> Row {
        let row = Row::new(self.features, self.base, self.counted);
        Row { weight: row.weight * self.weight, ..row }
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
        let known = Known {
            features: state.volume_features(season),
            base: state.base(),
            needed: needs[at],
            counted: needs[at],
            answers: Answers::default(),
            at_ms: at_ms(at),
            weight: 1.0,
        };
        state.roll(Window::of(*ticks));
        known
    });
    known.collect()
}

/// When a window ends whose ticks are seconds from 1970 on.
pub(super) fn at_ms(window: usize) -> i64 {
    1000 * (window * TICKS) as i64
}

/// The first window of so many that has past enough to be predicted.
#[must_use]
pub fn usable_from(windows: usize, windows_a_day: usize) -> usize {
    WINDOWS_MIN.max(windows_a_day.min(windows / 3) + 1)
}
