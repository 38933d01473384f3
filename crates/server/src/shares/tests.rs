//! The script against its model, in a real Redis.

use super::ledger::{LEAVE, ROUND, answer, arguments};
use super::redis::{Connection, Redis, RedisOptions};
use model::Ledger;
use openclaw_admission::shares::{Entry, Report, Share, SharedKey};
use openclaw_delivery::Secret;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[path = "../../../admission/tests/shares/ledger.rs"]
mod model;

const LEASE: Duration = Duration::from_millis(1000);

struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the folder that `scripts/test` installs to, or on `PATH`.
fn program() -> Option<PathBuf> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(installed).chain(std::env::split_paths(&path));
    let found = folders.map(|folder| folder.join("redis-server")).find(|file| file.is_file());
    let is_checked = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(found.is_some() || !is_checked, "`redis-server` is needed: run scripts/test");
    if found.is_none() {
        std::io::stderr().write_all(b"left out: `redis-server` can't be run\n").unwrap();
    }
    found
}

async fn server(arguments: &[&str]) -> Option<Server> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(program()?)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp"])
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server { child, port };
    for _ in 0..500 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Some(server);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    unreachable!("Redis does not listen");
}

fn options(server: &Server) -> RedisOptions {
    let host = "127.0.0.1".to_owned();
    RedisOptions { host, port: server.port, tls: None, user: None, password: None, database: 0 }
}

#[derive(Debug, Clone)]
enum Call {
    Round { me: usize, turn: i64, epoch: i64, is_of_ledger: bool, entries: Vec<Entry> },
    Leave(usize),
    Wait(u64),
    Forget,
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let share = || prop_oneof![Just(0_u32), Just(250_000), 0_u32..1_000_000].prop_map(Share::of_parts);
    let entry = (0_u128..4, share(), share(), 0_u64..1 << 40, prop::bool::weighted(0.1)).prop_map(
        |(key, held, wanted, demand, is_last)| {
            let key = SharedKey(key * 0x1234_5678_9abc_def0_1234_5678);
            Entry { key, held, wanted, demand, is_last }
        },
    );
    prop::collection::vec(entry, 0..4).prop_map(|mut entries| {
        entries.sort_by_key(|entry| entry.key);
        entries.dedup_by_key(|entry| entry.key);
        entries
    })
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let epoch = prop_oneof![20 => Just(0_i64), 1 => Just(-1), 1 => Just(1)];
    let turn = prop_oneof![20 => Just(1_i64), 1 => Just(0)];
    let round = (0_usize..4, turn, epoch, prop::bool::weighted(0.95), entries()).prop_map(
        |(me, turn, epoch, is_of_ledger, entries)| Call::Round { me, turn, epoch, is_of_ledger, entries },
    );
    let wait = prop_oneof![6 => 0_u64..150, 1 => 150_u64..1500];
    let call = prop_oneof![
        30 => round,
        10 => wait.prop_map(Call::Wait),
        1 => (0_usize..4).prop_map(Call::Leave),
        1 => Just(Call::Forget),
    ];
    prop::collection::vec(call, 1..60)
}

/// The real script, told the time.
fn timed() -> String {
    let clock = "local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)";
    assert!(ROUND.contains(clock));
    let argument = "local now = tonumber(table.remove(ARGV))";
    ROUND.replace(clock, argument)
}

struct Both {
    connection: Connection,
    script: String,
    model: Ledger,
    now_ms: u64,
    turn: u64,
    /// Of the last answer.
    known: (u64, u64, Vec<String>),
}

impl Both {
    async fn call(&mut self, call: Call) {
        match call {
            Call::Wait(ms) => self.now_ms += ms,
            Call::Forget => {
                self.model = Ledger::default();
                self.connection.ask(&["FLUSHALL"]).await.unwrap();
            }
            Call::Leave(me) => {
                let me = format!("r{me}");
                self.model.leave(&me);
                self.connection.ask(&["EVAL", LEAVE, "1", "{t}", &me]).await.unwrap();
            }
            Call::Round { me, turn, epoch, is_of_ledger, entries } => {
                self.turn = self.turn.saturating_add_signed(turn);
                let (known, ledger, members) = &self.known;
                let report = Report {
                    turn: self.turn,
                    epoch: known.saturating_add_signed(epoch),
                    ledger: if is_of_ledger { *ledger } else { 7 },
                    members: members.clone(),
                    calls_since: self.now_ms.saturating_sub(200),
                    entries,
                };
                self.round(&format!("r{me}"), &report).await;
            }
        }
    }

    async fn round(&mut self, me: &str, report: &Report) {
        let expected = self.model.round(me, report, LEASE.as_millis() as u64, self.now_ms);
        let mut words = vec!["EVAL".to_owned(), self.script.clone(), "1".to_owned(), "{t}".to_owned()];
        words.extend(arguments(me, report, LEASE));
        words.push(self.now_ms.to_string());
        let reply = self.connection.ask(&words).await.unwrap();
        let mut said = answer(&reply).unwrap();
        if let Some(said) = &mut said {
            said.called.sort();
            self.known = (said.epoch, said.ledger, said.members.clone());
        }
        assert_eq!(said, expected);
    }
}

#[tokio::test]
async fn the_script_does_what_its_model_does() {
    let Some(server) = server(&[]).await else { return };
    let redis = Redis::new(options(&server)).unwrap();
    let mut runner = TestRunner::new(Config::default());
    let cases: Vec<_> = (0..300).map(|_| calls().new_tree(&mut runner).unwrap().current()).collect();
    for calls in cases {
        let mut connection = redis.connect().await.unwrap();
        connection.ask(&["FLUSHALL"]).await.unwrap();
        let known = (0, 0, Vec::new());
        let mut both = Both {
            connection,
            script: timed(),
            model: Ledger::default(),
            now_ms: 1_800_000_000_000,
            turn: 0,
            known,
        };
        for call in calls {
            both.call(call).await;
        }
    }
}

#[tokio::test]
async fn only_who_knows_the_password_is_let_in() {
    let Some(server) = server(&["--requirepass", "s3cret"]).await else { return };
    let ask = async |password: Option<&str>| {
        let password = password.map(Secret::new);
        let redis = Redis::new(RedisOptions { password, database: 2, ..options(&server) }).unwrap();
        let mut connection = redis.connect().await.map_err(|error| error.to_string())?;
        connection.ask(&["PING"]).await.map_err(|error| error.to_string())
    };
    assert!(ask(Some("s3cret")).await.is_ok());
    for wrong in [None, Some("other")] {
        let said = ask(wrong).await.unwrap_err();
        assert!(said.starts_with("Redis refuses: `") && !said.contains("other"), "{said}");
    }
}
