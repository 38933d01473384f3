//! `GET /api/v2/alerts`.

use super::pages::{self, Array, Look, PAGE_LOOKS, Pages};
use super::query::Query;
use super::refusal::Refusal;
use crate::http::Response;
use crate::http::service::{App, allowed};
use axum::extract::{Request, State};
use openclaw_pipeline::{AlertView, ListKey, Phase};
use openclaw_sources::alertmanager::{GettableAlert, GettableStatus, write_gettable};
use openclaw_state::Scope;
use std::sync::Arc;
use std::vec;

pub(in crate::http) async fn alerts(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let handle = allowed(&parts, &app, Scope::Read)?;
    let query = Query::parse(parts.uri.query())?;
    let keys = handle.list().await?.into_iter();
    Ok(pages::answer(handle, AlertPages { query, keys }))
}

struct AlertPages {
    query: Query,
    keys: vec::IntoIter<ListKey>,
}

impl Pages for AlertPages {
    fn write(&mut self, look: Look<'_>, array: &mut Array) -> bool {
        for key in self.keys.by_ref().take(PAGE_LOOKS) {
            let alert = look.partition.alert(look.tenant, key.episode);
            if let Some(alert) = alert.filter(|alert| look.partition.is_listed(alert, look.now)) {
                write_alert(&self.query, look, &alert, array);
            }
            if array.is_full() {
                break;
            }
        }
        self.keys.len() > 0
    }
}

fn write_alert(query: &Query, look: Look<'_>, alert: &AlertView<'_>, array: &mut Array) {
    if !query.matches(alert.content.labels) || !query.wants_one_of(&alert.receivers) {
        return;
    }
    let standing = Standing::of(look, alert, &alert.receivers);
    if standing.is_wanted(query) {
        standing.write(array.element(), alert, &alert.receivers, &[]);
    }
}

/// Where an alert stands, as API v2 has it.
#[derive(Debug)]
pub(super) struct Standing {
    state: &'static str,
    silenced_by: Vec<String>,
    inhibited_by: Vec<u64>,
}

const UNPROCESSED: &str = "unprocessed";
const ACTIVE: &str = "active";
const SUPPRESSED: &str = "suppressed";

impl Standing {
    /// Where it stands at these receivers. A silence that leaves one of them
    /// out doesn't silence it here: somebody is still told.
    pub(super) fn of(look: Look<'_>, alert: &AlertView<'_>, receivers: &[&str]) -> Self {
        let mut held = look.partition.suppression(look.tenant, alert, look.now);
        if !held.silenced_by.is_empty()
            && let Some(silences) = look.partition.silences(look.tenant)
        {
            let scopes = held.silenced_by.iter().filter_map(|id| Some(&silences.get(*id)?.scope));
            let scopes: Vec<_> = scopes.collect();
            if !receivers.iter().all(|name| scopes.iter().any(|scope| scope.covers(name))) {
                held.silenced_by.clear();
            }
        }
        let state = match alert.phase {
            Phase::Waiting => UNPROCESSED,
            _ if held.is_held() => SUPPRESSED,
            _ => ACTIVE,
        };
        let silenced_by = held.silenced_by.iter().map(ToString::to_string).collect();
        Self { state, silenced_by, inhibited_by: held.inhibited_by }
    }

    pub(super) fn is_wanted(&self, query: &Query) -> bool {
        (query.active || self.state != ACTIVE)
            && (query.unprocessed || self.state != UNPROCESSED)
            && (query.silenced || self.silenced_by.is_empty())
            && (query.inhibited || self.inhibited_by.is_empty())
    }

    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        alert: &AlertView<'_>,
        receivers: &[&str],
        muted_by: &[Arc<str>],
    ) {
        let gettable = GettableAlert {
            content: alert.content,
            starts_at: alert.starts_at,
            ends_at: alert.ends_at,
            updated_at: alert.updated_at,
            receivers,
            status: GettableStatus {
                state: if muted_by.is_empty() { self.state } else { SUPPRESSED },
                silenced_by: &self.silenced_by,
                inhibited_by: &self.inhibited_by,
                muted_by,
            },
        };
        write_gettable(out, &gettable);
    }
}
