//! The headers that tell a client how things stand: `RateLimit-Policy` and
//! `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), `Retry-After`, and
//! the older `X-RateLimit-*`.

use super::reply::{Reply, number};
use openclaw_admission::{Answer, PolicyState};
use openclaw_limiter::Verdict;

/// Told to who asks for what will never be there.
const NEVER_S: u64 = 86_400;

/// What structured fields allow.
const INTEGER_MAX: u64 = 999_999_999_999_999;

/// How long a refused client has to wait; `None` for ever, or where no policy
/// has said.
pub(super) fn retry_after_nanos(answer: &Answer<'_>) -> Option<u64> {
    match answer.state?.verdict {
        Verdict::Refused { retry_after_nanos, .. } => {
            (retry_after_nanos != u64::MAX).then_some(retry_after_nanos)
        }
        Verdict::Allowed => None,
    }
}

/// All of them.
pub(super) fn write(reply: &mut Reply, answer: &Answer<'_>, with_older: bool) {
    let retry_after_s = retry_after_nanos(answer).map_or(NEVER_S, seconds);
    if let Some(state) = &answer.state {
        let more_after_s = if answer.allowed { token_s(state) } else { retry_after_s };
        policy(reply, state);
        limit(reply, state, more_after_s);
        if with_older {
            older(reply, state);
        }
    }
    if !answer.allowed {
        reply.number_field("retry-after", retry_after_s);
    }
}

fn policy(reply: &mut Reply, state: &PolicyState<'_>) {
    reply.field("ratelimit-policy", |out| {
        quoted(out, &state.policy.settings.name);
        out.extend_from_slice(b";q=");
        number(out, state.limit.min(INTEGER_MAX));
        out.extend_from_slice(b";w=");
        number(out, window_s(state));
    });
}

fn limit(reply: &mut Reply, state: &PolicyState<'_>, more_after_s: u64) {
    reply.field("ratelimit", |out| {
        quoted(out, &state.policy.settings.name);
        out.extend_from_slice(b";r=");
        number(out, state.remaining.min(INTEGER_MAX));
        out.extend_from_slice(b";t=");
        number(out, more_after_s);
    });
}

fn older(reply: &mut Reply, state: &PolicyState<'_>) {
    reply.number_field("x-ratelimit-limit", state.limit);
    reply.number_field("x-ratelimit-remaining", state.remaining);
    reply.number_field("x-ratelimit-reset", state.reset_after_nanos.div_ceil(1_000_000_000));
}

/// In which an empty bucket fills.
fn window_s(state: &PolicyState<'_>) -> u64 {
    let client = &state.policy.settings.client;
    whole(f64::from(client.burst) / client.rate_per_s)
}

/// In which one token comes back.
fn token_s(state: &PolicyState<'_>) -> u64 {
    whole(1.0 / state.policy.settings.client.rate_per_s)
}

fn whole(seconds: f64) -> u64 {
    (seconds.ceil() as u64).clamp(1, INTEGER_MAX)
}

/// Rounded up: who comes after it is let in.
pub(super) fn seconds(nanos: u64) -> u64 {
    nanos.div_ceil(1_000_000_000).max(1)
}

/// A string of structured fields, which is ASCII.
fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => out.push(b'?'),
        }
    }
    out.push(b'"');
}
