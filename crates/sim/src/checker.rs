//! The judge of a run. It sees what sources said and were answered, and what
//! receivers took, and knows nothing of how the product works: this module
//! imports the standard library alone.
//!
//! Each predicate carries the number of the promise that it holds the product
//! to. Where nobody outside can tell right from wrong (a source and we were
//! apart, an answer was lost), it says right.

use std::collections::{BTreeMap, BTreeSet};
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
    pub send_resolved: BTreeMap<usize, bool>,
    /// Integrations that show what people do.
    pub chats: BTreeSet<usize>,
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
    /// Alerts of which it says what somebody did.
    pub acted: BTreeSet<u64>,
    /// It comes only since somebody did something.
    pub is_aside: bool,
    /// What names the group at this integration.
    pub dedup_key: String,
    /// What it says that the integration gave back for the last message.
    pub receipt: Option<String>,
}

/// Somebody did something with an alert.
#[derive(Debug, Clone, Copy)]
struct Act {
    tenant: usize,
    alert: u64,
    at: Ms,
    acknowledged_at: Option<Ms>,
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

/// What one integration has seen of one group.
#[derive(Debug, Default)]
struct Receiver {
    /// By alert: what it was told, oldest first.
    told: BTreeMap<u64, Vec<Told>>,
    /// When it last took a message.
    last: Option<Ms>,
}

/// Somebody has said that these alerts are not to be told of.
#[derive(Debug)]
struct Silenced {
    tenant: usize,
    alerts: BTreeSet<u64>,
    from: Ms,
    to: Ms,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    at: Ms,
    decided_at: Ms,
    fires: bool,
    acted: bool,
    is_aside: bool,
}

#[derive(Debug)]
struct Attempt {
    sent_at: Ms,
    /// When the sender learnt that it was taken.
    confirmed_at: Option<Ms>,
    alerts: BTreeMap<u64, bool>,
}

/// By alert: the integrations that are told of it.
pub type Tells = BTreeMap<u64, BTreeSet<usize>>;

/// Collects what is seen from outside, and judges it.
#[derive(Debug)]
pub struct Checker {
    terms: Vec<Terms>,
    /// How far the product's clock may be off.
    clock_slack_ms: Ms,
    alerts: BTreeMap<u64, Alert>,
    /// By tenant, integration and group.
    receivers: BTreeMap<(usize, usize, String), Receiver>,
    /// By tenant, integration and key: the attempts that were taken.
    attempts: BTreeMap<(usize, usize, String), Vec<Attempt>>,
    /// By tenant: since when who is told of an alert.
    tells: BTreeMap<usize, Vec<(Ms, Tells)>>,
    silenced: Vec<Silenced>,
    acts: Vec<Act>,
    /// By tenant, integration and dedup key: what was given back last, and
    /// when the sender learnt of it.
    receipts: BTreeMap<(usize, usize, String), (String, Ms)>,
    /// Times in which nothing may be said of an alert that fires.
    quiet: Vec<(u64, Ms, Ms)>,
    /// Alerts that keep others quiet, and these.
    inhibits: Vec<(u64, u64)>,
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
            attempts: BTreeMap::new(),
            tells: BTreeMap::new(),
            silenced: Vec::new(),
            acts: Vec::new(),
            receipts: BTreeMap::new(),
            quiet: Vec::new(),
            inhibits: Vec::new(),
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

    /// A tenant's settings say this from now on.
    pub fn reloaded(&mut self, tenant: usize, at: Ms, tells: Tells) {
        self.tells.entry(tenant).or_default().push((at, tells));
    }

    /// An alert may be held in this time.
    pub fn quiet(&mut self, alert: u64, from: Ms, to: Ms) {
        let slack_ms = self.clock_slack_ms;
        self.quiet.push((alert, from.saturating_sub(slack_ms), to.saturating_add(slack_ms)));
    }

    /// While the one fires, the other may be held.
    pub fn inhibits(&mut self, source: u64, target: u64) {
        self.inhibits.push((source, target));
    }

    /// A silence was acknowledged.
    pub fn silenced(&mut self, tenant: usize, alerts: BTreeSet<u64>, from: Ms, to: Ms) {
        self.silenced.push(Silenced { tenant, alerts, from, to });
    }

    /// A silence of a tenant may be over.
    pub fn silence_ends(&mut self, tenant: usize, at: Ms) {
        let mine = self.silenced.iter_mut().filter(|silenced| silenced.tenant == tenant);
        mine.for_each(|silenced| silenced.to = silenced.to.min(at));
    }

    /// Somebody does something with an alert. Gives the number by which
    /// [`Checker::act_acknowledged`] names it.
    pub fn acts(&mut self, tenant: usize, alert: u64, at: Ms) -> usize {
        self.acts.push(Act { tenant, alert, at, acknowledged_at: None });
        self.acts.len() - 1
    }

    /// It was answered with yes.
    pub fn act_acknowledged(&mut self, act: usize, at: Ms) {
        if let Some(act) = self.acts.get_mut(act) {
            act.acknowledged_at = Some(at);
        }
    }

    /// The sender learnt what the integration gives back for a message.
    pub fn gave(&mut self, tenant: usize, integration: usize, dedup_key: &str, receipt: String, at: Ms) {
        self.receipts.insert((tenant, integration, dedup_key.to_owned()), (receipt, at));
    }

    /// The sender learnt that the receiver took the latest attempt of a message.
    pub fn confirmed(&mut self, tenant: usize, integration: usize, key: &str, at: Ms) {
        let attempts = self.attempts.get_mut(&(tenant, integration, key.to_owned()));
        if let Some(attempt) = attempts.and_then(|attempts| attempts.last_mut()) {
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
        self.check_receipt(message);
        let attempts = self.attempts.get(&(message.tenant, message.integration, message.key.clone()));
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
        let receiver = self.receivers.entry(message.place()).or_default();
        for (&alert, &fires) in &message.alerts {
            receiver.told.entry(alert).or_default().push(Told {
                at: message.at,
                decided_at: message.decided_at,
                fires,
                acted: message.acted.contains(&alert),
                is_aside: message.is_aside,
            });
        }
        if !message.is_aside {
            receiver.last = Some(message.at);
        }
        let attempt =
            Attempt { sent_at: message.sent_at, confirmed_at: None, alerts: message.alerts.clone() };
        let key = (message.tenant, message.integration, message.key.clone());
        self.attempts.entry(key).or_default().push(attempt);
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

    /// P3: what was given back for a group's message comes with the next one,
    /// so that it is edited and not told anew.
    fn check_receipt(&mut self, message: &Taken) {
        let place = (message.tenant, message.integration, message.dedup_key.clone());
        let given = self.receipts.get(&place);
        let is_lost = given
            .is_some_and(|&(_, at)| self.crashes.iter().any(|crash| (at..=at + SETTLE_MS).contains(crash)));
        let (given, has) = (given.map(|(receipt, _)| receipt), message.receipt.as_ref());
        if given != has && !is_lost {
            let text = format!("{} was given {given:?} and comes with {has:?}", message.key);
            self.violated("P3", message.at, text);
        }
    }

    /// P3: a new message has news, or comes after the repeat interval.
    fn judge_new(&self, message: &Taken) -> Option<String> {
        let receiver = self.receivers.get(&message.place())?;
        let is_news =
            |(alert, fires): (&u64, &bool)| match receiver.told.get(alert).and_then(|told| told.last()) {
                Some(told) if told.fires == *fires => self.has_changed(*alert, told, message),
                Some(_) | None => true,
            };
        let repeat_ms = self.terms[message.tenant].repeat_ms.saturating_sub(self.clock_slack_ms);
        let is_due = receiver.last.is_some_and(|last| last + repeat_ms <= message.sent_at);
        let fires = message.alerts.values().any(|fires| *fires);
        // A time is told to the millisecond after it.
        let near = |at: Ms| at.abs_diff(message.decided_at) <= self.clock_slack_ms + 1;
        let is_shown = |act: &Act| message.alerts.contains_key(&act.alert) && near(act.at);
        if message.is_aside && self.acts.iter().any(is_shown) {
            return None;
        }
        if message.alerts.iter().any(is_news) || (is_due && fires) {
            return None;
        }
        Some(format!("no news in {} of {}: {:?}", message.key, message.group, message.alerts))
    }

    /// What was told was once more true, and once more not, before it was
    /// told again: another episode, whose first word may have been lost.
    ///
    /// What was held meanwhile, or has other routes since, may be told again.
    fn has_changed(&self, alert: u64, told: &Told, message: &Taken) -> bool {
        let now = message.at;
        let since = told.decided_at.saturating_sub(self.clock_slack_ms);
        let reloads = self.tells.get(&message.tenant).into_iter().flatten();
        let is_rerouted = reloads.map(|(at, _)| *at).any(|at| (since..=now).contains(&at));
        let was_held = self.quiets_of(alert).iter().any(|&(from, to)| from <= now && to >= since);
        if told.fires && (is_rerouted || was_held) {
            return true;
        }
        let Some(alert) = self.alerts.get(&alert) else { return false };
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
        let told = self.receivers.get(&message.place())?.told.get(&alert)?;
        let open = told.iter().rev().take_while(|told| told.fires);
        open.last().map(|told| told.decided_at)
    }

    /// Judges what could not be judged before the end.
    #[must_use]
    pub fn finish(mut self, end: Ms) -> Vec<Violation> {
        let mut found = Vec::new();
        for (&number, alert) in &self.alerts {
            self.check_told(number, alert, &mut found);
            self.check_closed(number, alert, end, &mut found);
        }
        self.check_silences(&mut found);
        self.check_shown(&mut found);
        self.violations.append(&mut found);
        self.violations.sort_by_key(|violation| violation.at);
        self.violations
    }

    /// P1: each acknowledged alert that lasts is told to everybody who is to
    /// be told.
    fn check_told(&self, number: u64, alert: &Alert, found: &mut Vec<Violation>) {
        for run in alert.runs().iter().filter(|run| run.fires) {
            let Some(acknowledged_at) = run.acknowledged_at else { continue };
            let lasts_until = run.lasts_until.saturating_sub(self.clock_slack_ms);
            let due = self.deadline(alert.tenant, acknowledged_at, Some(number));
            let Some(at) = due.filter(|due| *due < lasts_until) else { continue };
            for integration in self.tells_at(alert.tenant, number, at) {
                if !self.knows(alert.tenant, integration, number, at) {
                    let text = format!(
                        "alert {number} was acknowledged at {acknowledged_at} ms, and not told to {integration}"
                    );
                    found.push(Violation { promise: "P1", at, text });
                }
            }
        }
    }

    /// P2: nobody is left with an alert that is over.
    fn check_closed(&self, number: u64, alert: &Alert, end: Ms, found: &mut Vec<Violation>) {
        let wants = &self.terms[alert.tenant].send_resolved;
        for ((tenant, integration, group), receiver) in &self.receivers {
            let Some(told) = receiver.told.get(&number).filter(|_| *tenant == alert.tenant) else { continue };
            if !wants.get(integration).copied().unwrap_or_default() {
                continue;
            }
            if let Some(at) = self.left_open(alert, told) {
                let text = format!("the end of alert {number} was not told to {integration}, {group}");
                found.push(Violation { promise: "P2", at, text });
            }
            if view(told, end) == Some(true) {
                let text = format!("alert {number} is left open at {integration}, {group}");
                found.push(Violation { promise: "P2", at: end, text });
            }
        }
    }

    /// When an acknowledged end should have been told, and was not.
    fn left_open(&self, alert: &Alert, told: &[Told]) -> Option<Ms> {
        // With a clock that is behind, an end that is told lies in the future.
        if self.clock_slack_ms > 0 {
            return None;
        }
        let runs = alert.runs();
        let mut due = runs.iter().filter(|run| !run.fires).filter_map(|run| {
            let due = self.deadline(alert.tenant, run.acknowledged_at?, None)?;
            (due < run.lasts_until).then_some(due)
        });
        due.find(|due| view(told, *due) == Some(true))
    }

    /// Nothing is said of an alert that fires while a silence holds it.
    fn check_silences(&self, found: &mut Vec<Violation>) {
        for silenced in &self.silenced {
            let from = silenced.from.saturating_add(self.clock_slack_ms);
            let to = silenced.to.saturating_sub(self.clock_slack_ms);
            let mine = self.receivers.iter().filter(|((tenant, ..), _)| *tenant == silenced.tenant);
            for ((_, integration, _), receiver) in mine {
                for (alert, told) in receiver.told.iter().filter(|(alert, _)| silenced.alerts.contains(alert))
                {
                    let is_within = |at: Ms| from < at && at < to;
                    // What people did is shown of what is known, silenced or not.
                    let is_wrong = |told: &&Told| told.fires && is_within(told.decided_at) && !told.is_aside;
                    if let Some(wrong) = told.iter().find(is_wrong) {
                        let text = format!(
                            "alert {alert} is silenced from {from} to {to} ms, and {integration} is told of it"
                        );
                        found.push(Violation { promise: "silence", at: wrong.at, text });
                    }
                }
            }
        }
    }

    /// What somebody does with an alert that lasts is shown to everybody who
    /// knows of the alert and can show it.
    fn check_shown(&self, found: &mut Vec<Violation>) {
        for act in &self.acts {
            let (Some(acknowledged_at), Some(alert)) = (act.acknowledged_at, self.alerts.get(&act.alert))
            else {
                continue;
            };
            let runs = alert.runs();
            let Some(run) = runs.iter().rev().find(|run| run.since <= act.at) else { continue };
            let Some(due) = self.deadline(act.tenant, acknowledged_at, Some(act.alert)) else { continue };
            let lasts_until = run.lasts_until.saturating_sub(self.clock_slack_ms);
            let is_lasting =
                run.fires && due < lasts_until && !alert.lapsed(act.at, due, self.clock_slack_ms);
            let reloads = self.tells.get(&act.tenant).into_iter().flatten();
            let is_moved = reloads.map(|(at, _)| *at).any(|at| (act.at..=due).contains(&at));
            if is_lasting && !is_moved {
                self.check_shown_by(act, due, found);
            }
        }
    }

    fn check_shown_by(&self, act: &Act, due: Ms, found: &mut Vec<Violation>) {
        for &integration in &self.terms[act.tenant].chats {
            let mine =
                self.receivers.iter().filter(|(place, _)| (place.0, place.1) == (act.tenant, integration));
            // In which of its groups the alert still is, nobody outside can tell.
            let told: Vec<_> = mine.filter_map(|(_, receiver)| receiver.told.get(&act.alert)).collect();
            let before = act.at.saturating_sub(SETTLE_MS);
            let is_known =
                told.iter().any(|told| view(told, before) == Some(true) && view(told, act.at) == Some(true));
            let is_shown = told
                .iter()
                .flat_map(|told| told.iter())
                .any(|told| told.at >= act.at && told.at <= due && told.acted);
            let is_told = self.tells_at(act.tenant, act.alert, due).contains(&integration);
            if is_known && is_told && !is_shown {
                let text =
                    format!("what was done to {} at {} ms is not shown by {integration}", act.alert, act.at);
                found.push(Violation { promise: "shown", at: due, text });
            }
        }
    }

    fn tells_at(&self, tenant: usize, alert: u64, at: Ms) -> BTreeSet<usize> {
        let mut said = self.tells.get(&tenant).into_iter().flatten().filter(|(since, _)| *since <= at);
        said.next_back().and_then(|(_, tells)| tells.get(&alert)).cloned().unwrap_or_default()
    }

    /// Whether an integration takes an alert for one that fires at some time.
    fn knows(&self, tenant: usize, integration: usize, alert: u64, at: Ms) -> bool {
        let mine = self.receivers.iter().filter(|(place, _)| (place.0, place.1) == (tenant, integration));
        let told = mine.filter_map(|(_, receiver)| receiver.told.get(&alert));
        told.map(|told| view(told, at)).any(|view| view == Some(true))
    }

    /// When an alert may have been held.
    fn quiets_of(&self, alert: u64) -> Vec<(Ms, Ms)> {
        let quiet = self.quiet.iter().filter(|(quiet, ..)| *quiet == alert);
        let mut quiet: Vec<(Ms, Ms)> = quiet.map(|&(_, from, to)| (from, to)).collect();
        let sources = self.inhibits.iter().filter(|(source, target)| *target == alert && *source != alert);
        for source in sources.filter_map(|(source, _)| self.alerts.get(source)) {
            let runs = source.runs();
            // To a clock that is behind, an end in the future is a firing alert.
            let is_certain = self.clock_slack_ms == 0;
            let next = |index: usize| runs.get(index + 1).filter(|_| is_certain);
            let ends = |index: usize| next(index).and_then(|next| next.acknowledged_at);
            let firing = runs.iter().enumerate().filter(|(_, run)| run.fires);
            // One that falls silent may be taken to fire for long.
            quiet.extend(firing.map(|(index, run)| (run.since, ends(index).unwrap_or(Ms::MAX))));
        }
        quiet
    }

    /// The first time by which nothing was in the way for as long as patience
    /// lasts.
    fn deadline(&self, tenant: usize, from: Ms, firing: Option<u64>) -> Option<Ms> {
        let patience = self.terms.get(tenant)?.patience_ms;
        let mut troubles: Vec<(Ms, Ms)> = self
            .troubles
            .iter()
            .filter(|(of, ..)| of.is_none_or(|of| of == tenant))
            .map(|&(_, from, to)| (from, to))
            .collect();
        let reloads = self.tells.get(&tenant).into_iter().flatten();
        troubles.extend(reloads.map(|&(at, _)| (at, at)));
        troubles.extend(firing.iter().flat_map(|&alert| self.quiets_of(alert)));
        troubles.sort_unstable();
        let mut begin = from;
        for (from, to) in troubles {
            if from >= begin.saturating_add(patience) {
                break;
            }
            begin = begin.max(to);
        }
        begin.checked_add(patience)
    }
}

impl Taken {
    fn place(&self) -> (usize, usize, String) {
        (self.tenant, self.integration, self.group.clone())
    }
}

/// What somebody who was told this takes an alert for at some time.
fn view(told: &[Told], at: Ms) -> Option<bool> {
    told.iter().take_while(|told| told.at <= at).last().map(|told| told.fires)
}

/// Statements in a row that say the same.
struct Run {
    since: Ms,
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
                runs.push(Run { since: statement.at, fires, acknowledged_at, lasts_until: 0 });
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
