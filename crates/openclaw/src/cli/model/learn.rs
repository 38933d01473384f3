//! Epoch after epoch, each kept, so that a run that is broken off goes on.

use super::LearnError;
use crate::cli::{CliError, Ui};
use openclaw_learning::train::{Checkpoint, Epoch, Fit, Gathered, Settings, Trainer};
use std::path::Path;

const BAR_CELLS: u32 = 30;

pub(super) fn learn(
    gathered: &Gathered,
    settings: Settings,
    file: &Path,
    resume: bool,
    ui: &mut Ui,
) -> Result<Fit, CliError> {
    let mut trainer = begin(gathered, settings, resume.then_some(file), ui)?;
    while let Some(epoch) = trainer.epoch().map_err(LearnError::from)? {
        trainer.checkpoint().write(file).map_err(LearnError::from)?;
        ui.progress(line(&epoch), epoch.epoch == epoch.epochs)?;
    }
    Ok(trainer.finish().map_err(LearnError::from)?)
}

fn begin<'a>(
    gathered: &'a Gathered,
    settings: Settings,
    resume_from: Option<&Path>,
    ui: &mut Ui,
) -> Result<Trainer<'a>, CliError> {
    let trainer = Trainer::new(&gathered.rows, &gathered.held_out, settings).map_err(LearnError::from)?;
    match resume_from.filter(|file| file.exists()) {
        None => Ok(trainer),
        Some(file) => {
            let checkpoint = Checkpoint::read(file).map_err(LearnError::from)?;
            ui.note(format_args!("goes on after epoch {}", checkpoint.epochs()))?;
            Ok(trainer.resume(&checkpoint).map_err(LearnError::from)?)
        }
    }
}

fn line(epoch: &Epoch) -> String {
    let done = BAR_CELLS * epoch.epoch / epoch.epochs;
    let bar: String = (0..BAR_CELLS).map(|cell| if cell < done { '█' } else { '░' }).collect();
    let held_out = epoch.held_out.map_or(String::new(), |loss| format!(", held out {loss:.5}"));
    let best = if epoch.is_best { "" } else { " (not better)" };
    format!("{bar} epoch {} of {}: loss {:.5}{held_out}{best}", epoch.epoch, epoch.epochs, epoch.loss)
}
