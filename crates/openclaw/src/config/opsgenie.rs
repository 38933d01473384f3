//! Opsgenie receivers of a tenant's file, in Alertmanager's words.

use super::http_config::{self, HttpSection};
use super::pagerduty::target;
use super::problem::Problem;
use super::read::{At, Context, Field, Named, section};
use super::receivers::{bounded, timeout};
use super::secret::{SecretText, either};
use super::templates::Templates;
use super::values::{Flag, Span, TemplateText, Text};
use openclaw_delivery::opsgenie::{Responder, Settings};
use openclaw_delivery::template::Template;

/// Opsgenie's own API.
pub(super) const API_URL: &str = "https://api.opsgenie.com/";
const KINDS: [&str; 5] = ["team", "teams", "user", "escalation", "schedule"];

section! {
    /// Opsgenie or Jira Service Management, through an API integration. Texts are Jinja templates.
    OpsgenieSection {
        /// The integration's key; kept as a secret.
        api_key: SecretText,
        /// The file of the integration's key.
        api_key_file: Text,
        /// What `v2/alerts` stands below. Default `https://api.opsgenie.com/`.
        api_url: Text,
        /// How it is spoken to.
        http_config: HttpSection,
        /// Also told of resolved alerts. Default `true`.
        send_resolved: Flag,
        /// For the whole send, `1ms` to `5m`. Default `10s`.
        timeout: Span,
        /// The alert's title. Default: state, subject and score.
        message: TemplateText,
        /// Its text. Default: all alerts, and what is known of them.
        description: TemplateText,
        /// Where it comes from. Default this service's address.
        source: TemplateText,
        /// More details, beside the labels that all alerts share.
        details: Named<TemplateText>,
        /// What it is about.
        entity: TemplateText,
        /// Who is told.
        responders: Vec<At<ResponderSection>>,
        /// Custom actions, with commas between.
        actions: TemplateText,
        /// Words, with commas between.
        tags: TemplateText,
        /// Beside the alert.
        note: TemplateText,
        /// `P1` to `P5`. Default by score: 0.9 and more is `P1`, then 0.75, 0.5, 0.2.
        priority: TemplateText,
        /// Title and text of an alert that is there change with the group. Default `false`.
        update_alerts: Flag,
    }
}

section! {
    /// Somebody who is told. One of `id`, `name` and `username` is needed.
    ResponderSection {
        /// By id.
        id: TemplateText,
        /// By name; of `teams`, with commas between.
        name: TemplateText,
        /// A user.
        username: TemplateText,
        /// `team`, `teams`, `user`, `escalation` or `schedule`.
        r#type as "type": TemplateText,
    }
}

pub(super) fn checked(
    section: At<OpsgenieSection>,
    templates: &Templates,
    cx: &mut Context<'_>,
) -> Option<Settings> {
    let At { value, place } = section;
    let keys = ["api_key", "api_key_file"];
    if value.api_key.is_absent() && value.api_key_file.is_absent() {
        cx.fault(&place, Problem::OneNeeded { keys: keys.to_vec() });
    }
    let key = either(keys, value.api_key, value.api_key_file, cx);
    let url = target(value.api_url, API_URL, &place, cx);
    let http = http_config::checked(value.http_config, cx);
    let timeout = timeout(value.timeout, cx);
    let details = value.details.into_value().map(|named| named.0).unwrap_or_default();
    let detail = |(name, text): (At<String>, TemplateText)| {
        let template = templates.required(&At { value: text, place: name.place }, cx)?;
        Some((name.value, template))
    };
    let details = details.into_iter().filter_map(detail).collect();
    let responders = bounded("responders", value.responders, cx);
    let responders = responders.into_iter().filter_map(|section| responder(section, templates, cx)).collect();
    let mut text = |field: Field<TemplateText>| templates.optional(field, cx);
    let (message, description) = (text(value.message), text(value.description));
    let (source, entity, actions) = (text(value.source), text(value.entity), text(value.actions));
    let (tags, note, priority) = (text(value.tags), text(value.note), text(value.priority));
    let key = key?;
    let defaults = cx.keep(&key.place, Settings::new(url?, &key.value.0, http))?;
    let send_resolved = value.send_resolved.into_value().map_or(defaults.send_resolved, |flag| flag.0);
    let update_alerts = value.update_alerts.into_value().is_some_and(|flag| flag.0);
    Some(Settings {
        timeout,
        send_resolved,
        message,
        description,
        source,
        details,
        entity,
        responders,
        actions,
        tags,
        note,
        priority,
        update_alerts,
        ..defaults
    })
}

fn responder(
    section: At<ResponderSection>,
    templates: &Templates,
    cx: &mut Context<'_>,
) -> Option<Responder> {
    let At { value, place } = section;
    if [&value.id, &value.name, &value.username].iter().all(|field| field.is_absent()) {
        cx.fault(&place, Problem::OneNeeded { keys: vec!["id", "name", "username"] });
    }
    let kind_place = value.r#type.as_set().map(|set| set.place.clone());
    let [id, name, username, kind] =
        [value.id, value.name, value.username, value.r#type].map(|field| templates.optional(field, cx));
    let is_known = |kind: &Template| {
        !kind.is_plain() || KINDS.iter().any(|known| kind.source().trim().eq_ignore_ascii_case(known))
    };
    if let (Some(place), Some(kind)) = (kind_place, kind.as_ref().filter(|kind| !is_known(kind))) {
        let text = kind.source().chars().take(20).flat_map(char::escape_debug).collect();
        let expected = "one of `team`, `teams`, `user`, `escalation`, `schedule`";
        cx.fault(&place, Problem::NotA { text, expected });
    }
    Some(Responder { id, name, username, kind })
}
