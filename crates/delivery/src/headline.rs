//! What a notification is about, on one line.

use crate::group::common;
use crate::text::{as_it_is, push_clipped};
use openclaw_alert::{Labels, Notification, NotificationKind, Status};

const NAME_UNITS_MAX: usize = 120;
const GROUP_UNITS_MAX: usize = 300;

type Escape = fn(char) -> Option<&'static str>;

/// One line for consoles and logs:
/// `[FIRING:2] HighLatency (cluster=eu) to ops: score 0.93 (severity +2.10, novelty +0.80), new alerts added`.
#[must_use]
pub fn summary(notification: &Notification) -> String {
    let mut out = state(notification);
    out.push(' ');
    push_subject(&mut out, notification, as_it_is);
    out.push_str(" to ");
    push_clipped(&mut out, &notification.receiver, NAME_UNITS_MAX, as_it_is);
    out.push_str(": ");
    push_score(&mut out, notification);
    out.push_str(", ");
    out.push_str(notification.reason.text());
    out
}

/// How many alerts are in which state: `[FIRING:2, RESOLVED:1]`.
pub(crate) fn state(notification: &Notification) -> String {
    let firing = notification.alerts.iter().filter(|alert| alert.status == Status::Firing).count();
    let resolved = notification.alerts.len() - firing;
    let state = match (firing, resolved) {
        (_, 0) => format!("FIRING:{firing}"),
        (0, _) => format!("RESOLVED:{resolved}"),
        _ => format!("FIRING:{firing}, RESOLVED:{resolved}"),
    };
    match notification.kind {
        NotificationKind::Page => format!("[{state}]"),
        NotificationKind::Digest => format!("[DIGEST, {state}]"),
    }
}

/// The name all alerts share, or their number; then what the group is by.
pub(crate) fn push_subject(out: &mut String, notification: &Notification, escape: Escape) {
    let shared = common(notification.alerts.iter().map(|alert| alert.view().labels));
    match Labels::from_encoded(&shared).get("alertname") {
        "" => out.push_str(&counted(notification.alerts.len())),
        name => push_clipped(out, name, NAME_UNITS_MAX, escape),
    }
    let group = Labels::from_encoded(&notification.group_labels);
    let pairs: Vec<_> = group
        .iter()
        .filter(|(name, _)| *name != "alertname")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if !pairs.is_empty() {
        out.push_str(" (");
        push_clipped(out, &pairs.join(", "), GROUP_UNITS_MAX, escape);
        out.push(')');
    }
}

fn counted(alerts: usize) -> String {
    if alerts == 1 { "1 alert".to_owned() } else { format!("{alerts} alerts") }
}

/// The top score and what it mainly comes from: `score 0.93 (severity +2.10, novelty +0.80)`.
pub(crate) fn push_score(out: &mut String, notification: &Notification) {
    let scores = notification.alerts.iter().map(|alert| alert.score);
    let top = scores.max_by(|a, b| a.value().total_cmp(&b.value())).unwrap_or_default();
    out.push_str(&format!("score {:.2}", top.value()));
    let factors = top.main_factors();
    if !factors.is_empty() {
        out.push_str(&format!(" ({})", factors));
    }
}
