//! Other people's tools, as timetables: what somebody does in one of them is
//! shown in the others, what they give back comes back to them, how senders
//! name alerts, and how slow or dead services are spared.

mod world;

use openclaw_alert::{
    Batch, Feedback, LabelsBuilder, Notification, Pace, Reason, SendOutcome, Signal, SignalKind, Status,
    Zoned,
};
use openclaw_pipeline::{Action, AlertEnd, Input, TenantSettings};
use openclaw_routing::{Integration, RouteSettings};
use std::sync::Arc;
use std::time::Duration;
use world::{World, at, root, seconds, settings};

/// `ops` has a webhook and a chat that shows what people do.
fn with_chat(pace: Option<Pace>) -> TenantSettings {
    let mut settings = settings(&RouteSettings { repeat_interval: seconds(300), ..root("ops") });
    let chat = Integration { shows_actions: true, pace, ..Integration::new(1) };
    settings.routing.receivers[0].integrations.push(chat);
    settings
}

fn receipt(text: &str) -> SendOutcome {
    SendOutcome::Delivered { receipt: Some(text.into()) }
}

fn to(world: &World, integration: u16) -> Vec<&Notification> {
    world.messages.iter().filter(|message| message.integration == integration).collect()
}

fn act(world: &mut World, key: &str, action: Feedback, by: &str) -> bool {
    let settings = Arc::clone(&world.settings);
    let Some(group) = world.partition.group_of_dedup_key(&settings.name, key) else { return false };
    let action = Action::new(action, by, "");
    world.step(&Input::GroupFeedback {
        tenant: &settings.name,
        group: group.group,
        integration: group.integration,
        action,
    });
    true
}

#[test]
fn what_somebody_does_is_shown_where_it_can_be_shown() {
    let mut world = World::new(with_chat(None));
    world.fire("1", &[("alertname", "A")]);
    world.fire("2", &[("alertname", "A")]);
    assert_eq!(world.until(15), ["10 ops: +1 +2", "10 ops: +1 +2"]);
    let key = to(&world, 1)[0].dedup_key.clone();
    assert_ne!(key, to(&world, 0)[0].dedup_key, "each integration has a name of its own");
    assert!(act(&mut world, &key, Feedback::Ack, "ann in Slack"));
    assert_eq!(world.until(20), ["15 ops: +1 +2"], "the chat alone, and at once");
    let shown = to(&world, 1)[1];
    assert_eq!((shown.reason, &shown.dedup_key), (Reason::Acted, &key));
    for alert in &shown.alerts {
        let acted = alert.acted.as_ref().unwrap();
        assert_eq!((acted.action, &*acted.by, acted.at), (Feedback::Ack, "ann in Slack", at(15)));
    }
    assert!(act(&mut world, &key, Feedback::Ack, "ann's shadow"));
    assert_eq!(world.until(30), [""; 0], "the same again is no news: tools that tell each other rest");
    assert!(act(&mut world, &key, Feedback::Resolve, "bob in ServiceNow"));
    assert_eq!(world.until(40), ["30 ops: +1 +2"]);
    world.resolve("1", &[("alertname", "A")]);
    world.resolve("2", &[("alertname", "A")]);
    assert_eq!(world.until(80), ["70 ops: -1 -2", "70 ops: -1 -2"], "its source has the last word");
    assert_eq!(world.ends, [AlertEnd::Merged]);
}

#[test]
fn what_was_said_to_be_over_and_is_not_is_told_anew() {
    let mut world = World::new(TenantSettings { rearm_after: Duration::from_secs(600), ..with_chat(None) });
    world.fire("1", &[("alertname", "A")]);
    world.until(15);
    world.feedback("1", Feedback::Resolve);
    assert_eq!(world.until(600), ["15 ops: +1"]);
    assert_eq!(world.until(700), ["670 ops: +1", "670 ops: +1"]);
    assert!(to(&world, 1).last().unwrap().alerts[0].acted.is_none());
}

#[test]
fn what_is_over_and_fires_again_after_an_action_is_told_once_more() {
    let mut world = World::new(with_chat(None));
    for n in ["1", "2"] {
        world.fire(n, &[("alertname", "A")]);
    }
    world.until(15);
    world.resolve("1", &[("alertname", "A")]);
    world.feedback("2", Feedback::Ack);
    assert_eq!(world.until(20), ["15 ops: +2"]);
    world.fire("1", &[("alertname", "A")]);
    world.until(80);
    world.resolve("1", &[("alertname", "A")]);
    assert_eq!(world.until(140), ["130 ops: +2 -1", "130 ops: +2 -1"], "the chat hears of the end too");
}

#[test]
fn showing_what_people_do_is_no_reminder() {
    let mut world = World::new(with_chat(None));
    world.fire("1", &[("alertname", "A")]);
    world.fire("2", &[("alertname", "A")]);
    world.until(200);
    world.feedback("1", Feedback::Ack);
    let told = world.until(400);
    assert_eq!(told, ["200 ops: +1 +2", "310 ops: +1 +2", "310 ops: +1 +2"]);
}

#[test]
fn a_group_that_another_tool_names_is_the_tenants_own() {
    let mut world = World::new(TenantSettings { instance: 7, ..with_chat(None) });
    world.fire("1", &[("alertname", "A"), ("site", "eu")]);
    world.fire("2", &[("alertname", "A"), ("site", "eu")]);
    world.until(15);
    let settings = Arc::clone(&world.settings);
    let key = to(&world, 1)[0].dedup_key.clone();
    let found = world.partition.group_of_dedup_key(&settings.name, &key).unwrap();
    assert_eq!((&*found.receiver, found.integration), ("ops", 1));
    let shared: Vec<_> = openclaw_alert::Labels::from_encoded(&found.labels).iter().collect();
    assert_eq!(shared, [("alertname", "A"), ("site", "eu")]);
    let other = openclaw_alert::TenantName::new("globex").unwrap();
    assert!(world.partition.group_of_dedup_key(&other, &key).is_none());
    for place in 0..key.len() {
        let mut forged = key.clone().into_bytes();
        forged[place] = if forged[place] == b'0' { b'1' } else { b'0' };
        let forged = String::from_utf8(forged).unwrap();
        assert!(world.partition.group_of_dedup_key(&settings.name, &forged).is_none(), "{forged}");
    }
    let mut elsewhere = World::new(TenantSettings { instance: 8, ..with_chat(None) });
    elsewhere.fire("1", &[("alertname", "A"), ("site", "eu")]);
    elsewhere.until(15);
    assert_ne!(to(&elsewhere, 1)[0].dedup_key, key, "two installations can tell one service");
}

#[test]
fn a_receipt_comes_back_with_the_groups_next_message_also_after_a_crash() {
    let mut world = World::new(with_chat(None));
    world.answers = [SendOutcome::DELIVERED, receipt("C1/1.5")].into();
    world.fire("1", &[("alertname", "A")]);
    world.until(15);
    world.restart();
    world.fire("2", &[("alertname", "A")]);
    world.answers = [SendOutcome::DELIVERED, SendOutcome::DELIVERED].into();
    world.until(75);
    world.fire("3", &[("alertname", "A")]);
    world.answers = [SendOutcome::DELIVERED, receipt(&"x".repeat(513))].into();
    world.until(135);
    let mut bytes = Vec::new();
    world.partition.write_snapshot(&mut bytes);
    let mut fresh = openclaw_pipeline::Partition::new(world.partition.id(), 9);
    fresh.read_snapshot(&bytes).unwrap();
    world.partition = fresh;
    world.begin();
    world.fire("4", &[("alertname", "A")]);
    world.until(200);
    let receipts: Vec<_> = to(&world, 1).iter().map(|message| message.receipt.as_deref()).collect();
    assert_eq!(receipts, [None, Some("C1/1.5"), Some("C1/1.5"), Some("C1/1.5")]);
    assert!(to(&world, 0).iter().all(|message| message.receipt.is_none()), "each keeps its own");
}

fn batch(fill: impl FnOnce(&mut Batch)) -> Batch {
    let mut batch = Batch::default();
    batch.ask_for_ids();
    fill(&mut batch);
    batch
}

fn keyed(key: &str, second: u64, n: &str, note: &str) -> impl FnOnce(&mut Batch) {
    move |batch| {
        let (mut labels, mut annotations) = (LabelsBuilder::default(), LabelsBuilder::default());
        labels.push("alertname", "A");
        labels.push("n", n);
        annotations.push("summary", note);
        batch.push_keyed(key, &mut labels, &mut annotations, "", Some(Zoned::utc(at(second))), None);
    }
}

fn signal(key: &'static str, kind: SignalKind) -> impl FnOnce(&mut Batch) {
    move |batch| batch.push_signal(Signal { key, kind, by: "eve", note: "" })
}

fn send(world: &mut World, source: &str, batch: &Batch) -> Vec<Option<u64>> {
    let settings = Arc::clone(&world.settings);
    world.step(&Input::Alerts { tenant: &settings.name, source, batch });
    std::mem::take(&mut world.episodes)
}

#[test]
fn senders_name_alerts_by_keys_of_their_own() {
    let mut world = World::new(with_chat(None));
    let first = send(&mut world, "pd", &batch(keyed("k1", 0, "1", "hot")));
    let again = send(&mut world, "pd", &batch(keyed("k1", 3, "other labels", "hotter")));
    assert_eq!(first, again, "the key alone says which alert is meant");
    let other = send(&mut world, "nagios", &batch(keyed("k1", 0, "2", "another source's key")));
    assert_ne!(first, other);
    let settings = Arc::clone(&world.settings);
    let alert = world.partition.alert(&settings.name, first[0].unwrap()).unwrap();
    assert_eq!((alert.content.labels.get("n"), alert.content.annotations.get("summary")), ("1", "hotter"));
    world.until(15);
    assert_eq!(send(&mut world, "pd", &batch(signal("k1", SignalKind::Acted(Feedback::Ack)))), first);
    let told = world.messages.last().unwrap();
    assert_eq!(
        told.alerts.iter().filter_map(|alert| alert.acted.as_ref()).map(|a| &*a.by).collect::<Vec<_>>(),
        ["eve"]
    );
    assert_eq!(send(&mut world, "pd", &batch(signal("k1", SignalKind::Ended(None)))), first);
    assert_eq!(send(&mut world, "pd", &batch(signal("k1", SignalKind::Ended(None)))), [None], "over already");
    assert_eq!(send(&mut world, "pd", &batch(signal("k9", SignalKind::Ended(None)))), [None], "never seen");
    let told = world.until(75);
    assert_eq!(told.last().unwrap(), "70 ops: +2 -1");
    let anew = send(&mut world, "pd", &batch(keyed("k1", 75, "1", "cold")));
    assert_ne!(anew, first, "after its end the key names a new alert");
}

#[test]
fn nobody_judges_what_they_have_not_been_told_of() {
    let mut world = World::new(with_chat(None));
    world.fire("1", &[("alertname", "A")]);
    world.until(15);
    let key = to(&world, 1)[0].dedup_key.clone();
    world.fire("2", &[("alertname", "A")]);
    assert!(act(&mut world, &key, Feedback::Dismiss, "ann in Slack"));
    assert_eq!(world.until(80), ["15 ops: +1", "70 ops: +1 +2", "70 ops: +1 +2"]);
    let acted = world.messages.last().unwrap().alerts.iter().filter(|alert| alert.acted.is_some()).count();
    assert_eq!(acted, 1, "the second is nobody's yet");
    assert!(act(&mut world, &key, Feedback::Ack, "bob in PagerDuty"));
    let actions: Vec<_> =
        world.messages.last().unwrap().alerts.iter().map(|a| a.acted.as_ref().unwrap().action).collect();
    assert!(
        actions.contains(&Feedback::Dismiss) && actions.contains(&Feedback::Ack),
        "a dismissal stays: {actions:?}"
    );
}

#[test]
fn what_is_done_to_a_large_group_is_told_once_it_is_done_to_all() {
    let mut world = World::new(with_chat(None));
    let long = "x".repeat(2_000);
    for n in 0..100 {
        world.fire(&n.to_string(), &[("alertname", "A"), ("long", &long)]);
    }
    world.until(15);
    let key = to(&world, 1)[0].dedup_key.clone();
    let mut steps = 0;
    world.out.is_unfinished = true;
    while world.out.is_unfinished {
        steps += 1;
        assert_eq!(world.messages.len(), 2, "nothing is told half way");
        act(&mut world, &key, Feedback::Resolve, "ann");
        if world.messages.len() > 2 {
            break;
        }
    }
    assert!(steps > 1);
    assert!(
        world.messages[2].alerts.len() == 100 && world.messages[2].alerts.iter().all(|a| a.acted.is_some())
    );
}

#[test]
fn an_end_told_in_advance_is_an_end_now() {
    let mut world = World::new(with_chat(None));
    let first = send(&mut world, "pd", &batch(keyed("k1", 0, "1", "")));
    let later = Some(Zoned::utc(at(99_999)));
    assert_eq!(send(&mut world, "pd", &batch(signal("k1", SignalKind::Ended(later)))), first);
    assert_eq!(world.until(100), [""; 0]);
}

#[test]
fn a_request_that_comes_twice_changes_nothing_the_second_time() {
    let mut world = World::new(with_chat(None));
    let event = |n: &'static str, id: &'static str| {
        batch(|batch| {
            keyed(n, 0, n, "")(batch);
            batch.set_delivery(&["ce", id]);
        })
    };
    send(&mut world, "ce", &event("1", "id-1"));
    send(&mut world, "ce", &batch(signal("1", SignalKind::Ended(None))));
    for restarts in [false, true] {
        if restarts {
            world.restart();
        }
        assert_eq!(send(&mut world, "ce", &event("1", "id-1")).len(), 1, "{restarts}");
        assert_eq!((world.taken.accepted, world.taken.renewed), (0, 1));
    }
    assert_eq!(send(&mut world, "ce", &event("1", "id-2")).len(), 1);
}

#[test]
fn a_late_repeat_of_what_is_over_opens_nothing_where_starts_are_exact() {
    let post = |second, n, is_over: bool, is_exact: bool| {
        batch(|batch| {
            let mut labels = LabelsBuilder::default();
            labels.push("n", n);
            let ends = is_over.then(|| Zoned::utc(at(second + 5)));
            batch.push(&mut labels, &mut LabelsBuilder::default(), "", Some(Zoned::utc(at(second))), ends);
            if is_exact {
                batch.set_starts_are_exact();
            }
        })
    };
    for (is_exact, want) in [(true, 0), (false, 1)] {
        let mut world = World::new(with_chat(None));
        world.second = 20;
        send(&mut world, "am", &post(10, "1", false, is_exact));
        send(&mut world, "am", &post(10, "1", true, is_exact));
        send(&mut world, "am", &post(10, "1", false, is_exact));
        let settings = Arc::clone(&world.settings);
        let firing = world
            .partition
            .newest(&settings.name, None)
            .filter(|a| a.phase == openclaw_pipeline::Phase::Firing);
        assert_eq!(firing.count(), want);
        world.second = 25;
        send(&mut world, "am", &post(22, "1", false, is_exact));
        // The end of the one before, late.
        send(&mut world, "am", &post(10, "1", true, is_exact));
        let told = world.until(60);
        assert_eq!(told.len(), if is_exact { 2 } else { 0 }, "a new start is a new alert: {told:?}");
    }
}

#[test]
fn alerts_without_an_end_last_as_long_as_their_source_says() {
    let mut world =
        World::new(TenantSettings { resolve_timeout: Duration::from_secs(60), ..with_chat(None) });
    let lasting = batch(|batch| {
        keyed("k", 0, "1", "")(batch);
        batch.set_lasts(Duration::from_secs(1000));
    });
    send(&mut world, "json", &lasting);
    send(&mut world, "json", &batch(keyed("k2", 0, "2", "")));
    let told = world.until(1100);
    assert!(told.contains(&"70 ops: +1 -2".to_owned()), "{told:?}");
    assert!(told.last().unwrap().ends_with("-1"), "{told:?}");
}

#[test]
fn a_channel_is_written_to_at_its_own_pace() {
    let pace = Pace { channel: 5, every: Duration::from_secs(10), burst: 2 };
    let mut settings = with_chat(Some(pace));
    settings.routing.receivers[0].integrations.remove(0);
    let mut world = World::new(settings);
    for n in ["1", "2", "3", "4"] {
        world.fire(n, &[("alertname", n)]);
    }
    let told: Vec<_> =
        world.until(60).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(told, ["10", "10", "20", "30"]);
}

fn down() -> SendOutcome {
    SendOutcome::Retry { after: None, ambiguous: false, detail: "refused".to_owned() }
}

#[test]
fn a_receiver_that_is_down_is_spared_and_loses_nothing() {
    let mut settings = settings(&root("ops"));
    settings.retry.give_up_after = Duration::from_secs(100_000);
    let mut world = World::new(settings);
    world.answers = std::iter::repeat_with(down).take(400).collect();
    for n in 0..100 {
        let n = n.to_string();
        world.fire(&n, &[("alertname", &n)]);
    }
    world.until(600);
    let tried = world.messages.len();
    assert!((5..60).contains(&tried), "{tried} attempts in ten minutes");
    let down = world.partition.gauges().into_iter().flat_map(|gauge| gauge.down).collect::<Vec<_>>();
    assert_eq!(down, ["ops".into()]);
    world.answers.clear();
    world.messages.clear();
    world.until(3_000);
    let told: std::collections::BTreeSet<_> =
        world.messages.iter().map(|m| m.alerts[0].view().labels.get("n").to_owned()).collect();
    assert_eq!(told.len(), 100);
    assert!(world.partition.gauges().iter().all(|gauge| gauge.down.is_empty()));
}

#[test]
fn what_waits_behind_a_receiver_that_stays_down_is_given_up_in_its_time() {
    let mut world = World::new(settings(&root("ops")));
    world.answers = std::iter::repeat_with(down).take(4_000).collect();
    for n in 0..100 {
        let n = n.to_string();
        world.fire(&n, &[("alertname", &n)]);
    }
    world.until(3_800);
    let dead = world.ends.iter().filter(|end| **end == AlertEnd::DeadLettered).count();
    assert_eq!(dead, 100);
}

#[test]
fn a_wait_that_one_message_is_asked_for_holds_the_others_too() {
    let mut world = World::new(settings(&root("ops")));
    let after = Some(Duration::from_secs(30));
    world.answers = [SendOutcome::Retry { after, ambiguous: false, detail: "429".to_owned() }].into();
    world.fire("1", &[("alertname", "1")]);
    world.until(11);
    world.fire("2", &[("alertname", "2")]);
    let mut told = world.until(100);
    told.sort();
    assert_eq!(told, ["40 ops: +1", "40 ops: +2"]);
    assert!(world.messages.iter().all(|message| message.alerts[0].status == Status::Firing));
}
