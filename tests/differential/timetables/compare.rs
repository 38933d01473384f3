//! Whether two servers told the same, apart from what differs on purpose.

use super::case::{Case, Hook, Known};
use super::timeline::firing;
use super::told::{ByPath, Told};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How far two messages may be apart.
const APART_MS: i64 = 400;

/// How often a difference on purpose was met.
pub(super) type Counts = BTreeMap<&'static str, usize>;

/// What differs in one group of one webhook.
#[derive(Debug, Clone)]
pub(super) struct Difference {
    pub(super) case: usize,
    pub(super) path: String,
    pub(super) group: String,
    pub(super) why: String,
    /// Events from here on say nothing about it.
    pub(super) at_ms: i64,
    pub(super) theirs: Vec<Told>,
    pub(super) ours: Vec<Told>,
}

/// Compares all that a case's webhooks were told.
pub(super) fn compare(case: &Case, both: &[ByPath; 2], counts: &mut Counts) -> Vec<Difference> {
    let hooks = case.lanes.iter().flat_map(|lane| &lane.hooks);
    hooks.flat_map(|hook| compare_hook(case, hook, both, counts)).collect()
}

fn compare_hook(case: &Case, hook: &Hook, both: &[ByPath; 2], counts: &mut Counts) -> Vec<Difference> {
    let [theirs, ours] = both;
    let of = |all: &ByPath| all.get(&hook.path).cloned().unwrap_or_default();
    let (theirs, ours) = (of(theirs), of(ours));
    let mut found = Vec::new();
    let mut groups: Vec<&String> = theirs.keys().chain(ours.keys()).collect();
    groups.sort();
    groups.dedup();
    let messages = |all: &BTreeMap<String, Vec<Told>>, group: &String| {
        let mut messages = all.get(group).cloned().unwrap_or_default();
        messages.retain(|told| told.at_ms < case.end_ms as i64);
        messages
    };
    for group in groups {
        let (theirs, ours) = (messages(&theirs, group), messages(&ours, group));
        let mut one = Group { case, hook, counts: &mut *counts };
        if let Err((at_ms, why)) = one.compare(theirs.clone(), ours.clone()) {
            let (path, group) = (hook.path.clone(), group.clone());
            found.push(Difference { case: case.number, path, group, why, at_ms, theirs, ours });
        }
    }
    found
}

const QUIET_END_WITHIN: &str = "an end told although held back, within a message";
const QUIET_END_ALONE: &str = "an end told although held back, in a message of its own";
const IDLE_END_WITHIN: &str = "an end of what wasn't told, or told before, left out of a message";
const IDLE_END_ALONE: &str = "an end of what wasn't told, or told before, without its message";

const NEW_FIRING: &str = "a new firing told where ends are not";

/// How the next messages of both fit.
enum Pair {
    Same,
    OnPurpose(&'static str),
    /// On purpose, and theirs is still to come.
    OnlyOurs(&'static str),
    Different,
}

/// What a webhook has heard from them of a group.
#[derive(Default)]
struct Heard {
    before: Option<Told>,
    /// Told as firing, and no end told yet.
    open: BTreeSet<usize>,
}

impl Heard {
    fn hear(&mut self, told: Option<Told>) {
        let Some(told) = told else { return };
        self.open.extend(&told.firing);
        self.open.retain(|alert| !told.resolved.contains(alert));
        self.before = Some(told);
    }

    /// Ends that we have told: whenever they tell them too, it's nothing new.
    fn end(&mut self, ours: &Told) {
        self.open.retain(|alert| !ours.resolved.contains(alert));
    }
}

struct Group<'a> {
    case: &'a Case,
    hook: &'a Hook,
    counts: &'a mut Counts,
}

impl Group<'_> {
    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn compare(&mut self, theirs: Vec<Told>, ours: Vec<Told>) -> Result<(), (i64, String)> {
        let mut theirs = VecDeque::from(self.as_we_would(theirs, &ours));
        let mut heard = Heard::default();
        for told in ours {
            self.skip_idle_ends(&mut theirs, &mut heard, told.at_ms - self.apart_ms());
            let next = theirs.front();
            match self.pair(next, &told, &heard) {
                Pair::Same => heard.hear(theirs.pop_front()),
                Pair::OnPurpose(what) => {
                    self.count(what);
                    heard.hear(theirs.pop_front());
                    heard.end(&told);
                }
                Pair::OnlyOurs(what) => {
                    self.count(what);
                    heard.end(&told);
                }
                Pair::Different => {
                    let at_ms = next.map_or(told.at_ms, |next| next.at_ms.min(told.at_ms));
                    return Err((at_ms, format!("theirs {next:?}, ours {told:?}")));
                }
            }
        }
        self.skip_idle_ends(&mut theirs, &mut heard, i64::MAX);
        match theirs.front() {
            Some(next) => Err((next.at_ms, format!("theirs {next:?}, ours nothing"))),
            None => Ok(()),
        }
    }

    fn pair(&self, next: Option<&Told>, told: &Told, heard: &Heard) -> Pair {
        let loud = self.without_quiet_ends(told);
        let Some(next) = next else { return self.only_ours(told, &loud, heard) };
        let fresh = self.fresh(next, heard);
        if self.is_same(next, told) {
            Pair::Same
        } else if self.is_same(next, &loud) {
            Pair::OnPurpose(QUIET_END_WITHIN)
        } else if self.is_same(&fresh, told) || self.is_same(&fresh, &loud) {
            Pair::OnPurpose(IDLE_END_WITHIN)
        } else {
            self.only_ours(told, &loud, heard)
        }
    }

    /// A message that they don't send.
    fn only_ours(&self, told: &Told, loud: &Told, heard: &Heard) -> Pair {
        if loud != told && is_no_news(loud, heard) {
            Pair::OnlyOurs(QUIET_END_ALONE)
        } else if self.tells_a_new_firing(told, heard) {
            Pair::OnlyOurs(NEW_FIRING)
        } else {
            Pair::Different
        }
    }

    /// Where ends are not told, they take an alert that fires again for the same.
    fn tells_a_new_firing(&self, told: &Told, heard: &Heard) -> bool {
        let Some(before) = heard.before.as_ref().filter(|_| !self.hook.send_resolved) else { return false };
        let allowed = self.case.known.contains(&Known::IdleEnds) && told.firing.is_subset(&before.firing);
        let is_new = |alert: &usize| {
            let spans = firing(self.case, *alert);
            let begins = |from: u64| (before.at_ms..told.at_ms).contains(&(from as i64));
            spans.len() > 1 && spans.iter().any(|(from, _)| begins(*from))
        };
        allowed && told.resolved.is_empty() && told.firing.iter().any(is_new)
    }

    /// Messages of theirs before a time that only tell ends nobody waits for.
    fn skip_idle_ends(&mut self, theirs: &mut VecDeque<Told>, heard: &mut Heard, until_ms: i64) {
        while let Some(next) = theirs.front() {
            let fresh = self.fresh(next, heard);
            if next.at_ms >= until_ms || fresh == *next || !is_no_news(&fresh, heard) {
                return;
            }
            self.count(IDLE_END_ALONE);
            heard.hear(theirs.pop_front());
        }
    }

    fn apart_ms(&self) -> i64 {
        let slack = self.case.known.iter().find_map(|known| match known {
            Known::Backoff { slack_ms } => Some(*slack_ms as i64),
            _ => None,
        });
        slack.unwrap_or(APART_MS)
    }

    fn is_same(&self, one: &Told, other: &Told) -> bool {
        let is_near = one.at_ms.abs_diff(other.at_ms) <= self.apart_ms() as u64;
        is_near && one.firing == other.firing && one.resolved == other.resolved
    }

    /// A message without the ends that nobody waits for.
    fn fresh(&self, told: &Told, heard: &Heard) -> Told {
        let mut fresh = told.clone();
        if self.case.known.contains(&Known::IdleEnds) {
            fresh.resolved.retain(|alert| heard.open.contains(alert));
        }
        fresh
    }

    /// A message without the ends that only we tell.
    fn without_quiet_ends(&self, told: &Told) -> Told {
        let is_quiet = |alert: &usize| {
            self.case.known.iter().any(|known| match known {
                Known::QuietEnd { alert: of, at_ms } => of == alert && (*at_ms as i64) < told.at_ms,
                _ => false,
            })
        };
        let mut loud = told.clone();
        loud.resolved.retain(|alert| !is_quiet(alert));
        loud
    }

    /// Their messages, where we differ on purpose changed to what ours must be.
    fn as_we_would(&mut self, theirs: Vec<Told>, ours: &[Told]) -> Vec<Told> {
        let case = self.case;
        case.known.iter().fold(theirs, |theirs, known| match known {
            Known::TwoSources { target, first_ends_ms, last_ends_ms } => {
                self.freed_by_both(theirs, *target, *first_ends_ms, *last_ends_ms)
            }
            Known::Refused { until_ms } if self.hook.fails.is_some() => {
                self.tried_with_the_next_change(theirs, ours, *until_ms as i64)
            }
            _ => theirs,
        })
    }

    fn freed_by_both(
        &mut self,
        mut theirs: Vec<Told>,
        target: usize,
        first_ms: u64,
        last_ms: u64,
    ) -> Vec<Told> {
        for told in &mut theirs {
            if told.firing.contains(&target) && told.at_ms > first_ms as i64 && told.at_ms < last_ms as i64 {
                self.count("a target freed although a source still fires");
                told.at_ms += (last_ms - first_ms) as i64;
            }
        }
        theirs
    }

    fn tried_with_the_next_change(
        &mut self,
        mut theirs: Vec<Told>,
        ours: &[Told],
        until_ms: i64,
    ) -> Vec<Told> {
        // Against another Alertmanager there is nothing to change.
        if ours.first().is_none_or(|told| told.at_ms > until_ms) {
            let all = theirs.len();
            theirs.retain(|told| told.at_ms > until_ms);
            if theirs.len() < all {
                self.count("a refused message tried again without a change");
            }
        }
        theirs
    }
}

/// Whether a message says no more than what was heard.
fn is_no_news(told: &Told, heard: &Heard) -> bool {
    let is_known = |before: &Told| told.firing.is_subset(&before.firing);
    told.resolved.is_empty() && heard.before.as_ref().map_or(told.firing.is_empty(), is_known)
}

#[cfg(test)]
mod tests {
    use super::super::case::{Grouping, Lane, Muting, Place};
    use super::*;

    fn told(at_ms: i64, firing: &[usize], resolved: &[usize]) -> Told {
        let set = |alerts: &[usize]| alerts.iter().copied().collect();
        Told { at_ms, firing: set(firing), resolved: set(resolved) }
    }

    fn case(known: Vec<Known>, fails: Option<(u16, usize)>) -> Case {
        let hooks = vec![Hook { path: "/c0".to_owned(), send_resolved: true, fails }];
        let lane = Lane {
            name: "c0".to_owned(),
            place: Place::Main,
            hooks,
            grouping: Grouping::All,
            wait_ms: 500,
            interval_ms: 1000,
            repeat_ms: 60_000,
            muting: Muting::None,
        };
        let none = BTreeSet::new;
        let (groups, steps) = (vec!["a"; 3], Vec::new());
        Case {
            number: 0,
            lanes: vec![lane],
            groups,
            sources: none(),
            targets: none(),
            steps,
            known,
            end_ms: 20_000,
        }
    }

    fn differ(case: &Case, theirs: &[Told], ours: &[Told]) -> usize {
        let by_path = |told: &[Told]| {
            let groups = BTreeMap::from([("{}".to_owned(), told.to_vec())]);
            ByPath::from([("/c0".to_owned(), groups)])
        };
        compare(case, &[by_path(theirs), by_path(ours)], &mut Counts::new()).len()
    }

    #[test]
    fn what_is_late_missing_more_or_other_differs() {
        let case = case(Vec::new(), None);
        let theirs = [told(1000, &[0], &[]), told(5000, &[], &[0])];
        assert_eq!(differ(&case, &theirs, &theirs), 0);
        assert_eq!(differ(&case, &theirs, &[told(1300, &[0], &[]), told(4700, &[], &[0])]), 0);
        assert_eq!(differ(&case, &theirs, &[told(1500, &[0], &[]), told(5000, &[], &[0])]), 1);
        assert_eq!(differ(&case, &theirs, &theirs[..1]), 1);
        assert_eq!(differ(&case, &theirs[..1], &theirs), 1);
        assert_eq!(differ(&case, &theirs, &[told(1000, &[0, 1], &[]), told(5000, &[], &[0])]), 1);
        // What comes after the end may have been cut off on one side.
        assert_eq!(differ(&case, &theirs[..1], &[told(1000, &[0], &[]), told(20_500, &[], &[0])]), 0);
    }

    #[test]
    fn a_quiet_end_may_be_told_and_nothing_else() {
        let case = case(vec![Known::QuietEnd { alert: 0, at_ms: 4000 }], None);
        let first = told(1000, &[0, 1], &[]);
        let one = std::slice::from_ref(&first);
        assert_eq!(differ(&case, one, &[first.clone(), told(4500, &[1], &[0])]), 0);
        assert_eq!(differ(&case, one, &[first.clone(), told(3500, &[1], &[0])]), 1, "before it ended");
        assert_eq!(differ(&case, one, &[first.clone(), told(4500, &[1], &[])]), 1, "no end in it");
        assert_eq!(differ(&case, one, &[first.clone(), told(4500, &[2], &[0])]), 1, "news beside it");
        assert_eq!(differ(&case, one, &[first.clone(), told(4500, &[], &[0, 1])]), 1, "another end");
        let theirs = [first.clone(), told(4500, &[], &[1])];
        assert_eq!(differ(&case, &theirs, &[first.clone(), told(4500, &[], &[0, 1])]), 0);
        assert_eq!(differ(&case, &theirs, one), 1);
    }

    #[test]
    fn an_end_that_nobody_waits_for_need_not_be_told() {
        let (first, ended) = (told(1000, &[0, 1], &[]), told(3000, &[1], &[0]));
        let (alone, within) = (told(5000, &[1], &[0]), told(5000, &[], &[0, 1]));
        let theirs = |last: &Told| [first.clone(), ended.clone(), last.clone()];
        let ours = [first.clone(), ended.clone(), told(5000, &[], &[1])];
        let case_of = |known| case(known, None);
        let (strict, lenient) = (case_of(Vec::new()), case_of(vec![Known::IdleEnds]));
        assert_eq!(differ(&lenient, &theirs(&alone), &ours[..2]), 0);
        assert_eq!(differ(&lenient, &theirs(&within), &ours), 0);
        assert_eq!(differ(&strict, &theirs(&alone), &ours[..2]), 1);
        assert_eq!(differ(&strict, &theirs(&within), &ours), 1);
        assert_eq!(differ(&lenient, &theirs(&within), &ours[..2]), 1, "an end that was not told before");
        assert_eq!(differ(&lenient, &[first.clone(), ended.clone()], &ours[..1]), 1);
        let never_told = [first.clone(), told(3000, &[0, 1], &[2])];
        assert_eq!(differ(&lenient, &never_told, &ours[..1]), 0);
        assert_eq!(differ(&strict, &never_told, &ours[..1]), 1);
    }

    #[test]
    fn a_target_is_freed_when_both_sources_have_ended() {
        let known = Known::TwoSources { target: 2, first_ends_ms: 3000, last_ends_ms: 6000 };
        let case = case(vec![known], None);
        let theirs = [told(3500, &[2], &[]), told(9500, &[], &[2])];
        assert_eq!(differ(&case, &theirs, &[told(6500, &[2], &[]), told(9500, &[], &[2])]), 0);
        assert_eq!(differ(&case, &theirs, &theirs), 1);
    }

    #[test]
    fn a_refused_message_may_wait_for_the_next_change() {
        let case = case(vec![Known::Refused { until_ms: 5000 }], Some((400, 1)));
        let theirs = [told(2500, &[0], &[]), told(5500, &[0, 1], &[])];
        assert_eq!(differ(&case, &theirs, &theirs[1..]), 0);
        assert_eq!(differ(&case, &theirs, &theirs), 0);
        assert_eq!(differ(&case, &theirs, &[]), 1);
    }
}
