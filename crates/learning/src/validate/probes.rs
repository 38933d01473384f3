//! What any model must do, whatever it was trained on: tried on the code that
//! serves.

use super::gate::{Bound, Gate};
use super::stand::{CEILING, Stand};
use crate::Random;
use openclaw_admission::{Answers, ClientState, FEATURES, Features, Network, Predictor, TICKS, Window};
use std::time::Instant;

/// Outputs beyond this are no predictions.
const OUTPUT_MAX: f32 = 64.0;
const ROWS: usize = 20_000;
const ROUNDS: usize = 21;
/// What a client may cost at most, with room for a busy machine, and for code
/// that isn't optimised.
const NANOS_MAX: f64 = if cfg!(debug_assertions) { 100_000.0 } else { 10_000.0 };
/// Ticks after which a client is known well.
const KNOWN: u32 = 240;
/// Rates a second of clients that never change, within what unknown clients get.
const STEADY: [u32; 6] = [1, 3, 10, 40, 70, 95];

/// Every probe.
pub(super) fn all(network: &Network) -> Vec<Gate> {
    let odd = odd_rows();
    vec![
        finite(network, &odd),
        nobody(network),
        silence(network),
        constant(network),
        burst(network),
        spike(network),
        neighbours(network),
        latency(network, &odd),
    ]
}

fn stand(network: &Network) -> Stand {
    Stand::of(Box::new(network.clone()))
}

/// Features of clients that do all that clients can.
fn odd_rows() -> Vec<Features> {
    let mut random = Random::new(11);
    let counts = [0.0, 1.0, 12.0, 1e3, 1e6, u32::MAX as f32];
    let mut rows = vec![[0.0; FEATURES]];
    let mut client = ClientState::default();
    for _ in 0..ROWS {
        let mut ticks = [0.0; TICKS];
        let most = counts[random.below(counts.len())];
        ticks.fill_with(|| (random.unit() as f32 * most).floor());
        client.roll(Window::of(ticks));
        let answers = Answers { own_faults: random.unit() as f32, latency: random.uniform(-8.0, 8.0) as f32 };
        rows.push(client.features(answers));
    }
    rows
}

fn finite(network: &Network, rows: &[Features]) -> Gate {
    let mut outputs = vec![[0.0; 2]; rows.len()];
    network.predict(rows, &mut outputs);
    let is_sound = |output: &&f32| output.abs() <= OUTPUT_MAX;
    let odd = outputs.as_flattened().len() - outputs.iter().flatten().filter(is_sound).count();
    let measures = "outputs that are no numbers, or beyond 64 scales, of odd clients";
    Gate::measured("finite", measures, odd as f64, Bound::AtMost(0.0))
}

fn nobody(network: &Network) -> Gate {
    network.predict(&[], &mut []);
    let mut stand = stand(network);
    (0..60).for_each(|_| stand.tick());
    let refused = stand.ask("first", 1);
    Gate::measured(
        "empty",
        "requests refused after an hour without any",
        f64::from(refused),
        Bound::AtMost(0.0),
    )
}

/// A client that paused gets at once what its floor says.
fn silence(network: &Network) -> Gate {
    let mut stand = stand(network);
    for _ in 0..KNOWN {
        stand.ask("pauses", 20);
        stand.tick();
    }
    (0..KNOWN).for_each(|_| stand.tick());
    let refused = stand.ask("pauses", 20);
    let measures = "of 20 requests refused after four minutes of silence";
    Gate::measured("silence", measures, f64::from(refused), Bound::AtMost(0.0))
}

fn constant(network: &Network) -> Gate {
    let mut stand = stand(network);
    let (mut refused, mut least) = (0, f64::INFINITY);
    for tick in 0..2 * KNOWN {
        for rate in STEADY {
            let client = format!("steady {rate}");
            refused += stand.ask(&client, rate);
            if tick >= KNOWN {
                least = least.min(stand.rate(&client) / f64::from(rate));
            }
        }
        stand.tick();
    }
    // Burst tolerance would hide a rate that is a little too low.
    let value = if refused > 0 { 0.0 } else { least };
    let measures =
        "least rate of clients that never change, as a multiple of their own; 0 where one is refused";
    Gate::measured("constant", measures, value, Bound::AtLeast(0.999))
}

fn burst(network: &Network) -> Gate {
    let mut stand = stand(network);
    let mut refused = stand.ask("new", 1000);
    for _ in 0..KNOWN {
        stand.ask("known", 1);
        stand.tick();
    }
    refused += stand.ask("known", 1000);
    let measures =
        "requests refused of 1 000 at once, within the floor's burst, from a new and from a known client";
    Gate::measured("burst of 1000", measures, f64::from(refused), Bound::AtMost(0.0))
}

/// After a spike a client is neither above the ceiling nor below its own need.
fn spike(network: &Network) -> Gate {
    let mut stand = stand(network);
    let (mut refused, mut beyond) = (0, 0);
    for tick in 0..3 * KNOWN {
        let is_spike = (KNOWN..KNOWN + 24).contains(&tick);
        let asked = if is_spike { 1_000_000 } else { 5 };
        let turned_away = stand.ask("spikes", asked);
        if tick > KNOWN + 24 + 60 {
            refused += turned_away;
        }
        beyond += u32::from(stand.rate("spikes") > CEILING.rate_per_s * 1.001);
        stand.tick();
    }
    let measures = "refusals of a client's usual 5 a second from a minute after a spike of a million a second on, and ticks above the ceiling";
    Gate::measured("spike", measures, f64::from(refused + beyond), Bound::AtMost(0.0))
}

/// What one client does isn't another's to pay.
fn neighbours(network: &Network) -> Gate {
    let mut stand = stand(network);
    let mut refused = 0;
    for tick in 0..2 * KNOWN {
        if tick >= KNOWN {
            stand.ask("floods", 20_000);
        }
        refused += stand.ask("neighbour", 15);
        stand.tick();
    }
    let measures = "refusals of a client of 15 a second while another floods";
    Gate::measured("neighbours", measures, f64::from(refused), Bound::AtMost(0.0))
}

fn latency(network: &Network, rows: &[Features]) -> Gate {
    let mut outputs = vec![[0.0; 2]; rows.len()];
    let nanos = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            network.predict(rows, &mut outputs);
            std::hint::black_box(&outputs);
            began.elapsed().as_nanos() as f64 / rows.len() as f64
        })
        .fold(f64::INFINITY, f64::min);
    let measures = "nanoseconds for a client and window, the quickest of many rounds";
    Gate::measured("latency", measures, nanos.round(), Bound::AtMost(NANOS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::gate::Verdict;
    use openclaw_admission::Weights;

    fn constant_outputs(rate: f32, burst: f32) -> Network {
        let weights = Weights::Linear { weight: [[0.0; FEATURES]; 2], bias: [rate, burst] };
        Network::new("model", weights).unwrap()
    }

    fn failed(network: &Network) -> Vec<String> {
        let gates = all(network);
        gates.iter().filter(|gate| gate.verdict() == Verdict::Failed).map(|gate| gate.name.clone()).collect()
    }

    #[test]
    fn three_deviations_pass() {
        assert_eq!(failed(&constant_outputs(3.0, 3.0)), [""; 0]);
    }

    /// Serving holds what clients are used to, whatever a model says: no model
    /// makes these fail but by what it puts out.
    #[test]
    fn no_model_takes_from_a_client_what_it_is_used_to() {
        assert_eq!(failed(&constant_outputs(-40.0, -40.0)), [""; 0]);
    }

    #[test]
    fn a_model_whose_outputs_run_away_is_caught() {
        let weights = Weights::Linear { weight: [[1e30; FEATURES]; 2], bias: [3.0; 2] };
        assert!(failed(&Network::new("wild", weights).unwrap()).contains(&"finite".to_owned()));
    }
}
