//! Hostile tenants: what a tenant may not see it never sees.

use crate::support::client::{Response, exchange_open, response};
use crate::support::server::{Server, told_at_once};
use crate::support::{Alert, Folder, Reply, Request, Sink, until};
use serde_json::Value;

/// Stands in everything that belongs to globex, `globex-56` in full: a name that
/// shares its partition with `acme`, so that nothing but the tenant is between.
const MARK: &str = "globex-only";

struct World {
    server: Server,
    acme: String,
    globex: String,
    operator: String,
    /// An alert of `globex`, with a dead letter.
    id: String,
    fingerprint: String,
    letter: String,
    _folder: Folder,
    _sink: Sink,
}

fn world() -> World {
    let sink = Sink::new();
    let tenant = told_at_once(&sink.url("/hook"));
    let folder = Folder::new(&[("acme", &tenant), ("globex-56", &tenant)]);
    let (acme, globex, operator) =
        (folder.full_key("acme"), folder.full_key("globex-56"), folder.operator_key());
    let server = folder.serve();
    sink.script([Reply::status(404)]);
    server.post_alerts(&globex, &[Alert::new(MARK).annotation("summary", MARK)]);
    let alert = server.alert(&globex, MARK);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (id, fingerprint) = (text(&alert["id"]), text(&alert["fingerprint"]));
    server.wait_stage(&globex, &id, "dead_lettered");
    let letters = server.get("/api/v1/dead-letters", &globex).expect(200).json();
    let letter = text(&letters["dead_letters"][0]["id"]);
    server.post_alerts(&acme, &[Alert::new("of-acme")]);
    let neighbour = text(&server.alert(&acme, "of-acme")["id"]);
    assert_eq!(neighbour[..5], id[..5], "the partition is in an id's first digits");
    World { server, acme, globex, operator, id, fingerprint, letter, _folder: folder, _sink: sink }
}

impl World {
    #[track_caller]
    fn sees_nothing(&self, what: &str, answers: &[Response]) {
        for answer in answers {
            let told = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
            assert!(!told.contains(MARK), "{what}: {told}");
        }
    }

    /// Globex is as it was.
    #[track_caller]
    fn globex_is_untouched(&self) {
        let alerts = self.server.alerts(&self.globex);
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        let alert = self.server.alert(&self.globex, MARK);
        assert_eq!((&alert["feedback"], &alert["state"]), (&Value::Null, &"firing".into()));
        let letters = self.server.get("/api/v1/dead-letters", &self.globex).expect(200).json();
        assert_eq!(letters["dead_letters"][0]["id"], self.letter);
    }

    /// Sends a request written by hand, with acme's key where it says KEY.
    fn raw(&self, request: &str) -> Vec<Response> {
        let request = request.replace("KEY", &self.acme).replace('\n', "\r\n");
        exchange_open(self.server.address, request.as_bytes()).unwrap_or_default()
    }
}

#[test]
fn ids_of_others_do_not_exist() {
    let world = world();
    let (id, fingerprint, letter) = (&world.id, &world.fingerprint, &world.letter);
    for name in [id, fingerprint] {
        for target in [format!("/api/v1/alerts/{name}"), format!("/api/v1/alerts/{name}/explain")] {
            let answer = world.server.get(&target, &world.acme).expect(404);
            world.sees_nothing(&target, &[answer]);
        }
        let feedback = format!("/api/v1/alerts/{name}/feedback");
        world.server.post(&feedback, &world.acme, r#"{"action":"dismiss"}"#).expect(404);
    }
    world.server.post(&format!("/api/v1/dead-letters/{letter}/retry"), &world.acme, "").expect(404);
    let after = format!("/api/v1/alerts?after={id}");
    let listed = world.server.get(&after, &world.acme);
    world.sees_nothing(&after, &[listed]);
    world.globex_is_untouched();
}

#[test]
fn the_same_alert_of_two_tenants_is_two() {
    let world = world();
    world.server.post_alerts(&world.acme, &[Alert::new(MARK).annotation("summary", "ours")]);
    let ours =
        world.server.get(&format!("/api/v1/alerts/{}", world.fingerprint), &world.acme).expect(200).json();
    assert_ne!(ours["id"], world.id);
    assert_eq!(ours["annotations"]["summary"], "ours");
    let feedback = format!("/api/v1/alerts/{}/feedback", world.fingerprint);
    world.server.post(&feedback, &world.acme, r#"{"action":"dismiss"}"#).expect(200);
    world.server.post_alerts(&world.acme, &[Alert::new(MARK).annotation("summary", "ours").resolved()]);
    let id = ours["id"].as_str().unwrap();
    world.server.wait_stage(&world.acme, id, "resolved");
    let trail = world.server.trail(&world.acme, id);
    assert!(!trail.iter().any(|event| event["stage"] == "dead_lettered"), "{trail:?}");
    world.globex_is_untouched();
}

#[test]
fn no_answer_of_any_path_speaks_of_others() {
    let world = world();
    for target in [
        "/api/v2/alerts",
        "/api/v2/alerts?filter=alertname%3D~%22.*%22",
        "/api/v2/status",
        "/api/v2/receivers",
        "/api/v1/alerts?limit=500",
        "/api/v1/deliveries",
        "/api/v1/dead-letters",
        "/console",
        "/metrics",
        "/t/acme/metrics",
    ] {
        let answer = world.server.get(target, &world.acme);
        assert!(!answer.text().contains("globex-56"), "{target}: {}", answer.text());
    }
}

#[test]
fn a_header_only_selects_what_the_key_allows() {
    let world = world();
    let get = |key: &str, tenants: &[&str]| {
        let request = Request::get("/api/v2/alerts").key(key);
        let request = tenants.iter().fold(request, |request, tenant| request.header("X-Scope-OrgID", tenant));
        request.send(world.server.address)
    };
    for tenants in
        [&["globex-56"][..], &["nobody"], &["acme|globex-56"], &["ACME"], &[""], &["acme,globex-56"]]
    {
        let answer = get(&world.acme, tenants);
        assert_eq!(answer.status, 403, "{tenants:?}");
        world.sees_nothing("header", &[answer]);
    }
    get(&world.acme, &["acme"]).expect(200);
    for twice in [["acme", "globex-56"], ["acme", "acme"], ["globex-56", "acme"]] {
        assert_eq!(get(&world.acme, &twice).status, 400);
        assert_eq!(get(&world.operator, &twice).status, 400);
    }
    assert!(get(&world.operator, &["globex-56"]).expect(200).text().contains(MARK));
    assert!(!get(&world.operator, &["acme"]).expect(200).text().contains(MARK));
    assert_eq!(get(&world.operator, &["nobody"]).status, 403);
    assert_eq!(get(&world.operator, &[]).status, 403);
    let request = Request::post("/api/v2/alerts", "[]").key(&world.acme).header("X-Scope-OrgID", "globex-56");
    assert_eq!(request.send(world.server.address).status, 403);
}

#[test]
fn a_path_only_selects_what_the_key_allows() {
    let world = world();
    for rest in ["/api/v2/alerts", "/api/v1/alerts", "/metrics", "/console", "/api/v2/status"] {
        let other = world.server.get(&format!("/t/globex-56{rest}"), &world.acme).expect(403);
        world.sees_nothing(rest, &[other]);
        world.server.get(&format!("/t/acme{rest}"), &world.acme).expect(200);
        world.server.get(&format!("/t/globex-56{rest}"), &world.operator).expect(200);
    }
    let post = |target: &str, key: &str| {
        let body = r#"[{"labels":{"alertname":"planted"}}]"#;
        world.server.post(target, key, body).status
    };
    assert_eq!(post("/t/globex-56/api/v2/alerts", &world.acme), 403);
    assert_eq!(post("/t/acme/api/v2/alerts", &world.acme), 200);
    let both = Request::get("/t/globex-56/api/v2/alerts").header("X-Scope-OrgID", "acme");
    let status = |key: &str| both.clone().key(key).send(world.server.address).status;
    assert!(status(&world.acme) >= 400);
    assert_eq!(status(&world.operator), 400);
    world.globex_is_untouched();
}

#[test]
fn tricks_with_paths_lead_nowhere() {
    let world = world();
    for path in [
        "/t/acme/../globex-56/api/v2/alerts",
        "/t/acme/../../t/globex-56/api/v2/alerts",
        "/t/acme/%2e%2e/globex-56/api/v2/alerts",
        "/t/acme/t/globex-56/api/v2/alerts",
        "/t/acme//t/globex-56/api/v2/alerts",
        "//t/globex-56/api/v2/alerts",
        "/./t/globex-56/api/v2/alerts",
        "/t/acme%2f..%2fglobex-56/api/v2/alerts",
        "/t/acme%2f../globex-56/api/v2/alerts",
        "/t//api/v2/alerts",
        "/t/globex-56%00/api/v2/alerts",
        "/t/glob%65x-56/api/v2/alerts",
        "/t/GLOBEX-56/api/v2/alerts",
        "/t/globex-56;x/api/v2/alerts",
        "/t/globex-56\\api\\v2\\alerts",
        "/t/acme/api/v2/alerts/../../../../t/globex-56/api/v2/alerts",
        "/api/v1/alerts/..%2f..%2ft%2fglobex-56",
    ] {
        let get = world
            .raw(&format!("GET {path} HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\nConnection: close\n\n"));
        world.sees_nothing(path, &get);
        assert!(get.iter().all(|answer| answer.status >= 400), "{path}: {get:?}");
        let post = format!(
            "POST {path} HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\nContent-Type: application/json\n\
             Content-Length: 35\nConnection: close\n\n[{{\"labels\":{{\"alertname\":\"planted\"}}}}]"
        );
        let post = world.raw(&post);
        assert!(post.iter().all(|answer| answer.status >= 400), "{path}: {post:?}");
    }
    assert_eq!(world.server.alerts(&world.acme).len(), 1);
    world.globex_is_untouched();
}

#[test]
fn the_target_in_its_other_forms_selects_no_more() {
    let world = world();
    let absolute = "GET http://globex-56/t/globex-56/api/v2/alerts HTTP/1.1\nHost: globex-56\nAuthorization: Bearer KEY\nConnection: close\n\n";
    let own = "GET http://globex-56/api/v2/alerts HTTP/1.1\nHost: globex-56\nAuthorization: Bearer KEY\nConnection: close\n\n";
    let userinfo = "GET http://globex-56:x@host/api/v2/alerts HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\nConnection: close\n\n";
    let connect = "CONNECT globex-56:443 HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\nConnection: close\n\n";
    let star = "OPTIONS * HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\nConnection: close\n\n";
    for request in [absolute, own, userinfo, connect, star] {
        world.sees_nothing(request, &world.raw(request));
    }
    assert_eq!(world.raw(absolute)[0].status, 403);
    world.globex_is_untouched();
}

#[test]
fn headers_that_two_readers_would_read_differently_are_refused() {
    let world = world();
    let refused = [
        (
            "two lengths",
            "POST /api/v2/alerts HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\nContent-Type: application/json\nContent-Length: 2\nContent-Length: 3\n\n[] ",
        ),
        (
            "a list of lengths",
            "POST /api/v2/alerts HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\nContent-Type: application/json\nContent-Length: 2, 3\n\n[] ",
        ),
        (
            "a signed length",
            "POST /api/v2/alerts HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\nContent-Type: application/json\nContent-Length: +2\n\n[]",
        ),
        (
            "an unknown coding",
            "POST /api/v2/alerts HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\nContent-Type: application/json\nTransfer-Encoding: xchunked\n\n0\n\n",
        ),
        (
            "chunked not last",
            "POST /api/v2/alerts HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\nContent-Type: application/json\nTransfer-Encoding: chunked, identity\n\n0\n\n",
        ),
        (
            "a folded line",
            "GET /api/v2/alerts HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\nX-A: b\n X-Scope-OrgID: globex-56\n\n",
        ),
        ("a space before the colon", "GET /api/v2/alerts HTTP/1.1\nHost: x\nAuthorization : Bearer KEY\n\n"),
        ("a space before the name", "GET /api/v2/alerts HTTP/1.1\nHost: x\n Authorization: Bearer KEY\n\n"),
        ("a null in a value", "GET /api/v2/alerts HTTP/1.1\nHost: x\nX-A: \0\nAuthorization: Bearer KEY\n\n"),
        (
            "two credentials",
            "GET /api/v2/alerts HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\nAuthorization: Bearer KEY\n\n",
        ),
        (
            "two credentials in one",
            "GET /api/v2/alerts HTTP/1.1\nHost: x\nAuthorization: Bearer KEY, Bearer KEY\n\n",
        ),
    ];
    for (what, request) in refused {
        let answers = world.raw(request);
        world.sees_nothing(what, &answers);
        assert!(answers.first().is_some_and(|answer| answer.status >= 400), "{what}: {answers:?}");
        assert_eq!(answers.len(), 1, "{what}");
    }
    // An underscore makes it another header: it selects nothing.
    let underscore = "GET /api/v2/alerts HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\nX_Scope_OrgID: globex-56\nConnection: close\n\n";
    let answers = world.raw(underscore);
    assert_eq!(answers[0].status, 200);
    world.sees_nothing("underscore", &answers);
    world.globex_is_untouched();
}

/// Where one reader counts a body and another its chunks, what one takes for
/// the body's rest is a request to the other.
#[test]
fn a_request_hidden_in_a_body_is_never_carried_out() {
    let world = world();
    let hidden = "POST /api/v2/alerts HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\nContent-Type: application/json\nContent-Length: 36\n\n[{\"labels\":{\"alertname\":\"smuggled\"}}]\n";
    let body = format!("[]\n{hidden}").replace("KEY", &world.acme).replace('\n', "\r\n");
    let head =
        "POST /api/v2/alerts HTTP/1.1\nHost: x\nAuthorization: Bearer KEY\nContent-Type: application/json\n";
    // As a body it is one broken request and no more.
    let answers = world.raw(&format!(
        "{head}Content-Length: {}\nConnection: close\n\n{}",
        body.len(),
        body.replace("\r\n", "\n")
    ));
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].status, 400);
    // With both ways of framing, the connection must not be used any further.
    for order in [
        "Content-Length: 6\nTransfer-Encoding: chunked\n",
        "Transfer-Encoding: chunked\nContent-Length: 6\n",
        "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\nContent-Length: 6\n",
    ] {
        let answers = world.raw(&format!("{head}{order}\n2\n[]\n0\n\n{hidden}"));
        assert!(answers.len() <= 1, "{order}: {answers:?}");
    }
    let names: Vec<_> = world.server.alerts(&world.acme);
    assert!(!names.iter().any(|alert| alert["labels"]["alertname"] == "smuggled"), "{names:?}");
}

#[test]
fn each_request_on_a_connection_shows_its_own_credential() {
    let world = world();
    let get = |key: &str| format!("GET /api/v2/alerts HTTP/1.1\r\nHost: x\r\n{key}\r\n");
    let key = |key: &str| format!("Authorization: Bearer {key}\r\n");
    let requests = [get(&key(&world.globex)), get(""), get(&key(&world.acme))].concat();
    let answers = exchange_open(world.server.address, requests.as_bytes()).unwrap();
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 401, 200]);
    assert!(answers[0].text().contains(MARK));
    world.sees_nothing("pipelined", &answers[1..]);
    assert!(response(b"HTTP/1.1 200 OK\r\n").is_none());
}

#[test]
fn a_key_of_another_tenant_as_password_is_refused() {
    let world = world();
    for target in ["/api/v2/alerts", "/t/acme/api/v2/alerts", "/t/globex-56/api/v2/alerts"] {
        let answer = Request::get(target).basic("globex-56", &world.acme).send(world.server.address);
        assert_eq!(answer.status, 401, "{target}");
        let answer = Request::get(target).basic("acme", &world.globex).send(world.server.address);
        assert_eq!(answer.status, 401, "{target}");
    }
    for user in ["", "ACME", "acme ", "acme\0", "acme:x"] {
        let answer = Request::get("/api/v2/alerts").basic(user, &world.acme).send(world.server.address);
        assert_eq!(answer.status, 401, "{user:?}");
    }
}

#[test]
fn labels_that_name_a_tenant_are_only_labels() {
    let world = world();
    let planted = Alert::new("planted").label("tenant", "globex-56").label("X-Scope-OrgID", "globex-56");
    world.server.post_alerts(&world.acme, &[planted]);
    let body = r#"[{"tenant":"globex-56","labels":{"alertname":"planted-2"}}]"#;
    let _ = world.server.post("/api/v2/alerts?tenant=globex-56&X-Scope-OrgID=globex-56", &world.acme, body);
    until("the alert is acme's", || world.server.alerts(&world.acme).len() >= 2);
    world.globex_is_untouched();
}
