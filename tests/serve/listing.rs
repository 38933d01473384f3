//! What can be read: alerts, status, health.

use crate::support::server::{Server, told_at_once};
use crate::support::{Alert, Folder, Request, Sink, until};
use serde_json::{Value, json};
use std::time::Duration;

struct World {
    server: Server,
    key: String,
    _folder: Folder,
    _sink: Sink,
}

fn world() -> World {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &told_at_once(&sink.url("/hook")))]);
    let key = folder.full_key("acme");
    World { server: folder.serve(), key, _folder: folder, _sink: sink }
}

impl World {
    fn names(&self, query: &str) -> Vec<String> {
        let answer = self.server.get(&format!("/api/v2/alerts?{query}"), &self.key).expect(200).json();
        let name = |alert: &Value| alert["labels"]["alertname"].as_str().unwrap().to_owned();
        let mut names: Vec<_> = answer.as_array().unwrap().iter().map(name).collect();
        names.sort();
        names
    }
}

#[test]
fn alerts_are_filtered_as_alertmanager_filters() {
    let world = world();
    let posted = [
        Alert::new("cpu").label("job", "api").label("severity", "critical"),
        Alert::new("disk").label("job", "db"),
        Alert::new("net").label("job", "api-2"),
    ];
    world.server.post_alerts(&world.key, &posted);
    for (query, want) in [
        ("", &["cpu", "disk", "net"][..]),
        ("filter=job%3D%22api%22", &["cpu"]),
        ("filter=job%3Dapi", &["cpu"]),
        ("filter=job%3D~%22api%22", &["cpu"]),
        ("filter=job%3D~%22api.*%22", &["cpu", "net"]),
        ("filter=job!~%22api.*%22", &["disk"]),
        ("filter=severity%3D%22%22", &["disk", "net"]),
        ("filter=severity!%3D%22%22", &["cpu"]),
        ("filter=job%3D~%22api.*%22&filter=alertname%3D%22net%22", &["net"]),
        ("receiver=ops", &["cpu", "disk", "net"]),
        ("receiver=op", &[]),
        ("receiver=o.*", &["cpu", "disk", "net"]),
        ("active=false", &[]),
        ("active=zz", &[]),
        ("silenced=false&inhibited=false&unprocessed=false", &["cpu", "disk", "net"]),
    ] {
        assert_eq!(world.names(query), want, "{query}");
    }
}

#[test]
fn an_alert_is_shown_as_alertmanager_shows_it() {
    let world = world();
    let body = r#"[{"labels":{"a":"b"},"annotations":{"summary":"s"},"generatorURL":"http://g/",
        "startsAt":"2026-01-02T03:04:05.678912+01:00","endsAt":"2099-01-01T00:00:00Z"}]"#;
    world.server.post("/api/v2/alerts", &world.key, body).expect(200);
    let shown = &world.server.alerts(&world.key)[0];
    assert_eq!(shown["fingerprint"], "d2b371819297f98a");
    assert_eq!(shown["startsAt"], "2026-01-02T03:04:05.678+01:00");
    assert_eq!(shown["endsAt"], "2099-01-01T00:00:00.000Z");
    assert_eq!(
        (&shown["annotations"], &shown["generatorURL"]),
        (&json!({"summary": "s"}), &json!("http://g/"))
    );
    assert_eq!(shown["receivers"], json!([{ "name": "ops" }]));
    let status = json!({ "state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": [] });
    assert_eq!(shown["status"], status);
}

#[test]
fn an_alert_leaves_when_its_end_has_passed() {
    let world = world();
    world.server.post_alerts(&world.key, &[Alert::new("short").fires_for(Duration::from_millis(300))]);
    world.server.post_alerts(&world.key, &[Alert::new("long")]);
    until("the short one has left", || world.names("") == ["long"]);
    world.server.post_alerts(&world.key, &[Alert::new("long").resolved()]);
    assert!(world.names("").is_empty());
}

#[test]
fn thousands_of_alerts_are_listed_whole_and_sorted() {
    let world = world();
    let posted: Vec<_> = (0..1500).map(|n| Alert::new(&format!("a{n}"))).collect();
    for batch in posted.chunks(500) {
        world.server.post_alerts(&world.key, batch);
    }
    let listed = world.server.alerts(&world.key);
    let prints: Vec<_> = listed.iter().map(|alert| alert["fingerprint"].as_str().unwrap()).collect();
    assert_eq!(prints.len(), 1500);
    assert!(prints.is_sorted());
    // Only the last alert of all matches, or none: the pages before are empty.
    let last = listed[1499]["labels"]["alertname"].as_str().unwrap();
    assert_eq!(world.names(&format!("filter=alertname%3D{last}")), [last]);
    assert!(world.names("filter=alertname%3Dnobody").is_empty());
    let mut paged = Vec::new();
    let mut target = "/api/v1/alerts?limit=400".to_owned();
    loop {
        let page = world.server.get(&target, &world.key).expect(200).json();
        paged.extend(page["alerts"].as_array().unwrap().iter().map(|alert| alert["id"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        target = format!("/api/v1/alerts?limit=400&after={next}");
    }
    paged.sort();
    paged.dedup();
    assert_eq!(paged.len(), 1500);
}

#[test]
fn alerts_are_found_by_what_they_say() {
    let world = world();
    let posted = [
        Alert::new("cpu").label("job", "api").annotation("summary", "Über 90 % on web-1"),
        Alert::new("disk").label("job", "db").annotation("summary", "nearly full (a.b)"),
        Alert::new("net").label("job", "api-2"),
        Alert::new("over").label("job", "api"),
    ];
    for alert in posted {
        world.server.post_alerts(&world.key, &[alert]);
    }
    world.server.post_alerts(&world.key, &[Alert::new("over").label("job", "api").resolved()]);
    let found = |query: &str| {
        let page = world.server.get(&format!("/api/v1/alerts?{query}"), &world.key).expect(200).json();
        let name = |alert: &Value| alert["labels"]["alertname"].as_str().unwrap().to_owned();
        let names: Vec<_> = page["alerts"].as_array().unwrap().iter().map(name).collect();
        (names.join(" "), page["next"].as_str().map(str::to_owned))
    };
    for (query, want) in [
        ("state=firing", "net disk cpu"),
        ("state=resolved", "over"),
        ("state=resolved,firing&limit=500", "over net disk cpu"),
        ("q=%C3%BCBER", "cpu"),
        ("q=a.b", "disk"),
        ("q=(", "disk"),
        ("q=API&state=firing", "net cpu"),
        ("filter=job%3D~%22api.*%22&filter=alertname!%3Dcpu&state=firing", "net"),
        ("receiver=nobody", ""),
        ("min_score=0&max_score=1&receiver=o.s&state=firing", "net disk cpu"),
        ("min_score=1", ""),
        ("silenced=true", ""),
        ("silenced=false&inhibited=false&state=firing", "net disk cpu"),
    ] {
        assert_eq!(found(query), (want.to_owned(), None), "{query}");
    }
    let (first, next) = found("state=firing&limit=2");
    assert_eq!(first, "net disk");
    assert_eq!(found(&format!("state=firing&limit=2&after={}", next.unwrap())), ("cpu".to_owned(), None));
    let problem = world.server.get("/api/v1/alerts?min_score=2", &world.key).expect(400).json();
    assert_eq!(problem["errors"][0]["parameter"], "min_score");
    assert_eq!(problem["detail"], "parameter `min_score` must be a number from 0 to 1");
}

#[test]
fn the_status_holds_the_routing_as_yaml() {
    let world = world();
    let status = world.server.get("/api/v2/status", &world.key).expect(200).json();
    assert_eq!(status["cluster"]["status"], "disabled");
    for member in ["version", "revision", "branch", "buildUser", "buildDate", "goVersion"] {
        assert!(status["versionInfo"][member].is_string(), "{member}");
    }
    assert!(status["uptime"].is_string());
    let original = status["config"]["original"].as_str().unwrap();
    assert!(original.contains("/<secret>\n") && !original.contains("/hook"), "{original}");
    // It is a tenant's file but for the name and the secret: so it must check.
    let file = original.replace("<secret>", "x");
    let again = Folder::new(&[("copy", &file)]);
    again.run(&["check", "--config", "openclaw.yaml"]);
    let names = world.server.get("/api/v2/receivers", &world.key).expect(200).json();
    assert_eq!(names, json!([{ "name": "ops" }]));
}

#[test]
fn health_needs_no_key() {
    let world = world();
    for path in ["/-/healthy", "/-/ready", "/healthz", "/readyz"] {
        assert_eq!(Request::get(path).send(world.server.address).expect(200).text(), "OK", "{path}");
        // Whose answer has a length, and no body.
        let head = Request::new("HEAD", path).status_line(world.server.address);
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
    }
}
