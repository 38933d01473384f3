//! What the service says of itself, as alerts of the operator's tenant: settings
//! that are not in force, a full disk, a snapshot that can't be written.
//!
//! Each is said again while it lasts and ends by itself when nobody does, so
//! that a process that ends can't leave one behind for ever.

use crate::host::{Host, Unavailable};
use crate::reload::NotInForce;
use openclaw_alert::TenantName;
use openclaw_pipeline::{Input, Notice};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often it is looked whether there is something to say.
const LOOK: Duration = Duration::from_secs(1);

/// How often what lasts is said again, and how long it holds if it isn't.
const AGAIN: Duration = Duration::from_secs(60);
const LASTS: Duration = Duration::from_secs(300);

/// Most of a description that is told; the log has all of it.
const DESCRIPTION_BYTES_MAX: usize = 2048;

/// What there may be to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// New settings have faults.
    ReloadFailed,
    /// A tenant's settings can't be put in force.
    NotInForce(TenantName),
    /// New alerts are refused for want of space.
    DiskFull,
    /// No snapshot can be written.
    NoSnapshot,
}

impl Subject {
    fn notice(&self, description: &str) -> Notice {
        let (name, severity, summary) = match self {
            Self::ReloadFailed => (
                "OpenClawReloadFailed",
                "warning",
                "the new settings have faults: those before them stay in force",
            ),
            Self::NotInForce(_) => (
                "OpenClawSettingsNotInForce",
                "warning",
                "a tenant's settings can't be put in force: it is tried again",
            ),
            Self::DiskFull => (
                "OpenClawDiskFull",
                "critical",
                "the disk is full: new alerts are refused until there is space",
            ),
            Self::NoSnapshot => (
                "OpenClawSnapshotFailed",
                "warning",
                "no snapshot can be written: a restart takes longer and the journal grows",
            ),
        };
        let about = match self {
            Self::NotInForce(tenant) => Some(("affected_tenant", tenant.to_string())),
            _ => None,
        };
        Notice { name, severity, about, summary, description: short(description).to_owned() }
    }
}

fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(DESCRIPTION_BYTES_MAX)]
}

/// What there is to say now, with a description.
type Standing = BTreeMap<Subject, String>;

/// Who hears of the service itself, and what.
#[derive(Debug)]
pub(crate) struct Operator {
    tenant: Option<TenantName>,
    standing: Mutex<Standing>,
}

impl Operator {
    pub(crate) fn new(tenant: Option<TenantName>) -> Self {
        Self { tenant, standing: Mutex::default() }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It holds, with this to add; or not, or no more.
    pub(crate) fn set(&self, subject: Subject, description: Option<String>) {
        match description {
            Some(description) => drop(self.standing().insert(subject, description)),
            None => drop(self.standing().remove(&subject)),
        }
    }

    /// These tenants' settings are not in force, and nobody else's.
    pub(crate) fn not_in_force(&self, failed: &[NotInForce]) {
        let mut standing = self.standing();
        standing.retain(|subject, _| !matches!(subject, Subject::NotInForce(_)));
        standing.extend(
            failed.iter().map(|failed| (Subject::NotInForce(failed.tenant.clone()), failed.why.clone())),
        );
    }
}

/// What was said last of a subject, and when; without a time where the process
/// before this one may have said it.
type Said = BTreeMap<Subject, Option<(String, Instant)>>;

/// Runs for the life of the server.
pub(crate) async fn keep_saying(host: Arc<Host>, operator: Arc<Operator>) {
    let Some(tenant) = operator.tenant.clone() else { return };
    let mut said = Said::new();
    for subject in [Subject::ReloadFailed, Subject::DiskFull, Subject::NoSnapshot] {
        said.insert(subject, None);
    }
    loop {
        tokio::time::sleep(LOOK).await;
        let is_full = matches!(host.ready(), Err(Unavailable::DiskFull));
        operator.set(Subject::DiskFull, is_full.then(String::new));
        operator.set(Subject::NoSnapshot, host.snapshot_error());
        let standing = operator.standing().clone();
        if let Err(error) = say_all(&host, &tenant, &standing, &mut said).await {
            tracing::warn!(%error, "the operator can't be told: it is tried again");
        }
    }
}

async fn say_all(
    host: &Arc<Host>,
    tenant: &TenantName,
    standing: &Standing,
    said: &mut Said,
) -> Result<(), Unavailable> {
    for (subject, description) in standing {
        let is_known = |last: &Option<(String, Instant)>| {
            last.as_ref().is_some_and(|(text, at)| text == description && at.elapsed() < AGAIN)
        };
        if !said.get(subject).is_some_and(is_known) {
            host.say(tenant, &subject.notice(description), Some(LASTS)).await?;
            said.insert(subject.clone(), Some((description.clone(), Instant::now())));
        }
    }
    let over: Vec<Subject> = said.keys().filter(|subject| !standing.contains_key(subject)).cloned().collect();
    for subject in over {
        host.say(tenant, &subject.notice(""), None).await?;
        said.remove(&subject);
    }
    Ok(())
}

impl Host {
    async fn say(
        self: &Arc<Self>,
        tenant: &TenantName,
        notice: &Notice,
        lasts: Option<Duration>,
    ) -> Result<(), Unavailable> {
        let input = Input::Say { tenant, notice, lasts };
        self.step_with_room(Self::partition_of(tenant), &input).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_cut_between_characters() {
        let notice = Subject::ReloadFailed.notice(&format!("x{}", "ü".repeat(DESCRIPTION_BYTES_MAX)));
        assert_eq!(notice.description.len(), DESCRIPTION_BYTES_MAX - 1);
        assert!(notice.description.ends_with('ü'));
    }

    #[test]
    fn only_whose_settings_are_not_in_force_is_named() {
        let operator = Operator::new(None);
        let failed = |name: &str| NotInForce::new(&TenantName::new(name).unwrap(), &"why");
        operator.set(Subject::DiskFull, Some(String::new()));
        operator.not_in_force(&[failed("a"), failed("b")]);
        operator.not_in_force(&[failed("b")]);
        let names: Vec<_> =
            operator.standing().iter().map(|(subject, why)| subject.notice(why).about).collect();
        assert_eq!(names, [Some(("affected_tenant", "b".to_owned())), None]);
    }
}
