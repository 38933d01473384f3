//! `POST /api/v1/slack/actions`: what people click in Slack.

use super::reply::{Reply, reply};
use super::signature::Signature;
use super::{Origin, Verified, find, judge, note_tenant, problem, verified, within};
use crate::http::Response;
use crate::http::problem::Problem;
use crate::http::service::App;
use crate::tenants::{Named, ReadError, Silenced, TenantHandle};
use axum::body::Body;
use axum::extract::{Request, State};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use openclaw_delivery::Tool;
use openclaw_routing::SilenceId;
use openclaw_sources::signature::TOLERANCE;
use openclaw_sources::way_back::What;
use openclaw_sources::way_back::slack::{Click, Interaction, decode};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const ROUTE: &str = "/api/v1/slack/actions";

/// Slack waits three seconds, counted from when it began to send.
const ANSWER_WITHIN: Duration = Duration::from_millis(2500);

/// A signed request is taken up to its window before and after its time.
const REPLAYED_WITHIN: Duration = Duration::from_secs(2 * TOLERANCE.as_secs() + 1);

/// How long a click on "Silence" lasts.
const SILENCE_LASTS: Duration = Duration::from_secs(4 * 3600);

pub(in crate::http) async fn post(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let deadline = Instant::now() + ANSWER_WITHIN;
    let (parts, body) = request.into_parts();
    let signature = Signature::of_slack(&parts.headers, app.host.now())?;
    let Verified { body, handles } = verified(&app, &parts, body, Tool::Slack, &signature).await?;
    match decode(content_type(&parts.headers), &body).map_err(|fault| problem(&fault))? {
        Interaction::Verification(challenge) => Ok(plain(challenge)),
        Interaction::Other => Ok(Response::new(Body::empty())),
        Interaction::Click(click) => clicked(&app, handles, click, signature, deadline).await,
    }
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

fn plain(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

async fn clicked(
    app: &Arc<App>,
    handles: Vec<TenantHandle>,
    click: Click,
    signature: Signature,
    deadline: Instant,
) -> Result<Response, Problem> {
    let time = deadline.saturating_duration_since(Instant::now());
    let taken = within(app, time, take(Arc::clone(app), handles, click, signature)).await;
    let mut response = Response::new(Body::empty());
    // Where it takes longer the person sees it in the message.
    if let Some(taken) = taken {
        note_tenant(&mut response, taken?.as_ref(), ROUTE);
    }
    Ok(response)
}

/// Does what was clicked, and tells the person what the message won't show.
async fn take(
    app: Arc<App>,
    handles: Vec<TenantHandle>,
    click: Click,
    signature: Signature,
) -> Result<Option<TenantHandle>, ReadError> {
    let Some((handle, named)) = find(&handles, &click.deed.key).await? else {
        if let Some(any) = handles.first() {
            reply(&app, any, &click, &Reply::Unknown);
        }
        return Ok(None);
    };
    let (digest, trigger) = (signature.first(), click.trigger_id.as_bytes());
    let by_signature: &[&[u8]] = &[b"slack", &digest];
    let by_trigger: &[&[u8]] = &[b"slack-trigger", trigger];
    let names = if trigger.is_empty() { &[by_signature][..] } else { &[by_signature, by_trigger][..] };
    let Some(begun) = app.seen.begin(handle.name(), names, app.host.now(), REPLAYED_WITHIN) else {
        return Ok(Some(handle));
    };
    let said = match click.deed.what {
        What::Judged(action) => {
            Reply::Came(judge(&app, Origin::Slack, &handle, &named, &click.deed, action).await?)
        }
        What::Silenced => Reply::Silenced(silence(&app, &handle, &named, &click.deed.by).await?),
    };
    begun.keep();
    reply(&app, &handle, &click, &said);
    Ok(Some(handle))
}

async fn silence(app: &App, handle: &TenantHandle, named: &Named, by: &str) -> Result<Silenced, ReadError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    let silenced = handle.silence_group(named, by, SILENCE_LASTS, SilenceId::from_random(random)).await?;
    let result = match &silenced {
        Silenced::Until(..) => "done",
        Silenced::Over => "over",
        Silenced::NothingShared | Silenced::Refused(_) => "refused",
    };
    app.metrics.way_back(handle.name(), Origin::Slack.name(), result);
    Ok(silenced)
}
