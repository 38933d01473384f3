//! A tenant's routing as one Alertmanager configuration.
//!
//! Alertmanager's tools read it back with strict rules, also the old ones that
//! don't know newer keys: only what they need to follow the routing is
//! written, and secrets as `<secret>`, which they accept in place of an
//! address.

use super::units::format_duration;
use openclaw_delivery::{Integration, ReceiverSettings, slack, webhook};
use openclaw_routing::{GroupBy, Route};
use std::fmt::Write as _;
use std::time::Duration;

/// The configuration's text; `resolve_timeout` where the tenant has set it.
pub(super) fn write(
    resolve_timeout: Option<Duration>,
    route: &Route,
    receivers: &[ReceiverSettings],
) -> String {
    let mut out = String::new();
    if let Some(span) = resolve_timeout {
        line(&mut out, format_args!("global:\n  resolve_timeout: {}", format_duration(span)));
    }
    write_route(&mut out, route);
    line(&mut out, format_args!("receivers:"));
    for receiver in receivers {
        write_receiver(&mut out, receiver);
    }
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(out, "{text}");
}

fn write_route(out: &mut String, route: &Route) {
    line(out, format_args!("route:\n  receiver: {}", quoted(&route.receiver)));
    let labels: Vec<String> = match &route.group_by {
        GroupBy::All => vec![quoted("...")],
        GroupBy::Labels(labels) => labels.iter().map(|label| quoted(label)).collect(),
    };
    if !labels.is_empty() {
        line(out, format_args!("  group_by: [{}]", labels.join(", ")));
    }
    line(out, format_args!("  group_wait: {}", format_duration(route.group_wait)));
    line(out, format_args!("  group_interval: {}", format_duration(route.group_interval)));
    line(out, format_args!("  repeat_interval: {}", format_duration(route.repeat_interval)));
}

fn write_receiver(out: &mut String, receiver: &ReceiverSettings) {
    line(out, format_args!("- name: {}", quoted(&receiver.name)));
    let mut list = "";
    for integration in &receiver.integrations {
        let (key, text) = match integration {
            Integration::Webhook(settings) => ("webhook_configs", webhook_text(settings)),
            Integration::Slack(settings) => ("slack_configs", slack_text(settings)),
        };
        if list != key {
            line(out, format_args!("  {key}:"));
            list = key;
        }
        out.push_str(&text);
    }
}

fn webhook_text(settings: &webhook::Settings) -> String {
    let mut out = String::from("  - url: <secret>\n");
    line(&mut out, format_args!("    send_resolved: {}", settings.send_resolved));
    if settings.max_alerts > 0 {
        line(&mut out, format_args!("    max_alerts: {}", settings.max_alerts));
    }
    out
}

fn slack_text(settings: &slack::Settings) -> String {
    let mut out = String::from("  - api_url: <secret>\n");
    line(&mut out, format_args!("    send_resolved: {}", settings.send_resolved));
    if let Some(channel) = &settings.channel {
        line(&mut out, format_args!("    channel: {}", quoted(channel)));
    }
    out
}

/// JSON's strings are YAML's double-quoted ones.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
