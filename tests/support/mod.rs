//! What the tests of the whole program share: a server in its own folder, a
//! plain HTTP client, a receiver that records, waits with an end.

#![allow(dead_code, unused_imports, reason = "each test program uses its own part of this")]

pub(crate) mod alerts;
pub(crate) mod client;
pub(crate) mod nginx;
pub(crate) mod programs;
pub(crate) mod server;
pub(crate) mod sink;
pub(crate) mod wait;

pub(crate) use alerts::{Alert, now};
pub(crate) use client::Request;
pub(crate) use server::Folder;
pub(crate) use sink::{Reply, Seen, Sink};
pub(crate) use wait::{pause, until, until_some};
