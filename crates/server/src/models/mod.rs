//! Which model sets clients' limits: the one that runs, the one before it, and
//! the next on its way from shadow to everybody.
//!
//! Decisions never come here. Models are swapped in the adapter between two
//! batches of clients; what is written to the disk decides what runs after the
//! next start, and is written before a model gets more clients and after one
//! has lost them.

mod audit;
mod change;
mod gitops;
mod handed;
mod kept;
mod loaded;
mod look;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_git;
mod wish;

pub(crate) use change::ModelsError;
use change::StepsDone;
pub(crate) use handed::{Names, TOLD_BYTES_MAX, Told, ToldCandidate};
pub(crate) use loaded::{Loaded, Made};
pub use wish::{Wish, WishError, ask as ask_of_models};

use crate::clock::Clock;
use crate::limits::{Limits, ModelsTold};
use audit::Audit;
use gitops::{Elsewhere, Retry};
use kept::Kept;
use loaded::{Copies, RowTime};
use openclaw_learning::artifact::ModelName;
use openclaw_learning::publish::{
    GitOptions, KeyFileError, MODELS_FOLDER, Repository, SIGNING_KEY_FILE, Wanted,
};
use openclaw_learning::rollout::Settings;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How the evidence of a rollout is looked at.
const TICK: Duration = Duration::from_secs(1);
/// Between two looks for published models.
const LOOK: Duration = Duration::from_secs(10);
/// Ticks between two times that evidence is kept.
const SAVE_TICKS: u32 = 60;
/// What runs where no model does.
const PLAIN: &str = "plain";

/// A rollout that can't be judged gives way to a newer model after so long.
pub const ROLLOUT_HOLD_MAX: Duration = Duration::from_secs(2 * 86_400);

/// How models come into service.
#[derive(Debug)]
pub struct ModelsOptions {
    /// Where they are published; `models` in the data folder unless given.
    pub repository: Option<Repository>,
    /// The steps that each takes.
    pub steps: Settings,
    /// How long a step may take before a newer model takes its model's place.
    pub hold_max: Duration,
    /// Who decides.
    pub mode: RolloutMode,
}

impl Default for ModelsOptions {
    fn default() -> Self {
        Self {
            repository: None,
            steps: Settings::default(),
            hold_max: ROLLOUT_HOLD_MAX,
            mode: RolloutMode::Auto,
        }
    }
}

/// Who decides which model runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RolloutMode {
    /// The service: each that is published is begun with.
    #[default]
    Auto,
    /// A file from Git: nothing is promoted or rolled back by other ways.
    Gitops {
        /// Names the version that is to run, and its digest.
        file: PathBuf,
    },
    /// The same file in a repository elsewhere, where what is taken back here is
    /// committed.
    Git {
        /// Which file, and how it is reached.
        options: Box<GitOptions>,
        /// Between two looks at it.
        poll: Duration,
    },
}

impl fmt::Display for RolloutMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Gitops { file } => file.display().fmt(f),
            Self::Git { options, .. } => {
                write!(f, "{} ({}, branch {})", options.remote, options.path, options.branch)
            }
        }
    }
}

/// The model that runs on a data folder, or would; none for the plain estimator.
#[must_use]
pub fn running_model(data: &Path) -> Option<ModelName> {
    Kept::peek(&data.join(MODELS_FOLDER))?.running
}

/// The models in service.
pub(crate) struct Models {
    limits: Arc<Limits>,
    repository: Repository,
    folder: PathBuf,
    copies: Copies,
    audit: Audit,
    clock: Arc<Clock>,
    steps: Settings,
    hold_max: Duration,
    mode: RolloutMode,
    elsewhere: Option<Elsewhere>,
    data: PathBuf,
    steps_done: StepsDone,
    state: Mutex<State>,
}

/// What changes.
#[derive(Default)]
struct State {
    kept: Kept,
    /// Of the running model and the one on its way.
    made: Made,
    candidate_made: Made,
    time: Option<Arc<RowTime>>,
    /// The running model can't be loaded and another runs in its place.
    is_fallback: bool,
    /// Those that can't be served, whenever they are asked for. After a restart
    /// keys and settings may be others.
    refused: BTreeSet<ModelName>,
    /// What a file names and can't be had.
    retry: Option<Retry<Wanted>>,
    mend_again: Option<Retry<Wanted>>,
    commit_again: Option<Retry<()>>,
    /// Why the file isn't followed, and why nothing is committed.
    not_followed: Option<String>,
    not_committed: Option<String>,
    /// What was read of the file before the last of them counts for nothing.
    reverts: u64,
    ticks: u32,
}

/// Why no model can be served.
#[derive(Debug, thiserror::Error)]
pub enum ModelsStartError {
    /// The folder.
    #[error("the models' folder `{}`: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The key that published models are signed with.
    #[error(transparent)]
    Key(#[from] KeyFileError),
}

impl Models {
    /// Puts in force what ran before; who is away gives way to the one before
    /// it, and that to the plain estimator.
    ///
    /// # Errors
    /// Where the data folder can't be used.
    pub(crate) fn start(
        options: ModelsOptions,
        data: &Path,
        limits: &Arc<Limits>,
        clock: &Arc<Clock>,
    ) -> Result<Self, ModelsStartError> {
        let folder = data.join(MODELS_FOLDER);
        let copies = Copies::new(&folder);
        let failed = |source| ModelsStartError::Folder { path: folder.clone(), source };
        copies.make_room().map_err(failed)?;
        let kept = Kept::load(&folder).map_err(failed)?;
        let repository = match options.repository {
            Some(repository) => repository,
            None => Repository::embedded(&folder, &data.join(SIGNING_KEY_FILE))?,
        };
        let state = State { kept, ..State::default() };
        let elsewhere = match &options.mode {
            RolloutMode::Git { options, .. } => Some(Elsewhere::new(options, &folder)),
            RolloutMode::Auto | RolloutMode::Gitops { .. } => None,
        };
        let models = Self {
            limits: Arc::clone(limits),
            repository,
            copies,
            audit: Audit::new(data),
            clock: Arc::clone(clock),
            steps: options.steps,
            hold_max: options.hold_max,
            mode: options.mode,
            elsewhere,
            data: data.to_owned(),
            steps_done: StepsDone::default(),
            folder,
            state: Mutex::new(state),
        };
        Ok(models.resumed())
    }

    fn resumed(mut self) -> Self {
        let mut state = std::mem::take(self.state.get_mut());
        self.resume(&mut state);
        self.tell(&state);
        *self.state.get_mut() = state;
        self
    }

    /// Looks at evidence, does what is asked for and looks for what is published.
    /// None waits for the others: a registry may take its time, and what does
    /// harm goes back at once all the same.
    pub(crate) async fn keep(self: Arc<Self>) {
        tokio::join!(self.keep_judging(), self.keep_granting(), self.keep_looking(), self.keep_committing());
    }

    async fn keep_judging(&self) {
        loop {
            tokio::time::sleep(TICK).await;
            self.tick().await;
        }
    }

    async fn keep_granting(&self) {
        loop {
            tokio::time::sleep(TICK).await;
            self.take_wish().await;
        }
    }

    async fn keep_looking(&self) {
        let pause = match &self.mode {
            RolloutMode::Git { poll, .. } => *poll,
            RolloutMode::Auto | RolloutMode::Gitops { .. } => LOOK,
        };
        tokio::time::sleep(TICK).await;
        loop {
            self.look().await;
            tokio::time::sleep(pause).await;
        }
    }

    async fn keep_committing(&self) {
        loop {
            tokio::time::sleep(TICK).await;
            self.commit().await;
        }
    }

    /// One second.
    async fn tick(&self) {
        let mut state = self.state.lock().await;
        state.ticks = state.ticks.wrapping_add(1);
        self.judge(&mut state);
        if state.ticks.is_multiple_of(SAVE_TICKS) && state.kept.rollout.is_some() {
            self.save(&state.kept);
        }
        self.tell(&state);
    }

    /// Says what metrics and answers name.
    fn tell(&self, state: &State) {
        self.limits.tell_models(ModelsTold {
            candidate: state
                .kept
                .rollout
                .as_ref()
                .map(|rollout| (rollout.candidate().to_owned(), rollout.stage().to_string())),
            previous: state.kept.previous.map(|name| name.to_string()),
            created_at: state.made.created_at,
            is_fallback: state.is_fallback,
            rollouts: self.steps_done.told(),
        });
    }
}

fn named(model: Option<ModelName>) -> String {
    model.map_or_else(|| PLAIN.to_owned(), |name| name.to_string())
}
