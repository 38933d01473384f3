//! The command line as its users see it: exit status and both outputs.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const TENANT: &str = "tenant: acme\nreceivers: [{ name: ops }]\nroute: { receiver: ops }\n";

/// A folder with an empty main file and one tenant.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tenants")).unwrap();
    fs::write(folder.path().join("openclaw.yaml"), "").unwrap();
    fs::write(folder.path().join("tenants/acme.yaml"), TENANT).unwrap();
    folder
}

struct Ran {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> serde_json::Value {
        assert_eq!((self.status, self.stderr.as_str()), (Some(0), ""));
        serde_json::from_str(&self.stdout).unwrap()
    }

    fn text(&self) -> String {
        let Self { status, stdout, stderr } = self;
        format!("status: {}\n--- stdout\n{stdout}--- stderr\n{stderr}", status.unwrap_or(-1))
    }
}

fn openclaw(folder: &Path, arguments: &[&str], input: &str, variables: &[(&str, &str)]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_openclaw"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Most commands end without reading, which breaks the pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run(folder: &TempDir, arguments: &str) -> Ran {
    openclaw(folder.path(), &arguments.split_whitespace().collect::<Vec<_>>(), "", &[])
}

fn snapshot(name: &str, ran: &Ran) {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.add_filter(r"\boc[0-9A-Za-z]{30}\b", "<key>");
    settings.add_filter(r"\boc[0-9A-Za-z]{8}\b", "<key-id>");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>");
    settings.bind(|| insta::assert_snapshot!(name, ran.text()));
}

#[test]
fn every_help_shows_an_example() {
    let folder = folder();
    let commands = [
        "demo",
        "serve",
        "check",
        "schema",
        "import alertmanager",
        "tenant add",
        "tenant list",
        "tenant remove",
        "tenant key add",
        "tenant key list",
        "tenant key revoke",
        "score",
        "passthrough",
        "route test",
        "replay",
        "compare",
        "model push",
        "model pull",
        "model list",
        "model inspect",
    ];
    for command in commands {
        let ran = run(&folder, &format!("{command} --help"));
        assert_eq!(ran.status, Some(0));
        assert!(ran.stdout.contains("\nExample: "), "{command}");
        assert!(ran.stdout.contains(&format!("openclaw {command}")), "{command}");
    }
    snapshot("help", &run(&folder, "--help"));
}

#[test]
fn wrong_usage_is_2() {
    let folder = folder();
    for arguments in [
        "",
        "chek",
        "check --confg x",
        "import alertmanager x.yml",
        "import alertmanager x.yml --tenant Bad/Name",
        "tenant add",
        "tenant add Bad/Name",
        "tenant remove",
        "tenant remove acme --within soon",
        "tenant remove acme --within 31d",
        "tenant key add acme",
        "tenant key add acme --scopes admin",
        "tenant key add acme --scopes read --name a/b",
        "tenant key revoke acme",
        "serve --role captain",
        "score --output yaml",
        "passthrough --tenant Bad/Name",
        "route test --tenant acme nolabel",
        "route test --tenant acme --score 2",
        "route test --tenant acme --cases - a=b",
        "replay --tenant acme",
        "compare --tenant acme --alertmanager http://x --for 0s",
    ] {
        let ran = run(&folder, arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(2), ""), "{arguments}");
    }
    snapshot("wrong_scope", &run(&folder, "tenant key add acme --scopes ingest,admin"));
}

#[test]
fn check_says_what_is_valid_and_what_is_not() {
    let folder = folder();
    snapshot("check", &run(&folder, "check"));
    snapshot("check_json", &run(&folder, "check --output json"));
    fs::write(folder.path().join("tenants/acme.yaml"), "tenant: acme\nrout: {}\n").unwrap();
    snapshot("check_faults", &run(&folder, "check"));
    snapshot("check_faults_json", &run(&folder, "check --output json"));
    snapshot("check_no_file", &run(&folder, "check --config elsewhere/openclaw.yaml"));
}

#[test]
fn relative_paths_start_at_the_settings_file() {
    let folder = folder();
    let from_elsewhere = folder.path().join("tenants");
    let arguments = ["tenant", "key", "add", "acme", "--scopes", "read", "--config", "../openclaw.yaml"];
    assert_eq!(openclaw(&from_elsewhere, &arguments, "", &[]).status, Some(0));
    assert!(folder.path().join("data/state.db").exists());
}

#[test]
fn schemas_describe_both_files() {
    let folder = folder();
    snapshot("schema_service", &run(&folder, "schema"));
    snapshot("schema_tenant", &run(&folder, "schema tenant"));
}

#[test]
fn an_own_template_is_checked_before_anything_is_written() {
    let folder = folder();
    let write = |text: &str| fs::write(folder.path().join("own.yaml"), text).unwrap();
    write("tenant: NAME\nreceivers: [{ name: NAME-ops }]\nroute: { receiver: nobody }\n");
    snapshot("tenant_add_bad_template", &run(&folder, "tenant add globex --template own.yaml"));
    assert!(!folder.path().join("tenants/globex.yaml").exists() && !folder.path().join("data").exists());
    write("tenant: NAME\nreceivers: [{ name: NAME-ops }]\nroute: { receiver: NAME-ops }\n");
    assert_eq!(run(&folder, "tenant add globex --template own.yaml").status, Some(0));
    let written = fs::read_to_string(folder.path().join("tenants/globex.yaml")).unwrap();
    assert!(written.contains("name: globex-ops"), "{written}");
    snapshot("tenant_add_no_template", &run(&folder, "tenant add initech --template elsewhere"));
}

#[test]
fn removals_are_asked_for_and_listed() {
    let folder = folder();
    assert_eq!(run(&folder, "tenant key add acme --scopes read").status, Some(0));
    snapshot("tenant_remove", &run(&folder, "tenant remove acme --erase"));
    assert!(!folder.path().join("tenants/acme.yaml").exists());
    snapshot("tenant_list_removed", &run(&folder, "tenant list"));
    snapshot("tenant_list_removed_json", &run(&folder, "tenant list --output json"));
    snapshot("tenant_add_being_removed", &run(&folder, "tenant add acme"));
    assert_eq!(run(&folder, "tenant add globex").status, Some(0));
    fs::create_dir(folder.path().join("tenants/initech")).unwrap();
    let own = TENANT.replace("acme", "initech");
    fs::write(folder.path().join("tenants/initech/tenant.yaml"), own).unwrap();
    snapshot("tenant_remove_and_keep", &run(&folder, "tenant remove globex"));
    assert_eq!(run(&folder, "tenant remove initech").status, Some(0));
    assert!(folder.path().join("tenants/initech.removed/tenant.yaml").exists());
    assert_eq!(run(&folder, "check").status, Some(0), "what was put away is no tenant");
    snapshot("tenant_remove_unknown", &run(&folder, "tenant remove hooli"));
}

#[test]
fn each_template_is_valid_and_has_a_key() {
    for template in ["observe", "enforce", "slack", "servicenow", "pagerduty"] {
        let folder = folder();
        let ran = run(&folder, &format!("tenant add globex --template {template} --output json"));
        let added = ran.json();
        assert_eq!(added["file"], "tenants/globex.yaml");
        assert_eq!(added["key"]["scopes"], serde_json::json!(["ingest", "read", "respond"]));
        assert_eq!(added["key"]["key"].as_str().unwrap().len(), 32);
        for secret in ["slack-token", "servicenow-password", "pagerduty-key"] {
            fs::write(folder.path().join(format!("tenants/globex.{secret}")), "0".repeat(32)).unwrap();
        }
        let checked = run(&folder, "check --output json").json();
        assert_eq!(checked["tenants"], serde_json::json!(["acme", "globex"]));
        assert!(fs::read_dir(folder.path().join("tenants")).unwrap().count() == 5, "nothing is left over");
    }
}

#[test]
fn tenants_are_added_once_and_listed() {
    let folder = folder();
    snapshot("tenant_add", &run(&folder, "tenant add globex"));
    snapshot("tenant_add_again", &run(&folder, "tenant add globex"));
    snapshot("tenant_list", &run(&folder, "tenant list"));
    snapshot("tenant_list_json", &run(&folder, "tenant list --output json"));
}

#[test]
fn a_first_tenant_makes_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("openclaw.yaml"), "").unwrap();
    assert_eq!(run(&folder, "tenant add globex").status, Some(0));
    assert_eq!(run(&folder, "check").status, Some(0));
}

#[test]
fn keys_are_added_listed_and_revoked() {
    let folder = folder();
    snapshot("key_add", &run(&folder, "tenant key add acme --scopes read,ingest"));
    let second = run(&folder, "tenant key add acme --scopes ingest,read --output json").json();
    snapshot("key_add_third", &run(&folder, "tenant key add acme --scopes ingest,read"));
    run(&folder, "tenant key add acme --scopes limit --name gateway").text();
    let revoke = format!("tenant key revoke {}", second["id"].as_str().unwrap());
    snapshot("key_revoke", &run(&folder, &revoke));
    snapshot("key_list", &run(&folder, "tenant key list acme"));
    snapshot("key_list_json", &run(&folder, "tenant key list acme --output json"));
    snapshot("key_revoke_unknown", &run(&folder, "tenant key revoke ocAAAAAAAA"));
    let leaked = run(&folder, &format!("tenant key revoke {}", second["key"].as_str().unwrap()));
    assert_eq!(leaked.stdout, format!("key {} no longer works\n", second["id"].as_str().unwrap()));
    snapshot("key_add_unknown_tenant", &run(&folder, "tenant key add hooli --scopes read"));
}

#[test]
fn operators_have_keys_of_no_tenant() {
    let folder = folder();
    let added = run(&folder, "tenant key add --scopes operator,read --output json").json();
    assert_eq!(added["tenant"], serde_json::Value::Null);
    assert_eq!(run(&folder, "tenant key list --output json").json().as_array().unwrap().len(), 1);
    snapshot("key_add_no_operator", &run(&folder, "tenant key add --scopes read"));
}

#[test]
fn a_key_file_holds_the_key_for_its_owner_alone() {
    let folder = folder();
    let add = "tenant key add acme --scopes read --key-file key";
    let ran = run(&folder, add);
    let path = folder.path().join("key");
    let key = fs::read_to_string(&path).unwrap();
    assert_eq!((key.trim_end().len(), key.len()), (32, 33));
    assert!(!ran.text().contains(key.trim_end()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    snapshot("key_file", &ran);
    snapshot("key_file_again", &run(&folder, add));
    assert_eq!(fs::read_to_string(&path).unwrap(), key);
    assert_eq!(run(&folder, "tenant key list acme --output json").json().as_array().unwrap().len(), 1);
}

#[test]
fn no_key_leaves_no_key_file() {
    let folder = folder();
    let add = "tenant key add acme --scopes read";
    assert_eq!((run(&folder, add).status, run(&folder, add).status), (Some(0), Some(0)));
    assert_eq!(run(&folder, &format!("{add} --key-file key")).status, Some(1));
    assert!(!folder.path().join("key").exists());
}

#[test]
fn score_explains_itself() {
    let folder = folder();
    let alert = r#"{"labels": {"alertname": "DiskFull", "severity": "critical"}, "startsAt": "2026-03-01T12:00:00Z"}"#;
    let score = |arguments: &[&str], input: &str, variables: &[(&str, &str)]| {
        openclaw(folder.path(), arguments, input, variables)
    };
    let text = score(&["score"], alert, &[]).text();
    let firsts: Vec<_> = text.lines().skip(2).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        firsts[1..8],
        ["base", "severity", "source_reliability", "response_time", "recurrence", "novelty", "similarity"]
    );
    assert!(text.contains("  page  {alertname=\"DiskFull\", severity=\"critical\"}\n"), "{text}");
    let one = score(&["rate", "--output", "json"], alert, &[]).json();
    let sum: f64 = one["factors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|factor| factor["contribution"].as_f64().unwrap())
        .sum();
    assert!((one["score"].as_f64().unwrap() - 1.0 / (1.0 + (-sum).exp())).abs() < 1e-6);
    assert_eq!((&one["decision"], &one["threshold"]), (&"page".into(), &0.75.into()));
    let strict = score(&["score", "--output", "json"], alert, &[("RATING_THRESHOLD", "0.99")]).json();
    assert_eq!((&strict["decision"], &strict["score"]), (&"digest".into(), &one["score"]));
    let many = score(&["score", "--output", "json"], &format!("[{alert}, {alert}]"), &[]).json();
    assert_eq!(many, serde_json::json!([one, one]));
    assert_eq!(score(&["score", "--output", "json"], "[]", &[]).json(), serde_json::json!([]));
    assert_eq!(
        score(&["score", "--output", "json"], &format!("[{alert}]"), &[]).json(),
        serde_json::json!([one])
    );
}

#[test]
fn score_refuses_what_is_no_alert() {
    let folder = folder();
    for (name, input) in [
        ("score_not_json", "{"),
        ("score_no_labels", r#"{"alertname": "A"}"#),
        ("score_empty_labels", r#"[{"labels": {"a": "b"}}, {"labels": {"a": ""}}]"#),
        ("score_number", r#"{"labels": {"a": 3}}"#),
        ("score_bad_time", r#"{"labels": {"a": "b"}, "startsAt": "yesterday"}"#),
    ] {
        snapshot(name, &openclaw(folder.path(), &["score"], input, &[]));
    }
    snapshot("score_threshold", &openclaw(folder.path(), &["score"], "[]", &[("RATING_THRESHOLD", "high")]));
    let long = " ".repeat((8 << 20) + 1);
    snapshot("score_too_long", &openclaw(folder.path(), &["score"], &long, &[]));
}
