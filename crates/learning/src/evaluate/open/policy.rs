//! Who says what a client's next window needs.

use super::Client;
use openclaw_admission::{Base, Correction, OUTPUTS, Predictor};

/// ln(1 + tokens a window), ln(1 + burst).
pub type PredictedLog = [f64; OUTPUTS];

/// Windows over which the largest is looked for.
const MAX_OF: usize = 6;

/// Something that says what the next window needs.
pub enum Policy<'a> {
    /// That percentile of the windows before the test.
    Static(f64),
    /// As much as in the window before or at this time yesterday.
    Seasonal,
    /// So many scales above the moving average.
    Ewma(f64),
    /// A network by volume, with or without correction to a coverage.
    Learned(&'a dyn Predictor, Option<f32>),
    /// What will be.
    Oracle,
}

impl Policy<'_> {
    /// For each tested window.
    #[must_use]
    pub fn predict(&self, client: &Client) -> Vec<PredictedLog> {
        match self {
            Self::Static(percent) => vec![fixed(client, *percent); client.tested()],
            Self::Seasonal => seasonal(client),
            Self::Ewma(scales) => above(client, *scales),
            Self::Learned(predictor, None) => learned(client, *predictor),
            Self::Learned(predictor, Some(coverage)) => corrected(client, *predictor, *coverage),
            Self::Oracle => client.tested_needs().to_vec(),
        }
    }
}

fn fixed(client: &Client, percent: f64) -> PredictedLog {
    let past = &client.needed[..client.cut];
    std::array::from_fn(|output| {
        let mut past: Vec<f64> = past.iter().map(|needed| needed[output]).collect();
        past.sort_unstable_by(f64::total_cmp);
        percentile(&past, percent)
    })
}

/// Between the two nearest, of sorted numbers.
fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place as usize], sorted[(place as usize + 1).min(sorted.len() - 1)]);
    low + (high - low) * place.fract()
}

fn seasonal(client: &Client) -> Vec<PredictedLog> {
    let needed = &client.needed;
    let largest = |at: usize, output: usize| {
        let last = needed[at.saturating_sub(MAX_OF)..at].iter();
        last.map(|needed| needed[output]).fold(f64::NEG_INFINITY, f64::max)
    };
    let day = client.windows_a_day;
    let has_days = day > 0 && needed.len() > 2 * day;
    let window = |at: usize| match has_days && at >= day {
        true => [needed[at - day][0].max(needed[at - 1][0]), needed[at - day][1].max(largest(at, 1))],
        false => [largest(at, 0), largest(at, 1)],
    };
    client.test.clone().map(window).collect()
}

fn above(client: &Client, scales: f64) -> Vec<PredictedLog> {
    client.known[client.test.clone()].iter().map(|known| at(known.base, [scales; OUTPUTS])).collect()
}

fn at(base: Base, outputs: [f64; OUTPUTS]) -> PredictedLog {
    std::array::from_fn(|output| {
        f64::from(base.centre[output]) + f64::from(base.scale[output]) * outputs[output]
    })
}

fn outputs(client: &Client, predictor: &dyn Predictor) -> Vec<[f32; OUTPUTS]> {
    let features: Vec<_> = client.known.iter().map(|known| known.features).collect();
    let mut outputs = vec![[0.0; OUTPUTS]; features.len()];
    predictor.predict(&features, &mut outputs);
    outputs
}

fn learned(client: &Client, predictor: &dyn Predictor) -> Vec<PredictedLog> {
    let outputs = outputs(client, predictor);
    client.test.clone().map(|window| at(client.known[window].base, outputs[window].map(f64::from))).collect()
}

/// Corrected from the client's first window on, as in service.
fn corrected(client: &Client, predictor: &dyn Predictor, coverage: f32) -> Vec<PredictedLog> {
    let correction = Correction { coverage, range: predictor.correction_range() };
    let mut shift = [0.0_f32; OUTPUTS];
    let windows = outputs(client, predictor).into_iter().zip(&client.known).zip(&client.needed);
    let all: Vec<PredictedLog> = windows
        .map(|((outputs, known), needed)| {
            let shifted = std::array::from_fn(|output| f64::from(outputs[output] + shift[output]));
            let predicted = at(known.base, shifted);
            for output in 0..OUTPUTS {
                correction.learn(&mut shift[output], needed[output] > predicted[output]);
            }
            predicted
        })
        .collect();
    all[client.test.clone()].to_vec()
}
