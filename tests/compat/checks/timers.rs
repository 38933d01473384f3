//! When a group is told of.

use crate::expect::{ensure, same};
use crate::suite::Outcome;
use crate::support::{Alert, now};
use crate::target::Target;
use std::time::{Duration, Instant};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One group for all alerts, told of with these timers.
fn timers(wait: &str, interval: &str, repeat: &str) -> String {
    format!(
        "route: {{ receiver: a, group_wait: {wait}, group_interval: {interval}, repeat_interval: {repeat} }}\n\
         receivers: [{{ name: a, webhook_configs: [{{ url: HOOK/a }}] }}]\n"
    )
}

/// Not before a time; after it, a busy machine may take a while.
fn is_about(what: &str, time: Duration, want: Duration) -> Outcome {
    let (from, to) = (want.saturating_sub(millis(60)), want + millis(900));
    ensure!(time >= from && time <= to, "{what} after {time:?}, want {want:?}");
    Ok(())
}

pub(crate) fn the_first_word_waits_for_group_wait(target: &mut Target) -> Outcome {
    target.start(&timers("1s", "2s", "1h"))?;
    let posted = Instant::now();
    target.fire_named("a")?;
    target.pause(millis(300));
    target.fire_named("b")?;
    let told = target.wait_told("/a", 1)?;
    is_about("told", told[0].at - posted, millis(1000))?;
    same("told", told[0].summary(), "firing a b")
}

pub(crate) fn an_old_alert_does_not_wait(target: &mut Target) -> Outcome {
    target.start(&timers("10s", "1s", "1h"))?;
    let posted = Instant::now();
    target.fire(&[Alert::new("old").starts(now() - Duration::from_secs(60))])?;
    is_about("told", target.wait_told("/a", 1)?[0].at - posted, Duration::ZERO)
}

pub(crate) fn news_wait_for_group_interval(target: &mut Target) -> Outcome {
    target.start(&timers("100ms", "2s", "1h"))?;
    target.fire_named("a")?;
    let first = target.wait_told("/a", 1)?[0].at;
    target.fire_named("b")?;
    let told = target.wait_told("/a", 2)?;
    is_about("told", told[1].at - first, millis(2000))?;
    target.resolve_named("a")?;
    let told = target.wait_told("/a", 3)?;
    is_about("told", told[2].at - told[1].at, millis(2000))?;
    same("told", target.summary("/a"), ["firing a", "firing a b", "firing b, resolved a"])
}

pub(crate) fn no_news_is_not_told(target: &mut Target) -> Outcome {
    target.start(&timers("100ms", "1s", "1h"))?;
    for _ in 0..3 {
        target.fire(&[Alert::new("a").annotation("value", &format!("{:?}", Instant::now()))])?;
        target.wait_told("/a", 1)?;
        target.pause(millis(1000));
    }
    same("told", target.summary("/a"), ["firing a"])
}

pub(crate) fn it_is_repeated_after_repeat_interval(target: &mut Target) -> Outcome {
    target.start(&timers("100ms", "1s", "2500ms"))?;
    target.fire_named("a")?;
    let told = target.wait_told("/a", 2)?;
    // At the first tick that is late enough.
    is_about("repeated", told[1].at - told[0].at, millis(3000))?;
    same("told", target.summary("/a"), ["firing a", "firing a"])
}

pub(crate) fn the_last_word_ends_the_group(target: &mut Target) -> Outcome {
    target.start(&timers("100ms", "1s", "2s"))?;
    target.fire(&["a", "b"].map(Alert::new))?;
    target.wait_told("/a", 1)?;
    target.fire(&["a", "b"].map(|name| Alert::new(name).resolved()))?;
    target.expect_told("/a", &["firing a b", "resolved a b"])?;
    // It is not repeated either.
    target.pause(millis(2500));
    same("told", target.summary("/a").len(), 2)?;
    same("groups", target.groups("")?.as_array().map(Vec::len), Some(0))
}

pub(crate) fn what_ends_before_group_wait_is_not_told(target: &mut Target) -> Outcome {
    target.start(&timers("800ms", "1s", "1h"))?;
    target.fire_named("brief")?;
    target.resolve_named("brief")?;
    target.pause(millis(2200));
    same("told", target.summary("/a").len(), 0)?;
    target.fire_named("lasting")?;
    target.expect_told("/a", &["firing lasting"])
}

pub(crate) fn a_group_not_told_as_firing_is_not_told_as_over(target: &mut Target) -> Outcome {
    target.start(&timers("100ms", "2s", "1h"))?;
    let id = super::silence_named(target, "quiet")?;
    target.fire_named("quiet")?;
    target.wait_state("quiet", "suppressed")?;
    // Its first tick is over; at the next it is over too, and silent no more.
    target.pause(millis(800));
    target.resolve_named("quiet")?;
    super::expire_silence(target, &id)?;
    target.pause(millis(2200));
    same("told", target.summary("/a").len(), 0)?;
    target.fire_named("loud")?;
    target.expect_told("/a", &["firing loud"])
}

pub(crate) fn what_is_over_is_told_once(target: &mut Target) -> Outcome {
    target.start(&timers("100ms", "1s", "1h"))?;
    target.fire(&["a", "b"].map(Alert::new))?;
    target.wait_told("/a", 1)?;
    target.resolve_named("a")?;
    target.wait_told("/a", 2)?;
    target.fire_named("c")?;
    target.expect_told("/a", &["firing a b", "firing b, resolved a", "firing b c"])
}

pub(crate) fn over_and_back_between_two_ticks_is_no_news(target: &mut Target) -> Outcome {
    target.start(&timers("100ms", "2s", "1h"))?;
    target.fire_named("a")?;
    target.wait_told("/a", 1)?;
    target.resolve_named("a")?;
    target.pause(millis(50));
    target.fire_named("a")?;
    target.pause(millis(2400));
    same("told", target.summary("/a"), ["firing a"])?;
    target.resolve_named("a")?;
    target.expect_told("/a", &["firing a", "resolved a"])
}

pub(crate) fn an_emptied_group_keeps_its_rhythm(target: &mut Target) -> Outcome {
    target.start(&timers("100ms", "2s", "1h"))?;
    target.fire_named("a")?;
    target.wait_told("/a", 1)?;
    target.resolve_named("a")?;
    let ended = target.wait_told("/a", 2)?[1].at;
    target.pause(millis(100));
    target.fire_named("b")?;
    let told = target.wait_told("/a", 3)?;
    same("told", told[2].summary(), "firing b")?;
    is_about("told", told[2].at - ended, millis(2000))
}

pub(crate) fn a_reload_repeats_nothing(target: &mut Target) -> Outcome {
    let config = timers("100ms", "1s", "1h");
    target.start(&config)?;
    target.fire_named("a")?;
    target.wait_told("/a", 1)?;
    // What was told has been recorded by now.
    target.pause(millis(300));
    target.reload(&format!("# changed\n{config}"))?;
    target.pause(millis(2300));
    same("told", target.summary("/a"), ["firing a"])?;
    target.fire_named("b")?;
    target.expect_told("/a", &["firing a", "firing a b"])?;
    target.fire(&["a", "b"].map(|name| Alert::new(name).resolved()))?;
    target.expect_told("/a", &["firing a", "firing a b", "resolved a b"])
}

pub(crate) fn a_reload_moves_alerts_to_new_routes(target: &mut Target) -> Outcome {
    target.start(&timers("100ms", "1s", "1h"))?;
    target.fire_named("a")?;
    target.wait_told("/a", 1)?;
    target.reload(
        "route: { receiver: b, group_wait: 100ms, group_interval: 1s }\n\
         receivers: [{ name: b, webhook_configs: [{ url: HOOK/b }] }]\n",
    )?;
    target.expect_told("/b", &["firing a"])?;
    same("receivers", target.alert("a")?["receivers"].to_string(), r#"[{"name":"b"}]"#)
}
