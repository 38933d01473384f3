//! How a group stands once what people did is counted in: tools that keep an
//! incident of their own follow it.

use openclaw_alert::{Acted, Feedback, Notification, NotifiedAlert, Status};

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
        let taken: Option<Vec<_>> = open.map(taken_by).collect();
        taken.and_then(|acts| latest(&mut acts.into_iter())).map_or(Self::Open, Self::Taken)
    }
}

/// Whether it needs nobody any more: its condition has ended, or a person says so.
pub(crate) fn is_over(alert: &NotifiedAlert) -> bool {
    alert.status == Status::Resolved || ended_by(alert).is_some()
}

/// What a person did that says that it is over.
pub(crate) fn ended_by(alert: &NotifiedAlert) -> Option<&Acted> {
    let ends = |acted: &&Acted| matches!(acted.action, Feedback::Resolve | Feedback::Dismiss);
    alert.acted.as_ref().filter(ends)
}

fn taken_by(alert: &NotifiedAlert) -> Option<&Acted> {
    alert.acted.as_ref().filter(|acted| acted.action == Feedback::Ack)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{NOW, acted_at, latency, page, resolved};
    use proptest::prelude::*;

    const ACTIONS: [Feedback; 4] = [Feedback::Ack, Feedback::Resolve, Feedback::Dismiss, Feedback::Escalate];

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
            (0, _) => "taken",
            _ => "open",
        }
    }

    proptest! {
        #[test]
        fn is_what_counting_says(
            alerts in prop::collection::vec((any::<bool>(), prop::option::of(0_usize..4)), 0..5),
        ) {
            let alerts = alerts.into_iter().map(|(ended, action)| {
                let alert = latency("a");
                let alert = if ended { resolved(alert) } else { alert };
                match action {
                    Some(at) => acted_at(alert, ACTIONS[at], "ann in Slack", NOW),
                    None => alert,
                }
            });
            let notification = page(alerts.collect());
            let found = match Situation::of(&notification) {
                Situation::Open => "open",
                Situation::Taken(_) => "taken",
                Situation::Over(_) => "over",
            };
            prop_assert_eq!(found, expected(&notification));
        }
    }

    #[test]
    fn the_last_one_to_act_is_named() {
        let later = NOW.plus(std::time::Duration::from_secs(1));
        let mut group = page(vec![
            acted_at(latency("a"), Feedback::Ack, "ann", later),
            acted_at(latency("b"), Feedback::Ack, "bob", NOW),
        ]);
        assert!(matches!(Situation::of(&group), Situation::Taken(acted) if &*acted.by == "ann"));
        group.alerts[1] = acted_at(latency("b"), Feedback::Dismiss, "bob", NOW);
        group.alerts[0] = resolved(group.alerts[0].clone());
        assert!(matches!(Situation::of(&group), Situation::Over(Some(acted)) if &*acted.by == "bob"));
        group.alerts[1] = resolved(latency("b"));
        assert_eq!(Situation::of(&group), Situation::Over(None));
    }
}
