//! The process that makes a model.

use openclaw_learning::schedule::Outcome;
use serde::Deserialize;
use std::ffi::OsString;
use std::io::{self, Read as _};
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

/// After it was asked to end.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);
/// What it says is short.
const SAID_BYTES_MAX: u64 = 64 * 1024;

/// It runs until it has ended, or is dropped.
pub(super) struct Child(process::Child);

/// Its last words.
#[derive(Deserialize)]
struct Said {
    outcome: Outcome,
}

impl Child {
    /// # Errors
    /// There is no such program, or no room for a process.
    pub(super) fn start(command: &[OsString]) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().map(Self)
    }

    /// How it ended, once it has.
    pub(super) fn outcome(&mut self) -> Option<Outcome> {
        match self.0.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(self.said().unwrap_or_else(|| {
                tracing::error!(%status, "the training process has ended without a result");
                Outcome::Failed
            })),
            Err(error) => {
                tracing::error!(%error, "the training process is out of sight");
                Some(Outcome::Failed)
            }
        }
    }

    fn said(&mut self) -> Option<Outcome> {
        let mut said = String::new();
        self.0.stdout.take()?.take(SAID_BYTES_MAX).read_to_string(&mut said).ok()?;
        Some(serde_json::from_str::<Said>(&said).ok()?.outcome)
    }

    /// Asks it to end, and ends it where it doesn't.
    pub(super) fn end(&mut self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // It may have ended by itself meanwhile.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let asked = Instant::now();
        while asked.elapsed() < ENDS_WITHIN {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::park_timeout(LOOK);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.end();
        }
    }
}
