//! Judges a run from what was acknowledged and what a receiver recorded. It
//! knows nothing of how the program works.
//!
//! Each alert has a name of its own, fires once, and is a group of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// An answered message whose outcome had not been written when the process was
/// killed was answered at most this long before.
const UNRECORDED_MAX: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Status {
    Firing,
    Resolved,
}

/// A message as a receiver recorded it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) at: Instant,
    /// One connection is of one process.
    pub(crate) connection: usize,
    pub(crate) key: String,
    /// Whether the receiver said yes.
    pub(crate) is_taken: bool,
    pub(crate) alerts: Vec<(String, Status)>,
}

/// A message of a killed process may be read from its socket this much later.
const READ_LATE_MAX: Duration = Duration::from_secs(1);

/// The end of a process.
#[derive(Debug, Clone)]
pub(crate) struct Death {
    pub(crate) at: Instant,
    pub(crate) stage: &'static str,
}

/// All that is known from outside.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Posts that were answered with 2xx.
    pub(crate) accepted: Vec<(Instant, String, Status)>,
    /// All that was ever posted, answered or not.
    pub(crate) offered: BTreeSet<(String, Status)>,
    pub(crate) messages: Vec<Message>,
    pub(crate) deaths: Vec<Death>,
    /// Alerts of which the program says that they ended before anyone was told.
    pub(crate) resolved_early: BTreeSet<String>,
}

/// What came of the kills at one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Row {
    pub(crate) kills: usize,
    /// Accepted, and nobody was told.
    pub(crate) lost: usize,
    /// Told as firing, resolved, and nobody was told of that.
    pub(crate) open: usize,
    /// Messages told again, as is allowed: same key, in flight at the kill.
    pub(crate) repeated: usize,
}

/// The verdict.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) rows: BTreeMap<&'static str, Row>,
    /// Everything that must not be.
    pub(crate) faults: Vec<String>,
    /// The longest that a repeated message had been answered before the kill.
    pub(crate) unrecorded_max: Duration,
}

type Told<'h> = BTreeMap<(&'h str, Status), Vec<&'h Message>>;

pub(crate) fn judge(history: &History) -> Verdict {
    let mut verdict = Verdict::default();
    for death in &history.deaths {
        verdict.rows.entry(death.stage).or_default().kills += 1;
    }
    let told = told(history);
    nothing_is_lost(history, &told, &mut verdict);
    nothing_stays_open(history, &told, &mut verdict);
    nothing_is_made_up(history, &told, &mut verdict);
    nobody_is_told_twice(history, &told, &mut verdict);
    verdict
}

fn told(history: &History) -> Told<'_> {
    let mut told = Told::new();
    for message in &history.messages {
        for (name, status) in &message.alerts {
            told.entry((name, *status)).or_default().push(message);
        }
    }
    told
}

/// The first death after a moment.
fn death_after(history: &History, at: Instant) -> Option<&Death> {
    history.deaths.iter().find(|death| death.at >= at)
}

fn row<'v>(history: &History, at: Instant, verdict: &'v mut Verdict) -> &'v mut Row {
    let stage = death_after(history, at).map_or("none", |death| death.stage);
    verdict.rows.entry(stage).or_default()
}

fn nothing_is_lost(history: &History, told: &Told<'_>, verdict: &mut Verdict) {
    let mut known = BTreeSet::new();
    for (at, name, status) in &history.accepted {
        let is_first = *status == Status::Firing && known.insert(name);
        let is_told = [Status::Firing, Status::Resolved].iter().any(|s| told.contains_key(&(&**name, *s)));
        if is_first && !is_told && !history.resolved_early.contains(name) {
            row(history, *at, verdict).lost += 1;
            verdict.faults.push(format!("{name} was accepted, and nobody was told"));
        }
    }
}

fn nothing_stays_open(history: &History, told: &Told<'_>, verdict: &mut Verdict) {
    let mut known = BTreeSet::new();
    for (at, name, status) in &history.accepted {
        let is_first = *status == Status::Resolved && known.insert(name);
        let was_told = told.contains_key(&(&**name, Status::Firing));
        if is_first && was_told && !told.contains_key(&(&**name, Status::Resolved)) {
            row(history, *at, verdict).open += 1;
            verdict.faults.push(format!("{name} was resolved, and nobody was told"));
        }
    }
}

fn nothing_is_made_up(history: &History, told: &Told<'_>, verdict: &mut Verdict) {
    for ((name, status), messages) in told {
        if !history.offered.contains(&((*name).to_owned(), *status)) {
            verdict.faults.push(format!("{name} was told as {status:?}, which nobody had posted"));
        }
        let ended = told.get(&(*name, Status::Resolved)).map(|resolved| resolved[0].at);
        if *status == Status::Firing && ended.is_some_and(|ended| messages.iter().any(|m| m.at > ended)) {
            verdict.faults.push(format!("{name} was told as firing after it was told as resolved"));
        }
    }
}

fn nobody_is_told_twice(history: &History, told: &Told<'_>, verdict: &mut Verdict) {
    for ((name, status), messages) in told {
        let keys: BTreeSet<_> = messages.iter().map(|message| &message.key).collect();
        if keys.len() > 1 {
            verdict.faults.push(format!("{name} was told as {status:?} under {} keys", keys.len()));
        }
    }
    let mut copies: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
    for message in &history.messages {
        copies.entry(&message.key).or_default().push(message);
    }
    for copies in copies.values() {
        copies.windows(2).for_each(|two| check_repeat(history, two[0], two[1], verdict));
    }
}

fn check_repeat(history: &History, first: &Message, again: &Message, verdict: &mut Verdict) {
    let key = &first.key;
    if first.alerts != again.alerts {
        verdict.faults.push(format!("{key} told of {:?}, then of {:?}", first.alerts, again.alerts));
    }
    if !first.is_taken {
        return; // the receiver had said no
    }
    let read_late = first.at.checked_sub(READ_LATE_MAX).unwrap_or(first.at);
    let mut deaths = history.deaths.iter();
    let after = deaths.clone().find(|death| death.at >= first.at && death.at <= again.at);
    let before = || deaths.rfind(|death| death.at >= read_late && death.at < first.at);
    let Some(death) = after.or_else(before).filter(|_| first.connection != again.connection) else {
        verdict.faults.push(format!("{key} was sent twice by one process, {:?} apart", again.at - first.at));
        return;
    };
    let unrecorded = death.at.saturating_duration_since(first.at);
    verdict.unrecorded_max = verdict.unrecorded_max.max(unrecorded);
    verdict.rows.entry(death.stage).or_default().repeated += 1;
    if unrecorded > UNRECORDED_MAX {
        verdict.faults.push(format!("{key} was repeated, although answered {unrecorded:?} before the kill"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A history of one alert, its times in milliseconds.
    struct Story {
        start: Instant,
        history: History,
    }

    impl Story {
        fn new() -> Self {
            Self { start: Instant::now(), history: History::default() }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        fn accepted(mut self, ms: u64, status: Status) -> Self {
            let at = self.at(ms);
            self.history.accepted.push((at, "a".into(), status));
            self.history.offered.insert(("a".into(), status));
            self
        }

        fn told(mut self, ms: u64, key: &str, status: Status) -> Self {
            let alerts = vec![("a".into(), status)];
            let connection = self.history.deaths.len();
            let message = Message { at: self.at(ms), connection, key: key.into(), is_taken: true, alerts };
            self.history.messages.push(message);
            self
        }

        fn killed(mut self, ms: u64) -> Self {
            let at = self.at(ms);
            self.history.deaths.push(Death { at, stage: "send" });
            self
        }

        #[track_caller]
        fn check(self, row: Row, faults: usize) {
            let verdict = judge(&self.history);
            let mut sum = Row::default();
            for row in verdict.rows.values() {
                sum.kills += row.kills;
                sum.lost += row.lost;
                sum.open += row.open;
                sum.repeated += row.repeated;
            }
            assert_eq!(sum, row, "{:?}", verdict.faults);
            assert_eq!(verdict.faults.len(), faults, "{:?}", verdict.faults);
        }
    }

    use Status::{Firing, Resolved};
    const GOOD: Row = Row { kills: 1, lost: 0, open: 0, repeated: 0 };

    #[test]
    fn a_good_run_has_no_faults() {
        let good = || Story::new().accepted(0, Firing).killed(5).told(10, "1", Firing).accepted(20, Resolved);
        good().told(30, "2", Resolved).check(GOOD, 0);
        let repeated = Row { repeated: 1, ..GOOD };
        Story::new()
            .accepted(0, Firing)
            .told(1, "1", Firing)
            .killed(5)
            .told(10, "1", Firing)
            .check(repeated, 0);
    }

    #[test]
    fn every_fault_is_seen() {
        Story::new().accepted(0, Firing).killed(5).check(Row { lost: 1, ..GOOD }, 1);
        let open = Story::new().accepted(0, Firing).told(1, "1", Firing).accepted(2, Resolved).killed(5);
        open.check(Row { open: 1, ..GOOD }, 1);
        // Told under another key, told twice by one process, told long after.
        let told = || Story::new().accepted(0, Firing).told(1, "1", Firing);
        told().killed(5).told(10, "2", Firing).check(GOOD, 1);
        told().told(10, "1", Firing).killed(50).check(GOOD, 1);
        told().killed(5000).told(6000, "1", Firing).check(Row { repeated: 1, ..GOOD }, 1);
        // A resolve that nobody posted, and a firing after it.
        told().killed(5).told(10, "2", Resolved).check(GOOD, 1);
        let late = told().killed(5).accepted(6, Resolved).told(10, "2", Resolved).told(20, "1", Firing);
        late.check(Row { repeated: 1, ..GOOD }, 1);
    }
}
