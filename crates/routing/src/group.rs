//! The group an alert joins.

use crate::{GroupBy, Route};
use openclaw_alert::codec::Put;
use openclaw_alert::{Labels, Timestamp};

/// Appends the labels that define the group, encoded: the identity of a group
/// within its route.
pub fn group_labels(group_by: &GroupBy, labels: Labels<'_>, out: &mut Vec<u8>) {
    match group_by {
        GroupBy::All => out.extend_from_slice(labels.as_bytes()),
        GroupBy::Labels(names) => {
            for (name, value) in labels.iter().filter(|(name, _)| names.iter().any(|by| by == name)) {
                out.put_str(name);
                out.put_str(value);
            }
        }
    }
}

/// Alertmanager's group key of the root route: `{}:{alertname="A"}`.
#[must_use]
pub fn group_key(labels: Labels<'_>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{}}:{{{}}}", pairs.join(", "))
}

/// When a group that `starts_at` opens is first told: after `group_wait`,
/// but at once for an alert that has been firing for longer than that.
#[must_use]
pub fn first_flush_at(route: &Route, starts_at: Timestamp, now: Timestamp) -> Timestamp {
    if starts_at.plus(route.group_wait) < now { now } else { now.plus(route.group_wait) }
}
