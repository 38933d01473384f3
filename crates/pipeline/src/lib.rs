//! The order in which stages run, as one pure state machine.
//!
//! A [`Partition`] takes an [`Input`] and the time, and gives [`Effects`]:
//! records to commit as one frame, messages to send after the commit, and the
//! time at which it wants to be stepped again. It reads no clock, file or
//! socket, so a simulator can run the whole way of an alert in a plain loop.
//!
//! - [`step`](Partition::step): the stages, in order.
//! - [`Record`]: what is written down, and all that recovery needs.
//! - [`trail`]: what the records say about one alert, for people.

#![forbid(unsafe_code)]

mod alerts;
mod effects;
mod erase;
mod groups;
mod lanes;
mod looks;
mod offboard;
mod outbox;
mod partition;
mod past_groups;
mod people;
mod record;
mod routes;
mod sending;
mod settings;
mod signals;
mod silences;
mod snapshot;
mod state;
mod step;
mod timers;
pub mod trail;
mod views;
mod watch;

pub use alerts::Phase;
pub use effects::{Ack, AlertEnd, Effects, Ended, Send, Taken};
pub use erase::Eraser;
pub use offboard::LeftToTell;
pub use outbox::group_in_dedup_key;
pub use partition::Partition;
pub use past_groups::PastGroup;
pub use people::Action;
pub use record::{Cause, End, Rated, Record, records};
pub use settings::{
    DeliveryMode, Digest, REARM_AFTER, RatingMode, RatingPolicy, RetryPolicy, TenantSettings,
};
pub use step::{Input, PastAlert};
pub use views::{AlertView, GroupRef, GroupView, ListKey, MessageView, Suppression, TenantGauges};
pub use watch::{INTERNAL_SOURCE, Notice, SOURCE_SILENT, WATCHDOG};
