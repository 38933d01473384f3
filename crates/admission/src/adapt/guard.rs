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

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(guard: &mut Guard, offered: f32, latency_ms: f32, failures: u32) {
        guard.took(offered, 1e6, offered, 100.0);
        guard.end_tick(Backend { answers: offered as u32, failures, latency_ms });
    }

    #[test]
    fn what_a_backend_bears_is_known_once_it_has_suffered() {
        let mut guard = Guard::default();
        (0..500).for_each(|_| tick(&mut guard, 100.0, 50.0, 0));
        assert_eq!(guard.together(), None);
        tick(&mut guard, 300.0, 400.0, 0);
        let most = guard.together().unwrap();
        assert!((270.0..300.0).contains(&most.rate_per_s) && most.burst == 10, "{most:?}");
        let before = most.rate_per_s;
        (0..20).for_each(|_| tick(&mut guard, 200.0, 50.0, 0));
        let after = guard.together().unwrap().rate_per_s;
        assert!(after > before && after < 1.2 * before, "{after} after {before}");
        // Nobody tells of the backend any more.
        (0..2).for_each(|_| guard.end_tick(Backend::default()));
        assert_eq!((guard.together(), guard.hold(100.0)), (None, Hold::default()));
    }

    #[test]
    fn who_has_waited_for_a_backend_is_relieved_for_a_while() {
        let mut guard = Guard::default();
        (0..500).for_each(|_| tick(&mut guard, 100.0, 50.0, 0));
        // A hiccup is no outage.
        tick(&mut guard, 30.0, 2000.0, 0);
        (0..3).for_each(|_| tick(&mut guard, 100.0, 50.0, 0));
        assert!(!guard.hold(100.0).is_relieved && guard.together().is_some());
        (0..60).for_each(|_| tick(&mut guard, 100.0, 2000.0, 90));
        assert!(!guard.hold(100.0).is_relieved && guard.hold(100.0).share.unwrap() < 50.0);
        tick(&mut guard, 100.0, 50.0, 0);
        assert!(guard.is_back());
        assert_eq!(guard.hold(100.0), Hold { share: None, is_relieved: true });
        tick(&mut guard, 100.0, 50.0, 0);
        assert!(!guard.is_back() && guard.hold(100.0).is_relieved);
        (0..300).for_each(|_| tick(&mut guard, 100.0, 50.0, 0));
        assert!(!guard.hold(100.0).is_relieved);
    }
}
