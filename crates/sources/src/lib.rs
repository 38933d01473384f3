//! Alerts in the formats that other tools send: bytes in, alerts out.
//!
//! One module a format. A decoder knows the limits of its format, keeps the
//! valid alerts of a request as that format's own server would, and has the
//! answer to give in that server's words. Nothing here reads a clock, a file
//! or a socket, and nothing here knows what becomes of an alert.

#![forbid(unsafe_code)]

pub mod alertmanager;
pub mod way_back;
