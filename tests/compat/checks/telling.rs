//! Integrations: each on its own, tried again, told of ends where it wants to be.

use crate::expect::{ensure, same};
use crate::suite::Outcome;
use crate::support::{Alert, Reply};
use crate::target::{SOON, Target};
use std::time::Duration;

const TWO_HOOKS: &str = "\
route: { receiver: both, group_wait: 100ms, group_interval: 1s, repeat_interval: 1h }
receivers: [{ name: both, webhook_configs: [{ url: HOOK/good }, { url: HOOK/bad }] }]
";

pub(crate) fn one_that_fails_does_not_repeat_the_other(target: &mut Target) -> Outcome {
    target.start(TWO_HOOKS)?;
    target.sink().answer_at("/bad", Reply::status(500));
    target.fire_named("a")?;
    target.wait_told("/bad", 3)?;
    target.sink().answer_at("/bad", Reply::status(200));
    target.wait("the other is told", || {
        Ok(target.told("/bad").last().filter(|told| told.answer == 200).map(drop))
    })?;
    target.pause(Duration::from_millis(1500));
    same("the good one", target.summary("/good"), ["firing a"])?;
    same("told well", target.told("/bad").iter().filter(|told| told.answer == 200).count(), 1)?;
    target.resolve_named("a")?;
    target.expect_told("/good", &["firing a", "resolved a"])
}

pub(crate) fn a_server_error_is_tried_again(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.sink().script([503, 500, 502].map(Reply::status));
    target.fire_named("a")?;
    let told = target.wait_told("/ops", 4)?;
    same("answers", told.iter().map(|told| told.answer).collect::<Vec<_>>(), [503, 500, 502, 200])?;
    same("told", target.summary("/ops"), ["firing a"; 4])
}

pub(crate) fn any_2xx_is_good(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.sink().answer_at("/ops", Reply::status(204));
    target.fire_named("a")?;
    target.wait_told("/ops", 1)?;
    target.pause(Duration::from_millis(1500));
    same("told", target.summary("/ops"), ["firing a"])
}

/// Alertmanager asks again at each tick, we after a change (the next check).
pub(crate) fn a_refusal_is_not_tried_again_at_once(target: &mut Target) -> Outcome {
    target.start(&SOON.replace("group_interval: 1s", "group_interval: 3s"))?;
    target.sink().answer_at("/ops", Reply::status(400));
    target.fire_named("a")?;
    target.wait_told("/ops", 1)?;
    target.pause(Duration::from_millis(2000));
    same("told", target.summary("/ops"), ["firing a"])
}

pub(crate) fn after_a_refusal_the_next_state_is_told(target: &mut Target) -> Outcome {
    target.start(&SOON.replace("group_by: [alertname]", "group_by: []"))?;
    target.sink().answer_at("/ops", Reply::status(400));
    target.fire_named("a")?;
    target.wait_told("/ops", 1)?;
    target.sink().answer_at("/ops", Reply::status(200));
    target.fire_named("b")?;
    target.wait("both are told of", || {
        let told = target.told("/ops");
        Ok(told.last().filter(|told| told.answer == 200 && told.summary() == "firing a b").map(drop))
    })
}

pub(crate) fn ends_are_not_told_where_they_are_not_wanted(target: &mut Target) -> Outcome {
    let config = "\
route: { receiver: a, group_wait: 100ms, group_interval: 1s, repeat_interval: 1h }
receivers: [{ name: a, webhook_configs: [{ url: HOOK/yes }, { url: HOOK/no, send_resolved: false }] }]
";
    target.start(config)?;
    target.fire(&["a", "b"].map(Alert::new))?;
    target.wait_told("/no", 1)?;
    target.resolve_named("a")?;
    target.expect_told("/yes", &["firing a b", "firing b, resolved a"])?;
    target.resolve_named("b")?;
    target.expect_told("/yes", &["firing a b", "firing b, resolved a", "resolved b"])?;
    same("where not wanted", target.summary("/no"), ["firing a b"])
}

pub(crate) fn slack_is_told_of_ends_only_where_asked(target: &mut Target) -> Outcome {
    let config = "\
route: { receiver: a, group_wait: 100ms, group_interval: 1s, repeat_interval: 1h }
receivers:
- name: a
  webhook_configs: [{ url: HOOK/hook }]
  slack_configs:
  - { api_url: HOOK/slack, channel: '#a' }
  - { api_url: HOOK/slack-all, channel: '#a', send_resolved: true }
";
    target.start(config)?;
    target.fire_named("a")?;
    target.wait_told("/slack", 1)?;
    target.wait_told("/slack-all", 1)?;
    target.resolve_named("a")?;
    target.expect_told("/hook", &["firing a", "resolved a"])?;
    target.wait_told("/slack-all", 2)?;
    target.pause(Duration::from_millis(300));
    same("Slack by default", target.told("/slack").len(), 1)
}

pub(crate) fn a_receiver_without_integrations_is_good(target: &mut Target) -> Outcome {
    target.start(
        "route: { receiver: none, group_wait: 100ms, group_interval: 1s }\nreceivers: [{ name: none }]\n",
    )?;
    target.fire_named("a")?;
    target.wait_state("a", "active")?;
    target.pause(Duration::from_millis(300));
    ensure!(target.sink().seen().is_empty(), "told nobody, but somebody was");
    same("groups", target.groups("")?[0]["receiver"]["name"].as_str(), Some("none"))
}
