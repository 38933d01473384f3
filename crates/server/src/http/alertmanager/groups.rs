//! `GET /api/v2/alerts/groups`.

use super::listing::Standing;
use super::order;
use super::pages::{self, Array, Look, PAGE_LOOKS, Pages};
use super::query::Query;
use super::refusal::Refusal;
use crate::http::Response;
use crate::http::service::{App, allowed};
use axum::extract::{Request, State};
use openclaw_alert::json::write_json_labels;
use openclaw_pipeline::{AlertView, GroupView, ListKey};
use openclaw_sources::alertmanager::write_receiver;
use openclaw_state::Scope;
use std::sync::Arc;
use std::vec;

pub(in crate::http) async fn groups(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let handle = allowed(&parts, &app, Scope::Read)?;
    let query = Query::parse(parts.uri.query())?;
    let groups = handle.read(|partition, tenant, _| partition.groups(tenant)).await?.into_iter();
    Ok(pages::answer(handle, GroupPages { query, groups, open: None }))
}

struct GroupPages {
    query: Query,
    groups: vec::IntoIter<u64>,
    /// The group that is being written; one may be longer than a page.
    open: Option<OpenGroup>,
}

struct OpenGroup {
    receiver: Arc<str>,
    muted_by: Vec<Arc<str>>,
    alerts: vec::IntoIter<ListKey>,
    /// What follows its alerts.
    end: Vec<u8>,
    /// A group none of whose alerts is asked for is not shown.
    is_begun: bool,
}

impl Pages for GroupPages {
    fn write(&mut self, look: Look<'_>, array: &mut Array) -> bool {
        let mut looks = 0;
        while looks < PAGE_LOOKS && !array.is_full() {
            looks += 1;
            let Some(group) = &mut self.open else {
                let Some(id) = self.groups.next() else { return false };
                let group = look.partition.group(look.tenant, id, look.now);
                self.open = group.and_then(|group| open(&self.query, look, &group));
                continue;
            };
            let Some(key) = group.alerts.next() else {
                group.finish(array);
                self.open = None;
                continue;
            };
            if let Some(alert) = look.partition.alert(look.tenant, key.episode)
                && look.partition.is_listed(&alert, look.now)
            {
                group.write_alert(&self.query, look, &alert, array);
            }
        }
        true
    }
}

fn open(query: &Query, look: Look<'_>, group: &GroupView<'_>) -> Option<OpenGroup> {
    if !query.wants_receiver(group.receiver) || (!query.muted && !group.muted_by.is_empty()) {
        return None;
    }
    let mut end = b"],\"labels\":".to_vec();
    write_json_labels(&mut end, group.labels);
    end.extend_from_slice(b",\"receiver\":");
    write_receiver(&mut end, &&**group.receiver);
    end.push(b'}');
    Some(OpenGroup {
        receiver: Arc::clone(group.receiver),
        muted_by: group.muted_by.clone(),
        alerts: in_order(look, &group.alerts).into_iter(),
        end,
        is_begun: false,
    })
}

/// As Alertmanager orders them; those of a group so large that ordering them
/// would hold the lock for long stay in the order of their fingerprints.
fn in_order(look: Look<'_>, alerts: &[ListKey]) -> Vec<ListKey> {
    if alerts.len() > PAGE_LOOKS {
        return alerts.to_vec();
    }
    let alert = |key: &ListKey| Some((*key, look.partition.alert(look.tenant, key.episode)?.content.labels));
    let mut found: Vec<_> = alerts.iter().filter_map(alert).collect();
    found.sort_by(|(_, left), (_, right)| order::compare(*left, *right));
    found.into_iter().map(|(key, _)| key).collect()
}

impl OpenGroup {
    fn write_alert(&mut self, query: &Query, look: Look<'_>, alert: &AlertView<'_>, array: &mut Array) {
        if !query.matches(alert.content.labels) {
            return;
        }
        let standing = Standing::of(look, alert, &[&*self.receiver]);
        if !standing.is_wanted(query) {
            return;
        }
        let out = if std::mem::replace(&mut self.is_begun, true) {
            let out = array.rest();
            out.push(b',');
            out
        } else {
            let out = array.element();
            out.extend_from_slice(b"{\"alerts\":[");
            out
        };
        let receivers = alert.receivers.iter().copied().filter(|name| query.wants_receiver(name));
        let mut receivers: Vec<&str> = receivers.collect();
        receivers.sort_unstable();
        standing.write(out, alert, &receivers, &self.muted_by);
    }

    fn finish(&self, array: &mut Array) {
        if self.is_begun {
            array.rest().extend_from_slice(&self.end);
        }
    }
}
