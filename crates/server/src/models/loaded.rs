//! A model that can be put in force, and copies of those that may be needed at
//! once: a registry that is away must not decide what runs.

use openclaw_admission::{Baseline, FEATURES, Features, Network, Predictor};
use openclaw_alert::Timestamp;
use openclaw_learning::artifact::{Model, ModelError, ModelName};
use openclaw_learning::publish::{Bundle, StoreError};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How long a prediction takes a client: the least mean of a batch, since what
/// predicts gives way to whatever else has to run, and that isn't its doing.
#[derive(Debug)]
pub(crate) struct RowTime(AtomicU64);

impl Default for RowTime {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl RowTime {
    /// Once something has been predicted.
    pub(super) fn nanos(&self) -> Option<f64> {
        let nanos = self.0.load(Ordering::Relaxed);
        (nanos < u64::MAX).then_some(nanos as f64)
    }

    fn of<T>(&self, rows: usize, predict: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = predict();
        if let Some(nanos) = (began.elapsed().as_nanos() as u64).checked_div(rows as u64) {
            self.0.fetch_min(nanos, Ordering::Relaxed);
        }
        done
    }
}

/// A network that is timed.
struct Timed {
    network: Network,
    time: Arc<RowTime>,
}

impl Predictor for Timed {
    fn predict(&self, features: &[Features], out: &mut [[f32; 2]]) {
        self.time.of(features.len(), || self.network.predict(features, out));
    }

    fn name(&self) -> &str {
        self.network.name()
    }

    fn correction_range(&self) -> (f32, f32) {
        self.network.correction_range()
    }
}

/// A model, ready to be put in force.
pub(crate) struct Loaded {
    pub(crate) predictor: Box<dyn Predictor>,
    pub(crate) time: Arc<RowTime>,
    pub(crate) made: Made,
}

/// What is told of a model beside what it predicts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Made {
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) baselines: Option<[Baseline; FEATURES]>,
}

impl Loaded {
    pub(crate) fn new(model: &Model) -> Self {
        let time = Arc::<RowTime>::default();
        let predictor = Box::new(Timed { network: model.network().clone(), time: Arc::clone(&time) });
        let made = Made { created_at: Some(model.card().created_at), baselines: baselines(model) };
        Self { predictor, time, made }
    }
}

fn baselines(model: &Model) -> Option<[Baseline; FEATURES]> {
    let of = &model.card().data.as_ref()?.baseline;
    let each: Vec<Baseline> = of
        .iter()
        .map(|feature| {
            let mut edges = feature.deciles[1..feature.deciles.len() - 1].to_vec();
            edges.dedup();
            Baseline { edges, shares: feature.shares.clone() }
        })
        .collect();
    each.try_into().ok()
}

/// Copies in the data folder.
#[derive(Debug, Clone)]
pub(super) struct Copies {
    models: PathBuf,
    /// For edges.
    bundles: PathBuf,
}

impl Copies {
    pub(super) fn new(folder: &Path) -> Self {
        Self { models: folder.join("serving"), bundles: folder.join("handed") }
    }

    pub(super) fn keep(&self, model: &Model) -> Result<(), ModelError> {
        model.save(&self.models)
    }

    pub(super) fn load(&self, name: ModelName) -> Result<Model, ModelError> {
        Model::load(&self.models, name)
    }

    pub(super) fn keep_bundle(&self, bundle: &Bundle) -> Result<(), StoreError> {
        bundle.keep(&self.bundles)
    }

    pub(super) fn bundle(&self, name: ModelName) -> Option<Bundle> {
        Bundle::kept(&self.bundles, name).ok().flatten()
    }

    pub(super) fn make_room(&self) -> io::Result<()> {
        fs::create_dir_all(&self.models)?;
        fs::create_dir_all(&self.bundles)
    }

    /// Drops all but these.
    pub(super) fn keep_only(&self, names: impl Iterator<Item = ModelName>) -> io::Result<()> {
        let kept: BTreeSet<String> = names.map(|name| name.to_string()).collect();
        for entry in fs::read_dir(&self.models)?.chain(fs::read_dir(&self.bundles)?) {
            let path = entry?.path();
            let is_kept =
                path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| kept.contains(stem));
            if !is_kept {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn who_had_to_wait_is_not_slow() {
        let time = RowTime::default();
        time.of(0, || ());
        assert_eq!(time.nanos(), None);
        let wait = Duration::from_millis(20);
        time.of(10, || std::thread::park_timeout(wait));
        (0..10).for_each(|_| time.of(10, || ()));
        assert!(time.nanos().unwrap() < 10_000.0, "{time:?}");
    }
}
