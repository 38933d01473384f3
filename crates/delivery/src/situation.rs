//! How a group stands once what people did is counted in: tools that keep an
//! incident of their own follow it.

use openclaw_alert::{Acted, Feedback, Notification, NotifiedAlert, Reason, Status, Timestamp};
use std::sync::Arc;

/// What a group needs of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Situation<'n> {
    /// Something fires that nobody has taken.
    Open,
    /// All that fires has been taken; by whom last.
    Taken(&'n Acted),
    /// All has ended, or was ended by people; by whom last.
    Over(Option<&'n Acted>),
}

impl<'n> Situation<'n> {
    pub(crate) fn of(notification: &'n Notification) -> Self {
        let latest = |acts: &mut dyn Iterator<Item = &'n Acted>| acts.max_by_key(|acted| acted.at);
        let mut open = notification.alerts.iter().filter(|alert| !is_over(alert)).peekable();
        if open.peek().is_none() {
            return Self::Over(latest(&mut notification.alerts.iter().filter_map(ended_by)));
        }
        // What has been taken isn't repeated until it was forgotten.
        let taken: Option<Vec<_>> = open.map(taken_by).collect();
        match taken.filter(|_| notification.reason != Reason::Repeat) {
            Some(acts) => latest(&mut acts.into_iter()).map_or(Self::Open, Self::Taken),
            None => Self::Open,
        }
    }
}

/// Whether it needs nobody any more: its condition has ended, or a person says so.
pub(crate) fn is_over(alert: &NotifiedAlert) -> bool {
    alert.status == Status::Resolved || ended_by(alert).is_some()
}

fn ended_by(alert: &NotifiedAlert) -> Option<&Acted> {
    let ends = |acted: &&Acted| matches!(acted.action, Feedback::Resolve | Feedback::Dismiss);
    alert.acted.as_ref().filter(ends)
}

fn taken_by(alert: &NotifiedAlert) -> Option<&Acted> {
    alert.acted.as_ref().filter(|acted| acted.action == Feedback::Ack)
}

/// The same deed done to several alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deed {
    pub(crate) action: Feedback,
    pub(crate) by: Arc<str>,
    pub(crate) at: Timestamp,
    pub(crate) alerts: usize,
}

/// What people did, the earliest first; one entry for what one person did in
/// one go.
pub(crate) fn deeds(notification: &Notification) -> Vec<Deed> {
    let mut acts: Vec<&Acted> = notification.alerts.iter().filter_map(|alert| alert.acted.as_ref()).collect();
    acts.sort_by(|a, b| (a.at, &a.by, a.action as u8).cmp(&(b.at, &b.by, b.action as u8)));
    let mut deeds: Vec<Deed> = Vec::new();
    for acted in acts {
        match deeds.last_mut() {
            Some(last) if (last.action, &last.by, last.at) == (acted.action, &acted.by, acted.at) => {
                last.alerts += 1;
            }
            _ => {
                let by = Arc::clone(&acted.by);
                deeds.push(Deed { action: acted.action, by, at: acted.at, alerts: 1 });
            }
        }
    }
    deeds
}

/// In the past tense.
pub(crate) fn done(action: Feedback) -> &'static str {
    match action {
        Feedback::Ack => "acknowledged",
        Feedback::Resolve => "resolved",
        Feedback::Dismiss => "dismissed",
        Feedback::Escalate => "escalated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{NOW, acted, latency, page, resolved};
    use proptest::prelude::*;

    const ACTIONS: [Feedback; 4] =
        [Feedback::Ack, Feedback::Resolve, Feedback::Dismiss, Feedback::Escalate];

    /// In a word, by counting each case.
    fn expected(notification: &Notification) -> &'static str {
        let (mut free, mut taken) = (0, 0);
        for alert in notification.alerts.iter().filter(|alert| alert.status == Status::Firing) {
            match alert.acted.as_ref().map(|acted| acted.action) {
                None | Some(Feedback::Escalate) => free += 1,
                Some(Feedback::Ack) => taken += 1,
                Some(Feedback::Resolve | Feedback::Dismiss) => {}
            }
        }
        match (free, taken) {
            (0, 0) => "over",
            (0, _) if notification.reason != Reason::Repeat => "taken",
            _ => "open",
        }
    }

    proptest! {
        #[test]
        fn is_what_counting_says(
            alerts in prop::collection::vec((any::<bool>(), prop::option::of(0_usize..4)), 0..5),
            is_repeat: bool,
        ) {
            let alerts = alerts.into_iter().map(|(ended, action)| {
                let alert = latency("a");
                let alert = if ended { resolved(alert) } else { alert };
                match action {
                    Some(at) => acted(alert, ACTIONS[at], "ann in Slack", NOW),
                    None => alert,
                }
            });
            let mut notification = page(alerts.collect());
            if is_repeat {
                notification.reason = Reason::Repeat;
            }
            let found = match Situation::of(&notification) {
                Situation::Open => "open",
                Situation::Taken(_) => "taken",
                Situation::Over(_) => "over",
            };
            prop_assert_eq!(found, expected(&notification));
            let told: usize = deeds(&notification).iter().map(|deed| deed.alerts).sum();
            prop_assert_eq!(told, notification.alerts.iter().filter(|alert| alert.acted.is_some()).count());
        }
    }

    #[test]
    fn the_last_one_to_act_is_named() {
        let later = NOW.plus(std::time::Duration::from_secs(1));
        let mut group = page(vec![
            acted(latency("a"), Feedback::Ack, "ann", later),
            acted(latency("b"), Feedback::Ack, "bob", NOW),
        ]);
        assert!(matches!(Situation::of(&group), Situation::Taken(acted) if &*acted.by == "ann"));
        group.alerts[1] = acted(latency("b"), Feedback::Dismiss, "bob", NOW);
        group.alerts[0] = resolved(group.alerts[0].clone());
        assert!(matches!(Situation::of(&group), Situation::Over(Some(acted)) if &*acted.by == "bob"));
        group.alerts[1] = resolved(latency("b"));
        assert_eq!(Situation::of(&group), Situation::Over(None));
    }
}
