use super::Keys;
use crate::key::KeyHash;
use crate::{Credential, KeyId, KeyName, KeyTable, NewKey, Scope, Scopes, StateError};
use openclaw_alert::{TenantName, Timestamp};
use rusqlite::{Connection, Row, TransactionBehavior, params};
use std::time::Duration;

/// What is known of a key; not the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its public part.
    pub id: KeyId,
    /// The tenant it belongs to; `None` for an operator's key of no tenant.
    pub tenant: Option<TenantName>,
    /// What it is for, in its owner's words.
    pub name: KeyName,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it was made, to the second.
    pub created_at: Timestamp,
    /// When it stopped working, if it has.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to some minutes; `None` when never.
    pub last_used_at: Option<Timestamp>,
}

/// Uses of one key closer together than this are one use.
const USE_GRAIN: Duration = Duration::from_secs(60);

const COLUMNS: &str = "id, tenant, name, scopes, created_at_s, revoked_at_s, last_used_at_s";

/// The keys of one owner: a tenant, or the operators of no tenant.
#[derive(Debug, Clone, Copy)]
pub struct OwnedKeys<'a> {
    keys: &'a Keys,
    tenant: Option<&'a TenantName>,
}

impl Keys {
    /// The keys of one tenant; no others can be reached through the handle.
    #[must_use]
    pub fn tenant<'a>(&'a self, tenant: &'a TenantName) -> OwnedKeys<'a> {
        OwnedKeys { keys: self, tenant: Some(tenant) }
    }

    /// The operators' keys, which belong to no tenant.
    #[must_use]
    pub fn operators(&self) -> OwnedKeys<'_> {
        OwnedKeys { keys: self, tenant: None }
    }

    /// Every live key, for checking requests.
    ///
    /// # Errors
    /// When the file can't be read or a row is damaged.
    pub fn load(&self) -> Result<KeyTable, StateError> {
        let sql = format!("SELECT {COLUMNS}, hash FROM keys WHERE revoked_at_s IS NULL");
        let rows = self.select(&sql, [], |row| Ok((RawKey::read(row)?, row.get::<_, KeyHash>(7)?)))?;
        let mut table = KeyTable::default();
        for (raw, hash) in rows {
            let KeyInfo { id, tenant, scopes, .. } = self.checked(raw)?;
            table.insert(hash, Credential { id, tenant, scopes });
        }
        Ok(table)
    }

    /// Ends a key, whoever owns it: for those who hold the data folder. A key
    /// revoked before keeps its time.
    ///
    /// # Errors
    /// [`StateError::Unknown`] for an id that was never given out.
    pub fn revoke(&self, id: KeyId, now: Timestamp) -> Result<(), StateError> {
        let changed = self
            .connection()
            .execute(
                "UPDATE keys SET revoked_at_s = coalesce(revoked_at_s, ?2) WHERE id = ?1",
                params![id.as_str(), now.secs()],
            )
            .map_err(|source| self.failed("revoke a key", source))?;
        self.revoked(id, changed)
    }

    /// Notes that these keys were used. Cheap to repeat: a key seen less than
    /// a minute ago isn't written again, nor is an unknown one. Nobody waits
    /// for it: it isn't synced, and where another process is writing nothing
    /// is noted.
    ///
    /// # Errors
    /// When the file can't be written, also because another process does.
    pub fn touch(&self, ids: impl IntoIterator<Item = KeyId>, now: Timestamp) -> Result<(), StateError> {
        let mut connection = self.connection();
        let noted = without_waiting(&mut connection, |connection| note_uses(connection, ids, now));
        noted.map_err(|source| self.failed("note the use of keys", source))
    }

    fn revoked(&self, id: KeyId, changed_rows: usize) -> Result<(), StateError> {
        if changed_rows == 0 {
            return Err(StateError::Unknown { id });
        }
        self.note_own_change();
        Ok(())
    }

    fn select<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StateError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached(sql).map_err(|source| self.failed("read keys", source))?;
        let rows = statement.query_map(params, read).and_then(Iterator::collect);
        rows.map_err(|source| self.failed("read keys", source))
    }

    fn checked(&self, raw: RawKey) -> Result<KeyInfo, StateError> {
        let RawKey { id, tenant, name, scopes, created_at_s, revoked_at_s, last_used_at_s } = raw;
        let damaged = |column| StateError::Damaged {
            path: self.path.clone(),
            id: id.escape_debug().to_string(),
            column,
        };
        Ok(KeyInfo {
            id: id.parse().map_err(|_| damaged("id"))?,
            tenant: tenant.map(|name| TenantName::new(&name)).transpose().map_err(|_| damaged("tenant"))?,
            name: KeyName::new(&name).map_err(|_| damaged("name"))?,
            scopes: Scopes::from_bits(scopes).ok_or_else(|| damaged("set of scopes"))?,
            created_at: Timestamp::from_secs(created_at_s),
            revoked_at: revoked_at_s.map(Timestamp::from_secs),
            last_used_at: last_used_at_s.map(Timestamp::from_secs),
        })
    }
}

impl OwnedKeys<'_> {
    /// Makes a key. At most two of one name are live at a time: the one in use
    /// and the one that takes its place.
    ///
    /// # Errors
    /// [`StateError::TwoLive`] names both and says which to revoke.
    pub fn add(&self, name: &KeyName, scopes: Scopes, now: Timestamp) -> Result<NewKey, StateError> {
        if self.tenant.is_none() && !scopes.contains(Scope::Operator) {
            return Err(StateError::NeedsOperator);
        }
        let mut connection = self.keys.connection();
        let failed = |source| self.keys.failed("add a key", source);
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        self.check_room(&transaction, name)?;
        let new = NewKey::random()?;
        transaction
            .execute(
                "INSERT INTO keys (id, hash, tenant, name, scopes, created_at_s)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    new.id.as_str(),
                    new.hash(),
                    self.tenant.map(TenantName::as_str),
                    name.as_str(),
                    scopes.bits(),
                    now.secs()
                ],
            )
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
        self.keys.note_own_change();
        Ok(new)
    }

    /// The owner's keys, revoked ones too, in the order they were made.
    ///
    /// # Errors
    /// When the file can't be read or a row is damaged.
    pub fn list(&self) -> Result<Vec<KeyInfo>, StateError> {
        let sql = format!("SELECT {COLUMNS} FROM keys WHERE tenant IS ?1 ORDER BY rowid");
        let rows = self.keys.select(&sql, [self.tenant.map(TenantName::as_str)], RawKey::read)?;
        rows.into_iter().map(|raw| self.keys.checked(raw)).collect()
    }

    /// Ends one of the owner's keys; another's is unknown here.
    ///
    /// # Errors
    /// [`StateError::Unknown`] for an id that isn't the owner's.
    pub fn revoke(&self, id: KeyId, now: Timestamp) -> Result<(), StateError> {
        let changed = self
            .keys
            .connection()
            .execute(
                "UPDATE keys SET revoked_at_s = coalesce(revoked_at_s, ?3) WHERE id = ?1 AND tenant IS ?2",
                params![id.as_str(), self.tenant.map(TenantName::as_str), now.secs()],
            )
            .map_err(|source| self.keys.failed("revoke a key", source))?;
        self.keys.revoked(id, changed)
    }

    fn check_room(&self, connection: &Connection, name: &KeyName) -> Result<(), StateError> {
        let failed = |source| self.keys.failed("add a key", source);
        let mut statement = connection
            .prepare(
                "SELECT id FROM keys WHERE tenant IS ?1 AND name = ?2 AND revoked_at_s IS NULL ORDER BY rowid",
            )
            .map_err(failed)?;
        let live: Vec<String> = statement
            .query_map(params![self.tenant.map(TenantName::as_str), name.as_str()], |row| row.get(0))
            .and_then(Iterator::collect)
            .map_err(failed)?;
        match live.as_slice() {
            [older, .., newer] => Err(StateError::TwoLive {
                tenant: self.tenant.cloned(),
                name: name.clone(),
                older: self.parse_id(older)?,
                newer: self.parse_id(newer)?,
            }),
            _ => Ok(()),
        }
    }

    fn parse_id(&self, id: &str) -> Result<KeyId, StateError> {
        id.parse().map_err(|_| StateError::Damaged {
            path: self.keys.path.clone(),
            id: id.escape_debug().to_string(),
            column: "id",
        })
    }
}

/// A look at the keys must not wait for a disk or for others, or a revoked key
/// would live on.
fn without_waiting<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.busy_timeout(Duration::ZERO)?;
    // With a write-ahead log commits are not synced then, checkpoints still are.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let done = work(connection);
    super::prepare(connection)?;
    done
}

fn note_uses(
    connection: &mut Connection,
    ids: impl IntoIterator<Item = KeyId>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let stale_before_s = now.minus(USE_GRAIN).secs();
    for id in ids {
        transaction
            .prepare_cached(
                "UPDATE keys SET last_used_at_s = ?2
                 WHERE id = ?1 AND coalesce(last_used_at_s <= ?3, true)",
            )?
            .execute(params![id.as_str(), now.secs(), stale_before_s])?;
    }
    transaction.commit()
}

/// A row before its values are checked.
struct RawKey {
    id: String,
    tenant: Option<String>,
    name: String,
    scopes: i64,
    created_at_s: i64,
    revoked_at_s: Option<i64>,
    last_used_at_s: Option<i64>,
}

impl RawKey {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            tenant: row.get(1)?,
            name: row.get(2)?,
            scopes: row.get(3)?,
            created_at_s: row.get(4)?,
            revoked_at_s: row.get(5)?,
            last_used_at_s: row.get(6)?,
        })
    }
}
