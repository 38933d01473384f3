//! Questions that hyper has read.

use super::{Ground, Head, Question, Reply, decide};
use crate::auth::Denied;
use crate::http::problem::{Problem, internal};
use crate::http::service::{Core, Front, Target};
use crate::http::threads::Address;
use crate::http::{BODY_BYTES_MAX, Response, body};
use crate::limits::TenantLimits;
use axum::body::Body;
use axum::response::IntoResponse;
use http::header::{AUTHORIZATION, AsHeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Instant;

/// A longer body is answered on the work runtime, so that it doesn't hold up
/// others' decisions.
const INLINE_BYTES_MAX: usize = 64 << 10;

pub(crate) async fn answer(
    front: &Front,
    question: Question,
    request: Request<Incoming>,
    started: Instant,
) -> Response {
    let core = front.core();
    let (parts, body) = request.into_parts();
    let (whose, response) = match read(core, question, &parts, body).await {
        Ok(body) if body.len() <= INLINE_BYTES_MAX => respond(core, question, &parts, &body),
        Ok(body) => elsewhere(front, question, parts, body).await,
        Err(problem) => (None, problem.into_response()),
    };
    let (status, took) = (response.status().as_u16(), started.elapsed());
    match whose {
        Some(limits) => {
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            core.limits.answered(&limits, question.route(), status, nanos);
        }
        None => core.metrics.answered(None, question.route().name(), status, took),
    }
    response
}

/// An answer, and whose limits gave it.
type Responded = (Option<Arc<TenantLimits>>, Response);

/// The body, which only a batch has. Of who is turned away it is not read.
async fn read(
    core: &Core,
    question: Question,
    parts: &Parts,
    incoming: Incoming,
) -> Result<bytes::Bytes, Problem> {
    if question != Question::Decisions || core.caller(&Target::in_front(parts)).is_err() {
        return Ok(bytes::Bytes::new());
    }
    Ok(body::read(incoming, BODY_BYTES_MAX).await?)
}

async fn elsewhere(front: &Front, question: Question, parts: Parts, body: bytes::Bytes) -> Responded {
    let core = Arc::clone(front.core());
    let answered = front.core().work.spawn(async move { respond(&core, question, &parts, &body) });
    answered.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request was cut off");
        (None, internal())
    })
}

fn respond(core: &Core, question: Question, parts: &Parts, body: &[u8]) -> Responded {
    let mut reply = Reply::default();
    reply.clear();
    let whose = match head(core, parts) {
        Ok(head) => {
            let (limits, now_nanos) = (core.limits.in_force(), core.limits.now_nanos());
            let ground = Ground { core, limits: &limits, now_nanos };
            decide(ground, question, &head, body, &mut reply).cloned()
        }
        Err(denied) => {
            reply.problem(&denied.into());
            None
        }
    };
    (whose, reply.into_response())
}

fn head<'r>(core: &Core, parts: &'r Parts) -> Result<Head<'r>, Denied> {
    let target = Target::in_front(parts);
    let headers = target.headers;
    Ok(Head {
        caller: core.caller(&target),
        has_credential: headers.contains_key(AUTHORIZATION) || target.peer.is_some(),
        named_tenant: target.tenant.or(single(headers, crate::auth::TENANT_HEADER)?.map(lossless)),
        address: parts.extensions.get::<Address>().map_or("", Address::as_str),
        query: parts.uri.query().unwrap_or_default(),
        client: single(headers, "x-openclaw-client")?,
        original_uri: single(headers, "x-original-uri")?,
        original_method: single(headers, "x-original-method")?,
    })
}

/// What is no text names no tenant.
fn lossless(name: &[u8]) -> &str {
    std::str::from_utf8(name).unwrap_or("\u{fffd}")
}

/// A header that decides something stands once.
fn single(headers: &HeaderMap, name: impl AsHeaderName) -> Result<Option<&[u8]>, Denied> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let first = values.next();
    if values.next().is_some() { Err(Denied::Ambiguous) } else { Ok(first) }
}

impl Reply {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or_default();
        let lines = self.fields.split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\r"));
        for line in lines {
            let Some(end) = line.windows(2).position(|two| two == b": ") else { continue };
            let name = HeaderName::from_bytes(&line[..end]);
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&line[end + 2..])) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
