//! What the service says of itself to its operator's tenant.

use crate::support::server::{SILENT, told_at_once};
use crate::support::{Folder, Seen, Sink, pause, until};
use std::time::Duration;

const SERVICE: &str = r#"
listen: { http: "127.0.0.1:0" }
operator: { tenant: platform }
journal: { embedded: { segment_bytes: 1MiB, reserve_bytes: 1MiB } }
"#;

const FAULTY: &str = "receivers: []\nroute: { receiver: nobody, group_wait: soon }\n";

fn world() -> (Sink, Folder) {
    let sink = Sink::new();
    let folder =
        Folder::with_service(SERVICE, &[("platform", &told_at_once(&sink.url("/ops"))), ("acme", SILENT)]);
    (sink, folder)
}

fn messages(sink: &Sink, name: &str) -> Vec<(String, serde_json::Value)> {
    let of = |seen: &Seen| seen.tells_of(name);
    let seen = sink.seen_at("/ops");
    seen.iter().filter(|seen| of(seen)).map(|seen| (seen.status_word(), seen.alerts()[0].clone())).collect()
}

#[test]
fn refused_settings_are_told_with_their_place_until_they_are_good() {
    let (sink, folder) = world();
    let server = folder.serve();
    folder.tenant("acme", FAULTY);
    let told = sink.wait_told("/ops", "OpenClawReloadFailed", "firing");
    let alert = &told.alerts()[0];
    assert_eq!(alert["labels"]["severity"], "warning");
    let description = alert["annotations"]["description"].as_str().unwrap();
    assert!(description.contains("acme.yaml:3") && description.contains("soon"), "{description}");
    folder.tenant("acme", SILENT);
    sink.wait_told("/ops", "OpenClawReloadFailed", "resolved");
    assert_eq!(messages(&sink, "OpenClawReloadFailed").len(), 2);
    server.stop();
}

#[test]
fn what_a_process_that_is_gone_said_is_taken_back_by_the_next() {
    let (sink, folder) = world();
    let server = folder.serve();
    folder.tenant("acme", FAULTY);
    sink.wait_told("/ops", "OpenClawReloadFailed", "firing");
    server.kill();
    folder.tenant("acme", SILENT);
    let server = folder.serve();
    sink.wait_told("/ops", "OpenClawReloadFailed", "resolved");
    pause(Duration::from_millis(1500));
    // What was sent in the moment of the kill may be sent once more.
    let mut told: Vec<String> =
        messages(&sink, "OpenClawReloadFailed").into_iter().map(|(status, _)| status.to_string()).collect();
    told.dedup();
    assert_eq!(told, ["firing", "resolved"], "{}", server.log());
}

#[test]
fn settings_that_can_not_be_put_in_force_are_told_by_tenant() {
    let (sink, folder) = world();
    let server = folder.serve();
    let state = rusqlite::Connection::open(folder.path().join("data/state.db")).unwrap();
    state
        .execute_batch(
            "CREATE TRIGGER broken BEFORE INSERT ON integrations WHEN new.tenant = 'acme'
             BEGIN SELECT RAISE(ABORT, 'spoilt'); END",
        )
        .unwrap();
    folder.tenant("acme", &told_at_once(&sink.url("/acme")));
    let told = sink.wait_told("/ops", "OpenClawSettingsNotInForce", "firing");
    assert_eq!(told.alerts()[0]["labels"]["affected_tenant"], "acme");
    state.execute_batch("DROP TRIGGER broken").unwrap();
    sink.wait_told("/ops", "OpenClawSettingsNotInForce", "resolved");
    until("the log says so", || server.log().contains("settings reloaded"));
    assert!(messages(&sink, "OpenClawReloadFailed").is_empty());
}

#[test]
fn an_operator_that_is_no_tenant_is_a_fault() {
    let folder = Folder::with_service(SERVICE, &[("acme", SILENT)]);
    let mut server = folder.start(&crate::support::server::ServeOptions::default());
    assert_eq!(server.wait().code(), Some(1));
    assert!(server.log().contains("openclaw.yaml:3:21"), "{}", server.log());
}
