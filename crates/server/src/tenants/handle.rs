//! The one way to a tenant's alerts.
//!
//! Whoever holds a [`TenantHandle`] has shown a credential that allows this
//! tenant; every read and step through it names that tenant, so code that
//! forgets it has nothing to call (promise P7).

mod people;

pub(crate) use people::{Came, Named, Silenced};

use super::TenantConfig;
use crate::host::{Host, Stepped, Unavailable};
use openclaw_alert::{Batch, EpisodeId, Labels, PartitionId, Score, TenantName, Timestamp};
use openclaw_journal::{Position, StoredFrame};
use openclaw_pipeline::trail::{self, Event, Opening, Trail};
use openclaw_pipeline::{Input, ListKey, MessageView, Partition, PastAlert, Taken};
use openclaw_routing::{PostedSilence, SilenceId, SilenceRefusal};
use std::io;
use std::sync::Arc;

/// One tenant's alerts, messages and rating.
#[derive(Clone)]
pub(crate) struct TenantHandle {
    host: Arc<Host>,
    tenant: Arc<TenantConfig>,
}

/// Where an alert's trail comes from, for whoever shows it.
#[derive(Debug)]
pub(crate) struct Explained {
    /// The alert.
    pub(crate) id: EpisodeId,
    /// As it was opened.
    pub(crate) opening: Opening,
    /// Name of its source.
    pub(crate) source: Arc<str>,
    /// What happened, in order.
    pub(crate) events: Vec<Event>,
}

/// Feedback that can't be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The tenant has no such alert.
    #[error("there is no such alert")]
    NotFound,
    /// The journal can't be read.
    #[error("the journal can't be read: {0}")]
    Journal(#[from] io::Error),
    /// Nothing can be promised now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl TenantHandle {
    pub(crate) fn new(host: Arc<Host>, tenant: Arc<TenantConfig>) -> Self {
        Self { host, tenant }
    }

    /// The tenant's settings.
    pub(crate) fn config(&self) -> &TenantConfig {
        &self.tenant
    }

    /// The tenant's name.
    pub(crate) fn name(&self) -> &TenantName {
        self.tenant.name()
    }

    fn partition(&self) -> PartitionId {
        Host::partition_of(self.name())
    }

    /// The name of one of its episodes.
    pub(crate) fn episode(&self, offset: u64) -> EpisodeId {
        EpisodeId { partition: self.partition(), offset }
    }

    /// Takes a request's alerts. The answer has to wait for
    /// [`Stepped::wait_for`].
    pub(crate) async fn ingest(&self, source: &str, batch: &Batch) -> Result<Stepped, Unavailable> {
        let input = Input::Alerts { tenant: self.name(), source, batch };
        let stepped = self.host.step_with_room(self.partition(), &input).await?;
        let Taken { accepted, renewed, refused, .. } = stepped.taken;
        // Whoever was forgotten just now must not hear that its alerts are kept.
        let is_forgotten = !batch.is_empty() && accepted + renewed + refused == 0;
        if is_forgotten { Err(Unavailable::Forgotten) } else { Ok(stepped) }
    }

    /// Notes that a request of this source was turned away unread, so that its
    /// silence is not taken for an all-clear.
    pub(crate) async fn turned_away(&self, source: &str) {
        let input = Input::TurnedAway { tenant: self.name(), source };
        // Where even this can't be written, the grace after the restart covers it.
        let _ = self.host.step_with_room(self.partition(), &input).await;
    }

    /// Waits until a step is durable.
    pub(crate) async fn durable(&self, position: Position) -> Result<(), Unavailable> {
        self.host.durable(position).await
    }

    /// Reads the tenant's partition; the value is given once what it shows is
    /// durable.
    pub(crate) async fn read<T>(
        &self,
        read: impl FnOnce(&Partition, &TenantName, Timestamp) -> T,
    ) -> Result<T, Unavailable> {
        let (value, position) =
            self.host.read(self.partition(), |partition, now| read(partition, self.name(), now));
        self.host.durable(position).await?;
        Ok(value)
    }

    /// Keys of all alerts in memory, sorted by fingerprint. Some may have ended:
    /// see [`Partition::is_listed`].
    pub(crate) async fn list(&self) -> Result<Vec<ListKey>, Unavailable> {
        let mut keys = self.read(|partition, tenant, _| partition.list(tenant)).await?;
        keys.sort_unstable();
        Ok(keys)
    }

    /// How many alerts have not ended.
    pub(crate) async fn count_listed(&self) -> Result<usize, Unavailable> {
        /// Alerts looked at under one lock.
        const AT_ONCE: usize = 1024;
        let mut listed = 0;
        for keys in self.list().await?.chunks(AT_ONCE) {
            listed += self.read(|partition, tenant, now| count(partition, tenant, now, keys)).await?;
        }
        Ok(listed)
    }

    /// Names of the receivers in the tenant's settings.
    pub(crate) fn receiver_names(&self) -> impl Iterator<Item = &str> {
        self.tenant.receivers.iter().map(|receiver| &*receiver.name)
    }

    /// Sets or changes a silence; given back once it is durable.
    pub(crate) async fn set_silence(
        &self,
        silence: &PostedSilence,
        new_id: SilenceId,
    ) -> Result<Result<SilenceId, SilenceRefusal>, Unavailable> {
        self.silence(&Input::SetSilence { tenant: self.name(), silence, new_id }).await
    }

    /// Ends a silence; given back once that is durable.
    pub(crate) async fn expire_silence(
        &self,
        silence: SilenceId,
        by: &str,
    ) -> Result<Result<SilenceId, SilenceRefusal>, Unavailable> {
        self.silence(&Input::ExpireSilence { tenant: self.name(), silence, by }).await
    }

    async fn silence(&self, input: &Input<'_>) -> Result<Result<SilenceId, SilenceRefusal>, Unavailable> {
        let stepped = self.host.step_with_room(self.partition(), input).await?;
        self.durable(stepped.wait_for).await?;
        stepped.silence.ok_or(Unavailable::Forgotten)
    }

    /// Messages on their way or given up.
    pub(crate) async fn messages(&self) -> Result<Vec<MessageView>, Unavailable> {
        self.read(|partition, tenant, _| partition.messages(tenant)).await
    }

    /// An alert by its id, `al_…`, or the latest with a fingerprint of 16 hex
    /// digits. Says nothing of whose it is: [`TenantHandle::explain`] checks.
    pub(crate) async fn resolve_id(&self, text: &str) -> Result<EpisodeId, ReadError> {
        if let Ok(id) = text.parse::<EpisodeId>() {
            return if id.partition == self.partition() { Ok(id) } else { Err(ReadError::NotFound) };
        }
        let is_fingerprint = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let fingerprint =
            u64::from_str_radix(text, 16).ok().filter(|_| is_fingerprint).ok_or(ReadError::NotFound)?;
        let known = self
            .read(|partition, tenant, _| {
                (partition.episode_of(tenant, fingerprint), partition.tenant_number(tenant))
            })
            .await?;
        let offset = match known {
            (Some(episode), _) => episode,
            (None, Some(number)) => self.latest_of(number, fingerprint).await?,
            (None, None) => return Err(ReadError::NotFound),
        };
        Ok(EpisodeId { partition: self.partition(), offset })
    }

    /// The latest episode of a fingerprint that has left memory.
    async fn latest_of(&self, tenant: u16, fingerprint: u64) -> Result<u64, ReadError> {
        let partition = self.partition();
        let frames =
            self.frames(trail::fingerprint_key(partition, tenant, fingerprint), Position::START).await?;
        let opened = frames.iter().flat_map(|frame| {
            let offsets = frame.base_offset..frame.base_offset + u64::from(frame.records);
            offsets.filter_map(|offset| {
                Some((offset, trail::opening(frame.base_offset, &frame.payload, offset)?))
            })
        });
        let mine = opened.filter(|(_, o)| o.tenant == tenant && o.labels().fingerprint() == fingerprint);
        mine.map(|(offset, _)| offset).max().ok_or(ReadError::NotFound)
    }

    /// Everything that happened to one alert of this tenant.
    pub(crate) async fn explain(&self, id: EpisodeId) -> Result<Explained, ReadError> {
        let (mut explained, from) = self.opened(id).await?;
        explained.events = self.trail(id, from).await?;
        Ok(explained)
    }

    /// How an alert of this tenant was opened, and where that stands.
    async fn opened(&self, id: EpisodeId) -> Result<(Explained, Position), ReadError> {
        let partition = self.partition();
        let (number, durable) =
            self.host.read(partition, |partition, _| partition.tenant_number(self.name()));
        self.host.durable(durable).await?;
        let frame = self.opening_frame(id).await?;
        let opening =
            trail::opening(frame.base_offset, &frame.payload, id.offset).ok_or(ReadError::NotFound)?;
        if number != Some(opening.tenant) {
            return Err(ReadError::NotFound);
        }
        let source =
            self.host.read(partition, |partition, _| partition.source_name(opening.tenant, opening.source)).0;
        let source = source.unwrap_or_else(|| "".into());
        Ok((Explained { id, opening, source, events: Vec::new() }, frame.position))
    }

    async fn opening_frame(&self, id: EpisodeId) -> Result<StoredFrame, ReadError> {
        let log = self.host.log().clone();
        let found = blocking(move || match log.locate(id.partition, id.offset)? {
            Some(position) => log.read_at(position).map(Some),
            None => Ok(None),
        });
        found.await?.ok_or(ReadError::NotFound)
    }

    async fn trail(&self, id: EpisodeId, from: Position) -> Result<Vec<Event>, ReadError> {
        let mut trail = Trail::of(id.offset);
        self.follow(&mut trail, trail::episode_key(id.partition, id.offset), from).await?;
        for group in trail.groups.clone() {
            // The group may have been opened before the alert joined it.
            let opened = self.host.log().clone();
            let partition = id.partition;
            let group_from = blocking(move || opened.locate(partition, group)).await?.unwrap_or(from);
            self.follow(&mut trail, trail::group_key(id.partition, group), group_from).await?;
        }
        let mut followed = 0;
        while let Some(&entry) = trail.entries.get(followed) {
            followed += 1;
            self.follow(&mut trail, trail::entry_key(id.partition, entry), from).await?;
        }
        Ok(trail.finish())
    }

    async fn follow(&self, trail: &mut Trail, key: u64, from: Position) -> Result<(), ReadError> {
        for frame in self.frames(key, from).await? {
            trail.read(frame.base_offset, &frame.payload, frame.written_at);
        }
        Ok(())
    }

    /// The frames under a key, of this tenant's partition.
    async fn frames(&self, key: u64, from: Position) -> Result<Vec<StoredFrame>, ReadError> {
        let log = self.host.log().clone();
        let partition = self.partition();
        let frames = blocking(move || {
            let positions = log.find(key, from)?;
            positions.into_iter().map(|position| log.read_at(position)).collect::<Result<Vec<_>, _>>()
        });
        Ok(frames.await?.into_iter().filter(|frame| frame.partition == partition).collect())
    }

    /// Takes a dead letter up again.
    pub(crate) async fn revive(&self, entry: u64) -> Result<(), ReadError> {
        let messages = self.messages().await?;
        if !messages.iter().any(|message| message.entry == entry && message.is_dead) {
            return Err(ReadError::NotFound);
        }
        let stepped = self.host.step_with_room(self.partition(), &Input::Revive { entry }).await?;
        Ok(self.durable(stepped.wait_for).await?)
    }
}

fn count(partition: &Partition, tenant: &TenantName, now: Timestamp, keys: &[ListKey]) -> usize {
    let alerts = keys.iter().filter_map(|key| partition.alert(tenant, key.episode));
    alerts.filter(|alert| partition.is_listed(alert, now)).count()
}

/// What feedback needs of an alert, from memory or from the journal.
struct Remembered {
    source: Arc<str>,
    rated_at: Timestamp,
    score: Score,
    labels: Box<[u8]>,
}

impl Remembered {
    fn of(alert: PastAlert<'_>) -> Self {
        let PastAlert { source, rated_at, score, labels, .. } = alert;
        Self { source: source.into(), rated_at, score, labels: labels.as_bytes().into() }
    }

    /// `None` for an alert that has not been rated, since it still waits.
    fn from_trail(explained: &Explained) -> Option<Self> {
        let rated = explained.events.iter().find_map(|event| match event.what {
            trail::Happened::Rated { score } => Some((event.at, score)),
            _ => None,
        });
        let (rated_at, score) = rated?;
        let labels = explained.opening.labels().as_bytes().into();
        Some(Self { source: Arc::clone(&explained.source), rated_at, score, labels })
    }

    fn view<'a>(&'a self, tenant: &'a TenantName, episode: u64) -> PastAlert<'a> {
        let labels = Labels::from_encoded(&self.labels);
        PastAlert {
            tenant,
            source: &self.source,
            episode,
            rated_at: self.rated_at,
            score: self.score,
            labels,
        }
    }
}

async fn blocking<T: Send + 'static, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, io::Error>
where
    E: std::error::Error + Send + Sync + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(io::Error::other),
        Err(cut_off) => Err(io::Error::other(cut_off)),
    }
}
