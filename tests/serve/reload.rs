//! Settings that change under a running service, and who still has to hear of
//! what they no longer name.

use crate::support::server::{SILENT, ServeOptions, Server, told_at_once};
use crate::support::sink::Reply;
use crate::support::{Alert, Folder, Request, Seen, Sink, until};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

/// Two receivers, each for its own team's alerts.
fn two_teams(sink: &Sink, web: &str) -> String {
    let receiver = |name: &str, path: &str| {
        format!("  - {{ name: {name}, webhook_configs: [{{ url: \"{}\" }}] }}\n", sink.url(path))
    };
    format!(
        "receivers:\n{}{}route:\n  receiver: ops\n  group_by: ['...']\n  group_wait: 0s\n  group_interval: 1s\n  \
         routes: [{{ matchers: ['team=\"web\"'], receiver: web }}]\n",
        receiver("ops", "/ops"),
        receiver("web", web),
    )
}

fn metric(server: &Server, operator: &str, name: &str) -> String {
    let text = server.get("/metrics", operator).expect(200).text();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()).unwrap_or_default().to_owned()
}

fn reload(server: &Server, operator: &str) {
    server.post("/-/reload", operator, "").expect(200);
}

fn web(name: &str) -> Alert {
    Alert::new(name).label("team", "web")
}

#[test]
fn changed_files_are_read_again_by_themselves() {
    let folder = Folder::new(&[("acme", SILENT)]);
    let operator = folder.operator_key();
    let server = folder.serve();
    folder.tenant("globex", SILENT);
    let key = folder.full_key("globex");
    until("the new tenant is known", || server.get("/api/v2/alerts", &key).status == 200);
    server.post_alerts(&key, &[Alert::new("up")]);
    std::fs::remove_file(folder.path().join("tenants/globex.yaml")).unwrap();
    until("the tenant is gone", || server.get("/api/v2/alerts", &key).status == 403);
    assert_eq!(metric(&server, &operator, "openclaw_config_last_reload_successful"), "1");
}

#[test]
fn a_hang_up_reloads_and_so_does_an_operator() {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &told_at_once(&sink.url("/a")))]);
    let (key, operator) = (folder.full_key("acme"), folder.operator_key());
    let server = folder.serve();
    folder.tenant("acme", &told_at_once(&sink.url("/b")));
    server.signal("HUP");
    until("it has been reloaded", || server.log().contains("settings reloaded"));
    server.post_alerts(&key, &[Alert::new("one")]);
    sink.wait_told("/b", "one", "firing");
    folder.tenant("acme", &told_at_once(&sink.url("/c")));
    assert_eq!(server.post("/-/reload", &key, "").status, 403);
    assert_eq!(Request::post("/-/reload", "").send(server.address).status, 401);
    reload(&server, &operator);
    server.post_alerts(&key, &[Alert::new("two")]);
    sink.wait_told("/c", "two", "firing");
}

#[test]
fn settings_with_faults_change_nothing() {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &told_at_once(&sink.url("/a"))), ("globex", SILENT)]);
    let (key, operator) = (folder.full_key("acme"), folder.operator_key());
    let server = folder.serve();
    folder.tenant("acme", &told_at_once(&sink.url("/b")));
    folder.tenant("globex", "receivers: []\nroute: { receiver: nobody, group_wait: soon }\n");
    let refused = server.post("/-/reload", &operator, "").expect(500).text();
    assert!(refused.contains("globex.yaml:3") && refused.contains("soon"), "{refused}");
    assert!(refused.starts_with("failed to reload config: "), "{refused}");
    assert_eq!(metric(&server, &operator, "openclaw_config_last_reload_successful"), "0");
    assert!(metric(&server, &operator, "openclaw_config_last_reload_success_timestamp_seconds").len() > 8);
    server.post_alerts(&key, &[Alert::new("up")]);
    sink.wait_told("/a", "up", "firing");
    assert!(sink.seen_at("/b").is_empty());
    folder.tenant("globex", SILENT);
    reload(&server, &operator);
    assert_eq!(metric(&server, &operator, "openclaw_config_last_reload_successful"), "1");
}

#[test]
fn a_removed_receiver_hears_of_the_end_after_a_crash() {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &two_teams(&sink, "/web"))]);
    let (key, operator) = (folder.full_key("acme"), folder.operator_key());
    let server = folder.serve();
    server.post_alerts(&key, &[web("down"), Alert::new("other")]);
    sink.wait_told("/web", "down", "firing");
    sink.wait_told("/ops", "other", "firing");
    folder.tenant("acme", &told_at_once(&sink.url("/ops")));
    reload(&server, &operator);
    // Where its alerts go now.
    sink.wait_told("/ops", "down", "firing");
    server.kill();
    let server = folder.serve();
    server.post_alerts(&key, &[web("down").resolved()]);
    sink.wait_told("/ops", "down", "resolved");
    sink.wait_told("/web", "down", "resolved");
    server.wait_delivered(&key);
    let told: Vec<_> = sink.seen_at("/web").iter().map(Seen::status_word).collect();
    assert_eq!(told, ["firing", "resolved"]);
    let dead = server.get("/api/v1/dead-letters", &key).expect(200).json();
    assert_eq!(dead["dead_letters"], serde_json::json!([]));
}

#[test]
fn a_rotated_credential_is_no_new_integration() {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &told_at_once(&sink.url("/hook?token=old")))]);
    let (key, operator) = (folder.full_key("acme"), folder.operator_key());
    let server = folder.serve();
    server.post_alerts(&key, &[Alert::new("down")]);
    sink.wait_told("/hook?token=old", "down", "firing");
    folder.tenant("acme", &told_at_once(&sink.url("/hook?token=new")));
    reload(&server, &operator);
    crate::support::pause(Duration::from_millis(1500));
    server.post_alerts(&key, &[Alert::new("down").resolved()]);
    sink.wait_told("/hook?token=new", "down", "resolved");
    assert_eq!(sink.seen_at("/hook?token=new").len(), 1, "what is known was told again");
    assert_eq!(sink.seen_at("/hook?token=old").len(), 1);
}

#[test]
fn another_place_hears_no_end_of_what_it_was_never_told() {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &told_at_once(&sink.url("/here")))]);
    let (key, operator) = (folder.full_key("acme"), folder.operator_key());
    let server = folder.serve();
    server.post_alerts(&key, &[Alert::new("old"), Alert::new("long")]);
    sink.wait_told("/here", "old", "firing");
    sink.wait_told("/here", "long", "firing");
    server.post_alerts(&key, &[Alert::new("old").resolved()]);
    sink.wait_told("/here", "old", "resolved");
    folder.tenant("acme", &told_at_once(&sink.url("/there")));
    reload(&server, &operator);
    sink.wait_told("/there", "long", "firing");
    server.post_alerts(&key, &[Alert::new("long").resolved()]);
    sink.wait_told("/here", "long", "resolved");
    sink.wait_told("/there", "long", "resolved");
    assert!(!sink.seen_at("/there").iter().any(|seen| seen.tells_of("old")));
}

#[test]
fn a_tenant_without_a_file_is_still_told_after_a_restart() {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &told_at_once(&sink.url("/a"))), ("globex", SILENT)]);
    let key = folder.full_key("acme");
    sink.answer_at("/a", Reply::status(503));
    let server = folder.serve();
    server.post_alerts(&key, &[Alert::new("pending")]);
    until("it was tried", || !sink.seen_at("/a").is_empty());
    server.stop();
    std::fs::remove_file(folder.path().join("tenants/acme.yaml")).unwrap();
    let before = sink.seen_at("/a").len();
    sink.answer_at("/a", Reply::slack());
    let server = folder.serve();
    until("it is told", || {
        sink.seen_at("/a")[before..].iter().any(|seen| seen.status == 200 && seen.tells_of("pending"))
    });
    folder.tenant("acme", &told_at_once(&sink.url("/a")));
    until("the tenant is back", || server.get("/api/v2/alerts", &key).status == 200);
    server.wait_delivered(&key);
    let dead = server.get("/api/v1/dead-letters", &key).expect(200).json();
    assert_eq!(dead["dead_letters"], serde_json::json!([]));
    server.post_alerts(&key, &[Alert::new("pending").resolved()]);
    sink.wait_told("/a", "pending", "resolved");
}

/// Makes the register refuse the rows of one tenant, until it is undone.
fn break_register(folder: &Folder, tenant: &str) -> rusqlite::Connection {
    let state = rusqlite::Connection::open(folder.path().join("data/state.db")).unwrap();
    let trigger = format!(
        "CREATE TRIGGER broken BEFORE INSERT ON integrations WHEN new.tenant = '{tenant}'
         BEGIN SELECT RAISE(ABORT, 'spoilt'); END"
    );
    state.execute_batch(&trigger).unwrap();
    state
}

#[test]
fn a_tenant_whose_register_fails_holds_up_nobody_else() {
    let sink = Sink::new();
    let at = |path: &str| told_at_once(&sink.url(path));
    let folder = Folder::new(&[("acme", &at("/a")), ("globex", &at("/g"))]);
    let (acme, globex, operator) =
        (folder.full_key("acme"), folder.full_key("globex"), folder.operator_key());
    let server = folder.serve();
    let state = break_register(&folder, "acme");
    folder.tenant("acme", &at("/a2"));
    folder.tenant("globex", &at("/g2"));
    let refused = server.post("/-/reload", &operator, "").expect(500).text();
    assert!(refused.contains("tenant `acme`") && !refused.contains("globex"), "{refused}");
    let not_in_force = "openclaw_config_not_in_force{tenant=\"acme\"}";
    assert_eq!(metric(&server, &operator, not_in_force), "1");
    server.post_alerts(&acme, &[Alert::new("one")]);
    server.post_alerts(&globex, &[Alert::new("one")]);
    sink.wait_told("/a", "one", "firing");
    sink.wait_told("/g2", "one", "firing");
    // Tried again by itself, once that is of use.
    state.execute_batch("DROP TRIGGER broken").unwrap();
    until("it is in force", || metric(&server, &operator, not_in_force).is_empty());
    server.post_alerts(&acme, &[Alert::new("two")]);
    sink.wait_told("/a2", "two", "firing");
    server.stop();
    // Also at the start, where the tenant is left out until it can be taken.
    let state_again = break_register(&folder, "acme");
    folder.tenant("acme", &at("/a3"));
    let server = folder.serve();
    server.post_alerts(&globex, &[Alert::new("two")]);
    sink.wait_told("/g2", "two", "firing");
    assert_eq!(server.get("/api/v2/alerts", &acme).status, 403);
    assert_eq!(metric(&server, &operator, not_in_force), "1");
    assert!(server.log().contains("the tenant is left out"));
    state_again.execute_batch("DROP TRIGGER broken").unwrap();
    until("it is taken", || server.get("/api/v2/alerts", &acme).status == 200);
    server.post_alerts(&acme, &[Alert::new("three")]);
    sink.wait_told("/a3", "three", "firing");
    drop(state);
}

#[test]
fn messages_link_to_the_address_that_is_set() {
    let sink = Sink::new();
    let service = "listen: { http: 127.0.0.1:0 }\nexternal_url: https://alerts.example.org/claw/\n";
    let folder = Folder::with_service(service, &[("acme", &told_at_once(&sink.url("/a")))]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    server.post_alerts(&key, &[Alert::new("one")]);
    let told = sink.wait_told("/a", "one", "firing").json();
    assert_eq!(told["externalURL"], "https://alerts.example.org/claw");
}

#[test]
fn an_integration_before_others_may_leave_and_come_back() {
    let sink = Sink::new();
    let with = |urls: &[&str]| {
        let hooks: Vec<_> = urls.iter().map(|path| format!("{{ url: \"{}\" }}", sink.url(path))).collect();
        format!(
            "receivers: [{{ name: ops, webhook_configs: [{}] }}]\n\
             route: {{ receiver: ops, group_by: ['...'], group_wait: 0s, group_interval: 1s }}\n",
            hooks.join(", ")
        )
    };
    let folder = Folder::new(&[("acme", &with(&["/a", "/b"]))]);
    let (key, operator) = (folder.full_key("acme"), folder.operator_key());
    let server = folder.serve();
    server.post_alerts(&key, &[Alert::new("down")]);
    sink.wait_told("/a", "down", "firing");
    sink.wait_told("/b", "down", "firing");
    folder.tenant("acme", &with(&["/b"]));
    reload(&server, &operator);
    server.post_alerts(&key, &[Alert::new("down").resolved(), Alert::new("new")]);
    sink.wait_told("/a", "down", "resolved");
    sink.wait_told("/b", "down", "resolved");
    sink.wait_told("/b", "new", "firing");
    folder.tenant("acme", &with(&["/b", "/a"]));
    reload(&server, &operator);
    // It comes back as itself, and is told of what it doesn't know.
    server.post_alerts(&key, &[Alert::new("newer")]);
    sink.wait_told("/a", "newer", "firing");
    assert_eq!(sink.seen_at("/b").iter().filter(|seen| seen.tells_of("new")).count(), 1);
}

#[test]
fn a_secret_of_a_removed_receiver_may_go_with_it() {
    let sink = Sink::new();
    let secret = |sink: &Sink| {
        let main = sink.url("/ops");
        format!(
            "receivers:\n  - {{ name: ops, webhook_configs: [{{ url: \"{main}\" }}] }}\n  \
             - {{ name: web, webhook_configs: [{{ url_file: web.url }}] }}\n\
             route: {{ receiver: ops, group_by: ['...'], group_wait: 0s, group_interval: 1s, \
             routes: [{{ matchers: ['team=\"web\"'], receiver: web }}] }}\n"
        )
    };
    let folder = Folder::new(&[]);
    let file = folder.path().join("tenants/web.url");
    std::fs::write(&file, sink.url("/web")).unwrap();
    folder.tenant("acme", &secret(&sink));
    let key = folder.full_key("acme");
    let server = folder.serve();
    server.post_alerts(&key, &[web("down")]);
    sink.wait_told("/web", "down", "firing");
    server.stop();
    folder.tenant("acme", &told_at_once(&sink.url("/ops")));
    std::fs::remove_file(file).unwrap();
    let server = folder.serve();
    server.post_alerts(&key, &[web("down").resolved()]);
    sink.wait_told("/web", "down", "resolved");
    server.wait_delivered(&key);
    server.stop();
    let mode = std::fs::metadata(folder.path().join("data/state.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_break_glass_works_beside_a_server_and_without_one() {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &two_teams(&sink, "/web")), ("globex", SILENT)]);
    let (key, operator) = (folder.full_key("acme"), folder.operator_key());
    let server = folder.serve();
    server.post_alerts(&key, &[web("before")]);
    sink.wait_told("/web", "before", "firing");
    folder.run(&["passthrough", "--tenant", "all"]);
    let gauge = |server: &Server, tenant: &str| {
        metric(server, &operator, &format!("openclaw_passthrough{{tenant=\"{tenant}\"}}"))
    };
    until("it is open", || gauge(&server, "acme") == "1" && gauge(&server, "globex") == "1");
    assert!(server.log().contains("the break-glass was set"));
    server.post_alerts(&key, &[web("during")]);
    sink.wait_told("/ops", "during", "firing");
    folder.tenant("initech", SILENT);
    until("it holds for those to come", || gauge(&server, "initech") == "1");
    server.stop();
    folder.run(&["passthrough", "--tenant", "acme", "--off"]);
    let server = folder.serve();
    until("it is closed", || gauge(&server, "acme") == "0");
    assert_eq!(gauge(&server, "globex"), "1");
    server.post_alerts(&key, &[web("after")]);
    sink.wait_told("/web", "after", "firing");
    let refused = folder
        .command(&ServeOptions::default())
        .args(["passthrough", "--tenant", "nobody"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn in_shadow_everything_is_decided_and_nothing_sent() {
    let sink = Sink::new();
    let settings = told_at_once(&sink.url("/a"));
    let folder = Folder::new(&[("acme", &format!("delivery: shadow\n{settings}"))]);
    let (key, operator) = (folder.full_key("acme"), folder.operator_key());
    let server = folder.serve();
    server.post_alerts(&key, &[Alert::new("quiet")]);
    let outcome = "openclaw_alert_outcomes_total{tenant=\"acme\",receiver=\"ops\",outcome=\"shadowed\"}";
    until("it is shadowed", || metric(&server, &operator, outcome) == "1");
    assert_eq!(metric(&server, &operator, "openclaw_delivery_shadow{tenant=\"acme\"}"), "1");
    assert!(sink.seen().is_empty());
    // A week later the team goes live; what still fires is told.
    folder.tenant("acme", &settings);
    reload(&server, &operator);
    sink.wait_told("/a", "quiet", "firing");
    assert_eq!(metric(&server, &operator, "openclaw_delivery_shadow{tenant=\"acme\"}"), "0");
}

#[test]
fn a_tenant_with_limits_alone_takes_no_alerts() {
    let limits = "limits: { policies: { api: { rate: 1/s, burst: 5 } } }\n";
    let folder = Folder::new(&[("acme", limits)]);
    let (key, operator) = (folder.key("acme", "ingest,read,limit"), folder.operator_key());
    let server = folder.serve();
    assert_eq!(server.get("/api/v1/rate?client=a", &key).expect(200).json()["limit"], 5);
    let body = crate::support::alerts::body(&[Alert::new("up")]);
    for path in ["/api/v2/alerts", "/api/v1/alerts", "/api/v1/ingest/json", "/api/v1/ingest/pagerduty"] {
        let refused = server.post(path, &key, &body).expect(403).text();
        assert!(refused.contains("have no `route`"), "{refused}");
    }
    assert!(server.alerts(&key).is_empty());
    folder.tenant("acme", &format!("{limits}{SILENT}"));
    reload(&server, &operator);
    server.post_alerts(&key, &[Alert::new("up")]);
    // What fires is still to be seen once nobody is told any more.
    folder.tenant("acme", limits);
    reload(&server, &operator);
    server.post("/api/v2/alerts", &key, &body).expect(403);
    assert_eq!(server.alerts(&key).len(), 1);
}
