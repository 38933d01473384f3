//! A sender that behaves like Prometheus: firing alerts come again and again
//! with a new end, resolved ones too for a while, and a post that failed is
//! not repeated as such: the next resend is its retry.

use crate::checker::Status;
use crate::support::{Alert, Request, alerts, now, pause};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

const TICK: Duration = Duration::from_millis(12);
const RESEND: Duration = Duration::from_millis(500);

/// How long an alert fires beyond its last post.
pub(crate) const FIRES_FOR: Duration = Duration::from_secs(3);

/// Resends of a resolved alert after it was accepted.
const RESOLVED_AGAIN: u32 = 2;

/// Alerts in one post, and bytes of text in them: the segments of these tests
/// are small.
const BATCH_MAX: usize = 64;
const BATCH_BYTES_MAX: usize = 130 << 10;

/// Small, seeded, good enough to spread things.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// One alert of the sender's.
#[derive(Debug, Clone)]
struct Sent {
    name: String,
    /// Makes it large, so that segments fill up.
    padding: usize,
    starts_at: SystemTime,
    resolve_at: Instant,
    resolved_at: Option<SystemTime>,
    next_post: Instant,
    posts: u32,
    /// Accepted as resolved so many times.
    resolved_accepted: u32,
}

impl Sent {
    fn status(&self) -> Status {
        if self.resolved_at.is_some() { Status::Resolved } else { Status::Firing }
    }

    fn alert(&self) -> Alert {
        // Every few posts the value in its text is another one.
        let value = (self.posts / 3).to_string();
        let ends_at = self.resolved_at.unwrap_or_else(|| now() + FIRES_FOR);
        let alert = Alert::new(&self.name).label("severity", "critical").annotation("value", &value);
        let alert = alert.starts(self.starts_at).ends(ends_at);
        if self.padding == 0 { alert } else { alert.annotation("padding", &"x".repeat(self.padding)) }
    }
}

/// What the sender knows; the log of answers is all that the checker sees.
#[derive(Debug)]
pub(crate) struct State {
    /// Where the server is, while it is up.
    pub(crate) address: Option<SocketAddr>,
    /// New alerts are large.
    pub(crate) is_large: bool,
    /// Nothing new, and what fires is resolved.
    pub(crate) is_ending: bool,
    pub(crate) accepted: Vec<(Instant, String, Status)>,
    pub(crate) offered: BTreeSet<(String, Status)>,
    alive: Vec<Sent>,
    random: Random,
    count: usize,
    is_over: bool,
}

impl State {
    /// All alerts have been accepted as resolved.
    pub(crate) fn is_done(&self) -> bool {
        self.alive.iter().all(|alert| alert.resolved_accepted > 0)
    }

    /// Names that a listing must hold, and those that it may hold.
    pub(crate) fn listed(&self) -> (BTreeSet<&str>, BTreeSet<&str>) {
        let with = |wanted: Status| {
            let accepted = self.accepted.iter().filter(move |(_, _, status)| *status == wanted);
            accepted.map(|(_, name, _)| name.as_str()).collect::<BTreeSet<_>>()
        };
        let offered_resolved = |name: &&str| self.offered.contains(&((*name).to_owned(), Status::Resolved));
        let must = with(Status::Firing).into_iter().filter(|name| !offered_resolved(name)).collect();
        let ended = with(Status::Resolved);
        let may = self.offered.iter().map(|(name, _)| name.as_str()).filter(|name| !ended.contains(name));
        (must, may.collect())
    }

    fn make(&mut self) {
        let most = if self.is_large { 60 } else { 30 };
        let firing = self.alive.iter().filter(|alert| alert.resolved_at.is_none()).count();
        if self.is_ending || firing >= most || self.random.below(2) == 0 {
            return;
        }
        let now_instant = Instant::now();
        for _ in 0..=self.random.below(2) {
            self.count += 1;
            let lives = Duration::from_millis(400 + self.random.below(1800));
            self.alive.push(Sent {
                name: format!("a{}", self.count),
                padding: if self.is_large { 60 << 10 } else { 0 },
                starts_at: now(),
                resolve_at: now_instant + lives,
                resolved_at: None,
                next_post: now_instant,
                posts: 0,
                resolved_accepted: 0,
            });
        }
    }

    /// What is due: new alerts, repeats, resolves.
    fn due(&mut self) -> Vec<(String, Status, Alert)> {
        let (at, is_ending) = (Instant::now(), self.is_ending);
        self.alive.retain(|alert| alert.resolved_accepted <= RESOLVED_AGAIN);
        let mut due = Vec::new();
        let mut bytes = 0;
        for alert in &mut self.alive {
            if alert.resolved_at.is_none() && (is_ending || alert.resolve_at <= at) {
                alert.resolved_at = Some(now());
                alert.next_post = at;
            }
            if alert.next_post <= at && due.len() < BATCH_MAX && bytes < BATCH_BYTES_MAX {
                bytes += alert.padding;
                alert.next_post = at + RESEND;
                alert.posts += 1;
                due.push((alert.name.clone(), alert.status(), alert.alert()));
            }
        }
        for (name, status, _) in &due {
            self.offered.insert((name.clone(), *status));
        }
        due
    }

    fn answered(&mut self, posted: Vec<(String, Status, Alert)>) {
        let at = Instant::now();
        for (name, status, _) in posted {
            if let Some(alert) = self.alive.iter_mut().find(|alert| alert.name == name)
                && status == Status::Resolved
            {
                alert.resolved_accepted += 1;
            }
            self.accepted.push((at, name, status));
        }
    }
}

/// The sender's thread.
pub(crate) struct Sender {
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

impl Sender {
    pub(crate) fn start(key: String, seed: u64) -> Self {
        let state = Arc::new(Mutex::new(State {
            address: None,
            is_large: false,
            is_ending: false,
            accepted: Vec::new(),
            offered: BTreeSet::new(),
            alive: Vec::new(),
            random: Random::new(seed),
            count: 0,
            is_over: false,
        }));
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || run(&shared, &key));
        Self { state, thread: Some(thread) }
    }

    /// While the lock is held nothing is posted, and all answers are in.
    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.lock() {
            state.is_over = true;
        }
        if let Some(thread) = self.thread.take() {
            // Its panic, if any, has been printed.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Mutex<State>, key: &str) {
    loop {
        pause(TICK);
        let mut state = shared.lock().unwrap();
        if state.is_over {
            return;
        }
        let Some(address) = state.address else { continue };
        state.make();
        let due = state.due();
        if due.is_empty() {
            continue;
        }
        // Under the lock, so that nothing is in doubt while others look.
        let body = alerts::body(due.iter().map(|(_, _, alert)| alert));
        let answer = Request::post("/api/v2/alerts", body).key(key).try_send(address);
        if answer.is_ok_and(|answer| answer.status == 200) {
            state.answered(due);
        }
    }
}
