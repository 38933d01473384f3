//! The words that every stage shares.
//!
//! An alert comes in as an [`Incoming`] of a [`Batch`], lives as an episode
//! with an [`EpisodeId`], is given a [`Score`], and leaves inside a
//! [`Notification`]. Nothing here knows how these are stored, rated, routed
//! or sent; nothing here reads a clock, a file or a socket.

#![forbid(unsafe_code)]

pub mod codec;
mod content;
mod id;
mod incoming;
pub mod json;
mod labels;
mod matcher;
mod notification;
mod score;
mod tenant;
mod time;

pub use content::Content;
pub use id::EpisodeId;
pub use incoming::{Batch, Incoming, Item, KEY_LABEL, Signal, SignalKind};
pub use labels::{Labels, LabelsBuilder, fnv1a};
pub use matcher::{
    MATCHER_BYTES_MAX, MatchOp, Matcher, MatcherError, PATTERN_BYTES_MAX, PatternError, anchored,
    display_list,
};
pub use notification::{
    Acted, Notification, NotificationKind, NotifiedAlert, Pace, Past, RECEIPT_BYTES_MAX, Reason, SendOutcome,
    Status,
};
pub use score::{FACTOR_COUNT, FACTORS, Feedback, Score, logistic};
pub use tenant::{PARTITIONS, PartitionId, TenantName, TenantNameError};
pub use time::{Timestamp, TimestampError, Zoned};
