//! Messages in each state, and what Telegram's answers make of them.

use super::*;
use crate::fixture::{NOW, acted, alert, latency, page, resolved};
use crate::sink::{Received, Reply, Sink};
use crate::template::TemplateSet;
use crate::text::units;
use crate::words::Words;
use crate::{Integration, Outgoing, Secret, Sender, SenderOptions};
use openclaw_alert::{Feedback, NotifiedAlert, Past, Reason};
use proptest::prelude::*;

const TOKEN: &str = "123456:hunter2-hunter2";

fn settings_at(api_url: &str) -> Settings {
    let api_url = Target::parse(&Secret::new(api_url)).unwrap();
    Settings::new(Bot::new(&api_url, Secret::new(TOKEN)).unwrap(), ChatId::Number(-1_001_234_567_890))
}

fn settings() -> Settings {
    settings_at(Bot::API_URL)
}

fn with_message(text: &str, parse_mode: ParseMode) -> Settings {
    let message = Some(TemplateSet::default().template(text).unwrap());
    Settings { message, parse_mode, ..settings() }
}

fn body(settings: &Settings, notification: &Notification) -> Value {
    let message = Message::of(settings, notification, &Words::sample("https://openclaw.example"));
    Value::Object(message.body())
}

/// The text with its marks around what they are about.
fn read(body: &Value) -> String {
    let text: Vec<u16> = body["text"].as_str().unwrap().encode_utf16().collect();
    let (mut out, mut at) = (String::new(), 0);
    let marks = body["entities"].as_array().cloned().unwrap_or_default();
    for mark in &marks {
        let [start, length] = ["offset", "length"].map(|key| mark[key].as_u64().unwrap() as usize);
        out += &String::from_utf16(&text[at..start]).unwrap();
        let of = mark["url"].as_str().or(mark["type"].as_str()).unwrap();
        out += &format!("[{}]({of})", String::from_utf16(&text[start..start + length]).unwrap());
        at = start + length;
    }
    out + &String::from_utf16(&text[at..]).unwrap()
}

#[test]
fn in_every_state() {
    let past = Past { episodes: 14, judged: 5, needed: 3, response_minutes: Some(7.0) };
    let mut new = page(vec![NotifiedAlert { past, ..latency("a:9090") }]);
    new.on_call = Some("Ada @all Lovelace".into());
    let grown =
        Notification { reason: Reason::NewAlerts, ..page(vec![latency("a:9090"), latency("b:9090")]) };
    let taken = page(vec![acted(latency("a:9090"), Feedback::Ack, "ann in Slack")]);
    let over = Notification { reason: Reason::AllResolved, ..page(vec![resolved(latency("a:9090"))]) };
    let many = page(vec![latency("a:9090"); 40]);
    let failing = with_message("{{ Status | date('x') }}", ParseMode::Html);
    let own =
        with_message("<b>{{ Status }}</b> {{ CommonAnnotations.summary }} & {{ '<' }}", ParseMode::Html);
    let messages = [
        ("new", settings(), new.clone()),
        ("grown", settings(), grown),
        ("acknowledged", settings(), taken),
        ("resolved", settings(), over),
        ("truncated", settings(), many),
        ("failing", failing, new.clone()),
        ("own", own, new.clone()),
    ]
    .map(|(name, settings, notification)| format!("--- {name}\n{}", read(&body(&settings, &notification))));
    insta::assert_snapshot!("messages", messages.join("\n"));
    insta::assert_snapshot!("as_sent", format!("{:#}", body(&settings(), &new)));
}

#[test]
fn the_owners_text_is_read_as_its_mode_says() {
    let long = "x".repeat(5000);
    let told = alert(&[("alertname", &long)], &[("summary", "a < b *c*")]);
    let said = |text: &str, mode| body(&with_message(text, mode), &page(vec![told.clone()]));
    let html = said("<i>{{ CommonAnnotations.summary }}</i>", ParseMode::Html);
    assert_eq!((&html["text"], &html["parse_mode"]), (&json!("<i>a &lt; b *c*</i>"), &json!("HTML")));
    let markdown = said("{{ CommonAnnotations.summary }}", ParseMode::MarkdownV2);
    assert_eq!((&markdown["text"], &markdown["parse_mode"]), (&json!("a < b *c*"), &json!("MarkdownV2")));
    let plain = said("{{ CommonLabels.alertname }}", ParseMode::Plain);
    assert_eq!(units(plain["text"].as_str().unwrap()), 4096);
    assert_eq!(plain["parse_mode"], Value::Null);
    for (text, note) in
        [("{{ CommonLabels.alertname }}", "longer than 4096"), (" {# nothing #} ", "is empty")]
    {
        let ours = said(text, ParseMode::Html);
        assert_eq!(ours["parse_mode"], Value::Null);
        assert!(ours["text"].as_str().unwrap().contains(note), "{ours}");
    }
}

fn check_limits(body: &Value) {
    let text = body["text"].as_str().unwrap();
    assert!((1..=4096).contains(&units(text)), "{}", units(text));
    assert!(body["entities"].as_array().unwrap().len() <= 100);
    assert!(text.starts_with(|char: char| !char.is_whitespace()), "what is trimmed would move the marks");
    assert!(text.matches('@').count() == text.matches("@\u{2060}").count(), "nobody is called");
    read(body);
}

proptest! {
    #[test]
    fn stays_within_telegrams_limits(
        texts in prop::collection::vec((any::<String>(), "[😀@<a ]{0,700}", any::<bool>()), 1..40),
    ) {
        let alerts = texts.iter().map(|(a, b, ended)| {
            let alert = alert(&[("alertname", b.as_str()), ("x", a), (a, b)], &[("summary", b)]);
            if *ended { resolved(alert) } else { acted(alert, Feedback::Ack, a) }
        });
        let mut notification = page(alerts.collect());
        notification.on_call = Some(texts[0].1.as_str().into());
        let body = body(&settings(), &notification);
        check_limits(&body);
        let text = body["text"].as_str().unwrap();
        let shown = text.matches(" · since 2026").count();
        let left_out = notification.alerts.len() - shown;
        prop_assert!(shown > 0, "at least one alert is shown");
        prop_assert_eq!(text.contains(&format!("{left_out} more not shown")), left_out > 0);
    }
}

#[test]
fn a_storm_and_a_novel_fit() {
    let novel = "\"@😀\n".repeat(25_000);
    let long = alert(&[("alertname", &novel), ("l", &novel)], &[("summary", &novel)]);
    for alerts in [vec![latency("a"); 10_000], vec![acted(long, Feedback::Ack, &novel); 3]] {
        check_limits(&body(&settings(), &page(alerts)));
    }
}

const SENT: &str = r#"{"ok":true,"result":{"message_id":17,"chat":{"id":-1001234567890,"title":"ops","type":"supergroup"},"date":1700000000,"text":"…"}}"#;
const EDITED: &str = SENT;
const STANDING: Option<&str> = Some("-1001234567890/11/4096");

/// What one notification made of a sink with these answers.
async fn sent(
    settings: Settings,
    answers: &[&str],
    receipt: Option<&str>,
    reason: Reason,
) -> (SendOutcome, Vec<Received>) {
    let http = |body: &&str| {
        let value: Value = serde_json::from_str(body).unwrap_or_default();
        let code = value["error_code"].as_u64().unwrap_or(200);
        Reply::Stay(format!("HTTP/1.1 {code} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
    };
    let sink = Sink::new(answers.iter().map(http).collect()).await;
    let bot = settings_at(&format!("http://{}", sink.address)).bot;
    let alerts =
        if reason == Reason::AllResolved { vec![resolved(latency("a"))] } else { vec![latency("a")] };
    let notification = Notification { reason, receipt: receipt.map(Into::into), ..page(alerts) };
    let options = SenderOptions { outgoing: Outgoing::with_loopback(), ..Default::default() };
    let integration = Integration::Telegram(Settings { bot, ..settings });
    let outcome = Sender::new(options).unwrap().send(&integration, &notification, NOW).await;
    assert!(!format!("{outcome:?}").contains("hunter2"), "{outcome:?}");
    (outcome, sink.requests())
}

fn methods(requests: &[Received]) -> Vec<&str> {
    requests.iter().map(|request| request.head.split([' ', '/']).nth(3).unwrap()).collect()
}

fn body_of(request: &Received) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn receipt(outcome: &SendOutcome) -> Option<&str> {
    let SendOutcome::Delivered { receipt } = outcome else { panic!("{outcome:?}") };
    receipt.as_deref()
}

fn refusal(code: u16, description: &str, parameters: &str) -> String {
    format!(
        r#"{{"ok":false,"error_code":{code},"description":"{description}","parameters":{{{parameters}}}}}"#
    )
}

#[tokio::test]
async fn sends_and_remembers_where() {
    let topic = Settings { message_thread_id: Some(5), disable_notifications: true, ..settings() };
    let (outcome, requests) = sent(topic, &[SENT], None, Reason::First).await;
    assert_eq!(receipt(&outcome), Some("-1001234567890/17/4096"));
    assert!(requests[0].head.starts_with(&format!("POST /bot{TOKEN}/sendMessage ")), "{}", requests[0].head);
    let body = body_of(&requests[0]);
    assert_eq!(body["chat_id"], -1_001_234_567_890_i64);
    assert_eq!((&body["message_thread_id"], &body["disable_notification"]), (&json!(5), &json!(true)));
}

#[tokio::test]
async fn edits_and_answers_below() {
    let (outcome, requests) = sent(settings(), &[EDITED], STANDING, Reason::Acted).await;
    assert_eq!((receipt(&outcome), methods(&requests)), (STANDING, vec!["editMessageText"]));
    assert_eq!(body_of(&requests[0])["message_id"], 11);
    for (reason, quiet) in [(Reason::NewAlerts, Value::Null), (Reason::AllResolved, json!(true))] {
        let (outcome, requests) = sent(settings(), &[EDITED, SENT], STANDING, reason).await;
        assert!(receipt(&outcome).unwrap().starts_with(STANDING.unwrap()));
        assert_eq!(methods(&requests), ["editMessageText", "sendMessage"]);
        let body = body_of(&requests[1]);
        assert_eq!(
            (&body["reply_parameters"]["message_id"], &body["disable_notification"]),
            (&json!(11), &quiet)
        );
        assert!(body["text"].as_str().unwrap().ends_with(reason.text()));
    }
}

#[tokio::test]
async fn what_did_not_change_is_edited_and_what_is_gone_is_sent_anew() {
    let same = refusal(400, "Bad Request: message is not modified", "");
    assert_eq!(receipt(&sent(settings(), &[&same], STANDING, Reason::Acted).await.0), STANDING);
    let gone = refusal(400, "Bad Request: message to edit not found", "");
    let (outcome, requests) = sent(settings(), &[&gone, SENT], STANDING, Reason::Acted).await;
    assert_eq!(receipt(&outcome), Some("-1001234567890/17/4096"));
    assert_eq!(methods(&requests), ["editMessageText", "sendMessage"]);
}

#[tokio::test]
async fn a_group_that_has_moved_is_followed() {
    let moved = refusal(400, "Bad Request: group chat was upgraded", r#""migrate_to_chat_id":-100500"#);
    let there = SENT.replace("-1001234567890", "-100500");
    let (outcome, requests) = sent(settings(), &[&moved, &there], None, Reason::First).await;
    assert_eq!(receipt(&outcome), Some("-100500/17/4096"));
    assert_eq!(body_of(&requests[1])["chat_id"], -100_500);
    let (outcome, requests) = sent(settings(), &[&moved, &moved, &there], STANDING, Reason::Acted).await;
    assert_eq!(receipt(&outcome), Some("-100500/17/4096"));
    assert_eq!(methods(&requests), ["editMessageText", "sendMessage", "sendMessage"]);
    let (outcome, requests) = sent(settings(), &[&moved], None, Reason::First).await;
    assert!(matches!(outcome, SendOutcome::Never { .. }), "{outcome:?}");
    assert_eq!(requests.len(), 2, "not for ever");
}

#[tokio::test]
async fn markup_that_cannot_be_read_costs_the_words_and_not_the_alert() {
    let unreadable = refusal(400, "Bad Request: can't parse entities: unsupported start tag", "");
    let own = with_message("<nonsense>", ParseMode::Html);
    let (outcome, requests) = sent(own, &[&unreadable, SENT], None, Reason::First).await;
    assert!(receipt(&outcome).is_some());
    let body = body_of(&requests[1]);
    assert_eq!(body["parse_mode"], Value::Null);
    assert!(body["text"].as_str().unwrap().contains("can't read its markup"));
}

#[tokio::test]
async fn waits_as_long_as_it_is_told() {
    let busy = refusal(429, "Too Many Requests: retry after 35", r#""retry_after":35"#);
    for receipt in [None, STANDING] {
        let (outcome, _) = sent(settings(), &[&busy], receipt, Reason::First).await;
        let after = Some(Duration::from_secs(35));
        assert!(
            matches!(&outcome, SendOutcome::Retry { after: found, ambiguous: false, .. } if *found == after)
        );
    }
}

#[test]
fn chats_have_their_own_pace() {
    let pace = |chat: &str| Settings { chat: chat.parse().unwrap(), ..settings() }.pace().unwrap();
    assert_eq!(pace("-5").every, Duration::from_secs(3));
    assert_eq!(pace("@ops").every, Duration::from_secs(3));
    assert_eq!(pace("5").every, Duration::from_secs(1));
    assert_ne!(pace("-5").channel, pace("-6").channel);
}
