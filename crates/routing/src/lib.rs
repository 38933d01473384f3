//! Where an alert goes: the route, the group it joins there, and when that
//! group is told. Pure: (settings, labels, time) in, decisions out; receivers
//! are known by name only.

#![forbid(unsafe_code)]

mod digest;
mod flush;
mod group;
mod settings;

pub use digest::{DigestSchedule, DigestScheduleError};
pub use flush::{IntegrationLog, MAX_INTEGRATIONS, Member, Told, flush_reason};
pub use group::{first_flush_at, group_key, group_labels};
pub use settings::{GroupBy, Integration, Receiver, Route};
