//! What a backend bears, shared out among those who ask.

use super::{Backend, BackendTick, Health, Shares};

/// Of what the backend bears, the part that is shared out: clients ask for
/// more in the next tick than in the last.
const SHARED: f32 = 0.85;

/// One backend's health and the shares of its clients, tick by tick.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    health: Health,
    shares: Shares,
    admitted: f32,
    /// Tokens a tick for each unit of weight, while the backend can't bear
    /// what is asked for.
    level: Option<f32>,
    is_moving: bool,
}

impl Guard {
    /// Counts what a client asked for in the tick that runs, of which it was
    /// granted so much and spent so much. Its weight is what it is used to.
    pub fn took(&mut self, offered: f32, granted: f32, spent: f32, weight: f32) {
        self.admitted += spent;
        self.shares.add(offered.min(granted.max(spent)), weight);
    }

    /// The most that a client of that weight may take in a tick.
    #[must_use]
    pub fn share(&self, weight: f32) -> Option<f32> {
        self.level.map(|level| level * weight)
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
        self.level = match heard.is_known() || before.is_some() {
            true => self.shares.level(SHARED * self.health.bears()),
            false => None,
        };
        self.is_moving = before.is_some() || self.level.is_some();
        self.shares = Shares::default();
    }
}
