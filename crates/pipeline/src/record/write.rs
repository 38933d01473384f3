//! Records as bytes.

use super::fields::{put_blank, put_cause, put_ids};
use super::{End, Placement, Rated, Record, put_end, put_kind, put_status, put_time, put_zoned, tag};
use openclaw_alert::Zoned;
use openclaw_alert::codec::Put;

impl Record<'_> {
    /// Appends the encoded form.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Record::Tenant { .. }
            | Record::Source { .. }
            | Record::Started { .. }
            | Record::SilenceSet { .. }
            | Record::SilenceExpired { .. }
            | Record::Placed { .. }
            | Record::Seen { .. }
            | Record::Passthrough { .. } => self.write_setup(out),
            Record::GroupOpened { .. }
            | Record::Flushed { .. }
            | Record::GroupClosed { .. }
            | Record::Joined { .. }
            | Record::Departed { .. }
            | Record::Held { .. }
            | Record::Rearmed { .. } => self.write_group(out),
            Record::Notify { .. }
            | Record::Superseded { .. }
            | Record::Delivered { .. }
            | Record::Retrying { .. }
            | Record::DeadLettered { .. }
            | Record::Revived { .. }
            | Record::Withdrawn { .. }
            | Record::Receipt { .. }
            | Record::Shadowed { .. } => self.write_outbox(out),
            Record::Erased { tenant } => {
                out.put_u8(tag::ERASED);
                out.put_varint((*tenant).into());
            }
            &Record::Blank { is_tenant, bytes } => {
                out.put_u8(if is_tenant { tag::BLANK_TENANT } else { tag::BLANK });
                put_blank(out, bytes);
            }
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
            Record::Seen { tenant, delivery } => {
                out.put_u8(tag::SEEN);
                out.put_varint(tenant.into());
                out.put_u64(delivery);
            }
            Record::SilenceSet { tenant, ref silence } => {
                out.put_u8(tag::SILENCE_SET);
                out.put_varint(tenant.into());
                silence.write(out);
            }
            Record::SilenceExpired { tenant, silence, by } => {
                out.put_u8(tag::SILENCE_EXPIRED);
                out.put_varint(tenant.into());
                silence.write(out);
                out.put_str(by);
            }
            Record::Placed { tenant, by, is_shadow } => {
                out.put_u8(tag::PLACED);
                out.put_varint(tenant.into());
                out.put_u64(Placement::number(by));
                out.put_u8(u8::from(is_shadow));
            }
            Record::Passthrough { tenant, is_on, by } => {
                out.put_u8(tag::PASSTHROUGH);
                out.put_varint(tenant.into());
                out.put_u8(u8::from(is_on));
                out.put_str(by);
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
                put_cause(out, cause);
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
            Record::GroupOpened { tenant, kind, route, route_key, receiver, labels, flush_at } => {
                out.put_u8(tag::GROUP_OPENED);
                out.put_varint(tenant.into());
                put_kind(out, kind);
                out.put_u64(route.0);
                out.put_str(route_key);
                out.put_str(receiver);
                out.put_bytes(labels);
                put_time(out, flush_at);
            }
            Record::Flushed { group, flush_at, ref left } => {
                out.put_u8(tag::FLUSHED);
                out.put_varint(group);
                put_time(out, flush_at);
                put_ids(out, left);
            }
            Record::GroupClosed { group } => {
                out.put_u8(tag::GROUP_CLOSED);
                out.put_varint(group);
            }
            Record::Joined { episode, group } => {
                out.put_u8(tag::JOINED);
                out.put_varint(episode);
                out.put_varint(group);
            }
            Record::Departed { group, ref alerts } => {
                out.put_u8(tag::DEPARTED);
                out.put_varint(group);
                put_ids(out, alerts);
            }
            Record::Held { group, hold, by, ref alerts } => {
                out.put_u8(tag::HELD);
                out.put_varint(group);
                out.put_u8(hold as u8);
                out.put_str(by);
                put_ids(out, alerts);
            }
            Record::Rearmed { episode } => {
                out.put_u8(tag::REARMED);
                out.put_varint(episode);
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
            Record::Shadowed { entry } => {
                out.put_u8(tag::SHADOWED);
                out.put_varint(entry);
            }
            Record::Receipt { entry, text } => {
                out.put_u8(tag::RECEIPT);
                out.put_varint(entry);
                out.put_str(text);
            }
            _ => {}
        }
    }
}

impl Rated<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.put_varint(self.tenant.into());
        out.put_varint(self.source.into());
        put_time(out, self.rated_at);
        self.score.write(out);
        out.put_bytes(self.labels);
    }
}

fn put_arrival(out: &mut Vec<u8>, tenant: u16, source: u16, starts_at: Zoned, end: End) {
    out.put_varint(tenant.into());
    out.put_varint(source.into());
    put_zoned(out, starts_at);
    put_end(out, end);
}
