//! The order of system calls: what is answered is on the disk first.

use crate::support::programs::is_there;
use crate::support::server::{SILENT, ServeOptions, told_at_once};
use crate::support::{Alert, Folder, Request, Sink, pause, until_some};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

const POSTS: usize = 15;

/// The process that a tracer started.
fn child_of(parent: u32) -> String {
    until_some("the traced process", || {
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
        Some(children.split_whitespace().next()?.to_owned())
    })
}

fn traced(tenant: &str, posts: &[Alert]) -> Vec<String> {
    let folder = Folder::new(&[("acme", tenant)]);
    let key = folder.full_key("acme");
    let trace = folder.path().join("trace");
    let calls = "trace=fdatasync,fsync,pwrite64,pwritev,pwritev2,write,writev,sendto,sendmsg";
    let wrapper = ["strace", "-f", "-y", "-s", "40", "-e", calls, "-o", trace.to_str().unwrap()];
    let wrapper = wrapper.map(str::to_owned).to_vec();
    let mut server = folder.serve_with(&ServeOptions { wrapper, ..ServeOptions::default() });
    let traced = child_of(server.pid());
    // Its answer marks where the posts begin.
    Request::get("/-/healthy").send(server.address).expect(200);
    pause(Duration::from_millis(30));
    for alert in posts {
        server.post_alerts(&key, std::slice::from_ref(alert));
        // Nothing else goes on when the next one comes.
        pause(Duration::from_millis(30));
    }
    assert!(Command::new("kill").args(["-TERM", &traced]).status().unwrap().success());
    server.wait();
    fs::read_to_string(trace).unwrap().lines().map(str::to_owned).collect()
}

/// How many commits, a write to a segment and its sync, had ended before each
/// answer began to leave.
fn commits_before_answers(lines: &[String]) -> Vec<usize> {
    let mut answers = Vec::new();
    let mut commits = 0;
    let mut unsynced = BTreeSet::new();
    for line in lines {
        let (thread, call) = line.split_once(' ').unwrap();
        let is_sync = call.contains("fdatasync") || call.contains("fsync");
        if call.contains("pwrite") && call.contains("/segments/") {
            unsynced.insert(thread);
        } else if is_sync && call.ends_with("= 0") && unsynced.remove(thread) {
            commits += 1;
        } else if call.contains("\"HTTP/1.1 200") {
            answers.push(commits);
        }
    }
    answers
}

#[test]
fn a_new_alert_is_on_the_disk_before_its_answer_leaves() {
    if !is_there("strace", &["-f", "true"]) {
        return;
    }
    let posts: Vec<_> = (0..POSTS).map(|n| Alert::new(&format!("a{n}"))).collect();
    let lines = traced(SILENT, &posts);
    let commits = commits_before_answers(&lines);
    assert_eq!(commits.len(), POSTS + 1);
    let is_synced = |post: usize| commits[post] >= commits[0] + post;
    assert!((1..=POSTS).all(is_synced), "{commits:?}\n{}", lines.join("\n"));
}

/// Posts are far enough apart that each has a commit of its own, which the
/// answer to a renewal does not wait for: it is one behind.
#[test]
fn a_renewal_does_not_wait_for_the_disk() {
    if !is_there("strace", &["-f", "true"]) {
        return;
    }
    let posts = vec![Alert::new("up"); POSTS];
    let lines = traced(SILENT, &posts);
    let commits = commits_before_answers(&lines);
    assert_eq!(commits.len(), POSTS + 1);
    assert!(commits[1] > commits[0], "the first was new: {commits:?}");
    // The log's thread may be the quicker now and then; it isn't waited for.
    let behind = (2..=POSTS).filter(|&post| commits[post] < commits[0] + post).count();
    assert!(behind > POSTS / 3, "{commits:?}\n{}", lines.join("\n"));
}

/// The renewal may be gone with the process; the alert doesn't end for that.
#[test]
fn a_kill_right_after_a_renewal_resolves_nothing() {
    const TIMEOUT: Duration = Duration::from_secs(2);
    let sink = Sink::new();
    let tenant = format!("global: {{ resolve_timeout: 2s }}\n{}", told_at_once(&sink.url("/hook")));
    let folder = Folder::new(&[("acme", &tenant)]);
    let key = folder.full_key("acme");
    let mut server = folder.serve();
    let posted = Instant::now();
    server.post_alerts(&key, &[Alert::new("up")]);
    sink.wait_told("/hook", "up", "firing");
    for _ in 0..3 {
        pause(TIMEOUT * 7 / 10);
        server.post_alerts(&key, &[Alert::new("up")]);
        server.kill();
        server = folder.serve();
    }
    assert!(posted.elapsed() > TIMEOUT * 2);
    pause(TIMEOUT / 2);
    assert_eq!(server.alerts(&key).len(), 1);
    assert_eq!(sink.seen_at("/hook").len(), 1, "told again, or told as resolved");
    // Nobody renews it any more: now it ends, and is told.
    sink.wait_told("/hook", "up", "resolved");
}
