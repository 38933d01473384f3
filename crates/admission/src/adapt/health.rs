//! How much a tenant's backend bears: Gradient2, one for all of its clients.
//!
//! What the backend fails to do and how slow it is speaks of the backend, not
//! of the client who happened to ask. It shrinks everybody's allowance, in
//! fair shares, and gives it back as soon as answers are quick again.

use libm::sqrtf;

/// What was heard of a backend within one tick.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BackendTick {
    /// Answers.
    pub answers: u32,
    /// 5xx among them, and time-outs.
    pub failures: u32,
    /// Mean time to answer.
    pub latency_ms: f32,
    /// Tokens that were let through to it.
    pub admitted: f32,
}

/// Latency that is borne: this many times what is usual.
const TOLERANCE: f32 = 1.7;
/// Failures that are usual.
const FAILURES_USUAL: f32 = 0.05;
/// What the backend bears at least and at most, in times of what it usually
/// answers.
const BEARS: (f32, f32) = (0.25, 8.0);
/// How fast a limit follows what latency says.
const FOLLOWS: f32 = 0.1;
/// A backend that bore less than this part of the usual was as good as gone.
/// When it answers quickly again it is back, and bears what it did before.
const GONE: f32 = 0.5;
const BACK: f32 = 3.0;
/// Gone for fewer ticks than this, it was no outage.
const OUTAGE_TICKS: u16 = 10;
/// After one, for so long, what comes says little of what clients are used to:
/// they have waited, and ask again.
const RELIEF_TICKS: u16 = 300;
/// And so many times more latency is borne.
const RELIEF: f32 = 2.0;
/// Else growth in one good tick, up to what is usual.
const GIVE_BACK: f32 = 2.0;
/// Answers within a tick that tell something.
const ANSWERS_MIN: u32 = 8;

/// What a backend bears.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Health {
    bears: f32,
    usual_latency_ms: f32,
    usual_admitted: f32,
    gone_ticks: u16,
    relief_ticks: u16,
    is_strained: bool,
}

impl Health {
    /// Takes in one tick. What is let through while clients are held to their
    /// shares doesn't tell what is usual.
    pub fn tick(&mut self, seen: &BackendTick, is_sharing: bool) {
        self.relief_ticks = self.relief_ticks.saturating_sub(1);
        let is_gone = self.bears < GONE * self.usual_admitted;
        self.gone_ticks = if is_gone { self.gone_ticks.saturating_add(1) } else { 0 };
        // Without answers nobody says that it suffers.
        let is_told = seen.answers >= ANSWERS_MIN && seen.latency_ms.is_finite();
        let gradient = if is_told { self.gradient(seen) } else { 1.0 };
        let was_strained = std::mem::replace(&mut self.is_strained, gradient < 1.0);
        if self.is_strained {
            self.suffer(seen, gradient, was_strained);
        } else {
            self.recover(seen, is_sharing);
        }
        let (least, most) = (BEARS.0 * self.usual_admitted, BEARS.1 * self.usual_admitted);
        self.bears = if self.bears > 0.0 { self.bears.clamp(least, most) } else { most };
    }

    fn suffer(&mut self, seen: &BackendTick, gradient: f32, was_strained: bool) {
        if !was_strained {
            // It can't bear more than what made it suffer.
            self.bears = self.bears.min(seen.admitted);
        }
        let next = self.bears * gradient + sqrtf(self.bears.max(0.0));
        self.bears += FOLLOWS * (next - self.bears);
    }

    fn recover(&mut self, seen: &BackendTick, is_sharing: bool) {
        let usual = self.usual_admitted;
        if self.bears < GONE * usual {
            self.bears = BACK * usual;
            if self.gone_ticks >= OUTAGE_TICKS {
                self.relief_ticks = RELIEF_TICKS;
            }
        } else if self.bears < usual {
            self.bears = (self.bears * GIVE_BACK).min(usual);
        } else if seen.admitted > 0.5 * self.bears {
            self.bears += FOLLOWS * sqrtf(self.bears);
        }
        if !is_sharing {
            let weight = if usual == 0.0 { 1.0 } else { 0.01 };
            self.usual_admitted += weight * (seen.admitted.max(0.0) - usual);
        }
    }

    /// Below 1 while the backend suffers.
    fn gradient(&mut self, seen: &BackendTick) -> f32 {
        let latency_ms = seen.latency_ms.max(0.001);
        if self.usual_latency_ms == 0.0 {
            self.usual_latency_ms = latency_ms;
        }
        self.usual_latency_ms += 0.002 * (latency_ms - self.usual_latency_ms);
        if self.usual_latency_ms > 2.0 * latency_ms {
            self.usual_latency_ms *= 0.95;
        }
        let relief = if self.is_relieved() { RELIEF } else { 1.0 };
        let slow = relief * TOLERANCE * self.usual_latency_ms / latency_ms;
        let failed = seen.failures as f32 / seen.answers as f32;
        slow.min(1.0 + FAILURES_USUAL - failed).clamp(0.5, 1.0)
    }

    /// Tokens a tick that the backend bears.
    #[must_use]
    pub fn bears(&self) -> f32 {
        self.bears
    }

    /// The same, where it has been seen to bear no more.
    #[must_use]
    pub fn limit(&self) -> Option<f32> {
        (self.bears < BEARS.1 * self.usual_admitted).then_some(self.bears)
    }

    /// Whether it has come back from an outage within the last tick.
    #[must_use]
    pub fn is_back(&self) -> bool {
        self.relief_ticks == RELIEF_TICKS
    }

    /// Whether it has come back from an outage lately.
    #[must_use]
    pub fn is_relieved(&self) -> bool {
        self.relief_ticks > 0
    }

    /// Whether it suffers now.
    #[must_use]
    pub fn is_strained(&self) -> bool {
        self.is_strained
    }
}
