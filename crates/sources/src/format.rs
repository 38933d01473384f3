//! Which format a request is in, and who decodes it.

use crate::tree::{Node, parse};
use crate::{
    Decoded, Fault, Mapping, Refusal, alertmanager_webhook, argocd, cloudevents, generic, grafana, opsgenie,
    pagerduty, servicenow,
};
use openclaw_alert::Timestamp;
use std::time::Duration;

/// A format that alerts come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Alertmanager's webhook, version 4, and arrays of its postable alerts.
    Alertmanager,
    /// Grafana's webhook contact point.
    Grafana,
    /// PagerDuty Events API v2.
    PagerDuty,
    /// CloudEvents 1.0 over HTTP.
    CloudEvents,
    /// ServiceNow Event Management, `jsonv2`.
    ServiceNow,
    /// Opsgenie's Alert API.
    Opsgenie,
    /// Argo CD notifications.
    ArgoCd,
    /// Any JSON.
    Json,
}

impl Format {
    /// Every format with its name in paths and settings.
    pub const ALL: [(Format, &'static str); 8] = [
        (Format::Alertmanager, "alertmanager"),
        (Format::Grafana, "grafana"),
        (Format::PagerDuty, "pagerduty"),
        (Format::CloudEvents, "cloudevents"),
        (Format::ServiceNow, "servicenow"),
        (Format::Opsgenie, "opsgenie"),
        (Format::ArgoCd, "argocd"),
        (Format::Json, "json"),
    ];

    /// Name in paths and settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// From its name in paths and settings.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(format, _)| *format)
    }

    /// Whether a source of this format may have a [`Mapping`].
    #[must_use]
    pub fn takes_mapping(self) -> bool {
        matches!(self, Format::CloudEvents | Format::ArgoCd | Format::Json)
    }
}

/// One request as an intake sees it. Nothing of it names a tenant.
#[derive(Debug, Clone, Copy)]
pub struct Post<'r> {
    /// `POST`, and for Opsgenie also `GET`, `PUT`, `PATCH` and `DELETE`.
    pub method: &'r str,
    /// What follows the intake's own path, undecoded: empty, or for example
    /// `/my-alias/close` (Opsgenie), `/change/enqueue` (PagerDuty),
    /// `/em_event.do` (ServiceNow).
    pub path: &'r str,
    /// What follows the `?`, undecoded.
    pub query: &'r str,
    /// Headers with lower-case names, those left out whose value is not
    /// visible ASCII.
    pub headers: &'r [(&'r str, &'r str)],
    /// The whole body.
    pub body: &'r [u8],
    /// When it came in.
    pub received_at: Timestamp,
}

impl<'r> Post<'r> {
    /// The header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'r str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The media type, without parameters.
    pub(crate) fn media_type(&self) -> &'r str {
        self.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim()
    }

    /// A parameter of the query, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }
}

/// How long an alert fires that comes without an end and that nobody repeats.
/// Formats that have a word for the end get a week, the others a day.
/// [`decode`] sets it on the batch.
pub(crate) fn lasts(format: Format) -> Duration {
    const DAY: Duration = Duration::from_secs(86_400);
    match format {
        Format::CloudEvents | Format::ArgoCd | Format::Json => DAY,
        _ => 7 * DAY,
    }
}

/// Reads a request of the given format.
///
/// # Errors
/// [`Refusal`] when it is refused whole; alerts that are refused alone are in
/// [`Decoded::rejected`].
pub fn decode(format: Format, post: &Post<'_>, mapping: Option<&Mapping>) -> Result<Decoded, Refusal> {
    let none = Mapping::default();
    let given = mapping.unwrap_or(&none);
    match format {
        Format::Alertmanager => alertmanager_webhook::decode(post),
        Format::Grafana => grafana::decode(post),
        Format::PagerDuty => pagerduty::decode(post),
        Format::CloudEvents => cloudevents::decode(post, given),
        Format::ServiceNow => servicenow::decode(post),
        Format::Opsgenie => opsgenie::decode(post),
        Format::ArgoCd if mapping.is_none() => argocd::decode(post),
        Format::ArgoCd | Format::Json => generic::decode(format, post, given),
    }
}

/// Finds the format of a request to the path that takes all of them.
///
/// # Errors
/// [`Refusal`] for JSON that can't be read, and for Alertmanager's old API,
/// whose path this once was.
pub fn detect(post: &Post<'_>) -> Result<Format, Refusal> {
    if cloudevents::is_event(post) {
        return Ok(Format::CloudEvents);
    }
    let body = parse(post.body).map_err(|fault| Refusal::new(Format::Json, 400, fault))?;
    let first = body.as_array().map_or(Some(&body), <[Node<'_>]>::first);
    let Some(first) = first else { return Ok(Format::Json) };
    if body.as_array().is_some() && is_postable(first) {
        let detail = "is of Alertmanager's API v1, which is gone: post it to `/api/v2/alerts`";
        return Err(Refusal::new(Format::Alertmanager, 410, Fault::new("", detail)));
    }
    let shape = SHAPES.iter().find(|(_, names)| names.iter().all(|name| first.get(name).is_some()));
    Ok(shape.map_or(Format::Json, |(format, _)| *format))
}

/// Fields by which a format is known, the more telling ones first.
const SHAPES: [(Format, &[&str]); 8] = [
    (Format::CloudEvents, &["specversion", "type", "source", "id"]),
    (Format::Grafana, &["orgId", "alerts"]),
    (Format::Alertmanager, &["version", "groupKey", "alerts"]),
    (Format::PagerDuty, &["routing_key", "event_action"]),
    (Format::ServiceNow, &["records"]),
    (Format::ArgoCd, &["app", "sync", "health"]),
    (Format::Opsgenie, &["message", "responders"]),
    (Format::Opsgenie, &["message", "alias", "priority"]),
];

/// Nothing but the fields of Alertmanager's own alerts.
fn is_postable(first: &Node<'_>) -> bool {
    const FIELDS: [&str; 5] = ["labels", "annotations", "startsAt", "endsAt", "generatorURL"];
    first.get("labels").is_some() && first.fields().iter().all(|(name, _)| FIELDS.contains(&&name[..]))
}
