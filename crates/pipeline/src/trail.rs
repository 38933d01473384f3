//! The trail of one alert, read off the records.
//!
//! The journal finds frames by key: [`frame_keys`] says under which keys a
//! frame can be found again, [`episode_key`] and the others ask for them.

use crate::record::{Cause, Record, records};
use openclaw_alert::{
    Content, Feedback, Labels, NotificationKind, PartitionId, Reason, Score, Status, Timestamp, Zoned, fnv1a,
};
use openclaw_routing::Hold;
use std::time::Duration;

/// One thing that happened to an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Offset of the record.
    pub offset: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What.
    pub what: Happened,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of the records")]
pub enum Happened {
    /// Taken in, within its tenant's limit or beyond it.
    Received { source: u16, starts_at: Zoned, within_limit: bool },
    /// Let in after waiting for its tenant's limit.
    Admitted,
    /// Rated.
    Rated { score: Score },
    /// Joined a group.
    Grouped { group: u64 },
    /// New settings send it elsewhere; here only its end is told.
    Departed { group: u64 },
    /// Something holds it back in a group; a silence, an alert or an interval
    /// by its name.
    Held { group: u64, hold: Hold, by: String },
    /// Nothing holds it back any more.
    Released { group: u64 },
    /// Its acknowledgement was forgotten.
    Rearmed,
    /// The tenant's delivery is in shadow: the message was not sent.
    Shadowed { entry: u64 },
    /// Its annotations, link or start changed.
    Changed,
    /// Ended.
    Resolved { at: Zoned, cause: Cause },
    /// A person did something.
    Feedback { action: Feedback, by: String, note: String },
    /// The group it joined was opened.
    GroupOpened { kind: NotificationKind, receiver: String, flush_at: Timestamp },
    /// A message that tells of it was decided.
    Sent { entry: u64, integration: u16, reason: Reason, status: Status, alerts: usize },
    /// A newer message took over.
    Superseded { entry: u64, by: u64 },
    /// The receiver said yes.
    Delivered { entry: u64, attempt: u32, took: Duration, repeated: bool },
    /// An attempt failed; the next comes later.
    Retrying { entry: u64, attempt: u32, at: Timestamp, detail: String },
    /// The message was given up.
    DeadLettered { entry: u64, attempt: u32, detail: String },
    /// A person asked for another try.
    Revived { entry: u64 },
    /// All that the message tells of was over before anybody took it.
    Withdrawn { entry: u64 },
}

/// Key of the frames that tell of an episode.
#[must_use]
pub fn episode_key(partition: PartitionId, episode: u64) -> u64 {
    key(b'e', partition, episode)
}

/// Key of the frames that tell of a group.
#[must_use]
pub fn group_key(partition: PartitionId, group: u64) -> u64 {
    key(b'g', partition, group)
}

/// Key of the frames that tell of an outbox entry.
#[must_use]
pub fn entry_key(partition: PartitionId, entry: u64) -> u64 {
    key(b'o', partition, entry)
}

/// Key of the frames that open an episode of this fingerprint.
#[must_use]
pub fn fingerprint_key(partition: PartitionId, tenant: u16, fingerprint: u64) -> u64 {
    fnv1a(&[b"f", &[partition.get()], &tenant.to_le_bytes(), &fingerprint.to_le_bytes()])
}

fn key(kind: u8, partition: PartitionId, id: u64) -> u64 {
    fnv1a(&[&[kind, partition.get()], &id.to_le_bytes()])
}

/// The keys of a frame. Renewals have none: they leave no trail.
pub fn frame_keys(partition: PartitionId, base_offset: u64, payload: &[u8], keys: &mut Vec<u64>) {
    for (offset, record) in (base_offset..).zip(records(payload)) {
        match record {
            Ok(Record::Opened { tenant, content, .. } | Record::Deferred { tenant, content, .. }) => {
                let fingerprint = Content::of(content).labels.fingerprint();
                keys.push(fingerprint_key(partition, tenant, fingerprint));
                keys.push(episode_key(partition, offset));
            }
            Ok(
                Record::Admitted { episode, .. }
                | Record::Changed { episode, .. }
                | Record::Resolved { episode, .. }
                | Record::Feedback { episode, .. }
                | Record::Joined { episode, .. }
                | Record::Rearmed { episode },
            ) => keys.push(episode_key(partition, episode)),
            Ok(Record::GroupOpened { .. }) => keys.push(group_key(partition, offset)),
            Ok(
                Record::Notify { group, .. } | Record::Departed { group, .. } | Record::Held { group, .. },
            ) => {
                keys.push(group_key(partition, group));
            }
            Ok(
                Record::Superseded { entry, .. }
                | Record::Delivered { entry, .. }
                | Record::Retrying { entry, .. }
                | Record::DeadLettered { entry, .. }
                | Record::Revived { entry }
                | Record::Withdrawn { entry }
                | Record::Shadowed { entry },
            ) => keys.push(entry_key(partition, entry)),
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

/// Whose trail is asked for, and what has been found of it so far.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    episode: u64,
    /// The groups it joined.
    pub groups: Vec<u64>,
    /// The messages that told of it.
    pub entries: Vec<u64>,
    /// What happened, in the order of the records read.
    pub events: Vec<Event>,
}

impl Trail {
    /// The trail of one episode, empty as yet.
    #[must_use]
    pub fn of(episode: u64) -> Self {
        Self { episode, ..Self::default() }
    }

    /// Reads a frame. Frames are given in three rounds: those of the episode,
    /// then those of [`Trail::groups`], then those of [`Trail::entries`]; a
    /// frame given twice adds nothing new.
    pub fn read(&mut self, base_offset: u64, payload: &[u8], at: Timestamp) {
        for (offset, record) in (base_offset..).zip(records(payload)) {
            let Ok(record) = record else { return };
            if self.events.iter().any(|event| event.offset == offset) {
                continue;
            }
            for what in self.events_of(offset, &record) {
                self.events.push(Event { offset, at, what });
            }
        }
    }

    /// What happened, in order of time.
    #[must_use]
    pub fn finish(mut self) -> Vec<Event> {
        // A group that opens for this alert is written before it, since the
        // alert names it; to people it comes after.
        let joined: Vec<(u64, u64)> = self
            .events
            .iter()
            .filter_map(|event| match event.what {
                Happened::Grouped { group } => Some((group, event.offset)),
                _ => None,
            })
            .collect();
        self.events.sort_by_key(|event| match event.what {
            Happened::GroupOpened { .. } => {
                let with = joined.iter().find(|(group, _)| *group == event.offset);
                (with.map_or(event.offset, |(_, offset)| event.offset.max(*offset)), true)
            }
            _ => (event.offset, false),
        });
        self.events
    }

    fn events_of(&mut self, offset: u64, record: &Record<'_>) -> Vec<Happened> {
        match *record {
            Record::Opened { source, starts_at, score, group, .. } if offset == self.episode => {
                let mut events = vec![Happened::Received { source, starts_at, within_limit: true }];
                events.extend(self.routed(score, group));
                events
            }
            Record::Deferred { source, starts_at, .. } if offset == self.episode => {
                vec![Happened::Received { source, starts_at, within_limit: false }]
            }
            Record::Admitted { episode, score, group, .. } if episode == self.episode => {
                let mut events = vec![Happened::Admitted];
                events.extend(self.routed(score, group));
                events
            }
            Record::Changed { episode, .. } if episode == self.episode => vec![Happened::Changed],
            Record::Resolved { episode, at, cause } if episode == self.episode => {
                vec![Happened::Resolved { at, cause }]
            }
            Record::Feedback { episode, action, by, note, .. } if episode == self.episode => {
                vec![Happened::Feedback { action, by: by.to_owned(), note: note.to_owned() }]
            }
            Record::Joined { episode, group } if episode == self.episode => {
                if !self.groups.contains(&group) {
                    self.groups.push(group);
                }
                vec![Happened::Grouped { group }]
            }
            Record::Rearmed { episode } if episode == self.episode => vec![Happened::Rearmed],
            _ => self.group_event(offset, record).or_else(|| self.entry_event(record)).into_iter().collect(),
        }
    }

    fn routed(&mut self, score: Score, group: u64) -> [Happened; 2] {
        if !self.groups.contains(&group) {
            self.groups.push(group);
        }
        [Happened::Rated { score }, Happened::Grouped { group }]
    }

    fn group_event(&mut self, offset: u64, record: &Record<'_>) -> Option<Happened> {
        match record {
            Record::GroupOpened { kind, receiver, flush_at, .. } if self.groups.contains(&offset) => {
                Some(Happened::GroupOpened {
                    kind: *kind,
                    receiver: (*receiver).to_owned(),
                    flush_at: *flush_at,
                })
            }
            Record::Notify { group, integration, reason, alerts } if self.groups.contains(group) => {
                let (_, status) = alerts.iter().find(|(episode, _)| *episode == self.episode)?;
                self.entries.push(offset);
                let (integration, reason, status) = (*integration, *reason, *status);
                Some(Happened::Sent { entry: offset, integration, reason, status, alerts: alerts.len() })
            }
            Record::Departed { group, alerts } if self.is_told_of(*group, alerts) => {
                Some(Happened::Departed { group: *group })
            }
            Record::Held { group, hold: Hold::Free, alerts, .. } if self.is_told_of(*group, alerts) => {
                Some(Happened::Released { group: *group })
            }
            Record::Held { group, hold, by, alerts } if self.is_told_of(*group, alerts) => {
                Some(Happened::Held { group: *group, hold: *hold, by: (*by).to_owned() })
            }
            _ => None,
        }
    }

    fn is_told_of(&self, group: u64, alerts: &[u64]) -> bool {
        self.groups.contains(&group) && alerts.contains(&self.episode)
    }

    fn entry_event(&mut self, record: &Record<'_>) -> Option<Happened> {
        let mine = |entry: u64| self.entries.contains(&entry);
        match *record {
            Record::Superseded { entry, by } if mine(entry) => {
                if !self.entries.contains(&by) {
                    self.entries.push(by);
                }
                Some(Happened::Superseded { entry, by })
            }
            Record::Delivered { entry, attempt, took, repeated } if mine(entry) => {
                Some(Happened::Delivered { entry, attempt, took, repeated })
            }
            Record::Retrying { entry, attempt, at, detail, .. } if mine(entry) => {
                Some(Happened::Retrying { entry, attempt, at, detail: detail.to_owned() })
            }
            Record::DeadLettered { entry, attempt, detail } if mine(entry) => {
                Some(Happened::DeadLettered { entry, attempt, detail: detail.to_owned() })
            }
            Record::Revived { entry } if mine(entry) => Some(Happened::Revived { entry }),
            Record::Withdrawn { entry } if mine(entry) => Some(Happened::Withdrawn { entry }),
            Record::Shadowed { entry } if mine(entry) => Some(Happened::Shadowed { entry }),
            _ => None,
        }
    }
}

/// An episode's first record, as far as feedback and explanations need it.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// Its tenant's number.
    pub tenant: u16,
    /// Its source's number.
    pub source: u16,
    /// Start of the condition.
    pub starts_at: Zoned,
    /// The rating; for a deferred alert that of its admission, if any.
    pub score: Score,
    /// Encoded [`Content`].
    pub content: Vec<u8>,
}

/// Finds the record that opened `episode` in the frame that holds it.
#[must_use]
pub fn opening(base_offset: u64, payload: &[u8], episode: u64) -> Option<Opening> {
    let (_, record) = (base_offset..).zip(records(payload)).find(|(offset, _)| *offset == episode)?;
    match record.ok()? {
        Record::Opened { tenant, source, starts_at, score, content, .. } => {
            Some(Opening { tenant, source, starts_at, score, content: content.to_vec() })
        }
        Record::Deferred { tenant, source, starts_at, content, .. } => {
            Some(Opening { tenant, source, starts_at, score: Score::default(), content: content.to_vec() })
        }
        _ => None,
    }
}

impl Opening {
    /// Its labels.
    #[must_use]
    pub fn labels(&self) -> Labels<'_> {
        Content::of(&self.content).labels
    }
}
