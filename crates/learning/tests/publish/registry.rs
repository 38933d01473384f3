//! A real registry.

use crate::conformance::{holds, repository};
use crate::programs;
use crate::support::{model, push, wait};
use openclaw_learning::publish::{Place, PublishError, RemoteOptions, StoreError};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// `htpasswd -nbB me s3cret`.
const ME: &str = "me:$2b$04$Ai9quAJDIL57iHZWxDSkN.VINmW3/HikDvG5rTl2g1AyNKnXWGU/.";

/// Docker's registry, on a folder of its own; ends when dropped.
struct Registry {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Registry {
    fn start(needs_password: bool) -> Option<Self> {
        let program = programs::found("docker-registry")?;
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = |name: &str| folder.path().join(name).display().to_string();
        fs::write(at("users"), format!("{ME}\n")).unwrap();
        let auth = match needs_password {
            true => format!("auth: {{ htpasswd: {{ realm: models, path: {:?} }} }}\n", at("users")),
            false => String::new(),
        };
        let settings = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {:?} }} }}\n\
             http: {{ addr: '127.0.0.1:{port}' }}\n{auth}",
            at("data")
        );
        fs::write(at("settings.yml"), settings).unwrap();
        let child = Command::new(program)
            .args(["serve", &at("settings.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut registry = Self { child, port, _folder: folder };
        registry.wait_until_it_listens();
        Some(registry)
    }

    fn wait_until_it_listens(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(self.child.try_wait().unwrap().is_none(), "the registry has ended");
            assert!(Instant::now() < deadline, "the registry doesn't listen");
            std::thread::yield_now();
        }
    }

    fn place(&self, credentials: Option<(&str, &str)>) -> Place {
        Place::Oci(RemoteOptions {
            repository: format!("127.0.0.1:{}/team/models", self.port).parse().unwrap(),
            credentials: credentials.map(|(user, password)| (user.to_owned(), password.to_owned())),
            ca: None,
            is_plain: true,
        })
    }
}

#[test]
fn a_registry_is_a_repository() {
    let Some(registry) = Registry::start(false) else { return };
    holds(&registry.place(None));
}

#[test]
fn a_registry_with_passwords_is_a_repository() {
    let Some(registry) = Registry::start(true) else { return };
    let keys = tempfile::tempdir().unwrap();
    for wrong in [None, Some(("me", "wrong"))] {
        let repository = repository(&registry.place(wrong), keys.path(), &["ours"]);
        let refused = push(&repository, &model("model-20261122", 1)).unwrap_err();
        assert!(matches!(refused, PublishError::Store(StoreError::Denied { .. })), "{refused}");
        assert!(matches!(wait(repository.names()), Err(StoreError::Denied { .. })));
    }
    holds(&registry.place(Some(("me", "s3cret"))));
}

/// A registry that gives tokens to who shows a password: what it is asked.
fn with_tokens() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = asked.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().take(20).flatten() {
            let head = head(&mut stream);
            let line = head.lines().next().unwrap_or_default().to_owned();
            let shows = |credential: &str| head.to_lowercase().contains(&credential.to_lowercase());
            // `me:s3cret` in base64.
            let (status, body) = match line.split(' ').nth(1).unwrap_or_default() {
                path if path.starts_with("/token") && shows("basic bWU6czNjcmV0") => {
                    ("200 OK", r#"{"token":"t0ken"}"#)
                }
                "/v2/team/models/tags/list?n=1000" if shows("bearer t0ken") => {
                    ("200 OK", r#"{"name":"team/models","tags":["model-20261122","latest"]}"#)
                }
                // A page is shorter than what was asked for, and the next has the newest.
                "/v2/team/models/tags/list?n=1000&last=latest" if shows("bearer t0ken") => {
                    ("200 OK", r#"{"name":"team/models","tags":["model-20261123"]}"#)
                }
                "/v2/team/models/tags/list?n=1000&last=model-20261123" if shows("bearer t0ken") => {
                    ("200 OK", r#"{"name":"team/models","tags":[]}"#)
                }
                _ => ("401 Unauthorized", r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#),
            };
            let challenge = format!("Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"models\"");
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nWWW-Authenticate: {challenge}\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).unwrap();
            record.lock().unwrap().push(line);
        }
    });
    (port, asked)
}

/// A request without a body.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16_384 {
        if stream.read(&mut byte).unwrap() == 0 {
            break;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn a_registry_with_tokens_is_asked_for_one() {
    let (port, asked) = with_tokens();
    let keys = tempfile::tempdir().unwrap();
    let names = |password: &str| {
        let options = RemoteOptions {
            repository: format!("127.0.0.1:{port}/team/models").parse().unwrap(),
            credentials: Some(("me".to_owned(), password.to_owned())),
            ca: None,
            is_plain: true,
        };
        wait(repository(&Place::Oci(options), keys.path(), &["ours"]).names())
    };
    let both = ["model-20261123", "model-20261122"].map(|name| name.parse().unwrap());
    assert_eq!(names("s3cret").unwrap(), both);
    let first_asked = asked.lock().unwrap().join("\n");
    let is_asked = |text: &str| first_asked.contains(text);
    assert!(
        is_asked("scope=repository%3Ateam%2Fmodels%3Apull") && is_asked("service=models"),
        "{first_asked}"
    );
    assert!(matches!(names("wrong"), Err(StoreError::Denied { .. })));
}

#[test]
fn a_registry_that_is_away_says_so() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = RemoteOptions {
        repository: format!("127.0.0.1:{port}/models").parse().unwrap(),
        credentials: Some(("me".to_owned(), "s3cret".to_owned())),
        ca: None,
        is_plain: true,
    };
    let keys = tempfile::tempdir().unwrap();
    let repository = repository(&Place::Oci(options), keys.path(), &["ours"]);
    let told = wait(repository.names()).unwrap_err().to_string();
    assert!(told.contains("127.0.0.1") && told.contains("refused") && !told.contains("s3cret"), "{told}");
}
