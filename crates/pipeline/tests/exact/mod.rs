//! Alertmanager's rules for one route, written down as plainly as possible:
//! what is due next is found by going through all that is known.

use std::collections::BTreeMap;

/// The route's settings, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) group_wait: u64,
    pub(crate) group_interval: u64,
    pub(crate) repeat_interval: u64,
    pub(crate) resolve_timeout: u64,
    pub(crate) send_resolved: [bool; 2],
}

/// One alert in a request; times relative to now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Post {
    pub(crate) group: usize,
    pub(crate) n: u64,
    pub(crate) started_ago: Option<u64>,
    pub(crate) ends_in: Option<i64>,
    pub(crate) note: u8,
}

impl Post {
    pub(crate) fn starts_at(&self, now: u64) -> Option<u64> {
        self.started_ago.map(|ago| now - ago)
    }

    pub(crate) fn ends_at(&self, now: u64) -> Option<u64> {
        self.ends_in.map(|ends_in| now.saturating_add_signed(ends_in))
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    pub(crate) at: u64,
    pub(crate) integration: usize,
    pub(crate) reason: &'static str,
    pub(crate) alerts: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
struct Alert {
    starts_at: u64,
    ends_at: u64,
    is_timeout: bool,
    note: u8,
    fires: bool,
    /// By integration: has been told that it fires.
    told: [bool; 2],
}

#[derive(Debug)]
struct Group {
    flush_at: u64,
    /// What is known of `flush_at` after a restart: a look that told nobody
    /// anything is forgotten, and taken again.
    noted_flush_at: u64,
    alerts: BTreeMap<u64, Alert>,
    /// An empty group goes half a minute later.
    empty_since: Option<u64>,
    delivered_at: [Option<u64>; 2],
}

const LINGER_S: u64 = 30;

#[derive(Debug)]
pub(crate) struct Model {
    rules: Rules,
    names: &'static [&'static str],
    pub(crate) now: u64,
    groups: BTreeMap<usize, Group>,
    /// Nothing expires before, since its source was not heard.
    grace_until: u64,
    source_is_known: bool,
    pub(crate) told: Vec<Told>,
}

impl Model {
    pub(crate) fn new(rules: Rules, names: &'static [&'static str]) -> Self {
        let (groups, told) = (BTreeMap::new(), Vec::new());
        Self { rules, names, now: 0, groups, grace_until: 0, source_is_known: false, told }
    }

    pub(crate) fn post(&mut self, posts: &[Post]) {
        self.source_is_known = true;
        for post in posts {
            self.take(post);
        }
        self.wait_until(self.now);
    }

    fn take(&mut self, post: &Post) {
        let (now, rules) = (self.now, self.rules);
        let (starts_at, ends_at) = (post.starts_at(now), post.ends_at(now));
        let new = Alert {
            starts_at: starts_at.or(ends_at).unwrap_or(now),
            ends_at: ends_at.unwrap_or(now + rules.resolve_timeout),
            is_timeout: ends_at.is_none(),
            note: post.note,
            fires: ends_at.is_none_or(|end| end > now),
            told: [false; 2],
        };
        let known = self.groups.get_mut(&post.group).and_then(|group| group.alerts.get_mut(&post.n));
        match known {
            Some(known) => *known = merge(known, new),
            None if new.fires => self.open(post, new),
            None => {}
        }
    }

    fn open(&mut self, post: &Post, alert: Alert) {
        let waited = alert.starts_at + self.rules.group_wait < self.now;
        let flush_at = if waited { self.now } else { self.now + self.rules.group_wait };
        let (noted_flush_at, alerts, empty_since) = (flush_at, BTreeMap::new(), None);
        let new = Group { flush_at, noted_flush_at, alerts, empty_since, delivered_at: [None; 2] };
        let group = self.groups.entry(post.group).or_insert(new);
        group.empty_since = None;
        group.alerts.insert(post.n, alert);
    }

    pub(crate) fn turn_away(&mut self) {
        self.source_is_known = true;
        self.grace_until = self.grace_until.max(self.now + self.rules.resolve_timeout);
        self.wait_until(self.now);
    }

    pub(crate) fn restart(&mut self, down_s: u64) {
        self.now += down_s;
        self.groups.values_mut().for_each(|group| group.flush_at = group.noted_flush_at);
        if self.source_is_known {
            self.grace_until = self.now + self.rules.resolve_timeout;
        }
    }

    pub(crate) fn wait_until(&mut self, until: u64) {
        while let Some((due, is_flush, group, n)) = self.next_due().filter(|next| next.0 <= until) {
            self.now = self.now.max(due);
            let empty_since = self.groups.get(&group).and_then(|group| group.empty_since);
            if empty_since.is_some_and(|since| since + LINGER_S <= self.now) {
                self.groups.remove(&group);
            } else if is_flush {
                self.flush(group);
            } else if let Some(alert) = self.groups.get_mut(&group).and_then(|g| g.alerts.get_mut(&n)) {
                alert.fires = false;
            }
        }
        self.now = until;
    }

    /// What is due first; at the same second alerts end before groups are told.
    fn next_due(&self) -> Option<(u64, bool, usize, u64)> {
        let look = |group: &Group| {
            group.empty_since.map_or(group.flush_at, |since| group.flush_at.min(since + LINGER_S))
        };
        let flushes = self.groups.iter().map(|(&number, group)| (look(group), true, number, 0));
        let ends = self.groups.iter().flat_map(|(&number, group)| {
            let firing = group.alerts.iter().filter(|(_, alert)| alert.fires);
            firing.map(move |(&n, alert)| (alert.ends_at.max(self.grace_until), false, number, n))
        });
        flushes.chain(ends).min()
    }

    fn flush(&mut self, number: usize) {
        let (now, rules, name) = (self.now, self.rules, self.names[number]);
        let Some(group) = self.groups.get_mut(&number) else { return };
        let mut told_somebody = false;
        for integration in 0..2 {
            let send_resolved = rules.send_resolved[integration];
            if let Some(reason) = reason(group, integration, send_resolved, rules.repeat_interval, now) {
                let told = group
                    .alerts
                    .iter()
                    .filter(|(_, alert)| alert.fires || (send_resolved && alert.told[integration]));
                let alerts = told.map(|(n, alert)| describe(name, *n, alert)).collect();
                self.told.push(Told { at: now, integration, reason, alerts });
                group.delivered_at[integration] = Some(now);
                told_somebody = true;
                let firing = group.alerts.values_mut().filter(|alert| alert.fires);
                firing.for_each(|alert| alert.told[integration] = true);
            }
        }
        let known = group.alerts.len();
        group.alerts.retain(|_, alert| alert.fires);
        group.flush_at = now + rules.group_interval;
        if group.alerts.is_empty() && group.empty_since.is_none() {
            group.empty_since = Some(now);
        }
        if told_somebody || group.alerts.len() < known {
            group.noted_flush_at = group.flush_at;
        }
    }

    pub(crate) fn active(&self) -> Vec<(usize, u64)> {
        let firing = |group: &Group| -> Vec<u64> {
            group.alerts.iter().filter(|(_, alert)| alert.fires).map(|(&n, _)| n).collect()
        };
        self.groups
            .iter()
            .flat_map(|(&number, group)| firing(group).into_iter().map(move |n| (number, n)))
            .collect()
    }
}

/// Posts about the same labels, older and newer, as one alert.
fn merge(known: &Alert, new: Alert) -> Alert {
    let overlaps = known.fires || !new.fires || new.starts_at < known.ends_at;
    let starts_at = if overlaps { known.starts_at.min(new.starts_at) } else { new.starts_at };
    let keeps_end = match (known.fires, new.fires) {
        (true, true) => known.ends_at > new.ends_at && !known.is_timeout,
        (false, false) => known.ends_at > new.ends_at,
        (true, false) | (false, true) => false,
    };
    let (ends_at, is_timeout) =
        if keeps_end { (known.ends_at, known.is_timeout) } else { (new.ends_at, new.is_timeout) };
    Alert { starts_at, ends_at, is_timeout, told: known.told, ..new }
}

fn reason(
    group: &Group,
    integration: usize,
    send_resolved: bool,
    repeat_interval: u64,
    now: u64,
) -> Option<&'static str> {
    let any = |test: &dyn Fn(&Alert) -> bool| group.alerts.values().any(test);
    let last = group.delivered_at[integration];
    if any(&|alert| alert.fires && !alert.told[integration]) {
        let is_first = last.is_none();
        return Some(if is_first { "first notification" } else { "new alerts added" });
    }
    if send_resolved && any(&|alert| !alert.fires && alert.told[integration]) {
        let some_fire = any(&|alert| alert.fires);
        return Some(if some_fire { "some alerts resolved" } else { "all alerts resolved" });
    }
    let repeats = any(&|alert| alert.fires) && last.is_some_and(|last| last + repeat_interval <= now);
    repeats.then_some("repeat interval elapsed")
}

fn describe(name: &str, n: u64, alert: &Alert) -> String {
    let Alert { starts_at, ends_at, note, .. } = alert;
    if alert.fires {
        format!("{name}{n} fires since {starts_at}, note {note}")
    } else {
        format!("{name}{n} from {starts_at} to {ends_at}, note {note}")
    }
}
