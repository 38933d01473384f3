//! `POST /api/v2/alerts`: the way in, served on the I/O thread.
//!
//! credential → body (bounded) → decode → step → durable → answer

use super::Response;
use super::body::{self, BodyError};
use super::service::{Answered, App, Target};
use crate::auth::Denied;
use crate::host::{Stepped, Unavailable};
use crate::tenants::TenantHandle;
use axum::body::Body;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use openclaw_journal::crashpoint;
use openclaw_sources::alertmanager::{self, Decoded};
use openclaw_state::Scope;
use std::sync::Arc;
use std::time::Duration;

/// A larger body is decoded on the work runtime: it would hold up the
/// decisions of its I/O thread.
const INLINE_BYTES_MAX: usize = 256 << 10;

pub(super) async fn post_alerts(app: &Arc<App>, request: Request<Incoming>) -> Response {
    let handle = match app.tenant(&Target::of(&request), Scope::Ingest) {
        Ok(handle) => handle,
        Err(denied) => return refuse(denied),
    };
    let name = handle.name().clone();
    let mut response = post_for(app, handle, request).await;
    response.extensions_mut().insert(Answered { route: "/api/v2/alerts", tenant: Some(name) });
    response
}

async fn post_for(app: &Arc<App>, handle: TenantHandle, request: Request<Incoming>) -> Response {
    if let Err(response) = check_content_type(request.headers()) {
        turned_away(app, &handle).await;
        return response;
    }
    let body = match body::read(request.into_body()).await {
        Ok(body) => body,
        Err(error) => {
            turned_away(app, &handle).await;
            return unread(error);
        }
    };
    if body.len() <= INLINE_BYTES_MAX {
        return take(app, &handle, &body).await;
    }
    let (app, handle) = (Arc::clone(app), handle.clone());
    let work = app.work.clone();
    let taken = work.spawn(async move { take(&app, &handle, &body).await });
    taken.await.unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR, "\"internal error\""))
}

async fn take(app: &App, handle: &TenantHandle, body: &[u8]) -> Response {
    let decoded = match alertmanager::decode(body) {
        Ok(decoded) => decoded,
        Err(error) => {
            turned_away(app, handle).await;
            return json(error.status(), error.body());
        }
    };
    crashpoint::hit("post");
    let source = &handle.config().alertmanager_source;
    let stepped = match handle.ingest(source, &decoded.batch).await {
        Ok(stepped) => stepped,
        Err(unavailable) => {
            turned_away(app, handle).await;
            return unavailable_answer(unavailable);
        }
    };
    app.metrics.received(handle.name(), source, &stepped.taken, decoded.rejected.len());
    match handle.durable(stepped.wait_for).await {
        Ok(()) => answer(&decoded, &stepped),
        Err(unavailable) => unavailable_answer(unavailable),
    }
}

/// What was turned away may have held repeats: its source must not seem silent.
async fn turned_away(app: &App, handle: &TenantHandle) {
    if app.tenants.has_to_note_refusal(handle.config(), app.host.now()) {
        handle.turned_away(&handle.config().alertmanager_source).await;
    }
}

fn answer(decoded: &Decoded, stepped: &Stepped) -> Response {
    if stepped.taken.refused > 0 {
        let wait = stepped.retry_after.unwrap_or(Duration::from_secs(1));
        let text = format!(
            "\"{} new alerts are beyond the tenant's limit and backlog; repeats and resolves were taken\"",
            stepped.taken.refused
        );
        return with_retry_after(plain(StatusCode::TOO_MANY_REQUESTS, &text), wait);
    }
    let (status, body) = decoded.answer();
    if body.is_empty() { Response::new(Body::empty()) } else { json(status, body) }
}

fn unavailable_answer(unavailable: Unavailable) -> Response {
    if unavailable == Unavailable::TooLarge {
        return json(413, serde_json::json!({ "code": 413, "message": unavailable.to_string() }).to_string());
    }
    let text = format!("\"{unavailable}\"");
    with_retry_after(plain(StatusCode::SERVICE_UNAVAILABLE, &text), Duration::from_secs(5))
}

/// The answer to a caller who is turned away, in Alertmanager's shape.
pub(super) fn refuse(denied: Denied) -> Response {
    let mut response = plain(denied.status(), &format!("{:?}", denied.to_string()));
    if denied == Denied::Unauthorized {
        let challenge = HeaderValue::from_static("Basic realm=\"openclaw\", charset=\"UTF-8\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

#[expect(clippy::result_large_err, reason = "the error is the answer")]
fn check_content_type(headers: &HeaderMap) -> Result<(), Response> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = format!("unsupported media type {given:?}, only [application/json] are allowed");
    let body = serde_json::json!({ "code": 415, "message": message });
    Err(json(415, body.to_string()))
}

fn unread(error: BodyError) -> Response {
    match error {
        BodyError::TooLarge => {
            json(413, serde_json::json!({ "code": 413, "message": error.to_string() }).to_string())
        }
        BodyError::CutOff | BodyError::Slow => plain(error.status(), &format!("\"{error}\"")),
    }
}

fn with_retry_after(mut response: Response, wait: Duration) -> Response {
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

pub(super) fn json(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn plain(status: StatusCode, body: &str) -> Response {
    json(status.as_u16(), body.to_owned())
}
