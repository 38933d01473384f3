//! When each alert fires and is held back, as far as a timetable must know it
//! to stay clear of what is left to chance.

use super::case::{Action, Case, Known, Lane, Post};
use std::collections::BTreeMap;

pub(super) const RESOLVE_TIMEOUT_MS: i64 = 6000;

/// Longer than the play: no repeats.
pub(super) const NO_REPEAT_MS: u64 = 60_000;

/// A resolve and a new firing this near to each other share a tick.
const SAME_MOMENT_MS: u64 = 250;

/// From, to.
pub(super) type Span = (u64, u64);

#[derive(Debug, Clone, Copy)]
struct Held {
    starts_ms: i64,
    ends_ms: i64,
    is_timeout: bool,
}

/// How posts are read where Alertmanager is odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// A start left out is the end, were it in the future; a later explicit end
    /// counts as a timeout once a post without an end has met it.
    Theirs,
    Plain,
}

/// A post as the server completes it.
fn completed(post: &Post, at_ms: i64, reading: Reading) -> Held {
    let is_timeout = post.ends_ms.is_none();
    let ends_ms = post.ends_ms.unwrap_or(at_ms + RESOLVE_TIMEOUT_MS);
    let starts_ms = match reading {
        Reading::Theirs => post.starts_ms.or(post.ends_ms).unwrap_or(at_ms),
        Reading::Plain => post.starts_ms.unwrap_or(at_ms.min(ends_ms)),
    };
    Held { starts_ms, ends_ms, is_timeout }
}

fn merged(old: Held, new: Held, at_ms: i64, reading: Reading) -> Held {
    let within = |ms: i64| ms > old.starts_ms && ms < old.ends_ms;
    if !within(new.ends_ms) && !within(new.starts_ms) {
        return new;
    }
    let mut held = Held { starts_ms: old.starts_ms.min(new.starts_ms), ..new };
    let old_wins = if new.ends_ms <= at_ms { old.ends_ms <= at_ms } else { !old.is_timeout };
    if old_wins && old.ends_ms > new.ends_ms {
        held.ends_ms = old.ends_ms;
        held.is_timeout = reading == Reading::Theirs && new.is_timeout;
    }
    held
}

/// All posts of an alert, with their times.
fn posts(case: &Case, alert: usize) -> impl Iterator<Item = (u64, &Post)> {
    case.steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::Post(posts) => Some(posts.iter().map(|post| (step.at_ms, post))),
            _ => None,
        })
        .flatten()
        .filter(move |(_, post)| post.alert == alert)
}

/// When an alert fires.
pub(super) fn firing(case: &Case, alert: usize) -> Vec<Span> {
    firing_as(case, alert, Reading::Theirs)
}

fn firing_as(case: &Case, alert: usize, reading: Reading) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut held: Option<Held> = None;
    for (at_ms, post) in posts(case, alert) {
        let at = at_ms as i64;
        let was_firing = held.is_some_and(|held| held.ends_ms > at);
        let now = held.map_or_else(
            || completed(post, at, reading),
            |old| merged(old, completed(post, at, reading), at, reading),
        );
        held = Some(now);
        let ends_ms = now.ends_ms.max(at) as u64;
        match spans.last_mut() {
            Some(last) if was_firing => last.1 = ends_ms,
            _ if ends_ms > at_ms => spans.push((at_ms, ends_ms)),
            _ => {}
        }
    }
    spans
}

/// When silences hold an alert back.
fn silenced(case: &Case, alert: usize) -> Vec<Span> {
    let mut by_number: BTreeMap<usize, Vec<Span>> = BTreeMap::new();
    for step in &case.steps {
        match &step.action {
            Action::Silence { number, alert: of, from_ms, to_ms } if of.is_none_or(|of| of == alert) => {
                let spans = by_number.entry(*number).or_default();
                cut(spans, step.at_ms);
                spans.push(((*from_ms).max(step.at_ms as i64) as u64, *to_ms as u64));
            }
            Action::Expire { number } => cut(by_number.entry(*number).or_default(), step.at_ms),
            _ => {}
        }
    }
    by_number.into_values().flatten().filter(|(from, to)| from < to).collect()
}

/// Ends what is open.
fn cut(spans: &mut [Span], at_ms: u64) {
    for span in spans {
        span.1 = span.1.min(at_ms);
    }
}

/// When an alert is held back.
pub(super) fn suppressed(case: &Case, alert: usize) -> Vec<Span> {
    let mut spans = silenced(case, alert);
    if case.targets.contains(&alert) {
        spans.extend(case.sources.iter().flat_map(|source| firing(case, *source)));
    }
    spans
}

/// Ends of firing alerts that fall into a time when they are held back.
pub(super) fn quiet_ends(case: &Case) -> Vec<Known> {
    let mut found = Vec::new();
    let interval_ms = case.lanes.iter().map(|lane| lane.interval_ms).max().unwrap_or(0);
    for alert in 0..case.groups.len() {
        let suppressed = suppressed(case, alert);
        for (_, at_ms) in firing(case, alert) {
            // The tick after the end, of the slowest lane too.
            let overlaps = |(from, to): &Span| *from < at_ms + interval_ms && *to > at_ms;
            if suppressed.iter().any(overlaps) {
                found.push(Known::QuietEnd { alert, at_ms });
            }
        }
    }
    found
}

/// Whether an alert fires again after an end that Alertmanager didn't tell: it
/// takes it for the one it told of before.
fn fires_after_quiet_end(case: &Case, quiet: &[Known]) -> bool {
    quiet.iter().any(|known| match known {
        Known::QuietEnd { alert, at_ms } => firing(case, *alert).iter().any(|(from, _)| from >= at_ms),
        _ => false,
    })
}

/// Alerts of each group of a lane.
fn groups(case: &Case, lane: &Lane) -> BTreeMap<String, Vec<usize>> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for alert in (0..case.groups.len()).filter(|alert| case.takes(lane, *alert)) {
        groups.entry(case.group(lane, alert)).or_default().push(alert);
    }
    groups
}

/// A group of a lane, and when the lane's old alerts come, if that is its kind.
struct Group<'a> {
    case: &'a Case,
    lane: &'a Lane,
    alerts: &'a [usize],
    old_ms: Option<u64>,
}

impl Group<'_> {
    /// When it begins to fire after nothing of it did.
    fn beginnings(&self) -> Vec<u64> {
        let mut spans: Vec<Span> = self.alerts.iter().flat_map(|alert| firing(self.case, *alert)).collect();
        spans.sort_unstable();
        let (mut beginnings, mut until) = (Vec::new(), None);
        for (from, to) in spans {
            if until.is_none_or(|until| from > until + SAME_MOMENT_MS) {
                beginnings.push(from);
            }
            until = until.max(Some(to));
        }
        beginnings
    }

    fn posts_at(&self, at_ms: u64) -> Vec<&Post> {
        let all = self.alerts.iter().flat_map(|alert| posts(self.case, *alert));
        all.filter(|(at, _)| *at == at_ms).map(|(_, post)| post).collect()
    }

    fn first_post_ms(&self) -> Option<u64> {
        self.alerts.iter().flat_map(|alert| posts(self.case, *alert)).map(|(at_ms, _)| at_ms).min()
    }

    /// Alertmanager doesn't wait for more alerts where the first is this old.
    fn has_old(&self, at_ms: u64) -> bool {
        let wait_ms = self.lane.wait_ms as i64;
        let is_old = |post: &&Post| post.starts_ms.is_some_and(|ms| ms + wait_ms < at_ms as i64);
        self.posts_at(at_ms).iter().any(is_old)
    }

    /// Whether its ticks are where the case expects them, be it a new group or
    /// an empty one that was kept: how long these live is maintenance's business.
    fn ticks_well(&self) -> bool {
        let beginnings = self.beginnings();
        let Some(first_ms) = self.first_post_ms() else { return true };
        if let Some(old_ms) = self.old_ms {
            let is_alone = self.posts_at(first_ms).len() == 1;
            return first_ms == old_ms && is_alone && self.has_old(first_ms) && beginnings == [first_ms];
        }
        // A new group waits until the same moment as a kept one ticks.
        let is_slow = self.lane.interval_ms != self.case.lanes[0].interval_ms;
        let is_once = beginnings.is_empty() || beginnings == [first_ms];
        (!is_slow || is_once)
            && !self.has_old(first_ms)
            && !beginnings.iter().any(|at_ms| self.has_old(*at_ms))
    }
}

/// Whether an alert's times hang on what only Alertmanager reads so.
fn has_two_readings(case: &Case) -> bool {
    let differs = |alert| firing(case, alert) != firing_as(case, alert, Reading::Plain);
    (0..case.groups.len()).any(differs)
}

/// Whether an alert fires again where ends are not told: Alertmanager takes it
/// for the same alert and waits for the repeat, which comes at another time then.
fn moves_repeats(case: &Case, lane: &Lane) -> bool {
    let fires_again = |alert| {
        let spans = firing(case, alert);
        spans.windows(2).any(|two| two[1].0 > two[0].1 + SAME_MOMENT_MS)
    };
    lane.repeat_ms < NO_REPEAT_MS
        && lane.hooks.iter().any(|hook| !hook.send_resolved)
        && (0..case.groups.len()).any(|alert| case.takes(lane, alert) && fires_again(alert))
}

/// What is known to differ; `None` where something is left to chance.
pub(super) fn checked(case: &Case, old_ms: Option<u64>, quiet_ends_allowed: bool) -> Option<Vec<Known>> {
    let quiet = quiet_ends(case);
    if has_two_readings(case) || case.lanes.iter().any(|lane| moves_repeats(case, lane)) {
        return None;
    }
    if (!quiet_ends_allowed && !quiet.is_empty()) || fires_after_quiet_end(case, &quiet) {
        return None;
    }
    for lane in &case.lanes {
        for alerts in groups(case, lane).values() {
            if !(Group { case, lane, alerts, old_ms }).ticks_well() {
                return None;
            }
        }
    }
    Some(quiet)
}

#[test]
fn posts_merge_as_alertmanagers_do() {
    let post = |starts_ms, ends_ms| Post { alert: 0, starts_ms, ends_ms, note: 0 };
    let merged = |old, new, at_ms| merged(old, new, at_ms, Reading::Theirs);
    let completed = |post: &Post, at_ms| completed(post, at_ms, Reading::Theirs);
    let explicit = completed(&post(Some(0), Some(10_000)), 0);
    let shorter = merged(explicit, completed(&post(Some(0), Some(5000)), 1000), 1000);
    assert_eq!(shorter.ends_ms, 10_000);
    let timeout = merged(explicit, completed(&post(None, None), 2000), 2000);
    assert_eq!(timeout.ends_ms, 10_000);
    let resolved = merged(explicit, completed(&post(Some(0), Some(3000)), 3000), 3000);
    assert_eq!(resolved.ends_ms, 3000);
    let anew = merged(resolved, completed(&post(Some(4000), Some(9000)), 4000), 4000);
    assert_eq!((anew.starts_ms, anew.ends_ms), (4000, 9000));
}
