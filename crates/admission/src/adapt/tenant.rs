//! What all learning clients of a tenant have in common: their backend.

use super::figures::Figures;
use super::{Guard, WindowFigures};
use openclaw_limiter::{LevelId, Limiter, Rate};

/// One tenant, as adaptation sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct TenantState {
    pub(super) guard: Guard,
    pub(super) figures: Figures,
    told: WindowFigures,
    underflow: f64,
    unsound: u64,
    /// Whether there is a limit on what all clients take together.
    is_together: bool,
}

impl TenantState {
    /// Says how much all clients may take together, if anybody knows.
    pub(super) fn put_together(&mut self, limiter: &Limiter, level: LevelId, now_nanos: u64) {
        let was_together = std::mem::replace(&mut self.is_together, self.guard.together().is_some());
        match self.guard.together() {
            Some(most) => limiter.set_level(level, Rate::new(most.rate_per_s, most.burst), now_nanos),
            None if was_together => limiter.unset_level(level),
            None => {}
        }
    }

    /// Refusals of what the floor or the client's own target said to allow.
    pub(super) fn refused_within(&mut self, tokens: f32) {
        self.underflow += f64::from(tokens);
    }

    pub(super) fn gave_no_number(&mut self) {
        self.unsound += 1;
    }

    pub(super) fn end_window(&mut self) {
        self.told = self.figures.told();
        self.figures = Figures::default();
    }

    pub(super) fn told(&self) -> TenantFigures {
        TenantFigures {
            window: self.told,
            underflow: self.underflow as u64,
            unsound: self.unsound,
            is_strained: self.guard.is_sharing(),
        }
    }
}

/// What a tenant's backend was heard to do within one tick.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Backend {
    /// Answers.
    pub answers: u32,
    /// 5xx among them, and time-outs.
    pub failures: u32,
    /// Mean time to answer.
    pub latency_ms: f32,
}

impl Backend {
    pub(super) fn is_known(&self) -> bool {
        self.answers > 0
    }
}

/// What is told of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TenantFigures {
    /// Over the last window.
    pub window: WindowFigures,
    /// Tokens refused that the floor or the client's own target said to allow.
    pub underflow: u64,
    /// Outputs that were no predictions and gave way to the plain estimator.
    pub unsound: u64,
    /// Whether allowances are cut since the backend suffers.
    pub is_strained: bool,
}
