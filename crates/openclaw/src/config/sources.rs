//! A tenant's intakes.

use super::problem::Problem;
use super::read::{At, Context, Field, Named, Scalar as _, choice, section};
use super::route::timer;
use super::secret::SecretText;
use super::values::{Flag, LabelValue, Span, Text};
use openclaw_alert::TenantName;
use openclaw_delivery::webhook::SigningKey;
use openclaw_server::Signing;
use openclaw_sources::grafana::HmacHeaders;
use openclaw_sources::{Format, Mapping, MappingError, MappingSettings};
use std::collections::BTreeMap;
use std::time::Duration;

const SOURCES_MAX: usize = 256;

/// The longest that an alert fires which nobody repeats: what is forgotten
/// elsewhere must not fire for ever.
const RESOLVE_TIMEOUT_MAX: Duration = Duration::from_secs(30 * 86_400);

section! {
    /// An intake.
    SourceSection {
        /// What its senders write. Default: the name is the format.
        format: SourceFormat,
        /// An alarm is raised when nothing has been heard for this long. Default: never.
        silent_after: Span,
        /// How long an alert without an end of its own fires after its last post. Default: the tenant's for `alertmanager`; `1w` for formats that say when an alert ends; `1d` for others.
        resolve_timeout: Span,
        /// What senders sign with: Grafana's HMAC for `grafana`, Standard Webhooks for others. A wrong signature is refused; a right one is credential enough at `/t/TENANT/api/v1/ingest/NAME`.
        secret: SecretText,
        /// `true`: a key alone is not enough. Default `false`.
        secret_required: Flag,
        /// Header that Grafana puts its signature in, if not its own default.
        signature_header: Text,
        /// Header that Grafana puts the time of signing in; without it, a request that was overheard can be sent again.
        timestamp_header: Text,
        /// Which field of an event means what, for `json`, `cloudevents` and `argocd`.
        mapping: MappingSection,
    }
}

section! {
    /// Which field of an event means what: a JSON pointer (`/host/name`), text with pointers in it (`disk {/host}`), or several with ` || ` between them, of which the first with a value counts. What is left out is found by the names that most tools use.
    MappingSection {
        /// JSON pointer to an array of events. Default: the body is one event, or an array of them.
        each: Text,
        /// The kind of problem; becomes the label `alertname`.
        alertname: Text,
        /// The sender's word for how bad it is.
        severity: Text,
        /// The sender's words for severities, with ours: `critical`, `error`, `warning`, `info`.
        severities: Named<LabelValue>,
        /// The sender's word for whether it goes on.
        state: Text,
        /// States that mean that it has ended.
        resolved: Vec<At<LabelValue>>,
        /// States that mean that somebody has taken it on.
        acknowledged: Vec<At<LabelValue>>,
        /// What the alert is known by for its whole life.
        key: Text,
        /// When it began: RFC 3339, or Unix seconds or milliseconds.
        starts_at: Text,
        /// Link to where it comes from.
        url: Text,
        /// Who acknowledged it.
        by: Text,
        /// What they said.
        note: Text,
        /// Labels by name.
        labels: Named<LabelValue>,
        /// Annotations by name.
        annotations: Named<LabelValue>,
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
        ArgoCd = "argocd",
        Json = "json",
    }
}

impl SourceFormat {
    pub(crate) fn format(self) -> Format {
        match self {
            Self::Alertmanager => Format::Alertmanager,
            Self::Grafana => Format::Grafana,
            Self::PagerDuty => Format::PagerDuty,
            Self::CloudEvents => Format::CloudEvents,
            Self::ServiceNow => Format::ServiceNow,
            Self::Opsgenie => Format::Opsgenie,
            Self::ArgoCd => Format::ArgoCd,
            Self::Json => Format::Json,
        }
    }
}

/// An intake.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) intake: openclaw_server::Source,
    /// An alarm is raised when nothing has been heard of it for this long.
    pub(crate) silent_after: Option<Duration>,
}

/// All intakes, in the order of the file.
pub(super) fn checked(field: Field<Named<SourceSection>>, cx: &mut Context<'_>) -> Vec<Source> {
    let Some(At { value: Named(named), place }) = field.into_set() else { return Vec::new() };
    if named.len() > SOURCES_MAX {
        cx.fault(&place, Problem::TooMany { what: "sources", most: SOURCES_MAX });
    }
    named.into_iter().filter_map(|(name, section)| source(&name, section, cx)).collect()
}

fn source(name: &At<String>, mut section: SourceSection, cx: &mut Context<'_>) -> Option<Source> {
    let format = format(name, std::mem::take(&mut section.format), cx)?;
    let silent_after = timer("silent_after", &section.silent_after, Duration::from_secs(10), cx);
    let resolve_timeout = resolve_timeout(&section.resolve_timeout, cx);
    let mapping = mapping(std::mem::take(&mut section.mapping), format, cx);
    let signing = signing(section, format, cx);
    // The name becomes a metric's label and a path segment.
    let name = cx.keep(
        &name.place,
        TenantName::new(&name.value).map_err(|_| Problem::NotA {
            text: name.value.chars().take(80).flat_map(char::escape_debug).collect(),
            expected: "a source's name: use 1 to 63 of `a-z`, `0-9`, `-`, `_`",
        }),
    )?;
    let (name, format) = (name.as_str().into(), format.format());
    Some(Source {
        intake: openclaw_server::Source { name, format, resolve_timeout, mapping, signing },
        silent_after,
    })
}

/// What is written, or else the name; a format's name means that format, since
/// it is found by it in paths.
fn format(name: &At<String>, field: Field<SourceFormat>, cx: &mut Context<'_>) -> Option<SourceFormat> {
    let named = SourceFormat::parse(&name.value);
    match field {
        Field::Absent => cx.keep(&name.place, named),
        Field::Bad => None,
        Field::Set(set) => {
            if named.is_ok_and(|named| named != set.value) {
                let (name, format) = (name.value.clone(), set.value.word());
                cx.fault(&set.place, Problem::SourceNamedAsFormat { name, format });
            }
            Some(set.value)
        }
    }
}

fn resolve_timeout(field: &Field<Span>, cx: &mut Context<'_>) -> Option<Duration> {
    let set = field.as_set()?;
    if !(Duration::from_secs(1)..=RESOLVE_TIMEOUT_MAX).contains(&set.value.0) {
        let (least, most) = ("1s".to_owned(), "30d".to_owned());
        cx.fault(&set.place, Problem::OutOfRange { key: "resolve_timeout", least, most });
    }
    Some(set.value.0)
}

fn signing(section: SourceSection, format: SourceFormat, cx: &mut Context<'_>) -> Option<Signing> {
    let is_required = section.secret_required.as_set().is_some_and(|set| set.value.0);
    let headers = headers(section.signature_header, section.timestamp_header, format, cx);
    let is_absent = section.secret.is_absent();
    if let Some(At { place, .. }) = section.secret_required.as_set().filter(|_| is_absent && is_required) {
        cx.fault(place, Problem::Missing { key: "secret" });
    }
    let secret = section.secret.into_set()?;
    if matches!(format, SourceFormat::PagerDuty | SourceFormat::ServiceNow | SourceFormat::Opsgenie) {
        cx.fault(&secret.place, Problem::NotOfFormat { key: "secret", format: format.word() });
    }
    if format != SourceFormat::Grafana {
        cx.keep(&secret.place, SigningKey::parse(&secret.value.0));
    }
    Some(Signing { secret: secret.value.0, headers, is_required })
}

fn headers(
    signature: Field<Text>,
    timestamp: Field<Text>,
    format: SourceFormat,
    cx: &mut Context<'_>,
) -> HmacHeaders {
    let mut header = |key: &'static str, field: Field<Text>| {
        let set = field.into_set()?;
        if format != SourceFormat::Grafana {
            cx.fault(&set.place, Problem::NotOfFormat { key, format: format.word() });
        }
        let name = set.value.0.to_ascii_lowercase();
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            let text = name.chars().take(80).flat_map(char::escape_debug).collect();
            cx.fault(&set.place, Problem::NotA { text, expected: "a header's name" });
        }
        Some(name)
    };
    HmacHeaders {
        signature: header("signature_header", signature),
        timestamp: header("timestamp_header", timestamp),
    }
}

fn mapping(field: Field<MappingSection>, format: SourceFormat, cx: &mut Context<'_>) -> Option<Mapping> {
    let At { value: section, place } = field.into_set()?;
    if !format.format().takes_mapping() {
        cx.fault(&place, Problem::NotOfFormat { key: "mapping", format: format.word() });
        return None;
    }
    let (settings, places) = section.settings();
    Mapping::new(&settings)
        .map_err(|MappingError { field, detail }| {
            let place = places.get(&field).unwrap_or(&place).clone();
            cx.fault(&place, Problem::Mapping { field, detail });
        })
        .ok()
}

type Places = BTreeMap<String, super::fault::Place>;

impl MappingSection {
    /// The settings, and where each of them stands.
    fn settings(self) -> (MappingSettings, Places) {
        let mut places = Places::new();
        let mut text = |key: &str, field: Field<Text>| {
            let set = field.into_set()?;
            places.insert(key.to_owned(), set.place);
            Some(set.value.0)
        };
        let mut settings = MappingSettings {
            each: text("each", self.each),
            alertname: text("alertname", self.alertname),
            severity: text("severity", self.severity),
            state: text("state", self.state),
            key: text("key", self.key),
            starts_at: text("starts_at", self.starts_at),
            url: text("url", self.url),
            by: text("by", self.by),
            note: text("note", self.note),
            ..MappingSettings::default()
        };
        settings.resolved = words("resolved", self.resolved, &mut places);
        settings.acknowledged = words("acknowledged", self.acknowledged, &mut places);
        settings.severities = table("severities", self.severities, &mut places);
        settings.labels = table("labels", self.labels, &mut places);
        settings.annotations = table("annotations", self.annotations, &mut places);
        (settings, places)
    }
}

fn words(key: &str, field: Field<Vec<At<LabelValue>>>, places: &mut Places) -> Vec<String> {
    let Some(set) = field.into_set() else { return Vec::new() };
    places.insert(key.to_owned(), set.place);
    set.value.into_iter().map(|word| word.value.0).collect()
}

fn table(key: &str, field: Field<Named<LabelValue>>, places: &mut Places) -> BTreeMap<String, String> {
    let Some(set) = field.into_set() else { return BTreeMap::new() };
    places.insert(key.to_owned(), set.place);
    let entry = |(name, value): (At<String>, LabelValue)| {
        places.insert(format!("{key}.{}", name.value), name.place);
        (name.value, value.0)
    };
    set.value.0.into_iter().map(entry).collect()
}
