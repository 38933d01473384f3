//! What all learning clients of a tenant have in common: their backend.

use super::figures::Figures;
use super::{BackendTick, Health, Shares, WindowFigures};

/// One tenant, as adaptation sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct TenantState {
    health: Health,
    shares: Shares,
    admitted: f32,
    /// Tokens a tick for each unit of past use, while the backend can't bear
    /// what is asked for.
    level: Option<f32>,
    /// Whether allowances have to be looked at between windows.
    pub(super) is_moving: bool,
    pub(super) figures: Figures,
    told: WindowFigures,
    underflow: f64,
    unsound: u64,
}

impl TenantState {
    pub(super) fn took(&mut self, demand: f32, admitted: f32, weight: f32) {
        self.admitted += admitted;
        self.shares.add(demand, weight);
    }

    /// Refusals of what the floor or the client's own target said to allow.
    pub(super) fn refused_within(&mut self, tokens: f32) {
        self.underflow += f64::from(tokens);
    }

    pub(super) fn gave_no_number(&mut self) {
        self.unsound += 1;
    }

    /// The most that a client of that past use may take in a tick.
    pub(super) fn share(&self, weight: f32) -> Option<f32> {
        self.level.map(|level| level * weight)
    }

    pub(super) fn is_strained(&self) -> bool {
        self.health.is_strained()
    }

    /// Ends a tick, with what was heard of the backend.
    pub(super) fn end_tick(&mut self, heard: Backend) {
        let admitted = std::mem::take(&mut self.admitted);
        self.health.tick(&BackendTick {
            answers: heard.answers,
            failures: heard.failures,
            latency_ms: heard.latency_ms,
            admitted,
        });
        let before = self.level;
        self.level = match heard.is_known() || before.is_some() {
            true => self.shares.level(self.health.bears()),
            false => None,
        };
        self.is_moving = before.is_some() || self.level.is_some();
        self.shares = Shares::default();
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
            is_strained: self.level.is_some(),
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
    fn is_known(&self) -> bool {
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
