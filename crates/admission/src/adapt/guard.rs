//! What a backend bears, shared out among those who ask.

use super::{Backend, BackendTick, Health, Shares};
use crate::RateSettings;

/// Of what a backend bears in a second, the part that may come at once.
const AT_ONCE: f32 = 0.02;
const AT_ONCE_MIN: f32 = 10.0;

/// What holds a client beside its own bucket.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Hold {
    /// The most that it may take in a tick, while the backend can't bear what
    /// is asked for.
    pub share: Option<f32>,
    /// Whether the backend has come back lately: who has waited for it asks for
    /// more than it is used to.
    pub is_relieved: bool,
}

/// One backend's health and the shares of its clients, tick by tick.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    health: Health,
    shares: Shares,
    admitted: f32,
    /// Tokens a tick for each unit of weight, while the backend can't bear
    /// what is asked for.
    level: Option<f32>,
    together: Option<RateSettings>,
    is_moving: bool,
}

impl Guard {
    /// Counts what a client asked for in the tick that runs, of which it was
    /// granted so much and spent so much. Its weight is what it is used to.
    pub fn took(&mut self, offered: f32, granted: f32, spent: f32, weight: f32) {
        self.admitted += spent;
        self.shares.add(offered.min(granted.max(spent)), weight);
    }

    /// What holds a client of that weight.
    #[must_use]
    pub fn hold(&self, weight: f32) -> Hold {
        let share = self.level.map(|level| level * weight);
        Hold { share, is_relieved: self.health.is_relieved() }
    }

    /// What all clients may take together, beyond what each is guaranteed:
    /// shares act a tick after more has come than the backend bears, this at
    /// once. None while it isn't known how much that is.
    #[must_use]
    pub fn together(&self) -> Option<RateSettings> {
        self.together
    }

    /// Whether the backend has come back within the last tick, so that all get
    /// back what they had.
    #[must_use]
    pub fn is_back(&self) -> bool {
        self.health.is_back()
    }

    /// Whether the backend suffers now.
    #[must_use]
    pub fn is_strained(&self) -> bool {
        self.health.is_strained()
    }

    /// Whether clients are held to their shares.
    #[must_use]
    pub fn is_sharing(&self) -> bool {
        self.level.is_some()
    }

    /// Whether allowances have to be looked at between windows.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.is_moving
    }

    /// Ends a tick, with what was heard of the backend.
    pub fn end_tick(&mut self, heard: Backend) {
        let admitted = std::mem::take(&mut self.admitted);
        let tick = BackendTick {
            answers: heard.answers,
            failures: heard.failures,
            latency_ms: heard.latency_ms,
            admitted,
        };
        self.health.tick(&tick, self.level.is_some());
        let before = self.level;
        let is_told = heard.is_known() || before.is_some();
        self.level = is_told.then(|| self.shares.level(self.health.bears())).flatten();
        self.together = is_told.then(|| self.health.limit()).flatten().map(together);
        self.is_moving = before.is_some() || self.level.is_some();
        self.shares = Shares::default();
    }
}

fn together(bears: f32) -> RateSettings {
    RateSettings { rate_per_s: f64::from(bears), burst: (AT_ONCE * bears).max(AT_ONCE_MIN) as u32 }
}
