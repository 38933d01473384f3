//! How good a policy was: means over clients, each of equal weight.

use super::replay::{Bucket, refused};
use super::{Client, PredictedLog};
use openclaw_admission::{OUTPUTS, TICKS};
use serde::Serialize;

/// Headrooms at which refusals are compared.
pub const HEADROOMS: [f64; 3] = [1.5, 2.0, 3.0];
/// Refused shares for which the headroom is looked up.
const REFUSED: [f64; 2] = [0.01, 0.001];
/// Factors that all buckets are multiplied by, as powers of e, evenly.
const FACTORS: (f64, f64, usize) = (-1.5, 2.5, 21);
/// A client that is given more than this many times what it needs counts as
/// given this many.
const HEADROOM_MAX: f64 = 100.0;
/// So that nothing has a logarithm.
const TINY: f64 = 1e-7;

/// A policy's figures on a set of clients. Shares are from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Pinball loss of rate and burst in log space.
    pub pinball: [f64; OUTPUTS],
    /// Share of windows that stayed within.
    pub coverage: [f64; OUTPUTS],
    /// The same of the client where it is least.
    pub least_coverage: [f64; OUTPUTS],
    /// Share of windows in which nothing was refused.
    pub whole_windows: f64,
    /// Share of requests refused.
    pub refused: f64,
    /// How many times what was needed the buckets could have given.
    pub headroom: f64,
    /// Share refused where all buckets are scaled to [`HEADROOMS`].
    pub refused_at: [f64; 3],
    /// Headroom at which one request in a hundred is refused, and in a thousand.
    pub headroom_for: [f64; 2],
}

/// What a policy said about each tested window of each client.
pub(super) type Said<'a> = [(&'a Client, Vec<PredictedLog>)];

impl Figures {
    /// Of what was said, at a quantile.
    pub(super) fn of(said: &Said<'_>, quantile: f64) -> Self {
        let share = |output: usize| -> Vec<f64> {
            said.iter().map(|(client, predicted)| coverage(client, predicted, output)).collect()
        };
        let shares = [0, 1].map(share);
        let as_is = Scaled::of(said, 0.0);
        let sweep = Sweep::of(said);
        Self {
            pinball: [0, 1].map(|output| mean(said.iter().map(|(c, p)| pinball(c, p, output, quantile)))),
            coverage: shares.each_ref().map(|shares| mean(shares.iter().copied())),
            least_coverage: shares.each_ref().map(|shares| shares.iter().copied().fold(1.0, f64::min)),
            whole_windows: as_is.whole_windows,
            refused: as_is.refused,
            headroom: libm::exp(as_is.log_headroom),
            refused_at: HEADROOMS.map(|headroom| sweep.refused_at(headroom)),
            headroom_for: REFUSED.map(|refused| sweep.headroom_for(refused)),
        }
    }
}

impl Figures {
    /// Of each figure the median over runs.
    pub(super) fn median(runs: &[Self]) -> Self {
        let of = |figure: &dyn Fn(&Self) -> f64| {
            let mut figures: Vec<f64> = runs.iter().map(figure).collect();
            figures.sort_unstable_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
        };
        Self {
            pinball: [0, 1].map(|output| of(&|run| run.pinball[output])),
            coverage: [0, 1].map(|output| of(&|run| run.coverage[output])),
            least_coverage: [0, 1].map(|output| of(&|run| run.least_coverage[output])),
            whole_windows: of(&|run| run.whole_windows),
            refused: of(&|run| run.refused),
            headroom: of(&|run| run.headroom),
            refused_at: [0, 1, 2].map(|at| of(&|run| run.refused_at[at])),
            headroom_for: [0, 1].map(|at| of(&|run| run.headroom_for[at])),
        }
    }
}

fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = numbers.len() as f64;
    numbers.sum::<f64>() / count
}

fn pinball(client: &Client, predicted: &[PredictedLog], output: usize, quantile: f64) -> f64 {
    let loss = |(needed, predicted): (&[f64; OUTPUTS], &PredictedLog)| {
        let off = needed[output] - predicted[output];
        if off > 0.0 { quantile * off } else { (quantile - 1.0) * off }
    };
    client.tested_needs().iter().zip(predicted).map(loss).sum::<f64>() / predicted.len() as f64
}

fn coverage(client: &Client, predicted: &[PredictedLog], output: usize) -> f64 {
    let within = client.tested_needs().iter().zip(predicted);
    let within = within.filter(|(needed, p)| needed[output] <= p[output] + 1e-9);
    within.count() as f64 / predicted.len() as f64
}

/// Buckets multiplied by one factor for all clients.
#[derive(Debug, Clone, Copy)]
struct Scaled {
    log_headroom: f64,
    refused: f64,
    whole_windows: f64,
}

impl Scaled {
    fn of(said: &Said<'_>, log_factor: f64) -> Self {
        let clients: Vec<Self> = said.iter().map(|(client, p)| Self::of_one(client, p, log_factor)).collect();
        let over = |figure: fn(&Self) -> f64| mean(clients.iter().map(figure));
        Self {
            log_headroom: over(|client| client.log_headroom),
            refused: over(|client| client.refused),
            whole_windows: over(|client| client.whole_windows),
        }
    }

    fn of_one(client: &Client, predicted: &[PredictedLog], log_factor: f64) -> Self {
        let bucket = |predicted: &PredictedLog| Bucket::of(predicted.map(|log| log + log_factor));
        let buckets: Vec<Bucket> = predicted.iter().map(bucket).collect();
        let windows = &client.windows[client.test.clone()];
        let asked = |ticks: &[f32; TICKS]| ticks.iter().copied().map(f64::from).sum::<f64>();
        let headroom = windows.iter().zip(&buckets).map(|(ticks, bucket)| {
            ((bucket.rate * TICKS as f64 + bucket.depth) / (asked(ticks) + 1.0)).min(HEADROOM_MAX)
        });
        let headroom = mean(headroom);
        let refused = refused(windows, &buckets);
        Self {
            log_headroom: libm::log(headroom),
            refused: refused.iter().sum::<f64>() / windows.iter().map(asked).sum::<f64>(),
            whole_windows: refused.iter().filter(|refused| **refused == 0.0).count() as f64
                / refused.len() as f64,
        }
    }
}

/// Refusals over headrooms, both as logarithms.
struct Sweep(Vec<(f64, f64)>);

impl Sweep {
    fn of(said: &Said<'_>) -> Self {
        let (from, to, steps) = FACTORS;
        let factor = |step: usize| from + (to - from) * step as f64 / (steps - 1) as f64;
        let points = (0..steps).map(|step| Scaled::of(said, factor(step)));
        Self(points.map(|scaled| (scaled.log_headroom, libm::log(scaled.refused + TINY))).collect())
    }

    fn refused_at(&self, headroom: f64) -> f64 {
        let mut points = self.0.clone();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        libm::exp(interpolated(&points, libm::log(headroom)))
    }

    fn headroom_for(&self, refused: f64) -> f64 {
        let mut points: Vec<_> = self.0.iter().map(|(headroom, refused)| (-refused, *headroom)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        libm::exp(interpolated(&points, -libm::log(refused)))
    }
}

/// Beyond the ends, what is at the ends.
fn interpolated(points: &[(f64, f64)], at: f64) -> f64 {
    let above = points.partition_point(|(x, _)| *x <= at);
    match (above.checked_sub(1).map(|below| points[below]), points.get(above)) {
        (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (at - x0) / (x1 - x0),
        (Some((_, y)), None) => y,
        (None, Some((_, y))) => *y,
        (None, None) => f64::NAN,
    }
}
