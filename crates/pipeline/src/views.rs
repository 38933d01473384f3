//! What may be read of a partition. Each call names the tenant that it reads
//! for; what belongs to another one is not there.

use crate::Phase;
use crate::alerts::Alert;
use crate::groups::Group;
use crate::outbox::{Entry, Progress, Told, dedup_key, group_in_dedup_key};
use crate::partition::Partition;
use crate::step::PastAlert;
use openclaw_alert::{
    Acted, Content, EpisodeId, Labels, NotificationKind, Reason, Score, TenantName, Timestamp, Zoned,
};
use openclaw_routing::{SilenceId, Silences};
use std::cmp::Ordering;
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
    pub acted: Option<&'a Acted>,
    /// Receivers of its groups.
    pub receivers: Vec<&'a str>,
}

/// What holds an alert back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Suppression {
    /// Silences in force that match it, whatever their receivers.
    pub silenced_by: Vec<SilenceId>,
    /// Fingerprints of alerts that hold it.
    pub inhibited_by: Vec<u64>,
}

impl Suppression {
    /// Whether anything holds it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.silenced_by.is_empty() || !self.inhibited_by.is_empty()
    }
}

/// A group of alerts.
#[derive(Debug)]
pub struct GroupView<'a> {
    /// Offset of its first record.
    pub id: u64,
    /// Page or digest.
    pub kind: NotificationKind,
    /// Its receiver.
    pub receiver: &'a Arc<str>,
    /// Its route as messages name it.
    pub route_key: &'a str,
    /// The labels that its alerts share by definition.
    pub labels: Labels<'a>,
    /// Names of the intervals that mute it now.
    pub muted_by: Vec<Arc<str>>,
    /// Its alerts that have not ended, by fingerprint.
    pub alerts: Vec<ListKey>,
}

/// A group as another tool names it by a dedup key.
#[derive(Debug, Clone)]
pub struct GroupRef {
    /// Offset of its first record.
    pub group: u64,
    /// Its receiver.
    pub receiver: Arc<str>,
    /// At which of the receiver's integrations.
    pub integration: u16,
    /// The labels that all its alerts share, encoded.
    pub labels: Vec<u8>,
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
    /// Receivers that are spared since they don't answer.
    pub down: Vec<Arc<str>>,
}

impl Partition {
    /// Every alert of a tenant that is in memory, for a listing in pages: take
    /// the keys, sort them, then look each up with [`Partition::alert`]. Some
    /// may have ended: see [`Partition::is_listed`].
    #[must_use]
    pub fn list(&self, tenant: &TenantName) -> Vec<ListKey> {
        let Some(number) = self.state.tenant_number(tenant.as_str()) else { return Vec::new() };
        let listed = self.state.alerts.listed(number, u64::MAX);
        listed.map(|listed| ListKey { fingerprint: listed.fingerprint, episode: listed.id }).collect()
    }

    /// Whether an alert has not ended.
    #[must_use]
    pub fn is_listed(&self, alert: &AlertView<'_>, now: Timestamp) -> bool {
        match alert.phase {
            Phase::Waiting => true,
            Phase::Firing => {
                let slot = self.state.alerts.slot_of(alert.id.offset);
                slot.and_then(|slot| self.state.expires_at(slot)).is_some_and(|at| at > now)
            }
            Phase::Resolved => false,
        }
    }

    /// A tenant's alerts in memory, the newest first, those older than `before`
    /// only.
    pub fn newest<'a>(
        &'a self,
        tenant: &TenantName,
        before: Option<u64>,
    ) -> impl Iterator<Item = AlertView<'a>> + 'a {
        let number = self.state.tenant_number(tenant.as_str());
        let before = before.unwrap_or(u64::MAX);
        let listed =
            number.into_iter().flat_map(move |number| self.state.alerts.listed(number, before).rev());
        listed.filter_map(|listed| Some(self.view(self.state.alerts.get(listed.slot)?)))
    }

    /// What holds an alert of a tenant back now.
    #[must_use]
    pub fn suppression(&self, tenant: &TenantName, alert: &AlertView<'_>, now: Timestamp) -> Suppression {
        let mut found = Suppression::default();
        let Some(number) = self.state.tenant_number(tenant.as_str()) else { return found };
        let Some(settings) = self.settings(number) else { return found };
        if let Some(slot) = self.state.alerts.slot_of(alert.id.offset)
            && let Some(source) = self.inhibited_by(slot).and_then(|slot| self.state.alerts.get(slot))
        {
            found.inhibited_by.push(source.labels().fingerprint());
        }
        let silences = self.silenced_by(number, settings, alert.content.labels, None, now);
        found.silenced_by = silences.into_iter().map(|silence| silence.id).collect();
        found
    }

    /// A tenant's silences; `None` before its first alert or silence.
    #[must_use]
    pub fn silences(&self, tenant: &TenantName) -> Option<&Silences> {
        let number = self.state.tenant_number(tenant.as_str())?;
        Some(&self.state.tenant(number)?.silences)
    }

    /// Whether a tenant's break-glass is open.
    #[must_use]
    pub fn is_passthrough(&self, tenant: &TenantName) -> bool {
        let number = self.state.tenant_number(tenant.as_str());
        number.and_then(|number| self.state.tenant(number)).is_some_and(|tenant| tenant.is_passthrough)
    }

    /// The ids of a tenant's groups, in the order of their labels and receivers.
    #[must_use]
    pub fn groups(&self, tenant: &TenantName) -> Vec<u64> {
        let number = self.state.tenant_number(tenant.as_str());
        let mine = self.state.groups.iter().map(|(_, group)| group);
        let mut groups: Vec<_> =
            mine.filter(|group| Some(group.tenant) == number && !self.escalates(group)).collect();
        groups.sort_by(|a, b| {
            let (left, right) = (Labels::from_encoded(&a.labels), Labels::from_encoded(&b.labels));
            before(left, right).then_with(|| a.receiver.cmp(&b.receiver)).then(a.id.cmp(&b.id))
        });
        groups.into_iter().map(|group| group.id).collect()
    }

    /// A group of a tenant.
    #[must_use]
    pub fn group(&self, tenant: &TenantName, id: u64, now: Timestamp) -> Option<GroupView<'_>> {
        let group = self.state.groups.get(self.state.groups.slot_of(id)?)?;
        let number = self.state.tenant_number(tenant.as_str())?;
        if group.tenant != number {
            return None;
        }
        let route = self.settings(number).and_then(|settings| settings.routing.tree.get(group.route));
        let members = group.members.iter().filter(|member| !member.is_departed);
        let alerts = members.filter_map(|member| self.state.alerts.get(member.alert));
        let alerts = alerts.filter(|alert| self.is_listed(&self.view(alert), now));
        let key = |alert: &Alert| ListKey { fingerprint: alert.labels().fingerprint(), episode: alert.id };
        let mut alerts: Vec<_> = alerts.map(key).collect();
        alerts.sort_unstable();
        Some(GroupView {
            id,
            kind: group.kind,
            receiver: &group.receiver,
            route_key: &group.route_key,
            labels: Labels::from_encoded(&group.labels),
            muted_by: route.map_or_else(Vec::new, |route| route.muted_by(now)),
            alerts,
        })
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
        let number = self.state.tenant_number(tenant.as_str())?;
        let mut listed = self.state.alerts.listed(number, u64::MAX).rev();
        listed.find(|listed| listed.fingerprint == fingerprint).map(|listed| listed.id)
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
        self.state.tenant(number)?.name.as_ref()
    }

    fn owned(&self, tenant: &TenantName, alert: &Alert) -> bool {
        self.state.tenant(alert.tenant).is_some_and(|owner| owner.name.as_ref() == Some(tenant))
    }

    fn view<'a>(&'a self, alert: &'a Alert) -> AlertView<'a> {
        let source =
            self.state.tenant(alert.tenant).and_then(|tenant| tenant.sources.get(usize::from(alert.source)));
        let mut receivers: Vec<&str> = Vec::with_capacity(alert.groups.len());
        let memberships = alert.groups.iter().filter(|membership| !membership.is_departed);
        for group in memberships.filter_map(|membership| self.state.groups.get(membership.group)) {
            if !receivers.contains(&&*group.receiver) && !self.escalates(group) {
                receivers.push(&group.receiver);
            }
        }
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
            acted: alert.acted.as_deref(),
            receivers,
        }
    }

    /// Whether a group is there for what nobody acknowledges.
    fn escalates(&self, group: &Group) -> bool {
        let tree = self.settings(group.tenant).map(|settings| &settings.routing.tree);
        let tree = tree.filter(|tree| tree.has_escalations());
        tree.and_then(|tree| tree.get(group.route)).is_some_and(|route| route.escalates_after.is_some())
    }

    /// The tenant's group, still here, that has this dedup key at one of its
    /// integrations.
    #[must_use]
    pub fn group_of_dedup_key(&self, tenant: &TenantName, key: &str) -> Option<GroupRef> {
        let (partition, id) = group_in_dedup_key(key)?;
        let number = self.state.tenant_number(tenant.as_str())?;
        let slot = self.state.groups.slot_of(id).filter(|_| partition == self.state.id)?;
        let group = self.state.groups.get(slot).filter(|group| group.tenant == number)?;
        let settings = self.settings(number)?;
        let named = |integration: &u16| {
            let told = Told {
                group: id,
                receiver: &group.receiver,
                integration: *integration,
                labels: &group.labels,
            };
            dedup_key(settings.instance, tenant.as_str(), partition, &told) == key
        };
        let integration = (0..openclaw_routing::NUMBERS).find(named)?;
        Some(GroupRef {
            group: id,
            receiver: Arc::clone(&group.receiver),
            integration,
            labels: self.shared_labels(group),
        })
    }

    /// What was last done with each alert of the group that fires and that the
    /// integration knows of.
    #[must_use]
    pub fn acts_in(&self, tenant: &TenantName, group: &GroupRef) -> Vec<Option<Acted>> {
        let Some(slot) = self.own_group(tenant, group.group) else { return Vec::new() };
        let known = self.known_in(slot, group.integration);
        let firing = known.filter(|(_, alert)| alert.phase == Phase::Firing);
        firing.map(|(_, alert)| alert.acted.as_deref().cloned()).collect()
    }

    fn shared_labels(&self, group: &Group) -> Vec<u8> {
        let alerts = group.members.iter().filter_map(|member| self.state.alerts.get(member.alert));
        Labels::shared(alerts.map(Alert::labels))
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

    /// Whether anything is still to be told by an integration, or known to it
    /// of an alert that is still here.
    #[must_use]
    pub fn refers_to(&self, tenant: &TenantName, receiver: &str, integration: u16) -> bool {
        let Some(number) = self.state.tenant_number(tenant.as_str()) else { return false };
        let mut groups = self.state.groups.iter().map(|(_, group)| group);
        let mut messages = self.state.outbox.iter().map(|(_, entry)| entry);
        let knows = |member: &openclaw_routing::Member| member.firing.has(integration);
        let never = openclaw_routing::IntegrationLog::default();
        groups.any(|group| {
            let was_told = || group.members.iter().any(knows) || group.log(integration) != never;
            group.tenant == number && *group.receiver == *receiver && was_told()
        }) || messages.any(|entry| {
            entry.tenant == number && *entry.receiver == *receiver && entry.integration == integration
        })
    }

    /// Counts for gauges, of each tenant seen here.
    #[must_use]
    pub fn gauges(&self) -> Vec<TenantGauges> {
        let gauges = self.state.tenants.iter().enumerate().filter_map(|(number, tenant)| {
            let first =
                self.backlog.items(number).next().and_then(|&((slot, _), _)| self.state.alerts.get(slot));
            let dead =
                self.state.outbox.iter().filter(|(_, entry)| {
                    usize::from(entry.tenant) == number && entry.progress == Progress::Dead
                });
            Some(TenantGauges {
                tenant: tenant.name.clone()?,
                waiting: self.backlog.len(number),
                waiting_since: first.map(|alert| alert.updated_at),
                dead_letters: dead.count(),
                down: self.down(number as u16),
            })
        });
        gauges.collect()
    }

    fn down(&self, tenant: u16) -> Vec<Arc<str>> {
        let open = self.lanes.iter().filter(|((of, ..), lane)| *of == tenant && lane.is_open());
        let mut down: Vec<_> = open.map(|((_, receiver, _), _)| Arc::clone(receiver)).collect();
        down.sort_unstable();
        down.dedup();
        down
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

/// The order of label sets in listings of groups, as Alertmanager has it: the
/// fewer labels first, then name by name, where who lacks a name comes first.
fn before(left: Labels<'_>, right: Labels<'_>) -> Ordering {
    let by_count = left.iter().count().cmp(&right.iter().count());
    let mut pairs = left.iter().zip(right.iter());
    let by_pair = pairs.find_map(|((a, av), (b, bv))| match a.cmp(b) {
        Ordering::Equal if av == bv => None,
        Ordering::Equal => Some(av.cmp(bv)),
        lacks => Some(lacks.reverse()),
    });
    by_count.then(by_pair.unwrap_or(Ordering::Equal))
}
