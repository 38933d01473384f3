//! Every route that is not a hot path, in one list.

use super::problem::Problem;
use super::service::{Answered, App, Target, allowed, caller};
use super::way_back::{pagerduty, servicenow, slack};
use super::{Response, alertmanager, alerts, console, feedback, messages, rate, reload};
use crate::observe::{Format, only_tenant};
use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, any, get, post};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use openclaw_state::Scope;
use std::sync::Arc;

/// Where refusals are Alertmanager's.
const V2: &str = "/api/v2/";

/// A path, and who answers.
type Route = (&'static str, fn() -> MethodRouter<Arc<App>>);

/// Everything that is answered on the work runtime.
const ROUTES: &[Route] = &[
    ("/-/ready", || get(ready)),
    ("/-/reload", || post(reload::post)),
    ("/readyz", || get(ready)),
    ("/metrics", || get(metrics)),
    ("/console", || get(console::page)),
    ("/api/v2/alerts", || get(alertmanager::alerts)),
    ("/api/v2/alerts/groups", || get(alertmanager::groups)),
    ("/api/v2/silences", || get(alertmanager::silences_get).post(alertmanager::silences_post)),
    ("/api/v2/silence/{id}", || get(alertmanager::silence_get).delete(alertmanager::silence_delete)),
    ("/api/v2/status", || get(alertmanager::status)),
    ("/api/v2/receivers", || get(alertmanager::receivers)),
    ("/api/v1/alerts", || get(alerts::list)),
    ("/api/v1/alerts/{id}", || get(alerts::one)),
    ("/api/v1/alerts/{id}/explain", || get(alerts::explain)),
    ("/api/v1/alerts/{id}/feedback", || post(feedback::post)),
    ("/api/v1/deliveries", || get(messages::deliveries)),
    ("/api/v1/dead-letters", || get(messages::dead_letters)),
    ("/api/v1/dead-letters/{id}/retry", || post(messages::retry)),
    ("/api/v1/slack/actions", || post(slack::post)),
    ("/api/v1/pagerduty/callback", || post(pagerduty::post)),
    ("/api/v1/servicenow/callback", || post(servicenow::post)),
    ("/api/v1/rate", || post(rate::post)),
    ("/.well-known/jwks.json", || get(published)),
    ("/api/v1/silences", || any(gone)),
    ("/api/v1/status", || any(gone)),
];

pub(super) fn router(app: Arc<App>) -> Router {
    let add = |router: Router<Arc<App>>, (path, methods): &Route| router.route(path, methods());
    ROUTES
        .iter()
        .fold(Router::new(), add)
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn_with_state(Arc::clone(&app), answered))
        .with_state(app)
}

/// Checks the caller, and notes the route and the tenant for the request's
/// metrics.
async fn answered(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", |path| known(path.as_str()));
    let (mut parts, body) = request.into_parts();
    let checked = app.check(&Target::from(&parts));
    let tenant = checked.0.as_ref().ok().and_then(|caller| caller.tenant_name().cloned());
    parts.extensions.insert(checked);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    // Who was known only by what they sent has been noted already.
    if response.extensions().get::<Answered>().is_none() {
        response.extensions_mut().insert(Answered { route, tenant });
    }
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A route's name that lives as long as the process.
fn known(path: &str) -> &'static str {
    ROUTES.iter().find(|(route, _)| *route == path).map_or("other", |(route, _)| *route)
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
        Some(_) => Some(allowed(&parts, &app, Scope::Read)?.name().clone()),
        None if app.options.public_metrics => None,
        None => {
            caller(&parts)?.operator()?;
            None
        }
    };
    let format = Format::from_accept(parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()));
    let text = app.metrics.write(&app.host, &app.limits, format);
    let text = match tenant {
        Some(tenant) => only_tenant(&text, tenant.as_str()),
        None => text,
    };
    let mut response = http::Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    Ok(response)
}

/// What verifies the passes that `/auth` gives.
async fn published(State(app): State<Arc<App>>) -> Response {
    let mut response = http::Response::new(Body::from(app.passes.published().to_owned()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

/// Alertmanager's old API, as Alertmanager answers it.
async fn gone() -> Response {
    let body = r#"{"status":"deprecated","error":"The Alertmanager v1 API was deprecated in version 0.16.0 and is removed as of version 0.27.0 - please use the equivalent route in the v2 API"}"#;
    let mut response = http::Response::new(Body::from(body));
    *response.status_mut() = StatusCode::GONE;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn not_found(request: Request) -> Response {
    let path = request.uri().path();
    if path.starts_with(V2) { alertmanager::not_found(path) } else { Problem::not_found().into_response() }
}

async fn not_allowed(request: Request) -> Response {
    if request.uri().path().starts_with(V2) {
        return alertmanager::not_allowed(request.method());
    }
    let said = "this path does not take that method";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, said).into_response()
}
