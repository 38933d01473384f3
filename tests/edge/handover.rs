//! One process follows another without a failed request.

use crate::load::{Connects, Load, Totals};
use crate::support::server::{SILENT, ServeOptions, Server};
use crate::support::{Alert, Folder, Request, alerts, until};
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

const HANDOVERS: usize = 5;

fn follow(folder: &Folder, mut server: Server, options: impl Fn() -> ServeOptions) -> Server {
    let follower = folder.serve_with(&options().argument("--take-over"));
    let status = server.wait();
    assert!(status.success(), "{status}: {}", server.log());
    follower
}

/// Under load, time and again; the last process is left running.
fn hand_over(folder: &Folder, load: &Load, mut server: Server, options: fn() -> ServeOptions) -> Server {
    for _ in 0..HANDOVERS {
        let before = load.answered();
        until("the load goes on", || load.answered() > before + 50);
        server = follow(folder, server, options);
    }
    let before = load.answered();
    until("the load goes on", || load.answered() > before + 50);
    server
}

pub(crate) fn check(totals: &Totals) {
    assert!(totals.failed.is_empty(), "{} of {}: {:?}", totals.failed.len(), totals.answered, totals.failed);
    assert!(totals.longest < Duration::from_secs(5), "{:?}", totals.longest);
}

#[test]
fn alerts_and_decisions_are_answered_over_hand_overs() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let (key, limit) = (folder.full_key("acme"), folder.key("acme", "limit"));
    let server = folder.serve();
    let alert = Alert::new("down").fires_for(Duration::from_secs(600));
    let post = Request::post("/api/v2/alerts", alerts::body(&[alert])).key(&key);
    let rate = Request::get("/api/v1/rate?client=c&cost=0").key(&limit);
    let requests = [post, rate].into_iter().flat_map(|request| {
        [Connects::Kept, Connects::Anew, Connects::Kept].map(|connects| (connects, request.clone()))
    });
    let load = Load::start(server.address, requests.collect());
    let server = hand_over(&folder, &load, server, ServeOptions::default);
    check(&load.stop());
    assert_eq!(server.alerts(&key).len(), 1);
    server.stop();
}

#[test]
fn an_edge_hands_its_sockets_over_as_well() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let limit = folder.key("acme", "limit");
    let edge = || ServeOptions::default().argument("--role").argument("edge");
    let server = folder.serve_with(&edge());
    let rate = Request::get("/api/v1/rate?client=c&cost=0").key(&limit);
    let requests = [Connects::Kept, Connects::Anew, Connects::Kept, Connects::Anew];
    let load = Load::start(server.address, requests.map(|connects| (connects, rate.clone())).into());
    let server = hand_over(&folder, &load, server, edge);
    check(&load.stop());
    server.stop();
}

#[test]
fn what_a_client_has_left_goes_with_the_sockets() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let limit = folder.key("acme", "limit");
    let server = folder.serve();
    let rate = |server: &Server, cost: u32| {
        let target = format!("/api/v1/rate?client=c&cost={cost}");
        server.get(&target, &limit).expect(200).json()["remaining"].as_u64().unwrap()
    };
    assert!(rate(&server, 900) <= 100);
    let server = follow(&folder, server, ServeOptions::default);
    // 100 come back each second.
    assert!(rate(&server, 0) < 950, "{}", rate(&server, 0));
    server.stop();
}

#[test]
fn who_only_begins_to_ask_keeps_nobody_waiting() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let limit = folder.key("acme", "limit");
    let server = folder.serve();
    let mut half = TcpStream::connect(server.address).unwrap();
    half.write_all(b"GET /api/v1/ra").unwrap();
    let rate = Request::get("/api/v1/rate?client=c&cost=0").key(&limit);
    rate.send(server.address).expect(200);
    let load = Load::start(server.address, vec![(Connects::Anew, rate)]);
    let server = follow(&folder, server, ServeOptions::default);
    let before = load.answered();
    until("the load goes on", || load.answered() > before + 5);
    check(&load.stop());
    server.stop();
}

#[test]
fn nobody_to_follow_is_said_and_changes_nothing() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let mut alone = folder.start(&ServeOptions::default().argument("--take-over"));
    assert!(!alone.wait().success());
    assert!(alone.log().contains("start without --take-over"), "{}", alone.log());
}
