//! Hostile senders: whatever a request says, its credential alone names the
//! tenant.

use super::senders::{Credential, SENDERS, What};
use crate::support::client::{Response, connect, exchange_open};
use crate::support::server::{Server, told_at_once};
use crate::support::{Folder, Request, Sink};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};

/// Shares its partition with `acme`, so that nothing but the tenant is between.
const OTHER: &str = "globex-56";

/// Names by which anything might be taken for a tenant's.
const NAMES: [&str; 16] = [
    "tenant",
    "tenant_id",
    "tenantId",
    "tenant_name",
    "X-Scope-OrgID",
    "x-scope-orgid",
    "org",
    "orgId",
    "org_id",
    "organization",
    "account",
    "namespace",
    "project",
    "team",
    "user",
    "customer",
];

/// Both tenants, each with an alert of every format.
struct World {
    server: Server,
    acme: String,
    globex: String,
    operator: String,
    /// Globex's alerts as they were.
    before: Value,
    folder: Folder,
    _sink: Sink,
}

fn world() -> World {
    let sink = Sink::new();
    let tenant = told_at_once(&sink.url("/hook"));
    let folder = Folder::new(&[("acme", &tenant), (OTHER, &tenant)]);
    let (acme, globex, operator) = (folder.full_key("acme"), folder.full_key(OTHER), folder.operator_key());
    let server = folder.serve();
    for sender in &SENDERS {
        let answer = sender.request(What::Fires(1), OTHER, &globex).send(server.address);
        assert!(answer.status < 300, "{} {}", sender.format, answer.text());
    }
    server.wait_delivered(&globex);
    let mut world = World { server, acme, globex, operator, before: Value::Null, folder, _sink: sink };
    world.before = world.now();
    assert!(world.before.as_array().is_some_and(|alerts| alerts.len() == SENDERS.len()));
    world
}

impl World {
    /// Globex's alerts with all that has happened to them.
    fn now(&self) -> Value {
        let page = self.server.get("/api/v1/alerts?limit=500", &self.globex).expect(200).json();
        let alerts = page["alerts"].as_array().unwrap().iter();
        let id = |alert: &Value| alert["id"].as_str().unwrap().to_owned();
        let told =
            |alert: &Value| json!({ "alert": alert, "trail": self.server.trail(&self.globex, &id(alert)) });
        alerts.map(told).collect()
    }

    #[track_caller]
    fn globex_is_untouched(&self, what: &str) {
        self.server.wait_delivered(&self.acme);
        assert_eq!(self.now(), self.before, "{what}");
    }

    fn of_acme(&self) -> Vec<Value> {
        let page = self.server.get("/api/v1/alerts?limit=500", &self.acme).expect(200).json();
        page["alerts"].as_array().unwrap().clone()
    }

    #[track_caller]
    fn is_refused(&self, what: &str, answer: &Response, status: u16) {
        let said = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.status, status, "{what}: {said}");
        assert!(!said.contains("globex"), "{what}: {said}");
        assert!(!said.contains(&self.globex) && !said.contains(&self.acme), "{what}: {said}");
    }
}

/// Names the other tenant in every object of a body.
fn poisoned(value: &mut Value, key: &str) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| poisoned(field, key));
            for name in NAMES {
                fields.entry(name).or_insert_with(|| OTHER.into());
            }
            fields.entry("routing_key").or_insert_with(|| key.into());
            fields.entry("apiKey").or_insert_with(|| key.into());
        }
        Value::Array(items) => items.iter_mut().for_each(|item| poisoned(item, key)),
        _ => {}
    }
}

#[test]
fn bodies_that_name_another_tenant_change_nothing_there() {
    let world = world();
    for sender in &SENDERS {
        for what in [What::Fires(1), What::Acknowledged(1), What::Ended(1), What::Fires(7)] {
            let (below, mut body) = sender.body(what);
            poisoned(&mut body, &world.globex);
            if sender.credential == Credential::Body {
                // In its own place the key would be a credential.
                body.as_object_mut().unwrap().remove("routing_key");
            }
            let query = "tenant=globex-56&X-Scope-OrgID=globex-56&orgId=globex-56&access_token=";
            let joint = if below.contains('?') { '&' } else { '?' };
            let target = format!("{}{below}{joint}{query}{}", sender.path, world.globex);
            let mut request = sender.with_body(&target, body, "acme", &world.acme);
            for name in [
                "X-Tenant",
                "X-Grafana-Org-Id",
                "X-OpenClaw-Tenant",
                "X_Scope_OrgID",
                "ce-tenant",
                "Forwarded",
            ] {
                request = request.header(name, OTHER);
            }
            request = request
                .header("X-Forwarded-Prefix", "/t/globex-56")
                .header("X-Original-URL", "/t/globex-56/");
            let answer = request.send(world.server.address);
            assert!(answer.status < 500, "{} {what:?} {}", sender.format, answer.text());
            world.globex_is_untouched(sender.format);
        }
    }
    let of_acme = Value::Array(world.of_acme()).to_string();
    assert!(of_acme.contains("globex-56"), "the names are text like any other");
    assert!(!of_acme.contains(&world.globex[10..]) || of_acme.contains("routing_key"), "{of_acme}");
}

/// The same keys, aliases, ids: each tenant has its own.
#[test]
fn what_one_tenant_calls_its_alert_means_nothing_to_another() {
    let world = world();
    for sender in &SENDERS {
        for what in
            [What::Ended(1), What::Acknowledged(1), What::Fires(1), What::Acknowledged(1), What::Ended(1)]
        {
            sender.request(what, "acme", &world.acme).send(world.server.address);
        }
        world.globex_is_untouched(sender.format);
    }
    // The ids that acme has used up are fresh to globex.
    let event = SENDERS.iter().find(|sender| sender.content_type.contains("cloudevents+json")).unwrap();
    let send =
        |what, tenant: &str, key: &str| event.request(what, tenant, key).send(world.server.address).json();
    assert_eq!(send(What::Fires(70), "acme", &world.acme)["accepted"], 1);
    let told = send(What::Fires(70), OTHER, &world.globex);
    assert!(told["ids"][0].is_string(), "{told}");
}

#[test]
fn headers_and_paths_only_select_what_the_key_allows() {
    let world = world();
    for sender in &SENDERS {
        let (below, body) = sender.body(What::Fires(7));
        let at = |prefix: &str| format!("{prefix}{}{below}", sender.path);
        let send = |request: Request| request.send(world.server.address);
        let mine = |target: &str| sender.with_body(target, body.clone(), "acme", &world.acme);
        let what = sender.format;
        world.is_refused(what, &send(mine(&at("/t/globex-56"))), 403);
        world.is_refused(what, &send(mine(&at("/t/nobody"))), 403);
        world.is_refused(what, &send(mine(&at("")).header("X-Scope-OrgID", OTHER)), 403);
        world.is_refused(what, &send(mine(&at("/t/acme")).header("X-Scope-OrgID", OTHER)), 400);
        let twice = mine(&at("")).header("X-Scope-OrgID", "acme").header("X-Scope-OrgID", OTHER);
        world.is_refused(what, &send(twice), 400);
        let nobodys = sender.with_body(&at(""), body.clone(), OTHER, &world.operator);
        world.is_refused(what, &send(nobodys), 403);
        world.globex_is_untouched(what);
        assert!(send(mine(&at("/t/acme"))).status < 300, "{what}");
    }
    world.globex_is_untouched("headers and paths");
}

#[test]
fn a_key_counts_only_in_the_place_of_its_format() {
    let world = world();
    for sender in &SENDERS {
        let (_, mut body) = sender.body(What::Fires(7));
        poisoned(&mut body, &world.globex);
        let is_place = sender.credential == Credential::Body;
        let text = body.to_string();
        for prefix in ["", "/t/globex-56", "/t/acme", "/t/nobody"] {
            for path in [sender.path.to_owned(), format!("/api/v1/ingest/{}", sender.format)] {
                if is_place && matches!(prefix, "" | "/t/globex-56") {
                    continue;
                }
                let target =
                    format!("{prefix}{path}?access_token={0}&api_key={0}&routing_key={0}", world.globex);
                let request = sender.without_key(&target, &text);
                let request =
                    request.header("X-Api-Key", &world.globex).header("X-Routing-Key", &world.globex);
                let request = request.header("x-sn-apikey", &world.globex).header("Cookie", &world.globex);
                let status = if is_place && !prefix.is_empty() { 403 } else { 401 };
                world.is_refused(
                    &target.replace(&world.globex, "KEY"),
                    &request.send(world.server.address),
                    status,
                );
            }
        }
    }
    world.globex_is_untouched("keys in other places");
}

#[test]
fn a_key_in_the_head_goes_before_one_in_the_body() {
    let world = world();
    let pagerduty = SENDERS.iter().find(|sender| sender.credential == Credential::Body).unwrap();
    let (_, body) = pagerduty.body(What::Fires(1));
    let both = |head: &str, inside: &str| {
        let mut body = body.clone();
        body["routing_key"] = inside.into();
        pagerduty.without_key("/v2/enqueue", &body.to_string()).key(head).send(world.server.address)
    };
    assert_eq!(both(&world.acme, &world.globex).status, 202);
    world.globex_is_untouched("the head's key is acme's");
    assert_eq!(world.of_acme().len(), 1);
    let wrong = format!("oc{}", "a".repeat(30));
    world.is_refused("a wrong key in the head", &both(&wrong, &world.globex), 401);
    world.is_refused("none in the head", &both("", &world.globex), 401);
    assert!(!Value::Array(world.of_acme()).to_string().contains(&world.globex));
    for key in [&wrong[..], "", "globex-56", "*", &world.globex[..10], &world.globex.to_lowercase()] {
        let mut body = body.clone();
        body["routing_key"] = key.into();
        let answer = pagerduty.without_key("/v2/enqueue", &body.to_string()).send(world.server.address);
        world.is_refused(key, &answer, 401);
    }
    for odd in [json!(1), json!(null), json!([world.globex]), json!({ "key": world.globex })] {
        let mut body = body.clone();
        body["routing_key"] = odd.clone();
        let answer = pagerduty.without_key("/v2/enqueue", &body.to_string()).send(world.server.address);
        world.is_refused(&odd.to_string().replace(&world.globex, "KEY"), &answer, 401);
    }
    world.globex_is_untouched("odd keys");
}

/// Of two keys in one body no reader may take the one and another the other.
#[test]
fn two_keys_in_one_body_are_one_tenants_or_nobodys() {
    let world = world();
    let rest = r#""event_action":"resolve","dedup_key":"srv01/http-1""#;
    for (first, second) in [(&world.acme, &world.globex), (&world.globex, &world.acme)] {
        let body = format!(r#"{{"routing_key":"{first}",{rest},"routing_key":"{second}"}}"#);
        let answer = Request::post("/t/acme/v2/enqueue", body).send(world.server.address);
        assert!(answer.status < 500, "{}", answer.text());
        world.globex_is_untouched("two keys");
    }
    let nested = format!(r#"{{"payload":{{"routing_key":"{}"}},{rest}}}"#, world.globex);
    let answer = Request::post("/v2/enqueue", nested).send(world.server.address);
    world.is_refused("a key further in", &answer, 401);
    world.globex_is_untouched("a key further in");
}

#[test]
fn tricks_with_paths_lead_nowhere() {
    let world = world();
    let body = r#"{"alertname":"planted","dedup_key":"x","event_action":"trigger","message":"x"}"#;
    for path in [
        "/api/v1/ingest/../../../t/globex-56/api/v1/alerts",
        "/api/v1/ingest/%2e%2e/%2e%2e/%2e%2e/t/globex-56/api/v1/alerts",
        "/api/v1/ingest/..%2f..%2f..%2ft%2fglobex-56%2fapi%2fv1%2falerts",
        "/api/v1/ingest//t/globex-56",
        "/t/acme/t/globex-56/api/v1/alerts",
        "/t/acme/../globex-56/v2/enqueue",
        "/t/acme%2f..%2fglobex-56/v2/alerts",
        "//t/globex-56/v2/alerts",
        "/t/globex-56%00/v2/alerts",
        "/t/GLOBEX-56/api/v1/alerts",
        "/t//api/v1/alerts",
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: globex-56\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            world.acme,
            body.len()
        );
        let answers = exchange_open(world.server.address, request.as_bytes()).unwrap_or_default();
        assert!(answers.iter().all(|answer| answer.status >= 400), "{path}: {answers:?}");
    }
    assert!(world.of_acme().is_empty());
    world.globex_is_untouched("paths");
}

/// What a stranger may make the service read is small, and it goes on.
#[test]
fn strangers_bodies_are_bounded() {
    let world = world();
    let huge = format!("{{\"routing_key\":\"{}\",\"a\":\"{}\"}}", world.globex, "x".repeat(600 << 10));
    let answer = Request::post("/v2/enqueue", huge).send(world.server.address);
    assert_eq!(answer.status, 413, "{}", answer.text());
    let nested = format!("{{\"a\":{}", "[".repeat(200_000));
    let answer = Request::post("/v2/enqueue", nested).send(world.server.address);
    assert_eq!(answer.status, 401, "{}", answer.text());
    for path in ["/api/v1/alerts", "/api/global/em/jsonv2", "/v2/alerts", "/api/v1/ingest/grafana"] {
        // Refused by the head alone: nothing of the body is sent.
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
        let answers = exchange_open(world.server.address, head.as_bytes()).unwrap();
        assert_eq!(answers[0].status, 401, "{path}");
    }
    world.globex_is_untouched("strangers");
}

/// Those who say nothing in their head and go on slowly take turns among
/// themselves; whoever shows a key goes past them.
#[test]
fn strangers_crowd_out_only_strangers() {
    let world = world();
    let head = "POST /v2/enqueue HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{";
    let begin = || {
        let mut stream = connect(world.server.address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let mut slow: Vec<_> = (0..200).map(|_| begin()).collect();
    let pagerduty = SENDERS.iter().find(|sender| sender.credential == Credential::Body).unwrap();
    let stranger = || pagerduty.request(What::Fires(7), "acme", &world.acme).send(world.server.address);
    assert_eq!(stranger().status, 202, "whoever sends everything goes past them too");
    let mut answer = [0; 512];
    let length = slow[0].read(&mut answer).unwrap();
    let crowded = String::from_utf8_lossy(&answer[..length]);
    assert!(crowded.starts_with("HTTP/1.1 503") && crowded.contains("retry-after: 1\r\n"), "{crowded}");
    for sender in SENDERS.iter().filter(|sender| sender.credential != Credential::Body) {
        let answer = sender.request(What::Fires(7), "acme", &world.acme).send(world.server.address);
        assert!(answer.status < 300, "{}", answer.text());
    }
    drop(slow);
    world.globex_is_untouched("a crowd");
}

#[test]
fn no_answer_or_log_says_a_key() {
    let world = world();
    for sender in &SENDERS {
        let (_, mut body) = sender.body(What::Fires(7));
        poisoned(&mut body, &world.globex);
        for prefix in ["", "/t/acme", "/t/globex-56"] {
            let request =
                sender.with_body(&format!("{prefix}{}", sender.path), body.clone(), "acme", &world.acme);
            let answer = request.send(world.server.address);
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(!said.contains(&world.globex[10..]) && !said.contains(&world.acme[10..]), "{said}");
        }
    }
    let World { server, acme, globex, folder, .. } = world;
    let log = server.stop();
    assert!(!log.contains(&acme[10..]) && !log.contains(&globex[10..]), "{log}");
    assert!(folder.journal().exists());
}
