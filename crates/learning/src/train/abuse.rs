//! Abuse made up on top of recorded windows: spikes and ramps, some of whose
//! requests fail by the client's own doing, some of which the backend suffers
//! from.

use super::counted::count;
use crate::Random;
use openclaw_admission::TICKS;
use openclaw_telemetry::WindowRow;

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

/// Adds abuse to a client's windows, of which there are more than [`TICKS`], and
/// clips it as serving would.
pub(super) fn abuse(windows: &mut [WindowRow], random: &mut Random) {
    let asked: f64 = windows.iter().map(asked).sum();
    let mean = asked / (windows.len() * TICKS) as f64;
    let mut is_abused = vec![false; windows.len()];
    for _ in 0..(windows.len() / WINDOWS_EACH).max(1) {
        let first = random.below(windows.len() - TICKS);
        let lasts = LASTS.0 + random.below(LASTS.1 - LASTS.0);
        let end = (first + lasts / TICKS + 1).min(windows.len());
        abuse_once(&mut windows[first..end], lasts, mean * random.uniform(TIMES.0, TIMES.1), random);
        is_abused[first..end].fill(true);
    }
    count(windows, |at| is_abused[at]);
}

fn asked(window: &WindowRow) -> f64 {
    window.ticks.iter().copied().map(f64::from).sum()
}

fn abuse_once(windows: &mut [WindowRow], lasts: usize, height: f64, random: &mut Random) {
    let is_spike = random.unit() < SPIKES;
    let mut sums = [0.0_f64; 2];
    for (tick, count) in windows.iter_mut().flat_map(|window| &mut window.ticks).take(lasts).enumerate() {
        let slope = libm::expm1(tick as f64 / (lasts - 1) as f64);
        let added = random.poisson(if is_spike { height } else { height * slope });
        sums[0] += added;
        sums[1] += f64::from(*count);
        *count = count.saturating_add(added as u32);
    }
    let share = sums[0] / (sums[0] + sums[1]).max(1.0);
    let faults = random.uniform(0.0, FAULTS_MAX) * share;
    let suffers = random.unit() < SUFFERED;
    let latency = if suffers { random.uniform(0.0, SUFFERED_MAX) as f32 } else { 0.0 };
    for window in windows {
        answer(window, faults);
        window.latency += latency;
    }
}

/// All that was asked for was answered, and that share more of it failed by the
/// client's own doing.
fn answer(window: &mut WindowRow, faults: f64) {
    let before = f64::from(window.own_faults) / f64::from(window.answered.max(1));
    window.answered = asked(window).clamp(1.0, f64::from(u16::MAX)) as u16;
    window.own_faults = libm::rint((before + faults).min(1.0) * f64::from(window.answered)) as u16;
}
