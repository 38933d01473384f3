//! Intakes as a tenant's file has them.

use super::senders::{SENDERS, What};
use super::{World, world};
use crate::support::server::told_at_once;
use crate::support::{Request, until};
use serde_json::json;

impl World {
    #[track_caller]
    fn post(&self, target: &str, body: &serde_json::Value, status: u16) {
        self.server.post(target, &self.key, &body.to_string()).expect(status);
    }
}

#[test]
fn a_mapping_says_what_is_where() {
    let world = world(
        "sources:
  shop:
    format: json
    mapping:
      each: /events
      alertname: '{/rule} on {/host/name}'
      severity: /level
      severities: { P1: critical }
      state: /is
      resolved: [gone]
      acknowledged: [seen]
      key: /nr
      by: /who
      labels: { host: /host/name }
      annotations: { runbook: '/book || none' }
      url: /link
",
    );
    let event = |is: &str| {
        json!({ "events": [{
            "rule": "disk", "level": "P1", "is": is, "nr": 7, "who": "ann", "host": { "name": "db" },
            "link": "https://shop.example/7", "tenant": "other",
        }] })
    };
    world.post("/api/v1/ingest/shop", &event("new"), 202);
    let alert = world.alert();
    assert_eq!(alert["labels"]["alertname"], "disk on db");
    assert_eq!((&alert["labels"]["severity"], &alert["labels"]["host"]), (&"critical".into(), &"db".into()));
    assert_eq!((&alert["annotations"]["runbook"], &alert["source"]), (&"none".into(), &"shop".into()));
    assert_eq!(alert["generatorURL"], "https://shop.example/7");
    world.post("/api/v1/ingest/shop", &event("seen"), 202);
    assert_eq!(world.alert()["acted"]["by"], "ann");
    world.post("/api/v1/ingest/shop", &event("gone"), 202);
    world.wait_ended();
}

#[test]
fn an_alert_that_nobody_repeats_ends_after_its_sources_time() {
    let world = world("sources: { short: { format: json, resolve_timeout: 1s }, long: { format: json } }\n");
    let (_, body) = SENDERS[SENDERS.len() - 1].body(What::Fires(1));
    world.post("/api/v1/ingest/short", &body, 202);
    world.wait_told("firing", 1);
    world.wait_told("resolved", 1);
    let (_, body) = SENDERS[SENDERS.len() - 1].body(What::Fires(2));
    world.post("/api/v1/ingest/long", &body, 202);
    world.wait_told("firing", 2);
    let firing = |alert: &serde_json::Value| alert["state"] == "firing";
    assert_eq!(world.alerts().iter().filter(|alert| firing(alert)).count(), 1);
}

#[test]
fn a_name_is_the_metrics_source_and_a_format_finds_its_first() {
    let world = world("sources: { dash: { format: grafana }, dash-2: { format: grafana } }\n");
    let grafana = SENDERS.iter().find(|sender| sender.format == "grafana").unwrap();
    for target in ["/api/v1/alerts", "/api/v1/ingest/grafana", "/api/v1/ingest/dash"] {
        let (_, body) = grafana.body(What::Fires(1));
        grafana.with_body(target, body, "acme", &world.key).send(world.server.address).expect(202);
    }
    assert_eq!(world.alert()["source"], "dash");
    assert!(world.received("dash", "accepted") == 1 && world.received("dash", "renewed") == 2);
    assert_eq!(world.received("grafana", "accepted"), 0);
    grafana.without_key("/api/v1/ingest/dash-2", "{").key(&world.key).send(world.server.address).expect(400);
    assert_eq!((world.received("dash-2", "accepted"), world.received("dash-2", "invalid")), (0, 1));
}

#[test]
fn intakes_change_with_the_file() {
    let world = world("");
    let (_, body) = SENDERS[SENDERS.len() - 1].body(What::Fires(1));
    world.post("/api/v1/ingest/later", &body, 404);
    let rest = told_at_once(&world.sink.url("/hook"));
    world.folder.tenant("acme", &format!("{rest}sources: {{ later: {{ format: json }} }}\n"));
    until("the intake is there", || {
        let request = Request::post("/api/v1/ingest/later", body.to_string()).key(&world.key);
        request.send(world.server.address).status == 202
    });
    assert_eq!(world.alert()["source"], "later");
}

/// What we can't read may have held repeats: no false resolve.
#[test]
fn a_source_that_is_refused_does_not_seem_silent() {
    let world = world(
        "global: { resolve_timeout: 2s }\nsources: { am: { format: alertmanager, silent_after: 10s } }\n",
    );
    world.post("/api/v1/ingest/am", &json!([{ "labels": { "alertname": "Lasting" } }]), 200);
    world.wait_told("firing", 1);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while std::time::Instant::now() < end {
        let answer = world.server.post("/api/v1/ingest/am", &world.key, "[{");
        assert_eq!(answer.status, 400);
        crate::support::pause(std::time::Duration::from_millis(100));
    }
    assert_eq!(world.told("resolved"), 0);
    world.wait_told("resolved", 1);
}
