//! A tenant's routing as one Alertmanager configuration.
//!
//! Alertmanager's tools read it back with strict rules, also the old ones that
//! don't know newer keys: only what is set and what they need to follow the
//! routing is written, and secrets as `<secret>`, which they accept in place of
//! an address. What only OpenClaw knows stands in comments.

use super::units::format_duration;
use openclaw_alert::Matcher;
use openclaw_delivery::{Integration, ReceiverSettings, email, slack, webhook};
use openclaw_routing::{
    GroupBy, InhibitRule, NamedIntervals, RouteSettings, Routing, TimeInterval, TimeRange,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The configuration's text; `resolve_timeout` where the tenant has set it.
pub(super) fn write(
    resolve_timeout: Option<Duration>,
    root: &RouteSettings,
    routing: &Routing,
    receivers: &[ReceiverSettings],
) -> String {
    let mut out = Lines::default();
    if let Some(span) = resolve_timeout {
        out.line(0, "global:");
        out.line(1, format_args!("resolve_timeout: {}", format_duration(span)));
    }
    out.line(0, "route:");
    out.route(1, root);
    out.line(0, "receivers:");
    for receiver in receivers {
        out.receiver(receiver, routing);
    }
    out.inhibit_rules(&routing.inhibit_rules);
    out.intervals(&routing.intervals);
    out.text
}

#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn line(&mut self, depth: usize, text: impl fmt::Display) {
        self.text += &format!("{:1$}{text}\n", "", depth * 2);
    }

    fn route(&mut self, depth: usize, route: &RouteSettings) {
        if let Some(receiver) = &route.receiver {
            self.line(depth, format_args!("receiver: {}", quoted(receiver)));
        }
        match &route.group_by {
            Some(GroupBy::All) => self.words(depth, "group_by", ["..."]),
            Some(GroupBy::Labels(labels)) => self.words(depth, "group_by", labels),
            None => {}
        }
        self.matchers(depth, "matchers", &route.matchers);
        self.intervals_of(depth, "mute_time_intervals", &route.mute);
        self.intervals_of(depth, "active_time_intervals", &route.active);
        if route.continues {
            self.line(depth, "continue: true");
        }
        for (key, span) in [
            ("group_wait", route.group_wait),
            ("group_interval", route.group_interval),
            ("repeat_interval", route.repeat_interval),
        ] {
            if let Some(span) = span {
                self.line(depth, format_args!("{key}: {}", format_duration(span)));
            }
        }
        self.our_own(depth, route);
        if !route.routes.is_empty() {
            self.line(depth, "routes:");
        }
        for child in &route.routes {
            self.item(depth, |out| out.route(depth + 1, child));
        }
    }

    /// An item of a list: a dash alone, so that its first key needs no place of
    /// its own.
    fn item(&mut self, depth: usize, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        let is_empty = inner.text.lines().all(|line| line.trim_start().starts_with('#'));
        self.line(depth, if is_empty { "- {}" } else { "-" });
        self.text += &inner.text;
    }

    fn our_own(&mut self, depth: usize, route: &RouteSettings) {
        for (key, score) in [("min_score", route.min_score), ("max_score", route.max_score)] {
            if let Some(score) = score {
                self.line(depth, format_args!("# {key}: {score}"));
            }
        }
        for step in route.escalations.iter().flatten() {
            let (after, receiver) = (format_duration(step.after), quoted(&step.receiver));
            self.line(depth, format_args!("# escalate after {after}: {receiver}"));
        }
    }

    fn words<'a>(
        &mut self,
        depth: usize,
        key: &str,
        words: impl IntoIterator<Item = &'a (impl AsRef<str> + ?Sized + 'a)>,
    ) {
        let words: Vec<String> = words.into_iter().map(|word| quoted(word.as_ref())).collect();
        self.line(depth, format_args!("{key}: [{}]", words.join(", ")));
    }

    fn intervals_of(&mut self, depth: usize, key: &str, intervals: &[Arc<NamedIntervals>]) {
        if !intervals.is_empty() {
            self.words(depth, key, intervals.iter().map(|named| &named.name));
        }
    }

    fn matchers(&mut self, depth: usize, key: &str, matchers: &[Matcher]) {
        if !matchers.is_empty() {
            self.line(depth, format_args!("{key}:"));
        }
        for matcher in matchers {
            self.line(depth, format_args!("- {}", quoted(&matcher.to_string())));
        }
    }

    fn receiver(&mut self, receiver: &ReceiverSettings, routing: &Routing) {
        self.line(0, format_args!("- name: {}", quoted(&receiver.name)));
        if let Some(rota) = routing.receiver(&receiver.name).and_then(|known| known.on_call.as_ref()) {
            self.line(1, format_args!("# on_call: {}", quoted(rota.name())));
        }
        let mut list = "";
        for integration in &receiver.integrations {
            match integration {
                Integration::Webhook(settings) => {
                    self.list(&mut list, "webhook_configs");
                    self.webhook(settings);
                }
                Integration::Slack(settings) => {
                    self.list(&mut list, "slack_configs");
                    self.slack(settings);
                }
                Integration::Email(settings) => {
                    self.list(&mut list, "email_configs");
                    self.email(settings);
                }
                // Old tools don't know all of their keys, and need none.
                other => self.line(1, format_args!("# {}_configs: {}", other.name(), other.host())),
            }
        }
    }

    /// The key of a list, where it begins.
    fn list(&mut self, begun: &mut &'static str, key: &'static str) {
        if *begun != key {
            self.line(1, format_args!("{key}:"));
            *begun = key;
        }
    }

    fn webhook(&mut self, settings: &webhook::Settings) {
        // Old tools want an address here, where newer ones take `<secret>` alone.
        self.line(1, "- url: https://secret.invalid/<secret>");
        self.line(2, format_args!("send_resolved: {}", settings.send_resolved));
        if settings.max_alerts > 0 {
            self.line(2, format_args!("max_alerts: {}", settings.max_alerts));
        }
    }

    fn slack(&mut self, settings: &slack::Settings) {
        self.line(1, "- api_url: <secret>");
        self.line(2, format_args!("send_resolved: {}", settings.send_resolved));
        if let Some(channel) = settings.channel() {
            self.line(2, format_args!("channel: {}", quoted(channel.source())));
        }
    }

    fn email(&mut self, settings: &email::Settings) {
        self.line(1, format_args!("- to: {}", quoted(settings.to.source())));
        self.line(2, format_args!("from: {}", quoted(settings.from.source())));
        self.line(2, format_args!("smarthost: {}", quoted(&settings.smarthost.to_string())));
        self.line(2, format_args!("send_resolved: {}", settings.send_resolved));
    }

    fn inhibit_rules(&mut self, rules: &[InhibitRule]) {
        if !rules.is_empty() {
            self.line(0, "inhibit_rules:");
        }
        for rule in rules {
            self.item(0, |out| out.inhibit_rule(rule));
        }
    }

    fn inhibit_rule(&mut self, rule: &InhibitRule) {
        self.matchers(1, "source_matchers", &rule.sources);
        self.matchers(1, "target_matchers", &rule.targets);
        if !rule.equal.is_empty() {
            self.words(1, "equal", &rule.equal);
        }
    }

    fn intervals(&mut self, intervals: &[Arc<NamedIntervals>]) {
        if !intervals.is_empty() {
            self.line(0, "time_intervals:");
        }
        for named in intervals {
            self.line(0, format_args!("- name: {}", quoted(&named.name)));
            if !named.intervals.is_empty() {
                self.line(1, "time_intervals:");
            }
            for interval in &named.intervals {
                self.item(1, |out| out.interval(interval));
            }
        }
    }

    fn interval(&mut self, interval: &TimeInterval) {
        if let Some(times) = &interval.times {
            let range = |range: &TimeRange| {
                format!("{{start_time: \"{}\", end_time: \"{}\"}}", range.start(), range.end())
            };
            let times: Vec<String> = times.iter().map(range).collect();
            self.line(2, format_args!("times: [{}]", times.join(", ")));
        }
        self.parts("weekdays", interval.weekdays.as_deref());
        self.parts("days_of_month", interval.days_of_month.as_deref());
        self.parts("months", interval.months.as_deref());
        self.parts("years", interval.years.as_deref());
        if let Some(location) = &interval.location {
            self.line(2, format_args!("location: {}", quoted(&location.to_string())));
        }
    }

    fn parts<T: ToString>(&mut self, key: &str, parts: Option<&[T]>) {
        if let Some(parts) = parts {
            self.words(2, key, &parts.iter().map(T::to_string).collect::<Vec<_>>());
        }
    }
}

/// JSON's strings are YAML's double-quoted ones.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
