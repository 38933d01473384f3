//! ServiceNow receivers of a tenant's file: incidents, and events.

use super::fault::Place;
use super::http_config::{self, HttpSection};
use super::problem::Problem;
use super::read::{At, Context, Field, Named, section};
use super::receivers::{bounded, timeout};
use super::secret::{SecretText, either};
use super::templates::Templates;
use super::values::{Count, Flag, Fraction, Span, TemplateText, Text};
use openclaw_delivery::servicenow::{self, Level, Step, Table};
use openclaw_delivery::{HttpConfig, Secret, Target, Timeout, servicenow_em};

const FIELDS_MAX: usize = 100;
const SHORT_TEXT_CHARS_MAX: usize = 100;

section! {
    /// Incidents of a ServiceNow instance: one for each group. Texts are Jinja templates.
    ServiceNowSection {
        /// The instance: `https://example.service-now.com`.
        instance_url: Text,
        /// A user with the role `itil` or `sn_incident_write`.
        username: SecretText,
        /// The user's password.
        password: SecretText,
        /// The file of the user's password.
        password_file: Text,
        /// An API key, in place of a user.
        api_key: SecretText,
        /// The file of an API key.
        api_key_file: Text,
        /// How the instance is spoken to; its credentials in place of a user.
        http_config: HttpSection,
        /// The table. Default `incident`.
        table: Text,
        /// What a new incident has beside the service's own fields: `assignment_group`, `caller_id`, `category`, `cmdb_ci`, …
        fields: Named<TemplateText>,
        /// `fields` hold names as people see them rather than ids. Default `false`.
        display_values: Flag,
        /// Urgency and impact by score. Default: 0.9 and more is 1, 0.75 and more is 2, the rest is 3.
        urgency: Vec<At<UrgencySection>>,
        /// The incident's title. Default: state, subject and score.
        short_description: TemplateText,
        /// Its text. Default: all alerts, and what is known of them.
        description: TemplateText,
        /// One of the instance's resolution codes. Default `Solution provided`.
        close_code: Text,
        /// What is written when an incident is resolved.
        close_notes: TemplateText,
        /// Incidents are resolved once all is over; otherwise only noted. Default `true`.
        resolve: Flag,
        /// Also told of resolved alerts. Default `true`.
        send_resolved: Flag,
        /// For all calls of a send, `1ms` to `5m`. Default `30s`.
        timeout: Span,
    }
}

section! {
    /// Urgency and impact from a score on.
    UrgencySection {
        /// From this score on.
        min_score: Fraction,
        /// 1, 2 or 3.
        urgency: Count,
        /// 1, 2 or 3. Default: the urgency.
        impact: Count,
    }
}

section! {
    /// Events for a ServiceNow instance's Event Management: one for each alert.
    ServiceNowEmSection {
        /// The instance: `https://example.service-now.com`.
        instance_url: Text,
        /// A user with the role `evt_mgmt_integration`.
        username: SecretText,
        /// The user's password.
        password: SecretText,
        /// The file of the user's password.
        password_file: Text,
        /// An API key, in place of a user.
        api_key: SecretText,
        /// The file of an API key.
        api_key_file: Text,
        /// How the instance is spoken to; its credentials in place of a user.
        http_config: HttpSection,
        /// What monitors. Default `OpenClaw Rating`.
        source: Text,
        /// Which one of these. Default the tenant's name.
        event_class: Text,
        /// Labels that name the machine; the first that an alert has counts.
        node_labels: Vec<At<Text>>,
        /// Labels that name the part of it, likewise.
        resource_labels: Vec<At<Text>>,
        /// Severity by score. Default: the alert's label `severity`, or its score.
        severity: Vec<At<SeveritySection>>,
        /// Also told of resolved alerts. Default `true`.
        send_resolved: Flag,
        /// For all calls of a send, `1ms` to `5m`. Default `30s`.
        timeout: Span,
    }
}

section! {
    /// A severity from a score on.
    SeveritySection {
        /// From this score on.
        min_score: Fraction,
        /// 1 critical, 2 major, 3 minor, 4 warning, 5 info.
        severity: Count,
    }
}

/// Who asks, written beside the instance.
struct Credentials {
    username: Field<SecretText>,
    password: Field<SecretText>,
    password_file: Field<Text>,
    api_key: Field<SecretText>,
    api_key_file: Field<Text>,
}

impl Credentials {
    fn add_to(self, http: &mut HttpConfig, section: &Place, cx: &mut Context<'_>) {
        let is_given =
            !(self.username.is_absent() && self.password.is_absent() && self.password_file.is_absent());
        let password = either(["password", "password_file"], self.password, self.password_file, cx);
        let key = either(["api_key", "api_key_file"], self.api_key, self.api_key_file, cx);
        match (self.username.into_set(), password) {
            (Some(user), Some(password)) => {
                let set = http.set_basic_auth(user.value.0.expose(), &password.value.0);
                cx.keep(&user.place, set);
            }
            (Some(user), None) => {
                cx.fault(&user.place, Problem::OneNeeded { keys: vec!["password", "password_file"] });
            }
            (None, Some(password)) => cx.fault(&password.place, Problem::Missing { key: "username" }),
            (None, None) => {}
        }
        if let Some(key) = key {
            let added = http.add_header("x-sn-apikey", &key.value.0);
            cx.keep(&key.place, added);
        }
        if !is_given && *http == HttpConfig::default() {
            cx.fault(section, Problem::OneNeeded { keys: vec!["username", "api_key", "http_config"] });
        }
    }
}

pub(super) fn checked(
    section: At<ServiceNowSection>,
    templates: &Templates,
    cx: &mut Context<'_>,
) -> Option<servicenow::Settings> {
    let At { value, place } = section;
    let instance = instance(value.instance_url, &place, cx);
    let mut http = http_config::checked(value.http_config, cx);
    let credentials = Credentials {
        username: value.username,
        password: value.password,
        password_file: value.password_file,
        api_key: value.api_key,
        api_key_file: value.api_key_file,
    };
    credentials.add_to(&mut http, &place, cx);
    let table = value.table.into_set().and_then(|name| cx.keep(&name.place, Table::parse(&name.value.0)));
    let fields = fields(value.fields, templates, cx);
    let urgency = bounded("steps", value.urgency, cx);
    let urgency: Vec<Step> = urgency.into_iter().filter_map(|section| urgency_step(section, cx)).collect();
    let own_timeout = own_timeout(value.timeout, cx);
    let [short_description, description, close_notes] =
        [value.short_description, value.description, value.close_notes]
            .map(|field| templates.optional(field, cx));
    let defaults = servicenow::Settings::new(instance?, http);
    let flag = |field: Field<Flag>, default: bool| field.into_value().map_or(default, |flag| flag.0);
    Some(servicenow::Settings {
        table: table.unwrap_or_else(|| defaults.table.clone()),
        fields,
        display_values: flag(value.display_values, defaults.display_values),
        urgency: if urgency.is_empty() { defaults.urgency.clone() } else { highest_first(urgency) },
        short_description,
        description,
        close_code: value.close_code.into_value().map_or_else(|| defaults.close_code.clone(), |text| text.0),
        close_notes,
        resolve: flag(value.resolve, defaults.resolve),
        send_resolved: flag(value.send_resolved, defaults.send_resolved),
        timeout: own_timeout.unwrap_or(defaults.timeout),
        ..defaults
    })
}

pub(super) fn checked_em(
    section: At<ServiceNowEmSection>,
    cx: &mut Context<'_>,
) -> Option<servicenow_em::Settings> {
    let At { value, place } = section;
    let instance = instance(value.instance_url, &place, cx);
    let mut http = http_config::checked(value.http_config, cx);
    let credentials = Credentials {
        username: value.username,
        password: value.password,
        password_file: value.password_file,
        api_key: value.api_key,
        api_key_file: value.api_key_file,
    };
    credentials.add_to(&mut http, &place, cx);
    let (source, event_class) =
        (short("source", value.source, cx), short("event_class", value.event_class, cx));
    let [node_labels, resource_labels] =
        [value.node_labels, value.resource_labels].map(|field| words(field, cx));
    let severity = bounded("steps", value.severity, cx);
    let mut severity: Vec<_> =
        severity.into_iter().filter_map(|section| severity_step(section, cx)).collect();
    severity.sort_by_key(|step| std::cmp::Reverse(step.min_score_e4));
    let own_timeout = own_timeout(value.timeout, cx);
    let defaults = servicenow_em::Settings::new(instance?, http);
    let send_resolved = value.send_resolved.into_value().map_or(defaults.send_resolved, |flag| flag.0);
    Some(servicenow_em::Settings {
        source: source.unwrap_or_else(|| defaults.source.clone()),
        event_class,
        node_labels: node_labels.unwrap_or_else(|| defaults.node_labels.clone()),
        resource_labels: resource_labels.unwrap_or_else(|| defaults.resource_labels.clone()),
        severity,
        send_resolved,
        timeout: own_timeout.unwrap_or(defaults.timeout),
        ..defaults
    })
}

fn instance(field: Field<Text>, section: &Place, cx: &mut Context<'_>) -> Option<Target> {
    let url = field.required("instance_url", section, cx)?;
    cx.keep(&url.place, Target::parse(&Secret::new(url.value.0)))
}

/// Unset, the kind's own counts.
fn own_timeout(field: Field<Span>, cx: &mut Context<'_>) -> Option<Timeout> {
    (!field.is_absent()).then(|| timeout(field, cx))
}

fn fields(
    named: Field<Named<TemplateText>>,
    templates: &Templates,
    cx: &mut Context<'_>,
) -> Vec<(servicenow::Field, openclaw_delivery::template::Template)> {
    let named = named.into_value().map(|named| named.0).unwrap_or_default();
    if let Some((beyond, _)) = named.get(FIELDS_MAX) {
        cx.fault(&beyond.place, Problem::TooMany { what: "fields", most: FIELDS_MAX });
    }
    let field = |(name, text): (At<String>, TemplateText)| {
        let field = cx.keep(&name.place, servicenow::Field::parse(&name.value));
        let template = templates.required(&At { value: text, place: name.place }, cx);
        Some((field?, template?))
    };
    named.into_iter().take(FIELDS_MAX).filter_map(field).collect()
}

fn highest_first(mut steps: Vec<Step>) -> Vec<Step> {
    steps.sort_by_key(|step| std::cmp::Reverse(step.min_score_e4));
    steps
}

fn urgency_step(section: At<UrgencySection>, cx: &mut Context<'_>) -> Option<Step> {
    let At { value, place } = section;
    let min_score = value.min_score.required("min_score", &place, cx);
    let urgency = value.urgency.required("urgency", &place, cx);
    let mut level = |key: &'static str, set: &At<Count>| {
        Level::from_number(set.value.0).or_else(|| out_of_range(key, "3", &set.place, cx))
    };
    let impact = value.impact.into_set().map(|impact| level("impact", &impact));
    let urgency = urgency.and_then(|urgency| level("urgency", &urgency))?;
    let impact = impact.unwrap_or(Some(urgency))?;
    Some(Step { min_score_e4: e4(min_score?.value), urgency, impact })
}

fn severity_step(section: At<SeveritySection>, cx: &mut Context<'_>) -> Option<servicenow_em::Step> {
    let At { value, place } = section;
    let min_score = value.min_score.required("min_score", &place, cx);
    let severity = value.severity.required("severity", &place, cx).and_then(|set| {
        let severity = servicenow_em::Severity::from_number(set.value.0);
        severity.or_else(|| out_of_range("severity", "5", &set.place, cx))
    });
    Some(servicenow_em::Step { min_score_e4: e4(min_score?.value), severity: severity? })
}

fn out_of_range<T>(key: &'static str, most: &str, place: &Place, cx: &mut Context<'_>) -> Option<T> {
    cx.fault(place, Problem::OutOfRange { key, least: "1".to_owned(), most: most.to_owned() });
    None
}

fn e4(fraction: Fraction) -> u16 {
    (fraction.0 * 10_000.0).round() as u16
}

/// A text for a column of 100 characters.
fn short(key: &'static str, field: Field<Text>, cx: &mut Context<'_>) -> Option<String> {
    let text = field.into_set()?;
    if text.value.0.chars().count() > SHORT_TEXT_CHARS_MAX {
        cx.fault(&text.place, Problem::TooLong { key, most_bytes: SHORT_TEXT_CHARS_MAX });
        return None;
    }
    Some(text.value.0)
}

fn words(field: Field<Vec<At<Text>>>, cx: &mut Context<'_>) -> Option<Vec<String>> {
    if field.is_absent() {
        return None;
    }
    Some(bounded("labels", field, cx).into_iter().map(|word| word.value.0).collect())
}
