//! Against an instance that keeps records, loses answers, and ignores what it
//! doesn't understand.

use super::*;
use crate::fixture::{NOW, acted_at, alert, latency, page, resolved};
use crate::sink::{Received, Reply, Sink};
use crate::situation::Situation;
use crate::{HttpConfig, Integration, Outgoing, Secret, Sender, SenderOptions};
use openclaw_alert::{Feedback, NotifiedAlert, Reason};
use proptest::prelude::*;
use serde_json::json;
use std::sync::{Arc, Mutex};

/// What an instance does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Fine,
    /// Refuses before it does anything.
    Busy,
    /// Does it, and says that it failed.
    Lies,
    /// Does it, and hangs up.
    HangsUp,
}

/// Records as the instance keeps them; work notes by their call.
#[derive(Debug, Default, PartialEq, Eq)]
struct Instance {
    rows: Vec<Map<String, Value>>,
    notes: Vec<(usize, String)>,
    /// Shows any row where a query names a field that the table doesn't have.
    lacks_correlation_id: bool,
    is_version_1: bool,
    /// Its user may create, and not read.
    is_blind: bool,
}

impl Instance {
    fn serve(&mut self, request: &Received) -> (u16, Value) {
        let (method, path) = line(request);
        assert_eq!(request.header("accept"), Some("application/json"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        let rest = path.strip_prefix("/api/now/table/incident").expect(&path);
        let (sys_id, query) = rest.split_once('?').unwrap();
        assert!(query.contains("sysparm_fields="), "answers stay small");
        let fields = || serde_json::from_slice(&request.body).unwrap();
        match method.as_str() {
            "GET" if sys_id.is_empty() => self.search(query),
            "GET" => self.show(sys_id.trim_start_matches('/')),
            "POST" => self.create(fields()),
            "PATCH" => self.update(sys_id.trim_start_matches('/'), fields()),
            other => panic!("{other}"),
        }
    }

    fn search(&self, query: &str) -> (u16, Value) {
        assert!(query.contains("%5EORDERBYDESCsys_created_on&sysparm_limit=1&"), "{query}");
        let asked = query.strip_prefix("sysparm_query=").unwrap().split("%5E").next().unwrap();
        let (field, value) = asked.split_once("%3D").unwrap();
        let is_ignored = self.lacks_correlation_id && field == "correlation_id";
        let is_meant = |row: &&Map<String, Value>| is_ignored || row.get(field) == Some(&json!(value));
        match self.seen().find(is_meant) {
            None if self.is_version_1 => no_record(),
            row => (200, json!({ "result": row.into_iter().collect::<Vec<_>>() })),
        }
    }

    fn show(&self, sys_id: &str) -> (u16, Value) {
        let row = self.seen().find(|row| row["sys_id"] == sys_id);
        row.map_or_else(no_record, |row| (200, json!({ "result": row })))
    }

    fn seen(&self) -> impl Iterator<Item = &Map<String, Value>> {
        self.rows.iter().rev().filter(|_| !self.is_blind)
    }

    fn create(&mut self, mut fields: Map<String, Value>) -> (u16, Value) {
        let number = self.rows.len();
        fields.insert("sys_id".to_owned(), json!(format!("{number:032x}")));
        fields.insert("number".to_owned(), json!(format!("INC{number:07}")));
        fields.entry("state").or_insert(json!("1"));
        self.rows.push(Map::new());
        self.write(number, fields);
        (201, json!({ "result": self.rows[number] }))
    }

    fn update(&mut self, sys_id: &str, fields: Map<String, Value>) -> (u16, Value) {
        let at = self.rows.iter().position(|row| row["sys_id"] == sys_id).unwrap();
        self.write(at, fields);
        (200, json!({ "result": self.rows[at] }))
    }

    fn write(&mut self, at: usize, mut fields: Map<String, Value>) {
        if let Some(note) = fields.remove("work_notes") {
            self.notes.push((at, note.as_str().unwrap().to_owned()));
        }
        if self.lacks_correlation_id {
            fields.remove("correlation_id");
        }
        let is_resolved = fields.get("state") == Some(&json!("6"));
        assert!(!is_resolved || (fields.contains_key("close_code") && fields.contains_key("close_notes")));
        self.rows[at].extend(fields);
    }

    fn open(&self) -> usize {
        self.rows.iter().filter(|row| !["6", "7", "8"].contains(&row["state"].as_str().unwrap())).count()
    }
}

fn no_record() -> (u16, Value) {
    (404, json!({ "error": { "message": "No Record found" } }))
}

fn line(request: &Received) -> (String, String) {
    let mut words = request.head.split(' ').map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap())
}

fn options() -> SenderOptions {
    SenderOptions { outgoing: Outgoing::with_loopback(), ..Default::default() }
}

fn http(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// An instance with a mood for each call, at the end fine.
async fn instance(instance: Instance, moods: Vec<Mood>) -> (Sink, Arc<Mutex<Instance>>) {
    let shared = Arc::new(Mutex::new(instance));
    let kept = Arc::clone(&shared);
    let sink = Sink::scripted(move |index, request| {
        let mood = moods.get(index).copied().unwrap_or(Mood::Fine);
        if mood == Mood::Busy {
            return Reply::Stay(http(429, r#"{"error":{"message":"Rate limit exceeded"}}"#));
        }
        let (status, body) = kept.lock().unwrap().serve(request);
        match mood {
            Mood::Lies => Reply::Stay(http(504, "")),
            Mood::HangsUp => Reply::Reset,
            _ => Reply::Stay(http(status, &body.to_string())),
        }
    });
    (sink.await, shared)
}

fn settings(sink: &Sink) -> Settings {
    let target = Target::parse(&Secret::new(format!("http://{}", sink.address))).unwrap();
    Settings::new(target, HttpConfig::default())
}

/// Sends each message until it is delivered; gives the last receipt.
async fn deliver(settings: Settings, messages: &[Notification]) -> Option<Arc<str>> {
    let sender = Sender::new(options()).unwrap();
    let integration = Integration::ServiceNow(settings);
    let mut receipt = None;
    for (number, message) in messages.iter().enumerate() {
        let mut message = message.clone();
        message.idempotency_key = format!("key-{number}");
        message.decided_at = NOW.plus(Duration::from_secs(60 * number as u64));
        message.receipt = receipt.clone();
        for attempt in 1..20 {
            message.attempt = attempt;
            match sender.send(&integration, &message, NOW).await {
                SendOutcome::Untried { .. } => unreachable!(),
                SendOutcome::Delivered { receipt: new } => {
                    receipt = new.map(Arc::from).or(receipt);
                    break;
                }
                SendOutcome::Retry { .. } => assert!(attempt < 19, "never delivered"),
                SendOutcome::Never { detail } => panic!("{detail}"),
            }
        }
    }
    receipt
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Offsets tell new alerts from known ones.
fn numbered(mut alerts: Vec<NotifiedAlert>) -> Vec<NotifiedAlert> {
    alerts.iter_mut().zip(10..).for_each(|(alert, offset)| alert.id.offset = offset);
    alerts
}

fn any_message() -> impl Strategy<Value = Notification> {
    const ACTIONS: [Feedback; 4] = [Feedback::Ack, Feedback::Resolve, Feedback::Dismiss, Feedback::Escalate];
    const REASONS: [Reason; 4] = [Reason::First, Reason::NewAlerts, Reason::Repeat, Reason::Acted];
    let one = (any::<bool>(), prop::option::of((0_usize..4, 0_u64..600, any::<bool>())));
    (prop::collection::vec(one, 1..4), 0_usize..4).prop_map(|(alerts, reason)| {
        let alerts = alerts.into_iter().map(|(ended, action)| {
            let alert = if ended { resolved(latency("a")) } else { latency("a") };
            match action {
                Some((action, at, is_ours)) => {
                    let by = if is_ours { "ann in Slack" } else { "bob in ServiceNow" };
                    acted_at(alert, ACTIONS[action], by, NOW.plus(Duration::from_secs(at)))
                }
                None => alert,
            }
        });
        let mut message = page(numbered(alerts.collect()));
        message.reason = REASONS[reason];
        message
    })
}

fn any_mood() -> impl Strategy<Value = Mood> {
    prop_oneof![3 => Just(Mood::Fine), 1 => Just(Mood::Busy), 1 => Just(Mood::Lies), 1 => Just(Mood::HangsUp)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Lost answers and repeats leave the instance as a smooth run does.
    #[test]
    fn faults_change_nothing(
        messages in prop::collection::vec(any_message(), 1..6),
        moods in prop::collection::vec(any_mood(), 0..12),
        is_version_1: bool,
    ) {
        let after = |moods| run(async {
            let (sink, kept) = instance(Instance { is_version_1, ..Instance::default() }, moods).await;
            deliver(settings(&sink), &messages).await;
            drop(sink);
            std::mem::take(&mut *kept.lock().unwrap())
        });
        let (smooth, rough) = (after(Vec::new()), after(moods));
        prop_assert!(smooth.open() <= 1, "one incident at a time");
        let needs = messages.iter().map(Situation::of);
        let opened = needs.filter(|need| *need == Situation::Open).count();
        prop_assert!(smooth.rows.len() <= opened + 1);
        if let Some(Situation::Over(_)) = messages.last().map(Situation::of) {
            prop_assert_eq!(smooth.open(), 0, "what is over is resolved");
        }
        prop_assert_eq!(smooth, rough);
    }

    #[test]
    fn fields_keep_their_lengths(
        texts in prop::collection::vec((any::<String>(), 0_usize..3000), 1..30),
    ) {
        let long: Vec<String> = texts.iter().map(|(text, times)| text.repeat(*times)).collect();
        let alerts = long.iter().map(|text| alert(&[("alertname", text), ("x", text)], &[("summary", text)]));
        let message = page(alerts.collect());
        let target = Target::parse(&Secret::new("http://x.example")).unwrap();
        let settings = Settings::new(target, HttpConfig::default());
        let incident = Incident {
            sys_id: "1".to_owned(), number: "INC1".to_owned(), state: record::State::New, mark: None,
        };
        let words = crate::words::Words::sample("https://openclaw.example");
        let state = Some(plan::NewState::Resolved);
        for fields in [created(&settings, &message, &words), updated(&settings, &message, &words, &incident, state)] {
            for (name, value) in fields {
                let most = match name.as_str() {
                    "short_description" => 160,
                    "description" | "work_notes" => 4000,
                    "close_notes" => 1000,
                    _ => 100,
                };
                prop_assert!(crate::text::units(value.as_str().unwrap()) <= most, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn an_incident_lives_with_its_group() {
    let (sink, kept) = instance(Instance::default(), Vec::new()).await;
    let first = page(numbered(vec![latency("a")]));
    let mut grown = page(numbered(vec![latency("a"), latency("b")]));
    grown.reason = Reason::NewAlerts;
    let mut taken = grown.clone();
    taken.reason = Reason::Acted;
    for alert in &mut taken.alerts {
        *alert = acted_at(alert.clone(), Feedback::Ack, "ann in Slack", NOW.plus(Duration::from_secs(110)));
    }
    let mut over = taken.clone();
    over.reason = Reason::AllResolved;
    over.alerts = over.alerts.into_iter().map(resolved).collect();
    let receipt = deliver(settings(&sink), &[first.clone(), grown, taken, over.clone(), over, first]).await;
    let kept = kept.lock().unwrap();
    let calls: Vec<String> = sink.requests().iter().map(|request| line(request).0).collect();
    assert_eq!(
        calls,
        ["GET", "POST", "GET", "PATCH", "GET", "PATCH", "GET", "PATCH", "GET", "GET", "POST"],
        "the second end finds nothing to do"
    );
    assert_eq!(receipt.as_deref(), Some("00000000000000000000000000000001/INC0000001"), "a new incident");
    assert_eq!(kept.rows[0]["state"], "6");
    assert_eq!(kept.rows[1]["state"], "1");
    let notes: Vec<&str> = kept.notes.iter().map(|(_, note)| note.as_str()).collect();
    insta::assert_snapshot!("servicenow_work_notes", notes.join("\n\n"));
}

#[tokio::test]
async fn what_was_done_there_is_not_said_again() {
    let (sink, kept) = instance(Instance::default(), Vec::new()).await;
    let first = page(numbered(vec![latency("a")]));
    let mut taken = first.clone();
    taken.reason = Reason::Acted;
    let later = NOW.plus(Duration::from_secs(30));
    taken.alerts[0] = acted_at(taken.alerts[0].clone(), Feedback::Ack, "bob in ServiceNow", later);
    deliver(settings(&sink), std::slice::from_ref(&first)).await;
    kept.lock().unwrap().rows[0].insert("state".to_owned(), json!("2"));
    let before = kept.lock().unwrap().rows.clone();
    deliver(settings(&sink), &[first.clone(), taken]).await;
    assert_eq!(kept.lock().unwrap().rows, before);
    assert!(kept.lock().unwrap().notes.is_empty());
}

#[tokio::test]
async fn a_table_without_our_key_is_kept_up_by_receipt() {
    let other =
        json!({ "sys_id": "f".repeat(32), "number": "INC9", "state": "1", "correlation_id": "other" });
    let rows = vec![other.as_object().unwrap().clone()];
    let start = Instance { rows, lacks_correlation_id: true, ..Instance::default() };
    let (sink, kept) = instance(start, Vec::new()).await;
    let mut over = page(numbered(vec![resolved(latency("a"))]));
    over.reason = Reason::AllResolved;
    deliver(settings(&sink), &[page(numbered(vec![latency("a")])), over]).await;
    let kept = kept.lock().unwrap();
    assert_eq!(kept.rows[0], *other.as_object().unwrap(), "others' incidents stay as they are");
    assert_eq!(kept.rows[1]["state"], "6");
}

#[tokio::test]
async fn urgency_only_rises_and_people_may_lower_it() {
    let (sink, kept) = instance(Instance::default(), Vec::new()).await;
    let scored = |base: f32, reason| {
        let mut message = page(numbered(vec![latency("a")]));
        message.alerts[0].score = crate::fixture::score([base, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        message.reason = reason;
        message
    };
    let low = scored(0.0, Reason::First);
    let high = scored(4.0, Reason::NewAlerts);
    let mut own = settings(&sink);
    own.urgency[0].impact = Level::Medium;
    deliver(own.clone(), &[low.clone(), high.clone()]).await;
    let urgency = || {
        let kept = kept.lock().unwrap();
        (kept.rows[0]["urgency"].clone(), kept.rows[0]["impact"].clone())
    };
    assert_eq!(urgency(), (json!("1"), json!("2")));
    kept.lock().unwrap().rows[0].insert("urgency".to_owned(), json!("3"));
    deliver(own, &[low, high.clone(), high]).await;
    assert_eq!(urgency().0, json!("3"), "what people have set stays");
}

#[tokio::test]
async fn names_as_people_see_them_are_said_to_be_such() {
    let (sink, kept) = instance(Instance::default(), Vec::new()).await;
    let mut settings = settings(&sink);
    settings.display_values = true;
    let template = |text: &str| crate::template::TemplateSet::default().template(text).unwrap();
    settings.fields = vec![
        (Field::parse("assignment_group").unwrap(), template("{{ CommonLabels.job | toUpper }} team")),
        (Field::parse("cmdb_ci").unwrap(), template("{{ CommonLabels.nothing }}")),
        (Field::parse("category").unwrap(), template("{{ Alerts | toJson }}")),
    ];
    deliver(settings, &[page(numbered(vec![latency("a")]))]).await;
    let kept = kept.lock().unwrap();
    assert_eq!(kept.rows[0]["assignment_group"], "API team");
    assert!(!kept.rows[0].contains_key("cmdb_ci") && !kept.rows[0].contains_key("category"));
    assert!(kept.rows[0]["description"].as_str().unwrap().contains("the template in `category` failed"));
    assert!(line(&sink.requests()[1]).1.contains("sysparm_input_display_value=true"));
}

#[tokio::test]
async fn an_unanswered_create_is_given_time() {
    let (sink, _) = instance(Instance::default(), vec![Mood::Fine, Mood::HangsUp]).await;
    let sender = Sender::new(options()).unwrap();
    let outcome =
        sender.send(&Integration::ServiceNow(settings(&sink)), &page(vec![latency("a")]), NOW).await;
    let SendOutcome::Retry { after, ambiguous, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((after, ambiguous), (Some(AFTER_UNANSWERED_CREATE), true));
}

async fn told(sink: &Sink, message: &Notification) -> SendOutcome {
    let sender = Sender::new(options()).unwrap();
    sender.send(&Integration::ServiceNow(settings(sink)), message, NOW).await
}

#[tokio::test]
async fn an_incident_that_cant_be_seen_is_neither_over_nor_opened_again() {
    let (sink, kept) = instance(Instance { is_blind: true, ..Instance::default() }, Vec::new()).await;
    let first = page(numbered(vec![latency("a")]));
    let SendOutcome::Delivered { receipt: Some(receipt) } = told(&sink, &first).await else { panic!() };
    let mut grown = page(numbered(vec![latency("a"), latency("b")]));
    let mut over = page(numbered(vec![resolved(latency("a"))]));
    (grown.reason, over.reason) = (Reason::NewAlerts, Reason::AllResolved);
    for mut later in [grown, over] {
        later.receipt = Some(Arc::from(&*receipt));
        let SendOutcome::Retry { detail, ambiguous: false, .. } = told(&sink, &later).await else { panic!() };
        let want = "doesn't show the incident `INC0000000`: check the user's role and `instance_url`";
        assert!(detail.ends_with(want), "{detail}");
    }
    assert_eq!(kept.lock().unwrap().rows.len(), 1, "no second incident");
    kept.lock().unwrap().is_blind = false;
    let mut over = page(numbered(vec![resolved(latency("a"))]));
    (over.reason, over.receipt) = (Reason::AllResolved, Some(Arc::from(&*receipt)));
    over.idempotency_key = "another".to_owned();
    assert!(matches!(told(&sink, &over).await, SendOutcome::Delivered { .. }));
    assert_eq!(kept.lock().unwrap().open(), 0);
}

#[tokio::test]
async fn an_end_is_not_lost_at_a_wrong_address() {
    let sink = Sink::scripted(|_, _| Reply::Stay(http(404, "<html>no such page</html>"))).await;
    let mut over = page(numbered(vec![resolved(latency("a"))]));
    over.reason = Reason::AllResolved;
    let SendOutcome::Never { detail } = told(&sink, &over).await else { panic!() };
    assert!(detail.ends_with("404 Not Found: check `instance_url` and `table`"), "{detail}");
}

#[tokio::test]
async fn what_is_done_within_a_second_is_noted_once() {
    let (sink, kept) = instance(Instance::default(), Vec::new()).await;
    let at = |millis| NOW.plus(Duration::from_millis(millis));
    let said = |key: &str, decided_ms, acted_ms: Option<u64>| {
        let alert = latency("a");
        let alert = match acted_ms {
            Some(ms) => acted_at(alert, Feedback::Ack, "ann in Slack", at(ms)),
            None => alert,
        };
        let mut message = page(numbered(vec![alert]));
        (message.decided_at, message.idempotency_key) = (at(decided_ms), key.to_owned());
        message.reason = if acted_ms.is_some() { Reason::Acted } else { Reason::First };
        message
    };
    for message in [said("1", 100, None), said("2", 400, Some(300)), said("3", 900, Some(300))] {
        assert!(matches!(told(&sink, &message).await, SendOutcome::Delivered { .. }));
    }
    let mut repeat = said("4", 60_000, Some(950));
    assert_eq!(kept.lock().unwrap().notes.len(), 1, "the same deed twice");
    assert!(matches!(told(&sink, &repeat).await, SendOutcome::Delivered { .. }));
    assert_eq!(kept.lock().unwrap().notes.len(), 2, "a later one within the second");
    repeat.idempotency_key = "5".to_owned();
    assert!(matches!(told(&sink, &repeat).await, SendOutcome::Delivered { .. }));
    assert_eq!(kept.lock().unwrap().notes.len(), 2);
}
