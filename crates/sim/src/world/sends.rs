//! Messages on their way, and receivers that answer as their mood is.

use super::{Bug, Event, Waiting, World, span};
use crate::checker::{Ms, Taken};
use crate::machine::Stepped;
use crate::plan::{Mood, Point};
use crate::routes::integration;
use openclaw_alert::{Notification, PartitionId, Reason, SendOutcome, Status};
use openclaw_pipeline::Input;
use std::time::Duration;

/// A sender gives up waiting after this.
const TIMEOUT_MS: Ms = 10_000;

/// One attempt to send one message.
#[derive(Debug)]
pub(super) struct Attempt {
    life: u64,
    partition: PartitionId,
    entry: u64,
    tenant: usize,
    notification: Notification,
    sent_at: Ms,
    outcome: SendOutcome,
    /// Planted: the sender has made this one up.
    is_extra: bool,
}

/// What a receiver does with an attempt.
struct Reply {
    /// After how long it takes the message, if it does.
    taken_after: Option<Ms>,
    answers_after: Ms,
    outcome: SendOutcome,
}

fn failed(after: Option<Duration>, ambiguous: bool, detail: &str) -> SendOutcome {
    SendOutcome::Retry { after, ambiguous, detail: detail.into() }
}

impl World {
    pub(super) fn queue_sends(&mut self, partition: PartitionId, stepped: &mut Stepped) {
        for send in std::mem::take(&mut stepped.sends) {
            let tenant =
                (0..self.plan.tenants.len()).find(|&tenant| self.name(tenant) == send.notification.tenant);
            let attempt = Attempt {
                life: self.life,
                partition,
                entry: send.entry,
                tenant: tenant.unwrap_or(usize::MAX),
                notification: send.notification,
                sent_at: self.now,
                outcome: SendOutcome::DELIVERED,
                is_extra: false,
            };
            self.in_flight += 1;
            self.waiting.push((stepped.send_at, Waiting::Send(Box::new(attempt))));
        }
    }

    pub(super) fn depart(&mut self, mut attempt: Box<Attempt>) {
        if attempt.life != self.life {
            return;
        }
        if self.now < self.paused_until {
            return self.schedule(self.paused_until, Event::Depart(attempt));
        }
        self.misdirect(&mut attempt);
        if self.swallows(&attempt) {
            return self.schedule(self.now + 5, Event::Answer(attempt));
        }
        let reply = self.reply(attempt.tenant);
        attempt.sent_at = self.now;
        attempt.outcome = self.with_receipt(&attempt, reply.outcome);
        self.trace(|| {
            let Attempt { tenant, notification, outcome, .. } = &*attempt;
            let taken = reply.taken_after.map_or("lost", |_| "taken");
            format!(
                "sends {} to {tenant}/{}: {} ({taken}, {outcome:?})",
                notification.idempotency_key,
                notification.integration,
                describe(notification)
            )
        });
        let answers_at = self.now + reply.answers_after;
        match reply.taken_after {
            Some(after) => {
                // What answers after it was taken goes on from there.
                self.schedule(answers_at, Event::Answer(Box::new(attempt.copy())));
                self.schedule(self.now + after, Event::Arrive(attempt));
            }
            None => self.schedule(answers_at, Event::Answer(attempt)),
        }
        self.reached(Point::Departed);
    }

    /// What has left arrives, whatever has become of its sender; but not so
    /// late that it is overtaken by what the next process sends.
    pub(super) fn arrive(&mut self, attempt: &Attempt) {
        if attempt.life != self.life && self.machine.is_some() {
            return;
        }
        self.outcome.taken += 1;
        self.saw(attempt.notification.reason.text(), 1);
        self.saw("told again", (attempt.notification.attempt > 1).into());
        let Attempt { tenant, notification, sent_at, .. } = attempt;
        let alerts = notification.alerts.iter().filter_map(|alert| {
            let number = alert.view().labels.get("n").parse().ok()?;
            Some((number, alert.status == Status::Firing))
        });
        let acted = notification.alerts.iter().filter(|alert| alert.acted.is_some());
        let acted = acted.filter_map(|alert| alert.view().labels.get("n").parse().ok());
        self.checker.took(&Taken {
            tenant: *tenant,
            integration: integration(&notification.receiver, notification.integration),
            key: notification.idempotency_key.clone(),
            group: notification.group_key.clone(),
            decided_at: self.when(notification.decided_at),
            sent_at: *sent_at,
            at: self.now,
            alerts: alerts.collect(),
            acted: acted.collect(),
            is_aside: notification.reason == Reason::Acted,
            dedup_key: notification.dedup_key.clone(),
            receipt: notification.receipt.as_deref().map(str::to_owned),
        });
        if attempt.life == self.life {
            self.reached(Point::Took);
        }
    }

    pub(super) fn answer(&mut self, mut attempt: Box<Attempt>) {
        if attempt.life != self.life || attempt.is_extra {
            return;
        }
        if self.now < self.paused_until {
            attempt.outcome = failed(None, true, "time-out");
            return self.schedule(self.paused_until, Event::Answer(attempt));
        }
        self.in_flight -= 1;
        if matches!(attempt.outcome, SendOutcome::Delivered { .. }) {
            let Attempt { tenant, notification, .. } = &*attempt;
            let integration = integration(&notification.receiver, notification.integration);
            self.checker.confirmed(*tenant, integration, &notification.idempotency_key, self.now);
            if let SendOutcome::Delivered { receipt: Some(receipt) } = &attempt.outcome {
                let (key, receipt) = (&notification.dedup_key, receipt.to_string());
                self.checker.gave(*tenant, integration, key, receipt, self.now);
            }
            self.say_it_again(&attempt);
        }
        let took = span(self.now - attempt.sent_at);
        let sent = Input::Sent { entry: attempt.entry, outcome: &attempt.outcome, took };
        self.step(attempt.partition, &sent);
        self.reached(Point::Answered);
    }

    /// Chats say where what they took stands, now and then at another place.
    fn with_receipt(&mut self, attempt: &Attempt, outcome: SendOutcome) -> SendOutcome {
        let Attempt { tenant, notification, .. } = attempt;
        let chats = self.plan.tenants.get(*tenant).map(|tenant| &tenant.habitat.chats);
        let integration = integration(&notification.receiver, notification.integration);
        let is_chat = chats.is_some_and(|chats| chats.contains(&integration));
        match outcome {
            SendOutcome::Delivered { .. } if is_chat && self.random.one_in(2) => {
                let receipt = format!("{}-{}", notification.idempotency_key, self.now);
                SendOutcome::Delivered { receipt: Some(receipt.into()) }
            }
            outcome => outcome,
        }
    }

    fn mood(&self, tenant: usize) -> Mood {
        let spells = self.plan.tenants.get(tenant).map_or(&[][..], |tenant| &tenant.spells);
        let spell = spells.iter().find(|spell| (spell.from..spell.to).contains(&self.now));
        spell.map_or(Mood::Healthy, |spell| spell.mood)
    }

    fn reply(&mut self, tenant: usize) -> Reply {
        match self.mood(tenant) {
            Mood::Healthy => self.takes_it(5, 200),
            Mood::Slow => self.takes_it(2_000, 9_000),
            Mood::Lying => self.lies(),
            Mood::Down => self.is_away(),
        }
    }

    fn takes_it(&mut self, from: Ms, to: Ms) -> Reply {
        let answers_after = from + self.random.below(to - from);
        let taken_after = Some(answers_after / 2);
        Reply { taken_after, answers_after, outcome: SendOutcome::DELIVERED }
    }

    fn is_away(&mut self) -> Reply {
        let (answers_after, outcome) = if self.random.one_in(2) {
            (1, failed(None, false, "connection refused"))
        } else {
            (TIMEOUT_MS, failed(None, true, "time-out"))
        };
        Reply { taken_after: None, answers_after, outcome }
    }

    fn lies(&mut self) -> Reply {
        let soon = 5 + self.random.below(200);
        let taken = Some(soon);
        let reply = |taken_after, answers_after, outcome| Reply { taken_after, answers_after, outcome };
        match self.random.below(7) {
            0 => {
                let after = Duration::from_secs(1 + self.random.below(20));
                reply(None, soon, failed(Some(after), false, "429"))
            }
            1 => reply(None, soon, failed(None, true, "500")),
            2 => reply(taken, 2 * soon, failed(None, true, "500")),
            3 => reply(taken, TIMEOUT_MS, failed(None, true, "time-out")),
            4 => self.is_away(),
            5 => self.takes_it(1_000, 9_000),
            _ => self.takes_it(5, 200),
        }
    }

    fn misdirect(&mut self, attempt: &mut Attempt) {
        if self.bug == Some(Bug::CrossTenantSend) && self.random.one_in(20) {
            attempt.tenant = (attempt.tenant + 1) % self.plan.tenants.len();
        }
        if self.bug == Some(Bug::LostReceipt) && self.random.one_in(5) {
            attempt.notification.receipt = None;
        }
    }

    fn swallows(&mut self, attempt: &Attempt) -> bool {
        if self.bug == Some(Bug::ForgottenReceiver) && self.has_left(attempt) {
            return true;
        }
        if self.bug == Some(Bug::HiddenAction) && attempt.notification.reason == Reason::Acted {
            return true;
        }
        let tells_of_end = attempt.notification.alerts.iter().any(|alert| alert.status == Status::Resolved);
        self.bug == Some(Bug::LostResolve) && tells_of_end && self.random.one_in(10)
    }

    /// Whether the message is to somebody who has left the settings.
    fn has_left(&self, attempt: &Attempt) -> bool {
        let Attempt { tenant, notification, .. } = attempt;
        let Some(plan) = self.plan.tenants.get(*tenant) else { return false };
        let routes = &plan.generations[self.generations[*tenant]].routes;
        !routes.live().contains(&*notification.receiver)
    }

    fn say_it_again(&mut self, attempt: &Attempt) {
        if self.bug == Some(Bug::DoubledSend) && self.random.one_in(10) {
            let mut extra = attempt.copy();
            extra.notification.idempotency_key.push_str("-again");
            extra.is_extra = true;
            extra.sent_at = self.now;
            self.schedule(self.now + 10, Event::Arrive(Box::new(extra)));
        }
    }
}

impl Attempt {
    fn copy(&self) -> Self {
        let (notification, outcome) = (self.notification.clone(), self.outcome.clone());
        Self { notification, outcome, ..*self }
    }
}

fn describe(notification: &Notification) -> String {
    let alerts = notification.alerts.iter().map(|alert| {
        let sign = if alert.status == Status::Firing { '+' } else { '-' };
        format!("{sign}{}", alert.view().labels.get("n"))
    });
    format!("{} {}", notification.reason.text(), alerts.collect::<Vec<_>>().join(" "))
}
