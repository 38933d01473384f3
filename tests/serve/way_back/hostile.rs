//! Forged, stale, caught and sent again: nothing changes.

use super::{ACTIONS, Click, SECRET, World, in_slack, now_s, sign, slack, value_of, world};
use crate::support::client::connect;
use crate::support::{Folder, Request, pause};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

/// A world with an alert, the key on its message, and a second tenant.
fn target() -> (World, String) {
    let slack = slack();
    let folder =
        Folder::new(&[("acme", &in_slack(&slack, SECRET)), ("globex", &in_slack(&slack, "globex-secret"))]);
    let key = folder.full_key("acme");
    let world = World { server: folder.serve(), key, slack, folder };
    let value = value_of(&world.message_about("target"), "openclaw_ack");
    (world, value)
}

#[track_caller]
fn untouched(world: &World, what: &str) {
    assert_eq!(world.acted("target"), Value::Null, "{what}");
    let silences = world.server.get("/api/v2/silences", &world.key).expect(200).json();
    assert_eq!(silences, Value::Array(Vec::new()), "{what}");
}

#[test]
fn forged_clicks_change_nothing() {
    let (world, value) = target();
    let click = Click::new("openclaw_ack", &value, "eve");
    let (body, at) = (click.body(), now_s().to_string());
    let signed = |text: &str| format!("v0={}", sign(SECRET, text));
    let right = signed(&format!("v0:{at}:{body}"));
    let old = (now_s() - 301).to_string();
    let ahead = (now_s() + 330).to_string();
    let form = |target: &str| Request::post_as(target, Some("application/x-www-form-urlencoded"), &body);
    let with = |time: &str, signature: &str| {
        form(ACTIONS).header("X-Slack-Request-Timestamp", time).header("X-Slack-Signature", signature)
    };
    let forged = [
        ("nothing at all", form(ACTIONS)),
        ("an ingest key instead", form(ACTIONS).key(&world.key)),
        ("no signature", form(ACTIONS).header("X-Slack-Request-Timestamp", &at)),
        ("no time", form(ACTIONS).header("X-Slack-Signature", &right)),
        ("another body", with(&at, &signed(&format!("v0:{at}:{body}&x=1")))),
        ("another time", with(&(now_s() - 5).to_string(), &right)),
        ("stale", with(&old, &signed(&format!("v0:{old}:{body}")))),
        ("from the future", with(&ahead, &signed(&format!("v0:{ahead}:{body}")))),
        ("another version", with(&at, &right.replace("v0", "v1"))),
        ("no version", with(&at, &right[3..])),
        ("half of it", with(&at, &right[..35])),
        ("empty", with(&at, "v0=")),
        ("signed with nothing", with(&at, &format!("v0={}", sign("", &format!("v0:{at}:{body}"))))),
        ("two signatures", with(&at, &format!("v0={}", "0".repeat(64))).header("X-Slack-Signature", &right)),
        (
            "another tenant's secret",
            with(&at, &format!("v0={}", sign("globex-secret", &format!("v0:{at}:{body}")))),
        ),
        (
            "a tenant that isn't there",
            form("/t/nobody/api/v1/slack/actions")
                .header("X-Slack-Request-Timestamp", &at)
                .header("X-Slack-Signature", &right),
        ),
    ];
    let mut answers = Vec::new();
    for (what, request) in forged {
        let answer = request.send(world.server.address);
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        answers.push((what, answer.text()));
        untouched(&world, what);
    }
    let text = |what: &str| &answers.iter().find(|(told, _)| *told == what).unwrap().1;
    assert_eq!(
        text("a tenant that isn't there"),
        text("another tenant's secret"),
        "who is there is not told"
    );
    let elsewhere = Click { secret: "globex-secret".into(), ..click };
    for target in ["/t/globex/api/v1/slack/actions", "/api/v1/slack/actions"] {
        elsewhere.send(&world.server, target).expect(200);
        untouched(&world, "another tenant's secret at its own address");
    }
}

#[test]
fn a_click_that_was_caught_does_its_work_once() {
    let (world, value) = target();
    let ack = Click::new("openclaw_ack", &value, "ann");
    world.click(&ack);
    world.click(&Click::new("openclaw_dismiss", &value, "bob"));
    assert_eq!(world.acted("target")["by"], "bob in Slack");
    world.click(&ack);
    assert_eq!(world.acted("target")["action"], "dismiss");
    let mut dismissed = Click::new("openclaw_escalate", &value, "ann");
    world.click(&dismissed);
    assert_eq!(world.acted("target")["action"], "escalate");
    world.click(&Click::new("openclaw_dismiss", &value, "bob"));
    // Signed anew a second later, it is the same click of Slack's all the same.
    dismissed.signed_at_s += 1;
    world.click(&dismissed);
    assert_eq!(world.acted("target")["action"], "dismiss");
    let trail_of = world.server.alert(&world.key, "target")["id"].as_str().unwrap().to_owned();
    let trail = world.server.trail(&world.key, &trail_of);
    assert_eq!(trail.iter().filter(|event| event["stage"] == "feedback").count(), 4);
}

#[test]
fn replies_go_nowhere_else() {
    let (world, value) = target();
    let other = crate::support::Sink::new();
    let unknown = value.replace(|c: char| c.is_ascii_digit(), "f");
    for url in
        [other.url("/reply"), "http://169.254.169.254/latest".to_owned(), "file:///etc/passwd".to_owned()]
    {
        world.click(&Click::new("openclaw_ack", &unknown, "eve").replying_to(&url));
    }
    // One that is allowed shows that those before it had their time.
    world.click(&Click::new("openclaw_ack", &unknown, "eve").replying_to(&world.slack.url("/reply")));
    world.slack.wait_for("/reply", 1);
    pause(Duration::from_millis(100));
    assert!(other.seen().is_empty(), "{:?}", other.seen());
}

#[test]
fn bodies_have_a_bound_in_bytes_and_time() {
    let (world, value) = target();
    let mut large = Click::new("openclaw_ack", &value, "eve");
    large.payload["note"] = "x".repeat(100 << 10).into();
    large.send(&world.server, ACTIONS).expect(413);
    untouched(&world, "too large");
    let head = format!(
        "POST {ACTIONS} HTTP/1.1\r\nHost: x\r\nX-Slack-Request-Timestamp: {}\r\nX-Slack-Signature: v0={}\r\nContent-Length: 100\r\n\r\npayload=",
        now_s(),
        "0".repeat(64)
    );
    let begun = Instant::now();
    let mut stream = connect(world.server.address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

/// Nothing has been shown by whoever sends such a head.
#[test]
fn those_who_send_nothing_are_few_at_a_time_and_keep_nobody_out() {
    let (world, value) = target();
    let (at, digest) = (now_s(), "0".repeat(64));
    let slack = format!("X-Slack-Request-Timestamp: {at}\r\nX-Slack-Signature: v0={digest}");
    let pagerduty = format!("X-PagerDuty-Signature: v1={digest}");
    let begun = Instant::now();
    let mut silent: Vec<_> = (0..128)
        .flat_map(|_| [("slack/actions", &slack), ("pagerduty/callback", &pagerduty)])
        .map(|(path, signature)| {
            let mut stream = connect(world.server.address).unwrap();
            let head = format!(
                "POST /t/acme/api/v1/{path} HTTP/1.1\r\nHost: x\r\n{signature}\r\nContent-Length: 100\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    world.click(&Click::new("openclaw_ack", &value, "ann"));
    assert_eq!(world.acted("target")["by"], "ann in Slack");
    let mut answer = [0; 12];
    silent[0].read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503", "{:?}", begun.elapsed());
}

#[test]
fn what_cannot_be_read_says_where() {
    let world = world();
    let mut click = Click::new("openclaw_ack", "", "ann");
    let answer = click.send(&world.server, ACTIONS).expect(400).json();
    assert_eq!(answer["errors"][0]["pointer"], "/actions/0/value");
    click.payload = Value::Array(Vec::new());
    click.send(&world.server, ACTIONS).expect(400);
}
