//! Models that set clients' limits: published, promoted, rolled back.

use crate::support::server::SILENT;
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
