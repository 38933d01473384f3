//! A real Prometheus as the sender, in a hurry: what takes it a minute takes a
//! second here, and `resolve_timeout` is scaled alike.

mod rules;
#[path = "../support/mod.rs"]
mod support;
mod world;

use crate::support::programs::is_there;
use crate::support::{Seen, Sink, pause};
use crate::world::{Access, World};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Ten minutes, scaled. Prometheus lets an alert fire for four resends.
const TEN_MINUTES: Duration = Duration::from_secs(10);

/// What was told of one fault. A message that a kill caught in flight may come
/// twice, under the same key.
fn statuses(sink: &Sink, path: &str, n: &str) -> Vec<String> {
    let mut keys = BTreeSet::new();
    let mut seen = sink.seen_at(path);
    seen.retain(|seen| keys.insert(seen.header("idempotency-key").to_owned()));
    let of_n = |alert: &Value| alert["labels"]["n"] == n;
    let alerts = seen.iter().flat_map(Seen::alerts).filter(of_n);
    alerts.map(|alert| alert["status"].as_str().unwrap().to_owned()).collect()
}

fn wait_status(sink: &Sink, n: &str, status: &str) {
    support::until(&format!("fault {n} told as {status}"), || {
        statuses(sink, "/hook", n).iter().any(|told| told == status)
    });
}

fn slack_says(seen: &Seen, word: &str) -> bool {
    String::from_utf8_lossy(&seen.body).to_lowercase().contains(word)
}

#[test]
fn ten_minutes_of_our_absence_resolve_nothing() {
    if !is_there("prometheus", &["--version"]) {
        return;
    }
    let mut world = World::new("", Access::Bearer);
    world.target.set(2);
    wait_status(&world.sink, "0", "firing");
    wait_status(&world.sink, "1", "firing");
    let slack = world.sink.wait_for("/slack", 1);
    assert!(slack_says(&slack[0], "fault"), "{:?}", String::from_utf8_lossy(&slack[0].body));
    let scrapes = support::until_some("Prometheus has scraped our pages", || world.scrapes());
    assert_eq!(scrapes, ["", ""]);
    // One ends while we are there: it is told as resolved, at both.
    world.target.set(1);
    wait_status(&world.sink, "1", "resolved");
    support::until("Slack is told of the resolve", || {
        world.sink.seen_at("/slack").iter().any(|seen| slack_says(seen, "resolved"))
    });
    let id = world.id_of_fault_0();
    world.server.take().unwrap().kill();
    pause(TEN_MINUTES);
    // Back before Prometheus posts again, as it would be for most of a minute.
    world.hold_prometheus(true);
    world.restart();
    pause(Duration::from_secs(2));
    world.hold_prometheus(false);
    let back = Instant::now();
    support::until("Prometheus posts again", || world.posts() > 2);
    while back.elapsed() < Duration::from_secs(7) {
        assert_eq!(statuses(&world.sink, "/hook", "0"), ["firing"]);
        pause(Duration::from_millis(100));
    }
    assert_eq!(world.id_of_fault_0(), id, "it ended and began anew, which was not told in time");
    world.target.set(0);
    wait_status(&world.sink, "0", "resolved");
    assert_eq!(statuses(&world.sink, "/hook", "0"), ["firing", "resolved"]);
    assert_eq!(statuses(&world.sink, "/hook", "1"), ["firing", "resolved"]);
}

#[test]
fn ten_minutes_over_the_limit_resolve_nothing() {
    if !is_there("prometheus", &["--version"]) {
        return;
    }
    let limits = "limits: { ceiling: { rate: 1/h, burst: 1 }, backlog_bytes: 1KiB }\n";
    let world = World::new(limits, Access::BasicUnderPrefix);
    world.target.set(1);
    wait_status(&world.sink, "0", "firing");
    // A storm that its tenant's limit doesn't let in: each post is refused.
    world.target.set(60);
    support::until("posts are refused", || world.answered("4xx") > 0);
    let refused = Instant::now();
    while refused.elapsed() < TEN_MINUTES {
        assert_eq!(statuses(&world.sink, "/hook", "0"), ["firing"]);
        pause(Duration::from_millis(100));
    }
    assert!(world.answered("4xx") > 5, "the posts were refused all the time");
    // Its place in the list: faults from 1 on go on, 0 ends, within refused posts.
    world.target.set_from(1, 60);
    wait_status(&world.sink, "0", "resolved");
    assert_eq!(statuses(&world.sink, "/hook", "0"), ["firing", "resolved"]);
    world.target.set(0);
}
