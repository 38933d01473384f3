//! What a notification is about, on one line.

use crate::group::common;
use crate::text::{as_it_is, push_clipped};
use openclaw_alert::{Acted, Feedback, Labels, Notification, NotificationKind, NotifiedAlert, Past, Status};

const NAME_UNITS_MAX: usize = 120;
const GROUP_UNITS_MAX: usize = 300;
const DEEDS_MAX: usize = 5;

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
    let top = top(notification).map(|alert| alert.score).unwrap_or_default();
    out.push_str(&format!("score {:.2}", top.value()));
    let factors = top.main_factors();
    if !factors.is_empty() {
        out.push_str(&format!(" ({})", factors));
    }
}

/// The alert of the highest score.
pub(crate) fn top(notification: &Notification) -> Option<&NotifiedAlert> {
    notification.alerts.iter().max_by(|a, b| a.score.value().total_cmp(&b.score.value()))
}

/// What became of earlier alerts of a kind: `seen 14× before; people acted on
/// 3 of 5, within 7 min`. `None` for the first of its kind.
pub(crate) fn past(past: &Past) -> Option<String> {
    if past.episodes == 0 {
        return None;
    }
    let mut out = format!("seen {}× before", past.episodes);
    if past.judged > 0 {
        out.push_str(&format!("; people acted on {} of {}", past.needed, past.judged));
    }
    if let Some(minutes) = past.response_minutes.filter(|_| past.needed > 0) {
        out.push_str(&match minutes {
            ..90.0 => format!(", within {:.0} min", minutes.max(1.0)),
            _ => format!(", within {:.0} h", minutes / 60.0),
        });
    }
    Some(out)
}

/// What somebody did, and with how many of the alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deed<'n> {
    /// The last time it was done.
    pub(crate) acted: &'n Acted,
    pub(crate) alerts: usize,
}

/// What people did with the alerts, the latest first; the same by the same
/// person is told once.
pub(crate) fn deeds(notification: &Notification) -> Vec<Deed<'_>> {
    let mut deeds: Vec<Deed<'_>> = Vec::new();
    let mut all: Vec<&Acted> = notification.alerts.iter().filter_map(|alert| alert.acted.as_ref()).collect();
    all.sort_by_key(|acted| std::cmp::Reverse(acted.at));
    for acted in all {
        let is_same = |deed: &Deed<'_>| deed.acted.action == acted.action && deed.acted.by == acted.by;
        match deeds.iter().position(is_same) {
            Some(known) => deeds[known].alerts += 1,
            // A message shows no more.
            None if deeds.len() < DEEDS_MAX => deeds.push(Deed { acted, alerts: 1 }),
            None => {}
        }
    }
    deeds
}

/// As a sentence begins: `Acknowledged`.
pub(crate) fn done(action: Feedback) -> &'static str {
    match action {
        Feedback::Ack => "Acknowledged",
        Feedback::Resolve => "Resolved",
        Feedback::Dismiss => "Dismissed",
        Feedback::Escalate => "Escalated",
    }
}

impl Deed<'_> {
    /// `Acknowledged by ann in Slack (2 of 3 alerts)`, without the time.
    pub(crate) fn push(&self, out: &mut String, alerts: usize, escape: Escape) {
        out.push_str(done(self.acted.action));
        out.push_str(" by ");
        push_clipped(out, &self.acted.by, NAME_UNITS_MAX, escape);
        if self.alerts < alerts {
            out.push_str(&format!(" ({} of {alerts} alerts)", self.alerts));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{NOW, latency, page};
    use std::time::Duration;

    #[test]
    fn the_past_in_words() {
        let of = |episodes, judged, needed, response_minutes| {
            past(&Past { episodes, judged, needed, response_minutes }).unwrap_or_default()
        };
        assert_eq!(of(0, 0, 0, None), "");
        assert_eq!(of(14, 0, 0, None), "seen 14× before");
        assert_eq!(of(14, 5, 3, Some(7.2)), "seen 14× before; people acted on 3 of 5, within 7 min");
        assert_eq!(of(2, 1, 1, Some(0.1)), "seen 2× before; people acted on 1 of 1, within 1 min");
        assert_eq!(of(2, 1, 1, Some(150.0)), "seen 2× before; people acted on 1 of 1, within 2 h");
        assert_eq!(of(2, 1, 0, Some(9.0)), "seen 2× before; people acted on 0 of 1");
    }

    #[test]
    fn the_same_deed_is_told_once() {
        let mut notification = page(["a", "b", "c", "d"].map(latency).into());
        let done = [(Feedback::Ack, "ann", 1), (Feedback::Ack, "ann", 3), (Feedback::Resolve, "bob", 2)];
        for (alert, (action, by, minutes)) in notification.alerts.iter_mut().zip(done) {
            let at = NOW.plus(Duration::from_secs(60 * minutes));
            alert.acted = Some(Acted { action, by: by.into(), at });
        }
        let told: Vec<_> = deeds(&notification)
            .iter()
            .map(|deed| {
                let mut out = String::new();
                deed.push(&mut out, 4, as_it_is);
                out
            })
            .collect();
        assert_eq!(told, ["Acknowledged by ann (2 of 4 alerts)", "Resolved by bob (1 of 4 alerts)"]);
        let by = |index: usize| Acted { action: Feedback::Ack, by: index.to_string().into(), at: NOW };
        let many = (0..9).map(|index| NotifiedAlert { acted: Some(by(index)), ..latency("a") });
        let notification = page(many.collect());
        assert_eq!(deeds(&notification).len(), DEEDS_MAX);
    }
}
