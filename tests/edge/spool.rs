//! Observations on their way from an edge to its upstream.

use crate::load::{Connects, Load};
use crate::support::server::{SILENT, ServeOptions, Server};
use crate::support::{Folder, Reply, Request, Seen, Sink, pause, until};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const TENANTS: [(&str, &str); 2] = [("acme", SILENT), ("globex", SILENT)];

/// An edge whose observations go on to an address.
struct Edge {
    folder: Folder,
    server: Server,
    keys: [String; 2],
    operator: String,
}

impl Edge {
    fn new(upstream: &str, upstream_key: &str) -> Self {
        let service = format!(
            "listen: {{ http: \"127.0.0.1:0\" }}\n\
             edge: {{ upstream: {{ url: \"{upstream}\", key: {{ file: upstream.key }} }}, spool_bytes: 16MiB }}\n"
        );
        let folder = Folder::with_service(&service, &TENANTS);
        std::fs::write(folder.path().join("upstream.key"), upstream_key).unwrap();
        let keys = TENANTS.map(|(tenant, _)| folder.key(tenant, "limit"));
        let operator = folder.operator_key();
        let server = serve(&folder);
        Self { folder, server, keys, operator }
    }

    fn restart(self) -> Self {
        let Self { folder, server, keys, operator } = self;
        server.stop();
        Self { server: serve(&folder), folder, keys, operator }
    }

    /// Tells how requests of some clients ended: each with a number of its own
    /// as its time.
    fn observe(&self, numbers: std::ops::Range<u64>) {
        for (tenant, key) in (0..).zip(&self.keys) {
            let rows = numbers.clone().map(|number| row(tenant, number));
            let body: Vec<Value> = rows.collect();
            self.server.post("/api/v1/observations", key, &Value::from(body).to_string()).expect(202);
        }
    }

    fn metric(&self, name: &str) -> u64 {
        metric(&self.server, &self.operator, name)
    }

    fn dropped(&self) -> u64 {
        ["queue_full", "spool_full", "disk_failed", "refused", "unfit"]
            .map(|reason| self.metric(&format!("openclaw_observations_dropped_total{{reason=\"{reason}\"}}")))
            .iter()
            .sum()
    }
}

fn serve(folder: &Folder) -> Server {
    folder.serve_with(&ServeOptions::default().argument("--role").argument("edge"))
}

fn row(tenant: u64, number: u64) -> Value {
    let client = format!("c{}", number % 7);
    json!({ "client_id": client, "timestamp": 1_769_850_000 + tenant, "response_time_ms": number, "status_code": 200 })
}

fn metric(server: &Server, operator: &str, name: &str) -> u64 {
    let text = server.get("/metrics", operator).expect(200).text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

/// A service that listens where it did before.
struct Upstream {
    folder: Folder,
    operator: String,
}

impl Upstream {
    fn new() -> (Self, String) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let service = format!(
            "listen: {{ http: \"127.0.0.1:{port}\", grpc: \"127.0.0.1:0\" }}\n\
             journal: {{ embedded: {{ segment_bytes: 1MiB, reserve_bytes: 1MiB }} }}\n"
        );
        let folder = Folder::with_service(&service, &TENANTS);
        let operator = folder.operator_key();
        (Self { folder, operator }, format!("http://127.0.0.1:{port}"))
    }

    fn heard(&self, server: &Server) -> [u64; 2] {
        TENANTS.map(|(tenant, _)| {
            metric(server, &self.operator, &format!("openclaw_observations_total{{tenant=\"{tenant}\"}}"))
        })
    }
}

#[test]
fn an_edge_decides_while_its_upstream_is_away_and_forwards_all_when_it_is_back() {
    let (upstream, url) = Upstream::new();
    let up = upstream.folder.serve();
    let edge = Edge::new(&url, &upstream.operator);
    edge.observe(0..100);
    until("observations arrive", || upstream.heard(&up) == [100, 100]);
    until("they are counted", || edge.metric("openclaw_observations_forwarded_total") == 200);

    let rate = || Request::get("/api/v1/rate?client=c&cost=0").key(&edge.keys[0]);
    let load = Load::start(edge.server.address, vec![(Connects::Kept, rate()), (Connects::Anew, rate())]);
    up.kill();
    for turn in 0..20 {
        edge.observe(turn * 100..(turn + 1) * 100);
        pause(Duration::from_millis(100));
    }
    until("they are on the disk", || edge.metric("openclaw_spool_bytes") > 0);
    let totals = load.stop();
    assert!(totals.failed.is_empty() && totals.answered > 100, "{totals:?}");
    assert!(totals.longest < Duration::from_millis(500), "{:?}", totals.longest);

    let edge = edge.restart();
    edge.observe(2000..2100);
    let up = upstream.folder.serve();
    until("what was kept arrives", || edge.metric("openclaw_spool_bytes") == 0);
    until("all arrive", || upstream.heard(&up).iter().all(|heard| *heard >= 2100));
    assert_eq!(edge.dropped(), 0);
    edge.server.stop();
    up.stop();
}

/// A tenant's rows as they were taken: the client and the row's number.
fn taken(seen: &[Seen], tenant: &str) -> Vec<(String, u64)> {
    let requests = seen.iter().filter(|seen| seen.status == 202 && seen.header("x-scope-orgid") == tenant);
    let rows = requests.flat_map(|seen| std::str::from_utf8(&seen.body).unwrap().lines());
    rows.map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        let number = row["response_time_ms"].as_f64().unwrap() as u64;
        (row["client_id"].as_str().unwrap().to_owned(), number)
    })
    .collect()
}

#[test]
fn each_clients_rows_arrive_in_order_over_failures_and_a_restart() {
    let is_up = Arc::new(AtomicBool::new(true));
    let up = Arc::clone(&is_up);
    let sink =
        Sink::acting(Box::new(move |_| Reply::status(if up.load(Ordering::Relaxed) { 202 } else { 503 })));
    let edge = Edge::new(&sink.url("/under"), "oc_upstream");
    edge.observe(0..50);
    until("the first arrive", || edge.metric("openclaw_observations_forwarded_total") == 100);
    is_up.store(false, Ordering::Relaxed);
    edge.observe(50..100);
    until("it was tried", || sink.seen().iter().any(|seen| seen.status == 503));
    (10..20).for_each(|turn| edge.observe(turn * 10..turn * 10 + 10));
    let edge = edge.restart();
    edge.observe(200..250);
    is_up.store(true, Ordering::Relaxed);
    let all: Vec<u64> = (0..250).collect();
    for (tenant, _) in TENANTS {
        until("all have arrived", || {
            let mut numbers: Vec<u64> =
                taken(&sink.seen(), tenant).into_iter().map(|(_, number)| number).collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers == all
        });
        let mut last = HashMap::new();
        for (client, number) in taken(&sink.seen(), tenant) {
            assert_eq!(client, format!("c{}", number % 7));
            if let Some(before) = last.insert(client, number) {
                assert!(
                    before < number,
                    "{number} after {before}: nothing was cut off, so nothing comes twice"
                );
            }
        }
    }
    for seen in sink.seen() {
        assert_eq!((&*seen.method, &*seen.path), ("POST", "/under/api/v1/observations"));
        assert_eq!(seen.header("authorization"), "Bearer oc_upstream");
        assert_eq!(seen.header("content-type"), "application/x-ndjson");
    }
    assert_eq!(edge.dropped(), 0);
    assert!(!edge.server.log().contains("oc_upstream"));
    let log = edge.server.stop();
    assert!(!log.contains("oc_upstream"), "{log}");
}

#[test]
fn what_an_upstream_refuses_does_not_stand_in_the_way() {
    let sink = Sink::acting(Box::new(|seen: &Seen| {
        Reply::status(if seen.header("x-scope-orgid") == "acme" { 403 } else { 202 })
    }));
    let edge = Edge::new(&sink.url(""), "oc_upstream");
    edge.observe(0..50);
    until("the others arrive", || edge.metric("openclaw_observations_forwarded_total") == 50);
    until("the refused are counted", || edge.dropped() == 50);
    assert_eq!(edge.metric("openclaw_spool_bytes"), 0);
    let log = edge.server.stop();
    assert!(log.contains("the upstream refuses observations"), "{log}");
}

#[test]
fn observations_survive_a_kill_once_they_are_on_the_disk() {
    let (upstream, url) = Upstream::new();
    let edge = Edge::new(&url, &upstream.operator);
    edge.observe(0..100);
    until("they are on the disk", || edge.metric("openclaw_spool_bytes") > 0);
    let Edge { folder, server, .. } = edge;
    server.kill();
    let server = serve(&folder);
    let up = upstream.folder.serve();
    until("all arrive", || upstream.heard(&up) == [100, 100]);
    server.stop();
    up.stop();
}
