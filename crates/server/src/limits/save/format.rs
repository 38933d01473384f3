//! The file `limits.saved`.
//!
//! Promises: it is whole or not there (written beside and renamed); every part
//! has a checksum, and what is before a damaged part is good; nothing of it is
//! believed under another seed, since its keys would be other clients'.
//!
//! ```text
//! head:   magic 8 · version 4 · policies 4 · seed check 8 · saved-at 8 · scope 8 of each policy · crc 4 · zero 4
//! block:  records 4 · crc 4 · records of 32 bytes; a block of no records is the last
//! record: key 8 · a 8 · b 8 · policy 4 · kind 4
//! ```
//! A record's policy is an index into the head's scopes. `a` and `b` are, by
//! kind: 0 a bucket under its policy's rate, 1 one with a rate of its own: when
//! it is full, the rate's word. 2 a quota: what is used, the window's number. 3 the
//! bucket that a policy's clients share, 4 the tenant's, whose scope is its
//! total's: as a bucket's, the key is 0. All numbers are little endian, checksums
//! CRC-32C.

use crate::limits::numbers::LevelOf;
use std::io::{self, Read, Write};

const MAGIC: &[u8; 8] = b"oclawlim";
const VERSION: u32 = 1;
const HEAD: usize = 32;
const RECORD: usize = 32;
/// Records of a block: what is in memory at a time.
pub(super) const BLOCK_RECORDS: usize = 4096;
/// Policies that a limiter can have.
const POLICIES_MAX: u32 = 1 << 16;

/// Whose limits, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Tells one seed from another, and nothing about either.
    pub(super) seed_check: u64,
    /// Nanoseconds of the service's clock.
    pub(super) saved_at: u64,
    /// What the keys of each policy are hashed with, by the number that records
    /// name it by.
    pub(super) scopes: Vec<u64>,
}

/// What is kept of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) key: u64,
    /// Index into [`Head::scopes`].
    pub(super) policy: u32,
    pub(super) kept: Kept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Bucket { full_at: u64, rate: u64 },
    Learned { full_at: u64, rate: u64 },
    Quota { used: u64, window: u64 },
    Level { of: LevelOf, full_at: u64, rate: u64 },
}

impl Record {
    fn encode(&self, out: &mut Vec<u8>) {
        let (kind, a, b) = match self.kept {
            Kept::Bucket { full_at, rate } => (0_u32, full_at, rate),
            Kept::Learned { full_at, rate } => (1, full_at, rate),
            Kept::Quota { used, window } => (2, used, window),
            Kept::Level { of: LevelOf::Policy, full_at, rate } => (3, full_at, rate),
            Kept::Level { of: LevelOf::Tenant, full_at, rate } => (4, full_at, rate),
        };
        for word in [self.key, a, b] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.policy.to_le_bytes());
        out.extend_from_slice(&kind.to_le_bytes());
    }

    /// Nothing for a kind that a later version has added.
    fn decode(bytes: &[u8; RECORD]) -> Option<Self> {
        let (a, b) = (u64_at(bytes, 8), u64_at(bytes, 16));
        let kept = match u32_at(bytes, 28) {
            0 => Kept::Bucket { full_at: a, rate: b },
            1 => Kept::Learned { full_at: a, rate: b },
            2 => Kept::Quota { used: a, window: b },
            3 => Kept::Level { of: LevelOf::Policy, full_at: a, rate: b },
            4 => Kept::Level { of: LevelOf::Tenant, full_at: a, rate: b },
            _ => return None,
        };
        Some(Self { key: u64_at(bytes, 0), policy: u32_at(bytes, 24), kept })
    }
}

/// Writes a file, a block at a time.
pub(super) struct Writer<W> {
    out: W,
    block: Vec<u8>,
    records: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(mut out: W, head: &Head) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(HEAD + 8 * head.scopes.len() + 8);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(head.scopes.len() as u32).to_le_bytes());
        for word in [head.seed_check, head.saved_at].iter().chain(&head.scopes) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        out.write_all(&bytes)?;
        Ok(Self { out, block: Vec::with_capacity(BLOCK_RECORDS * RECORD), records: 0 })
    }

    pub(super) fn push(&mut self, record: &Record) -> io::Result<()> {
        record.encode(&mut self.block);
        self.records += 1;
        if self.block.len() == BLOCK_RECORDS * RECORD { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> io::Result<()> {
        let count = (self.block.len() / RECORD) as u32;
        self.out.write_all(&count.to_le_bytes())?;
        self.out.write_all(&crc32c::crc32c(&self.block).to_le_bytes())?;
        self.out.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }

    /// Gives what was written to, and how many records.
    pub(super) fn finish(mut self) -> io::Result<(W, u64)> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        self.end_block()?;
        Ok((self.out, self.records))
    }
}

/// Why a file, or the rest of one, is not believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is not a file of limits, or damaged at its head")]
    Head,
    #[error("it was written by version {0} of this format; this is version {VERSION}")]
    Version(u32),
    #[error("it is damaged after {0} records")]
    Damaged(u64),
}

/// Reads a file, a block at a time.
pub(super) struct Reader<R> {
    from: R,
    pub(super) head: Head,
    records: u64,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(mut from: R) -> Result<Self, ReadError> {
        let mut bytes = vec![0; HEAD];
        from.read_exact(&mut bytes).map_err(|_| ReadError::Head)?;
        if &bytes[..8] != MAGIC {
            return Err(ReadError::Head);
        }
        let (version, policies) = (u32_at(&bytes, 8), u32_at(&bytes, 12));
        if version != VERSION {
            return Err(ReadError::Version(version));
        }
        if policies > POLICIES_MAX {
            return Err(ReadError::Head);
        }
        let length = HEAD + 8 * policies as usize;
        bytes.resize(length + 8, 0);
        from.read_exact(&mut bytes[HEAD..]).map_err(|_| ReadError::Head)?;
        if u32_at(&bytes, length) != crc32c::crc32c(&bytes[..length]) {
            return Err(ReadError::Head);
        }
        let scopes = bytes[HEAD..length].chunks_exact(8).map(|scope| u64_at(scope, 0)).collect();
        let head = Head { seed_check: u64_at(&bytes, 16), saved_at: u64_at(&bytes, 24), scopes };
        Ok(Self { from, head, records: 0 })
    }

    /// The next block; nothing at the end.
    pub(super) fn block(&mut self, bytes: &mut Vec<u8>) -> Result<Option<Vec<Record>>, ReadError> {
        let damaged = ReadError::Damaged(self.records);
        let mut head = [0; 8];
        if self.from.read_exact(&mut head).is_err() {
            return Err(damaged);
        }
        let count = u32_at(&head, 0) as usize;
        if count > BLOCK_RECORDS {
            return Err(damaged);
        }
        bytes.resize(count * RECORD, 0);
        if self.from.read_exact(bytes).is_err() || crc32c::crc32c(bytes) != u32_at(&head, 4) {
            return Err(damaged);
        }
        if count == 0 {
            return Ok(None);
        }
        self.records += count as u64;
        Ok(Some(bytes.as_chunks().0.iter().filter_map(Record::decode).collect()))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap_or_default())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head() -> Head {
        Head { seed_check: 7, saved_at: 8, scopes: vec![1, 2, 3] }
    }

    fn written(records: &[Record]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), &head()).unwrap();
        records.iter().for_each(|record| writer.push(record).unwrap());
        writer.finish().unwrap().0
    }

    fn read(bytes: &[u8]) -> (Vec<Record>, Option<ReadError>) {
        let mut reader = match Reader::new(bytes) {
            Ok(reader) => reader,
            Err(error) => return (Vec::new(), Some(error)),
        };
        assert_eq!(reader.head, head());
        let (mut all, mut buffer) = (Vec::new(), Vec::new());
        loop {
            match reader.block(&mut buffer) {
                Ok(Some(block)) => all.extend(block),
                Ok(None) => return (all, None),
                Err(error) => return (all, Some(error)),
            }
        }
    }

    fn record() -> impl Strategy<Value = Record> {
        let kept = prop_oneof![
            any::<(u64, u64)>().prop_map(|(full_at, rate)| Kept::Bucket { full_at, rate }),
            any::<(u64, u64)>().prop_map(|(full_at, rate)| Kept::Learned { full_at, rate }),
            any::<(u64, u64)>().prop_map(|(used, window)| Kept::Quota { used, window }),
            any::<(u64, u64, bool)>().prop_map(|(full_at, rate, is_tenant)| {
                let of = if is_tenant { LevelOf::Tenant } else { LevelOf::Policy };
                Kept::Level { of, full_at, rate }
            }),
        ];
        (any::<u64>(), 0..3_u32, kept).prop_map(|(key, policy, kept)| Record { key, policy, kept })
    }

    fn many(count: u64) -> Vec<Record> {
        (0..count)
            .map(|key| Record { key, policy: 1, kept: Kept::Bucket { full_at: key, rate: 1 } })
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(records in prop::collection::vec(record(), 0..100)) {
            let (found, error) = read(&written(&records));
            prop_assert!(error.is_none());
            prop_assert_eq!(found, records);
        }

        #[test]
        fn a_flipped_bit_or_a_cut_gives_nothing_that_was_not_written(
            records in prop::collection::vec(record(), 1..50),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u32,
            cuts in any::<bool>(),
        ) {
            let mut bytes = written(&records);
            let at = at.index(bytes.len());
            match cuts {
                true => bytes.truncate(at),
                false => bytes[at] ^= 1 << bit,
            }
            // The head's last four bytes say nothing.
            let is_silent = (60..64).contains(&at) && !cuts;
            let (found, error) = read(&bytes);
            prop_assert!(error.is_some() || is_silent);
            prop_assert!(records.starts_with(&found));
        }

        #[test]
        fn strangers_bytes_make_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            prop_assert!(read(&bytes).0.is_empty());
        }
    }

    #[test]
    fn blocks_before_a_damaged_one_are_good() {
        let records = many(3 * BLOCK_RECORDS as u64);
        let mut bytes = written(&records);
        let second = 64 + 8 + BLOCK_RECORDS * RECORD;
        bytes[second + 100] ^= 1;
        let (found, error) = read(&bytes);
        assert_eq!(found, records[..BLOCK_RECORDS]);
        assert_eq!(error.unwrap().to_string(), "it is damaged after 4096 records");
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = written(&[]);
        bytes[8] = 9;
        assert!(matches!(read(&bytes).1, Some(ReadError::Version(9))));
    }
}
