//! `/auth`: a proxy asks whether a request may go on.
//!
//! NGINX's `auth_request` knows 2xx, 401 and 403 alone, so over the limit it is
//! told 403 and that 429 is meant; `?deny=429` is for others.

use super::ask::Ask;
use super::head::Head;
use super::rate::{decide, limits_of, name_of};
use super::{Answered, Reply, Whose, fields, json};
use crate::auth::Bearer;
use crate::http::problem::Problem;
use crate::http::service::Core;
use http::StatusCode;
use openclaw_alert::Timestamp;
use openclaw_state::Scope;

pub(super) fn answer(
    core: &Core,
    head: &Head<'_>,
    now_nanos: u64,
    reply: &mut Reply,
    whose: &mut Whose,
) -> Answered {
    let caller = head.caller.as_ref().map_err(|denied| *denied)?;
    let name = caller.tenant_for(Scope::Limit)?;
    let mut ask = Ask::parse(head.query)?;
    ask.or_of_headers(head)?;
    let client = ask.client.clone().unwrap_or_else(|| name_of(caller.who()));
    let tenant = whose.insert(limits_of(core, name)?);
    let answer = decide(core, tenant, &ask, &client, now_nanos)?;
    if answer.allowed {
        let bearer = Bearer { tenant: name, who: caller.who(), scopes: caller.scopes(), client: &client };
        let now = Timestamp::from_nanos(i64::try_from(now_nanos).unwrap_or(i64::MAX));
        let pass = core.passes.pass(bearer, now).ok_or_else(unsigned)?;
        reply.status = 204;
        reply.not_stored();
        reply.text_field("x-openclaw-tenant", name.as_str());
        reply.field("x-openclaw-client", |out| visible(out, &client));
        reply.text_field("x-openclaw-token", &pass);
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

/// A client's name as a header's value: bytes that a header can't hold, and
/// `%`, are percent-encoded.
fn visible(out: &mut Vec<u8>, name: &str) {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b'%').add(b' ');
    for part in percent_encoding::utf8_percent_encode(name, KEPT) {
        out.extend_from_slice(part.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_add_no_header() {
        let mut out = Vec::new();
        visible(&mut out, "a\r\nx: y%ü");
        assert_eq!(out, b"a%0D%0Ax:%20y%25%C3%BC");
    }
}
