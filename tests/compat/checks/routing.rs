//! Who is told: the tree, what nodes inherit, groups.

use crate::expect::{ensure, names, same};
use crate::suite::Outcome;
use crate::support::Alert;
use crate::target::Target;
use serde_json::Value;
use std::time::Duration;

const TREE: &str = "\
route:
  receiver: root
  group_wait: 1h
  routes:
  - receiver: db
    matchers: [team=db]
    routes:
    - { receiver: db-page, matchers: [severity=page] }
    - { receiver: db-all, matchers: [severity=~\"page|mail\"], continue: true }
    - { receiver: db-mail, matchers: [severity=mail] }
  - { receiver: audit, matchers: [audit=yes], continue: true }
  - { receiver: web, matchers: [team=web] }
receivers: [{ name: root }, { name: db }, { name: db-page }, { name: db-all }, { name: db-mail }, { name: audit }, { name: web }]
";

/// Name and labels of an alert, and who is told.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

/// Names of those who are told of an alert, in order.
fn receivers(target: &Target, name: &str) -> Result<String, String> {
    let alert = target.wait_state(name, "active")?;
    let receivers = alert["receivers"].as_array().into_iter().flatten();
    Ok(receivers.filter_map(|receiver| receiver["name"].as_str()).collect::<Vec<_>>().join(" "))
}

pub(crate) fn the_tree_is_walked_depth_first(target: &mut Target) -> Outcome {
    target.start(TREE)?;
    let cases: [Case; 8] = [
        ("nobody", &[], "root"),
        ("handles it itself", &[("team", "db")], "db"),
        ("first match wins", &[("team", "db"), ("severity", "page")], "db-page"),
        ("goes on", &[("team", "db"), ("severity", "mail")], "db-all db-mail"),
        ("not beyond a match", &[("team", "db"), ("audit", "yes")], "db"),
        ("continue", &[("audit", "yes"), ("team", "web")], "audit web"),
        ("continue into nothing", &[("audit", "yes")], "audit"),
        ("case matters", &[("team", "DB")], "root"),
    ];
    for (name, labels, _) in cases {
        let alert = labels.iter().fold(Alert::new(name), |alert, (label, value)| alert.label(label, value));
        target.fire(&[alert])?;
    }
    for (name, _, want) in cases {
        same(name, receivers(target, name)?, want)?;
    }
    Ok(())
}

pub(crate) fn a_root_must_match_all_and_name_a_receiver(target: &mut Target) -> Outcome {
    target.start("route: { receiver: a }\nreceivers: [{ name: a }]\n")?;
    for bad in [
        "route: { receiver: a, matchers: [x=y] }\nreceivers: [{ name: a }]\n",
        "route: { group_by: [x] }\nreceivers: [{ name: a }]\n",
        "route: { receiver: b }\nreceivers: [{ name: a }]\n",
        "route: { receiver: a, routes: [{ receiver: b }] }\nreceivers: [{ name: a }]\n",
        "receivers: [{ name: a }]\n",
        "route: { receiver: a }\nreceivers: [{ name: a }, { name: a }]\n",
        "route: { receiver: a, continue: true }\nreceivers: [{ name: a }]\n",
        "route: { receiver: a, group_by: [x, x] }\nreceivers: [{ name: a }]\n",
        "route: { receiver: a, group_by: ['...', x] }\nreceivers: [{ name: a }]\n",
        "route: { receiver: a, group_interval: 0s }\nreceivers: [{ name: a }]\n",
        "route: { receiver: a, repeat_interval: 0s }\nreceivers: [{ name: a }]\n",
        "route: { receiver: a, routes: [{ mute_time_intervals: [no] }] }\nreceivers: [{ name: a }]\n",
    ] {
        target.write(bad);
        let answer = target.ask_reload()?;
        ensure!(answer.status >= 400, "{} to {bad}", answer.status);
        ensure!(!answer.text().is_empty(), "no reason why not: {bad}");
    }
    // And what was there before still holds.
    same("receivers", target.get("/api/v2/receivers")?[0]["name"].as_str(), Some("a"))
}

fn group_labels(target: &Target) -> Result<Vec<String>, String> {
    let groups = target.groups("")?;
    let mut labels: Vec<_> =
        groups.as_array().into_iter().flatten().map(|group| group["labels"].to_string()).collect();
    labels.sort();
    Ok(labels)
}

fn with_group_by(group_by: &str) -> String {
    format!("route: {{ receiver: a, group_wait: 1h {group_by} }}\nreceivers: [{{ name: a }}]\n")
}

/// Posts three alerts and compares the labels of their groups.
fn groups_are(target: &mut Target, group_by: &str, want: &[&str]) -> Outcome {
    target.start(&with_group_by(group_by))?;
    target.fire(&[Alert::new("a").label("x", "1"), Alert::new("a").label("x", "2"), Alert::new("b")])?;
    target
        .wait(group_by, || Ok((group_labels(target)? == want).then_some(())))
        .map_err(|error| format!("{error}: groups are {:?}, want {want:?}", group_labels(target)))
}

pub(crate) fn groups_by_some_labels(target: &mut Target) -> Outcome {
    groups_are(target, ", group_by: [alertname]", &[r#"{"alertname":"a"}"#, r#"{"alertname":"b"}"#])
}

pub(crate) fn groups_by_a_label_that_some_lack(target: &mut Target) -> Outcome {
    groups_are(target, ", group_by: [x]", &[r#"{"x":"1"}"#, r#"{"x":"2"}"#, "{}"])
}

pub(crate) fn groups_by_all_labels(target: &mut Target) -> Outcome {
    let want = [r#"{"alertname":"a","x":"1"}"#, r#"{"alertname":"a","x":"2"}"#, r#"{"alertname":"b"}"#];
    groups_are(target, ", group_by: ['...']", &want)
}

pub(crate) fn one_group_where_nothing_is_said(target: &mut Target) -> Outcome {
    groups_are(target, "", &["{}"])
}

pub(crate) fn one_group_by_an_empty_list(target: &mut Target) -> Outcome {
    groups_are(target, ", group_by: []", &["{}"])
}

pub(crate) fn each_route_has_groups_of_its_own(target: &mut Target) -> Outcome {
    let config = "\
route:
  receiver: a
  group_by: [alertname]
  group_wait: 1h
  routes:
  - { matchers: [x=~\".+\"], continue: true }
  - { matchers: [x=~\".*\"] }
receivers: [{ name: a }]
";
    target.start(config)?;
    target.fire(&[Alert::new("n").label("x", "1")])?;
    target.wait("two groups", || Ok((group_labels(target)?.len() == 2).then_some(()))).map(drop)
}

const INHERIT: &str = "\
route:
  receiver: root
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 1s
  repeat_interval: 1h
  routes:
  - matchers: [x=~\".+\"]
    mute_time_intervals: [always]
    routes:
    - { matchers: [x=child] }
    - { matchers: [x=own], receiver: own, group_by: [x], group_wait: 1500ms }
time_intervals: [{ name: always, time_intervals: [{ years: ['2000:2099'] }] }]
receivers: [{ name: root, webhook_configs: [{ url: HOOK/root }] }, { name: own, webhook_configs: [{ url: HOOK/own }] }]
";

pub(crate) fn children_inherit_all_but_matchers_and_mutes(target: &mut Target) -> Outcome {
    target.start(INHERIT)?;
    let of = |name: &str, x: &str| Alert::new(name).label("x", x);
    target.fire(&[of("muted", "parent"), of("child", "child"), of("own", "own"), of("owner", "own")])?;
    let child = target.wait_told("/root", 1)?[0].clone();
    same(
        "the child's receiver and group",
        child.body["groupLabels"].to_string(),
        r#"{"alertname":"child"}"#,
    )?;
    let own = target.wait_told("/own", 1)?[0].clone();
    same("its own", own.summary(), "firing own owner")?;
    let later = own.at - child.at;
    ensure!(later > Duration::from_secs(1), "its own group_wait: {later:?} after the child's");
    target.pause(Duration::from_millis(300));
    same("the muted parent's", target.summary("/root"), ["firing child"])
}

pub(crate) fn a_group_is_told_as_one(target: &mut Target) -> Outcome {
    let config = "\
route: { receiver: a, group_by: [g], group_wait: 500ms, group_interval: 1s }
receivers: [{ name: a, webhook_configs: [{ url: HOOK/a }] }]
";
    target.start(config)?;
    for name in ["a", "b", "c"] {
        target.fire(&[Alert::new(name).label("g", "1")])?;
    }
    target.fire(&[Alert::new("d").label("g", "2")])?;
    let mut told: Vec<_> = target.wait_told("/a", 2)?.iter().map(crate::told::Told::summary).collect();
    told.sort();
    same("told", told, ["firing a b c", "firing d"])
}

pub(crate) fn all_receivers_of_an_alert_are_told(target: &mut Target) -> Outcome {
    let config = "\
route:
  receiver: a
  group_wait: 100ms
  group_interval: 1s
  routes:
  - { receiver: a, matchers: [x=1], continue: true }
  - { receiver: b, matchers: [x=1] }
receivers: [{ name: a, webhook_configs: [{ url: HOOK/a }] }, { name: b, webhook_configs: [{ url: HOOK/b }] }]
";
    target.start(config)?;
    target.fire(&[Alert::new("n").label("x", "1")])?;
    target.expect_told("/a", &["firing n"])?;
    target.expect_told("/b", &["firing n"])?;
    let alert = target.alert("n")?;
    let told: Vec<&Value> =
        alert["receivers"].as_array().into_iter().flatten().map(|found| &found["name"]).collect();
    same("receivers", told, ["a", "b"])?;
    same("of a", names(&target.listed("?receiver=a")?), ["n"])
}
