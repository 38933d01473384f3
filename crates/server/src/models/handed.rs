//! What an upstream tells its edges of models, and the models themselves.

use super::{Models, ModelsError};
use crate::limits::load_seed;
use openclaw_learning::artifact::{Digest, ModelName};
use openclaw_learning::publish::{Bundle, PublishError};
use openclaw_learning::rollout::Stage;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longer than any that is told.
pub(crate) const TOLD_BYTES_MAX: usize = 4 << 10;

/// Says what an answer is: an edge must not take another for one that names no
/// model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    #[default]
    #[serde(rename = "openclaw.models/1")]
    Models,
}

/// Which models set limits, and of whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) kind: Kind,
    /// The one that serves; none, and said so, for the plain estimator.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) running: Option<ModelName>,
    /// What is gone back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<ModelName>,
    /// One on its way.
    #[serde(default)]
    pub(crate) candidate: Option<ToldCandidate>,
    /// What clients' names are hashed with, so that each is in the same arm
    /// everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) names: Option<Names>,
}

/// Secret: who has it can choose names that collide. Operators may have it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Names(pub(crate) [u8; 16]);

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// A model on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ToldCandidate {
    pub(crate) model: ModelName,
    /// Whose limits it sets.
    pub(crate) stage: Stage,
    /// Which clients come first.
    pub(crate) salt: Salt,
}

impl ToldCandidate {
    /// Whether it only comes to more clients.
    pub(crate) fn is_trial_of(&self, other: &Self) -> bool {
        self.model == other.model && self.salt == other.salt
    }
}

/// As text, since numbers in JSON end at 2⁵³ for many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Salt(pub(crate) u64);

impl From<Salt> for String {
    fn from(salt: Salt) -> Self {
        format!("{:016x}", salt.0)
    }
}

impl TryFrom<String> for Salt {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

impl Told {
    /// The models that are needed for it.
    pub(crate) fn models(&self) -> impl Iterator<Item = ModelName> {
        self.running.into_iter().chain(self.candidate.map(|candidate| candidate.model)).chain(self.previous)
    }

    /// What stands for it, and changes with it.
    pub(crate) fn tag(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("\"{}\"", Digest::of(&json).short())
    }
}

impl Models {
    /// What edges follow: what serves, not what should.
    pub(crate) async fn handed(&self) -> Told {
        let state = self.state.lock().await;
        let candidate = state.kept.rollout.as_ref().and_then(|rollout| {
            let (model, stage, salt) = (state.kept.candidate()?, rollout.stage(), Salt(rollout.salt()));
            Some(ToldCandidate { model, stage, salt })
        });
        let names = load_seed(&self.data).ok().map(Names);
        let running = self.limits.predictor().parse().ok();
        let previous = state.kept.previous.filter(|previous| Some(*previous) != running);
        Told { kind: Kind::Models, running, previous, candidate, names }
    }

    /// A model for an edge, which verifies it by itself: also while the registry
    /// is away, if it may be needed at once and was asked for before.
    pub(crate) async fn bundle(&self, name: ModelName) -> Result<Bundle, ModelsError> {
        match self.repository.bundle(name).await {
            Ok(bundle) => {
                self.keep_bundle(&bundle).await;
                Ok(bundle)
            }
            Err(error @ (PublishError::Store(_) | PublishError::Missing { .. })) => {
                self.copies.bundle(name).ok_or_else(|| error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn keep_bundle(&self, bundle: &Bundle) {
        let state = self.state.lock().await;
        if state.kept.needed().any(|needed| needed == bundle.name())
            && let Err(error) = self.copies.keep_bundle(bundle)
        {
            tracing::warn!(%error, "edges can't have the model while its registry is away");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_is_read() {
        let model = "model-20260102".parse().unwrap();
        let candidate = ToldCandidate { model, stage: Stage::of_percent(25).unwrap(), salt: Salt(u64::MAX) };
        let told = Told {
            kind: Kind::Models,
            running: "model-20260101".parse().ok(),
            previous: "model-20251231".parse().ok(),
            candidate: Some(candidate),
            names: Some(Names([7; 16])),
        };
        let json = serde_json::to_string(&told).unwrap();
        insta::assert_snapshot!(json, @r#"{"kind":"openclaw.models/1","running":"model-20260101","previous":"model-20251231","candidate":{"model":"model-20260102","stage":25,"salt":"ffffffffffffffff"},"names":[7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7]}"#);
        assert!(!format!("{told:?}").contains("7, 7"));
        assert_eq!(serde_json::from_str::<Told>(&json).unwrap(), told);
        assert_ne!(told.tag(), Told { running: None, ..told.clone() }.tag());
        let plain = r#"{"kind":"openclaw.models/1","running":null}"#;
        assert_eq!(serde_json::from_str::<Told>(plain).unwrap(), Told::default());
        for odd in [
            "{}",
            "{}x",
            r#"{"status":"ok"}"#,
            r#"{"running":null}"#,
            r#"{"kind":"openclaw.models/1"}"#,
            r#"{"kind":"openclaw.models/2","running":null}"#,
            r#"{"kind":"openclaw.models/1","running":"../x"}"#,
            r#"{"kind":"openclaw.models/1","running":null,"candidate":{"model":"model-20260102","stage":25,"salt":"g"}}"#,
        ] {
            assert!(serde_json::from_str::<Told>(odd).is_err(), "{odd}");
        }
    }
}
