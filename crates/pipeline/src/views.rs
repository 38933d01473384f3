//! What may be read of a partition. Each call names the tenant that it reads
//! for; what belongs to another one is not there.

use crate::Phase;
use crate::alerts::Alert;
use crate::outbox::{Entry, Progress};
use crate::partition::Partition;
use crate::step::PastAlert;
use openclaw_alert::{
    Content, EpisodeId, Feedback, NotificationKind, Reason, Score, TenantName, Timestamp, Zoned,
};
use std::sync::Arc;

/// A place in a listing: sorts by fingerprint, then by episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListKey {
    /// The API's name of the alert.
    pub fingerprint: u64,
    /// Offset of its first record.
    pub episode: u64,
}

/// An alert, as far as people may see it.
#[derive(Debug)]
pub struct AlertView<'a> {
    /// Its episode.
    pub id: EpisodeId,
    /// What it says.
    pub content: Content<'a>,
    /// Start of the condition.
    pub starts_at: Zoned,
    /// When it ends or has ended.
    pub ends_at: Zoned,
    /// When it was last heard of.
    pub updated_at: Timestamp,
    /// When it was rated.
    pub rated_at: Timestamp,
    /// The rating at its start.
    pub score: Score,
    /// Where it stands.
    pub phase: Phase,
    /// Source it came from.
    pub source: &'a str,
    /// The last thing a person did with it.
    pub feedback: Option<Feedback>,
    /// Receivers of its groups.
    pub receivers: Vec<&'a str>,
}

/// A message on its way, or given up.
#[derive(Debug, Clone)]
pub struct MessageView {
    /// The outbox entry.
    pub entry: u64,
    /// To whom.
    pub receiver: Arc<str>,
    /// Which of the receiver's integrations.
    pub integration: u16,
    /// Page or digest.
    pub kind: NotificationKind,
    /// Why.
    pub reason: Reason,
    /// How many alerts it tells of.
    pub alerts: usize,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// Attempts so far.
    pub attempts: u32,
    /// Not to be tried before.
    pub due: Timestamp,
    /// What the last attempt came to.
    pub detail: Box<str>,
    /// Whether it was given up.
    pub is_dead: bool,
}

/// Counts for gauges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantGauges {
    /// Whose.
    pub tenant: TenantName,
    /// Alerts that wait for the tenant's limit.
    pub waiting: usize,
    /// Since when the first of them has waited.
    pub waiting_since: Option<Timestamp>,
    /// Messages given up.
    pub dead_letters: usize,
}

impl Partition {
    /// Every alert of a tenant that has not ended, for a listing in pages:
    /// take the keys, sort them, then look each up with [`Partition::alert`].
    #[must_use]
    pub fn list(&self, tenant: &TenantName, now: Timestamp) -> Vec<ListKey> {
        let Some(number) = self.state.tenant_number(tenant.as_str()) else { return Vec::new() };
        let alerts = self.state.alerts.iter().filter(|(slot, alert)| {
            alert.tenant == number
                && match alert.phase {
                    Phase::Waiting => true,
                    Phase::Firing => self.state.expires_at(*slot).is_some_and(|at| at > now),
                    Phase::Resolved => false,
                }
        });
        alerts
            .map(|(_, alert)| ListKey { fingerprint: alert.labels().fingerprint(), episode: alert.id })
            .collect()
    }

    /// The alerts of a tenant that began last and are in memory, newest first.
    #[must_use]
    pub fn latest(&self, tenant: &TenantName, count: usize) -> Vec<AlertView<'_>> {
        let mut alerts: Vec<_> = self
            .state
            .alerts
            .iter()
            .map(|(_, alert)| alert)
            .filter(|alert| self.owned(tenant, alert))
            .collect();
        let newest_first = |a: &&Alert, b: &&Alert| b.id.cmp(&a.id);
        if alerts.len() > count {
            alerts.select_nth_unstable_by(count, newest_first);
            alerts.truncate(count);
        }
        alerts.sort_unstable_by(newest_first);
        alerts.into_iter().map(|alert| self.view(alert)).collect()
    }

    /// One alert of a tenant, by the offset of its first record.
    #[must_use]
    pub fn alert(&self, tenant: &TenantName, episode: u64) -> Option<AlertView<'_>> {
        let alert = self.state.alerts.get(self.state.alerts.slot_of(episode)?)?;
        self.owned(tenant, alert).then(|| self.view(alert))
    }

    /// The latest episode of the alert with this fingerprint that is in memory.
    #[must_use]
    pub fn episode_of(&self, tenant: &TenantName, fingerprint: u64) -> Option<u64> {
        let found =
            self.state.alerts.iter().filter(|(_, alert)| {
                self.owned(tenant, alert) && alert.labels().fingerprint() == fingerprint
            });
        found.map(|(_, alert)| alert.id).max()
    }

    /// An alert as feedback needs it, if it is in memory and has been rated.
    #[must_use]
    pub fn rated<'a>(&'a self, tenant: &'a TenantName, episode: u64) -> Option<PastAlert<'a>> {
        let view = self.alert(tenant, episode).filter(|alert| alert.phase != Phase::Waiting)?;
        Some(PastAlert {
            tenant,
            source: view.source,
            episode,
            rated_at: view.rated_at,
            score: view.score,
            labels: view.content.labels,
        })
    }

    /// A tenant's source by its number in records.
    #[must_use]
    pub fn source_name(&self, tenant: u16, source: u16) -> Option<Arc<str>> {
        Some(Arc::clone(&self.state.tenant(tenant)?.sources.get(usize::from(source))?.name))
    }

    /// A tenant's number in records.
    #[must_use]
    pub fn tenant_number(&self, tenant: &TenantName) -> Option<u16> {
        self.state.tenant_number(tenant.as_str())
    }

    /// A tenant by its number in records.
    #[must_use]
    pub fn tenant_name(&self, number: u16) -> Option<&TenantName> {
        Some(&self.state.tenant(number)?.name)
    }

    fn owned(&self, tenant: &TenantName, alert: &Alert) -> bool {
        self.state.tenant(alert.tenant).is_some_and(|owner| owner.name == *tenant)
    }

    fn view<'a>(&'a self, alert: &'a Alert) -> AlertView<'a> {
        let source =
            self.state.tenant(alert.tenant).and_then(|tenant| tenant.sources.get(usize::from(alert.source)));
        let groups = alert.groups.iter().filter_map(|&slot| self.state.groups.get(slot));
        AlertView {
            id: EpisodeId { partition: self.state.id, offset: alert.id },
            content: Content::of(&alert.content),
            starts_at: alert.starts_at,
            ends_at: alert.end.at,
            updated_at: alert.updated_at,
            rated_at: alert.rated_at,
            score: alert.score,
            phase: alert.phase,
            source: source.map_or("", |source| &source.name),
            feedback: alert.feedback,
            receivers: groups.map(|group| &*group.receiver).collect(),
        }
    }

    /// A tenant's rating as learnt so far; `None` before its first alert.
    #[must_use]
    pub fn rating(&self, tenant: &TenantName) -> Option<&openclaw_rating::Model> {
        let number = self.state.tenant_number(tenant.as_str())?;
        Some(&self.state.tenant(number)?.rating)
    }

    /// A tenant's messages that are on their way or were given up, oldest first.
    #[must_use]
    pub fn messages(&self, tenant: &TenantName) -> Vec<MessageView> {
        let Some(number) = self.state.tenant_number(tenant.as_str()) else { return Vec::new() };
        let mut messages: Vec<_> = self
            .state
            .outbox
            .iter()
            .filter(|(_, entry)| entry.tenant == number)
            .map(|(_, entry)| message(entry))
            .collect();
        messages.sort_unstable_by_key(|message| message.entry);
        messages
    }

    /// Counts for gauges, of each tenant seen here.
    #[must_use]
    pub fn gauges(&self) -> Vec<TenantGauges> {
        let gauges = self.state.tenants.iter().enumerate().map(|(number, tenant)| {
            let first =
                self.backlog.items(number).next().and_then(|&((slot, _), _)| self.state.alerts.get(slot));
            let dead =
                self.state.outbox.iter().filter(|(_, entry)| {
                    usize::from(entry.tenant) == number && entry.progress == Progress::Dead
                });
            TenantGauges {
                tenant: tenant.name.clone(),
                waiting: self.backlog.len(number),
                waiting_since: first.map(|alert| alert.updated_at),
                dead_letters: dead.count(),
            }
        });
        gauges.collect()
    }

    /// Alerts in memory, of all tenants.
    #[must_use]
    pub fn alerts_in_memory(&self) -> usize {
        self.state.alerts.len()
    }
}

fn message(entry: &Entry) -> MessageView {
    MessageView {
        entry: entry.id,
        receiver: Arc::clone(&entry.receiver),
        integration: entry.integration,
        kind: entry.kind,
        reason: entry.reason,
        alerts: entry.alerts.len(),
        decided_at: entry.decided_at,
        attempts: entry.attempts,
        due: entry.due,
        detail: entry.detail.clone(),
        is_dead: entry.progress == Progress::Dead,
    }
}
