//! One limiter in one world.

use super::backend::{Backend, Taken};
use super::world::{World, percentile};
use super::{Arrivals, Figures, Limiter, TickSeen, WindowSeen};
use openclaw_admission::TICKS;

/// Slower than this breaks the promise.
pub(super) const SLO_MS: f64 = 200.0;
/// Of what was refused or failed, this part comes back once.
const COMES_BACK: f64 = 0.5;
/// After so many ticks, in equal parts.
const COMES_BACK_AFTER: [usize; 4] = [2, 4, 7, 11];
/// Ticks after abuse during which a client is not called innocent.
const SUSPECT_TICKS: usize = 60;
/// Ticks in which a reaction is judged.
const REACT_TICKS: usize = 120;
/// Ticks after an outage that are judged.
const AFTER_OUTAGE_TICKS: usize = 300;
/// Honest requests that fail by their own fault.
const HONEST_FAULTS: f64 = 0.01;

/// Tries a limiter.
pub fn run(world: &World, limiter: &mut dyn Limiter) -> Figures {
    let mut trial = Trial::new(world);
    for tick in 0..world.capacity.len() {
        trial.step(tick, limiter);
    }
    trial.sums.figures(world)
}

/// A trial under way.
struct Trial<'w> {
    world: &'w World,
    backend: Backend,
    /// What comes back, by tick modulo twelve and client.
    comes_back: [Vec<f64>; TICKS],
    now: Now,
    window: Vec<[f32; TICKS]>,
    latencies_ms: [f64; TICKS],
    has_failed: bool,
    last_abuse: Vec<Option<usize>>,
    sums: Sums,
}

/// The tick that runs, client by client.
#[derive(Default)]
struct Now {
    honest: Vec<f64>,
    offered: Vec<f64>,
    admitted: Vec<f64>,
    own_faults: Vec<f64>,
}

impl<'w> Trial<'w> {
    fn new(world: &'w World) -> Self {
        let clients = world.clients.len();
        let zeros = || vec![0.0; clients];
        Self {
            world,
            backend: Backend::default(),
            comes_back: std::array::from_fn(|_| zeros()),
            now: Now { honest: zeros(), offered: zeros(), admitted: zeros(), own_faults: zeros() },
            window: vec![[0.0; TICKS]; clients],
            latencies_ms: [0.0; TICKS],
            has_failed: false,
            last_abuse: vec![None; clients],
            sums: Sums::new(clients),
        }
    }

    fn step(&mut self, tick: usize, limiter: &mut dyn Limiter) {
        if tick > 0 && tick.is_multiple_of(TICKS) {
            self.end_window(limiter);
        }
        self.arrive(tick);
        let capacity = self.world.capacity[tick];
        let room = (capacity - self.backend.queue()).max(0.0) + 0.1 * capacity;
        let now = &mut self.now;
        limiter.admit(&Arrivals { offered: &now.offered, honest: &now.honest, room }, &mut now.admitted);
        let sum: f64 = now.admitted.iter().sum();
        let taken = self.backend.take(sum, capacity);
        self.answer(tick, taken.failed / sum.max(1e-9), limiter.knows_abuse());
        self.sums.tick(taken.latency_ms > SLO_MS);
        self.latencies_ms[tick % TICKS] = taken.latency_ms;
        self.has_failed |= taken.failed > 0.0;
        limiter.end_tick(&self.now.seen(sum, taken));
    }

    fn arrive(&mut self, tick: usize) {
        for (at, client) in self.world.clients.iter().enumerate() {
            let honest = client.honest[tick] + std::mem::take(&mut self.comes_back[tick % TICKS][at]);
            let offered = honest + client.abuse[tick];
            self.now.honest[at] = honest;
            self.now.offered[at] = offered;
            self.window[at][tick % TICKS] = offered as f32;
            if client.abuse[tick] > 0.0 {
                self.last_abuse[at] = Some(tick);
            }
        }
    }

    /// What became of each client's requests; `failed` is the share that the
    /// backend turned away.
    fn answer(&mut self, tick: usize, failed: f64, knows_abuse: bool) {
        for (at, client) in self.world.clients.iter().enumerate() {
            let (honest, abuse) = (self.now.honest[at], client.abuse[tick]);
            let part = self.now.admitted[at] / if knows_abuse { honest } else { honest + abuse }.max(1e-9);
            let (honest_in, abuse_in) = (honest * part, if knows_abuse { 0.0 } else { abuse * part });
            let faulty = abuse_in * client.fault_share[tick] + honest_in * HONEST_FAULTS;
            self.now.own_faults[at] = (1.0 - failed) * faulty;
            let lost = honest - honest_in + honest_in * failed;
            if client.honest[tick] > 0.0 {
                let each = COMES_BACK * lost / COMES_BACK_AFTER.len() as f64;
                for after in COMES_BACK_AFTER {
                    self.comes_back[(tick + after) % TICKS][at] += each;
                }
            }
            let is_suspect = self.last_abuse[at].is_some_and(|last| tick - last <= SUSPECT_TICKS);
            let is_after_outage =
                self.world.outage_end.is_some_and(|end| (end..end + AFTER_OUTAGE_TICKS).contains(&tick));
            self.sums.client(at, [honest, lost], is_suspect, is_after_outage);
            self.sums.abuse[0] += abuse;
            self.sums.abuse[1] += abuse_in;
        }
    }

    fn end_window(&mut self, limiter: &mut dyn Limiter) {
        limiter.end_window(&WindowSeen {
            ticks: &self.window,
            p95_ms: percentile(&mut self.latencies_ms.clone(), 0.95),
            has_failed: std::mem::take(&mut self.has_failed),
        });
    }
}

impl Now {
    fn seen(&self, sum: f64, taken: Taken) -> TickSeen<'_> {
        TickSeen {
            offered: &self.offered,
            admitted: &self.admitted,
            own_faults: &self.own_faults,
            sum,
            failed: taken.failed,
            latency_ms: taken.latency_ms,
        }
    }
}

/// Pairs of what there was and what of it was lost (or, of abuse, let through).
struct Sums {
    all: [f64; 2],
    innocent: [f64; 2],
    abuse: [f64; 2],
    after_outage: [f64; 2],
    clients: Vec<[f64; 2]>,
    violated: Vec<bool>,
}

impl Sums {
    fn new(clients: usize) -> Self {
        Self {
            all: [0.0; 2],
            innocent: [0.0; 2],
            abuse: [0.0; 2],
            after_outage: [0.0; 2],
            clients: vec![[0.0; 2]; clients],
            violated: Vec::new(),
        }
    }

    fn tick(&mut self, is_violated: bool) {
        self.violated.push(is_violated);
    }

    fn client(&mut self, at: usize, lost: [f64; 2], is_suspect: bool, is_after_outage: bool) {
        let add = |sum: &mut [f64; 2]| sum.iter_mut().zip(lost).for_each(|(sum, more)| *sum += more);
        add(&mut self.all);
        add(&mut self.clients[at]);
        if !is_suspect {
            add(&mut self.innocent);
        }
        if is_after_outage {
            add(&mut self.after_outage);
        }
    }

    fn figures(&self, world: &World) -> Figures {
        let served: Vec<f64> = self.clients.iter().map(|[all, lost]| 1.0 - lost / all.max(1e-9)).collect();
        let (sum, squares): (f64, f64) = (served.iter().sum(), served.iter().map(|part| part * part).sum());
        let violated = |ticks: &[bool]| ticks.iter().filter(|is_violated| **is_violated).count() as f64;
        let after =
            |event: &usize| violated(&self.violated[*event..(event + REACT_TICKS).min(self.violated.len())]);
        let worst = served.iter().copied().fold(1.0, f64::min);
        Figures {
            refused: percent(self.all),
            innocent: percent(self.innocent),
            abuse_passed: percent(self.abuse),
            slo_violated: 100.0 * violated(&self.violated) / self.violated.len().max(1) as f64,
            react: world.events.iter().map(after).fold(0.0, std::ops::Add::add)
                / world.events.len().max(1) as f64,
            jain: sum * sum / (served.len() as f64 * squares).max(1e-9),
            worst: 100.0 * (1.0 - worst),
            after_outage: percent(self.after_outage),
        }
    }
}

fn percent([all, part]: [f64; 2]) -> f64 {
    100.0 * part / all.max(1e-9)
}
