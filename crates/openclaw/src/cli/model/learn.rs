//! Epoch after epoch, each kept, so that a run that is broken off goes on.

use super::LearnError;
use crate::cli::{CliError, Ui};
use openclaw_learning::train::{Checkpoint, CheckpointError, Epoch, Fit, Gathered, Settings, Trainer};
use std::path::Path;

const BAR_CELLS: u32 = 30;

/// What is kept between epochs.
pub(super) struct Kept<'f> {
    /// Where.
    pub(super) file: &'f Path,
    /// Whether to go on from it.
    pub(super) resume: bool,
    /// Up to when windows had ended, in milliseconds since 1970.
    pub(super) until_ms: i64,
}

/// Up to when windows had ended that a run was on which is to go on.
pub(super) fn until_ms(file: &Path, resume: bool) -> Result<Option<i64>, CheckpointError> {
    match resume && file.exists() {
        true => Ok(Checkpoint::read(file)?.until_ms()),
        false => Ok(None),
    }
}

pub(super) fn learn(
    gathered: &Gathered,
    settings: Settings,
    kept: &Kept<'_>,
    ui: &mut Ui,
) -> Result<Fit, CliError> {
    let mut trainer = begin(gathered, settings, kept.resume.then_some(kept.file), ui)?;
    while let Some(epoch) = trainer.epoch().map_err(LearnError::from)? {
        let checkpoint = trainer.checkpoint().of_windows_until(kept.until_ms);
        checkpoint.write(kept.file).map_err(LearnError::from)?;
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
