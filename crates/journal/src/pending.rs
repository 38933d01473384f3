//! Lays frames out in memory, at the places where they will stand on disk.

use crate::frame::{FRAME_HEADER, Header, Kind, PAYLOAD_MAX, stored_bytes};
use crate::position::Geometry;
use crate::segments::supply::Supply;
use crate::segments::{SEGMENT_DATA, salt};
use crate::{AppendError, Frame, Position};
use openclaw_alert::{PartitionId, Timestamp};

/// Appended and not durable: from half of it on nothing more is let in, so that
/// it is passed only by the few frames that were let in before.
pub(crate) const PENDING_MAX: u64 = 64 << 20;
/// A buffer larger than this is not kept for the next commit.
const BUFFER_KEPT: usize = 4 << 20;

/// Bytes of one segment that are written and synced together: a commit.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) frames: u64,
    pub(crate) newest: Timestamp,
}

/// A frame that fits, with its checksum: what can be done without a lock.
pub(crate) struct Checked<'a> {
    frame: Frame<'a>,
    payload_crc: u32,
}

impl<'a> Checked<'a> {
    pub(crate) fn new(frame: &Frame<'a>, geometry: Geometry) -> Result<Self, AppendError> {
        check_size(frame.payload.len(), geometry)?;
        Ok(Self { frame: *frame, payload_crc: crc32c::crc32c(frame.payload) })
    }

    pub(crate) fn partition(&self) -> PartitionId {
        self.frame.partition
    }

    pub(crate) fn stored_bytes(&self) -> u64 {
        stored_bytes(self.frame.payload.len()) as u64
    }
}

/// Most bytes of payload that one frame may have.
pub(crate) fn payload_max(geometry: Geometry) -> u64 {
    PAYLOAD_MAX.min(geometry.segment_bytes - SEGMENT_DATA - FRAME_HEADER as u64)
}

fn check_size(payload: usize, geometry: Geometry) -> Result<(), AppendError> {
    let (bytes, max) = (payload as u64, payload_max(geometry));
    if bytes > max { Err(AppendError::TooLarge { bytes, max }) } else { Ok(()) }
}

pub(crate) struct Pending {
    geometry: Geometry,
    log_id: u64,
    salt: u32,
    /// Where the next frame goes.
    segment: u64,
    offset: u64,
    chunks: Vec<Chunk>,
    buffer: Vec<u8>,
}

impl Pending {
    pub(crate) fn new(geometry: Geometry, log_id: u64, segment: u64, offset: u64) -> Self {
        let salt = salt(log_id, segment);
        Self { geometry, log_id, salt, segment, offset, chunks: Vec::new(), buffer: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum()
    }

    /// Where the next frame goes, unless it does not fit there.
    pub(crate) fn end(&self) -> Position {
        self.geometry.position(self.segment, self.offset)
    }

    /// Could a frame be laid out in the segment after this one?
    pub(crate) fn may_go_on(&self, supply: &Supply) -> bool {
        supply.may_enter(self.segment + 1).is_ok()
    }

    /// Whether a payload of this size could be laid out now.
    pub(crate) fn check_room(&self, payload: usize, supply: &Supply) -> Result<(), AppendError> {
        check_size(payload, self.geometry)?;
        if self.offset + stored_bytes(payload) as u64 <= self.geometry.segment_bytes {
            return Ok(());
        }
        supply.may_enter(self.segment + 1)
    }

    /// Puts a frame behind the last and gives the position of its end.
    pub(crate) fn push(&mut self, checked: &Checked<'_>, supply: &Supply) -> Result<Position, AppendError> {
        let needed = checked.stored_bytes();
        if self.offset + needed > self.geometry.segment_bytes {
            supply.may_enter(self.segment + 1)?;
            self.roll(checked.frame.partition);
        }
        let frame = &checked.frame;
        self.put_header(Header {
            length: frame.payload.len() as u32,
            records: frame.records,
            base_offset: frame.base_offset,
            written_at: frame.written_at,
            position: self.end(),
            commit_back: 0,
            partition: frame.partition,
            kind: Kind::Frame(frame.class),
            payload_crc: checked.payload_crc,
        });
        let chunk = self.chunk();
        chunk.bytes.extend_from_slice(frame.payload);
        chunk.bytes.resize(chunk.bytes.len().next_multiple_of(8), 0);
        chunk.frames += 1;
        chunk.newest = chunk.newest.max(frame.written_at);
        self.offset += needed;
        Ok(self.end())
    }

    /// Sees to it that the next frame is the first of a segment.
    pub(crate) fn seal(&mut self, partition: PartitionId, supply: &Supply) -> Result<(), AppendError> {
        if self.offset == SEGMENT_DATA {
            return Ok(());
        }
        supply.may_enter(self.segment + 1)?;
        self.roll(partition);
        Ok(())
    }

    /// Ends this segment with a mark, so that its unused rest is not taken
    /// for a loss, and goes on in the next.
    fn roll(&mut self, partition: PartitionId) {
        if self.offset + FRAME_HEADER as u64 <= self.geometry.segment_bytes {
            self.put_header(Header {
                length: 0,
                records: 0,
                base_offset: 0,
                written_at: Timestamp::default(),
                position: self.end(),
                commit_back: 0,
                partition,
                kind: Kind::Seal,
                payload_crc: 0,
            });
        }
        self.segment += 1;
        self.offset = SEGMENT_DATA;
        self.salt = salt(self.log_id, self.segment);
    }

    fn put_header(&mut self, mut header: Header) {
        let salt = self.salt;
        let chunk = self.chunk();
        header.commit_back = chunk.bytes.len() as u32;
        chunk.bytes.extend_from_slice(&header.encode(salt));
    }

    /// The chunk that ends where the next byte goes.
    fn chunk(&mut self) -> &mut Chunk {
        if self.chunks.last().is_none_or(|chunk| chunk.segment != self.segment) {
            self.chunks.push(Chunk {
                segment: self.segment,
                offset: self.offset,
                bytes: std::mem::take(&mut self.buffer),
                frames: 0,
                newest: Timestamp::MIN,
            });
        }
        let last = self.chunks.len() - 1;
        &mut self.chunks[last]
    }

    /// Takes what has been laid out; what comes next is another commit.
    pub(crate) fn take(&mut self) -> Vec<Chunk> {
        std::mem::take(&mut self.chunks)
    }

    /// Gives back the buffer of a chunk that has been written.
    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= BUFFER_KEPT && buffer.capacity() > self.buffer.capacity() {
            buffer.clear();
            self.buffer = buffer;
        }
    }
}
