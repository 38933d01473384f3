//! Credentials: who gets in, who doesn't any more, and that none leaks.

use crate::support::client::connect;
use crate::support::server::{SILENT, ServeOptions};
use crate::support::{Alert, Folder, Reply, Request, Sink, pause, until};
use std::time::{Duration, Instant};

#[test]
fn two_keys_live_at_a_time_and_a_revoked_one_is_dead_within_a_second() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let old = folder.full_key("acme");
    let server = folder.serve();
    // Made beside the running server, which takes it up by itself.
    let new = folder.full_key("acme");
    until("the new key works", || server.get("/api/v2/alerts", &new).status == 200);
    server.get("/api/v2/alerts", &old).expect(200);
    let third = folder
        .command(&ServeOptions::default())
        .args(["tenant", "key", "add", "acme", "--scopes", "ingest,read,respond"])
        .output()
        .unwrap();
    assert_eq!(third.status.code(), Some(1), "{third:?}");
    folder.run(&["tenant", "key", "revoke", &old[..10]]);
    let revoked = Instant::now();
    until("the old key is dead", || server.get("/api/v2/alerts", &old).status == 401);
    // A second, and another for a busy machine.
    assert!(revoked.elapsed() < Duration::from_secs(2), "{:?}", revoked.elapsed());
    assert_eq!(server.post("/api/v2/alerts", &old, "[]").status, 401);
    server.get("/api/v2/alerts", &new).expect(200);
}

#[test]
fn a_revoked_key_is_refused_on_a_connection_that_stays_open() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    let mut open = connect(server.address).unwrap();
    let ask = |open: &mut _| Request::get("/api/v2/alerts").key(&key).send_over(open).unwrap().status;
    let post = |open: &mut _| Request::post("/api/v2/alerts", "[]").key(&key).send_over(open).unwrap().status;
    assert_eq!((ask(&mut open), post(&mut open)), (200, 200));
    folder.run(&["tenant", "key", "revoke", &key[..10]]);
    let revoked = Instant::now();
    let mut last_taken = Duration::ZERO;
    until("the key is dead on the open connection", || {
        let at = revoked.elapsed();
        let is_dead = post(&mut open) == 401;
        last_taken = if is_dead { last_taken } else { at };
        is_dead
    });
    assert!(last_taken < Duration::from_secs(1), "{last_taken:?}");
    assert_eq!(ask(&mut open), 401);
}

#[test]
fn a_key_list_says_when_each_was_last_used() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let (used, unused) = (folder.key("acme", "ingest,read"), folder.key("acme", "read"));
    let last_used = |key: &str| {
        let listed = folder.run(&["tenant", "key", "list", "acme", "--output", "json"]);
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let mine = listed.as_array().unwrap().iter().find(|row| row["id"] == key[..10]).unwrap().clone();
        mine["last_used_at"].as_str().map(str::to_owned)
    };
    let server = folder.serve();
    assert_eq!((last_used(&used), last_used(&unused)), (None, None));
    for _ in 0..20 {
        server.get("/api/v2/alerts", &used).expect(200);
        assert_eq!(server.get("/api/v2/alerts", &format!("{}x", &unused[..31])).status, 401);
    }
    until("the use is noted", || last_used(&used).is_some());
    let first = last_used(&used);
    server.get("/api/v2/alerts", &used).expect(200);
    let writes = || std::fs::metadata(folder.path().join("data/state.db-wal")).map_or(0, |found| found.len());
    let written = writes();
    for _ in 0..15 {
        server.get("/api/v2/alerts", &used).expect(200);
        pause(Duration::from_millis(100));
    }
    assert_eq!((last_used(&used), writes()), (first, written), "not written again within a minute");
    assert_eq!(last_used(&unused), None);
}

#[test]
fn a_key_in_the_address_is_none() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    for name in ["access_token", "key", "token", "api_key", "routing_key"] {
        let target = format!("/api/v2/alerts?{name}={key}");
        assert_eq!(Request::get(&target).send(server.address).status, 401, "{name}");
    }
}

#[test]
fn a_key_does_what_its_scopes_say() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let (ingest, read, respond) =
        (folder.key("acme", "ingest"), folder.key("acme", "read"), folder.key("acme", "respond"));
    let server = folder.serve();
    server.post_alerts(&ingest, &[Alert::new("up")]);
    let id = server.alert(&read, "up")["id"].as_str().unwrap().to_owned();
    let feedback = format!("/api/v1/alerts/{id}/feedback");
    let asks: [(&str, &str, &str, &str); 7] = [
        ("POST", "/api/v2/alerts", "[]", &ingest),
        ("POST", "/api/v1/rate", r#"{"labels":{"a":"b"}}"#, &ingest),
        ("GET", "/api/v2/alerts", "", &read),
        ("GET", "/api/v1/alerts", "", &read),
        ("GET", "/api/v1/dead-letters", "", &read),
        ("GET", "/api/v2/status", "", &read),
        ("POST", &feedback, r#"{"action":"ack"}"#, &respond),
    ];
    for (method, target, body, allowed) in asks {
        for key in [&ingest, &read, &respond] {
            let request = if method == "POST" { Request::post(target, body) } else { Request::get(target) };
            let want = if key == allowed { 200 } else { 403 };
            assert_eq!(request.key(key).send(server.address).status, want, "{method} {target}");
        }
    }
}

#[test]
fn wrong_absent_and_double_credentials_are_refused() {
    let folder = Folder::new(&[("acme", SILENT), ("globex", SILENT)]);
    let (key, other) = (folder.full_key("acme"), folder.full_key("globex"));
    let server = folder.serve();
    let almost = format!("{}{}", &key[..31], if key.ends_with('a') { 'b' } else { 'a' });
    let longer = format!("{key}a");
    let bearer = |key: &str| format!("Bearer {key}");
    let huge = bearer(&"a".repeat(20_000));
    let wrong = [
        bearer(&almost),
        bearer(&longer),
        bearer(&key[..10]),
        bearer(&key.to_lowercase()),
        bearer(""),
        key.clone(),
        format!("Token {key}"),
        "Basic".to_owned(),
        "Basic !!!".to_owned(),
        "Basic AAAA".to_owned(),
        huge,
    ];
    for target in ["/api/v2/alerts", "/api/v1/alerts", "/console", "/t/acme/metrics"] {
        let get = || Request::get(target);
        let refused = get().send(server.address);
        assert_eq!(refused.status, 401, "{target}");
        assert!(refused.header("www-authenticate").is_some());
        for value in &wrong {
            assert_eq!(
                get().header("Authorization", value).send(server.address).status,
                401,
                "{target} {value}"
            );
        }
        for (first, second) in [(&key, &key), (&key, &other), (&key, &almost)] {
            let status = get().key(first).key(second).send(server.address).status;
            assert_eq!(status, 400, "{target}");
        }
        assert_eq!(get().basic("globex", &key).send(server.address).status, 401, "{target}");
        assert_eq!(get().basic("acme", &almost).send(server.address).status, 401, "{target}");
        get().basic("acme", &key).send(server.address).expect(200);
        get().header("Authorization", &format!("bearer {key}")).send(server.address).expect(200);
        get().header("Authorization", &format!("GenieKey {key}")).send(server.address).expect(200);
    }
    let post = Request::post("/api/v2/alerts", "[]");
    assert_eq!(post.clone().send(server.address).status, 401);
    assert_eq!(post.clone().basic("globex", &key).send(server.address).status, 401);
    post.basic("acme", &key).send(server.address).expect(200);
}

/// The service says a lot at its lowest level; secrets are not among it.
#[test]
fn secrets_are_nowhere_to_be_read() {
    const PATH: &str = "/services/T0SECRET/B0SECRET";
    const SIGNING: &str = "a-signing-secret-of-ours";
    let sink = Sink::new();
    let hook = sink.url(PATH);
    let with_password = hook.replace("http://", "http://user-secret:pass-secret@");
    let tenant = format!(
        "receivers:\n\
         - name: ops\n\
         \x20 webhook_configs: [{{ url: \"{with_password}\", secret: {SIGNING} }}]\n\
         \x20 slack_configs: [{{ api_url: \"{hook}\" }}]\n\
         route: {{ receiver: ops, group_by: ['...'], group_wait: 0s, group_interval: 1s }}\n"
    );
    let folder = Folder::new(&[("acme", &tenant)]);
    let (key, operator) = (folder.full_key("acme"), folder.operator_key());
    let server = folder.serve_with(&ServeOptions::default().variable("LOG_LEVEL", "trace"));
    sink.script([Reply::status(500), Reply::status(404), Reply::status(302).header("Location", &hook)]);
    for name in ["a", "b", "c"] {
        server.post_alerts(&key, &[Alert::new(name)]);
    }
    sink.wait_for(PATH, 6);
    drop(sink);
    server.post_alerts(&key, &[Alert::new("nobody-answers")]);
    let id = server.alert(&key, "nobody-answers")["id"].as_str().unwrap().to_owned();
    server.wait_stage(&key, &id, "retrying");
    assert_eq!(server.get("/api/v2/alerts", &format!("{key}x")).status, 401);
    let mut told: Vec<(String, String)> = Vec::new();
    for target in [
        "/api/v2/alerts",
        "/api/v2/status",
        "/api/v2/receivers",
        "/api/v1/alerts",
        "/api/v1/deliveries",
        "/api/v1/dead-letters",
        "/console",
        "/t/acme/metrics",
        "/nowhere",
    ] {
        told.push((target.to_owned(), server.get(target, &key).text()));
    }
    for alert in server.get("/api/v1/alerts", &key).json()["alerts"].as_array().unwrap() {
        let target = format!("/api/v1/alerts/{}/explain", alert["id"].as_str().unwrap());
        let text = server.get(&target, &key).expect(200).text();
        told.push((target, text));
    }
    told.push(("/metrics".to_owned(), server.get("/metrics", &operator).expect(200).text()));
    told.push((
        "the list of keys".to_owned(),
        folder.run(&["tenant", "key", "list", "acme", "--output", "json"]),
    ));
    told.push(("the log".to_owned(), server.stop()));
    let secrets =
        [key.as_str(), &key[10..], &operator[10..], "T0SECRET", "user-secret", "pass-secret", SIGNING];
    for (place, text) in &told {
        for secret in secrets {
            assert!(!text.contains(secret), "{place} holds {secret}:\n{text}");
        }
    }
    let state = std::fs::read(folder.path().join("data/state.db")).unwrap();
    assert!(!state.windows(22).any(|window| window == &key.as_bytes()[10..]), "the state holds the key");
}
