//! The way of an alert as a timetable: what is posted when, what is sent when.

use openclaw_admission::Limits;
use openclaw_alert::{Batch, LabelsBuilder, PartitionId, SendOutcome, Status, TenantName, Timestamp, Zoned};
use openclaw_pipeline::{Ack, Effects, Input, Partition, TenantSettings};
use openclaw_routing::{GroupBy, Receiver, RouteSettings, RouteTree, Routing};
use std::sync::Arc;
use std::time::Duration;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000).plus(Duration::from_secs(seconds))
}

fn settings() -> TenantSettings {
    let group_by = Some(GroupBy::Labels(vec!["alertname".into()]));
    with_root(&RouteSettings { group_by, ..RouteSettings::to("ops") })
}

fn with_root(root: &RouteSettings) -> TenantSettings {
    let routing = Routing::new(RouteTree::new(root).unwrap(), vec![Receiver::new("ops", &[true])]);
    let mut settings = TenantSettings::new(TenantName::new("acme").unwrap(), routing);
    settings.rating.never_digest = Vec::new();
    settings
}

struct World {
    partition: Partition,
    out: Effects,
    log: Vec<(u64, Vec<u8>, Timestamp)>,
    tenant: TenantName,
    settings: TenantSettings,
    now: Timestamp,
}

/// What was sent: alerts by `n` and status, and the reason.
type Sent = Vec<(u64, String)>;

impl World {
    fn new(settings: TenantSettings) -> Self {
        let tenant = settings.name.clone();
        let mut partition = Partition::new(tenant.partition(), 7);
        partition.configure(Arc::new(settings.clone()), at(0));
        let mut out = Effects::default();
        partition.start(at(0), &mut out);
        Self { partition, out, log: Vec::new(), tenant, settings, now: at(0) }
    }

    fn commit(&mut self, now: Timestamp) -> Sent {
        self.now = now;
        if self.out.records > 0 {
            self.log.push((self.out.base_offset, self.out.payload.clone(), now));
        }
        let describe = |send: &openclaw_pipeline::Send| {
            let mut parts: Vec<String> = send
                .notification
                .alerts
                .iter()
                .map(|alert| {
                    let mark = if alert.status == Status::Firing { "+" } else { "-" };
                    format!("{mark}{}", alert.view().labels.get("n"))
                })
                .collect();
            parts.sort();
            (send.entry, format!("{}: {}", send.notification.reason.text(), parts.join(" ")))
        };
        self.out.sends.iter().map(describe).collect()
    }

    /// Lets time pass up to a second, waking whenever the partition asks for it.
    fn pass(&mut self, second: u64) -> Sent {
        let mut sent = Vec::new();
        while self.out.next_deadline < at(second) {
            let now = self.out.next_deadline.max(self.now);
            self.partition.step(&Input::Tick, now, &mut self.out);
            sent.extend(self.commit(now));
        }
        sent
    }

    fn post(&mut self, second: u64, alerts: &[(&str, &str, Option<u64>)]) -> Sent {
        let mut batch = Batch::default();
        for &(name, n, ends) in alerts {
            let (mut labels, mut annotations) = (LabelsBuilder::default(), LabelsBuilder::default());
            labels.push("alertname", name);
            labels.push("n", n);
            annotations.push("summary", "x");
            let ends = ends.map(|ends| Zoned::utc(at(ends)));
            batch.push(&mut labels, &mut annotations, "", Some(Zoned::utc(at(1))), ends);
        }
        let mut sent = self.pass(second);
        let tenant = self.tenant.clone();
        let input = Input::Alerts { tenant: &tenant, source: "alertmanager", batch: &batch };
        self.partition.step(&input, at(second), &mut self.out);
        sent.extend(self.commit(at(second)));
        sent
    }

    fn tick(&mut self, second: u64) -> Sent {
        let mut sent = self.pass(second);
        self.partition.step(&Input::Tick, at(second), &mut self.out);
        sent.extend(self.commit(at(second)));
        sent
    }

    fn sent(&mut self, second: u64, entry: u64, outcome: &SendOutcome) -> Sent {
        let mut sent = self.pass(second);
        let took = Duration::from_millis(3);
        self.partition.step(&Input::Sent { entry, outcome, took }, at(second), &mut self.out);
        sent.extend(self.commit(at(second)));
        sent
    }

    /// The process ends without a word, another one recovers from the log.
    fn crash(&mut self, second: u64) -> Sent {
        let mut fresh = Partition::new(self.tenant.partition(), 99);
        for (base, payload, written_at) in &self.log {
            fresh.replay(*base, payload, *written_at).unwrap();
        }
        let (mut before, mut after) = (Vec::new(), Vec::new());
        self.partition.write_snapshot(&mut before);
        fresh.write_snapshot(&mut after);
        assert_eq!(sorted_snapshot(&before), sorted_snapshot(&after), "recovery and live work differ");
        let mut restored = Partition::new(self.tenant.partition(), 5);
        restored.read_snapshot(&before).unwrap();
        let mut again = Vec::new();
        restored.write_snapshot(&mut again);
        assert_eq!(sorted_snapshot(&before), sorted_snapshot(&again), "a snapshot loses something");
        restored.configure(Arc::new(self.settings.clone()), at(second));
        self.partition = restored;
        self.partition.start(at(second), &mut self.out);
        self.commit(at(second))
    }
}

/// Snapshots list alerts by slot, and slots may differ; as multisets of bytes
/// they may not.
fn sorted_snapshot(bytes: &[u8]) -> Vec<u8> {
    let mut sorted = bytes.to_vec();
    sorted.sort_unstable();
    sorted
}

fn texts(sent: &Sent) -> Vec<&str> {
    sent.iter().map(|(_, text)| text.as_str()).collect()
}

#[test]
fn fires_repeats_and_resolves() {
    let mut world = World::new(settings());
    assert!(world.post(1, &[("A", "1", None)]).is_empty());
    assert_eq!(world.out.ack, Ack::WhenDurable);
    assert!(world.post(5, &[("A", "2", None)]).is_empty());
    assert!(world.tick(30).is_empty());
    let first = world.tick(31);
    assert_eq!(texts(&first), ["first notification: +1 +2"]);
    assert!(world.sent(31, first[0].0, &SendOutcome::DELIVERED).is_empty());
    world.post(60, &[("A", "1", None), ("A", "2", None)]);
    assert_eq!((world.out.taken.renewed, world.out.ack), (2, Ack::Now));
    world.post(200, &[("A", "3", None), ("A", "1", Some(199))]);
    let second = world.tick(331);
    assert_eq!(texts(&second), ["new alerts added: +2 +3 -1"]);
    world.sent(331, second[0].0, &SendOutcome::DELIVERED);
    // Nobody repeats them: they expire five minutes after their last post.
    let third = world.tick(631);
    assert_eq!(texts(&third), ["all alerts resolved: -2 -3"]);
    world.sent(631, third[0].0, &SendOutcome::DELIVERED);
    assert_eq!(world.partition.alerts_in_memory(), 0);
}

#[test]
fn an_alert_older_than_group_wait_is_told_at_once() {
    let mut world = World::new(settings());
    assert_eq!(texts(&world.post(40, &[("A", "1", None)])), ["first notification: +1"]);
}

#[test]
fn a_crash_repeats_only_what_was_under_way() {
    let mut world = World::new(settings());
    let told = world.post(40, &[("A", "1", None)]);
    world.crash(50);
    let again = world.tick(50);
    assert_eq!(told[0], again[0], "the same message with the same id");
    world.sent(51, again[0].0, &SendOutcome::DELIVERED);
    world.crash(60);
    assert!(world.tick(61).is_empty());
    world.post(100, &[("A", "1", Some(99))]);
    assert_eq!(texts(&world.tick(340)), ["all alerts resolved: -1"]);
}

#[test]
fn silence_while_down_is_no_resolve() {
    let mut world = World::new(settings());
    let told = world.post(40, &[("A", "1", Some(280))]);
    world.sent(40, told[0].0, &SendOutcome::DELIVERED);
    world.crash(700);
    assert!(world.tick(900).is_empty(), "its end passed while nobody listened");
    assert!(world.tick(999).is_empty(), "and for one resolve_timeout after that");
    let resolved = world.tick(1300);
    assert_eq!(texts(&resolved), ["all alerts resolved: -1"], "then silence means what it says");
}

#[test]
fn a_failed_send_is_retried_and_a_newer_state_takes_over() {
    let mut world = World::new(settings());
    let told = world.post(40, &[("A", "1", None)]);
    let fail = || SendOutcome::Retry {
        after: Some(Duration::from_secs(600)),
        ambiguous: true,
        detail: "503".into(),
    };
    world.sent(41, told[0].0, &fail());
    world.post(100, &[("A", "1", Some(90))]);
    assert!(world.tick(340).is_empty(), "the receiver asked for ten minutes");
    let next = world.tick(642);
    assert_eq!(texts(&next), ["all alerts resolved: -1"], "it may have been told that it fires");
}

#[test]
fn a_rejected_message_is_a_dead_letter_and_can_be_revived() {
    let mut world = World::new(settings());
    let told = world.post(40, &[("A", "1", None)]);
    world.sent(41, told[0].0, &SendOutcome::Never { detail: "404".into() });
    let letters = world.partition.messages(&world.tenant);
    assert!(letters[0].is_dead);
    world.crash(50);
    let entry = world.partition.messages(&world.tenant)[0].entry;
    world.partition.step(&Input::Revive { entry }, at(60), &mut world.out);
    let sent = world.commit(at(60));
    assert_eq!(texts(&sent), ["first notification: +1"]);
    world.post(70, &[("A", "1", Some(69))]);
    world.sent(70, entry, &SendOutcome::Never { detail: "404".into() });
    assert!(world.tick(341).is_empty(), "who was never told is not told of the end");
}

/// A message that was given up at second 41.
fn with_a_dead_letter() -> (World, u64) {
    let mut world = World::new(settings());
    let told = world.post(40, &[("A", "1", None)]);
    world.sent(41, told[0].0, &SendOutcome::Never { detail: "404".into() });
    (world, told[0].0)
}

impl World {
    fn revive(&mut self, second: u64, entry: u64) -> Sent {
        let mut sent = self.pass(second);
        self.partition.step(&Input::Revive { entry }, at(second), &mut self.out);
        sent.extend(self.commit(at(second)));
        sent
    }
}

#[test]
fn who_is_told_by_a_revived_message_is_told_of_the_end() {
    let (mut world, entry) = with_a_dead_letter();
    assert_eq!(texts(&world.revive(60, entry)), ["first notification: +1"]);
    world.sent(60, entry, &SendOutcome::DELIVERED);
    world.post(70, &[("A", "1", Some(69))]);
    assert_eq!(texts(&world.tick(340)), ["all alerts resolved: -1"]);
}

#[test]
fn a_revived_message_does_not_open_what_is_over() {
    let (mut world, entry) = with_a_dead_letter();
    world.post(70, &[("A", "1", Some(69))]);
    assert!(world.tick(700).is_empty());
    assert_eq!(texts(&world.revive(700, entry)), ["first notification: -1"]);
    world.sent(700, entry, &SendOutcome::DELIVERED);
    assert_eq!(world.partition.alerts_in_memory(), 0);
}

#[test]
fn beyond_the_limit_alerts_wait_and_repeats_do_not() {
    let mut tight = settings();
    tight.limits = Limits { rate_per_s: 1.0, burst: 2, backlog_bytes: 500 };
    let mut world = World::new(tight);
    let alerts = [("A", "1", None), ("A", "2", None), ("A", "3", None), ("A", "4", None), ("A", "5", None)];
    world.post(2, &alerts);
    let taken = world.out.taken;
    assert!(taken.deferred >= 1 && taken.refused >= 1, "{taken:?}");
    assert_eq!(taken.accepted + taken.refused, 5);
    let refused = world.out.taken.refused;
    world.post(2, &alerts);
    assert_eq!((world.out.taken.renewed, world.out.taken.refused), (5 - refused, refused));
    world.crash(3);
    for second in 4..20 {
        world.tick(second);
    }
    assert_eq!(world.partition.gauges()[0].waiting, 0, "what was kept has come in");
    assert_eq!(world.partition.list(&world.tenant).len() as u32, 5 - refused);
}

#[test]
fn other_tenants_see_nothing() {
    let mut world = World::new(settings());
    world.post(2, &[("A", "1", None)]);
    let episode = world.partition.list(&world.tenant)[0].episode;
    let other = TenantName::new("globex").unwrap();
    assert!(world.partition.alert(&other, episode).is_none());
    assert!(world.partition.list(&other).is_empty());
    assert!(PartitionId::new(64).is_none());
}

#[test]
fn what_ends_before_a_refusing_receiver_takes_it_is_not_told() {
    let mut world = World::new(settings());
    let told = world.post(40, &[("A", "1", None)]);
    let refused = SendOutcome::Retry {
        after: Some(Duration::from_secs(600)),
        ambiguous: false,
        detail: "refused".into(),
    };
    world.sent(41, told[0].0, &refused);
    world.post(100, &[("A", "1", Some(90))]);
    for second in (160..1000).step_by(60) {
        assert!(world.tick(second).is_empty(), "told at {second}");
    }
    assert_eq!(world.partition.alerts_in_memory(), 0);
}

#[test]
fn what_was_given_up_and_still_fires_is_told_again_after_repeat_interval() {
    let mut world = World::new(settings());
    let told = world.post(40, &[("A", "1", Some(40_000))]);
    world.sent(41, told[0].0, &SendOutcome::Never { detail: "404".into() });
    world.crash(50);
    let again = (100..20_000).step_by(50).find_map(|second| {
        let sent = world.tick(second);
        (!sent.is_empty()).then(|| (second, texts(&sent)[0].to_owned()))
    });
    let (second, text) = again.unwrap();
    assert_eq!(text, "repeat interval elapsed: +1");
    assert!((14_441..14_441 + 400).contains(&second), "{second}");
}

#[test]
fn a_receiver_that_asks_for_longer_than_we_go_on_is_tried_once_more() {
    let mut world = World::new(settings());
    let told = world.post(40, &[("A", "1", Some(40_000))]);
    let refused =
        SendOutcome::Retry { after: Some(Duration::from_secs(7200)), ambiguous: false, detail: "503".into() };
    world.sent(41, told[0].0, &refused);
    let again = (50..3700).step_by(10).find_map(|second| {
        let sent = world.tick(second);
        (!sent.is_empty()).then_some((second, sent))
    });
    let (second, sent) = again.unwrap();
    assert_eq!((second, sent[0].0), (3640, told[0].0));
    world.sent(second, told[0].0, &refused);
    assert!(world.partition.messages(&world.tenant)[0].is_dead);
}

#[test]
fn a_trail_is_told_in_the_order_that_people_expect() {
    use openclaw_pipeline::trail::{Happened, Trail};
    let mut world = World::new(settings());
    world.post(40, &[("A", "1", None)]);
    let episode = world.partition.list(&world.tenant)[0].episode;
    let mut trail = Trail::of(episode);
    for _ in 0..3 {
        world.log.iter().for_each(|(base, payload, written_at)| trail.read(*base, payload, *written_at));
    }
    let stages: Vec<_> = trail
        .finish()
        .iter()
        .map(|event| match event.what {
            Happened::Received { .. } => "received",
            Happened::Rated { .. } => "rated",
            Happened::Grouped { .. } => "grouped",
            Happened::GroupOpened { .. } => "held",
            Happened::Sent { .. } => "sent",
            _ => "other",
        })
        .collect();
    assert_eq!(stages, ["received", "rated", "grouped", "held", "sent"]);
}
