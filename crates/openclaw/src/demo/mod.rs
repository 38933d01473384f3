//! `openclaw demo`: a day of alerts against everything embedded.

// pub(crate) mod events;

use crate::cli::{CliError, DemoArgs, Ui};

pub(crate) fn run(_args: DemoArgs, _ui: &mut Ui) -> Result<(), CliError> {
    Ok(())
}
