use super::Keys;
use crate::StateError;
use openclaw_alert::TenantName;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// An integration of a receiver, as far as a later process must know it.
#[derive(Clone, PartialEq, Eq)]
pub struct Known {
    /// The receiver's name.
    pub receiver: String,
    /// Its number among all that the receiver has or had.
    pub number: u16,
    /// Its kind, `webhook`.
    pub kind: String,
    /// A hash of where it sends to and with what credential.
    pub target: u64,
    /// A hash of where it sends to.
    pub place: u64,
    /// Whether it has left the settings.
    pub is_retired: bool,
    /// All that is needed to send but templates, secrets included.
    pub settings: String,
    /// The tenant's message templates; kept once for all that share them.
    pub templates: Arc<str>,
}

/// Without the settings, which hold secrets.
impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known")
            .field("receiver", &self.receiver)
            .field("number", &self.number)
            .field("kind", &self.kind)
            .field("is_retired", &self.is_retired)
            .finish_non_exhaustive()
    }
}

/// Which integrations there are and were: what was told is remembered under
/// their numbers, and who has left the settings still hears of the end.
#[derive(Debug, Clone, Copy)]
pub struct Register<'a> {
    keys: &'a Keys,
    tenant: &'a TenantName,
}

impl Keys {
    /// The register of one tenant's integrations.
    #[must_use]
    pub fn register<'a>(&'a self, tenant: &'a TenantName) -> Register<'a> {
        Register { keys: self, tenant }
    }

    /// Who has a register, in order.
    ///
    /// # Errors
    /// When the file can't be read or a row is damaged.
    pub fn registered(&self) -> Result<Vec<TenantName>, StateError> {
        let failed = |source| self.failed("read the register of integrations", source);
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("SELECT DISTINCT tenant FROM integrations ORDER BY tenant")
            .map_err(failed)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
        rows.map(|name| self.tenant_name(&name.map_err(failed)?)).collect()
    }
}

impl Register<'_> {
    /// All that is known, by receiver and number.
    ///
    /// # Errors
    /// When the file can't be read or a row is damaged.
    pub fn load(&self) -> Result<Vec<Known>, StateError> {
        let failed = |source| self.keys.failed("read the register of integrations", source);
        let connection = self.keys.connection();
        let templates = self.templates(&connection).map_err(failed)?;
        let mut statement = connection
            .prepare_cached(
                "SELECT receiver, number, kind, target, place, is_retired, settings, templates
                 FROM integrations WHERE tenant = ?1 ORDER BY receiver, number",
            )
            .map_err(failed)?;
        let known = |row: &rusqlite::Row<'_>| {
            let templates = templates.get(&row.get(7)?).cloned();
            Ok(Known {
                receiver: row.get(0)?,
                number: row.get(1)?,
                kind: row.get(2)?,
                target: row.get::<_, i64>(3)?.cast_unsigned(),
                place: row.get::<_, i64>(4)?.cast_unsigned(),
                is_retired: row.get(5)?,
                settings: row.get(6)?,
                templates: templates.ok_or(rusqlite::Error::QueryReturnedNoRows)?,
            })
        };
        statement.query_map([self.tenant.as_str()], known).and_then(Iterator::collect).map_err(failed)
    }

    fn templates(&self, connection: &Connection) -> rusqlite::Result<BTreeMap<i64, Arc<str>>> {
        let mut statement =
            connection.prepare_cached("SELECT number, text FROM integration_templates WHERE tenant = ?1")?;
        let rows = statement.query_map([self.tenant.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    }

    /// Puts `all` in the place of what was known; durable when it returns.
    ///
    /// # Errors
    /// When the file can't be written; nothing has changed then.
    pub fn replace(&self, all: &[Known]) -> Result<(), StateError> {
        let failed = |source| self.keys.failed("write the register of integrations", source);
        let mut connection = self.keys.connection();
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        self.write(&transaction, all).map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    fn write(&self, transaction: &Transaction<'_>, all: &[Known]) -> rusqlite::Result<()> {
        let tenant = self.tenant.as_str();
        transaction.execute("DELETE FROM integrations WHERE tenant = ?1", [tenant])?;
        transaction.execute("DELETE FROM integration_templates WHERE tenant = ?1", [tenant])?;
        let mut texts = BTreeMap::<&str, i64>::new();
        for known in all {
            let Known { receiver, number, kind, target, place, is_retired, settings, templates } = known;
            let next = texts.len() as i64;
            let text = *texts.entry(templates).or_insert(next);
            if text == next {
                transaction
                    .prepare_cached("INSERT INTO integration_templates VALUES (?1, ?2, ?3)")?
                    .execute(params![tenant, text, templates])?;
            }
            let (target, place) = (target.cast_signed(), place.cast_signed());
            transaction
                .prepare_cached("INSERT INTO integrations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
                .execute(params![
                    tenant, receiver, number, kind, target, place, is_retired, settings, text
                ])?;
        }
        Ok(())
    }
}
