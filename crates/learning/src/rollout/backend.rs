//! A global stop: both arms share the backend, so what it suffers tells nothing
//! about either, and still a rollout is not to go on while it does.

use openclaw_admission::Evidence;
use serde::{Deserialize, Serialize};

/// Answers that are judged together.
const ANSWERS_MIN: u64 = 200;
/// Seconds that are judged together.
const PERIOD_S: i64 = 60;
/// Periods in a row that have to be bad.
const BAD_MAX: u32 = 5;
/// Failures and slow answers that nobody minds.
const BORNE: f64 = 0.05;

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Counts {
    answers: u64,
    failures: u64,
    timed: u64,
    slow: u64,
}

impl Counts {
    fn add(&mut self, seen: &Evidence) {
        self.answers += seen.answers;
        self.failures += seen.failures;
        self.timed += seen.timed;
        self.slow += seen.slow;
    }

    /// Failures and slow answers, each as a share.
    fn shares(&self) -> [f64; 2] {
        let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
        [share(self.failures, self.answers), share(self.slow, self.timed)]
    }
}

/// What backends were like before anything was changed, and are now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct BackendWatch {
    before: Counts,
    now: Counts,
    since_s: i64,
    bad: u32,
}

impl BackendWatch {
    pub(super) fn add(&mut self, seen: &Evidence, is_shadow: bool) {
        if is_shadow { self.before.add(seen) } else { self.now.add(seen) }
    }

    /// Whether it has suffered for long enough as it did not before.
    pub(super) fn suffers(&mut self, now_s: i64) -> bool {
        if now_s - self.since_s < PERIOD_S || self.now.answers.max(self.now.timed) < ANSWERS_MIN {
            return false;
        }
        self.since_s = now_s;
        let now = std::mem::take(&mut self.now).shares();
        let is_bad = now.iter().zip(self.before.shares()).any(|(now, before)| *now > 2.0 * before + BORNE);
        self.bad = if is_bad { self.bad + 1 } else { 0 };
        self.bad >= BAD_MAX
    }
}
