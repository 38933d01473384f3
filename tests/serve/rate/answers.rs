//! `GET /api/v1/rate`: what is answered.

use super::{World, shown, world};
use crate::support::{Folder, Request};
use insta::assert_snapshot;

#[test]
fn an_allowed_request() {
    assert_snapshot!(shown(&world().get("/api/v1/rate?client=a&cost=3")), @r#"
    200
    content-type: application/json
    cache-control: no-store
    ratelimit-policy: "default";q=1000;w=10
    ratelimit: "default";r=997;t=1
    content-length: 101
    connection: close
    {"allowed":true,"remaining":997,"limit":1000,"reset_after_ms":30,"policy":"default","model":"static"}
    "#);
}

#[test]
fn a_refused_request() {
    let world = world();
    world.get("/api/v1/rate?client=a&cost=1000").expect(200);
    let refused = world.get("/api/v1/rate?client=a&cost=1000").expect(429);
    let wait_ms = refused.json()["retry_after_ms"].as_u64().unwrap();
    assert!((8_000..=10_000).contains(&wait_ms), "{wait_ms}");
    assert_eq!(refused.json()["allowed"], false);
    let header = |name: &str| refused.header(name).unwrap().to_owned();
    let wait_s = wait_ms.div_ceil(1000);
    assert_eq!(header("retry-after"), wait_s.to_string());
    assert!(header("ratelimit").ends_with(&format!(";t={wait_s}")), "{}", header("ratelimit"));
    // Somebody else of the same tenant is not concerned.
    world.get("/api/v1/rate?client=b").expect(200);
}

#[test]
fn more_than_there_ever_is() {
    assert_snapshot!(shown(&world().get("/api/v1/rate?client=a&cost=1001")), @r#"
    429
    content-type: application/json
    cache-control: no-store
    ratelimit-policy: "default";q=1000;w=10
    ratelimit: "default";r=1000;t=86400
    retry-after: 86400
    content-length: 124
    connection: close
    {"allowed":false,"remaining":1000,"limit":1000,"reset_after_ms":0,"policy":"default","model":"static","retry_after_ms":null}
    "#);
}

/// A bucket, a quota, and one on trial, of which nothing is promised.
const SEVERAL: &str = "limits:
  x_ratelimit_headers: true
  deny: [banned]
  policies:
    api: { rate: 10/s, burst: 20, quotas: [{ limit: 50, per: month, timezone: UTC }] }
    writes: { rate: 1/s, burst: 10, when: { methods: [POST] } }
    trial: { rate: 1/s, burst: 1, dry_run: true }
receivers: [{ name: ops }]
route: { receiver: ops }
";

#[test]
fn all_policies_that_were_met_are_told_of() {
    let folder = Folder::new(&[("acme", SEVERAL)]);
    let key = folder.key("acme", "limit");
    let server = folder.serve();
    let answer = server.get("/api/v1/rate?client=a&method=POST&cost=4", &key);
    assert_snapshot!(shown(&answer), @r#"
    200
    content-type: application/json
    cache-control: no-store
    ratelimit-policy: "api";q=20;w=2, "writes";q=10;w=10
    ratelimit: "api";r=16;t=1, "writes";r=6;t=1
    x-ratelimit-limit: 10
    x-ratelimit-remaining: 6
    x-ratelimit-reset: 4
    content-length: 98
    connection: close
    {"allowed":true,"remaining":6,"limit":10,"reset_after_ms":4000,"policy":"writes","model":"static"}
    "#);
    let banned = server.get("/api/v1/rate?client=banned", &key).expect(429);
    assert_eq!(banned.json()["retry_after_ms"], serde_json::Value::Null);
    assert!(banned.header("ratelimit").is_none());
}

#[test]
fn a_look_costs_nothing() {
    let world = world();
    for _ in 0..3 {
        let looked = world.get("/api/v1/rate?client=a&cost=0").expect(200).json();
        assert_eq!((&looked["remaining"], &looked["reset_after_ms"]), (&1000.into(), &0.into()));
    }
}

#[test]
fn the_credential_is_the_client_where_none_is_named() {
    let world = world();
    world.get("/api/v1/rate?cost=1000").expect(200);
    world.get("/api/v1/rate?cost=500").expect(429);
    let id = &world.key[..10];
    world.get(&format!("/api/v1/rate?cost=500&client={id}")).expect(429);
    let other = world.folder.key("acme", "limit");
    crate::support::until("the new key is known", || {
        world.server.get("/api/v1/rate?cost=0", &other).status == 200
    });
    world.server.get("/api/v1/rate?cost=500", &other).expect(200);
}

#[test]
fn head_is_answered_as_get_without_a_body() {
    let world = world();
    let text = world.text("HEAD /api/v1/rate?client=a", "Connection: close\r\n");
    let mut stream = crate::support::client::connect(world.server.address).unwrap();
    std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(answer.contains("ratelimit: \"default\";r=999;t=1\r\n"), "{answer}");
}

#[test]
fn errors_say_what_is_wrong() {
    let world = world();
    let told = |target: &str| {
        let answer = world.get(target);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        (answer.status, answer.json()["detail"].as_str().unwrap().to_owned())
    };
    let unknown = told("/api/v1/rate?policy=gold");
    assert_eq!(unknown, (404, "the tenant has no policy `gold`".to_owned()));
    let cost = told("/api/v1/rate?cost=-1");
    assert_eq!(cost, (400, "parameter `cost` must be a whole number from 0 to 4294967295".to_owned()));
    assert_eq!(told("/api/v1/rate?clinet=a").0, 400);
    let read = world.folder.key("acme", "read");
    crate::support::until("the new key is known", || world.server.get("/api/v1/rate", &read).status == 403);
    assert_eq!(Request::get("/api/v1/rate").key("nobody's").send(world.server.address).status, 401);
}

#[test]
fn who_shows_no_credential_is_known_by_its_address() {
    let world = world();
    let ask = |target: &str| Request::get(target).send(world.server.address);
    assert_eq!(ask("/api/v1/rate?cost=1000").expect(200).json()["remaining"], 0);
    ask("/api/v1/rate?cost=500").expect(429);
    // It can't choose to be somebody else, or somebody else's.
    ask("/api/v1/rate?client=b").expect(401);
    let header = |tenant: &str| Request::get("/api/v1/rate?cost=0").header("X-Scope-OrgID", tenant);
    header("globex").send(world.server.address).expect(401);
    header("public").send(world.server.address).expect(200);
    ask("/t/globex/api/v1/rate").expect(401);
    ask("/t/public/api/v1/rate?cost=0").expect(200);
    // Nor ask in batches, or for a proxy.
    ask("/auth").expect(401);
    Request::post("/api/v1/decisions", "[]").send(world.server.address).expect(401);
    let without = Folder::new(&[("acme", crate::support::server::SILENT)]);
    let server = without.serve();
    Request::get("/api/v1/rate").send(server.address).expect(401);
}

#[test]
fn tenants_don_t_share_clients() {
    let world = world();
    let globex = world.folder.key("globex", "limit");
    crate::support::until("the new key is known", || {
        world.server.get("/api/v1/rate?cost=0", &globex).status == 200
    });
    world.get("/api/v1/rate?client=a&cost=1000").expect(200);
    world.get("/api/v1/rate?client=a&cost=1000").expect(429);
    world.server.get("/api/v1/rate?client=a&cost=1000", &globex).expect(200);
    let as_globex = Request::get("/api/v1/rate?client=a").key(&world.key).header("X-Scope-OrgID", "globex");
    as_globex.send(world.server.address).expect(403);
    world.get("/t/globex/api/v1/rate?client=a").expect(403);
    world.get("/t/acme/api/v1/rate?client=a&cost=1000").expect(429);
}

/// Decisions by result, and the time that they took.
#[test]
fn metrics_count_each_once() {
    let world = world();
    ask_in_both_ways(&world);
    for _ in 0..2 {
        let text = Request::get("/metrics").send(world.server.address).expect(200).text();
        for line in [
            "openclaw_decisions_total{tenant=\"acme\",policy=\"default\",result=\"allow\"} 4",
            "openclaw_decisions_total{tenant=\"acme\",policy=\"default\",result=\"deny\"} 2",
            "openclaw_latency_seconds_count{tenant=\"acme\"} 6",
            "openclaw_latency_seconds_bucket{le=\"+Inf\",tenant=\"acme\"} 6",
            "openclaw_request_duration_seconds_count{tenant=\"acme\",route=\"/api/v1/rate\",code=\"2xx\"} 4",
            "openclaw_request_duration_seconds_count{tenant=\"acme\",route=\"/api/v1/rate\",code=\"4xx\"} 2",
            "openclaw_request_duration_seconds_count{tenant=\"\",route=\"/api/v1/rate\",code=\"4xx\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}

/// Three questions here, three by way of hyper, and one that is turned away.
fn ask_in_both_ways(world: &World) {
    for (prefix, client) in [("", "a"), ("/t/acme", "b")] {
        let ask = |cost: u32| world.get(&format!("{prefix}/api/v1/rate?client={client}&cost={cost}"));
        ask(500).expect(200);
        ask(500).expect(200);
        ask(500).expect(429);
    }
    Request::get("/api/v1/rate").key("nobody's").send(world.server.address).expect(401);
}
