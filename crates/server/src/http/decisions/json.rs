//! One decision as JSON, written by hand: it is most of what is sent.

use super::fields::retry_after_nanos;
use super::reply::number;
use openclaw_admission::{Answer, PolicyState};

/// `{allowed, remaining, limit, reset_after_ms, policy, model}`, and
/// `retry_after_ms` where it is refused.
pub(super) fn decision(out: &mut Vec<u8>, answer: &Answer<'_>, model: &str) {
    out.extend_from_slice(if answer.allowed { b"{\"allowed\":true" } else { b"{\"allowed\":false" });
    match &answer.state {
        Some(state) => of_policy(out, state, model),
        None => out.extend_from_slice(
            b",\"remaining\":null,\"limit\":null,\"reset_after_ms\":0,\"policy\":null,\"model\":null",
        ),
    }
    if !answer.allowed {
        out.extend_from_slice(b",\"retry_after_ms\":");
        match retry_after_nanos(answer) {
            Some(nanos) => number(out, millis(nanos)),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
}

fn of_policy(out: &mut Vec<u8>, state: &PolicyState<'_>, model: &str) {
    out.extend_from_slice(b",\"remaining\":");
    number(out, state.remaining);
    out.extend_from_slice(b",\"limit\":");
    number(out, state.limit);
    out.extend_from_slice(b",\"reset_after_ms\":");
    number(out, millis(state.reset_after_nanos));
    out.extend_from_slice(b",\"policy\":");
    text(out, state.name());
    out.extend_from_slice(b",\"model\":");
    text(out, model);
}

fn millis(nanos: u64) -> u64 {
    nanos.div_ceil(1_000_000)
}

/// A string.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    let is_plain = text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
    if is_plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        let escaped = serde_json::Value::from(text).to_string();
        out.extend_from_slice(escaped.as_bytes());
    }
}
