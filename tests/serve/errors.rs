//! Both shapes of Alertmanager's errors, input by input.

use crate::support::server::{SILENT, Server};
use crate::support::{Alert, Folder, Request, alerts};
use serde_json::{Value, json};

struct World {
    server: Server,
    key: String,
    _folder: Folder,
}

fn world() -> World {
    let folder = Folder::new(&[("acme", SILENT)]);
    let key = folder.full_key("acme");
    World { server: folder.serve(), key, _folder: folder }
}

impl World {
    fn post(&self, body: &str) -> (u16, Value) {
        let answer = self.server.post("/api/v2/alerts", &self.key, body);
        let body = if answer.body.is_empty() { Value::Null } else { answer.json() };
        (answer.status, body)
    }

    fn names(&self) -> Vec<String> {
        let alerts = self.server.alerts(&self.key);
        let mut names: Vec<_> =
            alerts.iter().map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }
}

#[test]
fn bodies_that_are_no_alerts() {
    let world = world();
    for body in ["{}", "nonsense", "[{", r#"[{"labels":{"a":1}}]"#, r#"[{"labels":"a"}]"#, "[1]"] {
        let (status, answer) = world.post(body);
        assert_eq!((status, &answer["code"]), (400, &json!(400)), "{body}: {answer}");
        let message = answer["message"].as_str().unwrap();
        assert!(message.starts_with("parsing alerts body"), "{body}: {message}");
    }
    let empty = json!({ "code": 602, "message": "alerts in body is required" });
    assert_eq!(world.post(""), (422, empty));
    assert_eq!(world.post("[]"), (200, Value::Null));
    assert!(world.names().is_empty());
}

#[test]
fn an_element_without_labels_refuses_the_batch() {
    let world = world();
    let missing = |index| json!({ "code": 602, "message": format!("{index}.labels in body is required") });
    assert_eq!(world.post("[{}]"), (422, missing(0)));
    let body = r#"[{"labels":{"alertname":"good"}},{"annotations":{"a":"b"}}]"#;
    assert_eq!(world.post(body), (422, missing(1)));
    assert!(world.names().is_empty());
}

#[test]
fn bad_alerts_do_not_drag_good_neighbours_down() {
    let world = world();
    for bad in [r#"{"labels":{}}"#, r#"{"labels":{"a":""}}"#] {
        let body = format!(r#"[{{"labels":{{"alertname":"kept-1"}}}},{bad}]"#);
        assert_eq!(world.post(&body), (400, json!("at least one label pair required")), "{bad}");
    }
    let backwards = r#"{"labels":{"alertname":"backwards"},"startsAt":"2026-01-02T00:00:00Z","endsAt":"2026-01-01T00:00:00Z"}"#;
    let body = format!(r#"[{backwards},{{"labels":{{"alertname":"kept-2"}}}}]"#);
    assert_eq!(world.post(&body), (400, json!("start time must be before end time")));
    assert_eq!(world.names(), ["kept-1", "kept-2"]);
}

#[test]
fn only_json_is_taken() {
    let world = world();
    let send = |content_type| {
        let request = Request::post_as("/api/v2/alerts", content_type, "[]").key(&world.key);
        request.send(world.server.address)
    };
    for wrong in
        [None, Some("application/x-www-form-urlencoded"), Some("text/plain"), Some("application/jsonx")]
    {
        let answer = send(wrong);
        assert_eq!((answer.status, &answer.json()["code"]), (415, &json!(415)), "{wrong:?}");
    }
    for right in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        assert_eq!(send(Some(right)).status, 200, "{right}");
    }
}

#[test]
fn bad_questions_are_answered_in_alertmanagers_words() {
    let world = world();
    world.server.post_alerts(&world.key, &[Alert::new("up")]);
    let get = |query: &str| world.server.get(&format!("/api/v2/alerts?{query}"), &world.key);
    let answer = get("filter=bad%7B").expect(400);
    assert_eq!(answer.json(), json!("bad matcher format: bad{"));
    for empty in ["filter=", "filter=%7Ba%3D%22b%22%7D"] {
        assert_eq!(get(empty).status, 400, "{empty}");
    }
    let message = get("receiver=%28").expect(400).json();
    assert!(message.as_str().unwrap().starts_with("failed to parse receiver param: "), "{message}");
    assert_eq!(get("active=zz").expect(200).json(), json!([]));
    assert_eq!(get("active=true&receiver=").expect(200).json().as_array().unwrap().len(), 1);
}

#[test]
fn the_old_api_is_gone_and_ours_says_where_it_hurts() {
    let world = world();
    for path in ["/api/v1/silences", "/api/v1/status"] {
        let answer = world.server.get(path, &world.key).expect(410);
        assert_eq!(answer.json()["status"], "deprecated");
    }
    let problem = |answer: crate::support::client::Response| {
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.json()["status"], answer.status);
        answer.json()
    };
    world.server.post_alerts(&world.key, &[Alert::new("up")]);
    let id = world.server.alert(&world.key, "up")["id"].as_str().unwrap().to_owned();
    let feedback = format!("/api/v1/alerts/{id}/feedback");
    let told = problem(world.server.post(&feedback, &world.key, r#"{"action":"shrug"}"#).expect(400));
    assert_eq!(told["errors"][0]["pointer"], "/action");
    let told =
        problem(world.server.post("/api/v1/rate", &world.key, r#"[{"labels":{"a":"b"}},{"labels":{}}]"#));
    assert_eq!(told["errors"][0]["pointer"], "/1/labels");
    for path in ["/api/v1/alerts/al_0000000000000", "/api/v1/alerts/0123456789abcdef", "/nowhere"] {
        problem(world.server.get(path, &world.key).expect(404));
    }
    problem(Request::new("DELETE", "/api/v1/alerts").key(&world.key).send(world.server.address).expect(405));
    for limit in ["0", "501", "-1", "x"] {
        assert_eq!(
            world.server.get(&format!("/api/v1/alerts?limit={limit}"), &world.key).status,
            400,
            "{limit}"
        );
    }
}

#[test]
fn what_was_over_before_it_was_seen_is_taken_and_forgotten() {
    let world = world();
    let old = Alert::new("old").starts(std::time::UNIX_EPOCH).resolved();
    let (status, _) = world.post(&alerts::body([&old]));
    assert_eq!(status, 200);
    assert!(world.names().is_empty());
}
