//! `/api/v1/models`: what predicts clients' limits, for operators.

use super::problem::Problem;
use super::service::{App, caller};
use crate::models::ModelsError;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use openclaw_learning::artifact::ModelName;
use openclaw_learning::publish::PublishError;
use serde_json::Value;
use std::sync::Arc;

/// Which model runs, which came before, which is on its way and which there are.
pub(super) async fn get(State(app): State<Arc<App>>, request: Request) -> Result<Json<Value>, Problem> {
    operator(request)?;
    Ok(Json(app.models.told().await?))
}

/// Which models set limits here, for an edge that follows them.
pub(super) async fn running(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let known = request.headers().get(IF_NONE_MATCH).cloned();
    operator(request)?;
    let told = app.models.handed().await;
    let tag = told.tag();
    if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    Ok(([(ETAG, tag), (CACHE_CONTROL, "no-store".to_owned())], Json(told)).into_response())
}

/// A model with all that proves it.
pub(super) async fn bundle(
    State(app): State<Arc<App>>,
    Path(version): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    operator(request)?;
    let bundle = app.models.bundle(named(&version)?).await?;
    Ok(([(CONTENT_TYPE, "application/json")], bundle.to_json()).into_response())
}

fn named(version: &str) -> Result<ModelName, Problem> {
    version.parse().map_err(|error: openclaw_learning::artifact::ModelNameError| {
        Problem::new(StatusCode::NOT_FOUND, error.to_string())
    })
}

/// Makes a model the one that runs, at once.
pub(super) async fn promote(
    State(app): State<Arc<App>>,
    Path(version): Path<String>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let who = operator(request)?;
    app.models.promote(named(&version)?, &who).await?;
    Ok(Json(app.models.told().await?))
}

/// Ends a rollout, or goes back to the model before.
pub(super) async fn rollback(State(app): State<Arc<App>>, request: Request) -> Result<Json<Value>, Problem> {
    let who = operator(request)?;
    app.models.roll_back(&who).await?;
    Ok(Json(app.models.told().await?))
}

/// Who it is, if an operator.
fn operator(request: Request) -> Result<String, Problem> {
    let (parts, _) = request.into_parts();
    let caller = caller(&parts)?;
    caller.operator()?;
    Ok(caller.who().to_string())
}

impl From<ModelsError> for Problem {
    fn from(error: ModelsError) -> Self {
        let status = match &error {
            ModelsError::Gitops | ModelsError::Running { .. } | ModelsError::NothingBefore => {
                StatusCode::CONFLICT
            }
            ModelsError::Publish(PublishError::Missing { .. }) => StatusCode::NOT_FOUND,
            ModelsError::Store(_) | ModelsError::Publish(PublishError::Store(_)) => StatusCode::BAD_GATEWAY,
            ModelsError::Publish(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, error.to_string())
    }
}
