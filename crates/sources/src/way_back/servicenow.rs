//! What a ServiceNow business rule posts when an incident's state changes.

use super::{Deed, Fault, NOTE_BYTES_MAX, What, by, key, line};
use openclaw_alert::Feedback;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Bytes of an incident's number.
const NUMBER_BYTES_MAX: usize = 64;

#[derive(Deserialize)]
struct Body {
    #[serde(default, deserialize_with = "text")]
    correlation_id: String,
    #[serde(default, deserialize_with = "text")]
    state: String,
    #[serde(default, deserialize_with = "text")]
    by: String,
    #[serde(default, deserialize_with = "text")]
    note: String,
    #[serde(default, deserialize_with = "text")]
    number: String,
}

/// Business rules write numbers as numbers or as text, and nothing as null.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    match Value::deserialize(from)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Ok(String::new()),
        _ => Err(serde::de::Error::custom("each member must be text, a number or null")),
    }
}

/// Reads a callback. `None` for states that are nothing to us.
///
/// # Errors
/// Not in the form of `docs/way-back.md`.
pub fn decode(body: &[u8]) -> Result<Option<Deed>, Fault> {
    let body: Body = serde_json::from_slice(body).map_err(|error| Fault::at("", error.to_string()))?;
    let key = key("/correlation_id", &body.correlation_id)?;
    let Some(feedback) = meaning(&body.state)? else { return Ok(None) };
    let (number, note) = (line(&body.number, NUMBER_BYTES_MAX), line(&body.note, NOTE_BYTES_MAX));
    let note = match (number.is_empty(), note.is_empty()) {
        (false, false) => line(&format!("{number}: {note}"), NOTE_BYTES_MAX),
        (false, true) => number,
        (true, _) => note,
    };
    Ok(Some(Deed { key, what: What::Judged(feedback), by: by(&body.by, "ServiceNow"), note }))
}

/// The states of an incident, as ServiceNow ships them.
fn meaning(state: &str) -> Result<Option<Feedback>, Fault> {
    match state.trim() {
        "2" => Ok(Some(Feedback::Ack)),
        "6" | "7" => Ok(Some(Feedback::Resolve)),
        "8" => Ok(Some(Feedback::Dismiss)),
        other if !other.is_empty() && other.bytes().all(|byte| byte.is_ascii_digit()) => Ok(None),
        _ => Err(Fault::at("/state", "must be the number of a state: 2, 6, 7 and 8 have a meaning")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn decoded(body: &Value) -> Result<Option<Deed>, Fault> {
        decode(body.to_string().as_bytes())
    }

    #[test]
    fn each_state_has_its_meaning() {
        for (state, want) in [
            (json!(2), Some(Feedback::Ack)),
            (json!("2"), Some(Feedback::Ack)),
            (json!("6"), Some(Feedback::Resolve)),
            (json!(7), Some(Feedback::Resolve)),
            (json!("8"), Some(Feedback::Dismiss)),
            (json!("1"), None),
            (json!(3), None),
        ] {
            let body = json!({ "correlation_id": "k", "state": state, "by": "bob" });
            let deed = decoded(&body).unwrap();
            assert_eq!(deed.map(|deed| deed.what), want.map(What::Judged), "{state}");
        }
    }

    #[test]
    fn a_note_names_the_incident() {
        let note = |number: Value, note: Value| {
            let body =
                json!({ "correlation_id": "k", "state": 6, "by": "bob", "number": number, "note": note });
            let deed = decoded(&body).unwrap().unwrap();
            assert_eq!(deed.by, "bob in ServiceNow");
            deed.note
        };
        assert_eq!(note(json!("INC0010001"), json!("disk\nreplaced")), "INC0010001: disk replaced");
        assert_eq!(note(json!("INC0010001"), Value::Null), "INC0010001");
        assert_eq!(note(Value::Null, json!("done")), "done");
        assert!(note(json!("INC0010001"), json!("é".repeat(9000))).len() <= NOTE_BYTES_MAX);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        for (body, pointer) in [
            (json!({ "state": 2 }), "/correlation_id"),
            (json!({ "correlation_id": "x".repeat(256), "state": 2 }), "/correlation_id"),
            (json!({ "correlation_id": "k" }), "/state"),
            (json!({ "correlation_id": "k", "state": "Resolved" }), "/state"),
            (json!({ "correlation_id": "k", "state": "-6" }), "/state"),
            (json!({ "correlation_id": ["k"], "state": 2 }), ""),
            (json!("k"), ""),
        ] {
            assert_eq!(decoded(&body).unwrap_err().pointer, pointer, "{body}");
        }
    }
}
