//! What is written is there afterwards: once, whole, and for as long as it is
//! to be kept.

mod kept;
mod killed;
mod made;
mod read;
mod readers;
