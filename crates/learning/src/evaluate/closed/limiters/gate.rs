//! What a backend bears as a whole, found from how quickly it answers.

/// What an idle backend takes to answer.
const IDLE_MS: f64 = 60.0;

/// How the limit on everybody together follows latency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Gate {
    /// Netflix' Gradient2, as a rate.
    Gradient {
        /// Requests a tick.
        limit: f64,
        usual_ms: f64,
        nominal: f64,
    },
    /// Envoy's adaptive concurrency, as a rate.
    Envoy { limit: f64, nominal: f64 },
}

impl Gate {
    pub(super) fn gradient(nominal: f64) -> Self {
        Self::Gradient { limit: nominal, usual_ms: IDLE_MS, nominal }
    }

    pub(super) fn envoy(nominal: f64) -> Self {
        Self::Envoy { limit: nominal, nominal }
    }

    pub(super) fn limit(&self) -> f64 {
        let (Self::Gradient { limit, .. } | Self::Envoy { limit, .. }) = self;
        *limit
    }

    pub(super) fn nominal(&self) -> f64 {
        let (Self::Gradient { nominal, .. } | Self::Envoy { nominal, .. }) = self;
        *nominal
    }

    /// Follows one tick.
    pub(super) fn tick(&mut self, latency_ms: f64, admitted: f64) {
        match self {
            Self::Gradient { limit, usual_ms, nominal } => {
                *usual_ms += 0.002 * (latency_ms - *usual_ms);
                if *usual_ms > 2.0 * latency_ms {
                    *usual_ms *= 0.95;
                }
                let gradient = (1.5 * *usual_ms / latency_ms).clamp(0.5, 1.0);
                if admitted > 0.5 * *limit || gradient < 1.0 {
                    *limit = 0.8 * *limit + 0.2 * (*limit * gradient + libm::sqrt(*limit));
                }
                *limit = limit.clamp(0.1 * *nominal, 3.0 * *nominal);
            }
            Self::Envoy { limit, nominal } => {
                let gradient = (IDLE_MS * 1.02 * 1.25 / latency_ms).clamp(0.5, 2.0);
                *limit = *limit * gradient + libm::sqrt(*limit * gradient);
                *limit = limit.clamp(0.1 * *nominal, 1.6 * *nominal);
            }
        }
    }
}
