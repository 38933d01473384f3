//! From a request to its handler: the hot paths here, on the I/O thread; the
//! rest through the router, on the work runtime.

use super::decisions::{PROXY_HEADERS, Question};
use super::ingest::{self, Door};
use super::strangers::Strangers;
use super::tls::Tls;
use super::{Response, Seen, cors, decisions, origin, problem, router};
use crate::auth::{Auth, Caller, Denied, Passes, Peer};
use crate::edge::Edge;
use crate::host::Host;
use crate::limits::Limits;
use crate::models::Models;
use crate::observe::Metrics;
use crate::reload::Reloader;
use crate::tenants::{TenantHandle, Tenants};
use axum::Router;
use axum::body::Body;
use http::header::{AUTHORIZATION, CONNECTION};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Method, Request};
use hyper::body::Incoming;
use openclaw_alert::TenantName;
use openclaw_state::Scope;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tower::ServiceExt;

/// What handlers need in every role.
pub(crate) struct Core {
    pub(crate) auth: Arc<Auth>,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Arc<Limits>,
    /// For what stands behind proxies.
    pub(crate) passes: Passes,
    /// The tenant of those who ask for decisions without a credential.
    pub(crate) anonymous_tenant: Option<TenantName>,
    pub(crate) work: tokio::runtime::Handle,
    pub(crate) options: Options,
    pub(crate) started_at: openclaw_alert::Timestamp,
}

/// What handlers need where alerts are taken in.
pub(crate) struct App {
    pub(crate) core: Arc<Core>,
    pub(crate) host: Arc<Host>,
    pub(crate) reloader: Arc<Reloader>,
    /// What predicts clients' limits.
    pub(crate) models: Arc<Models>,
    /// What other tools have told us.
    pub(crate) seen: Seen,
    pub(crate) strangers: Strangers,
}

impl Deref for App {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

/// Who is behind the sockets.
#[derive(Clone)]
pub(crate) enum Behind {
    /// Everything.
    All(Arc<App>),
    /// The limits alone.
    Edge(Arc<Edge>),
}

impl Behind {
    pub(crate) fn core(&self) -> &Arc<Core> {
        match self {
            Self::All(app) => &app.core,
            Self::Edge(edge) => &edge.core,
        }
    }
}

/// What the settings say about HTTP.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    /// `/metrics` without a credential.
    pub(crate) public_metrics: bool,
    /// `/console` without a credential.
    pub(crate) public_console: bool,
}

impl App {
    /// Checks the caller of a request and gives the way to its tenant.
    pub(crate) fn tenant(&self, request: &Target<'_>, scope: Scope) -> Result<TenantHandle, Denied> {
        self.caller(request)?.tenant(&self.host, scope)
    }
}

impl Core {
    /// Checks the caller of a request, for all that handle it.
    pub(super) fn check(&self, request: &Target<'_>) -> Checked {
        Checked(self.caller(request).map(Arc::new))
    }

    pub(super) fn caller(&self, request: &Target<'_>) -> Result<Caller, Denied> {
        if request.is_of_other_site && is_basic(request.headers) {
            return Err(Denied::OtherSite);
        }
        self.auth.check(request.headers, request.tenant, request.peer)
    }
}

/// A request's caller, checked once.
#[derive(Clone)]
pub(super) struct Checked(pub(super) Result<Arc<Caller>, Denied>);

/// The caller of a request that has been checked.
pub(super) fn caller(parts: &Parts) -> Result<&Caller, Denied> {
    match parts.extensions.get::<Checked>() {
        Some(Checked(Ok(caller))) => Ok(caller),
        Some(Checked(Err(denied))) => Err(*denied),
        None => Err(Denied::Unauthorized),
    }
}

/// The way to the tenant of a request that has been checked.
pub(super) fn allowed(parts: &Parts, app: &App, scope: Scope) -> Result<TenantHandle, Denied> {
    caller(parts)?.tenant(&app.host, scope)
}

/// What a request asks for, its tenant's prefix taken off the path.
#[derive(Clone, Copy)]
pub(crate) struct Target<'r> {
    pub(crate) headers: &'r HeaderMap,
    /// The name in `/t/<tenant>/…`.
    pub(crate) tenant: Option<&'r str>,
    /// The rest of the path.
    pub(crate) path: &'r str,
    /// The connection's client certificate.
    pub(crate) peer: Option<&'r Peer>,
    /// Whether a page of another site asks for a change, where no browser asks
    /// first whether it may.
    is_of_other_site: bool,
}

impl<'r> Target<'r> {
    pub(crate) fn of<B>(request: &'r Request<B>) -> Self {
        let (tenant, path) = without_tenant(request.uri().path());
        Self::at(path, tenant, request.method(), request.headers(), request.extensions())
    }

    /// [`Target::of`] a request that has been taken apart.
    pub(crate) fn in_front(parts: &'r Parts) -> Self {
        let (tenant, path) = without_tenant(parts.uri.path());
        Self::at(path, tenant, &parts.method, &parts.headers, &parts.extensions)
    }

    fn at(
        path: &'r str,
        tenant: Option<&'r str>,
        method: &Method,
        headers: &'r HeaderMap,
        extensions: &'r Extensions,
    ) -> Self {
        let changes = changes_something(method, path, headers);
        let peer = peer_of(changes, headers, extensions);
        // Alertmanager's API is open to pages: it takes JSON alone, and for
        // that a browser asks first.
        let is_open = path.starts_with("/api/v2/");
        let is_of_other_site = changes && !is_open && origin::is_other(headers);
        Self { headers, tenant, path, peer, is_of_other_site }
    }
}

fn without_tenant(path: &str) -> (Option<&str>, &str) {
    let scoped =
        path.strip_prefix("/t/").and_then(|rest| rest.split_once('/').map(|(t, _)| (t, &rest[t.len()..])));
    scoped.map_or((None, path), |(tenant, path)| (Some(tenant), path))
}

/// Put into an answer by its handler, for the request's metrics.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) route: &'static str,
    pub(crate) tenant: Option<TenantName>,
}

/// Whether a request does more than look: one for a decision takes tokens,
/// whatever its method. A proxy that asks passes on what its own client's
/// browser says of pages, beside what no page can add by itself.
fn changes_something(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    match Question::of(method, path) {
        Some(Question::Auth) => !PROXY_HEADERS.iter().any(|name| headers.contains_key(*name)),
        Some(Question::Rate | Question::Decisions) => true,
        None => !method.is_safe(),
    }
}

/// The client certificate of a request's connection. A browser shows it for
/// whatever page makes the request, so a change that another site's page asks
/// for needs a credential of its own.
fn peer_of<'r>(changes: bool, headers: &HeaderMap, extensions: &'r Extensions) -> Option<&'r Peer> {
    let peer = extensions.get::<Arc<Peer>>()?;
    let is_of_other_site =
        headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    (!changes || !is_of_other_site).then_some(&**peer)
}

/// Basic credentials are the ones that a browser remembers.
fn is_basic(headers: &HeaderMap) -> bool {
    let values = headers.get_all(AUTHORIZATION).iter();
    values
        .into_iter()
        .any(|value| value.as_bytes().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic")))
}

/// What a connection is served by.
pub(crate) struct Front {
    behind: Behind,
    router: Router,
    /// Set when each connection is to end with its next answer.
    is_leaving: AtomicBool,
    /// Without it connections are plain.
    pub(super) tls: Option<Arc<Tls>>,
}

impl Front {
    pub(crate) fn new(behind: Behind, tls: Option<Arc<Tls>>) -> Self {
        let router = router::router(&behind);
        Self { router, behind, is_leaving: AtomicBool::new(false), tls }
    }

    /// What every role has.
    pub(crate) fn core(&self) -> &Arc<Core> {
        self.behind.core()
    }

    /// From now on, or no more, connections end with their next answer.
    pub(super) fn leave(&self, is_leaving: bool) {
        self.is_leaving.store(is_leaving, Ordering::Relaxed);
    }

    /// An answer may be its connection's last.
    fn say_whether_it_ends(&self, response: &mut Response) {
        if self.is_leaving.load(Ordering::Relaxed) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Answers one request.
pub(crate) async fn serve(front: &Front, request: Request<Incoming>) -> Response {
    let core = front.core();
    let started = Instant::now();
    let call = cors::Call::of(&request);
    core.auth.settle(request.headers()).await;
    if let Some(question) = Question::of(request.method(), Target::of(&request).path) {
        let mut response = decisions::answer(front, question, request, started).await;
        front.say_whether_it_ends(&mut response);
        return response;
    }
    let mut response = match (request.method(), Target::of(&request).path) {
        _ if call == cors::Call::Preflight => cors::preflight(),
        (&Method::GET | &Method::HEAD, "/-/healthy" | "/healthz") => healthy(),
        (method, path) => match (&front.behind, Door::of(method, path)) {
            (Behind::All(app), Some(door)) => ingest::take(app, door, request).await,
            _ => elsewhere(front, request).await,
        },
    };
    call.open(&mut response);
    front.say_whether_it_ends(&mut response);
    let answered = response.extensions().get::<Answered>();
    let (route, tenant) =
        answered.map_or(("other", None), |answered| (answered.route, answered.tenant.as_ref()));
    core.metrics.answered(tenant, route, response.status().as_u16(), started.elapsed());
    response
}

/// That an I/O thread answers is all there is to it.
fn healthy() -> Response {
    let mut response = Response::new(Body::from("OK"));
    response.extensions_mut().insert(Answered { route: "/-/healthy", tenant: None });
    response
}

async fn elsewhere(front: &Front, request: Request<Incoming>) -> Response {
    let router = front.router.clone();
    let request = without_prefix(request.map(Body::new));
    let answered = front.core().work.spawn(async move {
        match router.oneshot(request).await {
            Ok(response) => response,
            Err(impossible) => match impossible {},
        }
    });
    match answered.await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, "a request was cut off");
            problem::internal()
        }
    }
}

/// The tenant that a path named, for handlers behind the router.
#[derive(Debug, Clone)]
struct PathTenant(String);

/// Takes `/t/<tenant>` off the path, so that each route is written once.
fn without_prefix(mut request: Request<Body>) -> Request<Body> {
    let target = Target::of(&request);
    let Some(tenant) = target.tenant.map(str::to_owned) else { return request };
    let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
    if let Ok(uri) = format!("{}{query}", target.path).parse() {
        *request.uri_mut() = uri;
        request.extensions_mut().insert(PathTenant(tenant));
    }
    request
}

impl<'r> From<&'r Parts> for Target<'r> {
    fn from(parts: &'r Parts) -> Self {
        let tenant = parts.extensions.get::<PathTenant>().map(|tenant| tenant.0.as_str());
        Self::at(parts.uri.path(), tenant, &parts.method, &parts.headers, &parts.extensions)
    }
}
