//! PagerDuty's webhooks, version 3: what happened to an incident.

use super::{Deed, Fault, ID_BYTES_MAX, What, by};
use openclaw_alert::Feedback;
use serde::Deserialize;

/// Hexadecimal digits of our keys.
const KEY_DIGITS: usize = 32;

/// Something that a person did with an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it means.
    pub deed: Deed,
    /// PagerDuty's own name of the event, the same each time it is sent. It
    /// stands in what is signed, which the header of that name does not.
    pub id: String,
}

#[derive(Deserialize)]
struct Body {
    event: EventBody,
}

#[derive(Deserialize)]
struct EventBody {
    id: String,
    event_type: String,
    agent: Option<Agent>,
    #[serde(default)]
    data: Incident,
}

#[derive(Deserialize)]
struct Agent {
    #[serde(rename = "type", default)]
    kind: String,
    summary: Option<String>,
}

#[derive(Deserialize, Default)]
struct Incident {
    incident_key: Option<String>,
}

/// Reads an event. `None` for what is nothing to us: other types, other tools'
/// incidents, and what no person did, above all the echo of what we told
/// PagerDuty ourselves. To refuse those would end the subscription: PagerDuty
/// switches it off after a few 4xx.
///
/// # Errors
/// Not in PagerDuty's form.
pub fn decode(body: &[u8]) -> Result<Option<Event>, Fault> {
    let body: Body = serde_json::from_slice(body).map_err(|error| Fault::at("", error.to_string()))?;
    let EventBody { id, event_type, agent, data } = body.event;
    let Some(feedback) = meaning(&event_type) else { return Ok(None) };
    let Some(agent) = agent.filter(|agent| agent.kind.starts_with("user")) else { return Ok(None) };
    // An incident that somebody opened by hand may have none.
    let Some(key) = data.incident_key.filter(|key| may_be_ours(key)) else { return Ok(None) };
    if id.is_empty() || id.len() > ID_BYTES_MAX {
        return Err(Fault::at("/event/id", format!("must have 1 to {ID_BYTES_MAX} bytes")));
    }
    let deed = Deed {
        key,
        what: What::Judged(feedback),
        by: by(&agent.summary.unwrap_or_default(), "PagerDuty"),
        note: String::new(),
    };
    Ok(Some(Event { deed, id }))
}

/// A subscription brings the incidents of all that report to the service, each
/// with a key in its own form.
fn may_be_ours(key: &str) -> bool {
    key.len() == KEY_DIGITS && key.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn meaning(event_type: &str) -> Option<Feedback> {
    match event_type {
        "incident.acknowledged" => Some(Feedback::Ack),
        "incident.resolved" => Some(Feedback::Resolve),
        // To another person, or to another policy: both ask for more people.
        "incident.escalated" | "incident.delegated" => Some(Feedback::Escalate),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// As PagerDuty's documentation shows one, shortened.
    fn documented(event_type: &str) -> Value {
        json!({ "event": {
            "id": "5ac64822-4adc-4fda-ade0-410becf0de4f",
            "event_type": event_type,
            "resource_type": "incident",
            "occurred_at": "2020-10-02T18:45:22.169Z",
            "agent": {
                "html_url": "https://acme.pagerduty.com/users/PLH1HKV",
                "id": "PLH1HKV",
                "self": "https://api.pagerduty.com/users/PLH1HKV",
                "summary": "Tenex Engineer",
                "type": "user_reference"
            },
            "client": { "name": "PagerDuty" },
            "data": {
                "id": "PGR0VU2",
                "type": "incident",
                "number": 2,
                "status": "triggered",
                "incident_key": "d3640fbd41094207a1c11e58e46b1662",
                "title": "A little bump in the road",
                "priority": { "id": "PSO75BM", "summary": "P1", "type": "priority_reference" },
                "resolve_reason": null
            }
        } })
    }

    fn decoded(event: &Value) -> Result<Option<Event>, Fault> {
        decode(event.to_string().as_bytes())
    }

    #[test]
    fn each_event_has_its_meaning() {
        for (event_type, want) in [
            ("incident.acknowledged", Some(Feedback::Ack)),
            ("incident.resolved", Some(Feedback::Resolve)),
            ("incident.escalated", Some(Feedback::Escalate)),
            ("incident.delegated", Some(Feedback::Escalate)),
            ("incident.triggered", None),
            ("incident.unacknowledged", None),
            ("incident.priority_updated", None),
            ("service.updated", None),
            ("pagey.ping", None),
        ] {
            let event = decoded(&documented(event_type)).unwrap();
            assert_eq!(event.as_ref().map(|event| event.deed.what), want.map(What::Judged), "{event_type}");
            if let Some(Event { deed, id }) = event {
                assert_eq!(deed.by, "Tenex Engineer in PagerDuty");
                assert_eq!(deed.key, "d3640fbd41094207a1c11e58e46b1662");
                assert_eq!(id, "5ac64822-4adc-4fda-ade0-410becf0de4f");
            }
        }
    }

    #[test]
    fn what_no_person_did_is_nothing_to_us() {
        for agent in [
            Value::Null,
            json!({ "type": "service_reference", "summary": "API Service" }),
            json!({ "type": "events_api_v2_inbound_integration_reference" }),
        ] {
            let mut event = documented("incident.resolved");
            event["event"]["agent"] = agent;
            assert_eq!(decoded(&event), Ok(None), "{event}");
        }
        let mut by_hand = documented("incident.resolved");
        by_hand["event"]["data"]["incident_key"] = Value::Null;
        assert_eq!(decoded(&by_hand), Ok(None));
        let other =
            json!({ "event": { "id": "x", "event_type": "service.created", "agent": null, "data": {} } });
        assert_eq!(decoded(&other), Ok(None));
    }

    #[test]
    fn incidents_of_other_tools_are_nothing_to_us() {
        let ours = "d3640fbd41094207a1c11e58e46b1662";
        for key in
            ["", "x", &"x".repeat(300), &ours[1..], &format!("{ours}0"), &ours.replace('d', "g"), "srv01/cpu"]
        {
            let mut event = documented("incident.resolved");
            event["event"]["data"]["incident_key"] = json!(key);
            assert_eq!(decoded(&event), Ok(None), "{key}");
        }
        assert!(decoded(&documented("incident.resolved")).unwrap().is_some());
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let mut nameless = documented("incident.resolved");
        nameless["event"]["id"] = json!("");
        for (event, pointer) in [(nameless, "/event/id"), (json!({}), ""), (json!({ "event": 5 }), "")] {
            assert_eq!(decoded(&event).unwrap_err().pointer, pointer);
        }
    }
}
