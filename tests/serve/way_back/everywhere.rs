//! One alert in Slack, PagerDuty and ServiceNow at once, each of which tells
//! back what happens there, as the real ones do.

use super::{Click, EDIT, POST, SECRET, sign, slack, value_of};
use crate::support::server::{SILENT, Server};
use crate::support::{Alert, Folder, Reply, Request, Seen, Sink, pause, until, until_some};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PAGERDUTY_SECRET: &str = "pagerduty-webhook-secret";
const PAGERDUTY: &str = "/t/acme/api/v1/pagerduty/callback";
const SERVICENOW: &str = "/t/acme/api/v1/servicenow/callback";

/// A ServiceNow instance with a business rule that posts each change of state,
/// the integration's own changes too.
#[derive(Default)]
struct Instance {
    incidents: Vec<Map<String, Value>>,
    /// Where the rule posts, and with what key.
    rule: Option<(SocketAddr, String)>,
    /// What the rule has posted, and what it was told.
    told: Vec<(String, Value)>,
}

impl Instance {
    fn act(shared: &Arc<Mutex<Self>>, seen: &Seen) -> Reply {
        match seen.method.as_str() {
            "GET" => shared.lock().unwrap().search(&seen.path),
            "POST" => shared.lock().unwrap().create(&seen.json()),
            _ => Self::change(shared, seen),
        }
    }

    fn search(&self, path: &str) -> Reply {
        let named = |incident: &&Map<String, Value>| {
            ["correlation_id", "sys_id"].iter().any(|field| path.contains(incident[*field].as_str().unwrap()))
        };
        let found: Vec<_> = self.incidents.iter().rev().find(named).into_iter().collect();
        Reply::json(json!({ "result": found }).to_string())
    }

    fn create(&mut self, incident: &Value) -> Reply {
        let mut incident = incident.as_object().unwrap().clone();
        let number = self.incidents.len() + 1;
        incident.insert("sys_id".into(), format!("{number:032x}").into());
        incident.insert("number".into(), format!("INC{number:07}").into());
        incident.entry("state").or_insert("1".into());
        self.incidents.push(incident.clone());
        Reply::json(json!({ "result": incident }).to_string()).with_status(201)
    }

    fn change(shared: &Arc<Mutex<Self>>, seen: &Seen) -> Reply {
        let (incident, has_changed) = shared.lock().unwrap().merge(&seen.path, &seen.json());
        if has_changed {
            let (shared, incident) = (Arc::clone(shared), incident.clone());
            std::thread::spawn(move || Self::run_rule(&shared, &incident, "openclaw.integration"));
        }
        Reply::json(json!({ "result": incident }).to_string())
    }

    fn merge(&mut self, path: &str, change: &Value) -> (Map<String, Value>, bool) {
        let named = |incident: &&mut Map<String, Value>| path.contains(incident["sys_id"].as_str().unwrap());
        let incident = self.incidents.iter_mut().find(named).unwrap();
        let before = incident["state"].clone();
        incident.extend(change.as_object().unwrap().clone());
        (incident.clone(), incident["state"] != before)
    }

    fn run_rule(shared: &Mutex<Self>, incident: &Map<String, Value>, by: &str) {
        let Some((address, key)) = shared.lock().unwrap().rule.clone() else { return };
        let body = json!({
            "correlation_id": incident["correlation_id"], "state": incident["state"],
            "number": incident["number"], "by": by,
        });
        let answer = Request::post(SERVICENOW, body.to_string()).key(&key).send(address).expect(200);
        let told =
            (incident["state"].as_str().unwrap_or_default().to_owned(), answer.json()["result"].clone());
        shared.lock().unwrap().told.push(told);
    }

    /// A person changes the only incident's state.
    fn set_state(shared: &Arc<Mutex<Self>>, state: &str, by: &str) {
        let incident = {
            let mut instance = shared.lock().unwrap();
            let incident = instance.incidents.last_mut().unwrap();
            incident.insert("state".into(), state.into());
            incident.clone()
        };
        Self::run_rule(shared, &incident, by);
    }
}

struct World {
    server: Server,
    key: String,
    slack: Sink,
    pagerduty: Sink,
    servicenow: Sink,
    instance: Arc<Mutex<Instance>>,
    _folder: Folder,
}

fn world() -> World {
    let slack = slack();
    let taken = r#"{"status":"success","message":"Event processed","dedup_key":"x"}"#;
    let pagerduty = Sink::answering(Reply::json(taken).with_status(202));
    let instance = Arc::<Mutex<Instance>>::default();
    let shared = Arc::clone(&instance);
    let servicenow = Sink::acting(Box::new(move |seen| Instance::act(&shared, seen)));
    let tenant = format!(
        "receivers:\n- name: ops\n  slack_configs:\n  - {{ app_token: xoxb-1, app_url: \"{}\", channel: C1, signing_secret: \"{SECRET}\", send_resolved: true }}\n  \
         pagerduty_configs:\n  - {{ routing_key: R123, url: \"{}\", webhook_secret: {PAGERDUTY_SECRET} }}\n  \
         servicenow_configs:\n  - {{ instance_url: \"{}\", username: openclaw.integration, password: p }}\n\
         route: {{ receiver: ops, group_by: [alertname], group_wait: 0s, group_interval: 1s }}\n",
        slack.url("/api/"),
        pagerduty.url("/v2/enqueue"),
        servicenow.url(""),
    );
    let folder = Folder::new(&[("acme", &tenant), ("globex", SILENT)]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    instance.lock().unwrap().rule = Some((server.address, key.clone()));
    World { server, key, slack, pagerduty, servicenow, instance, _folder: folder }
}

impl World {
    /// An alert that all three know of; gives the names that each has for it.
    fn alert(&self, name: &str) -> Keys {
        self.server.post_alerts(&self.key, &[Alert::new(name).label("severity", "critical")]);
        let message = until_some("a message in Slack", || {
            let posted = self.slack.seen_at(POST).into_iter().map(|seen| seen.json());
            posted.into_iter().find(|message| message.to_string().contains(name))
        });
        let event = until_some("an event at PagerDuty", || self.events("trigger").pop());
        until("an incident at ServiceNow", || !self.instance.lock().unwrap().incidents.is_empty());
        self.server.wait_delivered(&self.key);
        Keys {
            slack: value_of(&message, "openclaw_ack"),
            pagerduty: event["dedup_key"].as_str().unwrap().to_owned(),
        }
    }

    fn events(&self, action: &str) -> Vec<Value> {
        let events = self.pagerduty.seen().into_iter().map(|seen| seen.json());
        events.filter(|event| event["event_action"] == action).collect()
    }

    fn acted(&self, name: &str) -> Value {
        self.server.alert(&self.key, name)["acted"].clone()
    }

    fn incident(&self) -> Value {
        self.instance.lock().unwrap().incidents.last().cloned().into()
    }

    /// Everything that the integration wrote into incidents.
    fn written(&self) -> Vec<String> {
        let seen = self.servicenow.seen().into_iter().filter(|seen| seen.method != "GET");
        seen.map(|seen| String::from_utf8(seen.body).unwrap()).collect()
    }

    /// Waits until the three have come to rest, and gives how much was sent.
    fn at_rest(&self) -> usize {
        let sent = || self.slack.seen().len() + self.pagerduty.seen().len() + self.written().len();
        until_some("the tools come to rest", || {
            let before = sent();
            pause(Duration::from_millis(400));
            (sent() == before).then_some(before)
        })
    }

    fn edited(&self, words: &str) {
        until(&format!("an edit that says {words}"), || {
            self.slack.seen_at(EDIT).iter().any(|seen| String::from_utf8_lossy(&seen.body).contains(words))
        });
    }

    fn event(&self, id: &str, kind: &str, key: &str, agent: &Value) -> String {
        json!({ "event": {
            "id": id, "event_type": kind, "resource_type": "incident", "occurred_at": "2026-11-22T12:00:00Z",
            "agent": agent, "client": null,
            "data": { "id": "PGR0VU2", "type": "incident", "incident_key": key, "status": "x" },
        } })
        .to_string()
    }
}

struct Keys {
    slack: String,
    pagerduty: String,
}

fn person(name: &str) -> Value {
    json!({ "id": "PLH1HKV", "type": "user_reference", "summary": name })
}

fn signed(target: &str, secret: &str, body: &str) -> Request {
    let signature = format!("v1={},v1={}", "0".repeat(64), sign(secret, body));
    Request::post(target, body).header("X-PagerDuty-Signature", &signature).header("X-Webhook-Id", "w1")
}

#[test]
fn a_click_in_slack_reaches_the_others() {
    let world = world();
    let keys = world.alert("disk");
    Click::new("openclaw_ack", &keys.slack, "ann").send(&world.server, super::ACTIONS).expect(200);
    world.edited("ann in Slack");
    until("PagerDuty is acknowledged", || world.events("acknowledge").len() == 1);
    until("the incident is taken on", || world.incident()["state"] == "2");
    until("it says by whom", || world.written().iter().any(|body| body.contains("ann in Slack")));
    until("the rule has posted its echo", || !world.instance.lock().unwrap().told.is_empty());
    let sent = world.at_rest();
    assert_eq!(world.acted("disk")["by"], "ann in Slack", "an echo takes nothing over");
    assert!(world.instance.lock().unwrap().told.iter().all(|(_, result)| result == "no_news"));
    assert_eq!(world.at_rest(), sent);
}

#[test]
fn what_servicenow_resolves_is_resolved_everywhere() {
    let world = world();
    let keys = world.alert("cert");
    let before = rate(&world, "cert");
    Instance::set_state(&world.instance, "6", "bob");
    assert_eq!(world.instance.lock().unwrap().told, [("6".to_owned(), json!("done"))]);
    world.edited("bob in ServiceNow");
    until("PagerDuty is resolved", || {
        world.events("resolve").iter().any(|e| e["dedup_key"] == keys.pagerduty)
    });
    assert_eq!(world.acted("cert")["by"], "bob in ServiceNow");
    let id = world.server.alert(&world.key, "cert")["id"].as_str().unwrap().to_owned();
    let told = world.server.wait_stage(&world.key, &id, "feedback");
    assert_eq!((&told["action"], &told["note"]), (&json!("resolve"), &json!("INC0000001")));
    assert!(rate(&world, "cert") > before, "it needed somebody: the next one counts for more");
    world.at_rest();
    assert_eq!(world.instance.lock().unwrap().told.len(), 1, "nothing goes round");
    assert_eq!(world.incident()["state"], "6");
}

/// A subscription of PagerDuty's that gets a few 4xx is switched off.
#[test]
fn incidents_of_other_tools_are_taken_for_nothing() {
    let world = world();
    for key in ["srv01/cpu", &"x".repeat(255), &"x".repeat(256), &"d3640fbd".repeat(4)] {
        let event = world.event("e1", "incident.resolved", key, &person("ann"));
        let answer = signed(PAGERDUTY, PAGERDUTY_SECRET, &event).send(world.server.address).expect(202);
        let want = if key.len() == 32 { "unknown" } else { "ignored" };
        assert_eq!(answer.json()["result"], want, "{key}");
    }
}

#[test]
fn what_is_dismissed_stays_so_whatever_the_others_make_of_it() {
    let world = world();
    let keys = world.alert("noise");
    Click::new("openclaw_dismiss", &keys.slack, "ann").send(&world.server, super::ACTIONS).expect(200);
    world.edited("ann in Slack");
    until("PagerDuty is resolved", || !world.events("resolve").is_empty());
    until("the rule has posted its echo", || !world.instance.lock().unwrap().told.is_empty());
    let sent = world.at_rest();
    // PagerDuty tells of it too: no person did it.
    let echo =
        world.event("e1", "incident.resolved", &keys.pagerduty, &json!({ "type": "service_reference" }));
    let answer = signed(PAGERDUTY, PAGERDUTY_SECRET, &echo).send(world.server.address).expect(202);
    assert_eq!(answer.json()["result"], "ignored");
    let acted = world.acted("noise");
    assert_eq!((&acted["action"], &acted["by"]), (&json!("dismiss"), &json!("ann in Slack")));
    assert_eq!(world.at_rest(), sent);
}

fn rate(world: &World, name: &str) -> f64 {
    let body = json!({ "labels": { "alertname": name, "severity": "critical" } }).to_string();
    world.server.post("/api/v1/rate", &world.key, &body).expect(200).json()["score"].as_f64().unwrap()
}

#[test]
fn what_people_do_in_pagerduty_reaches_the_others_once() {
    let world = world();
    let keys = world.alert("outage");
    let ack = world.event("e1", "incident.acknowledged", &keys.pagerduty, &person("Bob B"));
    let send = |body: &str| {
        let answer = signed(PAGERDUTY, PAGERDUTY_SECRET, body).send(world.server.address).expect(202);
        answer.json()["result"].clone()
    };
    assert_eq!(send(&ack), "done");
    world.edited("Bob B in PagerDuty");
    until("the incident is taken on", || world.incident()["state"] == "2");
    let resolve = world.event("e2", "incident.resolved", &keys.pagerduty, &person("Bob B"));
    assert_eq!(send(&resolve), "done");
    until("the incident is resolved", || world.incident()["state"] == "6");
    // Sent again, in whatever order.
    for body in [&ack, &resolve, &ack] {
        assert_eq!(send(body), "no_news");
    }
    let other = world.event("e3", "incident.triggered", &keys.pagerduty, &person("Bob B"));
    assert_eq!(send(&other), "ignored");
    let foreign =
        world.event("e4", "incident.resolved", "d3640fbd41094207a1c11e58e46b1662", &person("Bob B"));
    assert_eq!(send(&foreign), "unknown");
    assert_eq!(world.acted("outage")["action"], "resolve");
}

#[test]
fn forged_events_change_nothing() {
    let world = world();
    let keys = world.alert("target");
    let body = world.event("e1", "incident.resolved", &keys.pagerduty, &person("Eve"));
    let post = |target: &str| Request::post(target, body.as_str());
    let header = "X-PagerDuty-Signature";
    let right = format!("v1={}", sign(PAGERDUTY_SECRET, &body));
    for (what, request) in [
        ("nothing at all", post(PAGERDUTY)),
        ("a key instead", post(PAGERDUTY).key(&world.key)),
        ("another secret", signed(PAGERDUTY, "guessed", &body)),
        ("Slack's secret", signed(PAGERDUTY, SECRET, &body)),
        ("another body", signed(PAGERDUTY, PAGERDUTY_SECRET, &body).header(header, "v1=00")),
        ("no version", post(PAGERDUTY).header(header, &right[3..])),
        ("the wrong version", post(PAGERDUTY).header(header, &right.replace("v1", "v0"))),
        ("a changed body", Request::post(PAGERDUTY, body.replace("Eve", "Ann")).header(header, &right)),
        ("another tenant's path", signed("/t/globex/api/v1/pagerduty/callback", PAGERDUTY_SECRET, &body)),
    ] {
        let answer = request.send(world.server.address);
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        assert_eq!(world.acted("target"), Value::Null, "{what}");
    }
    // PagerDuty's secret is none of Slack's.
    let click =
        Click { secret: PAGERDUTY_SECRET.to_owned(), ..Click::new("openclaw_ack", &keys.slack, "eve") };
    click.send(&world.server, super::ACTIONS).expect(401);
    assert_eq!(world.acted("target"), Value::Null);
}
