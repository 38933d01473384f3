//! Erasure: all that is known of a tenant goes, from memory and from the
//! records that are kept.
//!
//! In memory a record says it ([`Record::Erased`]), so that recovery comes to
//! the same. In old frames each record of the tenant is overwritten by a blank
//! of the same length ([`Eraser`]): offsets name things, so none may move, and
//! the tenant's number stays taken, since others are counted from it.

use crate::Phase;
use crate::effects::{Ack, Effects};
use crate::partition::Partition;
use crate::record::{Record, records};
use crate::state::{State, Tenant};
use hashbrown::HashMap;
use openclaw_alert::codec::{Corrupt, Reader};
use openclaw_alert::{TenantName, Timestamp};
use smallvec::SmallVec;

impl Partition {
    pub(crate) fn erase(&mut self, tenant: &TenantName, now: Timestamp, out: &mut Effects) {
        self.configured.remove(tenant);
        let Some(number) = self.state.tenant_number(tenant.as_str()) else { return };
        self.emit(&Record::Erased { tenant: number }, now, out);
        out.ack = Ack::WhenDurable;
        self.leaving.remove(&number);
        self.backlog.clear(number.into());
        self.lanes.retain(|(owner, ..), _| *owner != number);
        self.stirred.retain(|(owner, ..)| *owner != number);
        self.maybe_over.retain(|(owner, _)| *owner != number);
        if let Some(policy) = self.policies.get_mut(usize::from(number)) {
            *policy = None;
        }
    }
}

impl State {
    pub(crate) fn erased(&mut self, number: u16) {
        let entries: Vec<u64> = self
            .outbox
            .iter()
            .filter(|(_, entry)| entry.tenant == number)
            .map(|(_, entry)| entry.id)
            .collect();
        for entry in entries {
            self.outbox.remove(entry);
        }
        let groups: Vec<u32> =
            self.groups.iter().filter(|(_, group)| group.tenant == number).map(|(slot, _)| slot).collect();
        for group in groups {
            self.groups.remove(group);
        }
        let alerts: Vec<u32> = self.alerts.of(number).map(|(slot, _)| slot).collect();
        for slot in alerts {
            if let Some(alert) = self.alerts.get_mut(slot) {
                // Whoever held on to it is gone.
                (alert.phase, alert.pins) = (Phase::Resolved, 0);
                alert.groups.clear();
            }
            self.alerts.forget_if_done(slot);
        }
        if let Some(tenant) = self.tenants.get_mut(usize::from(number)) {
            *tenant = Tenant::new(None);
        }
    }

    /// A record of an erased tenant stood here.
    pub(crate) fn blank(&mut self, is_tenant: bool) {
        if is_tenant {
            self.tenants.push(Tenant::new(None));
        }
    }
}

/// Finds an erased tenant's records in the frames of its partition, and
/// overwrites them. First it reads every frame, to learn whose is what; then
/// each can be rewritten.
#[derive(Debug)]
pub struct Eraser {
    tenant: u16,
    name: TenantName,
    /// By id, of episodes, groups and messages: whether it is the tenant's.
    is_mine: HashMap<u64, bool, foldhash::fast::FixedState>,
}

/// Whose a record is, as far as it says so itself.
enum Owner {
    /// The partition's.
    Nobody,
    /// By the number of a tenant.
    Tenant(u16),
    /// By the name of a tenant.
    Named(bool),
    /// Of whose the ids are that it names.
    Ids,
}

/// Ids that one record names; all of one tenant.
type Ids = SmallVec<[u64; 4]>;

impl Eraser {
    /// For a tenant by its number in the partition, and the name that it had.
    #[must_use]
    pub fn new(tenant: u16, name: TenantName) -> Self {
        Self { tenant, name, is_mine: HashMap::default() }
    }

    /// Learns whose the ids in a frame are. Frames come in their order.
    ///
    /// # Errors
    /// [`Corrupt`] for a record that doesn't decode.
    pub fn learn(&mut self, base_offset: u64, payload: &[u8]) -> Result<(), Corrupt> {
        for (offset, record) in (base_offset..).zip(records(payload)) {
            let (owner, ids) = self.owner(offset, &record?);
            let is_mine = match owner {
                Owner::Tenant(number) => Some(number == self.tenant),
                Owner::Ids => ids.iter().find_map(|id| self.is_mine.get(id).copied()),
                Owner::Nobody | Owner::Named(_) => None,
            };
            if let Some(is_mine) = is_mine {
                self.is_mine.extend(ids.into_iter().map(|id| (id, is_mine)));
            }
        }
        Ok(())
    }

    /// The frame's payload with the tenant's records overwritten; `None` where
    /// it has none. As long as it was, and so is each record.
    ///
    /// # Errors
    /// [`Corrupt`] for a record that doesn't decode.
    pub fn rewrite(&self, base_offset: u64, payload: &[u8]) -> Result<Option<Vec<u8>>, Corrupt> {
        let mut rewritten = Vec::with_capacity(payload.len());
        let (mut reader, mut is_changed) = (Reader::new(payload), false);
        for offset in base_offset.. {
            let before = reader.rest();
            if before.is_empty() {
                break;
            }
            let record = Record::read(&mut reader)?;
            let bytes = before.len() - reader.rest().len();
            if self.is_to_go(offset, &record) {
                let is_tenant = matches!(record, Record::Tenant { .. });
                Record::Blank { is_tenant, bytes }.write(&mut rewritten);
                is_changed = true;
            } else {
                rewritten.extend_from_slice(&before[..bytes]);
            }
        }
        Ok(is_changed.then_some(rewritten))
    }

    /// What can't be told to be another's goes too: its beginning has left the
    /// log. It may be a neighbour's that still goes on: no record may be
    /// rewritten that a recovery has yet to replay.
    fn is_to_go(&self, offset: u64, record: &Record<'_>) -> bool {
        match self.owner(offset, record) {
            (Owner::Nobody, _) => false,
            (Owner::Tenant(number), _) => number == self.tenant,
            (Owner::Named(is_mine), _) => is_mine,
            (Owner::Ids, ids) => {
                let mut known = ids.iter().filter_map(|id| self.is_mine.get(id));
                known.next().copied().unwrap_or(true)
            }
        }
    }

    /// Whose a record is, and the ids in it. No `_`: whoever adds a record says
    /// here whose it is.
    fn owner(&self, offset: u64, record: &Record<'_>) -> (Owner, Ids) {
        let mut ids = Ids::new();
        let owner = match *record {
            Record::Started { .. } | Record::Erased { .. } | Record::Blank { .. } => Owner::Nobody,
            Record::Tenant { name } => Owner::Named(name == self.name.as_str()),
            Record::Source { tenant, .. }
            | Record::Refused { tenant, .. }
            | Record::Seen { tenant, .. }
            | Record::SilenceSet { tenant, .. }
            | Record::SilenceExpired { tenant, .. }
            | Record::Placed { tenant, .. }
            | Record::Passthrough { tenant, .. } => Owner::Tenant(tenant),
            Record::Opened { tenant, group, .. } => {
                ids.extend([offset, group]);
                Owner::Tenant(tenant)
            }
            Record::Deferred { tenant, .. } | Record::GroupOpened { tenant, .. } => {
                ids.push(offset);
                Owner::Tenant(tenant)
            }
            Record::Feedback { episode, ref rated, .. } => {
                ids.push(episode);
                Owner::Tenant(rated.tenant)
            }
            Record::Renewed { episode: id, .. }
            | Record::Changed { episode: id, .. }
            | Record::Resolved { episode: id, .. }
            | Record::Rearmed { episode: id }
            | Record::GroupClosed { group: id }
            | Record::Receipt { entry: id, .. }
            | Record::Delivered { entry: id, .. }
            | Record::Retrying { entry: id, .. }
            | Record::DeadLettered { entry: id, .. }
            | Record::Revived { entry: id }
            | Record::Withdrawn { entry: id }
            | Record::Shadowed { entry: id } => {
                ids.push(id);
                Owner::Ids
            }
            Record::Admitted { episode, group, .. } | Record::Joined { episode, group } => {
                ids.extend([episode, group]);
                Owner::Ids
            }
            Record::Superseded { entry, by } => {
                ids.extend([entry, by]);
                Owner::Ids
            }
            Record::Flushed { group, left: ref alerts, .. }
            | Record::Departed { group, ref alerts }
            | Record::Held { group, ref alerts, .. } => {
                ids.push(group);
                ids.extend(alerts.iter().copied());
                Owner::Ids
            }
            Record::Notify { group, ref alerts, .. } => {
                ids.extend([offset, group]);
                ids.extend(alerts.iter().map(|(episode, _)| *episode));
                Owner::Ids
            }
        };
        // A partition's first record is a tenant's: 0 stands for no group.
        ids.retain(|id| *id != 0);
        (owner, ids)
    }
}
