//! Limiters beside each other: open loop on recorded arrivals, closed loop on a simulated backend.

pub mod closed;
pub mod open;
