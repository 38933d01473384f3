//! Buttons in Slack.

use super::{ACTIONS, Click, EDIT, SECRET, in_slack, now_s, sign, slack, value_of, world};
use crate::support::{Alert, Folder, Request, pause, until};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn a_click_reaches_the_alert_and_its_message() {
    let world = world();
    let message = world.message_about("disk-full");
    let value = value_of(&message, "openclaw_ack");
    world.click(&Click::new("openclaw_ack", &value, "ann"));
    let acted = world.acted("disk-full");
    assert_eq!((&acted["action"], &acted["by"]), (&json!("ack"), &json!("ann in Slack")));
    let id = world.server.alert(&world.key, "disk-full")["id"].as_str().unwrap().to_owned();
    let told = world.server.wait_stage(&world.key, &id, "feedback");
    assert_eq!((&told["action"], &told["by"]), (&json!("ack"), &json!("ann in Slack")));
    let one = world.server.get(&format!("/api/v1/alerts/{id}"), &world.key).expect(200).json();
    assert_eq!(one["acted"]["by"], "ann in Slack");
    let edit = world.wait_edit("ann in Slack").json();
    assert_eq!(edit["ts"], "1700000000.000100");
    world.click(&Click::new("openclaw_resolve", &value_of(&edit, "openclaw_resolve"), "bob"));
    world.wait_edit("bob in Slack");
    assert_eq!(world.acted("disk-full")["by"], "bob in Slack");
    let console = world.server.get("/console", &world.key).expect(200).text();
    assert!(console.contains("resolve by bob in Slack"), "{console}");
}

#[test]
fn each_button_does_what_it_says() {
    let world = world();
    for (name, action) in [("disk", "resolve"), ("noise", "dismiss"), ("outage", "escalate")] {
        let value = value_of(&world.message_about(name), "openclaw_ack");
        world.click(&Click::new(&format!("openclaw_{action}"), &value, "ann"));
        assert_eq!(world.acted(name)["action"], action);
    }
    // Buttons of others and other interactions are nothing to us.
    let value = value_of(&world.message_about("other"), "openclaw_ack");
    world.click(&Click::new("open_runbook", &value, "ann"));
    let mut view = Click::new("openclaw_ack", &value, "ann");
    view.payload["type"] = "view_submission".into();
    world.click(&view);
    assert_eq!(world.acted("other"), Value::Null);
}

#[test]
fn what_has_been_done_is_said_to_who_does_it_again() {
    let world = world();
    let value = value_of(&world.message_about("twice"), "openclaw_ack");
    world.click(&Click::new("openclaw_ack", &value, "ann"));
    world.wait_edit("ann in Slack");
    let edits = world.slack.seen_at(EDIT).len();
    world.click(&Click::new("openclaw_ack", &value, "bob").replying_to(&world.slack.url("/reply")));
    let reply = world.slack.wait_for("/reply", 1)[0].json();
    assert_eq!(reply["response_type"], "ephemeral");
    assert_eq!(reply["text"], "ann in Slack has acknowledged this already.");
    assert_eq!(world.acted("twice")["by"], "ann in Slack");
    pause(Duration::from_millis(200));
    assert_eq!(world.slack.seen_at(EDIT).len(), edits, "no news");
    let unknown = "00000000000000000000000000000000";
    let forged = format!("{}{}", if value.starts_with('0') { '1' } else { '0' }, &value[1..]);
    for value in [unknown, &value[..31], &forged] {
        world.click(&Click::new("openclaw_ack", value, "eve").replying_to(&world.slack.url("/unknown")));
    }
    let replies = world.slack.wait_for("/unknown", 3);
    assert!(replies.iter().all(|reply| reply.json()["text"].as_str().unwrap().contains("not known")));
}

#[test]
fn a_silence_covers_the_group_for_four_hours() {
    let world = world();
    let value = value_of(&world.message_about("flaps"), "openclaw_silence");
    let silences = || {
        let silences = world.server.get("/api/v2/silences", &world.key).expect(200).json();
        silences.as_array().unwrap().clone()
    };
    world.click(&Click::new("openclaw_silence", &value, "ann").replying_to(&world.slack.url("/reply")));
    let reply = world.slack.wait_for("/reply", 1)[0].json();
    assert!(reply["text"].as_str().unwrap().contains("alertname=\"flaps\""), "{reply}");
    let set = silences();
    assert_eq!(set.len(), 1);
    assert_eq!(
        set[0]["matchers"],
        json!([{ "name": "alertname", "value": "flaps", "isRegex": false, "isEqual": true }])
    );
    assert_eq!(set[0]["createdBy"], "ann in Slack");
    let times = |silence: &Value| {
        let hour = |time: &str| time[11..13].parse::<u32>().unwrap();
        (hour(silence["startsAt"].as_str().unwrap()), hour(silence["endsAt"].as_str().unwrap()))
    };
    let (starts, ends) = times(&set[0]);
    assert_eq!((ends + 24 - starts) % 24, 4);
    world.click(&Click::new("openclaw_silence", &value, "bob"));
    until("bob has made it longer", || {
        silences().iter().any(|silence| silence["createdBy"] == "bob in Slack")
    });
    let active = silences().iter().filter(|silence| silence["status"]["state"] == "active").count();
    assert_eq!(active, 1, "one silence, made longer");
    assert_eq!(world.acted("flaps"), Value::Null, "nobody has said anything of the alert");
}

#[test]
fn what_has_ended_can_still_be_judged() {
    let world = world();
    let message = world.message_about("noise");
    let ack = value_of(&message, "openclaw_ack");
    let before = rate(&world, "noise");
    world.server.post_alerts(&world.key, &[Alert::new("noise").resolved()]);
    let id = world.server.alert(&world.key, "noise")["id"].as_str().unwrap().to_owned();
    world.server.wait_stage(&world.key, &id, "resolved");
    until("the message says that it is over", || {
        world.slack.seen_at(EDIT).iter().any(|edit| edit.json().to_string().contains("Was noise"))
    });
    world.click(&Click::new("openclaw_ack", &ack, "ann").replying_to(&world.slack.url("/late")));
    let late = world.slack.wait_for("/late", 1)[0].json();
    assert_eq!(late["text"], "All of these alerts have ended already.");
    world.click(&Click::new("openclaw_dismiss", &ack, "ann").replying_to(&world.slack.url("/noise")));
    let noted = world.slack.wait_for("/noise", 1)[0].json();
    assert!(noted["text"].as_str().unwrap().contains("is remembered"), "{noted}");
    let trail = world.server.trail(&world.key, &id);
    let judged: Vec<_> = trail.iter().filter(|event| event["stage"] == "feedback").collect();
    assert_eq!(judged.len(), 1);
    assert_eq!((&judged[0]["action"], &judged[0]["by"]), (&json!("dismiss"), &json!("ann in Slack")));
    assert!(rate(&world, "noise") < before, "the next one of its kind is worth less");
    world.click(&Click::new("openclaw_dismiss", &ack, "bob").replying_to(&world.slack.url("/again")));
    let again = world.slack.wait_for("/again", 1)[0].json();
    assert_eq!(again["text"], "ann in Slack has dismissed this already.");
}

fn rate(world: &super::World, name: &str) -> f64 {
    let body = json!({ "labels": { "alertname": name } }).to_string();
    world.server.post("/api/v1/rate", &world.key, &body).expect(200).json()["score"].as_f64().unwrap()
}

#[test]
fn slack_may_see_that_the_address_answers() {
    let world = world();
    let body = r#"{"type":"url_verification","token":"t","challenge":"3eZbrw1a"}"#;
    let at = now_s().to_string();
    let request = |signature: &str| {
        Request::post(ACTIONS, body)
            .header("X-Slack-Request-Timestamp", &at)
            .header("X-Slack-Signature", signature)
            .send(world.server.address)
    };
    let right = request(&format!("v0={}", sign(SECRET, &format!("v0:{at}:{body}")))).expect(200);
    assert_eq!(right.text(), "3eZbrw1a");
    assert!(right.header("content-type").unwrap().starts_with("text/plain"));
    assert!(!request(&format!("v0={}", "0".repeat(64))).expect(401).text().contains("3eZbrw1a"));
}

#[test]
fn a_click_survives_a_crash() {
    let world = world();
    let value = value_of(&world.message_about("kept"), "openclaw_ack");
    world.click(&Click::new("openclaw_ack", &value, "ann"));
    world.server.kill();
    let server = world.folder.serve();
    assert_eq!(server.alert(&world.key, "kept")["acted"]["by"], "ann in Slack");
}

/// One app for several tenants: without a tenant in the path, it is the
/// dedup key that says whose alert it is.
#[test]
fn a_shared_app_acts_where_the_key_is_known() {
    let slack = slack();
    let settings = in_slack(&slack, SECRET);
    let folder =
        Folder::new(&[("acme", &settings), ("globex", &settings), ("initech", &in_slack(&slack, "another"))]);
    let keys: Vec<_> = ["acme", "globex", "initech"].iter().map(|name| folder.full_key(name)).collect();
    let server = folder.serve();
    let mut values = Vec::new();
    for (key, name) in keys.iter().zip(["of-acme", "of-globex", "of-initech"]) {
        server.post_alerts(key, &[Alert::new(name)]);
        let message = crate::support::until_some("a message", || {
            let posted = slack.seen_at(super::POST).into_iter().map(|seen| seen.json());
            posted.into_iter().find(|message| message.to_string().contains(name))
        });
        values.push(value_of(&message, "openclaw_ack"));
    }
    let acted = |index: usize, name: &str| server.alert(&keys[index], name)["acted"]["by"].clone();
    let target = "/api/v1/slack/actions";
    Click::new("openclaw_ack", &values[1], "ann").send(&server, target).expect(200);
    assert_eq!(acted(1, "of-globex"), "ann in Slack");
    assert_eq!(acted(0, "of-acme"), Value::Null);
    // Who has the app of acme and globex has nothing to say at initech.
    Click::new("openclaw_ack", &values[2], "ann").send(&server, target).expect(200);
    Click::new("openclaw_ack", &values[2], "ann").send(&server, ACTIONS).expect(200);
    Click::new("openclaw_ack", &values[2], "ann")
        .send(&server, "/t/initech/api/v1/slack/actions")
        .expect(401);
    assert_eq!(acted(2, "of-initech"), Value::Null);
    // Under a tenant's own path nobody else's alerts are found.
    Click::new("openclaw_dismiss", &values[1], "ann").send(&server, ACTIONS).expect(200);
    assert_eq!(server.alert(&keys[1], "of-globex")["acted"]["action"], "ack");
}
