//! Windows on their way into telemetry.

use openclaw_admission::EndedWindow;
use openclaw_alert::Timestamp;
use openclaw_telemetry::{ClientId, WindowRow};
use std::sync::Arc;

/// A window that has ended, as it is kept.
#[must_use]
pub fn window_row(window: &EndedWindow, policy: &Arc<str>) -> WindowRow {
    let ended = Timestamp::from_nanos(i64::try_from(window.ended_nanos).unwrap_or(i64::MAX));
    WindowRow {
        client_id: ClientId(window.key.word()),
        policy: Arc::clone(policy),
        at_ms: ended.millis(),
        before: window.before,
        ticks: window.ticks.0,
        allowed: window.decided.allowed,
        refused: window.decided.refused,
        cost: window.decided.cost,
        rate_per_s: window.in_force.tokens_per_s(),
        burst: window.in_force.burst() as u32,
        advised_rate_per_s: window.advised.rate_per_s,
        advised_burst: window.advised.burst,
        is_strained: window.is_strained,
        counted: window.counted.count,
        counted_burst: window.counted.burst,
        answered: window.answered[0],
        own_faults: window.answered[1],
        latency: window.answers.latency,
        model: Arc::clone(&window.model),
        weight: 1.0,
    }
}
