//! What the journal holds: inputs and facts, one tag byte and fields each.
//!
//! Ids are offsets: an episode, a group and an outbox entry are each named by
//! the offset, in their partition, of the record that opened them. Recovery
//! applies records; nothing is decided again. New fields go to new tags, so
//! that an old segment always reads.

mod fields;
mod read;
mod write;

pub(crate) use fields::{
    end, flag, hold, kind, put_end, put_kind, put_status, put_time, put_zoned, reason, small, status, time,
    zoned,
};

use openclaw_alert::codec::{Corrupt, Reader};
use openclaw_alert::{Feedback, NotificationKind, Reason, Score, Status, Timestamp, Zoned};
use openclaw_routing::{Hold, RouteId, Silence, SilenceId};
use std::time::Duration;

/// When an alert ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The time.
    pub at: Zoned,
    /// True where the sender gave none, so that it is the last post plus
    /// `resolve_timeout`; such an end never beats one that was given.
    pub is_timeout: bool,
}

/// How an episode ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its source said so.
    Posted,
    /// Nobody repeated it before its end.
    Expired,
    /// Its tenant was removed.
    Offboarded,
}

/// An episode as rating saw it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rated<'a> {
    /// Its tenant's number.
    pub tenant: u16,
    /// Its source's number.
    pub source: u16,
    /// When it was rated.
    pub rated_at: Timestamp,
    /// What it was rated.
    pub score: Score,
    /// Its labels, encoded.
    pub labels: &'a [u8],
}

/// What decides in which groups a tenant's alerts are, as a hash: its routing,
/// and whether the break-glass is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement(pub u64);

impl Placement {
    /// As a number in records: 0 for none.
    pub(crate) fn number(by: Option<Self>) -> u64 {
        by.map_or(0, |by| by.0.max(1))
    }

    pub(crate) fn from_number(number: u64) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }
}

/// One record. Borrowed, so that writing and reading copy nothing twice.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each record says what its fields are")]
pub enum Record<'a> {
    /// A tenant's first record here; its number is the count of those before.
    Tenant { name: &'a str },
    /// A source's first record; numbered within its tenant.
    Source { tenant: u16, name: &'a str },
    /// A process took the partition over; nothing expires until `grace_until`.
    Started { grace_until: Timestamp },
    /// A new alert within its tenant's limit: received, rated and grouped.
    Opened {
        tenant: u16,
        source: u16,
        starts_at: Zoned,
        end: End,
        score: Score,
        group: u64,
        content: &'a [u8],
    },
    /// A new alert beyond the limit: kept, to be let in later.
    Deferred { tenant: u16, source: u16, starts_at: Zoned, end: End, content: &'a [u8] },
    /// A deferred alert's turn: rated and grouped now.
    Admitted { episode: u64, score: Score, group: u64, grace_until: Timestamp },
    /// The same alert again, content unchanged.
    Renewed { episode: u64, end: End },
    /// The same alert with other annotations, another link or an earlier start.
    Changed { episode: u64, starts_at: Zoned, end: End, content: &'a [u8] },
    /// The condition has ended.
    Resolved { episode: u64, at: Zoned, cause: Cause },
    /// A source was told no, or not listened to; its alerts don't expire until `grace_until`.
    Refused { tenant: u16, source: u16, alerts: u32, grace_until: Timestamp },
    /// What a person did. Holds what rating learns from, since the episode may
    /// have left memory long ago.
    Feedback { episode: u64, action: Feedback, by: &'a str, note: &'a str, rated: Rated<'a> },
    /// A group's first alert came.
    GroupOpened {
        tenant: u16,
        kind: NotificationKind,
        route: RouteId,
        route_key: &'a str,
        receiver: &'a str,
        labels: &'a [u8],
        flush_at: Timestamp,
    },
    /// The group was looked at: these episodes left it, the next look is at `flush_at`.
    Flushed { group: u64, flush_at: Timestamp, left: Vec<u64> },
    /// The group is empty.
    GroupClosed { group: u64 },
    /// One integration is to be told; the record's offset names the entry.
    Notify { group: u64, integration: u16, reason: Reason, alerts: Vec<(u64, Status)> },
    /// A newer message takes over what this one had to say.
    Superseded { entry: u64, by: u64 },
    /// The receiver said yes; `repeated` where it may have taken an earlier
    /// attempt as well.
    Delivered { entry: u64, attempt: u32, took: Duration, repeated: bool },
    /// It may work later.
    Retrying { entry: u64, attempt: u32, at: Timestamp, ambiguous: bool, detail: &'a str },
    /// It was given up.
    DeadLettered { entry: u64, attempt: u32, detail: &'a str },
    /// A person has asked for another try of a dead letter.
    Revived { entry: u64 },
    /// The receiver had surely not taken it, and all that it tells of is over.
    Withdrawn { entry: u64 },
    /// The tenant's delivery is in shadow: the message is not sent.
    Shadowed { entry: u64 },
    /// An alert joined one more group.
    Joined { episode: u64, group: u64 },
    /// The routes of these alerts have changed: they stay in this group only
    /// until who was told of them has been told of their end.
    Departed { group: u64, alerts: Vec<u64> },
    /// These alerts of a group are held by something from now on, or free again.
    Held { group: u64, hold: Hold, by: &'a str, alerts: Vec<u64> },
    /// An acknowledgement was forgotten: the alert is told anew.
    Rearmed { episode: u64 },
    /// A silence was made or changed.
    SilenceSet { tenant: u16, silence: Box<Silence> },
    /// A silence was ended before its time.
    SilenceExpired { tenant: u16, silence: SilenceId, by: &'a str },
    /// All alerts of the tenant are in the groups that the settings `by` give
    /// them; none in particular while they are being moved.
    Placed { tenant: u16, by: Option<Placement>, is_shadow: bool },
    /// The break-glass was opened or closed.
    Passthrough { tenant: u16, is_on: bool, by: &'a str },
    /// Everything of the tenant is forgotten, its name included.
    Erased { tenant: u16 },
    /// So many bytes where a record of an erased tenant stood; `is_tenant`
    /// where it was the tenant's first, which counts for the numbers of others.
    Blank { is_tenant: bool, bytes: usize },
    /// A request was taken in that its sender names: the same one again
    /// changes nothing.
    Seen { tenant: u16, delivery: u64 },
    /// What the receiver gave back for a message; comes before its
    /// [`Record::Delivered`].
    Receipt { entry: u64, text: &'a str },
}

mod tag {
    pub(super) const TENANT: u8 = 1;
    pub(super) const SOURCE: u8 = 2;
    pub(super) const STARTED: u8 = 3;
    pub(super) const OPENED: u8 = 4;
    pub(super) const DEFERRED: u8 = 5;
    pub(super) const ADMITTED: u8 = 6;
    pub(super) const RENEWED: u8 = 7;
    pub(super) const CHANGED: u8 = 8;
    pub(super) const RESOLVED: u8 = 9;
    pub(super) const REFUSED: u8 = 10;
    pub(super) const FEEDBACK: u8 = 11;
    pub(super) const GROUP_OPENED: u8 = 12;
    pub(super) const FLUSHED: u8 = 13;
    pub(super) const GROUP_CLOSED: u8 = 14;
    pub(super) const NOTIFY: u8 = 15;
    pub(super) const SUPERSEDED: u8 = 16;
    pub(super) const DELIVERED: u8 = 17;
    pub(super) const RETRYING: u8 = 18;
    pub(super) const DEAD_LETTERED: u8 = 19;
    pub(super) const REVIVED: u8 = 20;
    pub(super) const WITHDRAWN: u8 = 21;
    pub(super) const SHADOWED: u8 = 22;
    pub(super) const JOINED: u8 = 23;
    pub(super) const DEPARTED: u8 = 24;
    pub(super) const HELD: u8 = 25;
    pub(super) const REARMED: u8 = 26;
    pub(super) const SILENCE_SET: u8 = 27;
    pub(super) const SILENCE_EXPIRED: u8 = 28;
    pub(super) const PLACED: u8 = 29;
    pub(super) const PASSTHROUGH: u8 = 30;
    pub(super) const ERASED: u8 = 60;
    pub(super) const BLANK: u8 = 61;
    pub(super) const BLANK_TENANT: u8 = 62;
    pub(super) const SEEN: u8 = 31;
    pub(super) const RECEIPT: u8 = 32;
}

/// The records of a frame's payload, in order.
pub fn records(payload: &[u8]) -> impl Iterator<Item = Result<Record<'_>, Corrupt>> {
    let mut reader = Reader::new(payload);
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed || reader.is_empty() {
            return None;
        }
        let record = Record::read(&mut reader);
        failed = record.is_err();
        Some(record)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn silence(at: Timestamp, text: &str) -> Silence {
        let matcher = openclaw_alert::Matcher::new("team", openclaw_alert::MatchOp::Regex, "a|b");
        let posted = openclaw_routing::PostedSilence {
            id: None,
            matchers: vec![matcher.unwrap()],
            starts_at: Some(at),
            ends_at: Timestamp::MAX,
            created_by: text.into(),
            comment: text.into(),
            annotations: vec![("openclaw/until".into(), text.into())],
        };
        let silences = openclaw_routing::Silences::default();
        let now = at.min(Timestamp::from_secs(1 << 32));
        let posted = openclaw_routing::PostedSilence { starts_at: Some(now), ..posted };
        silences.change(posted, SilenceId::from_random([1; 16]), now).unwrap().set
    }

    fn all(n: u64, at: i64, text: &str, number: u16, bit: bool) -> Vec<Record<'_>> {
        let at = Timestamp::from_nanos(at);
        let zoned = Zoned { at, offset_minutes: number as i16 };
        let end = End { at: zoned, is_timeout: bit };
        let score = Score { contributions: [n as f32; 7] };
        let content = text.as_bytes();
        vec![
            Record::Tenant { name: text },
            Record::Source { tenant: number, name: text },
            Record::Started { grace_until: at },
            Record::Opened { tenant: number, source: 1, starts_at: zoned, end, score, group: n, content },
            Record::Deferred { tenant: number, source: 1, starts_at: zoned, end, content },
            Record::Admitted { episode: n, score, group: n, grace_until: at },
            Record::Renewed { episode: n, end },
            Record::Changed { episode: n, starts_at: zoned, end, content },
            Record::Resolved {
                episode: n,
                at: zoned,
                cause: if bit { Cause::Expired } else { Cause::Posted },
            },
            Record::Refused { tenant: number, source: 2, alerts: 7, grace_until: at },
            Record::Feedback {
                episode: n,
                action: Feedback::Dismiss,
                by: text,
                note: "",
                rated: Rated { tenant: number, source: 1, rated_at: at, score, labels: content },
            },
            Record::GroupOpened {
                tenant: 0,
                kind: NotificationKind::Digest,
                route: RouteId(n),
                route_key: text,
                receiver: text,
                labels: content,
                flush_at: at,
            },
            Record::Flushed { group: n, flush_at: at, left: vec![n, 1] },
            Record::GroupClosed { group: n },
            Record::Notify {
                group: n,
                integration: 3,
                reason: Reason::Repeat,
                alerts: vec![(n, Status::Firing), (2, Status::Resolved)],
            },
            Record::Superseded { entry: n, by: 4 },
            Record::Delivered { entry: n, attempt: 2, took: Duration::from_micros(n >> 20), repeated: bit },
            Record::Retrying { entry: n, attempt: 1, at, ambiguous: bit, detail: text },
            Record::DeadLettered { entry: n, attempt: 9, detail: text },
            Record::Revived { entry: n },
            Record::Withdrawn { entry: n },
            Record::Shadowed { entry: n },
            Record::Joined { episode: n, group: 5 },
            Record::Departed { group: 6, alerts: vec![n, 3] },
            Record::Held { group: n, hold: Hold::Inhibited, by: text, alerts: vec![n, 2] },
            Record::Rearmed { episode: n },
            Record::SilenceSet { tenant: number, silence: Box::new(silence(at, text)) },
            Record::SilenceExpired { tenant: number, silence: SilenceId::from_random([3; 16]), by: text },
            Record::Placed { tenant: number, by: Some(Placement(n | 1)).filter(|_| bit), is_shadow: bit },
            Record::Passthrough { tenant: number, is_on: bit, by: text },
            Record::Resolved { episode: n, at: zoned, cause: Cause::Offboarded },
            Record::Erased { tenant: number },
            Record::Blank { is_tenant: bit, bytes: 2 + usize::from(number) },
            Record::Seen { tenant: number, delivery: n },
            Record::Receipt { entry: n, text },
        ]
    }

    proptest! {
        #[test]
        fn every_record_reads_as_written(n: u64, at: i64, text: String, number: u16, bit: bool) {
            let written = all(n, at, &text, number, bit);
            let mut payload = Vec::new();
            written.iter().for_each(|record| record.write(&mut payload));
            let read: Result<Vec<_>, _> = records(&payload).collect();
            prop_assert_eq!(read.unwrap(), written);
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            records(&bytes).for_each(drop);
        }
    }
}
