//! What can go wrong while measuring.

use std::io;
use std::path::PathBuf;

/// A measure that could not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// No runtime.
    #[error("cannot start: {0}")]
    Runtime(#[source] io::Error),
    /// Standard output.
    #[error("cannot print: {0}")]
    Print(#[source] io::Error),
    /// A socket of our own.
    #[error("cannot listen on `{address}`: {source}; is it taken?")]
    Listen { address: String, source: io::Error },
    /// The server can't be reached.
    #[error("cannot connect to `{address}`: {source}; is the server running?")]
    Connect { address: String, source: io::Error },
    /// The exchange broke off.
    #[error("the exchange with `{address}` broke off: {source}")]
    Exchange { address: String, source: hyper::Error },
    /// A body that can't be taken whole.
    #[error("a body broke off or is larger than {bytes_max} bytes: {detail}")]
    Body { bytes_max: usize, detail: String },
    /// A header that isn't one.
    #[error("`{text}` is not a header: expected `Name: value`")]
    Header { text: String },
    /// A refusal where an answer was needed.
    #[error("`{path}` was answered with {status}: {body}")]
    Refused { path: &'static str, status: u16, body: String },
    /// It never got ready.
    #[error("`{address}` was not ready after {seconds} s, or its process has ended")]
    NotReady { address: String, seconds: u64 },
    /// A file that can't be read or written.
    #[error("cannot use `{path}`: {source}")]
    File { path: PathBuf, source: io::Error },
    /// A line of results that isn't one.
    #[error("`{path}` line {line}: {source}")]
    Line { path: PathBuf, line: usize, source: serde_json::Error },
    /// No samples.
    #[error("not one of {wanted} samples could be taken")]
    NoSamples { wanted: usize },
    /// The other thread.
    #[error("the storm ended early")]
    StormEnded,
}
