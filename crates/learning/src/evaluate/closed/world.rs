//! What limiters are tried on: recorded clients, a backend that is sometimes
//! weaker, abuse on top.

use crate::Random;
use crate::traces::Trace;
use openclaw_admission::{TICKS, Window};

/// Windows before the trial that limiters may have seen.
const PAST_WINDOWS: usize = 400;
/// Windows that a client must have left for the trial.
const WINDOWS_MIN: usize = 60;
/// Ticks that one sample of capacity noise holds for.
const NOISE_TICKS: usize = 10 * TICKS;

/// A recorded client.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Requests in each tick.
    pub counts: Vec<f64>,
    /// Windows that belong to the past; what comes after is for the trial.
    pub past_windows: usize,
    /// Windows in a day; 0 where days mean nothing.
    pub day_windows: usize,
}

/// What comes on top of honest requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abuse {
    /// Nothing.
    None,
    /// Spikes, ramps and floods, of which some part fails by its own fault.
    Telling,
    /// The same, failing no more often than honest requests do.
    Silent,
}

/// What is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Windows of the trial.
    pub windows: usize,
    /// Share of the backend's capacity that honest requests take.
    pub busy: f64,
    /// What comes on top.
    pub abuse: Abuse,
    /// Whether the backend all but stops for 120 ticks, once.
    pub has_outage: bool,
    /// Measured capacity over its median, one sample for ten windows; empty
    /// for a backend that is always the same.
    pub noise: Vec<f64>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self { windows: 300, busy: 0.42, abuse: Abuse::Telling, has_outage: false, noise: Vec::new() }
    }
}

/// Why there is nothing to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// No client has windows enough left.
    #[error(
        "none of `{clients}` clients has {WINDOWS_MIN} windows left for the trial; give longer recordings"
    )]
    NoClients {
        /// How many there were.
        clients: usize,
    },
    /// No world was asked for.
    #[error("no seed to make a world from; give one or more")]
    NoSeeds,
    /// A trial without room for what is to happen in it.
    #[error("a trial of `{windows}` windows is too short; give it {TRIAL_MIN} or more")]
    TooShort {
        /// How long it was to be.
        windows: usize,
    },
}

/// Windows that a trial takes at least.
const TRIAL_MIN: usize = 100;

/// A bucket, in tokens a tick and tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Refilled in a tick.
    pub rate: f64,
    /// Held at most.
    pub depth: f64,
}

/// A client in a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientTrace {
    /// Its windows before the trial, oldest first.
    pub past: Vec<Window>,
    /// 95th percentile of its past.
    pub p95: Bucket,
    /// 99th percentile of its past.
    pub p99: Bucket,
    /// Windows in a day; 0 where days mean nothing.
    pub day_windows: usize,
    /// Honest requests, tick by tick.
    pub honest: Vec<f64>,
    /// Abusive ones.
    pub abuse: Vec<f64>,
    /// Share of abusive requests that fail by their own fault.
    pub fault_share: Vec<f64>,
}

/// All that happens in a trial but for what limiters do.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// Who comes.
    pub clients: Vec<ClientTrace>,
    /// What the backend is said to do in a tick.
    pub nominal: f64,
    /// What it can do.
    pub capacity: Vec<f64>,
    /// Ticks at which something happens that a limiter has to react to.
    pub events: Vec<usize>,
    /// When the backend comes back from its outage.
    pub outage_end: Option<usize>,
}

impl Source {
    /// Of recorded arrivals, of which the first part is the past.
    #[must_use]
    pub fn of(trace: &Trace, past: f64) -> Self {
        Self {
            past_windows: (trace.windows().len() as f64 * past) as usize,
            counts: trace.counts.iter().map(|count| f64::from(*count)).collect(),
            day_windows: trace.windows_a_day,
        }
    }
}

impl World {
    /// Clients that ask for the same in every tick, and one of them for 1,000
    /// more at once.
    #[must_use]
    pub fn steady() -> Self {
        let ticks = 300 * TICKS;
        let client = |rate: f64| ClientTrace::steady(rate, ticks);
        let mut clients: Vec<ClientTrace> = (1..=20).map(|at| client(f64::from(at * 3))).collect();
        clients[9].abuse[ticks / 2] = 1000.0;
        let nominal = clients.iter().map(|client| client.honest[0]).sum::<f64>() / Scenario::default().busy;
        let (capacity, events) = (vec![nominal; ticks], vec![ticks / 2]);
        Self { clients, nominal, capacity, events, outage_end: None }
    }

    /// Of recorded clients, with all that is left to chance from one seed.
    ///
    /// # Errors
    /// [`WorldError`] where clients or windows are too few.
    pub fn new(sources: &[Source], scenario: &Scenario, seed: u64) -> Result<Self, WorldError> {
        if scenario.windows < TRIAL_MIN {
            return Err(WorldError::TooShort { windows: scenario.windows });
        }
        let mut random = Random::new(seed);
        let ticks = scenario.windows * TICKS;
        let clients: Vec<ClientTrace> =
            sources.iter().filter_map(|source| ClientTrace::new(source, ticks, &mut random)).collect();
        if clients.is_empty() {
            return Err(WorldError::NoClients { clients: sources.len() });
        }
        let honest: f64 = clients.iter().flat_map(|client| &client.honest).sum();
        let nominal = honest / ticks as f64 / scenario.busy;
        let mut world =
            Self { clients, nominal, capacity: vec![nominal; ticks], events: Vec::new(), outage_end: None };
        if scenario.abuse != Abuse::None {
            world.add_abuse(scenario.abuse, &mut random);
        }
        world.weaken(scenario, &mut random);
        Ok(world)
    }

    fn ticks(&self) -> usize {
        self.capacity.len()
    }

    fn add_abuse(&mut self, kind: Abuse, random: &mut Random) {
        for (shape, times) in [(Shape::Spike, 8), (Shape::Ramp, 3), (Shape::Flood, 3)] {
            for _ in 0..times {
                let at = random.below(self.clients.len());
                let start = 5 * TICKS + random.below(self.ticks() - 600 - 5 * TICKS);
                let mean = mean(&self.clients[at].honest);
                let added = shape.draw(mean, self.nominal, random);
                // Drawn for silent abuse too, so that both worlds are otherwise the same.
                let faults = random.uniform(0.0, 0.6) * if kind == Abuse::Silent { 0.0 } else { 1.0 };
                self.clients[at].suffer(start, &added, faults, random);
                if shape != Shape::Ramp {
                    self.events.push(start);
                }
            }
        }
    }

    fn weaken(&mut self, scenario: &Scenario, random: &mut Random) {
        let ticks = self.ticks();
        if scenario.has_outage {
            let start = 600 + random.below(ticks - 1200);
            self.capacity[start..start + 120].iter_mut().for_each(|capacity| *capacity *= 0.05);
            self.outage_end = Some(start + 120);
            return;
        }
        for _ in 0..3 {
            let start = 100 + random.below(ticks - 300);
            let part = random.uniform(0.55, 0.8);
            self.capacity[start..start + 120].fill(self.nominal * part);
            self.events.push(start);
        }
        let needed = ticks / NOISE_TICKS + 1;
        if scenario.noise.len() > needed {
            let offset = random.below(scenario.noise.len() - needed);
            let noise = &scenario.noise[offset..];
            self.capacity.iter_mut().enumerate().for_each(|(tick, c)| *c *= noise[tick / NOISE_TICKS]);
        }
    }
}

impl ClientTrace {
    fn steady(rate: f64, ticks: usize) -> Self {
        let past = vec![Window::of([rate as f32; TICKS]); PAST_WINDOWS];
        let bucket = percentiles(&past, 0.95);
        Self {
            past,
            p95: bucket,
            p99: bucket,
            day_windows: 0,
            honest: vec![rate; ticks],
            abuse: vec![0.0; ticks],
            fault_share: vec![0.0; ticks],
        }
    }

    fn new(source: &Source, ticks: usize, random: &mut Random) -> Option<Self> {
        let windows = source.counts.len() / TICKS;
        let past_ticks = source.past_windows * TICKS;
        if source.past_windows == 0 || windows < source.past_windows + WINDOWS_MIN {
            return None;
        }
        let wanted = libm::exp(random.normal(libm::log(30.0), 0.6));
        let factor = wanted / mean(&source.counts[..past_ticks]).max(0.05);
        let scaled: Vec<f64> = source.counts.iter().map(|count| scale(*count, factor, random)).collect();
        let past: Vec<Window> = scaled[..past_ticks].chunks_exact(TICKS).map(window).collect();
        let recent = past.len().saturating_sub(PAST_WINDOWS);
        Some(Self {
            p95: percentiles(&past, 0.95),
            p99: percentiles(&past, 0.99),
            past: past[recent..].to_vec(),
            day_windows: source.day_windows,
            honest: scaled[past_ticks..].iter().copied().cycle().take(ticks).collect(),
            abuse: vec![0.0; ticks],
            fault_share: vec![0.0; ticks],
        })
    }

    fn suffer(&mut self, start: usize, added: &[f64], faults: f64, random: &mut Random) {
        for (tick, mean) in (start..).zip(added) {
            self.abuse[tick] += random.poisson(*mean);
            self.fault_share[tick] = faults;
        }
    }
}

/// A recorded count at another volume; what is enlarged is made as noisy as
/// counts are.
fn scale(count: f64, factor: f64, random: &mut Random) -> f64 {
    let scaled = count * factor;
    let noise = if factor > 1.0 { random.normal(0.0, 1.0) * libm::sqrt(scaled.max(0.0)) } else { 0.0 };
    libm::rint(scaled + noise).max(0.0)
}

fn window(ticks: &[f64]) -> Window {
    Window::of(std::array::from_fn(|at| ticks[at] as f32))
}

fn percentiles(past: &[Window], part: f64) -> Bucket {
    let of = |value: fn(&Window) -> f32| {
        percentile(&mut past.iter().map(|w| f64::from(value(w))).collect::<Vec<_>>(), part).max(0.5)
    };
    Bucket { rate: of(|w| w.count) / TICKS as f64, depth: of(|w| w.burst) }
}

/// Between the two nearest values.
pub(super) fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = part * (values.len() - 1) as f64;
    let (low, high) = (values[at as usize], values[(at as usize + 1).min(values.len() - 1)]);
    low + (high - low) * (at - libm::floor(at))
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// How abuse comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Spike,
    Ramp,
    Flood,
}

impl Shape {
    /// Expected requests, tick by tick.
    fn draw(self, mean: f64, nominal: f64, random: &mut Random) -> Vec<f64> {
        match self {
            Self::Spike => {
                let ticks = 24 + random.below(96);
                vec![random.uniform(8.0, 30.0) * mean; ticks]
            }
            Self::Ramp => {
                let steepness = libm::log(random.uniform(8.0, 20.0)) / 479.0;
                (0..480).map(|tick| mean * (libm::exp(steepness * f64::from(tick)) - 1.0)).collect()
            }
            Self::Flood => {
                let ticks = 120 + random.below(180);
                vec![random.uniform(0.4, 1.0) * nominal; ticks]
            }
        }
    }
}
