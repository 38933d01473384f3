//! A real Envoy in front, with the configuration that `deploy/` holds: it asks
//! us whether its clients may go on, and tells us what became of them.

use crate::support::server::{SILENT, Server};
use crate::support::{Folder, Reply, Request, Sink, programs, until};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/envoy/envoy.yaml");

/// What a tenant without settings of its own lets a client take at once.
const BURST: usize = 1000;

struct Envoy {
    child: Child,
    address: SocketAddr,
}

fn program() -> Option<PathBuf> {
    let program = programs::find("envoy").unwrap_or_else(|| "envoy".into());
    programs::is_there(&program.to_string_lossy(), &["--version"]).then_some(program)
}

impl Envoy {
    /// The very file, with the ports of this test in it.
    fn start(program: &Path, folder: &Path, openclaw: SocketAddr, backend: SocketAddr, key: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut config = std::fs::read_to_string(CONFIG).unwrap();
        for (theirs, ours) in [
            ("address: 0.0.0.0, port_value: 10000", address),
            ("address: 127.0.0.1, port_value: 8081", openclaw),
            ("address: 127.0.0.1, port_value: 9000", backend),
        ] {
            assert!(config.contains(theirs), "{theirs}");
            config = config.replace(theirs, &format!("address: 127.0.0.1, port_value: {}", ours.port()));
        }
        // A machine under test is slow at times, and what is not answered must show.
        config = config.replace("timeout: 0.02s", "timeout: 5s");
        config = config.replace("failure_mode_deny: false", "failure_mode_deny: true");
        config = config.replace("${OPENCLAW_KEY}", key);
        let file = folder.join("envoy.yaml");
        std::fs::write(&file, config).unwrap();
        let command = || {
            let mut command = Command::new(program);
            command.arg("-c").arg(&file).args(["--log-level", "warning", "--concurrency", "1"]);
            command
                .arg("--use-dynamic-base-id")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command
        };
        assert!(command().args(["--mode", "validate"]).status().unwrap().success(), "the file is valid");
        let mut envoy = Self { child: command().spawn().unwrap(), address };
        until("Envoy listens", || {
            assert!(envoy.child.try_wait().unwrap().is_none(), "Envoy has ended");
            std::net::TcpStream::connect(address).is_ok()
        });
        envoy
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct World {
    program: PathBuf,
    place: tempfile::TempDir,
    backend: Sink,
    server: Server,
    folder: Folder,
}

fn world() -> Option<World> {
    let program = program()?;
    let service = "listen: { http: \"127.0.0.1:0\", grpc: \"127.0.0.1:0\" }\nmetrics: { public: true }\n";
    let folder = Folder::with_service(service, &[("acme", SILENT), ("globex", SILENT)]);
    let (place, backend) = (tempfile::tempdir().unwrap(), Sink::answering(Reply::status(200)));
    let server = folder.serve();
    Some(World { program, place, backend, server, folder })
}

impl World {
    fn envoy(&self, key: &str) -> Envoy {
        let (openclaw, backend) = (self.server.grpc(), self.backend.address());
        Envoy::start(&self.program, self.place.path(), openclaw, backend, key)
    }

    /// A new key, once it is known.
    fn key(&self, tenant: &str) -> String {
        let key = self.folder.key(tenant, "limit,read");
        until("the key is known", || {
            Request::get("/api/v1/alerts").key(&key).send(self.server.address).status == 200
        });
        key
    }

    /// Entries of access logs that were taken.
    fn taken(&self, tenant: &str) -> usize {
        let metrics = Request::get("/metrics").send(self.server.address).expect(200).text();
        let line = format!("openclaw_access_log_entries_total{{tenant=\"{tenant}\",result=\"taken\"}} ");
        metrics.lines().find_map(|found| found.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
    }
}

#[test]
fn a_real_envoy_asks_and_tells() {
    let Some(world) = world() else { return };
    let (key, other) = (world.key("acme"), world.key("globex"));
    let envoy = world.envoy(&key);
    let mut stream = crate::support::client::connect(envoy.address).unwrap();
    let mut asked = 0;
    let over = loop {
        // What a client says of itself changes nothing.
        let request = Request::get("/")
            .header("X-Scope-OrgID", "globex")
            .header("X-OpenClaw-Tenant", "globex")
            .header("Authorization", &format!("Bearer {other}"));
        let said = request.send_over(&mut stream).unwrap();
        asked += 1;
        if said.status != 200 {
            break said;
        }
        assert!(said.header("ratelimit").is_some_and(|left| left.starts_with("\"default\";r=")), "{said:?}");
        assert_eq!(said.header("ratelimit-policy"), Some("\"default\";q=1000;w=10"));
        assert!(said.header("x-ratelimit-remaining").is_some(), "{said:?}");
        assert!(asked < 20 * BURST, "the limit is never reached");
    };
    assert_eq!(over.status, 429, "{over:?}");
    assert!(asked > BURST, "{asked}");
    assert!(over.header("retry-after").is_some() && over.header("x-envoy-ratelimited").is_some(), "{over:?}");
    assert_eq!(world.backend.seen().len(), asked - 1);
    until("each request is told of, once", || world.taken("acme") == asked);
    assert_eq!(world.taken("globex"), 0);
}

#[test]
fn a_real_envoy_with_a_forged_token_lets_nobody_pass() {
    let Some(world) = world() else { return };
    let key = world.key("acme");
    let forged = format!("{}A", &key[..31]);
    for bad in [forged.as_str(), "eyJhbGciOiJub25lIn0.eyJ0ZW5hbnQiOiJhY21lIn0.", ""] {
        if *bad == *key {
            continue;
        }
        let envoy = world.envoy(bad);
        let said = Request::get("/").header("Authorization", &format!("Bearer {key}")).send(envoy.address);
        assert_eq!(said.status, 500, "{bad}: {said:?}");
    }
    assert!(world.backend.seen().is_empty());
    assert_eq!(world.taken("acme"), 0);
}
