//! What people do with alerts: it is kept, rating learns from it, and those
//! receivers are told that show it.

use crate::Phase;
use crate::alerts::Alert;
use crate::effects::{Ack, Effects};
use crate::groups::Group;
use crate::partition::Partition;
use crate::record::{Rated, Record};
use crate::step::PastAlert;
use openclaw_alert::{Feedback, NotificationKind, Reason, Status, TenantName, Timestamp};
use openclaw_routing::{Integration, Member};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of records after which what a person does with a whole group goes on
/// in the next step.
pub(crate) const ACTION_BYTES_PER_STEP: usize = 64 << 10;

/// What a person does, to one alert or to many.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    /// What is done.
    pub action: Feedback,
    /// By whom, and in which tool.
    pub by: &'a str,
    /// In their words.
    pub note: &'a str,
    /// Whether the tool that says so also repeats what we told it.
    pub echoes: bool,
}

impl<'a> Action<'a> {
    /// What a person does here, and no tool repeats.
    #[must_use]
    pub fn new(action: Feedback, by: &'a str, note: &'a str) -> Self {
        Self { action, by, note, echoes: false }
    }

    /// Whether it says anything new of an alert with which this was done
    /// before. Tools tell each other of what they hear, late and in any order:
    /// nobody takes on what has been said to be over, and what is closed over
    /// there since it was dismissed here was not worth more for that.
    #[must_use]
    pub fn is_news_to(&self, before: Option<Feedback>) -> bool {
        match (before, self.action) {
            (None, _) => true,
            (Some(Feedback::Resolve | Feedback::Dismiss), Feedback::Ack) => false,
            (Some(Feedback::Dismiss), Feedback::Resolve) => !self.echoes,
            (Some(before), now) => before != now,
        }
    }

    /// Bytes of its texts.
    pub(crate) fn bytes(&self) -> usize {
        self.by.len() + self.note.len()
    }
}

impl Partition {
    pub(crate) fn take_feedback(
        &mut self,
        of: PastAlert<'_>,
        action: Action<'_>,
        now: Timestamp,
        out: &mut Effects,
    ) {
        let Some((tenant, source)) = self.number_of(of.tenant, of.source, now, out) else { return };
        let (rated_at, score, labels) = (of.rated_at, of.score, of.labels.as_bytes());
        let rated = Rated { tenant, source, rated_at, score, labels };
        self.judge(of.episode, action, rated, now, out);
        out.ack = Ack::WhenDurable;
        if let Some(slot) = self.state.alerts.slot_of(of.episode) {
            self.tell_of_action(slot, now, out);
        }
    }

    fn judge(
        &mut self,
        episode: u64,
        Action { action, by, note, .. }: Action<'_>,
        rated: Rated<'_>,
        now: Timestamp,
        out: &mut Effects,
    ) {
        self.emit(&Record::Feedback { episode, action, by, note, rated }, now, out);
        if action == Feedback::Escalate
            && let Some(slot) = self.state.alerts.slot_of(episode)
        {
            self.escalate(slot, now, out);
        }
    }

    /// One thing done to all alerts of a group that this integration knows of
    /// and that fire, or, when none does, to those that have ended and are
    /// still here. Alerts to which it is no news are left as they are, so that
    /// tools which tell each other of what they hear come to rest. Told only
    /// once it is done to all of them: half of it would look like something
    /// else.
    pub(crate) fn take_group_feedback(
        &mut self,
        tenant: &TenantName,
        group: u64,
        integration: u16,
        action: Action<'_>,
        now: Timestamp,
        out: &mut Effects,
    ) {
        let Some(group) = self.own_group(tenant, group) else { return };
        out.ack = Ack::WhenDurable;
        let to_do = self.to_act_on(group, integration, &action);
        for &slot in &to_do {
            if out.payload.len() >= ACTION_BYTES_PER_STEP {
                out.is_unfinished = true;
                return;
            }
            self.act_on(slot, action, now, out);
        }
        if !to_do.is_empty() {
            let done = self.done_in(group, action.action);
            self.tell_groups_of(&done, now, out);
        }
    }

    /// An action that a sender reports of an alert that it names.
    pub(crate) fn act_and_tell(&mut self, slot: u32, action: Action<'_>, now: Timestamp, out: &mut Effects) {
        let Some(alert) = self.state.alerts.get(slot) else { return };
        if !action.is_news_to(alert.last_action()) {
            return;
        }
        self.act_on(slot, action, now, out);
        self.tell_of_action(slot, now, out);
        out.ack = Ack::WhenDurable;
    }

    pub(crate) fn own_group(&self, tenant: &TenantName, group: u64) -> Option<u32> {
        let slot = self.state.groups.slot_of(group)?;
        let number = self.state.tenant_number(tenant.as_str())?;
        self.state.groups.get(slot).filter(|group| group.tenant == number).map(|_| slot)
    }

    /// Alerts of a group that an integration knows of.
    pub(crate) fn known_in(&self, group: u32, integration: u16) -> impl Iterator<Item = (u32, &Alert)> {
        let members = self.state.groups.get(group).into_iter().flat_map(|group| &group.members);
        let known = members.filter(move |member| !member.is_departed && member.is_known_to(integration));
        known.filter_map(|member| Some((member.alert, self.state.alerts.get(member.alert)?)))
    }

    fn to_act_on(&self, group: u32, integration: u16, action: &Action<'_>) -> Vec<u32> {
        let fires = |alert: &Alert| alert.phase == Phase::Firing;
        let any_fires = self.known_in(group, integration).any(|(_, alert)| fires(alert));
        let meant = self.known_in(group, integration).filter(|(_, alert)| fires(alert) == any_fires);
        meant.filter(|(_, alert)| action.is_news_to(alert.last_action())).map(|(slot, _)| slot).collect()
    }

    fn done_in(&self, group: u32, action: Feedback) -> Vec<u32> {
        let members = self.state.groups.get(group).into_iter().flat_map(|group| &group.members);
        let is_done =
            |slot: u32| self.state.alerts.get(slot).is_some_and(|a| a.last_action() == Some(action));
        members.map(|member| member.alert).filter(|&slot| is_done(slot)).collect()
    }

    fn act_on(&mut self, slot: u32, action: Action<'_>, now: Timestamp, out: &mut Effects) {
        let Some(alert) = self.state.alerts.get(slot) else { return };
        let (episode, content) = (alert.id, alert.content.clone());
        let rated = Rated {
            tenant: alert.tenant,
            source: alert.source,
            rated_at: alert.rated_at,
            score: alert.score,
            labels: openclaw_alert::Content::of(&content).labels.as_bytes(),
        };
        self.judge(episode, action, rated, now, out);
    }

    fn tell_of_action(&mut self, slot: u32, now: Timestamp, out: &mut Effects) {
        self.tell_groups_of(&[slot], now, out);
    }

    fn tell_groups_of(&mut self, alerts: &[u32], now: Timestamp, out: &mut Effects) {
        let mut acted: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
        for alert in alerts.iter().filter_map(|&slot| self.state.alerts.get(slot)) {
            for membership in &alert.groups {
                acted.entry(membership.group).or_default().insert(alert.id);
            }
        }
        for (group, acted) in acted {
            self.tell_group_of_action(group, &acted, now, out);
        }
    }

    /// Who shows what people do, and knows of an alert to which something was
    /// done, is told at once of all that it knows of and that fires.
    fn tell_group_of_action(&mut self, slot: u32, acted: &BTreeSet<u64>, now: Timestamp, out: &mut Effects) {
        let Some(group) = self.state.groups.get(slot) else { return };
        let receiver = self.settings(group.tenant).and_then(|settings| settings.receiver(&group.receiver));
        let integrations = receiver.map_or(&[][..], |receiver| &receiver.integrations).to_vec();
        if group.kind == NotificationKind::Digest {
            return;
        }
        for integration in integrations.iter().filter(|one| one.shows_actions && !one.is_retired) {
            let Some(group) = self.state.groups.get(slot) else { return };
            if self.has_message_to_go(group, integration.number) {
                continue; // it tells of this as well, and its own news must not be lost
            }
            let alerts = self.known_to(group, *integration);
            if alerts.iter().any(|(episode, _)| acted.contains(episode)) {
                self.decide_message(slot, integration.number, Reason::Acted, alerts, now, out);
            }
        }
    }

    /// Whether a message about the group waits, whose words are still to be
    /// found.
    fn has_message_to_go(&self, group: &Group, integration: u16) -> bool {
        let log = group.log(integration);
        let waits = |id: u64| self.state.outbox.get(id).is_some_and(|entry| !entry.in_flight);
        log.queued.is_some() || log.pending.is_some_and(waits)
    }

    /// What it knows of and still fires. Ends are told at the group's next look
    /// alone, since who is told of one leaves the group then: an alert that
    /// fires again before would else count as told.
    fn known_to(&self, group: &Group, integration: Integration) -> Vec<(u64, Status)> {
        let is_told = |member: &&Member| !member.is_departed && member.is_known_to(integration.number);
        let known = group.members.iter().filter(is_told);
        let alerts = known.filter_map(|member| self.state.alerts.get(member.alert));
        let fires = alerts.filter(|alert| alert.phase != Phase::Resolved);
        fires.map(|alert| (alert.id, Status::Firing)).collect()
    }
}
