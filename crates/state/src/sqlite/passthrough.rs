use super::Keys;
use crate::StateError;
use openclaw_alert::{TenantName, Timestamp};
use rusqlite::{TransactionBehavior, params};

/// The switch that holds for all tenants; no tenant can have this name.
const ALL: &str = "*";

/// A break-glass, as somebody has set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// Whether everything goes straight to the default receiver.
    pub is_on: bool,
    /// By whom it was set.
    pub by: String,
}

/// All break-glasses, as people have set them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Switches {
    all: Option<Switch>,
    tenants: Vec<(TenantName, Switch)>,
}

impl Switches {
    /// What holds for a tenant: its own, when it was set after that of all.
    /// `None` where neither ever was.
    #[must_use]
    pub fn of(&self, tenant: &TenantName) -> Option<&Switch> {
        let own = self.tenants.iter().find(|(name, _)| name == tenant);
        own.map(|(_, switch)| switch).or(self.all.as_ref())
    }
}

/// The switches of all tenants' break-glasses; a running server follows them.
#[derive(Debug, Clone, Copy)]
pub struct Passthrough<'a> {
    keys: &'a Keys,
}

impl Keys {
    /// The switches of the break-glasses.
    #[must_use]
    pub fn passthrough(&self) -> Passthrough<'_> {
        Passthrough { keys: self }
    }
}

impl Passthrough<'_> {
    /// Sets one tenant's.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn set(&self, tenant: &TenantName, is_on: bool, by: &str, now: Timestamp) -> Result<(), StateError> {
        self.write(tenant.as_str(), is_on, by, now).map_err(|source| self.failed(source))
    }

    /// Sets everybody's, also of tenants that are added later; what was set
    /// for one of them before holds no more.
    ///
    /// # Errors
    /// When the file can't be written; nothing has changed then.
    pub fn set_all(&self, is_on: bool, by: &str, now: Timestamp) -> Result<(), StateError> {
        self.write(ALL, is_on, by, now).map_err(|source| self.failed(source))
    }

    fn write(&self, whose: &str, is_on: bool, by: &str, now: Timestamp) -> rusqlite::Result<()> {
        let mut connection = self.keys.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if whose == ALL {
            transaction.execute("DELETE FROM passthrough", [])?;
        }
        transaction.execute(
            "INSERT INTO passthrough VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (tenant) DO UPDATE SET is_on = ?2, set_by = ?3, set_at_s = ?4",
            params![whose, is_on, by, now.secs()],
        )?;
        transaction.commit()?;
        self.keys.note_own_change();
        Ok(())
    }

    fn failed(&self, source: rusqlite::Error) -> StateError {
        self.keys.failed("set the break-glass", source)
    }

    /// All as they are set.
    ///
    /// # Errors
    /// When the file can't be read or a row is damaged.
    pub fn list(&self) -> Result<Switches, StateError> {
        let failed = |source| self.keys.failed("read the break-glasses", source);
        let connection = self.keys.connection();
        let mut statement = connection
            .prepare_cached("SELECT tenant, is_on, set_by FROM passthrough ORDER BY tenant")
            .map_err(failed)?;
        let rows = statement
            .query_map([], |row| {
                Ok((row.get::<_, String>(0)?, Switch { is_on: row.get(1)?, by: row.get(2)? }))
            })
            .map_err(failed)?;
        let mut switches = Switches::default();
        for row in rows {
            let (whose, switch) = row.map_err(failed)?;
            if whose == ALL {
                switches.all = Some(switch);
            } else {
                switches.tenants.push((self.keys.tenant_name(&whose)?, switch));
            }
        }
        Ok(switches)
    }
}
