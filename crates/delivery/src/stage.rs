//! How far people are with a group.

use crate::situation::Situation;
use openclaw_alert::{Notification, NotificationKind, Status};

/// What a message about a group asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// To be read, not acted on.
    Digest,
    /// Something fires that nobody has taken.
    Open,
    /// Somebody is at all that fires.
    Taken,
    /// All that fires was resolved or dismissed by people.
    Judged,
    /// Nothing fires.
    Over,
}

impl Stage {
    pub(crate) fn of(notification: &Notification) -> Self {
        match Situation::of(notification) {
            _ if notification.kind == NotificationKind::Digest => Self::Digest,
            Situation::Open => Self::Open,
            Situation::Taken(_) => Self::Taken,
            Situation::Over(_) if notification.status() == Status::Firing => Self::Judged,
            Situation::Over(_) => Self::Over,
        }
    }

    /// Its sign in a headline; the words beside it say the same.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Digest => "⚪",
            Self::Open => "🔴",
            Self::Taken => "🟠",
            Self::Judged => "🟡",
            Self::Over => "🟢",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{acted, latency, page, resolved};
    use openclaw_alert::Feedback;

    #[test]
    fn the_least_done_decides() {
        let did = |action| acted(latency("a"), action, "ann");
        let (ack, judged) = (did(Feedback::Ack), did(Feedback::Dismiss));
        let over = resolved(latency("a"));
        for (alerts, want) in [
            (vec![], Stage::Over),
            (vec![over.clone()], Stage::Over),
            (vec![ack.clone(), latency("b")], Stage::Open),
            (vec![ack.clone(), did(Feedback::Escalate)], Stage::Open),
            (vec![ack.clone(), judged.clone(), over.clone()], Stage::Taken),
            (vec![judged, did(Feedback::Resolve), over], Stage::Judged),
        ] {
            assert_eq!(Stage::of(&page(alerts)), want);
        }
    }
}
