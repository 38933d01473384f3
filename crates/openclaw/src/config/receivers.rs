//! The receivers of a tenant's file, in Alertmanager's words.

use super::email::{self, EmailSection, MailDefaults};
use super::fault::Place;
use super::http_config::{self, HttpSection};
use super::msteams::{self, MsteamsSection};
use super::names::{Kind, Names, named, new_name};
use super::opsgenie::{self, OpsgenieSection};
use super::pagerduty::{self, PagerDutySection};
use super::problem::Problem;
use super::read::{At, Context, Field, Later, section};
use super::secret::{SecretText, either};
use super::servicenow::{self, ServiceNowEmSection, ServiceNowSection};
use super::slack::{self, SlackSection};
use super::telegram::{self, TelegramSection};
use super::templates::Templates;
use super::values::{Count, Flag, Span, TemplateText, Text};
use openclaw_delivery::webhook::{self, SigningKey};
use openclaw_delivery::{Integration, ReceiverSettings, Target, Timeout};
use openclaw_routing::{MAX_INTEGRATIONS, Receiver, Rota};
use std::mem::take;
use std::sync::Arc;

const RECEIVERS_MAX: usize = 1000;
const LIST_MAX: usize = 64;

section! {
    /// A name for routes, and everyone who is told under it; nobody is fine too.
    ReceiverSection {
        /// The name that routes use.
        name: Text,
        /// Who is on call for it: a rota by name. Messages say so.
        on_call: Text,
        /// Services that take Alertmanager's webhook.
        webhook_configs: Vec<At<WebhookSection>>,
        /// Slack channels.
        slack_configs: Vec<At<SlackSection>>,
        /// Mail.
        email_configs: Vec<At<EmailSection>>,
        /// PagerDuty services.
        pagerduty_configs: Vec<At<PagerDutySection>>,
        /// Opsgenie and Jira Service Management.
        opsgenie_configs: Vec<At<OpsgenieSection>>,
        /// Incidents at ServiceNow.
        servicenow_configs: Vec<At<ServiceNowSection>>,
        /// Events for ServiceNow's Event Management.
        servicenow_em_configs: Vec<At<ServiceNowEmSection>>,
        /// Telegram chats.
        telegram_configs: Vec<At<TelegramSection>>,
        /// Microsoft Teams channels.
        msteamsv2_configs: Vec<At<MsteamsSection>>,
        #[schemars(skip)]
        discord_configs: Later,
        #[schemars(skip)]
        incidentio_configs: Later,
        #[schemars(skip)]
        mattermost_configs: Later,
        #[schemars(skip)]
        rocketchat_configs: Later,
        #[schemars(skip)]
        jira_configs: Later,
        #[schemars(skip)]
        msteams_configs: Later,
        #[schemars(skip)]
        pushover_configs: Later,
        #[schemars(skip)]
        sns_configs: Later,
        #[schemars(skip)]
        victorops_configs: Later,
        #[schemars(skip)]
        webex_configs: Later,
        #[schemars(skip)]
        wechat_configs: Later,
    }
}

section! {
    /// A service that takes Alertmanager's webhook, version 4.
    WebhookSection {
        /// Where to post; kept as a secret. May be a template.
        url: SecretText,
        /// The file of where to post.
        url_file: Text,
        /// How the service is spoken to.
        http_config: HttpSection,
        /// Also told of resolved alerts. Default `true`.
        send_resolved: Flag,
        /// At most this many alerts in a message; 0, the default, for all.
        max_alerts: Count,
        /// Signs messages as Standard Webhooks does: `whsec_` and base64, or other text of 8 bytes or more. While one replaces another, both, with a space between.
        secret: SecretText,
        /// For the whole send, `1ms` to `5m`. Default `10s`.
        timeout: Span,
    }
}

/// All receivers of a tenant.
pub(super) struct Receivers {
    pub(super) settings: Vec<ReceiverSettings>,
    /// Who is on call for each of them.
    on_call: Vec<Option<Arc<Rota>>>,
}

impl Receivers {
    /// Adds one by which nobody is told.
    pub(super) fn add_nobody(&mut self, name: &str) {
        self.settings.push(ReceiverSettings { name: name.into(), integrations: Vec::new() });
        self.on_call.push(None);
    }

    /// What routing needs to know of them.
    pub(super) fn for_routing(&self) -> Vec<Receiver> {
        let receiver = |(settings, on_call): (&ReceiverSettings, &Option<Arc<Rota>>)| {
            let told: Vec<bool> = settings.integrations.iter().map(Integration::send_resolved).collect();
            Receiver { on_call: on_call.clone(), ..Receiver::new(&settings.name, &told) }
        };
        self.settings.iter().zip(&self.on_call).map(receiver).collect()
    }
}

/// Adds the receivers' names to `names`, also of those with faults.
pub(super) fn checked(
    field: Field<Vec<At<ReceiverSection>>>,
    mail: &MailDefaults,
    templates: &Templates,
    names: &mut Names,
    cx: &mut Context<'_>,
) -> Receivers {
    let mut receivers = Receivers { settings: Vec::new(), on_call: Vec::new() };
    let sections = field.into_value().unwrap_or_default();
    if let Some(beyond) = sections.get(RECEIVERS_MAX) {
        cx.fault(&beyond.place, Problem::TooMany { what: "receivers", most: RECEIVERS_MAX });
    }
    for At { mut value, place } in sections.into_iter().take(RECEIVERS_MAX) {
        let integrations = integrations(&mut value, &place, mail, templates, cx);
        let on_call = value.on_call.into_set().and_then(|name| rota(&name, names, cx));
        let name = value.name.required("name", &place, cx);
        let name = name.and_then(|name| new_name(Kind::Receiver, &name, names.receivers.iter(), cx));
        let Some(name) = name else { continue };
        names.receivers.push(name.clone());
        receivers.settings.push(ReceiverSettings { name, integrations });
        receivers.on_call.push(on_call);
    }
    receivers
}

fn rota(name: &At<Text>, names: &Names, cx: &mut Context<'_>) -> Option<Arc<Rota>> {
    let known: Vec<Arc<str>> = names.rotas.iter().map(|rota| Arc::clone(rota.name())).collect();
    named(Kind::Rota, name, &known, cx)?;
    names.rotas.iter().find(|rota| **rota.name() == *name.value.0).cloned()
}

/// What makes settings of a section.
type Check<S, T> = fn(At<S>, &Templates, &mut Context<'_>) -> Option<T>;

fn integrations(
    section: &mut ReceiverSection,
    receiver: &Place,
    mail: &MailDefaults,
    templates: &Templates,
    cx: &mut Context<'_>,
) -> Vec<Integration> {
    fn each<S, T>(
        list: &mut Field<Vec<At<S>>>,
        check: Check<S, T>,
        kind: fn(T) -> Integration,
        templates: &Templates,
        cx: &mut Context<'_>,
    ) -> Vec<Integration> {
        let sections = take(list).into_value().unwrap_or_default();
        sections.into_iter().filter_map(|section| check(section, templates, cx)).map(kind).collect()
    }
    let mut integrations = Vec::new();
    integrations.extend(each(&mut section.webhook_configs, webhook, Integration::Webhook, templates, cx));
    integrations.extend(each(&mut section.slack_configs, slack::checked, Integration::Slack, templates, cx));
    integrations.extend(each(
        &mut section.telegram_configs,
        telegram::checked,
        Integration::Telegram,
        templates,
        cx,
    ));
    integrations.extend(each(
        &mut section.msteamsv2_configs,
        msteams::checked,
        Integration::Msteams,
        templates,
        cx,
    ));
    for section in take(&mut section.email_configs).into_value().unwrap_or_default() {
        let settings = email::checked(section, mail, templates, cx);
        integrations.extend(settings.map(|settings| Integration::Email(Box::new(settings))));
    }
    integrations.extend(ticket_tools(section, templates, cx));
    if integrations.len() > MAX_INTEGRATIONS {
        let what = "integrations in one receiver";
        cx.fault(receiver, Problem::TooMany { what, most: MAX_INTEGRATIONS });
    }
    integrations
}

/// Tools that keep incidents of their own.
fn ticket_tools(
    section: &mut ReceiverSection,
    templates: &Templates,
    cx: &mut Context<'_>,
) -> Vec<Integration> {
    let mut integrations = Vec::new();
    for section in take(&mut section.pagerduty_configs).into_value().unwrap_or_default() {
        integrations.extend(pagerduty::checked(section, templates, cx).map(Integration::PagerDuty));
    }
    for section in take(&mut section.opsgenie_configs).into_value().unwrap_or_default() {
        integrations.extend(opsgenie::checked(section, templates, cx).map(Integration::Opsgenie));
    }
    for section in take(&mut section.servicenow_configs).into_value().unwrap_or_default() {
        integrations.extend(servicenow::checked(section, templates, cx).map(Integration::ServiceNow));
    }
    for section in take(&mut section.servicenow_em_configs).into_value().unwrap_or_default() {
        integrations.extend(servicenow::checked_em(section, cx).map(Integration::ServiceNowEm));
    }
    integrations
}

fn webhook(
    section: At<WebhookSection>,
    templates: &Templates,
    cx: &mut Context<'_>,
) -> Option<webhook::Settings> {
    let At { value, place } = section;
    let keys = ["url", "url_file"];
    if value.url.is_absent() && value.url_file.is_absent() {
        cx.fault(&place, Problem::OneNeeded { keys: keys.to_vec() });
    }
    let url = either(keys, value.url, value.url_file, cx);
    let address = url.and_then(|url| address(&url, templates, cx));
    let http = http_config::checked(value.http_config, cx);
    let max_alerts = max_alerts(value.max_alerts, cx);
    let timeout = timeout(value.timeout, cx);
    let secret = value.secret.into_set();
    let secret = secret.and_then(|set| cx.keep(&set.place, SigningKey::parse(&set.value.0)));
    let defaults = webhook::Settings::new(address?);
    let send_resolved = value.send_resolved.into_value().map_or(defaults.send_resolved, |flag| flag.0);
    Some(webhook::Settings { max_alerts, timeout, secret, http, send_resolved, ..defaults })
}

fn address(url: &At<SecretText>, templates: &Templates, cx: &mut Context<'_>) -> Option<webhook::Address> {
    let text = url.value.0.expose();
    if !text.contains("{{") && !text.contains("{%") {
        return cx.keep(&url.place, Target::parse(&url.value.0)).map(webhook::Address::Fixed);
    }
    // What is wrong with it must not be told: the text is a secret.
    let faults = cx.faults.len();
    let text = At { value: TemplateText(text.to_owned()), place: url.place.clone() };
    let template = templates.required(&text, cx);
    if cx.faults.len() > faults {
        cx.faults.truncate(faults);
        cx.fault(&url.place, Problem::Template { detail: "the address is not a template".to_owned() });
    }
    template.map(webhook::Address::Template)
}

pub(super) fn timeout(field: Field<Span>, cx: &mut Context<'_>) -> Timeout {
    let set = field.into_set();
    set.and_then(|set| cx.keep(&set.place, Timeout::new(set.value.0))).unwrap_or_default()
}

/// A list that somebody might have made by hand.
pub(super) fn bounded<T>(what: &'static str, field: Field<Vec<At<T>>>, cx: &mut Context<'_>) -> Vec<At<T>> {
    let mut list = field.into_value().unwrap_or_default();
    if let Some(beyond) = list.get(LIST_MAX) {
        cx.fault(&beyond.place, Problem::TooMany { what, most: LIST_MAX });
        list.truncate(LIST_MAX);
    }
    list
}

fn max_alerts(field: Field<Count>, cx: &mut Context<'_>) -> u32 {
    let Some(set) = field.into_set() else { return 0 };
    u32::try_from(set.value.0).unwrap_or_else(|_| {
        let (least, most) = ("0".to_owned(), u32::MAX.to_string());
        cx.fault(&set.place, Problem::OutOfRange { key: "max_alerts", least, most });
        0
    })
}
