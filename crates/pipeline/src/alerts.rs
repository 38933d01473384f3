//! The alerts a partition knows: waiting, firing, or resolved and still to be
//! told. One allocation each holds the content in the journal's encoding; the
//! tables hold slot numbers only.

use crate::record::End;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use openclaw_alert::{Content, Feedback, Labels, Score, Timestamp, Zoned};
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
    pub(crate) feedback: Option<Feedback>,
    /// Groups that it is in, by slot.
    pub(crate) groups: SmallVec<[u32; 1]>,
    /// Outbox entries that will still read it.
    pub(crate) pins: u32,
    /// When the one reminder that counts is due; not durable.
    pub(crate) reminder_at: Timestamp,
}

impl Alert {
    pub(crate) fn labels(&self) -> Labels<'_> {
        Content::of(&self.content).labels
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

#[derive(Debug)]
pub(crate) struct AlertTable {
    slots: Vec<Option<Alert>>,
    free: Vec<u32>,
    by_identity: HashTable<u32>,
    by_id: HashTable<u32>,
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
        let hash = self.hash(new.tenant, labels);
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
            feedback: None,
            groups: SmallVec::new(),
            pins: 0,
            reminder_at: Timestamp::MAX,
        };
        let slot = match known {
            Some(slot) => {
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
        self.remember_id(new.id, slot);
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

    fn remember_id(&mut self, id: u64, slot: u32) {
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_id.insert_unique(hasher.hash_one(id), slot, |&other| {
            hasher.hash_one(slots[other as usize].as_ref().map_or(0, |alert| alert.id))
        });
    }

    fn forget_id(&mut self, id: u64) {
        let slots = &self.slots;
        let same = |&slot: &u32| slots[slot as usize].as_ref().is_some_and(|alert| alert.id == id);
        if let Ok(found) = self.by_id.find_entry(self.hasher.hash_one(id), same) {
            found.remove();
        }
    }

    /// Frees the slot of a resolved alert that nobody needs any more.
    pub(crate) fn forget_if_done(&mut self, slot: u32) {
        let Some(alert) = self.get(slot) else { return };
        if alert.phase != Phase::Resolved || alert.pins > 0 || !alert.groups.is_empty() {
            return;
        }
        let (id, hash) = (alert.id, alert.hash);
        self.forget_id(id);
        if let Ok(found) = self.by_identity.find_entry(hash, |&other| other == slot) {
            found.remove();
        }
        self.slots[slot as usize] = None;
        self.free.push(slot);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Alert)> {
        self.slots.iter().enumerate().filter_map(|(slot, alert)| Some((slot as u32, alert.as_ref()?)))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}
