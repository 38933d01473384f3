//! A tenant's file.

use super::env::Environment;
use super::fault::{Fault, Place};
use super::original;
use super::problem::Problem;
use super::read::{At, Context, Field, Later, Named, Read, choice, section};
use super::receivers::{self, ReceiverSection};
use super::route::{self, RouteSection};
use super::service::{RatingDefaults, RatingModeName};
use super::tenants::TenantFile;
use super::values::{Condition, Count, Fraction, PerSecond, Size, Span, Tenant, Text};
use super::{read_text, yaml};
use openclaw_admission::Limits;
use openclaw_alert::{Matcher, TenantName};
use openclaw_delivery::ReceiverSettings;
use openclaw_pipeline::{Digest, RatingMode, RatingPolicy, RetryPolicy, TenantSettings};
use openclaw_routing::{DigestSchedule, DigestScheduleError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SOURCES_MAX: usize = 256;

section! {
    /// One tenant's settings.
    TenantSection {
        /// The tenant's name: the file's too.
        tenant: Tenant,
        /// How many new alerts may come in. Repeats and resolves cost nothing.
        limits: LimitsSection,
        /// What a score does.
        rating: RatingSection,
        /// `live`: notifications are sent.
        delivery: DeliveryMode,
        /// Intakes by name.
        sources: Named<SourceSection>,
        /// Timers that don't belong to a route.
        global: GlobalSection,
        /// Who can be told, in Alertmanager's words.
        receivers: Vec<At<ReceiverSection>>,
        /// Who is told, and how alerts are grouped.
        route: RouteSection,
        #[schemars(skip)]
        jwt: Later,
        #[schemars(skip)]
        inhibit_rules: Later,
        #[schemars(skip)]
        time_intervals: Later,
        #[schemars(skip)]
        mute_time_intervals: Later,
        #[schemars(skip)]
        templates: Later,
    }
}

section! {
    /// How many new alerts may come in.
    LimitsSection {
        /// Adaptation never goes below this.
        floor: BucketSection,
        /// More than this is kept for later. Default rate `20000/s`, burst 200000.
        ceiling: BucketSection,
        /// `advise` (the default) computes limits and shows them; `off` doesn't.
        adaptive: Adaptive,
        /// Bytes of alerts kept for later; past that new alerts are refused. Default `64MiB`.
        backlog_bytes: Size,
        #[schemars(skip)]
        policies: Later,
    }
}

section! {
    /// A token bucket.
    BucketSection {
        /// New alerts a second, in the long run.
        rate: PerSecond,
        /// New alerts at once.
        burst: Count,
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
    /// An intake.
    SourceSection {
        /// What its senders write. Default: the name is the format.
        format: SourceFormat,
    }
}

section! {
    /// Timers that don't belong to a route.
    GlobalSection {
        /// How long an alert without an end of its own fires after its last post. Default `5m`.
        resolve_timeout: Span,
    }
}

choice! {
    /// What becomes of notifications.
    DeliveryMode {
        Live = "live",
        Shadow = "shadow",
    }
}

choice! {
    /// What becomes of computed limits.
    Adaptive {
        Off = "off",
        Advise = "advise",
        On = "on",
    }
}

choice! {
    /// What an intake's senders write.
    SourceFormat {
        Alertmanager = "alertmanager",
        Grafana = "grafana",
        PagerDuty = "pagerduty",
        CloudEvents = "cloudevents",
        ServiceNow = "servicenow",
        Opsgenie = "opsgenie",
        Json = "json",
    }
}

/// A tenant, checked.
#[derive(Debug, Clone)]
pub(crate) struct TenantConfig {
    /// What decides.
    pub(crate) pipeline: Arc<TenantSettings>,
    /// What sends.
    pub(crate) receivers: Vec<ReceiverSettings>,
    /// Intakes by name.
    pub(crate) sources: Vec<Source>,
    /// The routing as one Alertmanager configuration, without secrets.
    pub(crate) routing_yaml: String,
}

/// An intake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    pub(crate) format: SourceFormat,
}

/// Reads and checks a tenant's file.
pub(super) fn load(
    file: &TenantFile,
    defaults: RatingDefaults,
    environment: &Environment,
) -> (Option<TenantConfig>, Vec<Fault>) {
    let path: Arc<Path> = file.path.as_path().into();
    match read_text(&path) {
        Ok(text) => parse(&text, &path, &file.name, defaults, environment),
        Err(fault) => (None, vec![fault]),
    }
}

/// Checks the text of a tenant's file.
pub(super) fn parse(
    text: &str,
    path: &Arc<Path>,
    name: &TenantName,
    defaults: RatingDefaults,
    environment: &Environment,
) -> (Option<TenantConfig>, Vec<Fault>) {
    let root = match yaml::parse(text, path) {
        Ok(root) => root,
        Err(fault) => return (None, vec![fault]),
    };
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut cx = Context { environment, folder, faults: Vec::new() };
    let config = TenantSection::read(&root, &mut cx)
        .and_then(|section| checked(section, &Place::Whole(path.clone()), name, defaults, &mut cx));
    (config, cx.faults)
}

fn checked(
    section: TenantSection,
    file: &Place,
    name: &TenantName,
    defaults: RatingDefaults,
    cx: &mut Context<'_>,
) -> Option<TenantConfig> {
    check_name(section.tenant, file, name, cx);
    refuse_shadow(&section.delivery, cx);
    let limits = limits(section.limits.into_value().unwrap_or_default(), cx);
    let receivers = receivers::checked(section.receivers.into_value().unwrap_or_default(), cx);
    let rating = rating(section.rating, file, defaults, &receivers.names, cx);
    let sources = sources(section.sources, cx);
    let resolve_timeout = resolve_timeout(section.global, cx);
    let route = section.route.required("route", file, cx);
    let route = route.and_then(|route| route::checked(route, &receivers.names, cx))?;
    let routing_yaml = original::write(resolve_timeout, &route, &receivers.settings);
    let pipeline = Arc::new(TenantSettings {
        name: name.clone(),
        limits,
        rating: rating?,
        route,
        receivers: receivers.for_routing(),
        resolve_timeout: resolve_timeout.unwrap_or(Duration::from_secs(300)),
        retry: RetryPolicy::default(),
    });
    Some(TenantConfig { pipeline, receivers: receivers.settings, sources, routing_yaml })
}

fn check_name(field: Field<Tenant>, file: &Place, name: &TenantName, cx: &mut Context<'_>) {
    if let Some(set) = field.required("tenant", file, cx)
        && set.value.0 != *name
    {
        let problem = Problem::OtherTenant { expected: name.to_string(), found: set.value.0.to_string() };
        cx.fault(&set.place, problem);
    }
}

fn not_yet(place: &Place, what: &str, cx: &mut Context<'_>) {
    cx.fault(place, Problem::NotYet { what: what.to_owned() });
}

/// Sending although the file says not to would be the worst answer.
fn refuse_shadow(delivery: &Field<DeliveryMode>, cx: &mut Context<'_>) {
    if let Some(At { value: DeliveryMode::Shadow, place }) = delivery.as_set() {
        not_yet(place, "delivery: shadow", cx);
    }
}

fn limits(section: LimitsSection, cx: &mut Context<'_>) -> Limits {
    if let Some(At { value: Adaptive::On, place }) = section.adaptive.as_set() {
        not_yet(place, "adaptive: on", cx);
    }
    let default = Limits::default();
    let floor = section.floor.into_set().and_then(|set| bucket(set, cx));
    let ceiling = section.ceiling.into_set().and_then(|set| bucket(set, cx));
    let rate_per_s = ceiling.as_ref().map_or(default.rate_per_s, |(rate, _)| rate.value.0);
    let burst = ceiling.as_ref().map_or(default.burst, |(_, burst)| burst.value.0);
    if let Some((floor_rate, floor_burst)) = floor {
        if floor_rate.value.0 > rate_per_s {
            cx.fault(&floor_rate.place, Problem::FloorAboveCeiling { key: "rate" });
        }
        if floor_burst.value.0 > burst {
            cx.fault(&floor_burst.place, Problem::FloorAboveCeiling { key: "burst" });
        }
    }
    let backlog_bytes = section.backlog_bytes.into_value().map_or(default.backlog_bytes, |size| size.0);
    Limits { rate_per_s, burst, backlog_bytes }
}

fn bucket(section: At<BucketSection>, cx: &mut Context<'_>) -> Option<(At<PerSecond>, At<Count>)> {
    const RATE_MAX: f64 = 1e6;
    const BURST_MAX: u64 = 1_000_000_000;
    let rate = section.value.rate.required("rate", &section.place, cx);
    let burst = section.value.burst.required("burst", &section.place, cx);
    let (rate, burst) = (rate?, burst?);
    if !(1.0 / 3600.0..=RATE_MAX).contains(&rate.value.0) {
        let (least, most) = ("1/h".to_owned(), "1000000/s".to_owned());
        cx.fault(&rate.place, Problem::OutOfRange { key: "rate", least, most });
    }
    if !(1..=BURST_MAX).contains(&burst.value.0) {
        let (least, most) = ("1".to_owned(), BURST_MAX.to_string());
        cx.fault(&burst.place, Problem::OutOfRange { key: "burst", least, most });
    }
    Some((rate, burst))
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
    let receiver = receiver.and_then(|name| receivers::named(&name, receivers, cx));
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

fn sources(field: Field<Named<SourceSection>>, cx: &mut Context<'_>) -> Vec<Source> {
    let Some(At { value: Named(named), place }) = field.into_set() else { return Vec::new() };
    if named.len() > SOURCES_MAX {
        cx.fault(&place, Problem::TooMany { what: "sources", most: SOURCES_MAX });
    }
    named.into_iter().filter_map(|(name, section)| source(&name, section, cx)).collect()
}

fn source(name: &At<String>, section: SourceSection, cx: &mut Context<'_>) -> Option<Source> {
    use super::read::Scalar as _;
    let format = match section.format {
        Field::Absent => {
            let format = cx.keep(&name.place, SourceFormat::parse(&name.value))?;
            At { value: format, place: name.place.clone() }
        }
        field => field.into_set()?,
    };
    // The name becomes a metric's label and a path segment.
    let name = cx.keep(
        &name.place,
        TenantName::new(&name.value).map_err(|_| Problem::NotA {
            text: name.value.chars().take(80).flat_map(char::escape_debug).collect(),
            expected: "a source's name: use 1 to 63 of `a-z`, `0-9`, `-`, `_`",
        }),
    )?;
    if format.value != SourceFormat::Alertmanager {
        not_yet(&format.place, format.value.word(), cx);
        return None;
    }
    Some(Source { name: name.as_str().into(), format: format.value })
}

fn resolve_timeout(field: Field<GlobalSection>, cx: &mut Context<'_>) -> Option<Duration> {
    let set = field.into_value()?.resolve_timeout.into_set()?;
    let bounds = Duration::from_secs(1)..=Duration::from_secs(7 * 86_400);
    if !bounds.contains(&set.value.0) {
        let (least, most) = ("1s".to_owned(), "1w".to_owned());
        cx.fault(&set.place, Problem::OutOfRange { key: "resolve_timeout", least, most });
    }
    Some(set.value.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_delivery::Integration;

    fn good(text: &str, defaults: RatingDefaults) -> TenantConfig {
        let name = TenantName::new("acme").unwrap();
        let path: Arc<Path> = Path::new("acme.yaml").into();
        let (config, faults) = parse(text, &path, &name, defaults, &Environment::default());
        assert!(faults.is_empty(), "{faults:?}");
        config.unwrap()
    }

    #[test]
    fn the_example_reaches_its_types() {
        let config = good(include_str!("../../../../examples/tenants/acme.yaml"), RatingDefaults::default());
        let TenantSettings { limits, rating, route, receivers, resolve_timeout, .. } = &*config.pipeline;
        assert_eq!((limits.rate_per_s, limits.burst, limits.backlog_bytes), (1000.0, 10_000, 64 << 20));
        assert!(matches!(rating.mode, RatingMode::Observe));
        assert_eq!(rating.never_digest[0].to_string(), "severity=\"critical\"");
        assert_eq!((&*route.receiver, route.group_wait), ("ops", Duration::from_secs(30)));
        assert_eq!(receivers[0].integrations, [openclaw_routing::Integration { send_resolved: true }]);
        assert!(receivers[1].integrations.is_empty());
        assert_eq!(*resolve_timeout, Duration::from_secs(300));
        assert_eq!(config.sources[0], Source { name: "prom-eu".into(), format: SourceFormat::Alertmanager });
        let Integration::Webhook(webhook) = &config.receivers[0].integrations[0] else { panic!("a webhook") };
        assert_eq!(webhook.url.host(), "127.0.0.1:9095");
    }

    #[test]
    fn what_is_left_out_has_defaults() {
        let text = "tenant: acme\nreceivers: [{name: ops}]\nroute: {receiver: ops}\n";
        let defaults = RatingDefaults { threshold: 0.6, mode: RatingModeName::Observe };
        let config = good(text, defaults);
        let TenantSettings { limits, rating, route, .. } = &*config.pipeline;
        assert_eq!(*limits, Limits::default());
        assert_eq!((rating.threshold, rating.never_digest.len()), (0.6, 1));
        assert_eq!(*route, openclaw_routing::Route::new("ops"));
    }

    #[test]
    fn the_service_mode_holds_where_the_tenant_has_none() {
        let text = "tenant: acme
rating: { never_digest: [], digest: { receiver: ops, every: 6h, at: '08:30', timezone: Europe/Berlin } }
receivers: [{name: ops}]
route: {receiver: ops}
";
        let config = good(text, RatingDefaults { threshold: 0.6, mode: RatingModeName::Enforce });
        let RatingMode::Enforce(digest) = &config.pipeline.rating.mode else { panic!("enforce") };
        let schedule = DigestSchedule::new(Duration::from_secs(6 * 3600), "08:30", "Europe/Berlin").unwrap();
        assert_eq!((&*digest.receiver, &digest.schedule), ("ops", &schedule));
        assert!(config.pipeline.rating.never_digest.is_empty());
    }

    #[test]
    fn the_routing_is_one_alertmanager_configuration() {
        let text = r##"
tenant: acme
global: { resolve_timeout: 90s }
receivers:
  - name: 'op"s: é'
    slack_configs: [{ api_url: "https://hooks.example/hidden", channel: "#a" }]
    webhook_configs:
      - { url: "https://u:hidden@example.com/", max_alerts: 5, send_resolved: false, secret: hidden-secret }
      - { url: "https://example.com/hidden" }
  - name: nobody
route: { receiver: 'op"s: é', group_by: [alertname, 'odd "label"'], group_wait: 0s, repeat_interval: 1d }
"##;
        let routing_yaml = good(text, RatingDefaults::default()).routing_yaml;
        assert!(!routing_yaml.contains("hidden"));
        insta::assert_snapshot!(routing_yaml, @r##"
        global:
          resolve_timeout: 1m30s
        route:
          receiver: "op\"s: é"
          group_by: ["alertname", "odd \"label\""]
          group_wait: 0s
          group_interval: 5m
          repeat_interval: 1d
        receivers:
        - name: "op\"s: é"
          webhook_configs:
          - url: <secret>
            send_resolved: false
            max_alerts: 5
          - url: <secret>
            send_resolved: true
          slack_configs:
          - api_url: <secret>
            send_resolved: false
            channel: "#a"
        - name: "nobody"
        "##);
        let file: Arc<Path> = Path::new("original.yaml").into();
        yaml::parse(&routing_yaml, &file).unwrap();
    }

    #[test]
    fn all_labels_are_written_as_three_dots() {
        let text = "tenant: acme\nreceivers: [{name: ops}]\nroute: {receiver: ops, group_by: ['...']}\n";
        let config = good(text, RatingDefaults::default());
        assert_eq!(config.pipeline.route.group_by, openclaw_routing::GroupBy::All);
        assert!(config.routing_yaml.contains("group_by: [\"...\"]"));
    }
}
