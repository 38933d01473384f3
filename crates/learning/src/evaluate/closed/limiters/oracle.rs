//! One that knows who is honest, and what the backend can do.

use super::super::{Arrivals, Limiter, World};
use super::buckets::shared;

/// Lets no abuse through, and of the rest what the backend can do.
#[derive(Debug, Clone)]
pub struct Oracle {
    weights: Vec<f64>,
}

impl Oracle {
    /// One for a world.
    #[must_use]
    pub fn new(world: &World) -> Self {
        Self { weights: world.clients.iter().map(|client| client.p95.rate).collect() }
    }
}

impl Limiter for Oracle {
    fn name(&self) -> String {
        "oracle".to_owned()
    }

    fn admit(&mut self, arrivals: &Arrivals<'_>, admitted: &mut [f64]) {
        admitted.copy_from_slice(&shared(arrivals.honest, &self.weights, arrivals.room));
    }

    fn knows_abuse(&self) -> bool {
        true
    }
}
