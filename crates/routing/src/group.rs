//! The group an alert joins.

use crate::GroupBy;
use openclaw_alert::Labels;
use openclaw_alert::codec::Put;

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

/// Alertmanager's group key: the route's key and the group's labels,
/// `{}/{team="db"}:{alertname="A"}`.
#[must_use]
pub fn group_key(route_key: &str, labels: Labels<'_>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{route_key}:{{{}}}", pairs.join(", "))
}
