//! What came in for one tenant, read back from its journal.

use super::journal;
use crate::cli::CliError;
use openclaw_alert::{Feedback, Score, TenantName, Timestamp, Zoned};
use openclaw_journal::StoredFrame;
use openclaw_pipeline::{Partition, Record, records};
use openclaw_routing::{PostedSilence, Silence, SilenceId};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// More would not fit into a usual machine's memory.
const EVENTS_MAX: usize = 5_000_000;

/// An alert fires until its end was recorded, however often it was repeated.
const FIRES_FOR: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What came in, in order.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) events: Vec<(Timestamp, Event)>,
    /// Alerts that began, whenever.
    pub(super) episodes: usize,
}

/// One thing that came in.
#[derive(Debug)]
pub(super) enum Event {
    Alert { source: Arc<str>, content: Arc<[u8]>, starts_at: Zoned, ends_at: Zoned },
    Feedback(PastFeedback),
    Silence { silence: Box<PostedSilence>, id: SilenceId },
    Unsilence { id: SilenceId, by: String },
}

/// What a person did with an alert.
#[derive(Debug)]
pub(super) struct PastFeedback {
    pub(super) source: Arc<str>,
    pub(super) action: Feedback,
    pub(super) by: String,
    pub(super) note: String,
    pub(super) rated_at: Timestamp,
    pub(super) score: Score,
    pub(super) labels: Box<[u8]>,
}

/// Reads everything up to `until` that the journal still has.
pub(super) fn read(data: &Path, tenant: &TenantName, until: Timestamp) -> Result<Recorded, CliError> {
    let copied = journal::open(data, until)?;
    let failed = |error: &dyn std::fmt::Display| CliError::Journal {
        path: data.to_owned(),
        detail: error.to_string(),
    };
    let mut names = Partition::new(tenant.partition(), 0);
    let snapshot = copied.reader.load_snapshot().map_err(|error| failed(&error))?;
    let parts = snapshot.iter().flat_map(|snapshot| &snapshot.parts);
    for part in parts.filter(|part| part.partition == tenant.partition()) {
        names.read_snapshot(&part.bytes).map_err(|error| failed(&error))?;
    }
    let mut listener = Listener {
        names,
        tenant,
        number: None,
        open: HashMap::new(),
        known: BTreeSet::new(),
        recorded: Recorded::default(),
    };
    for frame in copied.reader.recover(None) {
        let frame = frame.map_err(|error| failed(&error))?;
        if frame.partition != tenant.partition() {
            continue;
        }
        if frame.written_at > until {
            break;
        }
        listener.hear(&frame).map_err(|error| failed(&error))?;
        if listener.recorded.events.len() > EVENTS_MAX {
            return Err(CliError::TooMuch { most: EVENTS_MAX });
        }
    }
    Ok(listener.recorded)
}

struct Listener<'t> {
    /// Knows the numbers of tenants and sources.
    names: Partition,
    tenant: &'t TenantName,
    number: Option<u16>,
    /// Alerts of the tenant that fire.
    open: HashMap<u64, Firing>,
    known: BTreeSet<SilenceId>,
    recorded: Recorded,
}

struct Firing {
    source: Arc<str>,
    content: Arc<[u8]>,
    starts_at: Zoned,
}

impl Listener<'_> {
    fn hear(&mut self, frame: &StoredFrame) -> Result<(), openclaw_alert::codec::Corrupt> {
        self.names.replay(frame.base_offset, &frame.payload, frame.written_at)?;
        self.number = self.names.tenant_number(self.tenant);
        let Some(number) = self.number else { return Ok(()) };
        for (offset, record) in (frame.base_offset..).zip(records(&frame.payload)) {
            self.note(number, offset, &record?, frame.written_at);
        }
        Ok(())
    }

    fn note(&mut self, number: u16, offset: u64, record: &Record<'_>, at: Timestamp) {
        match *record {
            Record::Opened { tenant, source, starts_at, content, .. }
            | Record::Deferred { tenant, source, starts_at, content, .. }
                if tenant == number =>
            {
                let source = self.source(number, source);
                self.recorded.episodes += 1;
                self.open.insert(offset, Firing { source, content: content.into(), starts_at });
                self.post(offset, at, later(at));
            }
            Record::Changed { episode, starts_at, content, .. } => {
                if let Some(firing) = self.open.get_mut(&episode) {
                    (firing.starts_at, firing.content) = (starts_at, content.into());
                    self.post(episode, at, later(at));
                }
            }
            Record::Resolved { episode, .. } => {
                // Its own end may lie before its start here; now it is over.
                let over = Zoned { at, offset_minutes: 0 };
                self.post(episode, at, over);
                self.open.remove(&episode);
            }
            Record::Feedback { action, by, note, ref rated, .. } if rated.tenant == number => {
                let past = PastFeedback {
                    source: self.source(number, rated.source),
                    action,
                    by: by.to_owned(),
                    note: note.to_owned(),
                    rated_at: rated.rated_at,
                    score: rated.score,
                    labels: rated.labels.into(),
                };
                self.recorded.events.push((at, Event::Feedback(past)));
            }
            Record::SilenceSet { tenant, ref silence } if tenant == number => self.silence(at, silence),
            Record::SilenceExpired { tenant, silence: id, by } if tenant == number => {
                self.recorded.events.push((at, Event::Unsilence { id, by: by.to_owned() }));
            }
            _ => {}
        }
    }

    fn source(&self, tenant: u16, number: u16) -> Arc<str> {
        self.names.source_name(tenant, number).unwrap_or_else(|| "".into())
    }

    fn post(&mut self, episode: u64, at: Timestamp, ends_at: Zoned) {
        let Some(Firing { source, content, starts_at }) = self.open.get(&episode) else { return };
        let (source, content, starts_at) = (Arc::clone(source), Arc::clone(content), *starts_at);
        self.recorded.events.push((at, Event::Alert { source, content, starts_at, ends_at }));
    }

    fn silence(&mut self, at: Timestamp, silence: &Silence) {
        let is_change = !self.known.insert(silence.id);
        let posted = PostedSilence {
            id: is_change.then_some(silence.id),
            matchers: silence.matchers.clone(),
            starts_at: Some(silence.starts_at),
            ends_at: silence.ends_at,
            created_by: silence.created_by.clone(),
            comment: silence.comment.clone(),
            annotations: silence.annotations.clone(),
        };
        self.recorded.events.push((at, Event::Silence { silence: Box::new(posted), id: silence.id }));
    }
}

fn later(at: Timestamp) -> Zoned {
    Zoned { at: at.plus(FIRES_FOR), offset_minutes: 0 }
}
