//! The checks, by section of the checklist.

pub(crate) mod alerts;
pub(crate) mod amtool_alerts;
pub(crate) mod amtool_config;
pub(crate) mod amtool_silences;
pub(crate) mod api;
pub(crate) mod api_errors;
pub(crate) mod inhibition;
pub(crate) mod listing;
pub(crate) mod matchers;
pub(crate) mod merging;
pub(crate) mod ours;
pub(crate) mod routing;
pub(crate) mod silences;
pub(crate) mod telling;
pub(crate) mod time_intervals;
pub(crate) mod timers;
pub(crate) mod webhook;

use crate::suite::Outcome;
use crate::target::Target;
use serde_json::{Value, json};
use std::time::Duration;

/// An hour from now, as a text.
fn hours(hours: u64) -> String {
    later(Duration::from_secs(hours * 3600))
}

fn later(time: Duration) -> String {
    crate::support::alerts::rfc3339(crate::support::now() + time)
}

fn earlier(time: Duration) -> String {
    crate::support::alerts::rfc3339(crate::support::now() - time)
}

/// A silence that begins now and lasts for an hour, to be posted.
fn silence(matchers: &[(&str, &str, &str)]) -> Value {
    let matcher = |(name, operator, value): &(&str, &str, &str)| {
        json!({
            "name": name, "value": value,
            "isRegex": operator.ends_with('~'), "isEqual": operator.starts_with('='),
        })
    };
    json!({
        "matchers": matchers.iter().map(matcher).collect::<Vec<_>>(),
        "startsAt": later(Duration::ZERO), "endsAt": hours(1), "createdBy": "ann", "comment": "at work",
    })
}

/// Posts a silence, which must be taken; gives its id.
fn post_silence(target: &Target, silence: &Value) -> Result<String, String> {
    let answer = target.post("/api/v2/silences", &silence.to_string())?;
    let text = answer.text();
    crate::expect::ensure!(answer.status == 200, "POST silences: {} {text}", answer.status);
    crate::expect::text(&serde_json::from_str(&text).unwrap_or_default(), "/silenceID")
}

/// Silences the alerts of a name for an hour.
fn silence_named(target: &Target, name: &str) -> Result<String, String> {
    post_silence(target, &silence(&[("alertname", "=", name)]))
}

fn expire_silence(target: &Target, id: &str) -> Outcome {
    let answer = target.ask("DELETE", &format!("/api/v2/silence/{id}"))?;
    crate::expect::same("DELETE silence", answer.status, 200)
}
