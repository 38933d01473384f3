//! Training from the first epoch to the last, or to where it gets no better.

use super::adam::Adam;
use super::batch::Scaled;
use super::checkpoint::Checkpoint;
use super::kernel::{Kernel, Loss};
use super::parameters::Shape;
use super::workers::Work;
use super::{Row, Settings, TrainError, rows};
use crate::Random;
use crate::artifact::Scaling;
use openclaw_admission::{Network, OUTPUTS, Weights};
use std::ops::ControlFlow;

/// How an epoch went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Epoch {
    /// Which, from 1.
    pub epoch: u32,
    /// Of how many at most.
    pub epochs: u32,
    /// Mean pinball loss over the rows while they were learned from.
    pub loss: f64,
    /// Mean pinball loss over held-out rows afterwards.
    pub held_out: Option<f64>,
    /// Whether these weights are the best so far.
    pub is_best: bool,
}

/// What training came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// As served, the scaling folded in.
    pub weights: Weights,
    /// Of the inputs.
    pub scaling: Scaling,
    /// Epochs that were gone through.
    pub epochs: u32,
    /// Mean loss over the rows in the last epoch.
    pub loss: f64,
    /// Mean loss of the weights over the held-out rows.
    pub held_out: Option<f64>,
}

/// Weights that may be kept, and how good they are.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Best {
    pub(super) parameters: Vec<f32>,
    pub(super) held_out: f64,
    pub(super) epoch: u32,
}

/// All that the next epoch begins with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Progress {
    pub(super) epoch: u32,
    pub(super) parameters: Vec<f32>,
    pub(super) adam: Adam,
    pub(super) random: [u64; 4],
    /// Sum of the weights of the epochs that are averaged.
    pub(super) summed: Vec<f64>,
    pub(super) best: Option<Best>,
    pub(super) loss: f64,
}

/// Training under way.
#[derive(Debug)]
pub struct Trainer<'a> {
    rows: Scaled<'a>,
    held_out: Scaled<'a>,
    settings: Settings,
    scaling: Scaling,
    shape: Shape,
    rows_hash: u64,
    progress: Progress,
    order: Vec<u32>,
}

/// Trains on rows; where there are held-out rows, keeps the weights that are
/// best on them. `watch` hears of each epoch and may end it there.
///
/// # Errors
/// [`TrainError`] where nothing can be learned.
pub fn fit(
    rows: &[Row],
    held_out: &[Row],
    settings: Settings,
    watch: &mut dyn FnMut(&Epoch) -> ControlFlow<()>,
) -> Result<Fit, TrainError> {
    let mut trainer = Trainer::new(rows, held_out, settings)?;
    while let Some(epoch) = trainer.epoch()? {
        if watch(&epoch).is_break() {
            break;
        }
    }
    trainer.finish()
}

impl<'a> Trainer<'a> {
    /// Before the first epoch.
    ///
    /// # Errors
    /// [`TrainError`] for settings or rows that nothing can be learned from.
    pub fn new(rows: &'a [Row], held_out: &'a [Row], settings: Settings) -> Result<Self, TrainError> {
        settings.checked(rows.len())?;
        if let Some(row) = rows.iter().chain(held_out).position(|row| !row.is_finite()) {
            return Err(TrainError::NotFinite { row });
        }
        let scaling = Scaling::of(rows);
        let shape = Shape { hidden: settings.hidden };
        let mut random = Random::new(settings.seed);
        let parameters =
            shape.start(&mut random, std::array::from_fn(|output| quantile(rows, output, settings)));
        let progress = Progress {
            epoch: 0,
            adam: Adam::new(shape.len()),
            summed: vec![0.0; shape.len()],
            parameters,
            random: random.state(),
            best: None,
            loss: 0.0,
        };
        Ok(Self {
            rows: Scaled::new(rows, &scaling),
            held_out: Scaled::new(held_out, &scaling),
            settings,
            scaling,
            shape,
            rows_hash: rows::hash(rows) ^ rows::hash(held_out).rotate_left(1),
            progress,
            order: vec![0; rows.len()],
        })
    }

    /// Where an earlier run stopped: what comes out has the same bits as if it
    /// hadn't.
    ///
    /// # Errors
    /// [`TrainError::OtherRun`] where rows or settings are others.
    pub fn resume(mut self, checkpoint: &Checkpoint) -> Result<Self, TrainError> {
        let sizes = self.shape.len();
        self.progress = checkpoint.progress(self.rows_hash, &self.settings.fingerprint(), sizes)?;
        Ok(self)
    }

    /// All that [`Trainer::resume`] needs.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint::new(&self.progress, self.rows_hash, self.settings.fingerprint())
    }

    /// Goes through the rows once more. None when all is done.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] when weights leave the finite numbers.
    pub fn epoch(&mut self) -> Result<Option<Epoch>, TrainError> {
        if self.is_done() {
            return Ok(None);
        }
        let rate = self.rate();
        self.shuffle();
        let (loss, averaged_from) = (self.loss(), self.averaged_from());
        let work = Work { rows: self.rows, order: &self.order, shape: self.shape, loss };
        let progress = &mut self.progress;
        let summed = work.epoch(&mut progress.parameters, &mut progress.adam, rate, self.settings.threads);
        progress.loss = summed / self.order.len() as f64;
        progress.epoch += 1;
        if !progress.parameters.iter().all(|parameter| parameter.is_finite()) {
            return Err(TrainError::Diverged { epoch: progress.epoch, rate: self.settings.rate });
        }
        if progress.epoch > averaged_from {
            let parameters = progress.parameters.iter().copied().map(f64::from);
            progress.summed.iter_mut().zip(parameters).for_each(|(sum, parameter)| *sum += parameter);
        }
        Ok(Some(self.judge()))
    }

    fn judge(&mut self) -> Epoch {
        let parameters = self.candidate();
        let held_out = self.held_out_loss(&parameters);
        let progress = &mut self.progress;
        let is_best =
            held_out.is_none_or(|loss| progress.best.as_ref().is_none_or(|best| loss < best.held_out));
        if let (true, Some(held_out)) = (is_best, held_out) {
            progress.best = Some(Best { parameters, held_out, epoch: progress.epoch });
        }
        Epoch { epoch: progress.epoch, epochs: self.settings.epochs, loss: progress.loss, held_out, is_best }
    }

    /// Ends here, with the best weights.
    ///
    /// # Errors
    /// [`TrainError::Weights`] where they are no network.
    pub fn finish(self) -> Result<Fit, TrainError> {
        let (parameters, held_out) = match &self.progress.best {
            Some(best) => (best.parameters.clone(), Some(best.held_out)),
            None => (self.candidate(), None),
        };
        let weights = self.shape.weights(&parameters, &self.scaling);
        Network::new("trained", weights.clone())?;
        let Progress { epoch: epochs, loss, .. } = self.progress;
        Ok(Fit { weights, scaling: self.scaling, epochs, loss, held_out })
    }

    fn is_done(&self) -> bool {
        let since_best = self.progress.best.as_ref().map(|best| self.progress.epoch - best.epoch);
        let is_tired =
            since_best.zip(self.settings.patience).is_some_and(|(since, patience)| since >= patience);
        self.progress.epoch >= self.settings.epochs || is_tired
    }

    fn rate(&self) -> f32 {
        let done = f64::from(self.progress.epoch) / f64::from(self.settings.epochs);
        (f64::from(self.settings.rate) * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * done))) as f32
    }

    fn loss(&self) -> Loss {
        Loss { quantiles: self.settings.quantiles, smoothing: self.settings.smoothing }
    }

    fn shuffle(&mut self) {
        let mut random = Random::from_state(self.progress.random);
        self.order.iter_mut().enumerate().for_each(|(at, row)| *row = at as u32);
        random.shuffle(&mut self.order);
        self.progress.random = random.state();
    }

    /// Epochs before the first whose weights are averaged.
    fn averaged_from(&self) -> u32 {
        let averaged = (self.settings.averaged * self.settings.epochs as f32) as u32;
        self.settings.epochs - averaged.min(self.settings.epochs)
    }

    /// The weights as they would be kept now.
    fn candidate(&self) -> Vec<f32> {
        let averaged = self.progress.epoch.saturating_sub(self.averaged_from());
        match averaged {
            0 => self.progress.parameters.clone(),
            epochs => self.progress.summed.iter().map(|sum| (sum / f64::from(epochs)) as f32).collect(),
        }
    }

    fn held_out_loss(&self, parameters: &[f32]) -> Option<f64> {
        let rows = self.held_out.rows.len();
        let mut kernel = Kernel::new(self.shape, self.loss());
        (rows > 0).then(|| self.held_out.loss(&mut kernel, parameters) / rows as f64)
    }
}

/// Of an output's targets.
fn quantile(rows: &[Row], output: usize, settings: Settings) -> f32 {
    let mut targets: Vec<f32> = rows.iter().map(|row| row.target[output]).collect();
    let at = (f64::from(settings.quantiles[output]) * (rows.len() - 1) as f64) as usize;
    *targets.select_nth_unstable_by(at, f32::total_cmp).1
}

const _: () = assert!(OUTPUTS == 2);
