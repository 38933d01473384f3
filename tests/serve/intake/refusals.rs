//! What is refused is refused in the sender's own form, and bounded.

use super::senders::{Credential, SENDERS, Sender, What};
use super::{World, world};
use crate::support::client::{Response, exchange};
use crate::support::{Request, until};
use serde_json::json;
use std::fmt::Write as _;

/// Status, what a sender heeds of the head, and the body.
fn shown(answer: &Response) -> String {
    let heeded = ["content-type", "www-authenticate", "retry-after", "allow"];
    let heads = heeded.iter().filter_map(|name| Some(format!(" [{name}: {}]", answer.header(name)?)));
    format!("{}{} {}", answer.status, heads.collect::<String>(), String::from_utf8_lossy(&answer.body))
}

/// One sender a format.
fn senders() -> impl Iterator<Item = &'static Sender> {
    let first = |at: &usize| SENDERS[..*at].iter().all(|before| before.format != SENDERS[*at].format);
    (0..SENDERS.len()).filter(first).map(|at| &SENDERS[at])
}

impl Sender {
    /// The path that names the format, or the vendor's own.
    fn own_path(&self) -> String {
        match self.path {
            "/api/v1/alerts" => format!("/api/v1/ingest/{}", self.format),
            path => path.to_owned(),
        }
    }

    fn with_text(&self, world: &World, target: &str, key: &str, text: &str) -> Response {
        let request = self.without_key(target, text);
        let request =
            if self.credential == Credential::Basic { request.basic("acme", key) } else { request.key(key) };
        request.send(world.server.address)
    }
}

#[test]
fn refusals_are_in_the_senders_own_form() {
    let world = world("");
    let read_only = world.folder.key("acme", "read");
    until("the key is known", || world.server.get("/api/v1/alerts", &read_only).status == 200);
    let wrong = format!("{}{}", &world.key[..31], if world.key.ends_with('a') { 'b' } else { 'a' });
    let mut said = String::new();
    for sender in senders() {
        let (path, fires) = (sender.own_path(), What::Fires(1));
        let (_, body) = sender.body(fires);
        let mut note = |what: &str, answer: &Response| {
            let _ = writeln!(said, "{} {what}: {}", sender.format, shown(answer));
        };
        note("no key", &sender.without_key(&path, &body.to_string()).send(world.server.address));
        note("wrong key", &sender.with_body(&path, body.clone(), "acme", &wrong).send(world.server.address));
        note("no scope", &sender.with_body(&path, body, "acme", &read_only).send(world.server.address));
        note("no JSON", &sender.with_text(&world, &path, &world.key, "{\"a\":"));
        note("nothing", &sender.with_text(&world, &path, &world.key, ""));
        note("a list", &sender.with_text(&world, &path, &world.key, "[1]"));
        note("no fields", &sender.with_text(&world, &path, &world.key, "{}"));
        note("a method", &Request::new("TRACE", &path).key(&world.key).send(world.server.address));
        note("too large", &announced(&world, &path, 9 << 20));
    }
    said = said.replace(&world.key, "KEY");
    assert!(world.alerts().is_empty(), "{:#?}", world.alerts());
    insta::assert_snapshot!(said);
}

/// Announces a body of this length, and sends nothing of it.
fn announced(world: &World, target: &str, length: usize) -> Response {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n",
        world.key
    );
    exchange(world.server.address, head.as_bytes()).unwrap().remove(0)
}

#[test]
fn beyond_the_backlog_new_alerts_wait_and_ends_are_taken() {
    for sender in senders() {
        let world = world("limits: { ceiling: { rate: 1/h, burst: 1 }, backlog_bytes: 1B }\n");
        let send = |what| sender.request(what, "acme", &world.key).send(world.server.address);
        assert!(send(What::Fires(1)).status < 300, "{}", sender.format);
        let refused = (2..9).map(|n| send(What::Fires(n))).find(|answer| answer.status == 429);
        let refused = refused.unwrap_or_else(|| panic!("{}: all were taken", sender.format));
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!(wait >= 1);
        assert!(refused.json().is_object() || refused.json().is_string(), "{}", shown(&refused));
        assert!(send(What::Fires(1)).status < 300, "{}: a repeat is never refused", sender.format);
        assert!(send(What::Ended(1)).status < 300, "{}: an end is never refused", sender.format);
        world.wait_told("resolved", 1);
        assert!(world.received(sender.format, "refused") > 0, "{}", sender.format);
    }
}

/// Repeats and ends of a batch are kept though its new alerts are not.
#[test]
fn a_batch_beyond_the_backlog_keeps_what_is_known() {
    let world = world("limits: { ceiling: { rate: 1/h, burst: 1 }, backlog_bytes: 1B }\n");
    let json = SENDERS[SENDERS.len() - 1];
    json.request(What::Fires(1), "acme", &world.key).send(world.server.address).expect(202);
    let mut batch = vec![json.body(What::Ended(1)).1];
    batch.extend((2..6).map(|n| json.body(What::Fires(n)).1));
    let request = json.with_text(&world, "/api/v1/ingest/json", &world.key, &json!(batch).to_string());
    assert_eq!(request.status, 429);
    world.wait_told("resolved", 1);
}

#[test]
fn what_nests_or_grows_without_end_is_refused_and_the_service_goes_on() {
    let world = world("");
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let labels: serde_json::Map<_, _> = (0..5000).map(|n| (format!("label_{n}"), json!("x"))).collect();
    let long = "x".repeat(200_000);
    for sender in senders() {
        let path = sender.own_path();
        let (_, usual) = sender.body(What::Fires(1));
        let mut bodies =
            vec![deep("[", "]"), deep("{\"a\":", "}"), "[".repeat(1 << 16), deep("[{\"a\":", "}]")];
        for key in
            ["labels", "details", "custom_details", "additional_info", "annotations", "data", "payload"]
        {
            let mut body = usual.clone();
            body[key] = json!(labels);
            bodies.push(body.to_string());
            bodies.push(usual.to_string().replacen("{\"", &format!("{{\"{key}\":\"{long}\",\""), 1));
        }
        for text in usual.as_object().unwrap().keys() {
            let mut body = usual.clone();
            body[text] = json!(long);
            bodies.push(body.to_string());
        }
        for body in bodies {
            let answer = sender.with_text(&world, &path, &world.key, &body);
            let start: String = body.chars().take(80).collect();
            assert!(answer.status < 500, "{} {start}: {}", sender.format, shown(&answer));
        }
    }
    for alert in world.alerts() {
        assert!(alert["labels"].as_object().unwrap().len() <= 128, "{alert:#}");
        assert!(alert.to_string().len() < 1 << 20);
    }
    world.server.stop();
}

#[test]
fn a_large_body_of_many_alerts_is_taken_beside_others() {
    let world = world("");
    let json = SENDERS[SENDERS.len() - 1];
    let batch: Vec<_> = (0..300).map(|n| json.body(What::Fires(n)).1).collect();
    // As much as is decoded elsewhere than where it came in.
    let text = format!("{}{}", json!(batch), " ".repeat(300 << 10));
    let answer = json.with_text(&world, "/api/v1/ingest/json", &world.key, &text).expect(202).json();
    assert_eq!((&answer["accepted"], answer["ids"].as_array().unwrap().len()), (&300.into(), 300));
}

#[test]
fn alertmanagers_old_api_is_told_where_the_new_one_is() {
    let world = world("");
    let old = r#"[{"labels":{"alertname":"Old"},"startsAt":"2026-01-02T10:00:00Z"}]"#;
    let answer = world.server.post("/api/v1/alerts", &world.key, old);
    assert!(answer.text().contains("/api/v2/alerts"), "{}", shown(&answer));
    assert_eq!(answer.status / 100, 4);
    assert!(world.alerts().is_empty());
}

#[test]
fn a_path_that_leads_nowhere_says_so() {
    let world = world("");
    for name in ["nosuch", "", "GRAFANA", "a%20b"] {
        let path = format!("/api/v1/ingest/{name}");
        world.server.post(&path, &world.key, "{}").expect(404);
        world.server.post(&path, "ocnokey", "{}").expect(401);
    }
}

#[test]
fn who_delivers_cloudevents_is_welcome_and_learns_nothing() {
    let world = world("");
    for path in
        ["/api/v1/alerts", "/api/v1/ingest/cloudevents", "/t/acme/api/v1/alerts", "/t/nobody/api/v1/ingest/x"]
    {
        let ask = Request::new("OPTIONS", path).header("WebHook-Request-Origin", "events.example.com");
        let ask = ask
            .header("WebHook-Request-Rate", "120")
            .header("WebHook-Request-Callback", "http://127.0.0.1:9/");
        let answer = ask.send(world.server.address);
        assert!(answer.status < 300, "{}", shown(&answer));
        assert_eq!(answer.header("webhook-allowed-origin"), Some("events.example.com"), "{path}");
        assert!(answer.header("webhook-allowed-rate").is_some() && answer.header("allow").is_some());
    }
    assert_eq!(Request::new("OPTIONS", "/v2/enqueue").send(world.server.address).status, 405);
}
