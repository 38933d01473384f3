//! Everything the journal does to files, behind two small traits, so that a
//! simulator can stand in for the disk and lose what was not synced.

use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder of files. Paths are relative to it, with `/` between names; the
/// empty path is the folder itself.
///
/// What an implementation promises: content is durable once
/// [`DiskFile::sync_data`] has returned, and names (create, rename, remove)
/// once [`Disk::sync_dir`] of their folder has. A rename is never seen half.
pub trait Disk: Send + Sync + 'static {
    /// Makes a folder and its parents; one that exists is fine.
    fn create_dir(&self, path: &str) -> io::Result<()>;
    /// Makes an empty file, or empties the one that is there.
    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file that exists, for reading and writing.
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Names of the files in a folder, in any order.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;
    /// Gives a file another name, replacing what had that name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;
    /// Takes the folder for this process until the guard is dropped.
    fn lock(&self) -> Result<FolderLock, LockError>;
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Reads at an offset; fewer bytes than asked are no error, none means
    /// the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at an offset; may write fewer bytes than given.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Returns when the content is durable. An error is final: what was
    /// written since the last sync may be gone although it can still be read.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or extends with zeros.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Takes the space for so many bytes, or fails at once for want of it.
    /// A disk that can't do that says so: writing will tell.
    fn allocate(&self, bytes: u64) -> io::Result<Space> {
        let _ = bytes;
        Ok(Space::Unsure)
    }
    /// Length in bytes.
    fn size(&self) -> io::Result<u64>;
}

/// What became of [`DiskFile::allocate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// The file is that long; what was never written reads as zeros, and
    /// writing it can't fail for want of space.
    Taken,
    /// Nothing is known.
    Unsure,
}

/// Holds the folder; dropping it lets go.
pub struct FolderLock(
    /// Whatever keeps the lock alive.
    pub Box<dyn Any + Send + Sync>,
);

impl std::fmt::Debug for FolderLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FolderLock")
    }
}

/// The folder can't be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Someone else has it.
    #[error("`{dir}` is in use by {}; stop it or choose another folder", holder(*.pid))]
    Held {
        /// The folder.
        dir: String,
        /// Who, where the lock file says so.
        pid: Option<u32>,
    },
    /// The lock file can't be used.
    #[error("`{file}` can't be locked: {source}")]
    Io {
        /// The lock file.
        file: String,
        /// Why.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".into(), |pid| format!("process `{pid}`"))
}

/// A folder of the real file system. Files are readable by their owner alone,
/// since alerts may hold what others should not see.
#[derive(Debug, Clone)]
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// A folder, made if it is not there.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let disk = Self { root: root.into() };
        make_dirs(&disk.root)?;
        Ok(disk)
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, relative: &str) -> PathBuf {
        if relative.is_empty() { self.root.clone() } else { self.root.join(relative) }
    }
}

fn make_dirs(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

impl Disk for RealDisk {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        make_dirs(&self.path(path))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(RealFile(options().create(true).truncate(true).open(self.path(path))?)))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(RealFile(options().open(self.path(path))?)))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(dir))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        File::open(self.path(dir))?.sync_all()
    }

    fn lock(&self) -> Result<FolderLock, LockError> {
        let path = self.path("lock");
        let failed = |source| LockError::Io { file: path.display().to_string(), source };
        let mut file = options().create(true).truncate(false).open(&path).map_err(failed)?;
        let taken = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        if let Err(error) = taken {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(failed(error.into()));
            }
            let pid = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
            return Err(LockError::Held { dir: self.root.display().to_string(), pid });
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(FolderLock(Box::new(Unlock(file))))
    }
}

/// Lets go by itself: a process that was forked meanwhile may still have the
/// file open when it is closed here.
struct Unlock(File);

impl Drop for Unlock {
    fn drop(&mut self) {
        // Closing the file, which follows, mostly does the same.
        let _ = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::Unlock);
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.0, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(&self.0, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    #[cfg(target_os = "linux")]
    fn allocate(&self, bytes: u64) -> io::Result<Space> {
        use rustix::io::Errno;
        match rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            Ok(()) => Ok(Space::Taken),
            Err(error) if error == Errno::NOSPC || error == Errno::DQUOT => Err(error.into()),
            Err(_) => Ok(Space::Unsure),
        }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// Writes all of `bytes`, going on after short writes.
pub(crate) fn write_all_at(file: &dyn DiskFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until `buffer` is full or the file ends; says how much was read.
pub(crate) fn read_full_at(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// True when a write failed for want of space, which passes, and not because
/// the disk is broken, which does not.
pub(crate) fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
