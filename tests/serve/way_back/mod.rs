//! What people do in other tools: it reaches the alert, its other receivers
//! and the rating; and what nobody did changes nothing.

mod hostile;
mod servicenow;
mod slack;

use crate::support::client::Response;
use crate::support::server::Server;
use crate::support::{Alert, Folder, Reply, Request, Seen, Sink, now, until_some};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::UNIX_EPOCH;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const POST: &str = "/api/chat.postMessage";
const EDIT: &str = "/api/chat.update";
const ACTIONS: &str = "/t/acme/api/v1/slack/actions";

/// A tenant in Slack, each group a message.
struct World {
    server: Server,
    key: String,
    slack: Sink,
    folder: Folder,
}

fn slack() -> Sink {
    let posted = Reply::json(r#"{"ok":true,"channel":"C1","ts":"1700000000.000100"}"#);
    Sink::answering(posted)
}

/// Receivers and route of a tenant in Slack.
fn in_slack(slack: &Sink, secret: &str) -> String {
    let api = slack.url("/api/");
    format!(
        "receivers:\n- name: ops\n  slack_configs:\n  - app_token: xoxb-1\n    app_url: \"{api}\"\n    \
         channel: C1\n    signing_secret: \"{secret}\"\n    send_resolved: true\n\
         route: {{ receiver: ops, group_by: [alertname], group_wait: 0s, group_interval: 1s }}\n"
    )
}

fn world() -> World {
    let slack = slack();
    let folder = Folder::new(&[("acme", &in_slack(&slack, SECRET))]);
    let key = folder.full_key("acme");
    World { server: folder.serve(), key, slack, folder }
}

impl World {
    /// Posts an alert, and gives the message about it.
    #[track_caller]
    fn message_about(&self, name: &str) -> Value {
        self.server.post_alerts(&self.key, &[Alert::new(name)]);
        self.message(name)
    }

    #[track_caller]
    fn message(&self, name: &str) -> Value {
        until_some(&format!("a message about {name}"), || {
            let posted = self.slack.seen_at(POST).into_iter().map(|seen| seen.json());
            posted.into_iter().find(|message| message.to_string().contains(name))
        })
    }

    #[track_caller]
    fn click(&self, click: &Click) {
        let answer = click.send(&self.server, ACTIONS).expect(200);
        assert_eq!(answer.text(), "");
    }

    /// What was last done with an alert.
    fn acted(&self, name: &str) -> Value {
        self.server.alert(&self.key, name)["acted"].clone()
    }

    #[track_caller]
    fn wait_edit(&self, words: &str) -> Seen {
        let says = |seen: &Seen| String::from_utf8_lossy(&seen.body).contains(words);
        until_some(&format!("an edit that says {words}"), || self.slack.seen_at(EDIT).into_iter().find(says))
    }
}

/// The dedup key on a message's button.
#[track_caller]
fn value_of(message: &Value, action_id: &str) -> String {
    let blocks = message["blocks"].as_array().unwrap();
    let mut elements = blocks.iter().flat_map(|block| block["elements"].as_array().into_iter().flatten());
    let button = elements.find(|element| element["action_id"] == action_id);
    button.unwrap_or_else(|| panic!("{action_id} in {message}"))["value"].as_str().unwrap().to_owned()
}

/// A click, as Slack sends it.
#[derive(Debug, Clone)]
struct Click {
    payload: Value,
    secret: String,
    signed_at_s: u64,
}

fn now_s() -> u64 {
    now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Click {
    fn new(action_id: &str, value: &str, who: &str) -> Self {
        let payload = json!({
            "type": "block_actions",
            "user": { "id": "U1", "username": who, "team_id": "T1" },
            "trigger_id": format!("{action_id}.{value}.{who}.{}", now().duration_since(UNIX_EPOCH).unwrap().as_nanos()),
            "actions": [{ "action_id": action_id, "block_id": "openclaw", "value": value, "type": "button" }],
        });
        Self { payload, secret: SECRET.to_owned(), signed_at_s: now_s() }
    }

    fn replying_to(mut self, url: &str) -> Self {
        self.payload["response_url"] = url.into();
        self
    }

    fn body(&self) -> String {
        let encoded: String = self.payload.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("payload={encoded}")
    }

    fn request(&self, target: &str) -> Request {
        let (body, at) = (self.body(), self.signed_at_s.to_string());
        let signature = sign(&self.secret, &format!("v0:{at}:{body}"));
        Request::post_as(target, Some("application/x-www-form-urlencoded"), &body)
            .header("X-Slack-Request-Timestamp", &at)
            .header("X-Slack-Signature", &format!("v0={signature}"))
    }

    #[track_caller]
    fn send(&self, server: &Server, target: &str) -> Response {
        self.request(target).send(server.address)
    }
}

/// HMAC-SHA256 in hexadecimal.
fn sign(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
