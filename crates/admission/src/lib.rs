//! Who may come in now.
//!
//! A tenant's [`Gate`] is its token bucket. What a tenant sends beyond it is
//! not refused: it is kept in the [`FairQueue`], bounded per tenant in bytes,
//! and let in behind the other tenants by deficit round robin. Pure: no clock,
//! no file, no socket.

#![forbid(unsafe_code)]

mod fair;
mod gate;

pub use fair::{FairQueue, Full};
pub use gate::{Gate, Limits};
