//! Mail: one message of text and HTML to the people of a receiver, and all of
//! a group's in one thread.

mod answer;
#[cfg(test)]
mod own_tests;
mod payload;
mod settings;
mod smtp;
mod words;

pub use settings::{Auth, Headers, MailHeaderError, Settings, Smarthost, SmarthostError, Threading};

use crate::Timeout;
use crate::http::Exchange;
use crate::kind::{Kind, Sending};
use answer::{Fault, judge};
use openclaw_alert::{Notification, SendOutcome};
use smtp::Progress;
use tokio::time::timeout_at;

impl Kind for Settings {
    fn name(&self) -> &'static str {
        "email"
    }

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    fn timeout(&self) -> Timeout {
        self.timeout
    }

    fn host(&self) -> &str {
        &self.smarthost.host
    }

    fn send<'s>(&'s self, exchange: &'s Exchange<'s>, notification: &'s Notification) -> Sending<'s> {
        Box::pin(send(self, exchange, notification))
    }
}

async fn send(settings: &Settings, exchange: &Exchange<'_>, notification: &Notification) -> SendOutcome {
    let mail = match payload::mail(settings, notification, &exchange.words) {
        Ok(mail) => mail,
        Err(detail) => return SendOutcome::Never { detail },
    };
    let host = settings.smarthost.to_string();
    let progress = Progress::new();
    let handing = smtp::hand_over(settings, exchange.connections, &mail, &progress);
    let fault = match timeout_at(exchange.deadline, handing).await {
        Ok(Ok(refused)) => {
            note_refused(refused, notification, &host);
            return SendOutcome::DELIVERED;
        }
        Ok(Err(fault)) => fault,
        Err(_) => Fault::Broken("no reply within the time-out".to_owned()),
    };
    judge(&host, progress.stage(), fault)
}

fn note_refused(refused: usize, notification: &Notification, host: &str) {
    if refused > 0 {
        tracing::warn!(
            tenant = notification.tenant.as_str(),
            receiver = &*notification.receiver,
            host,
            refused,
            "the mail server refused some of the recipients: the others have the mail, mend `to`"
        );
    }
}
