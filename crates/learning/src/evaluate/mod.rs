//! Limiters beside each other: open loop on recorded arrivals, closed loop on a simulated backend.

pub mod closed;
mod html;
pub mod open;

pub use html::{Bar, Page, Point};
