//! One tick of everybody who learns, batch by batch.

use super::advice::Grant;
use super::candidates::{Candidate, Candidates};
use super::drift::Drift;
use super::models::Settling;
use super::policies::{AdaptivePolicies, AdaptivePolicy, TenantIndex};
use super::tenant::{Backend, TenantFigures, TenantState};
use super::trial::{Seen, Trial};
use super::{
    Answers, ClientState, Correction, Decided, EndedWindow, Features, Heard, Hold, Predictor, TICKS, Ticks,
};
use crate::RateSettings;
use openclaw_limiter::{Learned, LearnedId, Limiter, Rate};
use std::sync::Arc;

/// Clients that are looked at in one go.
const BATCH: u32 = 1024;
/// Least habit that counts when shares are weighed, in tokens a tick.
const WEIGHT_MIN: f32 = 0.05;

/// All that is learned of clients.
pub struct Adapter {
    pub(super) predictor: Box<dyn Predictor>,
    pub(super) trial: Option<Trial>,
    pub(super) drift: Option<Drift>,
    /// What this tick settles, and what the next will.
    settling: Settling,
    pub(super) unsettled: Settling,
    pub(super) clients: Vec<ClientState>,
    tenants: Vec<TenantState>,
    candidates: Candidates,
    ended: Ended,
    windows: Vec<EndedWindow>,
    pub(super) model: Arc<str>,
    ticks: u64,
    without_room: u64,
    lines: LinesInUse,
}

/// The limiter's lines, as far as others need some of them.
#[derive(Debug, Default)]
struct LinesInUse {
    known: u32,
    counted: u32,
    to_free: u32,
}

impl std::fmt::Debug for Adapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Adapter").field("model", &self.model()).field("clients", &self.clients.len()).finish()
    }
}

/// Clients of a batch whose window has ended.
#[derive(Debug, Default)]
struct Ended {
    clients: Vec<Learned>,
    features: Vec<Features>,
    outputs: Vec<[f32; 2]>,
}

/// How far a tick has come.
#[derive(Debug, Clone, Copy)]
pub struct TickProgress {
    next: u32,
    now_nanos: u64,
}

impl Adapter {
    /// With nobody known yet.
    #[must_use]
    pub fn new(predictor: Box<dyn Predictor>) -> Self {
        Self {
            model: predictor.name().into(),
            windows: Vec::new(),
            predictor,
            trial: None,
            drift: None,
            settling: Settling::Done,
            unsettled: Settling::Done,
            clients: Vec::new(),
            tenants: Vec::new(),
            candidates: Candidates::default(),
            ended: Ended::default(),
            ticks: 0,
            without_room: 0,
            lines: LinesInUse::default(),
        }
    }

    /// What predicts.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Clients' windows that have ended within the last batch.
    #[must_use]
    pub fn ended(&self) -> &[EndedWindow] {
        &self.windows
    }

    /// Clients that found no room for a line of their own.
    #[must_use]
    pub fn without_room(&self) -> u64 {
        self.without_room
    }

    /// A whole tick at once.
    pub fn tick(
        &mut self,
        limiter: &Limiter,
        policies: &AdaptivePolicies,
        candidates: Vec<Candidate>,
        backend: impl FnMut(TenantIndex) -> Backend,
        now_nanos: u64,
    ) {
        let mut progress = self.begin(limiter, policies, candidates, now_nanos);
        while self.step(limiter, policies, &mut progress) {}
        self.finish(limiter, policies, backend, now_nanos);
    }

    /// Begins a tick: who was seen for the second time gets a line.
    pub fn begin(
        &mut self,
        limiter: &Limiter,
        policies: &AdaptivePolicies,
        candidates: Vec<Candidate>,
        now_nanos: u64,
    ) -> TickProgress {
        self.settling = std::mem::take(&mut self.unsettled);
        let lines_max = policies.lines_max();
        self.lines.to_free = self.lines.known.saturating_sub(lines_max);
        for Candidate { policy: id, key } in self.candidates.tick(candidates) {
            let Some(policy) = policies.get(id) else { continue };
            if self.lines.known >= lines_max {
                self.without_room += 1;
                continue;
            }
            match limiter.learn_new(id, key, rate(policy.client), now_nanos) {
                Ok(learned) => {
                    self.lines.known += 1;
                    *self.client_mut(learned) = ClientState::default();
                    self.forget_on_trial(learned);
                }
                Err(_) => self.without_room += 1,
            }
        }
        TickProgress { next: 0, now_nanos }
    }

    /// Takes the next batch of clients; tells whether there are more.
    pub fn step(
        &mut self,
        limiter: &Limiter,
        policies: &AdaptivePolicies,
        progress: &mut TickProgress,
    ) -> bool {
        let range = progress.next..progress.next + BATCH;
        progress.next = range.end;
        self.windows.clear();
        let mut count = 0;
        for learned in limiter.learned(range, progress.now_nanos) {
            count += 1;
            self.lines.counted += 1;
            if self.client_mut(learned.id).belong_to(learned.key) {
                self.forget_on_trial(learned.id);
            }
            match policies.get(learned.policy) {
                Some(policy) if self.freed(limiter, policies, policy, &learned, progress.now_nanos) => {}
                Some(policy) => self.take_in(limiter, policies, policy, learned, progress.now_nanos),
                None => self.let_go(limiter, policies, &learned, progress.now_nanos),
            }
        }
        self.predict(limiter, policies, progress.now_nanos);
        // Numbers are given from 0 on, so beyond an empty batch there is nobody.
        count > 0 || (progress.next as usize) < self.clients.len()
    }

    /// Ends a tick: says what all clients of a tenant may take together, and
    /// gives back what they had where its backend is there again.
    pub fn finish(
        &mut self,
        limiter: &Limiter,
        policies: &AdaptivePolicies,
        mut backend: impl FnMut(TenantIndex) -> Backend,
        now_nanos: u64,
    ) {
        self.ticks += 1;
        self.lines.known = std::mem::take(&mut self.lines.counted);
        let ends_window = self.ticks.is_multiple_of(TICKS as u64);
        for (index, tenant) in self.tenants.iter_mut().enumerate() {
            let heard = backend(TenantIndex(index as u32));
            if let Some(trial) = &mut self.trial {
                trial.heard(heard);
            }
            tenant.guard.end_tick(heard);
            if let Some(level) = policies.common(TenantIndex(index as u32)) {
                tenant.put_together(limiter, level, now_nanos);
            }
            if ends_window {
                tenant.end_window();
            }
        }
        if self.tenants.iter().any(|tenant| tenant.guard.is_back()) {
            self.give_back(limiter, policies, now_nanos);
        }
    }

    /// Not only with the next tick's batches: it would be a tick of refusals.
    fn give_back(&self, limiter: &Limiter, policies: &AdaptivePolicies, now_nanos: u64) {
        let is_back = |policy: &AdaptivePolicy| {
            self.tenants.get(policy.tenant.0 as usize).is_some_and(|tenant| tenant.guard.is_back())
        };
        for (id, of, key) in limiter.lines(0..self.clients.len() as u32) {
            let state = &self.clients[id.0 as usize];
            let Some(policy) = policies.get(of).filter(|policy| policy.is_enforced && is_back(policy)) else {
                continue;
            };
            if state.is_known() && state.belongs_to(key) {
                let bucket = self.allowance(id.0 as usize, policy);
                limiter.set_learned_rate(id, of, key, rate(bucket), now_nanos);
            }
        }
    }

    /// The bucket that a client is to have now.
    fn allowance(&self, client: usize, policy: &AdaptivePolicy) -> RateSettings {
        let state = &self.clients[client];
        let weight = state.usual().max(WEIGHT_MIN);
        let tenant = self.tenants.get(policy.tenant.0 as usize);
        let hold = tenant.map(|tenant| tenant.guard.hold(weight)).unwrap_or_default();
        state.allowance(self.advised(client), &policy.bounds, hold)
    }

    /// Takes back a line that somebody else no longer needs and whose client
    /// would learn now, where those who learn have all of theirs. Whoever is held
    /// to what it has learned keeps it.
    fn freed(
        &mut self,
        limiter: &Limiter,
        policies: &AdaptivePolicies,
        policy: &AdaptivePolicy,
        learned: &Learned,
        now_nanos: u64,
    ) -> bool {
        let is_freed =
            self.lines.to_free > 0 && !policy.is_enforced && policies.forget(limiter, learned, now_nanos);
        if is_freed {
            self.lines.to_free -= 1;
            self.lines.counted -= 1;
            *self.client_mut(learned.id) = ClientState::default();
            self.forget_on_trial(learned.id);
        }
        is_freed
    }

    fn client_mut(&mut self, id: LearnedId) -> &mut ClientState {
        let at = id.0 as usize;
        if self.clients.len() <= at {
            self.clients.resize(at + 1, ClientState::default());
        }
        &mut self.clients[at]
    }

    fn forget_on_trial(&mut self, id: LearnedId) {
        if let Some(trial) = &mut self.trial {
            trial.forget(id.0 as usize);
        }
    }

    /// What is advised for a client by whichever model sets its limits.
    fn advised(&self, client: usize) -> [f32; 2] {
        let on_trial = self.trial.as_ref().and_then(|trial| trial.sets(client));
        on_trial.unwrap_or_else(|| self.clients[client].advised())
    }

    fn tenant_mut(&mut self, index: TenantIndex) -> &mut TenantState {
        let at = index.0 as usize;
        if self.tenants.len() <= at {
            self.tenants.resize(at + 1, TenantState::default());
        }
        &mut self.tenants[at]
    }

    /// One client, one tick.
    fn take_in(
        &mut self,
        limiter: &Limiter,
        policies: &AdaptivePolicies,
        policy: &AdaptivePolicy,
        learned: Learned,
        now_nanos: u64,
    ) {
        let at = learned.id.0 as usize;
        let advised = self.advised(at);
        let state = &mut self.clients[at];
        let tick = ClientTick::of(&learned);
        let bucket = granted(state, advised, policy);
        let weight = state.usual().max(WEIGHT_MIN);
        let was_suspect = state.is_suspect();
        state.hear(tick.heard);
        let is_found_out = state.is_suspect() && !was_suspect;
        state.decide(tick.decided);
        let ended = state.tick(tick.offered as u32);
        let within = tick.refused.min(bucket.rate_per_s as f32 - tick.spent).max(0.0);
        if let Some(trial) = &mut self.trial {
            trial.tick(at, state, tick.offered, tick.refused, within);
            trial.timed(&learned.window.latency);
        }
        let tenant = self.tenant_mut(policy.tenant);
        tenant.guard.took(tick.offered, bucket.rate_per_s as f32, tick.spent, weight);
        tenant.refused_within(within);
        let (is_moving, is_strained) = (tenant.guard.is_moving(), tenant.guard.is_strained());
        match ended {
            Some(ticks) => {
                let grant = Grant { bucket, is_strained };
                let answers = self.learn(policy, &learned, ticks, grant, now_nanos);
                self.end_window(limiter, policies, learned, answers, now_nanos);
            }
            None if self.settling == Settling::Predict => self.predict_anew(learned),
            None if is_moving || is_found_out || self.settling == Settling::Put => {
                self.put(limiter, policies, policy, &learned, now_nanos);
            }
            None => {}
        }
    }

    /// Learns from a client's window that has ended.
    fn learn(
        &mut self,
        policy: &AdaptivePolicy,
        learned: &Learned,
        ticks: Ticks,
        grant: Grant,
        now_nanos: u64,
    ) -> Answers {
        let at = learned.id.0 as usize;
        let state = &mut self.clients[at];
        let (before, was_known, coverage) = (state.windows(), state.is_known(), policy.coverage);
        let answers = state.answers();
        let seen = Seen { ticks: &ticks, bounds: &policy.bounds, coverage, own_faults: answers.own_faults };
        let on_trial = self.trial.as_mut().and_then(|trial| trial.end(at, state, &seen));
        let correction = Correction { coverage, range: self.predictor.correction_range() };
        let (outcome, counted) = state.end(ticks.window(), correction, grant);
        let (heard, decided) = (state.take_heard(), state.take_decided());
        let (outcome, model) = on_trial.unwrap_or_else(|| (outcome, Arc::clone(&self.model)));
        self.windows.push(EndedWindow {
            tenant: policy.tenant,
            policy: learned.policy,
            key: learned.key,
            ended_nanos: now_nanos,
            before,
            ticks,
            decided,
            counted,
            in_force: learned.rate,
            advised: grant.bucket,
            is_strained: grant.is_strained,
            answered: heard.counts(),
            answers,
            model,
        });
        if was_known {
            self.tenant_mut(policy.tenant).figures.judged(&outcome);
        }
        answers
    }

    /// Features of what comes next, unless the client has gone.
    fn end_window(
        &mut self,
        limiter: &Limiter,
        policies: &AdaptivePolicies,
        learned: Learned,
        answers: Answers,
        now_nanos: u64,
    ) {
        let state = &mut self.clients[learned.id.0 as usize];
        if state.is_silent()
            && learned.left >= learned.rate.burst()
            && policies.forget(limiter, &learned, now_nanos)
        {
            *state = ClientState::default();
            self.forget_on_trial(learned.id);
            return;
        }
        let features = state.features(answers);
        if let Some(drift) = &mut self.drift {
            drift.add(&features);
        }
        self.ended.features.push(features);
        self.ended.clients.push(learned);
    }

    /// Another model says what this client needs, in the middle of its window.
    fn predict_anew(&mut self, learned: Learned) {
        let state = &mut self.clients[learned.id.0 as usize];
        if state.is_known() {
            let correction = state.correction();
            // What the other advised is no reason to follow slowly.
            state.adopt([0.0; 2], correction);
            self.ended.features.push(state.features(state.answers()));
            self.ended.clients.push(learned);
        }
    }

    /// Predicts for all whose window has ended in this batch.
    fn predict(&mut self, limiter: &Limiter, policies: &AdaptivePolicies, now_nanos: u64) {
        let Ended { clients, features, mut outputs } = std::mem::take(&mut self.ended);
        outputs.clear();
        outputs.resize(features.len(), [f32::NAN; 2]);
        self.predictor.predict(&features, &mut outputs);
        if let Some(trial) = &mut self.trial {
            trial.predict(&features);
        }
        for (row, learned) in clients.iter().enumerate() {
            let Some(policy) = policies.get(learned.policy) else { continue };
            let at = learned.id.0 as usize;
            if !self.predicted(row, learned, outputs[row]) {
                self.tenant_mut(policy.tenant).gave_no_number();
            }
            self.put(limiter, policies, policy, learned, now_nanos);
            let state = &self.clients[at];
            if state.is_known() {
                let bucket = self.allowance(at, policy);
                self.tenant_mut(policy.tenant).figures.allowed(bucket);
            }
        }
        self.ended = Ended { clients, features, outputs };
        self.ended.clients.clear();
        self.ended.features.clear();
    }

    /// Takes in what both models predict; tells whether that of the one that
    /// sets the client's limits is a prediction.
    fn predicted(&mut self, row: usize, learned: &Learned, output: [f32; 2]) -> bool {
        let at = learned.id.0 as usize;
        let state = &mut self.clients[at];
        // First: it begins where the running model's is.
        let on_trial = self.trial.as_mut().and_then(|trial| {
            let is_sound = trial.predicted(row, at, learned.key, state);
            trial.sets(at).map(|_| is_sound)
        });
        let is_sound = state.predicted(output);
        on_trial.unwrap_or(is_sound)
    }

    /// Puts a client's bucket in force where it isn't: what was learned, or its
    /// policy's where that is only advice.
    fn put(
        &self,
        limiter: &Limiter,
        policies: &AdaptivePolicies,
        policy: &AdaptivePolicy,
        learned: &Learned,
        now_nanos: u64,
    ) {
        let at = learned.id.0 as usize;
        let state = &self.clients[at];
        let wanted = match (policy.is_enforced, state.is_known()) {
            (true, true) => self.allowance(at, policy),
            // It may have come back from a restart with what it had learned.
            (true, false) if policy.bounds.hold_rate(learned.rate) => return,
            (true, false) => policy.client,
            (false, _) => match policies.beside() {
                Some(beside) => return beside.put(limiter, learned, now_nanos),
                None => policy.client,
            },
        };
        let wanted = rate(wanted);
        if wanted != learned.rate {
            limiter.set_learned_rate(learned.id, learned.policy, learned.key, wanted, now_nanos);
        }
    }

    /// Whose policy learns no more, or has gone, has its policy's bucket again.
    fn let_go(&mut self, limiter: &Limiter, policies: &AdaptivePolicies, learned: &Learned, now_nanos: u64) {
        policies.forget(limiter, learned, now_nanos);
        self.clients[learned.id.0 as usize] = ClientState::default();
        self.forget_on_trial(learned.id);
    }

    /// What is told of a tenant.
    #[must_use]
    pub fn tenant(&self, index: TenantIndex) -> TenantFigures {
        self.tenants.get(index.0 as usize).map(TenantState::told).unwrap_or_default()
    }

    /// What is known of a client.
    #[must_use]
    pub fn client(&self, id: LearnedId, policy: &AdaptivePolicy) -> Option<ClientView> {
        let at = id.0 as usize;
        let state = self.clients.get(at)?;
        let answers = state.answers();
        Some(ClientView {
            advised: state.is_known().then(|| self.allowance(at, policy)),
            windows: state.windows(),
            features: state.features(answers),
            answers,
            correction: state.correction(),
            tokens: state.so_far().0,
            ticks: state.so_far().1,
        })
    }
}

/// What is known of one client, for people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClientView {
    /// The bucket that is advised; none while too little is known.
    pub advised: Option<RateSettings>,
    /// Windows that have been seen, up to a hundred.
    pub windows: u8,
    /// What the next prediction is made from, as it would be now.
    pub features: Features,
    /// What the answers of the running window were like.
    pub answers: Answers,
    /// How far predictions are corrected, in scales.
    pub correction: [f32; 2],
    /// Tokens asked for in the running window.
    pub tokens: f32,
    /// Ticks of the running window.
    pub ticks: usize,
}

/// The bucket that the client had, were its advice in force.
fn granted(state: &ClientState, advised: [f32; 2], policy: &AdaptivePolicy) -> RateSettings {
    match state.is_known() {
        true => state.allowance(advised, &policy.bounds, Hold::default()),
        false => policy.client,
    }
}

fn rate(bucket: RateSettings) -> Rate {
    Rate::new(bucket.rate_per_s, bucket.burst)
}

/// What a client did within one tick, in tokens.
struct ClientTick {
    offered: f32,
    spent: f32,
    refused: f32,
    heard: Heard,
    decided: Decided,
}

impl ClientTick {
    fn of(learned: &Learned) -> Self {
        let window = &learned.window;
        let each = if window.allowed == 0 { 1.0 } else { window.cost as f32 / window.allowed as f32 };
        let (spent, refused) = (window.cost as f32, window.refused as f32 * each.max(1.0));
        let heard = Heard::new(window.observed.into(), window.own_faults.into(), p95_of_slo(&window.latency));
        let decided =
            Decided { allowed: window.allowed.into(), refused: window.refused.into(), cost: window.cost };
        Self { offered: spent + refused, spent, refused, heard, decided }
    }
}

/// From counts up to 1/8, 1/4 … 8 times the SLO and beyond; 0 of none.
fn p95_of_slo(latency: &[u16; 8]) -> f32 {
    let count: u32 = latency.iter().map(|count| u32::from(*count)).sum();
    let mut before = count as f32 * 0.95;
    for (bin, count) in latency.iter().enumerate().filter(|(_, count)| **count > 0) {
        let count = f32::from(*count);
        if before <= count {
            return libm::exp2f(bin as f32 - 4.0 + before / count);
        }
        before -= count;
    }
    0.0
}
