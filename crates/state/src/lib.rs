//! What people edit and a restart must keep: credentials, the switches of the
//! break-glass, the register of integrations and the tenants that are being removed, in one SQLite file `state.db`
//! in the data folder.
//!
//! [`Keys`] is the store. Several processes may have it open: the command line
//! adds and revokes keys beside a running server, which polls
//! [`Keys::version`] and swaps in a new [`KeyTable`] when it has moved.
//! A tenant's keys are reached through [`Keys::tenant`] alone.
//!
//! A key itself is never stored: only its id, which is its first ten
//! characters, and the SHA-256 of the whole.

#![forbid(unsafe_code)]

mod error;
mod key;
mod scopes;
mod sqlite;
mod table;

pub use error::StateError;
pub use key::{KEY_ID_LENGTH, KEY_LENGTH, KeyId, KeyName, KeyTextError, NewKey, SecretKey};
pub use scopes::{Scope, Scopes, ScopesError};
pub use sqlite::{
    FILE_NAME, KeyInfo, Keys, KeysVersion, Known, OwnedKeys, Passthrough, Register, Removal, Removals, Stage,
    Switch, Switches,
};
pub use table::{Credential, KeyTable};
