//! Mail receivers of a tenant's file, in Alertmanager's words.

use super::fault::Place;
use super::problem::Problem;
use super::read::{At, Context, Field, Later, Named, choice, section};
use super::receivers::timeout;
use super::secret::{SecretText, either};
use super::templates::Templates;
use super::tls::{self, TlsSection};
use super::values::{Flag, Span, TemplateText, Text};
use openclaw_delivery::email::{Auth, Headers, Settings, Smarthost, Threading};
use openclaw_delivery::template::Template;
use openclaw_delivery::{Secret, TlsSettings};

section! {
    /// Mail. What is left out comes from `global`. Texts are Jinja templates.
    EmailSection {
        /// To whom: addresses with commas between.
        to: TemplateText,
        /// From whom. Default: `smtp_from`.
        from: TemplateText,
        /// The server that takes mail from us, `host:port`. Default: `smtp_smarthost`.
        smarthost: Text,
        /// What we call ourselves there. Default `localhost`.
        hello: Text,
        /// The user there.
        auth_username: Text,
        /// The user's password.
        auth_password: SecretText,
        /// The file of it.
        auth_password_file: Text,
        /// On whose behalf; mostly nobody's.
        auth_identity: Text,
        #[schemars(skip)]
        auth_secret: Later,
        #[schemars(skip)]
        auth_secret_file: Later,
        /// Without TLS nothing is sent. Default `true`.
        require_tls: Flag,
        /// TLS from the first byte. Default: only at port 465.
        force_implicit_tls: Flag,
        /// How the server is known, and how we are known to it.
        tls_config: TlsSection,
        /// `Subject` and others by name.
        headers: Named<TemplateText>,
        /// The HTML part, in which what alerts say is escaped; empty for none. Default: OpenClaw's own.
        html: TemplateText,
        /// The text part; empty for none. Default: OpenClaw's own beside its HTML, none beside another.
        text: TemplateText,
        /// Which mails stand together.
        threading: ThreadingSection,
        /// Also told of resolved alerts. Default `false`, as in Alertmanager; `true` is advised.
        send_resolved: Flag,
        /// For the whole send, `1ms` to `5m`. Default `30s`.
        timeout: Span,
    }
}

section! {
    /// Which mails a mailbox shows as one conversation.
    ThreadingSection {
        /// Those of a group. Default `true`.
        enabled: Flag,
        /// `daily` begins a new one each day. Default `none`.
        thread_by_date: ThreadDate,
    }
}

choice! {
    /// Whether a day begins a new conversation.
    ThreadDate {
        None = "none",
        Daily = "daily",
    }
}

/// What mail receivers leave to `global`.
#[derive(Debug, Default)]
pub(super) struct MailDefaults {
    pub(super) smarthost: Option<At<Text>>,
    pub(super) from: Option<At<TemplateText>>,
    pub(super) hello: Option<At<Text>>,
    pub(super) username: Option<At<Text>>,
    pub(super) password: Option<At<SecretText>>,
    pub(super) identity: Option<At<Text>>,
    pub(super) require_tls: Option<bool>,
    pub(super) implicit_tls: Option<bool>,
    pub(super) tls: Option<TlsSettings>,
}

pub(super) fn checked(
    section: At<EmailSection>,
    global: &MailDefaults,
    templates: &Templates,
    cx: &mut Context<'_>,
) -> Option<Settings> {
    let At { mut value, place } = section;
    let to = value.to.required("to", &place, cx).and_then(|to| templates.required(&to, cx));
    let from = or(value.from, &global.from, "from", &place, cx);
    let from = from.and_then(|from| templates.required(&from, cx));
    let smarthost = or(value.smarthost, &global.smarthost, "smarthost", &place, cx);
    let smarthost = smarthost.and_then(|host| cx.keep(&host.place, Smarthost::parse(&host.value.0)));
    let password = ["auth_password", "auth_password_file"];
    let password = either(password, value.auth_password, value.auth_password_file, cx);
    let auth = auth(value.auth_username, value.auth_identity, password, global);
    let hello = hello(value.hello, global, cx);
    let tls = if value.tls_config.is_absent() {
        global.tls.clone()
    } else {
        tls::checked(value.tls_config, cx).map(|tls| tls.value)
    };
    let headers = headers(value.headers, templates, cx);
    let html = templates.optional(value.html, cx);
    let text = templates.optional(value.text, cx);
    let timeout = (!value.timeout.is_absent()).then(|| timeout(std::mem::take(&mut value.timeout), cx));
    let defaults = Settings::new(smarthost?, from?, to?);
    let flag = |field: Field<Flag>| field.into_value().map(|flag| flag.0);
    let implicit_tls = flag(value.force_implicit_tls).or(global.implicit_tls);
    Some(Settings {
        hello: hello.unwrap_or(defaults.hello),
        auth,
        require_tls: flag(value.require_tls).or(global.require_tls).unwrap_or(defaults.require_tls),
        implicit_tls: implicit_tls.unwrap_or(defaults.implicit_tls),
        tls: tls.unwrap_or_default(),
        headers,
        html,
        text,
        threading: threading(value.threading),
        send_resolved: flag(value.send_resolved).unwrap_or(defaults.send_resolved),
        timeout: timeout.unwrap_or(defaults.timeout),
        ..defaults
    })
}

/// The section's own, `global`'s, or a fault.
fn or<T: Clone>(
    own: Field<T>,
    global: &Option<At<T>>,
    key: &'static str,
    section: &Place,
    cx: &mut Context<'_>,
) -> Option<At<T>> {
    if own.is_absent() && global.is_some() {
        return global.clone();
    }
    own.required(key, section, cx)
}

fn auth(
    username: Field<Text>,
    identity: Field<Text>,
    password: Option<At<SecretText>>,
    global: &MailDefaults,
) -> Option<Auth> {
    let text = |own: Field<Text>, global: &Option<At<Text>>| {
        own.into_set().or_else(|| global.clone()).map(|text| text.value.0)
    };
    let username = text(username, &global.username)?;
    let identity = text(identity, &global.identity).unwrap_or_default();
    let password = password.or_else(|| global.password.clone());
    let password = password.map_or_else(|| Secret::new(""), |password| password.value.0);
    Some(Auth { username, password, identity })
}

fn hello(own: Field<Text>, global: &MailDefaults, cx: &mut Context<'_>) -> Option<String> {
    let set = own.into_set().or_else(|| global.hello.clone())?;
    if set.value.0.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(set.value.0);
    }
    let text = set.value.0.chars().take(80).flat_map(char::escape_debug).collect();
    cx.fault(&set.place, Problem::NotA { text, expected: "a host's name" });
    None
}

fn headers(field: Field<Named<TemplateText>>, templates: &Templates, cx: &mut Context<'_>) -> Headers {
    let mut headers = Headers::default();
    for (name, text) in field.into_value().map(|named| named.0).unwrap_or_default() {
        let text = At { value: text, place: name.place.clone() };
        let template: Option<Template> = templates.required(&text, cx);
        if let Some(template) = template {
            let added = headers.add(&name.value, template);
            cx.keep(&name.place, added);
        }
    }
    headers
}

fn threading(field: Field<ThreadingSection>) -> Threading {
    let section = field.into_value().unwrap_or_default();
    if section.enabled.into_value().is_some_and(|flag| !flag.0) {
        return Threading::Off;
    }
    match section.thread_by_date.into_value() {
        Some(ThreadDate::Daily) => Threading::GroupAndDay,
        Some(ThreadDate::None) | None => Threading::Group,
    }
}
