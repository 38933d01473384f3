//! What the program says: data on standard output, the rest on standard error.

use super::CliError;
use serde_json::Value;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

/// Both outputs of the process.
pub(crate) struct Ui {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    is_terminal: bool,
}

impl Ui {
    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        let is_terminal = io::stdout().is_terminal();
        Self { out: Box::new(io::stdout()), err: Box::new(io::stderr()), is_terminal }
    }

    /// Whether a person sees the data as it comes.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// A line of data.
    pub(crate) fn line(&mut self, text: impl fmt::Display) -> Result<(), CliError> {
        writeln!(self.out, "{text}").map_err(|source| CliError::Output { source })
    }

    /// Data as JSON.
    pub(crate) fn json(&mut self, value: &Value) -> Result<(), CliError> {
        self.line(format_args!("{value:#}"))
    }

    /// A remark that isn't data.
    pub(crate) fn note(&mut self, text: impl fmt::Display) -> Result<(), CliError> {
        writeln!(self.err, "{text}").map_err(|source| CliError::Output { source })
    }

    /// How far something has come: one line that changes on a terminal, plain
    /// lines elsewhere.
    pub(crate) fn progress(&mut self, text: impl fmt::Display, is_last: bool) -> Result<(), CliError> {
        if !io::stderr().is_terminal() {
            return self.note(text);
        }
        let end = if is_last { "\n" } else { "" };
        let written = write!(self.err, "\r\x1b[K{text}{end}").and_then(|()| self.err.flush());
        written.map_err(|source| CliError::Output { source })
    }

    /// Rows of columns as wide as their widest cell.
    pub(crate) fn table(&mut self, rows: &[Vec<String>]) -> Result<(), CliError> {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        for row in rows {
            let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}", width(column)));
            self.line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }

    /// Reports what went wrong and gives the exit status.
    pub(crate) fn conclude(&mut self, result: Result<(), CliError>) -> ExitCode {
        let Err(error) = result else { return ExitCode::SUCCESS };
        // Whoever closed our output has read enough.
        if matches!(&error, CliError::Output { source } if source.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        for (message, hint) in error.messages() {
            // Without standard error nothing is left to tell it to.
            let _ = writeln!(self.err, "error: {message}");
            if let Some(hint) = hint {
                let _ = writeln!(self.err, "hint: {hint}");
            }
        }
        ExitCode::FAILURE
    }
}
