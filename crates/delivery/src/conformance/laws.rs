//! The laws, each over every kind.

use super::kinds::all;
use super::logs::Logs;
use super::{Candidate, PLANTED, Place, answer};
use crate::fixture::{NOW, alert, latency, page, resolved};
use crate::sink::{Received, Reply, Sink};
use crate::{Integration, Outgoing, Sender, SenderOptions};
use openclaw_alert::{Notification, SendOutcome};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(5);
const HASTE: Duration = Duration::from_millis(150);

/// A kind at a sink, and all that is logged meanwhile.
struct Trial {
    name: &'static str,
    sender: Sender,
    sink: Sink,
    integration: Integration,
    logs: Logs,
}

impl Trial {
    async fn new(
        name: &'static str,
        candidate: &Candidate,
        timeout: Duration,
        script: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let logs = Logs::gather();
        let sink = Sink::scripted(script).await;
        let place = Place { host: sink.address.to_string(), timeout };
        let integration = (candidate.integration)(&place);
        assert_eq!(integration.name(), name);
        let options = SenderOptions { outgoing: Outgoing::with_loopback(), ..Default::default() };
        Self { name, sender: Sender::new(options).unwrap(), sink, integration, logs }
    }

    /// One attempt, after which nothing secret may have been said.
    async fn send(&self, notification: &Notification) -> SendOutcome {
        let outcome = self.sender.send(&self.integration, notification, NOW).await;
        let name = self.name;
        assert!(!format!("{outcome:?}").contains(PLANTED), "{name} says a secret: {outcome:?}");
        assert!(!self.logs.text().contains(PLANTED), "{name} logs a secret: {}", self.logs.text());
        assert!(!format!("{:?}", self.integration).contains(PLANTED), "{name} shows a secret");
        outcome
    }
}

fn is_delivered(outcome: &SendOutcome) -> bool {
    matches!(outcome, SendOutcome::Delivered { .. })
}

fn one() -> Notification {
    page(vec![latency("a:9090"), resolved(latency("b:9090"))])
}

/// How many requests a send to a friendly service makes.
async fn calls(name: &'static str, candidate: &Candidate) -> usize {
    let yes = candidate.yes_to();
    let trial = Trial::new(name, candidate, PATIENCE, move |_, request| yes(request)).await;
    let outcome = trial.send(&one()).await;
    assert!(is_delivered(&outcome), "{name}: {outcome:?}");
    trial.sink.requests().len()
}

/// Breaks each request of a send in turn, those before it answered well.
async fn broken(
    reply: &Reply,
    timeout: Duration,
    mut check: impl FnMut(&str, usize, &[Received], SendOutcome),
) {
    for (name, candidate) in all() {
        for at in 0..calls(name, &candidate).await {
            let (yes, reply) = (candidate.yes_to(), reply.clone());
            let script =
                move |index, request: &Received| if index < at { yes(request) } else { reply.clone() };
            let trial = Trial::new(name, &candidate, timeout, script).await;
            let outcome = trial.send(&one()).await;
            let requests = trial.sink.requests();
            assert_eq!(requests.len(), at + 1, "{name}: after a failure nothing more is asked: {outcome:?}");
            check(name, at, &requests, outcome);
        }
    }
}

fn asks_only(request: &Received) -> bool {
    request.head.starts_with("GET ")
}

/// Whether something had been done by the time the last of these failed.
fn has_told(requests: &[Received]) -> bool {
    requests.split_last().is_some_and(|(_, before)| before.iter().any(|request| !asks_only(request)))
}

#[tokio::test]
async fn a_friendly_service_is_told_at_once() {
    for (name, candidate) in all() {
        assert!((1..=4).contains(&calls(name, &candidate).await), "{name}");
    }
}

#[tokio::test]
async fn a_server_in_trouble_is_asked_again() {
    for (head, after_s) in [
        ("500 Oops", None),
        ("502 Bad Gateway", None),
        ("503 Busy", None),
        ("504 Late", None),
        ("503 Busy\r\nRetry-After: 7", Some(7)),
    ] {
        let reply = Reply::Stay(answer(head, &format!("see /{PLANTED}")));
        broken(&reply, PATIENCE, |name, at, requests, outcome| {
            let SendOutcome::Retry { after, ambiguous, .. } = outcome else {
                panic!("{name}, request {at}: {head} is {outcome:?}")
            };
            // Where the service doesn't say when, a kind may know better than at once.
            let asked = after.filter(|_| after_s.is_some());
            assert_eq!(asked, after_s.map(Duration::from_secs), "{name}: {head}");
            assert!(!(ambiguous && requests.iter().all(asks_only)), "{name}: a question changes nothing");
        })
        .await;
    }
}

#[tokio::test]
async fn a_limit_is_kept_to() {
    for (head, after_s) in [
        ("429 Too Many Requests", None),
        ("429 Too Many Requests\r\nRetry-After: 30", Some(30)),
        ("429 Too Many Requests\r\nRetry-After: Sun, 22 Nov 2026 12:02:00 GMT", Some(120)),
        ("429 Too Many Requests\r\nRetry-After: soon", None),
    ] {
        broken(&Reply::Stay(answer(head, "")), PATIENCE, |name, at, requests, outcome| match outcome {
            SendOutcome::Retry { after, ambiguous, .. } => {
                assert_eq!(ambiguous, has_told(requests), "{name}, request {at}: {head}");
                assert_eq!(after, after_s.map(Duration::from_secs), "{name}, request {at}: {head}");
            }
            other => panic!("{name}, request {at}: {head} is {other:?}"),
        })
        .await;
    }
}

#[tokio::test]
async fn what_will_never_work_is_not_repeated() {
    for (name, candidate) in all() {
        let last = calls(name, &candidate).await - 1;
        assert!(!candidate.never.is_empty(), "{name}");
        for reply in candidate.never.clone() {
            let (yes, said) = (candidate.yes_to(), reply.clone());
            let script = move |index, request: &Received| {
                if index < last { yes(request) } else { Reply::Stay(said.clone()) }
            };
            let outcome = Trial::new(name, &candidate, PATIENCE, script).await.send(&one()).await;
            let said = String::from_utf8_lossy(&reply);
            assert!(matches!(outcome, SendOutcome::Never { .. }), "{name}: {outcome:?} to {said}");
        }
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = format!("307 There\r\nLocation: http://127.0.0.1:1/{PLANTED}");
    broken(&Reply::Stay(answer(&elsewhere, "")), PATIENCE, |name, at, _, outcome| {
        assert!(matches!(outcome, SendOutcome::Never { .. }), "{name}, request {at}: {outcome:?}");
    })
    .await;
}

#[tokio::test]
async fn a_200_that_is_no_yes_is_not_delivered() {
    for (name, candidate) in all() {
        let last = calls(name, &candidate).await - 1;
        for lie in candidate.lies.clone() {
            let (yes, said) = (candidate.yes_to(), lie.clone());
            let script = move |index, request: &Received| {
                if index < last { yes(request) } else { Reply::Stay(said.clone()) }
            };
            let outcome = Trial::new(name, &candidate, PATIENCE, script).await.send(&one()).await;
            assert!(!is_delivered(&outcome), "{name} believes {}", String::from_utf8_lossy(&lie));
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_not_whole_is_no_answer() {
    let whole = answer("200 OK", r#"{"ok":true}"#);
    let cuts = [0, 1, 12, 17, whole.len() - 3, whole.len() - 1];
    let mut replies: Vec<_> = cuts.into_iter().map(|cut| Reply::Close(whole[..cut].to_vec())).collect();
    replies.extend([Reply::Reset, Reply::Close(b"220 smtp.example ESMTP\r\n".to_vec())]);
    for reply in replies {
        broken(&reply, PATIENCE, |name, at, requests, outcome| match outcome {
            SendOutcome::Retry { ambiguous, .. } => {
                let is_question = requests.iter().all(asks_only);
                assert_eq!(ambiguous, !is_question, "{name}, request {at}: {reply:?}");
            }
            other => panic!("{name}, request {at}: {other:?} to {reply:?}"),
        })
        .await;
    }
}

#[tokio::test]
async fn silence_ends_at_the_time_out() {
    for sent in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"] {
        let began = Instant::now();
        let mut sends = 0;
        broken(&Reply::Stay(sent.to_vec()), HASTE, |name, at, _, outcome| {
            sends += 1;
            assert!(matches!(outcome, SendOutcome::Retry { .. }), "{name}, request {at}: {outcome:?}");
        })
        .await;
        assert!(began.elapsed() < (HASTE + Duration::from_millis(800)) * sends, "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn an_answer_after_we_gave_up_is_nobody_elses() {
    for (name, candidate) in all() {
        let (yes, yes_too) = (candidate.yes, candidate.yes_to());
        let script = move |index, request: &Received| {
            if index == 0 { Reply::Late(HASTE * 2, yes(request)) } else { yes_too(request) }
        };
        let trial = Trial::new(name, &candidate, HASTE, script).await;
        let late = trial.send(&one()).await;
        assert!(matches!(late, SendOutcome::Retry { .. }), "{name}: {late:?}");
        tokio::time::sleep(HASTE * 2).await;
        let outcome = trial.send(&one()).await;
        assert!(is_delivered(&outcome), "{name}: {outcome:?}");
        assert_eq!(trial.sink.connections(), 2, "{name}: the old connection is not used again");
    }
}

#[tokio::test]
async fn a_repeat_can_be_told_from_another_message() {
    for (name, candidate) in all() {
        let last = calls(name, &candidate).await - 1;
        let yes = candidate.yes_to();
        let script = move |index, request: &Received| {
            if index == last { Reply::Close(Vec::new()) } else { yes(request) }
        };
        let trial = Trial::new(name, &candidate, PATIENCE, script).await;
        let mut notification = one();
        assert!(!is_delivered(&trial.send(&notification).await), "{name}");
        notification.attempt = 2;
        assert!(is_delivered(&trial.send(&notification).await), "{name}");
        let repeated = trial.sink.requests();
        notification.idempotency_key = "another".to_owned();
        notification.dedup_key = "b".repeat(32);
        assert!(is_delivered(&trial.send(&notification).await), "{name}");
        let all = trial.sink.requests();
        let identities = |requests: &[Received]| {
            let writes = requests.iter().filter(|request| !asks_only(request));
            writes.map(candidate.identity).collect::<std::collections::BTreeSet<_>>()
        };
        let (before, after) = (identities(&repeated), identities(&all[repeated.len()..]));
        assert_eq!(before.len(), 1, "{name}: {before:?}");
        assert!(before.is_disjoint(&after), "{name}: {before:?} {after:?}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_cut_to_what_the_service_takes() {
    let names: Vec<String> = (0..10_000).map(|index| format!("node-{index}:9100")).collect();
    let many = page(names.iter().map(|name| latency(name)).collect());
    let text = "é<&\"\\\n".repeat(15_000);
    let long = [("summary", text.as_str()), ("description", &text), ("runbook_url", &text)];
    let long = page(vec![alert(&[("alertname", &text), ("instance", &text)], &long)]);
    for (name, candidate) in all() {
        for (what, notification) in [("10 000 alerts", &many), ("an endless annotation", &long)] {
            let yes = candidate.yes_to();
            let trial = Trial::new(name, &candidate, PATIENCE, move |_, request| yes(request)).await;
            let outcome = trial.send(notification).await;
            assert!(is_delivered(&outcome), "{name}, {what}: {outcome:?}");
            for request in trial.sink.requests() {
                let length = request.body.len();
                assert!(length <= candidate.body_bytes_max, "{name}, {what}: {length} bytes");
                if !request.body.is_empty() && request.header("content-type") == Some("application/json") {
                    let read = serde_json::from_slice::<serde_json::Value>(&request.body);
                    assert!(read.is_ok(), "{name}, {what}: {read:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn nothing_of_an_alert_becomes_part_of_the_head() {
    let hostile = "x\r\nX-Injected: 1\r\n\r\n";
    for (name, candidate) in all() {
        let yes = candidate.yes_to();
        let trial = Trial::new(name, &candidate, PATIENCE, move |_, request| yes(request)).await;
        let mut notification = page(vec![alert(&[("alertname", hostile)], &[("summary", hostile)])]);
        notification.group_key = hostile.to_owned();
        notification.receiver = hostile.into();
        let outcome = trial.send(&notification).await;
        assert!(is_delivered(&outcome), "{name}: {outcome:?}");
        notification.idempotency_key = hostile.to_owned();
        let _ = trial.send(&notification).await;
        for request in trial.sink.requests() {
            assert!(!request.head.to_ascii_lowercase().contains("x-injected:"), "{name}: {}", request.head);
        }
    }
}

#[tokio::test]
async fn what_never_left_is_not_ambiguous() {
    for (name, candidate) in all() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let place = Place { host: free.local_addr().unwrap().to_string(), timeout: PATIENCE };
        drop(free);
        let options = SenderOptions { outgoing: Outgoing::with_loopback(), ..Default::default() };
        let sender = Sender::new(options).unwrap();
        let outcome = sender.send(&(candidate.integration)(&place), &one(), NOW).await;
        let SendOutcome::Retry { ambiguous: false, detail, .. } = &outcome else {
            panic!("{name}: {outcome:?}")
        };
        assert!(detail.contains(&place.host) && !detail.contains(PLANTED), "{name}: {detail}");
        let refused = Sender::new(SenderOptions::default()).unwrap();
        let outcome = refused.send(&(candidate.integration)(&place), &one(), NOW).await;
        assert!(matches!(outcome, SendOutcome::Never { .. }), "{name} is guarded: {outcome:?}");
    }
}
