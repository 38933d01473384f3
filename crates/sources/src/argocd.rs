//! Argo CD notifications, as the template in `docs/sources.md` writes them.
//!
//! An application has two alerts, each with an end of its own: its health, and
//! its last sync. They are known by the application, not by the revision: the
//! next good sync ends the failure of the last.

use crate::answer::Reply;
use crate::draft::{Draft, Said, State, required, text, time};
use crate::tree::{Node, parse};
use crate::{Decoded, Fault, Format, Post, Refusal};
use openclaw_alert::{Batch, Zoned};
use std::borrow::Cow;

/// What Go's templates write where there is nothing.
const NO_VALUE: &str = "<no value>";
/// States with what they mean; the others are on their way to one of these.
const HEALTH: [(&str, State, &str); 4] = [
    ("Degraded", State::Firing, "error"),
    ("Missing", State::Firing, "warning"),
    ("Unknown", State::Firing, "warning"),
    ("Healthy", State::Resolved, ""),
];
const PHASES: [(&str, State, &str); 3] = [
    ("Failed", State::Firing, "error"),
    ("Error", State::Firing, "error"),
    ("Succeeded", State::Resolved, ""),
];

/// Reads a request.
pub(crate) fn decode(post: &Post<'_>) -> Result<Decoded, Refusal> {
    let refused = |fault| Refusal::new(Format::ArgoCd, 400, fault);
    let body = parse(post.body).map_err(refused)?;
    if !body.is_object() {
        return Err(refused(Fault::new("", format!("is {}, should be an object", body.kind()))));
    }
    let mut decoded = Decoded::new(Format::ArgoCd, Reply::Ours);
    decoded.batch.set_starts_are_exact();
    read(&mut decoded.batch, &body).map_err(refused)?;
    Ok(decoded)
}

fn read(batch: &mut Batch, body: &Node<'_>) -> Result<(), Fault> {
    let app =
        required(body, "", "app", "send the application's name, as the template in the documentation does")?;
    let [project, health, phase, revision, message] =
        ["project", "health", "phase", "revision", "message"].map(|name| field(body, name));
    let (project, health, phase) = (project?, health?, phase?);
    let (revision, message) = (revision?, message?);
    if health.is_empty() && phase.is_empty() {
        return Err(Fault::new(
            "/health",
            "is missing, and `phase` too: one of them says how the application is",
        ));
    }
    let health_found = HEALTH.iter().find(|(name, ..)| *name == health);
    let phase_found = PHASES.iter().find(|(name, ..)| *name == phase);
    let finished_at = body.get("finished_at").and_then(|at| time(at).ok().flatten());
    let looks = [
        ("ArgoCDAppUnhealthy", "health", health_found, &health, None),
        ("ArgoCDSyncFailed", "sync", phase_found, &phase, finished_at),
    ];
    let mut draft = Draft::default();
    for (alertname, part, found, word, starts_at) in looks {
        let Some((_, state, severity)) = found else { continue };
        draft.clear();
        draft.label("alertname", alertname, "");
        draft.label("app", &app, "/app");
        draft.label("project", &project, "/project");
        draft.label("destination", &field(body, "destination")?, "/destination");
        draft.label("severity", severity, "");
        draft.annotation("summary", &format!("{app}: {part} {word}"));
        draft.annotation("description", &message);
        draft.annotation("revision", &revision);
        draft.url(&field(body, "url")?);
        let key = key(&project, &app, part)?;
        push(&mut draft, batch, &key, *state, starts_at)?;
    }
    Ok(())
}

fn push(
    draft: &mut Draft,
    batch: &mut Batch,
    key: &str,
    state: State,
    starts_at: Option<Zoned>,
) -> Result<(), Fault> {
    draft.push(batch, Said { key, state, starts_at, by: "", note: "" })
}

fn key(project: &str, app: &str, part: &str) -> Result<String, Fault> {
    // Both are names of Kubernetes objects.
    if app.len() > 253 || project.len() > 253 {
        return Err(Fault::new("/app", "is longer than 253 bytes, which is no name of an application"));
    }
    Ok(format!("argocd/{project}/{app}/{part}"))
}

fn field<'n>(body: &'n Node<'_>, name: &str) -> Result<Cow<'n, str>, Fault> {
    Ok(text(body, "", name)?.filter(|text| text != NO_VALUE).unwrap_or_default())
}

#[cfg(test)]
mod tests;
