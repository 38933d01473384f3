//! `POST /api/v2/alerts`: the way in, served on the I/O thread.
//!
//! credential → body (bounded) → decode → step → durable → answer

use super::alertmanager::{Refusal, check_content_type};
use super::service::{Answered, App, Target};
use super::{BODY_BYTES_MAX, Response, body};
use crate::host::Stepped;
use crate::tenants::TenantHandle;
use axum::body::{Body, Bytes};
use axum::response::IntoResponse;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, StatusCode};
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
        Err(denied) => return Refusal::from(denied).into_response(),
    };
    let name = handle.name().clone();
    let mut response = post_for(app, handle, request).await;
    response.extensions_mut().insert(Answered { route: "/api/v2/alerts", tenant: Some(name) });
    response
}

async fn post_for(app: &Arc<App>, handle: TenantHandle, request: Request<Incoming>) -> Response {
    let body = match read(request).await {
        Ok(body) => body,
        Err(refusal) => {
            turned_away(app, &handle).await;
            return refusal.into_response();
        }
    };
    if body.len() <= INLINE_BYTES_MAX {
        return take(app, &handle, &body).await;
    }
    let (app, handle) = (Arc::clone(app), handle.clone());
    let work = app.work.clone();
    let taken = work.spawn(async move { take(&app, &handle, &body).await });
    taken.await.unwrap_or_else(|_| {
        Refusal::Text(StatusCode::INTERNAL_SERVER_ERROR, "internal error".to_owned()).into_response()
    })
}

async fn read(request: Request<Incoming>) -> Result<Bytes, Refusal> {
    check_content_type(request.headers())?;
    Ok(body::read(request.into_body(), BODY_BYTES_MAX).await?)
}

async fn take(app: &App, handle: &TenantHandle, body: &[u8]) -> Response {
    let decoded = match alertmanager::decode(body) {
        Ok(decoded) => decoded,
        Err(error) => {
            turned_away(app, handle).await;
            return Refusal::from(error).into_response();
        }
    };
    crashpoint::hit("post");
    let source = &handle.config().alertmanager_source;
    let stepped = match handle.ingest(source, &decoded.batch).await {
        Ok(stepped) => stepped,
        Err(unavailable) => {
            turned_away(app, handle).await;
            return Refusal::from(unavailable).into_response();
        }
    };
    app.metrics.received(handle.name(), source, &stepped.taken, decoded.rejected.len());
    match handle.durable(stepped.wait_for).await {
        Ok(()) => answer(&decoded, &stepped),
        Err(unavailable) => Refusal::from(unavailable).into_response(),
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
        let said = format!(
            "{} new alerts are beyond the tenant's limit and backlog; repeats and resolves were taken",
            stepped.taken.refused
        );
        let refused = Refusal::Text(StatusCode::TOO_MANY_REQUESTS, said);
        return with_retry_after(refused.into_response(), wait);
    }
    let (status, body) = decoded.answer();
    if body.is_empty() { Response::new(Body::empty()) } else { Refusal::Body(status, body).into_response() }
}

fn with_retry_after(mut response: Response, wait: Duration) -> Response {
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}
