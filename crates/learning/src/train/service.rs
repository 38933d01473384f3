//! Rows for the model that serves: what was known before a window may hold
//! abuse, what is to be learned is the need without it.
//!
//! Recorded traffic is taken for honest; abuse is made up on top of it: spikes
//! and ramps, some of whose requests fail by the client's own doing, some of
//! which the backend suffers from. A model that had never seen abuse would
//! follow it upwards.

use super::history::needed;
use super::{Gathered, Row};
use crate::Random;
use crate::traces::Trace;
use openclaw_admission::{Answers, ClientState, TICKS, UNREPORTED_LATENCY, WINDOWS_MIN, Window};
use openclaw_telemetry::{Series, WindowRow};

/// A shorter past tells nothing.
const WINDOWS_LEAST: usize = 40;
/// Windows for each abuse that is made up.
const WINDOWS_EACH: usize = 40;
/// Ticks that it lasts.
const LASTS: (usize, usize) = (24, 200);
/// How many times the client's mean comes on top.
const TIMES: (f64, f64) = (4.0, 30.0);
/// Share of it that is a spike; the rest rises slowly.
const SPIKES: f64 = 0.7;
/// Most of its requests that fail by its own doing.
const FAULTS_MAX: f64 = 0.6;
/// Share of it that the backend suffers from.
const SUFFERED: f64 = 0.6;
/// By how much at most, as a logarithm.
const SUFFERED_MAX: f64 = 2.5;
/// Of this many copies one has no abuse in it.
const HONEST_EACH: usize = 4;
/// Faults and deviation of ln(p95 / SLO) where none were recorded.
const FAULTS: f32 = 0.01;
const LATENCY_DEVIATION: f64 = 0.1;

/// Share of a trace, at its end, that isn't learned from.
const HELD_OUT: f64 = 0.1;

/// One window of a client's past.
#[derive(Debug, Clone, Copy, PartialEq)]
struct PastWindow {
    /// Tokens asked for in each tick.
    ticks: [f32; TICKS],
    /// What was heard of it.
    answers: Answers,
    /// Whether it came right after the one before.
    follows: bool,
    /// When it ended, in milliseconds since 1970.
    at_ms: i64,
    /// For how many it stands.
    weight: f32,
}

/// A client's past as it was recorded.
fn past(series: &Series) -> Vec<PastWindow> {
    let mut earlier: Option<&WindowRow> = None;
    let window = |row| {
        let follows = earlier.replace(row).is_some_and(|earlier| WindowRow::follows(row, earlier));
        PastWindow {
            ticks: row.ticks.map(|count| count as f32),
            answers: Answers::of(row.answered, row.own_faults, row.latency),
            follows,
            at_ms: row.at_ms,
            weight: row.weight,
        }
    };
    series.rows.iter().map(window).collect()
}

/// Rows of a client whose windows are `shown` to the model and should have
/// been `honest`.
fn rows_of(honest: &[PastWindow], shown: &[PastWindow], rows: &mut Gathered) {
    let mut state = ClientState::default();
    let mut heard = Answers::default();
    for (honest, shown) in honest.iter().zip(shown) {
        if !honest.follows {
            state = ClientState::default();
        }
        if state.windows() >= WINDOWS_MIN {
            let mut row = Row::new(state.features(heard), state.base(), needed(&honest.ticks));
            row.weight *= honest.weight;
            rows.push(row, honest.at_ms);
        }
        state.roll(Window::of(shown.ticks));
        heard = shown.answers;
    }
}

/// What the features of a client were like as it was recorded.
fn saw(past: &[PastWindow], rows: &mut Gathered) {
    let mut state = ClientState::default();
    let mut heard = Answers::default();
    for window in past {
        if !window.follows {
            state = ClientState::default();
        }
        if state.windows() >= WINDOWS_MIN {
            rows.saw(|| state.features(heard), window.at_ms);
        }
        state.roll(Window::of(window.ticks));
        heard = window.answers;
    }
}

/// Adds rows of a recorded client.
pub fn add_series(series: &Series, random: &mut Random, rows: &mut Gathered) {
    rows.met(Some(&series.tenant));
    add(&past(series), random, rows);
}

/// Of four clients three have abuse in their past.
fn add(past: &[PastWindow], random: &mut Random, rows: &mut Gathered) {
    saw(past, rows);
    let is_abused = random.below(HONEST_EACH) > 0;
    if !is_abused || past.len() < WINDOWS_LEAST {
        return rows_of(past, past, rows);
    }
    let mut shown = past.to_vec();
    abuse(&mut shown, random);
    rows_of(past, &shown, rows);
}

fn abuse(windows: &mut [PastWindow], random: &mut Random) {
    let asked: f32 = windows.iter().flat_map(|window| window.ticks).sum();
    let mean = f64::from(asked) / (windows.len() * TICKS) as f64;
    for _ in 0..(windows.len() / WINDOWS_EACH).max(1) {
        let first = random.below(windows.len() - TICKS);
        let lasts = LASTS.0 + random.below(LASTS.1 - LASTS.0);
        let end = (first + lasts / TICKS + 1).min(windows.len());
        abuse_once(&mut windows[first..end], lasts, mean * random.uniform(TIMES.0, TIMES.1), random);
    }
}

fn abuse_once(windows: &mut [PastWindow], lasts: usize, height: f64, random: &mut Random) {
    let is_spike = random.unit() < SPIKES;
    let mut sums = [0.0_f32; 2];
    for (tick, count) in windows.iter_mut().flat_map(|window| &mut window.ticks).take(lasts).enumerate() {
        let slope = libm::expm1(tick as f64 / (lasts - 1) as f64);
        let added = random.poisson(if is_spike { height } else { height * slope }) as f32;
        sums[0] += added;
        sums[1] += *count;
        *count += added;
    }
    let share = f64::from(sums[0] / (sums[0] + sums[1]).max(1.0));
    let faults = (random.uniform(0.0, FAULTS_MAX) * share) as f32;
    let suffers = random.unit() < SUFFERED;
    let latency = if suffers { random.uniform(0.0, SUFFERED_MAX) as f32 } else { 0.0 };
    for window in windows {
        window.answers.own_faults = (window.answers.own_faults + faults).min(1.0);
        window.answers.latency += latency;
    }
}

/// Adds rows of so many copies of the first `ticks` of a trace that nobody has
/// answered: thinned or grown to volumes that a client of an API may have.
pub fn add_trace(trace: &Trace, ticks: usize, copies: usize, random: &mut Random, rows: &mut Gathered) {
    let counts = &trace.counts[..ticks.min(trace.counts.len())];
    rows.met(None);
    rows.hold_out_from(at_ms((counts.len() / TICKS) as f64 * (1.0 - HELD_OUT)));
    let mean = counts.iter().sum::<f32>() / counts.len().max(1) as f32;
    for copy in 0..copies {
        let phase = random.below(TICKS).min(counts.len());
        let power = if mean > 20.0 { random.uniform(-2.0, 0.5) } else { random.uniform(0.0, 1.5) };
        let volume = libm::pow(10.0, power);
        let copied: Vec<f32> =
            counts[phase..].iter().map(|count| random.poisson(f64::from(*count) * volume) as f32).collect();
        let past: Vec<PastWindow> = copied
            .as_chunks()
            .0
            .iter()
            .enumerate()
            .map(|(at, ticks)| unanswered(*ticks, at, random))
            .collect();
        if past.len() < WINDOWS_LEAST {
            continue;
        }
        saw(&past, rows);
        let mut shown = past.clone();
        if copy % HONEST_EACH > 0 {
            abuse(&mut shown, random);
        }
        rows_of(&past, &shown, rows);
    }
}

/// When a window ends whose ticks are seconds from 1970 on.
fn at_ms(window: f64) -> i64 {
    (window * 1000.0 * TICKS as f64) as i64
}

fn unanswered(ticks: [f32; TICKS], at: usize, random: &mut Random) -> PastWindow {
    let latency = random.normal(f64::from(UNREPORTED_LATENCY), LATENCY_DEVIATION) as f32;
    let answers = Answers { own_faults: FAULTS, latency };
    PastWindow { ticks, answers, follows: at > 0, at_ms: at_ms(at as f64), weight: 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(windows: usize) -> Vec<PastWindow> {
        let mut random = Random::new(3);
        (0..windows)
            .map(|at| unanswered([0; TICKS].map(|_| random.poisson(20.0) as f32), at, &mut random))
            .collect()
    }

    fn all() -> Gathered {
        Gathered::holding_out_from(i64::MAX)
    }

    #[test]
    fn abuse_is_known_of_but_never_the_target() {
        let honest = recorded(400);
        let mut shown = honest.clone();
        abuse(&mut shown, &mut Random::new(5));
        let (mut clean, mut abused) = (all(), all());
        rows_of(&honest, &honest, &mut clean);
        rows_of(&honest, &shown, &mut abused);
        assert_eq!(clean.rows.len(), 400 - usize::from(WINDOWS_MIN));
        // What a window needed is what its centre and its scales say it did.
        let most = |rows: &Gathered| rows.rows.iter().map(|row| row.target[0]).fold(f32::MIN, f32::max);
        let faults = |rows: &Gathered| rows.rows.iter().filter(|row| row.features[8] > 0.1).count();
        assert!(most(&abused) <= most(&clean) + 0.5, "{} {}", most(&abused), most(&clean));
        assert!(faults(&abused) > 10 && faults(&clean) == 0, "{}", faults(&abused));
    }

    /// Nothing has changed, so no drift is told.
    #[test]
    fn abuse_that_was_made_up_is_no_part_of_the_baseline() {
        let (past, mut random, mut rows) = (recorded(1_000), Random::new(9), all());
        (0..8).for_each(|_| add(&past, &mut random, &mut rows));
        assert!(rows.rows.iter().any(|row| row.features[8] > 2.0 * FAULTS), "there is abuse in the rows");
        let baseline = rows.data().unwrap().baseline;
        let told = baseline[8].psi(&[FAULTS; 1_000]);
        assert!(told < 0.01, "{told}");
    }

    #[test]
    fn a_gap_begins_anew() {
        let mut past = recorded(100);
        past[50].follows = false;
        let mut rows = all();
        rows_of(&past, &past, &mut rows);
        assert_eq!(rows.rows.len(), 100 - 2 * usize::from(WINDOWS_MIN));
        let mut second = all();
        rows_of(&past[50..], &past[50..], &mut second);
        assert_eq!(rows.rows[50 - usize::from(WINDOWS_MIN)..], second.rows);
    }

    #[test]
    fn the_code_that_serves_knows_the_same() {
        let past = recorded(60);
        let mut rows = all();
        rows_of(&past, &past, &mut rows);
        let mut state = ClientState::default();
        let mut served = Vec::new();
        for window in &past {
            let heard = window.answers;
            for (tick, count) in window.ticks.iter().enumerate() {
                if let Some(ended) = state.tick(*count as u32) {
                    assert_eq!(tick, TICKS - 1);
                    state.roll(ended.window());
                }
            }
            served.push(state.features(heard));
        }
        let from = usize::from(WINDOWS_MIN) - 1;
        let trained: Vec<_> = rows.rows.iter().map(|row| row.features).collect();
        assert_eq!(trained, served[from..served.len() - 1]);
    }
}
