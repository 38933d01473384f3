//! The steps, and what stops them.

use super::backend::BackendWatch;
use super::event::{Event, Figures, Reason};
use super::sequential::{Sequential, distance};
use super::settings::{Settings, Stage, Step};
use super::sums::Sums;
use openclaw_admission::Evidence;
use openclaw_alert::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Rollouts of a model as good as the running one that may be taken back.
const ERROR: f64 = 0.01;
/// Questions that are asked at each look.
const QUESTIONS: u32 = 6;
/// Windows at the first look, and growth until the next.
const FIRST_LOOK: f64 = 500.0;
const LOOK_GROWTH: f64 = 1.5;
/// What is borne, as a logarithm: a twentieth, a tenth, a fifth, half as much
/// again.
const TWENTIETH: f64 = 0.049;
const TENTH: f64 = 0.095;
const FIFTH: f64 = 0.182;
const HALF: f64 = 0.405;
/// So far apart a step is held for longer.
const DOUBT: f64 = 2.0;
/// How many times as long.
const DOUBT_HOLDS: u32 = 3;
/// Share of outputs that may be absurd.
const ABSURD_MAX: f64 = 1e-3;
/// Outputs that are judged.
const OUTPUTS_MIN: u64 = 1_000;
/// Time that a row may take.
const ROW_NANOS_MAX: f64 = 10_000.0;

/// One model on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    candidate: String,
    running: String,
    salt: u64,
    settings: Settings,
    at: usize,
    since_s: i64,
    test: Sequential,
    next_look: f64,
    sums: Sums,
    backend: BackendWatch,
    doubts: bool,
}

impl Rollout {
    /// Begins in shadow. `salt` decides which clients come first.
    #[must_use]
    pub fn new(settings: Settings, running: &str, candidate: &str, salt: u64, now: Timestamp) -> Self {
        Self {
            candidate: candidate.to_owned(),
            running: running.to_owned(),
            salt,
            settings,
            at: 0,
            since_s: now.secs(),
            test: Sequential::new(ERROR, QUESTIONS),
            next_look: FIRST_LOOK,
            sums: Sums::default(),
            backend: BackendWatch::default(),
            doubts: false,
        }
    }

    /// The model that is on its way.
    #[must_use]
    pub fn candidate(&self) -> &str {
        &self.candidate
    }

    /// The model that it is held against.
    #[must_use]
    pub fn running(&self) -> &str {
        &self.running
    }

    /// What decides which clients come first.
    #[must_use]
    pub fn salt(&self) -> u64 {
        self.salt
    }

    /// How far it has come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.step_now().stage
    }

    /// Since when.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        Timestamp::from_secs(self.since_s)
    }

    /// What has been seen.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.sums.figures(self.stage())
    }

    /// Whether it can't be judged since nobody comes: too little was seen of this
    /// step in `hold_max`, and in all the time that the step may take.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp, hold_max: Duration) -> bool {
        let held_s = now.secs() - self.since_s;
        held_s >= hold_max.as_secs() as i64 && self.is_held_in_doubt(now.secs()) && self.sees_too_little()
    }

    fn sees_too_little(&self) -> bool {
        self.sums.here() < self.step_now().windows as f64
    }

    fn step_now(&self) -> Step {
        self.settings.steps()[self.at.min(self.settings.steps().len() - 1)]
    }

    /// Takes in what has been seen since.
    pub fn observe(&mut self, seen: &Evidence) {
        self.sums.add(seen);
        self.backend.add(seen, self.stage() == Stage::SHADOW);
    }

    /// What comes of it. `row_nanos` is the time that the candidate takes for a
    /// client, where it is known. After `Promoted` and `RolledBack` this is over.
    pub fn step(&mut self, now: Timestamp, row_nanos: Option<f64>) -> Option<Event> {
        let at = self.stage();
        let is_held = self.is_held(now.secs());
        let reason = self.gross(row_nanos, now.secs()).or_else(|| self.look(is_held));
        if let Some(reason) = reason {
            return Some(Event::RolledBack { at, reason, figures: self.figures() });
        }
        if !is_held || (self.doubts && !self.is_held_in_doubt(now.secs())) {
            return None;
        }
        let figures = self.figures();
        if self.at + 1 >= self.settings.steps().len() {
            return Some(Event::Promoted { figures });
        }
        self.advance(now);
        Some(Event::Advanced { from: at, to: self.stage(), figures })
    }

    fn advance(&mut self, now: Timestamp) {
        self.at += 1;
        self.since_s = now.secs();
        self.sums.begin_stage();
    }

    fn is_held(&self, now_s: i64) -> bool {
        let step = self.step_now();
        now_s - self.since_s >= step.hold.as_secs() as i64 && !self.sees_too_little()
    }

    fn is_held_in_doubt(&self, now_s: i64) -> bool {
        now_s - self.since_s >= (step_hold(self.step_now()) * i64::from(DOUBT_HOLDS)).max(1)
    }

    /// What needs no statistics, and finds harm where clients are too few for
    /// them.
    fn gross(&mut self, row_nanos: Option<f64>, now_s: i64) -> Option<Reason> {
        let absurd = self.sums.absurd as f64 > ABSURD_MAX * self.sums.outputs.max(OUTPUTS_MIN) as f64;
        if self.sums.not_finite > 0 || absurd {
            return Some(Reason::NoNumbers);
        }
        if self.sums.outputs >= OUTPUTS_MIN && row_nanos.is_some_and(|nanos| nanos > ROW_NANOS_MAX) {
            return Some(Reason::Slow);
        }
        if self.stage() != Stage::SHADOW && self.backend.suffers(now_s) {
            return Some(Reason::BackendSuffers);
        }
        if self.sums.windows() < FIRST_LOOK {
            return None;
        }
        let Figures { refused, loss, room_times, .. } = self.figures();
        let is_far = |[running, candidate]: [f64; 2]| candidate > 3.0 * running + 0.02;
        match () {
            () if is_far(refused) => Some(Reason::RefusesMore),
            () if room_times > 4.0 => Some(Reason::AllowsTooMuch),
            () if is_far(loss) => Some(Reason::PredictsWorse),
            () => None,
        }
    }

    /// Asks all questions, where enough is new since they were last asked.
    fn look(&mut self, is_held: bool) -> Option<Reason> {
        let windows = self.sums.windows();
        if windows < self.next_look && (!is_held || self.doubts) {
            return None;
        }
        self.next_look = windows.max(FIRST_LOOK) * LOOK_GROWTH;
        let (far, stage) = (self.test.look(), self.stage());
        let sums = &self.sums;
        let distances = [
            (Reason::RefusesMore, distance(sums.refused(), TWENTIETH)),
            (Reason::PredictsWorse, distance(sums.loss(), TENTH)),
            (Reason::CoversLess, distance(sums.beyond(), FIFTH)),
            (Reason::AllowsTooMuch, distance(sums.room(), HALF)),
            (Reason::TurnsAwayMore, distance(sums.turned_away(stage), FIFTH)),
            (Reason::RetriedMore, distance(sums.retried(stage), FIFTH)),
        ];
        self.doubts = distances.iter().any(|(_, distance)| *distance >= DOUBT);
        distances.into_iter().find(|(_, distance)| *distance >= far).map(|(reason, _)| reason)
    }
}

fn step_hold(step: Step) -> i64 {
    step.hold.as_secs() as i64
}
