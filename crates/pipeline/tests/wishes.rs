//! What goes beyond Alertmanager, as timetables: silences that know when to
//! end, acknowledgements, escalations, a watchdog, settings that change under
//! firing alerts, shadow and break-glass.

mod world;

use openclaw_alert::{Batch, Feedback, LabelsBuilder, Matcher};
use openclaw_pipeline::{AlertEnd, DeliveryMode, Input, TenantSettings};
use openclaw_routing::{
    Escalation, GroupBy, InhibitRule, NamedIntervals, RouteSettings, RouteTree, TimeInterval,
};
use std::sync::Arc;
use std::time::Duration;
use world::{World, at, child, root, seconds, settings};

#[test]
fn a_silence_holds_what_fires_and_never_the_end_of_what_was_told() {
    let mut world = World::new(settings(&root("ops")));
    world.fire("1", &[("alertname", "A")]);
    assert_eq!(world.until(20), ["10 ops: +1"]);
    world.silence("alertname=A", 5000, &[]);
    world.fire("2", &[("alertname", "A")]);
    assert_eq!(world.until(200), [""; 0]);
    world.resolve("1", &[("alertname", "A")]);
    world.resolve("2", &[("alertname", "A")]);
    assert_eq!(world.until(400), ["250 ops: -1"]);
    assert!(world.ends.contains(&AlertEnd::Silenced));
}

#[test]
fn a_silence_until_resolved_ends_with_the_last_alert_that_it_holds() {
    let mut world = World::new(settings(&root("ops")));
    world.silence("alertname=A", 50_000, &[("openclaw/until", "resolved")]);
    world.fire("1", &[("alertname", "A")]);
    world.fire("2", &[("alertname", "A")]);
    assert_eq!(world.until(100), [""; 0]);
    world.resolve("1", &[("alertname", "A")]);
    let name = world.settings.name.clone();
    let is_over = |world: &World| {
        let silences = world.partition.silences(&name).unwrap();
        silences
            .iter()
            .all(|silence| silence.state(at(world.second)) == openclaw_routing::SilenceState::Expired)
    };
    assert!(!is_over(&world));
    world.resolve("2", &[("alertname", "A")]);
    assert!(is_over(&world));
    world.until(200);
    world.fire("3", &[("alertname", "A")]);
    assert_eq!(world.until(300), ["210 ops: +3"]);
}

#[test]
fn a_silence_for_one_receiver_leaves_the_others_alone() {
    let routes = vec![RouteSettings { continues: true, ..child("db", "team=db") }, child("ops", "team=db")];
    let mut world = World::new(settings(&RouteSettings { routes, ..root("ops") }));
    world.silence("team=db", 50_000, &[("openclaw/receivers", "db")]);
    world.fire("1", &[("alertname", "A"), ("team", "db")]);
    assert_eq!(world.until(100), ["10 ops: +1"]);
}

#[test]
fn maintenance_that_comes_again_is_a_silence_with_times() {
    let mut settings = settings(&root("ops"));
    // 1 800 000 000 is a Friday, 08:00 UTC.
    let times = openclaw_routing::TimeRange::parse("08:00", "09:00").unwrap();
    let interval = TimeInterval { times: Some(vec![times]), ..TimeInterval::default() };
    let named = NamedIntervals { name: "mornings".into(), intervals: vec![interval] };
    settings.routing.intervals.push(Arc::new(named));
    let mut world = World::new(settings);
    world.silence("alertname=A", 500_000, &[("openclaw/during", "mornings")]);
    world.fire("1", &[("alertname", "A")]);
    assert_eq!(world.until(3500), [""; 0]);
    assert_eq!(world.until(3700), ["3610 ops: +1"]);
    world.resolve("1", &[("alertname", "A")]);
    world.until(86_400 + 60);
    world.fire("2", &[("alertname", "A")]);
    assert_eq!(world.until(86_400 + 600), [""; 0], "the next morning again");
}

#[test]
fn what_is_inhibited_is_told_when_its_source_is_over() {
    let mut settings = settings(&root("ops"));
    settings.routing.inhibit_rules = [InhibitRule {
        sources: Matcher::parse_list("alertname=Down").unwrap(),
        targets: Matcher::parse_list("alertname=Slow").unwrap(),
        equal: vec!["host".into()],
    }]
    .into();
    let mut world = World::new(settings);
    world.fire("1", &[("alertname", "Down"), ("host", "a")]);
    world.fire("2", &[("alertname", "Down"), ("host", "a"), ("disk", "x")]);
    world.fire("3", &[("alertname", "Slow"), ("host", "a")]);
    world.fire("4", &[("alertname", "Slow"), ("host", "b")]);
    assert_eq!(world.until(50), ["10 ops: +1 +2", "10 ops: +4"]);
    world.resolve("2", &[("alertname", "Down"), ("host", "a"), ("disk", "x")]);
    assert_eq!(world.until(100), ["70 ops: +1 -2"], "another source holds it still");
    world.restart();
    world.resolve("1", &[("alertname", "Down"), ("host", "a")]);
    assert_eq!(world.until(200), ["100 ops: +3 +4", "130 ops: -1"]);
}

#[test]
fn what_nobody_acknowledges_goes_to_the_next() {
    let after = Duration::from_secs(900);
    let escalations = Some(vec![Escalation { after, receiver: "lead".into() }]);
    let mut world = World::new(settings(&RouteSettings { escalations, ..root("ops") }));
    world.fire("1", &[("alertname", "A")]);
    world.fire("2", &[("alertname", "A")]);
    assert_eq!(world.until(100), ["10 ops: +1 +2"]);
    world.feedback("2", Feedback::Ack);
    assert_eq!(world.until(2000), ["900 lead: +1"]);
    world.resolve("1", &[("alertname", "A")]);
    world.resolve("2", &[("alertname", "A")]);
    let mut told = world.until(3000);
    told.sort();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].ends_with("-1 -2") || told[1].ends_with("-1 -2"), "{told:?}");
    assert!(told.iter().any(|line| line.ends_with("lead: -1")), "{told:?}");
}

#[test]
fn an_acknowledged_alert_is_not_repeated_until_it_is_forgotten() {
    let mut settings = settings(&root("ops"));
    settings.rearm_after = Duration::from_secs(10_000);
    let mut world = World::new(settings);
    world.fire("1", &[("alertname", "A")]);
    assert_eq!(world.until(20), ["10 ops: +1"]);
    world.feedback("1", Feedback::Ack);
    assert_eq!(world.until(9000), [""; 0], "not repeated each hour");
    world.restart();
    let told = world.until(10_200);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].ends_with("ops: +1"));
}

#[test]
fn the_watchdog_is_heard_as_long_as_we_are_well() {
    let every = Duration::from_secs(120);
    let dog = RouteSettings {
        group_by: Some(GroupBy::All),
        group_wait: Some(Duration::ZERO),
        group_interval: Some(every),
        repeat_interval: Some(every),
        ..child("lead", "alertname=OpenClawWatchdog")
    };
    let mut settings = settings(&RouteSettings { routes: vec![dog], ..root("ops") });
    settings.watchdog = Some(every);
    settings.resolve_timeout = Duration::from_secs(300);
    let mut world = World::new(settings);
    let told = world.until(600);
    assert_eq!(
        told,
        ["0 lead: +", "120 lead: +", "240 lead: +", "360 lead: +", "480 lead: +", "600 lead: +"]
    );
    world.second = 610;
    world.restart();
    assert!(!world.until(900).is_empty());
}

#[test]
fn a_source_that_goes_silent_raises_an_alarm() {
    let mut settings = settings(&root("ops"));
    settings.silent_after = vec![("prom".into(), Duration::from_secs(600))];
    let mut world = World::new(settings);
    world.fire("1", &[("alertname", "A")]);
    assert_eq!(world.until(500), ["10 ops: +1"]);
    world.fire("1", &[("alertname", "A")]);
    assert_eq!(world.until(1000), [""; 0]);
    assert_eq!(world.until(1200), ["1110 ops: +"]);
    world.fire("1", &[("alertname", "A")]);
    assert_eq!(world.until(1300), ["1230 ops: -"]);
}

#[test]
fn after_a_reload_who_was_told_is_told_of_the_end() {
    let mut world = World::new(settings(&root("ops")));
    world.fire("1", &[("alertname", "A"), ("team", "db")]);
    world.fire("2", &[("alertname", "A"), ("team", "web")]);
    assert_eq!(world.until(20), ["10 ops: +1 +2"]);
    let moved = RouteSettings { routes: vec![child("db", "team=db")], ..root("ops") };
    world.reload(settings(&moved));
    assert_eq!(world.until(100), ["20 db: +1"], "it has been firing for longer than group_wait");
    world.restart();
    world.resolve("1", &[("alertname", "A"), ("team", "db")]);
    let mut told = world.until(200);
    told.sort();
    // A look that told nobody anything is taken again after a restart.
    assert_eq!(told, ["100 db: -1", "100 ops: +2 -1"]);
}

#[test]
fn a_receiver_that_has_left_is_told_of_the_end_and_of_nothing_else() {
    let mut world = World::new(settings(&root("db")));
    world.fire("1", &[("alertname", "A")]);
    assert_eq!(world.until(20), ["10 db: +1"]);
    let mut without = settings(&root("ops"));
    without.routing.receivers[2].integrations[0].is_retired = true;
    world.reload(without);
    world.fire("2", &[("alertname", "A")]);
    assert_eq!(world.until(100), ["20 ops: +1", "80 ops: +1 +2"]);
    world.resolve("1", &[("alertname", "A")]);
    let mut told = world.until(400);
    told.sort();
    assert_eq!(told, ["130 db: -1", "140 ops: +2 -1"]);
}

#[test]
fn groups_of_routes_that_stay_keep_their_timers() {
    let mut world = World::new(settings(&root("ops")));
    world.fire("1", &[("alertname", "A")]);
    assert_eq!(world.until(50), ["10 ops: +1"]);
    world.reload(settings(&RouteSettings { routes: vec![child("db", "team=db")], ..root("ops") }));
    world.fire("2", &[("alertname", "A")]);
    assert_eq!(world.until(3600), ["70 ops: +1 +2"], "no repeat because of the reload");
}

#[test]
fn in_shadow_everything_is_decided_and_nothing_sent() {
    let live = settings(&root("ops"));
    let mut world = World::new(TenantSettings { delivery: DeliveryMode::Shadow, ..live.clone() });
    world.fire("1", &[("alertname", "A")]);
    world.fire("2", &[("alertname", "A")]);
    assert_eq!(world.until(100), [""; 0]);
    assert_eq!(world.ends, [AlertEnd::Shadowed]);
    world.resolve("2", &[("alertname", "A")]);
    assert_eq!(world.until(200), [""; 0]);
    world.reload(live);
    assert_eq!(world.until(300), ["200 ops: +1"], "nobody had really been told");
}

#[test]
fn the_break_glass_sends_everything_straight_on() {
    let routes = vec![RouteSettings { group_wait: seconds(3000), ..child("db", "team=db") }];
    let mut world = World::new(settings(&RouteSettings { routes, ..root("ops") }));
    world.silence("alertname=B", 50_000, &[]);
    world.fire("1", &[("alertname", "A"), ("team", "db")]);
    world.fire("2", &[("alertname", "B")]);
    world.fire("3", &[("alertname", "C")]);
    assert_eq!(world.until(50), ["10 ops: +3"]);
    let name = world.settings.name.clone();
    world.step(&Input::Passthrough { tenant: &name, is_on: true, by: "ann" });
    let mut told = world.until(51);
    told.sort();
    assert_eq!(told, ["50 ops: +1", "50 ops: +2"]);
    world.fire("4", &[("alertname", "B"), ("x", "y")]);
    world.restart();
    assert_eq!(world.until(100), ["80 ops: +2 +4"]);
    world.step(&Input::Passthrough { tenant: &name, is_on: false, by: "ann" });
    world.resolve("2", &[("alertname", "B")]);
    let told = world.until(200);
    assert!(told.iter().any(|line| line.contains("-2")), "{told:?}");
}

/// Alerts of more than one slice of a move.
const MANY: usize = 300;

fn told_of_all(told: &[String], receiver: &str) -> usize {
    let mine = told.iter().filter(|line| line.contains(&format!(" {receiver}:")));
    let mut alerts: Vec<&str> =
        mine.flat_map(|line| line.split(' ').filter(|word| word.starts_with('+'))).collect();
    alerts.sort_unstable();
    alerts.dedup();
    alerts.len()
}

fn fire_many(world: &mut World) {
    (0..MANY).for_each(|n| world.fire(&n.to_string(), &[("alertname", "A"), ("team", "db")]));
}

#[test]
fn settings_taken_back_half_way_through_a_move_lose_nobody() {
    let slow = RouteSettings { group_wait: seconds(600), ..root("ops") };
    let moved = RouteSettings { routes: vec![child("db", "team=db")], ..slow.clone() };
    for crashes in [false, true] {
        let mut world = World::new(settings(&slow));
        fire_many(&mut world);
        world.reload(settings(&moved));
        if crashes {
            world.settings = Arc::new(settings(&slow));
            world.restart();
        } else {
            world.reload(settings(&slow));
        }
        let told = world.until(2000);
        assert_eq!(told_of_all(&told, "ops"), MANY, "crashes: {crashes}");
        assert_eq!(told_of_all(&told, "db"), 0, "crashes: {crashes}");
    }
}

#[test]
fn a_break_glass_opened_half_way_is_opened_wholly_later() {
    let routes = vec![RouteSettings { group_wait: seconds(3000), ..child("db", "team=db") }];
    let tree = RouteSettings { routes, ..root("ops") };
    for crashes in [false, true] {
        let mut world = World::new(settings(&tree));
        fire_many(&mut world);
        let name = world.settings.name.clone();
        world.step(&Input::Passthrough { tenant: &name, is_on: true, by: "ann" });
        if crashes {
            world.restart();
        } else {
            let mut other_limits = settings(&tree);
            other_limits.limits.burst += 1;
            world.reload(other_limits);
        }
        assert_eq!(told_of_all(&world.until(100), "ops"), MANY, "crashes: {crashes}");
    }
}

#[test]
fn a_tenant_without_settings_is_no_silent_source() {
    let mut short = settings(&root("ops"));
    short.resolve_timeout = Duration::from_secs(300);
    let mut world = World::new(short.clone());
    world.fire("1", &[("alertname", "A")]);
    assert_eq!(world.until(20), ["10 ops: +1"]);
    let name = world.settings.name.clone();
    world.step(&Input::Forget { tenant: &name });
    assert_eq!(world.until(2000), [""; 0]);
    world.reload(short);
    assert_eq!(world.until(2250), [""; 0], "it is given time to speak");
    assert_eq!(world.until(2500).len(), 1, "and has not");
}

#[test]
fn an_escalation_by_a_person_outlasts_a_reload() {
    let escalated = RouteSettings { min_score: Some(0.99), ..child("lead", "team=db") };
    let mut with_scores = settings(&RouteSettings { routes: vec![escalated], ..root("ops") });
    let schedule = openclaw_routing::DigestSchedule::new(Duration::from_secs(3600), "09:00", "UTC").unwrap();
    let digest = openclaw_pipeline::Digest { receiver: "db".into(), schedule };
    with_scores.rating.mode = openclaw_pipeline::RatingMode::Enforce(digest);
    with_scores.rating.threshold = 0.0;
    let mut world = World::new(with_scores.clone());
    world.fire("1", &[("alertname", "A"), ("team", "db")]);
    assert_eq!(world.until(20), ["10 ops: +1"]);
    world.feedback("1", Feedback::Escalate);
    assert_eq!(world.until(100), ["20 lead: +1"]);
    let mut tree = RouteSettings { routes: vec![child("db", "team=web")], ..root("ops") };
    tree.routes.push(RouteSettings { min_score: Some(0.99), ..child("lead", "team=db") });
    with_scores.routing.tree = RouteTree::new(&tree).unwrap();
    world.reload(with_scores);
    let told = world.until(8000);
    assert!(told.iter().any(|line| line.contains("lead: +1")), "repeated there: {told:?}");
}

#[test]
fn reloads_dont_multiply_the_watchdog() {
    let mut watched = settings(&root("ops"));
    watched.watchdog = Some(Duration::from_secs(60));
    let mut world = World::new(watched.clone());
    world.until(70);
    for _ in 0..10 {
        world.reload(watched.clone());
    }
    let before = world.log.len();
    world.until(3670);
    let frames = world.log.len() - before;
    assert!(frames < 80, "{frames} frames in an hour of 60 reminders");
}

/// Slow, since it takes in what a whole request may hold.
#[test]
fn a_request_whose_alerts_open_very_many_groups_fits_its_frame() {
    const ALERTS: usize = 12_000;
    const FRAME_BYTES_MAX: usize = 32 << 20;
    let each = |receiver: &str| RouteSettings {
        group_by: Some(GroupBy::All),
        continues: true,
        ..child(receiver, "alertname=A")
    };
    let routes = ["ops", "lead", "db"].iter().cycle().take(30).map(|receiver| each(receiver)).collect();
    let mut world = World::new(settings(&RouteSettings { routes, ..root("ops") }));
    let mut batch = Batch::default();
    for n in 0..ALERTS {
        let (mut labels, mut annotations) = (LabelsBuilder::default(), LabelsBuilder::default());
        labels.push("alertname", "A");
        labels.push("n", &n.to_string());
        labels.push("pad", &"x".repeat(60));
        batch.push(&mut labels, &mut annotations, "", None, None);
    }
    let tenant = world.settings.name.clone();
    let input = Input::Alerts { tenant: &tenant, source: "prom", batch: &batch };
    world.partition.step(&input, at(0), &mut world.out);
    world.keep();
    let taken = world.out.taken;
    assert!(taken.deferred > 0 && taken.refused == 0, "{taken:?}");
    assert!(world.out.payload.len() < FRAME_BYTES_MAX / 2, "{} bytes", world.out.payload.len());
    assert!(world.out.payload.len() <= input.record_bytes_max() + Input::DUE_BYTES_MAX);
    let mut longest = 0;
    while world.out.next_deadline < at(5) {
        let now = world.out.next_deadline.max(at(0));
        world.partition.step(&Input::Tick, now, &mut world.out);
        longest = longest.max(world.out.payload.len());
    }
    let waiting = world
        .partition
        .newest(&tenant, None)
        .filter(|alert| alert.phase == openclaw_pipeline::Phase::Waiting);
    assert_eq!(waiting.count(), 0);
    assert!(longest < FRAME_BYTES_MAX / 2, "{longest} bytes");
}
