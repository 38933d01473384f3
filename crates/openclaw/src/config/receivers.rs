//! The receivers of a tenant's file, in Alertmanager's words.

use super::problem::Problem;
use super::read::{At, Context, Field, Later, section};
use super::secret::SecretText;
use super::values::{Count, Flag, Span, Text};
use openclaw_delivery::webhook::SigningKey;
use openclaw_delivery::{Integration, ReceiverSettings, Target, Timeout, slack, webhook};
use openclaw_routing::{MAX_INTEGRATIONS, Receiver};
use std::sync::Arc;

const RECEIVERS_MAX: usize = 1000;

section! {
    /// A name for routes, and everyone who is told under it; nobody is fine too.
    ReceiverSection {
        /// The name that routes use.
        name: Text,
        /// Services that take Alertmanager's webhook.
        webhook_configs: Vec<At<WebhookSection>>,
        /// Slack channels.
        slack_configs: Vec<At<SlackSection>>,
        #[schemars(skip)]
        discord_configs: Later,
        #[schemars(skip)]
        email_configs: Later,
        #[schemars(skip)]
        jira_configs: Later,
        #[schemars(skip)]
        msteams_configs: Later,
        #[schemars(skip)]
        msteamsv2_configs: Later,
        #[schemars(skip)]
        opsgenie_configs: Later,
        #[schemars(skip)]
        pagerduty_configs: Later,
        #[schemars(skip)]
        pushover_configs: Later,
        #[schemars(skip)]
        servicenow_configs: Later,
        #[schemars(skip)]
        sns_configs: Later,
        #[schemars(skip)]
        telegram_configs: Later,
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
        /// Where to post; kept as a secret.
        url: SecretText,
        /// Also told of resolved alerts. Default `true`.
        send_resolved: Flag,
        /// At most this many alerts in a message; 0, the default, for all.
        max_alerts: Count,
        /// Signs messages as Standard Webhooks does: `whsec_` and base64, or other text of 8 bytes or more.
        secret: SecretText,
        /// For the whole send, `1ms` to `5m`. Default `10s`.
        timeout: Span,
        #[schemars(skip)]
        http_config: Later,
        #[schemars(skip)]
        url_file: Later,
    }
}

section! {
    /// A Slack channel, through an incoming webhook.
    SlackSection {
        /// The incoming webhook; kept as a secret.
        api_url: SecretText,
        /// Another channel than the webhook's own, where the server follows it.
        channel: Text,
        /// Also told of resolved alerts. Default `false`, as in Alertmanager; `true` is advised.
        send_resolved: Flag,
        /// For the whole send, `1ms` to `5m`. Default `10s`.
        timeout: Span,
        #[schemars(skip)]
        actions: Later,
        #[schemars(skip)]
        api_url_file: Later,
        #[schemars(skip)]
        color: Later,
        #[schemars(skip)]
        fields: Later,
        #[schemars(skip)]
        http_config: Later,
        #[schemars(skip)]
        icon_emoji: Later,
        #[schemars(skip)]
        icon_url: Later,
        #[schemars(skip)]
        text: Later,
        #[schemars(skip)]
        title: Later,
        #[schemars(skip)]
        title_link: Later,
        #[schemars(skip)]
        username: Later,
    }
}

/// All receivers of a tenant.
pub(super) struct Receivers {
    pub(super) settings: Vec<ReceiverSettings>,
    /// Also of those whose settings have faults.
    pub(super) names: Vec<Arc<str>>,
}

impl Receivers {
    /// What routing needs to know of them.
    pub(super) fn for_routing(&self) -> Vec<Receiver> {
        let integration = |integration: &Integration| openclaw_routing::Integration {
            send_resolved: integration.send_resolved(),
        };
        let receiver = |settings: &ReceiverSettings| Receiver {
            name: settings.name.clone(),
            integrations: settings.integrations.iter().map(integration).collect(),
        };
        self.settings.iter().map(receiver).collect()
    }
}

pub(super) fn checked(sections: Vec<At<ReceiverSection>>, cx: &mut Context<'_>) -> Receivers {
    let mut receivers = Receivers { settings: Vec::new(), names: Vec::new() };
    if let Some(beyond) = sections.get(RECEIVERS_MAX) {
        cx.fault(&beyond.place, Problem::TooMany { what: "receivers", most: RECEIVERS_MAX });
    }
    for At { value, place } in sections.into_iter().take(RECEIVERS_MAX) {
        let integrations = integrations(value.webhook_configs, value.slack_configs, &place, cx);
        let Some(name) = value.name.required("name", &place, cx) else { continue };
        if receivers.names.iter().any(|known| **known == name.value.0) {
            cx.fault(&name.place, Problem::ReceiverTwice { name: name.value.0.escape_debug().to_string() });
            continue;
        }
        let name: Arc<str> = name.value.0.into();
        receivers.names.push(name.clone());
        receivers.settings.push(ReceiverSettings { name, integrations });
    }
    receivers
}

/// The defined receiver of this name.
pub(super) fn named(name: &At<Text>, receivers: &[Arc<str>], cx: &mut Context<'_>) -> Option<Arc<str>> {
    let found = receivers.iter().find(|known| ***known == name.value.0).cloned();
    if found.is_none() {
        let known = receivers.iter().take(20).map(|known| known.escape_debug().to_string()).collect();
        cx.fault(
            &name.place,
            Problem::UnknownReceiver { name: name.value.0.escape_debug().to_string(), known },
        );
    }
    found
}

fn integrations(
    webhooks: Field<Vec<At<WebhookSection>>>,
    slacks: Field<Vec<At<SlackSection>>>,
    receiver: &super::fault::Place,
    cx: &mut Context<'_>,
) -> Vec<Integration> {
    let mut integrations = Vec::new();
    for section in webhooks.into_value().unwrap_or_default() {
        integrations.extend(webhook(section, cx).map(Integration::Webhook));
    }
    for section in slacks.into_value().unwrap_or_default() {
        integrations.extend(slack(section, cx).map(Integration::Slack));
    }
    if integrations.len() > MAX_INTEGRATIONS {
        let what = "integrations in one receiver";
        cx.fault(receiver, Problem::TooMany { what, most: MAX_INTEGRATIONS });
    }
    integrations
}

fn webhook(section: At<WebhookSection>, cx: &mut Context<'_>) -> Option<webhook::Settings> {
    let At { value, place } = section;
    let url = target("url", value.url, &place, cx);
    let max_alerts = max_alerts(value.max_alerts, cx);
    let timeout = timeout(value.timeout, cx);
    let secret = value.secret.into_set();
    let secret = secret.and_then(|set| cx.keep(&set.place, SigningKey::parse(&set.value.0)));
    let mut settings = webhook::Settings::new(url?);
    settings.max_alerts = max_alerts;
    settings.timeout = timeout;
    settings.secret = secret;
    if let Some(flag) = value.send_resolved.into_value() {
        settings.send_resolved = flag.0;
    }
    Some(settings)
}

fn slack(section: At<SlackSection>, cx: &mut Context<'_>) -> Option<slack::Settings> {
    let At { value, place } = section;
    let api_url = target("api_url", value.api_url, &place, cx);
    let timeout = timeout(value.timeout, cx);
    let mut settings = slack::Settings::new(api_url?);
    settings.channel = value.channel.into_value().map(|text| text.0);
    settings.timeout = timeout;
    if let Some(flag) = value.send_resolved.into_value() {
        settings.send_resolved = flag.0;
    }
    Some(settings)
}

fn target(
    key: &'static str,
    field: Field<SecretText>,
    section: &super::fault::Place,
    cx: &mut Context<'_>,
) -> Option<Target> {
    let set = field.required(key, section, cx)?;
    cx.keep(&set.place, Target::parse(&set.value.0))
}

fn timeout(field: Field<Span>, cx: &mut Context<'_>) -> Timeout {
    let set = field.into_set();
    set.and_then(|set| cx.keep(&set.place, Timeout::new(set.value.0))).unwrap_or_default()
}

fn max_alerts(field: Field<Count>, cx: &mut Context<'_>) -> u32 {
    let Some(set) = field.into_set() else { return 0 };
    u32::try_from(set.value.0).unwrap_or_else(|_| {
        let (least, most) = ("0".to_owned(), u32::MAX.to_string());
        cx.fault(&set.place, Problem::OutOfRange { key: "max_alerts", least, most });
        0
    })
}
