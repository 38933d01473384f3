use super::Keys;
use crate::StateError;
use openclaw_alert::{TenantName, Timestamp};
use rusqlite::{OptionalExtension as _, Row, TransactionBehavior, params};
use std::time::Duration;

/// How far the removal of a tenant has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its keys are revoked; who was told that something fires is told of its
    /// end.
    Ending,
    /// Everybody knows; what is kept of it is being overwritten.
    Erasing,
    /// All is done but that its settings file is still there.
    Done,
}

impl Stage {
    fn number(self) -> i64 {
        match self {
            Self::Ending => 0,
            Self::Erasing => 1,
            Self::Done => 2,
        }
    }

    fn from_number(number: i64) -> Option<Self> {
        [Self::Ending, Self::Erasing, Self::Done].into_iter().find(|stage| stage.number() == number)
    }

    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ending => "ending",
            Self::Erasing => "erasing",
            Self::Done => "removed",
        }
    }
}

/// A tenant that is being removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Whose.
    pub tenant: TenantName,
    /// Whether what is kept of it goes too.
    pub erase: bool,
    /// How far it has come.
    pub stage: Stage,
    /// When it was asked for, to the second.
    pub asked_at: Timestamp,
    /// How long messages may take to be delivered before they are given up.
    pub within: Duration,
    /// Its number in the journal, once that alone tells what is its.
    pub number: Option<u16>,
}

/// The tenants that are being removed; a running server follows them.
#[derive(Debug, Clone, Copy)]
pub struct Removals<'a> {
    keys: &'a Keys,
}

const COLUMNS: &str = "tenant, is_erasure, stage, asked_at_s, within_s, number";

impl Keys {
    /// The tenants that are being removed.
    #[must_use]
    pub fn removals(&self) -> Removals<'_> {
        Removals { keys: self }
    }
}

impl Removals<'_> {
    /// Asks for a tenant's removal and revokes its keys; both or neither. One
    /// that is under way is asked for more at most: erasure after a removal
    /// that keeps what there is.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn ask(
        &self,
        tenant: &TenantName,
        erase: bool,
        within: Duration,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let failed = |source| self.keys.failed("remove a tenant", source);
        let within_s = i64::try_from(within.as_secs()).unwrap_or(i64::MAX);
        let mut connection = self.keys.connection();
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        transaction
            .execute(
                "INSERT INTO removals VALUES (?1, ?2, 0, ?3, ?4, NULL)
                 ON CONFLICT (tenant) DO UPDATE SET is_erasure = true, stage = 0, asked_at_s = ?3, within_s = ?4
                 WHERE ?2 AND NOT is_erasure",
                params![tenant.as_str(), erase, now.secs(), within_s],
            )
            .map_err(failed)?;
        transaction
            .execute(
                "UPDATE keys SET revoked_at_s = coalesce(revoked_at_s, ?2) WHERE tenant = ?1",
                params![tenant.as_str(), now.secs()],
            )
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
        self.keys.note_own_change();
        Ok(())
    }

    /// All, in the order of their names.
    ///
    /// # Errors
    /// When the file can't be read or a row is damaged.
    pub fn list(&self) -> Result<Vec<Removal>, StateError> {
        let failed = |source| self.keys.failed("read which tenants are being removed", source);
        let connection = self.keys.connection();
        let mut statement = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM removals ORDER BY tenant"))
            .map_err(failed)?;
        let rows = statement.query_map([], RawRemoval::read).map_err(failed)?;
        rows.map(|raw| self.checked(&raw.map_err(failed)?)).collect()
    }

    /// One tenant's, if it is being removed.
    ///
    /// # Errors
    /// When the file can't be read or the row is damaged.
    pub fn of(&self, tenant: &TenantName) -> Result<Option<Removal>, StateError> {
        let raw = self
            .keys
            .connection()
            .query_row(
                &format!("SELECT {COLUMNS} FROM removals WHERE tenant = ?1"),
                [tenant.as_str()],
                RawRemoval::read,
            )
            .optional()
            .map_err(|source| self.keys.failed("read which tenants are being removed", source))?;
        raw.map(|raw| self.checked(&raw)).transpose()
    }

    /// Notes how far it has come, if it is as it `was`; false if more has been
    /// asked for since, so that it has to be looked at again.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn advance(&self, was: &Removal, stage: Stage, number: Option<u16>) -> Result<bool, StateError> {
        let changed = self
            .keys
            .connection()
            .execute(
                "UPDATE removals SET stage = ?4, number = ?5
                 WHERE tenant = ?1 AND is_erasure = ?2 AND stage = ?3",
                params![was.tenant.as_str(), was.erase, was.stage.number(), stage.number(), number],
            )
            .map_err(|source| self.keys.failed("note how far a removal has come", source))?;
        self.keys.note_own_change();
        Ok(changed > 0)
    }

    /// Forgets that it was ever removed, if all is done: its name may be used
    /// again. False if something is left to do.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn finish(&self, tenant: &TenantName) -> Result<bool, StateError> {
        let failed = |source| self.keys.failed("finish a removal", source);
        let connection = self.keys.connection();
        let statement = "DELETE FROM removals WHERE tenant = ?1 AND stage = ?2";
        let finished =
            connection.execute(statement, params![tenant.as_str(), Stage::Done.number()]).map_err(failed)?;
        self.keys.note_own_change();
        self.keys.leave_nothing(&connection).map_err(failed)?;
        Ok(finished > 0)
    }

    /// Deletes all that is kept of a tenant but that it is being removed, so
    /// that no byte of it stays in the files.
    ///
    /// # Errors
    /// When the file can't be written, or another process reads from it just
    /// now: doing it again does the rest.
    pub fn erase(&self, tenant: &TenantName) -> Result<(), StateError> {
        let failed = |source| self.keys.failed("erase a tenant", source);
        let mut connection = self.keys.connection();
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        for table in ["keys", "integrations", "integration_templates", "passthrough"] {
            transaction
                .execute(&format!("DELETE FROM {table} WHERE tenant = ?1"), [tenant.as_str()])
                .map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        self.keys.note_own_change();
        self.keys.leave_nothing(&connection).map_err(failed)
    }

    fn checked(&self, raw: &RawRemoval) -> Result<Removal, StateError> {
        let stage = Stage::from_number(raw.stage).ok_or_else(|| StateError::Damaged {
            path: self.keys.path.clone(),
            id: raw.tenant.escape_debug().to_string(),
            column: "stage",
        })?;
        Ok(Removal {
            tenant: self.keys.tenant_name(&raw.tenant)?,
            erase: raw.is_erasure,
            stage,
            asked_at: Timestamp::from_secs(raw.asked_at_s),
            within: Duration::from_secs(raw.within_s.max(0).cast_unsigned()),
            number: raw.number,
        })
    }
}

impl Keys {
    /// Rewrites the file without what was deleted, and empties the log beside it.
    fn leave_nothing(&self, connection: &rusqlite::Connection) -> rusqlite::Result<()> {
        connection.execute_batch("VACUUM")?;
        let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if is_busy {
            let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
            return Err(rusqlite::Error::SqliteFailure(
                busy,
                Some("another process reads from it".to_owned()),
            ));
        }
        Ok(())
    }
}

/// A row before its values are checked.
struct RawRemoval {
    tenant: String,
    is_erasure: bool,
    stage: i64,
    asked_at_s: i64,
    within_s: i64,
    number: Option<u16>,
}

impl RawRemoval {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            tenant: row.get(0)?,
            is_erasure: row.get(1)?,
            stage: row.get(2)?,
            asked_at_s: row.get(3)?,
            within_s: row.get(4)?,
            number: row.get(5)?,
        })
    }
}
