//! Prometheus, its target, our server and a receiver.

use crate::support::server::Server;
use crate::support::{Folder, Request, Sink};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const RULES: &str = r#"
groups:
- name: faults
  rules:
  - alert: Fault
    expr: fault > 0
    labels: { severity: critical }
    annotations: { summary: "fault {{ $labels.n }} is there" }
"#;

/// How Prometheus shows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The key as a bearer token.
    Bearer,
    /// Tenant and key as user and password, under the tenant's own path.
    BasicUnderPrefix,
}

impl Access {
    fn yaml(self, key: &str) -> String {
        match self {
            Self::Bearer => format!("authorization: {{ credentials: {key} }}"),
            Self::BasicUnderPrefix => {
                format!("path_prefix: /t/acme\n    basic_auth: {{ username: acme, password: {key} }}")
            }
        }
    }
}

/// A page of metrics: one `fault` for each number in a range.
pub(crate) struct Target {
    address: SocketAddr,
    /// First and behind the last.
    faults: Arc<Mutex<(u64, u64)>>,
}

impl Target {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let faults = Arc::<Mutex<(u64, u64)>>::default();
        let shown = Arc::clone(&faults);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (from, to) = *shown.lock().unwrap();
                // A scrape that breaks off is followed by the next.
                let _ = answer(stream, from, to);
            }
        });
        Self { address, faults }
    }

    /// Faults 0 up to `count`.
    pub(crate) fn set(&self, count: u64) {
        self.set_from(0, count);
    }

    pub(crate) fn set_from(&self, from: u64, to: u64) {
        *self.faults.lock().unwrap() = (from, to);
    }
}

fn answer(mut stream: TcpStream, from: u64, to: u64) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request)?;
    let mut page = "# TYPE fault gauge\n".to_owned();
    for n in 0..to.max(100) {
        let _ = writeln!(page, "fault{{n=\"{n}\"}} {}", u8::from((from..to).contains(&n)));
    }
    let length = page.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close";
    write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{page}")
}

/// A port that stays ours between two processes: below those that the system
/// hands out by itself.
fn port() -> u16 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let start = u64::from(std::process::id()) * 7;
    let found = (0..1000).find_map(|_| {
        let port = 15_000 + ((start + NEXT.fetch_add(1, Ordering::SeqCst)) % 10_000) as u16;
        TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
    });
    found.expect("a free port")
}

pub(crate) struct World {
    pub(crate) sink: Sink,
    pub(crate) target: Target,
    pub(crate) server: Option<Server>,
    folder: Folder,
    operator: String,
    reader: String,
    prometheus: Child,
    prometheus_address: SocketAddr,
}

impl World {
    pub(crate) fn new(limits: &str, access: Access) -> Self {
        let (sink, target, port) = (Sink::new(), Target::new(), port());
        let tenant = format!(
            "{limits}global: {{ resolve_timeout: 5s }}\n\
             receivers:\n\
             - name: ops\n\
             \x20 webhook_configs: [{{ url: \"{}\" }}]\n\
             \x20 slack_configs: [{{ api_url: \"{}\", send_resolved: true }}]\n\
             route: {{ receiver: ops, group_by: ['...'], group_wait: 0s, group_interval: 1s }}\n",
            sink.url("/hook"),
            sink.url("/slack"),
        );
        let service = format!(
            "listen: {{ http: \"127.0.0.1:{port}\", grpc: \"127.0.0.1:0\" }}\n\
             journal: {{ embedded: {{ segment_bytes: 1MiB, reserve_bytes: 1MiB }} }}\n"
        );
        let folder = Folder::with_service(&service, &[("acme", &tenant)]);
        let key = folder.key("acme", "ingest");
        let (operator, reader) = (folder.operator_key(), folder.key("acme", "read"));
        let server = Some(folder.serve());
        let scrapes = [("/metrics", operator.as_str()), ("/t/acme/metrics", reader.as_str())];
        let settings = settings(port, &access.yaml(&key), target.address, &scrapes);
        let prometheus_address = SocketAddr::from(([127, 0, 0, 1], self::port()));
        let prometheus = start(folder.path(), &settings, prometheus_address);
        Self { sink, target, server, folder, operator, reader, prometheus, prometheus_address }
    }

    pub(crate) fn restart(&mut self) {
        self.server = Some(self.folder.serve());
    }

    /// The episode of fault 0 that fires now.
    pub(crate) fn id_of_fault_0(&self) -> String {
        let server = self.server.as_ref().unwrap();
        let page = server.get("/api/v1/alerts?limit=500", &self.reader).expect(200).json();
        let fault_0 = page["alerts"].as_array().unwrap().iter().find(|alert| alert["labels"]["n"] == "0");
        fault_0.unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Stops Prometheus where it is, or lets it go on.
    pub(crate) fn hold_prometheus(&self, is_held: bool) {
        let signal = if is_held { "-STOP" } else { "-CONT" };
        let status = Command::new("kill").args([signal, &self.prometheus.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// A sum over the samples of our own page that begin with this.
    fn sum(&self, series: &str) -> f64 {
        let Some(server) = &self.server else { return 0.0 };
        let page = Request::get("/metrics").key(&self.operator).send(server.address).expect(200).text();
        let samples = page.lines().filter(|line| line.starts_with(series));
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Posts that this process has answered, by their class.
    pub(crate) fn answered(&self, class: &str) -> u64 {
        let labels = format!("tenant=\"acme\",route=\"/api/v2/alerts\",code=\"{class}\"");
        self.sum(&format!("openclaw_request_duration_seconds_count{{{labels}}}")) as u64
    }

    /// Of each of our pages that Prometheus scrapes: what is wrong with it, or
    /// `None` before the first scrape.
    pub(crate) fn scrapes(&self) -> Option<Vec<String>> {
        let answer = Request::get("/api/v1/targets").try_send(self.prometheus_address).ok()?;
        let targets = answer.json()["data"]["activeTargets"].as_array()?.clone();
        let ours = targets.iter().filter(|target| target["labels"]["job"] == "openclaw");
        let faults = ours.map(|target| match target["health"].as_str() {
            Some("unknown") | None => None,
            Some(_) => target["lastError"].as_str().map(str::to_owned),
        });
        faults.collect::<Option<Vec<_>>>().filter(|faults| faults.len() == 2)
    }

    pub(crate) fn posts(&self) -> u64 {
        self.answered("2xx")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.prometheus.kill();
        let _ = self.prometheus.wait();
    }
}

fn settings(port: u16, access: &str, target: SocketAddr, scrapes: &[(&str, &str)]) -> String {
    let scrape = |(path, key): &(&str, &str)| {
        let page = path.replace('/', "-");
        format!(
            "- job_name: openclaw{page}\n  metrics_path: {path}\n  authorization: {{ credentials: {key} }}\n\
             \x20 static_configs: [{{ targets: [\"127.0.0.1:{port}\"], labels: {{ job: openclaw }} }}]\n"
        )
    };
    let scrapes: String = scrapes.iter().map(scrape).collect();
    format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
         rule_files: [rules.yml]\n\
         alerting:\n  alertmanagers:\n  - static_configs: [{{ targets: [\"127.0.0.1:{port}\"] }}]\n    {access}\n\
         scrape_configs:\n- job_name: target\n  static_configs: [{{ targets: [\"{target}\"] }}]\n{scrapes}"
    )
}

fn start(folder: &Path, settings: &str, address: SocketAddr) -> Child {
    fs::write(folder.join("prometheus.yml"), settings).unwrap();
    fs::write(folder.join("rules.yml"), RULES).unwrap();
    Command::new("prometheus")
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"])
        .arg(format!("--web.listen-address={address}"))
        .args(["--rules.alert.resend-delay=1s", "--rules.alert.for-outage-tolerance=1m"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("prometheus.log")).unwrap())
        .spawn()
        .unwrap()
}
