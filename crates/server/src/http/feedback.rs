//! `POST /api/v1/alerts/{id}/feedback`: what a person did with an alert.

use super::body::Whole;
use super::problem::{Problem, Respond};
use axum::Json;
use axum::extract::Path;
use openclaw_alert::Feedback;
use serde::Deserialize;
use serde_json::{Value, json};

/// Bytes of a name.
const BY_BYTES_MAX: usize = 256;

/// Bytes of a note.
const NOTE_BYTES_MAX: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    action: String,
    #[serde(default)]
    by: String,
    #[serde(default)]
    note: String,
}

pub(super) async fn post(
    Respond(handle): Respond,
    Path(id): Path<String>,
    Whole(body): Whole,
) -> Result<Json<Value>, Problem> {
    let body: Body = serde_json::from_slice(&body).map_err(|error| Problem::at("", error.to_string()))?;
    let action = Feedback::from_name(&body.action)
        .ok_or_else(|| Problem::at("/action", "use one of `ack`, `resolve`, `dismiss`, `escalate`"))?;
    if body.by.len() > BY_BYTES_MAX {
        return Err(Problem::at("/by", format!("longer than {BY_BYTES_MAX} bytes")));
    }
    if body.note.len() > NOTE_BYTES_MAX {
        return Err(Problem::at("/note", format!("longer than {NOTE_BYTES_MAX} bytes")));
    }
    let id = handle.resolve_id(&id).await?;
    handle.feedback(id, action, &body.by, &body.note).await?;
    Ok(Json(json!({ "id": id.to_string(), "action": action.name() })))
}
