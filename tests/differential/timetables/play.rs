//! Posts all timetables to one server, each call at its time.

use super::case::{Action, Case, Post, Step};
use crate::support::Request;
use crate::support::alerts::rfc3339;
use crate::support::client::Response;
use crate::support::pause;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const THREADS: usize = 4;

/// A server that is posted to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) key: Option<String>,
}

/// The beginning of a play, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) at: Instant,
    pub(super) time: SystemTime,
}

impl Start {
    /// A time of the play, which may be before it began.
    fn rfc3339(self, ms: i64) -> String {
        let since_1970 = self.time.duration_since(UNIX_EPOCH).unwrap().as_millis() as i64 + ms;
        rfc3339(UNIX_EPOCH + Duration::from_millis(since_1970 as u64))
    }

    pub(super) fn ms_of(self, at: Instant) -> i64 {
        at.saturating_duration_since(self.at).as_millis() as i64
    }
}

/// How the posting went.
#[derive(Debug, Default)]
pub(super) struct Posting {
    pub(super) calls: usize,
    pub(super) late_ms_max: i64,
    /// By case: calls that were not answered 200.
    pub(super) refused: BTreeMap<usize, String>,
}

impl Posting {
    fn and(mut self, other: Self) -> Self {
        self.calls += other.calls;
        self.late_ms_max = self.late_ms_max.max(other.late_ms_max);
        self.refused.extend(other.refused);
        self
    }
}

/// Posts everything; returns after the last step.
pub(super) fn play(cases: &[Case], target: &Target, start: Start) -> Posting {
    std::thread::scope(|scope| {
        let thread = |number: usize| {
            let cases: Vec<&Case> = cases.iter().skip(number).step_by(THREADS).collect();
            scope.spawn(move || Player::new(target, start).play(&cases))
        };
        let threads: Vec<_> = (0..THREADS).map(thread).collect();
        threads.into_iter().fold(Posting::default(), |all, thread| all.and(thread.join().unwrap()))
    })
}

struct Player<'a> {
    target: &'a Target,
    start: Start,
    /// Ids by case and number.
    silences: BTreeMap<(usize, usize), String>,
    posting: Posting,
}

impl<'a> Player<'a> {
    fn new(target: &'a Target, start: Start) -> Self {
        Self { target, start, silences: BTreeMap::new(), posting: Posting::default() }
    }

    fn play(mut self, cases: &[&Case]) -> Posting {
        let mut steps: Vec<(&Case, &Step)> =
            cases.iter().flat_map(|case| case.steps.iter().map(|step| (*case, step))).collect();
        steps.sort_by_key(|(_, step)| step.at_ms);
        for (case, step) in steps {
            let due = self.start.at + Duration::from_millis(step.at_ms);
            pause(due.saturating_duration_since(Instant::now()));
            let answer = self.act(case, &step.action);
            self.posting.calls += 1;
            let late_ms = self.start.ms_of(Instant::now()) - step.at_ms as i64;
            self.posting.late_ms_max = self.posting.late_ms_max.max(late_ms);
            if answer.status != 200 {
                let said = format!("{} at {} ms: {}", answer.status, step.at_ms, answer.text());
                self.posting.refused.entry(case.number).or_insert(said);
            }
        }
        self.posting
    }

    fn act(&mut self, case: &Case, action: &Action) -> Response {
        match action {
            Action::Post(posts) => {
                let alerts = posts.iter().map(|post| self.alert(case, post)).collect();
                self.send(Request::post("/api/v2/alerts", Value::Array(alerts).to_string()))
            }
            Action::Silence { number, alert, from_ms, to_ms } => {
                self.silence(case, *number, *alert, (*from_ms, *to_ms))
            }
            Action::Expire { number } => {
                let id = self.silences.get(&(case.number, *number)).cloned().unwrap_or_default();
                self.send(Request::new("DELETE", &format!("/api/v2/silence/{id}")))
            }
        }
    }

    fn send(&self, request: Request) -> Response {
        let request = match &self.target.key {
            Some(key) => request.key(key),
            None => request,
        };
        request.send(self.target.address)
    }

    fn alert(&self, case: &Case, post: &Post) -> Value {
        let annotations = json!({ "value": post.note.to_string() });
        let mut alert = json!({ "labels": case.labels(post.alert), "annotations": annotations });
        for (key, ms) in [("startsAt", post.starts_ms), ("endsAt", post.ends_ms)] {
            if let Some(ms) = ms {
                alert[key] = self.start.rfc3339(ms).into();
            }
        }
        alert
    }

    fn silence(&mut self, case: &Case, number: usize, alert: Option<usize>, span: (i64, i64)) -> Response {
        let matcher = |name: &str, value: String| json!({ "name": name, "value": value, "isRegex": false });
        let mut matchers = vec![matcher("case", case.label())];
        matchers.extend(alert.map(|alert| matcher("n", alert.to_string())));
        let mut silence = json!({
            "matchers": matchers,
            "startsAt": self.start.rfc3339(span.0),
            "endsAt": self.start.rfc3339(span.1),
            "createdBy": "timetable",
            "comment": "held back",
        });
        let key = (case.number, number);
        if let Some(id) = self.silences.get(&key) {
            silence["id"] = id.as_str().into();
        }
        let answer = self.send(Request::post("/api/v2/silences", silence.to_string()));
        if answer.status == 200 {
            let id = answer.json()["silenceID"].as_str().unwrap().to_owned();
            self.silences.insert(key, id);
        }
        answer
    }
}
