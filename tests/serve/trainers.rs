//! Of replicas one makes the next model: real processes, a real Redis, and a
//! holder that is killed. Takes a lease's thirty seconds, and some.

use crate::life::after_a_missed_night;
use crate::shares::Redis;
use crate::support::server::Server;
use crate::support::{Folder, pause, until};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

const LEASE: Duration = Duration::from_secs(30);

/// A lease, a look for it, and a run on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

const BEGUN: &str = "a model is being made";

fn nobody_there() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

struct Replica {
    folder: Folder,
    operator: String,
    server: Server,
}

impl Replica {
    /// With a run to catch up.
    fn start(redis: SocketAddr) -> Self {
        let service = format!(
            "listen: {{ http: \"127.0.0.1:0\" }}\n\
             journal: {{ embedded: {{ segment_bytes: 1MiB, reserve_bytes: 1MiB }} }}\n\
             buckets: {{ redis: {{ url: \"redis://{redis}\", prefix: test }} }}\n"
        );
        let folder = after_a_missed_night(&service);
        Self { operator: folder.operator_key(), server: folder.serve(), folder }
    }

    fn has_begun(&self) -> bool {
        self.server.log().contains(BEGUN)
    }

    fn has_ended(&self, outcome: &str) -> bool {
        let line = format!("openclaw_training_runs_total{{outcome=\"{outcome}\"}} 1");
        self.server.get("/metrics", &self.operator).expect(200).text().contains(&line)
    }

    /// The process that trains, stopped as it is.
    fn stopped_child(&self) -> String {
        until("it trains", || self.has_begun());
        let parent = self.server.pid().to_string();
        let children = Command::new("pgrep").args(["-P", &parent]).output().unwrap().stdout;
        let child = String::from_utf8(children).unwrap().trim().to_owned();
        signal("STOP", &child);
        child
    }

    fn models(&self) -> usize {
        self.folder.run(&["model", "list", "--output", "json"]).matches("\"name\"").count()
    }
}

fn signal(name: &str, pid: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), pid]).status().unwrap().success(), "{pid}");
}

#[track_caller]
fn in_time(what: &str, mut look: impl FnMut() -> bool) {
    let began = Instant::now();
    while !look() {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        pause(Duration::from_millis(100));
    }
}

/// What Redis says to a line.
fn ask(redis: SocketAddr, line: &str) -> String {
    let mut stream = TcpStream::connect(redis).unwrap();
    stream.write_all(format!("{line}\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

/// How long the lease lasts if nobody renews it.
fn lease_left(redis: SocketAddr) -> Duration {
    let keys = ask(redis, "KEYS {test}:training:*");
    let key = keys.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{keys}"));
    let said = ask(redis, &format!("PTTL {key}"));
    let left = said.lines().next().and_then(|line| line.strip_prefix(':')).unwrap();
    Duration::from_millis(left.parse().unwrap())
}

#[test]
fn one_replica_trains_and_another_goes_on_where_it_is_killed() {
    let address = nobody_there();
    let Some(_redis) = Redis::start(address) else { return };
    let first = Replica::start(address);
    let child = first.stopped_child();
    let second = Replica::start(address);
    // Whoever holds the lease keeps it for as long as it lives.
    in_time("the lease is near its end", || lease_left(address) < LEASE - Duration::from_secs(8));
    in_time("the lease is renewed", || lease_left(address) > LEASE - Duration::from_secs(2));
    assert!(!second.has_begun(), "{}", second.server.log());
    let (left, killed) = (lease_left(address), Instant::now());
    first.server.signal("KILL");
    // It may have gone with its parent.
    let _ = Command::new("kill").args(["-KILL", &child]).output();
    in_time("the other goes on", || second.has_begun());
    assert!(killed.elapsed() + Duration::from_secs(1) >= left, "{:?} of {left:?}", killed.elapsed());
    assert!(killed.elapsed() < LEASE + Duration::from_secs(15), "{:?}", killed.elapsed());
    in_time("it publishes", || second.has_ended("published"));
    assert_eq!(second.models(), 1);
    // Whoever comes later finds it done.
    let third = Replica::start(address);
    in_time("it has been done elsewhere", || third.has_ended("elsewhere"));
    assert!(!third.has_begun() && third.models() == 0);
}

#[test]
fn without_redis_nobody_begins_and_who_has_begun_goes_on() {
    let address = nobody_there();
    let waiting = Replica::start(address);
    until("it waits", || waiting.server.log().contains("nobody can say which replica trains"));
    let Some(redis) = Redis::start(address) else { return };
    let child = waiting.stopped_child();
    redis.stop();
    // Longer than until the next renewal.
    pause(Duration::from_secs(12));
    signal("CONT", &child);
    in_time("it publishes", || waiting.has_ended("published"));
    until("it says that nobody hears of it", || {
        waiting.server.log().contains("other replicas can't be told that a run is done")
    });
    assert_eq!(waiting.models(), 1);
}
