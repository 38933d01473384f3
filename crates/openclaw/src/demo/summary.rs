//! What came of the day, in figures.

use super::player::Played;
use openclaw_server::Server;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) fn of(server: &Server, played: &Played) -> Value {
    let totals = server.totals();
    let mut latencies = played.latencies.clone();
    latencies.sort_unstable();
    json!({
        "alerts": played.alerts,
        "rated": totals.rated,
        "routed": totals.routed,
        "delivered": totals.delivered,
        "refused": played.refused,
        "failed": played.failed,
        "p50_ms": quantile_ms(&latencies, 0.50),
        "p95_ms": quantile_ms(&latencies, 0.95),
        "p99_ms": quantile_ms(&latencies, 0.99),
    })
}

/// `null` without samples: on a clock that runs fast, waits can't be told
/// from work.
fn quantile_ms(sorted: &[Duration], share: f64) -> Option<f64> {
    let index = (sorted.len().checked_sub(1)? as f64 * share).round() as usize;
    Some((sorted[index].as_secs_f64() * 1e6).round() / 1e3)
}
