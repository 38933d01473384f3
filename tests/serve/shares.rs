//! Limits that replicas share: real replicas, a real Redis, and the error of
//! what all of them together let pass. Takes some twenty seconds of real time,
//! since rates are what is measured.

use crate::pki::Ca;
use crate::support::server::Server;
use crate::support::{Folder, pause, programs, until};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const RATE_PER_S: f64 = 1000.0;
const BURST: f64 = 500.0;

/// How often each client asks, and for how much at once.
const TICK: Duration = Duration::from_millis(20);

/// A few times what may pass.
const MUCH: u32 = 80;

/// Any answer of a test build on a busy machine; no time-out of Redis fits in.
const ANSWER: Duration = Duration::from_millis(250);

pub(crate) struct Redis {
    child: Child,
    address: SocketAddr,
}

impl Redis {
    pub(crate) fn start(address: SocketAddr) -> Option<Self> {
        Self::with(address, &["--port", &address.port().to_string()])
    }

    /// For those alone who show a certificate of the folder's `ca.crt`.
    fn over_tls(address: SocketAddr, folder: &Path) -> Option<Self> {
        let file = |name: &str| folder.join(name).display().to_string();
        let (certificate, key, ca) = (file("redis.crt"), file("redis.key"), file("ca.crt"));
        let port = address.port().to_string();
        let files = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
        Self::with(address, &[["--port", "0", "--tls-port", &port].as_slice(), &files].concat())
    }

    fn with(address: SocketAddr, arguments: &[&str]) -> Option<Self> {
        let child = Command::new(programs::found("redis-server")?)
            .args(["--bind", "127.0.0.1", "--save", ""])
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let redis = Self { child, address };
        until("Redis listens", || TcpStream::connect(address).is_ok());
        Some(redis)
    }

    pub(crate) fn stop(mut self) -> SocketAddr {
        self.end();
        self.address
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.end();
    }
}

struct Replica {
    server: Server,
    key: String,
    _folder: Folder,
}

impl Replica {
    fn start(redis: SocketAddr, tenant: &str) -> Self {
        Self::at(&format!("url: \"redis://{redis}/1\""), tenant)
    }

    fn at(redis: &str, tenant: &str) -> Self {
        let service = format!(
            "listen: {{ http: \"127.0.0.1:0\", grpc: \"127.0.0.1:0\" }}\n\
             journal: {{ embedded: {{ segment_bytes: 1MiB, reserve_bytes: 1MiB }} }}\n\
             metrics: {{ public: true }}\n\
             buckets: {{ redis: {{ {redis}, prefix: test, replicas: 4 }} }}\n"
        );
        let folder = Folder::with_service(&service, &[("acme", tenant)]);
        let key = folder.key("acme", "limit");
        Self { server: folder.serve(), key, _folder: folder }
    }

    /// Asks as often for a token of one client; how many it got, and how long
    /// that took.
    fn ask(&self, times: u32) -> (u32, Duration) {
        let asks = vec![r#"{"client":"one"}"#; times as usize].join(",");
        let began = Instant::now();
        let answers =
            self.server.post("/api/v1/decisions", &self.key, &format!("[{asks}]")).expect(200).json();
        let took = began.elapsed();
        let allowed = answers.as_array().unwrap().iter().filter(|answer| answer["allowed"] == true);
        (allowed.count() as u32, took)
    }

    fn metric(&self, name: &str) -> f64 {
        let text = self.server.get("/metrics", &self.key).text();
        let line = text.lines().find(|line| line.split(' ').next() == Some(name));
        line.and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(f64::NAN)
    }
}

struct Phase {
    admitted: u32,
    took: Duration,
    slowest: Duration,
}

impl Phase {
    /// Of what the limit gives in that time.
    fn of_rate(&self) -> f64 {
        f64::from(self.admitted) / (RATE_PER_S * self.took.as_secs_f64())
    }

    /// What came beyond the rate, in parts of the burst.
    fn bursts(&self) -> f64 {
        (f64::from(self.admitted) - RATE_PER_S * self.took.as_secs_f64()) / BURST
    }

    #[track_caller]
    fn is_exact(&self, what: &str, least: f64) {
        let (of_rate, bursts) = (self.of_rate(), self.bursts());
        let line =
            format!("{what}: {of_rate:.4} of the rate, {bursts:+.2} bursts, slowest {:?}\n", self.slowest);
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
        assert!(of_rate >= least, "{line}");
        // One burst, and what refills within a tick of the measurement.
        assert!(bursts <= 1.1, "{line}");
    }
}

/// Every replica is asked for so many tokens a tick.
fn demand(replicas: &[Replica], tokens: &[u32], time: Duration) -> Phase {
    let began = Instant::now();
    let (admitted, slowest) = std::thread::scope(|scope| {
        let threads: Vec<_> = replicas
            .iter()
            .zip(tokens)
            .filter(|(_, tokens)| **tokens > 0)
            .map(|(replica, tokens)| scope.spawn(move || asked_for(replica, *tokens, began, time)))
            .collect();
        let sums = threads.into_iter().map(|thread| thread.join().unwrap());
        sums.fold((0, Duration::ZERO), |all, one| (all.0 + one.0, all.1.max(one.1)))
    });
    Phase { admitted, took: began.elapsed(), slowest }
}

fn asked_for(replica: &Replica, tokens: u32, began: Instant, time: Duration) -> (u32, Duration) {
    let (mut sum, mut slowest, mut next) = (0, Duration::ZERO, began);
    while began.elapsed() < time {
        let (admitted, took) = replica.ask(tokens);
        sum += admitted;
        slowest = slowest.max(took);
        next += TICK;
        pause(next.saturating_duration_since(Instant::now()));
    }
    (sum, slowest)
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// All replicas together keep to one limit, wherever its demand is.
fn keeps_to_one_limit(tenant: &str) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let Some(redis) = Redis::start(address) else { return };
    let mut replicas: Vec<_> = (0..4).map(|_| Replica::start(address, tenant)).collect();
    until("all know each other", || {
        replicas.iter().all(|replica| replica.metric("openclaw_shares_replicas") == 4.0)
    });
    let each = MUCH / 4;
    demand(&replicas, &[each; 4], seconds(3.0)).is_exact("uniform, from full", 0.95);
    demand(&replicas, &[MUCH, 0, 0, 0], seconds(3.0)).is_exact("all moved to one", 0.80);
    demand(&replicas, &[MUCH, 0, 0, 0], seconds(3.0)).is_exact("all at one", 0.93);
    demand(&replicas, &[MUCH / 4, 3 * MUCH / 4, 0, 0], seconds(3.0))
        .is_exact("moved to a quarter and the rest", 0.80);
    let address = redis.stop();
    let away = demand(&replicas, &[MUCH / 4, 3 * MUCH / 4, 0, 0], seconds(3.0));
    away.is_exact("Redis away", 0.93);
    assert!(away.slowest < ANSWER, "{:?}", away.slowest);
    assert!(replicas.iter().all(|replica| replica.metric("openclaw_shares_redis_up") == 0.0));
    let _redis = Redis::start(address).unwrap();
    demand(&replicas, &[0, 0, each, each], seconds(1.5)).is_exact("Redis back, empty", 0.0);
    demand(&replicas, &[0, 0, 2 * each, 2 * each], seconds(3.0)).is_exact("a while later", 0.93);
    replicas.remove(3).server.kill();
    demand(&replicas, &[each, each, each], seconds(1.5)).is_exact("a replica killed", 0.0);
    demand(&replicas, &[each, each, each], seconds(3.0)).is_exact("a while later", 0.93);
    replicas.push(Replica::start(address, tenant));
    demand(&replicas, &[each; 4], seconds(3.0)).is_exact("another one started", 0.90);
    for replica in &replicas {
        assert_eq!(replica.metric("openclaw_shares_redis_up"), 1.0);
        assert_eq!(replica.metric("openclaw_shares_replicas"), 4.0);
    }
}

#[test]
fn a_client_has_one_limit_at_all_replicas() {
    keeps_to_one_limit(
        "receivers: [{ name: none }]\nroute: { receiver: none }\n\
         limits: { policies: { api: { rate: 1000/s, burst: 500 } } }\n",
    );
}

#[test]
fn all_clients_together_have_one_limit_at_all_replicas() {
    keeps_to_one_limit(
        "receivers: [{ name: none }]\nroute: { receiver: none }\n\
         limits: { policies: { api: { rate: 100000/s, burst: 100000, total: { rate: 1000/s, burst: 500 } } } }\n",
    );
}

#[test]
fn without_redis_a_replica_starts_with_its_part() {
    // Nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let replica = Replica::start(
        address,
        "receivers: [{ name: none }]\nroute: { receiver: none }\n\
         limits: { policies: { api: { rate: 1/s, burst: 400 } } }\n",
    );
    let (admitted, _) = replica.ask(400);
    assert!((100..=102).contains(&admitted), "{admitted}");
    let log = replica.server.stop();
    assert_eq!(log.matches("Redis is away").count(), 1, "{log}");
}

#[test]
fn only_over_tls_with_the_right_certificates_is_anything_shared() {
    let tenant = "limits: { policies: { api: { rate: 1/s, burst: 400 } } }\n";
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (ca, folder) = (Ca::new("redis"), tempfile::tempdir().unwrap());
    let file = |name: &str| folder.path().join(name).display().to_string();
    ca.server().write(folder.path(), "redis");
    ca.client("replica", &[], &[]).write(folder.path(), "own");
    Ca::new("redis").client("replica", &[], &[]).write(folder.path(), "forged");
    std::fs::write(file("ca.crt"), ca.pem()).unwrap();
    std::fs::write(file("other.crt"), Ca::new("redis").pem()).unwrap();
    let Some(_redis) = Redis::over_tls(address, folder.path()) else { return };
    let replica =
        |scheme: &str, tls: &str| Replica::at(&format!("url: \"{scheme}://{address}/1\"{tls}"), tenant);
    let tls = |ca: &str, own: Option<&str>| {
        let own = own.map(|own| {
            format!(", cert_file: {}, key_file: {}", file(&format!("{own}.crt")), file(&format!("{own}.key")))
        });
        format!(", tls: {{ ca_file: {}{} }}", file(ca), own.unwrap_or_default())
    };
    let both: Vec<_> = (0..2).map(|_| replica("rediss", &tls("ca.crt", Some("own")))).collect();
    until("both know each other", || {
        both.iter().all(|replica| replica.metric("openclaw_shares_replicas") == 2.0)
    });
    assert!(both.iter().all(|replica| replica.metric("openclaw_shares_redis_up") == 1.0));
    // In plain text, with a certificate of others, with none, and with others to trust.
    for (scheme, tls) in [
        ("redis", String::new()),
        ("rediss", tls("ca.crt", Some("forged"))),
        ("rediss", tls("ca.crt", None)),
        ("rediss", tls("other.crt", Some("own"))),
    ] {
        let alone = replica(scheme, &tls);
        assert_eq!(alone.metric("openclaw_shares_redis_up"), 0.0, "{scheme} {tls}");
        let (admitted, _) = alone.ask(400);
        assert!((100..=102).contains(&admitted), "the part that it presumes: {admitted}");
        let log = alone.server.stop();
        assert_eq!(log.matches("Redis is away").count(), 1, "{log}");
        assert!(!log.contains("PRIVATE"), "{log}");
    }
    assert!(both.iter().all(|replica| replica.metric("openclaw_shares_replicas") == 2.0));
}
