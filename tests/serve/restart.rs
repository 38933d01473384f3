//! What a restart must not change.

use crate::support::client::Request;
use crate::support::server::{Server, told_at_once};
use crate::support::{Alert, Folder, Sink, alerts, pause};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Text that has been somebody's downfall before.
const ODD: [&str; 12] = [
    "",
    " leading and trailing ",
    "tab\tnewline\ncarriage\rnull\u{0}bell\u{7}",
    "quote\" backslash\\ slash/ apostrophe'",
    "ümläut ß Ελληνικά 漢字 🔥👩‍👩‍👧",
    "e\u{301} is not \u{e9}",
    "\u{202e}right to left\u{200b}zero width\u{feff}",
    "{{ $value }} %s %n ${HOME} `id`",
    "<b>&amp;</b>",
    "\u{fffd}\u{10ffff}\u{e000}",
    "null",
    "0001-01-01T00:00:00Z",
];

#[test]
fn what_was_posted_comes_back_byte_for_byte() {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &told_at_once(&sink.url("/hook")))]);
    let key = folder.full_key("acme");
    let mut server = folder.serve();
    let posted: Vec<_> = ODD
        .iter()
        .enumerate()
        .map(|(n, odd)| {
            let alert = Alert::new(&format!("odd{n}")).label("odd label: é", &format!("x{odd}"));
            alert
                .annotation("text", odd)
                .annotation(&format!("k{odd}"), "v")
                .fires_for(Duration::from_secs(600))
        })
        .collect();
    server.post_alerts(&key, &posted);
    let want: BTreeMap<String, Value> = posted.iter().map(|alert| named(alert.json())).collect();
    let before = server.alerts(&key);
    check(&before, &want);
    for is_kill in [true, false, true] {
        if is_kill {
            server.kill();
        } else {
            server.stop();
        }
        server = folder.serve();
        let after = server.alerts(&key);
        assert_eq!(after, before, "killed: {is_kill}");
    }
    for n in 0..ODD.len() {
        let told = sink.wait_told("/hook", &format!("odd{n}"), "firing");
        assert_eq!(told.alerts()[0]["annotations"], want[&format!("odd{n}")]["annotations"]);
    }
}

fn named(alert: Value) -> (String, Value) {
    (alert["labels"]["alertname"].as_str().unwrap().to_owned(), alert)
}

fn check(listed: &[Value], want: &BTreeMap<String, Value>) {
    assert_eq!(listed.len(), want.len());
    for alert in listed {
        let (name, alert) = named(alert.clone());
        let want = &want[&name];
        for member in ["labels", "annotations", "endsAt"] {
            assert_eq!(alert[member], want[member], "{name}");
        }
    }
}

/// What a crowd of posters was told.
#[derive(Default)]
struct Told {
    yes: Mutex<Vec<String>>,
    unsure: AtomicUsize,
}

fn post_until_gone(server: &Server, key: &str, poster: usize, told: &Told, stop: &AtomicBool) {
    for n in 0.. {
        let names: Vec<_> = (0..3).map(|m| format!("p{poster}-{n}-{m}")).collect();
        let batch: Vec<_> = names.iter().map(|name| Alert::new(name)).collect();
        let request = Request::post("/api/v2/alerts", alerts::body(&batch)).key(key);
        match request.try_send(server.address) {
            Ok(answer) if answer.status == 200 => told.yes.lock().unwrap().extend(names),
            Ok(answer) => assert_eq!(answer.status, 503),
            Err(_) => {
                told.unsure.fetch_add(1, Ordering::Relaxed);
                if stop.load(Ordering::SeqCst) {
                    return;
                }
            }
        }
    }
}

#[test]
fn a_stop_under_load_loses_nothing_that_was_taken() {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &told_at_once(&sink.url("/hook")))]);
    let key = folder.full_key("acme");
    let (told, stop) = (Told::default(), AtomicBool::new(false));
    let mut server = folder.serve();
    std::thread::scope(|scope| {
        let running = &server;
        for poster in 0..4 {
            let (key, told, stop) = (&key, &told, &stop);
            scope.spawn(move || post_until_gone(running, key, poster, told, stop));
        }
        pause(Duration::from_millis(600));
        stop.store(true, Ordering::SeqCst);
        server.terminate();
    });
    let status = server.wait();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    let yes = told.yes.into_inner().unwrap();
    assert!(yes.len() > 20, "{}", yes.len());
    let again = folder.serve();
    let listed: Vec<_> = again.alerts(&key).into_iter().map(|alert| named(alert).0).collect();
    let listed: std::collections::BTreeSet<_> = listed.into_iter().collect();
    let lost: Vec<_> = yes.iter().filter(|name| !listed.contains(*name)).collect();
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), yes.len());
    // Everyone is told in the end, by one process or the other, and nobody twice.
    again.wait_delivered(&key);
    let mut names: Vec<_> =
        sink.seen_at("/hook").iter().flat_map(crate::support::Seen::alerts).map(|a| named(a).0).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "told twice after an orderly stop");
    assert!(yes.iter().all(|name| names.binary_search(name).is_ok()));
}

#[test]
fn a_second_process_on_the_same_folder_is_refused() {
    let folder = Folder::new(&[("acme", crate::support::server::SILENT)]);
    let server = folder.serve();
    let mut second = folder.start(&crate::support::server::ServeOptions::default());
    assert_eq!(second.wait().code(), Some(1));
    assert!(second.log().contains("error:"), "{}", second.log());
    server.stop();
}

#[test]
fn a_send_under_way_ends_within_the_drain() {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &told_at_once(&sink.url("/hook")))]);
    let key = folder.full_key("acme");
    let mut server = folder.serve();
    sink.script([crate::support::Reply::slack().after(Duration::from_millis(1500))]);
    server.post_alerts(&key, &[Alert::new("slow")]);
    sink.wait_for("/hook", 1);
    server.terminate();
    // Its outcome is known to the next process.
    assert_eq!(server.wait().code(), Some(0));
    let again = folder.serve();
    let id = again.alert(&key, "slow")["id"].as_str().unwrap().to_owned();
    let delivered = again.wait_stage(&key, &id, "delivered");
    assert_eq!((&delivered["attempt"], &delivered["repeated"]), (&1.into(), &false.into()));
    assert_eq!(sink.seen_at("/hook").len(), 1);
}
