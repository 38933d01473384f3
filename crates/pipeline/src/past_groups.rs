//! Groups that have left memory, found again in the journal: people also judge
//! alerts by messages that are old.

use crate::outbox::{Told, dedup_key};
use crate::record::{Record, records};
use openclaw_alert::TenantName;

/// A group as its first record tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastGroup {
    /// Its tenant's number.
    pub tenant: u16,
    group: u64,
    receiver: String,
    labels: Vec<u8>,
}

impl PastGroup {
    /// Finds the record that opened `group` in the frame that holds it, which
    /// is found under [`crate::trail::group_key`].
    #[must_use]
    pub fn find(base_offset: u64, payload: &[u8], group: u64) -> Option<Self> {
        let (_, record) = (base_offset..).zip(records(payload)).find(|(offset, _)| *offset == group)?;
        match record.ok()? {
            Record::GroupOpened { tenant, receiver, labels, .. } => {
                Some(Self { tenant, group, receiver: receiver.to_owned(), labels: labels.to_vec() })
            }
            _ => None,
        }
    }

    /// Whether this is its name at one of its integrations, in an installation
    /// of this number.
    #[must_use]
    pub fn has_dedup_key(&self, instance: u64, tenant: &TenantName, key: &str) -> bool {
        (0..openclaw_routing::NUMBERS).any(|integration| {
            let (group, receiver, labels) = (self.group, &*self.receiver, &*self.labels);
            let told = Told { group, receiver, integration, labels };
            dedup_key(instance, tenant.as_str(), tenant.partition(), &told) == key
        })
    }

    /// The episodes that messages about it told of, as far as this frame says.
    pub fn told(payload: &[u8], group: u64, episodes: &mut Vec<u64>) {
        for record in records(payload) {
            let Ok(Record::Notify { group: of, alerts, .. }) = record else { continue };
            if of == group {
                episodes.extend(alerts.iter().map(|(episode, _)| *episode));
            }
        }
    }
}
