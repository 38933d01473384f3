//! `POST /-/reload`: reads the settings anew.

use super::problem::Problem;
use super::service::{App, caller};
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
    Ok(match app.reloader.reload().await {
        Ok(_) => (StatusCode::OK, String::new()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {error}\n")),
    })
}
