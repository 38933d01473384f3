//! Groups of alerts that are told together.

use crate::outbox::Entry;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use openclaw_alert::{NotificationKind, Status, Timestamp};
use openclaw_routing::{IntegrationLog, Member, RouteId, Told};
use smallvec::SmallVec;
use std::hash::BuildHasher;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Offset of the record that opened it.
    pub(crate) id: u64,
    pub(crate) tenant: u16,
    pub(crate) kind: NotificationKind,
    /// The route by which its alerts come; it may have left the settings.
    pub(crate) route: RouteId,
    /// The route as messages name it.
    pub(crate) route_key: Arc<str>,
    pub(crate) receiver: Arc<str>,
    /// Encoded labels that define it.
    pub(crate) labels: Box<[u8]>,
    pub(crate) members: Vec<Member>,
    pub(crate) flush_at: Timestamp,
    /// When it is looked at next: `flush_at`, or later after a quiet look;
    /// not durable.
    pub(crate) look_at: Timestamp,
    /// Since when nobody is in it.
    pub(crate) empty_since: Option<Timestamp>,
    /// By integration, as far as any was told.
    pub(crate) logs: SmallVec<[IntegrationLog; 1]>,
    /// What integrations gave back for their last message, by their numbers.
    pub(crate) receipts: Vec<(u16, Arc<str>)>,
}

impl Group {
    pub(crate) fn log(&self, integration: u16) -> IntegrationLog {
        self.logs.get(usize::from(integration)).copied().unwrap_or_default()
    }

    pub(crate) fn log_mut(&mut self, integration: u16) -> &mut IntegrationLog {
        let index = usize::from(integration);
        if self.logs.len() <= index {
            self.logs.resize(index + 1, IntegrationLog::default());
        }
        &mut self.logs[index]
    }

    pub(crate) fn receipt(&self, integration: u16) -> Option<&Arc<str>> {
        self.receipts.iter().find(|(number, _)| *number == integration).map(|(_, text)| text)
    }

    pub(crate) fn set_receipt(&mut self, integration: u16, text: &str) {
        self.receipts.retain(|(number, _)| *number != integration);
        self.receipts.push((integration, text.into()));
    }

    /// A new member.
    pub(crate) fn join(&mut self, alert: u32, now: Timestamp) {
        self.empty_since = None;
        self.members.push(Member::new(alert, now));
    }

    /// One that may have departed is back.
    pub(crate) fn rejoin(&mut self, alert: u32) {
        if let Some(member) = self.members.iter_mut().find(|member| member.alert == alert) {
            member.is_departed = false;
        }
    }

    /// Notes in the group what its integration is being told, and in the message
    /// what of it is news.
    pub(crate) fn mark_told(&mut self, entry: &mut Entry) {
        let integration = entry.integration;
        entry.alerts.sort_unstable_by_key(|told| told.slot);
        for member in &mut self.members {
            let Ok(index) = entry.alerts.binary_search_by_key(&member.alert, |told| told.slot) else {
                continue;
            };
            let told = &mut entry.alerts[index];
            if told.status == Status::Resolved {
                member.resolved.set(integration);
                continue;
            }
            told.is_news = !member.firing.has(integration) || member.missed.has(integration);
            told.may_be_known = !told.is_news;
            member.firing.set(integration);
            member.missed.clear(integration);
            member.lapsed.clear(integration);
        }
        if self.kind == NotificationKind::Digest {
            entry.alerts.iter_mut().for_each(|told| told.is_news = true);
        }
    }

    /// Who was told earlier that an alert fires, and now of others without it,
    /// is told of it again when it may be told again. As in Alertmanager, whose
    /// log holds what the last message said.
    pub(crate) fn mark_left_out(&mut self, entry: &Entry, fires: impl Fn(u32) -> bool) {
        let number = entry.integration;
        let is_in = |slot: u32| entry.alerts.binary_search_by_key(&slot, |told| told.slot).is_ok();
        for member in self.members.iter_mut().filter(|member| member.firing.has(number)) {
            if !is_in(member.alert) && fires(member.alert) {
                member.lapsed.set(number);
            }
        }
    }

    /// Nobody knows of anything.
    pub(crate) fn forget_what_was_told(&mut self) {
        for member in &mut self.members {
            let none = Told::default();
            (member.firing, member.resolved, member.missed, member.lapsed) = (none, none, none, none);
        }
        self.logs.iter_mut().for_each(|log| log.settled_at = None);
    }

    /// Nothing on its way and nobody in it.
    pub(crate) fn is_idle(&self) -> bool {
        self.members.is_empty() && self.logs.iter().all(|log| log.pending.is_none() && log.queued.is_none())
    }
}

/// What makes a group the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GroupIdentity<'a> {
    pub(crate) tenant: u16,
    pub(crate) kind: NotificationKind,
    pub(crate) route: RouteId,
    pub(crate) receiver: &'a str,
    pub(crate) labels: &'a [u8],
}

impl<'a> GroupIdentity<'a> {
    fn of(group: &'a Group) -> Self {
        Self {
            tenant: group.tenant,
            kind: group.kind,
            route: group.route,
            receiver: &group.receiver,
            labels: &group.labels,
        }
    }
}

#[derive(Debug)]
pub(crate) struct GroupTable {
    slots: Vec<Option<Group>>,
    free: Vec<u32>,
    by_identity: HashTable<u32>,
    by_id: HashTable<u32>,
    hasher: FixedState,
}

impl GroupTable {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_identity: HashTable::new(),
            by_id: HashTable::new(),
            hasher: FixedState::with_seed(seed),
        }
    }

    pub(crate) fn find(&self, identity: GroupIdentity<'_>) -> Option<u32> {
        let same = |&slot: &u32| self.get(slot).is_some_and(|group| GroupIdentity::of(group) == identity);
        self.by_identity.find(self.hasher.hash_one(identity), same).copied()
    }

    pub(crate) fn slot_of(&self, id: u64) -> Option<u32> {
        let same = |&slot: &u32| self.get(slot).is_some_and(|group| group.id == id);
        self.by_id.find(self.hasher.hash_one(id), same).copied()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Group> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Group> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    pub(crate) fn insert(&mut self, group: Group) -> u32 {
        let (id, identity_hash) = (group.id, self.hasher.hash_one(GroupIdentity::of(&group)));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(group);
                slot
            }
            None => {
                self.slots.push(Some(group));
                self.slots.len() as u32 - 1
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        let group_at = |slot: u32| slots[slot as usize].as_ref();
        self.by_identity.insert_unique(identity_hash, slot, |&other| {
            group_at(other).map_or(0, |group| hasher.hash_one(GroupIdentity::of(group)))
        });
        self.by_id.insert_unique(hasher.hash_one(id), slot, |&other| {
            group_at(other).map_or(0, |group| hasher.hash_one(group.id))
        });
        slot
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<Group> {
        let group = self.slots.get_mut(slot as usize)?.take()?;
        let hash = self.hasher.hash_one(GroupIdentity::of(&group));
        if let Ok(found) = self.by_identity.find_entry(hash, |&other| other == slot) {
            found.remove();
        }
        if let Ok(found) = self.by_id.find_entry(self.hasher.hash_one(group.id), |&other| other == slot) {
            found.remove();
        }
        self.free.push(slot);
        Some(group)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Group> {
        self.slots.iter_mut().flatten()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Group)> {
        self.slots.iter().enumerate().filter_map(|(slot, group)| Some((slot as u32, group.as_ref()?)))
    }
}
