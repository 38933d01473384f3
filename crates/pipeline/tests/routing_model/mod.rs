//! Alertmanager's rules for whole route trees, and what goes beyond them, as
//! plainly as possible: seconds, ordered maps, and whatever is due next is
//! found by going through all that is known. Receivers take every message at
//! once.
//!
//! What happens in the same second happens in this order: what came in; alerts
//! that end; groups that are looked at; silences that last until what they
//! hold is over.

pub(crate) mod draw;
mod groups;
pub(crate) mod plain;
pub(crate) mod real;
mod silences;

use groups::{Group, Member};
use plain::{LINGER_S, Labels, Leaf, Setup, all_hold, value};
pub(crate) use silences::{Posted, Silence};
use std::collections::{BTreeMap, BTreeSet};

/// One alert in a request.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) labels: Labels,
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

/// What a person does with an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Ack,
    Resolve,
    Dismiss,
    Escalate,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    pub(crate) at: u64,
    pub(crate) receiver: String,
    pub(crate) integration: u16,
    pub(crate) group: String,
    pub(crate) reason: &'static str,
    pub(crate) alerts: Vec<String>,
}

/// An alert in a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    pub(crate) labels: String,
    pub(crate) receivers: BTreeSet<String>,
    pub(crate) silenced_by: Vec<usize>,
    pub(crate) is_inhibited: bool,
}

/// A group in a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListedGroup {
    pub(crate) labels: String,
    pub(crate) receiver: String,
    pub(crate) muted_by: Vec<String>,
    pub(crate) alerts: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy)]
struct Alert {
    /// In the order in which they began to fire.
    episode: u64,
    starts_at: u64,
    ends_at: u64,
    is_timeout: bool,
    note: u8,
    fires: bool,
    /// The rating at the episode's start.
    score: f32,
    feedback: Option<(Action, u64)>,
    /// A person wanted more to know of this episode.
    is_escalated: bool,
}

impl Alert {
    /// Somebody takes care of it.
    fn is_acknowledged(&self, rearm_after: u64, now: u64) -> bool {
        match self.feedback {
            Some((Action::Ack | Action::Resolve, at)) => at + rearm_after > now,
            Some((Action::Dismiss, _)) => true,
            Some((Action::Escalate, _)) | None => false,
        }
    }
}

/// A route's name and the labels that its alerts share.
type GroupId = (String, Labels);

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) setup: Setup,
    pub(crate) now: u64,
    alerts: BTreeMap<Labels, Alert>,
    groups: BTreeMap<GroupId, Group>,
    silences: Vec<Silence>,
    /// Silences of which something ended in this step.
    maybe_over: BTreeSet<usize>,
    /// Nothing expires before, since its source was not heard.
    grace_until: u64,
    source_is_known: bool,
    tenant_is_known: bool,
    is_straight: bool,
    episodes: u64,
    pub(crate) told: Vec<Told>,
    /// Who was told at a look in this step.
    told_at_looks: BTreeSet<(GroupId, u16)>,
    /// By receiver: alerts that came to an end there.
    pub(crate) ended: BTreeMap<(String, &'static str), u32>,
}

pub(crate) fn text(labels: &Labels) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

impl Model {
    pub(crate) fn new(setup: Setup) -> Self {
        Self {
            setup,
            now: 0,
            alerts: BTreeMap::new(),
            groups: BTreeMap::new(),
            silences: Vec::new(),
            maybe_over: BTreeSet::new(),
            grace_until: 0,
            source_is_known: false,
            tenant_is_known: false,
            is_straight: false,
            episodes: 0,
            told: Vec::new(),
            told_at_looks: BTreeSet::new(),
            ended: BTreeMap::new(),
        }
    }

    fn count(&mut self, receiver: &str, end: &'static str, alerts: u32) {
        if alerts > 0 {
            *self.ended.entry((receiver.to_owned(), end)).or_default() += alerts;
        }
    }

    /// `scores` are those of the alerts that begin to fire, in their order.
    pub(crate) fn post(&mut self, posts: &[Post], scores: &[f32]) {
        (self.source_is_known, self.tenant_is_known) = (true, true);
        let mut scores = scores.iter().copied();
        posts.iter().for_each(|post| self.take(post, &mut scores));
        assert_eq!(scores.next(), None, "more alerts are rated than begin to fire");
        self.settle();
    }

    fn take(&mut self, post: &Post, scores: &mut impl Iterator<Item = f32>) {
        let now = self.now;
        let (starts_at, ends_at) = (post.starts_at(now), post.ends_at(now));
        self.episodes += 1;
        let known = self.alerts.get(&post.labels).copied();
        let known_score = known.map_or(0.0, |known| known.score);
        let new = Alert {
            episode: self.episodes,
            starts_at: starts_at.or(ends_at).unwrap_or(now),
            ends_at: ends_at.unwrap_or(now + self.setup.resolve_timeout),
            is_timeout: ends_at.is_none(),
            note: post.note,
            fires: ends_at.is_none_or(|end| end > now),
            score: known_score,
            feedback: None,
            is_escalated: false,
        };
        let merged = match &known {
            Some(known) => merge(known, new),
            None if new.fires => new,
            None => return, // never seen, over already
        };
        let (fired, fires) = (known.is_some_and(|known| known.fires), merged.fires);
        let score = if fires && !fired { scores.next().unwrap() } else { merged.score };
        let merged = Alert { score, ..merged };
        let starts_at = merged.starts_at;
        self.alerts.insert(post.labels.clone(), merged);
        match (fired, fires) {
            (false, true) => self.route(&post.labels, starts_at),
            (true, false) => self.has_ended(&post.labels),
            _ => {}
        }
    }

    /// An alert begins to fire: it joins its groups, and leaves others.
    fn route(&mut self, labels: &Labels, starts_at: u64) {
        let mut wanted = self.join(labels, starts_at, self.alerts[labels].score);
        if self.alerts[labels].is_escalated {
            wanted.extend(self.join(labels, starts_at, 1.0));
        }
        self.leave(labels, &wanted);
    }

    fn wanted(&self, labels: &Labels, score: f32) -> Vec<Leaf> {
        if self.is_straight { vec![self.setup.straight()] } else { self.setup.routes_of(labels, score) }
    }

    fn join(&mut self, labels: &Labels, starts_at: u64, score: f32) -> Vec<GroupId> {
        let (now, mut wanted) = (self.now, Vec::new());
        for route in self.wanted(labels, score) {
            let digest = self.setup.enforced.as_ref().filter(|_| route.is_digest);
            let first_look = match route.escalates_after {
                _ if route.is_digest => digest.map_or(now, |digest| digest.next_after(now)),
                Some(after) => now + after,
                None if starts_at + route.wait < now => now,
                None => now + route.wait,
            };
            let shared = if route.is_digest { Labels::new() } else { route.group_of(labels) };
            let id = (route.identity.clone(), shared);
            let new = || Group::new(route.receiver, first_look, route.is_digest);
            let group = self.groups.entry(id.clone()).or_insert_with(new);
            if route.escalates_after.is_some() {
                group.look_at = group.look_at.min(first_look);
            }
            let member = group.members.entry(labels.clone()).or_insert_with(|| Member::new(now));
            member.is_departed = false;
            group.empty_since = None;
            wanted.push(id);
        }
        wanted
    }

    /// Who was told somewhere else still has to hear of the end there.
    fn leave(&mut self, labels: &Labels, wanted: &[GroupId]) {
        let now = self.now;
        let mut rerouted: Vec<&'static str> = Vec::new();
        for (_, group) in self.groups.iter_mut().filter(|(id, _)| !wanted.contains(id)) {
            let Some(member) = group.members.get_mut(labels).filter(|member| !member.is_departed) else {
                continue;
            };
            if !member.firing.is_empty() {
                member.is_departed = true;
                continue;
            }
            group.members.remove(labels);
            group.noted_look_at = group.look_at;
            if group.members.is_empty() {
                group.empty_since = Some(now);
            }
            rerouted.push(group.receiver);
        }
        rerouted.into_iter().for_each(|receiver| self.count(receiver, "rerouted", 1));
    }

    /// Notes which silences may be over with it.
    fn has_ended(&mut self, labels: &Labels) {
        let over = self.silences.iter().enumerate().filter(|(_, silence)| {
            silence.until_resolved && silence.is_active(self.now) && all_hold(&silence.matchers, labels)
        });
        self.maybe_over.extend(over.map(|(number, _)| number));
        self.forget(labels);
    }

    fn forget(&mut self, labels: &Labels) {
        let is_member = self.groups.values().any(|group| group.members.contains_key(labels));
        if !is_member && self.alerts.get(labels).is_some_and(|alert| !alert.fires) {
            self.alerts.remove(labels);
        }
    }

    pub(crate) fn turn_away(&mut self) {
        (self.source_is_known, self.tenant_is_known) = (true, true);
        self.grace_until = self.grace_until.max(self.now + self.setup.resolve_timeout);
        self.settle();
    }

    pub(crate) fn feedback(&mut self, labels: &Labels, action: Action) {
        let now = self.now;
        let alert = self.alerts.get_mut(labels).unwrap();
        alert.feedback = Some((action, now));
        alert.is_escalated |= action == Action::Escalate;
        if action == Action::Escalate {
            let starts_at = alert.starts_at;
            // With the routes of the highest score.
            self.join(labels, starts_at, 1.0);
        }
        let shown = self.show(labels);
        self.told_at_looks.clear();
        self.settle();
        // A look in the same step takes its place.
        let stays = shown.into_iter().filter(|(place, _)| !self.told_at_looks.contains(place));
        let stays: Vec<_> = stays.map(|(_, told)| told).collect();
        if !self.setup.is_shadow {
            self.told.extend(stays);
        }
    }

    pub(crate) fn configure(&mut self, setup: Setup) {
        let before = std::mem::replace(&mut self.setup, setup);
        if self.tenant_is_known {
            self.retime();
            if before.shape() != self.setup.shape() {
                self.reroute(before.is_shadow);
            }
            self.leave_shadow(before.is_shadow);
        }
        self.settle();
    }

    /// A shorter interval counts at once; escalations are looked at.
    fn retime(&mut self) {
        for ((identity, _), group) in &mut self.groups {
            if let Some(digest) = self.setup.enforced.as_ref().filter(|_| group.is_digest) {
                group.look_at = group.look_at.min(digest.next_after(self.now));
                continue;
            }
            let Some(route) = self.setup.route(identity) else { continue };
            let longest = route.interval.max(route.wait);
            let by = if route.escalates_after.is_some() { self.now } else { self.now + longest };
            group.look_at = group.look_at.min(by);
        }
    }

    /// What fires moves to the groups of the settings; while the break-glass
    /// is open, only what nobody knows of. Nobody knows what was told in shadow.
    fn reroute(&mut self, was_shadow: bool) {
        let firing = self.alerts.iter().filter(|(_, alert)| alert.fires);
        let mut firing: Vec<_> =
            firing.map(|(labels, alert)| (alert.episode, labels.clone(), alert.starts_at)).collect();
        // The newest first: its start decides when a new group is first told.
        firing.sort();
        for (_, labels, starts_at) in firing.into_iter().rev() {
            let members = self.groups.values().filter_map(|group| group.members.get(&labels));
            let is_known = !was_shadow && members.clone().any(|member| !member.firing.is_empty());
            if !(self.is_straight && is_known) {
                self.route(&labels, starts_at);
            }
        }
    }

    /// Nobody was really told; everything is looked at.
    fn leave_shadow(&mut self, was_shadow: bool) {
        if !was_shadow || self.setup.is_shadow {
            return;
        }
        for group in self.groups.values_mut() {
            group.forget_what_was_told();
            group.look_at = group.look_at.min(self.now);
        }
    }

    pub(crate) fn straight(&mut self, is_on: bool) {
        self.tenant_is_known = true;
        if self.is_straight != is_on {
            self.is_straight = is_on;
            self.reroute(self.setup.is_shadow);
        }
        self.settle();
    }

    /// The process ends; another one starts, perhaps with other settings.
    pub(crate) fn restart(&mut self, down_s: u64, setup: Option<Setup>) {
        self.now += down_s;
        self.groups.values_mut().for_each(|group| group.look_at = group.noted_look_at);
        if self.source_is_known {
            self.grace_until = self.now + self.setup.resolve_timeout;
        }
        let setup = setup.unwrap_or_else(|| self.setup.clone());
        self.configure(setup);
    }

    /// The process stood still; what it hears then comes first.
    pub(crate) fn stand_still(&mut self, for_s: u64) {
        self.now += for_s;
        if !self.alerts.is_empty() && self.source_is_known {
            self.grace_until = self.grace_until.max(self.now + self.setup.resolve_timeout);
        }
    }

    pub(crate) fn wait_until(&mut self, until: u64) {
        while let Some(due) = self.next_due().map(|(due, ..)| due).filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.settle();
        }
        self.now = until;
    }

    /// One step: everything that is due, and what ends with it.
    fn settle(&mut self) {
        while let Some((_, _, what)) = self.next_due().filter(|(due, ..)| *due <= self.now) {
            match what {
                Due::End(labels) => {
                    if let Some(alert) = self.alerts.get_mut(&labels) {
                        alert.fires = false;
                    }
                    self.has_ended(&labels);
                }
                Due::Look(id) => self.look_or_close(&id),
            }
        }
        self.end_silences();
    }

    /// What is due first; at the same second alerts end before groups are told.
    fn next_due(&self) -> Option<(u64, bool, Due)> {
        let ends = self.alerts.iter().filter(|(_, alert)| alert.fires);
        let ends = ends
            .map(|(labels, alert)| (alert.ends_at.max(self.grace_until), false, Due::End(labels.clone())));
        let looks = self.groups.iter().map(|(id, group)| (group.due(), true, Due::Look(id.clone())));
        ends.chain(looks).min()
    }

    fn look_or_close(&mut self, id: &GroupId) {
        let Some(group) = self.groups.get(id) else { return };
        if group.empty_since.is_some_and(|since| since + LINGER_S <= self.now) {
            self.groups.remove(id);
        } else {
            self.look(id);
        }
    }

    /// The alerts that hold this one.
    fn sources(&self, target: &Labels) -> Vec<&Labels> {
        let firing = self.alerts.iter().filter(|(_, alert)| alert.fires).map(|(labels, _)| labels);
        firing.filter(|source| *source != target && self.inhibits(source, target)).collect()
    }

    /// The same, in words.
    pub(crate) fn sources_of(&self, target: &str) -> BTreeSet<String> {
        let target = self.alerts.keys().find(|labels| text(labels) == target);
        target.map_or_else(BTreeSet::new, |target| self.sources(target).into_iter().map(text).collect())
    }

    fn inhibits(&self, source: &Labels, target: &Labels) -> bool {
        self.setup.inhibit.iter().any(|rule| {
            let is_source = |labels: &Labels| all_hold(&rule.sources, labels);
            let is_target = |labels: &Labels| all_hold(&rule.targets, labels);
            let is_both = |labels: &Labels| is_source(labels) && is_target(labels);
            is_source(source)
                && is_target(target)
                && !(is_both(source) && is_both(target))
                && rule.equal.iter().all(|name| value(source, name) == value(target, name))
        })
    }

    /// It is there for what nobody acknowledges, and not listed.
    fn escalates(&self, (identity, _): &GroupId) -> bool {
        self.setup.route(identity).is_some_and(|route| route.escalates_after.is_some())
    }

    pub(crate) fn alerts(&self) -> Vec<Listed> {
        let firing = self.alerts.iter().filter(|(_, alert)| alert.fires);
        let listed = |(labels, _): (&Labels, &Alert)| {
            let groups = self.groups.iter().filter(|(id, _)| !self.escalates(id));
            let members = groups.filter_map(|(_, group)| Some((group, group.members.get(labels)?)));
            let present = members.filter(|(_, member)| !member.is_departed);
            Listed {
                labels: text(labels),
                receivers: present.map(|(group, _)| group.receiver.to_owned()).collect(),
                silenced_by: self.silences_of(labels, None),
                is_inhibited: !self.sources(labels).is_empty(),
            }
        };
        let mut listed: Vec<_> = firing.map(listed).collect();
        listed.sort();
        listed
    }

    pub(crate) fn listed_groups(&self) -> Vec<ListedGroup> {
        let listed = |((identity, labels), group): (&GroupId, &Group)| {
            let route = self.setup.route(identity);
            let muted_by = route.map_or_else(Vec::new, |route| route.muted_by(&self.setup, self.now));
            let alerts = group.members.iter().filter(|(labels, member)| {
                !member.is_departed && self.alerts.get(*labels).is_some_and(|alert| alert.fires)
            });
            ListedGroup {
                labels: text(labels),
                receiver: group.receiver.to_owned(),
                muted_by: muted_by.into_iter().map(str::to_owned).collect(),
                alerts: alerts.map(|(labels, _)| text(labels)).collect(),
            }
        };
        let mut listed: Vec<_> =
            self.groups.iter().filter(|(id, _)| !self.escalates(id)).map(listed).collect();
        listed.sort();
        listed
    }

    pub(crate) fn firing(&self) -> Vec<Labels> {
        self.alerts.iter().filter(|(_, alert)| alert.fires).map(|(labels, _)| labels.clone()).collect()
    }

    pub(crate) fn alerts_in_memory(&self) -> usize {
        self.alerts.len()
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    End(Labels),
    Look(GroupId),
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
    let is_same = known.fires || !new.fires;
    // What a person did counts for the episode.
    let feedback = known.feedback.filter(|_| is_same);
    let episode = if is_same { known.episode } else { new.episode };
    let is_escalated = known.is_escalated && is_same;
    Alert { episode, starts_at, ends_at, is_timeout, feedback, is_escalated, ..new }
}
