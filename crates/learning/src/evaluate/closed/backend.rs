//! A backend as a fluid: what it can't do at once waits, what finds no room
//! is turned away.

const IDLE_MS: f64 = 60.0;
/// Busier than this is not told apart.
const BUSY_MAX: f64 = 0.98;
/// The queue holds this many ticks' worth of work.
const QUEUE_TICKS: f64 = 2.0;

/// What waits for a backend.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Backend {
    queue: f64,
}

/// How a backend took one tick.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub(super) failed: f64,
    pub(super) latency_ms: f64,
}

impl Backend {
    pub(super) fn queue(&self) -> f64 {
        self.queue
    }

    pub(super) fn take(&mut self, sum: f64, capacity: f64) -> Taken {
        self.queue = (self.queue + sum - capacity).max(0.0);
        let failed = (self.queue - QUEUE_TICKS * capacity).max(0.0);
        self.queue -= failed;
        let busy = if self.queue == 0.0 { (sum / capacity).min(BUSY_MAX) } else { BUSY_MAX };
        let waits_ms = super::TICK_MS * self.queue / capacity;
        Taken { failed, latency_ms: IDLE_MS * (1.0 + 0.5 * libm::pow(busy, 6.0) / (1.02 - busy)) + waits_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_backend_is_quick_and_a_full_one_turns_away() {
        let mut backend = Backend::default();
        assert!((backend.take(10.0, 100.0).latency_ms - 60.0).abs() < 0.01);
        let full = backend.take(1000.0, 100.0);
        assert!((full.failed - 700.0).abs() < 1e-9 && full.latency_ms > 2000.0);
        assert_eq!(backend.take(0.0, 100.0).failed, 0.0);
        assert!((backend.queue() - 100.0).abs() < 1e-9);
    }
}
