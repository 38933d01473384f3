//! Models that set clients' limits: published, promoted, rolled back.

use crate::support::server::{SILENT, ServeOptions};
use crate::support::{Folder, until};
use openclaw_admission::Weights;
use openclaw_alert::Timestamp;
use openclaw_learning::artifact::Model;
use serde_json::Value;

const NAME: &str = "model-20260101";

fn publish(folder: &Folder, name: &str) {
    let weights = Weights::Linear { weight: [[0.0; 10]; 2], bias: [3.0; 2] };
    let made = Timestamp::from_secs(1_767_225_600);
    let model = Model::foreign(name.parse().unwrap(), made, weights).unwrap();
    let files = folder.path().join("made");
    std::fs::create_dir_all(&files).unwrap();
    model.save(&files).unwrap();
    folder.run(&["model", "push", files.join(format!("{name}.json")).to_str().unwrap()]);
}

fn audit(folder: &Folder) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.path().join("data/audit.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_model_is_promoted_and_rolled_back_by_operators_alone() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let (key, operator) = (folder.full_key("acme"), folder.operator_key());
    publish(&folder, NAME);
    let server = folder.serve();
    let get = || server.get("/api/v1/models", &operator).expect(200).json();
    let promote = format!("/api/v1/models/{NAME}/promote");
    assert_eq!(server.get("/api/v1/models", &key).status, 403);
    assert_eq!(server.post(&promote, &key, "").status, 403);
    assert_eq!(server.post("/api/v1/models/rollback", &key, "").status, 403);
    assert_eq!((&get()["running"], &get()["published"][0]), (&"plain".into(), &NAME.into()));
    // Begun with by itself, then promoted.
    until("the model is in shadow", || get()["rollout"]["stage"] == "shadow");
    let told = server.post(&promote, &operator, "").expect(200).json();
    assert_eq!(
        (&told["running"], &told["serving"], &told["rollout"]),
        (&NAME.into(), &NAME.into(), &Value::Null)
    );
    assert_eq!(server.post(&promote, &operator, "").status, 409);
    assert_eq!(server.post("/api/v1/models/model-20250101/promote", &operator, "").status, 404);
    assert_eq!(server.post("/api/v1/models/other/promote", &operator, "").status, 404);
    let metrics = server.get("/metrics", &operator).expect(200).text();
    assert!(
        metrics.contains(&format!(r#"openclaw_model_info{{version="{NAME}",stage="serving"}} 1"#)),
        "{metrics}"
    );
    folder.run(&["model", "rollback", "--by", "ann"]);
    assert_eq!(get()["running"], "plain");
    assert_eq!(server.post("/api/v1/models/rollback", &operator, "").status, 409);
    let did: Vec<_> = audit(&folder).iter().map(|line| line["what"].as_str().unwrap().to_owned()).collect();
    assert_eq!(did, ["model.shadow", "model.promote", "model.rollback"]);
    assert_eq!(audit(&folder)[2]["who"], "ann");
    assert!(audit(&folder)[1]["who"].as_str().unwrap().starts_with("key "));
}

#[test]
fn in_git_the_api_changes_nothing() {
    const GITOPS: &str = "listen: { http: \"127.0.0.1:0\" }\nrollout: { mode: gitops, file: model.yaml, steps: [10, 100], hold: 5m }\n";
    let folder = Folder::with_service(GITOPS, &[("acme", SILENT)]);
    let operator = folder.operator_key();
    publish(&folder, NAME);
    std::fs::write(folder.path().join("model.yaml"), format!("version: {NAME}\n")).unwrap();
    let server = folder.serve();
    assert_eq!(server.get("/api/v1/models", &operator).expect(200).json()["mode"], "gitops");
    assert_eq!(server.post(&format!("/api/v1/models/{NAME}/promote"), &operator, "").status, 409);
    assert_eq!(server.post("/api/v1/models/rollback", &operator, "").status, 409);
    // The file does.
    until("the model is in shadow", || {
        server.get("/api/v1/models", &operator).expect(200).json()["rollout"]["candidate"] == NAME
    });
}

/// Runs `git` where a repository of a team is.
fn git(folder: &Folder, arguments: &[&str]) -> String {
    let output =
        std::process::Command::new("git").args(arguments).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_commit_runs_a_model_and_a_rollback_is_committed() {
    const GITOPS: &str = "listen: { http: \"127.0.0.1:0\" }\n\
        rollout: { mode: gitops, gitops: { remote: team.git, path: environments/prod/model.yaml, poll: 1s } }\n";
    let folder = Folder::with_service(GITOPS, &[("acme", SILENT)]);
    let operator = folder.operator_key();
    git(&folder, &["init", "--quiet", "--bare", "--initial-branch=main", "team.git"]);
    publish(&folder, NAME);
    let server = folder.serve();
    let get = || server.get("/api/v1/models", &operator).expect(200).json();
    until("the file is missed", || get()["gitops"]["not_followed"].is_string());
    let said = folder.run(&["model", "commit", NAME]);
    assert!(said.starts_with(&format!("{NAME}: committed to ")), "{said}");
    until("the model is in shadow", || get()["rollout"]["candidate"] == NAME);
    assert_eq!(server.post(&format!("/api/v1/models/{NAME}/promote"), &operator, "").status, 409);
    let told = server.post("/api/v1/models/rollback", &operator, "").expect(200).json();
    assert_eq!((&told["rollout"], &told["running"]), (&Value::Null, &"plain".into()));
    let subject = || git(&folder, &["-C", "team.git", "log", "-1", "--format=%s", "main"]);
    until("it is committed", || subject().trim() == format!("Go back to plain: {NAME} was taken back"));
    until("the file is followed", || get()["gitops"]["left_out"] == serde_json::json!([]));
    let file = git(&folder, &["-C", "team.git", "show", "main:environments/prod/model.yaml"]);
    assert!(file.contains("version: plain\n") && file.contains(&format!("previous: {NAME}\n")), "{file}");
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
    let left: Vec<_> = std::fs::read_dir(folder.path().join("data/models")).unwrap().flatten().collect();
    assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().starts_with("git")), "{left:?}");
}

/// A program in place of `ssh`, which runs what it is told to on this machine.
#[test]
fn over_ssh_with_a_key_that_nobody_sees() {
    use std::os::unix::fs::PermissionsExt as _;
    const GITOPS: &str = "listen: { http: \"127.0.0.1:0\" }\n\
        rollout:\n  mode: gitops\n  gitops:\n    remote: ssh://git@git.example.com/team.git\n    path: model.yaml\n\
        \x20   ssh_key: { file: key }\n    known_hosts: hosts\n";
    const SSH: &str = "#!/bin/sh\ncd \"$(dirname \"$0\")/..\" || exit 1\nprintf '%s\\n' \"$@\" >>asked\n\
        while [ \"$1\" != git@git.example.com ]; do [ \"$1\" = -i ] && stat -c '%a' \"$2\" >>asked && cat \"$2\" >>key-seen; shift; done\n\
        eval \"$(echo \"$2\" | sed \"s|'/|'|\")\"\n";
    let folder = Folder::with_service(GITOPS, &[("acme", SILENT)]);
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("key"), "-----BEGIN OPENSSH PRIVATE KEY-----\ns3cret\n-----END\n").unwrap();
    std::fs::write(at("hosts"), "git.example.com ssh-ed25519 AAAA\n").unwrap();
    std::fs::create_dir(at("bin")).unwrap();
    std::fs::write(at("bin/ssh"), SSH).unwrap();
    std::fs::set_permissions(at("bin/ssh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    git(&folder, &["init", "--quiet", "--bare", "--initial-branch=main", "team.git"]);
    publish(&folder, NAME);
    let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap());
    let output = folder
        .command(&ServeOptions::default().variable("PATH", path))
        .args(["model", "commit", NAME])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(git(&folder, &["-C", "team.git", "show", "main:model.yaml"]).contains(NAME));
    let asked = std::fs::read_to_string(at("asked")).unwrap();
    assert!(asked.contains("StrictHostKeyChecking=yes\n") && asked.contains("\n600\n"), "{asked}");
    assert!(!asked.contains("s3cret") && !said.contains("s3cret"));
    let key = std::fs::read_to_string(at("key-seen")).unwrap();
    assert!(key.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\ns3cret\n-----END\n"), "{key}");
}
