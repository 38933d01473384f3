//! What a sender is told, in its own words.

use crate::Format;
use openclaw_alert::{Batch, EpisodeId};
use serde_json::{Value, json};
use std::fmt;

/// Faults in one answer; the rest is counted. Keeps the answer to a request
/// of nothing but bad alerts smaller than the request.
pub(crate) const FAULTS_SHOWN_MAX: usize = 100;

/// Stands in Opsgenie's refusals of requests that were not read.
const NO_REQUEST_ID: &str = "00000000-0000-0000-0000-000000000000";

/// Status, headers and body to answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Value of `content-type`; empty without a body.
    pub content_type: &'static str,
    /// Further headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self { status, content_type: "application/json", headers: Vec::new(), body: body.to_string() }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, content_type: "", headers: Vec::new(), body: String::new() }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn with_retry_after(self, seconds: Option<u64>) -> Self {
        match seconds {
            Some(seconds) => self.with_header("retry-after", seconds.max(1).to_string()),
            None => self,
        }
    }
}

/// What is wrong, and where in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer; empty for the body as a whole.
    pub pointer: String,
    /// What is wrong there and what would be right; follows the field's name
    /// in a sentence.
    pub detail: String,
}

impl Fault {
    pub(crate) fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }

    /// The field as people write it: `payload.summary`.
    fn field(&self) -> String {
        let path = self.pointer.strip_prefix('/').unwrap_or(&self.pointer);
        path.replace('/', ".").replace("~1", "/").replace("~0", "~")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            return write!(f, "the body {}", self.detail);
        }
        write!(f, "`{}` {}", self.field(), self.detail)
    }
}

/// One alert that is refused alone, its neighbours being kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Which of the request's alerts, counted from 0.
    pub index: usize,
    /// Why.
    pub fault: Fault,
}

/// What a request held.
#[derive(Debug)]
pub struct Decoded {
    /// The format that it was in.
    pub format: Format,
    /// Its valid alerts and signals, in the order they were sent. Says how
    /// long its alerts last; the settings of the source may say otherwise.
    pub batch: Batch,
    /// The others.
    pub rejected: Vec<Rejected>,
    pub(crate) reply: Reply,
}

/// How the sender is told that all went well.
#[derive(Debug)]
pub(crate) enum Reply {
    /// `{accepted, ids, rejected?}`.
    Ours,
    /// Nothing to say, or Alertmanager's word on what it refused.
    Alertmanager(u16, String),
    /// PagerDuty's, with the key of the alert.
    PagerDuty { dedup_key: String },
    /// PagerDuty's for change events.
    PagerDutyChange,
    /// Opsgenie's for what is queued.
    Opsgenie { request_id: String },
    /// Opsgenie's word on an earlier request.
    OpsgenieRequest { request_id: String, processed_at: String },
    /// ServiceNow's for `jsonv2`.
    ServiceNow,
    /// ServiceNow's for `em_event.do`, a line a record.
    ServiceNowTable { records: usize },
}

/// What became of a request's alerts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kept<'k> {
    /// How many alerts and signals were taken, repeats among them.
    pub accepted: usize,
    /// How many new alerts were beyond the tenant's limit and backlog.
    pub refused: usize,
    /// The episode of each alert and signal in the batch's order.
    pub ids: &'k [Option<EpisodeId>],
    /// When to come again, where some were refused.
    pub retry_after_s: Option<u64>,
}

impl Decoded {
    pub(crate) fn new(format: Format, reply: Reply) -> Self {
        let mut batch = Batch::default();
        batch.set_lasts(crate::format::lasts(format));
        Self { format, batch, rejected: Vec::new(), reply }
    }

    /// Keeps in mind that the `index`-th alert is refused.
    pub(crate) fn reject(&mut self, index: usize, fault: Fault) {
        self.rejected.push(Rejected { index, fault });
    }

    /// The answer once the batch is kept, in the sender's own form.
    #[must_use]
    pub fn answer(&self, kept: &Kept<'_>) -> Answer {
        if kept.refused > 0 {
            let retry_after_s = kept.retry_after_s.unwrap_or(1);
            return refuse(self.format, &Trouble::Limited { alerts: kept.refused, retry_after_s });
        }
        if self.batch.is_empty()
            && !self.rejected.is_empty()
            && !matches!(self.reply, Reply::Alertmanager(..))
        {
            let faults = self.rejected.iter().map(|rejected| rejected.fault.clone()).collect();
            return Refusal { format: self.format, status: 400, faults }.answer();
        }
        self.reply(kept)
    }

    fn reply(&self, kept: &Kept<'_>) -> Answer {
        match &self.reply {
            Reply::Ours => Answer::json(202, &self.ours(kept)),
            Reply::Alertmanager(status, body) if body.is_empty() => Answer::empty(*status),
            Reply::Alertmanager(status, body) => {
                Answer { body: body.clone(), ..Answer::json(*status, &Value::Null) }
            }
            Reply::PagerDuty { dedup_key } => Answer::json(
                202,
                &json!({ "status": "success", "message": "Event processed", "dedup_key": dedup_key }),
            ),
            Reply::PagerDutyChange => {
                let message = "Change event taken note of: nobody is paged and it is not kept";
                Answer::json(202, &json!({ "status": "success", "message": message }))
            }
            Reply::Opsgenie { request_id } => {
                let result = "Request will be processed";
                Answer::json(202, &json!({ "result": result, "took": 0.0, "requestId": request_id }))
            }
            Reply::OpsgenieRequest { request_id, processed_at } => {
                let data = json!({ "isSuccess": true, "success": true, "status": "Processed", "processedAt": processed_at });
                Answer::json(200, &json!({ "data": data, "took": 0.0, "requestId": request_id }))
            }
            Reply::ServiceNow => self.service_now(),
            Reply::ServiceNowTable { records } => self.service_now_table(*records),
        }
    }

    fn ours(&self, kept: &Kept<'_>) -> Value {
        let ids: Vec<Option<String>> = kept.ids.iter().map(|id| id.map(|id| id.to_string())).collect();
        let mut body = json!({ "accepted": kept.accepted, "ids": ids });
        if !self.rejected.is_empty() {
            let shown = self.rejected.iter().take(FAULTS_SHOWN_MAX);
            let rejected: Vec<Value> = shown
                .map(|rejected| json!({ "index": rejected.index, "detail": rejected.fault.to_string() }))
                .collect();
            body["rejected"] = rejected.into();
            body["rejected_count"] = self.rejected.len().into();
        }
        body
    }

    fn service_now(&self) -> Answer {
        let mut said = format!("{} events were inserted", self.batch.len());
        if let Some(first) = self.rejected.first() {
            said += &format!(", {} were refused, the first because {}", self.rejected.len(), first.fault);
        }
        Answer::json(200, &json!({ "result": { "Default Bulk Endpoint": said } }))
    }

    fn service_now_table(&self, records: usize) -> Answer {
        let mut rejected = self.rejected.iter().enumerate().peekable();
        let lines = (0..records).map(|index| match rejected.next_if(|(_, it)| it.index == index) {
            None => json!({ "__status": "success" }),
            Some((FAULTS_SHOWN_MAX.., _)) => json!({ "__status": "failure" }),
            Some((_, Rejected { fault, .. })) => {
                json!({ "__status": "failure", "__error": { "message": fault.to_string(), "reason": null } })
            }
        });
        Answer::json(200, &json!({ "records": lines.collect::<Vec<_>>() }))
    }
}

/// A request that is refused whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The format of the answer.
    pub format: Format,
    /// HTTP status.
    pub status: u16,
    /// What is wrong; never empty.
    pub faults: Vec<Fault>,
}

impl Refusal {
    pub(crate) fn new(format: Format, status: u16, fault: Fault) -> Self {
        Self { format, status, faults: vec![fault] }
    }

    /// The answer, in the sender's own form.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let shown = &self.faults[..self.faults.len().min(FAULTS_SHOWN_MAX)];
        let detail = self.faults.first().map(Fault::to_string).unwrap_or_default();
        told(self.format, self.status, &detail, shown)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().take(FAULTS_SHOWN_MAX).enumerate() {
            write!(f, "{}{fault}", if index > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// What an intake itself has to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble<'t> {
    /// No credential, or one that is not known.
    Unauthorized(&'t str),
    /// A credential that may not do this.
    Forbidden(&'t str),
    /// Nothing is at this path.
    NotFound,
    /// The path doesn't take this method; what it takes.
    NotAllowed(&'t str),
    /// A body beyond the bound.
    TooLarge {
        /// The bound.
        bytes_max: usize,
    },
    /// The body did not come, or not whole.
    Unread {
        /// HTTP status, 400 or 408.
        status: u16,
        /// Why, in a sentence's form.
        why: &'t str,
    },
    /// New alerts beyond the tenant's limit and backlog.
    Limited {
        /// How many.
        alerts: usize,
        /// When to come again.
        retry_after_s: u64,
    },
    /// Nothing can be promised now.
    Unavailable {
        /// Why, in a sentence's form.
        why: &'t str,
        /// When to come again.
        retry_after_s: u64,
    },
    /// A fault of ours.
    Internal,
}

impl Trouble<'_> {
    fn status(&self) -> u16 {
        match self {
            Self::Unauthorized(_) => 401,
            Self::Forbidden(_) => 403,
            Self::NotFound => 404,
            Self::NotAllowed(_) => 405,
            Self::TooLarge { .. } => 413,
            Self::Unread { status, .. } => *status,
            Self::Limited { .. } => 429,
            Self::Internal => 500,
            Self::Unavailable { .. } => 503,
        }
    }

    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Limited { retry_after_s, .. } | Self::Unavailable { retry_after_s, .. } => {
                Some(*retry_after_s)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Trouble<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized(why) | Self::Forbidden(why) => f.write_str(why),
            Self::Unread { why, .. } | Self::Unavailable { why, .. } => f.write_str(why),
            Self::NotFound => f.write_str("there is no such thing here"),
            Self::NotAllowed(methods) => write!(f, "this path takes {methods}"),
            Self::TooLarge { bytes_max } => {
                write!(f, "body is longer than {bytes_max} bytes: send fewer alerts a request")
            }
            Self::Limited { alerts, .. } => write!(
                f,
                "{alerts} new alerts are beyond the tenant's limit and backlog; repeats and resolves were taken"
            ),
            Self::Internal => f.write_str("internal error; see the log of the server"),
        }
    }
}

/// The intake's own refusal, in the words of `format`.
#[must_use]
pub fn refuse(format: Format, trouble: &Trouble<'_>) -> Answer {
    let answer = told(format, trouble.status(), &trouble.to_string(), &[]);
    let answer = answer.with_retry_after(trouble.retry_after_s());
    match trouble {
        Trouble::Unauthorized(_) => {
            answer.with_header("www-authenticate", "Basic realm=\"openclaw\", charset=\"UTF-8\"")
        }
        Trouble::NotAllowed(methods) => answer.with_header("allow", *methods),
        _ => answer,
    }
}

/// The error forms of the formats' own servers.
fn told(format: Format, status: u16, detail: &str, faults: &[Fault]) -> Answer {
    match format {
        Format::Alertmanager => alertmanager(status, detail),
        Format::PagerDuty => pagerduty(status, detail, faults),
        Format::Opsgenie => opsgenie(status, detail, faults),
        Format::ServiceNow => service_now(status, detail),
        Format::Grafana | Format::CloudEvents | Format::ArgoCd | Format::Json => {
            problem(status, detail, faults)
        }
    }
}

/// A bare text from a handler, a code and a message from validation.
fn alertmanager(status: u16, detail: &str) -> Answer {
    match status {
        400 | 404 | 405 | 413 | 415 | 422 => {
            Answer::json(status, &json!({ "code": status, "message": detail }))
        }
        _ => Answer::json(status, &detail.into()),
    }
}

fn pagerduty(status: u16, detail: &str, faults: &[Fault]) -> Answer {
    let word = match status {
        401 | 403 => "invalid key",
        404 | 405 => "not found",
        429 => "throttle exceeded",
        500.. => "unavailable",
        _ => "invalid event",
    };
    let message = if faults.is_empty() { detail } else { "Event object is invalid" };
    let mut errors: Vec<String> = faults.iter().map(Fault::to_string).collect();
    if errors.is_empty() {
        errors.push(detail.to_owned());
    }
    Answer::json(status, &json!({ "status": word, "message": message, "errors": errors }))
}

fn opsgenie(status: u16, detail: &str, faults: &[Fault]) -> Answer {
    let mut body = json!({ "message": detail, "took": 0.0, "requestId": NO_REQUEST_ID });
    let named = faults.iter().filter(|fault| !fault.pointer.is_empty());
    let errors: serde_json::Map<String, Value> =
        named.map(|fault| (fault.field(), fault.detail.clone().into())).collect();
    if !errors.is_empty() {
        body["errors"] = errors.into();
    }
    Answer::json(status, &body)
}

fn service_now(status: u16, detail: &str) -> Answer {
    let message = match status {
        401 => "User Not Authenticated",
        403 => "Operation not permitted",
        404 => "No Record found",
        413 => "Request too large",
        429 => "Rate limit exceeded",
        500.. => "Not available now",
        _ => "Invalid event",
    };
    let error = json!({ "message": message, "detail": detail });
    Answer::json(status, &json!({ "error": error, "status": "failure" }))
}

/// RFC 9457, as the rest of our own API answers.
fn problem(status: u16, detail: &str, faults: &[Fault]) -> Answer {
    let errors: Vec<Value> =
        faults.iter().map(|fault| json!({ "pointer": fault.pointer, "detail": fault.to_string() })).collect();
    let body = json!({
        "type": "about:blank",
        "title": title(status),
        "status": status,
        "detail": detail,
        "errors": errors,
    });
    Answer { content_type: "application/problem+json", ..Answer::json(status, &body) }
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests;
