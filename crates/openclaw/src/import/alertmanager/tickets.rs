//! PagerDuty and Opsgenie.

use super::convert::Converter;
use super::out::{Line, Out, commented};
use super::services::{OPSGENIE, OPSGENIE_RESPONDER, PAGERDUTY, PAGERDUTY_IMAGE, PAGERDUTY_LINK};
use super::source::{entries, get, items};
use super::verify::SECRET;
use crate::config::{Entry, Node, Value};

impl Converter<'_> {
    pub(super) fn pagerduty(&mut self, item: &Node) -> Vec<Line> {
        let mut lines = self.own_or_global(item, &[("url", "pagerduty_url")]);
        for entry in entries(item).iter().filter(|entry| !matches!(entry.node.value, Value::Null)) {
            match entry.key.as_str() {
                "url" => {}
                "routing_key" => lines.extend(self.routing_key(entry)),
                "routing_key_file" => lines.extend(self.file_of(entry)),
                "service_key" | "service_key_file" => lines.extend(self.lost(
                    entry,
                    "Events API v1 is not spoken",
                    "add an Events API v2 integration to the service, and set its key as `routing_key`",
                )),
                "http_config" => lines.extend(self.http(entry)),
                "timeout" => lines.extend(self.timeout(entry)),
                "details" => lines.extend(self.details(entry)),
                "images" => lines.extend(self.templated_list(entry, &PAGERDUTY_IMAGE)),
                "links" => lines.extend(self.templated_list(entry, &PAGERDUTY_LINK)),
                "send_resolved" => lines.extend(self.carried(entry, &PAGERDUTY)),
                _ => lines.extend(self.template(entry)),
            }
        }
        lines.extend(self.global_http(item, false));
        lines
    }

    fn routing_key(&mut self, entry: &Entry) -> Vec<Line> {
        let text = self.source.text(&entry.node).unwrap_or_default();
        if text.contains("{{") {
            let why = "a key can't be a template";
            return self.lost(entry, why, "add an integration for each key, and a route to it");
        }
        self.carried(entry, &PAGERDUTY)
    }

    /// Any tree; its texts are templates.
    fn details(&mut self, entry: &Entry) -> Vec<Line> {
        match &entry.node.value {
            Value::Section(inner) if !inner.is_empty() => {
                let lines: Vec<Line> = inner.iter().flat_map(|entry| self.details(entry)).collect();
                if lines.iter().any(|line| matches!(line, Line::Pair(..))) {
                    return vec![Line::Pair(entry.key.clone(), Out::Block(lines))];
                }
                lines
            }
            Value::List(_) => self.detail_list(entry),
            Value::Text(_) => self.template(entry),
            _ => self.carried(entry, &PAGERDUTY),
        }
    }

    /// A list that loses an item is lost whole: its places may matter.
    fn detail_list(&mut self, entry: &Entry) -> Vec<Line> {
        let mut list = Vec::new();
        for item in items(&entry.node) {
            let inner = Entry { node: item.clone(), ..entry.clone() };
            match self.details(&inner).into_iter().next() {
                Some(Line::Pair(_, value)) => list.push(Line::Item(value)),
                _ => return commented(&entry.key, &Out::word("[]")),
            }
        }
        let value = if list.is_empty() { Out::word("[]") } else { Out::Block(list) };
        vec![Line::Pair(entry.key.clone(), value)]
    }

    pub(super) fn opsgenie(&mut self, item: &Node) -> Vec<Line> {
        const KEY: [(&str, &str); 2] =
            [("api_key", "opsgenie_api_key"), ("api_key_file", "opsgenie_api_key_file")];
        let mut lines = self.own_or_global(item, &KEY);
        if self.takes_hidden_key(item) {
            lines.clear();
        }
        lines.extend(self.own_or_global(item, &[("api_url", "opsgenie_api_url")]));
        for entry in entries(item).iter().filter(|entry| !matches!(entry.node.value, Value::Null)) {
            match entry.key.as_str() {
                "api_key" | "api_key_file" | "api_url" => {}
                "http_config" => lines.extend(self.http(entry)),
                "details" => lines.extend(self.template_map(entry)),
                "responders" => lines.extend(self.templated_list(entry, &OPSGENIE_RESPONDER)),
                "send_resolved" | "update_alerts" => lines.extend(self.carried(entry, &OPSGENIE)),
                _ => lines.extend(self.template(entry)),
            }
        }
        lines.extend(self.global_http(item, true));
        lines
    }

    /// A file that Alertmanager printed itself holds no secrets.
    fn takes_hidden_key(&mut self, item: &Node) -> bool {
        let has_own = get(item, "api_key").is_some() || get(item, "api_key_file").is_some();
        let global = get(&self.source.root, "global").and_then(|global| get(global, "opsgenie_api_key"));
        let hidden = global.filter(|node| !has_own && self.source.text(node).as_deref() == Some(SECRET));
        if let Some(node) = hidden {
            let why = "it was taken out of this file";
            self.remark(&node.place, "`opsgenie_api_key` is left out", why, "import the original file");
        }
        hidden.is_some()
    }
}
