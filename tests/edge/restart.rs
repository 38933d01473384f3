//! Buckets over restarts and kills.

use crate::support::server::{SILENT, Server};
use crate::support::{Folder, pause, until};
use std::time::{Duration, Instant};

const RATE_PER_S: f64 = 100.0;
const BURST: f64 = 1000.0;

/// Asks until it is refused; gives how often it was let on.
fn drain(server: &Server, key: &str) -> f64 {
    let mut admitted = 0;
    loop {
        let answer = server.get("/api/v1/rate?client=c&cost=50", key);
        if answer.status == 429 {
            return f64::from(admitted);
        }
        answer.expect(200);
        admitted += 50;
    }
}

#[test]
fn a_restart_gives_nobody_anything() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let key = folder.key("acme", "limit");
    let began = Instant::now();
    let mut server = folder.serve();
    let mut admitted = 0.0;
    for _ in 0..3 {
        admitted += drain(&server, &key);
        server.stop();
        server = folder.serve();
    }
    admitted += drain(&server, &key);
    let most = BURST + RATE_PER_S * began.elapsed().as_secs_f64();
    assert!(admitted <= most, "{admitted} of {most}");
}

#[test]
fn a_kill_gives_a_client_at_most_one_burst() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let key = folder.key("acme", "limit");
    let began = Instant::now();
    let (mut server, mut admitted, mut kills) = (folder.serve(), 0.0, 0.0);
    for wait in [0, 300, 0] {
        admitted += drain(&server, &key);
        pause(Duration::from_millis(wait));
        server.kill();
        kills += 1.0;
        server = folder.serve();
    }
    admitted += drain(&server, &key);
    let most = BURST * (1.0 + kills) + RATE_PER_S * began.elapsed().as_secs_f64();
    assert!(admitted <= most, "{admitted} of {most}");
}

#[test]
fn what_was_saved_in_time_holds_after_a_kill_too() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let key = folder.key("acme", "limit");
    let server = folder.serve();
    drain(&server, &key);
    let saved = folder.path().join("data/limits.saved");
    until("what is left is saved", || saved.exists());
    let began = Instant::now();
    server.kill();
    let server = folder.serve();
    // What has come back since it was saved, and while that was awaited.
    let most = RATE_PER_S * (11.0 + began.elapsed().as_secs_f64());
    let left = server.get("/api/v1/rate?client=c&cost=0", &key).json()["remaining"].as_f64().unwrap();
    assert!(left <= most.min(BURST), "{left} of {most}");
}
