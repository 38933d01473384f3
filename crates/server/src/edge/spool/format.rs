//! Segment files of the spool.
//!
//! Promises: a row is read as it was written or not at all; all rows before the
//! first damage are read, and none behind it.
//!
//! ```text
//! head:    magic 8 · version 4 · crc 4
//! record:  length 4 · crc of length and payload 4 · payload
//! payload: at 8 · latency 8 · status 2 · length of the tenant's name 1 · tenant · client
//! ```
//! Numbers are little endian, checksums CRC-32C; times are nanoseconds since
//! 1970, latencies microseconds.

use super::row::{CLIENT_BYTES_MAX, Row};
use openclaw_alert::TenantName;

const MAGIC: &[u8; 8] = b"oclawspl";
const VERSION: u32 = 1;
pub(super) const HEAD_BYTES: usize = 16;
const RECORD_HEAD: usize = 8;
const FIXED: usize = 19;
const TENANT_BYTES_MAX: usize = 63;
const PAYLOAD_BYTES_MAX: usize = FIXED + TENANT_BYTES_MAX + CLIENT_BYTES_MAX;
pub(super) const RECORD_BYTES_MAX: usize = RECORD_HEAD + PAYLOAD_BYTES_MAX;

/// What a segment begins with.
pub(super) fn head() -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let crc = crc32c::crc32c(&head[..12]);
    head[12..].copy_from_slice(&crc.to_le_bytes());
    head
}

/// Appends a row as a record.
pub(super) fn encode(row: &Row, out: &mut Vec<u8>) {
    let tenant = row.tenant.as_str().as_bytes();
    let length = (FIXED + tenant.len() + row.client.len()) as u32;
    let start = out.len();
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&row.at_nanos.to_le_bytes());
    out.extend_from_slice(&row.latency_us.to_le_bytes());
    out.extend_from_slice(&row.status.to_le_bytes());
    out.push(tenant.len() as u8);
    out.extend_from_slice(tenant);
    out.extend_from_slice(row.client.as_bytes());
    let crc = checksum(length, &out[start + RECORD_HEAD..]);
    out[start + 4..start + RECORD_HEAD].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(length: u32, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length.to_le_bytes()), payload)
}

/// The records of a segment behind its head, up to the first that is cut short
/// or damaged.
pub(super) struct Records<'b> {
    bytes: &'b [u8],
    /// How far they are good.
    pub(super) good: usize,
}

impl<'b> Records<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, good: 0 }
    }
}

impl Iterator for Records<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let (row, length) = decode(&self.bytes[self.good..])?;
        self.good += length;
        Some(row)
    }
}

fn decode(bytes: &[u8]) -> Option<(Row, usize)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (crc, rest) = rest.split_first_chunk()?;
    let length = u32::from_le_bytes(*length);
    let payload = rest.get(..length as usize).filter(|payload| payload.len() <= PAYLOAD_BYTES_MAX)?;
    if checksum(length, payload) != u32::from_le_bytes(*crc) {
        return None;
    }
    Some((row(payload)?, RECORD_HEAD + payload.len()))
}

fn row(payload: &[u8]) -> Option<Row> {
    let (at, rest) = payload.split_first_chunk()?;
    let (latency, rest) = rest.split_first_chunk()?;
    let (status, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first()?;
    let (tenant, client) = rest.split_at_checked(usize::from(*length))?;
    Some(Row {
        tenant: TenantName::new(std::str::from_utf8(tenant).ok()?).ok()?,
        client: std::str::from_utf8(client).ok()?.into(),
        at_nanos: u64::from_le_bytes(*at),
        latency_us: u64::from_le_bytes(*latency),
        status: u16::from_le_bytes(*status),
    })
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::rows;
    use super::*;
    use proptest::prelude::*;

    fn encoded(rows: &[Row]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for row in rows {
            encode(row, &mut bytes);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(rows in prop::collection::vec(rows(), 0..20)) {
            let (bytes, _) = encoded(&rows);
            let mut records = Records::new(&bytes);
            prop_assert_eq!(records.by_ref().collect::<Vec<_>>(), rows);
            prop_assert_eq!(records.good, bytes.len());
        }

        #[test]
        fn a_cut_loses_what_is_behind_it_alone(rows in prop::collection::vec(rows(), 1..20), cut in any::<prop::sample::Index>()) {
            let (bytes, ends) = encoded(&rows);
            let cut = cut.index(bytes.len());
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let mut records = Records::new(&bytes[..cut]);
            prop_assert_eq!(records.by_ref().collect::<Vec<_>>(), &rows[..whole]);
            prop_assert_eq!(records.good, ends[..whole].last().copied().unwrap_or(0));
        }

        #[test]
        fn a_flipped_bit_is_never_a_row(rows in prop::collection::vec(rows(), 1..20), at in any::<prop::sample::Index>(), bit in 0..8) {
            let (mut bytes, ends) = encoded(&rows);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            let whole = ends.iter().filter(|end| **end <= at).count();
            prop_assert_eq!(Records::new(&bytes).collect::<Vec<_>>(), &rows[..whole]);
        }

        #[test]
        fn noise_is_no_row(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(Records::new(&bytes).count(), 0);
        }
    }

    #[test]
    fn the_longest_record_has_room() {
        let tenant = TenantName::new(&"t".repeat(TENANT_BYTES_MAX)).unwrap();
        let client = "c".repeat(CLIENT_BYTES_MAX).into();
        let row = Row { tenant, client, at_nanos: u64::MAX, latency_us: u64::MAX, status: 599 };
        let (bytes, _) = encoded(std::slice::from_ref(&row));
        assert_eq!(bytes.len(), RECORD_BYTES_MAX);
        assert_eq!(Records::new(&bytes).collect::<Vec<_>>(), [row]);
        assert_eq!(Records::new(&[0; 4096]).count(), 0);
    }
}
