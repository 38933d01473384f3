//! JSON lines: a postable alert each, with `at` and `tenant` where wanted.
//! Fields that are not known are passed over, so that what `GET /api/v2/alerts`
//! answers can be split into lines and played.

use super::file::{ALERTS_MAX, Failure, Fault, LINE_BYTES_MAX};
use super::{DemoEvent, Pairs, PostableAlert, What};
use openclaw_alert::{TenantName, Timestamp, Zoned};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{BufRead, Read as _};
use std::time::Duration;

const RFC3339: &str = "a time such as `2026-01-31T09:00:00Z`";

/// Between lines that don't say when.
const STEP: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    labels: BTreeMap<String, String>,
    annotations: Option<BTreeMap<String, String>>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    #[serde(rename = "generatorURL")]
    generator_url: Option<String>,
    at: Option<String>,
    tenant: Option<String>,
}

/// The events in the order of the lines. A line without a time comes a second
/// behind the line before it, the first at `start`.
pub(super) fn read(mut lines: impl BufRead, start: Timestamp) -> Result<Vec<DemoEvent>, Failure> {
    let (mut events, mut bytes, mut next) = (Vec::new(), Vec::new(), start);
    for number in 1.. {
        bytes.clear();
        let most = LINE_BYTES_MAX as u64 + 1;
        let read = lines.by_ref().take(most).read_until(b'\n', &mut bytes);
        if read.map_err(|error| Fault::Read(error).at(number))? == 0 {
            break;
        }
        let event = event(&bytes, next).map_err(|fault| fault.at(number))?;
        let Some(event) = event else { continue };
        if events.len() == ALERTS_MAX {
            return Err(Fault::TooManyAlerts.at(number));
        }
        next = event.at.plus(STEP);
        events.push(event);
    }
    Ok(events)
}

/// `None` for an empty line.
fn event(bytes: &[u8], default_at: Timestamp) -> Result<Option<DemoEvent>, Fault> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.len() > LINE_BYTES_MAX {
        return Err(Fault::LineTooLong);
    }
    let text = str::from_utf8(bytes).map_err(|_| Fault::NotUtf8)?;
    match text.trim_ascii().bytes().next() {
        None => return Ok(None),
        Some(b'{') => {}
        // serde would take a list for the fields in their order.
        Some(_) => return Err(Fault::NoObject),
    }
    let line: Line = serde_json::from_str(text).map_err(|error| json_fault(&error))?;
    if line.labels.values().all(String::is_empty) {
        return Err(Fault::FieldEmpty { field: "labels" });
    }
    if let Some(tenant) = &line.tenant {
        TenantName::new(tenant).map_err(Fault::Tenant)?;
    }
    let starts_at = time("startsAt", line.starts_at.as_deref())?;
    let at = time("at", line.at.as_deref())?.or(starts_at).unwrap_or(default_at);
    let alert = PostableAlert {
        labels: Pairs::labels(as_pairs(&line.labels)),
        annotations: Pairs::annotations(as_pairs(&line.annotations.unwrap_or_default())),
        starts_at: starts_at.unwrap_or(at),
        ends_at: time("endsAt", line.ends_at.as_deref())?,
        generator_url: line.generator_url.unwrap_or_default(),
    };
    if alert.ends_at.is_some_and(|end| end < alert.starts_at) {
        return Err(Fault::EndsBeforeStart);
    }
    Ok(Some(DemoEvent { at, tenant: line.tenant, what: What::Post { alerts: vec![alert] } }))
}

/// serde_json says the place behind the message, and its line is always 1.
fn json_fault(error: &serde_json::Error) -> Fault {
    let message = error.to_string();
    let detail = message.rsplit_once(" at line ").map_or(&*message, |(detail, _)| detail);
    Fault::Json { column: error.column(), detail: detail.to_owned() }
}

fn as_pairs(pairs: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// Go's zero time, year 1, says that there is none.
fn time(field: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, Fault> {
    let Some(text) = text else { return Ok(None) };
    let time = Zoned::parse(text).map_err(|_| Fault::time(field, text, RFC3339))?;
    Ok((time.at != Timestamp::MIN).then_some(time.at))
}
