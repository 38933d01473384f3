//! Makes segments ahead of need, and keeps a reserve for a full disk.
//!
//! `spare` is a file in the making: a retired segment or a new file, filled
//! with zeros, given a header and renamed into `segments/`. `reserve` is a
//! file of zeros that takes its place when the disk is full.

use super::{SegmentHeader, move_file, remove_if_there, segment_name, zero_fill};
use crate::disk::{Disk, DiskFile, Space, is_out_of_space, write_all_at};
use crate::store::{Store, lock};
use crate::{AppendError, Class, Failure};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

pub(crate) const SPARE: &str = "spare";
pub(crate) const RESERVE: &str = "reserve";
pub(crate) const RESERVE_UNFINISHED: &str = "reserve.tmp";

/// What there is to write into next. In one word, so that the appending side
/// sees number and reserve as they belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stock {
    /// Highest segment that can be written.
    pub(crate) ready: u64,
    pub(crate) has_reserve: bool,
    pub(crate) is_full: bool,
}

impl Stock {
    fn pack(self) -> u64 {
        self.ready << 2 | u64::from(self.has_reserve) << 1 | u64::from(self.is_full)
    }

    fn unpack(word: u64) -> Self {
        Self { ready: word >> 2, has_reserve: word & 2 != 0, is_full: word & 1 != 0 }
    }
}

pub(crate) struct Supply {
    stock: AtomicU64,
    is_over: AtomicBool,
    turn: Mutex<()>,
    changed: Condvar,
}

impl Supply {
    pub(crate) fn new(stock: Stock) -> Self {
        let stock = stock.pack().into();
        Self { stock, is_over: AtomicBool::new(false), turn: Mutex::new(()), changed: Condvar::new() }
    }

    pub(crate) fn stock(&self) -> Stock {
        Stock::unpack(self.stock.load(Ordering::SeqCst))
    }

    fn set(&self, stock: Stock) {
        let _turn = lock(&self.turn);
        self.stock.store(stock.pack(), Ordering::SeqCst);
        self.changed.notify_all();
    }

    /// May new work of this class be taken?
    pub(crate) fn admits(&self, class: Class) -> bool {
        class == Class::Outcome || !self.stock().is_full
    }

    /// May frames be laid out in segment `number`? One that is not there yet
    /// may be, while the reserve is: it can always become that segment.
    pub(crate) fn may_enter(&self, number: u64) -> Result<(), AppendError> {
        let stock = self.stock();
        if number <= stock.ready || (number == stock.ready + 1 && stock.has_reserve) {
            return Ok(());
        }
        Err(if stock.is_full { AppendError::DiskFull } else { AppendError::Busy })
    }

    /// Waits until segment `number` is ready; false when it never will be.
    pub(crate) fn wait_for(&self, number: u64) -> bool {
        let mut turn = lock(&self.turn);
        while self.stock().ready < number {
            if self.is_over.load(Ordering::Acquire) {
                return false;
            }
            turn = self.changed.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// No segment will be made any more.
    pub(crate) fn end(&self) {
        let _turn = lock(&self.turn);
        self.is_over.store(true, Ordering::Release);
        self.changed.notify_all();
    }
}

impl Store {
    /// Brings the stock up to one segment ahead of the active one and a
    /// reserve. A full disk is no failure; anything else is.
    pub(crate) fn restock(&self) -> Result<(), Failure> {
        self.prepare_next().map_err(Failure::of("preparing of a segment"))?;
        self.prepare_reserve().map_err(Failure::of("preparing of the reserve"))
    }

    fn prepare_next(&self) -> io::Result<()> {
        let stock = self.supply.stock();
        let next = self.active() + 1;
        if stock.ready >= next {
            return Ok(());
        }
        match self.make_segment(&self.header(next)) {
            Ok(()) => self.supply.set(Stock { ready: next, ..stock }),
            Err(error) if !is_out_of_space(&error) => return Err(error),
            Err(_) if stock.has_reserve => {
                self.make_of_reserve(&self.header(next))?;
                self.supply.set(Stock { ready: next, has_reserve: false, is_full: true });
            }
            Err(_) => self.supply.set(Stock { is_full: true, ..stock }),
        }
        Ok(())
    }

    fn prepare_reserve(&self) -> io::Result<()> {
        let stock = self.supply.stock();
        let has_next = stock.ready > self.active();
        if self.options.reserve_bytes == 0 {
            self.supply.set(Stock { is_full: stock.is_full && !has_next, ..stock });
            return Ok(());
        }
        if stock.has_reserve || !has_next {
            return Ok(());
        }
        match self.make_reserve() {
            Ok(()) => self.supply.set(Stock { has_reserve: true, is_full: false, ..stock }),
            Err(error) if is_out_of_space(&error) => self.supply.set(Stock { is_full: true, ..stock }),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Makes a segment of the spare file, or of a new one.
    pub(crate) fn make_segment(&self, header: &SegmentHeader) -> io::Result<()> {
        make_segment(&*self.disk, header)
    }

    fn make_of_reserve(&self, header: &SegmentHeader) -> io::Result<()> {
        write_header(&*self.disk.open(RESERVE)?, header)?;
        move_file(&*self.disk, RESERVE, &segment_name(header.number))
    }

    fn make_reserve(&self) -> io::Result<()> {
        let made = self.disk.create(RESERVE_UNFINISHED).and_then(|file| {
            file.allocate(self.options.segment_bytes)?;
            zero_fill(&*file, 0, self.options.segment_bytes)?;
            move_file(&*self.disk, RESERVE_UNFINISHED, RESERVE)
        });
        if made.is_err() {
            // Half a file would hold on to the very space that is short.
            remove_if_there(&*self.disk, RESERVE_UNFINISHED)?;
        }
        made
    }
}

pub(crate) fn make_segment(disk: &dyn Disk, header: &SegmentHeader) -> io::Result<()> {
    put_in_place(disk, header, fill_spare(disk, header))
}

/// Makes a segment whose space is taken and mostly unwritten, of a file of its
/// own: reads are zeros, and the disk has less to do. False where that can't
/// be; the segment is then filled.
pub(crate) fn make_unfilled(disk: &dyn Disk, header: &SegmentHeader) -> io::Result<bool> {
    let file = disk.create(SPARE)?;
    let is_taken = file.allocate(header.segment_bytes)? == Space::Taken;
    let written = match is_taken {
        true => write_header(&*file, header),
        false => fill_spare(disk, header),
    };
    put_in_place(disk, header, written).map(|()| is_taken)
}

fn put_in_place(disk: &dyn Disk, header: &SegmentHeader, made: io::Result<()>) -> io::Result<()> {
    if made.is_err() {
        remove_if_there(disk, SPARE)?;
        return made;
    }
    move_file(disk, SPARE, &segment_name(header.number))
}

fn write_header(file: &dyn DiskFile, header: &SegmentHeader) -> io::Result<()> {
    write_all_at(file, &header.encode(), 0)?;
    file.sync_data()
}

fn fill_spare(disk: &dyn Disk, header: &SegmentHeader) -> io::Result<()> {
    let file = match disk.open(SPARE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(SPARE)?,
        other => other?,
    };
    if file.size()? > header.segment_bytes {
        file.set_len(header.segment_bytes)?;
    }
    file.allocate(header.segment_bytes)?;
    zero_fill(&*file, super::SEGMENT_DATA, header.segment_bytes)?;
    write_header(&*file, header)
}
