//! Every route that is not a hot path, in one list.

use super::ingest::Door;
use super::problem::Problem;
use super::service::{Answered, App, Behind, Core, Options, Target, allowed, caller};
use super::way_back::{pagerduty, servicenow, slack};
use super::{
    Response, alertmanager, alerts, console, feedback, messages, models, observations, rate, reload,
};
use crate::edge::Edge;
use crate::observe::{Format, only_tenant};
use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, any, get, post};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use openclaw_alert::TenantName;
use openclaw_state::Scope;
use std::sync::Arc;

/// Where refusals are Alertmanager's.
const V2: &str = "/api/v2/";

/// A path, and who answers.
type Route<S> = (&'static str, fn() -> MethodRouter<S>);

/// What is answered on the work runtime in every role.
const CORE: &[Route<Arc<Core>>] = &[
    ("/api/v1/observations", || post(observations::post)),
    ("/api/v1/limits", || get(observations::limits)),
    ("/.well-known/jwks.json", || get(published)),
];

/// What is answered on the work runtime by whoever limits alone.
const EDGE: &[Route<Arc<Edge>>] = &[
    ("/-/ready", || get(edge_ready)),
    ("/-/reload", || post(reload::edge)),
    ("/readyz", || get(edge_ready)),
    ("/metrics", || get(edge_metrics)),
];

/// Everything that is answered on the work runtime where alerts are taken in.
const ALL: &[Route<Arc<App>>] = &[
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
    ("/api/v1/models", || get(models::get)),
    ("/api/v1/models/running", || get(models::running)),
    ("/api/v1/models/{version}/bundle", || get(models::bundle)),
    ("/api/v1/models/{version}/promote", || post(models::promote)),
    ("/api/v1/models/rollback", || post(models::rollback)),
    ("/api/v1/silences", || any(gone)),
    ("/api/v1/status", || any(gone)),
];

pub(super) fn router(behind: &Behind) -> Router {
    let router = match behind {
        Behind::All(app) => routes(ALL).with_state(Arc::clone(app)).fallback(not_found),
        Behind::Edge(edge) => routes(EDGE).with_state(Arc::clone(edge)).fallback(not_at_the_edge),
    };
    router
        .merge(routes(CORE).with_state(Arc::clone(behind.core())))
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn_with_state(Arc::clone(behind.core()), answered))
}

fn routes<S: Clone + Send + Sync + 'static>(routes: &[Route<S>]) -> Router<S> {
    routes.iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods()))
}

/// Checks the caller, and notes the route and the tenant for the request's
/// metrics.
async fn answered(State(core): State<Arc<Core>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", |path| known(path.as_str()));
    let (mut parts, body) = request.into_parts();
    let checked = core.check(&Target::from(&parts));
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
    let all = ALL
        .iter()
        .map(|(route, _)| *route)
        .chain(EDGE.iter().map(|(route, _)| *route))
        .chain(CORE.iter().map(|(route, _)| *route));
    all.into_iter().find(|route| *route == path).unwrap_or("other")
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.host.ready() {
        Ok(()) => "OK".into_response(),
        Err(unavailable) => (StatusCode::SERVICE_UNAVAILABLE, unavailable.to_string()).into_response(),
    }
}

async fn metrics(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let tenant =
        tenant_shown(&app.options, &parts, |scope| Ok(allowed(&parts, &app, scope)?.name().clone()))?;
    Ok(shown(&parts, tenant.as_ref(), |format| app.metrics.write(Some(&app.host), &app.limits, format)))
}

async fn edge_metrics(State(edge): State<Arc<Edge>>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let tenant =
        tenant_shown(&edge.core.options, &parts, |scope| Ok(caller(&parts)?.tenant_for(scope)?.clone()))?;
    Ok(shown(&parts, tenant.as_ref(), |format| edge.core.metrics.write(None, &edge.core.limits, format)))
}

/// Whose metrics are shown; all where nobody is named.
fn tenant_shown(
    options: &Options,
    parts: &Parts,
    named: impl FnOnce(Scope) -> Result<TenantName, Problem>,
) -> Result<Option<TenantName>, Problem> {
    if Target::from(parts).tenant.is_some() {
        return named(Scope::Read).map(Some);
    }
    if !options.public_metrics {
        caller(parts)?.operator()?;
    }
    Ok(None)
}

fn shown(parts: &Parts, tenant: Option<&TenantName>, write: impl FnOnce(Format) -> String) -> Response {
    let format = Format::from_accept(parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()));
    let text = write(format);
    let text = match tenant {
        Some(tenant) => only_tenant(&text, tenant.as_str()),
        None => text,
    };
    let mut response = http::Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    response
}

async fn edge_ready(State(edge): State<Arc<Edge>>) -> Response {
    if edge.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining").into_response();
    }
    "OK".into_response()
}

/// What other processes answer.
async fn not_at_the_edge(request: Request) -> Response {
    let path = request.uri().path();
    if !ALL.iter().any(|(route, _)| matches_route(route, path)) && Door::of(request.method(), path).is_none()
    {
        return Problem::not_found().into_response();
    }
    let said = "this process has the role edge: it answers whether clients may go on, nothing else";
    Problem::new(StatusCode::NOT_IMPLEMENTED, said).into_response()
}

/// Whether a path is one of a route, `{…}` being any one part.
fn matches_route(route: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (route.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(want), Some(part)) if want == part || want.starts_with('{') => {}
            _ => return false,
        }
    }
}

/// What verifies the passes that `/auth` gives.
async fn published(State(core): State<Arc<Core>>) -> Response {
    let mut response = http::Response::new(Body::from(core.passes.published().to_owned()));
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
