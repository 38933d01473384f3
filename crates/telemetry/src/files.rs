//! One file: written beside the others, moved among them once it is whole.

use crate::columns::{Put, Take};
use crate::error::TelemetryError;
use crate::rows::{Stored, properties, schema};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedFileWriter;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::Path;

/// Rows of a group: what a reader who wants few clients has to skip through.
pub(crate) const GROUP_ROWS: usize = 1 << 14;

/// Writes rows to a file that nobody else looks at, down to the disk. Gives its
/// size.
pub(crate) fn write<R: Stored>(path: &Path, rows: &[R]) -> Result<u64, TelemetryError> {
    let written = File::create(path).map_err(TelemetryError::file(path)).and_then(|file| {
        let file = fill(file, rows).map_err(TelemetryError::damaged(path))?;
        let synced = file.sync_data().and_then(|()| file.metadata());
        synced.map(|metadata| metadata.len()).map_err(TelemetryError::file(path))
    });
    if written.is_err() {
        // The error that counts is the one before.
        let _ = fs::remove_file(path);
    }
    written
}

fn fill<R: Stored>(file: File, rows: &[R]) -> ParquetResult<File> {
    let mut writer = SerializedFileWriter::new(file, schema::<R>()?, properties::<R>())?;
    for rows in rows.chunks(GROUP_ROWS) {
        let mut group = writer.next_row_group()?;
        R::write(rows, &mut Put::new(&mut group))?;
        group.close()?;
    }
    writer.into_inner()
}

/// Moves a whole file to its place; afterwards a crash doesn't undo it.
pub(crate) fn move_in(from: &Path, folder: &Path, to: &Path) -> Result<(), TelemetryError> {
    make_folder(folder)?;
    fs::rename(from, to).map_err(TelemetryError::file(to))?;
    sync_folder(folder)
}

fn make_folder(folder: &Path) -> Result<(), TelemetryError> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folder(parent)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(TelemetryError::file(folder)(error));
            }
            _ => sync_folder(parent)?,
        }
    }
    Ok(())
}

pub(crate) fn sync_folder(folder: &Path) -> Result<(), TelemetryError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(TelemetryError::file(folder))
}

/// A file's row groups.
pub(crate) struct Reader<'p> {
    path: &'p Path,
    file: SerializedFileReader<File>,
}

impl<'p> Reader<'p> {
    /// Opens the file at the first path, or else at another.
    pub(crate) fn open(path: &'p Path, or_else: &Path) -> Result<Self, TelemetryError> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(or_else),
            opened => opened,
        };
        let file = file.map_err(TelemetryError::file(path))?;
        let file = SerializedFileReader::new(file).map_err(TelemetryError::damaged(path))?;
        Ok(Self { path, file })
    }

    pub(crate) fn rows(&self) -> u64 {
        self.file.metadata().file_metadata().num_rows().max(0).cast_unsigned()
    }

    pub(crate) fn groups(&self) -> usize {
        self.file.num_row_groups()
    }

    /// Rows of a group.
    pub(crate) fn group_rows(&self, at: usize) -> u64 {
        self.file.metadata().row_group(at).num_rows().max(0).cast_unsigned()
    }

    /// The least and the largest value of one of a group's columns, where they
    /// are whole numbers.
    pub(crate) fn bounds(&self, group: usize, column: usize) -> Option<(i64, i64)> {
        match self.file.metadata().row_group(group).column(column).statistics()? {
            Statistics::Int64(bounds) => bounds.min_opt().copied().zip(bounds.max_opt().copied()),
            _ => None,
        }
    }

    /// Reads rows of a group.
    pub(crate) fn read<R: Stored>(&self, group: usize, rows: Range<usize>) -> Result<Vec<R>, TelemetryError> {
        self.with(group, rows, R::read)
    }

    /// Reads a group's rows as far as somebody wants to.
    pub(crate) fn with<T>(
        &self,
        group: usize,
        rows: Range<usize>,
        read: impl FnOnce(&mut Take<'_>) -> ParquetResult<T>,
    ) -> Result<T, TelemetryError> {
        let opened = self.file.get_row_group(group);
        let taken = opened.and_then(|group| read(&mut Take::new(&*group, rows)));
        taken.map_err(TelemetryError::damaged(self.path))
    }

    /// All rows, after others.
    pub(crate) fn read_all<R: Stored>(&self, rows: &mut Vec<R>) -> Result<(), TelemetryError> {
        for group in 0..self.groups() {
            let count = usize::try_from(self.group_rows(group)).map_err(|_| {
                TelemetryError::damaged(self.path)(ParquetError::General("too many rows".to_owned()))
            })?;
            rows.append(&mut self.read(group, 0..count)?);
        }
        Ok(())
    }
}
