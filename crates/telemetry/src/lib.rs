//! What clients did, kept for months: Parquet files by kind, tenant and day,
//! which any tool reads as they stand.
//!
//! A [`Recorder`] takes rows without waiting and writes them in the background;
//! a [`Store`] reads them back. A file is there whole or not at all.

#![forbid(unsafe_code)]

mod columns;
mod counts;
mod error;
mod files;
mod layout;
mod recorder;
mod rows;
mod series;
mod store;
mod table;
mod tend;

pub use counts::{Counts, Dropped};
pub use error::TelemetryError;
pub use layout::{Day, Kind};
pub use recorder::{Now, Recorder, RecorderOptions};
pub use rows::{ClientId, ObservationRow, TICKS, WindowRow};
pub use series::{Series, Windows, WindowsQuery};
pub use store::Store;
pub use table::Table;
pub use tend::Tended;
