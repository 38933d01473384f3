//! Models, keys and repositories for the tests.

use openclaw_admission::Weights;
use openclaw_alert::Timestamp;
use openclaw_learning::Random;
use openclaw_learning::artifact::{Card, FeatureBaseline, Model, ModelName, TrainingData};
use openclaw_learning::publish::{PublishError, Published, Pushed, Repository};

/// 2026-11-22T00:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_795_305_600);

pub(crate) fn name(text: &str) -> ModelName {
    text.parse().unwrap()
}

/// A trained model, other for each seed.
pub(crate) fn model(called: &str, seed: u64) -> Model {
    let mut random = Random::new(seed);
    let mut number = || random.normal(0.0, 0.5) as f32;
    let weights = Weights::Mlp {
        hidden_weight: (0..32).map(|_| std::array::from_fn(|_| number())).collect(),
        hidden_bias: (0..32).map(|_| number()).collect(),
        weight: std::array::from_fn(|_| (0..32).map(|_| number()).collect()),
        bias: std::array::from_fn(|_| number()),
    };
    let feature: Vec<f32> = (0..100).map(|at| at as f32 / 10.0).collect();
    let data = TrainingData {
        from: Timestamp::from_secs(1_792_713_600),
        to: NOW,
        rows: 7_200_000,
        clients: 10_000,
        tenants: 12,
        baseline: vec![FeatureBaseline::of(&feature).unwrap(); 10],
    };
    let card = Card {
        data: Some(data),
        seed: Some(seed),
        metrics: [("pinball_rate".to_owned(), 0.0152), ("coverage_rate".to_owned(), 0.9903)].into(),
        git_revision: Some("6a0674b".to_owned()),
        ..Card::new(name(called), NOW, [0.99; 2])
    };
    Model::new(card, weights).unwrap()
}

/// Runs what waits for a network, or doesn't.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

pub(crate) fn push(repository: &Repository, model: &Model) -> Result<Pushed, PublishError> {
    wait(repository.push(model))
}

pub(crate) fn pull(repository: &Repository, called: &str) -> Result<Published, PublishError> {
    wait(repository.pull(name(called), None))
}

pub(crate) fn assert_same(one: &Model, other: &Model) {
    assert_eq!(one.card(), other.card());
    assert_eq!(one.weights(), other.weights());
}
