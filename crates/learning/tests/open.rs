//! The open loop gives the figures that the protocol's reference gives, on
//! arrivals made up from a seed and, where there are, on recorded ones.

use openclaw_learning::Random;
use openclaw_learning::evaluate::open::{Client, Figures, Policy, clients, figures};
use openclaw_learning::traces::{self, Trace};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;

const TOLERANCE: f64 = 1e-4;
/// Its place among the figures.
const WHOLE_WINDOWS: usize = 4;

fn expected() -> Value {
    serde_json::from_str(include_str!("fixtures/open-loop.json")).unwrap()
}

/// Arrivals of every kind that recorded ones are of: a daily swing, bursts,
/// silence, a series of two months in minutes.
fn made_up() -> Vec<u8> {
    let mut random = Random::new(11);
    let mut lines = Vec::new();
    let mut series = |client: &str, dataset: &str, tick_s: u32, ticks: usize, level: f64, bursts: f64| {
        let day = 86_400.0 / f64::from(tick_s);
        let mut burst = 0.0;
        let counts: Vec<f64> = (0..ticks)
            .map(|tick| {
                let swing = 1.0 + 0.6 * libm::sin(std::f64::consts::TAU * tick as f64 / day);
                burst *= 0.8;
                if random.unit() < bursts {
                    burst += level * random.uniform(2.0, 20.0);
                }
                random.poisson(level * swing + burst)
            })
            .collect();
        let line = json!({ "client": client, "dataset": dataset, "tick_s": tick_s, "counts": counts });
        writeln!(lines, "{line}").unwrap();
    };
    series("calm", "made-up", 300, 6000, 40.0, 0.0);
    series("bursty", "made-up", 300, 6000, 8.0, 0.02);
    series("rare", "made-up", 300, 5000, 0.2, 0.004);
    series("tweets_PFE", "made-up", 300, 5000, 6.0, 0.01);
    series("seconds", "made-up", 1, 3600, 20.0, 0.03);
    series("minutes", "worldcup98", 60, 4 * 7 * 1440, 300.0, 0.005);
    lines
}

fn policies() -> [(&'static str, Policy<'static>); 6] {
    [
        ("static p95", Policy::Static(95.0)),
        ("static p99", Policy::Static(99.0)),
        ("seasonal naive", Policy::Seasonal),
        ("ewma+2s", Policy::Ewma(2.0)),
        ("ewma+3s", Policy::Ewma(3.0)),
        ("oracle", Policy::Oracle),
    ]
}

/// In the order of the fixture.
fn numbers(of: &Figures) -> Vec<f64> {
    let mut numbers = [of.pinball, of.coverage].concat();
    numbers.extend([of.whole_windows, of.refused, of.headroom]);
    numbers.extend(of.refused_at);
    numbers.extend(of.headroom_for);
    numbers
}

fn check(traces: &[Trace], expected: &Value) {
    let held_out = traces::held_out(traces);
    let (held, seen): (Vec<_>, Vec<_>) =
        clients(traces, 0.7, &held_out).into_iter().partition(|client| client.is_held_out);
    for (set, clients) in [("seen", seen), ("held out", held)] {
        assert_eq!(json!(clients.len()), expected[set]["clients"], "{set}");
        // Whether exactly as much as a bucket holds fits into it hangs on the
        // last bit of exp.
        let fewest = clients.iter().map(Client::tested).min().unwrap();
        let one_window = 1.01 / (fewest * clients.len()) as f64;
        let windows: usize = clients.iter().map(Client::tested).sum();
        assert_eq!(json!(windows), expected[set]["windows"], "{set}");
        for (name, policy) in policies() {
            let ours = numbers(&figures(&clients, &policy, 0.98));
            let theirs: Vec<f64> = serde_json::from_value(expected[set][name].clone()).unwrap();
            for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                let tolerance =
                    if at == WHOLE_WINDOWS { one_window } else { TOLERANCE * theirs.abs().max(1.0) };
                assert!(
                    (ours - theirs).abs() <= tolerance,
                    "{set}, {name}, figure {at}: {ours} against {theirs}"
                );
            }
        }
    }
}

#[test]
fn made_up_arrivals_give_the_reference_figures() {
    if let Ok(file) = std::env::var("OPENCLAW_WRITE_ARRIVALS") {
        std::fs::write(file, made_up()).unwrap();
    }
    check(&traces::read_from(&mut made_up().as_slice()).unwrap(), &expected()["made up"]);
}

#[test]
fn recorded_arrivals_give_the_reference_figures() {
    let Some(folder) = std::env::var_os("OPENCLAW_TEST_DATA") else {
        eprintln!("OPENCLAW_TEST_DATA isn't set: left out the figures on recorded arrivals");
        return;
    };
    let traces = traces::read(&PathBuf::from(folder).join("arrivals.jsonl.gz")).unwrap();
    check(&traces, &expected()["recorded"]);
}
