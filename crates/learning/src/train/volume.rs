//! Rows from arrivals alone, and more of them: other phases of the windows,
//! other volumes.

use super::Row;
use super::history::{by_volume, usable_from};
use crate::Random;
use crate::traces::Trace;
use openclaw_admission::TICKS;

/// Volumes of copies, as powers of ten.
const VOLUMES: (f64, f64) = (-2.0, 0.3);
/// Copies with less than this a tick tell nothing.
const MEAN_MIN: f32 = 0.3;

/// Rows of the first `ticks` of a trace, and of so many copies of it.
pub fn rows(trace: &Trace, ticks: usize, copies: usize, random: &mut Random) -> Vec<Row> {
    let counts = &trace.counts[..ticks.min(trace.counts.len())];
    let mut rows = rows_of(counts, trace.windows_a_day);
    for _ in 0..copies {
        let copy = copy(counts, random);
        if copy.iter().sum::<f32>() > MEAN_MIN * copy.len() as f32 {
            rows.extend(rows_of(&copy, trace.windows_a_day));
        }
    }
    rows
}

fn rows_of(counts: &[f32], windows_a_day: usize) -> Vec<Row> {
    let windows = counts.as_chunks().0;
    let known = by_volume(windows, windows_a_day);
    known.iter().skip(usable_from(windows.len(), windows_a_day)).map(super::Known::row).collect()
}

/// Begins at another tick; thinned, or multiplied.
fn copy(counts: &[f32], random: &mut Random) -> Vec<f32> {
    let phase = random.below(TICKS).min(counts.len());
    let volume = libm::pow(10.0, random.uniform(VOLUMES.0, VOLUMES.1));
    let counts = counts[phase..].iter().map(|count| f64::from(*count) * volume);
    let copied = counts.map(|mean| if volume < 1.0 { random.poisson(mean) } else { libm::rint(mean) });
    copied.map(|count| count as f32).collect()
}
