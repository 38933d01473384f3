//! Messages and services of `proto/`, and what reflection tells of them.

#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    dead_code,
    clippy::all,
    clippy::pedantic,
    reason = "made by build.rs"
)]

include!(concat!(env!("OUT_DIR"), "/protocols.rs"));

/// Every file with all that it imports.
pub(super) const FILES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/envoy.bin"));
