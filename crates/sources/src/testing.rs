//! The one way in which tests look at a decoder: a request goes in, what
//! becomes of it comes out as text.

use crate::{Decoded, Format, Kept, Mapping, Post, decode};
use openclaw_alert::{Content, Item, Signal, SignalKind, Timestamp, Zoned};
use proptest::prelude::*;
use serde_json::Value;
use std::fmt::Write as _;

/// 2026-03-01T12:34:56Z.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_772_368_496);

/// A request to an intake.
pub(crate) fn post(body: &[u8]) -> Post<'_> {
    Post { method: "POST", path: "", query: "", headers: &[], body, received_at: NOW }
}

/// What becomes of a request: a line for each alert and signal, for each that
/// is refused alone, and the answer.
pub(crate) fn check(format: Format, post: &Post<'_>, mapping: Option<&Mapping>) -> String {
    let answer = |out: &mut String, answer: crate::Answer| {
        let headers: String =
            answer.headers.iter().map(|(name, value)| format!(" {name}: {value}")).collect();
        writeln!(out, "-> {}{headers} {}", answer.status, answer.body).unwrap();
    };
    let mut out = String::new();
    match decode(format, post, mapping) {
        Ok(decoded) => {
            show(&mut out, &decoded);
            answer(&mut out, decoded.answer(&Kept { accepted: decoded.batch.len(), ..Kept::default() }));
        }
        Err(refusal) => answer(&mut out, refusal.answer()),
    }
    out
}

/// [`check`] of several bodies, each under its title.
pub(crate) fn check_all(format: Format, rows: &[(&str, &str)]) -> String {
    let row =
        |(title, body): &(&str, &str)| format!("# {title}\n{}", check(format, &post(body.as_bytes()), None));
    rows.iter().map(row).collect::<Vec<_>>().join("\n")
}

fn show(out: &mut String, decoded: &Decoded) {
    for item in decoded.batch.items() {
        match item {
            Item::Alert(alert) => {
                let Content { labels, annotations, generator_url } = alert.view();
                let kind = if alert.is_keyed { "keyed" } else { "alert" };
                write!(out, "{kind} {labels:?}\n  annotations {annotations:?}").unwrap();
                if !generator_url.is_empty() {
                    write!(out, "\n  url {generator_url}").unwrap();
                }
                writeln!(out, "\n  from {} to {}", time(alert.starts_at), time(alert.ends_at)).unwrap();
            }
            Item::Signal(Signal { key, kind, by, note }) => {
                let what = match kind {
                    SignalKind::Ended(at) => format!("ended at {}", time(at)),
                    SignalKind::Acted(action) => action.name().to_owned(),
                };
                writeln!(out, "signal {key:?} {what} by {by:?} note {note:?}").unwrap();
            }
        }
    }
    for rejected in &decoded.rejected {
        writeln!(out, "rejected {} at {:?}: {}", rejected.index, rejected.fault.pointer, rejected.fault)
            .unwrap();
    }
    let batch = &decoded.batch;
    let lasts =
        batch.lasts().map_or("resolve_timeout".to_owned(), |lasts| format!("{} h", lasts.as_secs() / 3600));
    let exact = if batch.starts_are_exact() { ", starts are exact" } else { "" };
    let delivery = batch.delivery().map_or(String::new(), |delivery| format!(", delivery {delivery:016x}"));
    writeln!(out, "lasts {lasts}{exact}{delivery}").unwrap();
}

fn time(time: Option<Zoned>) -> String {
    let Some(time) = time else { return "none".to_owned() };
    let mut out = Vec::new();
    time.write_rfc3339(&mut out, 3);
    String::from_utf8(out).unwrap()
}

/// Any JSON; numbers that few digits write.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    json_of(any::<String>().boxed())
}

/// JSON made of the names and words that decoders look for, so that it gets
/// deep into them.
pub(crate) fn telling_json() -> impl Strategy<Value = Value> {
    const WORDS: [&str; 58] = [
        "alerts",
        "labels",
        "annotations",
        "status",
        "startsAt",
        "endsAt",
        "firing",
        "resolved",
        "records",
        "severity",
        "node",
        "message_key",
        "additional_info",
        "resolution_state",
        "Closing",
        "payload",
        "event_action",
        "trigger",
        "resolve",
        "acknowledge",
        "dedup_key",
        "summary",
        "source",
        "critical",
        "custom_details",
        "message",
        "alias",
        "tags",
        "priority",
        "P1",
        "details",
        "responders",
        "app",
        "health",
        "phase",
        "Degraded",
        "Failed",
        "Succeeded",
        "specversion",
        "1.0",
        "id",
        "type",
        "data",
        "data_base64",
        "eyJhIjoxfQ==",
        "subject",
        "time",
        "2026-03-01T12:00:00Z",
        "title",
        "name",
        "key",
        "alertname",
        "routing_key",
        "description",
        "{\"a\":\"b\"}",
        "0",
        "1",
        "",
    ];
    json_of(
        prop_oneof![4 => proptest::sample::select(&WORDS[..]).prop_map(str::to_owned), 1 => any::<String>()]
            .boxed(),
    )
}

fn json_of(text: BoxedStrategy<String>) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 60, 8, move |inner| {
        let field = (text.clone(), inner.clone());
        prop_oneof![
            1 => proptest::collection::vec(inner, 0..6).prop_map(Value::from),
            3 => proptest::collection::vec(field, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}
