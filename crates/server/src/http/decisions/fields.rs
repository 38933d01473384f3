//! The headers that tell a client how things stand: `RateLimit-Policy` and
//! `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), `Retry-After`, and
//! the older `X-RateLimit-*`.

use super::reply::{Reply, number};
use openclaw_admission::{Answer, Period, PolicyState, Shown};
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

/// All of them. Policies on trial promise nothing, so nothing is said of them.
pub(super) fn write(reply: &mut Reply, answer: &Answer<'_>, with_older: bool) {
    let counts =
        |state: &&PolicyState<'_>| !state.policy.settings.dry_run && !matches!(state.shown, Shown::DenyList);
    if answer.states.iter().any(|state| counts(&state)) {
        let states = || answer.states.iter().filter(counts);
        reply.field("ratelimit-policy", |out| list(out, states(), policy));
        reply.field("ratelimit", |out| list(out, states(), limit));
    }
    if with_older && let Some(state) = answer.state.as_ref().filter(counts) {
        older(reply, state);
    }
    if !answer.allowed {
        reply.number_field("retry-after", retry_after_nanos(answer).map_or(NEVER_S, seconds));
    }
}

fn list<'s>(
    out: &mut Vec<u8>,
    states: impl Iterator<Item = &'s PolicyState<'s>>,
    write: impl Fn(&mut Vec<u8>, &PolicyState<'_>),
) {
    for (index, state) in states.enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        quoted(out, state.name());
        write(out, state);
    }
}

fn policy(out: &mut Vec<u8>, state: &PolicyState<'_>) {
    out.extend_from_slice(b";q=");
    number(out, state.limit.min(INTEGER_MAX));
    out.extend_from_slice(b";w=");
    number(out, window_s(state));
}

fn limit(out: &mut Vec<u8>, state: &PolicyState<'_>) {
    out.extend_from_slice(b";r=");
    number(out, state.remaining.min(INTEGER_MAX));
    out.extend_from_slice(b";t=");
    number(out, more_after_s(state));
}

fn older(reply: &mut Reply, state: &PolicyState<'_>) {
    reply.number_field("x-ratelimit-limit", state.limit);
    reply.number_field("x-ratelimit-remaining", state.remaining);
    reply.number_field("x-ratelimit-reset", state.reset_after_nanos.div_ceil(1_000_000_000));
}

/// In which an empty bucket fills, or a quota's period.
fn window_s(state: &PolicyState<'_>) -> u64 {
    let client = &state.policy.settings.client;
    match state.shown {
        Shown::Quota(quota) => period_s(quota.settings().per),
        _ => whole(f64::from(client.burst) / client.rate_per_s),
    }
}

/// A month counts as 30 days: the field is to stay the same.
fn period_s(period: Period) -> u64 {
    match period {
        Period::Hour => 3_600,
        Period::Day => 86_400,
        Period::Week => 7 * 86_400,
        Period::Month => 30 * 86_400,
    }
}

/// Until more tokens are there: as many as were asked for, where they were
/// refused.
fn more_after_s(state: &PolicyState<'_>) -> u64 {
    match (state.verdict, state.shown) {
        (Verdict::Refused { retry_after_nanos: u64::MAX, .. }, _) => NEVER_S,
        (Verdict::Refused { retry_after_nanos, .. }, _) => seconds(retry_after_nanos),
        (Verdict::Allowed, Shown::Quota(_)) => seconds(state.reset_after_nanos),
        (Verdict::Allowed, _) => whole(1.0 / state.policy.settings.client.rate_per_s),
    }
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
