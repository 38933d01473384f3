//! An alert as `GET /api/v2/alerts` shows it.

use openclaw_alert::json::{write_json_labels, write_json_string};
use openclaw_alert::{Content, Timestamp, Zoned};
use std::sync::Arc;

/// What the answer says about one alert.
#[derive(Debug, Clone, Copy)]
pub struct GettableAlert<'a> {
    /// Labels, annotations, generator URL.
    pub content: Content<'a>,
    /// Start of the condition.
    pub starts_at: Zoned,
    /// End of the condition, or when it will be taken to have ended.
    pub ends_at: Zoned,
    /// When it was last posted.
    pub updated_at: Timestamp,
    /// Receivers that its routes lead to.
    pub receivers: &'a [&'a str],
    /// Where it stands.
    pub status: GettableStatus<'a>,
}

/// What the answer says about where an alert stands.
#[derive(Debug, Clone, Copy)]
pub struct GettableStatus<'a> {
    /// `unprocessed`, `active` or `suppressed`.
    pub state: &'a str,
    /// Ids of the silences that hold it.
    pub silenced_by: &'a [String],
    /// Fingerprints of the alerts that hold it.
    pub inhibited_by: &'a [u64],
    /// Names of the intervals that mute it.
    pub muted_by: &'a [Arc<str>],
}

/// Digits of a second's fraction in Alertmanager's answers.
const FRACTION_DIGITS: usize = 3;

/// Appends the JSON object of one alert, fields in Alertmanager's order.
pub fn write_gettable(out: &mut Vec<u8>, alert: &GettableAlert<'_>) {
    let content = &alert.content;
    out.extend_from_slice(b"{\"annotations\":");
    write_json_labels(out, content.annotations);
    write_time(out, b",\"endsAt\":\"", alert.ends_at);
    out.extend_from_slice(b",\"fingerprint\":\"");
    write_hex(out, content.labels.fingerprint());
    out.extend_from_slice(b"\",\"receivers\":");
    write_array(out, alert.receivers, write_receiver);
    write_time(out, b",\"startsAt\":\"", alert.starts_at);
    out.extend_from_slice(b",\"status\":");
    write_status(out, &alert.status);
    write_time(out, b",\"updatedAt\":\"", Zoned::utc(alert.updated_at));
    if !content.generator_url.is_empty() {
        out.extend_from_slice(b",\"generatorURL\":");
        write_json_string(out, content.generator_url);
    }
    out.extend_from_slice(b",\"labels\":");
    write_json_labels(out, content.labels);
    out.push(b'}');
}

pub(super) fn write_time(out: &mut Vec<u8>, before: &[u8], time: Zoned) {
    out.extend_from_slice(before);
    time.write_rfc3339(out, FRACTION_DIGITS);
    out.push(b'"');
}

fn write_hex(out: &mut Vec<u8>, number: u64) {
    for shift in (0..64).step_by(4).rev() {
        out.push(b"0123456789abcdef"[(number >> shift & 15) as usize]);
    }
}

/// Appends `{"name":…}`, a receiver as the answers name it.
pub fn write_receiver(out: &mut Vec<u8>, name: &&str) {
    out.extend_from_slice(b"{\"name\":");
    write_json_string(out, name);
    out.push(b'}');
}

fn write_status(out: &mut Vec<u8>, status: &GettableStatus<'_>) {
    out.extend_from_slice(b"{\"inhibitedBy\":");
    write_array(out, status.inhibited_by, |out, fingerprint| {
        out.push(b'"');
        write_hex(out, *fingerprint);
        out.push(b'"');
    });
    out.extend_from_slice(b",\"mutedBy\":");
    write_array(out, status.muted_by, |out, name| write_json_string(out, name));
    out.extend_from_slice(b",\"silencedBy\":");
    write_array(out, status.silenced_by, |out, id| write_json_string(out, id));
    out.extend_from_slice(b",\"state\":");
    write_json_string(out, status.state);
    out.push(b'}');
}

fn write_array<T>(out: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}
