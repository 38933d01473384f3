//! The outbox: what is on its way, and what was given up.

use super::alerts::time;
use super::problem::{Problem, Read, Respond};
use axum::Json;
use axum::extract::Path;
use http::StatusCode;
use openclaw_alert::NotificationKind;
use openclaw_pipeline::MessageView;
use serde_json::{Value, json};

pub(super) async fn deliveries(Read(handle): Read) -> Result<Json<Value>, Problem> {
    let messages = handle.messages().await?;
    let open: Vec<_> = messages.iter().filter(|message| !message.is_dead).map(message_json).collect();
    Ok(Json(json!({ "deliveries": open })))
}

pub(super) async fn dead_letters(Read(handle): Read) -> Result<Json<Value>, Problem> {
    let messages = handle.messages().await?;
    let dead: Vec<_> = messages.iter().filter(|message| message.is_dead).map(message_json).collect();
    Ok(Json(json!({ "dead_letters": dead })))
}

pub(super) async fn retry(
    Respond(handle): Respond,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let entry = id.parse().map_err(|_| Problem::not_found())?;
    handle.revive(entry).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": id }))))
}

fn message_json(message: &MessageView) -> Value {
    json!({
        "id": message.entry.to_string(),
        "receiver": &*message.receiver,
        "integration": message.integration,
        "kind": if message.kind == NotificationKind::Digest { "digest" } else { "page" },
        "reason": message.reason.text(),
        "alerts": message.alerts,
        "decidedAt": time(message.decided_at),
        "attempts": message.attempts,
        "next": time(message.due),
        "detail": &*message.detail,
    })
}
