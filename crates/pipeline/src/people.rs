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
}

impl Action<'_> {
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
        Action { action, by, note }: Action<'_>,
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

    /// One thing done to all alerts of a group that fire, or, when none does,
    /// to those that have ended and are still here. An alert to which the same
    /// has been done already is left as it is, so that tools which tell each
    /// other of what they hear come to rest.
    pub(crate) fn take_group_feedback(
        &mut self,
        tenant: &TenantName,
        group: u64,
        action: Action<'_>,
        now: Timestamp,
        out: &mut Effects,
    ) {
        let Some(slot) = self.own_group(tenant, group) else { return };
        out.ack = Ack::WhenDurable;
        let mut acted = Vec::new();
        for slot in self.to_act_on(slot, action.action) {
            if out.payload.len() >= ACTION_BYTES_PER_STEP {
                out.is_unfinished = true;
                break;
            }
            self.act_on(slot, action, now, out);
            acted.push(slot);
        }
        self.tell_groups_of(&acted, now, out);
    }

    /// An action that a sender reports of an alert that it names.
    pub(crate) fn act_and_tell(&mut self, slot: u32, action: Action<'_>, now: Timestamp, out: &mut Effects) {
        let is_done = |alert: &Alert| alert.acted.as_ref().is_some_and(|done| done.action == action.action);
        if self.state.alerts.get(slot).is_some_and(is_done) {
            return;
        }
        self.act_on(slot, action, now, out);
        self.tell_of_action(slot, now, out);
        out.ack = Ack::WhenDurable;
    }

    fn own_group(&self, tenant: &TenantName, group: u64) -> Option<u32> {
        let slot = self.state.groups.slot_of(group)?;
        let number = self.state.tenant_number(tenant.as_str())?;
        self.state.groups.get(slot).filter(|group| group.tenant == number).map(|_| slot)
    }

    fn to_act_on(&self, group: u32, action: Feedback) -> Vec<u32> {
        let Some(group) = self.state.groups.get(group) else { return Vec::new() };
        let in_phase = |phase: Phase| {
            let members = group.members.iter().filter(|member| !member.is_departed);
            let alerts =
                members.filter_map(|member| Some((member.alert, self.state.alerts.get(member.alert)?)));
            alerts.filter(move |(_, alert)| alert.phase == phase)
        };
        let fires = in_phase(Phase::Firing).next().is_some();
        let phase = if fires { Phase::Firing } else { Phase::Resolved };
        let is_new = |alert: &Alert| alert.acted.as_ref().is_none_or(|acted| acted.action != action);
        in_phase(phase).filter(|(_, alert)| is_new(alert)).map(|(slot, _)| slot).collect()
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
            let alerts = self.known_to(group, *integration);
            if alerts.iter().any(|(episode, _)| acted.contains(episode)) {
                self.decide_message(slot, integration.number, Reason::Acted, alerts, now, out);
            }
        }
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
