//! The life of an alert in each format: it fires, is repeated, is taken on,
//! ends; and what a sender repeats changes nothing.

use super::senders::{SENDERS, Sender, What};
use super::{World, world};
use serde_json::Value;

const ONE: u32 = 1;

impl World {
    #[track_caller]
    fn send(&self, sender: &Sender, what: What) -> Value {
        let request = sender.request(what, "acme", &self.key);
        let answer = request.send(self.server.address);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!((200..300).contains(&answer.status), "{} {what:?}: {} {text}", sender.path, answer.status);
        serde_json::from_str(&text).unwrap_or_default()
    }
}

#[test]
fn an_alert_fires_is_taken_on_and_ends_in_every_format() {
    for sender in &SENDERS {
        life(sender);
    }
}

fn life(sender: &Sender) {
    let Sender { format, .. } = *sender;
    let world = world("");
    world.send(sender, What::Fires(ONE));
    world.wait_told("firing", 1);
    let alert = world.alert();
    assert_eq!((&alert["source"], &alert["state"]), (&format.into(), &"firing".into()), "{alert:#}");
    assert!(alert["labels"]["alertname"].as_str().is_some_and(|name| !name.is_empty()), "{alert:#}");
    let severity = match format {
        "json" | "cloudevents" => "warning",
        "argocd" => "error",
        _ => "critical",
    };
    assert_eq!(alert["labels"]["severity"], severity, "{format}: {alert:#}");
    assert!(!alert.to_string().contains(&world.key), "{format} keeps the key: {alert:#}");

    let before = world.received(format, "accepted");
    world.send(sender, What::Fires(ONE));
    assert_eq!(world.received(format, "accepted"), before, "{format}: a repeat costs nothing");
    assert_eq!(world.alert()["id"], alert["id"], "{format}");

    if sender.acknowledges {
        world.send(sender, What::Acknowledged(ONE));
        let acted = &world.alert()["acted"];
        assert_eq!(acted["action"], "ack", "{format}: {acted}");
    }
    world.send(sender, What::Ended(ONE));
    world.wait_told("resolved", 1);
    world.wait_ended();
    // An end is told once, however often its sender says it.
    world.send(sender, What::Ended(ONE));
    if sender.acknowledges {
        world.send(sender, What::Acknowledged(2));
    }
    world.send(sender, What::Ended(2));
    if sender.knows_repeats {
        world.send(sender, What::Fires(ONE));
    }
    world.server.wait_delivered(&world.key);
    assert_eq!((world.told("firing"), world.told("resolved")), (1, 1), "{format}: {:#?}", world.alerts());
    assert!(world.firing().is_empty(), "{format}: {:#?}", world.firing());
    world.server.stop();
}

#[test]
fn answers_are_the_senders_own() {
    let mut said = String::new();
    for sender in &SENDERS {
        let world = world("");
        let answer = sender.request(What::Fires(ONE), "acme", &world.key).send(world.server.address);
        let content_type = answer.header("content-type").unwrap_or_default();
        said += &format!(
            "{} {}: {} {content_type}\n  {}\n",
            sender.format,
            sender.path,
            answer.status,
            answer.text()
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"al_[0-9a-z]+", "al_ID");
    settings.add_filter(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID");
    settings.bind(|| insta::assert_snapshot!(said));
}

#[test]
fn an_id_of_an_answer_names_its_alert() {
    let world = world("");
    let json = SENDERS[SENDERS.len() - 1];
    let told = world.send(&json, What::Fires(ONE));
    assert_eq!(told["accepted"], 1);
    let id = told["ids"][0].as_str().unwrap();
    assert_eq!(world.alert()["id"], id);
    world.server.get(&format!("/api/v1/alerts/{id}/explain"), &world.key).expect(200);
    let again = world.send(&json, What::Fires(ONE));
    assert_eq!(again["ids"][0], id);
}

/// What one source calls its alert means nothing at another.
#[test]
fn keys_are_a_sources_own() {
    let world = world("sources: { a: { format: json }, b: { format: json } }\n");
    let json = SENDERS[SENDERS.len() - 1];
    let send = |name: &str, what| {
        let (_, mut body) = json.body(what);
        body["labels"]["from"] = name.into();
        let request = json.with_body(&format!("/api/v1/ingest/{name}"), body, "acme", &world.key);
        request.send(world.server.address).expect(202);
    };
    send("a", What::Fires(ONE));
    send("b", What::Fires(ONE));
    send("b", What::Ended(ONE));
    let firing: Vec<_> = world.firing().iter().map(|alert| alert["source"].clone()).collect();
    assert_eq!(firing, ["a"]);
}

#[test]
fn what_was_accepted_outlives_the_process() {
    let World { server, key, operator, sink, folder } = world("");
    for sender in &SENDERS {
        sender.request(What::Fires(ONE), "acme", &key).send(server.address);
    }
    let count = World { server, key, operator, sink, folder };
    let before = count.alerts();
    let World { server, key, operator, sink, folder } = count;
    server.kill();
    let world = World { server: folder.serve(), key, operator, sink, folder };
    let ids = |alerts: &[Value]| {
        let mut ids: Vec<_> = alerts.iter().map(|alert| alert["id"].to_string()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&world.alerts()), ids(&before));
    for sender in &SENDERS {
        sender.request(What::Ended(ONE), "acme", &world.key).send(world.server.address);
    }
    assert!(world.firing().is_empty(), "{:#?}", world.firing());
}
