//! `openclaw route test` as its users see it.

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TENANT: &str = r#"
tenant: acme
rating: { mode: MODE, threshold: 0.5, digest: { receiver: digest, every: 1d } }
receivers: [{ name: ops }, { name: db }, { name: db-lead }, { name: audit }, { name: web }, { name: digest }]
inhibit_rules:
  - source_matchers: ['alertname="ClusterDown"']
    target_matchers: ['severity!="critical"']
    equal: [cluster]
time_intervals:
  - { name: always, time_intervals: [{ times: [{ start_time: "00:00", end_time: "24:00" }] }] }
route:
  receiver: ops
  group_by: [alertname, cluster]
  routes:
    - { matchers: ['env=~"prod.*"'], receiver: audit, continue: true, group_by: ['...'] }
    - matchers: ['team="db"']
      receiver: db
      group_wait: 10s
      routes:
        - { matchers: ['severity="critical"'], receiver: db-lead, repeat_interval: 1h }
    - { matchers: ['team="web"'], receiver: web, mute_time_intervals: [always] }
"#;

fn folder(mode: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tenants")).unwrap();
    fs::write(folder.path().join("openclaw.yaml"), "").unwrap();
    fs::write(folder.path().join("tenants/acme.yaml"), TENANT.replace("MODE", mode)).unwrap();
    folder
}

fn test(mode: &str, arguments: &[&str], input: &str) -> (String, Option<i32>) {
    let folder = folder(mode);
    let mut child = Command::new(env!("CARGO_BIN_EXE_openclaw"))
        .args(["route", "test", "--tenant", "acme"])
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // Whoever fails early reads nothing.
    let writing = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code())
}

#[test]
fn the_path_is_lit_and_each_step_has_a_reason() {
    let labels = ["alertname=Slow", "team=db", "severity=critical", "env=prod-eu", "cluster=a"];
    let (text, status) = test("observe", &labels, "");
    assert_eq!(status, Some(0));
    insta::assert_snapshot!(text, @r#"
    ○ {}                           ops      a route below takes it
    ● ├─ {env=~"prod.*"} continue  audit    takes it
    ○ ├─ {team="db"}               db       a route below takes it
    ● │  └─ {severity="critical"}  db-lead  takes it
    · └─ {team="web"}              web      not looked at

    receivers: audit,db-lead
    score: the tenant observes scores: they are shown and change nothing
    group at `audit`: {}/{env=~"prod.*"}:{alertname="Slow", cluster="a", env="prod-eu", severity="critical", team="db"}
      by [...], wait 30s, interval 5m, repeat 4h
    group at `db-lead`: {}/{team="db"}/{severity="critical"}:{alertname="Slow", cluster="a"}
      by [alertname, cluster], wait 10s, interval 5m, repeat 1h
    "#);
}

#[test]
fn muting_and_inhibition_are_told() {
    let (text, _) = test("observe", &["team=web", "cluster=b"], "");
    insta::assert_snapshot!(text, @r#"
    ○ {}                           ops      a route below takes it
    ✗ ├─ {env=~"prod.*"} continue  audit    no `env`
    ✗ ├─ {team="db"}               db       `team` is "web"
    · │  └─ {severity="critical"}  db-lead  not looked at
    ● └─ {team="web"}              web      takes it

    receivers: web
    score: the tenant observes scores: they are shown and change nothing
    group at `web`: {}/{team="web"}:{cluster="b"}
      by [alertname, cluster], wait 30s, interval 5m, repeat 4h
      muted now by always
    not told while an alert fires that has {alertname="ClusterDown", cluster="b"}
    "#);
}

#[test]
fn a_low_score_waits_for_the_digest_where_scores_are_enforced() {
    let low = ["team=db", "--score", "0.2"];
    let (text, _) = test("enforce", &[&low[..], &["--output", "json"]].concat(), "");
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&told["receivers"], &told["digest"]["receiver"]), (&json!(["digest"]), &json!("digest")));
    let (text, _) = test("enforce", &["team=db", "severity=critical", "--score", "0.2"], "");
    assert!(text.contains("receivers: db-lead\n") && text.contains("always pages"), "{text}");
    let (text, _) = test("observe", &low, "");
    assert!(text.contains("receivers: db\n") && text.contains("change nothing"), "{text}");
    let (text, _) = test("enforce", &["team=db", "--score", "0.5"], "");
    assert!(text.contains("receivers: db\n") && text.contains("it pages"), "{text}");
}

#[test]
fn receivers_are_verified() {
    let verified = |list: &str| test("observe", &["env=prod", "team=web", "--verify.receivers", list], "");
    assert_eq!(verified("web,audit").1, Some(0));
    let (text, status) = verified("web");
    assert_eq!(status, Some(1));
    assert!(text.ends_with("error: the alert reaches `audit,web`, not `web`\n"), "{text}");
}

#[test]
fn many_cases_are_answered_line_by_line() {
    let mut cases = String::new();
    for case in 0..2000 {
        let team = ["db", "web", "x"][case % 3];
        writeln!(cases, r#"{{"labels":{{"team":"{team}","env":"prod","n":"{case}"}},"score":0.5}}"#).unwrap();
    }
    let began = Instant::now();
    let (text, status) = test("observe", &["--cases", "-"], &cases);
    // A second, and some more for a busy machine.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(status, Some(0));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2000);
    let db = json!({ "receivers": ["audit", "db"], "routes": ["{}/{env=~\"prod.*\"}", "{}/{team=\"db\"}"] });
    assert_eq!(lines[0], db);
    assert_eq!(lines[2]["receivers"], json!(["audit"]));
    let (text, status) = test("observe", &["--cases", "-"], "{\"labels\":{\"a\":1}}\n");
    assert_eq!(
        (text.as_str(), status.unwrap()),
        (
            "error: -:1: label `a` is not text\nhint: write `{\"labels\": {\"alertname\": \"…\"}}`, or a list of such\n",
            1
        )
    );
}
