//! The next model, made in a process of its own when it is due.
//!
//! A thread keeps to the schedule; the work is done by a child process at low
//! priority and with a cap on its memory, so that decisions don't feel it. What
//! became of past runs is kept in a file, and among replicas that share limits
//! one runs what is due.

mod child;
mod claim;

use crate::clock::Clock;
use crate::files::{self, READABLE};
use crate::observe::TrainerMetrics;
use child::Child;
use claim::{Claim, Claimed};
use jiff::Timestamp;
use openclaw_learning::schedule::{Outcome, Plan, Runs, Schedule};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) use claim::Replicas;

/// What there is to do is looked at this often, also since clocks are set.
const LOOK: Duration = Duration::from_secs(5);
/// A child is looked at this often.
const LOOK_AT_CHILD: Duration = Duration::from_millis(200);
/// A lease on the run is renewed this often.
const RENEW: Duration = Duration::from_secs(10);
/// Where past runs are kept, in the data folder.
const RUNS: &str = "training.json";

/// How models are made by themselves.
#[derive(Debug, Clone)]
pub struct TrainerOptions {
    /// When.
    pub schedule: Schedule,
    /// The program and its arguments: it extracts, trains, validates and
    /// publishes, and writes `{"outcome": …}` to standard output.
    pub command: Vec<OsString>,
    /// A run that takes longer is ended.
    pub time_max: Duration,
}

/// Keeps to the schedule until it is stopped.
pub(crate) struct Trainer {
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread has.
struct Keeper {
    options: TrainerOptions,
    runs_file: PathBuf,
    runs: Runs,
    claim: Claim,
    clock: Arc<Clock>,
    metrics: TrainerMetrics,
    stopped: Receiver<()>,
}

impl Trainer {
    /// Begins to keep to the schedule.
    ///
    /// # Errors
    /// The file of past runs can't be read, or there can be no further thread.
    pub(crate) fn start(
        options: TrainerOptions,
        data: &Path,
        replicas: Option<Replicas>,
        clock: Arc<Clock>,
        metrics: TrainerMetrics,
    ) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let runs_file = data.join(RUNS);
        let runs = read(&runs_file)?.unwrap_or_else(|| Runs::beginning(time(&clock)));
        let claim = Claim::new(replicas);
        let keeper = Keeper { options, runs_file, runs, claim, clock, metrics, stopped };
        let thread = std::thread::Builder::new().name("trainer".into()).spawn(move || keeper.run())?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends what runs.
    pub(crate) fn stop(&mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the trainer's thread has panicked");
        }
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Keeper {
    fn run(mut self) {
        self.save();
        loop {
            let pause = match self.runs.plan(&self.options.schedule, time(&self.clock)) {
                Plan::Begin { due, attempt } => match self.begin(due, attempt) {
                    Next::Go => continue,
                    Next::Later => LOOK,
                    Next::Stop => return,
                },
                Plan::Wait(until) => self.clock.until(alert_time(until)).min(LOOK),
                Plan::Never => return,
            };
            if !matches!(self.stopped.recv_timeout(pause), Err(RecvTimeoutError::Timeout)) {
                return;
            }
        }
    }

    fn begin(&mut self, due: Timestamp, attempt: u32) -> Next {
        match self.claim.take(due) {
            Claimed::Mine => {}
            Claimed::Done => {
                self.runs.begin(due, attempt, time(&self.clock));
                self.end(Outcome::Elsewhere);
                return Next::Go;
            }
            Claimed::Busy => return Next::Later,
        }
        self.runs.begin(due, attempt, time(&self.clock));
        self.save();
        tracing::info!(%due, attempt, "a model is being made");
        let outcome = match Child::start(&self.options.command) {
            Ok(child) => match self.watch(child, due) {
                Some(outcome) => outcome,
                // Whoever starts next sees that this attempt has no end.
                None => return Next::Stop,
            },
            Err(error) => {
                tracing::error!(%error, "the training process can't be started");
                Outcome::Failed
            }
        };
        self.end(outcome);
        if outcome != Outcome::Failed {
            self.claim.done(due);
        }
        Next::Go
    }

    /// Waits for the child; nothing where everything is to stop.
    fn watch(&mut self, mut child: Child, due: Timestamp) -> Option<Outcome> {
        let (mut ran, mut since_renewal) = (Duration::ZERO, Duration::ZERO);
        loop {
            if let Some(outcome) = child.outcome() {
                return Some(outcome);
            }
            if !matches!(self.stopped.recv_timeout(LOOK_AT_CHILD), Err(RecvTimeoutError::Timeout)) {
                child.end();
                return None;
            }
            ran += LOOK_AT_CHILD;
            since_renewal += LOOK_AT_CHILD;
            if ran > self.options.time_max {
                tracing::error!(
                    limit_s = self.options.time_max.as_secs(),
                    "training takes too long and is ended"
                );
                child.end();
                return Some(Outcome::Failed);
            }
            if since_renewal >= RENEW {
                since_renewal = Duration::ZERO;
                if !self.claim.renew(due) {
                    tracing::warn!("another replica may have begun to train; training is ended here");
                    child.end();
                    return Some(Outcome::Failed);
                }
            }
        }
    }

    fn end(&mut self, outcome: Outcome) {
        let now = time(&self.clock);
        self.runs.end(outcome, now);
        self.save();
        self.metrics.ended(outcome, now);
        tracing::info!(outcome = outcome.name(), "the making of a model has ended");
    }

    fn save(&self) {
        if let Err(error) = write(&self.runs_file, &self.runs) {
            tracing::warn!(%error, file = %self.runs_file.display(), "past training runs can't be noted");
        }
    }
}

enum Next {
    Go,
    Later,
    Stop,
}

fn time(clock: &Clock) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(clock.now().nanos())).unwrap_or(Timestamp::MAX)
}

fn alert_time(at: Timestamp) -> openclaw_alert::Timestamp {
    openclaw_alert::Timestamp::from_nanos(i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX))
}

/// A file that can't be understood is as good as none: a run at most is missed.
fn read(file: &Path) -> io::Result<Option<Runs>> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(file: &Path, runs: &Runs) -> io::Result<()> {
    files::replace(file, &serde_json::to_vec_pretty(runs)?, READABLE)
}

#[cfg(test)]
mod tests;
