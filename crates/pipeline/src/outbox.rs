//! Messages on their way to receivers, as facts: what is to be told, how often
//! it was tried, what became of it. Sending itself happens elsewhere.

use hashbrown::HashMap;
use openclaw_alert::{NotificationKind, PartitionId, Reason, Status, Timestamp, fnv1a};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::settings::RetryPolicy;

/// Dead letters kept for reading and replay, a tenant; the oldest go first.
pub(crate) const DEAD_LETTERS_PER_TENANT: usize = 256;

/// An alert that a message tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryAlert {
    pub(crate) slot: u32,
    pub(crate) episode: u64,
    pub(crate) status: Status,
    /// Whether this message is the first that tells of it.
    pub(crate) is_news: bool,
    /// Whether the receiver may know of it from an earlier message.
    pub(crate) may_be_known: bool,
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// To be sent, or being sent.
    Open,
    /// Given up; kept for people.
    Dead,
    /// Taken up again by a person, outside its group's order.
    Revived,
}

/// One message to one integration.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Offset of the record that decided it.
    pub(crate) id: u64,
    pub(crate) group: u64,
    pub(crate) tenant: u16,
    pub(crate) receiver: Arc<str>,
    pub(crate) integration: u16,
    pub(crate) kind: NotificationKind,
    pub(crate) reason: Reason,
    /// The group's route as messages name it.
    pub(crate) route_key: Arc<str>,
    /// The group's labels, encoded.
    pub(crate) labels: Box<[u8]>,
    /// In the order of their slots.
    pub(crate) alerts: Vec<EntryAlert>,
    pub(crate) decided_at: Timestamp,
    pub(crate) attempts: u32,
    /// Not to be tried before.
    pub(crate) due: Timestamp,
    /// The receiver may have taken an attempt whose answer we don't know.
    pub(crate) ambiguous: bool,
    pub(crate) progress: Progress,
    /// What the last attempt came to.
    pub(crate) detail: Box<str>,
    /// Being sent right now; not durable.
    pub(crate) in_flight: bool,
    /// Waiting for room in its lane; not durable.
    pub(crate) in_line: bool,
}

impl Entry {
    /// What it says of the alert in a slot.
    pub(crate) fn tells_of(&self, slot: u32) -> Option<&EntryAlert> {
        let index = self.alerts.binary_search_by_key(&slot, |told| told.slot).ok()?;
        self.alerts.get(index)
    }

    /// Takes over what a superseded message had to say.
    pub(crate) fn absorb(&mut self, old: &Entry) -> Vec<u32> {
        let mut taken = Vec::new();
        let known = self.alerts.len();
        for alert in &old.alerts {
            let mine = self.alerts[..known].binary_search_by_key(&alert.slot, |told| told.slot);
            match mine.ok().and_then(|index| self.alerts.get_mut(index)) {
                Some(mine) => {
                    mine.is_news |= alert.is_news;
                    mine.may_be_known =
                        alert.may_be_known || old.ambiguous || alert.status == Status::Resolved;
                }
                None if alert.status == Status::Resolved => {
                    self.alerts.push(*alert);
                    taken.push(alert.slot);
                }
                None => {}
            }
        }
        self.alerts.sort_unstable_by_key(|told| told.slot);
        self.due = self.due.max(old.due);
        taken
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_id: HashMap<u64, u32, foldhash::fast::FixedState>,
    /// Dead letters by tenant; the oldest messages are the first to go.
    dead: BTreeSet<(u16, u64)>,
}

impl Outbox {
    pub(crate) fn insert(&mut self, entry: Entry) -> u32 {
        let id = entry.id;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(entry);
                slot
            }
            None => {
                self.slots.push(Some(entry));
                self.slots.len() as u32 - 1
            }
        };
        self.by_id.insert(id, slot);
        slot
    }

    pub(crate) fn slot_of(&self, id: u64) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn at(&self, slot: u32) -> Option<&Entry> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Entry> {
        self.at(self.slot_of(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Entry> {
        let slot = self.slot_of(id)?;
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Entry> {
        let slot = self.by_id.remove(&id)?;
        let entry = self.slots.get_mut(slot as usize)?.take();
        self.free.push(slot);
        if let Some(entry) = entry.as_ref().filter(|entry| entry.progress == Progress::Dead) {
            self.dead.remove(&(entry.tenant, id));
        }
        entry
    }

    /// Marks a message dead. Gives the oldest dead letter of its tenant where
    /// that makes one too many.
    pub(crate) fn bury(&mut self, id: u64) -> Option<u64> {
        let entry = self.get_mut(id)?;
        entry.progress = Progress::Dead;
        let tenant = entry.tenant;
        self.dead.insert((tenant, id));
        let of_tenant = || self.dead.range((tenant, 0)..=(tenant, u64::MAX)).map(|(_, dead)| *dead);
        (of_tenant().count() > DEAD_LETTERS_PER_TENANT).then(|| of_tenant().next()).flatten()
    }

    /// Takes a dead letter up again.
    pub(crate) fn revive(&mut self, id: u64, now: Timestamp) {
        if let Some(tenant) = self.get(id).map(|entry| entry.tenant) {
            self.dead.remove(&(tenant, id));
        }
        if let Some(entry) = self.get_mut(id) {
            entry.progress = Progress::Revived;
            entry.attempts = 0;
            entry.decided_at = now;
            entry.due = now;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.slots.iter().enumerate().filter_map(|(slot, entry)| Some((slot as u32, entry.as_ref()?)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.slots.iter_mut().flatten()
    }
}

/// Exponential backoff with full jitter ("Exponential Backoff And Jitter",
/// AWS Architecture Blog, 2015). The randomness is a hash of the message and
/// the attempt: spread over messages, and the same in a replayed simulation.
pub(crate) fn backoff(policy: &RetryPolicy, entry: u64, attempt: u32) -> Duration {
    let doubled =
        policy.first.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    let bound = doubled.min(policy.longest);
    let random = fnv1a(&[&entry.to_le_bytes(), &attempt.to_le_bytes()]) >> 11;
    bound.mul_f64(random as f64 / (1_u64 << 53) as f64)
}

/// hash(tenant, receiver, group) and the message's own place in the journal:
/// the same for each attempt, never the same for two messages.
pub(crate) fn idempotency_key(tenant: &str, partition: u8, entry: &Entry) -> String {
    let hash = fnv1a(&[
        tenant.as_bytes(),
        entry.receiver.as_bytes(),
        &entry.integration.to_le_bytes(),
        &entry.labels,
    ]);
    format!("{hash:016x}{partition:02x}{:014x}", entry.id)
}

/// Names a group at one of its integrations. Another installation that knows
/// the same tenants and labels has another `instance`, so that two of them
/// can tell the same service.
pub(crate) fn dedup_key(instance: u64, tenant: &str, partition: PartitionId, told: &Told<'_>) -> String {
    let hash = fnv1a(&[
        &instance.to_le_bytes(),
        tenant.as_bytes(),
        told.receiver.as_bytes(),
        &told.integration.to_le_bytes(),
        told.labels,
    ]);
    format!("{hash:016x}{:02x}{:014x}", partition.get(), told.group)
}

/// The partition and the group that a dedup key speaks of, if it is one.
#[must_use]
pub fn group_in_dedup_key(text: &str) -> Option<(PartitionId, u64)> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let partition = u8::from_str_radix(&text[16..18], 16).ok()?;
    Some((PartitionId::new(partition)?, u64::from_str_radix(&text[18..], 16).ok()?))
}

/// A group at one of its integrations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) group: u64,
    pub(crate) receiver: &'a str,
    pub(crate) integration: u16,
    pub(crate) labels: &'a [u8],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_to_its_bound_and_spreads() {
        let policy = RetryPolicy::default();
        for attempt in 1..40 {
            let bound = Duration::from_secs(1).saturating_mul(1 << (attempt - 1).min(20)).min(policy.longest);
            let waits: Vec<_> = (0..1000).map(|entry| backoff(&policy, entry, attempt)).collect();
            assert!(waits.iter().all(|&wait| wait <= bound));
            let mean = waits.iter().sum::<Duration>() / 1000;
            assert!(mean > bound.mul_f64(0.45) && mean < bound.mul_f64(0.55), "{attempt}: {mean:?}");
        }
    }
}
