//! Every kind against receivers that lie: one suite, run over each.

use crate::fixture::{NOW, latency, page};
use crate::sink::{Reply, Sink};
use crate::{Integration, Outgoing, Secret, Sender, SenderOptions, Target, Timeout, slack, webhook};
use openclaw_alert::{SendOutcome, TenantName};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

/// Part of every credential in these tests; nobody may ever read it.
const PLANTED: &str = "hunter2";
const PATIENCE: Duration = Duration::from_secs(3);
const HASTE: Duration = Duration::from_millis(250);

fn target(scheme: &str, host: &str) -> Target {
    let address = format!("{scheme}://me:{PLANTED}@{host}/services/{PLANTED}?key={PLANTED}");
    Target::parse(&Secret::new(address)).unwrap()
}

/// Each kind with its settings, and how a receiver of it says yes.
fn kinds(scheme: &str, host: &str, timeout: Duration) -> Vec<(Integration, &'static str)> {
    let mut webhook = webhook::Settings::new(target(scheme, host));
    webhook.timeout = Timeout::new(timeout).unwrap();
    webhook.secret = Some(webhook::SigningKey::parse(&Secret::new(format!("{PLANTED}-signs"))).unwrap());
    let mut slack = slack::Settings::new(target(scheme, host));
    slack.timeout = webhook.timeout;
    vec![(Integration::Webhook(webhook), ""), (Integration::Slack(slack), "ok")]
}

fn answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn sender() -> Sender {
    Sender::new(SenderOptions { outgoing: Outgoing::with_loopback(), ..Default::default() }).unwrap()
}

/// The verdict in a word, after looking for what must not be in it.
fn verdict(outcome: &SendOutcome) -> String {
    assert!(!format!("{outcome:?}").contains(PLANTED), "{outcome:?}");
    match outcome {
        SendOutcome::Untried { .. } => unreachable!(),
        SendOutcome::Delivered { .. } => "delivered".to_owned(),
        SendOutcome::Never { .. } => "never".to_owned(),
        SendOutcome::Retry { after, ambiguous, .. } => {
            let after = after.map_or(String::new(), |after| format!(" after {} s", after.as_secs()));
            format!("{}{after}", if *ambiguous { "ambiguous" } else { "retry" })
        }
    }
}

/// Sends one message of each kind to a sink that replies so.
async fn check(reply: Reply, timeout: Duration, want: &str) {
    for index in 0..kinds("http", "x", timeout).len() {
        let sink = Sink::new(vec![reply.clone()]).await;
        let (integration, _) = &kinds("http", &sink.address.to_string(), timeout)[index];
        let outcome = sender().send(integration, &page(vec![latency("a")]), NOW).await;
        assert_eq!(verdict(&outcome), want, "{}: {outcome:?} to {reply:?}", integration.name());
        assert_eq!(sink.requests().len(), 1, "one attempt is one request");
    }
}

#[tokio::test]
async fn a_status_means_the_same_to_every_kind() {
    let echo = format!("Cannot POST /services/{PLANTED}");
    for (head, want) in [
        ("500 Internal Server Error", "ambiguous"),
        ("502 Bad Gateway", "ambiguous"),
        ("503 Service Unavailable", "ambiguous"),
        ("503 Service Unavailable\r\nRetry-After: 7", "retry after 7 s"),
        ("500 Internal Server Error\r\nRetry-After: 7", "ambiguous after 7 s"),
        ("429 Too Many Requests", "retry"),
        ("429 Too Many Requests\r\nRetry-After: 30", "retry after 30 s"),
        ("429 Too Many Requests\r\nRetry-After: Sun, 22 Nov 2026 12:02:00 GMT", "retry after 120 s"),
        ("429 Too Many Requests\r\nRetry-After: when I say so", "retry"),
        ("408 Request Timeout", "retry"),
        ("425 Too Early", "retry"),
        ("400 Bad Request", "never"),
        ("401 Unauthorized", "never"),
        ("404 hunter2", "never"),
        ("410 Gone", "never"),
        ("302 Found\r\nLocation: /services/hunter2/2", "never"),
        ("307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/hunter2", "never"),
        ("999 Strange", "never"),
    ] {
        check(Reply::Stay(answer(head, &echo)), PATIENCE, want).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_not_whole_leaves_it_open() {
    let whole = answer("200 OK", "ok");
    for cut in [1, 12, 17, whole.len() - 3, whole.len() - 1] {
        check(Reply::Close(whole[..cut].to_vec()), PATIENCE, "ambiguous").await;
    }
    check(Reply::Close(Vec::new()), PATIENCE, "ambiguous").await;
    check(Reply::Reset, PATIENCE, "ambiguous").await;
    check(Reply::Close(b"220 smtp.example ESMTP\r\n".to_vec()), PATIENCE, "ambiguous").await;
    check(Reply::Close(answer("200 OK\r\nX: \u{0}", "ok")), PATIENCE, "ambiguous").await;
    let endless_head = format!("200 OK\r\nX: {}", "x".repeat(100_000));
    check(Reply::Close(answer(&endless_head, "ok")), PATIENCE, "ambiguous").await;
}

#[tokio::test]
async fn silence_ends_at_the_time_out() {
    let whole = answer("200 OK", "ok");
    for sent in [0, 10, whole.len() - 1] {
        check(Reply::Stay(whole[..sent].to_vec()), HASTE, "ambiguous").await;
    }
    check(Reply::Stay(b"HTTP/1.1 102 Processing\r\n\r\n".to_vec()), HASTE, "ambiguous").await;
}

#[tokio::test]
async fn a_huge_answer_is_not_read_to_its_end() {
    let promised = "HTTP/1.1 500 Oops\r\nContent-Length: 99999999999\r\n\r\n";
    let body = "x".repeat(1 << 20);
    check(Reply::Stay(format!("{promised}{body}").into_bytes()), PATIENCE, "ambiguous").await;
    check(Reply::Stay(answer("400 Bad Request", &body)), PATIENCE, "never").await;
}

#[tokio::test]
async fn what_never_left_is_not_ambiguous() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = free.local_addr().unwrap().to_string();
    let unknown = format!("{}.invalid", "x".repeat(64));
    // Accepts, as the system does for it, and says nothing.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute_host = mute.local_addr().unwrap().to_string();
    let sink = Sink::new(vec![Reply::Stay(answer("200 OK", "ok"))]).await;
    let plain = sink.address.to_string();
    drop(free);
    for (scheme, host, timeout) in [
        ("http", &refused, PATIENCE),
        ("https", &refused, PATIENCE),
        ("http", &unknown, PATIENCE),
        ("https", &plain, PATIENCE),
        ("https", &mute_host, HASTE),
    ] {
        for (integration, _) in kinds(scheme, host, timeout) {
            let outcome = sender().send(&integration, &page(vec![latency("a")]), NOW).await;
            assert_eq!(verdict(&outcome), "retry", "{scheme} {host}: {outcome:?}");
            assert!(format!("{outcome:?}").contains(host.as_str()), "says who: {outcome:?}");
        }
    }
    assert!(sink.requests().is_empty());
}

#[tokio::test]
async fn repeats_go_over_one_connection_with_one_key() {
    for index in 0..2 {
        let yes = answer("200 OK", kinds("http", "x", PATIENCE)[index].1);
        let sink = Sink::new(vec![Reply::Stay(answer("500 Oops", "")), Reply::Stay(yes)]).await;
        let (integration, _) = &kinds("http", &sink.address.to_string(), PATIENCE)[index];
        let (sender, mut notification) = (sender(), page(vec![latency("a")]));
        assert_eq!(verdict(&sender.send(integration, &notification, NOW).await), "ambiguous");
        notification.attempt = 2;
        assert_eq!(verdict(&sender.send(integration, &notification, NOW).await), "delivered");
        let requests = sink.requests();
        assert_eq!((sink.connections(), requests.len()), (1, 2));
        for request in &requests {
            assert_eq!(request.header("idempotency-key"), Some(notification.idempotency_key.as_str()));
            assert_eq!(request.header("content-type"), Some("application/json"));
            assert_eq!(request.header("authorization"), Some("Basic bWU6aHVudGVyMg=="));
            assert!(request.header("user-agent").unwrap().starts_with("OpenClaw/"));
            assert_eq!(request.header("host"), Some(sink.address.to_string().as_str()));
            assert!(request.head.starts_with("POST /services/hunter2?key=hunter2 HTTP/1.1\r\n"));
        }
    }
}

#[tokio::test]
async fn a_connection_closed_between_messages_costs_no_message() {
    let sink = Sink::new(vec![Reply::Close(answer("200 OK", "ok"))]).await;
    let (integration, _) = &kinds("http", &sink.address.to_string(), PATIENCE)[0];
    let sender = sender();
    for _ in 0..3 {
        assert_eq!(sender.send(integration, &page(vec![latency("a")]), NOW).await, SendOutcome::DELIVERED);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(sink.connections(), 3);
}

#[tokio::test]
async fn any_2xx_is_a_yes_to_a_webhook() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec();
    let early = [b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), answer("202 Accepted", "{}")].concat();
    let huge = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec();
    let huge = [huge, vec![b'x'; 1 << 20]].concat();
    let no_content = b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
    for reply in [answer("200 OK", ""), no_content, answer("299 Fine", "x"), chunked, early, huge] {
        let sink = Sink::new(vec![Reply::Stay(reply)]).await;
        let (integration, _) = &kinds("http", &sink.address.to_string(), PATIENCE)[0];
        let outcome = sender().send(integration, &page(vec![latency("a")]), NOW).await;
        assert_eq!(outcome, SendOutcome::DELIVERED);
    }
}

#[tokio::test]
async fn a_webhook_that_wants_no_more_says_so() {
    let sink = Sink::new(vec![Reply::Stay(answer("410 Gone", ""))]).await;
    let (integration, _) = &kinds("http", &sink.address.to_string(), PATIENCE)[0];
    let outcome = sender().send(integration, &page(vec![latency("a")]), NOW).await;
    assert!(
        matches!(&outcome, SendOutcome::Never { detail } if detail.contains("wants no more")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_webhook_can_be_verified() {
    let sink = Sink::new(vec![Reply::Stay(answer("200 OK", ""))]).await;
    let (integration, _) = &kinds("http", &sink.address.to_string(), PATIENCE)[0];
    let Integration::Webhook(settings) = integration else { unreachable!() };
    let notification = page(vec![latency("a")]);
    assert_eq!(sender().send(integration, &notification, NOW).await, SendOutcome::DELIVERED);
    let request = &sink.requests()[0];
    let id = request.header("webhook-id").unwrap();
    assert_eq!(id, notification.idempotency_key);
    assert_eq!(request.header("webhook-timestamp"), Some("1795348800"));
    let signature = settings.secret.as_ref().unwrap().sign(id, NOW, &request.body);
    assert_eq!(request.header("webhook-signature"), Some(signature.as_str()));
    assert_eq!(request.body, webhook::body(&notification, 0, ""));
}

#[tokio::test]
async fn slack_says_no_with_200() {
    for (body, want) in [
        ("invalid_token", "never"),
        ("no_service", "never"),
        ("something else", "ambiguous"),
        (r#"{"ok":false,"error":"ratelimited"}"#, "retry"),
        (r#"{"ok":false,"error":"internal_error"}"#, "ambiguous"),
        (r#"{"ok":true}"#, "delivered"),
    ] {
        let sink = Sink::new(vec![Reply::Stay(answer("200 OK", body))]).await;
        let (integration, _) = &kinds("http", &sink.address.to_string(), PATIENCE)[1];
        let outcome = sender().send(integration, &page(vec![latency("a")]), NOW).await;
        assert_eq!(verdict(&outcome), want, "{body}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_no_header_never_leaves() {
    let sink = Sink::new(vec![Reply::Stay(answer("200 OK", "ok"))]).await;
    let mut notification = page(vec![latency("a")]);
    notification.idempotency_key = "two\r\nlines: x".to_owned();
    for (integration, _) in kinds("http", &sink.address.to_string(), PATIENCE) {
        assert_eq!(verdict(&sender().send(&integration, &notification, NOW).await), "never");
    }
    assert_eq!(sink.connections(), 0);
}

fn hasty(address: SocketAddr) -> Integration {
    let [(webhook, _), _] =
        kinds("http", &address.to_string(), Duration::from_millis(300)).try_into().unwrap();
    webhook
}

#[tokio::test]
async fn a_tenants_hanging_receiver_holds_up_no_other_tenant() {
    let [hanging, quick] =
        [Reply::Stay(Vec::new()), Reply::Stay(answer("200 OK", ""))].map(|reply| Sink::new(vec![reply]));
    let (hanging, quick) = (hanging.await, quick.await);
    let number = |n| NonZeroU16::new(n).unwrap();
    let options = SenderOptions {
        sends_max: number(3),
        sends_per_tenant_max: number(2),
        outgoing: Outgoing::with_loopback(),
        ..Default::default()
    };
    let sender = Arc::new(Sender::new(options).unwrap());
    let noisy: Vec<_> = (0..6)
        .map(|_| {
            let (sender, integration) = (Arc::clone(&sender), hasty(hanging.address));
            tokio::spawn(async move { sender.send(&integration, &page(vec![latency("a")]), NOW).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let mut other = page(vec![latency("a")]);
    other.tenant = TenantName::new("globex").unwrap();
    assert_eq!(sender.send(&hasty(quick.address), &other, NOW).await, SendOutcome::DELIVERED);
    let mut verdicts = Vec::new();
    for send in noisy {
        verdicts.push(verdict(&send.await.unwrap()));
    }
    assert!(hanging.connections() < verdicts.len(), "{verdicts:?}");
    assert!(verdicts.iter().filter(|verdict| *verdict == "retry").count() >= 2, "{verdicts:?}");
}

#[test]
fn settings_show_no_secret() {
    for (integration, _) in kinds("https", "hooks.example:8443", PATIENCE) {
        let shown = format!("{integration:?}");
        assert!(!shown.contains(PLANTED) && shown.contains("<secret>"), "{shown}");
        assert_eq!(integration.host(), "hooks.example:8443");
    }
}

#[test]
fn defaults_are_alertmanagers() {
    let [webhook, slack] = ["a", "b"].map(|host| target("https", host));
    let [webhook, slack] = [
        Integration::Webhook(webhook::Settings::new(webhook)),
        Integration::Slack(slack::Settings::new(slack)),
    ];
    assert!(webhook.send_resolved() && !slack.send_resolved());
    assert_eq!(webhook.timeout().get(), Duration::from_secs(10));
    assert_eq!([webhook.name(), slack.name()], ["webhook", "slack"]);
}

#[tokio::test]
async fn credentials_and_headers_go_along_and_stay_unseen() {
    for index in 0..2 {
        let sink =
            Sink::new(vec![Reply::Stay(answer("200 OK", "ok")), Reply::Stay(answer("400 Bad", PLANTED))])
                .await;
        let host = sink.address.to_string();
        let (mut integration, _) = kinds("http", &host, PATIENCE).swap_remove(index);
        let http = match &mut integration {
            Integration::Webhook(settings) => &mut settings.http,
            Integration::Slack(settings) => &mut settings.http,
            other => panic!("{} has a credential of its own", other.name()),
        };
        http.set_authorization("Bearer", &Secret::new(PLANTED)).unwrap();
        http.add_header("X-Scope-OrgID", &Secret::new(PLANTED)).unwrap();
        assert!(!format!("{integration:?}").contains(PLANTED));
        let sender = sender();
        for want in ["delivered", "never"] {
            let outcome = sender.send(&integration, &page(vec![latency("a")]), NOW).await;
            assert_eq!(verdict(&outcome), want);
        }
        let request = &sink.requests()[0];
        assert_eq!(request.header("authorization"), Some("Bearer hunter2"), "what is set beats the address");
        assert_eq!(request.header("x-scope-orgid"), Some(PLANTED));
    }
}

#[tokio::test]
async fn a_webhooks_address_may_be_a_template() {
    use crate::template::TemplateSet;
    let sink = Sink::new(vec![Reply::Stay(answer("200 OK", ""))]).await;
    let send = async |text: String| {
        let template = TemplateSet::default().template(&text).unwrap();
        let settings = webhook::Settings::new(webhook::Address::Template(template));
        let sender = sender();
        let outcome = sender.send(&Integration::Webhook(settings), &page(vec![latency("a")]), NOW).await;
        (outcome, sender.template_faults())
    };
    let (outcome, faults) = send(format!("http://{}/{{{{ CommonLabels.cluster }}}}", sink.address)).await;
    assert_eq!((outcome, faults), (SendOutcome::DELIVERED, 0));
    assert!(sink.requests()[0].head.starts_with("POST /eu HTTP/1.1"));
    let (outcome, faults) = send("ftp://{{ CommonLabels.cluster }}".to_owned()).await;
    assert!(
        matches!(&outcome, SendOutcome::Never { detail } if detail.contains("gives no address")),
        "{outcome:?}"
    );
    assert_eq!(faults, 0);
    let (outcome, faults) = send("http://{{ Status | date('x') }}".to_owned()).await;
    assert!(matches!(outcome, SendOutcome::Never { .. }));
    assert_eq!(faults, 1);
}
