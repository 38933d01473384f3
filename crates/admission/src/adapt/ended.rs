//! Windows that have ended, as they are kept for training.

use super::sums::Decided;
use super::tally::{Ticks, Window};
use super::{Answers, TenantIndex};
use crate::RateSettings;
use openclaw_limiter::{Key, PolicyId, Rate};
use std::sync::Arc;

/// A client's window that has ended: all that what was learned from it was
/// made of, so that it can be learned from again and give the same bits.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedWindow {
    /// Whose client.
    pub tenant: TenantIndex,
    /// Under which policy.
    pub policy: PolicyId,
    /// Who.
    pub key: Key,
    /// When it ended.
    pub ended_nanos: u64,
    /// Windows that had been taken in before it, up to a hundred; at 0 the
    /// client begins anew.
    pub before: u8,
    /// Tokens asked for in each tick.
    pub ticks: Ticks,
    /// What was decided.
    pub decided: Decided,
    /// What was taken in: the window, as far as it counts.
    pub counted: Window,
    /// The bucket that was in force at its end.
    pub in_force: Rate,
    /// The bucket that the client would have had, were its advice in force;
    /// its policy's while nothing is advised.
    pub advised: RateSettings,
    /// Whether the backend suffered.
    pub is_strained: bool,
    /// Requests whose outcome was told, up to 65 535, and those of them that
    /// failed by the client's own doing.
    pub answered: [u16; 2],
    /// What the answers were like.
    pub answers: Answers,
    /// What had predicted for it.
    pub model: Arc<str>,
}
