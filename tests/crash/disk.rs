//! Bytes that changed on the disk, and a disk that is full.

use crate::support::server::{SILENT, ServeOptions, Server, told_at_once};
use crate::support::{Alert, Folder, Request, Sink, alerts, now, pause, until};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const ALERTS: usize = 30;

fn name(n: usize) -> String {
    format!("a{n}")
}

/// Text that stands in the journal once an alert is written.
fn needle(n: usize) -> String {
    format!("needle-{n}-needle")
}

/// A killed process's folder, each alert in a commit of its own.
fn written() -> (Folder, String) {
    let folder = Folder::new(&[("acme", SILENT)]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    for n in 0..ALERTS {
        server.post_alerts(&key, &[Alert::new(&name(n)).annotation("text", &needle(n))]);
    }
    server.kill();
    (folder, key)
}

/// Changes one byte of an alert's record. Gives the file.
fn flip(folder: &Folder, n: usize) -> PathBuf {
    let needle = needle(n);
    for entry in fs::read_dir(folder.journal().join("segments")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let found = bytes.windows(needle.len()).position(|window| window == needle.as_bytes());
        if let Some(at) = found {
            bytes[at + 2] ^= 1;
            fs::write(&path, bytes).unwrap();
            return path;
        }
    }
    panic!("{needle} is in no segment");
}

fn names(server: &Server, key: &str) -> BTreeSet<String> {
    let name = |alert: &serde_json::Value| alert["labels"]["alertname"].as_str().unwrap().to_owned();
    server.alerts(key).iter().map(name).collect()
}

#[test]
fn damage_in_mid_file_is_named_and_the_rest_is_read() {
    let (folder, key) = written();
    let damaged = [10, 20];
    let file = damaged.map(|n| flip(&folder, n))[0].clone();
    let operator = folder.operator_key();
    let server = folder.serve();
    let log = server.log();
    let file = file.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(log.contains("damaged") && log.contains(&file), "{log}");
    let quarantine: Vec<_> = fs::read_dir(folder.journal().join("quarantine")).unwrap().collect();
    assert!(!quarantine.is_empty());
    let want: BTreeSet<_> = (0..ALERTS).filter(|n| !damaged.contains(n)).map(name).collect();
    assert_eq!(names(&server, &key), want);
    let metrics = server.get("/metrics", &operator).expect(200).text();
    let violations =
        metrics.lines().find(|line| line.starts_with("openclaw_promise_violations_total{promise=\"P1\"}"));
    assert_eq!(violations.unwrap().rsplit(' ').next(), Some("2"));
    // It goes on, and what is posted again is whole again.
    let again: Vec<_> = damaged.map(|n| Alert::new(&name(n))).to_vec();
    server.post_alerts(&key, &again);
    server.kill();
    let server = folder.serve();
    assert_eq!(names(&server, &key), (0..ALERTS).map(name).collect());
    server.stop();
}

#[test]
fn damage_in_the_last_commit_is_told_and_the_rest_is_read() {
    let (folder, key) = written();
    flip(&folder, ALERTS - 1);
    let server = folder.serve();
    let log = server.log();
    assert!(log.contains("cut short") || log.contains("damaged"), "{log}");
    assert_eq!(names(&server, &key), (0..ALERTS - 1).map(name).collect());
    server.post_alerts(&key, &[Alert::new(&name(ALERTS - 1))]);
    server.kill();
    assert_eq!(names(&folder.serve(), &key).len(), ALERTS);
}

#[test]
fn rubbish_behind_the_last_commit_is_cut_off() {
    let (folder, key) = written();
    let last = needle(ALERTS - 1);
    for entry in fs::read_dir(folder.journal().join("segments")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if bytes.windows(last.len()).any(|window| window == last.as_bytes()) {
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
            // A write that the kill cut short, some of its pages missing.
            bytes[end + 64..end + 8192].iter_mut().enumerate().for_each(|(n, byte)| *byte = n as u8);
            fs::write(&path, bytes).unwrap();
        }
    }
    let server = folder.serve();
    assert_eq!(names(&server, &key).len(), ALERTS, "{}", server.log());
    server.post_alerts(&key, &[Alert::new("more")]);
    server.kill();
    assert_eq!(names(&folder.serve(), &key).len(), ALERTS + 1);
}

/// What can't be written is not known either: neither now nor after a kill.
#[test]
fn a_post_beyond_a_segment_is_refused_whole() {
    const COUNT: usize = 30;
    let folder = Folder::new(&[("acme", SILENT)]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    let text = "x".repeat(60 << 10);
    let alert =
        |n: usize, value: &str| Alert::new(&name(n)).annotation("text", &text).annotation("value", value);
    let before: Vec<_> = (0..COUNT).map(|n| alert(n, "before")).collect();
    before.chunks(2).for_each(|two| server.post_alerts(&key, two));
    let listed = server.alerts(&key);
    // All of them over, and each with another text: some 1.8 MB of records.
    let after: Vec<_> = (0..COUNT).map(|n| alert(n, "after").resolved()).collect();
    for _ in 0..3 {
        let answer = server.post("/api/v2/alerts", &key, &alerts::body(&after));
        assert!([413, 503].contains(&answer.status), "{} {}", answer.status, answer.text());
        assert_eq!(server.alerts(&key), listed);
    }
    after[..4].chunks(2).for_each(|two| server.post_alerts(&key, two));
    server.post_alerts(&key, &[Alert::new("more")]);
    server.kill();
    let server = folder.serve();
    let want: BTreeSet<_> = (4..COUNT).map(name).chain(["more".to_owned()]).collect();
    assert_eq!(names(&server, &key), want);
}

/// A small file system of its own, where the machine lets users mount one.
/// Where not, the simulator's disk has to do: this is no failure.
fn small_disk(folder: &Folder) -> Option<ServeOptions> {
    fs::create_dir_all(folder.journal()).unwrap();
    let mount = "mount -t tmpfs -o size=8m tmpfs data/journal";
    let unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"];
    let tried = std::process::Command::new(unshare[0])
        .args(&unshare[1..])
        .arg(mount)
        .current_dir(folder.path())
        .output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        return None;
    }
    let mut wrapper = unshare.map(str::to_owned).to_vec();
    wrapper.push(format!("{mount} && exec \"$0\" \"$@\""));
    Some(ServeOptions { wrapper, ..ServeOptions::default() })
}

#[test]
fn a_full_disk_refuses_what_is_new_and_forgets_nothing() {
    let sink = Sink::new();
    let tenant = format!("global: {{ resolve_timeout: 1s }}\n{}", told_at_once(&sink.url("/hook")));
    let folder = Folder::new(&[("acme", &tenant)]);
    let key = folder.full_key("acme");
    let Some(options) = small_disk(&folder) else { return };
    let server = folder.serve_with(&options);
    let large = "x".repeat(60 << 10);
    let mut taken = vec!["known".to_owned()];
    let known = || Alert::new("known").starts(std::time::UNIX_EPOCH).ends(now() + Duration::from_secs(2));
    server.post_alerts(&key, &[known()]);
    sink.wait_told("/hook", "known", "firing");
    let refused = (0..400).find_map(|n| {
        let alert =
            ["a", "b", "c"].iter().fold(Alert::new(&name(n)), |alert, text| alert.annotation(text, &large));
        let alert = alert.fires_for(Duration::from_secs(600));
        let answer = server.post("/api/v2/alerts", &key, &alerts::body([&alert]));
        if answer.status == 200 {
            taken.push(name(n));
            return None;
        }
        Some(answer)
    });
    let refused = refused.expect("8 MiB hold no 400 alerts of 180 KiB").expect(503);
    assert!(refused.text().contains("disk is full"), "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert_eq!(Request::get("/-/ready").send(server.address).status, 503);
    assert_eq!(Request::get("/-/healthy").send(server.address).status, 200);
    // Refused or not, a source that goes on posting is not silent.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        let _ = server.post("/api/v2/alerts", &key, &alerts::body([&known()]));
        pause(Duration::from_millis(300));
    }
    let of_known: Vec<_> = sink.seen().into_iter().filter(|seen| seen.tells_of("known")).collect();
    assert!(of_known.iter().all(|seen| seen.status_word() == "firing"), "resolved while it was refused");
    let listed = names(&server, &key);
    assert!(taken.iter().all(|name| listed.contains(name)), "{taken:?} {listed:?}");
    // Outcomes still have their place: every message was delivered once.
    server.wait_delivered(&key);
    taken.iter().for_each(|name| drop(sink.wait_told("/hook", name, "firing")));
    let mut told: Vec<_> = sink.seen().iter().map(|seen| seen.header("idempotency-key").to_owned()).collect();
    let all = told.len();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), all);
    until("it is still there", || Request::get("/-/healthy").send(server.address).status == 200);
}
