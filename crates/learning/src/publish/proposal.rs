//! Commits that are still to be made: that a model is to run, and that one is to
//! run no more.

use super::environment::{Entry, GateSummary, Wanted};
use super::git::{Changed, CommitId, Edit, GitError, GitFile, Stop};
use super::{MODELS_FOLDER, StoreError};
use crate::artifact::{Digest, ModelName, read_file, replace_file};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::BTreeMap;
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

/// Models that were taken back, and what runs in their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revert {
    /// Which, and why.
    pub taken_back: BTreeMap<ModelName, String>,
    /// What runs here.
    pub running: Wanted,
}

/// What became of a revert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reverted {
    /// The file named one that was taken back, and names what was before.
    Committed {
        /// The one that was taken back.
        from: ModelName,
        /// What the file names.
        to: Option<ModelName>,
        /// The commit.
        commit: CommitId,
    },
    /// The file names another.
    NamesAnother {
        /// Which.
        version: Option<ModelName>,
    },
    /// There is no branch, no file or no version in it.
    SaysNothing,
    /// Nothing is known that could be named instead.
    NothingBefore {
        /// The one that was taken back.
        from: ModelName,
    },
}

/// What a file leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Back {
    To { from: ModelName, to: Wanted },
    NamesAnother(Option<ModelName>),
    SaysNothing,
    NothingBefore(ModelName),
}

impl Revert {
    /// Names what was before, where the file still names one that was taken
    /// back.
    ///
    /// # Errors
    /// [`GitError`].
    pub fn commit(&self, file: &mut GitFile, stop: &Stop) -> Result<Reverted, GitError> {
        // Of the last time that it was asked for.
        let last = Cell::new(Back::SaysNothing);
        let edit = |before: Option<&str>| {
            last.set(self.back(before));
            self.edit(before, last.get())
        };
        let changed = file.change(&edit, stop)?;
        Ok(match (last.get(), changed) {
            (Back::To { from, to }, Changed::Committed(commit)) => {
                Reverted::Committed { from, to: to.version, commit }
            }
            (Back::To { to, .. }, Changed::AsItIs) => Reverted::NamesAnother { version: to.version },
            (Back::NamesAnother(version), _) => Reverted::NamesAnother { version },
            (Back::SaysNothing, _) => Reverted::SaysNothing,
            (Back::NothingBefore(from), _) => Reverted::NothingBefore { from },
        })
    }

    /// The file is everybody's: what was before there counts for more than what
    /// was before here, which may be nothing yet.
    fn back(&self, before: Option<&str>) -> Back {
        let Some(Ok(version)) = before.map(Wanted::version_in) else { return Back::SaysNothing };
        let Some(from) = version.filter(|named| self.taken_back.contains_key(named)) else {
            return Back::NamesAnother(version);
        };
        let previous = before.and_then(Wanted::previous_in);
        let here = self.running.version.is_some().then_some(self.running.version);
        let is_good =
            |named: &Option<ModelName>| named.is_none_or(|named| !self.taken_back.contains_key(&named));
        match previous.filter(is_good).or(here.filter(is_good)) {
            Some(version) if version == self.running.version => Back::To { from, to: self.running },
            Some(version) => Back::To { from, to: Wanted { version, digest: None } },
            None => Back::NothingBefore(from),
        }
    }

    fn edit(&self, before: Option<&str>, back: Back) -> Option<Edit> {
        let Back::To { from, to } = back else { return None };
        let text = Entry { wanted: to, gates: None }.written(before);
        Some(Edit { text, message: self.message(from, to) })
    }

    fn message(&self, from: ModelName, to: Wanted) -> String {
        let why = self.taken_back.get(&from).map_or("", String::as_str);
        let why: String =
            why.chars().take(WHY_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let (to, digest) = (to.name(), to.digest);
        let digest = digest.map_or_else(String::new, |digest| format!("digest: {digest}\n"));
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

    fn revert(why: &str, running: Option<ModelName>) -> Revert {
        let digest = running.map(|_| Digest::of(b"older"));
        let running = Wanted { version: running, digest };
        Revert { taken_back: BTreeMap::from([(proposal().name, why.to_owned())]), running }
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
        let (from, to) = (proposal().name, Wanted { version: None, digest: None });
        let revert = revert("it would refuse more\nof it", None);
        insta::assert_snapshot!(revert.message(from, to), @r"
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
    }

    #[test]
    fn what_is_gone_back_to_is_what_the_file_says_was_before() {
        let name = |name: &str| name.parse::<ModelName>().ok();
        let [from, older, other] = ["model-20261122", "model-20261121", "model-20261123"].map(name);
        let digest = Some(Digest::of(b"older"));
        let to = |version, digest| Back::To { from: from.unwrap(), to: Wanted { version, digest } };
        let nothing_before = Back::NothingBefore(from.unwrap());
        let (named, plain) =
            ("version: model-20261122 # ours\n", "version: model-20261122\nprevious: plain\n");
        let previous = "previous: model-20261121\nversion: model-20261122\n";
        for (before, running, is) in [
            (Some("version: model-20261123"), older, Back::NamesAnother(other)),
            (Some("version: plain"), older, Back::NamesAnother(None)),
            (None, older, Back::SaysNothing),
            (Some("version: latest"), older, Back::SaysNothing),
            (Some(named), older, to(older, digest)),
            // Here nothing ran before, and elsewhere something may have.
            (Some(named), None, nothing_before),
            (Some(previous), None, to(older, None)),
            (Some(previous), older, to(older, digest)),
            (Some(previous), other, to(older, None)),
            (Some(plain), None, to(None, None)),
            (Some("version: model-20261122\nprevious: latest\n"), None, nothing_before),
            (Some("version: model-20261122\nprevious: model-20261122\n"), older, to(older, digest)),
        ] {
            let revert = revert("", running);
            assert_eq!(revert.back(before), is, "{before:?} {running:?}");
            let text = revert.edit(before, is).map(|edit| edit.text);
            let says = text.map(|text| Wanted::version_in(&text).unwrap());
            assert_eq!(says, if let Back::To { to, .. } = is { Some(to.version) } else { None });
        }
        // Nor to another that was taken back.
        let mut both = revert("", None);
        both.taken_back.insert(older.unwrap(), String::new());
        assert_eq!(both.back(Some(previous)), nothing_before);
    }
}
