//! What clients did, kept for months.

#![forbid(unsafe_code)]
