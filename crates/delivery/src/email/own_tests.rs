//! Mail against servers that lie, and what stands in it.

use super::*;
use crate::fixture::{NOW, alert, latency, page, resolved};
use crate::template::{Template, TemplateSet, sample_groups};
use crate::words::Words;
use crate::{Integration, Outgoing, Secret, Sender, SenderOptions, Timeout};
use proptest::prelude::*;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const PLANTED: &str = "hunter2";

fn template(text: &str) -> Template {
    TemplateSet::default().template(text).unwrap()
}

fn settings(address: SocketAddr) -> Settings {
    let smarthost = Smarthost::parse(&address.to_string()).unwrap();
    let auth = Auth { username: "me".into(), password: Secret::new(PLANTED), identity: String::new() };
    Settings {
        auth: Some(auth),
        require_tls: false,
        send_resolved: true,
        timeout: Timeout::new(Duration::from_secs(3)).unwrap(),
        ..Settings::new(
            smarthost,
            Template::plain("alerts@us.example"),
            Template::plain("ops@you.example, Ann <ann@you.example>"),
        )
    }
}

/// What a server does when it hears a word.
#[derive(Clone, Copy)]
enum Does {
    Says(&'static str),
    Closes,
    Hangs,
}

use Does::*;

const FRIENDLY: [(&str, Does); 8] = [
    ("", Says("220 hello\r\n")),
    ("EHLO", Says("250-me\r\n250-SIZE 1000000\r\n250 AUTH PLAIN LOGIN\r\n")),
    ("AUTH", Says("235 ok\r\n")),
    ("MAIL", Says("250 ok\r\n")),
    ("RCPT", Says("250 ok\r\n")),
    ("DATA", Says("354 go\r\n")),
    (".", Says("250 taken\r\n")),
    ("QUIT", Says("221 bye\r\n")),
];

/// A mail server that keeps to `FRIENDLY` but where `odd` says otherwise.
struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn new(odd: Vec<(&'static str, Does)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let all = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, odd.clone(), Arc::clone(&all)));
            }
        });
        Self { address, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn serve(
    stream: TcpStream,
    odd: Vec<(&'static str, Does)>,
    heard: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut in_mail = false;
    let mut word = String::new();
    loop {
        if !in_mail || word == "." {
            in_mail = word == "DATA";
            let mut all = odd.iter().chain(&FRIENDLY);
            match all
                .find(|(of, _)| word.starts_with(of) && of.is_empty() == word.is_empty())
                .map(|(_, does)| does)
            {
                Some(Says(text)) => write.write_all(text.as_bytes()).await.ok()?,
                Some(Closes) => return None,
                Some(Hangs) => tokio::time::sleep(Duration::from_secs(60)).await,
                None => write.write_all(b"500 what?\r\n").await.ok()?,
            }
        }
        let line = lines.next_line().await.ok()??;
        heard.lock().unwrap().push(line.clone());
        word = line;
    }
}

async fn send(settings: &Settings, notification: &Notification) -> SendOutcome {
    let options = SenderOptions { outgoing: Outgoing::with_loopback(), ..Default::default() };
    let integration = Integration::Email(Box::new(settings.clone()));
    assert!(!format!("{integration:?}").contains(PLANTED));
    let outcome = Sender::new(options).unwrap().send(&integration, notification, NOW).await;
    let shown = format!("{outcome:?}");
    assert!(!shown.contains(PLANTED) && !shown.contains("bWU"), "{shown}");
    outcome
}

fn verdict(outcome: &SendOutcome) -> &'static str {
    match outcome {
        SendOutcome::Untried { .. } => unreachable!(),
        SendOutcome::Delivered { .. } => "delivered",
        SendOutcome::Never { .. } => "never",
        SendOutcome::Retry { ambiguous: true, .. } => "ambiguous",
        SendOutcome::Retry { .. } => "retry",
    }
}

#[tokio::test]
async fn a_friendly_server_takes_it_once() {
    let server = Server::new(Vec::new()).await;
    assert_eq!(send(&settings(server.address), &page(vec![latency("a")])).await, SendOutcome::DELIVERED);
    let heard = server.heard();
    let commands: Vec<_> = heard[..6].iter().map(String::as_str).collect();
    assert_eq!(
        commands,
        [
            "EHLO localhost",
            "AUTH PLAIN AG1lAGh1bnRlcjI=",
            "MAIL FROM:<alerts@us.example>",
            "RCPT TO:<ops@you.example>",
            "RCPT TO:<ann@you.example>",
            "DATA",
        ]
    );
}

#[tokio::test]
async fn every_reply_can_go_wrong() {
    let endless: &'static str = Box::leak("250-x".repeat(10_000).into_boxed_str());
    for (word, does, want) in [
        ("", Says("554 no\r\n"), "never"),
        ("", Says("421 later\r\n"), "retry"),
        ("", Says("HTTP/1.1 400 Bad Request\r\n\r\n"), "retry"),
        ("", Closes, "retry"),
        ("", Hangs, "retry"),
        ("EHLO", Says("502 what\r\n"), "never"),
        ("EHLO", Says(endless), "retry"),
        ("EHLO", Says("250 me\r\n"), "retry"),
        ("AUTH", Says("535 no\r\n"), "never"),
        ("AUTH", Says("454 later\r\n"), "retry"),
        ("MAIL", Says("550 no\r\n"), "never"),
        ("MAIL", Says("451 later\r\n"), "retry"),
        ("RCPT", Says("550 gone\r\n"), "never"),
        ("RCPT", Says("450 grey\r\n"), "retry"),
        ("RCPT", Closes, "retry"),
        ("RCPT TO:<ann@", Says("550 gone\r\n"), "delivered"),
        ("RCPT TO:<ops@", Says("550 gone\r\n"), "delivered"),
        ("RCPT TO:<ann@", Says("450 grey\r\n"), "retry"),
        ("DATA", Says("554 no\r\n"), "never"),
        ("DATA", Says("250 hm\r\n"), "retry"),
        ("DATA", Hangs, "retry"),
        (".", Says("552 full\r\n"), "never"),
        (".", Says("451 later\r\n"), "retry"),
        (".", Says("354 hm\r\n"), "ambiguous"),
        (".", Says("2"), "ambiguous"),
        (".", Closes, "ambiguous"),
        (".", Hangs, "ambiguous"),
        ("QUIT", Closes, "delivered"),
        ("QUIT", Hangs, "delivered"),
    ] {
        let server = Server::new(vec![(word, does)]).await;
        let mut settings = settings(server.address);
        settings.timeout = Timeout::new(Duration::from_millis(200)).unwrap();
        let outcome = send(&settings, &page(vec![latency("a")])).await;
        let said = if let Says(text) = does { &text[..text.len().min(30)] } else { "silence" };
        assert_eq!(verdict(&outcome), want, "{said:?} to {word:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_password_goes_over_tls_or_not_beyond_this_machine() {
    let server = Server::new(Vec::new()).await;
    let strict = Settings { require_tls: true, ..settings(server.address) };
    let outcome = send(&strict, &page(vec![latency("a")])).await;
    assert_eq!(verdict(&outcome), "retry", "{outcome:?}");
    assert_eq!(server.heard().len(), 1, "nothing after EHLO without STARTTLS");
    let server = Server::new(vec![
        ("EHLO", Says("250-me\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n")),
        ("STARTTLS", Says("220 go\r\n250 injected\r\n")),
    ])
    .await;
    let outcome =
        send(&Settings { require_tls: true, ..settings(server.address) }, &page(vec![latency("a")])).await;
    assert_eq!(verdict(&outcome), "retry", "{outcome:?}");
    let login = Server::new(vec![
        ("EHLO", Says("250-me\r\n250 AUTH LOGIN\r\n")),
        ("AUTH", Says("334 VXNlcm5hbWU6\r\n")),
        ("bWU=", Says("334 UGFzc3dvcmQ6\r\n")),
        ("aHVudGVyMg==", Says("235 ok\r\n")),
    ])
    .await;
    assert_eq!(send(&settings(login.address), &page(vec![latency("a")])).await, SendOutcome::DELIVERED);
}

#[tokio::test]
async fn a_mail_server_is_guarded_too() {
    let server = Server::new(Vec::new()).await;
    let integration = Integration::Email(Box::new(settings(server.address)));
    let sender = Sender::new(SenderOptions::default()).unwrap();
    let outcome = sender.send(&integration, &page(vec![latency("a")]), NOW).await;
    assert!(
        matches!(&outcome, SendOutcome::Never { detail } if detail.contains("`outgoing.allow`")),
        "{outcome:?}"
    );
    assert!(server.heard().is_empty());
}

fn written(settings: &Settings, notification: &Notification) -> String {
    let mail = payload::mail(settings, notification, &Words::sample("https://openclaw.example")).unwrap();
    String::from_utf8(mail.bytes).unwrap()
}

fn nowhere() -> Settings {
    settings("127.0.0.1:25".parse().unwrap())
}

#[test]
fn in_every_state() {
    for group in sample_groups() {
        let mail = written(&nowhere(), &group.notification).replace("\r\n", "\n");
        insta::assert_snapshot!(format!("mail_{}", group.name), mail);
    }
}

#[test]
fn a_repeat_is_the_same_mail_and_a_group_is_one_thread() {
    let header = |mail: &str, name: &str| {
        let line = mail.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.trim().to_owned()
    };
    let first = page(vec![latency("a")]);
    let mut repeat = first.clone();
    repeat.attempt = 2;
    assert_eq!(written(&nowhere(), &first), written(&nowhere(), &repeat));
    let mut next = page(vec![resolved(latency("a"))]);
    next.idempotency_key = "another".to_owned();
    let (first, next) = (written(&nowhere(), &first), written(&nowhere(), &next));
    assert_eq!(header(&first, "Message-ID:"), "Message-ID: <6f1b2c3d4e5f60718293a4b5c6d7e8f9@us.example>");
    assert_ne!(header(&first, "Message-ID:"), header(&next, "Message-ID:"));
    let thread = "<thread-a1b2c3d4e5f60718071000000000002a@us.example>";
    for mail in [&first, &next] {
        assert_eq!(header(mail, "References:"), format!("References: {thread}"));
        assert_eq!(header(mail, "In-Reply-To:"), format!("In-Reply-To: {thread}"));
    }
    let daily =
        written(&Settings { threading: Threading::GroupAndDay, ..nowhere() }, &page(vec![latency("a")]));
    assert!(header(&daily, "References:").contains("002a-2026-11-22@"), "{daily}");
    let single = written(&Settings { threading: Threading::Off, ..nowhere() }, &page(vec![latency("a")]));
    assert!(!single.contains("References:") && !single.contains("In-Reply-To:"));
}

#[test]
fn own_words_and_headers() {
    let mut own = nowhere();
    own.headers.add("Subject", template("{{ Status }}: {{ CommonLabels.alertname }}")).unwrap();
    own.headers.add("X-Team", template("{{ Tenant }}")).unwrap();
    own.html = Some(template("<b>{{ CommonLabels.alertname }}</b>"));
    let notification = page(vec![alert(&[("alertname", "<script>&")], &[])]);
    let mail = written(&own, &notification);
    assert!(mail.contains("Subject: firing: <script>&\r\n"), "{mail}");
    assert!(mail.contains("X-Team: acme\r\n"));
    assert!(mail.contains("<b>&lt;script&gt;&amp;</b>"), "{mail}");
    assert!(!mail.contains("text/plain"), "only what is set: {mail}");
    own.text = Some(template("{{ Status | date('x') }}"));
    let mail = written(&own, &notification);
    assert!(mail.contains("the template in email_configs failed"), "{mail}");
    for name in ["Bcc", "message-id", "X Y", "X:", "", "X-Team\r\nX"] {
        assert!(own.headers.add(name, template("x")).is_err(), "{name}");
    }
    assert!(matches!(own.headers.add("x-team", template("x")), Err(MailHeaderError::Twice { .. })));
}

#[test]
fn addresses_that_are_none_are_told() {
    for (to, want) in [
        ("", "`to` gives 0 addresses"),
        ("{{ CommonLabels.nobody }}", "`to` gives 0 addresses"),
        ("not an address", "`to` gives no list"),
        ("a@b.example\r\nBcc: c@d.example", "`to` gives no list"),
        ("ä@b.example", "beyond ASCII"),
    ] {
        let settings = Settings { to: template(to), ..nowhere() };
        let error = payload::mail(&settings, &page(vec![latency("a")]), &Words::sample("")).err();
        let error = error.unwrap_or_else(|| panic!("{to:?} is taken"));
        assert!(error.contains(want), "{to:?}: {error}");
    }
    let many = (0..101).map(|index| format!("a{index}@b.example")).collect::<Vec<_>>().join(",");
    let settings = Settings { to: template(&many), ..nowhere() };
    assert!(payload::mail(&settings, &page(vec![latency("a")]), &Words::sample("")).is_err());
}

#[test]
fn a_server_is_host_and_port() {
    for good in ["mail.example:587", "[::1]:25", "127.0.0.1:465"] {
        assert_eq!(Smarthost::parse(good).unwrap().to_string(), good);
    }
    for bad in [
        "",
        "mail.example",
        "mail.example:",
        ":25",
        "mail.example:0",
        "mail.example:99999",
        "::1:25",
        "a b:25",
    ] {
        assert!(Smarthost::parse(bad).is_err(), "{bad}");
    }
}

proptest! {
    // A case is two mails of fifty alerts.
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever an alert says, the head has our headers and no others, and the
    /// mail stays within what any server takes.
    #[test]
    fn nothing_of_an_alert_becomes_a_header(
        text in prop_oneof![any::<String>(), "[a\r\n:.<>@,\"=?é ]{0,60}", "[é<\n]{1,9}".prop_map(|text| text.repeat(4000))],
    ) {
        let mut own = nowhere();
        own.headers.add("Subject", template("{{ CommonLabels.alertname }}")).unwrap();
        own.headers.add("X-Team", template("{{ CommonLabels.alertname }}")).unwrap();
        let injected = format!("{text}\r\nBcc: x@y.example\r\n\r\n{text}");
        let labels = [("alertname", injected.as_str()), ("x", &text), ("y", &text)];
        let notification = page(vec![alert(&labels, &[("summary", &injected), ("runbook_url", &text)]); 60]);
        for settings in [&own, &nowhere()] {
            let mail = written(settings, &notification);
            prop_assert!(mail.is_ascii());
            prop_assert!(mail.len() < 2 << 20, "{}", mail.len());
            prop_assert!(mail.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
            let head = mail.split("\r\n\r\n").next().unwrap();
            let names: Vec<_> = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])).map(|line| line.split(':').next().unwrap()).collect();
            let known = ["From", "To", "Date", "Message-ID", "In-Reply-To", "References", "Subject", "X-Team", "Auto-Submitted", "X-Auto-Response-Suppress", "MIME-Version", "Content-Type"];
            prop_assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
        }
    }
}
