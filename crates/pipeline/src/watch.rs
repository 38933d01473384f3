//! Alerts of our own: one that says that all is well, for whoever watches us,
//! and one for each source that has gone silent.

use crate::Phase;
use crate::effects::Effects;
use crate::partition::Partition;
use crate::record::{Cause, End};
use crate::settings::TenantSettings;
use crate::step::Origin;
use crate::timers::Timer;
use openclaw_alert::{Content, Labels, LabelsBuilder, TenantName, Timestamp, Zoned};
use std::sync::Arc;
use std::time::Duration;

/// The source of our own alerts.
pub const INTERNAL_SOURCE: &str = "openclaw";

/// Always firing while we are well; a tenant routes it to its dead man's switch.
pub const WATCHDOG: &str = "OpenClawWatchdog";

/// Fires while a source is silent.
pub const SOURCE_SILENT: &str = "OpenClawSourceSilent";

/// Something that the service says of itself, as an alert of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `alertname`.
    pub name: &'static str,
    /// `severity`.
    pub severity: &'static str,
    /// What it is about: a further label.
    pub about: Option<(&'static str, String)>,
    /// In a line.
    pub summary: &'static str,
    /// In full; empty for nothing to add.
    pub description: String,
}

impl Notice {
    /// Bytes that its texts take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        /// Names of labels and annotations.
        const NAMES: usize = 64;
        let about = self.about.as_ref().map_or(0, |(name, value)| name.len() + value.len());
        NAMES + self.name.len() + self.severity.len() + about + self.summary.len() + self.description.len()
    }

    fn labels(&self) -> Vec<(&str, &str)> {
        let mut labels = vec![("alertname", self.name), ("severity", self.severity)];
        labels.extend(self.about.iter().map(|(name, value)| (*name, value.as_str())));
        labels
    }
}

/// A source that raises an alarm when nothing is heard of it.
#[derive(Debug, Clone)]
struct Watched {
    source: Arc<str>,
    silent_after: Duration,
    heard_at: Timestamp,
    /// The one reminder that counts.
    reminder_at: Timestamp,
}

/// When a tenant's own alerts are due. Not kept over a restart: silence counts
/// from when somebody listened.
#[derive(Debug)]
pub(crate) struct Watch {
    /// How often the watchdog is heard, and when next.
    watchdog: Option<(Duration, Timestamp)>,
    sources: Vec<Watched>,
}

/// What a reminder is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reminder {
    Watchdog,
    Source(u16),
}

impl Reminder {
    pub(crate) fn timer(self, tenant: u16) -> Timer {
        match self {
            Self::Watchdog => Timer::Watchdog(tenant),
            Self::Source(number) => Timer::Source(tenant, number),
        }
    }
}

impl Watch {
    /// What these settings ask for; what was asked for before goes on as it was.
    pub(crate) fn new(settings: &TenantSettings, before: Option<Self>, now: Timestamp) -> Self {
        let (before_dog, before_sources) =
            before.map_or((None, Vec::new()), |old| (old.watchdog, old.sources));
        let watchdog = settings
            .watchdog
            .map(|every| before_dog.filter(|(old, _)| *old == every).unwrap_or((every, now)));
        let watched = |(source, silent_after): &(Arc<str>, Duration)| {
            let same = |old: &&Watched| old.source == *source && old.silent_after == *silent_after;
            let fresh = || Watched {
                source: Arc::clone(source),
                silent_after: *silent_after,
                heard_at: now,
                reminder_at: now.plus(*silent_after),
            };
            before_sources.iter().find(same).cloned().unwrap_or_else(fresh)
        };
        Self { watchdog, sources: settings.silent_after.iter().map(watched).collect() }
    }

    /// Every reminder; setting one twice changes nothing but to ask twice.
    pub(crate) fn reminders(&self) -> impl Iterator<Item = (Timestamp, Reminder)> + '_ {
        let dog = self.watchdog.map(|(_, at)| (at, Reminder::Watchdog));
        let sources = self.sources.iter().enumerate();
        dog.into_iter()
            .chain(sources.map(|(number, watched)| (watched.reminder_at, Reminder::Source(number as u16))))
    }
}

fn source_silent(source: &str) -> [(&str, &str); 3] {
    [("alertname", SOURCE_SILENT), ("severity", "critical"), ("source", source)]
}

impl Partition {
    pub(crate) fn is_internal(&self, tenant: u16, source: u16) -> bool {
        let source = self.state.tenant(tenant).and_then(|tenant| tenant.sources.get(usize::from(source)));
        source.is_some_and(|source| *source.name == *INTERNAL_SOURCE)
    }

    fn watch_mut(&mut self, tenant: u16) -> Option<&mut Watch> {
        Some(&mut self.policies.get_mut(usize::from(tenant))?.as_mut()?.watch)
    }

    /// `reminded_at` tells the reminder that counts from those before it.
    pub(crate) fn watchdog(
        &mut self,
        tenant: u16,
        reminded_at: Timestamp,
        now: Timestamp,
        out: &mut Effects,
    ) {
        let watchdog = self.watch_mut(tenant).and_then(|watch| watch.watchdog.as_mut());
        let Some((every, due)) = watchdog.filter(|(_, due)| *due == reminded_at) else { return };
        *due = now.plus(*every);
        let (every, due) = (*every, *due);
        let labels = [("alertname", WATCHDOG), ("severity", "none")];
        let summary = "always firing: alerts are taken in, routed and sent";
        self.say(tenant, &labels, &[("summary", summary)], every * 4, now, out);
        self.timers.set(due, Timer::Watchdog(tenant));
    }

    /// A source was heard of: it isn't silent.
    pub(crate) fn heard(&mut self, tenant: u16, source: &str, now: Timestamp, out: &mut Effects) {
        let Some(watch) = self.watch_mut(tenant) else { return };
        let Some(watched) = watch.sources.iter_mut().find(|watched| *watched.source == *source) else {
            return;
        };
        watched.heard_at = now;
        let labels = LabelsBuilder::encode(source_silent(source));
        if let Some((slot, episode)) = self.firing(tenant, Labels::from_encoded(&labels)) {
            self.end(slot, episode, Zoned::utc(now), Cause::Posted, now, out);
        }
    }

    /// A source may have gone silent.
    pub(crate) fn listen(
        &mut self,
        tenant: u16,
        number: u16,
        reminded_at: Timestamp,
        now: Timestamp,
        out: &mut Effects,
    ) {
        let watched = self.watch_mut(tenant).and_then(|watch| watch.sources.get_mut(usize::from(number)));
        let Some(watched) = watched.filter(|watched| watched.reminder_at == reminded_at) else { return };
        let silent_at = watched.heard_at.plus(watched.silent_after);
        watched.reminder_at = if silent_at > now { silent_at } else { now.plus(watched.silent_after) };
        let watched = watched.clone();
        self.timers.set(watched.reminder_at, Timer::Source(tenant, number));
        if silent_at > now {
            return;
        }
        let minutes = watched.silent_after.as_secs_f64() / 60.0;
        let summary =
            format!("nothing was heard of source {} for more than {minutes:.1} minutes", watched.source);
        let until = watched.silent_after * 3;
        self.say(tenant, &source_silent(&watched.source), &[("summary", &summary)], until, now, out);
    }

    fn firing(&self, tenant: u16, labels: Labels<'_>) -> Option<(u32, u64)> {
        let slot = self.state.alerts.find(tenant, self.state.alerts.hash(tenant, labels), labels)?;
        let alert = self.state.alerts.get(slot).filter(|alert| alert.phase != Phase::Resolved)?;
        Some((slot, alert.id))
    }

    /// The service says something of itself, or that it holds no more.
    pub(crate) fn say_of_itself(
        &mut self,
        tenant: &TenantName,
        notice: &Notice,
        lasts: Option<Duration>,
        now: Timestamp,
        out: &mut Effects,
    ) {
        let labels = notice.labels();
        if let Some(lasts) = lasts {
            let Some(number) = self.tenant_number_of(tenant, now, out) else { return };
            let mut annotations = vec![("summary", notice.summary), ("description", &notice.description)];
            annotations.retain(|(_, text)| !text.is_empty());
            return self.say(number, &labels, &annotations, lasts, now, out);
        }
        let Some(number) = self.state.tenant_number(tenant.as_str()) else { return };
        let labels = LabelsBuilder::encode(labels);
        if let Some((slot, episode)) = self.firing(number, Labels::from_encoded(&labels)) {
            self.end(slot, episode, Zoned::utc(now), Cause::Posted, now, out);
        }
    }

    /// Takes in an alert of our own, past every limit.
    fn say(
        &mut self,
        tenant: u16,
        labels: &[(&str, &str)],
        annotations: &[(&str, &str)],
        lasts: Duration,
        now: Timestamp,
        out: &mut Effects,
    ) {
        let Some(name) = self.state.tenant(tenant).and_then(|tenant| tenant.name.clone()) else { return };
        let Some((tenant, source)) = self.number_of(&name, INTERNAL_SOURCE, now, out) else { return };
        let labels = LabelsBuilder::encode(labels.iter().copied());
        let annotations = LabelsBuilder::encode(annotations.iter().copied());
        let mut content = Vec::new();
        let view = Content {
            labels: Labels::from_encoded(&labels),
            annotations: Labels::from_encoded(&annotations),
            generator_url: "",
        };
        view.write(&mut content);
        let resolve_timeout =
            self.settings(tenant).map_or(Duration::ZERO, |settings| settings.resolve_timeout);
        let end = End { at: Zoned::utc(now.plus(lasts.max(resolve_timeout))), is_timeout: false };
        let from = Origin { is_internal: true, ..Origin::new(tenant, source, resolve_timeout, now) };
        // It is no answer to anybody.
        let taken = out.taken;
        self.take_content(&from, Zoned::utc(now), end, &content, out);
        out.taken = taken;
    }
}
