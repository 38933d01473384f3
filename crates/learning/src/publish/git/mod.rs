//! One file in a branch of a Git repository elsewhere: read, and changed by
//! commits that touch nothing else.
//!
//! The program `git` does it, since no library pushes over all of the ways that
//! people use. It is given nothing of our surroundings, a folder that is made
//! anew each time, and an end. Nothing is ever checked out and nothing of a
//! repository is run. Credentials are in files of that folder, which only this
//! user reads, never in arguments.

mod place;
mod run;
#[cfg(test)]
mod tests;
mod work;

pub use place::{GitAuthor, GitBranch, GitPath, GitPlaceError, GitRemote};
pub use run::Stop;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use work::Work;

/// No such file is longer.
const FILE_BYTES_MAX: usize = 64 << 10;
/// Each loses against another who has won.
const TRIES_MAX: u32 = 8;
/// Refusals of a push though nobody else was faster.
const REFUSALS_MAX: u32 = 2;
const PAUSE: Duration = Duration::from_millis(200);

/// Which file, and how it is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct GitOptions {
    /// The repository.
    pub remote: GitRemote,
    /// The branch that is followed and pushed to.
    pub branch: GitBranch,
    /// The file.
    pub path: GitPath,
    /// Who commits.
    pub author: GitAuthor,
    /// How we are known there.
    pub credentials: GitCredentials,
    /// Certificates, as PEM, that are trusted in place of the system's.
    pub ca: Option<String>,
}

/// How we are known to a remote.
#[derive(Clone, PartialEq, Eq)]
pub enum GitCredentials {
    /// Not at all.
    None,
    /// Over HTTPS.
    Token {
        /// A user, or whatever the server wants in its place.
        username: String,
        /// The token or password.
        token: String,
    },
    /// Over SSH.
    Ssh {
        /// A private key, as OpenSSH writes it, not encrypted.
        key: String,
        /// The server's keys, as in `known_hosts`.
        known_hosts: String,
    },
}

/// Without the credentials.
impl fmt::Debug for GitOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitOptions")
            .field("remote", &self.remote.as_str())
            .field("branch", &self.branch)
            .field("path", &self.path)
            .field("author", &self.author)
            .finish_non_exhaustive()
    }
}

/// Without what is secret.
impl fmt::Debug for GitCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token { .. } => "Token",
            Self::Ssh { .. } => "Ssh",
        })
    }
}

/// Why a file in Git can't be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// `git` is missing.
    #[error(
        "there is no program `git`; install it (Debian: `apt install git`, and `openssh-client` for `ssh://`)"
    )]
    NoProgram,
    /// No process.
    #[error("`git` can't be run: {0}")]
    Run(#[source] io::Error),
    /// The folder to work in.
    #[error("`{}`: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It says no.
    #[error("`git {what}` with `{remote}`: {said}")]
    Failed {
        /// What was tried.
        what: &'static str,
        /// With whom.
        remote: String,
        /// What it says, without credentials.
        said: String,
    },
    /// It never ends.
    #[error("`git {what}` took longer than {most_s} s")]
    TooSlow {
        /// What was tried.
        what: &'static str,
        /// Its time.
        most_s: u64,
    },
    /// Nobody waits for it any more.
    #[error("`git` was stopped")]
    Stopped,
    /// The file.
    #[error("`{path}` is {what}; expected a text of at most {FILE_BYTES_MAX} bytes")]
    File {
        /// Which.
        path: String,
        /// What it is instead.
        what: &'static str,
    },
    /// Others were faster each time.
    #[error("others have pushed to `{remote}` {TRIES_MAX} times meanwhile; tried again later")]
    Raced {
        /// Where.
        remote: String,
    },
}

/// A commit's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitId(String);

impl CommitId {
    fn parse(text: &str) -> Option<Self> {
        let is_hex = text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        (is_hex && matches!(text.len(), 40 | 64)).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The branch as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitState {
    /// Its newest commit; nothing where there is no such branch.
    pub commit: Option<CommitId>,
    /// The file; nothing where there is none.
    pub text: Option<String>,
}

/// What is to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The file from now on.
    pub text: String,
    /// The commit's message.
    pub message: String,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// It was pushed.
    Committed(CommitId),
    /// There was nothing to change.
    AsItIs,
}

/// The file. One at a time uses the folder.
#[derive(Debug)]
pub struct GitFile {
    options: GitOptions,
    folder: PathBuf,
}

impl GitFile {
    /// `folder` is made, emptied and removed at will.
    #[must_use]
    pub fn new(options: GitOptions, folder: &Path) -> Self {
        // `git` is told of paths and runs in another folder.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Self { options, folder }
    }

    /// The branch's newest commit: quicker than reading.
    ///
    /// # Errors
    /// [`GitError`].
    pub fn head(&mut self, stop: &Stop) -> Result<Option<CommitId>, GitError> {
        Work::begin(&self.options, &self.folder, stop)?.head()
    }

    /// The branch's newest commit and the file in it.
    ///
    /// # Errors
    /// [`GitError`].
    pub fn read(&mut self, stop: &Stop) -> Result<GitState, GitError> {
        Work::begin(&self.options, &self.folder, stop)?.read()
    }

    /// Changes the file as it is by then: `edit` gives nothing where there is
    /// nothing to change, and is asked again where somebody else was faster.
    ///
    /// # Errors
    /// [`GitError`]; a change of which the answer was lost is found when this is
    /// tried again.
    pub fn change(
        &mut self,
        edit: &dyn Fn(Option<&str>) -> Option<Edit>,
        stop: &Stop,
    ) -> Result<Changed, GitError> {
        let (mut refusals, mut last) = (0, None);
        for _ in 0..TRIES_MAX {
            let work = Work::begin(&self.options, &self.folder, stop)?;
            let now = work.read()?;
            let Some(edit) = edit(now.text.as_deref()) else { return Ok(Changed::AsItIs) };
            let commit = work.commit(&edit, now.commit.as_ref())?;
            let Err(refusal) = work.push(&commit) else { return Ok(Changed::Committed(commit)) };
            // Who was faster may still be about to put the branch there.
            refusals = if last == Some(now.commit.clone()) { refusals + 1 } else { 0 };
            if refusals >= REFUSALS_MAX || matches!(refusal, GitError::Stopped) {
                return Err(refusal);
            }
            last = Some(now.commit);
            std::thread::park_timeout(PAUSE * refusals);
        }
        Err(GitError::Raced { remote: self.options.remote.to_string() })
    }
}
