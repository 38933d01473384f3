//! Bytes as records.

use super::fields::{blank, cause, ids};
use super::{Placement, Rated, Record, end, flag, hold, kind, reason, small, status, tag, time, zoned};
use openclaw_alert::codec::{Corrupt, Reader};
use openclaw_alert::{Feedback, Score};
use openclaw_routing::{RouteId, Silence, SilenceId};
use std::time::Duration;

impl<'a> Record<'a> {
    /// Reads one record.
    ///
    /// # Errors
    /// [`Corrupt`] for a tag that this version doesn't know, or fields that
    /// end early.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Corrupt> {
        match reader.u8()? {
            number @ (tag::TENANT..=tag::STARTED | tag::SILENCE_SET..=tag::SEEN) => {
                Self::read_setup(number, reader)
            }
            number @ tag::OPENED..=tag::FEEDBACK => Self::read_alert(number, reader),
            number @ (tag::GROUP_OPENED..=tag::GROUP_CLOSED | tag::JOINED..=tag::REARMED) => {
                Self::read_group(number, reader)
            }
            tag::ERASED => Ok(Record::Erased { tenant: small(reader)? }),
            number @ (tag::BLANK | tag::BLANK_TENANT) => {
                Ok(Record::Blank { is_tenant: number == tag::BLANK_TENANT, bytes: blank(reader)? })
            }
            number @ (tag::NOTIFY..=tag::SHADOWED | tag::RECEIPT) => Self::read_outbox(number, reader),
            _ => Err(Corrupt("unknown kind of record")),
        }
    }

    fn read_setup(number: u8, r: &mut Reader<'a>) -> Result<Self, Corrupt> {
        Ok(match number {
            tag::TENANT => Record::Tenant { name: r.str()? },
            tag::SOURCE => Record::Source { tenant: small(r)?, name: r.str()? },
            tag::STARTED => Record::Started { grace_until: time(r)? },
            tag::SILENCE_SET => {
                Record::SilenceSet { tenant: small(r)?, silence: Box::new(Silence::read(r)?) }
            }
            tag::SILENCE_EXPIRED => {
                Record::SilenceExpired { tenant: small(r)?, silence: SilenceId::read(r)?, by: r.str()? }
            }
            tag::PLACED => Record::Placed {
                tenant: small(r)?,
                by: Placement::from_number(r.u64()?),
                is_shadow: flag(r)?,
            },
            tag::SEEN => Record::Seen { tenant: small(r)?, delivery: r.u64()? },
            _ => Record::Passthrough { tenant: small(r)?, is_on: flag(r)?, by: r.str()? },
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
            tag::RESOLVED => Record::Resolved { episode: r.varint()?, at: zoned(r)?, cause: cause(r)? },
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
                route: RouteId(r.u64()?),
                route_key: r.str()?,
                receiver: r.str()?,
                labels: r.bytes()?,
                flush_at: time(r)?,
            },
            tag::FLUSHED => Record::Flushed { group: r.varint()?, flush_at: time(r)?, left: ids(r)? },
            tag::JOINED => Record::Joined { episode: r.varint()?, group: r.varint()? },
            tag::DEPARTED => Record::Departed { group: r.varint()?, alerts: ids(r)? },
            tag::HELD => Record::Held { group: r.varint()?, hold: hold(r)?, by: r.str()?, alerts: ids(r)? },
            tag::REARMED => Record::Rearmed { episode: r.varint()? },
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
            tag::SHADOWED => Record::Shadowed { entry: r.varint()? },
            tag::RECEIPT => Record::Receipt { entry: r.varint()?, text: r.str()? },
            _ => Record::Withdrawn { entry: r.varint()? },
        })
    }
}

impl<'a> Rated<'a> {
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
