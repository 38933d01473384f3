//! Limiters in use elsewhere: a bucket a client, a limit on all, or both.

use super::super::world::{Bucket, World};
use super::super::{Arrivals, Limiter, TickSeen, WindowSeen};
use super::buckets::{Buckets, shared};
use super::gate::Gate;
use super::rates::Rates;

/// A limiter in use elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Baseline {
    /// Everything goes through.
    NoLimit,
    /// The 95th percentile of the past.
    StaticP95,
    /// The 99th percentile of the past.
    StaticP99,
    /// Additive increase, multiplicative decrease, client by client.
    Aimd,
    /// The same, with fair shares of what Gradient2 lets through.
    AimdFair,
    /// One limit on all, found from latency.
    Gradient,
    /// The same as Envoy finds it.
    Envoy,
    /// Fair shares of what Gradient2 lets through.
    GradientFair,
    /// The 99th percentile and fair shares.
    StaticFair,
    /// The same, lending what is left.
    StaticFairSpare,
    /// As yesterday at this time.
    Seasonal,
    /// Three deviations above an exponential mean, and fair shares.
    MeanFair,
}

impl Baseline {
    /// All of them, as tables show them.
    pub const ALL: [Self; 12] = [
        Self::NoLimit,
        Self::StaticP95,
        Self::StaticP99,
        Self::Aimd,
        Self::AimdFair,
        Self::Gradient,
        Self::Envoy,
        Self::GradientFair,
        Self::StaticFair,
        Self::StaticFairSpare,
        Self::Seasonal,
        Self::MeanFair,
    ];

    /// As tables name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoLimit => "no limit",
            Self::StaticP95 => "static p95",
            Self::StaticP99 => "static p99",
            Self::Aimd => "AIMD a client",
            Self::AimdFair => "AIMD + Gradient2 max-min",
            Self::Gradient => "Gradient2 global",
            Self::Envoy => "Envoy-like global",
            Self::GradientFair => "Gradient2 + max-min",
            Self::StaticFair => "static p99 + Gradient2 max-min",
            Self::StaticFairSpare => "static p99 + Gradient2 max-min + spare .7",
            Self::Seasonal => "seasonal naive",
            Self::MeanFair => "EWMA+3s + Gradient2 max-min",
        }
    }
}

/// Who gets how much of what all may take together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    /// Everybody is cut by the same part.
    Proportional,
    /// Fair shares, weighted by past use.
    MaxMin,
}

/// A bucket a client, a limit on all, or both.
#[derive(Debug, Clone)]
pub struct Composed {
    baseline: Baseline,
    buckets: Buckets,
    rates: Rates,
    gate: Option<(Gate, Split)>,
    /// Part of the limit that is lent to whom its bucket refused.
    spare: f64,
    weights: Vec<f64>,
}

impl Composed {
    /// One for a world.
    #[must_use]
    pub fn new(baseline: Baseline, world: &World) -> Self {
        use Baseline as B;
        let each = |of: fn(&super::super::ClientTrace) -> Bucket| world.clients.iter().map(of).collect();
        let sizes = match baseline {
            B::NoLimit | B::Gradient | B::Envoy | B::GradientFair => {
                each(|_| Bucket { rate: 1e9, depth: 1e9 })
            }
            B::StaticP95 => each(|client| client.p95),
            _ => each(|client| client.p99),
        };
        let rates = match baseline {
            B::Aimd | B::AimdFair => Rates::aimd(world),
            B::Seasonal => Rates::seasonal(world),
            B::MeanFair => Rates::mean(world, 3.0, 1.5),
            _ => Rates::Fixed,
        };
        let gate = match baseline {
            B::NoLimit | B::StaticP95 | B::StaticP99 | B::Aimd | B::Seasonal => None,
            B::Gradient => Some((Gate::gradient(world.nominal), Split::Proportional)),
            B::Envoy => Some((Gate::envoy(world.nominal), Split::Proportional)),
            _ => Some((Gate::gradient(world.nominal), Split::MaxMin)),
        };
        Self {
            baseline,
            buckets: Buckets::new(sizes),
            rates,
            gate,
            spare: if baseline == B::StaticFairSpare { 0.7 } else { 0.0 },
            weights: world.clients.iter().map(|client| client.p95.rate).collect(),
        }
    }

    fn lend(&self, limit: f64, offered: &[f64], admitted: &mut [f64]) {
        let left = self.spare * limit - admitted.iter().sum::<f64>();
        if left <= 0.0 {
            return;
        }
        let refused: Vec<f64> = offered.iter().zip(&*admitted).map(|(o, a)| o - a).collect();
        let lent = shared(&refused, &self.weights, left);
        admitted.iter_mut().zip(lent).for_each(|(admitted, lent)| *admitted += lent);
    }

    fn split(&self, split: Split, limit: f64, admitted: &mut [f64]) {
        match split {
            Split::Proportional => {
                let part = (limit / admitted.iter().sum::<f64>().max(1e-9)).min(1.0);
                admitted.iter_mut().for_each(|admitted| *admitted *= part);
            }
            Split::MaxMin => admitted.copy_from_slice(&shared(admitted, &self.weights, limit)),
        }
    }
}

impl Limiter for Composed {
    fn name(&self) -> String {
        self.baseline.name().to_owned()
    }

    fn admit(&mut self, arrivals: &Arrivals<'_>, admitted: &mut [f64]) {
        self.buckets.offer(arrivals.offered, admitted);
        if let Some((gate, split)) = self.gate {
            self.lend(gate.limit().min(gate.nominal()), arrivals.offered, admitted);
            self.split(split, gate.limit(), admitted);
        }
        self.buckets.take(admitted);
    }

    fn end_tick(&mut self, seen: &TickSeen<'_>) {
        if let Some((gate, _)) = &mut self.gate {
            gate.tick(seen.latency_ms, seen.sum);
        }
    }

    fn end_window(&mut self, seen: &WindowSeen<'_>) {
        self.rates.end_window(seen, &mut self.buckets);
    }
}
