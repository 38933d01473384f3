//! PagerDuty receivers of a tenant's file, in Alertmanager's words.

use super::http_config::{self, HttpSection};
use super::problem::Problem;
use super::read::{At, Context, Field, Named, Read, section};
use super::receivers::{bounded, timeout};
use super::secret::{SecretText, either};
use super::templates::Templates;
use super::values::{Flag, Span, TemplateText, Text};
use super::yaml::{Node, Value};
use openclaw_delivery::pagerduty::{Detail, Image, Link, Settings};
use openclaw_delivery::{Secret, Target};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value as Json;
use std::borrow::Cow;

/// Where PagerDuty takes events.
pub(super) const URL: &str = "https://events.pagerduty.com/v2/enqueue";

section! {
    /// A PagerDuty service, through its Events API v2 integration. Texts are Jinja templates.
    PagerDutySection {
        /// The integration's key; kept as a secret.
        routing_key: SecretText,
        /// The file of the integration's key.
        routing_key_file: Text,
        #[schemars(skip)]
        service_key: ServiceKey,
        #[schemars(skip)]
        service_key_file: ServiceKey,
        /// Proves that what PagerDuty tells back is PagerDuty's: the secret of a webhook subscription.
        webhook_secret: SecretText,
        /// The file of the webhook subscription's secret.
        webhook_secret_file: Text,
        /// Where events go. Default PagerDuty's own.
        url: Text,
        /// How PagerDuty is spoken to.
        http_config: HttpSection,
        /// Also told of resolved alerts. Default `true`.
        send_resolved: Flag,
        /// For the whole send, `1ms` to `5m`. Default `10s`.
        timeout: Span,
        /// What tells. Default `OpenClaw Rating`.
        client: TemplateText,
        /// Where it shows more. Default the console.
        client_url: TemplateText,
        /// The incident's title. Default: state, subject and score.
        description: TemplateText,
        /// `critical`, `error`, `warning` or `info`. Default: the top alert's label `severity`, or its score.
        severity: TemplateText,
        /// Kind of the event.
        class: TemplateText,
        /// Part of the system.
        component: TemplateText,
        /// What the component belongs to.
        group: TemplateText,
        /// What is affected. Default: the instance that all alerts share.
        source: TemplateText,
        /// More details; those of the same name as ours take their place.
        details: Named<DetailTree>,
        /// Pictures.
        images: Vec<At<ImageSection>>,
        /// Links.
        links: Vec<At<LinkSection>>,
    }
}

section! {
    /// A picture.
    ImageSection {
        /// Its address, `https` only.
        src: TemplateText,
        /// What it shows.
        alt: TemplateText,
        /// Where it leads.
        href: TemplateText,
    }
}

section! {
    /// A link.
    LinkSection {
        /// Where it leads.
        href: TemplateText,
        /// What it says.
        text: TemplateText,
    }
}

/// A key of Events API v1, which would never be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServiceKey;

impl Read for ServiceKey {
    fn read(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        cx.fault(&node.place, Problem::ServiceKey);
        None
    }
}

/// Anything; its texts are templates.
#[derive(Debug, Clone)]
pub(crate) enum DetailTree {
    Text(At<TemplateText>),
    Value(Json),
    List(Vec<DetailTree>),
    Section(Vec<(String, DetailTree)>),
}

impl Read for DetailTree {
    fn read(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        Some(match &node.value {
            Value::Null => Self::Value(Json::Null),
            Value::Flag(flag) => Self::Value(Json::Bool(*flag)),
            Value::Number(digits) => {
                Self::Value(serde_json::from_str(digits).unwrap_or_else(|_| Json::from(digits.as_str())))
            }
            Value::Text(_) | Value::Variable(_) => {
                let value = TemplateText::read(node, cx)?;
                Self::Text(At { value, place: node.place.clone() })
            }
            Value::List(items) => Self::List(items.iter().filter_map(|item| Self::read(item, cx)).collect()),
            Value::Section(entries) => {
                let pair =
                    |entry: &super::yaml::Entry| Some((entry.key.clone(), Self::read(&entry.node, cx)?));
                Self::Section(entries.iter().filter_map(pair).collect())
            }
        })
    }
}

impl JsonSchema for DetailTree {
    fn schema_name() -> Cow<'static, str> {
        "Detail".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::default()
    }
}

impl DetailTree {
    fn checked(self, templates: &Templates, cx: &mut Context<'_>) -> Option<Detail> {
        Some(match self {
            Self::Text(text) => Detail::Text(templates.required(&text, cx)?),
            Self::Value(value) => Detail::Value(value),
            Self::List(items) => {
                Detail::List(items.into_iter().filter_map(|item| item.checked(templates, cx)).collect())
            }
            Self::Section(entries) => {
                let pair = |(name, tree): (String, Self)| Some((name, tree.checked(templates, cx)?));
                Detail::Section(entries.into_iter().filter_map(pair).collect())
            }
        })
    }
}

pub(super) fn checked(
    section: At<PagerDutySection>,
    templates: &Templates,
    cx: &mut Context<'_>,
) -> Option<Settings> {
    let At { value, place } = section;
    let keys = ["routing_key", "routing_key_file"];
    let is_v1 = !value.service_key.is_absent() || !value.service_key_file.is_absent();
    if value.routing_key.is_absent() && value.routing_key_file.is_absent() && !is_v1 {
        cx.fault(&place, Problem::OneNeeded { keys: keys.to_vec() });
    }
    let key = either(keys, value.routing_key, value.routing_key_file, cx);
    let secret = ["webhook_secret", "webhook_secret_file"];
    let secret = either(secret, value.webhook_secret, value.webhook_secret_file, cx);
    let url = target(value.url, URL, &place, cx);
    let http = http_config::checked(value.http_config, cx);
    let timeout = timeout(value.timeout, cx);
    let details = value.details.into_value().map(|named| named.0).unwrap_or_default();
    let detail = |(name, tree): (At<String>, DetailTree)| Some((name.value, tree.checked(templates, cx)?));
    let details = details.into_iter().filter_map(detail).collect();
    let images = bounded("pictures", value.images, cx);
    let images = images.into_iter().filter_map(|section| image(section, templates, cx)).collect();
    let links = bounded("links", value.links, cx);
    let links = links.into_iter().filter_map(|section| link(section, templates, cx)).collect();
    let mut text = |field: Field<TemplateText>| templates.optional(field, cx);
    let (client, client_url) = (text(value.client), text(value.client_url));
    let (description, severity) = (text(value.description), text(value.severity));
    let (class, component) = (text(value.class), text(value.component));
    let (group, source) = (text(value.group), text(value.source));
    let defaults = Settings::new(url?, key?.value.0);
    let send_resolved = value.send_resolved.into_value().map_or(defaults.send_resolved, |flag| flag.0);
    Some(Settings {
        http,
        timeout,
        webhook_secret: secret.map(|secret| secret.value.0),
        send_resolved,
        client,
        client_url,
        description,
        severity,
        class,
        component,
        group,
        source,
        details,
        images,
        links,
        ..defaults
    })
}

/// An address that is no secret, or the service's own.
pub(super) fn target(
    field: Field<Text>,
    default: &str,
    section: &super::fault::Place,
    cx: &mut Context<'_>,
) -> Option<Target> {
    if matches!(field, Field::Bad) {
        return None;
    }
    let set = field.into_set();
    let place = set.as_ref().map_or(section, |url| &url.place).clone();
    let url = set.map_or_else(|| default.to_owned(), |url| url.value.0);
    cx.keep(&place, Target::parse(&Secret::new(url)))
}

fn image(section: At<ImageSection>, templates: &Templates, cx: &mut Context<'_>) -> Option<Image> {
    let At { value, place } = section;
    let src = value.src.required("src", &place, cx).and_then(|src| templates.required(&src, cx));
    let [alt, href] = [value.alt, value.href].map(|field| templates.optional(field, cx));
    Some(Image { src: src?, alt, href })
}

fn link(section: At<LinkSection>, templates: &Templates, cx: &mut Context<'_>) -> Option<Link> {
    let At { value, place } = section;
    let href = value.href.required("href", &place, cx).and_then(|href| templates.required(&href, cx));
    let text = templates.optional(value.text, cx);
    Some(Link { href: href?, text })
}
