//! Settings as plain data: what the model reads, and what the settings under
//! test are made from.

use std::collections::{BTreeMap, BTreeSet};

/// Labels of an alert or a group; one that is absent is no entry.
pub(crate) type Labels = BTreeMap<&'static str, &'static str>;

/// When time begins: Friday, 23:40 UTC.
pub(crate) const EPOCH_S: u64 = 1_800_056_400;

/// A group without alerts goes half a minute later.
pub(crate) const LINGER_S: u64 = 30;

pub(crate) fn value(labels: &Labels, name: &str) -> &'static str {
    labels.get(name).copied().unwrap_or_default()
}

/// `=` and `!=` with one value; `=~` and `!~` with any of some.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Match {
    pub(crate) name: &'static str,
    pub(crate) is_negated: bool,
    pub(crate) any_of: BTreeSet<&'static str>,
}

impl Match {
    pub(crate) fn holds(&self, labels: &Labels) -> bool {
        self.any_of.contains(value(labels, self.name)) != self.is_negated
    }

    /// As it is written: a pattern where it has more than one value.
    pub(crate) fn text(&self) -> String {
        let values: Vec<&str> = self.any_of.iter().copied().collect();
        let op = match (self.is_negated, values.len() > 1) {
            (false, false) => "=",
            (true, false) => "!=",
            (false, true) => "=~",
            (true, true) => "!~",
        };
        format!("{}{op}{:?}", self.name, values.join("|"))
    }
}

pub(crate) fn all_hold(matchers: &[Match], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.holds(labels))
}

/// Minutes of the day, on one day of the week (1 is Monday) or on all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) from_minute: u64,
    pub(crate) to_minute: u64,
    pub(crate) weekday: Option<u64>,
}

impl Times {
    pub(crate) fn contain(&self, second: u64) -> bool {
        let at = EPOCH_S + second;
        let (day, minute) = (at / 86_400, at / 60 % 1440);
        // The first day of Unix time was a Thursday.
        let weekday = (day + 3) % 7 + 1;
        (self.from_minute..self.to_minute).contains(&minute) && self.weekday.is_none_or(|on| on == weekday)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupBy {
    All,
    Names(Vec<&'static str>),
}

/// A route as it is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Route {
    pub(crate) receiver: Option<&'static str>,
    pub(crate) group_by: Option<GroupBy>,
    pub(crate) wait: Option<u64>,
    pub(crate) interval: Option<u64>,
    pub(crate) repeat: Option<u64>,
    pub(crate) matchers: Vec<Match>,
    pub(crate) continues: bool,
    pub(crate) mute: Vec<&'static str>,
    pub(crate) active: Vec<&'static str>,
    /// Seconds, and who is told then.
    pub(crate) escalations: Option<Vec<(u64, &'static str)>>,
    /// Takes alerts with this score or more, where scores count.
    pub(crate) min_score: Option<f32>,
    /// Takes alerts with less.
    pub(crate) max_score: Option<f32>,
    pub(crate) routes: Vec<Route>,
}

#[derive(Debug, Clone)]
pub(crate) struct InhibitRule {
    pub(crate) sources: Vec<Match>,
    pub(crate) targets: Vec<Match>,
    pub(crate) equal: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Integration {
    pub(crate) number: u16,
    pub(crate) send_resolved: bool,
    pub(crate) is_retired: bool,
    /// It shows what people do.
    pub(crate) shows: bool,
}

/// Scores count: what is low goes to a digest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Enforced {
    pub(crate) threshold: f32,
    pub(crate) receiver: &'static str,
    /// A part of a day, counted from midnight.
    pub(crate) every: u64,
    /// What any of these meet always pages.
    pub(crate) never: Vec<Match>,
}

impl Enforced {
    pub(crate) fn next_after(&self, second: u64) -> u64 {
        ((EPOCH_S + second) / self.every + 1) * self.every - EPOCH_S
    }
}

/// Everything that is set.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) root: Route,
    pub(crate) receivers: BTreeMap<&'static str, Vec<Integration>>,
    pub(crate) inhibit: Vec<InhibitRule>,
    pub(crate) times: BTreeMap<&'static str, Times>,
    pub(crate) rearm_after: u64,
    pub(crate) resolve_timeout: u64,
    pub(crate) is_shadow: bool,
    pub(crate) enforced: Option<Enforced>,
}

impl Setup {
    /// These settings after others: integrations that are no longer there are
    /// kept, retired.
    pub(crate) fn after(mut self, before: &Setup) -> Setup {
        for (name, integrations) in &before.receivers {
            let mine = self.receivers.entry(name).or_default();
            for old in integrations {
                if !mine.iter().any(|new| new.number == old.number) {
                    mine.push(Integration { is_retired: true, ..*old });
                }
            }
        }
        self
    }

    /// Receivers that no route names don't matter, and may be left out.
    pub(crate) fn without_unused(mut self) -> Setup {
        let used: BTreeSet<&str> =
            self.written().iter().flat_map(Written::with_escalations).map(|leaf| leaf.receiver).collect();
        let digest = self.enforced.as_ref().map(|enforced| enforced.receiver);
        self.receivers.retain(|name, _| used.contains(name) || digest == Some(*name));
        self
    }

    fn inherited() -> Leaf {
        Leaf {
            identity: String::new(),
            receiver: "",
            group_by: GroupBy::Names(Vec::new()),
            wait: 30,
            interval: 300,
            repeat: 4 * 3600,
            mute: Vec::new(),
            active: Vec::new(),
            escalations: Vec::new(),
            escalates_after: None,
            is_straight: false,
            is_digest: false,
        }
    }

    /// Every route with what it inherits, in the order in which they are written.
    fn written(&self) -> Vec<Written<'_>> {
        let mut all = Vec::new();
        write_down(&self.root, &Self::inherited(), 0, &mut all);
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for written in &mut all {
            // Those that say the same are told apart by their order.
            let Route { min_score, max_score, .. } = written.route;
            let Leaf { identity, receiver, .. } = &written.leaf;
            let said = format!("{identity} to {receiver}, {min_score:?} {max_score:?}");
            let nth = seen.entry(said.clone()).or_default();
            written.name = format!("{said} #{nth}");
            *nth += 1;
        }
        all
    }

    /// What decides in which groups an alert is.
    pub(crate) fn shape(&self) -> (bool, String, Vec<String>) {
        let scores = self.enforced.as_ref();
        let scores = scores.map(|by| format!("{} {} {:?}", by.threshold, by.receiver, by.never));
        let shape = |written: &Written<'_>| {
            let names = written.with_escalations().into_iter().map(|leaf| leaf.identity);
            let Written { route, leaf, depth, .. } = written;
            format!("{depth} {} {:?} {:?}", route.continues, leaf.group_by, names.collect::<Vec<_>>())
        };
        (
            self.is_shadow,
            format!("{} {scores:?}", self.straight().identity),
            self.written().iter().map(shape).collect(),
        )
    }

    /// The routes that take an alert, with their escalations.
    pub(crate) fn routes_of(&self, labels: &Labels, score: f32) -> Vec<Leaf> {
        let written = self.written();
        let mut taken = Vec::new();
        let score = self.enforced.as_ref().map(|_| score);
        take(&written, 0, labels, score, &mut taken);
        if taken.is_empty() {
            taken.push(0);
        }
        if let Some(enforced) = &self.enforced
            && score.is_some_and(|score| score < enforced.threshold)
            && !enforced.never.iter().any(|matcher| matcher.holds(labels))
            && !taken.iter().any(|&index| written[index].route.max_score.is_some())
        {
            return vec![digest(enforced)];
        }
        taken.into_iter().flat_map(|index| written[index].with_escalations()).collect()
    }

    /// Straight to the default receiver.
    pub(crate) fn straight(&self) -> Leaf {
        let root = self.written().swap_remove(0).leaf;
        Leaf {
            identity: format!("straight to {}", root.receiver),
            wait: 0,
            interval: root.interval.min(30),
            mute: Vec::new(),
            active: Vec::new(),
            is_straight: true,
            ..root
        }
    }

    /// How long between looks at groups whose route is gone.
    pub(crate) fn root_interval(&self) -> u64 {
        self.written()[0].leaf.interval
    }

    /// The route of this name, if the settings have it.
    pub(crate) fn route(&self, identity: &str) -> Option<Leaf> {
        let known = self.written().into_iter().flat_map(|written| written.with_escalations());
        known.chain([self.straight()]).find(|leaf| leaf.identity == identity)
    }

    pub(crate) fn integrations(&self, receiver: &str) -> &[Integration] {
        self.receivers.get(receiver).map_or(&[], Vec::as_slice)
    }
}

/// A route with all that it inherits.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) identity: String,
    pub(crate) receiver: &'static str,
    pub(crate) group_by: GroupBy,
    pub(crate) wait: u64,
    pub(crate) interval: u64,
    pub(crate) repeat: u64,
    pub(crate) mute: Vec<&'static str>,
    pub(crate) active: Vec<&'static str>,
    escalations: Vec<(u64, &'static str)>,
    pub(crate) escalates_after: Option<u64>,
    /// The break-glass: nothing is held.
    pub(crate) is_straight: bool,
    /// What is low: no route that is written.
    pub(crate) is_digest: bool,
}

fn digest(enforced: &Enforced) -> Leaf {
    Leaf {
        identity: format!("digest to {}", enforced.receiver),
        receiver: enforced.receiver,
        is_digest: true,
        ..Setup::inherited()
    }
}

impl Leaf {
    pub(crate) fn group_of(&self, labels: &Labels) -> Labels {
        let mut group = labels.clone();
        if let GroupBy::Names(names) = &self.group_by {
            group.retain(|name, _| names.contains(name));
        }
        group
    }

    /// Names of the intervals that keep it quiet.
    pub(crate) fn muted_by(&self, setup: &Setup, second: u64) -> Vec<&'static str> {
        let holds = |name: &&str| setup.times.get(*name).is_some_and(|times| times.contain(second));
        if !self.active.is_empty() && !self.active.iter().any(holds) {
            return self.active.clone();
        }
        self.mute.iter().filter(|name| holds(name)).copied().collect()
    }
}

struct Written<'a> {
    route: &'a Route,
    leaf: Leaf,
    name: String,
    depth: usize,
}

impl Written<'_> {
    fn with_escalations(&self) -> Vec<Leaf> {
        let own = Leaf { identity: self.name.clone(), ..self.leaf.clone() };
        let steps = self.leaf.escalations.iter().enumerate();
        let steps = steps.map(|(step, &(after, receiver))| Leaf {
            identity: format!("{} escalates {step} to {receiver}", self.name),
            receiver,
            escalates_after: Some(after),
            ..own.clone()
        });
        let steps: Vec<_> = steps.collect();
        std::iter::once(own).chain(steps).collect()
    }
}

fn write_down<'a>(route: &'a Route, above: &Leaf, depth: usize, all: &mut Vec<Written<'a>>) {
    let mut texts: Vec<String> = route.matchers.iter().map(Match::text).collect();
    texts.sort();
    let receiver = route.receiver.unwrap_or(above.receiver);
    // Whom the route tells anyway need not be told again by what it inherits.
    let others = above.escalations.iter().filter(|(_, to)| *to != receiver);
    let leaf = Leaf {
        identity: format!("{}/{{{}}}", above.identity, texts.join(",")),
        receiver,
        group_by: route.group_by.clone().unwrap_or_else(|| above.group_by.clone()),
        wait: route.wait.unwrap_or(above.wait),
        interval: route.interval.unwrap_or(above.interval),
        repeat: route.repeat.unwrap_or(above.repeat),
        mute: route.mute.clone(),
        active: route.active.clone(),
        escalations: route.escalations.clone().unwrap_or_else(|| others.copied().collect()),
        escalates_after: None,
        is_straight: false,
        is_digest: false,
    };
    all.push(Written { route, leaf: leaf.clone(), name: String::new(), depth });
    route.routes.iter().for_each(|child| write_down(child, &leaf, depth + 1, all));
}

/// Depth first; gives whether the route or one below it takes the alert.
fn take(
    all: &[Written<'_>],
    index: usize,
    labels: &Labels,
    score: Option<f32>,
    taken: &mut Vec<usize>,
) -> bool {
    let written = &all[index];
    let is_low = score.zip(written.route.min_score).is_some_and(|(score, least)| score < least);
    let is_high = score.zip(written.route.max_score).is_some_and(|(score, below)| score >= below);
    if !all_hold(&written.route.matchers, labels) || is_low || is_high {
        return false;
    }
    let mut is_passed = false;
    let below = (index + 1..all.len()).take_while(|&other| all[other].depth > written.depth);
    for child in below.filter(|&other| all[other].depth == written.depth + 1) {
        let takes = take(all, child, labels, score, taken);
        is_passed |= takes;
        if takes && !all[child].route.continues {
            break;
        }
    }
    if !is_passed {
        taken.push(index);
    }
    true
}
