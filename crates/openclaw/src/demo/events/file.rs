//! Alerts from a file, for `--alerts FILE`: JSON lines or a ServiceNow
//! incident export, plain or gzip. Read in one pass; what is kept is the
//! events, since they must be put in order of time.

use super::DemoEvent;
use super::{json_lines, servicenow};
use flate2::read::MultiGzDecoder;
use openclaw_alert::{TenantNameError, Timestamp};
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Longest line; a row of an export is bounded alike, but for what is read
/// ahead.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;
/// Most alerts in a file.
pub(super) const ALERTS_MAX: usize = 1_000_000;
/// Most text in a file, unpacked.
const TEXT_BYTES_MAX: u64 = 512 << 20;

/// Enough to tell the format by: the header of an export fits.
const HEAD_BYTES: u64 = 8 << 10;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const UTF8_MARK: &[u8] = "\u{feff}".as_bytes();

/// A file of alerts that can't be used: which, where, and why.
#[derive(Debug)]
pub(crate) struct FileError {
    /// The file.
    pub(crate) path: PathBuf,
    /// Line, from 1, where one is at fault.
    pub(crate) line: Option<u64>,
    /// What is wrong there.
    pub(crate) fault: Fault,
}

/// What is wrong with a file of alerts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// It can't be opened, read or unpacked.
    #[error("cannot read it: {0}")]
    Read(#[source] io::Error),
    /// Neither of the formats.
    #[error("neither JSON lines nor an incident export")]
    UnknownFormat,
    /// Nothing to play.
    #[error("it holds no alerts")]
    Empty,
    /// A line beyond the bound.
    #[error("the line is longer than {LINE_BYTES_MAX} bytes")]
    LineTooLong,
    /// More alerts than are kept.
    #[error("more than {ALERTS_MAX} alerts")]
    TooManyAlerts,
    /// Bytes that are no text.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// A line that holds something else than an object, such as a list.
    #[error("the line is no JSON object")]
    NoObject,
    /// A line that is no postable alert.
    #[error("column {column}: {detail}")]
    Json {
        /// From 1.
        column: usize,
        /// In the parser's words.
        detail: String,
    },
    /// An export without a column that is needed.
    #[error("column `{column}` is missing")]
    ColumnMissing {
        /// Its name in the header.
        column: &'static str,
    },
    /// A row that is shorter or longer than the header.
    #[error("the row has {found} fields, the header has {expected}")]
    RowLength {
        /// Fields of the row.
        found: u64,
        /// Fields of the header.
        expected: u64,
    },
    /// A field without a value.
    #[error("`{field}` is empty")]
    FieldEmpty {
        /// Its name.
        field: &'static str,
    },
    /// A field that should hold a time.
    #[error("`{field}` is no time: `{value}`")]
    Time {
        /// Its name.
        field: &'static str,
        /// What it holds, shortened.
        value: String,
        /// How to write it.
        expected: &'static str,
    },
    /// An end before the start.
    #[error("`endsAt` is before `startsAt`")]
    EndsBeforeStart,
    /// A tenant that can't be.
    #[error("`tenant`: {0}")]
    Tenant(#[source] TenantNameError),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path.display(), self.fault),
            None => write!(f, "{}: {}", self.path.display(), self.fault),
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.fault.source()
    }
}

impl FileError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        match &self.fault {
            Fault::Read(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                "split the file and play its parts".to_owned()
            }
            Fault::Read(_) => "name a readable file, plain or gzip".to_owned(),
            Fault::UnknownFormat | Fault::Empty => {
                "give one alert a line, `{\"labels\": {\"alertname\": \"…\"}}`, or a CSV with `number` and `opened_at` in its header".to_owned()
            }
            Fault::LineTooLong => "give one alert a line, and close every quote".to_owned(),
            Fault::TooManyAlerts => "split the file and play its parts".to_owned(),
            Fault::NotUtf8 => "save the file as UTF-8".to_owned(),
            Fault::NoObject | Fault::Json { .. } => {
                "write one object a line, `{\"labels\": {\"alertname\": \"…\"}}`; `jq -c '.[]'` splits a list".to_owned()
            }
            Fault::ColumnMissing { column } => format!("export the incidents with the column `{column}`"),
            Fault::RowLength { .. } => "put fields that contain a comma in quotes".to_owned(),
            Fault::FieldEmpty { field } => format!("give `{field}` a value, or take the line out"),
            Fault::Time { expected, .. } => format!("write {expected}"),
            Fault::EndsBeforeStart => "give an end that is not before the start, or none".to_owned(),
            Fault::Tenant(_) => "name one of the tenants, or leave `tenant` out".to_owned(),
        }
    }
}

/// A fault and the line it is in; the file is known further up.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) line: Option<u64>,
    pub(super) fault: Fault,
}

impl Fault {
    pub(super) fn at(self, line: u64) -> Failure {
        Failure { line: Some(line), fault: self }
    }

    fn anywhere(self) -> Failure {
        Failure { line: None, fault: self }
    }

    /// A time that can't be read; no more of it is quoted than helps.
    pub(super) fn time(field: &'static str, value: &str, expected: &'static str) -> Self {
        Self::Time { field, value: value.chars().take(80).collect(), expected }
    }
}

/// The events of a file in order of time. Alerts without any time follow each
/// other a second apart, the first at `start`.
///
/// # Errors
/// [`FileError`] names the file, the line and the field.
pub(crate) fn open(path: &Path, start: Timestamp) -> Result<Vec<DemoEvent>, FileError> {
    let file = File::open(path).map_err(|error| Fault::Read(error).anywhere());
    file.and_then(|file| read(file, start)).map_err(|Failure { line, fault }| FileError {
        path: path.to_owned(),
        line,
        fault,
    })
}

/// The same for what has been opened.
pub(super) fn read(input: impl Read + 'static, start: Timestamp) -> Result<Vec<DemoEvent>, Failure> {
    let unreadable = |error| Fault::Read(error).anywhere();
    let (magic, input) = with_head(input, GZIP_MAGIC.len() as u64).map_err(unreadable)?;
    let text: Box<dyn Read> =
        if magic == GZIP_MAGIC { Box::new(MultiGzDecoder::new(input)) } else { Box::new(input) };
    let text = Bounded { inner: text, left: TEXT_BYTES_MAX };
    let (mark, text) = with_head(text, UTF8_MARK.len() as u64).map_err(unreadable)?;
    let text: Box<dyn Read> = if mark == UTF8_MARK { Box::new(text.into_inner().1) } else { Box::new(text) };
    let (head, text) = with_head(text, HEAD_BYTES).map_err(unreadable)?;
    let mut events = match head.trim_ascii_start().first() {
        Some(b'{' | b'[') => json_lines::read(BufReader::new(text), start)?,
        Some(_) if servicenow::is_header(&head) => servicenow::read(text)?,
        Some(_) => return Err(Fault::UnknownFormat.anywhere()),
        None => return Err(Fault::Empty.anywhere()),
    };
    if events.is_empty() {
        return Err(Fault::Empty.anywhere());
    }
    events.sort_by_key(|event| event.at);
    Ok(events)
}

type WithHead<R> = io::Chain<io::Cursor<Vec<u8>>, R>;

/// The first bytes, and a reader that still gives them.
fn with_head<R: Read>(mut input: R, bytes: u64) -> io::Result<(Vec<u8>, WithHead<R>)> {
    let mut head = Vec::new();
    input.by_ref().take(bytes).read_to_end(&mut head)?;
    Ok((head.clone(), io::Cursor::new(head).chain(input)))
}

/// Ends with an error instead of reading on for ever: a small gzip can hold a
/// lot.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(bytes as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {TEXT_BYTES_MAX} bytes of text"))
        })?;
        Ok(bytes)
    }
}
