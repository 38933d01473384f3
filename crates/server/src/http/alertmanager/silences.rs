//! `/api/v2/silences` and `/api/v2/silence/{id}`.

use super::pages::{self, Array, Look, PAGE_LOOKS, Pages};
use super::query::Query;
use super::refusal::{Refusal, check_content_type, json};
use super::wishes;
use crate::host::Unavailable;
use crate::http::service::{App, allowed, caller};
use crate::http::{Response, body};
use crate::tenants::TenantHandle;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use http::StatusCode;
use openclaw_alert::{Matcher, Timestamp};
use openclaw_routing::{PostedSilence, Silence, SilenceId, SilenceRefusal, SilenceState};
use openclaw_sources::alertmanager::{
    GettableSilence, PostableSilence, SILENCE_BODY_BYTES_MAX, decode_silence, write_silence,
};
use openclaw_state::Scope;
use std::cmp::Reverse;
use std::sync::Arc;
use std::vec;

pub(in crate::http) async fn silences_get(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let handle = allowed(&parts, &app, Scope::Read)?;
    let query = Query::parse(parts.uri.query())?;
    let ids = handle.read(|partition, tenant, now| {
        let silences = partition.silences(tenant);
        silences.map_or_else(Vec::new, |silences| wanted(&query, silences.kept(now), now))
    });
    let ids = ids.await?.into_iter();
    Ok(pages::answer(handle, SilencePages { ids }))
}

/// Those that are asked for, in order: who ends first of those in force, who
/// starts first of those to come, who ended last of those that are over.
fn wanted<'s>(query: &Query, silences: impl Iterator<Item = &'s Silence>, now: Timestamp) -> Vec<SilenceId> {
    let is_wanted = |silence: &&Silence| match silence.state(now) {
        SilenceState::Active => query.active,
        SilenceState::Pending => query.pending,
        SilenceState::Expired => query.expired,
    };
    let has = |silence: &Silence, matcher: &Matcher| silence.matchers.contains(matcher);
    let silences = silences.filter(is_wanted);
    let silences = silences.filter(|silence| query.filters.iter().all(|matcher| has(silence, matcher)));
    let mut found: Vec<_> = silences.collect();
    found.sort_by_cached_key(|silence| {
        let state = silence.state(now);
        let (first, last) = match state {
            SilenceState::Active => (silence.ends_at, Reverse(Timestamp::MAX)),
            SilenceState::Pending => (silence.starts_at, Reverse(Timestamp::MAX)),
            SilenceState::Expired => (Timestamp::MAX, Reverse(silence.ends_at)),
        };
        (state, first, last, silence.id)
    });
    found.into_iter().map(|silence| silence.id).collect()
}

struct SilencePages {
    ids: vec::IntoIter<SilenceId>,
}

impl Pages for SilencePages {
    fn write(&mut self, look: Look<'_>, array: &mut Array) -> bool {
        let Some(silences) = look.partition.silences(look.tenant) else { return false };
        for id in self.ids.by_ref().take(PAGE_LOOKS) {
            if let Some(silence) = silences.get(id) {
                write(array.element(), silence, look.now);
            }
            if array.is_full() {
                break;
            }
        }
        self.ids.len() > 0
    }
}

fn write(out: &mut Vec<u8>, silence: &Silence, now: Timestamp) {
    let gettable = GettableSilence {
        id: &silence.id.to_string(),
        state: silence.state(now).name(),
        updated_at: silence.updated_at,
        annotations: &silence.annotations,
        comment: &silence.comment,
        created_by: &silence.created_by,
        ends_at: silence.ends_at,
        matchers: &silence.matchers,
        starts_at: silence.starts_at,
    };
    write_silence(out, &gettable);
}

pub(in crate::http) async fn silence_get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let handle = allowed(&parts, &app, Scope::Read)?;
    let id = id_of(id)?;
    let found = handle.read(|partition, tenant, now| {
        let silence = partition.silences(tenant)?.get(id)?;
        let mut out = Vec::new();
        write(&mut out, silence, now);
        Some(out)
    });
    let found = found.await?.ok_or(Refusal::Nothing)?;
    Ok(json(StatusCode::OK, String::from_utf8(found).unwrap_or_default()))
}

pub(in crate::http) async fn silence_delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let handle = allowed(&parts, &app, Scope::Respond)?;
    let by = caller(&parts)?.who().to_string();
    match handle.expire_silence(id_of(id)?, &by).await? {
        Ok(_) => Ok(Response::new(Body::empty())),
        Err(_) => Err(Refusal::Nothing),
    }
}

fn id_of(text: String) -> Result<SilenceId, Refusal> {
    text.parse().map_err(|_| Refusal::NoUuid(text))
}

pub(in crate::http) async fn silences_post(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let handle = allowed(&parts, &app, Scope::Respond)?;
    check_content_type(&parts.headers)?;
    let body = body::read(body, SILENCE_BODY_BYTES_MAX).await?;
    let posted = posted(decode_silence(&body)?)?;
    let receivers: Vec<_> = handle.receiver_names().collect();
    wishes::check(&posted.annotations, &receivers, &handle.config().settings.routing.intervals)
        .map_err(|said| Refusal::Text(StatusCode::BAD_REQUEST, said))?;
    let id = set(&handle, &posted).await?;
    Ok(json(StatusCode::OK, format!("{{\"silenceID\":\"{id}\"}}\n")))
}

async fn set(handle: &TenantHandle, posted: &PostedSilence) -> Result<SilenceId, Refusal> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| {
        tracing::error!(%error, "the system gives no random bytes");
        Refusal::Unavailable(Unavailable::Failed)
    })?;
    let set = handle.set_silence(posted, SilenceId::from_random(random)).await?;
    set.map_err(|refusal| refused(&refusal))
}

fn refused(refusal: &SilenceRefusal) -> Refusal {
    let status = match refusal {
        SilenceRefusal::NotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    };
    Refusal::Text(status, refusal.to_string())
}

fn posted(given: PostableSilence) -> Result<PostedSilence, Refusal> {
    // An id of any other form can't be that of a silence.
    let id = match given.id.as_str() {
        "" => None,
        id => Some(id.parse().map_err(|_| refused(&SilenceRefusal::NotFound))?),
    };
    Ok(PostedSilence {
        id,
        matchers: given.matchers,
        starts_at: given.starts_at,
        // Go's zero time is before everything.
        ends_at: given.ends_at.unwrap_or(Timestamp::MIN),
        created_by: given.created_by.into(),
        comment: given.comment.into(),
        annotations: given.annotations,
    })
}
