//! What has been seen of two models, kept over restarts.

use super::event::Figures;
use super::settings::Stage;
use openclaw_admission::{CLUSTERS, Cluster, Evidence};
use serde::{Deserialize, Serialize};

/// Refusals, in windows' demand, that tell nothing yet.
const FEW: f64 = 0.2;
/// Shares of demand, a window, that are no matter.
const LITTLE: f64 = 1e-3;
/// No cluster counts for more, in either direction.
const WINSOR: f64 = 1.0;

/// Sums of one cluster, named as in [`Cluster`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Of {
    windows: f64,
    refused: [f64; 2],
    loss: [f64; 2],
    beyond: [f64; 2],
    room: [f64; 2],
    /// Since the stage began, as the two that follow.
    here: f64,
    turned_away: f64,
    retried: f64,
}

impl Of {
    fn add(&mut self, seen: &Cluster) {
        self.windows += seen.windows;
        add(&mut self.refused, seen.refused);
        add(&mut self.loss, seen.loss);
        add(&mut self.beyond, seen.beyond);
        add(&mut self.room, seen.room);
        self.here += seen.windows;
        self.turned_away += seen.turned_away;
        self.retried += seen.retried;
    }
}

fn add(sums: &mut [f64; 2], seen: [f64; 2]) {
    sums.iter_mut().zip(seen).for_each(|(sum, seen)| *sum += seen);
}

/// Logarithm of how much more the second is, within bounds.
fn ratio([running, candidate]: [f64; 2], little: f64) -> f64 {
    libm::log((candidate + little) / (running + little)).clamp(-WINSOR, WINSOR)
}

/// All clusters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sums {
    clusters: Vec<Of>,
    pub(super) outputs: u64,
    pub(super) not_finite: u64,
    pub(super) absurd: u64,
}

impl Default for Sums {
    fn default() -> Self {
        Self { clusters: vec![Of::default(); CLUSTERS], outputs: 0, not_finite: 0, absurd: 0 }
    }
}

impl Sums {
    pub(super) fn add(&mut self, seen: &Evidence) {
        for (sums, seen) in
            self.clusters.iter_mut().zip(&seen.clusters).filter(|(_, seen)| seen.windows > 0.0)
        {
            sums.add(seen);
        }
        self.outputs += seen.outputs;
        self.not_finite += seen.not_finite;
        self.absurd += seen.absurd;
    }

    /// From now on other clients' limits are set.
    pub(super) fn begin_stage(&mut self) {
        for of in &mut self.clusters {
            (of.here, of.turned_away, of.retried) = (0.0, 0.0, 0.0);
        }
    }

    pub(super) fn windows(&self) -> f64 {
        self.clusters.iter().map(|of| of.windows).sum()
    }

    /// Windows of the stage.
    pub(super) fn here(&self) -> f64 {
        self.clusters.iter().map(|of| of.here).sum()
    }

    fn seen(&self) -> impl Iterator<Item = &Of> {
        self.clusters.iter().filter(|of| of.windows > 0.0)
    }

    /// How much more demand the candidate would have refused, each cluster.
    pub(super) fn refused(&self) -> impl Iterator<Item = f64> {
        self.seen().map(|of| ratio(of.refused, FEW))
    }

    /// How much worse it predicted.
    pub(super) fn loss(&self) -> impl Iterator<Item = f64> {
        self.seen().map(|of| ratio(of.loss, LITTLE * of.windows))
    }

    /// How much more often windows were beyond its predictions.
    pub(super) fn beyond(&self) -> impl Iterator<Item = f64> {
        self.seen().map(|of| ratio(of.beyond, 1.0))
    }

    /// How much more it would have let through.
    pub(super) fn room(&self) -> impl Iterator<Item = f64> {
        self.seen().map(|of| ((of.room[1] - of.room[0]) / of.windows).clamp(-2.0 * WINSOR, 2.0 * WINSOR))
    }

    /// How much more is refused within the target where it sets the limits.
    pub(super) fn turned_away(&self, stage: Stage) -> impl Iterator<Item = f64> {
        self.arms(stage).map(|pair| ratio(pair.map(|of| of.turned_away / of.here), LITTLE))
    }

    /// How much more comes again after a refusal there.
    pub(super) fn retried(&self, stage: Stage) -> impl Iterator<Item = f64> {
        self.arms(stage).map(|pair| ratio(pair.map(|of| of.retried / of.here), LITTLE))
    }

    /// Clusters of the running model, each beside one of the candidate's: which
    /// is chance, so under the null hypothesis they could change places.
    fn arms(&self, stage: Stage) -> impl Iterator<Item = [&Of; 2]> {
        let part = stage.part();
        let of_arm = move |is_candidates: bool| {
            let clusters = self.clusters.iter().enumerate();
            clusters.filter(move |(at, of)| of.here > 0.0 && part.has(*at) == is_candidates)
        };
        of_arm(false).zip(of_arm(true)).map(|((_, running), (_, candidate))| [running, candidate])
    }

    /// What is told of them.
    pub(super) fn figures(&self, stage: Stage) -> Figures {
        let all = self.windows().max(1.0);
        let mean = |of: fn(&Of) -> [f64; 2]| {
            let mut sums = [0.0; 2];
            self.clusters.iter().for_each(|cluster| add(&mut sums, of(cluster)));
            sums.map(|sum| sum / all)
        };
        let room = mean(|of| of.room);
        let part = stage.part();
        let arm = |of: fn(&Of) -> f64| {
            [false, true].map(|is_candidates| {
                let (mut sum, mut windows) = (0.0, 0.0);
                for (_, cluster) in
                    self.clusters.iter().enumerate().filter(|(at, _)| part.has(*at) == is_candidates)
                {
                    sum += of(cluster);
                    windows += cluster.here;
                }
                if windows > 0.0 { sum / windows } else { 0.0 }
            })
        };
        Figures {
            windows: self.windows() as u64,
            clusters: self.seen().count() as u32,
            refused: mean(|of| of.refused),
            loss: mean(|of| of.loss),
            beyond: mean(|of| of.beyond),
            room_times: libm::exp(room[1] - room[0]),
            turned_away: arm(|of| of.turned_away),
            retried: arm(|of| of.retried),
            outputs: self.outputs,
            not_finite: self.not_finite,
            absurd: self.absurd,
        }
    }
}
