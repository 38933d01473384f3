//! The durable state of a partition: the fold of its records. [`State::apply`]
//! decides nothing and knows no settings, so that live work and recovery come
//! to the same state.

use crate::alerts::{AlertTable, Membership, NewAlert, Phase};
use crate::groups::{Group, GroupTable};
use crate::outbox::{Entry, EntryAlert, Outbox, Progress};
use crate::record::{Cause, End, Placement, Rated, Record};
use crate::timers::Timer;
use openclaw_alert::{Acted, Feedback, Labels, PartitionId, Reason, Status, TenantName, Timestamp, Zoned};
use openclaw_rating::{AlertFacts, Model};
use openclaw_routing::{Hold, Silences};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;

/// What is known of a tenant.
#[derive(Debug)]
pub(crate) struct Tenant {
    /// `None` once it was erased: its number stays taken.
    pub(crate) name: Option<TenantName>,
    pub(crate) sources: Vec<Source>,
    pub(crate) rating: Model,
    pub(crate) silences: Silences,
    /// What put its alerts into their groups; `None` while they are moved.
    pub(crate) placed_by: Option<Placement>,
    /// Whether messages were decided and not sent.
    pub(crate) is_shadow: bool,
    /// Everything goes straight to the default receiver.
    pub(crate) is_passthrough: bool,
    /// Requests that were taken in lately, by the hash of their sender's name
    /// for them, oldest first.
    pub(crate) seen: VecDeque<u64>,
}

/// Requests remembered so that the same one again changes nothing, a tenant.
const SEEN_MAX: usize = 4096;

impl Tenant {
    pub(crate) fn new(name: Option<TenantName>) -> Self {
        Self {
            name,
            sources: Vec::new(),
            rating: Model::default(),
            silences: Silences::default(),
            placed_by: None,
            is_shadow: false,
            is_passthrough: false,
            seen: VecDeque::new(),
        }
    }
}

/// What is known of one of a tenant's sources.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    /// Its alerts don't expire before this: we were down, or refused it, or
    /// were behind, so that silence says nothing.
    pub(crate) grace_until: Timestamp,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) id: PartitionId,
    pub(crate) next_offset: u64,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) alerts: AlertTable,
    pub(crate) groups: GroupTable,
    pub(crate) outbox: Outbox,
}

/// A reminder that a record brings about.
pub(crate) type Reminder = Option<(Timestamp, Timer)>;

impl State {
    pub(crate) fn new(id: PartitionId, seed: u64) -> Self {
        Self {
            id,
            next_offset: 0,
            tenants: Vec::new(),
            alerts: AlertTable::new(seed),
            groups: GroupTable::new(seed),
            outbox: Outbox::default(),
        }
    }

    pub(crate) fn tenant_number(&self, name: &str) -> Option<u16> {
        let is_it = |tenant: &Tenant| tenant.name.as_ref().is_some_and(|known| known.as_str() == name);
        self.tenants.iter().position(is_it).map(|index| index as u16)
    }

    pub(crate) fn tenant(&self, number: u16) -> Option<&Tenant> {
        self.tenants.get(usize::from(number))
    }

    /// Whether this request has been taken in lately.
    pub(crate) fn has_seen(&self, tenant: u16, delivery: u64) -> bool {
        self.tenant(tenant).is_some_and(|tenant| tenant.seen.contains(&delivery))
    }

    fn seen(&mut self, tenant: u16, delivery: u64) {
        let Some(tenant) = self.tenants.get_mut(usize::from(tenant)) else { return };
        if tenant.seen.len() == SEEN_MAX {
            tenant.seen.pop_front();
        }
        tenant.seen.push_back(delivery);
    }

    fn source_mut(&mut self, tenant: u16, source: u16) -> Option<&mut Source> {
        self.tenants.get_mut(usize::from(tenant))?.sources.get_mut(usize::from(source))
    }

    /// When the alert in `slot` expires if nobody repeats it.
    pub(crate) fn expires_at(&self, slot: u32) -> Option<Timestamp> {
        let alert = self.alerts.get(slot)?;
        let source = self.tenant(alert.tenant)?.sources.get(usize::from(alert.source))?;
        Some(alert.end.at.at.max(source.grace_until))
    }

    /// Applies one record. `now` is the time at which it was written.
    pub(crate) fn apply(&mut self, offset: u64, record: &Record<'_>, now: Timestamp) -> Reminder {
        match *record {
            Record::Tenant { name } => self.add_tenant(name),
            Record::Source { tenant, name } => self.add_source(tenant, name),
            Record::Started { grace_until } => self.started(grace_until),
            Record::Opened { tenant, source, starts_at, end, score, group, content } => {
                let phase = Phase::Firing;
                let new = NewAlert { id: offset, tenant, source, starts_at, end, score, phase, content, now };
                return self.opened(new, group, now);
            }
            Record::Deferred { tenant, source, starts_at, end, content } => {
                let (phase, score) = (Phase::Waiting, openclaw_alert::Score::default());
                self.alerts.open(NewAlert {
                    id: offset,
                    tenant,
                    source,
                    starts_at,
                    end,
                    score,
                    phase,
                    content,
                    now,
                });
            }
            Record::Admitted { episode, score, group, grace_until } => {
                return self.admitted(episode, score, group, grace_until, now);
            }
            Record::Renewed { episode, end } => return self.renewed(episode, end, now),
            Record::Changed { episode, starts_at, end, content } => {
                if let Some(alert) = self.alerts.slot_of(episode).and_then(|slot| self.alerts.get_mut(slot)) {
                    alert.starts_at = starts_at;
                    alert.content = content.into();
                }
                return self.renewed(episode, end, now);
            }
            Record::Resolved { episode, at, cause } => self.resolved(episode, at, cause, now),
            Record::Refused { tenant, source, grace_until, .. } => {
                if let Some(source) = self.source_mut(tenant, source) {
                    source.grace_until = source.grace_until.max(grace_until);
                }
            }
            Record::Feedback { episode, action, by, ref rated, .. } => {
                self.feedback(episode, action, by, rated, now);
            }
            Record::Seen { tenant, delivery } => self.seen(tenant, delivery),
            Record::Rearmed { episode } => self.rearmed(episode, now),
            Record::Notify { .. }
            | Record::Superseded { .. }
            | Record::Delivered { .. }
            | Record::Retrying { .. }
            | Record::DeadLettered { .. }
            | Record::Revived { .. }
            | Record::Withdrawn { .. }
            | Record::Receipt { .. }
            | Record::Shadowed { .. } => return self.apply_outgoing(offset, record, now),
            Record::SilenceSet { .. }
            | Record::SilenceExpired { .. }
            | Record::Placed { .. }
            | Record::Passthrough { .. } => self.apply_setting(record, now),
            Record::GroupOpened { .. }
            | Record::Flushed { .. }
            | Record::GroupClosed { .. }
            | Record::Joined { .. }
            | Record::Departed { .. }
            | Record::Held { .. } => return self.apply_group(offset, record, now),
            Record::Erased { tenant } => self.erased(tenant),
            Record::Blank { is_tenant, .. } => self.blank(is_tenant),
        }
        None
    }

    fn apply_setting(&mut self, record: &Record<'_>, now: Timestamp) {
        match *record {
            Record::SilenceSet { tenant, ref silence } => {
                if let Some(tenant) = self.tenants.get_mut(usize::from(tenant)) {
                    tenant.silences.set((**silence).clone(), now);
                }
            }
            Record::SilenceExpired { tenant, silence, .. } => {
                if let Some(tenant) = self.tenants.get_mut(usize::from(tenant)) {
                    tenant.silences.expire(silence, now);
                }
            }
            Record::Placed { tenant, by, is_shadow } => self.placed(tenant, by, is_shadow),
            Record::Passthrough { tenant, is_on, .. } => {
                if let Some(tenant) = self.tenants.get_mut(usize::from(tenant)) {
                    tenant.is_passthrough = is_on;
                }
            }
            _ => {}
        }
    }

    fn apply_group(&mut self, offset: u64, record: &Record<'_>, now: Timestamp) -> Reminder {
        match *record {
            Record::GroupOpened { tenant, kind, route, route_key, receiver, labels, flush_at } => {
                let slot = self.groups.insert(Group {
                    id: offset,
                    tenant,
                    kind,
                    route,
                    route_key: route_key.into(),
                    receiver: receiver.into(),
                    labels: labels.into(),
                    members: Vec::new(),
                    flush_at,
                    look_at: flush_at,
                    empty_since: Some(now),
                    logs: SmallVec::new(),
                    receipts: Vec::new(),
                });
                return Some((flush_at, Timer::Group(slot)));
            }
            Record::Flushed { group, flush_at, ref left } => return self.flushed(group, flush_at, left, now),
            Record::GroupClosed { group } => {
                if let Some(slot) = self.groups.slot_of(group) {
                    self.groups.remove(slot);
                }
            }
            Record::Joined { episode, group } => {
                if let Some(slot) = self.alerts.slot_of(episode) {
                    self.join(slot, group, now);
                }
            }
            Record::Departed { group, ref alerts } => self.departed(group, alerts),
            Record::Held { group, hold, ref alerts, .. } => self.held(group, hold, alerts, now),
            _ => {}
        }
        None
    }

    fn apply_outgoing(&mut self, offset: u64, record: &Record<'_>, now: Timestamp) -> Reminder {
        match *record {
            Record::Notify { group, integration, reason, ref alerts } => {
                self.notify(offset, group, integration, reason, alerts, now);
            }
            Record::Superseded { entry, by } => self.superseded(entry, by),
            Record::Delivered { entry, .. } => self.delivered(entry, now),
            Record::Retrying { entry, attempt, at, ambiguous, detail } => {
                return self.retrying(entry, attempt, at, ambiguous, detail);
            }
            Record::DeadLettered { entry, attempt, detail } => {
                self.dead_lettered(entry, attempt, detail, now);
            }
            Record::Revived { entry } => self.revived(entry, now),
            Record::Withdrawn { entry } => self.withdrawn(entry),
            Record::Shadowed { entry } => self.shadowed(entry, now),
            Record::Receipt { entry, text } => self.receipt(entry, text),
            _ => {}
        }
        None
    }

    fn add_tenant(&mut self, name: &str) {
        if let Ok(name) = TenantName::new(name) {
            self.tenants.push(Tenant::new(Some(name)));
        }
    }

    fn add_source(&mut self, tenant: u16, name: &str) {
        if let Some(tenant) = self.tenants.get_mut(usize::from(tenant)) {
            tenant.sources.push(Source { name: name.into(), grace_until: Timestamp::MIN });
        }
    }

    fn started(&mut self, grace_until: Timestamp) {
        for source in self.tenants.iter_mut().flat_map(|tenant| &mut tenant.sources) {
            source.grace_until = source.grace_until.max(grace_until);
        }
        // An attempt may have been under way when the process before us ended.
        let open = self.outbox.iter_mut().filter(|entry| entry.progress != Progress::Dead);
        open.for_each(|entry| entry.ambiguous = true);
    }

    fn opened(&mut self, new: NewAlert<'_>, group: u64, now: Timestamp) -> Reminder {
        let slot = self.alerts.open(new);
        self.routed(slot, group, now)
    }

    fn admitted(
        &mut self,
        episode: u64,
        score: openclaw_alert::Score,
        group: u64,
        grace_until: Timestamp,
        now: Timestamp,
    ) -> Reminder {
        let slot = self.alerts.slot_of(episode)?;
        let alert = self.alerts.get_mut(slot)?;
        alert.score = score;
        alert.phase = Phase::Firing;
        alert.updated_at = now;
        let (tenant, source) = (alert.tenant, alert.source);
        if let Some(source) = self.source_mut(tenant, source) {
            source.grace_until = source.grace_until.max(grace_until);
        }
        self.routed(slot, group, now)
    }

    /// The alert has begun to fire: its tenant's rating learns that it was
    /// seen, and it joins its group.
    fn routed(&mut self, slot: u32, group: u64, now: Timestamp) -> Reminder {
        self.join(slot, group, now);
        let alert = self.alerts.get_mut(slot)?;
        alert.rated_at = alert.updated_at;
        let alert = self.alerts.get(slot)?;
        let tenant = self.tenants.get_mut(usize::from(alert.tenant))?;
        let source = tenant.sources.get(usize::from(alert.source))?;
        tenant.rating.seen(&AlertFacts { labels: alert.labels(), source: &source.name, at: alert.rated_at });
        Some((self.expires_at(slot)?, Timer::Alert(slot)))
    }

    fn join(&mut self, slot: u32, group: u64, now: Timestamp) {
        let Some(alert) = self.alerts.get_mut(slot) else { return };
        let Some(group_slot) = self.groups.slot_of(group) else { return };
        let Some(group) = self.groups.get_mut(group_slot) else { return };
        match alert.membership_mut(group_slot) {
            Some(membership) if membership.is_departed => {
                membership.is_departed = false;
                group.rejoin(slot);
            }
            Some(_) => {}
            None => {
                alert.groups.push(Membership { group: group_slot, is_departed: false });
                group.join(slot, now);
            }
        }
    }

    fn departed(&mut self, group: u64, alerts: &[u64]) {
        let slots = self.slots_of(alerts);
        let Some(group_slot) = self.groups.slot_of(group) else { return };
        let Some(group) = self.groups.get_mut(group_slot) else { return };
        for member in group.members.iter_mut().filter(|member| slots.binary_search(&member.alert).is_ok()) {
            member.is_departed = true;
            let alert = self.alerts.get_mut(member.alert);
            if let Some(membership) = alert.and_then(|alert| alert.membership_mut(group_slot)) {
                membership.is_departed = true;
            }
        }
    }

    /// Sorted.
    fn slots_of(&self, episodes: &[u64]) -> Vec<u32> {
        let mut slots: Vec<u32> =
            episodes.iter().filter_map(|&episode| self.alerts.slot_of(episode)).collect();
        slots.sort_unstable();
        slots
    }

    fn held(&mut self, group: u64, hold: Hold, alerts: &[u64], now: Timestamp) {
        let slots = self.slots_of(alerts);
        let Some(group) = self.groups.slot_of(group).and_then(|slot| self.groups.get_mut(slot)) else {
            return;
        };
        for member in group.members.iter_mut().filter(|member| slots.binary_search(&member.alert).is_ok()) {
            member.hold = hold;
            if hold == Hold::Free {
                // What nobody could know of can't have been ignored.
                member.count_from(now);
            }
        }
    }

    /// Told anew, everywhere.
    fn rearmed(&mut self, episode: u64, now: Timestamp) {
        let Some(slot) = self.alerts.slot_of(episode) else { return };
        let Some(alert) = self.alerts.get_mut(slot) else { return };
        alert.acted = None;
        for membership in alert.groups.clone() {
            let Some(group) = self.groups.get_mut(membership.group) else { continue };
            for member in group.members.iter_mut().filter(|member| member.alert == slot) {
                member.lapsed = member.firing;
                member.count_from(now);
            }
        }
    }

    fn placed(&mut self, number: u16, by: Option<Placement>, is_shadow: bool) {
        let Some(tenant) = self.tenants.get_mut(usize::from(number)) else { return };
        tenant.placed_by = by;
        if std::mem::replace(&mut tenant.is_shadow, is_shadow) && !is_shadow {
            // Nobody was really told.
            for group in self.groups.iter_mut().filter(|group| group.tenant == number) {
                group.forget_what_was_told();
            }
        }
    }

    fn renewed(&mut self, episode: u64, end: End, now: Timestamp) -> Reminder {
        let slot = self.alerts.slot_of(episode)?;
        let alert = self.alerts.get_mut(slot)?;
        let shrinks = end.at.at < alert.end.at.at;
        alert.end = end;
        alert.updated_at = now;
        // A later end is noticed when the reminder for the earlier one comes.
        if shrinks && alert.phase == Phase::Firing {
            Some((self.expires_at(slot)?, Timer::Alert(slot)))
        } else {
            None
        }
    }

    fn resolved(&mut self, episode: u64, at: Zoned, cause: Cause, now: Timestamp) {
        let Some(slot) = self.alerts.slot_of(episode) else { return };
        let Some(alert) = self.alerts.get_mut(slot) else { return };
        let was_firing = alert.phase == Phase::Firing;
        alert.phase = Phase::Resolved;
        alert.end = End { at, is_timeout: false };
        alert.updated_at = now;
        // That its tenant left says nothing of the alert.
        if was_firing && alert.acted.is_none() && cause != Cause::Offboarded {
            let alert = &*alert;
            if let Some(tenant) = self.tenants.get_mut(usize::from(alert.tenant))
                && let Some(source) = tenant.sources.get(usize::from(alert.source))
            {
                let facts = AlertFacts { labels: alert.labels(), source: &source.name, at: alert.rated_at };
                tenant.rating.resolved_unseen(&facts, at.at.since(alert.rated_at));
            }
        }
        self.alerts.forget_if_done(slot);
    }

    fn feedback(&mut self, episode: u64, action: Feedback, by: &str, rated: &Rated<'_>, now: Timestamp) {
        if let Some(alert) = self.alerts.slot_of(episode).and_then(|slot| self.alerts.get_mut(slot)) {
            alert.acted = Some(Box::new(Acted { action, by: by.into(), at: now }));
            alert.is_escalated |= action == Feedback::Escalate;
        }
        let Some(tenant) = self.tenants.get_mut(usize::from(rated.tenant)) else { return };
        let Some(source) = tenant.sources.get(usize::from(rated.source)) else { return };
        let labels = Labels::from_encoded(rated.labels);
        tenant.rating.learn(&AlertFacts { labels, source: &source.name, at: rated.rated_at }, action, now);
    }

    fn flushed(&mut self, group: u64, flush_at: Timestamp, left: &[u64], now: Timestamp) -> Reminder {
        let group_slot = self.groups.slot_of(group)?;
        let gone = self.slots_of(left);
        let group = self.groups.get_mut(group_slot)?;
        group.flush_at = flush_at;
        group.look_at = flush_at;
        if !gone.is_empty() {
            group.members.retain(|member| gone.binary_search(&member.alert).is_err());
            if group.members.is_empty() {
                group.empty_since = Some(now);
            }
        }
        for slot in gone {
            if let Some(alert) = self.alerts.get_mut(slot) {
                alert.groups.retain(|membership| membership.group != group_slot);
            }
            self.alerts.forget_if_done(slot);
        }
        Some((flush_at, Timer::Group(group_slot)))
    }

    fn notify(
        &mut self,
        offset: u64,
        group: u64,
        integration: u16,
        reason: Reason,
        alerts: &[(u64, Status)],
        now: Timestamp,
    ) {
        let Some(group_slot) = self.groups.slot_of(group) else { return };
        let told: Vec<EntryAlert> = alerts
            .iter()
            .filter_map(|&(episode, status)| {
                let slot = self.alerts.slot_of(episode)?;
                let alert = self.alerts.get_mut(slot)?;
                alert.pins += 1;
                Some(EntryAlert { slot, episode, status, is_news: false, may_be_known: true })
            })
            .collect();
        let Some(group) = self.groups.get_mut(group_slot) else { return };
        let mut entry = Entry {
            id: offset,
            group: group.id,
            tenant: group.tenant,
            receiver: Arc::clone(&group.receiver),
            integration,
            kind: group.kind,
            reason,
            route_key: Arc::clone(&group.route_key),
            labels: group.labels.clone(),
            alerts: told,
            decided_at: now,
            attempts: 0,
            due: now,
            ambiguous: false,
            progress: Progress::Open,
            detail: "".into(),
            in_flight: false,
            in_line: false,
        };
        group.mark_told(&mut entry);
        let alerts = &self.alerts;
        group
            .mark_left_out(&entry, |slot| alerts.get(slot).is_some_and(|alert| alert.phase == Phase::Firing));
        let log = group.log_mut(integration);
        match log.pending {
            None => log.pending = Some(offset),
            Some(_) => log.queued = Some(offset),
        }
        self.outbox.insert(entry);
    }

    fn superseded(&mut self, old: u64, by: u64) {
        let Some(old_entry) = self.outbox.remove(old) else { return };
        if let Some(entry) = self.outbox.get_mut(by) {
            for slot in entry.absorb(&old_entry) {
                if let Some(alert) = self.alerts.get_mut(slot) {
                    alert.pins += 1;
                }
            }
        }
        if let Some(log) = self.log_mut(&old_entry)
            && log.pending == Some(old)
        {
            *log = openclaw_routing::IntegrationLog { pending: Some(by), queued: None, ..*log };
        }
        self.unpin(&old_entry);
    }

    fn log_mut(&mut self, entry: &Entry) -> Option<&mut openclaw_routing::IntegrationLog> {
        let slot = self.groups.slot_of(entry.group)?;
        Some(self.groups.get_mut(slot)?.log_mut(entry.integration))
    }

    fn unpin(&mut self, entry: &Entry) {
        for told in &entry.alerts {
            if let Some(alert) = self.alerts.get_mut(told.slot) {
                alert.pins -= 1;
            }
            self.alerts.forget_if_done(told.slot);
        }
    }

    fn delivered(&mut self, id: u64, now: Timestamp) {
        let Some(entry) = self.outbox.remove(id) else { return };
        // What people did is no reminder: the next one comes when it was due.
        let is_aside = entry.reason == Reason::Acted && !entry.alerts.iter().any(|told| told.is_news);
        if let Some(log) = self.log_mut(&entry)
            && !(is_aside && log.settled_at.is_some())
        {
            log.settled_at = Some(now);
        }
        self.leave_lane(&entry);
        self.unpin(&entry);
    }

    fn receipt(&mut self, id: u64, text: &str) {
        let Some(entry) = self.outbox.get(id) else { return };
        let (group, integration) = (entry.group, entry.integration);
        if let Some(group) = self.groups.slot_of(group).and_then(|slot| self.groups.get_mut(slot)) {
            group.set_receipt(integration, text);
        }
    }

    /// As far as its group goes, it has been told.
    fn shadowed(&mut self, id: u64, now: Timestamp) {
        let tenant = self.outbox.get(id).map(|entry| entry.tenant);
        if let Some(tenant) = tenant.and_then(|tenant| self.tenants.get_mut(usize::from(tenant))) {
            tenant.is_shadow = true;
        }
        self.delivered(id, now);
    }

    fn withdrawn(&mut self, id: u64) {
        let Some(entry) = self.outbox.remove(id) else { return };
        if let Some(group) = self.groups.slot_of(entry.group).and_then(|slot| self.groups.get_mut(slot)) {
            for member in group.members.iter_mut().filter(|member| entry.tells_of(member.alert).is_some()) {
                member.firing.clear(entry.integration);
            }
        }
        self.leave_lane(&entry);
        self.unpin(&entry);
    }

    /// The group's next message may go.
    fn leave_lane(&mut self, entry: &Entry) {
        let id = entry.id;
        if let Some(log) = self.log_mut(entry)
            && log.pending == Some(id)
        {
            log.pending = log.queued.take();
        }
    }

    fn retrying(&mut self, id: u64, attempt: u32, at: Timestamp, ambiguous: bool, detail: &str) -> Reminder {
        let slot = self.outbox.slot_of(id)?;
        let entry = self.outbox.get_mut(id)?;
        entry.attempts = attempt;
        entry.due = at;
        entry.ambiguous |= ambiguous;
        entry.detail = detail.into();
        Some((at, Timer::Entry(slot)))
    }

    fn dead_lettered(&mut self, id: u64, attempt: u32, detail: &str, now: Timestamp) {
        let Some(entry) = self.outbox.get_mut(id) else { return };
        entry.attempts = attempt;
        entry.detail = detail.into();
        let entry = entry.clone();
        if let Some(log) = self.log_mut(&entry) {
            log.settled_at = Some(now);
        }
        self.leave_lane(&entry);
        let told_by_next = if entry.ambiguous { Vec::new() } else { self.left_to_next(&entry) };
        if !entry.ambiguous
            && let Some(group) = self.groups.slot_of(entry.group).and_then(|slot| self.groups.get_mut(slot))
        {
            let missed = |slot: u32| {
                entry.tells_of(slot).is_some_and(|told| !told.may_be_known) && !told_by_next.contains(&slot)
            };
            for member in group.members.iter_mut().filter(|member| missed(member.alert)) {
                member.missed.set(entry.integration);
            }
        }
        if let Some(oldest) = self.outbox.bury(id)
            && let Some(dropped) = self.outbox.remove(oldest)
        {
            self.unpin(&dropped);
        }
    }

    /// What a message that was given up would have told first, and the group's
    /// next message tells: that one is the first to tell of it now.
    fn left_to_next(&mut self, dead: &Entry) -> Vec<u32> {
        let next = self.log_mut(dead).and_then(|log| log.pending);
        let Some(next) = next.and_then(|id| self.outbox.get_mut(id)) else { return Vec::new() };
        let is_first = |slot: u32| dead.tells_of(slot).is_some_and(|told| !told.may_be_known);
        let told = next.alerts.iter_mut().filter(|told| told.status == Status::Firing && is_first(told.slot));
        told.map(|told| {
            told.may_be_known = false;
            told.slot
        })
        .collect()
    }
}

impl State {
    /// Who has missed a message may be told by it after all, and then has to
    /// be told of the end.
    fn revived(&mut self, id: u64, now: Timestamp) {
        self.outbox.revive(id, now);
        let Some(entry) = self.outbox.get(id) else { return };
        let Some(group) = self.groups.slot_of(entry.group).and_then(|slot| self.groups.get_mut(slot)) else {
            return;
        };
        for member in group.members.iter_mut().filter(|member| entry.tells_of(member.alert).is_some()) {
            member.missed.clear(entry.integration);
        }
    }
}
