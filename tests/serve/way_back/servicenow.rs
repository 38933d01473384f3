//! What a ServiceNow business rule posts.

use super::{World, value_of, world};
use crate::support::client::Response;
use crate::support::{Alert, Request, pause, until};
use serde_json::{Value, json};
use std::time::Duration;

const CALLBACK: &str = "/t/acme/api/v1/servicenow/callback";

fn call(world: &World, key: &str, body: &Value) -> Response {
    Request::post(CALLBACK, body.to_string()).key(key).send(world.server.address)
}

fn state(value: &str, state: u8) -> Value {
    json!({ "correlation_id": value, "state": state.to_string(), "by": "bob", "note": "done", "number": "INC0010001" })
}

#[test]
fn what_is_done_in_servicenow_shows_in_slack() {
    let world = world();
    let value = value_of(&world.message_about("cert"), "openclaw_ack");
    let key = world.folder.key("acme", "respond");
    until("the key is known", || call(&world, &key, &json!({})).status == 400);
    for (number, action) in [(2, "ack"), (6, "resolve"), (8, "dismiss")] {
        assert_eq!(call(&world, &key, &state(&value, number)).expect(200).json()["result"], "done");
        let acted = world.acted("cert");
        assert_eq!((&acted["action"], &acted["by"]), (&json!(action), &json!("bob in ServiceNow")));
    }
    world.wait_edit("bob in ServiceNow");
    let id = world.server.alert(&world.key, "cert")["id"].as_str().unwrap().to_owned();
    let told = world.server.wait_stage(&world.key, &id, "feedback");
    assert_eq!(told["note"], "INC0010001: done");
    let basic = Request::post(CALLBACK, state(&value, 6).to_string()).basic("acme", &key);
    assert_eq!(basic.send(world.server.address).expect(200).json()["result"], "no_news");
}

/// Each tool tells what it heard of the others: nothing goes round.
#[test]
fn an_echo_is_no_news() {
    let world = world();
    let value = value_of(&world.message_about("loop"), "openclaw_ack");
    let result =
        |number| call(&world, &world.key, &state(&value, number)).expect(200).json()["result"].clone();
    world.click(&super::Click::new("openclaw_dismiss", &value, "ann"));
    world.wait_edit("ann in Slack");
    let edits = world.slack.seen_at(super::EDIT).len();
    for number in [2, 6, 7, 8] {
        assert_eq!(result(number), "no_news", "{number}");
    }
    for number in [1, 3] {
        assert_eq!(result(number), "ignored", "{number}");
    }
    pause(Duration::from_millis(200));
    assert_eq!(world.slack.seen_at(super::EDIT).len(), edits);
    assert_eq!(world.acted("loop")["by"], "ann in Slack");
}

#[test]
fn only_who_may_respond_for_the_tenant_is_heard() {
    let world = world();
    let value = value_of(&world.message_about("mine"), "openclaw_ack");
    world.folder.tenant("globex", crate::support::server::SILENT);
    let ingest = world.folder.key("acme", "ingest,read");
    let other = world.folder.full_key("globex");
    until("the keys are known", || call(&world, &ingest, &json!({})).status == 403);
    assert_eq!(call(&world, &ingest, &state(&value, 6)).status, 403);
    assert_eq!(call(&world, "oc00000000000000000000000000000000", &state(&value, 6)).status, 401);
    assert_eq!(call(&world, &other, &state(&value, 6)).status, 403, "the path is acme's");
    until("globex is there", || {
        let request = Request::post("/api/v1/servicenow/callback", state(&value, 6).to_string()).key(&other);
        request.send(world.server.address).status == 404
    });
    assert_eq!(world.acted("mine"), Value::Null);
    let fault = call(&world, &world.key, &json!({ "correlation_id": value, "state": "Closed" })).expect(400);
    assert_eq!(fault.json()["errors"][0]["pointer"], "/state");
    assert_eq!(call(&world, &world.key, &state("nothing-of-ours", 6)).status, 404);
}

#[test]
fn what_people_did_is_counted() {
    let world = world();
    let value = value_of(&world.message_about("counted"), "openclaw_ack");
    call(&world, &world.key, &state(&value, 2)).expect(200);
    call(&world, &world.key, &state(&value, 2)).expect(200);
    world.server.post_alerts(&world.key, &[Alert::new("another")]);
    let metrics = world.server.get("/t/acme/metrics", &world.key).expect(200).text();
    for result in ["done", "no_news"] {
        let line =
            format!("openclaw_way_back_total{{tenant=\"acme\",tool=\"servicenow\",result=\"{result}\"}} 1");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}
