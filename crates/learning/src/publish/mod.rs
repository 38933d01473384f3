//! Models signed, stored and fetched: an OCI image layout in a folder, or a
//! registry. What is fetched was signed by a trusted key, or it is refused.

mod bundle;
mod environment;
mod git;
mod key;
mod layout;
mod manifest;
mod proposal;
mod remote;
mod repository;
mod signature;

pub use bundle::{BUNDLE_BYTES_MAX, Bundle};
pub use environment::{Entry as EnvironmentEntry, EnvironmentError, GateSummary, Wanted};
pub use git::{
    Changed, CommitId, Edit, GitAuthor, GitBranch, GitCredentials, GitError, GitFile, GitOptions, GitPath,
    GitPlaceError, GitRemote, GitState, Stop,
};
pub use key::{KeyError, KeyFileError, KeyId, SigningError, SigningKey, VerifyingKey};
pub use manifest::{ARTIFACT_TYPE, ManifestError};
pub use proposal::{Proposal, Replaces, Revert, Reverted};
pub use remote::{RemoteOptions, RepositoryName, RepositoryNameError};
pub use repository::{Listed, Place, Published, Pushed, Repository, Standing};

use crate::artifact::{CardError, Digest, FileError, ModelError, ModelName};
use std::path::PathBuf;

/// Where models are in a data folder, unless settings name a registry.
pub const MODELS_FOLDER: &str = "models";
/// The key in a data folder that signs them, where none is configured.
pub const SIGNING_KEY_FILE: &str = "model-signing-key.pem";

/// Why a folder or a registry does not do what it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// No index.
    #[error("`{}` is no OCI index; move the folder away and push or pull its models again", path.display())]
    Index {
        /// Which.
        path: PathBuf,
    },
    /// Bytes that are not what they are named.
    #[error("`{digest}` is damaged: its bytes are `{found}`; push the model again")]
    Damaged {
        /// What was asked for.
        digest: Digest,
        /// What came.
        found: Digest,
    },
    /// Bytes that are gone.
    #[error("`{digest}` is missing; push the model again")]
    Gone {
        /// What was asked for.
        digest: Digest,
    },
    /// Longer than anything of a model.
    #[error("`{what}` is longer than {most_bytes} bytes, the most that is expected of it")]
    TooLong {
        /// What.
        what: String,
        /// The bound.
        most_bytes: usize,
    },
    /// A name that is in use.
    #[error(
        "`{tag}` is there already, with other contents; names are never given twice: take the day's next one"
    )]
    Taken {
        /// Which.
        tag: String,
    },
    /// The registry says no.
    #[error("`{repository}` refuses these credentials; see `models.oci.username` and `models.oci.password`")]
    Denied {
        /// Which.
        repository: String,
    },
    /// The registry can't be reached, or says something else.
    #[error("`{repository}`: {detail}")]
    Remote {
        /// Which.
        repository: String,
        /// What it says.
        detail: String,
    },
}

/// Why a model is not published or fetched.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The folder or registry.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The model.
    #[error("`{name}`: {error}")]
    Model {
        /// Which.
        name: ModelName,
        /// What is wrong.
        error: Box<ModelError>,
    },
    /// The card.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The manifest.
    #[error("`{name}`: {error}")]
    Manifest {
        /// Of which model.
        name: ModelName,
        /// What is wrong.
        error: ManifestError,
    },
    /// A model that is not there.
    #[error("there is no model `{name}`; `openclaw model list` shows those that are")]
    Missing {
        /// Which.
        name: ModelName,
    },
    /// A model that is not the one that was asked for.
    #[error("`{name}` is `{found}`; expected `{expected}`: somebody has moved the name")]
    Digest {
        /// Which.
        name: ModelName,
        /// What was asked for.
        expected: Digest,
        /// What is there.
        found: Digest,
    },
    /// No signature.
    #[error("`{name}` ({digest}) is not signed; push it with a key that is among `models.verify.keys`")]
    Unsigned {
        /// Which.
        name: ModelName,
        /// Its manifest.
        digest: Digest,
    },
    /// No signature by a key that is trusted.
    #[error(
        "`{name}` ({digest}) has no valid signature by a trusted key; push it with one that is among `models.verify.keys`"
    )]
    Untrusted {
        /// Which.
        name: ModelName,
        /// Its manifest.
        digest: Digest,
    },
    /// A key that nobody who fetches would trust.
    #[error("the key {key} that would sign isn't among `models.verify.keys`; add its public part there")]
    OwnKey {
        /// Which.
        key: KeyId,
    },
    /// No key to sign with.
    #[error("there is no key to sign with; set `models.sign.key`")]
    NoKey,
    /// The key does not work.
    #[error(transparent)]
    Signing(#[from] SigningError),
}
