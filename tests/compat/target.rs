//! The server under test, whichever it is, and the receiver that it tells.

use crate::alertmanager::Alertmanager;
use crate::expect::ensure;
use crate::suite::Outcome;
use crate::support::client::Response;
use crate::support::server::Server;
use crate::support::{Alert, Folder, Reply, Request, Sink, alerts, pause, programs};
use crate::told::Told;
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The real one.
    Alertmanager,
    /// The program of this project.
    OpenClaw,
    /// Answers 200 and `[]` to everything.
    SaysYes,
}

impl Kind {
    /// Whether such a server can be started here; Alertmanager must be, where
    /// `CI=true`.
    pub(crate) fn is_there(self) -> bool {
        self != Self::Alertmanager || programs::found("alertmanager").is_some()
    }
}

/// What is called is answered within this on a busy machine.
const PATIENCE: Duration = Duration::from_secs(12);
const LOOK: Duration = Duration::from_millis(10);

/// Everything to one receiver, soon; the next word of a group after a second.
pub(crate) const SOON: &str = "\
    route: { receiver: ops, group_by: [alertname], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h }\n\
    receivers: [{ name: ops, webhook_configs: [{ url: HOOK/ops }] }]\n";

enum Running {
    Nothing,
    Alertmanager(Alertmanager),
    OpenClaw(Box<Server>),
    SaysYes(Sink),
}

/// A server in a folder of its own. It runs once a check has started it.
pub(crate) struct Target {
    kind: Kind,
    /// The check's name, for messages.
    check: &'static str,
    sink: Sink,
    folder: Folder,
    running: Running,
    /// With a slash in front, where everything is served under a prefix.
    prefix: String,
    key: String,
    operator: String,
}

impl Target {
    pub(crate) fn new(kind: Kind, check: &'static str) -> Self {
        let folder = Folder::new(&[]);
        let none = String::new;
        let running = Running::Nothing;
        Self {
            kind,
            check,
            sink: Sink::new(),
            folder,
            running,
            prefix: none(),
            key: none(),
            operator: none(),
        }
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.kind == Kind::OpenClaw
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The receiver.
    pub(crate) fn sink(&self) -> &Sink {
        &self.sink
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Our program's own folder and commands.
    pub(crate) fn ours(&self) -> &Folder {
        &self.folder
    }

    /// A tenant's key for everything that its own people do.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn operator(&self) -> &str {
        &self.operator
    }

    /// Starts with a configuration in Alertmanager's words; `HOOK` in it is the
    /// receiver's address.
    pub(crate) fn start(&mut self, configuration: &str) -> Outcome {
        self.write(configuration);
        if self.is_ours() && self.key.is_empty() {
            self.key = self.folder.full_key("acme");
            self.operator = self.folder.operator_key();
        }
        self.start_again()
    }

    /// The same, with everything under `/t/acme`.
    pub(crate) fn start_under_prefix(&mut self, configuration: &str) -> Outcome {
        self.prefix = "/t/acme".to_owned();
        self.start(configuration)
    }

    /// Starts in the folder as it is.
    pub(crate) fn start_again(&mut self) -> Outcome {
        let prefix = self.prefix.trim_start_matches('/');
        self.running = match self.kind {
            Kind::Alertmanager => Running::Alertmanager(Alertmanager::start(self.folder.path(), prefix)?),
            Kind::OpenClaw => Running::OpenClaw(Box::new(self.folder.serve())),
            Kind::SaysYes => Running::SaysYes(Sink::answering(Reply::json("[]"))),
        };
        Ok(())
    }

    /// Writes a configuration, which is not read by that.
    pub(crate) fn write(&self, configuration: &str) {
        let text = configuration.replace("HOOK", &self.sink.url(""));
        match self.kind {
            Kind::OpenClaw => self.folder.tenant("acme", &text),
            Kind::Alertmanager | Kind::SaysYes => {
                fs::write(self.folder.path().join("alertmanager.yml"), text).unwrap();
            }
        }
    }

    /// Asks to read the configuration again.
    pub(crate) fn ask_reload(&self) -> Result<Response, String> {
        self.call(&Request::post(&format!("{}/-/reload", self.prefix), "").key(&self.operator))
    }

    /// Writes a configuration and has it read.
    pub(crate) fn reload(&self, configuration: &str) -> Outcome {
        self.write(configuration);
        let answer = self.ask_reload()?;
        ensure!(answer.status == 200, "reload: {} {}", answer.status, answer.text());
        Ok(())
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = match &self.running {
            Running::Alertmanager(running) => running.pid(),
            Running::OpenClaw(running) => running.pid(),
            Running::Nothing | Running::SaysYes(_) => return,
        };
        let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Ends it with SIGTERM and starts it again.
    pub(crate) fn restart(&mut self) -> Outcome {
        match std::mem::replace(&mut self.running, Running::Nothing) {
            Running::Alertmanager(running) => running.stop()?,
            Running::OpenClaw(running) => drop(running.stop()),
            Running::Nothing | Running::SaysYes(_) => {}
        }
        self.start_again()
    }

    /// Ends it with SIGKILL and starts it again.
    pub(crate) fn kill_and_restart(&mut self) -> Outcome {
        self.running = Running::Nothing;
        self.start_again()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match &self.running {
            Running::Alertmanager(running) => running.address,
            Running::OpenClaw(running) => running.address,
            Running::SaysYes(sink) => sink.address(),
            Running::Nothing => panic!("{}: nothing runs", self.check),
        }
    }

    /// Where a client is told to go.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{}", self.address(), self.prefix)
    }

    /// Settings with which a client shows who it is.
    pub(crate) fn credentials_file(&self) -> String {
        let user = format!("basic_auth: {{ username: acme, password: \"{}\" }}\n", self.key);
        self.http_file("basic.yml", &user)
    }

    /// Writes a file for `--http.config.file`.
    pub(crate) fn http_file(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.to_string_lossy().into_owned()
    }

    /// Sends a request as it is.
    pub(crate) fn call(&self, request: &Request) -> Result<Response, String> {
        request.try_send(self.address()).map_err(|error| error.to_string())
    }

    /// A request to a path, as the tenant.
    pub(crate) fn ask(&self, method: &str, path: &str) -> Result<Response, String> {
        self.call(&Request::new(method, &format!("{}{path}", self.prefix)).basic("acme", &self.key))
    }

    /// The JSON of a GET, which must be good.
    pub(crate) fn get(&self, path: &str) -> Result<Value, String> {
        let answer = self.ask("GET", path)?;
        ensure!(answer.status == 200, "GET {path}: {} {}", answer.status, answer.text());
        serde_json::from_slice(&answer.body)
            .map_err(|error| format!("GET {path}: {error}: {}", answer.text()))
    }

    /// A POST of JSON, as the tenant.
    pub(crate) fn post(&self, path: &str, body: &str) -> Result<Response, String> {
        self.call(&Request::post(&format!("{}{path}", self.prefix), body).basic("acme", &self.key))
    }

    /// Posts alerts, which must be taken.
    pub(crate) fn fire(&self, posted: &[Alert]) -> Outcome {
        let answer = self.post("/api/v2/alerts", &alerts::body(posted))?;
        ensure!(answer.status == 200, "POST alerts: {} {}", answer.status, answer.text());
        Ok(())
    }

    /// Posts an alert that has a name and nothing else.
    pub(crate) fn fire_named(&self, name: &str) -> Outcome {
        self.fire(&[Alert::new(name)])
    }

    /// Posts the end of such an alert.
    pub(crate) fn resolve_named(&self, name: &str) -> Outcome {
        self.fire(&[Alert::new(name).resolved()])
    }

    /// `GET /api/v2/alerts` with this query, percent-encoded where it has to be.
    pub(crate) fn listed(&self, query: &str) -> Result<Value, String> {
        self.get(&format!("/api/v2/alerts{}", encoded(query)))
    }

    /// The only alert of a name, once it is listed.
    pub(crate) fn alert(&self, name: &str) -> Result<Value, String> {
        let found = self.listed(&format!("?filter=alertname=\"{name}\""))?;
        match found.as_array().map(Vec::as_slice) {
            Some([alert]) => Ok(alert.clone()),
            _ => Err(format!("one alert `{name}` wanted: {found}")),
        }
    }

    pub(crate) fn groups(&self, query: &str) -> Result<Value, String> {
        self.get(&format!("/api/v2/alerts/groups{}", encoded(query)))
    }

    /// Waits until something is there.
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        mut look: impl FnMut() -> Result<Option<T>, String>,
    ) -> Result<T, String> {
        let patience = if self.kind == Kind::SaysYes { Duration::ZERO } else { PATIENCE };
        let end = Instant::now() + patience;
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            ensure!(Instant::now() < end, "waited {patience:?} in vain: {what}");
            pause(LOOK);
        }
    }

    /// Waits until an alert is in a state.
    pub(crate) fn wait_state(&self, name: &str, state: &str) -> Result<Value, String> {
        self.wait(&format!("{name} is {state}"), || {
            let alert = self.alert(name)?;
            Ok((alert["status"]["state"] == state).then_some(alert))
        })
    }

    /// Lets time pass; a server that says yes is asked at once.
    pub(crate) fn pause(&self, time: Duration) {
        if self.kind != Kind::SaysYes {
            pause(time);
        }
    }

    /// What one of the receiver's paths was told so far.
    pub(crate) fn told(&self, path: &str) -> Vec<Told> {
        self.sink.seen_at(path).iter().map(Told::of).collect()
    }

    /// Waits for a number of messages to a path.
    pub(crate) fn wait_told(&self, path: &str, count: usize) -> Result<Vec<Told>, String> {
        let found = self.wait("messages", || {
            let told = self.told(path);
            Ok((told.len() >= count).then_some(told))
        });
        found
            .map_err(|error| format!("{error}: {count} at {path} wanted, there are {:?}", self.summary(path)))
    }

    /// The messages to a path, in short.
    pub(crate) fn summary(&self, path: &str) -> Vec<String> {
        self.told(path).iter().map(Told::summary).collect()
    }

    /// Waits until as many messages have come as are wanted, and a little
    /// longer; they must be these.
    pub(crate) fn expect_told(&self, path: &str, want: &[&str]) -> Outcome {
        self.wait_told(path, want.len())?;
        self.pause(Duration::from_millis(100));
        let told = self.summary(path);
        ensure!(told == want, "{path} was told {told:?}, want {want:?}");
        Ok(())
    }
}

/// Percent-encodes what can't stand in a request's target.
fn encoded(query: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"?&=-_.%".contains(&byte);
    let mut out = String::new();
    for byte in query.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}
