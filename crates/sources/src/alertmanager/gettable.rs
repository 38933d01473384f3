//! An alert as `GET /api/v2/alerts` shows it.

use openclaw_alert::json::{write_json_labels, write_json_string};
use openclaw_alert::{Content, Timestamp, Zoned};

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
    /// `unprocessed`, `active` or `suppressed`.
    pub state: &'a str,
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
    out.extend_from_slice(b"\",\"receivers\":[");
    write_receivers(out, alert.receivers);
    write_time(out, b"],\"startsAt\":\"", alert.starts_at);
    out.extend_from_slice(b",\"status\":{\"inhibitedBy\":[],\"mutedBy\":[],\"silencedBy\":[],\"state\":");
    write_json_string(out, alert.state);
    write_time(out, b"},\"updatedAt\":\"", Zoned::utc(alert.updated_at));
    if !content.generator_url.is_empty() {
        out.extend_from_slice(b",\"generatorURL\":");
        write_json_string(out, content.generator_url);
    }
    out.extend_from_slice(b",\"labels\":");
    write_json_labels(out, content.labels);
    out.push(b'}');
}

fn write_time(out: &mut Vec<u8>, before: &[u8], time: Zoned) {
    out.extend_from_slice(before);
    time.write_rfc3339(out, FRACTION_DIGITS);
    out.push(b'"');
}

fn write_hex(out: &mut Vec<u8>, number: u64) {
    for shift in (0..64).step_by(4).rev() {
        out.push(b"0123456789abcdef"[(number >> shift & 15) as usize]);
    }
}

fn write_receivers(out: &mut Vec<u8>, receivers: &[&str]) {
    for (index, name) in receivers.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"{\"name\":".as_slice() } else { b",{\"name\":" });
        write_json_string(out, name);
        out.push(b'}');
    }
}
