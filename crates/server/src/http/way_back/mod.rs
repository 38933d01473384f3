//! The way back: what people do with our messages in other tools.
//!
//! verified → heard before? → whose alerts, by the dedup key → step → durable
//! → answer
//!
//! Whoever has signed a request acts for the tenants that have its secret, and
//! on no other's alerts; nothing in a body names a tenant.

pub(super) mod pagerduty;
mod reply;
mod seen;
pub(super) mod servicenow;
mod signature;
mod signers;
pub(super) mod slack;

pub(crate) use seen::Seen;

use super::problem::Problem;
use super::service::{Answered, App, Target};
use super::{Response, body};
use crate::tenants::{Came, Named, ReadError, TenantHandle};
use axum::body::{Body, Bytes};
use http::StatusCode;
use http::request::Parts;
use openclaw_alert::Feedback;
use openclaw_delivery::Tool;
use openclaw_pipeline::Action;
use openclaw_sources::way_back::{Deed, Fault};
use serde_json::json;
use signature::Signature;
use signers::signers;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a body; PagerDuty's and Slack's are smaller.
const BODY_BYTES_MAX: usize = 256 << 10;

/// How long a tool may take to send one: it waits for an answer itself.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// Where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Slack,
    PagerDuty,
    ServiceNow,
}

impl Origin {
    fn name(self) -> &'static str {
        match self {
            Origin::Slack => "slack",
            Origin::PagerDuty => "pagerduty",
            Origin::ServiceNow => "servicenow",
        }
    }
}

/// Whose alerts a key names, among those who may be meant.
async fn find(handles: &[TenantHandle], key: &str) -> Result<Option<(TenantHandle, Named)>, ReadError> {
    for handle in handles {
        if let Some(named) = handle.named(key).await? {
            return Ok(Some((handle.clone(), named)));
        }
    }
    Ok(None)
}

/// Does it; counted by what became of it.
async fn judge(
    app: &App,
    from: Origin,
    handle: &TenantHandle,
    named: &Named,
    deed: &Deed,
    action: Feedback,
) -> Result<Came, ReadError> {
    let echoes = from == Origin::ServiceNow;
    let action = Action { action, by: &deed.by, note: &deed.note, echoes };
    let came = handle.hear(named, action).await?;
    app.metrics.way_back(handle.name(), from.name(), result(&came));
    Ok(came)
}

/// What became of it, for programs.
fn result(came: &Came) -> &'static str {
    match came {
        Came::Done => "done",
        Came::NoNews(_) => "no_news",
        Came::Noted => "noted",
        Came::Over => "over",
    }
}

/// An answer to a program.
fn told(status: StatusCode, result: &str, handle: Option<&TenantHandle>, route: &'static str) -> Response {
    let mut response = Response::new(Body::from(json!({ "result": result }).to_string()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    note_tenant(&mut response, handle, route);
    response
}

/// Whose request it was is known only now.
fn note_tenant(response: &mut Response, handle: Option<&TenantHandle>, route: &'static str) {
    if let Some(handle) = handle {
        response.extensions_mut().insert(Answered { route, tenant: Some(handle.name().clone()) });
    }
}

fn problem(fault: &Fault) -> Problem {
    Problem::at(fault.pointer, fault.detail.clone())
}

/// What somebody has sent, and the tenants that they act for.
struct Verified {
    body: Bytes,
    handles: Vec<TenantHandle>,
}

/// Reads and checks what says only by its signature whose it is.
async fn verified(
    app: &App,
    parts: &Parts,
    body: Body,
    tool: Tool,
    signature: &Signature,
) -> Result<Verified, Problem> {
    let reading = async {
        let body = body::read_within(body, BODY_BYTES_MAX, BODY_TIMEOUT).await?;
        let handles = signers(app, Target::from(parts).tenant, tool, signature, &body)?;
        Ok(Verified { body, handles })
    };
    app.strangers.hear(reading).await?
}

/// Runs to its end even where nobody waits for it any more: the tool has only
/// so much time, what was begun is done all the same.
async fn within<T: Send + 'static>(
    app: &Arc<App>,
    time: Duration,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let running = app.work.spawn(work);
    tokio::time::timeout(time, running).await.ok()?.ok()
}
