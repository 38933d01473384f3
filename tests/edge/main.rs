//! Limits over restarts, hand-overs and kills, and the role that does nothing
//! else.

mod handover;
mod load;
mod models;
mod restart;
mod role;
mod sockets;
mod spool;
#[path = "../support/mod.rs"]
mod support;
