//! What a template sees of a notification, under Alertmanager's names.
//!
//! Alerts are decoded when a template asks for them, so that a large group
//! costs a title nothing.

use super::time::Moment;
use crate::group::{common, ordered};
use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value};
use openclaw_alert::{Labels, Notification, NotificationKind, NotifiedAlert, Score, Status, Timestamp};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The names at the top of a template that Alertmanager's have too.
pub const ALERTMANAGER_NAMES: [&str; 9] = [
    "Receiver",
    "Status",
    "Alerts",
    "NotificationReason",
    "GroupLabels",
    "CommonLabels",
    "CommonAnnotations",
    "RouteLabels",
    "ExternalURL",
];

const OUR_NAMES: [&str; 6] = ["Score", "Factors", "OnCall", "Tenant", "GroupKey", "Kind"];

/// The names at the top of a template; what else is used there is a mistake.
pub fn root_names() -> impl Iterator<Item = &'static str> {
    std::iter::once("dot").chain(ALERTMANAGER_NAMES).chain(OUR_NAMES)
}

/// The time of the message; with a name that no template would take.
pub(super) const NOW: &str = "__now";

/// A notification, as `dot` and as the names beside it.
#[derive(Debug)]
pub(super) struct Data {
    shared: Arc<Shared>,
    alerts: Arc<[Value]>,
}

#[derive(Debug)]
struct Shared {
    notification: Notification,
    external_url: String,
    now: Timestamp,
    common_labels: OnceLock<Value>,
    common_annotations: OnceLock<Value>,
}

impl Data {
    /// In the order of the message, firing and resolved ones as they come.
    pub(super) fn new(notification: &Notification, external_url: &str, now: Timestamp) -> Self {
        let alerts = ordered(notification)
            .into_iter()
            .map(|view| Value::from_object(AlertData::new(view.alert.clone(), now)))
            .collect();
        let shared = Shared {
            notification: notification.clone(),
            external_url: external_url.to_owned(),
            now,
            common_labels: OnceLock::new(),
            common_annotations: OnceLock::new(),
        };
        Self { shared: Arc::new(shared), alerts }
    }

    fn top_score(&self) -> Score {
        let scores = self.shared.notification.alerts.iter().map(|alert| alert.score);
        scores.max_by(|a, b| a.value().total_cmp(&b.value())).unwrap_or_default()
    }
}

impl Shared {
    fn common_labels(&self) -> Value {
        let labels = || common(self.notification.alerts.iter().map(|alert| alert.view().labels));
        self.common_labels.get_or_init(|| pairs(Labels::from_encoded(&labels()))).clone()
    }

    fn common_annotations(&self) -> Value {
        let annotations = || common(self.notification.alerts.iter().map(|alert| alert.view().annotations));
        self.common_annotations.get_or_init(|| pairs(Labels::from_encoded(&annotations()))).clone()
    }
}

impl Object for Data {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let shared = &self.shared;
        let notification = &shared.notification;
        Some(match key.as_str()? {
            "dot" => Value::from_dyn_object(Arc::clone(self)),
            "Receiver" => Value::from(&*notification.receiver),
            "Status" => Value::from(notification.status().name()),
            "Alerts" => Value::from_object(Alerts(Arc::clone(&self.alerts))),
            "NotificationReason" => Value::from(notification.reason.text()),
            "GroupLabels" => pairs(Labels::from_encoded(&notification.group_labels)),
            "CommonLabels" => shared.common_labels(),
            "CommonAnnotations" => shared.common_annotations(),
            "RouteLabels" => pairs(Labels::EMPTY),
            "ExternalURL" => Value::from(shared.external_url.as_str()),
            "Score" => score(self.top_score()),
            "Factors" => Value::from(self.top_score().main_factors()),
            "OnCall" => Value::from(notification.on_call.as_deref().unwrap_or_default()),
            "Tenant" => Value::from(notification.tenant.as_str()),
            "GroupKey" => Value::from(notification.group_key.as_str()),
            "Kind" => Value::from(match notification.kind {
                NotificationKind::Page => "page",
                NotificationKind::Digest => "digest",
            }),
            NOW => Value::from_object(Moment::now(shared.now)),
            _ => return None,
        })
    }
}

/// Four digits: what people compare, without the noise of the last bits.
fn score(score: Score) -> Value {
    Value::from((f64::from(score.value()) * 10_000.0).round() / 10_000.0)
}

/// One alert, decoded on demand.
#[derive(Debug)]
struct AlertData {
    alert: NotifiedAlert,
    now: Timestamp,
    labels: OnceLock<Value>,
    annotations: OnceLock<Value>,
}

impl AlertData {
    fn new(alert: NotifiedAlert, now: Timestamp) -> Self {
        Self { alert, now, labels: OnceLock::new(), annotations: OnceLock::new() }
    }

    fn ends_at(&self) -> Moment {
        match self.alert.status {
            Status::Firing => Moment::none(self.now),
            Status::Resolved => Moment::of(self.alert.ends_at, self.now),
        }
    }
}

impl Object for AlertData {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let content = self.alert.view();
        Some(match key.as_str()? {
            "Status" => Value::from(self.alert.status.name()),
            "Labels" => self.labels.get_or_init(|| pairs(content.labels)).clone(),
            "Annotations" => self.annotations.get_or_init(|| pairs(content.annotations)).clone(),
            "StartsAt" => Value::from_object(Moment::of(self.alert.starts_at, self.now)),
            "EndsAt" => Value::from_object(self.ends_at()),
            "GeneratorURL" => Value::from(content.generator_url),
            "Fingerprint" => Value::from(format!("{:016x}", content.labels.fingerprint())),
            "Score" => score(self.alert.score),
            "Factors" => Value::from(self.alert.score.main_factors()),
            "Id" => Value::from(self.alert.id.to_string()),
            _ => return None,
        })
    }
}

/// A list of alerts with `Firing` and `Resolved`.
#[derive(Debug)]
struct Alerts(Arc<[Value]>);

impl Alerts {
    fn only(&self, status: Status) -> Value {
        let is = |value: &&Value| {
            value.downcast_object_ref::<AlertData>().is_some_and(|data| data.alert.status == status)
        };
        Value::from_object(Self(self.0.iter().filter(is).cloned().collect()))
    }
}

impl Object for Alerts {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some("Firing") => Some(self.only(Status::Firing)),
            Some("Resolved") => Some(self.only(Status::Resolved)),
            Some(_) => None,
            None => self.0.get(key.as_usize()?).cloned(),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        name: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        property(self.get_value(&name.into()), args)
    }
}

/// A field that is written with `()`, as Go's methods may be read too.
fn property(value: Option<Value>, args: &[Value]) -> Result<Value, Error> {
    value.filter(|_| args.is_empty()).ok_or_else(|| Error::from(ErrorKind::UnknownMethod))
}

/// Labels or annotations: an absent name is empty text.
#[derive(Debug)]
pub(super) struct Pairs(Vec<(Box<str>, Box<str>)>);

/// By name.
pub(super) fn pairs(labels: Labels<'_>) -> Value {
    Value::from_object(Pairs(labels.iter().map(|(name, value)| (name.into(), value.into())).collect()))
}

impl Pairs {
    /// By name, `alertname` first.
    fn shown(&self) -> impl Iterator<Item = &(Box<str>, Box<str>)> {
        let is_name = |pair: &&(Box<str>, Box<str>)| &*pair.0 == "alertname";
        self.0.iter().filter(is_name).chain(self.0.iter().filter(move |pair| !is_name(pair)))
    }

    fn sorted_pairs(&self) -> PairList {
        PairList(self.shown().map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn without(&self, names: &Value) -> Result<Self, Error> {
        let names: Vec<Value> = names.try_iter()?.collect();
        let is_named = |name: &str| names.iter().any(|given| given.as_str() == Some(name));
        Ok(Self(self.0.iter().filter(|(name, _)| !is_named(name)).cloned().collect()))
    }

    fn get(&self, name: &str) -> &str {
        let found = self.0.binary_search_by(|(known, _)| (**known).cmp(name));
        found.map_or("", |index| &self.0[index].1)
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        self.0.iter().map(|(name, value)| (name.to_string(), serde_json::Value::from(&**value))).collect()
    }
}

impl fmt::Display for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.sorted_pairs(), f)
    }
}

impl Object for Pairs {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "SortedPairs" => Value::from_object(self.sorted_pairs()),
            "Names" => self.sorted_pairs().names(),
            "Values" => self.sorted_pairs().values(),
            name => Value::from(self.get(name)),
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.iter().map(|(name, _)| Value::from(&**name)).collect())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        name: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match (name, args) {
            ("Remove", [names]) => Ok(Value::from_object(self.without(names)?)),
            // Jinja's own ways through a map.
            ("items", []) => Ok(self
                .0
                .iter()
                .map(|(name, value)| {
                    [name, value].into_iter().map(|text| Value::from(&**text)).collect::<Value>()
                })
                .collect()),
            ("keys", []) => Ok(self.0.iter().map(|(name, _)| Value::from(&**name)).collect()),
            ("values", []) => Ok(self.0.iter().map(|(_, value)| Value::from(&**value)).collect()),
            ("get", [name]) => Ok(Value::from(self.get(super::value::text_argument("get", name)?))),
            ("SortedPairs" | "Names" | "Values", _) => property(self.get_value(&name.into()), args),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Pairs in order, with `Names` and `Values`.
#[derive(Debug)]
struct PairList(Arc<[(Box<str>, Box<str>)]>);

impl PairList {
    fn names(&self) -> Value {
        self.0.iter().map(|(name, _)| Value::from(&**name)).collect()
    }

    fn values(&self) -> Value {
        self.0.iter().map(|(_, value)| Value::from(&**value)).collect()
    }
}

impl fmt::Display for PairList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value}")?;
        }
        Ok(())
    }
}

impl Object for PairList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some("Names") => Some(self.names()),
            Some("Values") => Some(self.values()),
            Some(_) => None,
            None => self.0.get(key.as_usize()?).map(|pair| Value::from_object(Pair(pair.clone()))),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        name: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        property(self.get_value(&name.into()), args)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A name and its value.
#[derive(Debug)]
struct Pair((Box<str>, Box<str>));

impl Object for Pair {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "Name" => Some(Value::from(&*self.0.0)),
            "Value" => Some(Value::from(&*self.0.1)),
            _ => None,
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{} {}}}", self.0.0, self.0.1)
    }
}

/// A list that knows how to print itself.
pub(super) fn is_ours(value: &Value) -> bool {
    value.downcast_object_ref::<PairList>().is_some()
}

/// As in Alertmanager's JSON, for `toJson`.
pub(super) fn to_json(value: &Value) -> Option<serde_json::Value> {
    if let Some(pairs) = value.downcast_object_ref::<Pairs>() {
        return Some(pairs.to_json());
    }
    if let Some(Pair((name, value))) = value.downcast_object_ref::<Pair>() {
        return Some(serde_json::json!({ "Name": &**name, "Value": &**value }));
    }
    None
}
