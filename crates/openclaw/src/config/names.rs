//! Things that are defined under a name in one part of a tenant's file and used
//! in another.

use super::problem::Problem;
use super::read::{At, Context};
use super::values::Text;
use openclaw_routing::{NamedIntervals, Rota};
use std::sync::Arc;

/// What is defined; also what is defined with faults.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) receivers: Vec<Arc<str>>,
    pub(super) intervals: Vec<Arc<NamedIntervals>>,
    pub(super) rotas: Vec<Arc<Rota>>,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Receiver,
    Interval,
    Rota,
}

impl Kind {
    fn unknown(self, name: String, known: Vec<String>) -> Problem {
        match self {
            Self::Receiver => Problem::UnknownReceiver { name, known },
            Self::Interval => Problem::UnknownInterval { name, known },
            Self::Rota => Problem::UnknownRota { name, known },
        }
    }

    fn twice(self, name: String) -> Problem {
        match self {
            Self::Receiver => Problem::ReceiverTwice { name },
            Self::Interval => Problem::IntervalTwice { name },
            Self::Rota => Problem::RotaTwice { name },
        }
    }
}

/// The defined name; a fault where it isn't.
pub(super) fn named(
    kind: Kind,
    name: &At<Text>,
    known: &[Arc<str>],
    cx: &mut Context<'_>,
) -> Option<Arc<str>> {
    let found = known.iter().find(|known| ***known == name.value.0).cloned();
    if found.is_none() {
        let known = known.iter().take(20).map(|known| known.escape_debug().to_string()).collect();
        cx.fault(&name.place, kind.unknown(name.value.0.escape_debug().to_string(), known));
    }
    found
}

/// A name to be defined; a fault where it is taken.
pub(super) fn new_name<'a>(
    kind: Kind,
    name: &At<Text>,
    mut taken: impl Iterator<Item = &'a Arc<str>>,
    cx: &mut Context<'_>,
) -> Option<Arc<str>> {
    if taken.any(|taken| **taken == *name.value.0) {
        cx.fault(&name.place, kind.twice(name.value.0.escape_debug().to_string()));
        return None;
    }
    Some(name.value.0.as_str().into())
}
