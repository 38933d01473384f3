//! Slack receivers of a tenant's file, in Alertmanager's words.

use super::fault::Place;
use super::http_config::{self, HttpSection};
use super::problem::Problem;
use super::read::{At, Context, Field, section};
use super::receivers::{bounded, timeout};
use super::secret::{SecretText, either};
use super::templates::Templates;
use super::values::{Flag, Span, TemplateText, Text};
use openclaw_delivery::slack::{Action, App, Confirm, Field as SlackField, Settings, Way, Webhook};
use openclaw_delivery::template::Template;
use openclaw_delivery::{HttpConfig, Secret, Target};

/// Where an app's messages go.
pub(super) const APP_URL: &str = App::URL;

section! {
    /// A Slack channel, through an incoming webhook or as an app. Texts are Jinja templates; with none of `title` to `actions` the message is OpenClaw's own.
    SlackSection {
        /// The incoming webhook; kept as a secret.
        api_url: SecretText,
        /// The file of the incoming webhook.
        api_url_file: Text,
        /// An app's token, in place of an incoming webhook.
        app_token: SecretText,
        /// The file of an app's token.
        app_token_file: Text,
        /// Where an app's messages go: the address of `chat.postMessage`, or of the API that has it. Default Slack's own.
        app_url: Text,
        /// An app's signing secret: with it, messages have buttons, and what is pressed is believed.
        signing_secret: SecretText,
        /// How Slack is spoken to.
        http_config: HttpSection,
        /// Another channel than the webhook's own, where the server follows it; an app needs one.
        channel: TemplateText,
        /// Also told of resolved alerts. Default `false`, as in Alertmanager; `true` is advised.
        send_resolved: Flag,
        /// For the whole send, `1ms` to `5m`. Default `10s`.
        timeout: Span,
        /// Who it is from.
        username: TemplateText,
        /// Their picture, `:emoji:`.
        icon_emoji: TemplateText,
        /// Their picture.
        icon_url: TemplateText,
        /// Names in the text become links. Default `false`.
        link_names: Flag,
        /// Text above the attachment.
        message_text: TemplateText,
        /// `good`, `warning`, `danger` or `#rrggbb`.
        color: TemplateText,
        /// The headline.
        title: TemplateText,
        /// Where the headline leads.
        title_link: TemplateText,
        /// Text before the headline.
        pretext: TemplateText,
        /// The text.
        text: TemplateText,
        /// Where nothing else can be shown.
        fallback: TemplateText,
        /// Given back by buttons.
        callback_id: TemplateText,
        /// The last line.
        footer: TemplateText,
        /// A picture.
        image_url: TemplateText,
        /// A small picture.
        thumb_url: TemplateText,
        /// Titles with values.
        fields: Vec<At<FieldSection>>,
        /// Fields stand side by side. Default `false`.
        short_fields: Flag,
        /// Buttons.
        actions: Vec<At<ActionSection>>,
        /// Parts in which Slack's markup counts. Default `fallback`, `pretext`, `text`.
        mrkdwn_in: Vec<At<Text>>,
    }
}

section! {
    /// A title with a value.
    FieldSection {
        /// The title.
        title: TemplateText,
        /// The value.
        value: TemplateText,
        /// Stands beside the next. Default: `short_fields`.
        short: Flag,
    }
}

section! {
    /// A button.
    ActionSection {
        /// `button`.
        r#type as "type": TemplateText,
        /// What it says.
        text: TemplateText,
        /// Where it leads.
        url: TemplateText,
        /// `default`, `primary` or `danger`.
        style: TemplateText,
        /// For an app: what was pressed. One of `url` and `name` is needed.
        name: TemplateText,
        /// For an app.
        value: TemplateText,
        /// Asked before it counts.
        confirm: ConfirmSection,
    }
}

section! {
    /// A question before a button counts.
    ConfirmSection {
        /// The question.
        text: TemplateText,
        /// Its headline.
        title: TemplateText,
        /// What yes says.
        ok_text: TemplateText,
        /// What no says.
        dismiss_text: TemplateText,
    }
}

pub(super) fn checked(
    section: At<SlackSection>,
    templates: &Templates,
    cx: &mut Context<'_>,
) -> Option<Settings> {
    let At { mut value, place } = section;
    let http = http_config::checked(std::mem::take(&mut value.http_config), cx);
    let way = way(&mut value, &place, &http, templates, cx);
    let timeout = timeout(value.timeout, cx);
    let fields = bounded("Slack fields", value.fields, cx);
    let fields = fields.into_iter().filter_map(|section| field(section, templates, cx)).collect();
    let actions = bounded("Slack actions", value.actions, cx);
    let actions = actions.into_iter().filter_map(|section| action(section, templates, cx)).collect();
    let mrkdwn_in = bounded("words", value.mrkdwn_in, cx).into_iter().map(|word| word.value.0).collect();
    let mut text = |field: Field<TemplateText>| templates.optional(field, cx);
    let flag = |field: Field<Flag>| field.into_value().is_some_and(|flag| flag.0);
    let username = text(value.username);
    let (icon_emoji, icon_url) = (text(value.icon_emoji), text(value.icon_url));
    let (message_text, color, title) = (text(value.message_text), text(value.color), text(value.title));
    let (title_link, pretext, body) = (text(value.title_link), text(value.pretext), text(value.text));
    let (fallback, callback_id) = (text(value.fallback), text(value.callback_id));
    let (footer, image_url, thumb_url) = (text(value.footer), text(value.image_url), text(value.thumb_url));
    let defaults = Settings::by(way?);
    let send_resolved = value.send_resolved.into_value().map_or(defaults.send_resolved, |flag| flag.0);
    Some(Settings {
        http,
        send_resolved,
        timeout,
        username,
        icon_emoji,
        icon_url,
        link_names: flag(value.link_names),
        message_text,
        color,
        title,
        title_link,
        pretext,
        text: body,
        fallback,
        callback_id,
        footer,
        image_url,
        thumb_url,
        fields,
        short_fields: flag(value.short_fields),
        actions,
        mrkdwn_in,
        ..defaults
    })
}

/// By an incoming webhook or as an app.
fn way(
    section: &mut SlackSection,
    place: &Place,
    http: &HttpConfig,
    templates: &Templates,
    cx: &mut Context<'_>,
) -> Option<Way> {
    let keys = ["api_url", "api_url_file", "app_token", "app_token_file"];
    let secrets = [std::mem::take(&mut section.api_url), std::mem::take(&mut section.app_token)];
    let files = [std::mem::take(&mut section.api_url_file), std::mem::take(&mut section.app_token_file)];
    if secrets.iter().all(Field::is_absent) && files.iter().all(Field::is_absent) {
        cx.fault(place, Problem::OneNeeded { keys: keys.to_vec() });
    }
    let ([url, token], [url_file, token_file]) = (secrets, files);
    let url = either([keys[0], keys[1]], url, url_file, cx);
    if let Some(token) = either([keys[2], keys[3]], token, token_file, cx) {
        if url.is_some() {
            cx.fault(&token.place, Problem::Exclusive { keys: vec![keys[0], keys[2]] });
        }
        return app(section, token, place, http, templates, cx).map(Way::App);
    }
    if let Some(secret) = section.signing_secret.as_set() {
        cx.fault(&secret.place, Problem::Missing { key: keys[2] });
    }
    let channel = templates.optional(std::mem::take(&mut section.channel), cx);
    let url = url?;
    let api_url = cx.keep(&url.place, Target::parse(&url.value.0))?;
    Some(Way::Webhook(Webhook { api_url, channel }))
}

fn app(
    section: &mut SlackSection,
    token: At<SecretText>,
    place: &Place,
    http: &HttpConfig,
    templates: &Templates,
    cx: &mut Context<'_>,
) -> Option<App> {
    // The token takes the header.
    let set = http.clone().set_authorization("Bearer", &token.value.0);
    cx.keep(&token.place, set);
    let channel = needed("channel", std::mem::take(&mut section.channel), place, templates, cx);
    let app_url = std::mem::take(&mut section.app_url).into_set();
    let place = app_url.as_ref().map_or(&token.place, |url| &url.place).clone();
    let app_url = app_url.map_or_else(|| APP_URL.to_owned(), |url| url.value.0);
    let app_url = cx.keep(&place, Target::parse(&Secret::new(app_url)))?;
    let mut app = cx.keep(&place, App::new(&app_url, token.value.0, channel?))?;
    app.signing_secret = std::mem::take(&mut section.signing_secret).into_value().map(|secret| secret.0);
    Some(app)
}

/// Alertmanager refuses an empty one too.
fn needed(
    key: &'static str,
    field: Field<TemplateText>,
    section: &Place,
    templates: &Templates,
    cx: &mut Context<'_>,
) -> Option<Template> {
    let text = field.required(key, section, cx)?;
    if text.value.0.is_empty() {
        cx.fault(&text.place, Problem::Missing { key });
        return None;
    }
    templates.required(&text, cx)
}

fn field(section: At<FieldSection>, templates: &Templates, cx: &mut Context<'_>) -> Option<SlackField> {
    let At { value, place } = section;
    let title = needed("title", value.title, &place, templates, cx);
    let text = needed("value", value.value, &place, templates, cx);
    let short = value.short.into_value().map(|flag| flag.0);
    Some(SlackField { title: title?, value: text?, short })
}

fn action(section: At<ActionSection>, templates: &Templates, cx: &mut Context<'_>) -> Option<Action> {
    let At { value, place } = section;
    let kind = needed("type", value.r#type, &place, templates, cx);
    let text = needed("text", value.text, &place, templates, cx);
    let is_set = |field: &Field<TemplateText>| field.as_set().is_some_and(|set| !set.value.0.is_empty());
    if !is_set(&value.url) && !is_set(&value.name) {
        cx.fault(&place, Problem::OneNeeded { keys: vec!["url", "name"] });
    }
    let confirm = value.confirm.into_set().and_then(|section| confirm(section, templates, cx));
    let [url, style, name, value] =
        [value.url, value.style, value.name, value.value].map(|field| templates.optional(field, cx));
    Some(Action { kind: kind?, text: text?, url, style, name, value, confirm })
}

fn confirm(section: At<ConfirmSection>, templates: &Templates, cx: &mut Context<'_>) -> Option<Confirm> {
    let At { value, place } = section;
    let text = needed("text", value.text, &place, templates, cx);
    let [title, ok_text, dismiss_text] =
        [value.title, value.ok_text, value.dismiss_text].map(|field| templates.optional(field, cx));
    Some(Confirm { text: text?, title, ok_text, dismiss_text })
}
