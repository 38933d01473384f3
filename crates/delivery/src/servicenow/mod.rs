//! ServiceNow's incidents, through the Table API.
//!
//! Creating is not idempotent there, so that each send looks first: for the
//! latest incident with the group's dedup key as `correlation_id`. Then it
//! makes one change at most. A create whose answer got lost is found by the
//! next attempt, and what it did by its mark ([`record`]).

mod answer;
mod payload;
mod plan;
mod record;
mod settings;
#[cfg(test)]
mod tests;

pub use settings::{Field, Level, NameError, Settings, Step, Table};

use crate::http::{Call, Exchange};
use crate::kind::{Kind, Sending};
use crate::{Target, TargetError, Timeout};
use answer::{Change, changed, found, parameters, unseen};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use openclaw_alert::{Notification, SendOutcome};
pub(crate) use payload::created;
use payload::updated;
use plan::{Plan, plan};
use record::{Incident, sys_id_of};
use serde_json::{Map, Value};
use std::time::Duration;

/// Instances that show more fields than were asked for are read all the same.
const ANSWER_BYTES_MAX: usize = 64 << 10;
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// A slow instance gets this long to finish a create before it is asked whether it has.
const AFTER_UNANSWERED_CREATE: Duration = Duration::from_secs(10);

impl Kind for Settings {
    fn name(&self) -> &'static str {
        "servicenow"
    }

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    fn timeout(&self) -> Timeout {
        self.timeout
    }

    fn host(&self) -> &str {
        self.instance_url.host()
    }

    fn shows_actions(&self) -> bool {
        true
    }

    fn send<'s>(&'s self, exchange: &'s Exchange<'s>, notification: &'s Notification) -> Sending<'s> {
        Box::pin(async move {
            let sending = Sent { settings: self, exchange, notification };
            sending.tell().await.unwrap_or_else(|outcome| outcome)
        })
    }
}

/// One send.
struct Sent<'s> {
    settings: &'s Settings,
    exchange: &'s Exchange<'s>,
    notification: &'s Notification,
}

impl Sent<'_> {
    async fn tell(&self) -> Result<SendOutcome, SendOutcome> {
        let incident = self.incident().await?;
        let (settings, notification, words) = (self.settings, self.notification, &self.exchange.words);
        match plan(incident.as_ref(), notification, settings.resolve) {
            Plan::Nothing => {
                Ok(SendOutcome::Delivered { receipt: incident.map(|incident| incident.receipt()) })
            }
            Plan::Create => self.create(created(settings, notification, words)).await.map_err(after_create),
            Plan::Update(incident, state) => {
                self.update(incident, updated(settings, notification, words, incident, state)).await
            }
        }
    }

    /// The group's latest incident: by its key or, on a table that doesn't
    /// keep that, as we remember it.
    async fn incident(&self) -> Result<Option<Incident>, SendOutcome> {
        let key = &self.notification.dedup_key;
        if let Some(incident) = self.search("correlation_id", key).await? {
            return Ok(Some(incident));
        }
        let Some(receipt) = self.notification.receipt.as_deref() else { return Ok(None) };
        let Some(sys_id) = sys_id_of(receipt) else { return Ok(None) };
        let known = self.look_at(sys_id).await?;
        known.map(Some).ok_or_else(|| unseen(self.settings.instance_url.host(), receipt))
    }

    /// The record itself: lists leave out what the user may not read.
    async fn look_at(&self, sys_id: &str) -> Result<Option<Incident>, SendOutcome> {
        self.ask(&[sys_id], &parameters(false, false), "sys_id", sys_id).await
    }

    async fn search(&self, field: &str, value: &str) -> Result<Option<Incident>, SendOutcome> {
        let query = format!("{field}={value}^ORDERBYDESCsys_created_on");
        let mut pairs = vec![("sysparm_query", query.as_str()), ("sysparm_limit", "1")];
        pairs.extend(parameters(false, false));
        self.ask(&[], &pairs, field, value).await
    }

    async fn ask(
        &self,
        below: &[&str],
        pairs: &[(&str, &str)],
        field: &str,
        value: &str,
    ) -> Result<Option<Incident>, SendOutcome> {
        let target = self.target(below, pairs)?;
        let answer = self.exchange.call(self.call(Method::GET, &target, None)).await?;
        found(self.settings.instance_url.host(), &answer, field, value)
    }

    async fn create(&self, fields: Map<String, Value>) -> Result<SendOutcome, SendOutcome> {
        let target = self.target(&[], &parameters(true, self.settings.display_values))?;
        let answer = self.exchange.call(self.call(Method::POST, &target, Some(fields))).await?;
        self.verdict(changed(self.settings.instance_url.host(), &answer, Change::Create))
    }

    async fn update(
        &self,
        incident: &Incident,
        fields: Map<String, Value>,
    ) -> Result<SendOutcome, SendOutcome> {
        let target = self.target(&[&incident.sys_id], &parameters(true, false))?;
        let answer = self.exchange.call(self.call(Method::PATCH, &target, Some(fields))).await?;
        self.verdict(changed(self.settings.instance_url.host(), &answer, Change::Update))
    }

    fn verdict(&self, outcome: SendOutcome) -> Result<SendOutcome, SendOutcome> {
        if matches!(outcome, SendOutcome::Delivered { .. }) { Ok(outcome) } else { Err(outcome) }
    }

    fn target(&self, below: &[&str], pairs: &[(&str, &str)]) -> Result<Target, SendOutcome> {
        let mut segments = vec!["api", "now", "table", self.settings.table.as_str()];
        segments.extend(below);
        let never = |error: TargetError| SendOutcome::Never {
            detail: format!("`instance_url` gives no address: {error}"),
        };
        self.settings.instance_url.join(&segments, pairs).map_err(never)
    }

    fn call<'c>(
        &'c self,
        method: Method,
        target: &'c Target,
        fields: Option<Map<String, Value>>,
    ) -> Call<'c> {
        // Without both, the instance answers 400 or XML.
        let headers = HeaderMap::from_iter([(ACCEPT, JSON), (CONTENT_TYPE, JSON)]);
        let body = fields.map(|fields| Value::Object(fields).to_string().into_bytes());
        let idempotency_key = Some(self.notification.idempotency_key.as_str());
        let answer_bytes_max = ANSWER_BYTES_MAX;
        Call {
            headers,
            body,
            idempotency_key,
            answer_bytes_max,
            ..Call::new(method, target, &self.settings.http)
        }
    }
}

fn after_create(outcome: SendOutcome) -> SendOutcome {
    match outcome {
        SendOutcome::Retry { after: None, ambiguous: true, detail } => {
            SendOutcome::Retry { after: Some(AFTER_UNANSWERED_CREATE), ambiguous: true, detail }
        }
        other => other,
    }
}
