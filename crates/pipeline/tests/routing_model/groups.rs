//! Groups, and what is said of their members at a look.

use super::plain::{Integration, LINGER_S, Labels, Leaf};
use super::{Action, Alert, GroupId, Model, Told, text};
use std::collections::{BTreeMap, BTreeSet};

/// An alert in a group; integrations by number.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// Since when it could have been told.
    since: u64,
    /// Who has been told that it fires.
    pub(super) firing: BTreeSet<u16>,
    /// Who was told of others without it since.
    lapsed: BTreeSet<u16>,
    /// It is here only for those who know of it.
    pub(super) is_departed: bool,
    hold: &'static str,
}

impl Member {
    pub(super) fn new(now: u64) -> Self {
        let none = BTreeSet::new();
        Self { since: now, firing: none.clone(), lapsed: none, is_departed: false, hold: "free" }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) receiver: &'static str,
    pub(super) is_digest: bool,
    pub(super) look_at: u64,
    /// What is known of `look_at` after a restart: a look that changed nothing
    /// is forgotten, and taken again.
    pub(super) noted_look_at: u64,
    pub(super) members: BTreeMap<Labels, Member>,
    pub(super) empty_since: Option<u64>,
    delivered_at: BTreeMap<u16, u64>,
}

impl Group {
    pub(super) fn new(receiver: &'static str, look_at: u64, is_digest: bool) -> Self {
        Self {
            receiver,
            is_digest,
            look_at,
            noted_look_at: look_at,
            members: BTreeMap::new(),
            empty_since: None,
            delivered_at: BTreeMap::new(),
        }
    }

    pub(super) fn due(&self) -> u64 {
        self.empty_since.map_or(self.look_at, |since| self.look_at.min(since + LINGER_S))
    }

    pub(super) fn forget_what_was_told(&mut self) {
        self.delivered_at.clear();
        for member in self.members.values_mut() {
            member.firing.clear();
            member.lapsed.clear();
        }
    }
}

/// What may be said of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Fires,
    Acknowledged,
    Quiet,
    Resolved,
}

impl Model {
    pub(super) fn look(&mut self, id: &GroupId) {
        let route = self.setup.route(&id.0);
        // Out of the map while others are read.
        let Some(mut group) = self.groups.remove(id) else { return };
        let mut is_fact = self.rearm(&mut group);
        let standings = self.stand(&mut group, route.as_ref(), &mut is_fact);
        let integrations = self.setup.integrations(group.receiver).to_vec();
        self.count_untold(&group, &standings, &integrations);
        for integration in &integrations {
            is_fact |= self.tell(id, &mut group, &standings, *integration, route.as_ref());
        }
        let over = group.members.iter().filter(|(labels, member)| {
            // What is over, and what is only here for those who know of it.
            // What is held waits for the next digest.
            (group.is_digest && member.hold == "free")
                || standings[*labels] == Standing::Resolved
                || (member.is_departed && member.firing.is_empty())
        });
        let over: Vec<Labels> = over.map(|(labels, _)| labels.clone()).collect();
        is_fact |= !over.is_empty();
        group.members.retain(|labels, _| !over.contains(labels));
        if group.members.is_empty() && group.empty_since.is_none() {
            group.empty_since = Some(self.now);
        }
        group.look_at = self.next_look(&group, route.as_ref());
        if is_fact {
            group.noted_look_at = group.look_at;
        }
        self.groups.insert(id.clone(), group);
        over.iter().for_each(|labels| self.forget(labels));
    }

    fn next_look(&self, group: &Group, route: Option<&Leaf>) -> u64 {
        if let Some(enforced) = self.setup.enforced.as_ref().filter(|_| group.is_digest) {
            return enforced.next_after(self.now);
        }
        let root = || self.setup.root_interval();
        let in_time = self.now + route.map_or_else(root, |route| route.interval);
        let Some(after) = route.and_then(|route| route.escalates_after) else { return in_time };
        let due = group.members.values().map(|member| member.since + after).filter(|due| *due > self.now);
        due.fold(in_time, u64::min)
    }

    /// Acknowledged long ago and firing still: told anew, everywhere.
    fn rearm(&mut self, group: &mut Group) -> bool {
        let (now, rearm_after) = (self.now, self.setup.rearm_after);
        let mut forgotten = Vec::new();
        for labels in group.members.keys() {
            let Some(alert) = self.alerts.get_mut(labels) else { continue };
            let is_ack = alert.feedback.is_some_and(|(action, at)| {
                matches!(action, Action::Ack | Action::Resolve) && at + rearm_after <= now
            });
            if alert.fires && is_ack {
                alert.feedback = None;
                forgotten.push(labels.clone());
            }
        }
        for group in self.groups.values_mut().chain([group]) {
            let members = group.members.iter_mut().filter(|(labels, _)| forgotten.contains(labels));
            for (_, member) in members {
                member.lapsed = member.firing.clone();
                member.since = now;
            }
        }
        !forgotten.is_empty()
    }

    fn stand(
        &self,
        group: &mut Group,
        route: Option<&Leaf>,
        is_fact: &mut bool,
    ) -> BTreeMap<Labels, Standing> {
        let mut standings = BTreeMap::new();
        let receiver = group.receiver;
        for (labels, member) in &mut group.members {
            let alert = &self.alerts[labels];
            let mut standing = self.standing(member, alert, route, group.is_digest);
            if matches!(standing, Standing::Fires | Standing::Acknowledged) {
                let hold = self.hold(labels, route, receiver);
                if hold != member.hold {
                    *is_fact = true;
                    member.hold = hold;
                    if hold == "free" {
                        // What nobody could know of can't have been ignored.
                        member.since = self.now;
                    }
                }
                if hold != "free" {
                    standing = Standing::Quiet;
                }
            }
            standings.insert(labels.clone(), standing);
        }
        standings
    }

    fn standing(&self, member: &Member, alert: &Alert, route: Option<&Leaf>, is_digest: bool) -> Standing {
        if !alert.fires {
            return Standing::Resolved;
        }
        if member.is_departed || (route.is_none() && !is_digest) {
            return Standing::Quiet;
        }
        let is_acknowledged = alert.is_acknowledged(self.setup.rearm_after, self.now);
        match route.and_then(|route| route.escalates_after) {
            Some(after) if is_acknowledged || member.since + after > self.now => Standing::Quiet,
            _ if is_acknowledged => Standing::Acknowledged,
            _ => Standing::Fires,
        }
    }

    fn hold(&self, labels: &Labels, route: Option<&Leaf>, receiver: &'static str) -> &'static str {
        let is_muted = |route: &Leaf| !route.muted_by(&self.setup, self.now).is_empty();
        match () {
            () if route.is_some_and(|route| route.is_straight) => "free",
            () if route.is_some_and(is_muted) => "muted",
            () if !self.sources(labels).is_empty() => "inhibited",
            () if !self.silences_of(labels, Some(receiver)).is_empty() => "silenced",
            () => "free",
        }
    }

    /// Who leaves without anybody having been told.
    fn count_untold(
        &mut self,
        group: &Group,
        standings: &BTreeMap<Labels, Standing>,
        integrations: &[Integration],
    ) {
        let has_nobody = integrations.iter().all(|integration| integration.is_retired);
        let untold = group.members.iter().filter(|(_, member)| member.firing.is_empty());
        for (labels, member) in untold {
            let is_over = standings[labels] == Standing::Resolved;
            let is_told = group.is_digest && member.hold == "free";
            let end = match member.hold {
                _ if !is_over && !is_told => continue,
                _ if has_nobody => "no_receiver",
                _ if is_told => continue,
                "free" => "resolved_early",
                hold => hold,
            };
            self.count(group.receiver, end, 1);
        }
    }

    /// Whether there was something to tell.
    fn tell(
        &mut self,
        id: &GroupId,
        group: &mut Group,
        standings: &BTreeMap<Labels, Standing>,
        integration: Integration,
        route: Option<&Leaf>,
    ) -> bool {
        let number = integration.number;
        let Some(reason) = self.reason(group, standings, integration, route) else { return false };
        let (mut alerts, mut news) = (Vec::new(), 0);
        for (labels, member) in &mut group.members {
            let fires = match standings[labels] {
                Standing::Fires | Standing::Acknowledged => !integration.is_retired,
                _ => false,
            };
            let alert = &self.alerts[labels];
            if fires {
                news += u32::from(member.firing.insert(number));
                member.lapsed.remove(&number);
            } else if alert.fires {
                // Told before, and not now: news when it may be told again.
                if member.firing.contains(&number) {
                    member.lapsed.insert(number);
                }
                continue;
            } else if group.is_digest {
                if integration.is_retired || member.hold != "free" {
                    continue;
                }
                news += 1;
            } else if !integration.send_resolved || !member.firing.contains(&number) {
                continue;
            }
            alerts.push(describe(labels, alert));
        }
        self.told_at_looks.insert((id.clone(), number));
        self.count_told(group, number, alerts.len(), news);
        group.delivered_at.insert(number, self.now);
        let (at, receiver, group) = (self.now, group.receiver.to_owned(), text(&id.1));
        if !self.setup.is_shadow {
            self.told.push(Told { at, receiver, integration: number, group, reason, alerts });
        }
        true
    }

    /// Who shows what people do and knows of the alert hears of all that it
    /// knows of and that fires.
    pub(super) fn show(&self, acted: &Labels) -> Vec<((GroupId, u16), Told)> {
        let mut shown = Vec::new();
        for (id, group) in &self.groups {
            let integrations = self.setup.integrations(group.receiver);
            for one in integrations.iter().filter(|one| one.shows && !one.is_retired && !group.is_digest) {
                let is_known = |member: &Member| member.firing.contains(&one.number) && !member.is_departed;
                if !group.members.get(acted).is_some_and(is_known) {
                    continue;
                }
                let known = group.members.iter().filter(|(_, member)| is_known(member));
                let firing = known.filter(|(labels, _)| self.alerts[*labels].fires);
                let alerts = firing.map(|(labels, _)| describe(labels, &self.alerts[labels])).collect();
                let (at, receiver, text) = (self.now, group.receiver.to_owned(), text(&id.1));
                let reason = "somebody has acted";
                let told = Told { at, receiver, integration: one.number, group: text, reason, alerts };
                shown.push(((id.clone(), one.number), told));
            }
        }
        shown
    }

    /// An alert comes to its end once a receiver: at the first integration.
    fn count_told(&mut self, group: &Group, number: u16, alerts: usize, news: u32) {
        let receiver = group.receiver;
        let integrations = self.setup.integrations(receiver).iter();
        let first = integrations.filter(|integration| !integration.is_retired).map(|one| one.number).next();
        if first == Some(number) {
            let told = match alerts {
                _ if group.is_digest => "digested",
                1 => "delivered",
                _ => "merged",
            };
            self.count(receiver, if self.setup.is_shadow { "shadowed" } else { told }, news);
        }
    }

    fn reason(
        &self,
        group: &Group,
        standings: &BTreeMap<Labels, Standing>,
        integration: Integration,
        route: Option<&Leaf>,
    ) -> Option<&'static str> {
        let number = integration.number;
        let any = |test: &dyn Fn(&Member, Standing) -> bool| {
            group.members.iter().any(|(labels, member)| test(member, standings[labels]))
        };
        let fires = |standing| {
            !integration.is_retired && matches!(standing, Standing::Fires | Standing::Acknowledged)
        };
        if group.is_digest {
            let is_told = |member: &Member, standing| {
                !integration.is_retired
                    && (fires(standing) || (standing == Standing::Resolved && member.hold == "free"))
            };
            return any(&is_told).then_some("digest");
        }
        let last = group.delivered_at.get(&number).copied();
        let is_news = |member: &Member| !member.firing.contains(&number) || member.lapsed.contains(&number);
        if any(&|member, standing| fires(standing) && is_news(member)) {
            return Some(if last.is_none() { "first notification" } else { "new alerts added" });
        }
        let has_ended =
            |member: &Member, standing| standing == Standing::Resolved && member.firing.contains(&number);
        if integration.send_resolved && any(&has_ended) {
            let some_fire = any(&|_, standing| fires(standing));
            return Some(if some_fire { "some alerts resolved" } else { "all alerts resolved" });
        }
        let is_open = any(&|_, standing| fires(standing) && standing == Standing::Fires);
        let is_due = last.zip(route).is_some_and(|(last, route)| last + route.repeat <= self.now);
        (is_open && is_due).then_some("repeat interval elapsed")
    }
}

fn describe(labels: &Labels, alert: &Alert) -> String {
    let (name, Alert { starts_at, ends_at, note, .. }) = (text(labels), alert);
    if alert.fires {
        format!("{name} fires since {starts_at}, note {note}")
    } else {
        format!("{name} from {starts_at} to {ends_at}, note {note}")
    }
}
