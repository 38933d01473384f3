//! Frames: what is appended, what is read back, and the header between.

use crate::Position;
use openclaw_alert::{PartitionId, Timestamp};

/// What a frame is worth when the disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// New work: refused while the disk is full.
    Intake,
    /// What became of work taken on earlier: taken into the reserve.
    Outcome,
}

/// What a caller appends: some records of one partition, as one unit that is
/// read back whole or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Whose records.
    pub partition: PartitionId,
    /// What they are worth when the disk is full.
    pub class: Class,
    /// Number of the first record within its partition.
    pub base_offset: u64,
    /// How many records.
    pub records: u32,
    /// When, by the caller's clock.
    pub written_at: Timestamp,
    /// The records, in the caller's encoding.
    pub payload: &'a [u8],
}

/// A frame read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFrame {
    /// Whose records.
    pub partition: PartitionId,
    /// What they were worth when the disk was full.
    pub class: Class,
    /// Number of the first record within its partition.
    pub base_offset: u64,
    /// How many records.
    pub records: u32,
    /// When, by the writer's clock.
    pub written_at: Timestamp,
    /// Where it begins.
    pub position: Position,
    /// Where it ends: the place to wait for, and to go on reading from.
    pub end: Position,
    /// The records.
    pub payload: Vec<u8>,
}

impl StoredFrame {
    /// As it was appended.
    #[must_use]
    pub fn as_frame(&self) -> Frame<'_> {
        Frame {
            partition: self.partition,
            class: self.class,
            base_offset: self.base_offset,
            records: self.records,
            written_at: self.written_at,
            payload: &self.payload,
        }
    }
}

/// Bytes before a payload.
pub(crate) const FRAME_HEADER: usize = 48;
/// Largest payload in any log; small segments hold less.
pub(crate) const PAYLOAD_MAX: u64 = 32 << 20;

/// Bytes a payload takes in the log: header, payload, zeros up to a multiple
/// of eight.
pub(crate) fn stored_bytes(payload: usize) -> usize {
    (FRAME_HEADER + payload).next_multiple_of(8)
}

/// What a header introduces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Frame(Class),
    /// The segment ends here on purpose.
    Seal,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Frame(Class::Intake) => 1,
            Self::Frame(Class::Outcome) => 2,
            Self::Seal => 0xff,
        }
    }

    fn of(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Frame(Class::Intake)),
            2 => Some(Self::Frame(Class::Outcome)),
            0xff => Some(Self::Seal),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) length: u32,
    pub(crate) records: u32,
    pub(crate) base_offset: u64,
    pub(crate) written_at: Timestamp,
    pub(crate) position: Position,
    /// Distance back to the first byte of the commit it belongs to.
    pub(crate) commit_back: u32,
    pub(crate) partition: PartitionId,
    pub(crate) kind: Kind,
    pub(crate) payload_crc: u32,
}

/// Where in a header its own position stands.
pub(crate) const POSITION_AT: usize = 24;

impl Header {
    pub(crate) fn encode(&self, salt: u32) -> [u8; FRAME_HEADER] {
        let mut out = [0; FRAME_HEADER];
        out[0..4].copy_from_slice(&self.length.to_le_bytes());
        out[4..8].copy_from_slice(&self.records.to_le_bytes());
        out[8..16].copy_from_slice(&self.base_offset.to_le_bytes());
        out[16..24].copy_from_slice(&self.written_at.nanos().to_le_bytes());
        out[POSITION_AT..32].copy_from_slice(&self.position.get().to_le_bytes());
        out[32..36].copy_from_slice(&self.commit_back.to_le_bytes());
        out[36] = self.partition.get();
        out[37] = self.kind.code();
        out[40..44].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32c::crc32c_append(salt, &out[..44]);
        out[44..48].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// `None` unless the bytes are a header written for exactly this place.
    pub(crate) fn decode(bytes: &[u8], position: Position, salt: u32) -> Option<Self> {
        let bytes: &[u8; FRAME_HEADER] = bytes.first_chunk()?;
        let crc = crc32c::crc32c_append(salt, &bytes[..44]);
        if u64_at(bytes, POSITION_AT) != position.get() || u32_at(bytes, 44) != crc {
            return None;
        }
        Some(Self {
            length: u32_at(bytes, 0),
            records: u32_at(bytes, 4),
            base_offset: u64_at(bytes, 8),
            written_at: Timestamp::from_nanos(u64_at(bytes, 16) as i64),
            position,
            commit_back: u32_at(bytes, 32),
            partition: PartitionId::new(bytes[36])?,
            kind: Kind::of(bytes[37])?,
            payload_crc: u32_at(bytes, 40),
        })
    }

    pub(crate) fn commit_start(&self) -> Position {
        Position::new(self.position.get().saturating_sub(u64::from(self.commit_back)))
    }

    pub(crate) fn stored_bytes(&self) -> u64 {
        stored_bytes(self.length as usize) as u64
    }

    /// The frame with its payload; `class` is what `kind` said.
    pub(crate) fn with_payload(&self, class: Class, payload: Vec<u8>) -> StoredFrame {
        StoredFrame {
            partition: self.partition,
            class,
            base_offset: self.base_offset,
            records: self.records,
            written_at: self.written_at,
            position: self.position,
            end: Position::new(self.position.get() + self.stored_bytes()),
            payload,
        }
    }
}

/// Little-endian number at a place that the caller knows to exist.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

/// Little-endian number at a place that the caller knows to exist.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> impl Strategy<Value = Header> {
        let numbers = (any::<u32>(), any::<u32>(), any::<u64>(), any::<i64>(), any::<u64>(), any::<u32>());
        let kinds = prop_oneof![
            Just(Kind::Frame(Class::Intake)),
            Just(Kind::Frame(Class::Outcome)),
            Just(Kind::Seal)
        ];
        (numbers, 0_u8..64, kinds, any::<u32>()).prop_map(|(numbers, partition, kind, payload_crc)| Header {
            length: numbers.0,
            records: numbers.1,
            base_offset: numbers.2,
            written_at: Timestamp::from_nanos(numbers.3),
            position: Position::new(numbers.4),
            commit_back: numbers.5,
            partition: PartitionId::new(partition).unwrap(),
            kind,
            payload_crc,
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(header in header(), salt: u32) {
            let bytes = header.encode(salt);
            prop_assert_eq!(Header::decode(&bytes, header.position, salt), Some(header));
        }

        #[test]
        fn no_flip_goes_unseen(header in header(), salt: u32, bit in 0_usize..(8 * FRAME_HEADER)) {
            let mut bytes = header.encode(salt);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Header::decode(&bytes, header.position, salt), None);
        }

        #[test]
        fn a_header_is_only_good_in_its_place(header in header(), salt: u32, other: u64, other_salt: u32) {
            let bytes = header.encode(salt);
            prop_assume!(other != header.position.get() && other_salt != salt);
            prop_assert_eq!(Header::decode(&bytes, Position::new(other), salt), None);
            prop_assert_eq!(Header::decode(&bytes, header.position, other_salt), None);
        }
    }
}
