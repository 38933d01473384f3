//! Tenants that are removed: who was told hears of the end, and of an erased
//! one nothing is left.

use crate::support::server::{SILENT, ServeOptions, Server, told_at_once};
use crate::support::sink::Reply;
use crate::support::{Alert, Folder, Sink, until};
use openclaw_alert::TenantName;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// In a label, an annotation, a silence and what the receiver answers.
const SECRET: &str = "hush-hush-4711";

/// Alerts of each of the two tenants.
const ALERTS: usize = 40;

/// A tenant in the partition of another.
fn neighbour(of: &str) -> String {
    let partition = TenantName::new(of).unwrap().partition();
    let names = (0..).map(|n| format!("neighbour{n}"));
    names.into_iter().find(|name| TenantName::new(name).unwrap().partition() == partition).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Files of the data folder that have these bytes.
fn files_with(folder: &Folder, text: &str) -> Vec<PathBuf> {
    let mut found = files(&folder.path().join("data"));
    found.retain(|path| {
        // A file may go while the folder is read.
        let bytes = fs::read(path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    });
    found
}

fn state_of(folder: &Folder, tenant: &str) -> Option<String> {
    let listed: Value = serde_json::from_str(&folder.run(&["tenant", "list", "--output", "json"])).unwrap();
    let row = listed.as_array().unwrap().iter().find(|row| row["tenant"] == tenant)?;
    Some(row["state"].as_str().unwrap().to_owned())
}

fn large(name: &str, secret: &str) -> Alert {
    Alert::new(name).label("secret", secret).annotation("text", &format!("{secret} {}", "x".repeat(40_000)))
}

struct World {
    sink: Sink,
    folder: Folder,
    acme: String,
    neighbour: String,
}

impl World {
    fn new() -> Self {
        let sink = Sink::new();
        let other = neighbour("acme");
        let folder = Folder::new(&[
            ("acme", &told_at_once(&sink.url("/acme"))),
            (&other, &told_at_once(&sink.url("/other"))),
        ]);
        let (acme, neighbour) = (folder.full_key("acme"), folder.full_key(&other));
        Self { sink, folder, acme, neighbour }
    }

    /// Some segments of both tenants' alerts, a silence, and a dead letter.
    fn fill(&self, server: &Server) {
        for n in 0..ALERTS {
            server.post_alerts(&self.acme, &[large(&format!("a{n}"), SECRET)]);
            server.post_alerts(&self.neighbour, &[large(&format!("o{n}"), "open")]);
        }
        (0..ALERTS).for_each(|n| drop(self.sink.wait_told("/acme", &format!("a{n}"), "firing")));
        (0..ALERTS).for_each(|n| drop(self.sink.wait_told("/other", &format!("o{n}"), "firing")));
        server.post_alerts(&self.acme, &[large("a0", SECRET).resolved()]);
        self.sink.wait_told("/acme", "a0", "resolved");
        let silence = format!(
            r#"{{"matchers":[{{"name":"secret","value":"{SECRET}-x","isRegex":false}}],
                "startsAt":"2026-01-01T00:00:00Z","endsAt":"2199-01-01T00:00:00Z",
                "createdBy":"{SECRET}","comment":"c"}}"#
        );
        server.post("/api/v2/silences", &self.acme, &silence).expect(200);
        self.sink.answer_at("/acme", Reply::status(400));
        server.post_alerts(&self.acme, &[Alert::new("refused").label("secret", SECRET)]);
        until("it is a dead letter", || {
            let dead = server.get("/api/v1/dead-letters", &self.acme).expect(200).json();
            !dead["dead_letters"].as_array().unwrap().is_empty()
        });
        self.sink.answer_at("/acme", Reply::slack());
        server.wait_delivered(&self.acme);
        server.wait_delivered(&self.neighbour);
    }

    fn wait_erased(&self, server: &Server) {
        until("it is erased", || state_of(&self.folder, "acme").is_none());
        for gone in [SECRET, "acme"] {
            assert_eq!(files_with(&self.folder, gone), [] as [PathBuf; 0], "{gone}\n{}", server.log());
        }
    }

    /// Everything of the neighbour, by alert: its state and its trail.
    fn neighbour_view(&self, server: &Server) -> Vec<Value> {
        let of = |n: usize| {
            let alert = server.alert(&self.neighbour, &format!("o{n}"));
            let trail = server.trail(&self.neighbour, alert["id"].as_str().unwrap());
            serde_json::json!([alert, trail])
        };
        (0..ALERTS).map(of).collect()
    }

    fn told(&self, status: &str, name: &str) -> bool {
        let seen = self.sink.seen_at("/acme");
        seen.iter().any(|seen| seen.status_word() == status && seen.tells_of(name))
    }
}

#[test]
fn an_erased_tenant_leaves_no_byte_and_its_neighbour_everything() {
    let world = World::new();
    let server = world.folder.serve();
    world.fill(&server);
    server.kill();
    let server = world.folder.serve();
    let before = world.neighbour_view(&server);
    assert!(files_with(&world.folder, SECRET).len() > 2, "it is in some segments");
    let id = server.alert(&world.acme, "a1")["id"].as_str().unwrap().to_owned();
    world.folder.run(&["tenant", "remove", "acme", "--erase"]);
    until("its keys are dead", || server.get("/api/v2/alerts", &world.acme).status == 401);
    world.wait_erased(&server);
    for n in 1..ALERTS {
        assert!(world.told("resolved", &format!("a{n}")), "a{n}");
    }
    assert!(!world.told("resolved", "refused"), "who was not told hears of no end");
    assert_eq!(world.neighbour_view(&server), before);
    server.kill();
    let server = world.folder.serve();
    assert_eq!(world.neighbour_view(&server), before);
    // One of the same name begins with nothing.
    world.folder.tenant("acme", &told_at_once(&world.sink.url("/new")));
    let key = world.folder.full_key("acme");
    until("it is known", || server.get("/api/v2/alerts", &key).status == 200);
    assert_eq!(server.alerts(&key), [] as [Value; 0]);
    assert_eq!(server.get(&format!("/api/v1/alerts/{id}/explain"), &key).status, 404);
    assert_eq!(server.get("/api/v2/silences", &key).expect(200).json(), serde_json::json!([]));
    server.post_alerts(&key, &[Alert::new("a1")]);
    world.sink.wait_told("/new", "a1", "firing");
    server.kill();
    let server = world.folder.serve();
    assert_eq!(server.alerts(&key).len(), 1);
    assert_eq!(world.neighbour_view(&server), before);
}

#[test]
fn a_removal_tells_of_the_end_first_also_after_a_restart_without_the_file() {
    let world = World::new();
    let server = world.folder.serve();
    server.post_alerts(&world.acme, &[Alert::new("down").label("secret", SECRET)]);
    world.sink.wait_told("/acme", "down", "firing");
    world.sink.answer_at("/acme", Reply::status(503));
    world.folder.run(&["tenant", "remove", "acme"]);
    assert!(world.folder.path().join("tenants/acme.yaml.removed").exists());
    until("it was tried", || world.sink.seen_at("/acme").len() > 1);
    assert_eq!(state_of(&world.folder, "acme").as_deref(), Some("ending"));
    let refused =
        world.folder.command(&ServeOptions::default()).args(["tenant", "add", "acme"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is being removed: ending"));
    server.kill();
    world.sink.answer_at("/acme", Reply::slack());
    let server = world.folder.serve();
    world.sink.wait_told("/acme", "down", "resolved");
    until("it is removed", || state_of(&world.folder, "acme").is_none());
    assert!(!files_with(&world.folder, SECRET).is_empty(), "what is kept goes with time");
    // Back again, with what is kept of it.
    world.folder.tenant("acme", &told_at_once(&world.sink.url("/acme")));
    let key = world.folder.full_key("acme");
    until("it is known", || server.get("/api/v2/alerts", &key).status == 200);
    assert_eq!(server.alerts(&key), [] as [Value; 0]);
    server.post_alerts(&key, &[Alert::new("down").label("secret", SECRET)]);
    until("it is told anew", || {
        world.sink.seen_at("/acme").iter().filter(|s| s.status_word() == "firing").count() > 1
    });
    // Erased in the end, though its file was put away long ago.
    world.folder.run(&["tenant", "remove", "acme"]);
    until("it is removed", || state_of(&world.folder, "acme").is_none());
    world.folder.run(&["tenant", "remove", "acme", "--erase"]);
    world.wait_erased(&server);
}

#[test]
fn who_can_not_be_told_holds_an_erasure_up_for_so_long_only() {
    let world = World::new();
    let server = world.folder.serve();
    server.post_alerts(&world.acme, &[Alert::new("down").label("secret", SECRET)]);
    world.sink.wait_told("/acme", "down", "firing");
    world.sink.answer_at("/acme", Reply::status(503));
    world.folder.run(&["tenant", "remove", "acme", "--erase", "--within", "3s"]);
    world.wait_erased(&server);
    assert!(server.log().contains("not everybody could be told"));
    assert!(world.told("resolved", "down"), "it was tried");
}

#[test]
fn a_file_that_stays_keeps_the_tenant_away_and_not_in() {
    let world = World::new();
    let server = world.folder.serve();
    world.folder.run(&["tenant", "remove", "acme", "--erase"]);
    // As where the folder may not be written to.
    world.folder.tenant("acme", &told_at_once(&world.sink.url("/acme")));
    until("all is done but the file", || state_of(&world.folder, "acme").as_deref() == Some("removed"));
    server.stop();
    let operator = world.folder.operator_key();
    let server = world.folder.serve();
    let tenants = server.get("/t/acme/api/v2/alerts", &operator);
    assert_eq!(tenants.status, 403, "{}", tenants.text());
    server.post_alerts(&world.neighbour, &[Alert::new("up")]);
    fs::remove_file(world.folder.path().join("tenants/acme.yaml")).unwrap();
    world.wait_erased(&server);
}

#[test]
fn a_tenant_that_the_service_names_is_not_removed() {
    let service = "listen: { http: 127.0.0.1:0 }\noperator: { tenant: acme }\n";
    let folder = Folder::with_service(service, &[("acme", SILENT)]);
    let remove = ["tenant", "remove", "acme", "--erase"];
    let refused = folder.command(&ServeOptions::default()).args(remove).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is named by `operator`"));
    assert!(folder.path().join("tenants/acme.yaml").exists());
}

#[test]
fn a_crash_at_any_point_of_an_erasure_is_gone_on_from() {
    let world = World::new();
    let server = world.folder.serve();
    world.fill(&server);
    let before = world.neighbour_view(&server);
    server.kill();
    world.folder.run(&["tenant", "remove", "acme", "--erase"]);
    for point in [
        "before-send:1",
        "snapshot:1",
        "snapshot:2",
        "erase-written:1",
        "erase-unindexed:1",
        "erase-renamed:1",
        "erase-written:1",
        "erase-renamed:1",
        "erase-unindexed:1",
        "erased-files:1",
        "erased-state:1",
    ] {
        let mut server = world.folder.start(&ServeOptions::default().variable("OPENCLAW_CRASH_AT", point));
        until(&format!("it is killed at {point}"), || server.has_ended());
    }
    let server = world.folder.serve();
    world.wait_erased(&server);
    for n in 1..ALERTS {
        assert!(world.told("resolved", &format!("a{n}")), "a{n}");
    }
    assert_eq!(world.neighbour_view(&server), before);
}

#[test]
fn an_erasure_that_fails_costs_one_segment_and_keeps_nobody_else_in() {
    let world = World::new();
    let server = world.folder.serve();
    server.post_alerts(&world.acme, &[Alert::new("down").label("secret", SECRET)]);
    world.sink.wait_told("/acme", "down", "firing");
    server.wait_delivered(&world.acme);
    let segments = world.folder.journal().join("segments");
    let count = || {
        let names = fs::read_dir(&segments).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|name| name.extension().is_some_and(|extension| extension == "seg")).count()
    };
    let before = count();
    // Its name is taken by what can't be removed: nothing can be written anew.
    let obstacle = world.folder.journal().join("erased.tmp");
    fs::create_dir(&obstacle).unwrap();
    fs::write(obstacle.join("x"), "").unwrap();
    world.folder.run(&["tenant", "remove", "acme", "--erase", "--within", "1s"]);
    until("it fails", || server.log().matches("the erasure has to wait").count() > 2);
    assert!(count() <= before + 1, "{before} segments became {}", count());
    assert_eq!(state_of(&world.folder, "acme").as_deref(), Some("erasing"));
    world.folder.run(&["tenant", "remove", &neighbour("acme")]);
    until("the other is removed", || state_of(&world.folder, &neighbour("acme")).is_none());
    fs::remove_dir_all(&obstacle).unwrap();
    world.wait_erased(&server);
}
