//! A disk in memory that loses what was not synced, and lies in the ways
//! real disks do.
//!
//! The model is a journaling file system as POSIX lets it be:
//! - Content is durable after `sync_data` of its file. At a power loss each
//!   512-byte sector written since then is kept or lost by itself.
//! - Names are durable after `sync_dir` of every folder they are in. At a
//!   power loss each change of a name is kept or lost by itself; a rename is
//!   never seen half.
//! - After a sync that failed, what it should have made durable can still be
//!   read, and will never become durable: later syncs say `Ok` and skip it.
//!
//! Everything is drawn from a seed, so a run can be repeated.

use openclaw_journal::{Disk, DiskFile, FolderLock, LockError, Space};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is kept or lost as a whole.
pub const SECTOR: usize = 512;

/// SplitMix64: small, seeded, good enough to draw faults from.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The same numbers for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// What the disk does wrong until told otherwise.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Writes less than it was given, once in so many writes.
    pub short_write_one_in: Option<u64>,
    /// Bytes that all files together may take.
    pub space_bytes: Option<u64>,
    /// Fails a sync, once in so many.
    pub fail_sync_one_in: Option<u64>,
    /// Changes after which the power goes: from then on all calls fail, until
    /// [`PowerLossDisk::power_loss`] brings it back.
    pub power_off_after: Option<u64>,
}

/// A disk in memory that loses what was not synced.
#[derive(Clone)]
pub struct PowerLossDisk(Arc<Mutex<State>>);

struct State {
    random: Random,
    faults: Faults,
    is_off: bool,
    /// Counts power losses: a handle from before one is dead.
    life: u64,
    next_inode: u64,
    inodes: BTreeMap<u64, Inode>,
    folders: BTreeSet<String>,
    durable_names: BTreeMap<String, u64>,
    names: BTreeMap<String, u64>,
    /// Changes of names since they were last durable, oldest first.
    changes: Vec<Change>,
    locked_in: Option<u64>,
    changes_done: u64,
}

#[derive(Default)]
struct Inode {
    durable: Vec<u8>,
    current: Vec<u8>,
    /// Sectors written since the last sync that worked or failed.
    dirty: BTreeSet<usize>,
    is_length_dirty: bool,
}

struct Change {
    kind: Kind,
    /// Folders whose sync is still missing.
    unsynced: BTreeSet<String>,
}

enum Kind {
    Put { name: String, inode: u64 },
    Rename { from: String, to: String, inode: u64 },
    Remove { name: String },
}

impl Kind {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Put { name, inode } => {
                names.insert(name.clone(), *inode);
            }
            Self::Rename { from, to, inode } => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
            Self::Remove { name } => {
                names.remove(name);
            }
        }
    }
}

fn folder_of(path: &str) -> String {
    path.rsplit_once('/').map_or_else(String::new, |(folder, _)| folder.into())
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

impl PowerLossDisk {
    /// An empty disk that works.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: Random::new(seed),
            faults: Faults::default(),
            is_off: false,
            life: 0,
            next_inode: 0,
            inodes: BTreeMap::new(),
            folders: BTreeSet::from([String::new()]),
            durable_names: BTreeMap::new(),
            names: BTreeMap::new(),
            changes: Vec::new(),
            locked_in: None,
            changes_done: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on. A count of changes begins here.
    pub fn set_faults(&self, faults: Faults) {
        let mut state = self.state();
        state.changes_done = 0;
        state.faults = faults;
    }

    /// Takes the power away and brings it back: keeps what was synced, a
    /// random part of what was not, and no fault. Open files and the lock are
    /// gone.
    pub fn power_loss(&self, seed: u64) {
        let mut state = self.state();
        state.random = Random::new(seed);
        state.lose();
    }

    /// Ends the process, as a kill does: open files and the lock are gone,
    /// all that was written is still there and may never have been synced.
    pub fn kill(&self) {
        let mut state = self.state();
        state.life += 1;
        state.locked_in = None;
        state.faults = Faults::default();
    }

    /// The power went, and has not been brought back.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.state().is_off
    }

    /// Flips one bit of a file, on the disk and in the cache. False where the
    /// file is shorter.
    pub fn flip_bit(&self, path: &str, bit: u64) -> bool {
        let mut state = self.state();
        let Some(&inode) = state.names.get(path) else { return false };
        let Some(inode) = state.inodes.get_mut(&inode) else { return false };
        let (byte, mask) = ((bit / 8) as usize, 1 << (bit % 8));
        let mut is_done = false;
        for content in [&mut inode.durable, &mut inode.current] {
            if let Some(byte) = content.get_mut(byte) {
                *byte ^= mask;
                is_done = true;
            }
        }
        is_done
    }

    /// Names of all files as they are read now.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// A file as it is read now.
    #[must_use]
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = state.inodes.get(state.names.get(path)?)?;
        Some(inode.current.clone())
    }

    /// Changes (writes, syncs, names) since the faults were set.
    #[must_use]
    pub fn changes_done(&self) -> u64 {
        self.state().changes_done
    }
}

impl State {
    /// To be asked before anything changes.
    fn change(&mut self) -> io::Result<()> {
        self.changes_done += 1;
        self.is_off |= self.faults.power_off_after.is_some_and(|most| self.changes_done > most);
        self.check()
    }

    fn check(&self) -> io::Result<()> {
        if self.is_off { Err(power_is_off()) } else { Ok(()) }
    }

    fn is_drawn(&mut self, one_in: Option<u64>) -> bool {
        one_in.is_some_and(|times| self.random.one_in(times))
    }

    fn find(&self, path: &str) -> io::Result<u64> {
        self.check()?;
        self.names.get(path).copied().ok_or_else(not_found)
    }

    fn rename_now(&mut self, kind: Kind, folders: &[&str]) {
        kind.apply(&mut self.names);
        let unsynced = folders.iter().map(|folder| (*folder).to_owned()).collect();
        self.changes.push(Change { kind, unsynced });
        self.forget_unnamed();
    }

    /// A file without a name, now and on the disk, takes no space.
    fn forget_unnamed(&mut self) {
        let mut named: BTreeSet<u64> =
            self.names.values().chain(self.durable_names.values()).copied().collect();
        named.extend(self.changes.iter().filter_map(|change| match change.kind {
            Kind::Put { inode, .. } | Kind::Rename { inode, .. } => Some(inode),
            Kind::Remove { .. } => None,
        }));
        self.inodes.retain(|inode, _| named.contains(inode));
    }

    fn used_bytes(&self) -> u64 {
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        let sizes = self.inodes.iter().filter(|(inode, _)| named.contains(inode));
        sizes.map(|(_, inode)| inode.current.len() as u64).sum()
    }

    /// How much further a file may grow.
    fn room(&self) -> u64 {
        self.faults.space_bytes.map_or(u64::MAX, |most| most.saturating_sub(self.used_bytes()))
    }

    fn sync_folder(&mut self, folder: &str) {
        let mut waiting = Vec::new();
        for mut change in std::mem::take(&mut self.changes) {
            change.unsynced.remove(folder);
            if change.unsynced.is_empty() {
                change.kind.apply(&mut self.durable_names);
            } else {
                waiting.push(change);
            }
        }
        self.changes = waiting;
        self.forget_unnamed();
    }

    fn lose(&mut self) {
        for change in std::mem::take(&mut self.changes) {
            if self.random.one_in(2) {
                change.kind.apply(&mut self.durable_names);
            }
        }
        self.names = self.durable_names.clone();
        let keep_all = self.random.one_in(4);
        let keep_none = self.random.one_in(4);
        for inode in self.inodes.values_mut() {
            inode.lose(&mut self.random, keep_all, keep_none);
        }
        self.forget_unnamed();
        self.is_off = false;
        self.life += 1;
        self.locked_in = None;
        self.faults = Faults::default();
    }
}

impl Inode {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if end > self.current.len() {
            self.current.resize(end, 0);
            self.is_length_dirty = true;
        }
        self.current[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
    }

    fn set_len(&mut self, length: usize) {
        self.current.resize(length, 0);
        self.is_length_dirty = true;
    }

    /// Puts one dirty sector on the disk.
    fn persist(&mut self, sector: usize) {
        let from = sector * SECTOR;
        let to = (from + SECTOR).min(self.current.len());
        if from >= to {
            return;
        }
        if self.durable.len() < to {
            self.durable.resize(to, 0);
        }
        self.durable[from..to].copy_from_slice(&self.current[from..to]);
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.persist(sector);
        }
        self.persist_length();
    }

    fn persist_length(&mut self) {
        if std::mem::take(&mut self.is_length_dirty) {
            self.durable.resize(self.current.len(), 0);
        }
    }

    /// Some of it arrives; the rest counts as clean although it is not.
    fn fail_sync(&mut self, random: &mut Random) {
        for sector in std::mem::take(&mut self.dirty) {
            if random.one_in(2) {
                self.persist(sector);
            }
        }
        if random.one_in(2) {
            self.persist_length();
        }
    }

    fn lose(&mut self, random: &mut Random, keep_all: bool, keep_none: bool) {
        for sector in std::mem::take(&mut self.dirty) {
            if !keep_none && (keep_all || random.one_in(2)) {
                self.persist(sector);
            }
        }
        if keep_all || random.one_in(2) {
            self.persist_length();
        }
        self.is_length_dirty = false;
        self.current = self.durable.clone();
    }
}

impl Disk for PowerLossDisk {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.check()?;
        // Folders are made once and kept: losing one would tell nothing new.
        state.folders.insert(path.into());
        Ok(())
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.change()?;
        if !state.folders.contains(&folder_of(path)) {
            return Err(not_found());
        }
        let inode = match state.names.get(path) {
            Some(&inode) => inode,
            None => {
                state.next_inode += 1;
                let inode = state.next_inode;
                state.inodes.insert(inode, Inode::default());
                state.rename_now(Kind::Put { name: path.into(), inode }, &[&folder_of(path)]);
                inode
            }
        };
        state.inodes.get_mut(&inode).ok_or_else(not_found)?.set_len(0);
        Ok(Arc::new(OpenFile { disk: self.clone(), inode, life: state.life }))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.state();
        let inode = state.find(path)?;
        Ok(Arc::new(OpenFile { disk: self.clone(), inode, life: state.life }))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        state.check()?;
        let inside = state.names.keys().filter(|name| folder_of(name) == dir);
        Ok(inside.map(|name| name.rsplit('/').next().unwrap_or_default().to_owned()).collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        let inode = state.find(from)?;
        let kind = Kind::Rename { from: from.into(), to: to.into(), inode };
        state.rename_now(kind, &[&folder_of(from), &folder_of(to)]);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        state.find(path)?;
        state.rename_now(Kind::Remove { name: path.into() }, &[&folder_of(path)]);
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        state.sync_folder(dir);
        Ok(())
    }

    fn lock(&self) -> Result<FolderLock, LockError> {
        let mut state = self.state();
        if state.locked_in == Some(state.life) {
            return Err(LockError::Held { dir: "simulated".into(), pid: None });
        }
        state.locked_in = Some(state.life);
        Ok(FolderLock(Box::new(Unlock { disk: self.clone(), life: state.life })))
    }
}

struct Unlock {
    disk: PowerLossDisk,
    life: u64,
}

impl Drop for Unlock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.life == self.life {
            state.locked_in = None;
        }
    }
}

struct OpenFile {
    disk: PowerLossDisk,
    inode: u64,
    life: u64,
}

impl OpenFile {
    fn with<T>(&self, is_change: bool, act: impl FnOnce(&mut State, u64) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state();
        if is_change {
            state.change()?;
        }
        state.check()?;
        if state.life != self.life {
            return Err(power_is_off());
        }
        act(&mut state, self.inode)
    }
}

fn inode_of(state: &mut State, inode: u64) -> io::Result<&mut Inode> {
    state.inodes.get_mut(&inode).ok_or_else(not_found)
}

impl DiskFile for OpenFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(false, |state, inode| {
            let content = &inode_of(state, inode)?.current;
            let rest = content.get(offset as usize..).unwrap_or_default();
            let length = rest.len().min(buffer.len());
            buffer[..length].copy_from_slice(&rest[..length]);
            Ok(length)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.with(true, |state, inode| {
            let mut length = bytes.len();
            if state.is_drawn(state.faults.short_write_one_in) && length > 1 {
                length = 1 + state.random.below(length as u64 - 1) as usize;
            }
            let size = inode_of(state, inode)?.current.len() as u64;
            let most = size.saturating_add(state.room());
            length = length.min(most.saturating_sub(offset) as usize);
            if length == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            inode_of(state, inode)?.write(&bytes[..length], offset as usize);
            Ok(length)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(true, |state, inode| {
            if !state.is_drawn(state.faults.fail_sync_one_in) {
                inode_of(state, inode)?.sync();
                return Ok(());
            }
            let mut random = state.random.clone();
            inode_of(state, inode)?.fail_sync(&mut random);
            state.random = random;
            Err(io::Error::other("the disk failed a sync"))
        })
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.with(true, |state, inode| {
            let size = inode_of(state, inode)?.current.len() as u64;
            if bytes > size.saturating_add(state.room()) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            inode_of(state, inode)?.set_len(bytes as usize);
            Ok(())
        })
    }

    /// Every other file system can do it.
    fn allocate(&self, bytes: u64) -> io::Result<Space> {
        self.set_len(bytes.max(self.size()?))?;
        self.with(false, |state, _| Ok(if state.random.one_in(2) { Space::Taken } else { Space::Unsure }))
    }

    fn size(&self) -> io::Result<u64> {
        self.with(false, |state, inode| Ok(inode_of(state, inode)?.current.len() as u64))
    }
}
