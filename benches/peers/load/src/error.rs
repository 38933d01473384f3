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
    #[error("cannot listen on port `{port}`: {source}; is it taken?")]
    Listen { port: u16, source: io::Error },
    /// The server can't be reached.
    #[error("cannot connect to `{address}`: {source}; is the server running?")]
    Connect { address: String, source: io::Error },
    /// The exchange broke off.
    #[error("the exchange broke off: {0}")]
    Exchange(#[from] io::Error),
    /// The HTTP/2 exchange broke off.
    #[error("the HTTP/2 exchange broke off: {0}")]
    Http2(#[from] h2::Error),
    /// A header that isn't one.
    #[error("`{text}` is not a header: expected `Name: value`")]
    Header { text: String },
    /// Another machine.
    #[error("`{text}` is not an address on this machine: expected `127.0.0.1:PORT`")]
    Address { text: String },
    /// An answer that can't be told from the next.
    #[error("an answer has neither a length nor an end that this load knows: `{start}`")]
    Answer { start: String },
    /// An answer where another was needed.
    #[error("the server refused what it should take: `{answer}`")]
    Refused { answer: String },
    /// It never got ready.
    #[error("`{address}` was not ready after {seconds} s, or its process has ended")]
    NotReady { address: String, seconds: u64 },
    /// A program that can't be run.
    #[error("cannot run `{program}`: {source}")]
    Program { program: PathBuf, source: io::Error },
    /// A program that said something else.
    #[error("`{program}` ended without its figures: {output}")]
    Figures { program: PathBuf, output: String },
    /// A file that can't be read.
    #[error("cannot use `{path}`: {source}")]
    File { path: PathBuf, source: io::Error },
    /// A line of results that isn't one.
    #[error("`{path}` line {line}: {source}")]
    Line { path: PathBuf, line: usize, source: serde_json::Error },
    /// More answers than requests.
    #[error("an answer came that nobody asked for")]
    Unasked,
    /// No samples.
    #[error("not one answer came")]
    NoSamples,
    /// A thread of the load.
    #[error("a thread of the load ended early")]
    Thread,
}
