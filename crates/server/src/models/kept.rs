//! `DATA/models/rollout.json`: which model runs, which ran before, and how far
//! the next has come. Written beside and renamed: whole or as it was.

use crate::files::{self, READABLE};
use openclaw_learning::artifact::{Digest, ModelName};
use openclaw_learning::rollout::Rollout;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

const FILE: &str = "rollout.json";
/// Longer than any that was written here.
const BYTES_MAX: u64 = 4 << 20;
/// Models that were taken back and are remembered.
const LEFT_OUT_MAX: usize = 64;

/// What is known of models over restarts. No model is the plain estimator.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The one that runs.
    pub(super) running: Option<ModelName>,
    /// The one that ran before: kept for as long as nothing takes its place.
    pub(super) previous: Option<ModelName>,
    /// The newest that was ever begun with: older ones are not begun with.
    pub(super) newest: Option<ModelName>,
    /// One on its way.
    pub(super) rollout: Option<Rollout>,
    /// Manifests of these, where they are known.
    #[serde(default)]
    pub(super) digests: BTreeMap<ModelName, Digest>,
    /// In GitOps mode: those that were taken back, and why, until the file names
    /// another.
    #[serde(default, deserialize_with = "one_or_more")]
    pub(super) left_out: BTreeMap<ModelName, String>,
}

/// There was one at most, once.
fn one_or_more<'d, D: Deserializer<'d>>(from: D) -> Result<BTreeMap<ModelName, String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum LeftOut {
        One { model: ModelName, why: String },
        More(BTreeMap<ModelName, String>),
    }
    Ok(match Option::deserialize(from)? {
        Some(LeftOut::One { model, why }) => BTreeMap::from([(model, why)]),
        Some(LeftOut::More(more)) => more,
        None => BTreeMap::new(),
    })
}

impl Kept {
    /// Nothing where nothing was kept; what can't be read is put aside.
    pub(super) fn load(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        let size = match fs::metadata(&path) {
            Ok(found) => found.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let read = if size > BYTES_MAX { None } else { serde_json::from_slice(&fs::read(&path)?).ok() };
        if let Some(kept) = read {
            return Ok(kept);
        }
        let aside = path.with_extension("damaged");
        fs::rename(&path, &aside)?;
        tracing::error!(aside = %aside.display(), "what is known of models can't be read: limits are learned without one until the next is published, or promoted by hand");
        Ok(Self::default())
    }

    /// As it is, beside the service that keeps it.
    pub(super) fn peek(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
    }

    pub(super) fn save(&self, folder: &Path) -> io::Result<()> {
        files::replace(&folder.join(FILE), &serde_json::to_vec(self)?, READABLE)
    }

    /// Models that may be needed at once.
    pub(super) fn needed(&self) -> impl Iterator<Item = ModelName> {
        self.running.into_iter().chain(self.previous).chain(self.candidate())
    }

    /// Knows no more than is needed.
    pub(super) fn forget_digests(&mut self) {
        let needed: Vec<ModelName> = self.needed().collect();
        self.digests.retain(|name, _| needed.contains(name));
    }

    /// Whether a file may name it and it isn't begun with all the same.
    pub(super) fn is_left_out(&self, model: Option<ModelName>) -> bool {
        model.is_some_and(|model| self.left_out.contains_key(&model))
    }

    /// Of too many the oldest is forgotten.
    pub(super) fn leave_out(&mut self, model: ModelName, why: &str) {
        if self.left_out.len() >= LEFT_OUT_MAX {
            self.left_out.pop_first();
        }
        self.left_out.insert(model, why.to_owned());
    }

    /// The model on its way.
    pub(super) fn candidate(&self) -> Option<ModelName> {
        self.rollout.as_ref()?.candidate().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_whole_or_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Kept::load(folder.path()).unwrap(), Kept::default());
        let kept = Kept { running: "model-20260102.3".parse().ok(), ..Kept::default() };
        kept.save(folder.path()).unwrap();
        assert_eq!(Kept::load(folder.path()).unwrap(), kept);
        fs::write(folder.path().join(FILE), b"{\"running\":").unwrap();
        assert_eq!(Kept::load(folder.path()).unwrap(), Kept::default());
        assert!(folder.path().join("rollout.damaged").exists());
        assert_eq!(Kept::load(folder.path()).unwrap(), Kept::default());
    }

    #[test]
    fn what_was_taken_back_is_remembered_up_to_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let load = |left_out: &str| {
            let before = format!(
                r#"{{"running":null,"previous":null,"newest":null,"rollout":null,"left_out":{left_out}}}"#
            );
            fs::write(folder.path().join(FILE), before).unwrap();
            Kept::load(folder.path()).unwrap()
        };
        let one = load(r#"{"model":"model-20260102","why":"worse"}"#);
        assert_eq!(one.left_out, BTreeMap::from([("model-20260102".parse().unwrap(), "worse".to_owned())]));
        assert_eq!(load("null").left_out, BTreeMap::new());
        assert_eq!(load(r#"{"model-20260102":"worse"}"#), one);
        let mut many = one;
        for at in 1..200 {
            many.leave_out(format!("model-20260102.{at}").parse().unwrap(), "ann said so");
            assert!(many.is_left_out(format!("model-20260102.{at}").parse().ok()));
        }
        assert_eq!(many.left_out.len(), LEFT_OUT_MAX);
        many.save(folder.path()).unwrap();
        assert_eq!(Kept::load(folder.path()).unwrap(), many);
    }
}
