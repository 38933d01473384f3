//! Scores, what people teach them, and what they decide.

use crate::support::server::{ServeOptions, Server, told_at_once};
use crate::support::{Alert, Folder, Sink, now, until};
use serde_json::{Value, json};
use std::fs;
use std::time::UNIX_EPOCH;

const FACTORS: [&str; 7] =
    ["base", "severity", "source_reliability", "response_time", "recurrence", "novelty", "similarity"];

fn stages(trail: &[Value]) -> Vec<&str> {
    trail.iter().map(|event| event["stage"].as_str().unwrap()).collect()
}

/// The stages asked for, in this order among others.
#[track_caller]
fn in_order(trail: &[Value], want: &[&str]) {
    let stages = stages(trail);
    let mut rest = stages.iter();
    for stage in want {
        assert!(rest.any(|found| found == stage), "{stage} of {want:?} in {stages:?}");
    }
    let times: Vec<_> = trail.iter().map(|event| event["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(trail.iter().all(|event| event["reason"].is_string()), "{trail:?}");
}

fn id_of(server: &Server, key: &str, name: &str) -> String {
    server.alert(key, name)["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_score_is_the_sum_of_its_factors() {
    let folder = Folder::new(&[("acme", crate::support::server::SILENT)]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    let body = json!([
        { "labels": { "alertname": "a", "severity": "critical" } },
        { "labels": { "alertname": "b", "severity": "info" }, "annotations": {}, "startsAt": "x" },
    ]);
    let scores = server.post("/api/v1/rate", &key, &body.to_string()).expect(200).json();
    let scores = scores.as_array().unwrap();
    for score in scores {
        let factors = score["factors"].as_array().unwrap();
        let names: Vec<_> = factors.iter().map(|factor| factor["name"].as_str().unwrap()).collect();
        assert_eq!(names, FACTORS);
        let logit: f64 = factors.iter().map(|factor| factor["contribution"].as_f64().unwrap()).sum();
        let value = score["score"].as_f64().unwrap();
        assert!((value - 1.0 / (1.0 + (-logit).exp())).abs() < 1e-5, "{score}");
        let pages = value >= score["threshold"].as_f64().unwrap();
        assert!(score["decision"] == "page" || !pages);
    }
    assert_eq!(scores[0]["decision"], "page", "critical is never digested");
    assert!(scores[0]["score"].as_f64() > scores[1]["score"].as_f64());
    let one = server.post("/api/v1/rate", &key, &body[0].to_string()).expect(200).json();
    assert_eq!(one["score"], scores[0]["score"]);
    assert!(server.alerts(&key).is_empty(), "rating takes nothing in");
}

#[test]
fn what_people_say_moves_scores_and_is_kept() {
    let folder = Folder::new(&[("acme", crate::support::server::SILENT)]);
    let key = folder.full_key("acme");
    let mut server = folder.serve();
    let rate = |server: &Server, name: &str| {
        let body = json!({ "labels": { "alertname": name, "job": "j" } }).to_string();
        server.post("/api/v1/rate", &key, &body).expect(200).json()["score"].as_f64().unwrap()
    };
    let before = (rate(&server, "noise"), rate(&server, "real"));
    for round in 0..8 {
        for (name, action) in [("noise", "dismiss"), ("real", "ack")] {
            let alert = Alert::new(name).label("job", "j").label("n", &round.to_string());
            server.post_alerts(&key, &[alert]);
            let id = id_of(&server, &key, name);
            let body = json!({ "action": action, "by": "ann", "note": "n" }).to_string();
            let answer = server.post(&format!("/api/v1/alerts/{id}/feedback"), &key, &body).expect(200);
            assert_eq!(answer.json(), json!({ "id": id, "action": action }));
        }
    }
    let after = (rate(&server, "noise"), rate(&server, "real"));
    assert!(after.0 < before.0 - 0.02 && after.1 > before.1 + 0.02, "{before:?} {after:?}");
    for is_kill in [true, false] {
        if is_kill {
            server.kill();
        } else {
            server.stop();
        }
        server = folder.serve();
        let again = (rate(&server, "noise"), rate(&server, "real"));
        let off = (again.0 - after.0).abs().max((again.1 - after.1).abs());
        assert!(off < 1e-3, "killed: {is_kill}, {after:?} {again:?}");
        let alert = server.alert(&key, "real");
        assert_eq!(alert["feedback"], "ack");
        let told = server.trail(&key, alert["id"].as_str().unwrap());
        let event = told.iter().find(|event| event["stage"] == "feedback").unwrap();
        assert_eq!(
            (&event["by"], &event["action"], &event["note"]),
            (&json!("ann"), &json!("ack"), &json!("n"))
        );
    }
}

#[test]
fn a_trail_tells_everything_in_order() {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &told_at_once(&sink.url("/hook")))]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    server.post_alerts(&key, &[Alert::new("up")]);
    let id = id_of(&server, &key, "up");
    server.wait_stage(&key, &id, "delivered");
    server.post_alerts(&key, &[Alert::new("up").annotation("summary", "changed")]);
    server.post_alerts(&key, &[Alert::new("up").annotation("summary", "changed").resolved()]);
    sink.wait_told("/hook", "up", "resolved");
    until("the resolve is delivered", || {
        let trail = server.trail(&key, &id);
        stages(&trail).iter().filter(|stage| **stage == "delivered").count() == 2
    });
    let trail = server.trail(&key, &id);
    let want =
        ["received", "rated", "grouped", "sent", "delivered", "changed", "resolved", "sent", "delivered"];
    in_order(&trail, &want);
    assert!(stages(&trail).contains(&"held"));
    let fingerprint =
        server.get(&format!("/api/v1/alerts/{id}"), &key).expect(200).json()["fingerprint"].clone();
    let by_print = format!("/api/v1/alerts/{}/explain", fingerprint.as_str().unwrap());
    assert_eq!(server.get(&by_print, &key).expect(200).json()["id"], id);
    let rated = trail.iter().find(|event| event["stage"] == "rated").unwrap();
    assert_eq!(rated["factors"].as_array().unwrap().len(), 7);
}

#[test]
fn beyond_the_limit_an_alert_waits_its_turn() {
    let sink = Sink::new();
    let tenant =
        format!("limits: {{ ceiling: {{ rate: 2/s, burst: 1 }} }}\n{}", told_at_once(&sink.url("/hook")));
    let folder = Folder::new(&[("acme", &tenant)]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    server.post_alerts(&key, &[Alert::new("first"), Alert::new("second")]);
    sink.wait_told("/hook", "second", "firing");
    let id = id_of(&server, &key, "second");
    server.wait_stage(&key, &id, "delivered");
    in_order(&server.trail(&key, &id), &["limited", "admitted", "rated", "grouped", "sent", "delivered"]);
    let first = id_of(&server, &key, "first");
    in_order(&server.trail(&key, &first), &["received", "rated", "grouped", "sent", "delivered"]);
}

#[test]
fn beyond_the_backlog_new_alerts_are_refused_but_repeats_and_resolves_are_not() {
    let sink = Sink::new();
    let limits = "limits: { ceiling: { rate: 1/h, burst: 2 }, backlog_bytes: 1KiB }\n";
    let folder = Folder::new(&[("acme", &format!("{limits}{}", told_at_once(&sink.url("/hook"))))]);
    let (key, operator) = (folder.full_key("acme"), folder.operator_key());
    let server = folder.serve();
    server.post_alerts(&key, &[Alert::new("a"), Alert::new("b")]);
    sink.wait_told("/hook", "b", "firing");
    let storm: Vec<_> = (0..50).map(|n| Alert::new(&format!("storm{n}"))).collect();
    let mixed = [&[Alert::new("a")], &storm[..], &[Alert::new("b").resolved()]].concat();
    let answer = server.post("/api/v2/alerts", &key, &crate::support::alerts::body(&mixed)).expect(429);
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(wait >= 1);
    // The repeat and the resolve of that very batch counted.
    sink.wait_told("/hook", "b", "resolved");
    server.post_alerts(&key, &[Alert::new("a")]);
    server.post_alerts(&key, &[Alert::new("a").resolved()]);
    sink.wait_told("/hook", "a", "resolved");
    let text = server.get("/metrics", &operator).expect(200).text();
    assert!(text.contains(
        "openclaw_alerts_received_total{tenant=\"acme\",source=\"alertmanager\",result=\"refused\"}"
    ));
    // What waits is listed as unprocessed, so that nobody takes it for lost.
    let states: Vec<_> = server.alerts(&key).iter().map(|alert| alert["status"]["state"].clone()).collect();
    assert!(!states.is_empty() && states.iter().all(|state| state == "unprocessed"), "{states:?}");
}

/// A zone whose clock is `seconds` ahead of UTC, as a file of the zone database.
fn zone_file(seconds: i32) -> Vec<u8> {
    let mut out = Vec::new();
    for version in [b'2', b'2'] {
        out.extend_from_slice(b"TZif");
        out.push(version);
        out.extend_from_slice(&[0; 15]);
        // No leap seconds or transitions; one kind of local time, named in four bytes.
        [0_u32, 0, 0, 0, 1, 4].iter().for_each(|count| out.extend_from_slice(&count.to_be_bytes()));
        out.extend_from_slice(&seconds.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(b"TST\0");
    }
    // POSIX counts westwards.
    out.extend_from_slice(format!("\n<TST>-0:{:02}:{:02}\n", seconds / 60, seconds % 60).as_bytes());
    out
}

/// Digests go out at full minutes of local time. Here local time is such that
/// the next is a few seconds away.
#[test]
fn enforcing_sends_low_scores_to_the_digest_and_critical_ones_at_once() {
    const AWAY_S: u64 = 4;
    let sink = Sink::new();
    let second = now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 60;
    let ahead = (120 - second - AWAY_S) % 60;
    let tenant = format!(
        "rating: {{ mode: enforce, threshold: 0.9, digest: {{ receiver: mail, every: 1m, at: \"00:00\", timezone: Test/Soon }} }}\n\
         receivers:\n\
         - {{ name: ops, webhook_configs: [{{ url: \"{}\" }}] }}\n\
         - {{ name: mail, webhook_configs: [{{ url: \"{}\" }}] }}\n\
         route: {{ receiver: ops, group_by: ['...'], group_wait: 0s, group_interval: 1s }}\n",
        sink.url("/ops"),
        sink.url("/mail"),
    );
    let folder = Folder::new(&[]);
    let zones = folder.path().join("zones");
    fs::create_dir_all(zones.join("Test")).unwrap();
    fs::write(zones.join("Test/Soon"), zone_file(ahead as i32)).unwrap();
    folder.tenant("acme", &tenant);
    let options = ServeOptions::default().variable("TZDIR", zones.to_str().unwrap());
    let checked = folder.command(&options).args(["check", "--config", "openclaw.yaml"]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let key = folder.full_key("acme");
    let server = folder.serve_with(&options);
    let posted = [
        Alert::new("low-1").label("severity", "info"),
        Alert::new("low-2").label("severity", "info"),
        Alert::new("high").label("severity", "critical"),
    ];
    server.post_alerts(&key, &posted);
    sink.wait_told("/ops", "high", "firing");
    let digest = sink.wait_told("/mail", "low-1", "firing");
    assert!(digest.tells_of("low-2") && !digest.tells_of("high"));
    assert_eq!(digest.json()["openclaw"]["kind"], "digest");
    assert!(!sink.seen_at("/ops").iter().any(|page| page.tells_of("low-1") || page.tells_of("low-2")));
    let id = id_of(&server, &key, "low-1");
    server.wait_stage(&key, &id, "delivered");
    let trail = server.trail(&key, &id);
    in_order(&trail, &["received", "rated", "grouped", "sent", "delivered"]);
    assert!(trail.iter().any(|event| event["stage"] == "held" && event["receiver"] == "mail"), "{trail:?}");
    let scored = server.post("/api/v1/rate", &key, r#"{"labels":{"alertname":"x","severity":"info"}}"#);
    let scored = scored.expect(200).json();
    assert_eq!((&scored["decision"], &scored["enforced"]), (&json!("digest"), &json!(true)));
}
