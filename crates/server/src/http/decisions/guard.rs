//! `/auth`: a proxy asks whether a request may go on.
//!
//! NGINX's `auth_request` knows 2xx, 401 and 403 alone, so over the limit it is
//! told 403 and that 429 is meant; `?deny=429` is for others.

use super::ask::Ask;
use super::head::Head;
use super::rate::name_of;
use super::{Answered, Ground, Reply, Whose, fields, json};
use crate::auth::{Bearer, Unsigned};
use crate::http::problem::Problem;
use http::StatusCode;
use openclaw_alert::Timestamp;
use openclaw_state::Scope;

pub(super) fn answer<'l>(
    ground: Ground<'_, 'l>,
    head: &Head<'_>,
    reply: &mut Reply,
    whose: &mut Whose<'l>,
) -> Answered {
    let core = ground.core;
    let caller = head.caller.as_ref().map_err(|denied| *denied)?;
    let name = caller.tenant_for(Scope::Limit)?;
    let mut ask = Ask::parse(head.query)?;
    ask.or_of_headers(head)?;
    let client = ask.client.clone().unwrap_or_else(|| name_of(caller.who()));
    let tenant = whose.insert(ground.limits_of(name)?);
    let answer = ground.decide(tenant, &ask, &client)?;
    if answer.allowed {
        let bearer = Bearer { tenant: name, who: caller.who(), scopes: caller.scopes(), client: &client };
        let now = Timestamp::from_nanos(i64::try_from(ground.now_nanos).unwrap_or(i64::MAX));
        reply.status = 204;
        reply.not_stored();
        core.passes.write(bearer, now, &mut reply.fields).map_err(|Unsigned| unsigned())?;
    } else {
        reply.status = ask.deny.unwrap_or(403);
        reply.json();
        reply.text_field("x-openclaw-status", "429");
        json::decision(&mut reply.body, &answer, core.limits.model(answer.state.as_ref()));
    }
    fields::write(reply, &answer, tenant.x_ratelimit_headers);
    Ok(())
}

fn unsigned() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the internal token can't be signed; see the log")
}
