//! The zip archive around a `.pt`: written without compression, each record
//! at a multiple of 64 bytes as PyTorch maps them; read with or without.

use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::io::Read as _;

const LOCAL: &[u8; 4] = b"PK\x03\x04";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: usize = 22;
const ALIGNMENT: usize = 64;

/// A state dict of a network that is served has ten at most.
const ENTRIES_MAX: usize = 64;

/// What is wrong with an archive, in words.
pub(super) type Detail = &'static str;

/// The place of one file in an archive.
struct Entry<'a> {
    name: &'a [u8],
    is_deflated: bool,
    crc: u32,
    packed_bytes: usize,
    bytes: usize,
    local: usize,
}

/// An archive's directory.
pub(super) struct Archive<'a> {
    file: &'a [u8],
    entries: Vec<Entry<'a>>,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Offsets of an archive beyond 4 GiB are saturated here, and out of bounds
/// like any others.
fn usize_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32_at(bytes, at)?).ok()
}

impl<'a> Archive<'a> {
    /// Reads the directory.
    pub(super) fn open(file: &'a [u8]) -> Result<Self, Detail> {
        let end = last_end(file).ok_or("its directory is missing: is the file whole?")?;
        let count = u16_at(file, end + 10).unwrap_or(0);
        if count > ENTRIES_MAX {
            return Err("it has more than 64 entries");
        }
        let mut at = usize_at(file, end + 16).ok_or("its directory is cut off")?;
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let (entry, next) = entry(file, at).ok_or("its directory is damaged")?;
            entries.push(entry);
            at = next;
        }
        Ok(Self { file, entries })
    }

    /// Names of all files.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        self.entries.iter().map(|entry| entry.name)
    }

    /// One file's bytes, `most_bytes` at most; `None` where there is none.
    pub(super) fn read(&self, name: &[u8], most_bytes: usize) -> Option<Result<Vec<u8>, Detail>> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        Some(self.unpack(entry, most_bytes))
    }

    fn unpack(&self, entry: &Entry<'_>, most_bytes: usize) -> Result<Vec<u8>, Detail> {
        if entry.bytes > most_bytes {
            return Err("an entry is longer than expected");
        }
        let packed = self.packed(entry).ok_or("an entry lies outside of the file")?;
        let bytes = if entry.is_deflated {
            let mut bytes = Vec::new();
            let mut unpacked = DeflateDecoder::new(packed).take(entry.bytes as u64 + 1);
            unpacked.read_to_end(&mut bytes).map_err(|_| "an entry can't be unpacked")?;
            bytes
        } else {
            packed.to_vec()
        };
        let mut crc = Crc::new();
        crc.update(&bytes);
        if bytes.len() != entry.bytes || crc.sum() != entry.crc {
            return Err("an entry is damaged: its checksum doesn't hold");
        }
        Ok(bytes)
    }

    fn packed(&self, entry: &Entry<'_>) -> Option<&'a [u8]> {
        let local = self.file.get(entry.local..)?;
        if !local.starts_with(LOCAL) {
            return None;
        }
        let start = LOCAL_BYTES + u16_at(local, 26)? + u16_at(local, 28)?;
        local.get(start..)?.get(..entry.packed_bytes)
    }
}

/// The end record may be followed by a comment of up to 64 KiB.
fn last_end(file: &[u8]) -> Option<usize> {
    let last = file.len().checked_sub(END_BYTES)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find(|at| file[*at..].starts_with(END))
}

/// The directory's entry at a place, and where the next one is.
fn entry(file: &[u8], at: usize) -> Option<(Entry<'_>, usize)> {
    let head = file.get(at..)?.get(..CENTRAL_BYTES).filter(|head| head.starts_with(CENTRAL))?;
    let (name_bytes, extra, comment) = (u16_at(head, 28)?, u16_at(head, 30)?, u16_at(head, 32)?);
    let is_deflated = match u16_at(head, 10)? {
        0 => false,
        8 => true,
        _ => return None,
    };
    let name_at = at + CENTRAL_BYTES;
    let entry = Entry {
        name: file.get(name_at..)?.get(..name_bytes)?,
        is_deflated,
        crc: u32_at(head, 16)?,
        packed_bytes: usize_at(head, 20)?,
        bytes: usize_at(head, 24)?,
        local: usize_at(head, 42)?,
    };
    Some((entry, name_at + name_bytes + extra + comment))
}

/// An archive that is being written.
#[derive(Default)]
pub(super) struct Writer {
    file: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl Writer {
    /// Adds a file. Sizes are those of a model that is served, far below what
    /// the format's fields hold.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) {
        let mut crc = Crc::new();
        crc.update(bytes);
        let at = self.file.len();
        let mut common = Vec::new();
        // Version 2.0, no flags, stored, 1 January 1980: the same model is the same bytes.
        for field in [20_u16, 0, 0, 0, 0x21] {
            common.extend(field.to_le_bytes());
        }
        for field in [crc.sum(), bytes.len() as u32, bytes.len() as u32] {
            common.extend(field.to_le_bytes());
        }
        common.extend((name.len() as u16).to_le_bytes());
        self.file.extend(LOCAL);
        self.file.extend(&common);
        let padding = padding(at + LOCAL_BYTES + name.len());
        self.file.extend((padding.len() as u16).to_le_bytes());
        self.file.extend(name.as_bytes());
        self.file.extend(&padding);
        self.file.extend(bytes);
        self.add_to_directory(&common, name, at);
    }

    fn add_to_directory(&mut self, common: &[u8], name: &str, at: usize) {
        self.directory.extend(CENTRAL);
        self.directory.extend(20_u16.to_le_bytes());
        self.directory.extend(common);
        // No extra, no comment, disk 0, no attributes.
        self.directory.extend([0; 12]);
        self.directory.extend((at as u32).to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.count += 1;
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let at = self.file.len() as u32;
        self.file.extend(&self.directory);
        self.file.extend(END);
        self.file.extend([0; 4]);
        self.file.extend(self.count.to_le_bytes());
        self.file.extend(self.count.to_le_bytes());
        self.file.extend((self.directory.len() as u32).to_le_bytes());
        self.file.extend(at.to_le_bytes());
        self.file.extend([0; 2]);
        self.file
    }
}

/// An extra field (`FB`, as PyTorch has it) that fills up to where data starts.
fn padding(start: usize) -> Vec<u8> {
    let filled = (start + 4).next_multiple_of(ALIGNMENT) - start - 4;
    let mut field = b"FB".to_vec();
    field.extend((filled as u16).to_le_bytes());
    field.resize(4 + filled, b'Z');
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::DeflateEncoder;

    fn archive(name: &str, bytes: &[u8]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.add(name, bytes);
        writer.add("other", b"");
        writer.finish()
    }

    #[test]
    fn what_is_written_is_read_and_aligned() {
        let bytes: Vec<u8> = (0..200).collect();
        let file = archive("m/data/0", &bytes);
        let archive = Archive::open(&file).unwrap();
        assert_eq!(archive.names().collect::<Vec<_>>(), [b"m/data/0".as_slice(), b"other"]);
        assert_eq!(archive.read(b"m/data/0", 200).unwrap().unwrap(), bytes);
        assert_eq!(file.windows(200).position(|found| found == bytes).unwrap() % ALIGNMENT, 0);
        assert!(archive.read(b"m/data/0", 199).unwrap().is_err());
        assert!(archive.read(b"m/data/1", 199).is_none());
    }

    /// `bytes` deflated, in an archive that says it holds `said` bytes.
    fn deflated(bytes: &[u8], said: u32) -> Vec<u8> {
        let mut packed = Vec::new();
        DeflateEncoder::new(bytes, Compression::best()).read_to_end(&mut packed).unwrap();
        let mut file = archive("x", &packed);
        let mut crc = Crc::new();
        crc.update(bytes);
        let central = file.windows(4).position(|four| four == CENTRAL).unwrap();
        file[central + 10] = 8;
        file[central + 16..][..4].copy_from_slice(&crc.sum().to_le_bytes());
        file[central + 24..][..4].copy_from_slice(&said.to_le_bytes());
        file
    }

    #[test]
    fn packed_entries_are_unpacked_within_bounds() {
        let file = deflated(&[7; 5000], 5000);
        assert_eq!(Archive::open(&file).unwrap().read(b"x", 5000).unwrap().unwrap(), [7; 5000]);
        // A million bytes that say they are ten: never unpacked beyond those.
        let bomb = deflated(&[0; 1_000_000], 10);
        assert!(Archive::open(&bomb).unwrap().read(b"x", 5000).unwrap().is_err());
        let honest = deflated(&[0; 1_000_000], 1_000_000);
        assert!(Archive::open(&honest).unwrap().read(b"x", 5000).unwrap().is_err());
    }

    #[test]
    fn a_changed_byte_is_found() {
        let mut file = archive("x", b"0123456789");
        let at = file.windows(10).position(|found| found == b"0123456789").unwrap();
        file[at + 3] ^= 1;
        let archive = Archive::open(&file).unwrap();
        assert_eq!(archive.read(b"x", 10).unwrap(), Err("an entry is damaged: its checksum doesn't hold"));
    }
}
