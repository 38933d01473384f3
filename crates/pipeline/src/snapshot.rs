//! The durable state as bytes, so that recovery need not begin with the first
//! record ever written.

use crate::alerts::{Alert, Membership, NewAlert, Phase};
use crate::groups::Group;
use crate::outbox::{Entry, EntryAlert, Progress};
use crate::partition::Partition;
use crate::record::{
    Placement, end, flag, hold, kind, put_end, put_kind, put_status, put_time, put_zoned, reason, small,
    status, time, zoned,
};
use crate::state::{Source, State, Tenant};
use openclaw_alert::codec::{Corrupt, Put, Reader};
use openclaw_alert::{Acted, Feedback, Score, TenantName, Timestamp};
use openclaw_rating::Model;
use openclaw_routing::{IntegrationLog, Member, RouteId, Silence, Silences, Told};
use smallvec::SmallVec;

impl Partition {
    /// Appends the durable state.
    pub fn write_snapshot(&self, out: &mut Vec<u8>) {
        let state = &self.state;
        out.put_varint(state.next_offset);
        out.put_varint(state.tenants.len() as u64);
        state.tenants.iter().for_each(|tenant| write_tenant(tenant, out));
        out.put_varint(state.alerts.len() as u64);
        state.alerts.iter().for_each(|(_, alert)| write_alert(alert, out));
        let groups: Vec<_> = state.groups.iter().map(|(_, group)| group).collect();
        out.put_varint(groups.len() as u64);
        groups.into_iter().for_each(|group| write_group(group, state, out));
        let mut entries: Vec<_> = state.outbox.iter().map(|(_, entry)| entry).collect();
        entries.sort_unstable_by_key(|entry| entry.id);
        out.put_varint(entries.len() as u64);
        entries.into_iter().for_each(|entry| write_entry(entry, state, out));
    }

    /// Reads what [`Partition::write_snapshot`] wrote, into an empty partition.
    ///
    /// # Errors
    /// [`Corrupt`] when the bytes are not a snapshot of this version.
    pub fn read_snapshot(&mut self, bytes: &[u8]) -> Result<(), Corrupt> {
        let reader = &mut Reader::new(bytes);
        let state = &mut self.state;
        state.next_offset = reader.varint()?;
        for _ in 0..reader.length()? {
            state.tenants.push(read_tenant(reader)?);
        }
        for _ in 0..reader.length()? {
            read_alert(reader, state)?;
        }
        for _ in 0..reader.length()? {
            read_group(reader, state)?;
        }
        for _ in 0..reader.length()? {
            read_entry(reader, state)?;
        }
        if reader.is_empty() { Ok(()) } else { Err(Corrupt("snapshot goes on after its end")) }
    }
}

fn write_tenant(tenant: &Tenant, out: &mut Vec<u8>) {
    // Nothing stands for one that was erased.
    out.put_str(tenant.name.as_ref().map_or("", TenantName::as_str));
    out.put_varint(tenant.sources.len() as u64);
    for source in &tenant.sources {
        out.put_str(&source.name);
        put_time(out, source.grace_until);
    }
    tenant.rating.write(out);
    let silences: Vec<_> = tenant.silences.iter().collect();
    out.put_varint(silences.len() as u64);
    silences.into_iter().for_each(|silence| silence.write(out));
    out.put_u64(Placement::number(tenant.placed_by));
    out.put_u8(u8::from(tenant.is_shadow));
    out.put_u8(u8::from(tenant.is_passthrough));
    out.put_varint(tenant.seen.len() as u64);
    tenant.seen.iter().for_each(|&delivery| out.put_u64(delivery));
}

fn read_tenant(r: &mut Reader<'_>) -> Result<Tenant, Corrupt> {
    let name = Some(r.str()?).filter(|name| !name.is_empty()).map(TenantName::new);
    let name = name.transpose().map_err(|_| Corrupt("tenant name"))?;
    let count = r.length()?;
    let sources = (0..count).map(|_| Ok(Source { name: r.str()?.into(), grace_until: time(r)? }));
    let sources = sources.collect::<Result<_, Corrupt>>()?;
    let mut tenant = Tenant { sources, rating: Model::read(r)?, ..Tenant::new(name) };
    let silences = (0..r.length()?).map(|_| Silence::read(r)).collect::<Result<Vec<_>, Corrupt>>()?;
    tenant.silences = Silences::of(silences);
    tenant.placed_by = Placement::from_number(r.u64()?);
    (tenant.is_shadow, tenant.is_passthrough) = (flag(r)?, flag(r)?);
    tenant.seen = (0..r.length()?).map(|_| r.u64()).collect::<Result<_, Corrupt>>()?;
    Ok(tenant)
}

fn write_alert(alert: &Alert, out: &mut Vec<u8>) {
    out.put_varint(alert.id);
    out.put_varint(alert.tenant.into());
    out.put_varint(alert.source.into());
    put_zoned(out, alert.starts_at);
    put_end(out, alert.end);
    put_time(out, alert.updated_at);
    put_time(out, alert.rated_at);
    alert.score.write(out);
    out.put_u8(alert.phase as u8);
    write_acted(alert.acted.as_deref(), out);
    out.put_u8(u8::from(alert.is_escalated));
    out.put_bytes(&alert.content);
}

fn read_alert(r: &mut Reader<'_>, state: &mut State) -> Result<(), Corrupt> {
    let (id, tenant, source) = (r.varint()?, small(r)?, small(r)?);
    let (starts_at, end, now, rated_at) = (zoned(r)?, end(r)?, time(r)?, time(r)?);
    let score = Score::read(r)?;
    let phase = match r.u8()? {
        0 => Phase::Waiting,
        1 => Phase::Firing,
        2 => Phase::Resolved,
        _ => return Err(Corrupt("phase")),
    };
    let acted = read_acted(r)?;
    let is_escalated = flag(r)?;
    let content = r.bytes()?;
    let slot = state.alerts.open(NewAlert { id, tenant, source, starts_at, end, score, phase, content, now });
    if let Some(alert) = state.alerts.get_mut(slot) {
        alert.acted = acted.map(Box::new);
        alert.is_escalated = is_escalated;
        alert.rated_at = rated_at;
    }
    Ok(())
}

fn write_acted(acted: Option<&Acted>, out: &mut Vec<u8>) {
    let Some(Acted { action, by, at }) = acted else { return out.put_u8(0) };
    out.put_u8(*action as u8 + 1);
    put_time(out, *at);
    out.put_str(by);
}

fn read_acted(r: &mut Reader<'_>) -> Result<Option<Acted>, Corrupt> {
    let Some(number) = r.u8()?.checked_sub(1) else { return Ok(None) };
    let action = Feedback::from_number(number).ok_or(Corrupt("feedback"))?;
    Ok(Some(Acted { action, at: time(r)?, by: r.str()?.into() }))
}

fn write_group(group: &Group, state: &State, out: &mut Vec<u8>) {
    out.put_varint(group.id);
    out.put_varint(group.tenant.into());
    put_kind(out, group.kind);
    out.put_u64(group.route.0);
    out.put_str(&group.route_key);
    out.put_str(&group.receiver);
    out.put_bytes(&group.labels);
    put_time(out, group.flush_at);
    put_time(out, group.empty_since.unwrap_or(Timestamp::MIN));
    let members: Vec<_> = group
        .members
        .iter()
        .filter_map(|member| Some((state.alerts.get(member.alert)?.id, member)))
        .collect();
    out.put_varint(members.len() as u64);
    for (episode, member) in members {
        out.put_varint(episode);
        out.put_varint(member.since_s.into());
        let told = [member.firing, member.resolved, member.missed, member.lapsed];
        told.iter().for_each(|told| out.put_varint(told.0.into()));
        out.put_u8(u8::from(member.is_departed));
        out.put_u8(member.hold as u8);
    }
    out.put_varint(group.logs.len() as u64);
    for log in &group.logs {
        put_time(out, log.settled_at.unwrap_or(Timestamp::MIN));
        out.put_varint(log.pending.map_or(0, |entry| entry + 1));
        out.put_varint(log.queued.map_or(0, |entry| entry + 1));
    }
    out.put_varint(group.receipts.len() as u64);
    for (integration, text) in &group.receipts {
        out.put_varint((*integration).into());
        out.put_str(text);
    }
}

fn read_group(r: &mut Reader<'_>, state: &mut State) -> Result<(), Corrupt> {
    let (id, tenant, kind) = (r.varint()?, small(r)?, kind(r)?);
    let (route, route_key) = (RouteId(r.u64()?), r.str()?.into());
    let (receiver, labels) = (r.str()?.into(), r.bytes()?.into());
    let (flush_at, empty_since) = (time(r)?, time(r)?);
    let mut group = Group {
        id,
        tenant,
        kind,
        route,
        route_key,
        receiver,
        labels,
        flush_at,
        look_at: flush_at,
        empty_since: Some(empty_since).filter(|at| *at > Timestamp::MIN),
        members: Vec::new(),
        logs: SmallVec::new(),
        receipts: Vec::new(),
    };
    for _ in 0..r.length()? {
        let alert = state.alerts.slot_of(r.varint()?).ok_or(Corrupt("member of a group"))?;
        let since_s = r.varint_u32()?;
        let mut told = || Ok(Told(r.varint_u32()?));
        let (firing, resolved, missed, lapsed) = (told()?, told()?, told()?, told()?);
        let (is_departed, hold) = (flag(r)?, hold(r)?);
        group.members.push(Member { alert, since_s, firing, resolved, missed, lapsed, is_departed, hold });
    }
    for _ in 0..r.length()? {
        let settled_at = Some(time(r)?).filter(|at| *at > Timestamp::MIN);
        let (pending, queued) = (r.varint()?.checked_sub(1), r.varint()?.checked_sub(1));
        group.logs.push(IntegrationLog { settled_at, pending, queued });
    }
    let receipts = (0..r.length()?).map(|_| Ok((small(r)?, r.str()?.into())));
    group.receipts = receipts.collect::<Result<_, Corrupt>>()?;
    let members: Vec<_> = group.members.iter().map(|member| (member.alert, member.is_departed)).collect();
    let group = state.groups.insert(group);
    for (alert, is_departed) in members {
        if let Some(alert) = state.alerts.get_mut(alert) {
            alert.groups.push(Membership { group, is_departed });
        }
    }
    Ok(())
}

fn write_entry(entry: &Entry, state: &State, out: &mut Vec<u8>) {
    out.put_varint(entry.id);
    out.put_varint(entry.group);
    out.put_varint(entry.tenant.into());
    out.put_str(&entry.receiver);
    out.put_varint(entry.integration.into());
    put_kind(out, entry.kind);
    out.put_u8(entry.reason as u8);
    out.put_str(&entry.route_key);
    out.put_bytes(&entry.labels);
    put_time(out, entry.decided_at);
    out.put_varint(entry.attempts.into());
    put_time(out, entry.due);
    out.put_u8(u8::from(entry.ambiguous));
    out.put_u8(entry.progress as u8);
    out.put_str(&entry.detail);
    out.put_varint(entry.alerts.len() as u64);
    for told in &entry.alerts {
        // A pinned alert is always there; its episode may be a later one.
        out.put_varint(state.alerts.get(told.slot).map_or(told.episode, |alert| alert.id));
        out.put_varint(told.episode);
        put_status(out, told.status);
        out.put_u8(u8::from(told.is_news));
        out.put_u8(u8::from(told.may_be_known));
    }
}

fn read_entry(r: &mut Reader<'_>, state: &mut State) -> Result<(), Corrupt> {
    let mut entry = Entry {
        id: r.varint()?,
        group: r.varint()?,
        tenant: small(r)?,
        receiver: r.str()?.into(),
        integration: small(r)?,
        kind: kind(r)?,
        reason: reason(r)?,
        route_key: r.str()?.into(),
        labels: r.bytes()?.into(),
        decided_at: time(r)?,
        attempts: r.varint_u32()?,
        due: time(r)?,
        ambiguous: flag(r)?,
        progress: match r.u8()? {
            0 => Progress::Open,
            1 => Progress::Dead,
            2 => Progress::Revived,
            _ => return Err(Corrupt("progress")),
        },
        detail: r.str()?.into(),
        alerts: Vec::new(),
        in_flight: false,
        in_line: false,
    };
    for _ in 0..r.length()? {
        let slot = state.alerts.slot_of(r.varint()?).ok_or(Corrupt("alert of a message"))?;
        let told = EntryAlert {
            slot,
            episode: r.varint()?,
            status: status(r)?,
            is_news: flag(r)?,
            may_be_known: flag(r)?,
        };
        if let Some(alert) = state.alerts.get_mut(slot) {
            alert.pins += 1;
        }
        entry.alerts.push(told);
    }
    // Slots are not what they were.
    entry.alerts.sort_unstable_by_key(|told| told.slot);
    let (id, is_dead) = (entry.id, entry.progress == Progress::Dead);
    state.outbox.insert(entry);
    if is_dead {
        state.outbox.bury(id);
    }
    Ok(())
}
