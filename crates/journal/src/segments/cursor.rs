//! Walks the frames of one segment and finds the way again after damage.

use crate::disk::{DiskFile, read_full_at};
use crate::frame::{FRAME_HEADER, Header, Kind, POSITION_AT};
use crate::position::Geometry;
use crate::segments::SEGMENT_DATA;
use crate::{Class, Position};
use std::io;
use std::sync::Arc;

/// Read ahead; also what is held between two frames.
const WINDOW: usize = 256 << 10;

/// A piece of a file held in memory. Never reads beyond the limit it is
/// given, since what lies there may still change.
struct Window {
    file: Arc<dyn DiskFile>,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// `length` bytes at `at`; the caller keeps both below `limit`. A file
    /// that ends too early reads as zeros.
    fn get(&mut self, at: u64, length: usize, limit: u64) -> io::Result<&[u8]> {
        if at < self.start || at + length as u64 > self.start + self.bytes.len() as u64 {
            self.load(at, length, limit)?;
        }
        let from = (at - self.start) as usize;
        Ok(&self.bytes[from..from + length])
    }

    fn load(&mut self, at: u64, length: usize, limit: u64) -> io::Result<()> {
        let ahead = WINDOW.min(limit.saturating_sub(at) as usize);
        self.bytes.clear();
        self.bytes.resize(ahead.max(length), 0);
        self.start = at;
        let outcome = read_full_at(&*self.file, &mut self.bytes, at);
        if outcome.is_err() {
            self.bytes.clear();
        }
        outcome.map(|_| ())
    }
}

/// What stands at the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A sound frame; the cursor is behind it.
    Frame(Header, Class),
    /// The segment was ended on purpose, by a mark written in the commit
    /// that began at the position, or because nothing more fits.
    Sealed(Option<Position>),
    /// The limit.
    End,
    /// Nothing sound. The next frame can't begin before `resume`.
    Bad { resume: u64 },
}

pub(crate) struct Cursor {
    window: Window,
    geometry: Geometry,
    number: u64,
    salt: u32,
    /// Of the next frame in the segment.
    pub(crate) offset: u64,
    /// The last search that found nothing, if it passed over all in one go.
    pub(crate) swept: Option<Swept>,
}

/// A stretch that has been looked through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Swept {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// One behind the last byte that is not zero; `from` where all are.
    pub(crate) used: u64,
}

impl Cursor {
    pub(crate) fn new(file: Arc<dyn DiskFile>, geometry: Geometry, number: u64, salt: u32) -> Self {
        let window = Window { file, start: 0, bytes: Vec::new() };
        Self { window, geometry, number, salt, offset: SEGMENT_DATA, swept: None }
    }

    /// Where the cursor stands in the log.
    pub(crate) fn position(&self) -> Position {
        self.geometry.position(self.number, self.offset)
    }

    /// Judges what stands at the cursor, looking at nothing beyond `limit`.
    pub(crate) fn step(&mut self, limit: u64) -> io::Result<Step> {
        if self.offset + FRAME_HEADER as u64 > self.geometry.segment_bytes {
            return Ok(Step::Sealed(None));
        }
        if self.offset + FRAME_HEADER as u64 > limit {
            return Ok(Step::End);
        }
        let Some(header) = self.header_at(self.offset, limit)? else {
            return Ok(Step::Bad { resume: self.offset + 8 });
        };
        let Kind::Frame(class) = header.kind else {
            return Ok(Step::Sealed(Some(header.commit_start())));
        };
        let end = self.offset + header.stored_bytes();
        if !self.payload_is_sound(&header, limit)? {
            // The header says where the next frame begins; nothing inside
            // the payload may be taken for one.
            return Ok(Step::Bad { resume: end });
        }
        self.offset = end;
        Ok(Step::Frame(header, class))
    }

    /// The payload of the frame that `step` has just passed.
    pub(crate) fn payload(&mut self, header: &Header, limit: u64) -> io::Result<&[u8]> {
        let at = self.geometry.offset(header.position) + FRAME_HEADER as u64;
        self.window.get(at, header.length as usize, limit)
    }

    /// Moves to the first sound frame or seal at or after `from`. False, and
    /// the cursor not moved, when there is none.
    pub(crate) fn resync(&mut self, from: u64, limit: u64) -> io::Result<bool> {
        let (mut at, mut swept) = (from, Swept::none(from + POSITION_AT as u64));
        let mut is_in_one_go = true;
        self.swept = None;
        while let Some(found) = self.position_mark(at, limit, &mut swept)? {
            is_in_one_go = false;
            if let Some(header) = self.header_at(found, limit)? {
                if header.kind == Kind::Seal || self.payload_is_sound(&header, limit)? {
                    self.offset = found;
                    return Ok(true);
                }
                at = found + header.stored_bytes();
            } else {
                at = found + 8;
            }
        }
        self.swept = is_in_one_go.then_some(swept);
        Ok(false)
    }

    /// One behind the last byte in `[from, to)` that is not zero; `from` where
    /// all are.
    pub(crate) fn last_used(&mut self, from: u64, to: u64) -> io::Result<u64> {
        let mut swept = Swept::none(from);
        while swept.to < to {
            let length = WINDOW.min((to - swept.to) as usize);
            swept.pass(self.window.get(swept.to, length, to)?);
        }
        Ok(swept.used)
    }

    fn header_at(&mut self, at: u64, limit: u64) -> io::Result<Option<Header>> {
        let position = self.geometry.position(self.number, at);
        let salt = self.salt;
        let bytes = self.window.get(at, FRAME_HEADER, limit)?;
        let header = Header::decode(bytes, position, salt);
        Ok(header.filter(|header| {
            let room = self.geometry.segment_bytes - at;
            let back = u64::from(header.commit_back);
            header.stored_bytes() <= room && back <= at - SEGMENT_DATA
        }))
    }

    fn payload_is_sound(&mut self, header: &Header, limit: u64) -> io::Result<bool> {
        let end = self.geometry.offset(header.position) + header.stored_bytes();
        Ok(end <= limit && crc32c::crc32c(self.payload(header, limit)?) == header.payload_crc)
    }

    /// The first place at or after `from` where a header would find its own
    /// position written.
    fn position_mark(&mut self, from: u64, limit: u64, swept: &mut Swept) -> io::Result<Option<u64>> {
        let mut at = from + POSITION_AT as u64;
        while at + (FRAME_HEADER - POSITION_AT) as u64 <= limit {
            let length = WINDOW.min((limit - at) as usize) & !7;
            let first = self.geometry.position(self.number, at - POSITION_AT as u64).get();
            let bytes = self.window.get(at, length, limit)?;
            at += length as u64;
            // No position is zero, and most of a segment may be.
            if swept.pass(bytes) {
                continue;
            }
            let (words, _) = bytes.as_chunks::<8>();
            let found = words
                .iter()
                .zip((first..).step_by(8))
                .position(|(word, place)| u64::from_le_bytes(*word) == place);
            if let Some(index) = found {
                let place = at - length as u64 - POSITION_AT as u64 + 8 * index as u64;
                return Ok((place + FRAME_HEADER as u64 <= limit).then_some(place));
            }
        }
        Ok(None)
    }
}

impl Swept {
    fn none(at: u64) -> Self {
        Self { from: at, to: at, used: at }
    }

    /// Goes on behind `bytes`. Whether they are all zero.
    fn pass(&mut self, bytes: &[u8]) -> bool {
        // In pieces that are looked at as a whole, since most are zero.
        let (pieces, rest) = bytes.as_chunks::<256>();
        let is_zero = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all | byte) == 0;
        let is_clear = is_zero(rest) && pieces.iter().all(|piece| is_zero(piece));
        if !is_clear && let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
            self.used = self.to + last as u64 + 1;
        }
        self.to += bytes.len() as u64;
        is_clear
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::stored_bytes;
    use crate::segments::repair::torn_bytes;
    use crate::segments::scan::Scan;
    use openclaw_alert::{PartitionId, Timestamp};
    use proptest::prelude::*;
    use std::sync::Mutex;

    const GEOMETRY: Geometry = Geometry { segment_bytes: 16 << 10 };
    const NUMBER: u64 = 3;
    const SALT: u32 = 0x1234_5678;

    struct Memory(Mutex<Vec<u8>>);

    impl DiskFile for Memory {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let bytes = self.0.lock().unwrap();
            let rest = bytes.get(offset as usize..).unwrap_or_default();
            let length = rest.len().min(buffer.len());
            buffer[..length].copy_from_slice(&rest[..length]);
            Ok(length)
        }
        fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }
        fn sync_data(&self) -> io::Result<()> {
            Ok(())
        }
        fn set_len(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn size(&self) -> io::Result<u64> {
            Ok(GEOMETRY.segment_bytes)
        }
    }

    fn put(bytes: &mut Vec<u8>, payload: &[u8], salt: u32) {
        let header = Header {
            length: payload.len() as u32,
            records: 1,
            base_offset: 1,
            written_at: Timestamp::default(),
            position: GEOMETRY.position(NUMBER, bytes.len() as u64),
            commit_back: 0,
            partition: PartitionId::new(1).unwrap(),
            kind: Kind::Frame(Class::Intake),
            payload_crc: crc32c::crc32c(payload),
        };
        let end = bytes.len() + stored_bytes(payload.len());
        bytes.extend_from_slice(&header.encode(salt));
        bytes.extend_from_slice(payload);
        bytes.resize(end, 0);
    }

    /// Payloads of the frames that a scan finds, with a bit of the first
    /// frame flipped. The first one's payload is itself a whole frame, made
    /// for exactly the place where it stands.
    fn found_after_flip(byte: usize, forged_salt: u32) -> Vec<Vec<u8>> {
        let begin = SEGMENT_DATA as usize;
        let mut forged = vec![0; begin + FRAME_HEADER];
        put(&mut forged, b"forged", forged_salt);
        let mut bytes = vec![0; begin];
        put(&mut bytes, &forged[begin + FRAME_HEADER..], SALT);
        put(&mut bytes, b"second", SALT);
        bytes[begin + byte] ^= 1;
        bytes.resize(GEOMETRY.segment_bytes as usize, 0);
        let mut cursor = Cursor::new(Arc::new(Memory(Mutex::new(bytes))), GEOMETRY, NUMBER, SALT);
        let mut found = Vec::new();
        loop {
            match cursor.step(GEOMETRY.segment_bytes).unwrap() {
                Step::Frame(header, _) => {
                    found.push(cursor.payload(&header, GEOMETRY.segment_bytes).unwrap().to_vec());
                }
                Step::Bad { resume } if cursor.resync(resume, GEOMETRY.segment_bytes).unwrap() => {}
                _ => return found,
            }
        }
    }

    #[test]
    fn a_frame_inside_a_payload_is_not_taken_for_one() {
        let other_salt = 0x8765_4321;
        for byte in 0..FRAME_HEADER {
            assert_eq!(found_after_flip(byte, other_salt), [b"second"], "header byte {byte}");
        }
        // With a sound header not even one who knew the salt gets through:
        // byte 54 is the payload's last, behind the forged frame.
        assert_eq!(found_after_flip(FRAME_HEADER + FRAME_HEADER + 6, SALT), [b"second"]);
    }

    /// What a crash may have left behind `frames` frames; some of it looks
    /// like the mark of a frame.
    fn segment_of(frames: usize, left: &[(usize, u8)], marks: &[usize]) -> Vec<u8> {
        let mut bytes = vec![0; SEGMENT_DATA as usize];
        (0..frames).for_each(|_| put(&mut bytes, b"sound", SALT));
        let end = bytes.len();
        bytes.resize(GEOMETRY.segment_bytes as usize, 0);
        for mark in marks {
            let at = (end + mark % (bytes.len() - end - FRAME_HEADER)) & !7;
            let place = GEOMETRY.position(NUMBER, at as u64).get();
            bytes[at + POSITION_AT..][..8].copy_from_slice(&place.to_le_bytes());
        }
        for (at, byte) in left {
            let rest = bytes.len() - end;
            bytes[end + at % rest] = *byte;
        }
        bytes
    }

    proptest! {
        #[test]
        fn what_is_torn_is_known_from_one_reading(
            frames in 0..4_usize,
            left in proptest::collection::vec((any::<usize>(), 0..3_u8), 0..4),
            marks in proptest::collection::vec(any::<usize>(), 0..2),
            near_end in any::<bool>(),
        ) {
            let mut bytes = segment_of(frames, &left, &marks);
            *bytes.last_mut().unwrap() |= u8::from(near_end);
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
            let cursor = || Cursor::new(Arc::new(Memory(Mutex::new(bytes.clone()))), GEOMETRY, NUMBER, SALT);
            let size = GEOMETRY.segment_bytes;
            let scan = Scan::run(&mut cursor(), size, |_, _| {}).unwrap();
            prop_assert!(scan.rest.is_some() || !marks.is_empty());
            let torn = torn_bytes(&mut cursor(), scan.end, scan.rest, size).unwrap();
            prop_assert_eq!(torn, used.saturating_sub(scan.end));
        }
    }
}
