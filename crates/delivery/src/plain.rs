//! A group in plain text, for tools that show no markup: what it is about,
//! why it matters, who did what, then the alerts, most urgent first.

use crate::group::{View, open_first};
use crate::headline::{Deed, deeds, past, push_score, push_subject, state, top};
use crate::situation::is_over;
use crate::text::{as_it_is, push_clipped, push_clipped_lines, units};
use openclaw_alert::{Labels, Notification, Status, Timestamp, Zoned};

const LINE_UNITS_MAX: usize = 600;
const NAME_UNITS_MAX: usize = 120;
const LABELS_UNITS_MAX: usize = 200;
const SUMMARY_UNITS_MAX: usize = 240;
const ALERTS_MAX: usize = 20;
/// Kept free for the line that counts what is left out.
const LEFT_OUT_UNITS: usize = 60;

/// On one line: state, subject, score with its two main reasons.
pub(crate) fn headline(notification: &Notification, units_max: usize) -> String {
    let mut out = state(notification);
    out.push(' ');
    push_subject(&mut out, notification, as_it_is);
    out.push_str(" · ");
    push_score(&mut out, notification);
    one_line(&out, units_max)
}

/// On one line, at most `units_max` UTF-16 units.
pub(crate) fn one_line(text: &str, units_max: usize) -> String {
    let mut out = String::new();
    push_clipped(&mut out, text, units_max, as_it_is);
    out
}

/// With its line breaks, at most `units_max` UTF-16 units.
pub(crate) fn lines(text: &str, units_max: usize) -> String {
    let mut out = String::new();
    push_clipped_lines(&mut out, text, units_max);
    out
}

/// The whole group; `note` says what went wrong with the owner's own words.
pub(crate) fn description(
    notification: &Notification,
    external_url: &str,
    note: Option<&str>,
    units_max: usize,
) -> String {
    let mut head = vec![headline(notification, LINE_UNITS_MAX)];
    head.extend(on_call(notification));
    head.extend(
        top(notification).and_then(|alert| past(&alert.past)).map(|past| format!("Its kind: {past}")),
    );
    head.push(format!("Told by OpenClaw Rating for {}: {}", notification.tenant, notification.reason.text()));
    if !external_url.is_empty() {
        head.push(one_line(&format!("{external_url}/console"), LINE_UNITS_MAX));
    }
    head.extend(note.map(|note| one_line(note, LINE_UNITS_MAX)));
    head.extend(told_deeds(&deeds(notification), notification.alerts.len()));
    with_alerts(&head, notification, units_max)
}

/// `head`, then as many alerts as there is room for.
pub(crate) fn with_alerts(head: &[String], notification: &Notification, units_max: usize) -> String {
    let mut out = lines(&head.join("\n"), units_max);
    let group = Labels::from_encoded(&notification.group_labels);
    let views = open_first(notification);
    let mut shown = 0;
    let mut units_left = units_max.saturating_sub(units(&out) + LEFT_OUT_UNITS);
    for view in views.iter().take(ALERTS_MAX) {
        let line = format!("\n{}", alert_line(view, group));
        let Some(rest) = units_left.checked_sub(units(&line)) else { break };
        units_left = rest;
        out.push_str(&line);
        shown += 1;
    }
    let left_out = format!("\n{} more not shown", views.len() - shown);
    if shown < views.len() && units(&out) + units(&left_out) <= units_max {
        out.push_str(&left_out);
    }
    out
}

fn on_call(notification: &Notification) -> Option<String> {
    let person = notification.on_call.as_deref()?;
    Some(format!("On call: {}", one_line(person, NAME_UNITS_MAX)))
}

/// A line each, with the time.
pub(crate) fn told_deeds(deeds: &[Deed<'_>], alerts: usize) -> Vec<String> {
    let line = |deed: &Deed<'_>| {
        let mut out = String::new();
        deed.push(&mut out, alerts, as_it_is);
        out.push_str(&format!(", {}", minute(deed.acted.at)));
        out
    };
    deeds.iter().map(line).collect()
}

/// `2026-11-22 12:00 UTC`.
fn minute(at: Timestamp) -> String {
    let text = second(at);
    format!("{} UTC", &text[..text.len().min(16)])
}

/// `2026-11-22 12:00:00`, in UTC.
pub(crate) fn second(at: Timestamp) -> String {
    let mut out = Vec::new();
    Zoned::utc(at).write_rfc3339(&mut out, 0);
    String::from_utf8_lossy(&out).replace('T', " ").trim_end_matches('Z').to_owned()
}

fn alert_line(view: &View<'_>, group: Labels<'_>) -> String {
    let (state, since) = match (view.alert.status, &view.alert.acted) {
        (Status::Resolved, _) => ("Resolved", view.alert.ends_at),
        (Status::Firing, Some(acted)) if is_over(view.alert) => (
            if acted.action.was_needed() { "Resolved by a person" } else { "Dismissed" },
            Zoned::utc(acted.at),
        ),
        (Status::Firing, _) => ("Firing", view.alert.starts_at),
    };
    let mut out = format!("- {state} since {}: ", minute(since.at));
    push_clipped(&mut out, view.name(), NAME_UNITS_MAX, as_it_is);
    push_labels(&mut out, view, group);
    out.push_str(&format!(", score {:.2}", view.alert.score.value()));
    if let Some(told) = view.told() {
        out.push_str(": ");
        push_clipped(&mut out, told, SUMMARY_UNITS_MAX, as_it_is);
    }
    out
}

/// Those that the headline doesn't say already.
fn push_labels(out: &mut String, view: &View<'_>, group: Labels<'_>) {
    let own: Vec<_> =
        view.own_labels(group).take(16).map(|(name, value)| format!("{name}={value}")).collect();
    if !own.is_empty() {
        out.push_str(" (");
        push_clipped(out, &own.join(", "), LABELS_UNITS_MAX, as_it_is);
        out.push(')');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{NOW, acted_at, alert, latency, page, resolved};
    use openclaw_alert::{Feedback, Past};
    use proptest::prelude::*;

    #[test]
    fn says_what_matters_first() {
        let mut group = page(vec![
            resolved(latency("over")),
            acted_at(latency("taken"), Feedback::Ack, "ann in Slack", NOW),
            acted_at(latency("noise"), Feedback::Dismiss, "bob in ServiceNow", NOW),
            acted_at(latency("noise-2"), Feedback::Dismiss, "bob in ServiceNow", NOW),
        ]);
        group.on_call = Some("Ada".into());
        for alert in &mut group.alerts {
            alert.past = Past { episodes: 14, judged: 5, needed: 3, response_minutes: Some(7.2) };
        }
        let text = description(&group, "https://openclaw.example", Some("the template failed"), 4000);
        insta::assert_snapshot!("plain_description", text);
    }

    proptest! {
        #[test]
        fn keeps_its_bound(
            texts in prop::collection::vec((any::<String>(), any::<String>()), 0..40),
            longer in 0_usize..3000,
            units_max in 100_usize..5000,
        ) {
            let long = "é😀".repeat(longer);
            let alerts = texts.iter().map(|(a, b)| alert(&[("alertname", a), (b, &long)], &[("summary", &long)]));
            let group = page(alerts.collect());
            let text = description(&group, "https://openclaw.example", Some(&long), units_max);
            prop_assert!(units(&text) <= units_max, "{} of {units_max}", units(&text));
        }
    }
}
