//! `GET /api/v2/alerts/groups`, and what API v2 says to pages of others.

use crate::support::server::Server;
use crate::support::{Alert, Folder, Request, until};
use serde_json::{Value, json};

const SETTINGS: &str = "
receivers: [{ name: ops }, { name: db }]
route:
  receiver: ops
  group_by: [alertname]
  routes:
    - { receiver: db, matchers: ['team=\"db\"'], continue: true }
    - { receiver: ops, matchers: ['team=\"db\"'], mute_time_intervals: [always] }
time_intervals: [{ name: always, time_intervals: [{ months: ['1:12'] }] }]
";

struct World {
    server: Server,
    key: String,
    _folder: Folder,
}

fn world() -> World {
    let folder = Folder::new(&[("acme", SETTINGS)]);
    let key = folder.full_key("acme");
    World { server: folder.serve(), key, _folder: folder }
}

impl World {
    fn groups(&self, query: &str) -> Vec<Value> {
        let groups = self.server.get(&format!("/api/v2/alerts/groups?{query}"), &self.key).expect(200).json();
        groups.as_array().unwrap().clone()
    }

    /// Each group as its receiver, its labels and the `n` of its alerts.
    fn shown(&self, query: &str) -> Vec<String> {
        let line = |group: &Value| {
            let alerts = group["alerts"].as_array().unwrap().iter();
            let numbers: Vec<_> = alerts.map(|alert| alert["labels"]["n"].as_str().unwrap()).collect();
            let labels = group["labels"]["alertname"].as_str().unwrap();
            format!("{} {labels} {}", group["receiver"]["name"].as_str().unwrap(), numbers.join(","))
        };
        self.groups(query).iter().map(line).collect()
    }
}

#[test]
fn groups_are_shown_as_alertmanager_shows_them() {
    let world = world();
    let alert = |name: &str, n: &str| Alert::new(name).label("n", n);
    world.server.post_alerts(
        &world.key,
        &[
            alert("disk", "1").label("instance", "b"),
            alert("disk", "2").label("instance", "a"),
            alert("disk", "3").label("job", "z"),
            alert("cpu", "4"),
            alert("slow", "5").label("team", "db"),
            alert("gone", "6"),
        ],
    );
    world.server.post_alerts(&world.key, &[alert("gone", "6").resolved()]);
    for (query, want) in [
        ("", &["ops cpu 4", "ops disk 3,2,1", "db slow 5", "ops slow 5"][..]),
        ("receiver=db", &["db slow 5"]),
        ("receiver=d", &[]),
        ("muted=false", &["ops cpu 4", "ops disk 3,2,1", "db slow 5"]),
        ("filter=n%3D~%221|4%22", &["ops cpu 4", "ops disk 1"]),
        ("active=false", &[]),
    ] {
        assert_eq!(world.shown(query), want, "{query}");
    }
    let groups = world.groups("filter=team%3Ddb");
    let (by_db, by_ops) = (&groups[0]["alerts"][0], &groups[1]["alerts"][0]);
    assert_eq!(by_db["receivers"], json!([{ "name": "db" }, { "name": "ops" }]));
    let status = |state: &str, muted_by: Value| json!({ "state": state, "silencedBy": [], "inhibitedBy": [], "mutedBy": muted_by });
    assert_eq!(by_db["status"], status("active", json!([])));
    assert_eq!(by_ops["status"], status("suppressed", json!(["always"])));
    // Who is muted by time shows in groups only.
    let listed = world.server.get("/api/v2/alerts?filter=team%3Ddb", &world.key).expect(200).json();
    assert_eq!(listed[0]["status"], status("active", json!([])));
    assert_eq!(world.groups("receiver=db")[0]["alerts"][0]["receivers"], json!([{ "name": "db" }]));
}

#[test]
fn a_group_of_many_pages_and_many_groups_are_shown_whole() {
    let world = world();
    let many: Vec<_> = (0..600).map(|n| Alert::new("many").label("n", &n.to_string())).collect();
    let own: Vec<_> = (0..600).map(|n| Alert::new(&format!("own{n}")).label("n", "x")).collect();
    world.server.post_alerts(&world.key, &many);
    world.server.post_alerts(&world.key, &own);
    let groups = world.groups("");
    assert_eq!(groups.len(), 601);
    let mut sizes: Vec<_> = groups.iter().map(|group| group["alerts"].as_array().unwrap().len()).collect();
    sizes.sort_unstable();
    assert_eq!((sizes[599], sizes[600]), (1, 600));
    assert_eq!(world.groups("filter=n%3D599").len(), 1);
    assert!(world.groups("filter=n%3Dnone").is_empty());
}

#[test]
fn an_inhibited_alert_names_who_inhibits_it() {
    let rule = "inhibit_rules: [{ source_matchers: ['severity=\"critical\"'], target_matchers: ['severity=\"warning\"'], equal: [host] }]\n";
    let folder = Folder::new(&[("acme", &format!("{}{rule}", crate::support::server::SILENT))]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    let on =
        |host: &str, severity: &str| Alert::new(severity).label("severity", severity).label("host", host);
    server.post_alerts(&key, &[on("a", "critical"), on("a", "warning"), on("b", "warning")]);
    let listed = |query: &str| {
        let alerts = server.get(&format!("/api/v2/alerts?{query}"), &key).expect(200).json();
        let mut shown: Vec<_> = alerts.as_array().unwrap().clone();
        shown.sort_by_key(|alert| format!("{}{}", alert["labels"]["host"], alert["labels"]["severity"]));
        shown
    };
    let all = listed("");
    let (source, target) = (&all[0], &all[1]);
    assert_eq!(target["status"]["inhibitedBy"], json!([source["fingerprint"]]));
    assert_eq!(
        (&target["status"]["state"], &all[2]["status"]["state"]),
        (&json!("suppressed"), &json!("active"))
    );
    assert_eq!((listed("inhibited=false").len(), listed("active=false").len()), (2, 1));
    server.post_alerts(&key, &[on("a", "critical").resolved()]);
    until("nothing is inhibited", || listed("active=false").is_empty());
}

#[test]
fn other_pages_may_call_api_v2_and_nothing_else() {
    let world = world();
    let send = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let request = Request::new(method, path).key(&world.key);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.send(world.server.address)
    };
    let page = ("Origin", "http://karma.example");
    let answer = send("GET", "/api/v2/receivers", &[page]);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!((answer.header("Vary"), answer.header("Cache-Control")), (Some("Origin"), Some("no-store")));
    assert_eq!(send("GET", "/api/v2/receivers", &[]).header("Access-Control-Allow-Origin"), None);
    assert_eq!(send("GET", "/api/v1/alerts", &[page]).header("Access-Control-Allow-Origin"), None);
    // A browser asks without a key.
    for path in ["/api/v2/silence/x", "/t/acme/api/v2/alerts"] {
        let asks = Request::new("OPTIONS", path).header(page.0, page.1);
        let answer = asks.header("Access-Control-Request-Method", "DELETE").send(world.server.address);
        assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (204, Some("*")), "{path}");
        let allowed = answer.header("Access-Control-Allow-Headers").unwrap();
        assert!(allowed.contains("Authorization"), "{allowed}");
    }
    let nothing = send("GET", "/api/v2/nothing", &[]).expect(404).json();
    assert_eq!(nothing, json!({ "code": 404, "message": "path /api/v2/nothing was not found" }));
    let put = send("PUT", "/api/v2/silences", &[]).expect(405);
    assert_eq!(put.json()["code"], 405);
    assert!(put.header("Allow").is_some_and(|allow| allow.contains("POST")), "{put:?}");
    send("GET", "/api/v1/silences", &[]).expect(410);
}
