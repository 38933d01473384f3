//! What two sides say of the same alerts.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Where an alert is: its receiver and the labels of its group.
type Place = (String, String);

/// What holds an alert back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Held {
    silenced: bool,
    inhibited: bool,
    muted: bool,
}

/// One side's groups, by the labels of their alerts.
#[derive(Debug, Default)]
pub(super) struct Groups {
    alerts: BTreeMap<String, BTreeMap<Place, Held>>,
}

impl Groups {
    /// From an answer of `/api/v2/alerts/groups`.
    pub(super) fn read(answer: &Value) -> Self {
        let mut groups = Self::default();
        for group in answer.as_array().into_iter().flatten() {
            let receiver = group["receiver"]["name"].as_str().unwrap_or_default();
            let place = (receiver.to_owned(), words(&group["labels"]));
            for alert in group["alerts"].as_array().into_iter().flatten() {
                let status = &alert["status"];
                let has = |key: &str| status[key].as_array().is_some_and(|names| !names.is_empty());
                let held = Held {
                    silenced: has("silencedBy"),
                    inhibited: has("inhibitedBy"),
                    muted: has("mutedBy"),
                };
                let places = groups.alerts.entry(words(&alert["labels"])).or_default();
                places.insert(place.clone(), held);
            }
        }
        groups
    }
}

/// Labels sorted by name, `{a="b"}`.
fn words(labels: &Value) -> String {
    let pairs: BTreeMap<&String, &Value> = labels.as_object().into_iter().flatten().collect();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// One thing that is different.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Difference {
    kind: Kind,
    alert: String,
    here: String,
    there: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    OnlyHere,
    OnlyThere,
    Receivers,
    Grouping,
    Suppression,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::OnlyHere => "only here",
            Self::OnlyThere => "only at Alertmanager",
            Self::Receivers => "other receivers",
            Self::Grouping => "other groups",
            Self::Suppression => "held in another way",
        }
    }
}

impl Difference {
    pub(super) fn json(&self) -> Value {
        json!({ "kind": self.kind.name(), "alert": self.alert, "here": self.here, "there": self.there })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, alert, here, there } = self;
        write!(f, "{}: {alert}", kind.name())?;
        match kind {
            Kind::OnlyHere | Kind::OnlyThere => Ok(()),
            _ => write!(f, "\n  here:         {here}\n  Alertmanager: {there}"),
        }
    }
}

/// Everything that is different now. Of an alert only the first kind is told:
/// the others follow from it.
pub(super) fn differences(here: &Groups, there: &Groups) -> BTreeSet<Difference> {
    let mut found = BTreeSet::new();
    let none = BTreeMap::new();
    for alert in here.alerts.keys().chain(there.alerts.keys()) {
        let (ours, theirs) =
            (here.alerts.get(alert).unwrap_or(&none), there.alerts.get(alert).unwrap_or(&none));
        found.extend(difference(alert, ours, theirs));
    }
    found
}

fn difference(
    alert: &str,
    ours: &BTreeMap<Place, Held>,
    theirs: &BTreeMap<Place, Held>,
) -> Option<Difference> {
    let of = |kind, here: String, there: String| Difference { kind, alert: alert.to_owned(), here, there };
    if theirs.is_empty() {
        return Some(of(Kind::OnlyHere, receivers(ours), String::new()));
    }
    if ours.is_empty() {
        return Some(of(Kind::OnlyThere, String::new(), receivers(theirs)));
    }
    let (here, there) = (receivers(ours), receivers(theirs));
    if here != there {
        return Some(of(Kind::Receivers, here, there));
    }
    if !ours.keys().eq(theirs.keys()) {
        return Some(of(Kind::Grouping, places(ours), places(theirs)));
    }
    (ours != theirs).then(|| of(Kind::Suppression, held(ours), held(theirs)))
}

fn receivers(places: &BTreeMap<Place, Held>) -> String {
    let names: BTreeSet<&str> = places.keys().map(|(receiver, _)| receiver.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn places(places: &BTreeMap<Place, Held>) -> String {
    let places = places.keys().map(|(receiver, labels)| format!("{receiver} {labels}"));
    places.collect::<Vec<_>>().join(", ")
}

fn held(places: &BTreeMap<Place, Held>) -> String {
    let place = |((receiver, _), held): (&Place, &Held)| {
        let words = [(held.silenced, "silenced"), (held.inhibited, "inhibited"), (held.muted, "muted")];
        let words: Vec<_> = words.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect();
        format!("{receiver} {}", if words.is_empty() { "free".to_owned() } else { words.join(" and ") })
    };
    places.iter().map(place).collect::<Vec<_>>().join(", ")
}

/// What has been seen in all looks.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) looks: u64,
    /// Every alert that either side has shown.
    pub(super) alerts: BTreeSet<String>,
    last: BTreeSet<Difference>,
    lasting: BTreeSet<Difference>,
}

impl Seen {
    /// Both sides are a moment apart: what is different once may be so by
    /// chance.
    pub(super) fn look(&mut self, here: &Groups, there: &Groups, found: BTreeSet<Difference>) {
        self.looks += 1;
        self.alerts.extend(here.alerts.keys().chain(there.alerts.keys()).cloned());
        self.lasting.extend(found.intersection(&self.last).cloned());
        self.last = found;
    }

    /// What was different in two looks one after the other.
    pub(super) fn lasting(&self) -> Vec<&Difference> {
        self.lasting.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(receiver: &str, labels: &Value, alerts: &[(&str, Value)]) -> Value {
        let alert =
            |(name, status): &(&str, Value)| json!({ "labels": { "alertname": name }, "status": status });
        let alerts: Vec<Value> = alerts.iter().map(alert).collect();
        json!({ "receiver": { "name": receiver }, "labels": labels, "alerts": alerts })
    }

    fn free() -> Value {
        json!({ "state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": [] })
    }

    fn check(here: &Value, there: &Value, want: &[&str]) {
        let (here, there) = (Groups::read(&json!([here])), Groups::read(&json!([there])));
        let found = differences(&here, &there);
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), want);
    }

    #[test]
    fn each_kind_of_difference_is_told_once() {
        let none = json!({});
        let ops = group("ops", &none, &[("A", free())]);
        check(&ops, &ops, &[]);
        check(&ops, &group("ops", &none, &[]), &[r#"only here: {alertname="A"}"#]);
        check(
            &ops,
            &group("web", &none, &[("A", free()), ("B", free())]),
            &[
                "only at Alertmanager: {alertname=\"B\"}",
                "other receivers: {alertname=\"A\"}\n  here:         ops\n  Alertmanager: web",
            ],
        );
        check(
            &ops,
            &group("ops", &json!({ "a": "b" }), &[("A", free())]),
            &["other groups: {alertname=\"A\"}\n  here:         ops {}\n  Alertmanager: ops {a=\"b\"}"],
        );
        let silenced = json!({ "silencedBy": ["x"], "inhibitedBy": ["y"] });
        check(
            &ops,
            &group("ops", &none, &[("A", silenced)]),
            &["held in another way: {alertname=\"A\"}\n  here:         ops free\n  \
               Alertmanager: ops silenced and inhibited"],
        );
    }

    #[test]
    fn what_is_different_once_is_chance() {
        let (with, without) =
            (Groups::read(&json!([group("ops", &json!({}), &[("A", free())])])), Groups::default());
        let mut seen = Seen::default();
        seen.look(&with, &without, differences(&with, &without));
        seen.look(&with, &with, differences(&with, &with));
        seen.look(&with, &without, differences(&with, &without));
        assert!(seen.lasting().is_empty());
        seen.look(&with, &without, differences(&with, &without));
        assert_eq!((seen.lasting().len(), seen.looks, seen.alerts.len()), (1, 4, 1));
    }
}
