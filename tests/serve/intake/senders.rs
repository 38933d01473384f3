//! One sender a format: its requests as its tool writes them.

use crate::support::Request;
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Where a sender shows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    Bearer,
    /// The tenant as user, the key as password.
    Basic,
    GenieKey,
    /// `routing_key`.
    Body,
}

/// A tool that sends alerts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender {
    /// The format's name.
    pub(super) format: &'static str,
    pub(super) path: &'static str,
    pub(super) credential: Credential,
    /// Headers beside the content type.
    pub(super) headers: &'static [(&'static str, &'static str)],
    pub(super) content_type: &'static str,
    body: fn(What) -> (&'static str, Value),
    /// Whether somebody can acknowledge over there.
    pub(super) acknowledges: bool,
    /// Whether the first request, sent again when all is over, opens nothing.
    pub(super) knows_repeats: bool,
}

/// What a request says of its alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Fires(u32),
    Acknowledged(u32),
    Ended(u32),
}

impl What {
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Fires(n) | Self::Acknowledged(n) | Self::Ended(n) => n,
        }
    }

    fn word(self, firing: &'static str, acknowledged: &'static str, ended: &'static str) -> &'static str {
        match self {
            Self::Fires(_) => firing,
            Self::Acknowledged(_) => acknowledged,
            Self::Ended(_) => ended,
        }
    }
}

pub(super) const SENDERS: [Sender; 9] = [
    Sender { path: "/api/v1/ingest/alertmanager", body: alertmanager, ..usual("alertmanager") },
    Sender { path: "/api/v1/alerts", body: grafana, ..usual("grafana") },
    Sender {
        path: "/v2/enqueue",
        credential: Credential::Body,
        acknowledges: true,
        body: pagerduty,
        ..usual("pagerduty")
    },
    Sender {
        path: "/api/v1/alerts",
        content_type: "application/cloudevents+json; charset=utf-8",
        acknowledges: true,
        knows_repeats: true,
        body: structured,
        ..usual("cloudevents")
    },
    Sender {
        path: "/api/v1/ingest/cloudevents",
        headers: &[
            ("ce-specversion", "1.0"),
            ("ce-source", "/checks/binary"),
            ("ce-type", "com.example.check"),
        ],
        acknowledges: true,
        knows_repeats: true,
        body: binary,
        ..usual("cloudevents")
    },
    Sender {
        path: "/api/global/em/jsonv2",
        credential: Credential::Basic,
        body: servicenow,
        ..usual("servicenow")
    },
    Sender {
        path: "/v2/alerts",
        credential: Credential::GenieKey,
        acknowledges: true,
        body: opsgenie,
        ..usual("opsgenie")
    },
    Sender { path: "/api/v1/ingest/argocd", body: argocd, ..usual("argocd") },
    Sender { path: "/api/v1/alerts", acknowledges: true, body: any_json, ..usual("json") },
];

const fn usual(format: &'static str) -> Sender {
    Sender {
        format,
        path: "",
        credential: Credential::Bearer,
        headers: &[],
        content_type: "application/json",
        body: any_json,
        acknowledges: false,
        knows_repeats: false,
    }
}

impl Sender {
    /// What follows the path, and the body.
    pub(super) fn body(&self, what: What) -> (&'static str, Value) {
        (self.body)(what)
    }

    /// The request, as the tool sends it with a tenant's key.
    pub(super) fn request(&self, what: What, tenant: &str, key: &str) -> Request {
        let (below, body) = self.body(what);
        self.with_body(&format!("{}{below}", self.path), body, tenant, key)
    }

    /// The same with another target or body.
    pub(super) fn with_body(&self, target: &str, mut body: Value, tenant: &str, key: &str) -> Request {
        if self.credential == Credential::Body {
            body["routing_key"] = key.into();
        }
        let request = self.without_key(target, &body.to_string());
        match self.credential {
            Credential::Bearer => request.key(key),
            Credential::Basic => request.basic(tenant, key),
            Credential::GenieKey => request.header("Authorization", &format!("GenieKey {key}")),
            Credential::Body => request,
        }
    }

    /// Without any credential but what `body` holds.
    pub(super) fn without_key(&self, target: &str, body: &str) -> Request {
        let request = Request::post_as(target, Some(self.content_type), body);
        let request = self.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        // Another event has another id.
        let mut id = DefaultHasher::new();
        body.hash(&mut id);
        if self.headers.is_empty() { request } else { request.header("ce-id", &id.finish().to_string()) }
    }
}

fn alertmanager(what: What) -> (&'static str, Value) {
    let n = what.number();
    let status = what.word("firing", "firing", "resolved");
    let ends_at = what.word("0001-01-01T00:00:00Z", "", "2026-01-02T10:05:00Z");
    let labels = json!({ "alertname": format!("DiskFull{n}"), "severity": "critical", "host": "db-1" });
    let alert = json!({
        "status": status,
        "labels": labels,
        "annotations": { "summary": "disk is full" },
        "startsAt": "2026-01-02T10:00:00.123456789Z",
        "endsAt": ends_at,
        "generatorURL": "http://prometheus.example/graph",
        "fingerprint": format!("{n:016x}"),
    });
    let body = json!({
        "version": "4",
        "groupKey": "{}:{alertname=\"DiskFull\"}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "openclaw",
        "groupLabels": { "alertname": "DiskFull" },
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "alerts": [alert],
    });
    ("", body)
}

fn grafana(what: What) -> (&'static str, Value) {
    let (_, mut body) = alertmanager(what);
    let name = format!("PanelRed{}", what.number());
    body["alerts"][0]["labels"]["alertname"] = name.into();
    body["orgId"] = 1.into();
    body["version"] = "1".into();
    body["title"] = "[FIRING:1] DiskFull".into();
    body["state"] = what.word("alerting", "alerting", "ok").into();
    body["message"] = "**Firing**".into();
    body["alerts"][0]["values"] = json!({ "A": 97.5 });
    body["alerts"][0]["silenceURL"] = "https://grafana.example/alerting/silence/new".into();
    ("", body)
}

fn pagerduty(what: What) -> (&'static str, Value) {
    let mut body = json!({
        "event_action": what.word("trigger", "acknowledge", "resolve"),
        "dedup_key": format!("srv01/http-{}", what.number()),
    });
    if let What::Fires(n) = what {
        body["payload"] = json!({
            "summary": format!("Example alert {n} on host1.example.com"),
            "source": "monitoringtool:host1.example.com",
            "severity": "critical",
            "component": "postgres",
            "group": "prod-datapipe",
            "class": "deploy",
            "custom_details": { "ping time": "1500ms" },
        });
        body["links"] = json!([{ "href": "https://example.com/", "text": "Link text" }]);
        body["client"] = "Sample Monitoring Service".into();
    }
    ("", body)
}

fn any_json(what: What) -> (&'static str, Value) {
    ("", event("queue", what))
}

fn binary(what: What) -> (&'static str, Value) {
    ("", event("binary", what))
}

fn event(kind: &str, what: What) -> Value {
    let n = what.number();
    json!({
        "alertname": format!("Long{n}"),
        "id": format!("{kind}-{n}"),
        "severity": "warning",
        "status": what.word("firing", "acknowledged", "resolved"),
        "message": "the queue is long",
        "labels": { "queue": format!("mail-{n}") },
    })
}

fn structured(what: What) -> (&'static str, Value) {
    let body = json!({
        "specversion": "1.0",
        "type": "com.example.check",
        "source": "/checks/structured",
        "id": format!("{what:?}"),
        "datacontenttype": "application/json",
        "data": event("structured", what),
    });
    ("", body)
}

fn servicenow(what: What) -> (&'static str, Value) {
    let n = what.number();
    let record = json!({
        "source": "SCOM",
        "event_class": "SCOM 2007 on scom.example",
        "node": format!("name.of.node{n}.com"),
        "resource": "C:",
        "metric_name": "Percentage Logical Disk Free Space",
        "type": "Disk space",
        "severity": what.word("1", "1", "0"),
        "description": "The disk C: is full",
        "additional_info": "{\"evtComponent\":\"disk\"}",
        "time_of_event": "2026-01-02 10:00:00",
    });
    ("", json!({ "records": [record] }))
}

fn opsgenie(what: What) -> (&'static str, Value) {
    let n = what.number();
    let created = || {
        json!({
            "message": format!("An example alert message {n}"),
            "alias": format!("Life is too short for no alias {n}"),
            "description": "Every alert needs a description",
            "tags": ["OverwriteQuietHours", "Critical"],
            "details": { "key1": "value1" },
            "entity": "An example entity",
            "priority": "P1",
        })
    };
    let acted = json!({ "user": "Monitoring Script", "source": "AWS Lambda", "note": "Action executed" });
    match (what, n) {
        (What::Fires(_), _) => ("", created()),
        (What::Acknowledged(_), 1) => {
            ("/Life%20is%20too%20short%20for%20no%20alias%201/acknowledge?identifierType=alias", acted)
        }
        (What::Ended(_), 1) => {
            ("/Life%20is%20too%20short%20for%20no%20alias%201/close?identifierType=alias", acted)
        }
        _ => ("/none/close?identifierType=alias", acted),
    }
}

fn argocd(what: What) -> (&'static str, Value) {
    let n = what.number();
    let body = json!({
        "app": format!("guestbook-{n}"),
        "project": "default",
        "revision": "53e28ff20cc530b9ada2173fbbd64d48338583ba",
        "sync": "OutOfSync",
        "health": what.word("Degraded", "Degraded", "Healthy"),
        "message": "one or more objects failed to apply",
    });
    ("", body)
}
