//! An app's messages: what they say in each state, and what Slack's answers
//! make of them.

use super::message::Message;
use super::*;
use crate::fixture::{NOW, acted, alert, latency, page, resolved};
use crate::sink::{Received, Reply, Sink};
use crate::template::{Template, TemplateSet};
use crate::text::units;
use crate::words::Words;
use crate::{Integration, Outgoing, Secret, Sender, SenderOptions, Target};
use openclaw_alert::{Feedback, NotificationKind, NotifiedAlert, Past, Reason};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const URL: &str = "https://openclaw.example";

fn template(text: &str) -> Template {
    TemplateSet::default().template(text).unwrap()
}

fn app_at(app_url: &str) -> App {
    let app_url = Target::parse(&Secret::new(app_url)).unwrap();
    let app = App::new(&app_url, Secret::new("xoxb-hunter2"), Template::plain("#ops")).unwrap();
    App { signing_secret: Some(Secret::new("hunter2-signs")), ..app }
}

fn settings() -> Settings {
    Settings::by(Way::App(app_at(App::URL)))
}

fn message(settings: &Settings, notification: &Notification) -> Message {
    Message::of(settings, notification, &Words::sample(URL))
}

fn posted(notification: &Notification) -> Value {
    Value::Object(message(&settings(), notification).posted())
}

fn known(alert: NotifiedAlert) -> NotifiedAlert {
    let past = Past { episodes: 14, judged: 5, needed: 3, response_minutes: Some(7.0) };
    NotifiedAlert { past, ..alert }
}

fn of(reason: Reason, alerts: Vec<NotifiedAlert>) -> Notification {
    Notification { reason, ..page(alerts) }
}

#[test]
fn in_every_state() {
    let ann = |alert| acted(known(alert), Feedback::Ack, "ann <!here> in Slack");
    let bob = |alert| acted(known(alert), Feedback::Resolve, "bob in ServiceNow");
    let mut new = of(Reason::First, vec![known(latency("a:9090"))]);
    new.on_call = Some("Ada <!channel> Lovelace".into());
    let mut digest = of(Reason::Digest, vec![latency("a:9090")]);
    digest.kind = NotificationKind::Digest;
    for (name, notification) in [
        ("new", new),
        ("grown", of(Reason::NewAlerts, vec![known(latency("a:9090")), latency("b:9090")])),
        ("acknowledged", of(Reason::Acted, vec![ann(latency("a:9090"))])),
        ("judged", of(Reason::Acted, vec![bob(latency("a:9090")), bob(latency("b:9090"))])),
        ("resolved", of(Reason::AllResolved, vec![ann(resolved(latency("a:9090")))])),
        ("digest", digest),
        ("truncated", of(Reason::First, vec![latency("a:9090"); 25])),
    ] {
        insta::assert_snapshot!(format!("app_{name}"), format!("{:#}", posted(&notification)));
    }
}

#[test]
fn buttons_are_there_while_something_is_left_to_do() {
    let buttons = |settings: &Settings, alerts: Vec<NotifiedAlert>| {
        let body = Value::Object(message(settings, &page(alerts)).posted());
        let blocks = body["blocks"].as_array().unwrap();
        let row = blocks.iter().find(|block| block["type"] == "actions");
        let elements = row.map_or(Vec::new(), |row| row["elements"].as_array().unwrap().clone());
        let key = page(Vec::new()).dedup_key;
        assert!(elements.iter().all(|button| button["value"] == key.as_str()));
        elements
            .iter()
            .map(|button| button["action_id"].as_str().unwrap()[9..].to_owned())
            .collect::<Vec<_>>()
    };
    let did = |action| acted(latency("a"), action, "ann");
    let all = settings();
    assert_eq!(buttons(&all, vec![latency("a")]), ["ack", "resolve", "dismiss", "silence"]);
    assert_eq!(buttons(&all, vec![did(Feedback::Escalate)]), ["ack", "resolve", "dismiss", "silence"]);
    assert_eq!(buttons(&all, vec![did(Feedback::Ack)]), ["resolve", "dismiss", "silence"]);
    assert_eq!(buttons(&all, vec![did(Feedback::Resolve)]), [""; 0]);
    assert_eq!(buttons(&all, vec![resolved(did(Feedback::Ack))]), ["dismiss"]);
    assert_eq!(buttons(&all, vec![resolved(did(Feedback::Dismiss))]), [""; 0]);
    let deaf = Settings::by(Way::App(App { signing_secret: None, ..app_at(App::URL) }));
    assert_eq!(buttons(&deaf, vec![latency("a")]), [""; 0], "nobody could hear them");
}

#[test]
fn the_owners_words_keep_their_place() {
    let own = Settings {
        title: Some(template("{{ Status }}: {{ GroupLabels.alertname }}")),
        message_text: Some(template("<!here> {{ NotificationReason }}")),
        username: Some(template("{{ Tenant }}")),
        ..settings()
    };
    let notification =
        of(Reason::NewAlerts, vec![acted(latency("a"), Feedback::Escalate, "ann"), latency("b")]);
    let message = message(&own, &notification);
    let parts = [message.posted(), message.edited(), message.replied()].map(Value::Object);
    insta::assert_snapshot!("app_own", format!("{:#}", Value::from(parts.to_vec())));
}

#[test]
fn a_template_that_fails_loses_its_words_and_not_the_buttons() {
    let own = Settings { text: Some(template("{{ Status | date('x') }}")), ..settings() };
    let body = Value::Object(message(&own, &page(vec![latency("a")])).edited());
    assert_eq!(body["attachments"], json!([]), "what an earlier message had is taken away");
    let blocks = body["blocks"].to_string();
    assert!(blocks.contains("openclaw_ack") && blocks.contains("the template in slack_configs failed"));
}

/// What starts with `<` is ours: a date or a link to the web.
fn has_no_mention(text: &str) -> bool {
    text.split('<').skip(1).all(|rest| rest.starts_with("!date^") || rest.starts_with("http"))
}

fn check_limits(body: &Map<String, Value>) {
    let blocks = body["blocks"].as_array().unwrap();
    assert!(units(&body["blocks"].to_string()) < 12_000);
    assert!(units(body["text"].as_str().unwrap()) < 4000 && has_no_mention(body["text"].as_str().unwrap()));
    assert!(blocks.len() <= 50);
    for block in blocks {
        let text =
            block["text"]["text"].as_str().or(block["elements"][0]["text"].as_str()).unwrap_or_default();
        match block["type"].as_str().unwrap() {
            "header" => assert!((1..=150).contains(&units(text))),
            "actions" => {}
            _ => assert!((1..=3000).contains(&units(text)) && has_no_mention(text), "{text}"),
        }
    }
}

fn long_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[<>&`|!@*😀\" a]{0,40}", "[<&\"a]{1,9}".prop_map(|text| text.repeat(400))]
}

proptest! {
    #[test]
    fn stays_within_slacks_limits(
        texts in prop::collection::vec((long_text(), long_text(), any::<bool>(), any::<bool>()), 1..14),
    ) {
        let alerts = texts.iter().map(|(a, b, ended, done)| {
            let labels = [("alertname", a.as_str()), ("x", b), (b, a), ("y", a), (a, "z")];
            let alert = alert(&labels, &[("summary", b), ("runbook_url", &format!("http://{a}"))]);
            let alert = if *ended { resolved(alert) } else { alert };
            if *done { acted(alert, Feedback::Ack, b) } else { alert }
        });
        let mut notification = page(alerts.collect());
        notification.on_call = Some(texts[0].1.as_str().into());
        let body = message(&settings(), &notification).posted();
        check_limits(&body);
        let sections = body["blocks"].to_string().matches("since <!date").count();
        let left_out = notification.alerts.len() - sections;
        prop_assert!(sections > 0, "at least one alert is shown");
        let told = format!("{left_out} more not shown");
        prop_assert_eq!(body["blocks"].to_string().contains(&told), left_out > 0);
    }
}

#[test]
fn a_storm_and_a_novel_fit() {
    let novel = "\"x\n".repeat(33_000);
    let long = alert(&[("alertname", &novel), ("l", &novel)], &[("summary", &novel)]);
    for alerts in [vec![latency("a"); 10_000], vec![acted(long, Feedback::Ack, &novel); 3]] {
        check_limits(&message(&settings(), &page(alerts)).posted());
    }
}

fn options() -> SenderOptions {
    SenderOptions { outgoing: Outgoing::with_loopback(), ..Default::default() }
}

/// What one notification made of a sink with these answers.
async fn sent(answers: &[&str], receipt: Option<&str>, reason: Reason) -> (SendOutcome, Vec<Received>) {
    let http = |body: &&str| {
        let head =
            if body.contains("ratelimited") { "429 Too Many Requests\r\nRetry-After: 7" } else { "200 OK" };
        Reply::Stay(format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
    };
    let sink = Sink::new(answers.iter().map(http).collect()).await;
    let way = Way::App(app_at(&format!("http://{}/api/chat.postMessage", sink.address)));
    let alerts =
        if reason == Reason::AllResolved { vec![resolved(latency("a"))] } else { vec![latency("a")] };
    let mut notification = of(reason, alerts);
    notification.receipt = receipt.map(Into::into);
    let sender = Sender::new(options()).unwrap();
    let outcome = sender.send(&Integration::Slack(Settings::by(way)), &notification, NOW).await;
    assert!(!format!("{outcome:?}").contains("hunter2"), "{outcome:?}");
    (outcome, sink.requests())
}

/// As Slack documents it.
const POSTED: &str = r#"{"ok":true,"channel":"C123ABC456","ts":"1503435956.000247","message":{"text":"Here's a message for you","username":"ecto1","type":"message","subtype":"bot_message","ts":"1503435956.000247"}}"#;
const EDITED: &str = r#"{"ok":true,"channel":"C123ABC456","ts":"1401383885.000061","text":"Updated text you carefully authored","message":{"text":"Updated text you carefully authored","user":"U34567890"}}"#;
const STANDING: Option<&str> = Some("C123ABC456/1401383885.000061/4096");

fn paths(requests: &[Received]) -> Vec<&str> {
    requests.iter().map(|request| request.head.split_whitespace().nth(1).unwrap()).collect()
}

fn body_of(request: &Received) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn receipt(outcome: &SendOutcome) -> Option<&str> {
    let SendOutcome::Delivered { receipt } = outcome else { panic!("{outcome:?}") };
    receipt.as_deref()
}

#[tokio::test]
async fn posts_with_its_token_and_remembers_where() {
    let (outcome, requests) = sent(&[POSTED], None, Reason::First).await;
    assert_eq!(receipt(&outcome), Some("C123ABC456/1503435956.000247/4096"));
    assert_eq!(paths(&requests), ["/api/chat.postMessage"]);
    assert_eq!(requests[0].header("authorization"), Some("Bearer xoxb-hunter2"));
    let body = body_of(&requests[0]);
    assert_eq!((&body["channel"], &body["unfurl_links"]), (&json!("#ops"), &json!(false)));
    let key = page(Vec::new()).idempotency_key;
    assert_eq!(body["metadata"]["event_payload"]["idempotency_key"], key.as_str());
    assert_eq!(requests[0].header("idempotency-key"), Some(key.as_str()));
}

#[tokio::test]
async fn edits_what_it_posted() {
    let (outcome, requests) = sent(&[EDITED], STANDING, Reason::Acted).await;
    assert_eq!(receipt(&outcome), STANDING);
    assert_eq!(paths(&requests), ["/api/chat.update"]);
    let body = body_of(&requests[0]);
    assert_eq!((&body["channel"], &body["ts"]), (&json!("C123ABC456"), &json!("1401383885.000061")));
    assert_eq!(body["attachments"], json!([]));
}

#[tokio::test]
async fn news_are_told_to_the_channel_and_the_end_below_the_message() {
    for (reason, aloud) in [(Reason::NewAlerts, json!(true)), (Reason::AllResolved, Value::Null)] {
        let (outcome, requests) = sent(&[EDITED, POSTED], STANDING, reason).await;
        assert!(receipt(&outcome).unwrap().starts_with(STANDING.unwrap()));
        assert_eq!(paths(&requests), ["/api/chat.update", "/api/chat.postMessage"]);
        let body = body_of(&requests[1]);
        assert_eq!(body["thread_ts"], "1401383885.000061");
        assert_eq!(body["reply_broadcast"], aloud);
        assert!(body["text"].as_str().unwrap().ends_with(reason.text()));
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_edited_is_posted_anew() {
    for word in ["message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"] {
        let refused = format!(r#"{{"ok":false,"error":"{word}"}}"#);
        let (outcome, requests) = sent(&[&refused, POSTED], STANDING, Reason::Acted).await;
        assert_eq!(receipt(&outcome), Some("C123ABC456/1503435956.000247/4096"), "{word}");
        assert_eq!(paths(&requests), ["/api/chat.update", "/api/chat.postMessage"]);
        assert_eq!(body_of(&requests[1])["channel"], "#ops");
    }
}

/// `never`, or how a retry is to be made.
fn word(outcome: &SendOutcome) -> String {
    match outcome {
        SendOutcome::Untried { .. } => unreachable!(),
        SendOutcome::Delivered { .. } => "delivered".to_owned(),
        SendOutcome::Never { detail } => format!("never: {}", detail.rsplit(": ").next().unwrap()),
        SendOutcome::Retry { after, ambiguous, .. } => {
            format!("{} {after:?}", if *ambiguous { "ambiguous" } else { "retry" })
        }
    }
}

#[tokio::test]
async fn a_200_is_a_yes_only_with_ok() {
    for (answer, want) in [
        (r#"{"ok":false,"error":"not_in_channel"}"#, "never: not_in_channel"),
        (r#"{"ok":false,"error":"invalid_auth"}"#, "never: invalid_auth"),
        (r#"{"ok":false,"error":"ratelimited"}"#, "retry Some(7s)"),
        (r#"{"ok":false,"error":"internal_error"}"#, "ambiguous None"),
        ("{\"ok\":true}", "delivered"),
    ] {
        assert_eq!(word(&sent(&[answer], None, Reason::First).await.0), want);
        assert_eq!(word(&sent(&[answer], STANDING, Reason::Acted).await.0), want);
    }
}

#[test]
fn addresses_of_the_api() {
    let urls = |app_url: &str| {
        let app = app_at(app_url);
        (app.post_url.uri().to_string(), app.update_url.map(|url| url.uri().to_string()))
    };
    for base in [App::URL, "https://slack.com/api/", "https://slack.com/api"] {
        assert_eq!(urls(base), (App::URL.to_owned(), Some("https://slack.com/api/chat.update".to_owned())));
    }
    assert_eq!(urls("https://chat.example/hook"), ("https://chat.example/hook".to_owned(), None));
}

#[tokio::test]
async fn a_channel_that_no_template_gives_is_no_channel() {
    for bad in ["{{ CommonLabels.absent }}", "{{ Status | date('x') }}"] {
        let app = App { channel: template(bad), ..app_at("http://127.0.0.1:9/api/") };
        let sender = Sender::new(options()).unwrap();
        let integration = Integration::Slack(Settings::by(Way::App(app)));
        let outcome = sender.send(&integration, &page(vec![latency("a")]), NOW).await;
        assert!(
            matches!(&outcome, SendOutcome::Never { detail } if detail.contains("`channel`")),
            "{outcome:?}"
        );
    }
}

#[test]
fn channels_have_their_own_pace() {
    let pace = |app: App| Settings::by(Way::App(app)).pace().unwrap();
    let one = pace(app_at(App::URL));
    assert_eq!((one.every, one.burst), (Duration::from_secs(1), 3));
    assert_eq!(pace(app_at("https://slack.com/api/")).channel, one.channel);
    let other = App { channel: Template::plain("#other"), ..app_at(App::URL) };
    assert_ne!(pace(other).channel, one.channel);
    assert!(settings().shows_actions());
    assert!(!Settings::by(Way::App(app_at("https://chat.example/hook"))).shows_actions());
}
