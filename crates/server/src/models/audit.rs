//! `DATA/audit.jsonl`: who changed what and why, a line each, never rewritten.

use openclaw_alert::Timestamp;
use openclaw_learning::rollout::Figures;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const FILE: &str = "audit.jsonl";

/// One thing that was done to models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Entry {
    /// When, RFC 3339.
    pub(super) at: String,
    /// Whose doing it was.
    pub(super) who: String,
    /// `model.shadow`, `model.advance`, `model.promote`, `model.rollback`.
    pub(super) what: &'static str,
    /// The model that it was done to.
    pub(super) model: String,
    /// How far that has come.
    pub(super) stage: String,
    /// The model that runs from now on.
    pub(super) running: String,
    /// Why.
    pub(super) why: String,
    /// What had been seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) figures: Option<Figures>,
}

pub(super) fn time(at: Timestamp) -> String {
    let mut text = Vec::new();
    at.write_rfc3339(&mut text, 0);
    String::from_utf8(text).unwrap_or_default()
}

/// The file.
#[derive(Debug, Clone)]
pub(super) struct Audit(PathBuf);

impl Audit {
    pub(super) fn new(data: &Path) -> Self {
        Self(data.join(FILE))
    }

    /// Durable when this comes back.
    pub(super) fn note(&self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut file = self.open()?;
        file.write_all(&line)?;
        file.sync_data()
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(0o600).open(&self.0)
    }
}
