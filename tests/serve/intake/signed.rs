//! Requests that are signed: with a key beside the signature, and with nothing
//! else.

use super::senders::{SENDERS, Sender, What};
use super::{World, world};
use crate::support::Request;
use crate::support::alerts::now;
use crate::support::client::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write as _;
use std::time::UNIX_EPOCH;

const GRAFANA_SECRET: &str = "a-secret-of-grafana";
const JSON_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const SOURCES: &str = "sources:
  dash: { format: grafana, secret: a-secret-of-grafana }
  strict: { format: grafana, secret: a-secret-of-grafana, secret_required: true }
  timed: { format: grafana, secret: a-secret-of-grafana, secret_required: true, timestamp_header: X-Signed-At, signature_header: X-Mine }
  hooks: { format: json, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw }
  open: { format: json }
";

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn now_s() -> u64 {
    now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn sender(format: &str) -> &'static Sender {
    SENDERS.iter().rev().find(|sender| sender.format == format).unwrap()
}

fn grafana_body(n: u32) -> String {
    sender("grafana").body(What::Fires(n)).1.to_string()
}

fn json_body(n: u32) -> String {
    sender("json").body(What::Fires(n)).1.to_string()
}

fn by_grafana(target: &str, body: &str, secret: &str) -> Request {
    Request::post(target, body)
        .header("X-Grafana-Alerting-Signature", &hex(&mac(secret.as_bytes(), body.as_bytes())))
}

fn by_standard(target: &str, body: &str, id: &str, at_s: u64) -> Request {
    let key = STANDARD.decode(JSON_SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let signature = STANDARD.encode(mac(&key, format!("{id}.{at_s}.{body}").as_bytes()));
    Request::post(target, body)
        .header("webhook-id", id)
        .header("webhook-timestamp", &at_s.to_string())
        .header("webhook-signature", &format!("v1,{signature}"))
}

impl World {
    fn answers(&self, request: &Request) -> Response {
        request.send(self.server.address)
    }

    #[track_caller]
    fn is(&self, what: &str, request: &Request, status: u16) {
        let answer = self.answers(request);
        assert_eq!(answer.status, status, "{what}: {}", String::from_utf8_lossy(&answer.body));
        let said = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
        assert!(!said.contains(GRAFANA_SECRET) && !said.contains(JSON_SECRET), "{said}");
    }
}

#[test]
fn a_signature_is_credential_enough_at_its_own_path_alone() {
    let world = world(SOURCES);
    let (body, at) = (grafana_body(1), now_s());
    world.is("Grafana's", &by_grafana("/t/acme/api/v1/ingest/dash", &body, GRAFANA_SECRET), 202);
    assert_eq!(world.alert()["source"], "dash");
    let target = "/t/acme/api/v1/ingest/hooks";
    world.is("Standard Webhooks", &by_standard(target, &json_body(2), "msg_1", at), 202);
    assert_eq!(world.alerts().len(), 2);
    let known = world.alerts();
    for target in [
        "/api/v1/ingest/dash",
        "/t/acme/api/v1/alerts",
        "/api/v1/alerts",
        "/t/acme/api/v1/ingest/grafana",
        "/t/acme/api/v1/ingest/open",
        "/t/acme/api/v1/ingest/hooks",
        "/t/acme/api/v1/ingest/nosuch",
        "/t/nobody/api/v1/ingest/dash",
        "/t/acme/api/v2/alerts",
        "/t/acme/v2/alerts",
        "/t/acme/v2/enqueue",
    ] {
        world.is(target, &by_grafana(target, &grafana_body(3), GRAFANA_SECRET), 401);
    }
    for target in ["/t/acme/api/v1/ingest/open", "/t/acme/api/v1/ingest/dash", "/t/acme/api/v1/ingest/json"] {
        world.is(target, &by_standard(target, &json_body(3), "msg_2", at), 401);
    }
    assert_eq!(world.alerts().len(), known.len());
}

#[test]
fn a_wrong_signature_is_refused_with_and_without_a_key() {
    let world = world(SOURCES);
    let (body, at) = (grafana_body(1), now_s());
    let dash = "/t/acme/api/v1/ingest/dash";
    let changed = |request: &dyn Fn(&str) -> Request| {
        [request(dash), request(dash).key(&world.key), request("/api/v1/ingest/dash").key(&world.key)]
    };
    for request in changed(&|target| by_grafana(target, &body, "another-secret")) {
        world.is("another secret", &request, 401);
    }
    for request in
        changed(&|target| Request::post(target, body.clone()).header("X-Grafana-Alerting-Signature", "00"))
    {
        world.is("a short one", &request, 401);
    }
    let hooks = "/t/acme/api/v1/ingest/hooks";
    for (what, at) in [("too old", at - 400), ("of the future", at + 400)] {
        world.is(what, &by_standard(hooks, &json_body(1), "msg_1", at), 401);
        world.is(what, &by_standard(hooks, &json_body(1), "msg_1", at).key(&world.key), 401);
    }
    assert!(world.alerts().is_empty());
    // A right signature doesn't mend a wrong key, nor another tenant's name.
    let right = || by_grafana(dash, &body, GRAFANA_SECRET);
    world.is("a wrong key", &right().key("ocwrong"), 401);
    world.is("another tenant", &right().header("X-Scope-OrgID", "globex"), 400);
    world.is("twice", &right().header("X-Scope-OrgID", "acme").header("X-Scope-OrgID", "acme"), 400);
    assert!(world.alerts().is_empty());
    world.is("a right key", &right().key(&world.key), 202);
}

#[test]
fn a_key_alone_is_enough_unless_the_settings_say_otherwise() {
    let world = world(SOURCES);
    let body = grafana_body(1);
    world.is("a key", &Request::post("/api/v1/ingest/dash", body.clone()).key(&world.key), 202);
    world.is("a key alone", &Request::post("/api/v1/ingest/strict", body.clone()).key(&world.key), 401);
    world.is("both", &by_grafana("/api/v1/ingest/strict", &body, GRAFANA_SECRET).key(&world.key), 202);
    let timed = |target: &str, at: u64| {
        let signature = hex(&mac(GRAFANA_SECRET.as_bytes(), format!("{at}:{body}").as_bytes()));
        Request::post(target, body.clone())
            .header("X-Mine", &signature)
            .header("X-Signed-At", &at.to_string())
    };
    world.is("in time", &timed("/t/acme/api/v1/ingest/timed", now_s()), 202);
    world.is("too late", &timed("/t/acme/api/v1/ingest/timed", now_s() - 400), 401);
    world.is("without its time", &by_grafana("/t/acme/api/v1/ingest/timed", &body, GRAFANA_SECRET), 401);
}

#[test]
fn the_same_message_sent_again_changes_nothing() {
    let world = world(SOURCES);
    let send = || by_standard("/t/acme/api/v1/ingest/hooks", &json_body(1), "msg_1", now_s());
    world.is("first", &send(), 202);
    let ended = sender("json").body(What::Ended(1)).1.to_string();
    world.is("ended", &by_standard("/t/acme/api/v1/ingest/hooks", &ended, "msg_2", now_s()), 202);
    world.wait_ended();
    world.is("again", &send(), 202);
    assert!(world.firing().is_empty());
}

#[test]
fn a_secret_is_nowhere_to_be_read() {
    let world = world(SOURCES);
    world.is("fires", &by_grafana("/t/acme/api/v1/ingest/dash", &grafana_body(1), GRAFANA_SECRET), 202);
    let mut told = String::new();
    for target in ["/api/v1/alerts", "/api/v2/status", "/api/v2/alerts", "/console", "/t/acme/metrics"] {
        told += &world.server.get(target, &world.key).text();
    }
    told += &world.folder.run(&["check", "--config", "openclaw.yaml", "--output", "json"]);
    told += &world.server.stop();
    assert!(!told.contains(GRAFANA_SECRET) && !told.contains(&JSON_SECRET[6..]), "{told}");
}
