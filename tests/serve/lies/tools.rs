//! Tools as they are behind what they say: what they have taken, in order.

use super::judge::{Call, Says};
use crate::support::Seen;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A tool, by the path that it is spoken to at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tool {
    Hook,
    Slack,
    Telegram,
    PagerDuty,
    ServiceNow,
}

impl Tool {
    pub(super) const ALL: [Self; 5] =
        [Self::Hook, Self::Slack, Self::Telegram, Self::PagerDuty, Self::ServiceNow];

    pub(super) fn of(path: &str) -> Self {
        match path {
            _ if path.starts_with("/slack/") => Self::Slack,
            _ if path.starts_with("/bot") => Self::Telegram,
            _ if path.starts_with("/v2/") => Self::PagerDuty,
            _ if path.starts_with("/api/now/") => Self::ServiceNow,
            _ => Self::Hook,
        }
    }
}

/// An incident at ServiceNow.
#[derive(Debug, Clone)]
pub(super) struct Incident {
    pub(super) sys_id: String,
    pub(super) correlation_id: String,
    mark: String,
    state: String,
}

impl Incident {
    pub(super) fn is_open(&self) -> bool {
        !["6", "7", "8"].contains(&self.state.as_str())
    }

    fn json(&self) -> Value {
        let Self { sys_id, correlation_id, mark, state } = self;
        json!({
            "sys_id": sys_id, "number": format!("INC{}", &sys_id[24..]), "state": state,
            "correlation_id": correlation_id, "correlation_display": mark,
        })
    }
}

/// What the tools keep.
#[derive(Debug, Default)]
pub(super) struct Tools {
    messages: u64,
    pub(super) incidents: BTreeMap<String, Incident>,
}

/// What a request asks for, before anything comes of it.
pub(super) fn asked(seen: &Seen) -> Call {
    match (Tool::of(&seen.path), seen.method.as_str()) {
        (Tool::ServiceNow, "GET") => Call::Search,
        (Tool::ServiceNow, "POST") => {
            Call::Create { key: text(&seen.json()["correlation_id"]), sys_id: String::new() }
        }
        (Tool::ServiceNow, _) => {
            let sys_id = seen.path.split('?').next().unwrap_or_default().rsplit('/').next();
            let state = seen.json()["state"].as_str().map(str::to_owned);
            Call::Change { sys_id: sys_id.unwrap_or_default().to_owned(), state }
        }
        (Tool::PagerDuty, _) => {
            let body = seen.json();
            Call::Event { key: text(&body["dedup_key"]), action: text(&body["event_action"]) }
        }
        (Tool::Hook, _) => Call::Hook { alerts: alerts(&seen.json()) },
        (Tool::Slack | Tool::Telegram, _) => chat(seen),
    }
}

/// The alerts that a webhook tells of.
fn alerts(body: &Value) -> Vec<(String, String, Says)> {
    let ids = body["openclaw"]["alerts"].as_array().unwrap();
    let alerts = body["alerts"].as_array().unwrap();
    assert_eq!(ids.len(), alerts.len(), "{body}");
    let says = |alert: &Value| if alert["status"] == "resolved" { Says::Resolved } else { Says::Firing };
    let both = ids.iter().zip(alerts);
    both.map(|(id, alert)| (text(&alert["fingerprint"]), text(&id["id"]), says(alert))).collect()
}

fn chat(seen: &Seen) -> Call {
    let body = seen.json();
    let words = text(&body["text"]);
    let says = if words.contains("FIRING:") { Says::Firing } else { Says::Resolved };
    assert!(words.contains("FIRING:") || words.contains("RESOLVED:"), "{words}");
    let message = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let edits = seen.path.ends_with("/chat.update") || seen.path.ends_with("/editMessageText");
    let (edited, above) = match Tool::of(&seen.path) {
        Tool::Slack => (&body["ts"], &body["thread_ts"]),
        _ => (&body["message_id"], &body["reply_parameters"]["message_id"]),
    };
    match (edits, above.is_null()) {
        (true, _) => Call::Edit { message: message(edited), says },
        (false, false) => Call::Reply { message: message(above) },
        (false, true) => Call::Post { message: String::new(), says },
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

impl Tools {
    /// Does what is asked. Gives the honest answer, and notes in `call` which
    /// thing was made.
    pub(super) fn take(&mut self, seen: &Seen, call: &mut Call) -> (u16, Value) {
        match call {
            Call::Hook { .. } => (200, json!({})),
            Call::Event { key, .. } => {
                (202, json!({ "status": "success", "message": "Event processed", "dedup_key": key }))
            }
            Call::Post { message, .. } => {
                *message = self.new_message(seen);
                (200, said(seen, message))
            }
            Call::Reply { .. } => (200, said(seen, &self.new_message(seen))),
            Call::Edit { message, .. } => (200, said(seen, message)),
            Call::Search => (200, json!({ "result": self.search(&seen.path) })),
            Call::Create { key, sys_id } => {
                *sys_id = format!("{:032}", self.incidents.len() + 1);
                (201, json!({ "result": self.create(key, sys_id, &seen.json()).json() }))
            }
            Call::Change { sys_id, .. } => match self.change(sys_id, &seen.json()) {
                Some(incident) => (200, json!({ "result": incident.json() })),
                None => (404, json!({ "error": { "message": "No Record found" }, "status": "failure" })),
            },
            Call::Person { .. } => unreachable!("nobody is asked to be a person"),
        }
    }

    fn new_message(&mut self, seen: &Seen) -> String {
        self.messages += 1;
        match Tool::of(&seen.path) {
            Tool::Slack => format!("1700000000.{:06}", self.messages),
            _ => self.messages.to_string(),
        }
    }

    /// As the Table API does: the latest first, one at most.
    fn search(&self, path: &str) -> Vec<Value> {
        let query = path.split("sysparm_query=").nth(1).unwrap_or_default();
        let query = query.split('&').next().unwrap_or_default().replace("%3D", "=").replace("%5E", "^");
        let (field, value) = query.split('^').next().unwrap_or_default().split_once('=').unwrap();
        let is_it = |incident: &&Incident| match field {
            "correlation_id" => incident.correlation_id == value,
            "sys_id" => incident.sys_id == value,
            _ => panic!("a search for {field}"),
        };
        self.incidents.values().rev().find(is_it).map(Incident::json).into_iter().collect()
    }

    fn create(&mut self, key: &str, sys_id: &str, fields: &Value) -> &Incident {
        let state = fields["state"].as_str().unwrap_or("1").to_owned();
        let mark = text(&fields["correlation_display"]);
        let incident = Incident { sys_id: sys_id.to_owned(), correlation_id: key.to_owned(), mark, state };
        self.incidents.entry(sys_id.to_owned()).or_insert(incident)
    }

    fn change(&mut self, sys_id: &str, fields: &Value) -> Option<&Incident> {
        let incident = self.incidents.get_mut(sys_id)?;
        if let Some(state) = fields["state"].as_str() {
            state.clone_into(&mut incident.state);
        }
        if let Some(mark) = fields["correlation_display"].as_str() {
            mark.clone_into(&mut incident.mark);
        }
        Some(incident)
    }

    /// Somebody resolves an incident over there. Gives its correlation id.
    pub(super) fn resolve(&mut self, sys_id: &str) -> Option<String> {
        let incident = self.incidents.get_mut(sys_id)?;
        "6".clone_into(&mut incident.state);
        Some(incident.correlation_id.clone())
    }
}

fn said(seen: &Seen, message: &str) -> Value {
    let body = seen.json();
    match Tool::of(&seen.path) {
        Tool::Slack => json!({ "ok": true, "channel": body["channel"], "ts": message }),
        _ => {
            let number: u64 = message.parse().unwrap_or_default();
            json!({ "ok": true, "result": { "message_id": number, "chat": { "id": body["chat_id"] } } })
        }
    }
}
