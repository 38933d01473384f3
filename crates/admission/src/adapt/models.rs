//! Models come and go while limits are learned, between two batches of clients.

use super::adapter::Adapter;
use super::drift::{Baseline, Drift};
use super::features::FEATURES;
use super::trial::{Evidence, Part, Trial};
use super::{OUTPUTS, Predictor};

/// What the next tick does for clients whose window doesn't end in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Settling {
    /// Nothing.
    #[default]
    Done,
    /// Their limits are put in force: they have become another model's.
    Put,
    /// They are predicted anew first.
    Predict,
}

impl Adapter {
    /// Begins a trial: predictions are compared from now on, and nobody's limits
    /// are set by them. `salt` decides which clients come first. A trial that
    /// is going on ends.
    pub fn try_out(&mut self, predictor: Box<dyn Predictor>, salt: u64) {
        self.take_back();
        self.trial = Some(Trial::new(predictor, salt));
    }

    /// Says whose limits the model on trial sets.
    pub fn set_part(&mut self, part: Part) {
        if let Some(trial) = &mut self.trial {
            trial.set_part(part);
            self.unsettled = self.unsettled.max(Settling::Put);
        }
    }

    /// Ends a trial: with the next tick everybody has the running model's limits
    /// as if there had been none.
    pub fn take_back(&mut self) {
        if self.trial.take().is_some() {
            self.unsettled = self.unsettled.max(Settling::Put);
        }
    }

    /// Makes the model on trial the one that runs, with what it has learned of
    /// clients; tells whether there was one.
    pub fn promote(&mut self) -> bool {
        let Some(trial) = self.trial.take() else { return false };
        for (at, state) in self.clients.iter_mut().enumerate() {
            if let Some((advised, correction)) = trial.knows(at) {
                state.adopt(advised, correction);
            }
        }
        self.model = trial.name().clone();
        self.predictor = trial.into_predictor();
        self.unsettled = self.unsettled.max(Settling::Put);
        true
    }

    /// Puts another model in the place of the running one, whose limits are in
    /// force with the next tick. A trial that is going on ends.
    pub fn replace(&mut self, predictor: Box<dyn Predictor>) {
        self.trial = None;
        self.model = predictor.name().into();
        let (low, high) = predictor.correction_range();
        for state in &mut self.clients {
            let correction: [f32; OUTPUTS] = state.correction().map(|shift| shift.clamp(low, high));
            let advised = state.advised();
            state.adopt(advised, correction);
        }
        self.predictor = predictor;
        self.unsettled = Settling::Predict;
    }

    /// The model on trial.
    #[must_use]
    pub fn on_trial(&self) -> Option<&str> {
        self.trial.as_ref().map(|trial| &**trial.name())
    }

    /// What was seen of the trial since this was last asked.
    pub fn take_evidence(&mut self) -> Option<Evidence> {
        self.trial.as_mut().map(|trial| std::mem::take(trial.evidence_mut()))
    }

    /// What features were like when the running model was trained; nothing
    /// where that isn't known.
    pub fn set_baseline(&mut self, baselines: Option<[Baseline; FEATURES]>) {
        self.drift = baselines.map(Drift::new);
    }

    /// How far each feature has moved from there, as a population stability
    /// index; nothing while too little is known.
    #[must_use]
    pub fn drift(&self) -> Option<[f64; FEATURES]> {
        self.drift.as_ref()?.psi()
    }
}
