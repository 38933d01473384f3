use super::file::{ALERTS_MAX, Fault, FileError, LINE_BYTES_MAX, open, read};
use super::{DemoEvent, Pairs, PostableAlert, What};
use flate2::{Compression, write::GzEncoder};
use openclaw_alert::{Feedback, Timestamp};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{Cursor, Write as _};
use std::path::Path;

/// 2026-01-31T00:00:00Z
const START: Timestamp = Timestamp::from_secs(1_769_817_600);

fn events(text: impl AsRef<[u8]>) -> Vec<DemoEvent> {
    read(Cursor::new(text.as_ref().to_vec()), START).unwrap()
}

/// The fault as a user sees it, and that there is a way out.
fn fault(text: impl AsRef<[u8]>) -> String {
    let failure = read(Cursor::new(text.as_ref().to_vec()), START).unwrap_err();
    let error = FileError { path: "f".into(), line: failure.line, fault: failure.fault };
    assert!(!error.hint().is_empty());
    error.to_string()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A line an event, for comparison.
fn shown(events: &[DemoEvent]) -> Vec<String> {
    events.iter().map(|event| format!("{} {}", event.at, what(event))).collect()
}

fn what(event: &DemoEvent) -> String {
    let tenant = event.tenant.as_deref().unwrap_or("-");
    match &event.what {
        What::Post { alerts } => {
            let [alert] = &alerts[..] else { panic!("{} alerts", alerts.len()) };
            let end = alert.ends_at.map_or_else(String::new, |end| format!(" until {end}"));
            format!("{tenant} {:?} {:?} from {}{end}", alert.labels, alert.annotations, alert.starts_at)
        }
        What::Feedback { labels, action, by, note } => {
            format!("{tenant} {} {labels:?} by {by}: {note}", action.name())
        }
    }
}

#[test]
fn lines_come_in_order_of_time() {
    let text = r#"
{"labels":{"alertname":"Later","none":""},"startsAt":"2026-01-31T10:00:00+01:00","tenant":"globex"}
{"labels":{"alertname":"Next"}}

{"labels":{"alertname":"Moved"},"at":"2026-01-31T08:00:00Z","startsAt":"2026-01-31T07:59:00Z","endsAt":"0001-01-01T00:00:00Z","status":{"state":"active"}}
{"labels":{"alertname":"Moved"},"at":"2026-01-31T08:30:00Z","startsAt":"2026-01-31T07:59:00Z","endsAt":"2026-01-31T08:29:00Z","annotations":{"summary":"s"}}"#;
    let want = [
        r#"2026-01-31T08:00:00.000Z - {"alertname": "Moved"} {} from 2026-01-31T07:59:00.000Z"#,
        r#"2026-01-31T08:30:00.000Z - {"alertname": "Moved"} {"summary": "s"} from 2026-01-31T07:59:00.000Z until 2026-01-31T08:29:00.000Z"#,
        r#"2026-01-31T09:00:00.000Z globex {"alertname": "Later"} {} from 2026-01-31T09:00:00.000Z"#,
        r#"2026-01-31T09:00:01.000Z - {"alertname": "Next"} {} from 2026-01-31T09:00:01.000Z"#,
    ];
    assert_eq!(shown(&events(text)), want);
    assert_eq!(shown(&events(text.replace('\n', "\r\n"))), want);
    assert_eq!(shown(&events(format!("\u{feff}{text}"))), want);
    assert_eq!(shown(&events(gzip(text.as_bytes()))), want);
}

#[test]
fn lines_without_times_follow_each_other() {
    let line = "{\"labels\":{\"a\":\"b\"}}\n";
    let times: Vec<i64> = events(line.repeat(3)).iter().map(|event| event.at.secs() - START.secs()).collect();
    assert_eq!(times, [0, 1, 2]);
}

#[test]
fn bad_lines_are_named() {
    let table = [
        (r#"{"labels":{"a":"b"}"#, "column 19: EOF while parsing an object"),
        (r#"{"labels":{"a":1}}"#, "column 16: invalid type: integer `1`, expected a string"),
        (r#"{"annotations":{}}"#, "column 18: missing field `labels`"),
        (r#"[{"labels":{"a":"b"}}]"#, "the line is no JSON object"),
        (r#"{"labels":{"a":"b"}} x"#, "column 22: trailing characters"),
        ("alert", "the line is no JSON object"),
        (r#"{"labels":{}}"#, "`labels` is empty"),
        (r#"{"labels":{"a":""}}"#, "`labels` is empty"),
        (r#"{"labels":{"a":"b"},"at":"soon"}"#, "`at` is no time: `soon`"),
        (
            r#"{"labels":{"a":"b"},"startsAt":"2026-13-01T00:00:00Z"}"#,
            "`startsAt` is no time: `2026-13-01T00:00:00Z`",
        ),
        (r#"{"labels":{"a":"b"},"endsAt":"2026-01-01"}"#, "`endsAt` is no time: `2026-01-01`"),
        (
            r#"{"labels":{"a":"b"},"startsAt":"2026-01-02T00:00:00Z","endsAt":"2026-01-01T00:00:00Z"}"#,
            "`endsAt` is before `startsAt`",
        ),
        (
            r#"{"labels":{"a":"b"},"tenant":"A/B"}"#,
            "`tenant`: `A/B` is not a tenant name: use 1 to 63 of `a-z`, `0-9`, `-`, `_`, starting with a letter or digit",
        ),
    ];
    for (line, want) in table {
        let text = format!("{{\"labels\":{{\"a\":\"b\"}}}}\n\n{line}\n{{\"labels\":{{\"a\":\"b\"}}}}");
        assert_eq!(fault(text), format!("f:3: {want}"), "{line}");
    }
    assert_eq!(fault(b"{\"labels\":{\"a\":\"\xff\"}}"), "f:1: the line is not UTF-8");
}

#[test]
fn a_line_has_a_bound() {
    let line = |bytes: usize| {
        let frame = "{\"labels\":{\"a\":\"\"}}".len();
        format!("{{\"labels\":{{\"a\":\"{}\"}}}}\n", "x".repeat(bytes - frame))
    };
    assert_eq!(events(line(LINE_BYTES_MAX)).len(), 1);
    assert_eq!(
        fault(line(LINE_BYTES_MAX + 1)),
        format!("f:1: the line is longer than {LINE_BYTES_MAX} bytes")
    );
    let bomb = gzip(&[b"{".as_slice(), &vec![b' '; 64 << 20]].concat());
    assert_eq!(fault(bomb), format!("f:1: the line is longer than {LINE_BYTES_MAX} bytes"));
    assert!(matches!(ALERTS_MAX, 1..=1_000_000));
}

#[test]
fn files_of_no_use_are_named() {
    assert_eq!(fault(""), "f: it holds no alerts");
    assert_eq!(fault(" \n"), "f: it holds no alerts");
    assert_eq!(fault("number,opened_at\n"), "f: it holds no alerts");
    assert_eq!(fault("hello"), "f: neither JSON lines nor an incident export");
    assert_eq!(fault("number,state\n1,New\n"), "f:1: column `opened_at` is missing");
    let text = gzip("{\"labels\":{\"a\":\"b\"}}\n".repeat(90).as_bytes());
    assert!(fault(&text[..text.len() - 9]).contains("cannot read it: "));
    let error = open(Path::new("no/such/file"), START).unwrap_err();
    assert!(error.to_string().starts_with("no/such/file: cannot read it: "), "{error}");
    assert!(matches!(error.fault, Fault::Read(_)));
}

const HEADER: &str = "number,opened_at,priority,category,subcategory,assignment_group,contact_type,short_description,location,closed_code,resolved_by,resolved_at,closed_at\n";

#[test]
fn an_incident_fires_is_judged_and_resolves() {
    let text = HEADER.to_owned()
        + "INC1,29/2/2016 1:16,3 - Moderate,Category 5,Subcategory 7,Group 1,Phone,\"Disk, full\",?,code 5,Ann,29/2/2016 11:29,5/3/2016 12:00\n"
        + "INC2,2016-02-29 01:20,1 - Critical,Network,,?,Email,?,Oslo,,?,,\n"
        + "INC1,29/2/2016 1:16,2 - High,Other,Other,Group 2,Phone,Other,?,code 5,Bob,29/2/2016 11:30,5/3/2016 12:00\n"
        + "INC2,2016-02-29 01:20:00,1 - Critical,Network,,?,Email,?,Oslo,Closed (Duplicate),?,,2016-02-29T01:20:00Z\n";
    let [one, two] = [
        r#"{"alertname": "Category 5/Subcategory 7", "incident": "INC1", "job": "Group 1", "severity": "warning", "source": "Phone"}"#,
        r#"{"alertname": "Network", "incident": "INC2", "severity": "critical", "source": "Email"}"#,
    ];
    let (said, said_two) = (r#"{"summary": "Disk, full"}"#, r#"{"location": "Oslo", "summary": "Network"}"#);
    let want = [
        format!("2016-02-29T01:16:00.000Z acme {one} {said} from 2016-02-29T01:16:00.000Z"),
        format!("2016-02-29T01:20:00.000Z acme {two} {said_two} from 2016-02-29T01:20:00.000Z"),
        format!("2016-02-29T01:20:00.000Z acme dismiss {two} by servicenow: Closed (Duplicate)"),
        format!(
            "2016-02-29T01:20:00.000Z acme {two} {said_two} from 2016-02-29T01:20:00.000Z until 2016-02-29T01:20:00.000Z"
        ),
        format!("2016-02-29T11:30:00.000Z acme resolve {one} by Bob: code 5"),
        format!(
            "2016-02-29T11:30:00.000Z acme {one} {said} from 2016-02-29T01:16:00.000Z until 2016-02-29T11:30:00.000Z"
        ),
    ];
    assert_eq!(shown(&events(&text)), want);
    assert_eq!(shown(&events(gzip(text.replace('\n', "\r\n").as_bytes()))), want);
}

#[test]
fn an_incident_opened_again_is_not_resolved() {
    let text =
        "Number,Opened_at,Resolved_at\nI,2016-02-29 01:16:00,2016-02-29 02:00:00\nI,2016-02-29 01:16:00,\n";
    let events = events(text);
    assert_eq!(shown(&events).len(), 1);
}

#[test]
fn bad_rows_are_named() {
    let table = [
        ("I2,12/31/2016 10:00,\n", "f:3: `opened_at` is no time: `12/31/2016 10:00`"),
        ("I2,,\n", "f:3: `opened_at` is empty"),
        (",2016-02-29 01:16:00,\n", "f:3: `number` is empty"),
        ("I1,2016-02-29 01:16:00,yesterday\n", "f:3: `resolved_at` is no time: `yesterday`"),
        ("I2,2016-02-29 01:16:00\n", "f:3: the row has 2 fields, the header has 3"),
    ];
    for (row, want) in table {
        let text = format!("number,opened_at,resolved_at\nI1,2016-02-29 01:16:00,\n{row}");
        assert_eq!(fault(text), want);
    }
    let text = b"number,opened_at\nI\xff,2016-02-29 01:16:00\n";
    assert_eq!(fault(text), "f:2: the line is not UTF-8");
    let open_quote =
        format!("number,opened_at\nI1,2016-02-29 01:16:00\n\"I2,{}", "x\n".repeat(LINE_BYTES_MAX));
    assert_eq!(fault(open_quote), format!("f:3: the line is longer than {LINE_BYTES_MAX} bytes"));
}

#[test]
fn many_short_rows_are_within_the_bound() {
    let rows: String = (0..60_000).map(|number| format!("I{number},2016-02-29 01:16:00\n")).collect();
    assert!(rows.len() > LINE_BYTES_MAX);
    assert_eq!(events(format!("number,opened_at\n{rows}")).len(), 60_000);
}

/// Every incident of the real export, held against a plain count of its rows.
#[test]
fn a_real_export_is_read_whole() {
    let folder = std::env::var_os("OPENCLAW_TEST_DATA");
    let file = folder.map(|folder| Path::new(&folder).join("incidents_uci.csv.gz"));
    let Some(file) = file.filter(|file| file.exists()) else {
        eprintln!(
            "left out: the real incidents, since `OPENCLAW_TEST_DATA` names no folder with incidents_uci.csv.gz"
        );
        return;
    };
    let events = open(&file, START).unwrap();
    let mut fired: HashMap<Pairs, Timestamp> = HashMap::new();
    let (mut judged, mut resolved, mut severities) = (HashSet::new(), HashSet::new(), BTreeMap::new());
    for event in &events {
        match &event.what {
            What::Post { alerts } => match alerts[0].ends_at {
                None => {
                    *severities.entry(alerts[0].labels.view().get("severity").to_owned()).or_insert(0) += 1;
                    assert_eq!(fired.insert(alerts[0].labels.clone(), event.at), None);
                }
                Some(end) => {
                    assert!(end == event.at && fired[&alerts[0].labels] <= end);
                    assert!(resolved.insert(alerts[0].labels.clone()));
                }
            },
            What::Feedback { labels, action, .. } => {
                assert_eq!(*action, Feedback::Resolve);
                assert!(
                    fired.contains_key(labels) && judged.insert(labels.clone()) && !resolved.contains(labels)
                );
            }
        }
    }
    assert!(events.is_sorted_by_key(|event| event.at));
    assert_eq!((fired.len(), judged.len(), resolved.len()), (19_934, 19_934, 19_934));
    let want = [("critical", 150), ("error", 250), ("info", 611), ("warning", 18_923)];
    assert_eq!(severities, want.map(|(name, count)| (name.to_owned(), count)).into());
}

fn pairs() -> impl Strategy<Value = BTreeMap<String, String>> {
    proptest::collection::btree_map("[a-z]{1,4}", any::<String>(), 0..5)
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        labels in pairs(), annotations in pairs(), name in "[a-zA-Z\"\\\\é]{1,9}", url: String,
        starts in 0_i64..4_000_000_000_000, lasts in proptest::option::of(0_i64..1_000_000),
    ) {
        let view = |pairs: &BTreeMap<String, String>| pairs.clone().into_iter().collect::<Vec<_>>();
        let (labels, annotations) = (view(&labels), view(&annotations));
        let named = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let alert = PostableAlert {
            labels: Pairs::labels(named.chain([("alertname", name.as_str())])),
            annotations: Pairs::annotations(annotations.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
            starts_at: Timestamp::from_nanos(starts * 1_000_000),
            ends_at: lasts.map(|lasts| Timestamp::from_nanos((starts + lasts) * 1_000_000)),
            generator_url: url,
        };
        let mut line = Vec::new();
        alert.to_json(&mut line);
        let at = alert.starts_at;
        let want = DemoEvent { at, tenant: None, what: What::Post { alerts: vec![alert] } };
        prop_assert_eq!(events(line), vec![want]);
    }
}
