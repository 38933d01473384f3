//! `POST /-/reload`: reads the settings anew.

use super::problem::Problem;
use super::service::{App, caller};
use crate::edge::Edge;
use crate::reload::{ReloadError, Reloaded};
use axum::extract::{Request, State};
use http::StatusCode;
use std::sync::Arc;

/// An operator's doing. The reason is told as Alertmanager tells it, in plain
/// text after its usual words.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<(StatusCode, String), Problem> {
    let (parts, _) = request.into_parts();
    caller(&parts)?.operator()?;
    Ok(answer(app.reloader.reload().await))
}

/// [`post`] at the edge.
pub(super) async fn edge(
    State(edge): State<Arc<Edge>>,
    request: Request,
) -> Result<(StatusCode, String), Problem> {
    let (parts, _) = request.into_parts();
    caller(&parts)?.operator()?;
    Ok(answer(edge.reload().await))
}

fn answer(reloaded: Result<Reloaded, ReloadError>) -> (StatusCode, String) {
    match reloaded {
        Ok(_) => (StatusCode::OK, String::new()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {error}\n")),
    }
}
