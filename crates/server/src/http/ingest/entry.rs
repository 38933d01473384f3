//! Who sends: by the head of the request, or, where the format has its place
//! for it there, by the body.
//!
//! Whoever has no credential in the head has shown nothing yet when its body
//! is read: such bodies are small, few at a time and soon here. That they are
//! read is said by the path and the head alone, so that no stranger learns of
//! a tenant's settings by it.

use super::INLINE_BYTES_MAX;
use super::door::{Door, Way};
use super::form::Trouble;
use super::signature;
use crate::auth::Denied;
use crate::http::Response;
use crate::http::body;
use crate::http::service::{App, Target};
use crate::tenants::{Sources, TenantHandle};
use axum::body::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use hyper::body::Incoming;
use openclaw_sources::{Format, pagerduty};
use openclaw_state::Scope;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How much of a body is read for a key in it: as much as PagerDuty takes.
const KEYED_BYTES_MAX: usize = pagerduty::BODY_BYTES_MAX;

/// How much of a body is read for its signature.
const SIGNED_BYTES_MAX: usize = 1 << 20;

/// How long such a body may take.
const STRANGER_TIMEOUT: Duration = Duration::from_secs(10);

/// A request that has been let in.
pub(super) struct Admitted {
    /// The way to its tenant.
    pub(super) handle: TenantHandle,
    /// The body, if it has been read already.
    pub(super) body: Body,
    /// Whether its signature alone let it in.
    pub(super) is_by_signature: bool,
}

/// A body that may still be on its way.
pub(super) enum Body {
    /// Not read yet.
    Coming(Incoming),
    /// Read whole.
    Here(Bytes),
}

/// Checks who sends, before the body wherever the head says it.
pub(super) async fn admit(
    app: &Arc<App>,
    door: &Door,
    parts: &Parts,
    body: Incoming,
) -> Result<Admitted, Response> {
    let target = Target::in_front(parts);
    let denied = match app.tenant(&target, Scope::Ingest) {
        Ok(handle) => return Ok(Admitted { handle, body: Body::Coming(body), is_by_signature: false }),
        Err(denied) => denied,
    };
    let is_silent = denied == Denied::Unauthorized && !parts.headers.contains_key(AUTHORIZATION);
    match bytes_max(door, &target).filter(|_| is_silent) {
        Some(bytes_max) => {
            let heard = app.strangers.hear(stranger(app, door, parts, body, bytes_max)).await;
            let admitted = heard.unwrap_or(Err(Trouble::Crowded));
            admitted.map_err(|trouble| door.form().refuse(trouble))
        }
        None => Err(door.form().refuse(Trouble::Denied(denied))),
    }
}

/// How much of a body may be read that could show who sends it: signed at one
/// intake of the path's tenant, or with a key in it as PagerDuty has it.
fn bytes_max(door: &Door, target: &Target<'_>) -> Option<usize> {
    match door {
        Door::Named(_) if target.tenant.is_some() => Some(SIGNED_BYTES_MAX),
        _ if door.format() == Some(Format::PagerDuty) => Some(KEYED_BYTES_MAX),
        _ => None,
    }
}

async fn stranger(
    app: &Arc<App>,
    door: &Door,
    parts: &Parts,
    body: Incoming,
    bytes_max: usize,
) -> Result<Admitted, Trouble> {
    let body = body::read_within(body, bytes_max, STRANGER_TIMEOUT).await.map_err(Trouble::Unread)?;
    if body.len() <= INLINE_BYTES_MAX {
        return known(app, door, parts, body);
    }
    let (at_work, door, parts) = (Arc::clone(app), door.clone(), parts.clone());
    // Dropped with the wait for it, where it has to make room.
    let mut check = JoinSet::new();
    check.spawn_on(async move { known(&at_work, &door, &parts, body) }, &app.work);
    check.join_next().await.and_then(Result::ok).unwrap_or(Err(Trouble::Internal))
}

/// By its signature or by the key in it.
fn known(app: &App, door: &Door, parts: &Parts, body: Bytes) -> Result<Admitted, Trouble> {
    let signed = by_signature(app, door, parts, &body);
    let is_by_signature = signed.is_ok();
    let handle = match signed {
        Err(Denied::Unauthorized) => by_key(app, door, parts, &body)?,
        signed => signed.map_err(Trouble::Denied)?,
    };
    Ok(Admitted { handle, body: Body::Here(body), is_by_signature })
}

/// At one intake of the path's tenant, by the name that its settings give it.
fn by_signature(app: &App, door: &Door, parts: &Parts, body: &[u8]) -> Result<TenantHandle, Denied> {
    let target = Target::in_front(parts);
    let (Door::Named(name), Some(tenant)) = (door, target.tenant) else { return Err(Denied::Unauthorized) };
    let is_signed = |sources: &Sources| {
        let source = sources.named(name).filter(|source| *source.name == **name);
        source.is_some_and(|source| signature::vouches(source, parts, body, app.host.now()))
    };
    app.auth.check_signed(&app.host, target.headers, tenant, is_signed)
}

/// Only where the format has a place for a key: elsewhere it is text like any
/// other.
fn by_key(app: &App, door: &Door, parts: &Parts, body: &[u8]) -> Result<TenantHandle, Trouble> {
    let target = Target::in_front(parts);
    if !has_place_for_key(app, door, target.tenant) {
        return Err(nobody(door));
    }
    let key = pagerduty::routing_key(body).ok_or_else(|| nobody(door))?;
    let caller = app.auth.check_key(&key, target.headers, target.tenant).map_err(|denied| match denied {
        Denied::Unauthorized => nobody(door),
        denied => Trouble::Denied(denied),
    })?;
    caller.tenant(&app.host, Scope::Ingest).map_err(Trouble::Denied)
}

fn has_place_for_key(app: &App, door: &Door, path_tenant: Option<&str>) -> bool {
    let known = path_tenant.and_then(|tenant| app.tenants.find(tenant));
    let source = known.and_then(|tenant| door.leads_to(&tenant.sources)).and_then(Way::source);
    source.map(|source| source.format).or(door.format()) == Some(Format::PagerDuty)
}

/// Says where the key belongs, as far as the path tells.
fn nobody(door: &Door) -> Trouble {
    match door.format() {
        Some(Format::PagerDuty) => Trouble::NoKeyInBody,
        _ => Trouble::Denied(Denied::Unauthorized),
    }
}
