//! Alertmanager's webhook, version 4, and what Grafana adds to it.
//!
//! Labels stay as they are, so an alert that comes this way is the one that
//! comes by API v2. Its condition begins anew with a new `startsAt`, so a late
//! repeat is known; the position in the list says nothing.

use crate::alertmanager::{self, DecodeError};
use crate::answer::Reply;
use crate::draft::{Draft, EVENTS_MAX, text, time_at};
use crate::tree::{Node, parse};
use crate::{Decoded, Fault, Format, Mapping, Post, Refusal, generic};
use openclaw_alert::{Batch, Timestamp, Zoned};

/// Adds what a format's alerts have beyond Alertmanager's.
pub(crate) type Extras = fn(&mut Draft, &Node<'_>);

/// Reads a request: a notification, or an array of postable alerts.
pub(crate) fn decode(post: &Post<'_>) -> Result<Decoded, Refusal> {
    if post.body.trim_ascii_start().starts_with(b"[") {
        return postable(post.body);
    }
    notification(Format::Alertmanager, post, |_, _| ())
}

fn postable(body: &[u8]) -> Result<Decoded, Refusal> {
    let alerts = alertmanager::decode(body).map_err(|error| whole(&error))?;
    let (status, said) = alerts.answer();
    let mut decoded = Decoded::new(Format::Alertmanager, Reply::Alertmanager(status, said));
    for rejected in &alerts.rejected {
        let fault = Fault::new(format!("/{}", rejected.index), rejected.to_string());
        decoded.reject(rejected.index, fault);
    }
    decoded.batch = alerts.batch;
    Ok(decoded)
}

fn whole(error: &DecodeError) -> Refusal {
    let fault = Fault::new("", format!("can't be taken: {error}"));
    Refusal::new(Format::Alertmanager, error.status(), fault)
}

/// Reads a notification. A body that its sender has replaced by a template of
/// its own is taken as any JSON.
pub(crate) fn notification(format: Format, post: &Post<'_>, extras: Extras) -> Result<Decoded, Refusal> {
    let body = parse(post.body).map_err(|fault| Refusal::new(format, 400, fault))?;
    let Some(alerts) = body.get("alerts").and_then(Node::as_array) else {
        return generic::decode(format, post, &Mapping::default());
    };
    if alerts.len() > EVENTS_MAX {
        let detail = format!("has {} alerts, at most {EVENTS_MAX} are taken: set `max_alerts`", alerts.len());
        return Err(Refusal::new(format, 413, Fault::new("/alerts", detail)));
    }
    let mut decoded = Decoded::new(format, Reply::Ours);
    decoded.batch.set_starts_are_exact();
    let mut draft = Draft::default();
    for (index, alert) in alerts.iter().enumerate() {
        let base = format!("/alerts/{index}");
        draft.clear();
        extras(&mut draft, alert);
        if let Err(fault) = read(&mut draft, &mut decoded.batch, alert, &base, post.received_at) {
            decoded.reject(index, fault);
        }
    }
    Ok(decoded)
}

fn read(
    draft: &mut Draft,
    batch: &mut Batch,
    alert: &Node<'_>,
    base: &str,
    received_at: Timestamp,
) -> Result<(), Fault> {
    let labels = alert.get("labels").filter(|labels| labels.is_object());
    let missing = || Fault::new(format!("{base}/labels"), "is missing: an alert has an object of labels");
    draft.labels_from(labels.ok_or_else(missing)?, &format!("{base}/labels"));
    if let Some(annotations) = alert.get("annotations") {
        draft.annotations_from(annotations, "annotations");
    }
    draft.url(&text(alert, base, "generatorURL")?.unwrap_or_default());
    let starts_at = time_at(alert, base, "startsAt")?;
    match text(alert, base, "status")?.as_deref() {
        Some("firing") => draft.push_by_labels(batch, starts_at, None),
        Some("resolved") => {
            let ends_at = ended(time_at(alert, base, "endsAt")?, received_at);
            let starts_at = starts_at.filter(|start| start.at <= ends_at.at);
            draft.push_by_labels(batch, starts_at, Some(ends_at))
        }
        _ => Err(Fault::new(format!("{base}/status"), "should be `firing` or `resolved`")),
    }
    .map_err(|fault| if fault.pointer.is_empty() { Fault::new(base, fault.detail) } else { fault })
}

/// A clock that is ahead must not keep an alert open.
fn ended(ends_at: Option<Zoned>, received_at: Timestamp) -> Zoned {
    ends_at.filter(|end| end.at <= received_at).unwrap_or(Zoned::utc(received_at))
}

#[cfg(test)]
mod tests;
