//! A receiver that records what it is sent and answers as it is told.

use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: String,
    body: String,
    delay: Duration,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: String::new(), body: String::new(), delay: Duration::ZERO }
    }

    /// As Slack answers.
    pub(crate) fn slack() -> Self {
        Self { body: "ok".to_owned(), ..Self::status(200) }
    }

    /// 200 with JSON.
    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::status(200) }.header("Content-Type", "application/json")
    }

    /// 200 with JSON that is made as the test goes.
    pub(crate) fn document(body: &Value) -> Self {
        Self::json(body.to_string().leak())
    }

    /// The same with another status.
    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }

    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// When all of it had been read, which may be after its sender was killed.
    pub(crate) at: Instant,
    /// The connection's number; one connection is of one process.
    pub(crate) connection: usize,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What it was answered.
    pub(crate) status: u16,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// `firing` or `resolved`, of a webhook's body.
    pub(crate) fn status_word(&self) -> String {
        self.json()["status"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether the webhook's body tells of an alert of this name.
    pub(crate) fn tells_of(&self, name: &str) -> bool {
        self.alerts().iter().any(|alert| alert["labels"]["alertname"] == name)
    }

    pub(crate) fn alerts(&self) -> Vec<Value> {
        self.json()["alerts"].as_array().cloned().unwrap_or_default()
    }
}

/// What a receiver does with each request.
pub(crate) type Act = Box<dyn Fn(&Seen) -> Reply + Send + Sync>;

struct Shared {
    seen: Mutex<Vec<Seen>>,
    script: Mutex<VecDeque<Reply>>,
    /// What each request to a path is answered.
    at_path: Mutex<HashMap<String, Reply>>,
    usual: Reply,
    /// Answers in place of all of these.
    acts: Option<Act>,
    stopped: AtomicBool,
}

impl Shared {
    fn new(usual: Reply, acts: Option<Act>) -> Self {
        let stopped = AtomicBool::new(false);
        let (seen, script, at_path) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { seen, script, at_path, usual, acts, stopped }
    }

    fn reply(&self, seen: &Seen) -> Reply {
        if let Some(act) = &self.acts {
            return act(seen);
        }
        let path = &*seen.path;
        if let Some(reply) = self.at_path.lock().unwrap().get(path) {
            return reply.clone();
        }
        self.script.lock().unwrap().pop_front().unwrap_or_else(|| self.usual.clone())
    }
}

/// Listens on loopback until it is dropped.
pub(crate) struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Sink {
    /// Answers 200 with Slack's `ok`, which webhooks are content with too.
    pub(crate) fn new() -> Self {
        Self::answering(Reply::slack())
    }

    /// Answers everything alike.
    pub(crate) fn answering(usual: Reply) -> Self {
        Self::of(Shared::new(usual, None))
    }

    /// Does something with each request, which is seen once that is done.
    pub(crate) fn acting(act: Act) -> Self {
        Self::of(Shared::new(Reply::status(200), Some(act)))
    }

    fn of(shared: Shared) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(shared);
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // A broken connection is the server's to deal with.
                std::thread::spawn(move || stream.and_then(|stream| serve(stream, connection, &shared)));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next answers, in order; then 200 again.
    pub(crate) fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.script.lock().unwrap().extend(replies);
    }

    /// What each request to a path is answered from now on.
    pub(crate) fn answer_at(&self, path: &str, reply: Reply) {
        self.shared.at_path.lock().unwrap().insert(path.to_owned(), reply);
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has come since the last time, for those who keep less of it.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// What came to one path.
    pub(crate) fn seen_at(&self, path: &str) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|seen| seen.path == path);
        seen
    }

    /// Waits for `count` requests to a path.
    #[track_caller]
    pub(crate) fn wait_for(&self, path: &str, count: usize) -> Vec<Seen> {
        super::until_some(&format!("{count} messages at {path}"), || {
            let seen = self.seen_at(path);
            (seen.len() >= count).then_some(seen)
        })
    }

    /// Waits for a webhook message that tells of an alert, with this status.
    #[track_caller]
    pub(crate) fn wait_told(&self, path: &str, name: &str, status: &str) -> Seen {
        super::until_some(&format!("{name} told as {status} at {path}"), || {
            let told = |seen: &Seen| {
                let mine = |alert: &Value| alert["labels"]["alertname"] == name && alert["status"] == status;
                seen.alerts().iter().any(mine)
            };
            self.seen_at(path).into_iter().find(told)
        })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; if it is gone already, all is well.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, connection: usize, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(mut seen) = read_request(&mut reader)? {
        if shared.stopped.load(Ordering::SeqCst) {
            return Ok(());
        }
        let reply = shared.reply(&seen);
        let is_last = seen.header("connection").eq_ignore_ascii_case("close");
        seen.status = reply.status;
        seen.connection = connection;
        shared.seen.lock().unwrap().push(seen);
        super::pause(reply.delay);
        let Reply { status, headers, body, .. } = reply;
        let length = body.len();
        write!(writer, "HTTP/1.1 {status} Said\r\n{headers}Content-Length: {length}\r\n\r\n{body}")?;
        if is_last {
            return Ok(());
        }
    }
    Ok(())
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Seen>> {
    let Some(mut seen) = read_head(reader)? else { return Ok(None) };
    read_body(reader, &mut seen)?;
    Ok(Some(seen))
}

/// A request up to its body; `None` where the connection has ended.
pub(crate) fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Seen>> {
    let Some(first) = read_line(reader)? else { return Ok(None) };
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    while let Some(line) = read_line(reader)?.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let body = Vec::new();
    Ok(Some(Seen { at: Instant::now(), connection: 0, method, path, headers, body, status: 0 }))
}

pub(crate) fn read_body(reader: &mut impl BufRead, seen: &mut Seen) -> io::Result<()> {
    seen.body = vec![0; seen.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut seen.body)?;
    seen.at = Instant::now();
    Ok(())
}

fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = reader.read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
}
