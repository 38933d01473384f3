//! Receivers: webhooks, chats, mail, PagerDuty and Opsgenie are carried over, with what they take from
//! `global`; others are left out.

use super::convert::{Converter, is_true};
use super::go_duration;
use super::keys::HTTP;
use super::out::{Line, Out, commented};
use super::services::{EMAIL, SLACK, SLACK_ACTION, SLACK_CONFIRM, SLACK_FIELD, WEBHOOK};
use super::source::{entries, get, items};
use super::verify::{SECRET, shown};
use crate::config::{Entry, Node, Value, format_duration};
use crate::import::{Loss, translate_field};
use std::time::Duration;

const TIMEOUT_MAX: Duration = Duration::from_secs(300);

/// Slack's texts that are templates.
const SLACK_TEMPLATES: [&str; 15] = [
    "channel",
    "username",
    "color",
    "title",
    "title_link",
    "pretext",
    "text",
    "message_text",
    "footer",
    "fallback",
    "callback_id",
    "icon_emoji",
    "icon_url",
    "image_url",
    "thumb_url",
];

impl Converter<'_> {
    pub(super) fn receivers(&mut self, node: &Node) -> Vec<Line> {
        let receivers: Vec<Line> =
            items(node).iter().map(|receiver| Line::Item(Out::Block(self.receiver(receiver)))).collect();
        if receivers.is_empty() {
            return Vec::new();
        }
        vec![Line::Pair("receivers".to_owned(), Out::Block(receivers))]
    }

    fn receiver(&mut self, receiver: &Node) -> Vec<Line> {
        let name = get(receiver, "name").and_then(|name| self.source.text(name)).unwrap_or_default();
        let mut lines = vec![Line::Pair("name".to_owned(), Out::Text(name))];
        let (mut told, mut lost) = (false, false);
        for entry in entries(receiver).iter().filter(|entry| !matches!(entry.node.value, Value::Null)) {
            match entry.key.as_str() {
                "name" => {}
                "webhook_configs" | "slack_configs" | "email_configs" | "telegram_configs"
                | "msteamsv2_configs" | "pagerduty_configs" | "opsgenie_configs" => {
                    let list = self.integrations(entry);
                    told |= list.iter().any(|line| matches!(line, Line::Pair(..)));
                    lines.extend(list);
                }
                "labels" => {
                    lines.extend(self.lost(entry, "receivers have no labels here", "put it into a template"));
                }
                _ if items(&entry.node).is_empty() => {}
                "msteams_configs" => {
                    lost = true;
                    let why = "Teams' older connectors are not supported";
                    let remedy = "make a Workflows webhook and add it as `msteamsv2_configs`";
                    lines.extend(self.lost(entry, why, remedy));
                }
                _ => {
                    lost = true;
                    let why = "this service is not supported yet";
                    lines.extend(self.lost(entry, why, "tell it through a webhook until it is"));
                }
            }
        }
        if lost && !told {
            let why = "nothing that it tells is supported yet";
            self.remark(
                &receiver.place,
                "this receiver tells nobody",
                why,
                "add a webhook or Slack before it takes alerts",
            );
        }
        lines
    }

    fn integrations(&mut self, entry: &Entry) -> Vec<Line> {
        let (mut list, mut comments) = (Vec::new(), Vec::new());
        for item in items(&entry.node) {
            if self.has_no_secret(item) {
                comments.push(Line::Comment(format!(
                    "left out of {}: its address is not in the file",
                    entry.key
                )));
                continue;
            }
            let (lines, address) = match entry.key.as_str() {
                "slack_configs" => (self.slack(item), ""),
                "telegram_configs" => (self.telegram(item), ""),
                "msteamsv2_configs" => (self.msteams(item), ""),
                "email_configs" => (self.email(item), "to"),
                "pagerduty_configs" => (self.pagerduty(item), "routing_key"),
                "opsgenie_configs" => (self.opsgenie(item), "api_key"),
                _ => (self.webhook(item), "url"),
            };
            let has_address = |line: &Line| matches!(line, Line::Pair(key, _) if key.starts_with(address));
            if address.is_empty() || lines.iter().any(has_address) {
                list.push(Line::Item(Out::Block(lines)));
            } else {
                let why = match entry.key.as_str() {
                    "pagerduty_configs" | "opsgenie_configs" => "it has no key that can be carried over",
                    _ => "its address could not be translated",
                };
                self.remark(&item.place, "this integration is left out", why, "add it by hand");
                comments.push(Line::Comment(format!("left out of {}: {why}", entry.key)));
            }
        }
        if !list.is_empty() {
            comments.push(Line::Pair(entry.key.clone(), Out::Block(list)));
        }
        comments
    }

    /// A file that Alertmanager printed itself holds no secrets.
    fn has_no_secret(&mut self, item: &Node) -> bool {
        let hidden = [
            "url",
            "api_url",
            "app_token",
            "bot_token",
            "webhook_url",
            "auth_password",
            "routing_key",
            "api_key",
        ]
        .into_iter()
        .find_map(|key| get(item, key).filter(|node| self.source.text(node).as_deref() == Some(SECRET)));
        if let Some(node) = hidden {
            let why = "its address or password was taken out of this file";
            self.remark(&node.place, "this integration is left out", why, "import the original file");
        }
        hidden.is_some()
    }

    fn webhook(&mut self, item: &Node) -> Vec<Line> {
        let mut lines = Vec::new();
        for entry in entries(item).iter().filter(|entry| !matches!(entry.node.value, Value::Null)) {
            match entry.key.as_str() {
                "http_config" => lines.extend(self.http(entry)),
                "timeout" => lines.extend(self.timeout(entry)),
                "url" => lines.extend(self.template(entry)),
                "url_file" => lines.extend(self.file_of(entry)),
                _ => lines.extend(self.carried(entry, &WEBHOOK)),
            }
        }
        lines.extend(self.global_http(item, false));
        lines
    }

    fn slack(&mut self, item: &Node) -> Vec<Line> {
        let address = self.slack_address(item);
        let is_app =
            address.iter().any(|line| matches!(line, Line::Pair(key, _) if key.starts_with("app_token")));
        let mut lines = address;
        for entry in entries(item).iter().filter(|entry| !matches!(entry.node.value, Value::Null)) {
            match entry.key.as_str() {
                "api_url" | "api_url_file" | "app_token" | "app_token_file" | "app_url" => {}
                "http_config" => {
                    let http = self.http(entry);
                    lines.extend(if is_app { without_authorization(http) } else { http });
                }
                "timeout" => lines.extend(self.timeout(entry)),
                "fields" => lines.extend(self.templated_list(entry, &SLACK_FIELD)),
                "actions" => lines.extend(self.templated_list(entry, &SLACK_ACTION)),
                "update_message" if is_true(&entry.node) && !is_app => {
                    lines.extend(self.lost(
                        entry,
                        "what an incoming webhook posted can't be changed",
                        "use an app: its messages are edited",
                    ));
                }
                // An app's messages always are.
                "update_message" => {}
                key if SLACK_TEMPLATES.contains(&key) => lines.extend(self.template(entry)),
                _ => lines.extend(self.carried(entry, &SLACK)),
            }
        }
        lines.extend(self.global_http(item, is_app));
        lines
    }

    /// Mail, with what `global` says for all.
    fn email(&mut self, item: &Node) -> Vec<Line> {
        let mut lines = Vec::new();
        for entry in entries(item).iter().filter(|entry| !matches!(entry.node.value, Value::Null)) {
            match entry.key.as_str() {
                "to" | "from" | "html" | "text" => lines.extend(self.template(entry)),
                "headers" => lines.extend(self.template_map(entry)),
                "auth_secret" | "auth_secret_file" => lines.extend(self.no_cram(entry)),
                "tls_config" => lines.extend(self.credential(entry)),
                "auth_password_file" => lines.extend(self.file_of(entry)),
                _ => lines.extend(self.carried(entry, &EMAIL)),
            }
        }
        let above = get(&self.source.root, "global").map(entries).unwrap_or_default();
        let above: Vec<Entry> = above.to_vec();
        for entry in above.iter().filter(|entry| !matches!(entry.node.value, Value::Null)) {
            lines.extend(self.mail_default(item, entry));
        }
        lines
    }

    /// A key of `global` that the integration doesn't set itself.
    fn mail_default(&mut self, item: &Node, entry: &Entry) -> Vec<Line> {
        let Some(key) = entry.key.strip_prefix("smtp_") else { return Vec::new() };
        let is_password = |key: &str| key.starts_with("auth_password");
        let own =
            entries(item).iter().any(|own| own.key == key || (is_password(key) && is_password(&own.key)));
        if own {
            return Vec::new();
        }
        let inner = Entry { key: key.to_owned(), ..entry.clone() };
        match key {
            "auth_secret" | "auth_secret_file" => self.no_cram(entry),
            "auth_password" if self.source.text(&entry.node).as_deref() == Some(SECRET) => {
                let why = "it was taken out of this file";
                self.lost(entry, why, "import the original file")
            }
            "from" => self.template(&inner),
            "tls_config" => self.credential(&inner),
            "auth_password_file" => self.file_of(&inner),
            _ => self.carried(&inner, &EMAIL),
        }
    }

    fn no_cram(&mut self, entry: &Entry) -> Vec<Line> {
        self.lost(entry, "CRAM-MD5 is not spoken", "use `auth_password`, which goes over TLS")
    }

    /// Texts by name, each a template.
    pub(super) fn template_map(&mut self, entry: &Entry) -> Vec<Line> {
        let lines: Vec<Line> = entries(&entry.node).iter().flat_map(|inner| self.template(inner)).collect();
        if lines.iter().any(|line| matches!(line, Line::Pair(..))) {
            return vec![Line::Pair(entry.key.clone(), Out::Block(lines))];
        }
        lines
    }

    /// Where a Slack message goes: the integration's own word before
    /// `global`'s, and an app's token before an incoming webhook, as
    /// Alertmanager has it.
    fn slack_address(&mut self, item: &Node) -> Vec<Line> {
        let global = get(&self.source.root, "global");
        let above = |key: &str| global.and_then(|global| get(global, key));
        let own_token =
            ["app_token", "app_token_file"].into_iter().find_map(|key| Some((key, get(item, key)?)));
        let has_header = get(item, "http_config").is_some_and(|http| get(http, "authorization").is_some());
        let inherits = own_token.is_none() && !has_header && get(item, "api_url").is_none();
        let token = own_token.or_else(|| {
            let keys = [("app_token", "slack_app_token"), ("app_token_file", "slack_app_token_file")];
            keys.into_iter().filter(|_| inherits).find_map(|(key, global)| Some((key, above(global)?)))
        });
        if let Some((key, node)) = token {
            let mut lines = vec![self.pair(key, node)];
            lines.extend(
                get(item, "app_url")
                    .or_else(|| above("slack_app_url"))
                    .map(|node| self.pair("app_url", node)),
            );
            return lines;
        }
        if let Some((key, node)) = self.app_by_header(item) {
            return vec![self.pair(key, node)];
        }
        let own = ["api_url", "api_url_file"].into_iter().find_map(|key| Some((key, get(item, key)?)));
        let url = own.or_else(|| {
            let keys = [("api_url", "slack_api_url"), ("api_url_file", "slack_api_url_file")];
            keys.into_iter().find_map(|(key, global)| Some((key, above(global)?)))
        });
        url.map(|(key, node)| self.pair(key, node)).into_iter().collect()
    }

    pub(super) fn pair(&mut self, key: &str, node: &Node) -> Line {
        if key.ends_with("_file") {
            self.note_relative(node);
        }
        Line::Pair(key.to_owned(), Out::Text(self.source.text(node).unwrap_or_default()))
    }

    pub(super) fn file_of(&mut self, entry: &Entry) -> Vec<Line> {
        if self.source.text(&entry.node).is_none_or(|text| text.is_empty()) {
            return Vec::new();
        }
        vec![self.pair(&entry.key, &entry.node)]
    }

    fn note_relative(&mut self, node: &Node) {
        let path = self.source.text(node).unwrap_or_default();
        if !path.is_empty() && !path.starts_with('/') {
            let what = format!("the path `{}` is relative", shown(&path));
            self.remark(
                &node.place,
                what,
                "it starts at the tenant file's folder here",
                "put the file there, or write the whole path",
            );
        }
    }

    /// Ours needs at least a millisecond and at most five minutes.
    pub(super) fn timeout(&mut self, entry: &Entry) -> Vec<Line> {
        let span = self.source.text(&entry.node).and_then(|text| go_duration(&text)).unwrap_or_default();
        if span.is_zero() {
            return Vec::new();
        }
        let kept = span.clamp(Duration::from_millis(1), TIMEOUT_MAX);
        if kept != span {
            let what = format!("`timeout` becomes `{}`", format_duration(kept));
            self.remark(
                &entry.node.place,
                what,
                "it must be from `1ms` to `5m` here",
                "nothing to do if that suits",
            );
        }
        vec![Line::Pair(entry.key.clone(), Out::Word(format_duration(kept)))]
    }

    /// The `http_config` of `global`, where the integration has none.
    pub(super) fn global_http(&mut self, item: &Node, is_app: bool) -> Vec<Line> {
        if get(item, "http_config").is_some() {
            return Vec::new();
        }
        let root = &self.source.root;
        let entry = get(root, "global").map(entries).unwrap_or_default().iter();
        let Some(entry) = entry.clone().find(|entry| entry.key == "http_config") else { return Vec::new() };
        let lines = self.http(entry);
        if is_app { without_authorization(lines) } else { lines }
    }

    pub(super) fn http(&mut self, entry: &Entry) -> Vec<Line> {
        let mut lines = Vec::new();
        for inner in entries(&entry.node).iter().filter(|inner| !matches!(inner.node.value, Value::Null)) {
            match inner.key.as_str() {
                "basic_auth" | "authorization" | "bearer_token" | "bearer_token_file" | "http_headers" => {
                    lines.extend(self.credential(inner));
                }
                "follow_redirects" | "enable_http2" if !is_true(&inner.node) => {
                    lines.extend(self.carried(inner, &HTTP));
                }
                "follow_redirects" => {
                    lines.extend(self.lost(
                        inner,
                        "redirects are not followed",
                        "write the address that it leads to",
                    ));
                }
                "enable_http2" => lines.extend(self.lost(inner, "HTTP/1.1 is spoken", "nothing to do")),
                "oauth2" => lines.extend(self.lost(
                    inner,
                    "it is not supported yet",
                    "use a proxy on this machine until it is",
                )),
                // `tls_config` and proxies.
                _ => lines.extend(self.credential(inner)),
            }
        }
        if lines.iter().any(|line| matches!(line, Line::Pair(..))) {
            return vec![Line::Pair(entry.key.clone(), Out::Block(lines))];
        }
        lines
    }

    fn credential(&mut self, entry: &Entry) -> Vec<Line> {
        let mut nodes = vec![entry];
        nodes.extend(entries(&entry.node));
        for inner in nodes {
            if inner.key.ends_with("_file") {
                self.note_relative(&inner.node);
            }
            if inner.key.ends_with("_ref") {
                return self.lost(
                    entry,
                    "secrets by reference are not supported",
                    "use `{file: PATH}` or `{env: NAME}`",
                );
            }
        }
        self.carried(entry, &HTTP)
    }

    /// A text that is a template; lost, it falls back to its default.
    pub(super) fn template(&mut self, entry: &Entry) -> Vec<Line> {
        let text = self.source.text(&entry.node).unwrap_or_default();
        match translate_field(&text, Some(&self.parts)) {
            Ok(text) => vec![Line::Pair(entry.key.clone(), Out::Text(text))],
            Err(losses) => self.untranslated(entry, &losses),
        }
    }

    fn untranslated(&mut self, entry: &Entry, losses: &[Loss]) -> Vec<Line> {
        for Loss { line, reason } in losses {
            let what = format!("`{}` is left out", shown(&entry.key));
            let why = if losses.len() > 1 || *line > 1 {
                format!("its template's line {line}: {reason}")
            } else {
                format!("its template: {reason}")
            };
            self.remark(&entry.node.place, what, &why, "write it anew as a Jinja template");
        }
        let mut lines = vec![Line::Comment("left out: the template could not be translated".to_owned())];
        let text = self.source.text(&entry.node).unwrap_or_default();
        lines.extend(commented(&entry.key, &Out::Text(text)));
        lines
    }

    /// Slack's fields and buttons; one whose templates are lost is lost whole.
    pub(super) fn templated_list(&mut self, entry: &Entry, keys: &super::keys::Keys) -> Vec<Line> {
        let mut list = Vec::new();
        for item in items(&entry.node) {
            let lines: Vec<Line> =
                entries(item).iter().flat_map(|inner| self.templated(inner, keys)).collect();
            let is_whole = !lines.iter().any(|line| matches!(line, Line::Comment(_)));
            if is_whole {
                list.push(Line::Item(Out::Block(lines)));
            } else {
                let lines = vec![Line::Item(Out::Block(lines))];
                list.extend(commented(&entry.key, &Out::Block(lines)));
            }
        }
        if list.iter().any(|line| matches!(line, Line::Item(_))) {
            return vec![Line::Pair(entry.key.clone(), Out::Block(list))];
        }
        list
    }

    fn templated(&mut self, entry: &Entry, keys: &super::keys::Keys) -> Vec<Line> {
        match (entry.key.as_str(), &entry.node.value) {
            (_, Value::Null) => Vec::new(),
            ("confirm", _) => {
                let inner =
                    entries(&entry.node).iter().flat_map(|inner| self.templated(inner, &SLACK_CONFIRM));
                let inner: Vec<Line> = inner.collect();
                let is_whole = !inner.iter().any(|line| matches!(line, Line::Comment(_)));
                if is_whole { vec![Line::Pair(entry.key.clone(), Out::Block(inner))] } else { inner }
            }
            ("short", _) => self.carried(entry, keys),
            _ => self.template(entry),
        }
    }
}

/// An app's token takes the header.
fn without_authorization(mut lines: Vec<Line>) -> Vec<Line> {
    if let Some(Line::Pair(_, Out::Block(inner))) = lines.first_mut() {
        inner.retain(|line| !matches!(line, Line::Pair(key, _) if key == "authorization"));
        if inner.is_empty() {
            lines.remove(0);
        }
    }
    lines
}
