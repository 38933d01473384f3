//! Chats other than Slack, and the older way to a Slack app.

use super::convert::Converter;
use super::out::Line;
use super::services::{MSTEAMSV2, TELEGRAM};
use super::source::{entries, get};
use crate::config::{Node, Value};
use openclaw_delivery::slack::App;

impl Converter<'_> {
    pub(super) fn telegram(&mut self, item: &Node) -> Vec<Line> {
        const TOKEN: [(&str, &str); 2] =
            [("bot_token", "telegram_bot_token"), ("bot_token_file", "telegram_bot_token_file")];
        let mut lines = self.own_or_global(item, &TOKEN);
        lines.extend(self.own_or_global(item, &[("api_url", "telegram_api_url")]));
        for entry in entries(item).iter().filter(|entry| !matches!(entry.node.value, Value::Null)) {
            match entry.key.as_str() {
                "bot_token" | "bot_token_file" | "api_url" => {}
                "http_config" => lines.extend(self.http(entry)),
                "chat_id_file" => lines.extend(self.file_of(entry)),
                "message" => lines.extend(self.template(entry)),
                // Alertmanager's zeros stand for what is not set.
                "chat_id" | "message_thread_id" if self.source.text(&entry.node).as_deref() == Some("0") => {}
                _ => lines.extend(self.carried(entry, &TELEGRAM)),
            }
        }
        lines.extend(self.global_http(item, false));
        lines
    }

    pub(super) fn msteams(&mut self, item: &Node) -> Vec<Line> {
        let mut lines = Vec::new();
        for entry in entries(item).iter().filter(|entry| !matches!(entry.node.value, Value::Null)) {
            match entry.key.as_str() {
                "http_config" => lines.extend(self.http(entry)),
                "webhook_url_file" => lines.extend(self.file_of(entry)),
                "title" | "text" => lines.extend(self.template(entry)),
                _ => lines.extend(self.carried(entry, &MSTEAMSV2)),
            }
        }
        lines.extend(self.global_http(item, false));
        lines
    }

    /// The first of the keys that the integration has, or `global` for it.
    pub(super) fn own_or_global(&mut self, item: &Node, keys: &[(&str, &str)]) -> Vec<Line> {
        let global = get(&self.source.root, "global");
        let own = keys.iter().find_map(|(key, _)| Some((*key, get(item, key)?)));
        let above = || keys.iter().find_map(|(key, above)| Some((*key, get(global?, above)?)));
        own.or_else(above).map(|(key, node)| self.pair(key, node)).into_iter().collect()
    }

    /// The older way to an app: its token in the header, and Slack's method as
    /// the address.
    pub(super) fn app_by_header<'n>(&self, item: &'n Node) -> Option<(&'static str, &'n Node)> {
        let url = get(item, "api_url").and_then(|node| self.source.text(node));
        let header = get(get(item, "http_config")?, "authorization")?;
        let scheme = get(header, "type").and_then(|node| self.source.text(node));
        let is_bearer = scheme.is_none_or(|scheme| scheme.eq_ignore_ascii_case("bearer"));
        if url.as_deref() != Some(App::URL) || !is_bearer || get(item, "channel").is_none() {
            return None;
        }
        let keys = [("app_token", "credentials"), ("app_token_file", "credentials_file")];
        keys.into_iter().find_map(|(key, inner)| Some((key, get(header, inner)?)))
    }
}
