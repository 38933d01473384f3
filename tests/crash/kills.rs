//! Kills at every stage, under a sender that never stops.

use crate::checker::{Death, History, Message, Row, Status, Verdict, judge};
use crate::sender::{FIRES_FOR, Random, Sender};
use crate::support::server::{ServeOptions, Server, told_at_once};
use crate::support::{Folder, Reply, Seen, Sink, pause, until, until_some};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Where the process is killed: stages that it names itself, and wherever it
/// happens to be.
const STAGES: [&str; 8] =
    ["post", "commit-write", "commit-synced", "before-send", "send", "snapshot", "seal", "anywhere"];

const SERVICE: &str = r#"
listen: { http: "127.0.0.1:0" }
journal: { embedded: { segment_bytes: 1MiB, reserve_bytes: 1MiB, snapshot_every: 1s, snapshot_bytes: 1MiB } }
"#;

struct World {
    folder: Folder,
    key: String,
    sink: Sink,
    sender: Sender,
    random: Random,
    history: History,
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn replies(random: &mut Random, count: usize) -> Vec<Reply> {
    let reply = |_| match random.below(40) {
        0 => Reply::status(503),
        _ => Reply::slack().after(Duration::from_millis(random.below(15))),
    };
    (0..count).map(reply).collect()
}

fn world(seed: u64, kills: usize) -> World {
    let mut random = Random::new(seed);
    let sink = Sink::new();
    sink.script(replies(&mut random, 400 * kills));
    let tenant = format!("global: {{ resolve_timeout: 5s }}\n{}", told_at_once(&sink.url("/hook")));
    let folder = Folder::with_service(SERVICE, &[("acme", &tenant)]);
    let key = folder.full_key("acme");
    let sender = Sender::start(key.clone(), seed);
    World { folder, key, sink, sender, random, history: History::default() }
}

impl World {
    /// The n-th time that the stage is passed.
    fn nth(&mut self, stage: &str) -> u64 {
        match stage {
            "post" => 2 + self.random.below(40),
            "commit-write" | "commit-synced" => 3 + self.random.below(60),
            "before-send" | "send" => 1 + self.random.below(20),
            _ => 1,
        }
    }

    fn round(&mut self, stage: &'static str, number: usize) {
        let log = self.folder.path().join("crashes");
        // None is there before the first crash.
        let _ = fs::remove_file(&log);
        let plan = format!("{stage}:{}", self.nth(stage));
        let options = ServeOptions::default()
            .variable("OPENCLAW_CRASH_AT", plan)
            .variable("OPENCLAW_CRASH_LOG", log.to_str().unwrap());
        let mut server = self.folder.start(&options);
        self.check_after_start(&mut server);
        self.sender.state().is_large = stage == "seal";
        self.hasten(stage, number, &server);
        until("the process is killed", || server.has_ended());
        let at = Instant::now();
        self.sender.state().address = None;
        self.history.deaths.push(Death { at, stage });
        if stage != "anywhere" {
            let passed = fs::read_to_string(&log).unwrap_or_default();
            assert_eq!(passed.trim(), stage, "{}", server.log());
        }
        self.history.messages.extend(self.sink.take().iter().map(message));
    }

    /// After each start, before anything new is posted: what is listed is what
    /// was accepted. A process that is killed earlier leaves that to the next.
    fn check_after_start(&mut self, server: &mut Server) {
        let address = until_some("it listens or ends", || {
            let ended = server.has_ended();
            server.listens().map(Some).or_else(|| ended.then_some(None))
        });
        let Some(address) = address else { return };
        server.address = address;
        let mut state = self.sender.state();
        let request = crate::support::Request::get("/api/v2/alerts").key(&self.key);
        if let Ok(answer) = request.try_send(address) {
            let answer = answer.expect(200).json();
            let names = answer.as_array().unwrap().iter();
            let names: BTreeSet<_> =
                names.map(|alert| alert["labels"]["alertname"].as_str().unwrap()).collect();
            let (must, may) = state.listed();
            let missing: Vec<_> = must.difference(&names).collect();
            let wrong: Vec<_> = names.difference(&may).collect();
            assert!(
                missing.is_empty() && wrong.is_empty(),
                "missing {missing:?}, wrong {wrong:?} after {:?}\n{}",
                self.history.deaths,
                server.log()
            );
        }
        state.address = Some(address);
    }

    fn hasten(&mut self, stage: &str, number: usize, server: &Server) {
        match stage {
            "anywhere" => {
                pause(Duration::from_millis(100 + self.random.below(900)));
                server.signal("KILL");
            }
            // One kind of snapshot is taken from time to time, one at the end.
            "snapshot" if number.is_multiple_of(2) => {
                pause(Duration::from_millis(200 + self.random.below(300)));
                server.terminate();
            }
            _ => {}
        }
    }

    /// Resolves everything, and waits until everyone has been told.
    fn finish(&mut self) -> Verdict {
        let server = self.folder.serve();
        {
            let mut state = self.sender.state();
            state.address = Some(server.address);
            state.is_ending = true;
        }
        until("everything is accepted as resolved", || self.sender.state().is_done());
        let mut settled = None;
        until("everything is told", || {
            self.history.messages.extend(self.sink.take().iter().map(message));
            let verdict = self.judge(&server);
            let is_settled = verdict.rows.values().all(|row| row.lost == 0 && row.open == 0);
            settled = Some(verdict);
            is_settled || self.is_quiet(&server)
        });
        server.wait_delivered(&self.key);
        self.history.messages.extend(self.sink.take().iter().map(message));
        settled = Some(self.judge(&server));
        server.stop();
        settled.unwrap()
    }

    /// Nothing is on its way, and nothing will be.
    fn is_quiet(&self, server: &Server) -> bool {
        let open = server.get("/api/v1/deliveries", &self.key).expect(200).json();
        pause(Duration::from_millis(500));
        open["deliveries"].as_array().unwrap().is_empty() && self.sink.seen().is_empty()
    }

    fn judge(&mut self, server: &Server) -> Verdict {
        {
            let state = self.sender.state();
            self.history.accepted.clone_from(&state.accepted);
            self.history.offered.clone_from(&state.offered);
        }
        let told: BTreeSet<_> =
            self.history.messages.iter().flat_map(|m| &m.alerts).map(|(n, _)| n).collect();
        let untold =
            self.history.accepted.iter().map(|(_, name, _)| name).filter(|name| !told.contains(name));
        let untold: BTreeSet<_> = untold.cloned().collect();
        self.history.resolved_early =
            untold.into_iter().filter(|name| self.says_resolved(server, name)).collect();
        judge(&self.history)
    }

    /// The alert's own trail says that it ended before anyone was to be told.
    fn says_resolved(&self, server: &Server, name: &str) -> bool {
        let labels = [("alertname", name), ("severity", "critical")];
        let explained = server.get(&format!("/api/v1/alerts/{}/explain", fingerprint(&labels)), &self.key);
        if explained.status == 404 {
            return false;
        }
        let trail = explained.expect(200).json()["trail"].clone();
        let stages: Vec<_> =
            trail.as_array().unwrap().iter().map(|event| event["stage"].as_str().unwrap()).collect();
        stages.contains(&"resolved") && !stages.contains(&"sent")
    }
}

/// FNV-1a over sorted labels, as Alertmanager computes it.
fn fingerprint(labels: &[(&str, &str)]) -> String {
    let bytes = labels.iter().flat_map(|(name, value)| [name.as_bytes(), &[255], value.as_bytes(), &[255]]);
    let hash = bytes.flatten().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn message(seen: &Seen) -> Message {
    let status = |word: &serde_json::Value| match word.as_str() {
        Some("resolved") => Status::Resolved,
        _ => Status::Firing,
    };
    let alerts = seen.alerts();
    let alert = |alert: &serde_json::Value| {
        (alert["labels"]["alertname"].as_str().unwrap().to_owned(), status(&alert["status"]))
    };
    Message {
        at: seen.at,
        connection: seen.connection,
        key: seen.header("idempotency-key").to_owned(),
        is_taken: (200..300).contains(&seen.status),
        alerts: alerts.iter().map(alert).collect(),
    }
}

fn print(seed: u64, accepted: usize, messages: usize, verdict: &Verdict) {
    let mut table = format!("\nseed {seed}: {accepted} accepted posts of an alert, {messages} messages\n");
    table += "stage           kills    lost    open  repeated\n";
    for (stage, Row { kills, lost, open, repeated }) in &verdict.rows {
        table += &format!("{stage:<14} {kills:>6} {lost:>7} {open:>7} {repeated:>9}\n");
    }
    table += &format!("longest from a repeated message's answer to the kill: {:?}\n", verdict.unrecorded_max);
    // Past the capture of tests: this table is what a run is for.
    std::io::stderr().write_all(table.as_bytes()).unwrap();
}

#[test]
fn a_kill_at_any_stage_loses_nothing_and_repeats_only_what_was_in_flight() {
    let kills = number("OPENCLAW_KILLS", 24) as usize;
    let seed = number("OPENCLAW_SEED", 0x5eed ^ u64::from(std::process::id()));
    // Also when it panics later.
    eprintln!("OPENCLAW_SEED={seed}");
    let mut world = world(seed, kills);
    for kill in 0..kills {
        let (stage, number) = (STAGES[kill % STAGES.len()], kill / STAGES.len());
        world.round(stage, number);
        if stage == "anywhere" && number == 0 {
            // Down for longer than alerts fire beyond their last post.
            pause(FIRES_FOR + Duration::from_secs(1));
        }
    }
    let verdict = world.finish();
    print(seed, world.history.accepted.len(), world.history.messages.len(), &verdict);
    assert!(verdict.faults.is_empty(), "{:#?}", verdict.faults);
    assert!(world.history.accepted.len() > kills && world.history.messages.len() > kills);
}
