//! A real nginx in front of an API, asking us about each request, with the
//! configurations that `deploy/` holds: Debian's nginx, and one that checks
//! tokens itself.

use crate::pki::{Signer, key_set};
use crate::support::nginx::Nginx;
use crate::support::server::{SILENT, Server};
use crate::support::{Folder, Reply, Request, Sink, programs};
use jsonwebtoken::Algorithm;
use serde_json::json;
use std::path::Path;

/// What the API behind nginx must never see as the client sent it.
const FORGED: [(&str, &str); 6] = [
    ("X-OpenClaw-Tenant", "globex"),
    ("X-OpenClaw-Token", "forged"),
    ("X-OpenClaw-Client", "somebody"),
    ("X-OpenClaw-Status", "204"),
    ("X-OpenClaw-User", "admin"),
    ("X-Scope-OrgID", "globex"),
];

struct World {
    api: Sink,
    nginx: Nginx,
    server: Server,
    _folder: Folder,
    operator: String,
    _nginx_folder: tempfile::TempDir,
}

/// Five requests at once, and as good as none after.
fn tenant(more: &str) -> String {
    format!("{SILENT}{more}limits: {{ policies: {{ api: {{ rate: 1/h, burst: 5 }} }} }}\n")
}

fn world(program: &Path, config: &str, folder: Folder, files: &[(&str, String)]) -> World {
    let operator = folder.operator_key();
    let server = folder.serve();
    let api = Sink::answering(Reply::status(200));
    let nginx_folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(nginx_folder.path().join(name), text).unwrap();
    }
    let changes = [
        ("listen 80", "listen {}".to_owned()),
        ("server 127.0.0.1:8080", format!("server {}", server.address)),
        ("server 127.0.0.1:9000", format!("server {}", api.address())),
    ];
    let nginx = Nginx::start(program, config, nginx_folder.path(), &changes);
    World { api, nginx, server, _folder: folder, operator, _nginx_folder: nginx_folder }
}

impl World {
    fn get(&self, credential: Option<&str>) -> crate::support::client::Response {
        let mut request = Request::get("/v1/things?x=1");
        for (name, value) in FORGED {
            request = request.header(name, value);
        }
        let request = credential.into_iter().fold(request, Request::key);
        request.send(self.nginx.address)
    }

    /// How often we were asked.
    fn asked(&self) -> usize {
        let text = self.server.get("/metrics", &self.operator).text();
        let lines = text.lines().filter(|line| {
            line.starts_with("openclaw_request_duration_seconds_count") && line.contains("route=\"/auth\"")
        });
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
    }

    fn assert_bucket_of_five(&self, credential: &str) {
        let told: Vec<_> = (0..7).map(|_| self.get(Some(credential))).collect();
        let statuses: Vec<u16> = told.iter().map(|told| told.status).collect();
        assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
        assert_eq!(told[0].header("RateLimit-Policy"), Some("\"api\";q=5;w=18000"));
        assert!(told[0].header("RateLimit").unwrap().starts_with("\"api\";r=4;"), "{:?}", told[0]);
        let retry_after: u64 = told[6].header("Retry-After").unwrap().parse().unwrap();
        assert!((3500..=3600).contains(&retry_after), "{retry_after}");
    }

    /// The API sees who it is, and nothing that the client said about itself.
    fn assert_api_was_told(&self, tenant: &str, count: usize) {
        let seen = self.api.seen();
        assert_eq!(seen.len(), count, "{seen:?}");
        for request in seen {
            assert_eq!(request.header("X-OpenClaw-Tenant"), tenant);
            assert_ne!(request.header("X-OpenClaw-Token"), "forged");
            assert_eq!(request.header("X-OpenClaw-Token").split('.').count(), 3);
            for name in ["Authorization", "X-OpenClaw-Client", "X-OpenClaw-Status", "X-Scope-OrgID"] {
                assert_eq!(request.header(name), "", "{name}");
            }
        }
    }
}

#[test]
fn debians_nginx_asks_about_each_request_and_tells_the_client_429() {
    let Some(program) = programs::found_by("nginx", &["-v"]) else { return };
    let folder = Folder::new(&[("acme", &tenant("")), ("globex", &tenant(""))]);
    let [key, other, wrong_scope] =
        [("acme", "limit"), ("globex", "limit"), ("acme", "read")].map(|(t, s)| folder.key(t, s));
    let world = world(&program, "rate-limit.conf", folder, &[]);
    assert_eq!(world.get(None).status, 401, "no credential");
    assert_eq!(world.get(Some("ocAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")).status, 401, "forged");
    assert_eq!(world.get(Some(&wrong_scope)).status, 403, "the scope is missing");
    world.assert_api_was_told("acme", 0);
    world.assert_bucket_of_five(&key);
    world.assert_api_was_told("acme", 5);
    assert!(world.api.seen().iter().all(|request| request.header("X-OpenClaw-User").is_empty()));
    // Another tenant's bucket is another's, whatever tenant the client names.
    assert_eq!(world.get(Some(&other)).status, 200);
    assert_eq!(world.api.seen().last().unwrap().header("X-OpenClaw-Tenant"), "globex");
    drop(world.nginx);
    world.server.stop();
}

#[test]
fn an_nginx_that_checks_tokens_itself_limits_each_user() {
    let Some(program) = programs::found_by("nginx-jwt", &["-v"]) else { return };
    let (signer, stranger) = (Signer::new(Algorithm::RS256, "a"), Signer::new(Algorithm::RS256, "a"));
    let keys = key_set(&[&signer]).to_string();
    let folder = Folder::new(&[("acme", &tenant("jwt: { jwks_file: keys.json }\n"))]);
    std::fs::write(folder.path().join("tenants/keys.json"), &keys).unwrap();
    let world = world(&program, "rate-limit-jwt.conf", folder, &[("tenant-keys.json", keys)]);
    let user = |name: &str| json!({ "sub": name, "scope": "limit" });
    let before = world.asked();
    assert_eq!(world.get(None).status, 401, "no token");
    assert_eq!(world.get(Some(&stranger.token(&user("kim")))).status, 401, "forged");
    let expired = json!({ "sub": "kim", "scope": "limit", "exp": 1_000_000 });
    assert_eq!(world.get(Some(&signer.token(&expired))).status, 401, "expired");
    assert_eq!(world.asked(), before, "nginx turned them away by itself");
    world.assert_bucket_of_five(&signer.token(&user("kim")));
    world.assert_api_was_told("acme", 5);
    assert!(world.api.seen().iter().all(|request| request.header("X-OpenClaw-User") == "kim"));
    assert_eq!(world.get(Some(&signer.token(&user("lee")))).status, 200, "another user");
    // A token that nginx takes and we don't: the claim names another tenant.
    let other = json!({ "sub": "kim", "scope": "limit", "tenant": "globex" });
    assert_eq!(world.get(Some(&signer.token(&other))).status, 401);
    drop(world.nginx);
    world.server.stop();
}
