//! An incident as the instance shows it, and the mark by which we know what
//! has been done to it.
//!
//! The mark stands in `correlation_display` and is written by the same call
//! as what it stands for. So a message that was carried out, but whose answer
//! got lost, is seen to be done and changes nothing a second time.

use super::settings::Level;
use openclaw_alert::{Notification, Timestamp, fnv1a};
use serde_json::Value;

/// What the mark begins with: incidents can be listed by it.
const OUR_NAME: &str = "OpenClaw Rating";
/// What is asked for of an incident.
pub(super) const FIELDS: &str = "sys_id,number,state,correlation_id,correlation_display";
const SYS_ID_BYTES_MAX: usize = 64;

/// An incident that we opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Incident {
    pub(super) sys_id: String,
    pub(super) number: String,
    pub(super) state: State,
    pub(super) mark: Option<Mark>,
}

/// As far as it makes a difference here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// 1.
    New,
    /// In progress, on hold, or a state of the instance's own.
    Open,
    /// 6 resolved, 7 closed, 8 cancelled.
    Over,
}

/// What was last done to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// A hash of the message's idempotency key.
    pub(super) message: u64,
    /// The most urgent that we have set, which people may have changed since.
    pub(super) urgency: Level,
    /// When the message was decided, exactly: what people do within the same
    /// second is told apart by it.
    pub(super) told_at: Timestamp,
    /// Offset of the latest episode that was told.
    pub(super) latest: u64,
}

impl Mark {
    pub(super) fn of(notification: &Notification, urgency: Level) -> Self {
        Self {
            message: message_hash(notification),
            urgency,
            told_at: notification.decided_at,
            latest: notification.alerts.iter().map(|alert| alert.id.offset).max().unwrap_or_default(),
        }
    }

    /// At most 80 characters of the 100 that there are.
    pub(super) fn text(&self) -> String {
        let Self { message, urgency, told_at, latest } = self;
        format!("{OUR_NAME} {message:016x} {} {} {latest}", urgency.digit(), told_at.nanos())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_prefix(OUR_NAME)?.split_whitespace();
        let message = u64::from_str_radix(words.next()?, 16).ok()?;
        let urgency = Level::from_number(words.next()?.parse().ok()?)?;
        let told_at = Timestamp::from_nanos(words.next()?.parse().ok()?);
        Some(Self { message, urgency, told_at, latest: words.next()?.parse().ok()? })
    }
}

pub(super) fn message_hash(notification: &Notification) -> u64 {
    fnv1a(&[notification.idempotency_key.as_bytes()])
}

impl Incident {
    /// `None` for what can't be one.
    pub(super) fn read(row: &Value) -> Option<Self> {
        let sys_id = text(&row["sys_id"]);
        if !is_sys_id(&sys_id) {
            return None;
        }
        let state = match text(&row["state"]).as_str() {
            "1" => State::New,
            "6" | "7" | "8" => State::Over,
            _ => State::Open,
        };
        let mark = Mark::parse(&text(&row["correlation_display"]));
        Some(Self { sys_id, number: text(&row["number"]), state, mark })
    }

    /// To find it again, and for people to read.
    pub(super) fn receipt(&self) -> Box<str> {
        let number: String = self.number.chars().take(80).collect();
        format!("{}/{number}", self.sys_id).into()
    }
}

/// The incident that a receipt names.
pub(super) fn sys_id_of(receipt: &str) -> Option<&str> {
    let (sys_id, _) = receipt.split_once('/')?;
    is_sys_id(sys_id).then_some(sys_id)
}

pub(super) fn is_sys_id(text: &str) -> bool {
    (1..=SYS_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A field's value: as text, or beside its link or its display value.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Object(_) => text(&value["value"]),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{latency, page};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn fields_come_in_several_forms() {
        let row = json!({
            "sys_id": "9d385017c611228701d22104cc95c371", "number": "INC0010001", "state": 2,
            "correlation_display": { "display_value": "x", "value": "something else" },
        });
        let incident = Incident::read(&row).unwrap();
        assert_eq!((incident.state, incident.mark), (State::Open, None));
        assert_eq!(&*incident.receipt(), "9d385017c611228701d22104cc95c371/INC0010001");
        assert_eq!(sys_id_of(&incident.receipt()), Some("9d385017c611228701d22104cc95c371"));
        for bad in [json!({}), json!({ "sys_id": "" }), json!({ "sys_id": "../x" }), json!([]), json!(null)] {
            assert_eq!(Incident::read(&bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_mark_reads_back(key: String, level in 1_u64..4, nanos: i64, offset: u64) {
            let mut message = page(vec![latency("a")]);
            (message.idempotency_key, message.decided_at) = (key, Timestamp::from_nanos(nanos));
            message.alerts[0].id.offset = offset;
            let mark = Mark::of(&message, Level::from_number(level).unwrap());
            prop_assert!(mark.text().len() <= 100, "{}", mark.text());
            prop_assert_eq!(Mark::parse(&mark.text()), Some(mark));
        }

        #[test]
        fn any_text_is_no_mark_or_one(text: String, rest in "OpenClaw Rating [0-9a-f ]{0,40}") {
            prop_assert_eq!(Mark::parse(&text), None);
            if let Some(mark) = Mark::parse(&rest) {
                prop_assert_eq!(Mark::parse(&mark.text()), Some(mark));
            }
        }
    }
}
