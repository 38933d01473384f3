//! Messages on their way.

use crate::Phase;
use crate::alerts::Alert;
use crate::effects::{Ack, AlertEnd, Effects, Send};
use crate::outbox::{Entry, EntryAlert, Progress, Told, backoff, dedup_key, idempotency_key};
use crate::partition::{LaneKey, Partition};
use crate::record::Record;
use crate::timers::{Timer, Timers};
use openclaw_alert::{
    EpisodeId, Labels, Notification, NotificationKind, NotifiedAlert, Pace, Past, RECEIPT_BYTES_MAX,
    SendOutcome, Status, Timestamp, Zoned,
};
use openclaw_rating::AlertFacts;
use openclaw_routing::group_key;
use std::sync::Arc;
use std::time::Duration;

/// Reads at most this much of what a receiver said into the trail.
const DETAIL_BYTES_MAX: usize = 300;

/// Messages behind an open breaker that are given up at one look, so that none
/// holds its partition's lock for long.
const GIVEN_UP_PER_LOOK: usize = 128;

/// Before a message is tried that had no chance to be.
const UNTRIED_PAUSE: Duration = Duration::from_secs(1);

impl Partition {
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
    pub(crate) fn enqueue(&mut self, id: u64, now: Timestamp) {
        let Some(slot) = self.state.outbox.slot_of(id) else { return };
        let Some(entry) = self.state.outbox.get_mut(id) else { return };
        if entry.due > now {
            self.timers.set(entry.due, Timer::Entry(slot));
            return;
        }
        if !entry.in_line {
            entry.in_line = true;
            let key = (entry.tenant, Arc::clone(&entry.receiver), entry.integration);
            self.lanes.entry(key.clone()).or_default().ready.push_back(id);
            self.stirred.insert(key);
        }
    }

    /// Hands out what may be sent now.
    pub(crate) fn launch(&mut self, now: Timestamp, out: &mut Effects) {
        self.launch_nothing(now, out);
        let mut launched = Vec::new();
        // Giving one up may stir its lane again.
        while let Some(key) = self.stirred.pop_first() {
            self.launch_lane(&key, now, &mut launched);
            self.give_up_waiting(&key, now, out);
        }
        for entry in launched {
            if let Some(notification) = self.notification(entry, now) {
                out.sends.push(Send { entry, notification });
            }
        }
    }

    fn launch_lane(&mut self, key: &LaneKey, now: Timestamp, launched: &mut Vec<u64>) {
        let pace = self.pace(key);
        let Some(lane) = self.lanes.get_mut(key) else { return };
        while let Some(&id) = lane.ready.front() {
            // One that was superseded while it stood in line is gone.
            let Some(entry) = self.state.outbox.get_mut(id) else {
                lane.ready.pop_front();
                continue;
            };
            let room = match (lane.room(now), pace) {
                (Ok(1..), Some(pace)) => self.paces.take(key.0, pace, now).map(|()| 1),
                (room, _) => room,
            };
            match room {
                Ok(0) => break,
                Ok(_) => {}
                Err(free_at) => {
                    wake_lanes(&mut self.timers, &mut self.lanes_at, free_at);
                    break;
                }
            }
            lane.ready.pop_front();
            entry.in_line = false;
            entry.in_flight = true;
            lane.in_flight += 1;
            launched.push(id);
        }
        if lane.is_idle() {
            self.lanes.remove(key);
        }
    }

    fn pace(&self, (tenant, receiver, number): &LaneKey) -> Option<Pace> {
        let receiver = self.settings(*tenant)?.receiver(receiver)?;
        receiver.integrations.iter().find(|integration| integration.number == *number)?.pace
    }

    /// Messages that wait behind an open breaker are given up in their time,
    /// as if each had been tried.
    fn give_up_waiting(&mut self, key: &LaneKey, now: Timestamp, out: &mut Effects) {
        let policy = self.settings(key.0).map(|settings| settings.retry).unwrap_or_default();
        let outbox = &self.state.outbox;
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.is_open()) else { return };
        let mut late = Vec::new();
        lane.ready.retain(|&id| {
            let entry = outbox.get(id).filter(|_| late.len() < GIVEN_UP_PER_LOOK);
            let is_late = entry.is_some_and(|entry| entry.decided_at.plus(policy.give_up_after) <= now);
            if is_late {
                late.push(id);
            }
            !is_late
        });
        if late.len() == GIVEN_UP_PER_LOOK {
            wake_lanes(&mut self.timers, &mut self.lanes_at, now);
        }
        for id in late {
            let Some(entry) = self.state.outbox.get_mut(id) else { continue };
            entry.in_line = false;
            let entry = entry.clone();
            self.give_up(&entry, entry.attempts, "the receiver was down the whole time", now, out);
            self.next_in_lane(&entry, now);
        }
    }

    /// Lanes that had to wait are looked at again, if `reminded_at` is the one
    /// reminder that counts.
    pub(crate) fn stir_lanes(&mut self, reminded_at: Timestamp) {
        if self.lanes_at != reminded_at {
            return;
        }
        self.lanes_at = Timestamp::MAX;
        let waiting = self.lanes.iter().filter(|(_, lane)| !lane.ready.is_empty());
        self.stirred.extend(waiting.map(|(key, _)| key.clone()));
    }

    /// What tenants in shadow would have sent is noted, and goes nowhere.
    fn launch_nothing(&mut self, now: Timestamp, out: &mut Effects) {
        // Noting one may stir the next in its line.
        while let Some(key) = self.stirred.iter().find(|(tenant, ..)| self.is_shadow(*tenant)).cloned() {
            self.stirred.remove(&key);
            let ready = self.lanes.get_mut(&key).map(|lane| std::mem::take(&mut lane.ready));
            ready.into_iter().flatten().for_each(|id| self.shadow(id, now, out));
        }
    }

    fn is_shadow(&self, tenant: u16) -> bool {
        self.settings(tenant).is_some_and(|settings| settings.is_shadow())
    }

    fn shadow(&mut self, id: u64, now: Timestamp, out: &mut Effects) {
        let Some(entry) = self.state.outbox.get_mut(id) else { return };
        entry.in_line = false;
        let entry = entry.clone();
        self.ended(entry.tenant, &entry.receiver, AlertEnd::Shadowed, self.count_news(&entry), out);
        self.emit(&Record::Shadowed { entry: id }, now, out);
        self.next_in_lane(&entry, now);
    }

    fn notification(&self, id: u64, now: Timestamp) -> Option<Notification> {
        let entry = self.state.outbox.get(id)?;
        let tenant = self.state.tenant(entry.tenant)?.name.clone()?;
        let partition = self.state.id;
        let alerts = entry.alerts.iter().filter_map(|told| self.notified(told, entry)).collect();
        let instance = self.settings(entry.tenant).map_or(0, |settings| settings.instance);
        let group = self.state.groups.slot_of(entry.group).and_then(|slot| self.state.groups.get(slot));
        let told = Told {
            group: entry.group,
            receiver: &entry.receiver,
            integration: entry.integration,
            labels: &entry.labels,
        };
        let receiver = self.settings(entry.tenant).and_then(|settings| settings.receiver(&entry.receiver));
        let on_call = receiver.and_then(|receiver| receiver.on_call.as_ref());
        Some(Notification {
            idempotency_key: idempotency_key(tenant.as_str(), partition.get(), entry),
            dedup_key: dedup_key(instance, tenant.as_str(), partition, &told),
            receipt: group.and_then(|group| group.receipt(entry.integration)).cloned(),
            tenant,
            receiver: Arc::clone(&entry.receiver),
            integration: entry.integration,
            group_key: group_key(&entry.route_key, Labels::from_encoded(&entry.labels)),
            group_labels: entry.labels.clone(),
            kind: entry.kind,
            reason: entry.reason,
            attempt: entry.attempts + 1,
            decided_at: entry.decided_at,
            on_call: on_call.map(|rota| Arc::clone(rota.on_call(now))),
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
            acted: alert.acted.as_deref().cloned(),
            past: self.past(alert),
        })
    }

    fn past(&self, alert: &Alert) -> Past {
        let Some(tenant) = self.state.tenant(alert.tenant) else { return Past::default() };
        let source = tenant.sources.get(usize::from(alert.source)).map_or("", |source| &source.name);
        let past =
            tenant.rating.past_of_kind(&AlertFacts { labels: alert.labels(), source, at: alert.rated_at });
        // This one has been counted.
        Past { episodes: past.episodes.saturating_sub(1), ..past }
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
            match outcome {
                SendOutcome::Retry { after, .. } => lane.failed(*after, now),
                SendOutcome::Delivered { .. } | SendOutcome::Never { .. } => lane.answered(),
                SendOutcome::Untried { .. } => {}
            }
            self.stirred.insert(key);
        }
        let attempt = entry.attempts + 1;
        match outcome {
            SendOutcome::Delivered { receipt } => {
                self.note_receipt(&entry, receipt.as_deref(), now, out);
                self.delivered(&entry, attempt, took, now, out);
            }
            SendOutcome::Retry { after, ambiguous, detail } => {
                self.retry(&entry, attempt, *after, *ambiguous, short(detail), now, out);
            }
            SendOutcome::Untried { detail } => {
                self.retry(&entry, entry.attempts, Some(UNTRIED_PAUSE), false, short(detail), now, out);
            }
            SendOutcome::Never { detail } => self.give_up(&entry, attempt, short(detail), now, out),
        }
        self.next_in_lane(&entry, now);
    }

    fn note_receipt(&mut self, entry: &Entry, receipt: Option<&str>, now: Timestamp, out: &mut Effects) {
        let Some(text) = receipt.filter(|text| text.len() <= RECEIPT_BYTES_MAX) else { return };
        let group = self.state.groups.slot_of(entry.group).and_then(|slot| self.state.groups.get(slot));
        let known = group.and_then(|group| group.receipt(entry.integration));
        if group.is_some() && known.is_none_or(|known| **known != *text) {
            self.emit(&Record::Receipt { entry: entry.id, text }, now, out);
        }
    }

    fn delivered(&mut self, entry: &Entry, attempt: u32, took: Duration, now: Timestamp, out: &mut Effects) {
        let news = self.count_news(entry);
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
            if ambiguous && !entry.ambiguous {
                // It may have been taken all the same: then its end has to be told.
                self.emit(
                    &Record::Retrying { entry: entry.id, attempt, at: now, ambiguous, detail },
                    now,
                    out,
                );
            }
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

    /// Alerts that come to their end with this message. An end is counted once
    /// a receiver: at its first integration.
    pub(crate) fn count_news(&self, entry: &Entry) -> usize {
        let receiver = self.settings(entry.tenant).and_then(|settings| settings.receiver(&entry.receiver));
        let first = receiver.and_then(|receiver| receiver.integrations.iter().find(|one| !one.is_retired));
        match first {
            Some(first) if first.number != entry.integration => 0,
            _ => entry.alerts.iter().filter(|told| told.is_news).count(),
        }
    }

    fn give_up(&mut self, entry: &Entry, attempt: u32, detail: &str, now: Timestamp, out: &mut Effects) {
        self.ended(entry.tenant, &entry.receiver, AlertEnd::DeadLettered, self.count_news(entry), out);
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

/// One reminder counts, the earliest, however many lanes wait.
fn wake_lanes(timers: &mut Timers, lanes_at: &mut Timestamp, at: Timestamp) {
    if at < *lanes_at {
        *lanes_at = at;
        timers.set(at, Timer::Lanes);
    }
}

fn short(detail: &str) -> &str {
    let mut end = detail.len().min(DETAIL_BYTES_MAX);
    while !detail.is_char_boundary(end) {
        end -= 1;
    }
    &detail[..end]
}
