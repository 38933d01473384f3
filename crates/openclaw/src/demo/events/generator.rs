//! A day of alerts at three tenants, the same for the same seed.
//!
//! Alerts start in bursts (one kind, several places, or one place that flaps)
//! at the measured rates, and each tenant has a storm: a failure whose symptoms
//! fire all over within ten minutes. Behind each burst is one cause, so its
//! alerts share their severity, whether a person was needed, and how long it
//! took. What fires late in the day may still be firing at its end.

use super::figures::{
    BURST_GAP_SECONDS_MAX, BURST_SIZE_MEAN, BURST_SIZES, CATEGORIES, NEEDED_BY_PRIORITY,
    NEEDED_RESOLVE_MINUTES, NEEDED_RESPONSE_MINUTES, OTHER_RESOLVE_MINUTES, OTHER_RESPONSE_MINUTES,
    PRIORITY_SHARES, STORMS_PER_TENANT, UNANSWERED_SHARE,
};
use super::kinds::{Habit, KINDS, Kind, STORM_CAUSES, STORM_SYMPTOMS};
use super::places::{TENANTS, Tenant};
use super::random::{Random, quantile_at};
use super::{DemoEvent, Pairs, PostableAlert, What};
use openclaw_alert::{Feedback, Timestamp};
use std::collections::HashMap;
use std::time::Duration;

/// Length of what is generated.
pub(super) const DAY_SECONDS: u64 = 24 * 3600;
/// The tick of the measured arrivals.
const TICK_SECONDS: u64 = 300;
/// A rule is evaluated this often: alerts start and end on this grid.
const EVALUATION_SECONDS: u64 = 15;
/// As many as Prometheus puts in one request.
pub(super) const POST_ALERTS_MAX: usize = 256;

/// Made up: a storm's symptoms, and how long they keep starting.
pub(super) const STORM_ALERTS: (u64, u64) = (150, 400);
pub(super) const STORM_SECONDS: u64 = 600;
/// Made up: how long a flapping alert fires, and is silent, before it stays.
const FLAP_SECONDS: (u64, u64) = (60, 240);
/// Made up: gaps inside a burst, well below the one that ends it.
const BURST_GAP_SECONDS: (u64, u64) = (0, BURST_GAP_SECONDS_MAX / 6);

/// Made up, since the incidents are timed to the minute: the shortest alert
/// and the fastest answer.
const SHORTEST_SECONDS: u64 = 60;
const FASTEST_SECONDS: u64 = 10;

const SEVERITIES: [&str; 4] = ["critical", "error", "warning", "info"];
const CRITICAL: usize = 0;

/// 24 hours from `start`, in order of time. Each alert fires before it is
/// acted on, and is acted on before it resolves.
pub(crate) fn day(seed: u64, start: Timestamp) -> impl Iterator<Item = DemoEvent> {
    let mut moments = Vec::new();
    for (number, tenant) in TENANTS.iter().enumerate() {
        let mut plan = Plan::new(tenant, number, seed, start);
        plan.fill();
        moments.append(&mut plan.moments);
    }
    moments.sort_by_key(|moment| (moment.at, moment.tenant));
    joined(moments).into_iter()
}

/// Something that happens to one alert.
struct Moment {
    at: Timestamp,
    tenant: usize,
    what: Happening,
}

enum Happening {
    Posted(PostableAlert),
    Answered(What),
}

/// What a tenant's rules find at the same time goes into one request.
fn joined(moments: Vec<Moment>) -> Vec<DemoEvent> {
    let mut events: Vec<DemoEvent> = Vec::new();
    for Moment { at, tenant, what } in moments {
        let name = TENANTS[tenant].name;
        let alert = match what {
            Happening::Answered(what) => {
                events.push(DemoEvent { at, tenant: Some(name.to_owned()), what });
                continue;
            }
            Happening::Posted(alert) => alert,
        };
        match events.last_mut() {
            Some(DemoEvent { at: last, tenant: Some(of), what: What::Post { alerts } })
                if *last == at && of == name && alerts.len() < POST_ALERTS_MAX =>
            {
                alerts.push(alert);
            }
            _ => {
                let what = What::Post { alerts: vec![alert] };
                events.push(DemoEvent { at, tenant: Some(name.to_owned()), what });
            }
        }
    }
    events
}

/// What people do about an alert, in seconds since it fired.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Nobody,
    Worked { by: &'static str, ack_after: u64, resolve_after: u64 },
    Dismissed { by: &'static str, after: u64 },
}

/// What is behind the alerts of a burst.
#[derive(Debug, Clone, Copy)]
struct Cause {
    severity: usize,
    answer: Answer,
    seconds: u64,
}

/// A tenant's day in the making. Times are seconds since its start.
struct Plan<'t> {
    tenant: &'t Tenant,
    number: usize,
    random: Random,
    start: Timestamp,
    /// When what fires now, or fired last, ends: by kind and place.
    busy_until: HashMap<(&'static str, u64), u64>,
    moments: Vec<Moment>,
}

impl<'t> Plan<'t> {
    fn new(tenant: &'t Tenant, number: usize, seed: u64, start: Timestamp) -> Self {
        let random = Random::new(seed, number as u64);
        Self { tenant, number, random, start, busy_until: HashMap::new(), moments: Vec::new() }
    }

    fn fill(&mut self) {
        for _ in 0..STORMS_PER_TENANT {
            self.storm();
        }
        let per_tick =
            self.tenant.alerts_per_day / BURST_SIZE_MEAN * TICK_SECONDS as f64 / DAY_SECONDS as f64;
        for tick in 0..DAY_SECONDS / TICK_SECONDS {
            let factor = self.random.quantile(&self.tenant.arrivals.factors);
            let mean = per_tick * self.tenant.arrivals.hours[self.hour(tick * TICK_SECONDS)] * factor;
            for _ in 0..self.random.poisson(mean) {
                let at = tick * TICK_SECONDS + self.random.below(TICK_SECONDS);
                self.incident(at);
            }
        }
    }

    fn hour(&self, seconds: u64) -> usize {
        let at = self.start.plus(Duration::from_secs(seconds));
        (at.secs().rem_euclid(86_400) / 3600) as usize
    }

    /// A burst, or a place that flaps.
    fn incident(&mut self, at: u64) {
        let number = self.random.weighted(CATEGORIES.iter().map(|category| category.share));
        let (kind, size) = (&KINDS[number], self.random.step(&BURST_SIZES));
        let cause = self.cause(kind, CATEGORIES[number].needed);
        let place = self.random.below(self.tenant.places(kind.target));
        match kind.habit {
            Habit::Flaps => self.flap(kind, place, at, size, cause),
            Habit::Bursts | Habit::Ignored => self.burst(kind, place, at, size, cause),
        }
    }

    fn cause(&mut self, kind: &Kind, needed: f64) -> Cause {
        let severity = self.random.weighted(PRIORITY_SHARES.into_iter());
        let needed = self.random.chance(NEEDED_BY_PRIORITY[severity].unwrap_or(needed));
        let answered = kind.habit != Habit::Ignored && !self.random.chance(unanswered_share());
        let by = *self.random.one_of(&self.tenant.people);
        // What is answered late is resolved late: one rank for both.
        let rank = self.random.unit();
        let seconds = |table: &[(f64, f64)]| (quantile_at(table, rank) * 60.0) as u64;
        let (response, resolution) = match needed {
            true => (&NEEDED_RESPONSE_MINUTES, &NEEDED_RESOLVE_MINUTES),
            false => (&OTHER_RESPONSE_MINUTES, &OTHER_RESOLVE_MINUTES),
        };
        let over_after = seconds(resolution).max(SHORTEST_SECONDS);
        let after = seconds(response).clamp(FASTEST_SECONDS, over_after - FASTEST_SECONDS);
        let answer = match (answered, needed) {
            (false, _) => Answer::Nobody,
            (true, true) => Answer::Worked { by, ack_after: after, resolve_after: over_after },
            (true, false) => Answer::Dismissed { by, after },
        };
        Cause { severity, answer, seconds: over_after + EVALUATION_SECONDS }
    }

    fn burst(&mut self, kind: &'static Kind, place: u64, mut at: u64, size: u64, cause: Cause) {
        for offset in 0..size {
            self.episode(kind, place + offset, at, cause);
            at += self.random.between(BURST_GAP_SECONDS.0, BURST_GAP_SECONDS.1);
        }
    }

    /// The last time it stays until the cause is gone.
    fn flap(&mut self, kind: &'static Kind, place: u64, mut at: u64, size: u64, cause: Cause) {
        for _ in 1..size {
            let seconds = self.random.between(FLAP_SECONDS.0, FLAP_SECONDS.1);
            self.episode(kind, place, at, Cause { answer: Answer::Nobody, seconds, ..cause });
            at += seconds + self.random.between(FLAP_SECONDS.0, FLAP_SECONDS.1);
        }
        self.episode(kind, place, at, cause);
    }

    /// Only the cause is worked on; its symptoms go when it goes.
    fn storm(&mut self) {
        let at = self.random.between(DAY_SECONDS / 24, DAY_SECONDS - DAY_SECONDS / 12);
        let by = *self.random.one_of(&self.tenant.people);
        let resolve_after = STORM_SECONDS + self.random.below(STORM_SECONDS);
        let answer = Answer::Worked { by, ack_after: self.random.between(60, 300), resolve_after };
        let cause = &STORM_CAUSES[self.number % STORM_CAUSES.len()];
        let place = self.random.below(self.tenant.places(cause.target));
        let seconds = resolve_after + EVALUATION_SECONDS;
        self.episode(cause, place, at, Cause { severity: CRITICAL, answer, seconds });
        let symptoms: Vec<&'static Kind> =
            KINDS.iter().filter(|kind| STORM_SYMPTOMS.contains(&kind.name)).collect();
        for _ in 0..self.random.between(STORM_ALERTS.0, STORM_ALERTS.1) {
            let kind = *self.random.one_of(&symptoms);
            let after = self.random.between(EVALUATION_SECONDS, STORM_SECONDS - EVALUATION_SECONDS);
            let seconds = resolve_after - after + self.random.between(30, 300);
            let severity = self.random.weighted(PRIORITY_SHARES.into_iter());
            let place = self.random.below(self.tenant.places(kind.target));
            self.episode(kind, place, at + after, Cause { severity, answer: Answer::Nobody, seconds });
        }
    }

    /// From firing to its end, in a place that is free.
    fn episode(&mut self, kind: &'static Kind, place: u64, at: u64, cause: Cause) {
        let fires = self.evaluated(at);
        let ends = self.evaluated(fires + cause.seconds + 1);
        let Some(place) = self.free_place(kind, place, fires, ends) else { return };
        let mut alert = self.alert(kind, place, cause.severity, fires);
        self.push(fires, Happening::Posted(alert.clone()));
        self.answer(&alert.labels, fires, cause.answer);
        alert.ends_at = Some(self.time(ends));
        self.push(ends, Happening::Posted(alert));
    }

    /// The next moment at which the rules are evaluated; tenants take turns.
    fn evaluated(&self, seconds: u64) -> u64 {
        let turn = self.number as u64 * EVALUATION_SECONDS / TENANTS.len() as u64;
        seconds.saturating_sub(turn).next_multiple_of(EVALUATION_SECONDS) + turn
    }

    /// Takes `place`, or the next behind it where nothing fires; `None` when
    /// all fire already.
    fn free_place(&mut self, kind: &Kind, place: u64, fires: u64, ends: u64) -> Option<u64> {
        let places = self.tenant.places(kind.target);
        let is_free =
            |place: &u64| self.busy_until.get(&(kind.name, *place)).is_none_or(|until| *until < fires);
        let place = (0..places).map(|offset| (place + offset) % places).find(is_free)?;
        self.busy_until.insert((kind.name, place), ends);
        Some(place)
    }

    fn alert(&mut self, kind: &Kind, place: u64, severity: usize, fires: u64) -> PostableAlert {
        let place = self.tenant.place(kind.target, place);
        let own = [("alertname", kind.name), ("severity", SEVERITIES[severity])];
        let labels = place.labels.iter().map(|(name, value)| (*name, value.as_str())).chain(own);
        let value = kind.values.0 + self.random.unit() * (kind.values.1 - kind.values.0);
        let value = if kind.values.0.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") };
        let said = |template: &str| template.replace("{subject}", &place.subject).replace("{value}", &value);
        let name = self.tenant.name;
        PostableAlert {
            labels: Pairs::labels(labels),
            annotations: Pairs::annotations([
                ("summary", &*said(kind.summary)),
                ("description", &*said(kind.description)),
                ("runbook_url", &*format!("https://runbooks.{name}.example/{}", kind.name.to_lowercase())),
            ]),
            starts_at: self.time(fires),
            ends_at: None,
            generator_url: graph_url(name, kind.expr),
        }
    }

    fn answer(&mut self, labels: &Pairs, fires: u64, answer: Answer) {
        match answer {
            Answer::Nobody => {}
            Answer::Worked { by, ack_after, resolve_after } => {
                self.act(labels, fires + ack_after, Feedback::Ack, by);
                self.act(labels, fires + resolve_after, Feedback::Resolve, by);
            }
            Answer::Dismissed { by, after } => self.act(labels, fires + after, Feedback::Dismiss, by),
        }
    }

    fn act(&mut self, labels: &Pairs, at: u64, action: Feedback, by: &str) {
        let note = (*self.random.one_of(notes(action))).to_owned();
        let by = format!("{by}@{}.example", self.tenant.name);
        self.push(at, Happening::Answered(What::Feedback { labels: labels.clone(), action, by, note }));
    }

    fn time(&self, seconds: u64) -> Timestamp {
        self.start.plus(Duration::from_secs(seconds))
    }

    /// What would happen tomorrow is left out.
    fn push(&mut self, seconds: u64, what: Happening) {
        if seconds < DAY_SECONDS {
            self.moments.push(Moment { at: self.time(seconds), tenant: self.number, what });
        }
    }
}

/// The part of the other kinds' incidents that nobody answers, so that with
/// the kinds that are always ignored it comes to [`UNANSWERED_SHARE`].
fn unanswered_share() -> f64 {
    let all: f64 = CATEGORIES.iter().map(|category| category.share).sum();
    let kinds = CATEGORIES.iter().zip(&KINDS);
    let ignored = kinds.filter(|(_, kind)| kind.habit == Habit::Ignored);
    let ignored = ignored.map(|(category, _)| category.share).sum::<f64>() / all;
    (UNANSWERED_SHARE - ignored) / (1.0 - ignored)
}

fn notes(action: Feedback) -> &'static [&'static str] {
    match action {
        Feedback::Ack | Feedback::Escalate => &["looking into it", "mine", "on it"],
        Feedback::Resolve => &["rolled back", "restarted", "scaled out", "made room", "failed over"],
        Feedback::Dismiss => &["known noise", "came back by itself", "planned work", "no impact"],
    }
}

/// As Prometheus links to an expression.
fn graph_url(tenant: &str, expr: &str) -> String {
    let mut url = format!("https://prometheus.{tenant}.example/graph?g0.expr=");
    for byte in expr.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => url.push(byte as char),
            b' ' => url.push('+'),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url.push_str("&g0.tab=1");
    url
}
