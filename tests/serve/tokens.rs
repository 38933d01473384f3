//! JSON Web Tokens as credentials: who verifies what, keys that are published
//! elsewhere and change, and what is never taken.

use crate::pki::{Signer, key_set, seconds};
use crate::support::server::{SILENT, ServeOptions, Server};
use crate::support::{Alert, Folder, Reply, Request, Sink, until};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SECRET: &str = "a-secret-that-signs-tokens-of-acme-only";

fn tenant(jwt: &str) -> String {
    format!("{SILENT}jwt: {{ {jwt} }}\n")
}

fn status(server: &Server, token: &str) -> u16 {
    server.get("/api/v2/alerts", token).status
}

#[test]
fn each_algorithm_is_taken_wherever_a_key_is() {
    let signers =
        [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA].map(|a| Signer::new(a, &format!("{a:?}")));
    let mut document = key_set(&signers.iter().collect::<Vec<_>>());
    document["keys"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET) }));
    let folder = Folder::new(&[("acme", &tenant("jwks_file: acme-keys.json"))]);
    std::fs::write(folder.path().join("tenants/acme-keys.json"), document.to_string()).unwrap();
    let server = folder.serve();
    let secret = Signer::secret(SECRET.as_bytes());
    for signer in signers.iter().chain([&secret]) {
        let token = signer.token(&json!({}));
        let name = format!("up-{:?}", signer.algorithm);
        server.post_alerts(&token, &[Alert::new(&name)]);
        assert_eq!(server.alert(&token, &name)["labels"]["alertname"], name.as_str());
        let get = || Request::get("/api/v2/alerts");
        get().basic("acme", &token).send(server.address).expect(200);
        get().header("Authorization", &format!("GenieKey {token}")).send(server.address).expect(200);
        assert_eq!(get().basic("globex", &token).send(server.address).status, 401);
        server.get("/t/acme/api/v2/alerts", &token).expect(200);
        assert_eq!(server.get("/t/globex/api/v2/alerts", &token).status, 403);
        // What the claim doesn't say isn't allowed.
        assert_eq!(server.post("/api/v1/dead-letters/x/retry", &token, "").status, 403);
        assert_eq!(server.get("/metrics", &signer.token(&json!({ "scope": "operator read" }))).status, 403);
    }
}

#[test]
fn what_is_not_signed_by_the_tenants_keys_is_refused() {
    let (rsa, globex) = (Signer::new(Algorithm::RS256, "a"), Signer::new(Algorithm::EdDSA, "b"));
    let folder = Folder::new(&[
        ("acme", &tenant("jwks_file: a.json, issuer: us, audience: openclaw")),
        ("globex", &tenant("jwks_file: b.json")),
        ("initech", SILENT),
    ]);
    for (name, signer) in [("a", &rsa), ("b", &globex)] {
        std::fs::write(folder.path().join(format!("tenants/{name}.json")), key_set(&[signer]).to_string())
            .unwrap();
    }
    let server = folder.serve();
    let ours = |more: Value| {
        let mut claims = json!({ "iss": "us", "aud": "openclaw" });
        more.as_object().unwrap().iter().for_each(|(name, value)| claims[name] = value.clone());
        claims
    };
    let good = rsa.token(&ours(json!({})));
    assert_eq!(status(&server, &good), 200);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let payload = message.split_once('.').unwrap().1;
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"a"}"#);
    let jwk = rsa.jwk();
    let public = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let confused = Signer { id: Some("a".to_owned()), ..Signer::secret(&public) };
    let unsigned = [
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{message}."),
        confused.token(&ours(json!({}))),
        Signer { id: Some("a".to_owned()), ..Signer::secret(jwk.to_string().as_bytes()) }
            .token(&ours(json!({}))),
        Signer::new(Algorithm::RS256, "a").token(&ours(json!({}))),
        rsa.token(&ours(json!({ "tenant": "globex" }))),
        globex.token(&ours(json!({}))),
        rsa.token(&ours(json!({ "tenant": "initech" }))),
        rsa.token(&ours(json!({ "tenant": "nobody" }))),
    ];
    let told: Vec<_> = unsigned
        .iter()
        .map(|token| {
            let refused = server.get("/api/v1/alerts", token);
            assert_eq!(refused.status, 401, "{token}");
            assert!(refused.header("www-authenticate").is_some());
            refused.text()
        })
        .collect();
    assert!(told.iter().all(|text| *text == told[0]), "nobody learns who has settings: {told:?}");
    for (more, word) in [
        (json!({ "exp": seconds() - 60 }), "expired"),
        (json!({ "nbf": seconds() + 300 }), "nbf"),
        (json!({ "iss": "them" }), "iss"),
        (json!({ "aud": "others" }), "aud"),
    ] {
        let refused = server.get("/api/v1/alerts", &rsa.token(&ours(more.clone()))).expect(401).text();
        assert!(refused.contains(word), "{more}: {refused}");
        assert_eq!(server.post("/api/v2/alerts", &rsa.token(&ours(more)), "[]").status, 401);
    }
    let huge = rsa.token(&ours(json!({ "pad": "x".repeat(9000) })));
    assert_eq!(status(&server, &huge), 401);
}

#[test]
fn published_keys_may_change_and_their_server_may_die() {
    let [old, new, later] = ["old", "new", "later"].map(|id| Signer::new(Algorithm::ES256, id));
    let sink = Sink::new();
    sink.answer_at("/keys", Reply::document(&key_set(&[&old])).header("Cache-Control", "max-age=3600"));
    let folder = Folder::new(&[("acme", &tenant(&format!("jwks_url: \"{}\"", sink.url("/keys"))))]);
    let operator = folder.operator_key();
    let server = folder.serve();
    // No request is turned away for having come early.
    let token = old.token(&json!({}));
    assert_eq!(status(&server, &token), 200);
    sink.answer_at("/keys", Reply::document(&key_set(&[&new])));
    let renewed = new.token(&json!({}));
    assert_eq!(server.post("/api/v2/alerts", &renewed, "[]").status, 200, "a new key is asked for at once");
    assert_eq!(status(&server, &token), 401, "what was verified by a key that has gone is forgotten");
    let fetches = sink.seen_at("/keys").len();
    for _ in 0..30 {
        assert_eq!(status(&server, &later.token(&json!({}))), 401);
    }
    assert_eq!(sink.seen_at("/keys").len(), fetches, "unknown keys are asked for once in a while");
    assert!(fetches <= 3, "{fetches}");

    for broken in [
        Reply::status(500),
        Reply::json("{\"keys\": 5}"),
        Reply::json("{\"keys\": [{\"kty\":\"oct\",\"k\":\"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI\"}]}"),
    ] {
        sink.answer_at("/keys", broken);
        // Other settings begin anew, with what can be fetched now.
        let began = sink.seen_at("/keys").len();
        folder.tenant("acme", &tenant(&format!("jwks_url: \"{}\", issuer: \"{began}\"", sink.url("/keys"))));
        server.post("/-/reload", &operator, "").expect(200);
        until("the set is fetched", || sink.seen_at("/keys").len() > began);
        assert_eq!(status(&server, &new.token(&json!({ "iss": began.to_string() }))), 401);
    }
    let metrics = server.get("/metrics", &operator).expect(200).text();
    assert!(metrics.contains("openclaw_jwks_fetches_total{tenant=\"acme\",result=\"failure\"}"), "{metrics}");
}

#[test]
fn the_last_good_keys_outlive_their_server() {
    let (known, unknown) = (Signer::new(Algorithm::EdDSA, "a"), Signer::new(Algorithm::EdDSA, "b"));
    let sink = Sink::new();
    sink.answer_at("/keys", Reply::document(&key_set(&[&known])));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = Folder::new(&[
        ("acme", &tenant(&format!("jwks_url: \"{}\"", sink.url("/keys")))),
        ("globex", &tenant(&format!("jwks_url: \"http://{nobody}/keys\""))),
    ]);
    let key = folder.full_key("globex");
    let server = folder.serve();
    assert_eq!(status(&server, &known.token(&json!({}))), 200);
    drop(sink);
    let began = Instant::now();
    assert_eq!(status(&server, &unknown.token(&json!({}))), 401);
    assert_eq!(status(&server, &known.token(&json!({ "sub": "another" }))), 200);
    assert_eq!(status(&server, &known.token(&json!({ "tenant": "globex" }))), 401);
    assert_eq!(status(&server, &key), 200, "keys need no such server");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[test]
fn a_token_is_made_on_the_command_line_and_dies_with_its_secret() {
    let folder = Folder::new(&[
        ("acme", &tenant("secret: { file: acme-secret }, audience: openclaw")),
        ("globex", SILENT),
    ]);
    let write = |secret: &str| std::fs::write(folder.path().join("tenants/acme-secret"), secret).unwrap();
    write(SECRET);
    let server = folder.serve_with(&ServeOptions::default().variable("LOG_LEVEL", "trace"));
    let made = folder.run(&["tenant", "jwt", "acme", "--scopes", "read", "--ttl", "1h", "--output", "json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["scopes"], json!(["read"]));
    assert_eq!(status(&server, token), 200);
    assert_eq!(server.post("/api/v2/alerts", token, "[]").status, 403);
    let usual = folder.run(&["tenant", "jwt", "acme"]);
    server.post("/api/v2/alerts", usual.trim(), "[]").expect(200);
    let short = folder.run(&["tenant", "jwt", "acme", "--ttl", "1s", "--subject", "ci"]);
    assert_eq!(status(&server, short.trim()), 200);

    let refused = |arguments: &[&str]| {
        let output = folder.command(&ServeOptions::default()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let told = refused(&["tenant", "jwt", "globex"]);
    assert!(told.contains("has no `jwt`") && told.contains("hint:"), "{told}");
    assert!(refused(&["tenant", "jwt", "nobody"]).contains("no tenant"));
    assert!(refused(&["tenant", "jwt", "acme", "--scopes", "operator"]).contains("operator_tokens"));

    write("another-secret-that-signs-tokens-of-acme");
    until("tokens of the old secret are dead", || status(&server, token) == 401);
    write("short");
    let told = refused(&["check"]);
    assert!(told.contains("at least 32 bytes") && !told.contains("short:"), "{told}");
    let log = server.stop();
    for secret in [SECRET, "another-secret", token, token.rsplit('.').next().unwrap()] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn only_the_operators_own_file_lets_tokens_operate() {
    let service = "listen: { http: \"127.0.0.1:0\" }\nauth: { operator_tokens: [staff] }\n";
    let jwt = tenant(&format!("secret: {SECRET}"));
    let folder = Folder::with_service(service, &[("acme", &jwt), ("staff", &jwt)]);
    let server = folder.serve();
    let signer = Signer::secret(SECRET.as_bytes());
    let token = |tenant: &str, scope: &str| signer.token(&json!({ "tenant": tenant, "scope": scope }));
    assert_eq!(server.get("/metrics", &token("acme", "read operator")).status, 403);
    server.get("/metrics", &token("staff", "operator")).expect(200);
    server.get("/t/acme/api/v2/alerts", &token("staff", "operator")).expect(200);
    assert_eq!(server.get("/t/acme/api/v2/alerts", &token("staff", "read")).status, 403);
}
