//! What a model would have given to clients as they were recorded.

use super::gate::{Bound, Gate};
use crate::artifact::FeatureBaseline;
use crate::train::Known;
use openclaw_admission::{Correction, FEATURES, Network, OUTPUTS, PLAIN_OUTPUT, Predictor as _, SERVING10};

/// Windows below which nothing is said.
pub(super) const WINDOWS_MIN: usize = 2_000;
/// Against the better of the model in service and the plain estimator.
const PINBALL_MAX: f64 = 1.02;
/// Points beside the target.
const COVERAGE_OFF_MAX: f64 = 0.01;
const PSI_MAX: f64 = 0.25;
/// Share of windows beyond twice what was predicted for them: three times what
/// the plain estimator leaves there, or this.
const UNDERFLOW_MIN: f64 = 0.01;
const UNDERFLOW_TIMES: f64 = 3.0;

/// Clients of the last days, each window with what was known before it.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// Client by client, in the order of time.
    pub clients: Vec<Vec<Known>>,
}

impl Recorded {
    pub(super) fn windows(&self) -> impl Iterator<Item = &Known> {
        self.clients.iter().flatten()
    }

    pub(super) fn features(&self, at: usize) -> Vec<f32> {
        self.windows().map(|known| known.features[at]).collect()
    }
}

/// How predictions did.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Score {
    /// Mean pinball loss in log space, rate and burst.
    pinball: [f64; OUTPUTS],
    /// Share of windows within.
    coverage: [f64; OUTPUTS],
    /// Share of windows that needed more than twice what was predicted.
    underflow: f64,
}

fn score(
    recorded: &Recorded,
    quantile: [f64; OUTPUTS],
    outputs: impl Fn(&[Known]) -> Vec<[f32; OUTPUTS]>,
) -> Score {
    let (mut pinball, mut within, mut under) = ([0.0; OUTPUTS], [0.0; OUTPUTS], 0.0);
    for client in &recorded.clients {
        for (known, output) in client.iter().zip(outputs(client)) {
            let mut is_under = false;
            for at in 0..OUTPUTS {
                let predicted = known.base.centre[at] + (known.base.scale[at] * output[at]).clamp(-4.0, 4.0);
                let miss = f64::from(known.needed[at]) - f64::from(predicted);
                pinball[at] += (quantile[at] * miss).max((quantile[at] - 1.0) * miss);
                within[at] += f64::from(u8::from(miss <= 0.0));
                is_under |= miss > std::f64::consts::LN_2;
            }
            under += f64::from(u8::from(is_under));
        }
    }
    let windows = recorded.windows().count().max(1) as f64;
    let mean = |sums: [f64; OUTPUTS]| sums.map(|sum| sum / windows);
    Score { pinball: mean(pinball), coverage: mean(within), underflow: under / windows }
}

/// Outputs with the correction that serving makes, client by client.
fn corrected(network: &Network, client: &[Known], coverage: [f64; OUTPUTS]) -> Vec<[f32; OUTPUTS]> {
    let mut outputs = raw(network, client);
    let mut shift = [0.0; OUTPUTS];
    for (known, output) in client.iter().zip(&mut outputs) {
        for at in 0..OUTPUTS {
            output[at] += shift[at];
            let needed = (known.needed[at] - known.base.centre[at]) / known.base.scale[at];
            let correction = Correction { coverage: coverage[at] as f32, range: network.correction_range() };
            correction.learn(&mut shift[at], needed > output[at]);
        }
    }
    outputs
}

fn raw(network: &Network, client: &[Known]) -> Vec<[f32; OUTPUTS]> {
    let features: Vec<_> = client.iter().map(|known| known.features).collect();
    let mut outputs = vec![[0.0; OUTPUTS]; client.len()];
    network.predict(&features, &mut outputs);
    outputs
}

/// Gates on recorded windows.
pub(super) fn gates(
    network: &Network,
    running: Option<&Network>,
    quantile: [f64; OUTPUTS],
    recorded: &Recorded,
) -> Vec<Gate> {
    let of = |network: &Network| score(recorded, quantile, |client| raw(network, client));
    let plain = score(recorded, quantile, |client| vec![[PLAIN_OUTPUT; OUTPUTS]; client.len()]);
    let candidate = of(network);
    let mean = |score: &Score| score.pinball.iter().sum::<f64>() / OUTPUTS as f64;
    let best = running.map(of).map_or(mean(&plain), |running| mean(&running).min(mean(&plain)));
    let served = score(recorded, quantile, |client| corrected(network, client, quantile));
    let off = served.coverage.iter().zip(quantile).map(|(seen, wanted)| (seen - wanted).abs());
    let underflow_max = (plain.underflow * UNDERFLOW_TIMES).max(UNDERFLOW_MIN);
    vec![
        Gate::measured(PINBALL.0, PINBALL.1, mean(&candidate) / best, Bound::AtMost(PINBALL_MAX)),
        Gate::measured(COVERAGE.0, COVERAGE.1, off.fold(0.0, f64::max), Bound::AtMost(COVERAGE_OFF_MAX)),
        Gate::measured(UNDERFLOW.0, UNDERFLOW.1, candidate.underflow, Bound::AtMost(underflow_max)),
    ]
}

type Named = (&'static str, &'static str);
const PINBALL: Named = (
    "pinball",
    "pinball loss on the last days, as a multiple of the better of the running model's and the plain estimator's",
);
const COVERAGE: Named =
    ("coverage", "how far the share of windows within their limit is from the target, corrected as served");
const UNDERFLOW: Named = ("underflow", "share of windows that needed more than twice what was predicted");

/// The same gates where there is too little to ask.
pub(super) fn left_out(why: &str) -> Vec<Gate> {
    let bounds = [PINBALL_MAX, COVERAGE_OFF_MAX, UNDERFLOW_MIN];
    let named = [PINBALL, COVERAGE, UNDERFLOW].into_iter().zip(bounds);
    named.map(|((name, measures), most)| Gate::left_out(name, measures, Bound::AtMost(most), why)).collect()
}

/// How far inputs have drifted from what the model was trained on, feature by
/// feature.
pub(super) fn drift(baseline: &[FeatureBaseline], recorded: &Recorded) -> Vec<Gate> {
    (0..FEATURES)
        .zip(baseline)
        .map(|(at, baseline)| {
            let psi = baseline.psi(&recorded.features(at));
            Gate::measured(&format!("drift of {}", SERVING10[at]), DRIFT, psi, Bound::AtMost(PSI_MAX))
        })
        .collect()
}

const DRIFT: &str = "population stability index of the last days against the baseline";

pub(super) fn drift_left_out(why: &str) -> Gate {
    Gate::left_out("drift", DRIFT, Bound::AtMost(PSI_MAX), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;
    use crate::train::by_volume;
    use crate::validate::gate::Verdict;
    use openclaw_admission::{TICKS, Weights};

    /// Clients whose windows are Poisson.
    fn recorded(seed: u64) -> Recorded {
        let mut random = Random::new(seed);
        let mut client = |mean: f64| {
            let windows: Vec<[f32; TICKS]> =
                (0..500).map(|_| std::array::from_fn(|_| random.poisson(mean) as f32)).collect();
            by_volume(&windows, 0).split_off(60)
        };
        Recorded { clients: (1..10).map(|client_at| client(f64::from(client_at) * 6.0)).collect() }
    }

    fn constant(output: f32) -> Network {
        let weights = Weights::Linear { weight: [[0.0; FEATURES]; OUTPUTS], bias: [output; OUTPUTS] };
        Network::new("model", weights).unwrap()
    }

    fn failed(network: &Network, running: Option<&Network>) -> Vec<String> {
        let gates = gates(network, running, [0.99; OUTPUTS], &recorded(1));
        gates.into_iter().filter(|gate| gate.verdict() == Verdict::Failed).map(|gate| gate.name).collect()
    }

    #[test]
    fn a_model_as_good_as_the_plain_estimator_passes() {
        assert_eq!(failed(&constant(PLAIN_OUTPUT), None), [""; 0]);
    }

    #[test]
    fn too_little_and_far_too_much_are_caught() {
        assert!(failed(&constant(-20.0), None).contains(&"underflow".to_owned()));
        assert!(failed(&constant(40.0), None).contains(&"pinball".to_owned()));
    }

    #[test]
    fn a_model_worse_than_the_running_one_is_caught() {
        let good = constant(2.5);
        assert!(failed(&constant(6.0), Some(&good)).contains(&"pinball".to_owned()));
    }

    #[test]
    fn drift_is_caught() {
        let features = |recorded: &Recorded| -> Vec<FeatureBaseline> {
            (0..FEATURES).map(|at| FeatureBaseline::of(&recorded.features(at)).unwrap()).collect()
        };
        let baseline = features(&recorded(1));
        let verdicts =
            |recorded: &Recorded| drift(&baseline, recorded).iter().map(Gate::verdict).collect::<Vec<_>>();
        assert!(verdicts(&recorded(2)).iter().all(|verdict| *verdict == Verdict::Passed));
        let mut shifted = recorded(2);
        shifted.clients.iter_mut().flatten().for_each(|known| known.features[4] += 2.0);
        assert!(verdicts(&shifted).contains(&Verdict::Failed));
    }
}
