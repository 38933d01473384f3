//! `POST /api/v1/servicenow/callback`: what a business rule posts when an
//! incident's state changes, with a key of the scope `respond`.

use super::{BODY_BYTES_MAX, BODY_TIMEOUT, Origin, find, judge, problem, result, told};
use crate::http::problem::{Problem, Respond};
use crate::http::service::App;
use crate::http::{Response, body};
use axum::body::Body;
use axum::extract::State;
use http::StatusCode;
use openclaw_sources::way_back::What;
use openclaw_sources::way_back::servicenow::decode;
use std::sync::Arc;

const ROUTE: &str = "/api/v1/servicenow/callback";

pub(in crate::http) async fn post(
    State(app): State<Arc<App>>,
    Respond(handle): Respond,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::read_within(body, BODY_BYTES_MAX, BODY_TIMEOUT).await?;
    let deed = decode(&body).map_err(|fault| problem(&fault))?;
    let Some((deed, action)) = deed.and_then(|deed| match deed.what {
        What::Judged(action) => Some((deed, action)),
        What::Silenced => None,
    }) else {
        return Ok(told(StatusCode::OK, "ignored", Some(&handle), ROUTE));
    };
    let found = find(std::slice::from_ref(&handle), &deed.key).await?;
    let (handle, named) = found.ok_or_else(Problem::not_found)?;
    let came = judge(&app, Origin::ServiceNow, &handle, &named, &deed, action).await?;
    Ok(told(StatusCode::OK, result(&came), Some(&handle), ROUTE))
}
