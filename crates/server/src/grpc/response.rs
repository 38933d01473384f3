//! `RateLimitResponse`, written without anything in between.

use super::message::Message;
use super::units::{Unit, seconds_up};
use crate::limits::Decided;
use openclaw_limiter::{RefusedBy, Verdict};

const OK: u64 = 1;
const OVER_LIMIT: u64 = 2;

/// A frame's flag and length.
pub(super) const HEAD_BYTES: usize = 5;

/// What Envoy shall tell its client, and its own filters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'t> {
    pub(super) tenant: &'t str,
    /// Also the fields that came before the draft's.
    pub(super) x_ratelimit: bool,
}

/// Writes a frame of gRPC.
pub(super) fn write(out: &mut Vec<u8>, decided: &[Decided<'_>], told: Told<'_>) {
    let head = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    body(&mut Message::at_end_of(out), decided, told);
    let length = (out.len() - head - HEAD_BYTES) as u32;
    out[head + 1..head + HEAD_BYTES].copy_from_slice(&length.to_be_bytes());
}

fn body(out: &mut Message<'_>, decided: &[Decided<'_>], told: Told<'_>) {
    let is_over = decided.iter().any(|decided| !decided.allowed);
    out.varint(1, if is_over { OVER_LIMIT } else { OK });
    for decided in decided {
        out.nested(2, |out| status(out, decided));
    }
    let nearest = nearest(decided);
    if let Some(nearest) = nearest {
        headers(out, nearest, told);
    }
    out.nested(6, |out| metadata(out, nearest, told));
}

/// The one that refuses, or else the one nearest its end.
fn nearest<'d, 't>(decided: &'d [Decided<'t>]) -> Option<&'d Decided<'t>> {
    let remaining = |decided: &&Decided<'_>| decided.state.map(|state| (decided.allowed, state.remaining));
    decided.iter().filter(|decided| decided.state.is_some()).min_by_key(remaining)
}

fn status(out: &mut Message<'_>, decided: &Decided<'_>) {
    out.varint(1, if decided.allowed { OK } else { OVER_LIMIT });
    let Some(state) = &decided.state else { return };
    let unit = Unit::of(state.policy.settings.client.rate_per_s);
    out.nested(2, |out| {
        out.varint(1, unit.requests);
        out.varint(2, unit.number);
        out.text(3, &state.policy.settings.name);
    });
    out.varint(3, state.remaining.min(u64::from(u32::MAX)));
    out.nested(4, |out| {
        out.varint(1, state.reset_after_nanos / 1_000_000_000);
        out.varint(2, state.reset_after_nanos % 1_000_000_000);
    });
}

fn headers(out: &mut Message<'_>, nearest: &Decided<'_>, told: Told<'_>) {
    let Some(state) = &nearest.state else { return };
    let name = &*state.policy.settings.name;
    let reset_s = seconds_up(state.reset_after_nanos);
    let more_s = nearest.retry_after_nanos().map(|nanos| seconds_up(nanos).max(1));
    header(out, "ratelimit-policy", |out| {
        quoted(out, name);
        parameter(out, ";q=", state.limit);
        parameter(out, ";w=", Unit::window_s(state.limit, state.policy.settings.client.rate_per_s));
    });
    header(out, "ratelimit", |out| {
        quoted(out, name);
        parameter(out, ";r=", state.remaining);
        parameter(out, ";t=", more_s.unwrap_or(reset_s));
    });
    if let Some(more_s) = more_s {
        header(out, "retry-after", |out| out.number(more_s));
    }
    if told.x_ratelimit {
        header(out, "x-ratelimit-limit", |out| out.number(state.limit));
        header(out, "x-ratelimit-remaining", |out| out.number(state.remaining));
        header(out, "x-ratelimit-reset", |out| out.number(reset_s));
    }
}

fn header(out: &mut Message<'_>, name: &str, write: impl FnOnce(&mut Message<'_>)) {
    out.nested(3, |out| {
        out.text(1, name);
        out.nested(2, write);
    });
}

/// A string of structured fields: printable ASCII.
fn quoted(out: &mut Message<'_>, text: &str) {
    out.raw("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => {
                out.raw("\\");
                out.raw(char.encode_utf8(&mut [0; 4]));
            }
            ' '..='~' => out.raw(char.encode_utf8(&mut [0; 4])),
            _ => out.raw("?"),
        }
    }
    out.raw("\"");
}

fn parameter(out: &mut Message<'_>, name: &str, value: u64) {
    out.raw(name);
    out.number(value);
}

/// For `envoy.filters.http.ratelimit`.
fn metadata(out: &mut Message<'_>, nearest: Option<&Decided<'_>>, told: Told<'_>) {
    text(out, "tenant", told.tenant);
    let Some((nearest, state)) = nearest.and_then(|nearest| Some((nearest, nearest.state.as_ref()?))) else {
        return text(out, "reason", "no_policy");
    };
    text(out, "policy", &state.policy.settings.name);
    text(out, "model", "static");
    text(out, "reason", reason(nearest.allowed, state.verdict));
}

fn reason(allowed: bool, verdict: Verdict) -> &'static str {
    match (allowed, verdict) {
        (_, Verdict::Allowed) => "allow",
        (true, Verdict::Refused { .. }) => "would_deny",
        (false, Verdict::Refused { by: RefusedBy::Client, .. }) => "client",
        (false, Verdict::Refused { by: RefusedBy::Level(_), .. }) => "shared",
        (false, Verdict::Refused { by: RefusedBy::NoPolicy, .. }) => "no_policy",
    }
}

/// A text in a `google.protobuf.Struct`.
fn text(out: &mut Message<'_>, name: &str, value: &str) {
    out.nested(1, |out| {
        out.text(1, name);
        out.nested(2, |out| out.text(3, value));
    });
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
