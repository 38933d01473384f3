//! The judge of a run. It sees what sources said and were answered, and what
//! receivers took, and knows nothing of how the product works: this module
//! imports the standard library alone.
//!
//! Each predicate carries the number of the promise that it holds the product
//! to. Where nobody outside can tell right from wrong (a source and we were
//! apart, an answer was lost), it says right.

use std::collections::BTreeMap;
use std::fmt;

/// Milliseconds since the run began, by the one true clock.
pub type Ms = u64;

/// An answer needs this long at most until it is written down.
const SETTLE_MS: Ms = 2_000;

/// What a tenant's settings let its receivers expect.
#[derive(Debug, Clone)]
pub struct Terms {
    /// A change is told within this time, while nothing is in the way.
    pub patience_ms: Ms,
    /// What fires may be told again after this time.
    pub repeat_ms: Ms,
    /// By integration: whether it wants to hear that alerts have resolved.
    pub send_resolved: Vec<bool>,
}

/// One alert in one request of its source.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    /// When the request was sent.
    pub at: Ms,
    /// Fires, or has ended.
    pub fires: bool,
    /// Until when it fires if nothing more is heard.
    pub until: Ms,
    /// When a 2xx came back.
    pub acknowledged_at: Option<Ms>,
}

/// A message that a receiver took.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The receiver's tenant.
    pub tenant: usize,
    /// Which of the tenant's integrations.
    pub integration: usize,
    /// The message's idempotency key.
    pub key: String,
    /// The group it speaks of.
    pub group: String,
    /// When it was decided, as the message says.
    pub decided_at: Ms,
    /// When the attempt began.
    pub sent_at: Ms,
    /// When the receiver took it.
    pub at: Ms,
    /// Alert and whether it fires.
    pub alerts: BTreeMap<u64, bool>,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its number.
    pub promise: &'static str,
    /// When it showed.
    pub at: Ms,
    /// What happened.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}.{:03} s: {}", self.promise, self.at / 1000, self.at % 1000, self.text)
    }
}

#[derive(Debug)]
struct Alert {
    tenant: usize,
    statements: Vec<Statement>,
    /// When its source went away for good.
    gone_at: Ms,
}

/// What one integration has seen.
#[derive(Debug, Default)]
struct Receiver {
    /// By alert: what it was told, oldest first.
    told: BTreeMap<u64, Vec<Told>>,
    /// By key: the attempts it took.
    keys: BTreeMap<String, Vec<Attempt>>,
    /// By group: when it last took a message.
    groups: BTreeMap<String, Ms>,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    at: Ms,
    decided_at: Ms,
    fires: bool,
}

#[derive(Debug)]
struct Attempt {
    sent_at: Ms,
    /// When the sender learnt that it was taken.
    confirmed_at: Option<Ms>,
    alerts: BTreeMap<u64, bool>,
}

/// Collects what is seen from outside, and judges it.
#[derive(Debug)]
pub struct Checker {
    terms: Vec<Terms>,
    /// How far the product's clock may be off.
    clock_slack_ms: Ms,
    alerts: BTreeMap<u64, Alert>,
    receivers: BTreeMap<(usize, usize), Receiver>,
    crashes: Vec<Ms>,
    /// Times in which nobody can be expected to be told: of one tenant, or of all.
    troubles: Vec<(Option<usize>, Ms, Ms)>,
    violations: Vec<Violation>,
}

impl Checker {
    /// A judge of tenants by number.
    #[must_use]
    pub fn new(terms: Vec<Terms>, clock_slack_ms: Ms) -> Self {
        Self {
            terms,
            clock_slack_ms,
            alerts: BTreeMap::new(),
            receivers: BTreeMap::new(),
            crashes: Vec::new(),
            troubles: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// A source sent a request that speaks of this alert. Gives the statement's
    /// number, by which [`Checker::acknowledged`] names it.
    pub fn stated(&mut self, tenant: usize, alert: u64, statement: Statement) -> usize {
        let alert =
            self.alerts.entry(alert).or_insert(Alert { tenant, statements: Vec::new(), gone_at: Ms::MAX });
        alert.statements.push(statement);
        alert.statements.len() - 1
    }

    /// The alert's source is gone for good.
    pub fn gone(&mut self, alert: u64, at: Ms) {
        if let Some(alert) = self.alerts.get_mut(&alert) {
            alert.gone_at = at;
        }
    }

    /// The source got its 2xx.
    pub fn acknowledged(&mut self, alert: u64, statement: usize, at: Ms) {
        let known = self.alerts.get_mut(&alert).and_then(|alert| alert.statements.get_mut(statement));
        if let Some(statement) = known {
            statement.acknowledged_at = Some(at);
        }
    }

    /// The process was ended.
    pub fn crashed(&mut self, at: Ms) {
        self.crashes.push(at);
    }

    /// We or the receivers of a tenant (of all for `None`) could do nothing.
    pub fn trouble(&mut self, tenant: Option<usize>, from: Ms, to: Ms) {
        self.troubles.push((tenant, from, to));
    }

    /// The sender learnt that the receiver took the latest attempt of a message.
    pub fn confirmed(&mut self, tenant: usize, integration: usize, key: &str, at: Ms) {
        let receiver = self.receivers.entry((tenant, integration)).or_default();
        if let Some(attempt) = receiver.keys.get_mut(key).and_then(|attempts| attempts.last_mut()) {
            attempt.confirmed_at = Some(at);
        }
    }

    /// Somebody with this tenant's credential saw this alert.
    pub fn saw(&mut self, tenant: usize, alert: u64, at: Ms) {
        let owner = self.alerts.get(&alert).map(|alert| alert.tenant);
        if owner != Some(tenant) {
            let text = format!("tenant {tenant} sees alert {alert} of tenant {owner:?}");
            self.violated("P7", at, text);
        }
    }

    /// A receiver took a message.
    pub fn took(&mut self, message: &Taken) {
        message.alerts.keys().for_each(|&alert| self.saw(message.tenant, alert, message.at));
        self.check_resolved(message);
        let at = (message.tenant, message.integration);
        let attempts = self.receivers.get(&at).and_then(|receiver| receiver.keys.get(&message.key));
        let broken = match attempts.and_then(|attempts| attempts.last()) {
            Some(before) => self.judge_repeat(before, message),
            None => self.judge_new(message),
        };
        if let Some(text) = broken {
            self.violated("P3", message.at, text);
        }
        self.remember(message);
    }

    fn remember(&mut self, message: &Taken) {
        let receiver = self.receivers.entry((message.tenant, message.integration)).or_default();
        for (&alert, &fires) in &message.alerts {
            receiver.told.entry(alert).or_default().push(Told {
                at: message.at,
                decided_at: message.decided_at,
                fires,
            });
        }
        receiver.groups.insert(message.group.clone(), message.at);
        let attempt =
            Attempt { sent_at: message.sent_at, confirmed_at: None, alerts: message.alerts.clone() };
        receiver.keys.entry(message.key.clone()).or_default().push(attempt);
    }

    fn violated(&mut self, promise: &'static str, at: Ms, text: String) {
        self.violations.push(Violation { promise, at, text });
    }

    /// P3: the same message twice only if we could not know that it was taken.
    fn judge_repeat(&self, before: &Attempt, message: &Taken) -> Option<String> {
        if before.alerts != message.alerts {
            let (was, is) = (&before.alerts, &message.alerts);
            return Some(format!("key {} said {was:?}, now {is:?}", message.key));
        }
        let confirmed_at = before.confirmed_at.filter(|&at| at <= message.sent_at)?;
        let lost = before.sent_at..=confirmed_at + SETTLE_MS;
        let excused = self.crashes.iter().any(|crash| lost.contains(crash));
        (!excused).then(|| {
            format!(
                "key {} was confirmed at {confirmed_at} ms, and comes again: {:?}",
                message.key, message.alerts
            )
        })
    }

    /// P3: a new message has news, or comes after the repeat interval.
    fn judge_new(&self, message: &Taken) -> Option<String> {
        let receiver = self.receivers.get(&(message.tenant, message.integration))?;
        let is_news =
            |(alert, fires): (&u64, &bool)| match receiver.told.get(alert).and_then(|told| told.last()) {
                Some(told) if told.fires == *fires => self.has_changed(*alert, told, message.at),
                Some(_) | None => true,
            };
        let repeat_ms = self.terms[message.tenant].repeat_ms.saturating_sub(self.clock_slack_ms);
        let last = receiver.groups.get(&message.group).copied();
        let is_due = last.is_some_and(|last| last + repeat_ms <= message.sent_at);
        let fires = message.alerts.values().any(|fires| *fires);
        if message.alerts.iter().any(is_news) || (is_due && fires) {
            return None;
        }
        Some(format!("no news in {} of {}: {:?}", message.key, message.group, message.alerts))
    }

    /// What was told was once more true, and once more not, before it was
    /// told again: another episode, whose first word may have been lost.
    fn has_changed(&self, alert: u64, told: &Told, now: Ms) -> bool {
        let Some(alert) = self.alerts.get(&alert) else { return false };
        let since = told.decided_at.saturating_sub(self.clock_slack_ms);
        let mut said = alert.statements.iter().filter(|statement| (since..=now).contains(&statement.at));
        if told.fires {
            said.any(|statement| !statement.fires) || alert.lapsed(since, now, self.clock_slack_ms)
        } else {
            // To a clock that is behind, an end in the future is a firing alert.
            said.any(|statement| statement.fires || self.clock_slack_ms > 0)
        }
    }

    /// P5: whoever is told that an alert has resolved is told so because its
    /// source said it, or has been silent for as long as it said it would be.
    fn check_resolved(&mut self, message: &Taken) {
        let resolved = message.alerts.iter().filter(|(_, fires)| !**fires);
        let wrong: Vec<u64> = resolved
            .filter(|&(&alert, _)| !self.may_have_resolved(alert, message))
            .map(|(alert, _)| *alert)
            .collect();
        for alert in wrong {
            let text = format!("RESOLVED told of alert {alert}, which fires ({})", message.key);
            self.violated("P5", message.at, text);
        }
    }

    fn may_have_resolved(&self, alert: u64, message: &Taken) -> bool {
        let Some(known) = self.alerts.get(&alert) else { return true };
        let said = known.statements.iter().filter(|statement| statement.at <= message.at);
        let silent = said.clone().filter(|s| s.fires).all(|s| s.until <= message.at + self.clock_slack_ms);
        let since = self.told_firing_at(alert, message).map_or(0, |told_at| known.run_start(told_at));
        silent
            || known.gone_at <= message.at
            || said.clone().any(|statement| !statement.fires && statement.at >= since)
    }

    /// When it was decided to tell the integration that the alert fires, after
    /// it was last told that it had resolved.
    fn told_firing_at(&self, alert: u64, message: &Taken) -> Option<Ms> {
        let told = self.receivers.get(&(message.tenant, message.integration))?.told.get(&alert)?;
        let open = told.iter().rev().take_while(|told| told.fires);
        open.last().map(|told| told.decided_at)
    }

    /// Judges what could not be judged before the end.
    #[must_use]
    pub fn finish(mut self, end: Ms) -> Vec<Violation> {
        let alerts = std::mem::take(&mut self.alerts);
        for (&number, alert) in &alerts {
            for integration in 0..self.terms[alert.tenant].send_resolved.len() {
                self.check_told(number, alert, integration, end);
            }
        }
        self.violations.sort_by_key(|violation| violation.at);
        self.violations
    }

    /// P1 and P2: each acknowledged change that lasts is told, and nobody is
    /// left with an alert that is over.
    fn check_told(&mut self, number: u64, alert: &Alert, integration: usize, end: Ms) {
        let wants_resolved = self.terms[alert.tenant].send_resolved[integration];
        for run in alert.runs() {
            let Some(acknowledged_at) = run.acknowledged_at else { continue };
            let lasts_until = run.lasts_until.saturating_sub(self.clock_slack_ms);
            let due = self.deadline(alert.tenant, acknowledged_at);
            let Some(due) = due.filter(|due| *due < lasts_until) else { continue };
            let told = self.view(alert.tenant, integration, number, due);
            if run.fires && told != Some(true) {
                let text = format!(
                    "alert {number} was acknowledged at {acknowledged_at} ms, told {told:?} to {integration}"
                );
                self.violated("P1", due, text);
            }
            // With a clock that is behind, an end that is told lies in the future.
            let is_certain = wants_resolved && self.clock_slack_ms == 0;
            if !run.fires && told == Some(true) && is_certain {
                let text = format!(
                    "the end of alert {number} was acknowledged at {acknowledged_at} ms, and not told to {integration}"
                );
                self.violated("P2", due, text);
            }
        }
        if wants_resolved && self.view(alert.tenant, integration, number, end) == Some(true) {
            self.violated("P2", end, format!("alert {number} is left open at {integration}"));
        }
    }

    /// What an integration takes an alert for at some time.
    fn view(&self, tenant: usize, integration: usize, alert: u64, at: Ms) -> Option<bool> {
        let told = self.receivers.get(&(tenant, integration))?.told.get(&alert)?;
        told.iter().take_while(|told| told.at <= at).last().map(|told| told.fires)
    }

    /// The first time by which nothing was in the way for as long as patience
    /// lasts.
    fn deadline(&self, tenant: usize, from: Ms) -> Option<Ms> {
        let patience = self.terms.get(tenant)?.patience_ms;
        let mut troubles: Vec<(Ms, Ms)> = self
            .troubles
            .iter()
            .filter(|(of, ..)| of.is_none_or(|of| of == tenant))
            .map(|&(_, from, to)| (from, to))
            .collect();
        troubles.sort_unstable();
        let mut begin = from;
        for (from, to) in troubles {
            if from >= begin + patience {
                break;
            }
            begin = begin.max(to);
        }
        Some(begin + patience)
    }
}

/// Statements in a row that say the same.
struct Run {
    fires: bool,
    /// The first 2xx.
    acknowledged_at: Option<Ms>,
    /// Until the source said otherwise, or fell silent.
    lasts_until: Ms,
}

impl Alert {
    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for statement in &self.statements {
            let same = runs.last().is_some_and(|run| run.fires == statement.fires);
            if !same {
                if let Some(run) = runs.last_mut() {
                    run.lasts_until = run.lasts_until.min(statement.at);
                }
                let (fires, acknowledged_at) = (statement.fires, None);
                runs.push(Run { fires, acknowledged_at, lasts_until: 0 });
            }
            if let Some(run) = runs.last_mut() {
                let acknowledged_at = run.acknowledged_at.into_iter().chain(statement.acknowledged_at).min();
                run.acknowledged_at = acknowledged_at;
                // What has ended stays so until the source says otherwise.
                run.lasts_until = if run.fires { run.lasts_until.max(statement.until) } else { Ms::MAX };
            }
        }
        runs
    }

    /// The source was silent for longer than it had said, and then spoke again.
    fn lapsed(&self, since: Ms, now: Ms, slack_ms: Ms) -> bool {
        let mut until = Ms::MAX;
        for statement in self.statements.iter().filter(|statement| statement.at <= now) {
            if statement.at >= since && statement.at > until.saturating_sub(slack_ms) {
                return true;
            }
            until = if until == Ms::MAX { statement.until } else { until.max(statement.until) };
        }
        false
    }

    /// When the row of acknowledged firing statements began in which `at` lies.
    fn run_start(&self, at: Ms) -> Ms {
        let said = self
            .statements
            .iter()
            .filter(|s| s.at <= at && s.acknowledged_at.is_some_and(|acked| acked <= at));
        said.rev().take_while(|statement| statement.fires).last().map_or(0, |statement| statement.at)
    }
}
