//! A disk whose files don't sync: a controller that lies, or a journal that
//! forgot.

use crate::disk::PowerLossDisk;
use openclaw_journal::{Disk, DiskFile, FolderLock, LockError, Space};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Skips every sync while `skips` says so.
pub struct ForgetfulDisk {
    /// What it stands on.
    pub disk: PowerLossDisk,
    /// Shared with its files.
    pub skips: Arc<AtomicBool>,
}

struct ForgetfulFile(Arc<dyn DiskFile>, Arc<AtomicBool>);

impl ForgetfulDisk {
    fn wrap(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(ForgetfulFile(file, Arc::clone(&self.skips)))
    }
}

impl Disk for ForgetfulDisk {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.disk.create_dir(path)
    }
    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(self.disk.create(path)?))
    }
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(self.disk.open(path)?))
    }
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn lock(&self) -> Result<FolderLock, LockError> {
        self.disk.lock()
    }
}

impl DiskFile for ForgetfulFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        if self.1.load(Ordering::Relaxed) { Ok(()) } else { self.0.sync_data() }
    }
    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }
    fn allocate(&self, bytes: u64) -> io::Result<Space> {
        self.0.allocate(bytes)
    }
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
}
