//! The durable log of the process: what came in, and what was decided.
//!
//! # Promises
//! - A frame is durable once [`Log::committed`] of the position that
//!   [`Log::append`] gave completes with `Ok`: an fdatasync that began after
//!   the frame was written has returned. It is then read back whole, in
//!   order and bit for bit, after any crash.
//! - A failed write or sync is never retried. The log takes nothing more and
//!   says so to everyone who waits ([`Failure`]).
//! - What a crash cut short is cut off and zeroed before anything new is
//!   written, and reported ([`TornTail`]); it never comes back.
//! - Damage in data that had been durable is reported ([`Damage`]), the
//!   segment is copied to `quarantine/`, and everything around the damage is
//!   read as before.
//! - A snapshot is never ahead of the log, and no segment goes that a kept
//!   snapshot still needs.
//! - A full disk refuses new work ([`Class::Intake`]) while there is still
//!   space for what becomes of earlier work ([`Class::Outcome`]).
//!
//! What a sync that fails leaves behind, and damage in the very last commit,
//! can't be told from a commit that was cut short; both are reported as one.
//!
//! # On disk
//! ```text
//! lock                    held by the one process that may write
//! segments/N.seg          N is 16 hex digits; no gaps
//! segments/N.idx          made from a sealed segment, at any time
//! snapshots/N.snap        the newest two
//! quarantine/             copies of damaged files; nobody deletes them
//! spare, reserve          files of zeros that become segments
//! repair                  there while a torn commit is being zeroed
//! erased.tmp              a sealed segment that is written anew (see `erase`)
//! ```
//! A segment has a fixed size and is filled with zeros before it is used (the
//! first of a log while it is, behind the frames; see `segments::fill`): a
//! header in a block of its own, then frames. A frame is a header, its
//! payload, and zeros up to a multiple of eight bytes. It never reaches into
//! the next segment. A [`Position`] is segment number × segment size +
//! offset.
//!
//! ```text
//! segment header: magic 8 · version 4 · crc 4 · number 8 · size 8 · log id 8 · created-at 8 · zero 4 · crc 4
//! frame header:   length 4 · records 4 · base offset 8 · written-at 8 · position 8
//!                 · bytes back to the start of its commit 4 · partition 1 · kind 1 · zero 2
//!                 · crc of the payload 4 · crc 4
//! ```
//! All numbers are little endian, all checksums CRC-32C. That of a frame
//! header begins with a salt made of log id and segment number, so that a
//! frame is good in its own place only.
//!
//! A commit is one write and one sync within one segment, and the next one
//! is written only after that sync has returned. So when a frame is bad, and
//! a sound one behind it belongs to a commit that begins behind it, the bad
//! one had been durable: damage. Otherwise the commit was cut short: a torn
//! tail. A snapshot that covers the place proves it durable as well, and so
//! does an index.
//!
//! # Who writes, who deletes
//! One thread commits: it alone writes into segments that are not sealed. One thread does the
//! upkeep: it makes `spare` and `reserve` into segments, writes indexes and
//! removes segments that are too old or too many. Whoever finishes a
//! snapshot removes the third newest. Whoever erases puts a copy in a sealed
//! segment's place. Anyone may read at any time.

#![forbid(unsafe_code)]

pub mod crashpoint;
mod disk;
mod erase;
mod error;
mod frame;
mod log;
mod options;
mod pending;
mod position;
mod reader;
mod recent;
mod segments;
mod snapshot;
mod stats;
mod store;
mod wait;
mod writer;

pub use disk::{Disk, DiskFile, FolderLock, LockError, RealDisk, Space};
pub use erase::{Edit, Erasure};
pub use error::{AppendError, CommitError, EraseError, Failure, OpenError, ReadError, SnapshotError};
pub use frame::{Class, Frame, StoredFrame};
pub use log::{Health, Log, Permit};
pub use options::{KeysOf, Options};
pub use position::Position;
pub use reader::{FIND_MAX, Frames, Reader, Replay};
pub use segments::open::OpenReport;
pub use segments::repair::TornTail;
pub use segments::scan::Damage;
pub use snapshot::{Part, Snapshot, SnapshotReport, SnapshotWriter};
pub use stats::{Histogram, Stats};
pub use wait::{Committed, Room};
pub use writer::Writer;
