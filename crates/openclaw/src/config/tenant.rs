//! A tenant's file.

use super::credentials::{self, CertificateSection, JwtSection};
use super::env::Environment;
use super::fault::{Fault, Place};
use super::global::{self, GlobalSection};
use super::inhibit::{self, InhibitSection};
use super::intervals::{self, NamedIntervalsSection};
use super::limits::{self, LimitsSection};
use super::names::{Kind, Names, named};
use super::on_call::{self, RotaSection};
use super::origin::Document;
use super::original;
use super::problem::Problem;
use super::reach::Reach;
use super::read::{At, Context, Field, Later, Named, Read, Secrets, choice, section};
use super::receivers::{self, ReceiverSection};
use super::route::{self, RouteSection, timer};
use super::service::{RatingDefaults, RatingModeName};
use super::sources::{self, Source, SourceSection};
use super::templates::{self, TemplateSection};
use super::tenants::TenantFile;
use super::values::{Condition, Fraction, Span, Tenant, Text};
use super::{read_text, yaml};
use openclaw_admission::LimitSettings;
use openclaw_alert::{MatchOp, Matcher, TenantName};
use openclaw_delivery::ReceiverSettings;
use openclaw_pipeline::{
    DeliveryMode, Digest, REARM_AFTER, RatingMode, RatingPolicy, TenantSettings, WATCHDOG,
};
use openclaw_routing::{DigestSchedule, DigestScheduleError, GroupBy, RouteSettings, RouteTree, Routing};
use openclaw_server::{CertificateRule, TokenSettings};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const RESOLVE_TIMEOUT: Duration = Duration::from_secs(300);

/// Who is told for a tenant whose clients are limited and nothing else.
const NOBODY: &str = "none";

section! {
    /// One tenant's settings.
    TenantSection {
        /// The tenant's name: the file's too.
        tenant: Tenant,
        /// How many new alerts may come in (repeats and resolves cost nothing), and what the tenant's own clients may do.
        limits: LimitsSection,
        /// What a score does.
        rating: RatingSection,
        /// `live` (the default): messages are sent. `shadow`: everything is decided and recorded, nothing is sent.
        delivery: DeliveryWord,
        /// Intakes by name.
        sources: Named<SourceSection>,
        /// Timers that don't belong to a route.
        global: GlobalSection,
        /// Who can be told, in Alertmanager's words.
        receivers: Vec<At<ReceiverSection>>,
        /// Who is told, and how alerts are grouped. Left out by a tenant that has nothing to do with alerts but `limits`.
        route: RouteSection,
        /// What keeps what quiet.
        inhibit_rules: Vec<At<InhibitSection>>,
        /// Times by name, for routes and silences.
        time_intervals: Vec<At<NamedIntervalsSection>>,
        /// The old word for `time_intervals`.
        mute_time_intervals: Vec<At<NamedIntervalsSection>>,
        /// Message templates: files, relative to this one's folder, or `{name: NAME, text: TEXT}`.
        templates: Vec<At<TemplateSection>>,
        /// Who takes turns.
        on_call: Vec<At<RotaSection>>,
        /// What an acknowledgement does.
        acknowledgement: AcknowledgementSection,
        /// An alert that always fires, for a dead man's switch elsewhere.
        watchdog: WatchdogSection,
        /// Tokens that are this tenant's.
        jwt: JwtSection,
        /// Client certificates that are credentials of this tenant.
        client_certificates: Vec<At<CertificateSection>>,
    }
}

section! {
    /// What a score does.
    RatingSection {
        /// `observe` shows scores and routes as Alertmanager would; `enforce` sends what is below the threshold to the digest.
        mode: RatingModeName,
        /// At or above this score an alert pages.
        threshold: Fraction,
        /// Alerts that any of these matches always page. Default `severity="critical"`.
        never_digest: Vec<At<Condition>>,
        /// Where alerts below the threshold are told, and when.
        digest: DigestSection,
        #[schemars(skip)]
        page_budget: Later,
    }
}

section! {
    /// Where alerts below the threshold are told, and when.
    DigestSection {
        /// A receiver by name.
        receiver: Text,
        /// A part of a day. Default `1d`.
        every: Span,
        /// The time of day it counts from. Default `"09:00"`.
        at: Text,
        /// Where that time is. Default `UTC`.
        timezone: Text,
    }
}

section! {
    /// What an acknowledgement does: escalations stop.
    AcknowledgementSection {
        /// What still fires after this long is told anew. Default `8h`.
        rearm_after: Span,
    }
}

section! {
    /// An alert `OpenClawWatchdog` that always fires: who hears nothing of it knows that something is broken.
    WatchdogSection {
        /// A receiver by name.
        receiver: Text,
        /// How often it is told.
        every: Span,
    }
}

choice! {
    /// What becomes of notifications.
    DeliveryWord {
        Live = "live",
        Shadow = "shadow",
    }
}

/// A tenant, checked.
#[derive(Debug, Clone)]
pub(crate) struct TenantConfig {
    /// What decides.
    pub(crate) pipeline: Arc<TenantSettings>,
    /// What its own clients may do.
    pub(crate) limits: LimitSettings,
    /// Whether there is a `route`. Without one its clients are limited, and
    /// nothing else.
    pub(crate) takes_alerts: bool,
    /// What sends.
    pub(crate) receivers: Vec<ReceiverSettings>,
    /// Intakes by name.
    pub(crate) sources: Vec<Source>,
    /// How its tokens are verified.
    pub(crate) tokens: Option<TokenSettings>,
    /// Client certificates that are its own.
    pub(crate) certificates: Vec<At<CertificateRule>>,
    /// The routing as one Alertmanager configuration, without secrets.
    pub(crate) routing_yaml: String,
    /// The file with all that it names elsewhere.
    pub(crate) document: Document,
}

/// Reads and checks a tenant's file.
pub(super) fn load(
    file: &TenantFile,
    defaults: RatingDefaults,
    reach: &Reach,
    environment: &Environment,
) -> (Option<TenantConfig>, Vec<Fault>) {
    let reach = reach.with(file.own_folder());
    let path: Arc<Path> = file.path.as_path().into();
    match read_text(&path) {
        Ok(text) => parse(&text, &path, &file.name, defaults, Secrets::Fetched, &reach, environment),
        Err(fault) => (None, vec![fault]),
    }
}

/// Checks the text of a tenant's file.
pub(super) fn parse(
    text: &str,
    path: &Arc<Path>,
    name: &TenantName,
    defaults: RatingDefaults,
    secrets: Secrets,
    reach: &Reach,
    environment: &Environment,
) -> (Option<TenantConfig>, Vec<Fault>) {
    let root = match yaml::parse(text, path) {
        Ok(root) => root,
        Err(fault) => return (None, vec![fault]),
    };
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let document = Document::of(&root, &folder, reach, environment);
    let mut cx = Context { environment, folder, secrets, reach, faults: Vec::new() };
    let config = TenantSection::read(&root, &mut cx)
        .and_then(|section| checked(section, &Place::Whole(path.clone()), name, defaults, document, &mut cx));
    (config, cx.faults)
}

fn checked(
    section: TenantSection,
    file: &Place,
    name: &TenantName,
    defaults: RatingDefaults,
    document: Document,
    cx: &mut Context<'_>,
) -> Option<TenantConfig> {
    let takes_alerts = !section.only_limits();
    check_name(section.tenant, file, name, cx);
    let (limits, client_limits) = limits::checked(section.limits.into_value().unwrap_or_default(), cx);
    let mut names = Names::default();
    on_call::checked(section.on_call, &mut names, cx);
    intervals::checked(section.mute_time_intervals, &mut names, cx);
    intervals::checked(section.time_intervals, &mut names, cx);
    let templates = templates::checked(section.templates, cx);
    let global = global::checked(section.global, cx);
    let mut receivers = receivers::checked(section.receivers, &global.mail, &templates, &mut names, cx);
    if !takes_alerts {
        receivers.add_nobody(NOBODY);
    }
    let defaults = if takes_alerts { defaults } else { defaults.observing() };
    let rating = rating(section.rating, file, defaults, &names.receivers, cx);
    let sources = sources::checked(section.sources, cx);
    let tokens = credentials::tokens(section.jwt, cx);
    let certificates = credentials::certificates(section.client_certificates, cx);
    let rearm_after = rearm_after(section.acknowledgement, cx);
    let watchdog = section.watchdog.into_set().and_then(|set| watchdog(set, &names, cx));
    let inhibit_rules = inhibit::checked(section.inhibit_rules, cx);
    let mut root = match takes_alerts {
        true => {
            let route = section.route.required("route", file, cx);
            route.and_then(|route| route::checked(route, &names, cx))?
        }
        false => RouteSettings::to(NOBODY),
    };
    let every = watchdog.as_ref().and_then(|route| route.group_interval);
    root.routes.splice(0..0, watchdog);
    let routing = Routing {
        tree: RouteTree::new(&root)?,
        receivers: receivers.for_routing(),
        inhibit_rules: inhibit_rules.into(),
        intervals: names.intervals,
    };
    let routing_yaml = original::write(global.resolve_timeout, &root, &routing, &receivers.settings);
    let pipeline = Arc::new(TenantSettings {
        limits,
        rating: rating?,
        resolve_timeout: global.resolve_timeout.unwrap_or(RESOLVE_TIMEOUT),
        delivery: delivery(&section.delivery),
        rearm_after: rearm_after.unwrap_or(REARM_AFTER),
        watchdog: every,
        silent_after: sources
            .iter()
            .filter_map(|source| Some((source.intake.name.clone(), source.silent_after?)))
            .collect(),
        ..TenantSettings::new(name.clone(), routing)
    });
    let receivers = receivers.settings;
    Some(TenantConfig {
        pipeline,
        limits: client_limits,
        takes_alerts,
        receivers,
        sources,
        tokens,
        certificates,
        routing_yaml,
        document,
    })
}

impl TenantSection {
    /// Whether nothing is said but what its clients may do and who they are: no
    /// `route` is forgotten then.
    fn only_limits(&self) -> bool {
        let about_alerts = [
            self.rating.is_absent(),
            self.delivery.is_absent(),
            self.sources.is_absent(),
            self.global.is_absent(),
            self.receivers.is_absent(),
            self.route.is_absent(),
            self.inhibit_rules.is_absent(),
            self.time_intervals.is_absent(),
            self.mute_time_intervals.is_absent(),
            self.templates.is_absent(),
            self.on_call.is_absent(),
            self.acknowledgement.is_absent(),
            self.watchdog.is_absent(),
        ];
        !self.limits.is_absent() && about_alerts.into_iter().all(|is_absent| is_absent)
    }
}

fn delivery(field: &Field<DeliveryWord>) -> DeliveryMode {
    match field.as_set().map(|set| set.value) {
        Some(DeliveryWord::Shadow) => DeliveryMode::Shadow,
        Some(DeliveryWord::Live) | None => DeliveryMode::Live,
    }
}

fn rearm_after(field: Field<AcknowledgementSection>, cx: &mut Context<'_>) -> Option<Duration> {
    timer("rearm_after", &field.into_value()?.rearm_after, Duration::from_secs(60), cx)
}

/// The route of the alert that always fires, before all others, so that none
/// of them takes it away.
fn watchdog(section: At<WatchdogSection>, names: &Names, cx: &mut Context<'_>) -> Option<RouteSettings> {
    let At { value, place } = section;
    let receiver = value.receiver.required("receiver", &place, cx);
    let receiver = receiver.and_then(|name| named(Kind::Receiver, &name, &names.receivers, cx));
    let every = timer("every", &value.every, Duration::from_secs(1), cx);
    value.every.required("every", &place, cx);
    let every = every?;
    Some(RouteSettings {
        receiver: Some(receiver?),
        group_by: Some(GroupBy::All),
        group_wait: Some(Duration::ZERO),
        group_interval: Some(every),
        // The last message ended a little after the look that began it.
        repeat_interval: Some(every / 2),
        matchers: Matcher::new("alertname", MatchOp::Equal, WATCHDOG).into_iter().collect(),
        escalations: Some(Vec::new()),
        ..RouteSettings::default()
    })
}

fn check_name(field: Field<Tenant>, file: &Place, name: &TenantName, cx: &mut Context<'_>) {
    if let Some(set) = field.required("tenant", file, cx)
        && set.value.0 != *name
    {
        let problem = Problem::OtherTenant { expected: name.to_string(), found: set.value.0.to_string() };
        cx.fault(&set.place, problem);
    }
}

fn rating(
    section: Field<RatingSection>,
    file: &Place,
    defaults: RatingDefaults,
    receivers: &[Arc<str>],
    cx: &mut Context<'_>,
) -> Option<RatingPolicy> {
    let place = section.as_set().map_or_else(|| file.clone(), |set| set.place.clone());
    let section = section.into_value().unwrap_or_default();
    let no_digest = matches!(section.digest, Field::Absent);
    let digest = section.digest.into_set().and_then(|set| digest(set, receivers, cx));
    let mode_place = section.mode.as_set().map_or(place, |set| set.place.clone());
    let mode = match section.mode.into_value().unwrap_or(defaults.mode) {
        RatingModeName::Observe => Some(RatingMode::Observe),
        RatingModeName::Enforce => {
            if no_digest {
                cx.fault(&mode_place, Problem::EnforceWithoutDigest);
            }
            digest.map(RatingMode::Enforce)
        }
    };
    let threshold = section.threshold.into_value().map_or(defaults.threshold, |set| set.0);
    let never_digest = match section.never_digest {
        Field::Absent => Matcher::parse("severity=\"critical\"").into_iter().collect(),
        field => field.into_value().unwrap_or_default().into_iter().map(|at| at.value.0).collect(),
    };
    Some(RatingPolicy { mode: mode?, threshold, never_digest })
}

fn digest(section: At<DigestSection>, receivers: &[Arc<str>], cx: &mut Context<'_>) -> Option<Digest> {
    let At { value, place } = section;
    let receiver = value.receiver.required("receiver", &place, cx);
    let receiver = receiver.and_then(|name| named(Kind::Receiver, &name, receivers, cx));
    let at_place = value.at.as_set().map_or(&place, |set| &set.place).clone();
    let every_place = value.every.as_set().map_or(&place, |set| &set.place).clone();
    let zone_place = value.timezone.as_set().map_or(&place, |set| &set.place).clone();
    let every = value.every.into_value().map_or(Duration::from_secs(86_400), |span| span.0);
    let at = value.at.into_value().map_or_else(|| "09:00".to_owned(), |text| text.0);
    let zone = value.timezone.into_value().map_or_else(|| "UTC".to_owned(), |text| text.0);
    let schedule = DigestSchedule::new(every, &at, &zone).map_err(|error| {
        let place = match error {
            DigestScheduleError::Every => every_place,
            DigestScheduleError::At(_) => at_place,
            DigestScheduleError::Zone(_) => zone_place,
        };
        cx.fault(&place, error);
    });
    Some(Digest { receiver: receiver?, schedule: schedule.ok()? })
}

#[cfg(test)]
#[path = "tenant_tests.rs"]
mod tests;
