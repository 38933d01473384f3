//! Which model is to run, as a file says: one on this machine, or in a Git
//! repository elsewhere, where what is taken back here is taken back as well.
//!
//! Promises: what was taken back isn't begun with again while the file names
//! it, over restarts; what is to be committed is tried until it is done; nobody
//! who judges or decides waits for any of it.

use super::change::ModelsError;
use super::{Models, RolloutMode, State, named};
use openclaw_alert::Timestamp;
use openclaw_learning::artifact::ModelName;
use openclaw_learning::publish::{
    Changed, CommitId, EnvironmentError, GitError, GitFile, GitOptions, Proposal, PublishError, Replaces,
    Revert, Reverted, Stop, StoreError, Wanted,
};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longer than any such file.
const BYTES_MAX: u64 = 64 << 10;
/// Who is noted in the audit log, and why.
const GIT: &str = "git";
const SAYS_SO: &str = "the file says so";
/// Until what failed is tried again.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// What a file can't be followed for.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("longer than {BYTES_MAX} bytes")]
    TooLong,
    #[error(
        "there is no such file; it is made when a model is published, or by `openclaw model commit NAME`"
    )]
    Missing,
    #[error(transparent)]
    Says(#[from] EnvironmentError),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("it names another digest of `{name}` than the one that is here; names are never given twice")]
    OtherDigest { name: ModelName },
}

/// What is to be committed and can't be.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommitError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Kept(#[from] StoreError),
    #[error(
        "what was taken back stays so here: there is no file, or no `version` in it, that could name another"
    )]
    SaysNothing,
    #[error(
        "`{name}` stays taken back here alone: neither the file's `previous` nor this service names a model to go \
         back to; commit one, or `version: plain`"
    )]
    NothingBefore { name: ModelName },
}

/// A file in a repository elsewhere: one who reads it, one who changes it.
pub(super) struct Elsewhere {
    reader: Arc<Mutex<GitFile>>,
    writer: Arc<Mutex<GitFile>>,
    seen: Mutex<Option<Seen>>,
}

/// What was read last.
#[derive(Clone)]
struct Seen {
    commit: CommitId,
    text: Option<String>,
}

impl Elsewhere {
    pub(super) fn new(options: &GitOptions, folder: &Path) -> Self {
        let file = |name: &str| Arc::new(Mutex::new(GitFile::new(options.clone(), &folder.join(name))));
        Self { reader: file("git-read"), writer: file("git-write"), seen: Mutex::default() }
    }

    fn seen(&self) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn text(&self) -> Result<Option<String>, FollowError> {
        let seen = self.seen();
        let read = in_git(&self.reader, move |file, stop| {
            let head = file.head(stop)?;
            match seen.filter(|seen| head.as_ref() == Some(&seen.commit)) {
                Some(seen) => Ok((Some(seen.commit), seen.text)),
                None => file.read(stop).map(|state| (state.commit, state.text)),
            }
        });
        let (commit, text) = read.await?;
        let seen = commit.map(|commit| Seen { commit, text: text.clone() });
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(text)
    }
}

/// Runs what takes its time where nobody else waits, and ends it where nobody
/// waits for it any more.
async fn in_git<T: Send + 'static>(
    file: &Arc<Mutex<GitFile>>,
    job: impl FnOnce(&mut GitFile, &Stop) -> Result<T, GitError> + Send + 'static,
) -> Result<T, GitError> {
    struct StopsWithUs(Stop);
    impl Drop for StopsWithUs {
        fn drop(&mut self) {
            self.0.stop();
        }
    }
    let (file, stop) = (Arc::clone(file), Stop::default());
    let _stops = StopsWithUs(stop.clone());
    let done = tokio::task::spawn_blocking(move || {
        job(&mut file.lock().unwrap_or_else(PoisonError::into_inner), &stop)
    });
    done.await.unwrap_or(Err(GitError::Stopped))
}

/// What couldn't be done, and when it is tried again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Retry<W> {
    pub(super) what: W,
    not_before: Timestamp,
    pause: Duration,
}

impl<W: Copy + PartialEq> Retry<W> {
    /// After one more failure; of something else it is the first.
    pub(super) fn after(before: Option<Self>, what: W, now: Timestamp) -> Self {
        let pause = before.filter(|before| before.what == what).map(|before| before.pause);
        let pause = pause.map_or(FIRST_WAIT, |pause| (pause * 2).min(LONGEST_WAIT));
        Self { what, not_before: now.plus(pause), pause }
    }

    /// Whether this is still to wait.
    pub(super) fn holds_up(&self, what: W, now: Timestamp) -> bool {
        self.what == what && now < self.not_before
    }
}

fn read(file: &Path) -> Result<Option<String>, FollowError> {
    match fs::metadata(file) {
        Ok(found) if found.len() > BYTES_MAX => Err(FollowError::TooLong),
        Ok(_) => Ok(Some(fs::read_to_string(file)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a file leads to.
enum Next {
    Nothing,
    Begin(ModelName),
    /// What ran before can't be loaded.
    Fetch(ModelName),
}

impl Models {
    /// Does what the file says: another version is begun with, the one that runs
    /// or ran before is gone back to at once.
    pub(super) async fn follow(&self) {
        let read_from = self.state.lock().await.reverts;
        let wanted = self.wanted().await;
        let mut state = self.state.lock().await;
        // What was read may be older than what was committed here since.
        if state.reverts != read_from {
            return;
        }
        let wanted = wanted.and_then(|wanted| Self::same_as_here(&state, wanted));
        match wanted {
            Err(error) => self.can_t_follow(&mut state, &error),
            Ok(wanted) => {
                if state.retry.is_none_or(|retry| retry.what != wanted) {
                    state.not_followed = None;
                }
                let next = self.heed(&mut state, wanted);
                drop(state);
                match next {
                    Next::Nothing => {}
                    Next::Begin(version) => self.begin_or_try_again(version, wanted).await,
                    Next::Fetch(version) => self.fetch_or_try_again(version, wanted).await,
                }
            }
        }
    }

    async fn wanted(&self) -> Result<Wanted, FollowError> {
        let text = match (&self.mode, &self.elsewhere) {
            (RolloutMode::Gitops { file }, _) => read(file)?,
            (_, Some(elsewhere)) => elsewhere.text().await?,
            (_, None) => None,
        };
        Ok(Wanted::parse(&text.ok_or(FollowError::Missing)?)?)
    }

    /// Of those that are here: what is begun with is verified when it is had.
    fn same_as_here(state: &State, wanted: Wanted) -> Result<Wanted, FollowError> {
        let here = state.kept.needed().find(|name| Some(*name) == wanted.version);
        let digest = here.and_then(|name| state.kept.digests.get(&name));
        match (here, digest, wanted.digest) {
            (Some(name), Some(here), Some(wanted)) if *here != wanted => {
                Err(FollowError::OtherDigest { name })
            }
            _ => Ok(wanted),
        }
    }

    /// Said once, until it is something else.
    fn can_t_follow(&self, state: &mut State, error: &FollowError) {
        let error = error.to_string();
        if state.not_followed.as_ref() != Some(&error) {
            tracing::warn!(from = %self.mode, error, "what runs stays: the file can't be followed");
        }
        state.not_followed = Some(error);
    }

    fn heed(&self, state: &mut State, wanted: Wanted) -> Next {
        let Wanted { version, .. } = wanted;
        if state.kept.is_left_out(version) {
            return Next::Nothing;
        }
        self.agrees(state);
        if version.is_some() && version == state.kept.candidate() {
            return Next::Nothing;
        }
        let is_before = version.is_some() && version == state.kept.previous;
        if state.kept.rollout.is_some() {
            self.went_back(state);
        }
        match version {
            _ if version == state.kept.running => Next::Nothing,
            None => {
                self.stand_back(state, GIT, SAYS_SO);
                Next::Nothing
            }
            Some(version) if is_before && !self.can_load(version) => Next::Fetch(version),
            Some(_) if is_before && state.kept.running.is_some() => {
                self.went_back(state);
                Next::Nothing
            }
            Some(version) if is_before && self.comes_back(state, version, GIT, SAYS_SO) => Next::Nothing,
            Some(version) => Next::Begin(version),
        }
    }

    /// The file names another than what was taken back: whoever names that again
    /// means it.
    fn agrees(&self, state: &mut State) {
        if !state.kept.left_out.is_empty() {
            state.kept.left_out.clear();
            self.save(&state.kept);
        }
    }

    fn went_back(&self, state: &mut State) {
        if let Err(error) = self.go_back(state, GIT, SAYS_SO) {
            tracing::warn!(%error, "nothing to go back to");
        }
    }

    /// What can't be had or served is asked for again later: the file, the
    /// registry and the keys may all change.
    async fn begin_or_try_again(&self, version: ModelName, wanted: Wanted) {
        let now = self.clock.now();
        if self.state.lock().await.retry.is_some_and(|retry| retry.holds_up(wanted, now)) {
            return;
        }
        let pulled = self.repository.pull(version, wanted.digest).await;
        let mut state = self.state.lock().await;
        let is_left_out = state.kept.is_left_out(Some(version));
        if is_left_out || state.kept.rollout.is_some() || state.kept.running == Some(version) {
            return;
        }
        match pulled.and_then(|published| self.begin_with(&mut state, &published, SAYS_SO)) {
            Ok(()) => (state.retry, state.not_followed) = (None, None),
            Err(error) => self.try_again(&mut state, version, wanted, &error),
        }
    }

    /// Then it is gone back to at once, as if its copy had been there.
    async fn fetch_or_try_again(&self, version: ModelName, wanted: Wanted) {
        let state = self.state.lock().await;
        if state.retry.is_some_and(|retry| retry.holds_up(wanted, self.clock.now())) {
            return;
        }
        let digest = wanted.digest.or_else(|| state.kept.digests.get(&version).copied());
        drop(state);
        let pulled = self.repository.pull(version, digest).await;
        let mut state = self.state.lock().await;
        // Somebody may have chosen another meanwhile.
        if state.kept.previous != Some(version) {
            return;
        }
        match pulled.and_then(|published| self.with_copy(&published.model)) {
            Ok(_) => {
                (state.retry, state.not_followed) = (None, None);
                self.heed(&mut state, wanted);
            }
            Err(error) => self.try_again(&mut state, version, wanted, &error),
        }
    }

    fn try_again(&self, state: &mut State, version: ModelName, wanted: Wanted, error: &PublishError) {
        let is_first = state.retry.is_none_or(|retry| retry.what != wanted);
        let retry = Retry::after(state.retry, wanted, self.clock.now());
        state.retry = Some(retry);
        state.not_followed = Some(error.to_string());
        tracing::warn!(model = %version, %error, again_in_s = retry.pause.as_secs(), "the model that the file names can't be had");
        let is_away = matches!(error, PublishError::Store(_) | PublishError::Missing { .. });
        if is_first && !is_away {
            self.note_refused(state, version, error);
        }
    }

    /// Commits what is to be committed, where it is time to.
    pub(super) async fn commit(&self) {
        let Some(elsewhere) = &self.elsewhere else { return };
        let state = self.state.lock().await;
        if state.commit_again.is_some_and(|retry| retry.holds_up((), self.clock.now())) {
            return;
        }
        let revert = (!state.kept.left_out.is_empty()).then(|| self.revert_of(&state));
        drop(state);
        let done = match revert {
            Some(revert) => self.revert(elsewhere, revert).await,
            None => Ok(()),
        };
        // A newer model may be what a file needs that says nothing.
        let done = match done {
            Err(CommitError::Git(error)) => Err(error.into()),
            done => self.propose(elsewhere).await.and(done),
        };
        let mut state = self.state.lock().await;
        state.commit_again = done.is_err().then(|| Retry::after(state.commit_again, (), self.clock.now()));
        if let (Err(error), Some(retry)) = (&done, state.commit_again) {
            tracing::warn!(%error, again_in_s = retry.pause.as_secs(), "what became of a model can't be committed");
        }
        state.not_committed = done.err().map(|error| error.to_string());
    }

    fn revert_of(&self, state: &State) -> Revert {
        let version = state.kept.running;
        let digest = version.and_then(|running| state.kept.digests.get(&running).copied());
        Revert { taken_back: state.kept.left_out.clone(), running: Wanted { version, digest } }
    }

    async fn revert(&self, elsewhere: &Elsewhere, revert: Revert) -> Result<(), CommitError> {
        let reverted = in_git(&elsewhere.writer, move |file, stop| revert.commit(file, stop)).await?;
        let says = match reverted {
            Reverted::Committed { from, to, commit } => {
                tracing::info!(model = %from, %commit, how = "taken back", "committed");
                to
            }
            Reverted::NamesAnother { version } => {
                tracing::info!(names = named(version), "the file names another than what was taken back");
                version
            }
            Reverted::SaysNothing => return Err(CommitError::SaysNothing),
            Reverted::NothingBefore { from } => return Err(CommitError::NothingBefore { name: from }),
        };
        let mut state = self.state.lock().await;
        state.reverts += 1;
        // What it names may have been taken back meanwhile.
        if !state.kept.is_left_out(says) {
            self.agrees(&mut state);
        }
        Ok(())
    }

    /// What the trainer has published and could not commit.
    async fn propose(&self, elsewhere: &Elsewhere) -> Result<(), CommitError> {
        let Some(proposal) = Proposal::kept(&self.data)? else { return Ok(()) };
        let name = proposal.name;
        let asked = proposal.clone();
        let changed =
            in_git(&elsewhere.writer, move |file, stop| asked.commit(file, Replaces::Older, stop)).await?;
        self.committed(name, "named", &changed);
        Ok(proposal.forget(&self.data)?)
    }

    fn committed(&self, model: ModelName, how: &str, changed: &Changed) {
        match changed {
            Changed::Committed(commit) => tracing::info!(%model, %commit, how, "committed"),
            Changed::AsItIs => tracing::info!(%model, how, "the file says so already"),
        }
    }

    /// Where what runs is decided, for people.
    pub(super) fn told_of_git(&self, state: &State) -> Value {
        if self.mode == RolloutMode::Auto {
            return Value::Null;
        }
        json!({
            "from": self.mode.to_string(),
            "commit": self.elsewhere.as_ref().and_then(Elsewhere::seen).map(|seen| seen.commit.to_string()),
            "not_followed": state.not_followed,
            "not_committed": state.not_committed,
            "left_out": state.kept.left_out.keys().collect::<Vec<_>>(),
        })
    }

    /// Whether people may take a model back here: where the file is told of it.
    pub(super) fn may_roll_back(&self) -> Result<(), ModelsError> {
        if matches!(self.mode, RolloutMode::Gitops { .. }) { Err(ModelsError::Gitops) } else { Ok(()) }
    }

    /// Keeps in mind what the file still names. Before it is taken back, so that
    /// both are on the disk at once.
    pub(super) fn leave_out(&self, state: &mut State, model: Option<ModelName>, why: &str) {
        if let Some(model) = model.filter(|_| self.is_gitops()) {
            state.kept.leave_out(model, why);
            state.commit_again = None;
        }
    }
}
