//! Limiters before a backend that suffers: clients arrive as recorded, abuse
//! comes on top, what is refused comes back, and what is let through makes the
//! backend slow. Every limiter sees what a real one would, and no more.

mod backend;
mod figures;
mod limiters;
mod noise;
mod protocol;
mod report;
mod run;
mod world;

pub use figures::Figures;
pub use limiters::{Baseline, Composed, Oracle, Served};
pub use noise::{NoiseError, read_noise};
pub use protocol::{TrialError, trial};
pub use report::{ClosedReport, ClosedSettings, Estimate, LimiterFigures, TrialFigures, evaluate};
pub use run::run;
pub use world::{Abuse, Bucket, ClientTrace, Scenario, Source, World, WorldError};

/// A tick takes a second.
pub const TICK_MS: f64 = 1000.0;

/// What comes within one tick, client by client.
#[derive(Debug, Clone, Copy)]
pub struct Arrivals<'a> {
    /// Requests of each client, honest and abusive together: all that a
    /// limiter can see.
    pub offered: &'a [f64],
    /// The honest ones; for the oracle alone.
    pub honest: &'a [f64],
    /// What the backend can do in this tick beyond its queue; for the oracle alone.
    pub room: f64,
}

/// What a tick was like once the backend has answered.
#[derive(Debug, Clone, Copy)]
pub struct TickSeen<'a> {
    /// Requests of each client.
    pub offered: &'a [f64],
    /// Of them let through.
    pub admitted: &'a [f64],
    /// Answers that were the client's own fault.
    pub own_faults: &'a [f64],
    /// All that was let through.
    pub sum: f64,
    /// Of it turned away by the backend with 503.
    pub failed: f64,
    /// Time to answer.
    pub latency_ms: f64,
}

/// What a window was like.
#[derive(Debug, Clone)]
pub struct WindowSeen<'a> {
    /// Requests of each client, tick by tick.
    pub ticks: &'a [[f32; openclaw_admission::TICKS]],
    /// 95th percentile of the time to answer.
    pub p95_ms: f64,
    /// Whether the backend turned anything away.
    pub has_failed: bool,
}

/// Lets requests through, or not.
pub trait Limiter {
    /// As tables name it.
    fn name(&self) -> String;

    /// How many of each client's requests go through.
    fn admit(&mut self, arrivals: &Arrivals<'_>, admitted: &mut [f64]);

    /// Learns how a tick ended.
    fn end_tick(&mut self, _: &TickSeen<'_>) {}

    /// Learns how a window ended.
    fn end_window(&mut self, _: &WindowSeen<'_>) {}

    /// Whether only honest requests are among those it lets through.
    fn knows_abuse(&self) -> bool {
        false
    }
}
