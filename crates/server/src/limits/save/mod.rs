//! Buckets over restarts.
//!
//! What clients have left is written every ten seconds and at the end. After a
//! kill a client's bucket is as it was then, or full: it gets at most what it
//! had taken since, which is one burst, once more.

mod format;
mod table;

use super::Limits;
use crate::files::{self, SECRET};
use format::{Head, ReadError, Reader, Writer};
use openclaw_limiter::Key;
use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

const FILE: &str = "limits.saved";

/// How often what is left is written.
const EVERY: Duration = Duration::from_secs(10);

/// Synced this much at a time, so that no commit of the journal queues behind
/// more on its way to the disk.
const SLICE: u64 = 1 << 20;

/// Keeps what clients have left in a file.
#[derive(Clone)]
pub(crate) struct Saver {
    path: Arc<Path>,
    limits: Arc<Limits>,
    /// One write at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A file that is being read.
pub(crate) struct Restoring(JoinHandle<()>);

impl Restoring {
    /// Before anybody is let in.
    pub(crate) async fn done(self) {
        if let Err(error) = self.0.await {
            tracing::error!(%error, "what clients had left can't be read");
        }
    }
}

impl Saver {
    pub(crate) fn new(data: &Path, limits: Arc<Limits>) -> Self {
        Self { path: data.join(FILE).into(), limits, turn: Arc::default() }
    }

    /// Begins to bring back what was saved; policies must be in force.
    pub(crate) fn restore(&self) -> Restoring {
        let saver = self.clone();
        Restoring(tokio::task::spawn_blocking(move || saver.read()))
    }

    fn read(&self) {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.tell_unread(&error),
        };
        let mut restored = 0;
        match self.read_from(file, &mut restored) {
            Ok(()) => tracing::debug!(restored, "clients have what they had left"),
            Err(error) => self.tell_unread(&error),
        }
    }

    fn tell_unread(&self, error: &dyn std::fmt::Display) {
        tracing::warn!(path = %self.path.display(), %error, "what clients had left is lost, in part or whole: they begin anew");
    }

    fn read_from(&self, file: File, restored: &mut u64) -> Result<(), ReadError> {
        let mut reader = Reader::new(BufReader::with_capacity(1 << 18, file))?;
        let mut bytes = Vec::new();
        if reader.head.seed_check != self.limits.seed_check() {
            let mut dropped = 0;
            while let Some(records) = reader.block(&mut bytes)? {
                dropped += records.len();
            }
            tracing::warn!(
                dropped,
                "clients' names are hashed otherwise than before: their limits, quotas and learned rates begin anew"
            );
            return Ok(());
        }
        let named = self.limits.named(&reader.head.scopes);
        let now = self.limits.now_nanos();
        while let Some(records) = reader.block(&mut bytes)? {
            for record in &records {
                *restored += u64::from(self.limits.restore(record, &named, now));
            }
        }
        Ok(())
    }

    /// Runs for the life of the server.
    pub(crate) async fn keep_saving(self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.save().await;
        }
    }

    /// Writes what clients have left.
    pub(crate) async fn save(&self) {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let saver = self.clone();
        let write = move || {
            // Kept by the write itself: it goes on where nobody waits for it
            // any more, and the last save must not meet it in the file.
            let _turn = turn;
            saver.write()
        };
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(records)) => tracing::debug!(records, "what clients have left is saved"),
            Ok(Err(error)) => {
                tracing::warn!(path = %self.path.display(), %error, "what clients have left can't be saved");
            }
            Err(error) => tracing::error!(%error, "saving what clients have left was cut off"),
        }
    }

    /// Beside, then renamed: the file is whole or not there.
    fn write(&self) -> io::Result<u64> {
        let new = files::beside(&self.path);
        let file = files::create(&new, SECRET)?;
        let (policies, scopes) = self.limits.policies_saved();
        let now = self.limits.now_nanos();
        let head = Head { seed_check: self.limits.seed_check(), saved_at: now, scopes };
        let mut writer = Writer::new(InSlices { file, unsynced: 0 }, &head)?;
        self.limits.each_saved(&policies, now, |record| writer.push(&record))?;
        self.limits.each_saved_level(&head.scopes, now, |record| writer.push(&record))?;
        let (out, records) = writer.finish()?;
        out.file.sync_all()?;
        fs::rename(&new, &self.path)?;
        self.forget_older();
        Ok(records)
    }

    /// What earlier builds began to write and did not end.
    fn forget_older(&self) {
        if let Err(error) = fs::remove_file(self.path.with_extension("new"))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::debug!(%error, "what an earlier build left can't be removed");
        }
    }
}

/// A file that is synced as it is written.
struct InSlices {
    file: File,
    unsynced: u64,
}

impl Write for InSlices {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unsynced += written as u64;
        if self.unsynced >= SLICE {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Limits {
    /// Tells one seed from another, and nothing about either.
    fn seed_check(&self) -> u64 {
        let key: Key = self.limiter.key(0, FILE.as_bytes());
        key.word()
    }
}

#[cfg(test)]
mod tests;
