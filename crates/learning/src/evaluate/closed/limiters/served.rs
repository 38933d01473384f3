//! The limiter that is served: the same code, tick by tick.

use super::super::run::SLO_MS;
use super::super::{Arrivals, Limiter, TickSeen, World};
use super::common::Together;
use super::rates::known;
use crate::Random;
use openclaw_admission::{
    Answers, Backend, Bounds, ClientState, Correction, Grant, Guard, Heard, Hold, Predictor, RateSettings,
    TICKS,
};

/// Share of windows that a client's limit is to cover.
const COVERAGE: f32 = 0.99;
/// Hardly any, so that nothing but what is learned counts.
const FLOOR: RateSettings = RateSettings { rate_per_s: 0.05, burst: 1 };
const CEILING: RateSettings = RateSettings { rate_per_s: 1e6, burst: 10_000_000 };

/// The limiter that is served, with a model or the plain estimator.
pub struct Served<'p> {
    predictor: &'p dyn Predictor,
    bounds: Bounds,
    clients: Vec<Client>,
    guard: Guard,
    together: Together,
    /// For how many of a tick's answers are faults.
    random: Random,
}

struct Client {
    state: ClientState,
    bucket: RateSettings,
    tokens: f64,
}

impl<'p> Served<'p> {
    /// One for a world, that knows the clients' past, with that headroom.
    #[must_use]
    pub fn new(predictor: &'p dyn Predictor, headroom: f32, world: &World) -> Self {
        let bounds = Bounds { headroom, floor: FLOOR, ceiling: CEILING };
        let client = |(at, trace)| {
            let mut state = known(trace, (at % TICKS) as u8);
            predict(predictor, &mut state, Answers::default());
            let bucket = state.allowance(state.advised(), &bounds, Hold::default());
            Client { state, tokens: f64::from(bucket.burst), bucket }
        };
        let clients = world.clients.iter().enumerate().map(client).collect();
        let (guard, together, random) = (Guard::default(), Together::default(), Random::new(0));
        Self { predictor, bounds, clients, guard, together, random }
    }

    /// One client's tick, as the adapter takes it.
    fn take_in(&mut self, at: usize, seen: &TickSeen<'_>) {
        let heard = self.heard(at, seen);
        let client = &mut self.clients[at];
        let state = &mut client.state;
        let bucket = state.allowance(state.advised(), &self.bounds, Hold::default());
        state.hear(heard);
        let offered = seen.offered[at] as f32;
        self.guard.took(offered, bucket.rate_per_s as f32, seen.admitted[at] as f32, state.usual());
        let Some(ticks) = state.tick(offered.round() as u32) else { return };
        let correction = Correction { coverage: COVERAGE, range: self.predictor.correction_range() };
        let grant = Grant { bucket, is_strained: self.guard.is_strained() };
        let answers = state.answers();
        state.end(ticks.window(), correction, grant);
        state.take_heard();
        predict(self.predictor, state, answers);
    }

    fn put(&mut self) {
        for Client { state, bucket, .. } in &mut self.clients {
            *bucket = state.allowance(state.advised(), &self.bounds, self.guard.hold(state.usual()));
        }
    }

    /// What is told of a client's answers.
    fn heard(&mut self, at: usize, seen: &TickSeen<'_>) -> Heard {
        let faults = self.random.poisson(seen.own_faults[at]);
        Heard::new(seen.admitted[at].round() as u32, faults as u32, (seen.latency_ms / SLO_MS) as f32)
    }
}

fn predict(predictor: &dyn Predictor, state: &mut ClientState, answers: Answers) {
    let mut output = [[f32::NAN; 2]];
    predictor.predict(&[state.features(answers)], &mut output);
    state.predicted(output[0]);
}

impl Limiter for Served<'_> {
    fn name(&self) -> String {
        match self.bounds.headroom {
            1.0 => format!("served, {}", self.predictor.name()),
            times => format!("served, {}, headroom {times}", self.predictor.name()),
        }
    }

    fn admit(&mut self, arrivals: &Arrivals<'_>, admitted: &mut [f64]) {
        for (at, client) in self.clients.iter_mut().enumerate() {
            let Client { bucket, tokens, .. } = client;
            *tokens = (*tokens + bucket.rate_per_s).min(f64::from(bucket.burst));
            admitted[at] = arrivals.offered[at].min(tokens.floor());
        }
        self.together.cut(self.guard.together(), self.clients.iter().map(|client| &client.bucket), admitted);
        for (client, admitted) in self.clients.iter_mut().zip(&*admitted) {
            client.tokens -= *admitted;
        }
    }

    fn end_tick(&mut self, seen: &TickSeen<'_>) {
        for at in 0..self.clients.len() {
            self.take_in(at, seen);
        }
        // Shares of this tick are in force after the next, unless all is given back.
        self.put();
        let count = |number: f64| number.round() as u32;
        self.guard.end_tick(Backend {
            answers: count(seen.sum),
            failures: count(seen.failed),
            latency_ms: seen.latency_ms as f32,
        });
        if self.guard.is_back() {
            self.put();
        }
    }
}
