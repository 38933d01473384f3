//! All policies on all sets of clients.

use super::figures::Said;
use super::{Client, Figures, Policy};
use crate::Random;
use crate::traces::{Trace, held_out};
use crate::train::{Row, Settings, TrainError, fit, together, volume};
use openclaw_admission::{Network, Predictor, Weights, WeightsError};
use serde::Serialize;
use std::ops::ControlFlow;

/// Share of a client's windows that may be learned from.
const TRAINED: f64 = 0.7;
/// The same of clients of a second file, for policies that look at a client's past.
const SECOND: f64 = 0.3;

/// Networks in one: their mean follows chance less.
const MEMBERS: u64 = 4;

/// How to train what is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenSettings {
    /// Share of windows to cover.
    pub quantile: f32,
    /// A model is trained for each.
    pub seeds: Vec<u64>,
    /// Copies of each client with other phases and volumes.
    pub copies: usize,
    /// Of training.
    pub training: Settings,
    /// Clients never trained on; none for those of the protocol.
    pub held_out: Option<Vec<String>>,
}

impl Default for OpenSettings {
    fn default() -> Self {
        Self {
            quantile: 0.98,
            seeds: (0..5).collect(),
            copies: 6,
            training: Settings::default(),
            held_out: None,
        }
    }
}

/// Why nothing was evaluated.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// What was trained is no network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A name that no client has.
    #[error("no client is called `{0}`; see the `client` of each line")]
    NoSuchClient(String),
    /// Everything is too short or empty.
    #[error(
        "no client has windows to test; series need at least 27 windows of 12 ticks, and requests in them"
    )]
    NothingToTest,
}

/// A policy's figures on one set; over several seeds, the middle and both ends
/// of each.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyFigures {
    /// As tables name it.
    pub policy: String,
    /// The median of each.
    pub median: Figures,
    /// One for each seed; a single one where nothing is random.
    pub runs: Vec<Figures>,
}

/// All policies on one set of clients.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetFigures {
    /// Which.
    pub set: String,
    /// How many.
    pub clients: usize,
    /// That were tested.
    pub windows: usize,
    /// In the table's order.
    pub policies: Vec<PolicyFigures>,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenReport {
    /// Share of windows to cover.
    pub quantile: f32,
    /// Of training.
    pub seeds: Vec<u64>,
    /// Set by set.
    pub sets: Vec<SetFigures>,
}

/// A network for each seed.
struct Models {
    name: &'static str,
    networks: Vec<Network>,
    is_corrected: bool,
}

/// Trains on one file; tests on its last days and its clients that were held
/// out, or, where there is one, on a second file.
///
/// # Errors
/// [`OpenError`] where there is nothing to train on or to test.
pub fn evaluate(
    traces: &[Trace],
    second: Option<&[Trace]>,
    settings: &OpenSettings,
) -> Result<OpenReport, OpenError> {
    let held_out = names_held_out(traces, settings)?;
    let sets = match second {
        Some(second) => vec![("second file", clients(second, SECOND, &[]))],
        None => {
            let all = clients(traces, TRAINED, &held_out);
            let (held_out, seen) = all.into_iter().partition(|client| client.is_held_out);
            vec![("seen clients", seen), ("held-out clients", held_out)]
        }
    };
    let sets: Vec<_> = sets.into_iter().filter(|(_, clients)| !clients.is_empty()).collect();
    if sets.is_empty() {
        return Err(OpenError::NothingToTest);
    }
    let models = models(traces, &held_out, settings)?;
    let sets = sets.iter().map(|(name, clients)| set(name, clients, &models, settings.quantile)).collect();
    Ok(OpenReport { quantile: settings.quantile, seeds: settings.seeds.clone(), sets })
}

fn names_held_out(traces: &[Trace], settings: &OpenSettings) -> Result<Vec<String>, OpenError> {
    let Some(names) = &settings.held_out else { return Ok(held_out(traces)) };
    match names.iter().find(|name| traces.iter().all(|trace| trace.client != **name)) {
        Some(unknown) => Err(OpenError::NoSuchClient(unknown.clone())),
        None => Ok(names.clone()),
    }
}

/// Those that can be tested, from that share of their windows on.
#[must_use]
pub fn clients(traces: &[Trace], from: f64, held_out: &[String]) -> Vec<Client> {
    let client = |trace: &Trace| Client::new(trace, from, held_out.contains(&trace.client));
    traces.iter().map(client).filter(Client::is_testable).collect()
}

/// Trains by volume on the first days of all clients that aren't held out.
///
/// # Errors
/// [`TrainError`] where nothing can be learned.
pub fn train(
    traces: &[Trace],
    held_out: &[String],
    settings: &OpenSettings,
    (hidden, seed): (usize, u64),
) -> Result<Network, OpenError> {
    Ok(Network::new("trained", weights(traces, held_out, settings, (hidden, seed))?)?)
}

fn weights(
    traces: &[Trace],
    held_out: &[String],
    settings: &OpenSettings,
    (hidden, seed): (usize, u64),
) -> Result<Weights, OpenError> {
    let mut random = Random::new(seed);
    let trained = traces.iter().filter(|trace| !held_out.contains(&trace.client));
    let rows: Vec<Row> = trained
        .flat_map(|trace| {
            let windows = (trace.windows().len() as f64 * TRAINED) as usize;
            volume::rows(trace, windows * openclaw_admission::TICKS, settings.copies, &mut random)
        })
        .collect();
    let quantiles = [settings.quantile; 2];
    let training = Settings { hidden, seed, quantiles, ..settings.training };
    let fitted = fit(&rows, &[], training, &mut |_| ControlFlow::Continue(()))?;
    Ok(fitted.weights)
}

/// Several, each of a seed of its own, as one.
fn train_together(
    traces: &[Trace],
    held_out: &[String],
    settings: &OpenSettings,
    seed: u64,
) -> Result<Network, OpenError> {
    let seeds = (0..MEMBERS).map(|member| seed * MEMBERS + member);
    let members = seeds.map(|seed| weights(traces, held_out, settings, (settings.training.hidden, seed)));
    let members = members.collect::<Result<Vec<_>, _>>()?;
    let all = together(&members).ok_or(TrainError::NoRows)?;
    Ok(Network::new("trained", all)?)
}

fn models(traces: &[Trace], held_out: &[String], settings: &OpenSettings) -> Result<Vec<Models>, OpenError> {
    let seeds = || settings.seeds.iter().copied();
    let trained = |hidden: usize| -> Result<Vec<Network>, OpenError> {
        seeds().map(|seed| train(traces, held_out, settings, (hidden, seed))).collect()
    };
    let (linear, mlp) = (trained(0)?, trained(settings.training.hidden)?);
    let several = seeds().map(|seed| train_together(traces, held_out, settings, seed));
    let several = several.collect::<Result<Vec<_>, _>>()?;
    let model =
        |name, networks: &[Network], is_corrected| Models { name, networks: networks.to_vec(), is_corrected };
    Ok(vec![
        model("linear", &linear, false),
        model("MLP", &mlp, false),
        model("MLP + conformal", &mlp, true),
        model("4 MLPs in one", &several, false),
        model("4 MLPs in one + conformal", &several, true),
    ])
}

const SIMPLE: [(&str, Policy<'static>); 5] = [
    ("static p95", Policy::Static(95.0)),
    ("static p99", Policy::Static(99.0)),
    ("seasonal naive", Policy::Seasonal),
    ("EWMA+2s", Policy::Ewma(2.0)),
    ("EWMA+3s", Policy::Ewma(3.0)),
];

fn set(name: &str, clients: &[Client], models: &[Models], quantile: f32) -> SetFigures {
    let run = |policy: &Policy<'_>| figures(clients, policy, f64::from(quantile));
    let row = |name: &str, runs: Vec<Figures>| PolicyFigures {
        policy: name.to_owned(),
        median: Figures::median(&runs),
        runs,
    };
    let mut policies: Vec<_> = SIMPLE.iter().map(|(name, policy)| row(name, vec![run(policy)])).collect();
    policies.extend(models.iter().map(|models| {
        let coverage = models.is_corrected.then_some(quantile);
        let runs =
            models.networks.iter().map(|network| run(&Policy::Learned(network as &dyn Predictor, coverage)));
        row(models.name, runs.collect())
    }));
    policies.push(row("oracle", vec![run(&Policy::Oracle)]));
    let windows = clients.iter().map(Client::tested).sum();
    SetFigures { set: name.to_owned(), clients: clients.len(), windows, policies }
}

/// One policy on one set.
#[must_use]
pub fn figures(clients: &[Client], policy: &Policy<'_>, quantile: f64) -> Figures {
    let said: Vec<_> = clients.iter().map(|client| (client, policy.predict(client))).collect();
    let said: &Said<'_> = &said;
    Figures::of(said, quantile)
}
