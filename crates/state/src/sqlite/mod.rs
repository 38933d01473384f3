//! `state.db`: write-ahead log, every commit synced, one connection a process.
//!
//! Written by the server and by the command line, also at the same time:
//! SQLite's own locks order them, and whoever has to wait gives up after five
//! seconds. A revoked key keeps its row until its tenant is erased; an integration's goes once nothing is
//! left to be told by it. The file holds secrets of integrations, so only its
//! owner may read it.

mod fresh;
mod keys;
mod passthrough;
mod register;
mod removal;

pub use keys::{KeyInfo, OwnedKeys};
pub use passthrough::{Passthrough, Switch, Switches};
pub use register::{Known, Register};
pub use removal::{Removal, Removals, Stage};

use crate::StateError;
use openclaw_alert::TenantName;
use rusqlite::{Connection, TransactionBehavior};
use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The file's name in the data folder.
pub const FILE_NAME: &str = "state.db";

/// The file's mode.
const OWNER_ONLY: u32 = 0o600;

const WAIT_FOR_OTHERS: Duration = Duration::from_secs(5);

/// The n-th entry takes the schema from version n to n + 1; entries are only
/// ever added.
const MIGRATIONS: [&str; 4] = [
    "
    CREATE TABLE keys (
        id TEXT PRIMARY KEY,
        hash BLOB NOT NULL CHECK (length(hash) = 32),
        tenant TEXT,
        name TEXT NOT NULL,
        scopes INTEGER NOT NULL,
        created_at_s INTEGER NOT NULL,
        revoked_at_s INTEGER,
        last_used_at_s INTEGER
    ) STRICT;
    CREATE INDEX keys_by_tenant ON keys (tenant, name);
",
    "
    CREATE TABLE integrations (
        tenant TEXT NOT NULL,
        receiver TEXT NOT NULL,
        number INTEGER NOT NULL,
        kind TEXT NOT NULL,
        target INTEGER NOT NULL,
        place INTEGER NOT NULL,
        is_retired INTEGER NOT NULL,
        settings TEXT NOT NULL,
        templates INTEGER NOT NULL,
        PRIMARY KEY (tenant, receiver, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE integration_templates (
        tenant TEXT NOT NULL,
        number INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (tenant, number)
    ) STRICT;
    CREATE TABLE passthrough (
        tenant TEXT PRIMARY KEY,
        is_on INTEGER NOT NULL,
        set_by TEXT NOT NULL,
        set_at_s INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE instance (number INTEGER NOT NULL) STRICT;
    INSERT INTO instance (number) VALUES (random());
",
    "
    CREATE TABLE removals (
        tenant TEXT PRIMARY KEY,
        is_erasure INTEGER NOT NULL,
        stage INTEGER NOT NULL,
        asked_at_s INTEGER NOT NULL,
        within_s INTEGER NOT NULL,
        number INTEGER
    ) STRICT, WITHOUT ROWID;
",
];

/// The credentials, as stored.
#[derive(Debug)]
pub struct Keys {
    path: PathBuf,
    connection: Mutex<Connection>,
    own_changes: AtomicU64,
}

/// Moves whenever keys may have been added or revoked, by anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeysVersion {
    others: i64,
    own: u64,
}

impl Keys {
    /// Opens `state.db` in the folder `data`, making both where they are
    /// missing and bringing an older file to today's schema.
    ///
    /// # Errors
    /// When the folder or file can't be used, or a later release wrote it.
    pub fn open(data: &Path) -> Result<Self, StateError> {
        std::fs::create_dir_all(data)
            .map_err(|source| StateError::Folder { path: data.to_owned(), source })?;
        let path = data.join(FILE_NAME);
        let failed = |source| StateError::Sql { path: path.clone(), doing: "open the state store", source };
        fresh::make(&path);
        keep_private(&path).map_err(|source| StateError::Folder { path: path.clone(), source })?;
        let mut connection = Connection::open(&path).map_err(failed)?;
        prepare(&connection).map_err(failed)?;
        migrate(&mut connection, &path)?;
        Ok(Self { path, connection: Mutex::new(connection), own_changes: AtomicU64::new(0) })
    }

    /// A number that was drawn when the file was made: two installations have
    /// different ones.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn instance(&self) -> Result<u64, StateError> {
        let number =
            self.connection().query_row("SELECT number FROM instance", [], |row| row.get::<_, i64>(0));
        number.map(i64::cast_unsigned).map_err(|source| self.failed("read the installation's number", source))
    }

    /// Cheap enough to be asked twice a second: no row is read.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn version(&self) -> Result<KeysVersion, StateError> {
        let connection = self.connection();
        let others = connection
            .query_row("PRAGMA data_version", [], |row| row.get(0))
            .map_err(|source| self.failed("look for changes", source))?;
        Ok(KeysVersion { others, own: self.own_changes.load(Ordering::Relaxed) })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// SQLite's data version doesn't move for changes by the same connection.
    fn note_own_change(&self) {
        self.own_changes.fetch_add(1, Ordering::Relaxed);
    }

    /// The name in a row.
    fn tenant_name(&self, name: &str) -> Result<TenantName, StateError> {
        TenantName::new(name).map_err(|_| StateError::Damaged {
            path: self.path.clone(),
            id: name.escape_debug().to_string(),
            column: "tenant",
        })
    }

    fn failed(&self, doing: &'static str, source: rusqlite::Error) -> StateError {
        StateError::Sql { path: self.path.clone(), doing, source }
    }
}

/// Makes the file, if it isn't there, so that only its owner can read it;
/// SQLite gives the files beside it the same mode.
fn keep_private(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(OWNER_ONLY).open(path)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
    }
    Ok(())
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(WAIT_FOR_OTHERS)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A key that was shown must not be lost with the power.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // It holds secrets: what is deleted is overwritten.
    connection.pragma_update(None, "secure_delete", true)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StateError> {
    let failed =
        |source| StateError::Sql { path: path.to_owned(), doing: "bring the schema up to date", source };
    let known = MIGRATIONS.len() as i64;
    let found = schema_version(connection).map_err(failed)?;
    if found > known {
        return Err(StateError::Newer { path: path.to_owned(), found, known });
    }
    if found < known { apply_migrations(connection).map_err(failed) } else { Ok(()) }
}

fn schema_version(connection: &Connection) -> rusqlite::Result<i64> {
    if !connection.table_exists(None, "migrations")? {
        return Ok(0);
    }
    connection.query_row("SELECT coalesce(max(version), 0) FROM migrations", [], |row| row.get(0))
}

/// Reads the version again under the write lock: another process may have been
/// faster.
fn apply_migrations(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied_at_s INTEGER) STRICT",
    )?;
    let found = schema_version(&transaction)?;
    for (version, statements) in (1_i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        transaction.execute_batch(statements)?;
        transaction
            .execute("INSERT INTO migrations (version, applied_at_s) VALUES (?1, unixepoch())", [version])?;
    }
    transaction.commit()
}
