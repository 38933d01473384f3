//! A message that stands in a chat: it is edited as its group changes, and
//! answered where people should hear of the change.
//!
//! What was told stands in the receipt, not in the reason of the next message:
//! a message that waits is replaced by the next one, and its news must not be
//! lost with it.

use crate::outcome::told_in_part;
use openclaw_alert::{Notification, NotificationKind, NotifiedAlert, Reason, SendOutcome, Status};

/// Where a group's message stands, and what of the group has been told there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Channel or chat, in the service's words.
    pub(crate) place: String,
    /// The message there.
    pub(crate) message: String,
    /// Offset of the latest episode that was told.
    latest: u64,
    /// Whether all were told to be over.
    is_over: bool,
}

/// A message as the service names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Posted {
    pub(crate) place: String,
    pub(crate) message: String,
}

/// How a change reaches people, beside the edited message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hear {
    /// For all to notice.
    Aloud,
    /// For who looks at the message.
    Quietly,
    /// The edit says it.
    Not,
}

/// An edit that did not happen.
#[derive(Debug)]
pub(crate) enum EditError {
    /// The message isn't there, or can't be edited any more.
    Gone,
    /// As with any message.
    Failed(SendOutcome),
}

/// A service whose messages can be edited.
pub(crate) trait Chat {
    /// A new message; `None` where the service doesn't name it.
    async fn post(&self) -> Result<Option<Posted>, SendOutcome>;
    /// The standing message, as the group is now.
    async fn edit(&self, standing: &Standing) -> Result<(), EditError>;
    /// A word below the standing message.
    async fn reply(&self, standing: &Standing, is_aloud: bool) -> Result<(), SendOutcome>;
}

/// Edits what stands, or posts anew.
pub(crate) async fn tell(chat: &impl Chat, notification: &Notification) -> SendOutcome {
    let Some(standing) = Standing::of(notification) else { return post(chat, notification).await };
    match chat.edit(&standing).await {
        Ok(()) => {}
        Err(EditError::Gone) => return post(chat, notification).await,
        Err(EditError::Failed(outcome)) => return outcome,
    }
    match standing.hear(notification) {
        Hear::Not => {}
        hear => match chat.reply(&standing, hear == Hear::Aloud).await {
            Ok(()) => {}
            // Where nobody may answer below, what is loud stands on its own.
            Err(SendOutcome::Never { .. }) if hear == Hear::Aloud => {
                return told_in_part(post(chat, notification).await);
            }
            Err(SendOutcome::Never { .. }) => {}
            Err(outcome) => return told_in_part(outcome),
        },
    }
    let Standing { place, message, .. } = standing;
    SendOutcome::Delivered { receipt: Standing::after(notification, Posted { place, message }).receipt() }
}

async fn post(chat: &impl Chat, notification: &Notification) -> SendOutcome {
    match chat.post().await {
        Ok(posted) => {
            let posted = posted.filter(|_| notification.kind == NotificationKind::Page);
            let receipt = posted.and_then(|posted| Standing::after(notification, posted).receipt());
            SendOutcome::Delivered { receipt }
        }
        Err(outcome) => outcome,
    }
}

impl Standing {
    /// From the receipt of the group's last message. Each digest is a message
    /// of its own.
    fn of(notification: &Notification) -> Option<Self> {
        let receipt = notification.receipt.as_deref()?;
        if notification.kind == NotificationKind::Digest {
            return None;
        }
        let mut words = receipt.split('/');
        let (place, message) = (words.next()?.to_owned(), words.next()?.to_owned());
        let latest = words.next().and_then(|number| number.parse().ok()).unwrap_or_default();
        let is_over = words.next() == Some("over");
        let is_whole = !place.is_empty() && !message.is_empty();
        is_whole.then_some(Self { place, message, latest, is_over })
    }

    fn after(notification: &Notification, posted: Posted) -> Self {
        let latest = notification.alerts.iter().map(|alert| alert.id.offset).max();
        let before = Self::of(notification).map(|before| before.latest);
        let Posted { place, message } = posted;
        let latest = latest.max(before).unwrap_or_default();
        Self { place, message, latest, is_over: notification.status() == Status::Resolved }
    }

    /// `None` where the service's words can't be told apart again.
    fn receipt(&self) -> Option<Box<str>> {
        let is_odd = |word: &str| word.is_empty() || word.len() > 100 || word.contains('/');
        if is_odd(&self.place) || is_odd(&self.message) {
            return None;
        }
        let over = if self.is_over { "/over" } else { "" };
        Some(format!("{}/{}/{}{over}", self.place, self.message, self.latest).into())
    }

    fn hear(&self, notification: &Notification) -> Hear {
        let is_new = |alert: &NotifiedAlert| alert.status == Status::Firing && alert.id.offset > self.latest;
        let is_called_news =
            matches!(notification.reason, Reason::First | Reason::NewAlerts | Reason::Repeat);
        let is_over = notification.status() == Status::Resolved;
        match (is_over, self.is_over) {
            (true, true) => Hear::Not,
            (true, false) => Hear::Quietly,
            (false, true) => Hear::Aloud,
            (false, false) if is_called_news || notification.alerts.iter().any(is_new) => Hear::Aloud,
            (false, false) => Hear::Not,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{latency, page, resolved};
    use std::cell::RefCell;

    /// Writes down what it is asked, and refuses what it is told to.
    struct Scribe {
        done: RefCell<Vec<String>>,
        edit: fn() -> Result<(), EditError>,
        reply: fn() -> Result<(), SendOutcome>,
    }

    impl Scribe {
        fn new() -> Self {
            Self { done: RefCell::default(), edit: || Ok(()), reply: || Ok(()) }
        }

        fn note(&self, what: &str) {
            self.done.borrow_mut().push(what.to_owned());
        }
    }

    impl Chat for Scribe {
        async fn post(&self) -> Result<Option<Posted>, SendOutcome> {
            self.note("post");
            Ok(Some(Posted { place: "C1".to_owned(), message: "9.1".to_owned() }))
        }

        async fn edit(&self, standing: &Standing) -> Result<(), EditError> {
            self.note(&format!("edit {} {}", standing.place, standing.message));
            (self.edit)()
        }

        async fn reply(&self, _: &Standing, is_aloud: bool) -> Result<(), SendOutcome> {
            self.note(if is_aloud { "aloud" } else { "quietly" });
            (self.reply)()
        }
    }

    fn told(reason: Reason, receipt: Option<&str>, offsets: &[u64], is_over: bool) -> Notification {
        let alert = |&offset: &u64| {
            let mut alert = if is_over { resolved(latency("a")) } else { latency("a") };
            alert.id.offset = offset;
            alert
        };
        let mut notification = page(offsets.iter().map(alert).collect());
        (notification.reason, notification.receipt) = (reason, receipt.map(Into::into));
        notification
    }

    async fn check(notification: &Notification, scribe: Scribe, want: &[&str]) -> SendOutcome {
        let outcome = tell(&scribe, notification).await;
        assert_eq!(scribe.done.into_inner(), want, "{notification:?}");
        outcome
    }

    fn receipt(outcome: SendOutcome) -> String {
        let SendOutcome::Delivered { receipt } = outcome else { panic!("{outcome:?}") };
        receipt.unwrap_or_default().into()
    }

    #[tokio::test]
    async fn the_first_is_posted_and_the_next_ones_edit_it() {
        let first = check(&told(Reason::First, None, &[4], false), Scribe::new(), &["post"]).await;
        assert_eq!(receipt(first), "C1/9.1/4");
        for (reason, before, offsets, is_over, want, after) in [
            (Reason::Acted, "C1/9.1/4", &[4][..], false, &["edit C1 9.1"][..], "C1/9.1/4"),
            (Reason::SomeResolved, "C1/9.1/4", &[4], false, &["edit C1 9.1"], "C1/9.1/4"),
            (Reason::NewAlerts, "C1/9.1/4", &[4, 7], false, &["edit C1 9.1", "aloud"], "C1/9.1/7"),
            (Reason::Repeat, "C1/9.1/4", &[4], false, &["edit C1 9.1", "aloud"], "C1/9.1/4"),
            (Reason::AllResolved, "C1/9.1/4", &[4], true, &["edit C1 9.1", "quietly"], "C1/9.1/4/over"),
            (Reason::Acted, "C1/9.1/4/over", &[4], true, &["edit C1 9.1"], "C1/9.1/4/over"),
            (Reason::NewAlerts, "C1/9.1/4/over", &[5], false, &["edit C1 9.1", "aloud"], "C1/9.1/5"),
        ] {
            let outcome = check(&told(reason, Some(before), offsets, is_over), Scribe::new(), want).await;
            assert_eq!(receipt(outcome), after, "{reason:?}");
        }
    }

    #[tokio::test]
    async fn news_of_a_message_that_was_replaced_are_heard() {
        let acted = told(Reason::Acted, Some("C1/9.1/4"), &[4, 7], false);
        check(&acted, Scribe::new(), &["edit C1 9.1", "aloud"]).await;
        let over = told(Reason::Acted, Some("C1/9.1/4"), &[4], true);
        check(&over, Scribe::new(), &["edit C1 9.1", "quietly"]).await;
    }

    #[tokio::test]
    async fn what_is_gone_is_posted_anew() {
        let gone = Scribe { edit: || Err(EditError::Gone), ..Scribe::new() };
        let acted = told(Reason::Acted, Some("C1/1.1/4"), &[4], false);
        let outcome = check(&acted, gone, &["edit C1 1.1", "post"]).await;
        assert_eq!(receipt(outcome), "C1/9.1/4");
        for odd in ["", "C1", "C1/", "/1.1/4"] {
            check(&told(Reason::Acted, Some(odd), &[4], false), Scribe::new(), &["post"]).await;
        }
    }

    fn later(ambiguous: bool) -> SendOutcome {
        SendOutcome::Retry { after: None, ambiguous, detail: "later".to_owned() }
    }

    #[tokio::test]
    async fn what_an_edit_has_told_is_not_forgotten() {
        let news = told(Reason::NewAlerts, Some("C1/9.1/4"), &[7], false);
        let failing = Scribe { edit: || Err(EditError::Failed(later(true))), ..Scribe::new() };
        assert_eq!(check(&news, failing, &["edit C1 9.1"]).await, later(true));
        let failing = Scribe { edit: || Err(EditError::Failed(later(false))), ..Scribe::new() };
        assert_eq!(check(&news, failing, &["edit C1 9.1"]).await, later(false));
        for failing in [|| Err(later(true)), || Err(later(false))] {
            let failing = Scribe { reply: failing, ..Scribe::new() };
            assert_eq!(check(&news, failing, &["edit C1 9.1", "aloud"]).await, later(true));
        }
    }

    #[tokio::test]
    async fn where_nobody_may_answer_news_stand_alone() {
        let refused =
            || Scribe { reply: || Err(SendOutcome::Never { detail: String::new() }), ..Scribe::new() };
        let news = told(Reason::NewAlerts, Some("C1/1.1/4"), &[7], false);
        let outcome = check(&news, refused(), &["edit C1 1.1", "aloud", "post"]).await;
        assert_eq!(receipt(outcome), "C1/9.1/7");
        let over = told(Reason::AllResolved, Some("C1/1.1/4"), &[4], true);
        let outcome = check(&over, refused(), &["edit C1 1.1", "quietly"]).await;
        assert_eq!(receipt(outcome), "C1/1.1/4/over");
    }

    #[tokio::test]
    async fn each_digest_is_a_message() {
        let mut digest = told(Reason::Digest, Some("C1/1.1/4"), &[4], false);
        digest.kind = NotificationKind::Digest;
        assert_eq!(receipt(check(&digest, Scribe::new(), &["post"]).await), "");
    }
}
