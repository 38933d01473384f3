//! Silences, as amtool and the pages of others set and read them.

use crate::support::alerts::{now, rfc3339};
use crate::support::client::{Request, Response};
use crate::support::server::{Server, told_at_once};
use crate::support::{Alert, Folder, Sink, until};
use serde_json::{Value, json};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

struct World {
    server: Server,
    key: String,
    folder: Folder,
    sink: Sink,
}

fn world() -> World {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &told_at_once(&sink.url("/hook")))]);
    let key = folder.full_key("acme");
    World { server: folder.serve(), key, folder, sink }
}

/// Silences alerts of this name for an hour.
fn silence(name: &str) -> Value {
    json!({
        "matchers": [{ "name": "alertname", "value": name, "isRegex": false }],
        "startsAt": rfc3339(now()),
        "endsAt": rfc3339(now() + HOUR),
        "createdBy": "ann",
        "comment": "known",
    })
}

impl World {
    fn set(&self, silence: &Value) -> Response {
        self.server.post("/api/v2/silences", &self.key, &silence.to_string())
    }

    #[track_caller]
    fn must_set(&self, silence: &Value) -> String {
        self.set(silence).expect(200).json()["silenceID"].as_str().unwrap().to_owned()
    }

    fn silences(&self, query: &str) -> Vec<Value> {
        let listed = self.server.get(&format!("/api/v2/silences?{query}"), &self.key).expect(200).json();
        listed.as_array().unwrap().clone()
    }

    fn end(&self, id: &str) -> Response {
        let target = format!("/api/v2/silence/{id}");
        Request::new("DELETE", &target).key(&self.key).send(self.server.address)
    }

    fn state(&self, name: &str) -> Value {
        let alerts = self.server.alerts(&self.key);
        alerts.iter().find(|alert| alert["labels"]["alertname"] == name).unwrap()["status"].clone()
    }

    fn names(&self, query: &str) -> Vec<String> {
        let alerts = self.server.get(&format!("/api/v2/alerts?{query}"), &self.key).expect(200).json();
        let name = |alert: &Value| alert["labels"]["alertname"].as_str().unwrap().to_owned();
        let mut names: Vec<_> = alerts.as_array().unwrap().iter().map(name).collect();
        names.sort();
        names
    }
}

#[test]
fn a_silence_holds_at_once_and_over_restarts_until_it_is_ended() {
    let mut world = world();
    let id = world.must_set(&silence("quiet"));
    world.server.post_alerts(&world.key, &[Alert::new("quiet"), Alert::new("loud")]);
    let held = json!({ "state": "suppressed", "silencedBy": [id], "inhibitedBy": [], "mutedBy": [] });
    assert_eq!(world.state("quiet"), held);
    for (query, want) in [
        ("silenced=false", &["loud"][..]),
        ("active=false", &["quiet"]),
        ("active=false&silenced=false", &[]),
        ("", &["loud", "quiet"]),
    ] {
        assert_eq!(world.names(query), want, "{query}");
    }
    world.sink.wait_told("/hook", "loud", "firing");
    let before = world.silences("");
    for _ in 0..2 {
        world.server.kill();
        world.server = world.folder.serve();
        assert_eq!(world.silences(""), before);
        assert_eq!(world.state("quiet"), held);
    }
    let alert = world.server.alert(&world.key, "quiet");
    assert_eq!(alert["silencedBy"], json!([id]));
    let stage = world.server.wait_stage(&world.key, alert["id"].as_str().unwrap(), "silenced");
    assert_eq!(stage["by"], id);
    assert!(!world.sink.seen().iter().any(|seen| seen.tells_of("quiet")));
    world.end(&id).expect(200);
    assert_eq!(world.end(&id).expect(200).text(), "");
    assert_eq!(world.state("quiet")["state"], "active");
    world.sink.wait_told("/hook", "quiet", "firing");
    assert_eq!(world.silences("")[0]["status"]["state"], "expired");
    assert!(world.silences("expired=false").is_empty());
}

#[test]
fn a_silence_is_shown_as_alertmanager_shows_it() {
    let world = world();
    let mut posted = silence("a");
    posted["matchers"] = json!([
        { "name": "a", "value": "b", "isRegex": false },
        { "name": "c d", "value": "x.*", "isRegex": true, "isEqual": false },
    ]);
    posted["annotations"] = json!({ "ticket": "OPS-1" });
    let id = world.must_set(&posted);
    let shown = world.server.get(&format!("/api/v2/silence/{id}"), &world.key).expect(200).json();
    assert_eq!(world.silences(""), std::slice::from_ref(&shown));
    assert_eq!(
        shown["matchers"],
        json!([
            { "name": "a", "value": "b", "isRegex": false, "isEqual": true },
            { "name": "c d", "value": "x.*", "isRegex": true, "isEqual": false },
        ])
    );
    for member in ["endsAt", "createdBy", "comment", "annotations"] {
        assert_eq!(shown[member], posted[member], "{member}");
    }
    assert_eq!((&shown["id"], &shown["status"]), (&json!(id), &json!({ "state": "active" })));
    assert_eq!(shown["startsAt"], shown["updatedAt"]);
    // A filter is compared with the matchers themselves.
    for (filter, found) in
        [("a%3Db", 1), ("a%3D~b", 0), ("a!%3Dc", 0), ("%22c+d%22!~%22x.*%22", 1), ("a%3Db&filter=z%3Dz", 0)]
    {
        assert_eq!(world.silences(&format!("filter={filter}")).len(), found, "{filter}");
    }
}

#[test]
fn silences_are_listed_as_people_want_to_see_them() {
    let world = world();
    let (mut late, mut pending) = (silence("late"), silence("pending"));
    late["endsAt"] = rfc3339(now() + 3 * HOUR).into();
    (pending["startsAt"], pending["endsAt"]) =
        (rfc3339(now() + HOUR).into(), rfc3339(now() + 2 * HOUR).into());
    let ended = world.must_set(&silence("ended"));
    world.end(&ended).expect(200);
    let ids = [&late, &pending, &silence("soon")].map(|silence| world.must_set(silence));
    let shown = |query: &str| {
        let ids = world.silences(query).into_iter().map(|silence| silence["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let [late, pending, soon] = ids;
    assert_eq!(shown(""), [&soon, &late, &pending, &ended].map(String::as_str));
    assert_eq!(shown("active=false"), [&pending, &ended].map(String::as_str));
    assert_eq!(shown("active=false&expired=false"), [&*pending]);
    assert_eq!(shown("pending=false&expired=false"), [&*soon, &*late]);
}

#[test]
fn a_changed_silence_keeps_its_id_unless_its_past_would_change() {
    let world = world();
    let id = world.must_set(&silence("a"));
    let mut changed = world.silences("")[0].clone();
    changed["endsAt"] = rfc3339(now() + 2 * HOUR).into();
    assert_eq!(world.must_set(&changed), id);
    changed["matchers"][0]["value"] = "b".into();
    let new = world.must_set(&changed);
    assert_ne!(new, id);
    let states: Vec<_> =
        world.silences("").iter().map(|silence| silence["status"]["state"].clone()).collect();
    assert_eq!(states, ["active", "expired"]);
    changed["id"] = "0f8fad5b-d9cb-469f-a165-70867728950e".into();
    assert_eq!(world.set(&changed).expect(404).json(), "silence not found");
    changed["id"] = "no-uuid".into();
    assert_eq!(world.set(&changed).expect(404).json(), "silence not found");
}

#[test]
fn what_is_no_silence_is_refused_in_alertmanagers_shapes() {
    let world = world();
    let with = |member: &str, value: Value| {
        let mut silence = silence("a");
        silence[member] = value;
        silence
    };
    let matcher = |value: &str| json!([{ "name": "a", "value": value, "isRegex": false }]);
    for (silence, status, want) in [
        (json!(null), 422, json!({ "code": 602, "message": "comment in body is required" })),
        (
            with("matchers", json!([])),
            422,
            json!({ "code": 612, "message": "matchers in body should have at least 1 items" }),
        ),
        (
            with("matchers", matcher("")),
            400,
            json!("invalid silence: at least one matcher must not match the empty string"),
        ),
        (
            with("startsAt", json!("2099-01-01T00:00:00Z")),
            400,
            json!("Failed to create silence: start time must be before end time"),
        ),
        (
            with("annotations", json!({ "openclaw/receivers": "ops,nobody" })),
            400,
            json!(
                "invalid silence: annotation `openclaw/receivers` names `nobody`, no receiver of the settings: use one of `ops`"
            ),
        ),
    ] {
        let answer = world.set(&silence);
        assert_eq!((answer.status, answer.json()), (status, want), "{silence}");
    }
    let mut past = silence("a");
    (past["startsAt"], past["endsAt"]) = (json!("2020-01-01T00:00:00Z"), json!("2020-01-02T00:00:00Z"));
    assert_eq!(
        world.set(&past).expect(400).json(),
        "Failed to create silence: end time can't be in the past"
    );
    let form = Request::post_as("/api/v2/silences", Some("text/plain"), "{}").key(&world.key);
    assert_eq!(form.send(world.server.address).expect(415).json()["code"], 415);
    let large = " ".repeat(300 << 10);
    world.server.post("/api/v2/silences", &world.key, &large).expect(413);
    for id in ["abc", "0476478f9acd45e9b2a84b010cf469b0"] {
        let no_uuid = format!("silenceID in path must be of type uuid: \"{id}\"");
        let answer = world.end(id).expect(422).json();
        assert_eq!(answer, json!({ "code": 601, "message": no_uuid }));
    }
    let unknown = "0476478f-9acd-45e9-b2a8-4b010cf469b0";
    assert_eq!(world.end(unknown).expect(404).text(), "");
    let one = world.server.get(&format!("/api/v2/silence/{unknown}"), &world.key);
    assert_eq!(one.expect(404).text(), "");
    assert!(world.silences("").is_empty());
}

#[test]
fn a_silence_until_all_is_over_ends_by_itself() {
    let world = world();
    let mut posted = silence("storm");
    posted["annotations"] = json!({ "openclaw/until": "resolved" });
    world
        .server
        .post_alerts(&world.key, &[Alert::new("storm").label("n", "1"), Alert::new("storm").label("n", "2")]);
    world.must_set(&posted);
    world.server.post_alerts(&world.key, &[Alert::new("storm").label("n", "1").resolved()]);
    assert_eq!(world.silences("expired=false").len(), 1);
    world.server.post_alerts(&world.key, &[Alert::new("storm").label("n", "2").resolved()]);
    until("the silence is over", || world.silences("expired=false").is_empty());
}

#[test]
fn a_silence_for_one_receiver_leaves_the_others() {
    let sink = Sink::new();
    let hook = |name: &str| {
        format!("{{ name: {name}, webhook_configs: [{{ url: \"{}\" }}] }}", sink.url(&format!("/{name}")))
    };
    let at_once = "group_by: ['...'], group_wait: 0s, group_interval: 1s";
    let tenant = format!(
        "receivers: [{}, {}]\nroute: {{ receiver: ops, {at_once}, routes: [{{ receiver: ops, continue: true }}, {{ receiver: db }}] }}\n",
        hook("ops"),
        hook("db")
    );
    let folder = Folder::new(&[("acme", &tenant)]);
    let key = folder.full_key("acme");
    let world = World { server: folder.serve(), key, folder, sink };
    let mut posted = silence("both");
    posted["annotations"] = json!({ "openclaw/receivers": "db" });
    let id = world.must_set(&posted);
    world.server.post_alerts(&world.key, &[Alert::new("both")]);
    world.sink.wait_told("/ops", "both", "firing");
    // Somebody is told, so it is not silenced; in the other's group it is.
    assert_eq!(world.state("both")["state"], "active");
    let groups = world.server.get("/api/v2/alerts/groups?silenced=false", &world.key).expect(200).json();
    assert_eq!((groups.as_array().unwrap().len(), &groups[0]["receiver"]["name"]), (1, &json!("ops")));
    let held = world.server.get("/api/v2/alerts/groups?receiver=db", &world.key).expect(200).json();
    assert_eq!(held[0]["alerts"][0]["status"]["silencedBy"], json!([id]));
    assert!(world.sink.seen_at("/db").is_empty());
}

#[test]
fn only_who_may_respond_sets_silences_and_only_in_its_tenant() {
    let sink = Sink::new();
    let settings = told_at_once(&sink.url("/hook"));
    let folder = Folder::new(&[("acme", &settings), ("globex", &settings)]);
    let (key, reader) = (folder.full_key("acme"), folder.key("acme", "ingest,read"));
    let other = folder.full_key("globex");
    let world = World { server: folder.serve(), key, folder, sink };
    let id = world.must_set(&silence("a"));
    let (target, body) = (format!("/api/v2/silence/{id}"), silence("b").to_string());
    world.server.post("/api/v2/silences", &reader, &body).expect(403);
    let ends = |key: &str| Request::new("DELETE", &target).key(key).send(world.server.address).status;
    assert_eq!((ends(&reader), ends(&other)), (403, 404));
    world.server.get(&target, &other).expect(404);
    assert_eq!(world.server.get("/api/v2/silences", &other).expect(200).json(), json!([]));
    world.server.get(&target, &reader).expect(200);
    let mut taken_over = silence("a");
    taken_over["id"] = id.clone().into();
    world.server.post("/api/v2/silences", &other, &taken_over.to_string()).expect(404);
    Request::post("/api/v2/silences", body).send(world.server.address).expect(401);
    assert_eq!(world.silences("")[0]["status"]["state"], "active");
}
