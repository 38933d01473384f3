//! The fields that records share.

use super::{Cause, End};
use openclaw_alert::codec::{Corrupt, Put, Reader};
use openclaw_alert::{NotificationKind, Reason, Status, Timestamp, Zoned};
use openclaw_routing::Hold;

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

pub(crate) fn hold(reader: &mut Reader<'_>) -> Result<Hold, Corrupt> {
    Hold::ALL.get(usize::from(reader.u8()?)).copied().ok_or(Corrupt("hold"))
}

pub(super) fn ids(reader: &mut Reader<'_>) -> Result<Vec<u64>, Corrupt> {
    (0..reader.length()?).map(|_| reader.varint()).collect()
}

pub(super) fn put_ids(out: &mut Vec<u8>, ids: &[u64]) {
    out.put_varint(ids.len() as u64);
    ids.iter().for_each(|&id| out.put_varint(id));
}

pub(crate) fn reason(reader: &mut Reader<'_>) -> Result<Reason, Corrupt> {
    Reason::from_number(reader.u8()?).ok_or(Corrupt("reason"))
}

pub(super) fn put_cause(out: &mut Vec<u8>, cause: Cause) {
    out.put_u8(match cause {
        Cause::Posted => 0,
        Cause::Expired => 1,
        Cause::Offboarded => 2,
    });
}

pub(super) fn cause(reader: &mut Reader<'_>) -> Result<Cause, Corrupt> {
    match reader.u8()? {
        0 => Ok(Cause::Posted),
        1 => Ok(Cause::Expired),
        2 => Ok(Cause::Offboarded),
        _ => Err(Corrupt("cause")),
    }
}

/// The rest of a blank of so many bytes, its tag included: ones, then a zero,
/// so that it can take the place of any record, which have two bytes at least.
pub(super) fn put_blank(out: &mut Vec<u8>, bytes: usize) {
    let end = out.len() + bytes.saturating_sub(2);
    out.resize(end, 1);
    out.put_u8(0);
}

pub(super) fn blank(reader: &mut Reader<'_>) -> Result<usize, Corrupt> {
    let end = reader.rest().iter().position(|&byte| byte != 1).ok_or(Corrupt("blank"))?;
    match reader.take(end + 1)?.last() {
        Some(0) => Ok(end + 2),
        _ => Err(Corrupt("blank")),
    }
}
