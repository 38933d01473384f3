//! The world as tests need it: the whole way of an alert in virtual time, with
//! sources that repeat themselves, receivers that lie, processes that end
//! anywhere, and a disk that loses whatever was not synced.
//!
//! - [`plan`]: what happens in a run, drawn from its seed.
//! - [`routes`]: where alerts go in it, as settings and in plain words.
//! - [`world`]: the loop that lets it happen.
//! - [`machine`]: a process as the server runs it.
//! - [`checker`]: the judge, who sees what is seen from outside.
//! - [`disk`]: the disk.

#![forbid(unsafe_code)]

pub mod checker;
pub mod disk;
pub mod forgetful;
pub mod machine;
pub mod plan;
pub mod routes;
pub mod world;
