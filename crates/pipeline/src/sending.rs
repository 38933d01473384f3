//! Groups that are due, and messages on their way.

use crate::Phase;
use crate::alerts::Alert;
use crate::effects::{Ack, AlertEnd, Effects, Send};
use crate::groups::Group;
use crate::outbox::{Entry, EntryAlert, LANE_WINDOW, Progress, backoff, idempotency_key};
use crate::partition::Partition;
use crate::record::Record;
use crate::settings::{RatingMode, TenantSettings};
use crate::timers::Timer;
use openclaw_alert::{
    EpisodeId, Notification, NotificationKind, NotifiedAlert, Reason, SendOutcome, Status, Timestamp, Zoned,
};
use openclaw_routing::{Integration, Member, flush_reason, group_key};
use std::sync::Arc;
use std::time::Duration;

/// Reads at most this much of what a receiver said into the trail.
const DETAIL_BYTES_MAX: usize = 300;

impl Partition {
    /// Looks at a group whose time has come: tells who has to be told, lets
    /// resolved alerts go, closes the group when it is empty.
    pub(crate) fn flush(&mut self, slot: u32, now: Timestamp, out: &mut Effects) {
        let Some(group) = self.state.groups.get(slot) else { return };
        if group.flush_at > now {
            return; // an old reminder; the group has another
        }
        let (id, tenant) = (group.id, group.tenant);
        let Some(settings) = self.settings(tenant).map(Arc::clone) else { return };
        let flush_at = next_look(group, &settings, now);
        if group.is_idle() {
            self.emit(&Record::GroupClosed { group: id }, now, out);
            return;
        }
        let before = self.state.next_offset;
        let integrations =
            settings.receiver(&group.receiver).map_or(&[][..], |receiver| &receiver.integrations);
        self.count_untold(slot, integrations.is_empty(), out);
        for (number, integration) in integrations.iter().enumerate() {
            self.tell(slot, number as u16, *integration, &settings, now, out);
        }
        let left = self.leaving(slot);
        if left.is_empty() && self.state.next_offset == before {
            // A quiet look is no fact: after a restart the group is simply
            // looked at once more.
            self.timers.set(flush_at, Timer::Group(slot));
            return;
        }
        self.emit(&Record::Flushed { group: id, flush_at, left }, now, out);
    }

    fn tell(
        &mut self,
        slot: u32,
        integration: u16,
        how: Integration,
        settings: &TenantSettings,
        now: Timestamp,
        out: &mut Effects,
    ) {
        self.withdraw_moot(slot, integration, now, out);
        let Some(group) = self.state.groups.get(slot) else { return };
        let log = group.log(integration);
        let reason = match group.kind {
            NotificationKind::Digest => (!group.members.is_empty()).then_some(Reason::Digest),
            NotificationKind::Page => {
                let members = self.members(group).map(|(member, alert)| (member, status_of(alert)));
                flush_reason(
                    members,
                    integration,
                    &log,
                    how.send_resolved,
                    settings.route.repeat_interval,
                    now,
                )
            }
        };
        let Some(reason) = reason else { return };
        let is_digest = group.kind == NotificationKind::Digest;
        let tells = |member: Member, alert: &Alert| match status_of(alert) {
            Status::Firing => true,
            Status::Resolved => is_digest || (how.send_resolved && was_told(member, integration)),
        };
        let alerts: Vec<_> = self
            .members(group)
            .filter(|&(member, alert)| tells(member, alert))
            .map(|(_, alert)| (alert.id, status_of(alert)))
            .collect();
        let group = group.id;
        let by = self.emit(&Record::Notify { group, integration, reason, alerts }, now, out);
        out.ack = Ack::WhenDurable;
        let waiting =
            log.pending.filter(|&entry| self.state.outbox.get(entry).is_some_and(|entry| !entry.in_flight));
        for entry in [log.queued, waiting].into_iter().flatten() {
            self.emit(&Record::Superseded { entry, by }, now, out);
        }
        if self.state.groups.get(slot).is_some_and(|group| group.log(integration).pending == Some(by)) {
            self.enqueue(by, now);
        }
    }

    /// Takes back a message that the receiver has surely not taken and whose
    /// alerts are all over: who was never told is not told of the end.
    fn withdraw_moot(&mut self, slot: u32, integration: u16, now: Timestamp, out: &mut Effects) {
        let Some(group) = self.state.groups.get(slot) else { return };
        let Some(entry) = group.log(integration).pending.and_then(|id| self.state.outbox.get(id)) else {
            return;
        };
        let is_over = |told: &EntryAlert| {
            let ended = self.state.alerts.get(told.slot).is_some_and(|alert| alert.phase == Phase::Resolved);
            !told.may_be_known && told.status == Status::Firing && ended
        };
        if entry.kind == NotificationKind::Digest
            || entry.in_flight
            || entry.ambiguous
            || !entry.alerts.iter().all(is_over)
        {
            return;
        }
        let (id, tenant, receiver, over) =
            (entry.id, entry.tenant, Arc::clone(&entry.receiver), count_news(entry));
        self.ended(tenant, &receiver, AlertEnd::ResolvedEarly, over, out);
        self.emit(&Record::Withdrawn { entry: id }, now, out);
    }

    /// Members that may be told of. One that waits for its tenant's limit is
    /// told only if it was told before it fired again.
    fn members<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = (Member, &'a Alert)> {
        group.members.iter().filter_map(|member| {
            let alert = self.state.alerts.get(member.alert)?;
            (alert.phase != Phase::Waiting || member.firing.0 != 0).then_some((*member, alert))
        })
    }

    fn count_untold(&self, slot: u32, no_receiver: bool, out: &mut Effects) {
        let Some(group) = self.state.groups.get(slot).filter(|group| group.kind == NotificationKind::Page)
        else {
            return;
        };
        let untold =
            |alert: &(Member, &Alert)| alert.0.firing.0 == 0 && status_of(alert.1) == Status::Resolved;
        let (end, count) = if no_receiver {
            (
                AlertEnd::NoReceiver,
                self.members(group).filter(|(_, a)| status_of(a) == Status::Resolved).count(),
            )
        } else {
            (AlertEnd::ResolvedEarly, self.members(group).filter(untold).count())
        };
        self.ended(group.tenant, &group.receiver, end, count, out);
    }

    /// Who leaves the group after this look: what has resolved, and of a
    /// digest all that it has told.
    fn leaving(&self, slot: u32) -> Vec<u64> {
        let Some(group) = self.state.groups.get(slot) else { return Vec::new() };
        let leaves =
            |alert: &Alert| group.kind == NotificationKind::Digest || status_of(alert) == Status::Resolved;
        let members = group.members.iter().filter_map(|member| self.state.alerts.get(member.alert));
        members.filter(|alert| alert.phase != Phase::Waiting && leaves(alert)).map(|alert| alert.id).collect()
    }

    pub(crate) fn make_ready(&mut self, slot: u32, now: Timestamp) {
        let Some(entry) = self.state.outbox.at(slot) else { return };
        let waits_its_turn = entry.progress == Progress::Open && self.is_queued(entry);
        if entry.progress == Progress::Dead || entry.in_flight || entry.due > now || waits_its_turn {
            return;
        }
        let id = entry.id;
        self.enqueue(id, now);
    }

    fn is_queued(&self, entry: &Entry) -> bool {
        let group = self.state.groups.slot_of(entry.group).and_then(|slot| self.state.groups.get(slot));
        group.is_some_and(|group| group.log(entry.integration).pending != Some(entry.id))
    }

    /// Puts a message among those to send as soon as its lane has room.
    fn enqueue(&mut self, id: u64, now: Timestamp) {
        let Some(slot) = self.state.outbox.slot_of(id) else { return };
        let Some(entry) = self.state.outbox.get_mut(id) else { return };
        if entry.due > now {
            self.timers.set(entry.due, Timer::Entry(slot));
            return;
        }
        if !entry.in_line {
            entry.in_line = true;
            let key = (entry.tenant, Arc::clone(&entry.receiver), entry.integration);
            self.lanes.entry(key).or_default().ready.push_back(id);
        }
    }

    /// Hands out what may be sent now.
    pub(crate) fn launch(&mut self, out: &mut Effects) {
        let mut launched = Vec::new();
        let outbox = &mut self.state.outbox;
        for lane in self.lanes.values_mut() {
            while lane.in_flight < LANE_WINDOW
                && let Some(id) = lane.ready.pop_front()
            {
                // One that was superseded while it stood in line is gone.
                let Some(entry) = outbox.get_mut(id) else { continue };
                entry.in_line = false;
                entry.in_flight = true;
                lane.in_flight += 1;
                launched.push(id);
            }
        }
        for entry in launched {
            if let Some(notification) = self.notification(entry) {
                out.sends.push(Send { entry, notification });
            }
        }
    }

    fn notification(&self, id: u64) -> Option<Notification> {
        let entry = self.state.outbox.get(id)?;
        let tenant = self.state.tenant(entry.tenant)?.name.clone();
        let partition = self.state.id;
        let alerts = entry.alerts.iter().filter_map(|told| self.notified(told, entry)).collect();
        Some(Notification {
            idempotency_key: idempotency_key(tenant.as_str(), partition.get(), entry),
            tenant,
            receiver: Arc::clone(&entry.receiver),
            integration: entry.integration,
            group_key: group_key(openclaw_alert::Labels::from_encoded(&entry.labels)),
            group_labels: entry.labels.clone(),
            kind: entry.kind,
            reason: entry.reason,
            attempt: entry.attempts + 1,
            decided_at: entry.decided_at,
            alerts,
        })
    }

    fn notified(&self, told: &EntryAlert, entry: &Entry) -> Option<NotifiedAlert> {
        let alert = self.state.alerts.get(told.slot)?;
        // Outside its group's order nobody would say that it is over.
        let is_over = entry.progress == Progress::Revived && alert.phase == Phase::Resolved;
        let fires_again = told.status == Status::Resolved && alert.phase != Phase::Resolved;
        Some(NotifiedAlert {
            id: EpisodeId { partition: self.state.id, offset: told.episode },
            content: alert.content.clone(),
            status: if is_over { Status::Resolved } else { told.status },
            starts_at: alert.starts_at,
            ends_at: if fires_again { Zoned::utc(entry.decided_at) } else { alert.end.at },
            score: alert.score,
        })
    }

    /// A send came to an end.
    pub(crate) fn take_outcome(
        &mut self,
        id: u64,
        outcome: &SendOutcome,
        took: Duration,
        now: Timestamp,
        out: &mut Effects,
    ) {
        let Some(entry) = self.state.outbox.get_mut(id).filter(|entry| entry.in_flight) else { return };
        entry.in_flight = false;
        let entry = entry.clone();
        let key = (entry.tenant, Arc::clone(&entry.receiver), entry.integration);
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.in_flight -= 1;
        }
        let attempt = entry.attempts + 1;
        match outcome {
            SendOutcome::Delivered => self.delivered(&entry, attempt, took, now, out),
            SendOutcome::Retry { after, ambiguous, detail } => {
                self.retry(&entry, attempt, *after, *ambiguous, short(detail), now, out);
            }
            SendOutcome::Never { detail } => self.give_up(&entry, attempt, short(detail), now, out),
        }
        self.next_in_lane(&entry, now);
    }

    fn delivered(&mut self, entry: &Entry, attempt: u32, took: Duration, now: Timestamp, out: &mut Effects) {
        let news = count_news(entry);
        let end = match (entry.kind, entry.alerts.len()) {
            (NotificationKind::Digest, _) => AlertEnd::Digested,
            (NotificationKind::Page, 1) => AlertEnd::Delivered,
            (NotificationKind::Page, _) => AlertEnd::Merged,
        };
        self.ended(entry.tenant, &entry.receiver, end, news, out);
        let repeated = entry.ambiguous;
        self.emit(&Record::Delivered { entry: entry.id, attempt, took, repeated }, now, out);
    }

    #[expect(clippy::too_many_arguments, reason = "one call, each part of one outcome")]
    fn retry(
        &mut self,
        entry: &Entry,
        attempt: u32,
        after: Option<Duration>,
        ambiguous: bool,
        detail: &str,
        now: Timestamp,
        out: &mut Effects,
    ) {
        let policy = self.settings(entry.tenant).map(|settings| settings.retry).unwrap_or_default();
        let last_at = entry.decided_at.plus(policy.give_up_after);
        if now >= last_at {
            return self.give_up(entry, attempt, detail, now, out);
        }
        // A receiver that asks for longer than we go on is tried once more at the end.
        let at = now.plus(backoff(&policy, entry.id, attempt).max(after.unwrap_or_default())).min(last_at);
        let id = entry.id;
        self.emit(&Record::Retrying { entry: id, attempt, at, ambiguous, detail }, now, out);
        if let Some(by) = self.successor(entry) {
            self.emit(&Record::Superseded { entry: id, by }, now, out);
        }
    }

    fn successor(&self, entry: &Entry) -> Option<u64> {
        let group = self.state.groups.get(self.state.groups.slot_of(entry.group)?)?;
        let log = group.log(entry.integration);
        log.queued.filter(|_| log.pending == Some(entry.id))
    }

    fn give_up(&mut self, entry: &Entry, attempt: u32, detail: &str, now: Timestamp, out: &mut Effects) {
        self.ended(entry.tenant, &entry.receiver, AlertEnd::DeadLettered, count_news(entry), out);
        self.emit(&Record::DeadLettered { entry: entry.id, attempt, detail }, now, out);
    }

    /// The group's next message to the same integration, if one has waited.
    fn next_in_lane(&mut self, entry: &Entry, now: Timestamp) {
        let group = self.state.groups.slot_of(entry.group).and_then(|slot| self.state.groups.get(slot));
        if let Some(next) = group.and_then(|group| group.log(entry.integration).pending)
            && next != entry.id
        {
            self.enqueue(next, now);
        }
    }

    pub(crate) fn revive(&mut self, id: u64, now: Timestamp, out: &mut Effects) {
        if self.state.outbox.get(id).is_some_and(|entry| entry.progress == Progress::Dead) {
            self.emit(&Record::Revived { entry: id }, now, out);
            out.ack = Ack::WhenDurable;
            self.enqueue(id, now);
        }
    }
}

/// Alerts that come to their end with this message. An end is counted once a
/// receiver: at its first integration.
fn count_news(entry: &Entry) -> usize {
    if entry.integration == 0 { entry.alerts.iter().filter(|told| told.is_news).count() } else { 0 }
}

fn was_told(member: Member, integration: u16) -> bool {
    member.firing.has(integration) && !member.missed.has(integration)
}

fn status_of(alert: &Alert) -> Status {
    match alert.phase {
        Phase::Resolved => Status::Resolved,
        Phase::Firing | Phase::Waiting => Status::Firing,
    }
}

/// When the group is to be looked at again.
fn next_look(group: &Group, settings: &TenantSettings, now: Timestamp) -> Timestamp {
    match (group.kind, &settings.rating.mode) {
        (NotificationKind::Digest, RatingMode::Enforce(digest)) => digest.schedule.next_after(now),
        _ => now.plus(settings.route.group_interval),
    }
}

fn short(detail: &str) -> &str {
    let mut end = detail.len().min(DETAIL_BYTES_MAX);
    while !detail.is_char_boundary(end) {
        end -= 1;
    }
    &detail[..end]
}
