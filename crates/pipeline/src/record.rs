//! What the journal holds: inputs and facts, one tag byte and fields each.
//!
//! Ids are offsets: an episode, a group and an outbox entry are each named by
//! the offset, in their partition, of the record that opened them. Recovery
//! applies records; nothing is decided again. New fields go to new tags, so
//! that an old segment always reads.

use openclaw_alert::codec::{Corrupt, Put, Reader};
use openclaw_alert::{Feedback, NotificationKind, Reason, Score, Status, Timestamp, Zoned};
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
}

pub(crate) fn put_time(out: &mut Vec<u8>, at: Timestamp) {
    out.put_signed(at.nanos());
}

pub(crate) fn put_zoned(out: &mut Vec<u8>, zoned: Zoned) {
    put_time(out, zoned.at);
    out.put_signed(i64::from(zoned.offset_minutes));
}

pub(crate) fn put_end(out: &mut Vec<u8>, end: End) {
    put_zoned(out, end.at);
    out.put_u8(u8::from(end.is_timeout));
}

pub(crate) fn time(reader: &mut Reader<'_>) -> Result<Timestamp, Corrupt> {
    Ok(Timestamp::from_nanos(reader.signed()?))
}

pub(crate) fn zoned(reader: &mut Reader<'_>) -> Result<Zoned, Corrupt> {
    let at = time(reader)?;
    let offset_minutes = i16::try_from(reader.signed()?).map_err(|_| Corrupt("time zone offset"))?;
    Ok(Zoned { at, offset_minutes })
}

pub(crate) fn end(reader: &mut Reader<'_>) -> Result<End, Corrupt> {
    Ok(End { at: zoned(reader)?, is_timeout: flag(reader)? })
}

pub(crate) fn flag(reader: &mut Reader<'_>) -> Result<bool, Corrupt> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Corrupt("flag")),
    }
}

pub(crate) fn small(reader: &mut Reader<'_>) -> Result<u16, Corrupt> {
    u16::try_from(reader.varint()?).map_err(|_| Corrupt("number of a tenant, source or integration"))
}

pub(crate) fn status(reader: &mut Reader<'_>) -> Result<Status, Corrupt> {
    Ok(if flag(reader)? { Status::Resolved } else { Status::Firing })
}

pub(crate) fn kind(reader: &mut Reader<'_>) -> Result<NotificationKind, Corrupt> {
    Ok(if flag(reader)? { NotificationKind::Digest } else { NotificationKind::Page })
}

pub(crate) fn put_kind(out: &mut Vec<u8>, kind: NotificationKind) {
    out.put_u8(u8::from(kind == NotificationKind::Digest));
}

pub(crate) fn put_status(out: &mut Vec<u8>, status: Status) {
    out.put_u8(u8::from(status == Status::Resolved));
}

pub(crate) fn reason(reader: &mut Reader<'_>) -> Result<Reason, Corrupt> {
    Reason::from_number(reader.u8()?).ok_or(Corrupt("reason"))
}

impl<'a> Record<'a> {
    /// Appends the encoded form.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Record::Tenant { .. } | Record::Source { .. } | Record::Started { .. } => self.write_setup(out),
            Record::GroupOpened { .. } | Record::Flushed { .. } | Record::GroupClosed { .. } => {
                self.write_group(out);
            }
            Record::Notify { .. }
            | Record::Superseded { .. }
            | Record::Delivered { .. }
            | Record::Retrying { .. }
            | Record::DeadLettered { .. }
            | Record::Revived { .. }
            | Record::Withdrawn { .. } => self.write_outbox(out),
            _ => self.write_alert(out),
        }
    }

    fn write_setup(&self, out: &mut Vec<u8>) {
        match *self {
            Record::Tenant { name } => {
                out.put_u8(tag::TENANT);
                out.put_str(name);
            }
            Record::Source { tenant, name } => {
                out.put_u8(tag::SOURCE);
                out.put_varint(tenant.into());
                out.put_str(name);
            }
            Record::Started { grace_until } => {
                out.put_u8(tag::STARTED);
                put_time(out, grace_until);
            }
            _ => {}
        }
    }

    fn write_alert(&self, out: &mut Vec<u8>) {
        match *self {
            Record::Opened { tenant, source, starts_at, end, ref score, group, content } => {
                out.put_u8(tag::OPENED);
                put_arrival(out, tenant, source, starts_at, end);
                score.write(out);
                out.put_varint(group);
                out.put_bytes(content);
            }
            Record::Deferred { tenant, source, starts_at, end, content } => {
                out.put_u8(tag::DEFERRED);
                put_arrival(out, tenant, source, starts_at, end);
                out.put_bytes(content);
            }
            Record::Admitted { episode, ref score, group, grace_until } => {
                out.put_u8(tag::ADMITTED);
                out.put_varint(episode);
                score.write(out);
                out.put_varint(group);
                put_time(out, grace_until);
            }
            Record::Renewed { episode, end } => {
                out.put_u8(tag::RENEWED);
                out.put_varint(episode);
                put_end(out, end);
            }
            Record::Changed { episode, starts_at, end, content } => {
                out.put_u8(tag::CHANGED);
                out.put_varint(episode);
                put_zoned(out, starts_at);
                put_end(out, end);
                out.put_bytes(content);
            }
            Record::Resolved { episode, at, cause } => {
                out.put_u8(tag::RESOLVED);
                out.put_varint(episode);
                put_zoned(out, at);
                out.put_u8(u8::from(cause == Cause::Expired));
            }
            Record::Refused { tenant, source, alerts, grace_until } => {
                out.put_u8(tag::REFUSED);
                out.put_varint(tenant.into());
                out.put_varint(source.into());
                out.put_varint(alerts.into());
                put_time(out, grace_until);
            }
            Record::Feedback { episode, action, by, note, ref rated } => {
                out.put_u8(tag::FEEDBACK);
                out.put_varint(episode);
                out.put_u8(action as u8);
                out.put_str(by);
                out.put_str(note);
                rated.write(out);
            }
            _ => {}
        }
    }

    fn write_group(&self, out: &mut Vec<u8>) {
        match *self {
            Record::GroupOpened { tenant, kind, receiver, labels, flush_at } => {
                out.put_u8(tag::GROUP_OPENED);
                out.put_varint(tenant.into());
                put_kind(out, kind);
                out.put_str(receiver);
                out.put_bytes(labels);
                put_time(out, flush_at);
            }
            Record::Flushed { group, flush_at, ref left } => {
                out.put_u8(tag::FLUSHED);
                out.put_varint(group);
                put_time(out, flush_at);
                out.put_varint(left.len() as u64);
                left.iter().for_each(|&episode| out.put_varint(episode));
            }
            Record::GroupClosed { group } => {
                out.put_u8(tag::GROUP_CLOSED);
                out.put_varint(group);
            }
            _ => {}
        }
    }

    fn write_outbox(&self, out: &mut Vec<u8>) {
        match *self {
            Record::Notify { group, integration, reason, ref alerts } => {
                out.put_u8(tag::NOTIFY);
                out.put_varint(group);
                out.put_varint(integration.into());
                out.put_u8(reason as u8);
                out.put_varint(alerts.len() as u64);
                for &(episode, status) in alerts {
                    out.put_varint(episode);
                    put_status(out, status);
                }
            }
            Record::Superseded { entry, by } => {
                out.put_u8(tag::SUPERSEDED);
                out.put_varint(entry);
                out.put_varint(by);
            }
            Record::Delivered { entry, attempt, took, repeated } => {
                out.put_u8(tag::DELIVERED);
                out.put_varint(entry);
                out.put_varint(attempt.into());
                out.put_varint(took.as_micros() as u64);
                out.put_u8(u8::from(repeated));
            }
            Record::Retrying { entry, attempt, at, ambiguous, detail } => {
                out.put_u8(tag::RETRYING);
                out.put_varint(entry);
                out.put_varint(attempt.into());
                put_time(out, at);
                out.put_u8(u8::from(ambiguous));
                out.put_str(detail);
            }
            Record::DeadLettered { entry, attempt, detail } => {
                out.put_u8(tag::DEAD_LETTERED);
                out.put_varint(entry);
                out.put_varint(attempt.into());
                out.put_str(detail);
            }
            Record::Revived { entry } => {
                out.put_u8(tag::REVIVED);
                out.put_varint(entry);
            }
            Record::Withdrawn { entry } => {
                out.put_u8(tag::WITHDRAWN);
                out.put_varint(entry);
            }
            _ => {}
        }
    }

    /// Reads one record.
    ///
    /// # Errors
    /// [`Corrupt`] for a tag that this version doesn't know, or fields that
    /// end early.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Corrupt> {
        match reader.u8()? {
            number @ tag::TENANT..=tag::STARTED => Self::read_setup(number, reader),
            number @ tag::OPENED..=tag::FEEDBACK => Self::read_alert(number, reader),
            number @ tag::GROUP_OPENED..=tag::GROUP_CLOSED => Self::read_group(number, reader),
            number @ tag::NOTIFY..=tag::WITHDRAWN => Self::read_outbox(number, reader),
            _ => Err(Corrupt("unknown kind of record")),
        }
    }

    fn read_setup(number: u8, r: &mut Reader<'a>) -> Result<Self, Corrupt> {
        Ok(match number {
            tag::TENANT => Record::Tenant { name: r.str()? },
            tag::SOURCE => Record::Source { tenant: small(r)?, name: r.str()? },
            _ => Record::Started { grace_until: time(r)? },
        })
    }

    fn read_alert(number: u8, r: &mut Reader<'a>) -> Result<Self, Corrupt> {
        Ok(match number {
            tag::OPENED => Record::Opened {
                tenant: small(r)?,
                source: small(r)?,
                starts_at: zoned(r)?,
                end: end(r)?,
                score: Score::read(r)?,
                group: r.varint()?,
                content: r.bytes()?,
            },
            tag::DEFERRED => Record::Deferred {
                tenant: small(r)?,
                source: small(r)?,
                starts_at: zoned(r)?,
                end: end(r)?,
                content: r.bytes()?,
            },
            tag::ADMITTED => Record::Admitted {
                episode: r.varint()?,
                score: Score::read(r)?,
                group: r.varint()?,
                grace_until: time(r)?,
            },
            tag::RENEWED => Record::Renewed { episode: r.varint()?, end: end(r)? },
            tag::CHANGED => Record::Changed {
                episode: r.varint()?,
                starts_at: zoned(r)?,
                end: end(r)?,
                content: r.bytes()?,
            },
            tag::RESOLVED => Record::Resolved {
                episode: r.varint()?,
                at: zoned(r)?,
                cause: if flag(r)? { Cause::Expired } else { Cause::Posted },
            },
            tag::REFUSED => Record::Refused {
                tenant: small(r)?,
                source: small(r)?,
                alerts: r.varint_u32()?,
                grace_until: time(r)?,
            },
            _ => Record::Feedback {
                episode: r.varint()?,
                action: Feedback::from_number(r.u8()?).ok_or(Corrupt("feedback"))?,
                by: r.str()?,
                note: r.str()?,
                rated: Rated::read(r)?,
            },
        })
    }

    fn read_group(number: u8, r: &mut Reader<'a>) -> Result<Self, Corrupt> {
        Ok(match number {
            tag::GROUP_OPENED => Record::GroupOpened {
                tenant: small(r)?,
                kind: kind(r)?,
                receiver: r.str()?,
                labels: r.bytes()?,
                flush_at: time(r)?,
            },
            tag::FLUSHED => {
                let (group, flush_at) = (r.varint()?, time(r)?);
                let count = r.length()?;
                let left = (0..count).map(|_| r.varint()).collect::<Result<_, _>>()?;
                Record::Flushed { group, flush_at, left }
            }
            _ => Record::GroupClosed { group: r.varint()? },
        })
    }

    fn read_outbox(number: u8, r: &mut Reader<'a>) -> Result<Self, Corrupt> {
        Ok(match number {
            tag::NOTIFY => {
                let (group, integration, reason) = (r.varint()?, small(r)?, reason(r)?);
                let count = r.length()?;
                let alerts =
                    (0..count).map(|_| Ok((r.varint()?, status(r)?))).collect::<Result<_, Corrupt>>()?;
                Record::Notify { group, integration, reason, alerts }
            }
            tag::SUPERSEDED => Record::Superseded { entry: r.varint()?, by: r.varint()? },
            tag::DELIVERED => Record::Delivered {
                entry: r.varint()?,
                attempt: r.varint_u32()?,
                took: Duration::from_micros(r.varint()?),
                repeated: flag(r)?,
            },
            tag::RETRYING => Record::Retrying {
                entry: r.varint()?,
                attempt: r.varint_u32()?,
                at: time(r)?,
                ambiguous: flag(r)?,
                detail: r.str()?,
            },
            tag::DEAD_LETTERED => {
                Record::DeadLettered { entry: r.varint()?, attempt: r.varint_u32()?, detail: r.str()? }
            }
            tag::REVIVED => Record::Revived { entry: r.varint()? },
            _ => Record::Withdrawn { entry: r.varint()? },
        })
    }
}

impl<'a> Rated<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        out.put_varint(self.tenant.into());
        out.put_varint(self.source.into());
        put_time(out, self.rated_at);
        self.score.write(out);
        out.put_bytes(self.labels);
    }

    fn read(r: &mut Reader<'a>) -> Result<Self, Corrupt> {
        Ok(Self {
            tenant: small(r)?,
            source: small(r)?,
            rated_at: time(r)?,
            score: Score::read(r)?,
            labels: r.bytes()?,
        })
    }
}

fn put_arrival(out: &mut Vec<u8>, tenant: u16, source: u16, starts_at: Zoned, end: End) {
    out.put_varint(tenant.into());
    out.put_varint(source.into());
    put_zoned(out, starts_at);
    put_end(out, end);
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
