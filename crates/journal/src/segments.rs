//! Segment files: names, header, zero-filling.

pub(crate) mod cursor;
pub(crate) mod fill;
pub(crate) mod index;
pub(crate) mod open;
pub(crate) mod repair;
pub(crate) mod retain;
pub(crate) mod scan;
pub(crate) mod supply;

use crate::disk::{Disk, DiskFile, read_full_at, write_all_at};
use crate::frame::{u32_at, u64_at};
use openclaw_alert::Timestamp;
use std::io;

/// Where frames begin: the header has a block of its own, so that no later
/// write can tear it.
pub(crate) const SEGMENT_DATA: u64 = 4096;
/// Version of segment files and frames.
pub(crate) const FORMAT_VERSION: u32 = 1;
pub(crate) const FOLDER: &str = "segments";
pub(crate) const QUARANTINE: &str = "quarantine";
const MAGIC: &[u8; 8] = b"oclawseg";
const HEADER: usize = 56;
/// Zeros are written and synced this much at a time, so that a commit never
/// queues behind more on its way to the disk.
pub(crate) const SLICE: usize = 1 << 20;

pub(crate) fn segment_name(number: u64) -> String {
    format!("{FOLDER}/{number:016x}.seg")
}

/// The number in the name of a segment file, without its folder.
pub(crate) fn number_of(name: &str, extension: &str) -> Option<u64> {
    let digits = name.strip_suffix(extension)?;
    let is_canonical =
        digits.len() == 16 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_canonical.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: u64,
    pub(crate) segment_bytes: u64,
    /// The same in all segments of a log, different between logs.
    pub(crate) log_id: u64,
    pub(crate) created_at: Timestamp,
}

/// Why bytes are no header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    Damaged,
    Version(u32),
}

impl SegmentHeader {
    /// Mixed into the checksum of every frame header, so that bytes inside a
    /// payload can't be made to look like a frame.
    pub(crate) fn salt(&self) -> u32 {
        salt(self.log_id, self.number)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_DATA as usize);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        // Magic and version have a checksum of their own, so that a later
        // version with another layout is told from damage.
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        for number in [self.number, self.segment_bytes, self.log_id, self.created_at.nanos() as u64] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out.resize(SEGMENT_DATA as usize, 0);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        let bytes: &[u8; HEADER] = bytes.first_chunk().ok_or(BadHeader::Damaged)?;
        if &bytes[..8] != MAGIC || u32_at(bytes, 12) != crc32c::crc32c(&bytes[..12]) {
            return Err(BadHeader::Damaged);
        }
        if u32_at(bytes, 8) != FORMAT_VERSION {
            return Err(BadHeader::Version(u32_at(bytes, 8)));
        }
        if u32_at(bytes, 52) != crc32c::crc32c(&bytes[..52]) {
            return Err(BadHeader::Damaged);
        }
        Ok(Self {
            number: u64_at(bytes, 16),
            segment_bytes: u64_at(bytes, 24),
            log_id: u64_at(bytes, 32),
            created_at: Timestamp::from_nanos(u64_at(bytes, 40) as i64),
        })
    }
}

/// Reads a segment's header; the outer error is the disk's.
pub(crate) fn read_header(file: &dyn DiskFile) -> io::Result<Result<SegmentHeader, BadHeader>> {
    let mut bytes = [0; HEADER];
    let read = read_full_at(file, &mut bytes, 0)?;
    Ok(SegmentHeader::decode(&bytes[..read]))
}

pub(crate) fn salt(log_id: u64, number: u64) -> u32 {
    (mix(log_id ^ mix(number)) >> 32) as u32
}

/// The finaliser of SplitMix64.
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Overwrites `[from, to)` with zeros and makes that durable.
pub(crate) fn zero_fill(file: &dyn DiskFile, mut from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; SLICE.min((to.saturating_sub(from)) as usize)];
    while from < to {
        let slice = &zeros[..zeros.len().min((to - from) as usize)];
        write_all_at(file, slice, from)?;
        file.sync_data()?;
        from += slice.len() as u64;
    }
    Ok(())
}

/// Renames between folders and makes both sides durable.
pub(crate) fn move_file(disk: &dyn Disk, from: &str, to: &str) -> io::Result<()> {
    disk.rename(from, to)?;
    disk.sync_dir(folder_of(to))?;
    if folder_of(from) != folder_of(to) {
        disk.sync_dir(folder_of(from))?;
    }
    Ok(())
}

/// Removes a file, which may be gone already.
pub(crate) fn remove_if_there(disk: &dyn Disk, path: &str) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        let created_at = Timestamp::from_secs(1_700_000_000);
        SegmentHeader { number: 7, segment_bytes: 1 << 16, log_id: 42, created_at }
    }

    #[test]
    fn header_survives() {
        assert_eq!(SegmentHeader::decode(&header().encode()), Ok(header()));
    }

    #[test]
    fn every_flip_in_a_header_is_damage() {
        for bit in 0..8 * HEADER {
            let mut bytes = header().encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&bytes), Err(BadHeader::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_later_version_is_not_damage() {
        let mut bytes = header().encode();
        bytes[8..12].copy_from_slice(&9_u32.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..12]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(BadHeader::Version(9)));
    }

    #[test]
    fn salts_differ_between_segments_and_logs() {
        let salts: std::collections::HashSet<u32> =
            (0..10).flat_map(|log| (0..100).map(move |number| salt(log, number))).collect();
        assert_eq!(salts.len(), 1000);
    }

    #[test]
    fn only_canonical_names_are_segments() {
        assert_eq!(number_of("00000000000000ff.seg", ".seg"), Some(255));
        for other in ["ff.seg", "00000000000000FF.seg", "00000000000000ff.idx", "+0000000000000ff.seg", ""] {
            assert_eq!(number_of(other, ".seg"), None, "{other}");
        }
    }
}
