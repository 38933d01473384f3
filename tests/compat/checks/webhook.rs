//! The webhook's body, version 4.

use crate::expect::{ensure, moment, names, same, text};
use crate::suite::Outcome;
use crate::support::{Alert, alerts::rfc3339, now};
use crate::target::{Kind, SOON, Target};
use serde_json::{Value, json};
use std::time::Duration;

const GROUPED: &str = "\
route:
  receiver: rest
  group_by: [service]
  group_wait: 300ms
  group_interval: 1s
  routes:
  - { receiver: db, matchers: ['service=~\"mysql|pg\"'] }
receivers: [{ name: rest }, { name: db, webhook_configs: [{ url: HOOK/db }] }]
";

fn of_service(name: &str, instance: &str) -> Alert {
    Alert::new(name).label("service", "pg").label("instance", instance)
}

fn first_body(target: &mut Target) -> Result<Value, String> {
    target.start(GROUPED)?;
    target.fire(&[
        of_service("b", "2").annotation("summary", "same").annotation("n", "2"),
        of_service("a", "1").annotation("summary", "same").annotation("n", "1"),
    ])?;
    Ok(target.wait_told("/db", 1)?[0].body.clone())
}

pub(crate) fn it_has_all_its_members(target: &mut Target) -> Outcome {
    let body = first_body(target)?;
    for (name, want) in [
        ("version", json!("4")),
        ("status", json!("firing")),
        ("receiver", json!("db")),
        ("truncatedAlerts", json!(0)),
        ("groupLabels", json!({ "service": "pg" })),
        ("commonLabels", json!({ "service": "pg" })),
        ("commonAnnotations", json!({ "summary": "same" })),
    ] {
        same(name, &body[name], &want)?;
    }
    ensure!(body["externalURL"].as_str().is_some_and(|url| url.starts_with("http")), "externalURL of {body}");
    let request = target.sink().seen_at("/db")[0].clone();
    same("content type", request.header("content-type"), "application/json")
}

pub(crate) fn its_group_key_is_path_and_labels(target: &mut Target) -> Outcome {
    let body = first_body(target)?;
    same("groupKey", text(&body, "/groupKey")?, r#"{}/{service=~"mysql|pg"}:{service="pg"}"#)
}

pub(crate) fn the_roots_group_key_is_its_labels(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire_named("A")?;
    let body = target.wait_told("/ops", 1)?[0].body.clone();
    same("groupKey", text(&body, "/groupKey")?, r#"{}:{alertname="A"}"#)
}

pub(crate) fn its_alerts_have_all_their_members(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let start = now() - Duration::from_secs(60);
    let mut posted =
        Alert::new("a").annotation("summary", "x").starts(start).fires_for(Duration::from_secs(600)).json();
    posted["generatorURL"] = "http://prometheus.example/graph".into();
    target.post("/api/v2/alerts", &json!([posted]).to_string())?;
    let alert = target.wait_told("/ops", 1)?[0].body["alerts"][0].clone();
    for name in ["labels", "annotations", "generatorURL"] {
        same(name, &alert[name], &posted[name])?;
    }
    same("status", text(&alert, "/status")?, "firing")?;
    same("startsAt", moment(&text(&alert, "/startsAt")?), moment(&rfc3339(start)))?;
    same("endsAt of one that fires", text(&alert, "/endsAt")?, "0001-01-01T00:00:00Z")?;
    same("fingerprint", &alert["fingerprint"], &target.alert("a")?["fingerprint"])
}

pub(crate) fn the_end_of_one_that_is_over_is_told(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire_named("a")?;
    target.wait_told("/ops", 1)?;
    let end = now();
    target.fire(&[Alert::new("a").ends(end)])?;
    let body = target.wait_told("/ops", 2)?[1].body.clone();
    same("status", text(&body, "/status")?, "resolved")?;
    same("of the alert", text(&body, "/alerts/0/status")?, "resolved")?;
    same("endsAt", moment(&text(&body, "/alerts/0/endsAt")?), moment(&rfc3339(end)))
}

pub(crate) fn it_is_resolved_once_all_are(target: &mut Target) -> Outcome {
    target.start(GROUPED)?;
    target.fire(&[of_service("a", "1"), of_service("b", "1")])?;
    target.wait_told("/db", 1)?;
    target.fire(&[of_service("a", "1").resolved()])?;
    same("with one left", text(&target.wait_told("/db", 2)?[1].body, "/status")?, "firing")?;
    target.fire(&[of_service("b", "1").resolved()])?;
    same("with none left", text(&target.wait_told("/db", 3)?[2].body, "/status")?, "resolved")
}

pub(crate) fn its_start_times_keep_nanoseconds(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let body = r#"[{"labels":{"alertname":"a"},"startsAt":"2026-01-02T03:04:05.123456789Z"}]"#;
    target.post("/api/v2/alerts", body)?;
    let told = target.wait_told("/ops", 1)?[0].body.clone();
    same("startsAt", text(&told, "/alerts/0/startsAt")?, "2026-01-02T03:04:05.123456789Z")
}

pub(crate) fn its_alerts_come_by_job_and_instance(target: &mut Target) -> Outcome {
    target.start(GROUPED)?;
    let of = |name: &str, job: &str, instance: &str| of_service(name, instance).label("job", job);
    target.fire(&[of("a", "y", "1"), of("b", "x", "2"), of("d", "x", "1"), of("c", "x", "1")])?;
    let alerts = target.wait_told("/db", 1)?[0].body["alerts"].clone();
    same("all", names(&alerts).len(), 4)?;
    same("in order", crate::expect::texts(&alerts, "/labels/alertname"), ["c", "d", "b", "a"])
}

pub(crate) fn more_than_max_alerts_are_counted(target: &mut Target) -> Outcome {
    target.start(&GROUPED.replace("url: HOOK/db", "url: HOOK/db, max_alerts: 2"))?;
    let alerts: Vec<_> = (0..5).map(|n| of_service("n", &n.to_string())).collect();
    target.fire(&alerts)?;
    let body = target.wait_told("/db", 1)?[0].body.clone();
    same("alerts", body["alerts"].as_array().map(Vec::len), Some(2))?;
    same("truncatedAlerts", body["truncatedAlerts"].as_u64(), Some(3))
}

pub(crate) fn its_url_is_a_template(target: &mut Target) -> Outcome {
    // Go's templates there, Jinja here; `openclaw import` turns one into the other.
    let dot = if target.kind() == Kind::OpenClaw { "" } else { "." };
    let url = format!("'HOOK/{{{{ {dot}GroupLabels.alertname }}}}'");
    target.start(&SOON.replace("HOOK/ops", &url))?;
    target.fire_named("where")?;
    target.expect_told("/where", &["firing where"])
}
