//! What training promises: it learns quantiles, in the same bits everywhere,
//! broken off or not.

use openclaw_admission::{FEATURES, Network, Predictor as _, Weights};
use openclaw_learning::Random;
use openclaw_learning::train::{Checkpoint, Epoch, Row, Settings, TrainError, Trainer, fit};
use std::ops::ControlFlow;

/// Targets are normal around a bent function of the features, and stray more
/// where the second feature is large.
fn rows(count: usize, seed: u64) -> Vec<Row> {
    let mut random = Random::new(seed);
    (0..count)
        .map(|_| {
            let features: [f32; FEATURES] =
                std::array::from_fn(|input| (input as f64 + random.normal(0.0, 1.0 + input as f64)) as f32);
            let mean = f64::from(features[0]).abs();
            let strays = 0.3 + 0.2 * f64::from(features[1]).abs();
            let target = [0, 1].map(|_| random.normal(mean, strays) as f32);
            Row { features, target, weight: random.uniform(0.5, 1.0) as f32 }
        })
        .collect()
}

fn on(_: &Epoch) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn settings() -> Settings {
    Settings { hidden: 16, quantiles: [0.9, 0.5], epochs: 12, ..Settings::default() }
}

fn covered(weights: &Weights, rows: &[Row]) -> [f64; 2] {
    let network = Network::new("m", weights.clone()).unwrap();
    let features: Vec<_> = rows.iter().map(|row| row.features).collect();
    let mut out = vec![[0.0; 2]; rows.len()];
    network.predict(&features, &mut out);
    [0, 1].map(|output| {
        rows.iter().zip(&out).filter(|(row, out)| row.target[output] <= out[output]).count() as f64
            / rows.len() as f64
    })
}

/// Every bit of the weights in one number.
fn hash(weights: &Weights) -> u64 {
    let numbers: Vec<f32> = match weights {
        Weights::Linear { weight, bias } => weight.iter().flatten().chain(bias).copied().collect(),
        Weights::Mlp { hidden_weight, hidden_bias, weight, bias } => {
            let hidden = hidden_weight.iter().flatten().chain(hidden_bias);
            hidden.chain(weight.iter().flatten()).chain(bias).copied().collect()
        }
    };
    numbers.iter().fold(0xcbf2_9ce4_8422_2325, |hash, number| {
        (hash ^ u64::from(number.to_bits())).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[test]
fn outputs_cover_their_quantiles() {
    let (train, test) = (rows(20_000, 1), rows(20_000, 2));
    let fitted = fit(&train, &[], settings(), &mut on).unwrap();
    let [rate, burst] = covered(&fitted.weights, &test);
    assert!((rate - 0.9).abs() < 0.01 && (burst - 0.5).abs() < 0.02, "{rate} {burst}");
    let linear = fit(&train, &[], Settings { hidden: 0, ..settings() }, &mut on).unwrap();
    let [rate, burst] = covered(&linear.weights, &test);
    assert!((rate - 0.9).abs() < 0.01 && (burst - 0.5).abs() < 0.02, "{rate} {burst}");
    assert!(fitted.loss < 0.9 * linear.loss, "{} against {}: the bend isn't seen", fitted.loss, linear.loss);
}

#[test]
fn the_same_bits_on_every_machine() {
    let train = rows(5000, 3);
    let mlp = fit(&train, &rows(500, 4), Settings { averaged: 0.3, ..settings() }, &mut on).unwrap();
    let linear = fit(&train, &[], Settings { hidden: 0, ..settings() }, &mut on).unwrap();
    let hashes = format!("{:016x} {:016x}", hash(&mlp.weights), hash(&linear.weights));
    assert_eq!(
        hashes, "b8844789dd0f43b2 ab0786fc12849daf",
        "weights have other bits than on the machine that wrote this"
    );
}

#[test]
fn threads_do_not_show() {
    let train = rows(3500, 5);
    let by = |threads| fit(&train, &[], Settings { threads, epochs: 3, ..settings() }, &mut on).unwrap();
    let alone = by(1);
    for threads in 2..=4 {
        assert_eq!(by(threads), alone, "{threads} threads");
    }
}

#[test]
fn a_run_that_was_broken_off_ends_with_the_same_bits() {
    let (train, held_out) = (rows(2500, 6), rows(700, 7));
    let settings = Settings { averaged: 0.5, patience: Some(4), ..settings() };
    let whole = fit(&train, &held_out, settings, &mut on).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint.json");
    for stop in [1, 5, 8] {
        let mut first = Trainer::new(&train, &held_out, settings).unwrap();
        (0..stop).for_each(|_| {
            first.epoch().unwrap();
            first.checkpoint().write(&file).unwrap();
        });
        drop(first);
        let checkpoint = Checkpoint::read(&file).unwrap();
        let mut second = Trainer::new(&train, &held_out, settings).unwrap().resume(&checkpoint).unwrap();
        while second.epoch().unwrap().is_some() {}
        assert_eq!(second.finish().unwrap(), whole, "broken off after {stop}");
    }
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let train = rows(300, 8);
    let checkpoint = Trainer::new(&train, &[], settings()).unwrap().checkpoint();
    let others = rows(300, 9);
    let resumed = |rows, settings| Trainer::new(rows, &[], settings).unwrap().resume(&checkpoint).err();
    assert_eq!(resumed(&others, settings()), Some(TrainError::OtherRun { what: "rows" }));
    let wider = Settings { hidden: 17, ..settings() };
    assert_eq!(resumed(&train, wider), Some(TrainError::OtherRun { what: "settings" }));
    assert_eq!(
        resumed(&train, Settings { seed: 1, ..settings() }),
        Some(TrainError::OtherRun { what: "settings" })
    );
    assert_eq!(resumed(&train, Settings { threads: 4, ..settings() }), None);
}

#[test]
fn stops_where_it_gets_no_better() {
    let (train, held_out) = (rows(400, 10), rows(400, 11));
    let settings = Settings { epochs: 400, patience: Some(5), rate: 0.02, ..settings() };
    let mut losses = Vec::new();
    let fitted = fit(&train, &held_out, settings, &mut |epoch| {
        losses.push(epoch.held_out.unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(fitted.epochs < 400, "learned by heart for {} epochs", fitted.epochs);
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(fitted.held_out, Some(best));
    assert_eq!(losses.iter().position(|loss| *loss == best).unwrap() + 6, losses.len());
}

#[test]
fn what_cannot_be_learned_from_is_refused() {
    let mut train = rows(10, 12);
    let refused = |rows: &[Row], settings| fit(rows, &[], settings, &mut on).err();
    assert_eq!(refused(&[], settings()), Some(TrainError::NoRows));
    assert_eq!(
        refused(&train, Settings { hidden: 257, ..settings() }),
        Some(TrainError::Hidden { hidden: 257 })
    );
    let quantiles = [0.9, 1.0];
    assert_eq!(
        refused(&train, Settings { quantiles, ..settings() }),
        Some(TrainError::Quantile { quantile: 1.0 })
    );
    assert!(matches!(
        refused(&train, Settings { epochs: 0, ..settings() }),
        Some(TrainError::Setting { name: "`epochs`", .. })
    ));
    train[7].features[3] = f32::NAN;
    assert_eq!(refused(&train, settings()), Some(TrainError::NotFinite { row: 7 }));
}

#[test]
fn a_feature_that_never_changes_does_no_harm() {
    let mut train = rows(3000, 13);
    train.iter_mut().for_each(|row| row.features[2] = 0.0);
    let fitted = fit(&train, &[], settings(), &mut on).unwrap();
    let Weights::Mlp { hidden_weight, .. } = &fitted.weights else { panic!("no hidden layer") };
    assert!(hidden_weight.iter().all(|unit| unit[2] == 0.0), "a day on which it does change would be a leap");
    let [rate, burst] = covered(&fitted.weights, &train);
    assert!((rate - 0.9).abs() < 0.02 && (burst - 0.5).abs() < 0.05, "{rate} {burst}");
}
