//! Looks at groups: whose time has come, who is told of what, who leaves.

use crate::Phase;
use crate::alerts::Alert;
use crate::effects::{Ack, AlertEnd, Effects};
use crate::groups::Group;
use crate::outbox::EntryAlert;
use crate::partition::Partition;
use crate::record::Record;
use crate::routes::MOVE_PAUSE;
use crate::settings::{RatingMode, TenantSettings};
use crate::timers::Timer;
use openclaw_alert::{Feedback, NotificationKind, Reason, Status, Timestamp};
use openclaw_routing::{Hold, Integration, Member, Route, Standing, flush_reason};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A group without alerts stays for this long, so that one that comes back is
/// told at the group's next time and not as if it were new.
const LINGER: Duration = Duration::from_secs(30);

/// A look at one group.
struct Look {
    slot: u32,
    group: u64,
    settings: Arc<TenantSettings>,
    /// `None` where the route has left the settings: nothing new is told.
    route: Option<Arc<Route>>,
    now: Timestamp,
    /// In the order of the members.
    standings: Vec<Standing>,
}

impl Look {
    fn group_interval(&self) -> Duration {
        let root = || self.settings.routing.tree.root().group_interval;
        self.route.as_ref().map_or_else(root, |route| route.group_interval)
    }

    fn repeat_interval(&self) -> Duration {
        self.route.as_ref().map_or(Duration::MAX, |route| route.repeat_interval)
    }
}

impl Partition {
    /// Looks at a group whose time has come: tells who has to be told, lets
    /// resolved alerts go, closes the group when it has been empty for long.
    pub(crate) fn flush(&mut self, slot: u32, now: Timestamp, out: &mut Effects) {
        if self.close_if_spent(slot, now, out) {
            return;
        }
        let Some(group) = self.state.groups.get(slot) else { return };
        if group.look_at > now {
            return; // an old reminder; the group has another
        }
        let (id, tenant, route) = (group.id, group.tenant, group.route);
        let Some(settings) = self.settings(tenant).map(Arc::clone) else { return };
        if self.is_moving(tenant) {
            // Some of its alerts may not be for it any more.
            return self.timers.set(now.plus(MOVE_PAUSE), Timer::Group(slot));
        }
        let before = self.state.next_offset;
        self.rearm(slot, &settings, now, out);
        let route = settings.routing.tree.get(route).cloned();
        let mut look = Look { slot, group: id, settings, route, now, standings: Vec::new() };
        self.stand(&mut look, out);
        self.tell_all(&look, out);
        let left = self.leaving(slot);
        let next = self.next_look(&look);
        if left.is_empty() && self.state.next_offset == before {
            // A quiet look is no fact: after a restart the group is simply
            // looked at once more.
            if let Some(group) = self.state.groups.get_mut(slot) {
                group.look_at = next;
            }
            self.timers.set(next, Timer::Group(slot));
            return;
        }
        self.emit(&Record::Flushed { group: id, flush_at: next, left }, now, out);
        self.close_if_spent(slot, now, out);
    }

    /// Closes a group that nobody has been in for long; sees to it that one
    /// that is empty now is looked at then.
    pub(crate) fn close_if_spent(&mut self, slot: u32, now: Timestamp, out: &mut Effects) -> bool {
        let Some(group) = self.state.groups.get(slot) else { return true };
        let Some(since) = group.empty_since else { return false };
        if since.plus(LINGER) > now {
            self.timers.set(since.plus(LINGER), Timer::Group(slot));
            return false;
        }
        if !group.is_idle() {
            return false; // a message is on its way; the next look sees to it
        }
        let group = group.id;
        self.emit(&Record::GroupClosed { group }, now, out);
        true
    }

    /// Acknowledged or said to be over long ago, and firing still: somebody
    /// has forgotten it.
    fn rearm(&mut self, slot: u32, settings: &TenantSettings, now: Timestamp, out: &mut Effects) {
        let Some(group) = self.state.groups.get(slot) else { return };
        let is_forgotten = |alert: &&Alert| {
            let taken_on = alert.acted.as_ref().filter(|acted| is_passing(acted.action));
            alert.phase == Phase::Firing
                && taken_on.is_some_and(|acted| acted.at.plus(settings.rearm_after) <= now)
        };
        let members = group.members.iter().filter_map(|member| self.state.alerts.get(member.alert));
        let forgotten: Vec<u64> = members.filter(is_forgotten).map(|alert| alert.id).collect();
        for episode in forgotten {
            self.emit(&Record::Rearmed { episode }, now, out);
        }
    }

    /// Works out what may be said of each member, and notes what holds it.
    fn stand(&mut self, look: &mut Look, out: &mut Effects) {
        let Some(group) = self.state.groups.get(look.slot) else { return };
        let muted_by = self.muted_by(group, look);
        let is_straight =
            look.route.as_ref().is_some_and(|route| route.id == look.settings.routing.tree.passthrough().id);
        let may_be_held = !is_straight && (!muted_by.is_empty() || self.has_holds(group.tenant));
        let mut changes: BTreeMap<(u8, String), Vec<u64>> = BTreeMap::new();
        let mut standings = Vec::with_capacity(group.members.len());
        for member in &group.members {
            let Some(alert) = self.state.alerts.get(member.alert) else {
                standings.push(Standing::Quiet);
                continue;
            };
            let standing = standing(group, member, alert, look);
            if !matches!(standing, Standing::Fires { .. }) || (!may_be_held && member.hold == Hold::Free) {
                standings.push(standing);
                continue;
            }
            let hold = if may_be_held { self.held_by(member, group, &muted_by, look) } else { None };
            let (hold, by) = hold.unwrap_or((Hold::Free, String::new()));
            if hold != member.hold {
                changes.entry((hold as u8, by)).or_default().push(alert.id);
            }
            standings.push(if hold == Hold::Free { standing } else { Standing::Quiet });
        }
        look.standings = standings;
        for ((hold, by), alerts) in changes {
            let hold = Hold::ALL[usize::from(hold)];
            self.emit(&Record::Held { group: look.group, hold, by: &by, alerts }, look.now, out);
        }
    }

    fn muted_by(&self, group: &Group, look: &Look) -> String {
        match (&look.route, group.kind) {
            (Some(route), NotificationKind::Page) => route.muted_by(look.now).join(", "),
            _ => String::new(),
        }
    }

    fn has_holds(&self, tenant: u16) -> bool {
        let policy = self.policies.get(usize::from(tenant)).and_then(Option::as_ref);
        policy.is_some_and(|policy| !policy.inhibitor.is_idle())
            || self.state.tenant(tenant).is_some_and(|tenant| !tenant.silences.is_idle())
    }

    fn held_by(&self, member: &Member, group: &Group, muted_by: &str, look: &Look) -> Option<(Hold, String)> {
        if !muted_by.is_empty() {
            return Some((Hold::Muted, muted_by.to_owned()));
        }
        self.hold_of(member.alert, &look.settings, &group.receiver, look.now)
    }

    fn tell_all(&mut self, look: &Look, out: &mut Effects) {
        let Some(group) = self.state.groups.get(look.slot) else { return };
        let integrations =
            look.settings.receiver(&group.receiver).map_or(&[][..], |receiver| &receiver.integrations);
        self.count_untold(look.slot, integrations.iter().all(|integration| integration.is_retired), out);
        for integration in integrations {
            self.tell(look, *integration, out);
        }
    }

    fn tell(&mut self, look: &Look, integration: Integration, out: &mut Effects) {
        let (slot, number, now) = (look.slot, integration.number, look.now);
        self.withdraw_moot(slot, number, now, out);
        let Some(group) = self.state.groups.get(slot) else { return };
        let log = group.log(number);
        let members = || group.members.iter().copied().zip(look.standings.iter().copied());
        let is_digest = group.kind == NotificationKind::Digest;
        let tells = |member: Member, standing: Standing| match standing {
            Standing::Fires { .. } => !integration.is_retired,
            Standing::Quiet => false,
            Standing::Resolved if is_digest => !integration.is_retired && member.hold == Hold::Free,
            Standing::Resolved => integration.send_resolved && member.is_known_to(number),
        };
        let reason = if is_digest {
            members().any(|(member, standing)| tells(member, standing)).then_some(Reason::Digest)
        } else {
            flush_reason(members(), integration, &log, look.repeat_interval(), now)
        };
        let Some(reason) = reason else { return };
        let told = members().filter(|&(member, standing)| tells(member, standing));
        let told = told.filter_map(|(member, _)| self.state.alerts.get(member.alert));
        let alerts: Vec<_> = told.map(|alert| (alert.id, status_of(alert))).collect();
        self.decide_message(slot, number, reason, alerts, now, out);
    }

    /// A message that takes the place of all that wait to be sent to the same
    /// integration.
    pub(crate) fn decide_message(
        &mut self,
        slot: u32,
        number: u16,
        reason: Reason,
        alerts: Vec<(u64, Status)>,
        now: Timestamp,
        out: &mut Effects,
    ) {
        let Some(group) = self.state.groups.get(slot) else { return };
        let (group, log) = (group.id, group.log(number));
        let by = self.emit(&Record::Notify { group, integration: number, reason, alerts }, now, out);
        out.ack = Ack::WhenDurable;
        let waiting =
            log.pending.filter(|&entry| self.state.outbox.get(entry).is_some_and(|entry| !entry.in_flight));
        for entry in [log.queued, waiting].into_iter().flatten() {
            self.emit(&Record::Superseded { entry, by }, now, out);
        }
        if self.state.groups.get(slot).is_some_and(|group| group.log(number).pending == Some(by)) {
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
            (entry.id, entry.tenant, Arc::clone(&entry.receiver), self.count_news(entry));
        self.ended(tenant, &receiver, AlertEnd::ResolvedEarly, over, out);
        self.emit(&Record::Withdrawn { entry: id }, now, out);
    }

    /// Counts who leaves without having been told of.
    fn count_untold(&self, slot: u32, no_receiver: bool, out: &mut Effects) {
        let Some(group) = self.state.groups.get(slot) else { return };
        let is_digest = group.kind == NotificationKind::Digest;
        let mut counts: BTreeMap<AlertEnd, usize> = BTreeMap::new();
        let members = group.members.iter().filter(|member| member.firing.0 == 0);
        let leaves = |member: &&Member| {
            self.state.alerts.get(member.alert).is_some_and(|alert| leaves(group, member, alert))
        };
        for member in members.filter(leaves) {
            let end = match member.hold {
                _ if no_receiver => AlertEnd::NoReceiver,
                Hold::Free if is_digest => continue, // told now
                Hold::Free => AlertEnd::ResolvedEarly,
                Hold::Silenced => AlertEnd::Silenced,
                Hold::Inhibited => AlertEnd::Inhibited,
                Hold::Muted => AlertEnd::Muted,
            };
            *counts.entry(end).or_default() += 1;
        }
        for (end, count) in counts {
            self.ended(group.tenant, &group.receiver, end, count, out);
        }
    }

    /// Who leaves the group after this look.
    fn leaving(&self, slot: u32) -> Vec<u64> {
        let Some(group) = self.state.groups.get(slot) else { return Vec::new() };
        let members = group.members.iter();
        let members = members.filter_map(|member| Some((member, self.state.alerts.get(member.alert)?)));
        let departed = |member: &Member| member.is_departed && !member.is_known();
        let gone = members.filter(|(member, alert)| {
            leaves(group, member, alert) || (alert.phase != Phase::Waiting && departed(member))
        });
        gone.map(|(_, alert)| alert.id).collect()
    }

    /// When the group is to be looked at again.
    fn next_look(&self, look: &Look) -> Timestamp {
        let now = look.now;
        let in_time = now.plus(look.group_interval());
        let Some(group) = self.state.groups.get(look.slot) else { return in_time };
        if let (NotificationKind::Digest, RatingMode::Enforce(digest)) =
            (group.kind, &look.settings.rating.mode)
        {
            return digest.schedule.next_after(now);
        }
        let Some(after) = look.route.as_ref().and_then(|route| route.escalates_after) else { return in_time };
        let is_open = |member: &&Member| {
            self.state.alerts.get(member.alert).is_some_and(|alert| alert.phase != Phase::Resolved)
        };
        let open = group.members.iter().filter(is_open);
        let due = open.map(|member| escalates_at(member, after)).filter(|at| *at > now);
        due.fold(in_time, Timestamp::min)
    }
}

/// What has resolved leaves, and of a digest all that it has told: what is
/// held waits for the next one.
fn leaves(group: &Group, member: &Member, alert: &Alert) -> bool {
    let is_told = group.kind == NotificationKind::Digest && member.hold == Hold::Free;
    alert.phase == Phase::Resolved || (is_told && alert.phase == Phase::Firing)
}

/// What may be said of a member, but for what holds it.
fn standing(group: &Group, member: &Member, alert: &Alert, look: &Look) -> Standing {
    let is_digest = group.kind == NotificationKind::Digest;
    match alert.phase {
        Phase::Resolved => return Standing::Resolved,
        // One that waits for its tenant's limit is told only if it was told
        // before it fired again.
        Phase::Waiting if member.firing.0 == 0 => return Standing::Quiet,
        Phase::Waiting | Phase::Firing => {}
    }
    if member.is_departed || (look.route.is_none() && !is_digest) {
        return Standing::Quiet;
    }
    let is_acknowledged = is_acknowledged(alert, look);
    let after = look.route.as_ref().and_then(|route| route.escalates_after);
    if after.is_some_and(|after| is_acknowledged || escalates_at(member, after) > look.now) {
        return Standing::Quiet;
    }
    Standing::Fires { is_acknowledged }
}

fn escalates_at(member: &Member, after: Duration) -> Timestamp {
    Timestamp::from_secs(i64::from(member.since_s)).plus(after)
}

/// Somebody has taken it on or has said that it is over, not too long ago, or
/// has said that it is no matter.
fn is_acknowledged(alert: &Alert, look: &Look) -> bool {
    let Some(acted) = &alert.acted else { return false };
    match acted.action {
        Feedback::Ack | Feedback::Resolve => acted.at.plus(look.settings.rearm_after) > look.now,
        Feedback::Dismiss => true,
        Feedback::Escalate => false,
    }
}

/// What holds for a time only.
fn is_passing(action: Feedback) -> bool {
    matches!(action, Feedback::Ack | Feedback::Resolve)
}

fn status_of(alert: &Alert) -> Status {
    match alert.phase {
        Phase::Resolved => Status::Resolved,
        Phase::Firing | Phase::Waiting => Status::Firing,
    }
}
