//! What is to be done about an incident: one look at what is there, then at
//! most one change.

use super::record::{Incident, Mark, State, message_hash};
use crate::headline::{Deed, deeds};
use crate::situation::Situation;
use openclaw_alert::{Notification, Reason};

/// The one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan<'f> {
    /// It is as it should be.
    Nothing,
    Create,
    /// A work note, and with it perhaps a state.
    Update(&'f Incident, Option<NewState>),
}

/// A state that we set. Incidents are never closed: that is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewState {
    InProgress,
    Resolved,
}

impl NewState {
    pub(super) fn number(self) -> &'static str {
        match self {
            Self::InProgress => "2",
            Self::Resolved => "6",
        }
    }
}

/// `found` is the group's latest incident.
pub(super) fn plan<'f>(
    found: Option<&'f Incident>,
    notification: &Notification,
    may_resolve: bool,
) -> Plan<'f> {
    let situation = Situation::of(notification);
    let Some(incident) = found else {
        // What nobody was told of here needs no end.
        return if matches!(situation, Situation::Over(_)) { Plan::Nothing } else { Plan::Create };
    };
    if incident.mark.is_some_and(|mark| mark.message == message_hash(notification)) {
        return Plan::Nothing;
    }
    let state = match (incident.state, situation) {
        // What was ended stays so; what fires again is a new incident.
        (State::Over, Situation::Open) => return Plan::Create,
        (State::Over, _) => return Plan::Nothing,
        (_, Situation::Over(_)) if may_resolve => Some(NewState::Resolved),
        (State::New, Situation::Taken(_)) => Some(NewState::InProgress),
        _ => None,
    };
    if state.is_none() && has_no_news(notification, incident.mark) {
        return Plan::Nothing;
    }
    Plan::Update(incident, state)
}

/// An action that came from the instance itself, or was noted before.
fn has_no_news(notification: &Notification, mark: Option<Mark>) -> bool {
    let latest = mark.map_or(0, |mark| mark.latest);
    let has_new_alerts = notification.alerts.iter().any(|alert| alert.id.offset > latest);
    notification.reason == Reason::Acted && !has_new_alerts && news(notification, mark).is_empty()
}

/// What people did since the last note, in other tools than this one.
pub(super) fn news<'n>(notification: &'n Notification, mark: Option<Mark>) -> Vec<Deed<'n>> {
    let is_new = |deed: &Deed<'_>| mark.is_none_or(|mark| deed.acted.at > mark.told_at);
    let is_from_here = |deed: &Deed<'_>| deed.acted.by.ends_with(" in ServiceNow");
    deeds(notification).into_iter().filter(|deed| is_new(deed) && !is_from_here(deed)).collect()
}
