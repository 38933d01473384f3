//! The alerts a partition knows: waiting, firing, or resolved and still to be
//! told. One allocation each holds the content in the journal's encoding; the
//! tables hold slot numbers only.

use crate::record::End;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use openclaw_alert::{Acted, Content, Feedback, KEY_LABEL, Labels, Score, Timestamp, Zoned};
use smallvec::SmallVec;
use std::hash::BuildHasher;

/// Where an episode stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Beyond its tenant's limit: kept, not rated or routed yet.
    Waiting,
    /// The condition holds.
    Firing,
    /// It has ended; kept until everyone who has to know does.
    Resolved,
}

/// A group that an alert is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Membership {
    /// The group's slot.
    pub(crate) group: u32,
    /// It is there only until who was told of it has been told of its end.
    pub(crate) is_departed: bool,
}

/// One episode.
#[derive(Debug, Clone)]
pub(crate) struct Alert {
    /// Offset of the record that opened it.
    pub(crate) id: u64,
    hash: u64,
    /// Encoded [`Content`].
    pub(crate) content: Box<[u8]>,
    pub(crate) starts_at: Zoned,
    pub(crate) end: End,
    pub(crate) updated_at: Timestamp,
    pub(crate) rated_at: Timestamp,
    pub(crate) score: Score,
    pub(crate) tenant: u16,
    pub(crate) source: u16,
    pub(crate) phase: Phase,
    /// The last thing a person did with it.
    pub(crate) acted: Option<Box<Acted>>,
    /// A person wants more people to know than its score says.
    pub(crate) is_escalated: bool,
    /// Groups that it is in.
    pub(crate) groups: SmallVec<[Membership; 1]>,
    /// Outbox entries that will still read it.
    pub(crate) pins: u32,
    /// When the one reminder that counts is due; not durable.
    pub(crate) reminder_at: Timestamp,
}

impl Alert {
    pub(crate) fn labels(&self) -> Labels<'_> {
        Content::of(&self.content).labels
    }

    /// What a person last did with it.
    pub(crate) fn last_action(&self) -> Option<Feedback> {
        self.acted.as_ref().map(|acted| acted.action)
    }

    /// The sender's own name for it, or nothing.
    fn key(&self) -> &str {
        self.labels().get(KEY_LABEL)
    }

    pub(crate) fn membership_mut(&mut self, group: u32) -> Option<&mut Membership> {
        self.groups.iter_mut().find(|membership| membership.group == group)
    }
}

/// What a new alert is made of.
#[derive(Clone, Copy)]
pub(crate) struct NewAlert<'a> {
    pub(crate) id: u64,
    pub(crate) tenant: u16,
    pub(crate) source: u16,
    pub(crate) starts_at: Zoned,
    pub(crate) end: End,
    pub(crate) score: Score,
    pub(crate) phase: Phase,
    pub(crate) content: &'a [u8],
    pub(crate) now: Timestamp,
}

/// An alert's place in listings, found without touching the alert itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed {
    pub(crate) id: u64,
    pub(crate) fingerprint: u64,
    pub(crate) slot: u32,
    pub(crate) tenant: u16,
}

/// Alerts in the order of their ids. Ids only grow, so that it is filled at
/// its end; what has left is swept out when it is half of all.
#[derive(Debug, Default)]
struct Order {
    listed: Vec<Listed>,
    gone: usize,
}

/// No slot: the alert has left.
const GONE: u32 = u32::MAX;

impl Order {
    fn push(&mut self, new: Listed) {
        let at = match self.listed.last() {
            Some(last) if last.id > new.id => self.listed.partition_point(|listed| listed.id < new.id),
            _ => self.listed.len(),
        };
        self.listed.insert(at, new);
    }

    fn position(&self, id: u64) -> Option<usize> {
        let at = self.listed.binary_search_by_key(&id, |listed| listed.id).ok()?;
        (self.listed[at].slot != GONE).then_some(at)
    }

    fn remove(&mut self, id: u64) {
        let Some(at) = self.position(id) else { return };
        self.listed[at].slot = GONE;
        self.gone += 1;
        if self.gone > 64 && self.gone * 2 > self.listed.len() {
            self.listed.retain(|listed| listed.slot != GONE);
            self.gone = 0;
        }
    }
}

#[derive(Debug)]
pub(crate) struct AlertTable {
    slots: Vec<Option<Alert>>,
    free: Vec<u32>,
    by_identity: HashTable<u32>,
    by_id: HashTable<u32>,
    /// Those that their senders name, the latest of each name.
    by_key: HashTable<u32>,
    order: Order,
    hasher: FixedState,
}

impl AlertTable {
    /// `seed` keys the hash of label sets, so that nobody outside can choose
    /// labels that collide.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_identity: HashTable::new(),
            by_id: HashTable::new(),
            by_key: HashTable::new(),
            order: Order::default(),
            hasher: FixedState::with_seed(seed),
        }
    }

    pub(crate) fn hash(&self, tenant: u16, labels: Labels<'_>) -> u64 {
        self.hasher.hash_one((tenant, labels.as_bytes()))
    }

    pub(crate) fn find(&self, tenant: u16, hash: u64, labels: Labels<'_>) -> Option<u32> {
        let same = |&slot: &u32| {
            self.get(slot).is_some_and(|a| a.hash == hash && a.tenant == tenant && a.labels() == labels)
        };
        self.by_identity.find(hash, same).copied()
    }

    /// The alert that a source names so.
    pub(crate) fn find_key(&self, tenant: u16, source: u16, key: &str) -> Option<u32> {
        let same = |&slot: &u32| {
            self.get(slot).is_some_and(|a| a.tenant == tenant && a.source == source && a.key() == key)
        };
        self.by_key.find(self.hasher.hash_one((tenant, source, key)), same).copied()
    }

    /// From now on the alert in `slot` is the one that its sender names so.
    fn remember_key(&mut self, slot: u32) {
        let Some(alert) = self.get(slot).filter(|alert| !alert.key().is_empty()) else { return };
        let (tenant, source, hash) = (alert.tenant, alert.source, self.key_hash(alert));
        let known = self.find_key(tenant, source, alert.key());
        let (slots, hasher) = (&self.slots, &self.hasher);
        if let Some(known) = known
            && let Ok(found) = self.by_key.find_entry(hash, |&other| other == known)
        {
            found.remove();
        }
        self.by_key.insert_unique(hash, slot, |&other| {
            slots[other as usize].as_ref().map_or(0, |a| hasher.hash_one((a.tenant, a.source, a.key())))
        });
    }

    fn forget_key(&mut self, slot: u32) {
        let Some(alert) = self.get(slot).filter(|alert| !alert.key().is_empty()) else { return };
        if let Ok(found) = self.by_key.find_entry(self.key_hash(alert), |&other| other == slot) {
            found.remove();
        }
    }

    fn key_hash(&self, alert: &Alert) -> u64 {
        self.hasher.hash_one((alert.tenant, alert.source, alert.key()))
    }

    pub(crate) fn slot_of(&self, id: u64) -> Option<u32> {
        let same = |&slot: &u32| self.get(slot).is_some_and(|alert| alert.id == id);
        self.by_id.find(self.hasher.hash_one(id), same).copied()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Alert> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Alert> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Opens an episode. One that ended with the same labels gives its slot,
    /// its groups and what its receivers were told to the new one, so that a
    /// resolve and a new firing between two looks are no news.
    pub(crate) fn open(&mut self, new: NewAlert<'_>) -> u32 {
        let labels = Content::of(new.content).labels;
        let (hash, fingerprint) = (self.hash(new.tenant, labels), labels.fingerprint());
        let known = self.find(new.tenant, hash, labels);
        let mut alert = Alert {
            id: new.id,
            hash,
            content: new.content.into(),
            starts_at: new.starts_at,
            end: new.end,
            updated_at: new.now,
            rated_at: new.now,
            score: new.score,
            tenant: new.tenant,
            source: new.source,
            phase: new.phase,
            acted: None,
            is_escalated: false,
            groups: SmallVec::new(),
            pins: 0,
            reminder_at: Timestamp::MAX,
        };
        let slot = match known {
            Some(slot) => {
                self.forget_key(slot);
                if let Some(old) = self.get_mut(slot) {
                    alert.groups = std::mem::take(&mut old.groups);
                    alert.pins = old.pins;
                    let old_id = old.id;
                    self.forget_id(old_id);
                }
                self.slots[slot as usize] = Some(alert);
                slot
            }
            None => self.insert(alert),
        };
        self.remember_key(slot);
        self.remember(Listed { id: new.id, fingerprint, slot, tenant: new.tenant });
        slot
    }

    fn insert(&mut self, alert: Alert) -> u32 {
        let hash = alert.hash;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(alert);
                slot
            }
            None => {
                self.slots.push(Some(alert));
                self.slots.len() as u32 - 1
            }
        };
        let slots = &self.slots;
        self.by_identity
            .insert_unique(hash, slot, |&other| slots[other as usize].as_ref().map_or(0, |alert| alert.hash));
        slot
    }

    fn remember(&mut self, new: Listed) {
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_id.insert_unique(hasher.hash_one(new.id), new.slot, |&other| {
            hasher.hash_one(slots[other as usize].as_ref().map_or(0, |alert| alert.id))
        });
        self.order.push(new);
    }

    fn forget_id(&mut self, id: u64) {
        let slots = &self.slots;
        let same = |&slot: &u32| slots[slot as usize].as_ref().is_some_and(|alert| alert.id == id);
        if let Ok(found) = self.by_id.find_entry(self.hasher.hash_one(id), same) {
            found.remove();
        }
        self.order.remove(id);
    }

    /// Frees the slot of a resolved alert that nobody needs any more.
    pub(crate) fn forget_if_done(&mut self, slot: u32) {
        let Some(alert) = self.get(slot) else { return };
        if alert.phase != Phase::Resolved || alert.pins > 0 || !alert.groups.is_empty() {
            return;
        }
        let (id, hash) = (alert.id, alert.hash);
        self.forget_key(slot);
        self.forget_id(id);
        if let Ok(found) = self.by_identity.find_entry(hash, |&other| other == slot) {
            found.remove();
        }
        self.slots[slot as usize] = None;
        self.free.push(slot);
    }

    /// All, in the order of their ids.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &Alert)> {
        self.order.listed.iter().filter_map(|listed| Some((listed.slot, self.get(listed.slot)?)))
    }

    /// Those of one tenant.
    pub(crate) fn of(&self, tenant: u16) -> impl Iterator<Item = (u32, &Alert)> {
        self.listed(tenant, u64::MAX).filter_map(|listed| Some((listed.slot, self.get(listed.slot)?)))
    }

    /// The places of one tenant's alerts, in the order of their ids, those
    /// before `before` only.
    pub(crate) fn listed(&self, tenant: u16, before: u64) -> impl DoubleEndedIterator<Item = Listed> + '_ {
        let end = self.order.listed.partition_point(|listed| listed.id < before);
        self.order.listed[..end]
            .iter()
            .filter(move |listed| listed.tenant == tenant && listed.slot != GONE)
            .copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}
