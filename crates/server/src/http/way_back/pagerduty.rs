//! `POST /api/v1/pagerduty/callback`: PagerDuty's webhooks, version 3.

use super::signature::Signature;
use super::{Origin, Verified, find, judge, problem, result, told, verified, within};
use crate::http::Response;
use crate::http::problem::Problem;
use crate::http::service::App;
use crate::tenants::{ReadError, TenantHandle};
use axum::extract::{Request, State};
use axum::response::IntoResponse;
use http::StatusCode;
use openclaw_delivery::Tool;
use openclaw_sources::way_back::What;
use openclaw_sources::way_back::pagerduty::{Event, decode};
use std::sync::Arc;
use std::time::Duration;

const ROUTE: &str = "/api/v1/pagerduty/callback";

/// PagerDuty sends an event again for two days, and waits five seconds.
const SENT_AGAIN: Duration = Duration::from_secs(48 * 3600);
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

pub(in crate::http) async fn post(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let signature = Signature::of_pagerduty(&parts.headers)?;
    let Verified { body, handles } = verified(&app, &parts, body, Tool::PagerDuty, &signature).await?;
    let Some(event) = decode(&body).map_err(|fault| problem(&fault))? else {
        return Ok(told(StatusCode::ACCEPTED, "ignored", None, ROUTE));
    };
    let taking = take(Arc::clone(&app), handles, event);
    let (handle, result) = match within(&app, ANSWER_WITHIN, taking).await {
        Some(taken) => taken?,
        // It will be sent again, and is no news by then.
        None => return Ok(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "it takes too long").into_response()),
    };
    Ok(told(StatusCode::ACCEPTED, result, handle.as_ref(), ROUTE))
}

async fn take(
    app: Arc<App>,
    handles: Vec<TenantHandle>,
    event: Event,
) -> Result<(Option<TenantHandle>, &'static str), ReadError> {
    let Event { deed, id } = event;
    let What::Judged(action) = deed.what else { return Ok((None, "ignored")) };
    let Some((handle, named)) = find(&handles, &deed.key).await? else { return Ok((None, "unknown")) };
    let names: &[&[&[u8]]] = &[&[b"pagerduty", id.as_bytes()]];
    let Some(begun) = app.seen.begin(handle.name(), names, app.host.now(), SENT_AGAIN) else {
        return Ok((Some(handle), "no_news"));
    };
    let came = judge(&app, Origin::PagerDuty, &handle, &named, &deed, action).await?;
    begun.keep();
    Ok((Some(handle), result(&came)))
}
