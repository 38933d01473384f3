use crate::{KeyId, KeyName};
use openclaw_alert::TenantName;
use std::io;
use std::path::PathBuf;

/// What can go wrong with the state store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The data folder can't be made.
    #[error("cannot create the data folder `{}`: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A statement failed.
    #[error("cannot {doing} in `{}`: {source}", path.display())]
    Sql {
        /// The database file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// A later release has changed the file's schema.
    #[error("`{}` has schema version {found}, this program knows versions up to {known}", path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Version in the file.
        found: i64,
        /// Newest version known here.
        known: i64,
    },
    /// A row holds what this program never writes.
    #[error("key `{id}` in `{}` has a bad {column}", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// The row's id as stored.
        id: String,
        /// The column.
        column: &'static str,
    },
    /// Two keys of this name are live already.
    #[error("{} already has two live keys named `{name}`: `{older}` and `{newer}`", owner(tenant.as_ref()))]
    TwoLive {
        /// Whose keys; `None` for those of no tenant.
        tenant: Option<TenantName>,
        /// Their name.
        name: KeyName,
        /// The one made first.
        older: KeyId,
        /// The other.
        newer: KeyId,
    },
    /// No key has this id.
    #[error("there is no key `{id}`")]
    Unknown {
        /// The id asked for.
        id: KeyId,
    },
    /// A key of no tenant without the scope `operator` could do nothing.
    #[error("a key without a tenant needs the scope `operator`")]
    NeedsOperator,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {source}")]
    Random {
        /// Why.
        source: getrandom::Error,
    },
}

fn owner(tenant: Option<&TenantName>) -> String {
    tenant.map_or_else(|| "the operators' side".to_owned(), |tenant| format!("tenant `{tenant}`"))
}

impl StateError {
    /// A way out, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Folder { .. } => Some("set `data` to a folder that this user may write to".to_owned()),
            Self::Sql { .. } => Some("check the file's permissions and the free space beside it".to_owned()),
            Self::Newer { .. } => Some("run the release that wrote the file, or a later one".to_owned()),
            Self::Damaged { .. } => Some("restore the file from a backup, or delete that row".to_owned()),
            Self::TwoLive { older, .. } => {
                Some(format!("revoke the older one first: `openclaw tenant key revoke {older}`"))
            }
            Self::Unknown { .. } => Some("`openclaw tenant key list TENANT` shows the ids".to_owned()),
            Self::NeedsOperator => Some("name a tenant, or add `operator` to the scopes".to_owned()),
            Self::Random { .. } => None,
        }
    }
}
