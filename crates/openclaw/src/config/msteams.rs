//! Microsoft Teams receivers of a tenant's file, in Alertmanager's words.

use super::http_config::{self, HttpSection};
use super::problem::Problem;
use super::read::{At, Context, section};
use super::receivers::timeout;
use super::secret::{SecretText, either};
use super::templates::Templates;
use super::values::{Flag, Span, TemplateText, Text};
use openclaw_delivery::Target;
use openclaw_delivery::msteams::Settings;

section! {
    /// A Microsoft Teams channel, through a Workflows webhook. Texts are Jinja templates; with neither `title` nor `text` the card is OpenClaw's own.
    MsteamsSection {
        /// The Workflows webhook; kept as a secret.
        webhook_url: SecretText,
        /// The file of the Workflows webhook.
        webhook_url_file: Text,
        /// The headline.
        title: TemplateText,
        /// Where a card can't be shown, if the flow follows it.
        summary: TemplateText,
        /// The text, in Teams' Markdown.
        text: TemplateText,
        /// How Teams is spoken to.
        http_config: HttpSection,
        /// Also told of resolved alerts. Default `true`.
        send_resolved: Flag,
        /// For the whole send, `1ms` to `5m`. Default `10s`.
        timeout: Span,
    }
}

pub(super) fn checked(
    section: At<MsteamsSection>,
    templates: &Templates,
    cx: &mut Context<'_>,
) -> Option<Settings> {
    let At { value, place } = section;
    let keys = ["webhook_url", "webhook_url_file"];
    if value.webhook_url.is_absent() && value.webhook_url_file.is_absent() {
        cx.fault(&place, Problem::OneNeeded { keys: keys.to_vec() });
    }
    let url = either(keys, value.webhook_url, value.webhook_url_file, cx);
    let url = url.and_then(|url| cx.keep(&url.place, Target::parse(&url.value.0)));
    let http = http_config::checked(value.http_config, cx);
    let timeout = timeout(value.timeout, cx);
    let texts = [value.title, value.summary, value.text].map(|text| templates.optional(text, cx));
    let [title, summary, text] = texts;
    let defaults = Settings::new(url?);
    let send_resolved = value.send_resolved.into_value().map_or(defaults.send_resolved, |flag| flag.0);
    Some(Settings { title, summary, text, http, send_resolved, timeout, ..defaults })
}
