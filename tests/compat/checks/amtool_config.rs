//! `amtool config`, `cluster`, `check-config`.

use crate::amtool::{Amtool, both};
use crate::expect::{ensure, same, text};
use crate::suite::Outcome;
use crate::target::{Kind, SOON, Target};

const TREE: &str = "\
global: { resolve_timeout: 7m }
route:
  receiver: root
  group_by: [alertname, 'größe']
  group_interval: 3m
  routes:
  - receiver: db
    matchers: ['team=\"db\"', 'severity!~\"info|none\"']
    continue: true
  - { receiver: team-a, matchers: ['owner=~\"team-a.*\"'], mute_time_intervals: [nights] }
  - { receiver: odd, matchers: ['\"größe ☂\"=\"x\"'] }
inhibit_rules: [{ source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [alertname] }]
time_intervals:
- name: nights
  time_intervals: [{ times: [{ start_time: '22:00', end_time: '24:00' }], weekdays: ['monday:friday'], location: Europe/Berlin }]
receivers:
- { name: root, webhook_configs: [{ url: HOOK/secret-path }] }
- { name: db, slack_configs: [{ api_url: HOOK/token-of-slack, channel: '#db' }] }
- name: team-a
- { name: odd, webhook_configs: [{ url: HOOK/odd, send_resolved: false, max_alerts: 5 }] }
";

/// The tree as a version of amtool can read it: 0.25 knows classic label names
/// only.
fn tree_for(amtool: &Amtool) -> String {
    if amtool.version == "0.25" {
        TREE.replace("größe ☂", "size").replace("größe", "size")
    } else {
        TREE.to_owned()
    }
}

/// Those versions that can read what the server prints: one older than the
/// server can't where it prints everything, as Alertmanager does.
fn readers(target: &Target) -> Vec<Amtool> {
    let knows = |amtool: &Amtool| target.kind() != Kind::Alertmanager || amtool.version != "0.25";
    both().into_iter().filter(knows).collect()
}

pub(crate) fn show_prints_the_configuration(target: &mut Target) -> Outcome {
    target.start(TREE)?;
    let original = text(&target.get("/api/v2/status")?, "/config/original")?;
    for amtool in both() {
        same("printed", amtool.good(target, &["config", "show"])?.trim_end(), original.trim_end())?;
    }
    Ok(())
}

pub(crate) fn what_is_shown_is_a_configuration(target: &mut Target) -> Outcome {
    target.start(TREE)?;
    for amtool in readers(target) {
        target.reload(&tree_for(&amtool))?;
        let original = text(&target.get("/api/v2/status")?, "/config/original")?;
        let file = target.http_file("original.yml", &original);
        let printed = amtool.local(target, &["check-config", &file]);
        same("exit code", printed.code, 0)
            .map_err(|error| format!("{error}: {}{}", printed.out, printed.err))?;
        for part in ["global config", "route", "1 inhibit rules", "4 receivers"] {
            ensure!(printed.out.contains(part), "no `{part}` in {}", printed.out);
        }
    }
    Ok(())
}

pub(crate) fn secrets_are_not_shown(target: &mut Target) -> Outcome {
    target.start(TREE)?;
    let original = text(&target.get("/api/v2/status")?, "/config/original")?;
    ensure!(original.contains("<secret>"), "no `<secret>` in {original}");
    for secret in ["token-of-slack", "secret-path"] {
        ensure!(!original.contains(secret), "`{secret}` is shown");
    }
    Ok(())
}

/// An older amtool can read what we print, for we print only what is set.
pub(crate) fn only_what_is_set_is_shown(target: &mut Target) -> Outcome {
    target.start(TREE)?;
    let original = text(&target.get("/api/v2/status")?, "/config/original")?;
    for unset in ["smtp", "opsgenie", "repeat_interval", "tls_config", "jira"] {
        ensure!(!original.contains(unset), "`{unset}` is shown:\n{original}");
    }
    for amtool in both() {
        target.reload(&tree_for(&amtool))?;
        same("routes test", amtool.good(target, &["config", "routes", "test", "team=db"])?.trim(), "db")?;
    }
    Ok(())
}

pub(crate) fn routes_show_draws_the_tree(target: &mut Target) -> Outcome {
    target.start(TREE)?;
    for amtool in readers(target) {
        target.reload(&tree_for(&amtool))?;
        let tree = amtool.good(target, &["config", "routes", "show"])?;
        let branches: Vec<_> =
            tree.lines().filter_map(|line| line.split_once("── ")).map(|(_, branch)| branch).collect();
        let want = [
            "default-route  receiver: root",
            "{severity!~\"info|none\",team=\"db\"}  continue: true  receiver: db",
            "{owner=~\"team-a.*\"}  receiver: team-a",
            "{\"größe ☂\"=\"x\"}  receiver: odd",
        ];
        if amtool.version == "0.25" {
            same("branches", branches.len(), want.len())?;
        } else {
            same("branches", branches, want)?;
        }
    }
    Ok(())
}

pub(crate) fn routes_test_names_receivers(target: &mut Target) -> Outcome {
    target.start(TREE)?;
    for amtool in readers(target) {
        target.reload(&tree_for(&amtool))?;
        for (labels, want) in [
            (vec![], "root"),
            (vec!["team=db"], "db"),
            (vec!["team=db", "owner=team-a1"], "db,team-a"),
            (vec!["team=db", "severity=info"], "root"),
            (vec!["owner=team-b"], "root"),
        ] {
            let words = [&["config", "routes", "test"], &labels[..]].concat();
            same(&labels.join(" "), amtool.good(target, &words)?.trim(), want)?;
        }
    }
    Ok(())
}

pub(crate) fn routes_test_verifies_receivers(target: &mut Target) -> Outcome {
    target.start(TREE)?;
    for amtool in readers(target) {
        target.reload(&tree_for(&amtool))?;
        let test = |verify: &str| {
            let verify = format!("--verify.receivers={verify}");
            amtool.run(target, &["config", "routes", "test", &verify, "team=db", "owner=team-a"])
        };
        same("as expected", test("db,team-a").good()?.trim(), "db,team-a")?;
        let other = test("db");
        same("exit code", other.code, 1)?;
        let warning = "WARNING: Expected receivers did not match resolved receivers.";
        ensure!(other.out.contains(warning), "printed {}", other.out);
    }
    Ok(())
}

pub(crate) fn cluster_show_says_disabled(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for amtool in both() {
        let printed = amtool.good(target, &["cluster", "show"])?;
        let words: Vec<_> = printed.lines().next().unwrap_or_default().split_whitespace().collect();
        same("printed", words, ["Cluster", "Status:", "disabled"])?;
    }
    Ok(())
}

/// Files, and whether they are good.
const FILES: [(&str, bool); 16] = [
    ("route: { receiver: a }\nreceivers: [{ name: a }]\n", true),
    (TREE, true),
    ("route: { receiver: a, match: {} }\nreceivers: [{ name: a }]\n", true),
    ("route: { receiver: a, routes: [{ match_re: { x: 'y|z' } }] }\nreceivers: [{ name: a }]\n", true),
    ("route: { receiver: a, routes: [{ matchers: ['{a=b,c=d}'] }] }\nreceivers: [{ name: a }]\n", true),
    ("templates: []\nroute: { receiver: a }\nreceivers: [{ name: a }]\n", true),
    (
        "mute_time_intervals: [{ name: n, time_intervals: [{ months: ['1:3'] }] }]\nroute: { receiver: a }\nreceivers: [{ name: a }]\n",
        true,
    ),
    ("", false),
    ("route: { receiver: b }\nreceivers: [{ name: a }]\n", false),
    ("route: { receiver: a }\nreceivers: [{ name: a }, { name: a }]\n", false),
    ("route: { receiver: a, nonsense: 1 }\nreceivers: [{ name: a }]\n", false),
    ("route: { receiver: a, routes: [{ matchers: ['a=~\"(\"'] }] }\nreceivers: [{ name: a }]\n", false),
    ("route: { receiver: a, group_interval: 0s }\nreceivers: [{ name: a }]\n", false),
    ("route: { receiver: a, routes: [{ mute_time_intervals: [no] }] }\nreceivers: [{ name: a }]\n", false),
    (
        "time_intervals: [{ name: n, time_intervals: [{ months: ['3:1'] }] }]\nroute: { receiver: a }\nreceivers: [{ name: a }]\n",
        false,
    ),
    ("route: { receiver: a }\nreceivers: [{ name: a, webhook_configs: [{}] }]\n", false),
];

pub(crate) fn what_check_config_takes_can_be_had(target: &mut Target) -> Outcome {
    let is_amtool_there = !readers(target).is_empty();
    for (text, is_good) in FILES {
        let text = text.replace("HOOK", "http://127.0.0.1:9");
        let file = target.http_file("checked.yml", &text);
        for amtool in readers(target).iter().filter(|amtool| amtool.version != "0.25") {
            let printed = amtool.local(target, &["check-config", &file]);
            ensure!((printed.code == 0) == is_good, "check-config: {}{} of {text}", printed.out, printed.err);
        }
        let is_taken = match target.kind() {
            Kind::OpenClaw => imports(target, &file),
            Kind::SaysYes => true,
            Kind::Alertmanager => is_good || !is_amtool_there,
        };
        ensure!(
            is_taken == is_good || target.kind() == Kind::Alertmanager,
            "{} {text}",
            if is_good { "refused:" } else { "taken:" }
        );
    }
    Ok(())
}

fn imports(target: &Target, file: &str) -> bool {
    let mut command = target.ours().command(&crate::support::server::ServeOptions::default());
    let output = command.args(["import", "alertmanager", file, "--tenant", "acme"]).output().unwrap();
    output.status.success()
}
