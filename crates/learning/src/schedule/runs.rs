//! What is known of past runs, and what follows from it.

use super::Schedule;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// After a failure it is tried once more, so much later.
const TRY_AGAIN: SignedDuration = SignedDuration::from_mins(5);
const ATTEMPTS_MAX: u32 = 2;

/// Past runs, as they are kept between starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    /// What was due before this was nobody's to run.
    pub since: Timestamp,
    /// The last attempt.
    pub last: Option<Attempt>,
}

/// One attempt at the run of one due time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When the run was due.
    pub due: Timestamp,
    /// Which attempt at it, from 1 on.
    pub attempt: u32,
    /// When it began.
    pub started: Timestamp,
    /// How it ended; nothing while it runs, or where this process ended first.
    pub ended: Option<Ended>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
}

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A model was published.
    Published,
    /// A gate refused the model.
    Refused,
    /// There is too little telemetry yet.
    TooLittle,
    /// Something went wrong.
    Failed,
    /// Another replica ran it.
    Elsewhere,
}

impl Outcome {
    /// As metrics have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Refused => "refused",
            Self::TooLittle => "too_little",
            Self::Failed => "failed",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Begin this attempt at the run that was due then.
    Begin {
        /// When it was due.
        due: Timestamp,
        /// Which attempt.
        attempt: u32,
    },
    /// Nothing before then.
    Wait(Timestamp),
    /// The calendar has ended.
    Never,
}

impl Runs {
    /// Nothing has run yet, and what was due before needn't.
    #[must_use]
    pub fn beginning(now: Timestamp) -> Self {
        Self { since: now, last: None }
    }

    /// What follows from the past. Of several missed runs the latest is caught
    /// up. Nothing must be running.
    #[must_use]
    pub fn plan(&self, schedule: &Schedule, now: Timestamp) -> Plan {
        let settled = self.last.as_ref().map_or(self.since, |last| last.due);
        let missed = schedule.last_by(now).filter(|due| *due > settled);
        match (missed, self.try_again()) {
            (Some(due), _) => Plan::Begin { due, attempt: 1 },
            (None, Some((due, attempt, from))) if from <= now => Plan::Begin { due, attempt },
            (None, again) => {
                let next = schedule.next_after(now);
                let again = again.map(|(_, _, from)| from);
                next.into_iter().chain(again).min().map_or(Plan::Never, Plan::Wait)
            }
        }
    }

    /// The due time, attempt, and time from which it is tried again.
    fn try_again(&self) -> Option<(Timestamp, u32, Timestamp)> {
        let last = self.last.as_ref().filter(|last| last.attempt < ATTEMPTS_MAX)?;
        let from = match &last.ended {
            // Whoever ran it has gone without a word.
            None => last.started,
            Some(ended) if ended.outcome == Outcome::Failed => ended.at,
            Some(_) => return None,
        };
        Some((last.due, last.attempt + 1, from.saturating_add(TRY_AGAIN).ok()?))
    }

    /// Notes that an attempt begins.
    pub fn begin(&mut self, due: Timestamp, attempt: u32, now: Timestamp) {
        self.last = Some(Attempt { due, attempt, started: now, ended: None });
    }

    /// Notes how the attempt ended.
    pub fn end(&mut self, outcome: Outcome, now: Timestamp) {
        if let Some(last) = &mut self.last {
            last.ended = Some(Ended { at: now, outcome });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = 3600;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 / 86_400 * 86_400 + hours * HOUR).unwrap()
    }

    fn nightly() -> Schedule {
        Schedule::parse("0 3 * * *", "UTC").unwrap()
    }

    #[test]
    fn of_missed_runs_the_latest_is_caught_up_once() {
        let mut runs = Runs::beginning(at(0));
        assert_eq!(runs.plan(&nightly(), at(1)), Plan::Wait(at(3)));
        assert_eq!(runs.plan(&nightly(), at(24 * 5)), Plan::Begin { due: at(24 * 4 + 3), attempt: 1 });
        runs.begin(at(24 * 4 + 3), 1, at(24 * 5));
        runs.end(Outcome::Refused, at(24 * 5 + 1));
        assert_eq!(runs.plan(&nightly(), at(24 * 5 + 1)), Plan::Wait(at(24 * 5 + 3)));
    }

    #[test]
    fn a_failure_is_tried_once_more() {
        let mut runs = Runs::beginning(at(0));
        runs.begin(at(3), 1, at(3));
        runs.end(Outcome::Failed, at(4));
        let later = at(4).saturating_add(TRY_AGAIN).unwrap();
        assert_eq!(runs.plan(&nightly(), at(4)), Plan::Wait(later));
        assert_eq!(runs.plan(&nightly(), later), Plan::Begin { due: at(3), attempt: 2 });
        runs.begin(at(3), 2, later);
        runs.end(Outcome::Failed, at(5));
        assert_eq!(runs.plan(&nightly(), at(5)), Plan::Wait(at(27)));
    }

    #[test]
    fn a_run_whose_process_has_gone_is_tried_once_more() {
        let mut runs = Runs::beginning(at(0));
        runs.begin(at(3), 1, at(3));
        assert_eq!(runs.plan(&nightly(), at(6)), Plan::Begin { due: at(3), attempt: 2 });
        runs.begin(at(3), 2, at(6));
        assert_eq!(runs.plan(&nightly(), at(8)), Plan::Wait(at(27)));
    }

    proptest! {
        /// However often it is asked, started and stopped: each due time is run
        /// at most twice, and never while a later one is due.
        #[test]
        fn no_due_time_is_run_too_often(
            steps in prop::collection::vec((1_i64..40, 0_u8..4, any::<bool>()), 1..60),
        ) {
            let (schedule, mut runs, mut hours) = (nightly(), Runs::beginning(at(0)), 0);
            let mut begun: Vec<Timestamp> = Vec::new();
            for (pause, outcome, is_kept) in steps {
                hours += pause;
                if let Plan::Begin { due, attempt } = runs.plan(&schedule, at(hours)) {
                    prop_assert!(due <= at(hours) && due > runs.since);
                    prop_assert!(begun.last().is_none_or(|last| *last <= due));
                    begun.push(due);
                    runs.begin(due, attempt, at(hours));
                    if is_kept {
                        let outcomes = [Outcome::Published, Outcome::Refused, Outcome::TooLittle, Outcome::Failed];
                        runs.end(outcomes[usize::from(outcome)], at(hours));
                    }
                }
                if let Plan::Wait(until) = runs.plan(&schedule, at(hours)) {
                    prop_assert!(until > at(hours));
                }
            }
            for due in &begun {
                prop_assert!(begun.iter().filter(|other| *other == due).count() <= 2);
            }
        }
    }
}
