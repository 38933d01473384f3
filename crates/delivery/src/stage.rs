//! How far people are with a group.

use crate::situation::ended_by;
use openclaw_alert::{Feedback, Notification, NotificationKind, NotifiedAlert, Status};

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
        let firing = || notification.alerts.iter().filter(|alert| alert.status == Status::Firing);
        if notification.kind == NotificationKind::Digest {
            Self::Digest
        } else if firing().next().is_none() {
            Self::Over
        } else if firing().all(is_judged) {
            Self::Judged
        } else if firing().all(|alert| is_judged(alert) || action(alert) == Some(Feedback::Ack)) {
            Self::Taken
        } else {
            Self::Open
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

/// Whether a person has said what it was worth.
pub(crate) fn is_judged(alert: &NotifiedAlert) -> bool {
    ended_by(alert).is_some()
}

fn action(alert: &NotifiedAlert) -> Option<Feedback> {
    alert.acted.as_ref().map(|acted| acted.action)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{acted, latency, page, resolved};

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
