//! An upstream's models on their way to its edge.

use crate::load::{Connects, Load};
use crate::support::server::{SILENT, ServeOptions, Server};
use crate::support::{Folder, Request, pause, until};
use openclaw_admission::Weights;
use openclaw_alert::Timestamp;
use openclaw_learning::artifact::Model;
use openclaw_learning::publish::{SIGNING_KEY_FILE, SigningKey};
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

const FIRST: &str = "model-20260101";
const SECOND: &str = "model-20260102";

fn publish(folder: &Folder, name: &str) {
    let weights = Weights::Linear { weight: [[0.0; 10]; 2], bias: [3.0; 2] };
    let model = Model::foreign(name.parse().unwrap(), Timestamp::from_secs(1_767_225_600), weights).unwrap();
    let files = folder.path().join("made");
    std::fs::create_dir_all(&files).unwrap();
    model.save(&files).unwrap();
    folder.run(&["model", "push", files.join(format!("{name}.json")).to_str().unwrap()]);
}

fn edge(upstream: &str, upstream_key: &str, signed_by: &Path) -> Folder {
    let service = format!(
        "listen: {{ http: \"127.0.0.1:0\" }}\n\
         edge: {{ upstream: {{ url: \"{upstream}\", key: {{ file: upstream.key }} }} }}\n\
         models: {{ verify: {{ keys: [{{ file: models.pub }}] }} }}\n"
    );
    let folder = Folder::with_service(&service, &[("acme", SILENT)]);
    std::fs::write(folder.path().join("upstream.key"), upstream_key).unwrap();
    let public = SigningKey::load_or_create(signed_by).unwrap().public().to_pem();
    std::fs::write(folder.path().join("models.pub"), public).unwrap();
    folder
}

fn serve(folder: &Folder) -> Server {
    folder.serve_with(&ServeOptions::default().argument("--role").argument("edge"))
}

fn has(server: &Server, operator: &str, version: &str, stage: &str) -> bool {
    let metrics = server.get("/metrics", operator).expect(200).text();
    metrics.contains(&format!("openclaw_model_info{{version=\"{version}\",stage=\"{stage}\"}} 1"))
}

#[test]
fn an_edge_has_its_upstreams_models_and_never_misses_a_decision() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let service = format!(
        "listen: {{ http: \"127.0.0.1:{port}\", grpc: \"127.0.0.1:0\" }}\n\
         journal: {{ embedded: {{ segment_bytes: 1MiB, reserve_bytes: 1MiB }} }}\n\
         rollout: {{ steps: [10, 100], hold: 5m }}\n"
    );
    let upstream = Folder::with_service(&service, &[("acme", SILENT)]);
    let operator = upstream.operator_key();
    publish(&upstream, FIRST);
    let up = upstream.serve();
    let folder = edge(
        &format!("http://127.0.0.1:{port}"),
        &operator,
        &upstream.path().join("data").join(SIGNING_KEY_FILE),
    );
    let (key, own_operator) = (folder.key("acme", "limit"), folder.operator_key());
    let server = serve(&folder);
    let seed = |folder: &Folder| std::fs::read(folder.path().join("data/limits.seed")).unwrap();
    assert_eq!(seed(&folder), seed(&upstream), "a client has the same arm in both");
    until("it is in shadow", || has(&server, &own_operator, FIRST, "shadow"));

    let rate = || Request::get("/api/v1/rate?client=c&cost=0").key(&key);
    let load = Load::start(server.address, vec![(Connects::Kept, rate()), (Connects::Anew, rate())]);
    let began = Instant::now();
    up.post(&format!("/api/v1/models/{FIRST}/promote"), &operator, "").expect(200);
    until("it serves", || has(&server, &own_operator, FIRST, "serving"));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    publish(&upstream, SECOND);
    until("the next is in shadow", || has(&server, &own_operator, SECOND, "shadow"));
    up.post("/api/v1/models/rollback", &operator, "").expect(200);
    until("it is no more", || !has(&server, &own_operator, SECOND, "shadow"));
    assert!(has(&server, &own_operator, FIRST, "serving"));
    up.post(&format!("/api/v1/models/{SECOND}/promote"), &operator, "").expect(200);
    until("the next serves", || has(&server, &own_operator, SECOND, "serving"));
    let before = folder.path().join(format!("data/models/followed/{FIRST}.json"));
    assert!(before.exists(), "what is gone back to stays");
    let index = upstream.path().join("data/models/index.json");
    std::fs::rename(&index, index.with_extension("away")).unwrap();
    up.post("/api/v1/models/rollback", &operator, "").expect(200);
    until("it goes back without the registry", || has(&server, &own_operator, FIRST, "serving"));
    std::fs::rename(index.with_extension("away"), &index).unwrap();
    up.kill();
    pause(Duration::from_secs(3));
    let totals = load.stop();
    assert!(totals.failed.is_empty() && totals.answered > 100, "{totals:?}");
    assert!(has(&server, &own_operator, FIRST, "serving"));

    let log = server.stop();
    assert!(!log.contains(&operator), "{log}");
    let again = serve(&folder);
    assert!(has(&again, &own_operator, FIRST, "serving"), "without its upstream it has the last");
    again.get("/api/v1/rate?client=c", &key).expect(200);
    let up = upstream.serve();
    up.post("/api/v1/models/rollback", &operator, "").expect(200);
    until("it is taken back", || !has(&again, &own_operator, FIRST, "serving"));
    again.stop();
    up.stop();
}

#[test]
fn an_edge_believes_its_own_keys_and_not_its_upstream() {
    let upstream = Folder::new(&[("acme", SILENT)]);
    let (operator, key) = (upstream.operator_key(), upstream.full_key("acme"));
    publish(&upstream, FIRST);
    let up = upstream.serve();
    for path in ["/api/v1/models/running".to_owned(), format!("/api/v1/models/{FIRST}/bundle")] {
        assert_eq!(up.get(&path, &key).status, 403, "tenants don't have it");
        up.get(&path, &operator).expect(200);
    }
    let others = tempfile::tempdir().unwrap();
    let folder = edge(&format!("http://{}", up.address), &operator, &others.path().join("key"));
    let own_operator = folder.operator_key();
    up.post(&format!("/api/v1/models/{FIRST}/promote"), &operator, "").expect(200);
    let server = serve(&folder);
    until("it is refused", || server.log().contains("no valid signature by a trusted key"));
    assert!(!has(&server, &own_operator, FIRST, "serving"));
    server.stop();
    up.stop();
}

#[test]
fn what_runs_waits_for_no_model_on_its_way() {
    let upstream = Folder::new(&[("acme", SILENT)]);
    let operator = upstream.operator_key();
    publish(&upstream, FIRST);
    let up = upstream.serve();
    up.post(&format!("/api/v1/models/{FIRST}/promote"), &operator, "").expect(200);
    publish(&upstream, SECOND);
    until("the next is in shadow", || has(&up, &operator, SECOND, "shadow"));
    forget(&upstream.path().join("data/models/index.json"), SECOND);
    let signed_by = upstream.path().join("data").join(SIGNING_KEY_FILE);
    let folder = edge(&format!("http://{}", up.address), &operator, &signed_by);
    let own_operator = folder.operator_key();
    let server = serve(&folder);
    until("it serves", || has(&server, &own_operator, FIRST, "serving"));
    pause(Duration::from_secs(5));
    assert!(!has(&server, &own_operator, SECOND, "shadow"));
    let log = server.stop();
    assert_eq!(log.matches("can't be had").count(), 1, "{log}");
    up.stop();
}

/// Takes a model out of a folder of models.
fn forget(index: &Path, name: &str) {
    let mut read: Value = serde_json::from_slice(&std::fs::read(index).unwrap()).unwrap();
    let others = |entry: &Value| entry["annotations"]["org.opencontainers.image.ref.name"] != name;
    read["manifests"].as_array_mut().unwrap().retain(others);
    std::fs::write(index, read.to_string()).unwrap();
}
