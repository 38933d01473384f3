//! How requests ended: what clients, gateways and access logs report, row by
//! row, as JSON (one, or a list) or a line each.

use crate::answer::{FAULTS_SHOWN_MAX, Rejected};
use crate::draft::time;
use crate::tree::{Node, parse, parse_text};
use crate::{Answer, Fault};
use openclaw_alert::Timestamp;
use serde_json::json;

/// Most rows in one request.
const ROWS_MAX: usize = 50_000;
/// Longest name of a client.
const CLIENT_BYTES_MAX: usize = 256;
/// A longer answer is a mistake of units.
const RESPONSE_MS_MAX: f64 = 86_400_000.0;

/// How one request ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Who had asked, within the tenant.
    pub client: String,
    /// When.
    pub at: Timestamp,
    /// How long the answer took.
    pub response_ms: f32,
    /// The answer's HTTP status; 0 where none came in time.
    pub status: u16,
}

/// What a request held.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observations {
    /// Its valid rows, in order.
    pub rows: Vec<Observation>,
    /// The others.
    pub rejected: Vec<Rejected>,
}

impl Observations {
    /// What the sender is told: 202, or 400 where no row could be taken.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let shown = self.rejected.iter().take(FAULTS_SHOWN_MAX);
        let rejected: Vec<_> = shown
            .map(|rejected| json!({ "index": rejected.index, "detail": rejected.fault.to_string() }))
            .collect();
        let mut body = json!({ "accepted": self.rows.len(), "rejected": rejected });
        if self.rejected.len() > FAULTS_SHOWN_MAX {
            body["rejected_count"] = self.rejected.len().into();
        }
        let is_in_vain = self.rows.is_empty() && !self.rejected.is_empty();
        Answer::json(if is_in_vain { 400 } else { 202 }, &body)
    }

    fn add(&mut self, index: usize, row: Result<Observation, Fault>) {
        match row {
            Ok(row) => self.rows.push(row),
            Err(fault) => self.rejected.push(Rejected { index, fault }),
        }
    }
}

/// Reads a body. Lines are told by their media type, or by a first line that
/// is whole by itself.
///
/// # Errors
/// Where nothing of it can be read, or it has too many rows.
pub fn decode_observations(media_type: &str, body: &[u8]) -> Result<Observations, Fault> {
    if is_lines(media_type, body) {
        return lines(body);
    }
    let mut observations = Observations::default();
    match parse(body)? {
        Node::Array(rows) => {
            within(rows.len())?;
            for (index, node) in rows.iter().enumerate() {
                observations.add(index, row(node, &format!("/{index}")));
            }
        }
        node => observations.add(0, row(&node, "")),
    }
    Ok(observations)
}

fn is_lines(media_type: &str, body: &[u8]) -> bool {
    let named =
        ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"];
    if named.iter().any(|name| media_type.eq_ignore_ascii_case(name)) {
        return true;
    }
    let mut lines = body.split(|byte| *byte == b'\n').filter(|line| !is_blank(line));
    let is_row = |line: &[u8]| {
        let line = line.trim_ascii();
        line.starts_with(b"{")
            && line.ends_with(b"}")
            && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
    };
    lines.next().is_some_and(is_row) && lines.next().is_some()
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

fn lines(body: &[u8]) -> Result<Observations, Fault> {
    let rows = || {
        let numbered = (1..).zip(body.split(|byte| *byte == b'\n'));
        numbered.filter(|(_, line): &(usize, &[u8])| !is_blank(line))
    };
    within(rows().count())?;
    if rows().next().is_none() {
        return Err(Fault::new("", "is empty: send a JSON object a line"));
    }
    let mut observations = Observations::default();
    for (index, (number, line)) in rows().enumerate() {
        observations.add(index, line_row(line).map_err(|fault| in_line(number, &fault)));
    }
    Ok(observations)
}

fn line_row(line: &[u8]) -> Result<Observation, Fault> {
    let text = std::str::from_utf8(line).map_err(|error| Fault::new("", format!("is not UTF-8: {error}")))?;
    let node =
        parse_text(text).map_err(|error| Fault::new("", format!("is not JSON that can be read: {error}")))?;
    row(&node, "")
}

fn in_line(number: usize, fault: &Fault) -> Fault {
    Fault::new(&*fault.pointer, format!("in line {number} {}", fault.detail))
}

fn within(rows: usize) -> Result<(), Fault> {
    match rows > ROWS_MAX {
        true => Err(Fault::new(
            "",
            format!("has {rows} rows, at most {ROWS_MAX} are taken: send fewer a request"),
        )),
        false => Ok(()),
    }
}

fn row(node: &Node<'_>, base: &str) -> Result<Observation, Fault> {
    if !node.is_object() {
        let wanted =
            "should be an object with `client_id`, `timestamp`, `response_time_ms` and `status_code`";
        return Err(Fault::new(base, wanted));
    }
    let field = |name: &str| node.get(name).ok_or_else(|| Fault::new(format!("{base}/{name}"), "is missing"));
    let fault = |name: &str, detail: &str| Fault::new(format!("{base}/{name}"), detail);
    let at = time(field("timestamp")?).map_err(|wanted| fault("timestamp", wanted))?;
    Ok(Observation {
        client: client(field("client_id")?).map_err(|wanted| fault("client_id", wanted))?,
        at: at.ok_or_else(|| fault("timestamp", "is empty"))?.at,
        response_ms: response_ms(field("response_time_ms")?)
            .map_err(|wanted| fault("response_time_ms", wanted))?,
        status: status(field("status_code")?).map_err(|wanted| fault("status_code", wanted))?,
    })
}

fn client(node: &Node<'_>) -> Result<String, &'static str> {
    let text = match node {
        Node::Text(_) | Node::Number(_) => node.scalar().unwrap_or_default(),
        _ => return Err("should be a text"),
    };
    match text.len() {
        0 => Err("is empty: name the client as decisions name it"),
        1..=CLIENT_BYTES_MAX => Ok(text.into_owned()),
        _ => Err("is longer than 256 bytes"),
    }
}

fn response_ms(node: &Node<'_>) -> Result<f32, &'static str> {
    match number(node) {
        Some(ms) if (0.0..=RESPONSE_MS_MAX).contains(&ms) => Ok(ms as f32),
        _ => Err("should be milliseconds, from 0 to a day of them"),
    }
}

fn status(node: &Node<'_>) -> Result<u16, &'static str> {
    const WANTED: &str = "should be an HTTP status from 100 to 599, or 0 where no answer came in time";
    let status = number(node).filter(|status| status.fract() == 0.0).ok_or(WANTED)?;
    let is_known = status == 0.0 || (100.0..=599.0).contains(&status);
    if is_known { Ok(status as u16) } else { Err(WANTED) }
}

fn number(node: &Node<'_>) -> Option<f64> {
    match node {
        Node::Number(number) => number.as_f64(),
        Node::Text(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a body, and what its sender is told.
    fn read(media_type: &str, body: &str) -> String {
        match decode_observations(media_type, body.as_bytes()) {
            Ok(observations) => {
                let answer = observations.answer();
                let rows = observations
                    .rows
                    .iter()
                    .map(|row| format!("{} {} {} {}\n", row.client, row.at, row.response_ms, row.status));
                format!("{}{} {}", rows.collect::<String>(), answer.status, answer.body)
            }
            Err(fault) => fault.to_string(),
        }
    }

    const ROW: &str =
        r#"{"client_id":"a","timestamp":"2026-01-31T09:00:00Z","response_time_ms":12.5,"status_code":200}"#;

    #[test]
    fn reads_one_many_and_lines() {
        insta::assert_snapshot!(read("application/json", ROW), @r#"
a 2026-01-31T09:00:00.000Z 12.5 200
202 {"accepted":1,"rejected":[]}
"#);
        let unix =
            r#"{"client_id":7,"timestamp":1769850000,"response_time_ms":0,"status_code":0,"more":[1]}"#;
        insta::assert_snapshot!(read("application/json", &format!("[{ROW},\n{unix}]")), @r#"
a 2026-01-31T09:00:00.000Z 12.5 200
7 2026-01-31T09:00:00.000Z 0 0
202 {"accepted":2,"rejected":[]}
"#);
        insta::assert_snapshot!(read("", &format!("{ROW}\n\n{unix}\r\n")), @r#"
a 2026-01-31T09:00:00.000Z 12.5 200
7 2026-01-31T09:00:00.000Z 0 0
202 {"accepted":2,"rejected":[]}
"#);
        insta::assert_snapshot!(read("application/x-ndjson", ROW), @r#"
a 2026-01-31T09:00:00.000Z 12.5 200
202 {"accepted":1,"rejected":[]}
"#);
        insta::assert_snapshot!(read("application/json", "[]"), @r#"202 {"accepted":0,"rejected":[]}"#);
    }

    #[test]
    fn keeps_valid_neighbours() {
        let rows = [
            ROW.to_owned(),
            ROW.replace("\"a\"", "\"\""),
            ROW.replace("\"a\"", "null"),
            ROW.replace("200", "99"),
            ROW.replace("200", "-5"),
            ROW.replace("12.5", "-1"),
            ROW.replace("12.5", "1e300"),
            ROW.replace("2026-01-31T09:00:00Z", "yesterday"),
            "7".to_owned(),
        ];
        insta::assert_snapshot!(read("application/json", &format!("[{}]", rows.join(","))), @r#"
a 2026-01-31T09:00:00.000Z 12.5 200
202 {"accepted":1,"rejected":[{"detail":"`1.client_id` is empty: name the client as decisions name it","index":1},{"detail":"`2.client_id` is missing","index":2},{"detail":"`3.status_code` should be an HTTP status from 100 to 599, or 0 where no answer came in time","index":3},{"detail":"`4.status_code` should be an HTTP status from 100 to 599, or 0 where no answer came in time","index":4},{"detail":"`5.response_time_ms` should be milliseconds, from 0 to a day of them","index":5},{"detail":"`6.response_time_ms` should be milliseconds, from 0 to a day of them","index":6},{"detail":"`7.timestamp` should be an RFC 3339 date-time such as `2026-01-31T09:00:00Z`, or Unix seconds or milliseconds","index":7},{"detail":"`8` should be an object with `client_id`, `timestamp`, `response_time_ms` and `status_code`","index":8}]}
"#);
        insta::assert_snapshot!(read("application/x-ndjson", &format!("{}\n{{", rows[..3].join("\n\n"))), @r#"
a 2026-01-31T09:00:00.000Z 12.5 200
202 {"accepted":1,"rejected":[{"detail":"`client_id` in line 3 is empty: name the client as decisions name it","index":1},{"detail":"`client_id` in line 5 is missing","index":2},{"detail":"the body in line 6 is not JSON that can be read: EOF while parsing an object at line 1 column 1","index":3}]}
"#);
    }

    #[test]
    fn refuses_what_cannot_be_read() {
        insta::assert_snapshot!(read("application/json", ""), @"the body is empty: send JSON");
        insta::assert_snapshot!(read("application/x-ndjson", " \n"), @"the body is empty: send a JSON object a line");
        insta::assert_snapshot!(read("application/json", "{\"a\":\n1"), @"the body is not JSON that can be read: EOF while parsing an object at line 2 column 1");
        insta::assert_snapshot!(read("application/x-ndjson", &format!("{ROW}\n").repeat(ROWS_MAX + 1)), @"the body has 50001 rows, at most 50000 are taken: send fewer a request");
        insta::assert_snapshot!(read("application/json", "7"), @r#"400 {"accepted":0,"rejected":[{"detail":"the body should be an object with `client_id`, `timestamp`, `response_time_ms` and `status_code`","index":0}]}"#);
    }
}
