//! From Alertmanager's settings to a tenant's.

use super::keys::{FILE, Keys, Kind, ROUTE};
use super::out::{Line, Out, commented};
use super::source::{Source, entries, get, items};
use super::verify::shown;
use super::{Remark, go_duration};
use crate::config::{Entry, Fault, Node, Place, Value, format_duration, parse_duration};
use crate::import::Parts;
use std::path::Path;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Walks the file and notes what is left behind.
pub(super) struct Converter<'a> {
    pub(super) source: &'a Source<'a>,
    /// Where the file's relative paths start.
    pub(super) folder: &'a Path,
    pub(super) remarks: Vec<Remark>,
    /// What Alertmanager would refuse in the files that this one names.
    pub(super) refusals: Vec<Fault>,
    /// What templates may show.
    pub(super) parts: Parts,
}

impl<'a> Converter<'a> {
    pub(super) fn new(source: &'a Source<'a>, folder: &'a Path) -> Self {
        let (remarks, refusals) = (Vec::new(), Vec::new());
        let mut new = Self { source, folder, remarks, refusals, parts: Parts::default() };
        new.find_parts();
        new
    }
}

impl Converter<'_> {
    /// The lines of the tenant's file after its name.
    pub(super) fn file(&mut self) -> Vec<Line> {
        let root = &self.source.root;
        let mut lines = self.global();
        for entry in entries(root) {
            match entry.key.as_str() {
                "global" => {}
                "route" => {
                    let route = self.route(&entry.node, true);
                    lines.push(Line::Pair("route".to_owned(), Out::Block(route)));
                }
                "receivers" => lines.extend(self.receivers(&entry.node)),
                "templates" => lines.extend(self.templates(entry)),
                "tracing" | "event_recorder" => {
                    lines.extend(self.lost(
                        entry,
                        "it belongs to the service, not to a tenant",
                        "set `OTEL_*` variables for traces",
                    ));
                }
                _ => lines.extend(self.carried(entry, &FILE)),
            }
        }
        lines
    }

    pub(super) fn remark(&mut self, place: &Place, what: impl Into<String>, why: &str, remedy: &str) {
        let remark = Remark {
            place: place.clone(),
            what: what.into(),
            why: why.to_owned(),
            remedy: remedy.to_owned(),
        };
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    /// A key that is left out: a remark, and the original as a comment.
    pub(super) fn lost(&mut self, entry: &Entry, why: &str, remedy: &str) -> Vec<Line> {
        self.remark(&entry.key_place, format!("`{}` is left out", shown(&entry.key)), why, remedy);
        let mut lines = vec![Line::Comment(format!("left out: {why}"))];
        lines.extend(commented(&entry.key, &self.as_written(&entry.node)));
        lines
    }

    /// A value as it stands in the file.
    fn as_written(&self, node: &Node) -> Out {
        match &node.value {
            Value::List(items) if items.is_empty() => Out::word("[]"),
            Value::Section(entries) if entries.is_empty() => Out::word("{}"),
            Value::List(items) => {
                Out::Block(items.iter().map(|item| Line::Item(self.as_written(item))).collect())
            }
            Value::Section(entries) => {
                let pair = |entry: &Entry| Line::Pair(entry.key.clone(), self.as_written(&entry.node));
                Out::Block(entries.iter().map(pair).collect())
            }
            Value::Text(text) => Out::Text(text.clone()),
            _ => Out::Word(self.source.text(node).unwrap_or_default()),
        }
    }

    /// A key whose value means the same here.
    pub(super) fn carried(&mut self, entry: &Entry, keys: &Keys) -> Vec<Line> {
        let kind = keys.kind(&entry.key).unwrap_or(Kind::Anything);
        if matches!(entry.node.value, Value::Null) {
            return Vec::new();
        }
        let value = self.value(&entry.node, kind);
        vec![Line::Pair(entry.key.clone(), value)]
    }

    pub(super) fn value(&mut self, node: &Node, kind: Kind) -> Out {
        match kind {
            Kind::Section(keys) => self.section(node, keys),
            Kind::Sections(keys) => self.list(node, |this, item| this.section(item, keys)),
            Kind::Texts | Kind::Matchers | Kind::AllFormed(_) => {
                self.list(node, |this, item| Out::Text(this.source.text(item).unwrap_or_default()))
            }
            Kind::TextMap | Kind::ClassicMap | Kind::Regexes => {
                let pairs = entries(node).iter().map(|entry| {
                    Line::Pair(
                        entry.key.clone(),
                        Out::Text(self.source.text(&entry.node).unwrap_or_default()),
                    )
                });
                let pairs: Vec<Line> = pairs.collect();
                if pairs.is_empty() { Out::word("{}") } else { Out::Block(pairs) }
            }
            Kind::Headers | Kind::Anything => self.as_written(node),
            Kind::Flag => Out::word(is_true(node)),
            Kind::Count | Kind::Whole | Kind::Number => Out::Word(self.source.text(node).unwrap_or_default()),
            Kind::Duration => Out::Word(self.span(node).map_or_else(|| "0s".to_owned(), format_duration)),
            Kind::GoDuration => {
                let span = self.source.text(node).and_then(|text| go_duration(&text));
                Out::Word(span.map_or_else(|| "0s".to_owned(), format_duration))
            }
            Kind::Text
            | Kind::Formed(_)
            | Kind::Url
            | Kind::SecretUrl
            | Kind::TemplateUrl
            | Kind::HostPort => Out::Text(self.source.text(node).unwrap_or_default()),
        }
    }

    fn section(&mut self, node: &Node, keys: &Keys) -> Out {
        let lines: Vec<Line> = entries(node).iter().flat_map(|entry| self.carried(entry, keys)).collect();
        if lines.is_empty() { Out::word("{}") } else { Out::Block(lines) }
    }

    fn list(&mut self, node: &Node, mut item: impl FnMut(&mut Self, &Node) -> Out) -> Out {
        let lines: Vec<Line> = items(node).iter().map(|node| Line::Item(item(self, node))).collect();
        if lines.is_empty() { Out::word("[]") } else { Out::Block(lines) }
    }

    fn span(&self, node: &Node) -> Option<Duration> {
        self.source.text(node).and_then(|text| parse_duration(&text))
    }

    /// `resolve_timeout`; what receivers take from here is merged into them.
    fn global(&mut self) -> Vec<Line> {
        const MERGED: [&str; 13] = [
            "telegram_api_url",
            "telegram_bot_token",
            "telegram_bot_token_file",
            "slack_api_url",
            "slack_api_url_file",
            "slack_app_token",
            "slack_app_token_file",
            "slack_app_url",
            "pagerduty_url",
            "opsgenie_api_url",
            "opsgenie_api_key",
            "opsgenie_api_key_file",
            "http_config",
        ];
        let Some(global) = get(&self.source.root, "global") else { return Vec::new() };
        let (mut own, mut lost) = (Vec::new(), Vec::new());
        for entry in entries(global).iter().filter(|entry| !matches!(entry.node.value, Value::Null)) {
            match entry.key.as_str() {
                "resolve_timeout" => own.extend(self.bounded(entry, SECOND, Duration::from_secs(7 * 86_400))),
                key if MERGED.contains(&key) || key.starts_with("smtp_") => {}
                _ => lost.extend(self.lost(
                    entry,
                    "the service it is for is not supported yet",
                    "use a webhook or Slack until it is",
                )),
            }
        }
        if !own.is_empty() {
            lost.push(Line::Pair("global".to_owned(), Out::Block(own)));
        }
        lost
    }

    /// A span within bounds; one beyond them becomes the bound.
    fn bounded(&mut self, entry: &Entry, least: Duration, most: Duration) -> Vec<Line> {
        let Some(span) = self.span(&entry.node) else { return Vec::new() };
        let kept = span.clamp(least, most);
        if kept != span {
            let what = format!("`{}` becomes `{}`", entry.key, format_duration(kept));
            let why =
                format!("it must be from `{}` to `{}` here", format_duration(least), format_duration(most));
            self.remark(&entry.node.place, what, &why, "nothing to do if that suits");
        }
        vec![Line::Pair(entry.key.clone(), Out::Word(format_duration(kept)))]
    }

    fn route(&mut self, node: &Node, is_root: bool) -> Vec<Line> {
        let mut lines = Vec::new();
        for entry in entries(node) {
            match (entry.key.as_str(), &entry.node.value) {
                (_, Value::Null) => {}
                ("receiver", Value::Text(name)) if name.is_empty() => {}
                // Empty ones are let pass on the root, where none may be.
                (
                    "match"
                    | "match_re"
                    | "matchers"
                    | "mute_time_intervals"
                    | "active_time_intervals"
                    | "continue",
                    _,
                ) if is_root => {}
                ("routes", _) => {
                    let children: Vec<Line> = items(&entry.node)
                        .iter()
                        .map(|child| match self.route(child, false) {
                            lines if lines.is_empty() => Line::Item(Out::word("{}")),
                            lines => Line::Item(Out::Block(lines)),
                        })
                        .collect();
                    if !children.is_empty() {
                        lines.push(Line::Pair("routes".to_owned(), Out::Block(children)));
                    }
                }
                ("labels", _) => {
                    lines.extend(self.lost(entry, "routes have no labels here", "put it into a template"));
                }
                ("group_by", _) => lines.extend(self.group_by(entry)),
                ("group_wait", _) => lines.extend(self.bounded(entry, Duration::ZERO, YEAR)),
                ("group_interval", _) => lines.extend(self.bounded(entry, SECOND, YEAR)),
                ("repeat_interval", _) => lines.extend(self.repeat_interval(entry, node)),
                _ => lines.extend(self.carried(entry, &ROUTE)),
            }
        }
        lines
    }

    /// Alertmanager lets `...` stand more than once.
    fn group_by(&mut self, entry: &Entry) -> Vec<Line> {
        if items(&entry.node).iter().any(|item| self.source.text(item).as_deref() == Some("...")) {
            let all = Out::Block(vec![Line::Item(Out::Text("...".to_owned()))]);
            return vec![Line::Pair(entry.key.clone(), all)];
        }
        self.carried(entry, &ROUTE)
    }

    /// A group is looked at each `group_interval`, so repeating sooner never
    /// happened.
    fn repeat_interval(&mut self, entry: &Entry, route: &Node) -> Vec<Line> {
        let group = get(route, "group_interval")
            .and_then(|node| self.span(node))
            .map(|span| span.clamp(SECOND, YEAR));
        match (self.span(&entry.node), group) {
            (Some(repeat), Some(group)) if repeat < group => {
                let what = format!("`repeat_interval` becomes `{}`", format_duration(group));
                self.remark(
                    &entry.node.place,
                    what,
                    "it is shorter than `group_interval`, so it was that in effect",
                    "nothing to do",
                );
                vec![Line::Pair(entry.key.clone(), Out::Word(format_duration(group)))]
            }
            _ => self.bounded(entry, SECOND, YEAR),
        }
    }
}

pub(super) fn is_true(node: &Node) -> bool {
    match &node.value {
        Value::Flag(flag) => *flag,
        Value::Text(text) => matches!(text.as_str(), "y" | "Y"),
        _ => false,
    }
}
