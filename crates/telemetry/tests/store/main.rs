//! What is written is there afterwards: once, whole, and for as long as it is
//! to be kept.

mod cost;
mod kept;
mod killed;
mod made;
mod read;
mod readers;
