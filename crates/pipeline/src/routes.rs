//! In which groups an alert is: when it begins to fire, and when the settings
//! change under it.

use crate::Phase;
use crate::effects::{AlertEnd, Effects};
use crate::groups::{Group, GroupIdentity};
use crate::partition::Partition;
use crate::record::Record;
use crate::settings::{Digest, RatingMode, TenantSettings};
use crate::timers::Timer;
use openclaw_alert::{Labels, NotificationKind, Timestamp};
use openclaw_routing::{Member, Route, RouteId, group_labels};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Alerts that one reminder takes to their new groups.
const MOVED_AT_ONCE: usize = 128;

/// Until the next of them, so that others have their turn at the partition.
pub(crate) const MOVE_PAUSE: Duration = Duration::from_millis(1);

/// What decides where an alert goes.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) tenant: u16,
    pub(crate) labels: Labels<'a>,
    pub(crate) score: f32,
    pub(crate) starts_at: Timestamp,
    /// One of our own, which no score holds back.
    pub(crate) is_internal: bool,
}

/// An alert's groups; nearly always one.
pub(crate) type GroupIds = SmallVec<[u64; 2]>;

/// By group's slot: the slots of alerts that leave it.
type Leaving = BTreeMap<u32, Vec<u32>>;

/// A group to join.
struct Door<'a> {
    kind: NotificationKind,
    route: RouteId,
    route_key: &'a str,
    receiver: &'a Arc<str>,
    flush_at: Timestamp,
}

impl Partition {
    /// The groups that the settings give an alert; new ones are opened.
    pub(crate) fn groups_for(&mut self, alert: &Wanted<'_>, now: Timestamp, out: &mut Effects) -> GroupIds {
        let mut groups = GroupIds::new();
        let Some(settings) = self.settings(alert.tenant).map(Arc::clone) else { return groups };
        let tree = &settings.routing.tree;
        if self.state.tenant(alert.tenant).is_some_and(|tenant| tenant.is_passthrough) {
            groups.push(self.enter(alert, tree.passthrough(), now, out));
            return groups;
        }
        let score = match settings.rating.mode {
            // Our own take the routes of the highest score.
            RatingMode::Enforce(_) => Some(if alert.is_internal { 1.0 } else { alert.score }),
            RatingMode::Observe => None,
        };
        let routes = tree.find(alert.labels, score);
        if let Some(digest) = digest_for(&settings, alert, &routes) {
            groups.push(self.enter_digest(alert, digest, now, out));
            return groups;
        }
        for route in routes {
            let mut enter = |route| {
                let group = self.enter(alert, route, now, out);
                if !groups.contains(&group) {
                    groups.push(group);
                }
            };
            enter(route);
            tree.escalations(route).for_each(enter);
        }
        groups
    }

    fn enter(&mut self, alert: &Wanted<'_>, route: &Route, now: Timestamp, out: &mut Effects) -> u64 {
        let mut labels = std::mem::take(&mut self.scratch);
        labels.clear();
        group_labels(&route.group_by, alert.labels, &mut labels);
        let flush_at = route.first_flush_at(alert.starts_at, now);
        let door = Door {
            kind: NotificationKind::Page,
            route: route.id,
            route_key: &route.key,
            receiver: &route.receiver,
            flush_at,
        };
        let (group, was_there) = self.group_behind(&door, alert.tenant, &labels, now, out);
        self.scratch = labels;
        if was_there && route.escalates_after.is_some() {
            self.look_no_later(group, flush_at);
        }
        group
    }

    fn enter_digest(
        &mut self,
        alert: &Wanted<'_>,
        digest: &Digest,
        now: Timestamp,
        out: &mut Effects,
    ) -> u64 {
        let door = Door {
            kind: NotificationKind::Digest,
            route: RouteId::DIGEST,
            route_key: "{}",
            receiver: &digest.receiver,
            flush_at: digest.schedule.next_after(now),
        };
        self.group_behind(&door, alert.tenant, &[], now, out).0
    }

    /// The group's id, and whether it was there before.
    fn group_behind(
        &mut self,
        door: &Door<'_>,
        tenant: u16,
        labels: &[u8],
        now: Timestamp,
        out: &mut Effects,
    ) -> (u64, bool) {
        let &Door { kind, route, route_key, receiver, flush_at } = door;
        let identity = GroupIdentity { tenant, kind, route, receiver, labels };
        let known = self.state.groups.find(identity).and_then(|slot| self.state.groups.get(slot));
        if let Some(group) = known {
            return (group.id, true);
        }
        let opened = Record::GroupOpened { tenant, kind, route, route_key, receiver, labels, flush_at };
        (self.emit(&opened, now, out), false)
    }

    /// A group that is due later is looked at by then. No fact: after a restart
    /// it is worked out again from the settings.
    pub(crate) fn look_no_later(&mut self, group: u64, at: Timestamp) {
        let Some(slot) = self.state.groups.slot_of(group) else { return };
        let Some(group) = self.state.groups.get_mut(slot).filter(|group| group.look_at > at) else { return };
        group.look_at = at;
        self.timers.set(at, Timer::Group(slot));
    }

    /// After the record that lets an alert in, which names its first group:
    /// the others, and those that its last episode left it in.
    pub(crate) fn join_others(&mut self, episode: u64, groups: &GroupIds, now: Timestamp, out: &mut Effects) {
        for &group in groups.iter().skip(1) {
            self.emit(&Record::Joined { episode, group }, now, out);
        }
        let Some(slot) = self.state.alerts.slot_of(episode) else { return };
        if self.state.alerts.get(slot).is_some_and(|alert| alert.groups.len() > groups.len()) {
            let mut leaving = Leaving::new();
            self.note_leaving(slot, groups, &mut leaving);
            self.leave(leaving, now, out);
        }
    }

    /// The groups that an alert is in and shouldn't be.
    fn note_leaving(&self, slot: u32, groups: &GroupIds, leaving: &mut Leaving) {
        let Some(alert) = self.state.alerts.get(slot) else { return };
        for membership in alert.groups.iter().filter(|membership| !membership.is_departed) {
            let Some(group) = self.state.groups.get(membership.group) else { continue };
            if !groups.contains(&group.id) {
                leaving.entry(membership.group).or_default().push(slot);
            }
        }
    }

    /// Takes alerts out of groups: at once where nobody was told of them there,
    /// else when who was told has been told of the end.
    fn leave(&mut self, leaving: Leaving, now: Timestamp, out: &mut Effects) {
        for (group_slot, mut slots) in leaving {
            slots.sort_unstable();
            let Some(group) = self.state.groups.get(group_slot) else { continue };
            let leaves = group.members.iter().filter(|member| slots.binary_search(&member.alert).is_ok());
            let (known, unknown): (Vec<_>, Vec<_>) = leaves.partition(|member| member.is_known());
            let episodes = |members: &[&Member]| -> Vec<u64> {
                let alerts = members.iter().filter_map(|member| self.state.alerts.get(member.alert));
                alerts.map(|alert| alert.id).collect()
            };
            let (alerts, left) = (episodes(&known), episodes(&unknown));
            let (id, tenant, flush_at) = (group.id, group.tenant, group.look_at);
            let receiver = Arc::clone(&group.receiver);
            let all = alerts.iter().chain(&left).copied().collect();
            self.emit(&Record::Departed { group: id, alerts: all }, now, out);
            if !left.is_empty() {
                self.ended(tenant, &receiver, AlertEnd::Rerouted, left.len(), out);
                self.emit(&Record::Flushed { group: id, flush_at, left }, now, out);
                self.close_if_spent(group_slot, now, out);
            }
        }
    }

    /// New settings, with the process running.
    pub(crate) fn reconfigure(&mut self, settings: &Arc<TenantSettings>, now: Timestamp, out: &mut Effects) {
        let known = self.state.tenant_number(settings.name.as_str());
        let is_back = known.is_some_and(|tenant| self.settings(tenant).is_none());
        self.configure(Arc::clone(settings), now);
        if let Some(tenant) = known {
            self.leaving.remove(&tenant);
        }
        let watches = settings.watchdog.is_some() || !settings.silent_after.is_empty();
        let tenant = if watches { self.tenant_number_of(&settings.name, now, out) } else { known };
        let Some(tenant) = tenant else { return };
        self.retime(tenant, now);
        if is_back {
            // Nobody has looked at its groups meanwhile.
            let mine = self.state.groups.iter().filter(|(_, group)| group.tenant == tenant);
            mine.for_each(|(slot, group)| self.timers.set(group.look_at, Timer::Group(slot)));
            let sources = self.state.tenant(tenant).map_or(0, |known| known.sources.len() as u16);
            (0..sources).for_each(|source| self.hold_expiry(tenant, source, now, out));
            self.timers.set(now, Timer::Backlog);
        }
        self.begin_move(tenant, now, out);
        out.ack = crate::Ack::WhenDurable;
    }

    /// Groups whose interval has become shorter don't wait for the old one, and
    /// escalations are looked at, to find out when they are due.
    pub(crate) fn retime(&mut self, tenant: u16, now: Timestamp) {
        let Some(settings) = self.settings(tenant).map(Arc::clone) else { return };
        let mine = self.state.groups.iter().filter(|(_, group)| group.tenant == tenant);
        let by = |group: &Group| {
            if let (NotificationKind::Digest, RatingMode::Enforce(digest)) =
                (group.kind, &settings.rating.mode)
            {
                return Some((group.id, digest.schedule.next_after(now)));
            }
            let route = settings.routing.tree.get(group.route)?;
            let longest = route.group_interval.max(route.group_wait);
            Some((group.id, route.escalates_after.map_or_else(|| now.plus(longest), |_| now)))
        };
        let by: Vec<_> = mine.filter_map(|(_, group)| by(group)).collect();
        by.into_iter().for_each(|(group, at)| self.look_no_later(group, at));
    }

    /// Takes a tenant's alerts to their groups, a few at a time, where what put
    /// them there is not what places alerts today.
    pub(crate) fn begin_move(&mut self, tenant: u16, now: Timestamp, out: &mut Effects) {
        let Some(is_shadow) = self.settings(tenant).map(|settings| settings.is_shadow()) else { return };
        let by = self.placement(tenant);
        if self.state.tenant(tenant).is_none_or(|known| known.placed_by == by && known.is_shadow == is_shadow)
        {
            return;
        }
        self.unplace(tenant, now, out);
        let end = self.state.next_offset;
        if let Some(policy) = self.policies.get_mut(usize::from(tenant)).and_then(Option::as_mut) {
            // From the newest to the oldest: what comes meanwhile is right.
            policy.moved_down_to = Some(end);
            // Before any group is looked at.
            self.timers.set(Timestamp::MIN, Timer::Move(tenant));
        }
    }

    /// Whether some of a tenant's alerts are not in their groups yet.
    pub(crate) fn is_moving(&self, tenant: u16) -> bool {
        let policy = self.policies.get(usize::from(tenant)).and_then(Option::as_ref);
        policy.is_some_and(|policy| policy.moved_down_to.is_some())
    }

    pub(crate) fn move_alerts(&mut self, tenant: u16, now: Timestamp, out: &mut Effects) {
        let policy = self.policies.get(usize::from(tenant)).and_then(Option::as_ref);
        let Some(before) = policy.and_then(|policy| policy.moved_down_to) else { return };
        let some: Vec<_> = self.state.alerts.listed(tenant, before).rev().take(MOVED_AT_ONCE).collect();
        let mut slots: Vec<u32> = some.iter().map(|listed| listed.slot).collect();
        // What was told in shadow nobody knows.
        if self.state.tenant(tenant).is_some_and(|tenant| tenant.is_passthrough && !tenant.is_shadow) {
            slots = self.unknown(&slots);
        }
        let mut leaving = Leaving::new();
        for slot in slots {
            self.move_alert(slot, &mut leaving, now, out);
        }
        self.leave(leaving, now, out);
        let down_to = some.last().filter(|_| some.len() == MOVED_AT_ONCE).map(|listed| listed.id);
        if let Some(policy) = self.policies.get_mut(usize::from(tenant)).and_then(Option::as_mut) {
            policy.moved_down_to = down_to;
        }
        match down_to {
            Some(_) => self.timers.set(now.plus(MOVE_PAUSE), Timer::Move(tenant)),
            None => self.moved(tenant, now, out),
        }
    }

    fn moved(&mut self, tenant: u16, now: Timestamp, out: &mut Effects) {
        let Some(is_shadow) = self.settings(tenant).map(|settings| settings.is_shadow()) else { return };
        let was_shadow = self.state.tenant(tenant).is_some_and(|tenant| tenant.is_shadow);
        let by = self.placement(tenant);
        self.emit(&Record::Placed { tenant, by, is_shadow }, now, out);
        if was_shadow && !is_shadow {
            let groups = self.state.groups.iter().filter(|(_, group)| group.tenant == tenant);
            let groups: Vec<u64> = groups.map(|(_, group)| group.id).collect();
            groups.into_iter().for_each(|group| self.look_no_later(group, now));
        }
    }

    fn move_alert(&mut self, slot: u32, leaving: &mut Leaving, now: Timestamp, out: &mut Effects) {
        let Some(alert) = self.state.alerts.get(slot) else { return };
        if alert.phase != Phase::Firing {
            return; // it waits and has no groups yet, or is over and told where it was
        }
        let content = alert.content.clone();
        let is_escalated = alert.is_escalated;
        let wanted = Wanted {
            tenant: alert.tenant,
            labels: openclaw_alert::Content::of(&content).labels,
            score: alert.score.value(),
            starts_at: alert.starts_at.at,
            is_internal: self.is_internal(alert.tenant, alert.source),
        };
        let mut groups = self.groups_for(&wanted, now, out);
        if is_escalated {
            // Besides its own: an escalation adds routes and takes none.
            groups.extend(self.groups_for(&Wanted { is_internal: true, ..wanted }, now, out));
        }
        self.join_missing(slot, &groups, now, out);
        self.note_leaving(slot, &groups, leaving);
    }

    fn join_missing(&mut self, slot: u32, groups: &GroupIds, now: Timestamp, out: &mut Effects) {
        let Some(alert) = self.state.alerts.get(slot) else { return };
        let episode = alert.id;
        let memberships = alert.groups.iter().filter(|membership| !membership.is_departed);
        let known = memberships.filter_map(|membership| self.state.groups.get(membership.group));
        let known: GroupIds = known.map(|group| group.id).collect();
        let stays_in = |id: &u64| known.contains(id);
        let missing: Vec<u64> = groups.iter().filter(|id| !stays_in(id)).copied().collect();
        for group in missing {
            self.emit(&Record::Joined { episode, group }, now, out);
        }
    }

    /// A person wants more people to know: the alert takes the routes of the
    /// highest score besides its own.
    pub(crate) fn escalate(&mut self, slot: u32, now: Timestamp, out: &mut Effects) {
        let Some(alert) = self.state.alerts.get(slot).filter(|alert| alert.phase == Phase::Firing) else {
            return;
        };
        let content = alert.content.clone();
        let wanted = Wanted {
            tenant: alert.tenant,
            labels: openclaw_alert::Content::of(&content).labels,
            score: 1.0,
            starts_at: alert.starts_at.at,
            is_internal: true,
        };
        let groups = self.groups_for(&wanted, now, out);
        self.join_missing(slot, &groups, now, out);
    }

    /// Of these alerts, those that nobody has been told of: while the
    /// break-glass is open these go to the default receiver, and the others
    /// stay with who knows of them.
    fn unknown(&self, slots: &[u32]) -> Vec<u32> {
        let alerts = slots.iter().filter_map(|&slot| self.state.alerts.get(slot));
        let groups: BTreeSet<u32> =
            alerts.flat_map(|alert| &alert.groups).map(|membership| membership.group).collect();
        let groups = groups.into_iter().filter_map(|group| self.state.groups.get(group));
        let members = groups.flat_map(|group| &group.members);
        let known: BTreeSet<u32> =
            members.filter(|member| member.is_known()).map(|member| member.alert).collect();
        slots.iter().filter(|slot| !known.contains(slot)).copied().collect()
    }
}

/// The digest that takes the alert, if it pages nobody.
fn digest_for<'a>(
    settings: &'a TenantSettings,
    alert: &Wanted<'_>,
    routes: &[&Arc<Route>],
) -> Option<&'a Digest> {
    let RatingMode::Enforce(digest) = &settings.rating.mode else { return None };
    let rating = &settings.rating;
    let is_low = alert.score < rating.threshold && !alert.is_internal;
    let always_pages = || rating.never_digest.iter().any(|matcher| matcher.matches(alert.labels));
    // A route made for low scores takes them itself.
    let is_wanted = || routes.iter().any(|route| route.max_score.is_some());
    (is_low && !always_pages() && !is_wanted()).then_some(digest)
}
