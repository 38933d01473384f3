//! A journal that is read and never written: a copy of it, since opening one
//! mends what a crash has left.

use crate::cli::CliError;
use openclaw_alert::Timestamp;
use openclaw_journal::{Options, Reader, RealDisk, Writer};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// An open copy; gone when dropped.
pub(super) struct Copied {
    pub(super) reader: Reader,
    _writer: Writer,
    _folder: TempDir,
}

/// Copies and opens the journal of a data folder.
pub(super) fn open(data: &Path, now: Timestamp) -> Result<Copied, CliError> {
    let journal = data.join("journal");
    let unreadable = |source| CliError::Unreadable { path: journal.clone(), source };
    let folder = tempfile::tempdir().map_err(unreadable)?;
    // Snapshots first: one is never ahead of the segments copied after it.
    for (name, extension) in [("snapshots", "snap"), ("segments", "seg")] {
        let target = folder.path().join(name);
        fs::create_dir(&target).map_err(unreadable)?;
        copy(&journal.join(name), extension, &target).map_err(unreadable)?;
    }
    let failed = |error: &dyn std::fmt::Display| CliError::Journal {
        path: journal.clone(),
        detail: error.to_string(),
    };
    let disk = RealDisk::new(folder.path().to_owned()).map_err(|error| failed(&error))?;
    let (writer, _) =
        Writer::open(Arc::new(disk), Options::default(), now).map_err(|error| failed(&error))?;
    Ok(Copied { reader: writer.reader(), _writer: writer, _folder: folder })
}

fn copy(from: &Path, extension: &str, to: &Path) -> io::Result<()> {
    let mut paths: Vec<_> = fs::read_dir(from)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|found| found == extension)) {
        let Some(name) = path.file_name() else { continue };
        match fs::copy(path, to.join(name)) {
            // The server it belongs to has removed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => drop(other?),
        }
    }
    Ok(())
}
