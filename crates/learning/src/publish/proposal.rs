//! Commits that are still to be made: that a model is to run, and that one is to
//! run no more.

use super::environment::{Entry, GateSummary, Wanted};
use super::git::{Changed, Edit, GitError, GitFile, Stop};
use super::{MODELS_FOLDER, StoreError};
use crate::artifact::{Digest, ModelName, read_file, replace_file};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "proposal.json";
const BYTES_MAX: usize = 64 << 10;
/// What is told of a reason.
const WHY_CHARS_MAX: usize = 200;

/// A model that was published and is to be named in Git.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// Which.
    pub name: ModelName,
    /// Its manifest.
    pub digest: Digest,
    /// What was asked of it; nothing where that isn't known.
    pub gates: Option<GateSummary>,
}

/// Which models a proposal takes the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces {
    /// Older ones: what was committed meanwhile stays.
    Older,
    /// Any.
    Any,
}

impl Proposal {
    fn path(data: &Path) -> PathBuf {
        data.join(MODELS_FOLDER).join(FILE)
    }

    /// Keeps it in a data folder until it is committed; one before it is
    /// dropped.
    ///
    /// # Errors
    /// [`StoreError`] where the folder can't be written.
    pub fn keep(&self, data: &Path) -> Result<(), StoreError> {
        let json = serde_json::to_vec_pretty(self).unwrap_or_default();
        Ok(replace_file(&Self::path(data), &json)?)
    }

    /// The one that is kept. What is none counts for nothing.
    ///
    /// # Errors
    /// [`StoreError`] where the file can't be read.
    pub fn kept(data: &Path) -> Result<Option<Self>, StoreError> {
        match read_file(&Self::path(data), BYTES_MAX) {
            Ok(json) => Ok(serde_json::from_slice(&json).ok()),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps it no longer, unless another is kept by now.
    ///
    /// # Errors
    /// [`StoreError`] where the folder can't be written.
    pub fn forget(&self, data: &Path) -> Result<(), StoreError> {
        // Figures may have come back from a file in other last digits.
        let is_this = |kept: Self| (kept.name, kept.digest) == (self.name, self.digest);
        if !Self::kept(data)?.is_some_and(is_this) {
            return Ok(());
        }
        let path = Self::path(data);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(crate::artifact::FileError::Write { path, source }.into())
            }
            _ => Ok(()),
        }
    }

    /// Names the model in the file, where it isn't named already.
    ///
    /// # Errors
    /// [`GitError`].
    pub fn commit(&self, file: &mut GitFile, replaces: Replaces, stop: &Stop) -> Result<Changed, GitError> {
        file.change(&|before| self.edit(before, replaces), stop)
    }

    fn edit(&self, before: Option<&str>, replaces: Replaces) -> Option<Edit> {
        let named = before.and_then(|before| Wanted::version_in(before).ok());
        let is_old = match replaces {
            Replaces::Older => named.flatten().is_some_and(|named| named >= self.name),
            Replaces::Any => named == Some(Some(self.name)),
        };
        if is_old {
            return None;
        }
        let wanted = Wanted { version: Some(self.name), digest: Some(self.digest) };
        let text = Entry { wanted, gates: self.gates.clone() }.written(before);
        Some(Edit { text, message: self.message(named) })
    }

    fn message(&self, before: Option<Option<ModelName>>) -> String {
        let gates = self.gates.as_ref().map_or_else(String::new, |gates| {
            let GateSummary { passed, failed, left_out, report, .. } = gates;
            format!("gates: {passed} passed, {failed} failed, {left_out} left out ({report})\n")
        });
        let before = before.map_or_else(|| "nothing".to_owned(), named);
        let Self { name, digest, .. } = self;
        format!("Run {name}\n\nversion: {name}\ndigest: {digest}\n{gates}before: {before}\n")
    }
}

/// A model that was taken back, and what runs in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revert {
    /// Which.
    pub from: ModelName,
    /// What runs.
    pub to: Wanted,
    /// Why.
    pub why: String,
}

impl Revert {
    /// Names what runs, where the file still names the one that was taken back.
    ///
    /// # Errors
    /// [`GitError`].
    pub fn commit(&self, file: &mut GitFile, stop: &Stop) -> Result<Changed, GitError> {
        file.change(&|before| self.edit(before), stop)
    }

    fn edit(&self, before: Option<&str>) -> Option<Edit> {
        let named = before.and_then(|before| Wanted::version_in(before).ok()).flatten();
        (named == Some(self.from)).then(|| Edit {
            text: Entry { wanted: self.to, gates: None }.written(before),
            message: self.message(),
        })
    }

    fn message(&self) -> String {
        let why: String =
            self.why.chars().take(WHY_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let (from, to) = (self.from, self.to.name());
        let digest = self.to.digest.map_or_else(String::new, |digest| format!("digest: {digest}\n"));
        format!(
            "Go back to {to}: {from} was taken back\n\nwhy: {why}\nversion: {to}\n{digest}before: {from}\n"
        )
    }
}

fn named(model: Option<ModelName>) -> String {
    Wanted { version: model, digest: None }.name()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal() -> Proposal {
        let figures = vec![("drift".to_owned(), 0.25)];
        let gates = GateSummary { report: Digest::of(b"report"), passed: 9, failed: 0, left_out: 2, figures };
        Proposal {
            name: "model-20261122".parse().unwrap(),
            digest: Digest::of(b"manifest"),
            gates: Some(gates),
        }
    }

    #[test]
    fn is_kept_until_it_is_committed() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(Proposal::kept(data.path()).unwrap(), None);
        let mut first = proposal();
        let thirds = (0..20).map(|at| ("third".to_owned(), f64::from(at) / 3.0 + 1e-9)).collect();
        first.gates.as_mut().unwrap().figures = thirds;
        first.keep(data.path()).unwrap();
        assert_eq!(Proposal::kept(data.path()).unwrap().map(|kept| kept.digest), Some(first.digest));
        first.forget(data.path()).unwrap();
        assert_eq!(Proposal::kept(data.path()).unwrap(), None);
        let second = Proposal { digest: Digest::of(b"another"), gates: None, ..proposal() };
        second.keep(data.path()).unwrap();
        first.forget(data.path()).unwrap();
        assert_eq!(Proposal::kept(data.path()).unwrap().as_ref(), Some(&second));
        second.forget(data.path()).unwrap();
        assert_eq!(Proposal::kept(data.path()).unwrap(), None);
        fs::write(Proposal::path(data.path()), "{").unwrap();
        assert_eq!(Proposal::kept(data.path()).unwrap(), None);
    }

    #[test]
    fn a_message_says_what_and_why() {
        insta::assert_snapshot!(proposal().edit(Some("version: model-20261121\n"), Replaces::Older).unwrap().message, @r"
        Run model-20261122

        version: model-20261122
        digest: sha256:05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f
        gates: 9 passed, 0 failed, 2 left out (sha256:845e91831319e89c4d656bdb80c278ac09a7230d61e5dfd2e1b1fbb436ac8917)
        before: model-20261121
        ");
        let to = Wanted { version: None, digest: None };
        let revert = Revert { from: proposal().name, to, why: "it would refuse more\nof it".to_owned() };
        insta::assert_snapshot!(revert.message(), @r"
        Go back to plain: model-20261122 was taken back

        why: it would refuse more of it
        version: plain
        before: model-20261122
        ");
    }

    #[test]
    fn what_people_committed_meanwhile_stays() {
        let is_made = |before: &str, replaces| proposal().edit(Some(before), replaces).is_some();
        for (before, older, any) in [
            ("version: model-20261121", true, true),
            ("version: model-20261122", false, false),
            ("version: model-20261123", false, true),
            ("version: plain", true, true),
            ("owner: ann", true, true),
        ] {
            assert_eq!(
                (is_made(before, Replaces::Older), is_made(before, Replaces::Any)),
                (older, any),
                "{before}"
            );
        }
        let to = Wanted { version: None, digest: None };
        let revert = Revert { from: proposal().name, to, why: String::new() };
        assert!(revert.edit(Some("version: model-20261121")).is_none());
        assert!(revert.edit(None).is_none());
        assert!(revert.edit(Some("version: model-20261122 # ours")).is_some());
    }
}
