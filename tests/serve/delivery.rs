//! What receivers get: once, signed, in time, with its end.

use crate::support::server::{Server, told_at_once};
use crate::support::{Alert, Folder, Reply, Seen, Sink, pause};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use std::time::{Duration, UNIX_EPOCH};

struct World {
    server: Server,
    key: String,
    sink: Sink,
    _folder: Folder,
}

fn world_of(sink: Sink, tenant: &str) -> World {
    let folder = Folder::new(&[("acme", tenant)]);
    let key = folder.full_key("acme");
    World { server: folder.serve(), key, sink, _folder: folder }
}

fn world() -> World {
    let sink = Sink::new();
    let tenant = told_at_once(&sink.url("/hook"));
    world_of(sink, &tenant)
}

fn idempotency_key(seen: &Seen) -> &str {
    seen.header("idempotency-key")
}

#[test]
fn a_page_is_alertmanagers_version_4() {
    let world = world();
    let alert = Alert::new("up").label("job", "api").annotation("summary", "it is down");
    world.server.post_alerts(&world.key, &[alert]);
    let page = world.sink.wait_for("/hook", 1)[0].clone();
    let body = page.json();
    assert_eq!(page.header("content-type"), "application/json");
    for (member, want) in [
        ("version", json!("4")),
        ("status", json!("firing")),
        ("receiver", json!("ops")),
        ("truncatedAlerts", json!(0)),
        ("groupKey", json!("{}:{alertname=\"up\", job=\"api\"}")),
        ("groupLabels", json!({ "alertname": "up", "job": "api" })),
        ("commonLabels", json!({ "alertname": "up", "job": "api" })),
        ("commonAnnotations", json!({ "summary": "it is down" })),
    ] {
        assert_eq!(body[member], want, "{member}");
    }
    let alert = &body["alerts"][0];
    assert_eq!(alert["endsAt"], "0001-01-01T00:00:00Z");
    let id = world.server.alert(&world.key, "up")["id"].clone();
    assert_eq!(body["openclaw"]["alerts"][0]["id"], id);
    assert_eq!(body["openclaw"]["tenant"], "acme");
    assert_eq!(body["openclaw"]["idempotency_key"], idempotency_key(&page));
}

#[test]
fn a_signed_message_verifies() {
    let sink = Sink::new();
    let secret = STANDARD.encode([7_u8; 32]);
    let tenant = format!(
        "receivers: [{{ name: ops, webhook_configs: [{{ url: \"{}\", secret: \"whsec_{secret}\" }}] }}]\n\
         route: {{ receiver: ops, group_wait: 0s }}\n",
        sink.url("/hook")
    );
    let world = world_of(sink, &tenant);
    world.server.post_alerts(&world.key, &[Alert::new("up")]);
    let page = world.sink.wait_for("/hook", 1)[0].clone();
    let (id, timestamp) = (page.header("webhook-id"), page.header("webhook-timestamp"));
    let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(&page.body);
    let want = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(page.header("webhook-signature"), want);
    assert_eq!(id, idempotency_key(&page));
    let now_s = crate::support::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(now_s.abs_diff(timestamp.parse().unwrap()) < 60);
}

#[test]
fn a_receiver_is_asked_again_when_it_said_and_with_the_same_key() {
    let world = world();
    world.sink.script([
        Reply::status(503).header("Retry-After", "2"),
        Reply::status(429).header("Retry-After", "1"),
        Reply::status(500),
    ]);
    world.server.post_alerts(&world.key, &[Alert::new("up")]);
    let tries = world.sink.wait_for("/hook", 4);
    let waits: Vec<_> = tries.windows(2).map(|two| two[1].at - two[0].at).collect();
    assert!(waits[0] >= Duration::from_secs(2) && waits[1] >= Duration::from_secs(1), "{waits:?}");
    assert!(!idempotency_key(&tries[0]).is_empty());
    assert!(tries.iter().all(|seen| idempotency_key(seen) == idempotency_key(&tries[0])));
    let attempts: Vec<_> = tries.iter().map(|seen| seen.json()["openclaw"]["attempt"].clone()).collect();
    assert_eq!(attempts, [1, 2, 3, 4]);
    let id = world.server.alert(&world.key, "up")["id"].as_str().unwrap().to_owned();
    let delivered = world.server.wait_stage(&world.key, &id, "delivered");
    assert_eq!(delivered["attempt"], 4);
    let retrying = world.server.trail(&world.key, &id);
    assert_eq!(retrying.iter().filter(|event| event["stage"] == "retrying").count(), 3);
    assert_eq!(world.server.alert(&world.key, "up")["state"], "firing");
}

#[test]
fn what_is_refused_can_be_read_and_sent_again() {
    let world = world();
    world.sink.script([Reply::status(404)]);
    world.server.post_alerts(&world.key, &[Alert::new("up")]);
    let id = world.server.alert(&world.key, "up")["id"].as_str().unwrap().to_owned();
    world.server.wait_stage(&world.key, &id, "dead_lettered");
    let letters =
        || world.server.get("/api/v1/dead-letters", &world.key).expect(200).json()["dead_letters"].clone();
    let letter = letters()[0].clone();
    assert_eq!((&letter["receiver"], &letter["attempts"]), (&json!("ops"), &json!(1)));
    assert!(letter["detail"].as_str().unwrap().contains("404"), "{letter}");
    let retry = format!("/api/v1/dead-letters/{}/retry", letter["id"].as_str().unwrap());
    world.server.post(&retry, &world.key, "").expect(202);
    let tries = world.sink.wait_for("/hook", 2);
    assert_eq!(idempotency_key(&tries[0]), idempotency_key(&tries[1]));
    world.server.wait_stage(&world.key, &id, "delivered");
    let trail = world.server.trail(&world.key, &id);
    let stages: Vec<_> = trail.iter().map(|event| event["stage"].as_str().unwrap()).collect();
    let tail = stages.iter().position(|stage| *stage == "dead_lettered").unwrap();
    assert_eq!(stages[tail..], ["dead_lettered", "revived", "delivered"]);
    assert_eq!(letters(), json!([]));
    world.server.post(&retry, &world.key, "").expect(404);
}

#[test]
fn a_dead_letter_outlives_a_kill() {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &told_at_once(&sink.url("/hook")))]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    sink.script([Reply::status(410)]);
    server.post_alerts(&key, &[Alert::new("up")]);
    let id = server.alert(&key, "up")["id"].as_str().unwrap().to_owned();
    server.wait_stage(&key, &id, "dead_lettered");
    server.kill();
    let server = folder.serve();
    let letters = server.get("/api/v1/dead-letters", &key).expect(200).json();
    let letter = letters["dead_letters"][0]["id"].as_str().unwrap();
    server.post(&format!("/api/v1/dead-letters/{letter}/retry"), &key, "").expect(202);
    sink.wait_for("/hook", 2);
    server.wait_stage(&key, &id, "delivered");
}

#[test]
fn a_resolve_goes_to_whoever_was_told() {
    let sink = Sink::new();
    let tenant = format!(
        "receivers:\n\
         - name: ops\n\
         \x20 webhook_configs: [{{ url: \"{}\" }}, {{ url: \"{}\", send_resolved: false }}]\n\
         \x20 slack_configs: [{{ api_url: \"{}\", send_resolved: true }}, {{ api_url: \"{}\" }}]\n\
         route: {{ receiver: ops, group_by: [alertname], group_wait: 0s, group_interval: 1s }}\n",
        sink.url("/all"),
        sink.url("/firing-only"),
        sink.url("/slack-all"),
        sink.url("/slack-default"),
    );
    let world = world_of(sink, &tenant);
    world.server.post_alerts(&world.key, &[Alert::new("up")]);
    for path in ["/all", "/firing-only", "/slack-all", "/slack-default"] {
        world.sink.wait_for(path, 1);
    }
    world.server.wait_delivered(&world.key);
    world.server.post_alerts(&world.key, &[Alert::new("up").resolved()]);
    let resolved = world.sink.wait_told("/all", "up", "resolved");
    assert_eq!(resolved.status_word(), "resolved");
    assert_ne!(resolved.alerts()[0]["endsAt"], "0001-01-01T00:00:00Z");
    let slack = world.sink.wait_for("/slack-all", 2);
    assert!(String::from_utf8_lossy(&slack[1].body).to_lowercase().contains("resolved"));
    world.server.wait_delivered(&world.key);
    assert_eq!(world.sink.seen_at("/firing-only").len(), 1);
    assert_eq!(world.sink.seen_at("/slack-default").len(), 1);
}

#[test]
fn repeats_are_no_news() {
    let world = world();
    for _ in 0..5 {
        world.server.post_alerts(&world.key, &[Alert::new("up").fires_for(Duration::from_secs(60))]);
        pause(Duration::from_millis(50));
    }
    world.sink.wait_for("/hook", 1);
    // Beyond the group's interval, which is when news would be told.
    pause(Duration::from_millis(1300));
    world.server.post_alerts(&world.key, &[Alert::new("up").fires_for(Duration::from_secs(60))]);
    pause(Duration::from_millis(1300));
    assert_eq!(world.sink.seen_at("/hook").len(), 1);
}

#[test]
fn alerts_of_a_group_share_a_message() {
    let sink = Sink::new();
    let tenant = format!(
        "receivers: [{{ name: ops, webhook_configs: [{{ url: \"{}\" }}] }}]\n\
         route: {{ receiver: ops, group_by: [alertname], group_wait: 300ms, group_interval: 1s }}\n",
        sink.url("/hook")
    );
    let world = world_of(sink, &tenant);
    let alerts: Vec<_> = (0..3).map(|n| Alert::new("up").label("instance", &n.to_string())).collect();
    alerts.iter().for_each(|alert| world.server.post_alerts(&world.key, std::slice::from_ref(alert)));
    let page = world.sink.wait_for("/hook", 1)[0].clone();
    let instances: Vec<_> = page.alerts().iter().map(|alert| alert["labels"]["instance"].clone()).collect();
    assert_eq!(instances, ["0", "1", "2"]);
    assert_eq!(page.json()["groupLabels"], json!({ "alertname": "up" }));
    // One ends: the others are told with it, as still firing.
    world.server.post_alerts(&world.key, &[alerts[1].clone().resolved()]);
    let pages = world.sink.wait_for("/hook", 2);
    let statuses: Vec<_> = pages[1].alerts().iter().map(|alert| alert["status"].clone()).collect();
    assert_eq!((pages[1].status_word(), statuses.len()), ("firing".to_owned(), 3));
    assert_eq!(statuses.iter().filter(|status| **status == "resolved").count(), 1);
}

#[test]
fn all_labels_apart_makes_every_alert_its_own_message() {
    let world = world();
    let alerts: Vec<_> = (0..6).map(|n| Alert::new("up").label("instance", &n.to_string())).collect();
    world.server.post_alerts(&world.key, &alerts);
    let pages = world.sink.wait_for("/hook", 6);
    assert!(pages.iter().all(|page| page.alerts().len() == 1));
    let mut keys: Vec<_> = pages.iter().map(idempotency_key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 6);
    world.server.wait_delivered(&world.key);
    assert_eq!(world.sink.seen_at("/hook").len(), 6);
}

#[test]
fn a_slow_receiver_holds_up_nobody_else() {
    let slow = Sink::new();
    slow.script(std::iter::repeat_n(Reply::slack().after(Duration::from_secs(3)), 40));
    let fast = Sink::new();
    let folder = Folder::new(&[
        ("acme", &told_at_once(&slow.url("/slow"))),
        ("globex", &told_at_once(&fast.url("/fast"))),
    ]);
    let (acme, globex) = (folder.full_key("acme"), folder.full_key("globex"));
    let server = folder.serve();
    let storm: Vec<_> = (0..40).map(|n| Alert::new(&format!("a{n}"))).collect();
    server.post_alerts(&acme, &storm);
    slow.wait_for("/slow", 1);
    server.post_alerts(&globex, &[Alert::new("up")]);
    fast.wait_for("/fast", 1);
    let waiting = server.get("/api/v1/deliveries", &acme).expect(200).json();
    assert!(waiting["deliveries"].as_array().is_some_and(|open| !open.is_empty()), "{waiting}");
    assert!(slow.seen_at("/slow").len() < 40, "the window of messages under way has a bound");
}
