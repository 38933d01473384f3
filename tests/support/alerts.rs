//! Alerts as Prometheus posts them.

use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The system's time, as the server sees it.
#[expect(clippy::disallowed_methods, reason = "alerts carry the time of day")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// A time as Prometheus writes it, in milliseconds.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    let since_1970 = at.duration_since(UNIX_EPOCH).unwrap();
    let (days, second_of_day) = (since_1970.as_secs() / 86_400, since_1970.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    let millis = since_1970.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of a number of days since 1970.
fn civil(mut days: u64) -> (u64, usize, u64) {
    let is_leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 0;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month + 1, days + 1)
}

/// One element of a post.
#[derive(Debug, Clone)]
pub(crate) struct Alert(Map<String, Value>);

impl Alert {
    /// An alert with a name and no end of its own.
    pub(crate) fn new(name: &str) -> Self {
        let members = json!({ "labels": { "alertname": name }, "annotations": {} });
        Self(members.as_object().unwrap().clone())
    }

    pub(crate) fn label(mut self, name: &str, value: &str) -> Self {
        self.0["labels"][name] = value.into();
        self
    }

    pub(crate) fn annotation(mut self, name: &str, value: &str) -> Self {
        self.0["annotations"][name] = value.into();
        self
    }

    pub(crate) fn starts(mut self, at: SystemTime) -> Self {
        self.0.insert("startsAt".into(), rfc3339(at).into());
        self
    }

    pub(crate) fn ends(mut self, at: SystemTime) -> Self {
        self.0.insert("endsAt".into(), rfc3339(at).into());
        self
    }

    /// Fires for another `time`, as Prometheus sets it at each post.
    pub(crate) fn fires_for(self, time: Duration) -> Self {
        self.ends(now() + time)
    }

    /// Over now.
    pub(crate) fn resolved(self) -> Self {
        self.ends(now())
    }

    pub(crate) fn json(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

/// A post's body.
pub(crate) fn body<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> String {
    Value::Array(alerts.into_iter().map(Alert::json).collect()).to_string()
}

#[test]
fn times_are_written_as_prometheus_does() {
    let at = |seconds: u64, millis: u64| rfc3339(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + millis));
    assert_eq!(at(0, 0), "1970-01-01T00:00:00.000Z");
    assert_eq!(at(1_709_164_800, 7), "2024-02-29T00:00:00.007Z");
    assert_eq!(at(1_795_348_799, 999), "2026-11-22T11:59:59.999Z");
}
