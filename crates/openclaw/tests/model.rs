//! `openclaw model`, as its users see it.

use openclaw_admission::Weights;
use openclaw_alert::Timestamp;
use openclaw_learning::artifact::{Card, FeatureBaseline, Model, TrainingData};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A folder with a settings file and a trained model's files.
fn folder(settings: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tenants")).unwrap();
    fs::write(folder.path().join("openclaw.yaml"), settings).unwrap();
    let values: Vec<f32> = (0..1000).map(|at| at as f32 / 100.0 - 5.0).collect();
    let data = TrainingData {
        from: Timestamp::from_secs(1_792_713_600),
        to: Timestamp::from_secs(1_795_305_600),
        rows: 7_200_000,
        clients: 10_000,
        tenants: 12,
        baseline: vec![FeatureBaseline::of(&values).unwrap(); 10],
    };
    let name = "model-20261122".parse().unwrap();
    let card = Card {
        data: Some(data),
        seed: Some(7),
        metrics: [("coverage_rate".to_owned(), 0.9903)].into(),
        git_revision: Some("6a0674b".to_owned()),
        ..Card::new(name, Timestamp::from_secs(1_795_305_600), [0.99; 2])
    };
    let weights = Weights::Linear { weight: [[0.25; 10], [-0.5; 10]], bias: [1.0, 2.0] };
    Model::new(card, weights).unwrap().save(&folder.path().join("trained")).unwrap();
    folder
}

fn run(folder: &Path, arguments: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_openclaw"))
        .arg("model")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let status = output.status.code().unwrap_or(-1);
    format!("$ openclaw model {arguments}\n{}{}[{status}]\n", text(&output.stdout), text(&output.stderr))
}

fn check(name: &str, told: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.add_filter(r"\b[0-9a-f]{32}\b", "<key>");
    // As wide as it is old.
    settings.add_filter(r"(model-2026\S+ +)\d+\w+ +", "$1<age> ");
    settings.add_filter(r"\bAGE +", "AGE ");
    settings.bind(|| insta::assert_snapshot!(name, told));
}

#[test]
fn a_model_goes_there_and_back() {
    let folder = folder("");
    let commands = [
        "list",
        "push trained/model-20261122.safetensors",
        "push trained/model-20261122.json --output json",
        "list",
        "list --output json",
        "inspect model-20261122",
        "pull model-20261122 --to back",
        "inspect back/model-20261122.pt",
        "pull model-20261122 --digest sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "pull model-20261123",
    ];
    let told: String = commands.iter().map(|command| run(folder.path(), command)).collect();
    check("there_and_back", &told);
    for file in ["model-20261122.safetensors", "model-20261122.pt", "model-20261122.json"] {
        let (there, back) = (folder.path().join("trained").join(file), folder.path().join("back").join(file));
        assert_eq!(fs::read(there).unwrap(), fs::read(back).unwrap());
    }
    let key = fs::metadata(folder.path().join("data/model-signing-key.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[test]
fn models_of_others_are_taken_or_refused() {
    let folder = folder("");
    let path = |name: &str| folder.path().join(name);
    fs::copy(path("trained/model-20261122.pt"), path("theirs.pt")).unwrap();
    fs::write(path("broken.pt"), "PK nothing").unwrap();
    fs::write(path("notes.txt"), "").unwrap();
    let commands = [
        "push theirs.pt --name model-20261201",
        "inspect model-20261201 --output json",
        "push broken.pt",
        "push notes.txt",
        "push missing.pt",
        "push model-20260101",
        "push theirs.pt --name latest",
    ];
    let told: String = commands.iter().map(|command| run(folder.path(), command)).collect();
    // Their model gets a card of this moment, and so a digest of its own.
    let told = told.lines().map(|line| match line.trim_start() {
        line if line.starts_with("\"created_at\"") => "    \"created_at\": <time>\n".to_owned(),
        line if line.starts_with("model-20261201 sha256:") => {
            "model-20261201 <its digest> signed by <key>\n".to_owned()
        }
        _ => format!("{line}\n"),
    });
    let told: String = told.filter(|line| !line.contains("\"digest\"")).collect();
    check("of_others", &told);
}

/// Who trusts other keys neither loads what this one signed nor pushes with it.
#[test]
fn keys_of_others_count_where_they_are_configured() {
    let folder = folder("");
    run(folder.path(), "push trained/model-20261122.pt");
    let theirs = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    fs::write(folder.path().join("theirs.pem"), theirs).unwrap();
    let settings = "models: { verify: { keys: [ { file: theirs.pem } ] } }\n";
    fs::write(folder.path().join("openclaw.yaml"), settings).unwrap();
    let commands = ["list", "pull model-20261122", "push trained/model-20261122.pt"];
    check("other_keys", &commands.iter().map(|command| run(folder.path(), command)).collect::<String>());
}

#[test]
fn reading_makes_no_key_and_a_card_has_its_own_name() {
    let folder = folder("");
    let list = run(folder.path(), "list");
    assert!(list.contains("there are no models yet"), "{list}");
    assert!(run(folder.path(), "pull model-20261122").contains("there is no model"));
    assert!(!folder.path().join("data/model-signing-key.pem").exists());
    let push = run(folder.path(), "push trained/model-20261122.json --name model-20261123");
    assert!(push.contains("`model-20261122` has a card") && push.ends_with("[1]\n"), "{push}");
    let push = run(folder.path(), "push trained/model-20261122.json --name model-20261122");
    assert!(push.ends_with("[0]\n"), "{push}");
    assert!(run(folder.path(), "commit model-20261122").contains("no repository says which model runs"));
}

#[test]
fn faults_of_a_place_in_git_are_told_all_at_once() {
    let settings = "rollout:\n  mode: gitops\n  max_hold: 1s\n  gitops:\n    remote: https://me:s3cret@git.example.com/x\n    \
        branch: \"-f\"\n    path: ../model.yaml\n    author: me\n    poll: 1ms\n";
    let told = run(folder(settings).path(), "list");
    let ssh = "rollout:\n  mode: gitops\n  file: x\n  gitops:\n    remote: git@git.example.com:x\n    path: m\n    token: t0ken\n";
    let told = told + &run(folder(ssh).path(), "list");
    assert!(!told.contains("s3cret") && !told.contains("t0ken"), "{told}");
    check("faults_of_a_place_in_git", &told);
}
