//! Whether Alertmanager would take the file: the verdict of its own
//! `check-config`.

use super::go_duration;
use super::keys::{FILE, Keys, Kind, Rule};
use super::source::{Source, entries, get, items, refused};
use crate::config::{Fault, Node, Place, Value, is_classic_label, parse_duration};
use openclaw_alert::{MatchOp, Matcher};
use openclaw_routing::{IntervalError, TimeRange};
use std::collections::HashSet;

/// Everything that Alertmanager would refuse.
pub(super) fn faults(source: &Source<'_>) -> Vec<Fault> {
    let mut verifier = Verifier { source, faults: Vec::new() };
    verifier.section(&source.root, &FILE);
    verifier.names();
    verifier.faults
}

struct Verifier<'a> {
    source: &'a Source<'a>,
    faults: Vec<Fault>,
}

impl Verifier<'_> {
    fn refuse(&mut self, place: &Place, detail: impl Into<String>) {
        self.faults.push(refused(place, detail));
    }

    fn section(&mut self, node: &Node, keys: &Keys) {
        if !matches!(node.value, Value::Section(_) | Value::Null) {
            return self
                .refuse(&node.place, format!("expected keys and values, found {}", node.value.kind()));
        }
        for entry in entries(node) {
            match keys.kind(&entry.key) {
                Some(kind) => self.value(&entry.key, &entry.node, kind),
                None => {
                    let key = shown(&entry.key);
                    self.refuse(
                        &entry.key_place,
                        format!("unknown key `{key}`: Alertmanager has none of this name here"),
                    );
                }
            }
        }
        for rule in keys.rules {
            self.rule(node, rule);
        }
    }

    fn rule(&mut self, node: &Node, rule: &Rule) {
        let is_set = |key: &&&str| get(node, key).is_some();
        match rule {
            Rule::Needed(key) if get(node, key).is_none() => {
                self.refuse(&node.place, format!("`{key}` is missing"));
            }
            Rule::OneOf(keys) if !keys.iter().any(|key| is_set(&key)) => {
                self.refuse(&node.place, format!("{} is needed", one_of(keys)));
            }
            Rule::AtMostOne(keys) if keys.iter().filter(is_set).count() > 1 => {
                self.refuse(&node.place, format!("at most one of {} may be set", listed(keys)));
            }
            Rule::OrGlobal(own, global) if !own.iter().any(|key| is_set(&key)) => {
                let above = get(&self.source.root, "global");
                if !above.is_some_and(|above| global.iter().any(|key| get(above, key).is_some())) {
                    let detail = format!("{} is needed, or under `global` {}", one_of(own), one_of(global));
                    self.refuse(&node.place, detail);
                }
            }
            Rule::Times => self.times(node),
            _ => {}
        }
    }

    fn times(&mut self, node: &Node) {
        let [start, end] =
            ["start_time", "end_time"].map(|key| get(node, key).and_then(|node| self.source.text(node)));
        // Those that are no times have their faults.
        if let (Some(start), Some(end)) = (start, end)
            && let Err(error @ IntervalError::Order { .. }) = TimeRange::parse(&start, &end)
        {
            self.refuse(&node.place, error.to_string());
        }
    }

    fn value(&mut self, key: &str, node: &Node, kind: Kind) {
        if matches!(node.value, Value::Null) {
            return;
        }
        match kind {
            Kind::Anything => {}
            Kind::Section(keys) => self.section(node, keys),
            Kind::Sections(keys) => self.each(node, |this, item| this.section(item, keys)),
            Kind::Texts => self.each(node, |this, item| this.text(item, |_| Ok(()))),
            Kind::Matchers => self.each(node, |this, item| this.text(item, matchers)),
            Kind::AllFormed(form) => self.each(node, |this, item| this.text(item, form)),
            Kind::TextMap => self.map(node, |_| Ok(()), |_| true),
            Kind::ClassicMap => self.map(node, |_| Ok(()), is_classic_label),
            Kind::Regexes => self.patterns(node),
            Kind::Headers => {
                for entry in entries(node) {
                    self.value(key, &entry.node, Kind::Anything);
                }
            }
            Kind::Flag if !matches!(node.value, Value::Flag(_)) && !is_old_flag(node) => {
                self.refuse(&node.place, format!("`{key}` must be `true` or `false`"));
            }
            Kind::Flag => {}
            _ => self.text(node, |text| form(key, text, kind)),
        }
    }

    fn each(&mut self, node: &Node, check: impl Fn(&mut Self, &Node)) {
        if !matches!(node.value, Value::List(_)) {
            return self.refuse(&node.place, format!("expected a list, found {}", node.value.kind()));
        }
        for item in items(node) {
            check(self, item);
        }
    }

    fn map(&mut self, node: &Node, form: impl Fn(&str) -> Result<(), String>, name: impl Fn(&str) -> bool) {
        if !matches!(node.value, Value::Section(_)) {
            return self
                .refuse(&node.place, format!("expected keys and values, found {}", node.value.kind()));
        }
        for entry in entries(node) {
            if !name(&entry.key) {
                self.refuse(
                    &entry.key_place,
                    format!("`{}` is not a label's name here; use `matchers`", shown(&entry.key)),
                );
            }
            self.text(&entry.node, &form);
        }
    }

    fn patterns(&mut self, node: &Node) {
        self.map(node, pattern, is_classic_label);
        for entry in entries(node).iter().filter(|entry| matches!(entry.node.value, Value::Null)) {
            self.refuse(&entry.key_place, format!("`{}` has no pattern", shown(&entry.key)));
        }
    }

    fn text(&mut self, node: &Node, form: impl Fn(&str) -> Result<(), String>) {
        match self.source.text(node) {
            None => self.refuse(&node.place, format!("expected text, found {}", node.value.kind())),
            Some(text) => {
                if let Err(detail) = form(&text) {
                    self.refuse(&node.place, detail);
                }
            }
        }
    }

    /// What is used must be defined, and once.
    fn names(&mut self) {
        let source = self.source;
        let receivers = self.defined("receivers", "receiver", &mut HashSet::new());
        let mut intervals = HashSet::new();
        self.defined("mute_time_intervals", "time interval", &mut intervals);
        self.defined("time_intervals", "time interval", &mut intervals);
        let Some(root) = get(&source.root, "route") else { return };
        self.root(root);
        self.route(root, &receivers, &intervals);
        self.slack();
    }

    fn defined(&mut self, list: &str, what: &str, taken: &mut HashSet<String>) -> HashSet<String> {
        let source = self.source;
        for item in get(&source.root, list).map(items).unwrap_or_default() {
            let Some(name) = get(item, "name") else { continue };
            let text = source.text(name).unwrap_or_default();
            if !taken.insert(text.clone()) {
                self.refuse(&name.place, format!("{what} `{}` is defined twice", shown(&text)));
            }
        }
        taken.clone()
    }

    fn root(&mut self, root: &Node) {
        if get(root, "receiver").is_none() {
            self.refuse(&root.place, "the root route must have a `receiver`");
        }
        for key in ["match", "match_re", "matchers", "mute_time_intervals", "active_time_intervals"] {
            let filled = |node: &&Node| !items(node).is_empty() || !entries(node).is_empty();
            if let Some(node) = get(root, key).filter(filled) {
                self.refuse(
                    &node.place,
                    format!("the root route takes every alert, so it can't have `{key}`"),
                );
            }
        }
        if let Some(node) = get(root, "continue").filter(|node| matches!(node.value, Value::Flag(true))) {
            self.refuse(&node.place, "the root route can't have `continue`");
        }
    }

    fn route(&mut self, route: &Node, receivers: &HashSet<String>, intervals: &HashSet<String>) {
        let source = self.source;
        if let Some(node) = get(route, "receiver")
            && let Some(name) = source.text(node)
            && !receivers.contains(&name)
        {
            self.refuse(&node.place, format!("there is no receiver `{}`", shown(&name)));
        }
        for key in ["mute_time_intervals", "active_time_intervals"] {
            for node in get(route, key).map(items).unwrap_or_default() {
                let name = source.text(node).unwrap_or_default();
                if !intervals.contains(&name) {
                    self.refuse(&node.place, format!("there is no time interval `{}`", shown(&name)));
                }
            }
        }
        self.group(route);
        for child in get(route, "routes").map(items).unwrap_or_default() {
            self.route(child, receivers, intervals);
        }
    }

    fn group(&mut self, route: &Node) {
        let source = self.source;
        for key in ["group_interval", "repeat_interval"] {
            if let Some(node) = get(route, key)
                && source.text(node).and_then(|text| parse_duration(&text)).is_some_and(|span| span.is_zero())
            {
                self.refuse(&node.place, format!("`{key}` can't be zero"));
            }
        }
        let labels = get(route, "group_by").map(items).unwrap_or_default();
        let mut seen = HashSet::new();
        for node in labels {
            let label = source.text(node).unwrap_or_default();
            if label.is_empty() {
                self.refuse(&node.place, "a label's name can't be empty");
            } else if label == "..."
                && labels.iter().any(|other| source.text(other).as_deref() != Some("..."))
            {
                self.refuse(&node.place, "`...` stands for all labels and must be alone");
            } else if !seen.insert(label.clone()) && label != "..." {
                self.refuse(&node.place, format!("label `{}` is listed twice", shown(&label)));
            }
        }
    }

    /// An incoming webhook and an app exclude each other.
    fn slack(&mut self) {
        let source = self.source;
        let global = get(&source.root, "global");
        let above =
            |keys: [&str; 2]| keys.into_iter().find_map(|key| global.and_then(|global| get(global, key)));
        let app_url = |node: Option<&Node>| {
            let own = node.and_then(|node| get(node, "app_url"));
            own.or(above(["slack_app_url", ""]))
                .map_or_else(|| Some(APP_URL.to_owned()), |node| source.text(node))
        };
        let token = above(["slack_app_token", "slack_app_token_file"]);
        if let (Some(_), Some(url)) = (token, above(["slack_api_url", "slack_api_url_file"]))
            && source.text(url) != app_url(None)
        {
            self.refuse(
                &url.place,
                "at most one of an app's token and an incoming webhook may be set under `global`",
            );
        }
        for receiver in get(&source.root, "receivers").map(items).unwrap_or_default() {
            for slack in get(receiver, "slack_configs").map(items).unwrap_or_default() {
                let has_token = ["app_token", "app_token_file"].iter().any(|key| get(slack, key).is_some());
                let authorization = get(slack, "http_config").and_then(|http| get(http, "authorization"));
                if let Some(node) = authorization.filter(|_| has_token) {
                    self.refuse(&node.place, "`authorization` can't be set beside an app's token");
                }
                let url = get(slack, "api_url").or(above(["slack_api_url", ""]));
                let is_app = has_token || token.is_some() && get(slack, "api_url").is_none();
                let is_url = url.is_some_and(|url| source.text(url) == app_url(Some(slack)));
                if let Some(node) =
                    get(slack, "update_message").filter(|node| matches!(node.value, Value::Flag(true)))
                    && !is_app
                    && !is_url
                {
                    self.refuse(&node.place, "`update_message` needs an app's token");
                }
            }
        }
    }
}

/// Where Slack takes an app's messages.
const APP_URL: &str = "https://slack.com/api/chat.postMessage";

fn form(key: &str, text: &str, kind: Kind) -> Result<(), String> {
    let not = |what: &str| Err(format!("`{}` is not {what} for `{key}`", shown(text)));
    let secret = |what: &str| Err(format!("the value of `{key}` is not {what}"));
    match kind {
        Kind::Count if text.parse::<u64>().is_err() => not("a whole number from 0"),
        Kind::Whole if text.parse::<i64>().is_err() => not("a whole number"),
        Kind::Number if text.parse::<f64>().is_err() => not("a number"),
        Kind::Duration if parse_duration(text).is_none() => not("a duration such as `5m`"),
        Kind::GoDuration if go_duration(text).is_none() => not("a duration such as `10s`"),
        Kind::Url if !is_address(text) => secret("an address that starts with `http://` or `https://`"),
        Kind::SecretUrl if text != SECRET && !is_address(text) => {
            secret("an address that starts with `http://` or `https://`")
        }
        Kind::TemplateUrl
            if text != SECRET && !text.contains("{{") && !text.is_empty() && !is_address(text) =>
        {
            secret("an address that starts with `http://` or `https://`")
        }
        Kind::HostPort if !text.is_empty() && !is_host_port(text) => {
            not("a host and a port such as `mail:25`")
        }
        Kind::Formed(form) => form(text),
        _ => Ok(()),
    }
}

/// What Alertmanager writes in place of a secret.
pub(super) const SECRET: &str = "<secret>";

fn is_address(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let rest = lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let is_plain = !text.chars().any(char::is_control);
    host.is_some_and(|host| !host.is_empty() && is_plain && !host.contains(' ') && has_port(host))
}

/// A port, where there is one, is a number.
fn has_port(host: &str) -> bool {
    let host = host.rsplit('@').next().unwrap_or_default();
    let after = host.rsplit(']').next().unwrap_or_default();
    after.split_once(':').is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_host_port(text: &str) -> bool {
    let host = text.rsplit_once(':').filter(|(_, port)| !port.is_empty()).map(|(host, _)| host);
    host.is_some_and(|host| !host.contains(':') || (host.starts_with('[') && host.ends_with(']')))
}

/// `yes` and its like, without quotes, are read as flags by the old rules; the
/// shortest stay text.
fn is_old_flag(node: &Node) -> bool {
    matches!(&node.value, Value::Text(text) if matches!(text.as_str(), "y" | "Y" | "n" | "N"))
}

fn matchers(text: &str) -> Result<(), String> {
    Matcher::parse_list(text).map(|_| ()).map_err(|error| error.to_string())
}

fn pattern(text: &str) -> Result<(), String> {
    Matcher::new("label", MatchOp::Regex, text).map(|_| ()).map_err(|error| error.to_string())
}

pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

fn one_of(keys: &[&str]) -> String {
    if keys.len() == 1 { listed(keys) } else { format!("one of {}", listed(keys)) }
}

fn listed(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}
