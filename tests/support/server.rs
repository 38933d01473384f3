//! The program itself: a folder with its settings, and the running process.

use super::client::{Request, Response};
use super::{Alert, alerts, until, until_some};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tempfile::TempDir;

pub(crate) const SERVICE: &str = r#"
listen: { http: "127.0.0.1:0" }
journal: { embedded: { segment_bytes: 1MiB, reserve_bytes: 1MiB } }
"#;

/// A folder with settings and data, which outlives the processes in it.
pub(crate) struct Folder {
    folder: TempDir,
}

/// How a process is started.
#[derive(Debug, Default)]
pub(crate) struct ServeOptions {
    pub(crate) variables: Vec<(String, String)>,
    /// A program and its arguments that start the server in their turn.
    pub(crate) wrapper: Vec<String>,
    /// What `serve` is told beside its settings.
    pub(crate) arguments: Vec<&'static str>,
}

impl ServeOptions {
    pub(crate) fn argument(mut self, argument: &'static str) -> Self {
        self.arguments.push(argument);
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }
}

impl Folder {
    /// The usual service with these tenants.
    pub(crate) fn new(tenants: &[(&str, &str)]) -> Self {
        Self::with_service(SERVICE, tenants)
    }

    pub(crate) fn with_service(service: &str, tenants: &[(&str, &str)]) -> Self {
        let folder = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(folder.path().join("tenants")).unwrap();
        fs::write(folder.path().join("openclaw.yaml"), service).unwrap();
        tenants.iter().for_each(|(name, rest)| folder.tenant(name, rest));
        folder
    }

    /// Writes a tenant's file; `rest` is what follows its name.
    pub(crate) fn tenant(&self, name: &str, rest: &str) {
        let file = self.path().join(format!("tenants/{name}.yaml"));
        fs::write(file, format!("tenant: {name}\n{rest}")).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path().join("data/journal")
    }

    /// The command, to be given its arguments.
    pub(crate) fn command(&self, options: &ServeOptions) -> Command {
        let program = env!("CARGO_BIN_EXE_openclaw");
        let mut command = match options.wrapper.split_first() {
            Some((wrapper, rest)) => {
                let mut command = Command::new(wrapper);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir(self.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(options.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command of the program to its end.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(&ServeOptions::default()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn add_key(&self, arguments: &[&str]) -> String {
        let printed = self.run(&[&["tenant", "key", "add"], arguments, &["--output", "json"]].concat());
        let made: Value = serde_json::from_str(&printed).unwrap();
        made["key"].as_str().unwrap().to_owned()
    }

    /// A new key of a tenant.
    pub(crate) fn key(&self, tenant: &str, scopes: &str) -> String {
        self.add_key(&[tenant, "--scopes", scopes])
    }

    /// A key for everything that a tenant's own people do.
    pub(crate) fn full_key(&self, tenant: &str) -> String {
        self.key(tenant, "ingest,read,respond")
    }

    pub(crate) fn operator_key(&self) -> String {
        self.add_key(&["--scopes", "operator"])
    }

    pub(crate) fn serve(&self) -> Server {
        self.serve_with(&ServeOptions::default())
    }

    /// Starts and waits until it listens.
    #[track_caller]
    pub(crate) fn serve_with(&self, options: &ServeOptions) -> Server {
        let mut starting = self.start(options);
        let listens = until_some("the server listens", || {
            let has_ended = starting.child.try_wait().unwrap();
            if has_ended.is_some() {
                until("its log is read", || starting.reading.is_finished());
            }
            assert!(has_ended.is_none(), "ended at once: {has_ended:?}\n{}", starting.log());
            starting.listens()
        });
        starting.address = listens;
        starting
    }

    /// Starts without waiting; the address is not known yet.
    pub(crate) fn start(&self, options: &ServeOptions) -> Server {
        let mut child = self
            .command(options)
            .args(["serve", "--config", "openclaw.yaml"])
            .args(&options.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::<Mutex<String>>::default();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let keep = Arc::clone(&log);
        let reading = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = keep.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Server { child, log, reading, address: SocketAddr::from(([127, 0, 0, 1], 0)) }
    }
}

/// A running process; killed when dropped.
pub(crate) struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
    reading: JoinHandle<()>,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// What it has written to standard error.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The address it says that it listens on.
    pub(crate) fn listens(&self) -> Option<SocketAddr> {
        let log = self.log();
        let line = log.lines().find_map(|line| line.strip_prefix("openclaw listens on "))?;
        Some(line.rsplit('/').next()?.parse().unwrap())
    }

    /// Where it says that it takes gRPC.
    pub(crate) fn grpc(&self) -> SocketAddr {
        let log = self.log();
        let line = log.lines().find_map(|line| line.strip_prefix("openclaw takes gRPC on "));
        line.expect("it says where").parse().unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// SIGTERM, without waiting.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = until_some("the process ends", || self.child.try_wait().unwrap());
        until("its log is read", || self.reading.is_finished());
        status
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// SIGTERM; must end with 0. Gives the log.
    #[track_caller]
    pub(crate) fn stop(mut self) -> String {
        self.terminate();
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.log());
        self.log()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.wait();
        self.log()
    }

    #[track_caller]
    pub(crate) fn get(&self, target: &str, key: &str) -> Response {
        Request::get(target).key(key).send(self.address)
    }

    #[track_caller]
    pub(crate) fn post(&self, target: &str, key: &str, body: &str) -> Response {
        Request::post(target, body).key(key).send(self.address)
    }

    /// Posts alerts, which must be taken.
    #[track_caller]
    pub(crate) fn post_alerts(&self, key: &str, posted: &[Alert]) {
        self.post("/api/v2/alerts", key, &alerts::body(posted)).expect(200);
    }

    /// The alerts of `GET /api/v2/alerts`.
    #[track_caller]
    pub(crate) fn alerts(&self, key: &str) -> Vec<Value> {
        self.get("/api/v2/alerts", key).expect(200).json().as_array().unwrap().clone()
    }

    /// An alert of `GET /api/v1/alerts`, by its name.
    #[track_caller]
    pub(crate) fn alert(&self, key: &str, name: &str) -> Value {
        let page = self.get("/api/v1/alerts?limit=500", key).expect(200).json();
        let alerts = page["alerts"].as_array().unwrap();
        let found = alerts.iter().find(|alert| alert["labels"]["alertname"] == name);
        found.unwrap_or_else(|| panic!("{name} is not in {page}")).clone()
    }

    /// The stages of an alert's trail.
    #[track_caller]
    pub(crate) fn trail(&self, key: &str, id: &str) -> Vec<Value> {
        let explained = self.get(&format!("/api/v1/alerts/{id}/explain"), key).expect(200).json();
        explained["trail"].as_array().unwrap().clone()
    }

    /// Waits until an alert's trail has a stage.
    #[track_caller]
    pub(crate) fn wait_stage(&self, key: &str, id: &str, stage: &str) -> Value {
        until_some(&format!("{stage} in the trail of {id}"), || {
            self.trail(key, id).into_iter().find(|event| event["stage"] == stage)
        })
    }

    /// Waits until nothing is on its way any more.
    #[track_caller]
    pub(crate) fn wait_delivered(&self, key: &str) {
        until("all messages are delivered", || {
            self.get("/api/v1/deliveries", key).expect(200).json()["deliveries"] == Value::Array(Vec::new())
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A tenant's receivers and route: every alert a message of its own, at once.
pub(crate) fn told_at_once(url: &str) -> String {
    format!(
        "receivers: [{{ name: ops, webhook_configs: [{{ url: \"{url}\" }}] }}]\n\
         route: {{ receiver: ops, group_by: ['...'], group_wait: 0s, group_interval: 1s }}\n"
    )
}

/// A tenant who is told of nothing.
pub(crate) const SILENT: &str = "receivers: [{ name: ops }]\nroute: { receiver: ops }\n";
