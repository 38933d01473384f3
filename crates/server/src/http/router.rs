//! Every route that is not a hot path, in one list.

use super::problem::Problem;
use super::service::{Answered, App, Target};
use super::{Response, alertmanager, alerts, console, feedback, messages, rate};
use crate::observe::{Format, only_tenant};
use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use openclaw_state::Scope;
use std::sync::Arc;

pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/-/ready", get(ready))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/console", get(console::page))
        .route("/api/v2/alerts", get(alertmanager::alerts))
        .route("/api/v2/status", get(alertmanager::status))
        .route("/api/v2/receivers", get(alertmanager::receivers))
        .route("/api/v1/alerts", get(alerts::list))
        .route("/api/v1/alerts/{id}", get(alerts::one))
        .route("/api/v1/alerts/{id}/explain", get(alerts::explain))
        .route("/api/v1/alerts/{id}/feedback", post(feedback::post))
        .route("/api/v1/deliveries", get(messages::deliveries))
        .route("/api/v1/dead-letters", get(messages::dead_letters))
        .route("/api/v1/dead-letters/{id}/retry", post(messages::retry))
        .route("/api/v1/rate", post(rate::post))
        .route("/api/v1/silences", any(gone))
        .route("/api/v1/status", any(gone))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn_with_state(Arc::clone(&app), answered))
        .with_state(app)
}

/// Notes the route and the tenant for the request's metrics.
async fn answered(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", |path| known(path.as_str()));
    let (parts, body) = request.into_parts();
    let tenant = app.caller(&Target::from(&parts)).ok().and_then(|caller| caller.tenant_name().cloned());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    response.extensions_mut().insert(Answered { route, tenant });
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A route's name that lives as long as the process, from the list above.
fn known(path: &str) -> &'static str {
    const ROUTES: [&str; 17] = [
        "/-/ready",
        "/readyz",
        "/metrics",
        "/console",
        "/api/v2/alerts",
        "/api/v2/status",
        "/api/v2/receivers",
        "/api/v1/alerts",
        "/api/v1/alerts/{id}",
        "/api/v1/alerts/{id}/explain",
        "/api/v1/alerts/{id}/feedback",
        "/api/v1/deliveries",
        "/api/v1/dead-letters",
        "/api/v1/dead-letters/{id}/retry",
        "/api/v1/rate",
        "/api/v1/silences",
        "/api/v1/status",
    ];
    ROUTES.into_iter().find(|route| *route == path).unwrap_or("other")
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.host.ready() {
        Ok(()) => "OK".into_response(),
        Err(unavailable) => (StatusCode::SERVICE_UNAVAILABLE, unavailable.to_string()).into_response(),
    }
}

async fn metrics(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let target = Target::from(&parts);
    let tenant = match target.tenant {
        Some(_) => Some(app.tenant(&target, Scope::Read)?.name().clone()),
        None if app.options.public_metrics => None,
        None => {
            app.caller(&target)?.operator()?;
            None
        }
    };
    let format = Format::from_accept(parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()));
    let text = app.metrics.write(&app.host, format);
    let text = match tenant {
        Some(tenant) => only_tenant(&text, tenant.as_str()),
        None => text,
    };
    let mut response = http::Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    Ok(response)
}

/// Alertmanager's old API, as Alertmanager answers it.
async fn gone() -> Response {
    let body = r#"{"status":"deprecated","error":"The Alertmanager v1 API was deprecated in version 0.16.0 and is removed as of version 0.27.0 - please use the equivalent route in the v2 API"}"#;
    let mut response = http::Response::new(Body::from(body));
    *response.status_mut() = StatusCode::GONE;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn not_found() -> Problem {
    Problem::not_found()
}

async fn not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method")
}
