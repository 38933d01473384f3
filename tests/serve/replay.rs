//! `openclaw replay` over what a real service has recorded.

use crate::support::server::{ServeOptions, told_at_once};
use crate::support::{Alert, Folder, Sink};
use serde_json::Value;
use std::fs;

/// A second set of settings beside the first, with other words for acme.
fn other(folder: &Folder, tenant: &str) {
    fs::create_dir_all(folder.path().join("new/tenants")).unwrap();
    fs::write(folder.path().join("new/openclaw.yaml"), "").unwrap();
    fs::write(folder.path().join("new/tenants/acme.yaml"), format!("tenant: acme\n{tenant}")).unwrap();
}

fn replay(folder: &Folder, arguments: &[&str]) -> Value {
    let always = ["replay", "--data", "data", "--tenant", "acme", "--output", "json"];
    serde_json::from_str(&folder.run(&[&always, arguments].concat())).unwrap()
}

#[test]
fn what_was_told_is_told_again_and_what_would_be_missed_is_named() {
    let sink = Sink::new();
    let settings = told_at_once(&sink.url("/a"));
    let folder = Folder::new(&[("acme", &settings)]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    let critical = |n: usize| Alert::new(&format!("critical-{n}")).label("severity", "critical");
    let info = |n: usize| Alert::new(&format!("info-{n}")).label("severity", "info");
    let alerts: Vec<_> = (0..3).map(critical).chain((0..5).map(info)).collect();
    server.post_alerts(&key, &alerts);
    sink.wait_for("/a", 8);
    server.post_alerts(&key, &[critical(0).resolved(), info(0).resolved()]);
    sink.wait_for("/a", 10);

    let enforcing = "rating: { mode: enforce, threshold: 0.9, digest: { receiver: ops, every: 1d } }\n";
    other(&folder, &format!("{enforcing}{settings}"));
    // Beside the server first, then without it.
    let beside = replay(&folder, &["--config", "new/openclaw.yaml"]);
    assert_eq!(beside["alerts"], 8, "{beside}");
    assert_eq!(beside["old"]["pages"], sink.seen_at("/a").len());
    assert_eq!(beside["old"]["alertsPaged"], 8);
    // `never_digest` keeps the critical ones; one of them resolved.
    assert_eq!(beside["new"]["pages"], 4, "{beside}");
    assert_eq!(beside["pagesSaved"], 6);
    let missed: Vec<_> = beside["missed"].as_array().unwrap().iter().collect();
    assert_eq!(missed.len(), 5);
    assert!(missed.iter().all(|alert| alert["alertname"].as_str().unwrap().starts_with("info-")));
    server.stop();
    let stopped = replay(&folder, &["--config", "new/openclaw.yaml"]);
    for part in ["alerts", "old", "new", "pagesSaved"] {
        assert_eq!(stopped[part], beside[part], "{part}");
    }
    let text = folder.run(&["replay", "--data", "data", "--tenant", "acme", "--config", "new/openclaw.yaml"]);
    assert!(text.contains("pages saved: 6\nalerts missed: 5\n"), "{text}");
    assert_eq!(replay(&folder, &["--until", "1h"])["alerts"], 0);
}

#[test]
fn silences_are_played_too() {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &told_at_once(&sink.url("/a")))]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    let silence = r#"{"matchers":[{"name":"alertname","value":"quiet","isRegex":false}],
        "startsAt":"2020-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z","createdBy":"me","comment":"c"}"#;
    server.post("/api/v2/silences", &key, silence).expect(200);
    server.post_alerts(&key, &[Alert::new("quiet"), Alert::new("loud")]);
    sink.wait_told("/a", "loud", "firing");
    server.stop();
    let report = replay(&folder, &[]);
    assert_eq!((&report["alerts"], &report["old"]["alertsPaged"]), (&2.into(), &1.into()), "{report}");
    assert!(report["new"].is_null());
    let mut absent = folder.command(&ServeOptions::default());
    let refused = absent.args(["replay", "--data", "nowhere", "--tenant", "acme"]).output().unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(told.starts_with("error: cannot read `nowhere/journal`"), "{told}");
}
