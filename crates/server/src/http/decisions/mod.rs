//! May this client go on? Asked over HTTP, one at a time, in batches, and by
//! proxies (`/auth`).
//!
//! The same code answers whoever has read the request: the fast loop
//! ([`super::fast`]) or hyper. It takes a [`Head`] and writes a [`Reply`].

mod ask;
mod batch;
mod by_hyper;
mod fields;
mod guard;
mod head;
mod json;
mod rate;
mod reply;

pub(super) use by_hyper::answer;
pub(super) use head::{Head, PROXY_HEADERS, Question};
pub(super) use reply::Reply;

use super::problem::Problem;
use super::service::Core;
use crate::limits::{LimitsNow, TenantLimits};
use std::sync::Arc;

/// Whose limits have answered; nobody's where the request was turned away.
pub(super) type Whose<'l> = Option<&'l Arc<TenantLimits>>;

/// What a question is answered by.
#[derive(Clone, Copy)]
pub(super) struct Ground<'c, 'l> {
    pub(super) core: &'c Core,
    pub(super) limits: &'l LimitsNow,
    /// One reading of the clock for all of it.
    pub(super) now_nanos: u64,
}

/// Answers a question.
pub(super) fn decide<'l>(
    ground: Ground<'_, 'l>,
    question: Question,
    head: &Head<'_>,
    body: &[u8],
    reply: &mut Reply,
) -> Whose<'l> {
    let mut whose = None;
    let answered = match question {
        Question::Rate => rate::answer(ground, head, reply, &mut whose),
        Question::Decisions => batch::answer(ground, head, body, reply, &mut whose),
        Question::Auth => guard::answer(ground, head, reply, &mut whose),
    };
    if let Err(problem) = answered {
        reply.problem(&problem);
    }
    whose
}

/// What [`decide`]'s handlers give: nothing more to say, or what is wrong.
type Answered = Result<(), Problem>;
