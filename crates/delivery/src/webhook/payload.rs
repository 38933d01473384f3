//! Alertmanager's version 4 body and the key `openclaw` beside it.
//!
//! Two things differ from Alertmanager's, both where `max_alerts` cuts: status
//! and common labels speak of all alerts, so that a message never says
//! `resolved` while an alert that it left out still fires.

use crate::group::{View, common, ordered};
use openclaw_alert::json::{write_json_labels, write_json_string};
use openclaw_alert::{FACTORS, Labels, Notification, NotificationKind, Score, Status, Zoned};
use std::io::Write;

/// Go's zero time, the end of what has none.
const NO_END: &str = "0001-01-01T00:00:00Z";
/// Labels and annotations aside; a guess that saves growing.
const BYTES_PER_ALERT: usize = 700;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// The body, as it is signed and sent: also what templates are tried on
/// elsewhere, since it names all that a template sees.
#[must_use]
pub fn body(notification: &Notification, max_alerts: u32, external_url: &str) -> Vec<u8> {
    let views = ordered(notification);
    let shown = shown(&views, max_alerts);
    let mut out = Vec::with_capacity(1024 + BYTES_PER_ALERT * shown.len());
    write_group(&mut out, notification, shown);
    write_sums(&mut out, notification, &views, external_url);
    key(&mut out, ",\"truncatedAlerts\":");
    number(&mut out, views.len() - shown.len());
    key(&mut out, ",\"openclaw\":");
    write_rating(&mut out, notification, shown);
    out.push(b'}');
    out
}

fn shown<'v, 'n>(views: &'v [View<'n>], max_alerts: u32) -> &'v [View<'n>] {
    let max = max_alerts as usize;
    if max == 0 { views } else { &views[..views.len().min(max)] }
}

fn write_group(out: &mut Vec<u8>, notification: &Notification, shown: &[View<'_>]) {
    text(out, "{\"receiver\":", &notification.receiver);
    text(out, ",\"status\":", notification.status().name());
    key(out, ",\"alerts\":");
    list(out, shown, write_alert);
    text(out, ",\"notification_reason\":", notification.reason.text());
}

fn write_alert(out: &mut Vec<u8>, view: &View<'_>) {
    let View { alert, content, .. } = view;
    text(out, "{\"status\":", alert.status.name());
    labels(out, ",\"labels\":", content.labels);
    labels(out, ",\"annotations\":", content.annotations);
    key(out, ",\"startsAt\":\"");
    write_time(out, alert.starts_at);
    key(out, "\",\"endsAt\":\"");
    match alert.status {
        Status::Firing => key(out, NO_END),
        Status::Resolved => write_time(out, alert.ends_at),
    }
    text(out, "\",\"generatorURL\":", content.generator_url);
    key(out, ",\"fingerprint\":\"");
    write_hex(out, content.labels.fingerprint());
    key(out, "\"}");
}

fn write_sums(out: &mut Vec<u8>, notification: &Notification, views: &[View<'_>], external_url: &str) {
    let common_labels = common(views.iter().map(|view| view.content.labels));
    let common_annotations = common(views.iter().map(|view| view.content.annotations));
    labels(out, ",\"groupLabels\":", Labels::from_encoded(&notification.group_labels));
    labels(out, ",\"commonLabels\":", Labels::from_encoded(&common_labels));
    labels(out, ",\"commonAnnotations\":", Labels::from_encoded(&common_annotations));
    text(out, ",\"externalURL\":", external_url);
    text(out, ",\"version\":", "4");
    text(out, ",\"groupKey\":", &notification.group_key);
}

fn write_rating(out: &mut Vec<u8>, notification: &Notification, shown: &[View<'_>]) {
    let kind = match notification.kind {
        NotificationKind::Page => "page",
        NotificationKind::Digest => "digest",
    };
    text(out, "{\"tenant\":", notification.tenant.as_str());
    text(out, ",\"kind\":", kind);
    key(out, ",\"score\":");
    write_float(out, notification.top_score());
    text(out, ",\"idempotency_key\":", &notification.idempotency_key);
    if let Some(person) = &notification.on_call {
        text(out, ",\"on_call\":", person);
    }
    key(out, ",\"attempt\":");
    number(out, notification.attempt as usize);
    key(out, ",\"alerts\":");
    list(out, shown, write_rated);
    out.push(b'}');
}

fn write_rated(out: &mut Vec<u8>, view: &View<'_>) {
    key(out, "{\"id\":\"");
    // Writing to memory can't fail.
    write!(out, "{}", view.alert.id).unwrap_or_default();
    key(out, "\",\"score\":");
    write_float(out, view.alert.score.value());
    key(out, ",\"factors\":");
    write_factors(out, &view.alert.score);
    out.push(b'}');
}

fn write_factors(out: &mut Vec<u8>, score: &Score) {
    out.push(b'{');
    for (index, (name, share)) in FACTORS.iter().zip(score.contributions).enumerate() {
        key(out, if index == 0 { "\"" } else { ",\"" });
        key(out, name);
        key(out, "\":");
        write_float(out, share);
    }
    out.push(b'}');
}

fn list<T>(out: &mut Vec<u8>, items: &[T], write: fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

fn key(out: &mut Vec<u8>, written: &str) {
    out.extend_from_slice(written.as_bytes());
}

fn text(out: &mut Vec<u8>, written: &str, value: &str) {
    key(out, written);
    write_json_string(out, value);
}

fn labels(out: &mut Vec<u8>, written: &str, value: Labels<'_>) {
    key(out, written);
    write_json_labels(out, value);
}

fn number(out: &mut Vec<u8>, value: usize) {
    key(out, itoa::Buffer::new().format(value));
}

/// The shortest text that reads back as the same number; `null` for none.
fn write_float(out: &mut Vec<u8>, value: f32) {
    serde_json::to_writer(out, &value).unwrap_or_default();
}

/// To the nanosecond, without zeros at the end, as Go writes it.
fn write_time(out: &mut Vec<u8>, time: Zoned) {
    let mut fraction = time.at.nanos().rem_euclid(NANOS_PER_SECOND);
    let mut digits = if fraction == 0 { 0 } else { 9 };
    while fraction != 0 && fraction % 10 == 0 {
        fraction /= 10;
        digits -= 1;
    }
    time.write_rfc3339(out, digits);
}

fn write_hex(out: &mut Vec<u8>, value: u64) {
    for shift in (0..16).rev() {
        let nibble = (value >> (4 * shift) & 15) as usize;
        out.push(b"0123456789abcdef"[nibble]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{alert, page, resolved};
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn map(labels: Labels<'_>) -> Value {
        Value::Object(labels.iter().map(|(n, v)| (n.to_owned(), json!(v))).collect::<Map<_, _>>())
    }

    fn time(text: &Value) -> Zoned {
        Zoned::parse(text.as_str().unwrap()).unwrap()
    }

    /// Each alert of the body is one of the notification, with nothing lost.
    fn check_alert(written: &Value, rated: &Value, notification: &Notification) {
        let id = rated["id"].as_str().unwrap().parse().unwrap();
        let alert = notification.alerts.iter().find(|alert| alert.id == id).unwrap();
        let content = alert.view();
        assert_eq!(written["labels"], map(content.labels));
        assert_eq!(written["annotations"], map(content.annotations));
        assert_eq!(written["status"], alert.status.name());
        assert_eq!(written["generatorURL"], content.generator_url);
        assert_eq!(written["fingerprint"], format!("{:016x}", content.labels.fingerprint()));
        assert_eq!(time(&written["startsAt"]), alert.starts_at);
        match alert.status {
            Status::Firing => assert_eq!(written["endsAt"], NO_END),
            Status::Resolved => assert_eq!(time(&written["endsAt"]), alert.ends_at),
        }
        for (name, share) in FACTORS.iter().zip(alert.score.contributions) {
            assert_eq!(rated["factors"][name].as_f64().unwrap() as f32, share, "{name}");
        }
        assert_eq!(rated["score"].as_f64().unwrap() as f32, alert.score.value());
    }

    prop_compose! {
        fn notification()(
            texts in prop::collection::vec((any::<String>(), any::<String>(), any::<bool>()), 1..6),
            shares: [f32; 7],
            nanos in 0_i64..4_000_000_000_000_000_000,
            zeros in 0_u32..10,
        ) -> Notification {
            let mut notification = page(texts.iter().map(|(name, value, ended)| {
                let alert = alert(&[(name, value), ("n", "1")], &[(value, name)]);
                if *ended { resolved(alert) } else { alert }
            }).collect());
            for (index, alert) in notification.alerts.iter_mut().enumerate() {
                alert.id.offset = index as u64;
                alert.score.contributions = shares.map(|share| if share.is_finite() { share.clamp(-50.0, 50.0) } else { 0.0 });
                let unit = 10_i64.pow(zeros);
                alert.starts_at = Zoned::utc(openclaw_alert::Timestamp::from_nanos(nanos / unit * unit));
            }
            notification
        }
    }

    proptest! {
        #[test]
        fn reads_back_whole(notification in notification(), max_alerts in 0_u32..7) {
            let value: Value = serde_json::from_slice(&body(&notification, max_alerts, "http://x")).unwrap();
            let written = value["alerts"].as_array().unwrap();
            let rated = value["openclaw"]["alerts"].as_array().unwrap();
            let want = if max_alerts == 0 { usize::MAX } else { max_alerts as usize };
            prop_assert_eq!(written.len(), notification.alerts.len().min(want));
            prop_assert_eq!(rated.len(), written.len());
            let truncated = value["truncatedAlerts"].as_u64().unwrap() as usize;
            prop_assert_eq!(written.len() + truncated, notification.alerts.len());
            prop_assert_eq!(&value["status"], notification.status().name());
            for (written, rated) in written.iter().zip(rated) {
                check_alert(written, rated, &notification);
            }
        }
    }
}
