//! What the page shows of limits on tenants' own clients, and of the models
//! that set them.

use super::SHOWN;
use crate::limits::Limits;
use openclaw_alert::{TenantName, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Decisions under one policy, since the start.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct PolicyRow {
    tenant: String,
    policy: String,
    allowed: u64,
    refused: u64,
    would_refuse: u64,
    /// Of a hundred that were asked for.
    refused_percent: String,
}

/// A model and how far it has come.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct ModelRow {
    version: String,
    stage: String,
    age: String,
}

/// The policies of these tenants that anything was asked of, those that refuse
/// the most first.
pub(super) fn policies(limits: &Limits, is_seen: impl Fn(&TenantName) -> bool) -> Vec<PolicyRow> {
    let mut counts = BTreeMap::<(String, String), [u64; 3]>::new();
    limits.counted(|tenant, policy, result, count| {
        if count > 0 && is_seen(tenant) {
            let of_policy = counts.entry((tenant.to_string(), policy.to_owned())).or_default();
            of_policy[place(result)] += count;
        }
    });
    let mut rows: Vec<_> = counts.into_iter().map(policy_row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.refused));
    rows.truncate(SHOWN);
    rows
}

fn place(result: &str) -> usize {
    match result {
        "allow" => 0,
        "deny" => 1,
        _ => 2,
    }
}

fn policy_row(((tenant, policy), counts): ((String, String), [u64; 3])) -> PolicyRow {
    let [allowed, refused, would_refuse] = counts;
    let percent = 100.0 * refused as f64 / counts.iter().sum::<u64>().max(1) as f64;
    PolicyRow { tenant, policy, allowed, refused, would_refuse, refused_percent: format!("{percent:.1}") }
}

/// What sets learned limits, what is on its way, and what did before.
pub(super) fn models(limits: &Limits, now: Timestamp) -> Vec<ModelRow> {
    let (told, _) = limits.models_told();
    let row = |version: &str, stage: &str, age: String| ModelRow {
        version: version.to_owned(),
        stage: stage.to_owned(),
        age,
    };
    let stage = if told.is_fallback { "serving, in place of one that can't be loaded" } else { "serving" };
    let age = told.created_at.map_or_else(String::new, |at| in_words(now.since(at)));
    let serving = std::iter::once(row(limits.predictor(), stage, age));
    let candidate = told.candidate.iter().map(|(version, stage)| row(version, stage, String::new()));
    let previous = told.previous.iter().map(|version| row(version, "before", String::new()));
    serving.chain(candidate).chain(previous).collect()
}

fn in_words(age: Duration) -> String {
    let hours = age.as_secs() / 3600;
    if hours < 48 { format!("{hours} h") } else { format!("{} days", hours / 24) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let said = [0, 47 * 3600 + 3599, 48 * 3600, 9 * 86_400].map(|s| in_words(Duration::from_secs(s)));
        assert_eq!(said, ["0 h", "47 h", "2 days", "9 days"]);
    }

    #[test]
    fn a_share_of_nothing_is_none() {
        let row = |counts| policy_row((("a".to_owned(), "p".to_owned()), counts)).refused_percent;
        assert_eq!([row([0, 0, 0]), row([999, 1, 0]), row([0, 3, 0])], ["0.0", "0.1", "100.0"]);
    }
}
