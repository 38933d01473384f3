//! Rows for the model that serves: what was known before a window may hold
//! abuse, what is to be learned is the need without it.
//!
//! Recorded traffic is taken for honest; abuse is made up on top of it. A model
//! that had never seen abuse would follow it upwards. What is rolled and what is
//! to be covered is what counts, as in serving: windows clipped to what was
//! granted.

use super::abuse::abuse;
use super::counted::count;
use super::history::at_ms;
use super::{Gathered, Known};
use crate::Random;
use crate::extract::recorded as known;
use crate::traces::Trace;
use openclaw_admission::{TICKS, UNREPORTED_LATENCY, WINDOWS_COUNTED};
use openclaw_telemetry::{ClientId, Series, WindowRow};
use std::sync::Arc;

/// A shorter past tells nothing.
const WINDOWS_LEAST: usize = 40;
/// Of this many copies one has no abuse in it.
const HONEST_EACH: usize = 4;
/// Faults and deviation of ln(p95 / SLO) where none were recorded.
const FAULTS: f64 = 0.01;
const LATENCY_DEVIATION: f64 = 0.1;
/// Share of a trace, at its end, that isn't learned from.
const HELD_OUT: f64 = 0.1;

/// Rows of a client as it was recorded.
fn add_honest(rows: &[WindowRow], to: &mut Gathered) {
    for known in known(rows) {
        to.saw(|| known.features, known.at_ms);
        to.push(known.row(), known.at_ms);
    }
}

/// Rows of a client whose windows are `shown` to the model and should have
/// been `honest`.
fn add_shown(honest: &[WindowRow], shown: &[WindowRow], to: &mut Gathered) {
    for (honest, shown) in known(honest).zip(known(shown)) {
        to.saw(|| honest.features, honest.at_ms);
        to.push(Known { counted: honest.counted, ..shown }.row(), honest.at_ms);
    }
}

/// Adds rows of a recorded client.
pub fn add_series(series: &Series, random: &mut Random, rows: &mut Gathered) {
    rows.met(Some(&series.tenant));
    let is_abused = random.below(HONEST_EACH) > 0;
    add(&series.rows, is_abused, random, rows);
}

fn add(honest: &[WindowRow], is_abused: bool, random: &mut Random, rows: &mut Gathered) {
    if !is_abused || honest.len() < WINDOWS_LEAST {
        return add_honest(honest, rows);
    }
    let mut shown = honest.to_vec();
    abuse(&mut shown, random);
    add_shown(honest, &shown, rows);
}

/// Adds rows of so many copies of the first `ticks` of a trace that nobody has
/// answered: thinned or grown to volumes that a client of an API may have.
pub fn add_trace(trace: &Trace, ticks: usize, copies: usize, random: &mut Random, rows: &mut Gathered) {
    let counts = &trace.counts[..ticks.min(trace.counts.len())];
    rows.met(None);
    rows.hold_out_from((at_ms(counts.len() / TICKS) as f64 * (1.0 - HELD_OUT)) as i64);
    let mean = counts.iter().sum::<f32>() / counts.len().max(1) as f32;
    for copy in 0..copies {
        let phase = random.below(TICKS).min(counts.len());
        let power = if mean > 20.0 { random.uniform(-2.0, 0.5) } else { random.uniform(0.0, 1.5) };
        let volume = libm::pow(10.0, power);
        let copied: Vec<u32> =
            counts[phase..].iter().map(|count| random.poisson(f64::from(*count) * volume) as u32).collect();
        let windows = copied.as_chunks().0.iter().enumerate();
        let mut honest: Vec<WindowRow> = windows.map(|(at, ticks)| unanswered(*ticks, at, random)).collect();
        if honest.len() >= WINDOWS_LEAST {
            count(&mut honest, |_| true);
            add(&honest, copy % HONEST_EACH > 0, random, rows);
        }
    }
}

/// A window of a series that nobody has answered, right after the one before.
pub(super) fn unanswered(ticks: [u32; TICKS], at: usize, random: &mut Random) -> WindowRow {
    let asked: u64 = ticks.iter().copied().map(u64::from).sum();
    let answered = u16::try_from(asked).unwrap_or(u16::MAX);
    let own_faults = (random.poisson(FAULTS * f64::from(answered)) as u16).min(answered);
    WindowRow {
        client_id: ClientId(0),
        policy: Arc::default(),
        at_ms: at_ms(at + 1),
        before: at.min(usize::from(WINDOWS_COUNTED)) as u8,
        ticks,
        allowed: asked,
        refused: 0,
        cost: asked,
        rate_per_s: 0.0,
        burst: 0,
        advised_rate_per_s: 0.0,
        advised_burst: 0,
        is_strained: false,
        counted: asked as f32,
        counted_burst: asked as f32,
        answered,
        own_faults,
        latency: random.normal(f64::from(UNREPORTED_LATENCY), LATENCY_DEVIATION) as f32,
        model: Arc::default(),
        weight: 1.0,
    }
}

/// A client's windows, none of them clipped.
#[cfg(test)]
pub(super) fn recorded(windows: usize) -> Vec<WindowRow> {
    let mut random = Random::new(3);
    (0..windows)
        .map(|at| {
            let ticks = [0; TICKS].map(|_| random.poisson(20.0) as u32);
            let window = openclaw_admission::Ticks(ticks).window();
            let row = unanswered(ticks, at, &mut random);
            WindowRow { counted: window.count, counted_burst: window.burst, ..row }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_admission::{Answers, ClientState, WINDOWS_MIN};

    fn all() -> Gathered {
        Gathered::holding_out_from(i64::MAX)
    }

    fn honest(rows: &[WindowRow]) -> Gathered {
        let mut gathered = all();
        add_honest(rows, &mut gathered);
        gathered
    }

    #[test]
    fn abuse_is_known_of_but_never_the_target() {
        let recorded = recorded(400);
        let mut shown = recorded.clone();
        abuse(&mut shown, &mut Random::new(5));
        let (clean, mut abused) = (honest(&recorded), all());
        add_shown(&recorded, &shown, &mut abused);
        assert_eq!(clean.rows.len(), 400 - usize::from(WINDOWS_MIN));
        // What a window needed is what its centre and its scales say it did.
        let most = |rows: &Gathered| rows.rows.iter().map(|row| row.target[0]).fold(f32::MIN, f32::max);
        let faults = |rows: &Gathered| rows.rows.iter().filter(|row| row.features[8] > 0.1).count();
        assert!(most(&abused) <= most(&clean) + 0.5, "{} {}", most(&abused), most(&clean));
        assert!(faults(&abused) > 10 && faults(&clean) == 0, "{}", faults(&abused));
        // Serving clips floods, so the model never sees more of them than that.
        let largest = |rows: &[WindowRow]| rows.iter().map(|row| row.counted).fold(0.0, f32::max);
        let asked = shown.iter().map(|row| row.ticks.iter().sum::<u32>()).max().unwrap();
        assert!(largest(&shown) < 0.6 * asked as f32, "{} of {asked}", largest(&shown));
    }

    /// Nothing has changed, so no drift is told.
    #[test]
    fn abuse_that_was_made_up_is_no_part_of_the_baseline() {
        let (past, mut random, mut rows) = (recorded(1_000), Random::new(9), all());
        add(&past, true, &mut random, &mut rows);
        assert!(rows.rows.iter().any(|row| row.features[8] > 0.1), "there is abuse in the rows");
        let told = |rows: &Gathered| rows.data().unwrap().baseline;
        assert_eq!(told(&rows), told(&honest(&past)));
    }

    #[test]
    fn nothing_is_learned_from_behind_a_gap_until_the_past_is_forgotten() {
        let mut past = recorded(600);
        past.iter_mut().skip(100).for_each(|row| row.at_ms += 60_000);
        let rows = honest(&past).rows.len();
        assert_eq!(rows, 100 - usize::from(WINDOWS_MIN) + 500 - 300);
    }

    #[test]
    fn the_code_that_serves_knows_the_same() {
        let past = recorded(60);
        let rows = honest(&past);
        let mut state = ClientState::default();
        let mut served = Vec::new();
        for window in &past {
            for (tick, count) in window.ticks.iter().enumerate() {
                if let Some(ended) = state.tick(*count) {
                    assert_eq!(tick, TICKS - 1);
                    state.roll(ended.window());
                }
            }
            served.push(state.features(Answers::of(window.answered, window.own_faults, window.latency)));
        }
        let from = usize::from(WINDOWS_MIN) - 1;
        let trained: Vec<_> = rows.rows.iter().map(|row| row.features).collect();
        assert_eq!(trained, served[from..served.len() - 1]);
    }
}
