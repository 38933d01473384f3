//! What a model does to a backend that suffers, beside the plain estimator and
//! limiters in use elsewhere: recorded clients in simulated worlds.

use super::gate::{Bound, Gate};
use crate::evaluate::closed::{
    Baseline, ClosedReport, ClosedSettings, Figures, Source, TrialFigures, WorldError, evaluate,
};
use openclaw_admission::{Network, Plain, Predictor};

/// Worlds of each kind: enough for a point, and no longer than a minute.
const WORLDS: u64 = 4;
/// Points of requests.
const REFUSED_MORE_MAX: f64 = 1.0;
const ABUSE_MORE_MAX: f64 = 10.0;
const SLO_MAX: f64 = 1.0;
/// Those that hold a backend up as well: who doesn't refuses less, and lets it fall.
const PEERS: [Baseline; 2] = [Baseline::AimdFair, Baseline::StaticFair];

type Named = (&'static str, &'static str);
const REFUSED: Named = (
    "refused",
    "points of legitimate requests refused more than by the best of AIMD and static limits with fair shares, and the plain estimator",
);
const ABUSE: Named = ("abuse", "points of abuse let through more than by the plain estimator");
const SLO: Named = ("SLO", "points of ticks beyond the SLO more than 1, or than with the plain estimator");
const OUTAGE: Named =
    ("outage", "points of requests refused in the five minutes after an outage, more than without limits");
const STEADY: Named =
    ("steady clients", "percent refused of clients that never change, while another sends 1 000 at once");

/// Gates on simulated worlds. Clients that are too few or too short make none.
///
/// # Errors
/// [`WorldError`] where recordings are too short.
pub(super) fn gates(network: &Network, sources: &[Source]) -> Result<(Vec<Gate>, ClosedReport), WorldError> {
    let settings = ClosedSettings { seeds: (0..WORLDS).collect(), ..ClosedSettings::default() };
    let report = evaluate(sources, &[&Plain, network], &settings)?;
    let of = |trial: usize| Row { trial: &report.trials[trial] };
    let (model, plain) = (served(network.name()), served(Plain.name()));
    let abuse = of(0);
    let best = PEERS.map(|peer| abuse.figure(peer.name(), "refused"));
    let best = best.into_iter().fold(abuse.figure(&plain, "refused"), f64::min);
    let slo = abuse.figure(&model, "SLO") - abuse.figure(&plain, "SLO").max(SLO_MAX);
    let outage = of(2);
    let lost =
        outage.figure(&model, "after outage") - outage.figure(Baseline::NoLimit.name(), "after outage");
    let steady = of(3);
    let gates = vec![
        gate(REFUSED, abuse.figure(&model, "refused") - best, REFUSED_MORE_MAX),
        gate(ABUSE, abuse.figure(&model, "abuse") - abuse.figure(&plain, "abuse"), ABUSE_MORE_MAX),
        gate(SLO, slo, 0.0),
        gate(OUTAGE, lost, REFUSED_MORE_MAX),
        gate(STEADY, steady.figure(&model, "innocent"), 0.0),
    ];
    Ok((gates, report))
}

fn gate((name, measures): Named, value: f64, most: f64) -> Gate {
    Gate::measured(name, measures, value, Bound::AtMost(most))
}

/// The same gates where there is too little to ask.
pub(super) fn left_out(why: &str) -> Vec<Gate> {
    let named = [REFUSED, ABUSE, SLO, OUTAGE, STEADY];
    named.map(|(name, measures)| Gate::left_out(name, measures, Bound::AtMost(0.0), why)).to_vec()
}

/// As the report names it.
fn served(name: &str) -> String {
    format!("served, {name}")
}

struct Row<'r> {
    trial: &'r TrialFigures,
}

impl Row<'_> {
    /// A mean; no number where there is no such row, so that its gate fails.
    fn figure(&self, limiter: &str, name: &str) -> f64 {
        let column = Figures::NAMES.iter().position(|column| *column == name);
        let row = self.trial.limiters.iter().find(|row| row.limiter == limiter);
        row.zip(column).map_or(f64::NAN, |(row, column)| row.figures[column].mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;
    use crate::validate::gate::Verdict;
    use openclaw_admission::{FEATURES, Weights};

    fn sources() -> Vec<Source> {
        let mut random = Random::new(4);
        (0..8)
            .map(|_| {
                let mean = random.uniform(5.0, 40.0);
                let counts = (0..400 * 12).map(|at| {
                    let day = 1.0 + 0.5 * libm::sin(f64::from(at) / 900.0);
                    random.poisson(mean * day)
                });
                Source { counts: counts.collect(), past_windows: 200, day_windows: 0 }
            })
            .collect()
    }

    fn failed(output: f32) -> Vec<String> {
        let weights = Weights::Linear { weight: [[0.0; FEATURES]; 2], bias: [output; 2] };
        let network = Network::new("model", weights).unwrap();
        let (gates, _) = gates(&network, &sources()).unwrap();
        gates.into_iter().filter(|gate| gate.verdict() == Verdict::Failed).map(|gate| gate.name).collect()
    }

    #[test]
    fn three_deviations_pass_and_far_too_little_does_not() {
        assert_eq!(failed(3.0), [""; 0]);
        assert!(failed(-30.0).contains(&"refused".to_owned()));
    }
}
