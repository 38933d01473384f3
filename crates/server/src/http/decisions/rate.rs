//! `GET /api/v1/rate`: one decision.

use super::ask::Ask;
use super::head::Head;
use super::{Answered, Ground, Reply, Whose, fields, json};
use crate::auth::{Denied, Who};
use crate::http::problem::Problem;
use crate::http::service::Core;
use crate::limits::TenantLimits;
use http::StatusCode;
use openclaw_admission::{Answer, Request};
use openclaw_alert::TenantName;
use openclaw_state::Scope;
use std::borrow::Cow;
use std::sync::Arc;

pub(super) fn answer<'l>(
    ground: Ground<'_, 'l>,
    head: &Head<'_>,
    reply: &mut Reply,
    whose: &mut Whose<'l>,
) -> Answered {
    let core = ground.core;
    let ask = Ask::parse(head.query)?;
    let (tenant, client) = match &head.caller {
        Ok(caller) => {
            let limits = ground.limits_of(caller.tenant_for(Scope::Limit)?)?;
            (limits, ask.client.clone().unwrap_or_else(|| name_of(caller.who())))
        }
        Err(denied) => (ground.limits_of(anonymous(core, head, &ask, *denied)?)?, head.address.into()),
    };
    let tenant = whose.insert(tenant);
    let answer = ground.decide(tenant, &ask, &client)?;
    if !answer.allowed {
        reply.status = 429;
    }
    reply.json();
    fields::write(reply, &answer, tenant.x_ratelimit_headers);
    json::decision(&mut reply.body, &answer, core.limits.model(answer.state.as_ref()));
    Ok(())
}

/// The tenant of those who show no credential. Their address is the client:
/// who may name any client has no limit.
fn anonymous<'a>(
    core: &'a Core,
    head: &Head<'_>,
    ask: &Ask<'_>,
    denied: Denied,
) -> Result<&'a TenantName, Problem> {
    let tenant = core.anonymous_tenant.as_ref().filter(|_| !head.has_credential).ok_or(denied)?;
    if head.named_tenant.is_some_and(|named| named != tenant.as_str()) {
        return Err(denied.into());
    }
    if ask.client.is_some() {
        let said = "a credential is needed to name a `client`; without one the address is the client";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, said));
    }
    Ok(tenant)
}

/// As limits know who has named no client.
pub(super) fn name_of(who: &Who) -> Cow<'_, str> {
    match who {
        Who::Key(id) => id.as_str().into(),
        Who::Token(_) | Who::Certificate(_) => who.to_string().into(),
    }
}

impl<'l> Ground<'_, 'l> {
    pub(super) fn limits_of(self, tenant: &TenantName) -> Result<&'l Arc<TenantLimits>, Denied> {
        self.limits.of(tenant).ok_or(Denied::Tenant)
    }

    pub(super) fn decide(
        self,
        tenant: &'l TenantLimits,
        ask: &Ask<'_>,
        client: &str,
    ) -> Result<Answer<'l>, Problem> {
        let request = Request {
            client: client.as_bytes(),
            policy: ask.policy.as_deref(),
            path: &ask.path,
            method: &ask.method,
            plan: &ask.plan,
            cost: ask.cost,
        };
        self.core.limits.decide(tenant, &request, self.now_nanos).map_err(|_| {
            let name: String = ask.policy.iter().flat_map(|name| name.chars()).take(80).collect();
            Problem::new(StatusCode::NOT_FOUND, format!("the tenant has no policy `{name}`"))
        })
    }
}
