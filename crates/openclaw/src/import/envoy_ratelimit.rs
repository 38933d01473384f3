//! The settings of envoyproxy/ratelimit into `limits.descriptors`.

use super::alertmanager::{Imported, Remark};
use crate::config::{self, Entry, Environment, Fault, Faults, Node, Place, Problem, Value, yaml};
use openclaw_alert::TenantName;
use std::path::Path;
use std::sync::Arc;

const FILE_KEYS: &[&str] = &["domain", "descriptors"];
const RULE_KEYS: &[&str] = &[
    "key",
    "value",
    "rate_limit",
    "shadow_mode",
    "quota_mode",
    "share_threshold",
    "descriptors",
    "detailed_metric",
    "value_to_metric",
    "metadata",
];
const LIMIT_KEYS: &[&str] = &["unit", "requests_per_unit", "unlimited", "name", "replaces"];

/// Units as they are written there and here, in seconds.
const UNITS: [(&str, &str, u64); 7] = [
    ("second", "s", 1),
    ("minute", "m", 60),
    ("hour", "h", 3600),
    ("day", "d", 86_400),
    ("week", "w", 7 * 86_400),
    ("month", "month", 30 * 86_400),
    ("year", "year", 365 * 86_400),
];

/// Translates `file`.
///
/// # Errors
/// What envoyproxy/ratelimit would refuse too, and what our own check does.
pub(crate) fn import(file: &Path) -> Result<Imported, Faults> {
    let file: Arc<Path> = file.into();
    let text = config::read_text(&file)?;
    let root = yaml::parse_old(&text, &file)?;
    let mut converter = Converter::default();
    converter.file(&root);
    let Converter { out, remarks, faults } = converter;
    Faults::or_else(faults, Some(()))?;
    check(&out)?;
    let text = format!("# From envoyproxy/ratelimit: for `limits` in a tenant's file.\n{out}");
    Ok(Imported { text, remarks })
}

/// By our own rules, in the smallest file that has it.
fn check(descriptors: &str) -> Result<(), Faults> {
    let Ok(tenant) = TenantName::new("tenant") else { return Ok(()) };
    let indented: String = descriptors.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!(
        "tenant: {tenant}\nreceivers: [{{ name: nobody }}]\nroute: {{ receiver: nobody }}\nlimits:\n{indented}"
    );
    config::check_tenant_text(&text, &tenant, &Environment::default())
}

#[derive(Default)]
struct Converter {
    out: String,
    remarks: Vec<Remark>,
    faults: Vec<Fault>,
}

/// A limit, read.
#[derive(Default)]
struct Limit {
    lines: Vec<String>,
    /// Requests, and the unit's word and seconds.
    rate: Option<(u64, &'static str, u64)>,
}

impl Converter {
    fn file(&mut self, root: &Node) {
        let entries = self.entries(root, FILE_KEYS);
        let Some(domain) = text_of(entries, "domain") else {
            return self.fault(&root.place, Problem::Missing { key: "domain" });
        };
        self.out = format!("descriptors:\n  - domain: {}\n", quoted(&domain));
        self.rules(entries, 4);
    }

    fn rules(&mut self, entries: &[Entry], indent: usize) {
        let rules = items(entries, "descriptors");
        if !rules.is_empty() {
            self.line(indent, "descriptors:");
        }
        rules.iter().for_each(|rule| self.rule(rule, indent + 2));
    }

    fn rule(&mut self, node: &Node, indent: usize) {
        let entries = self.entries(node, RULE_KEYS);
        let Some(key) = text_of(entries, "key").filter(|key| !key.is_empty()) else {
            return self.fault(&node.place, Problem::Missing { key: "key" });
        };
        self.line(indent, &format!("- key: {}", quoted(&key)));
        let inner = indent + 2;
        if let Some(value) = text_of(entries, "value").filter(|value| !value.is_empty()) {
            self.line(inner, &format!("value: {}", quoted(&value)));
        }
        if let Some(limit) = find(entries, "rate_limit") {
            let limit = self.limit(limit);
            limit.lines.iter().for_each(|line| self.line(inner, line));
            limit.rate.into_iter().for_each(|rate| self.windows_differ(&node.place, &key, rate));
        }
        let words = [("shadow_mode", "dry_run"), ("quota_mode", "quota_mode"), ("share_threshold", "shared")];
        for (_, ours) in words.into_iter().filter(|(theirs, _)| is_true(entries, theirs)) {
            self.line(inner, &format!("{ours}: true"));
        }
        self.lost(entries);
        self.rules(entries, inner);
    }

    fn limit(&mut self, node: &Node) -> Limit {
        let entries = self.entries(node, LIMIT_KEYS);
        let mut limit = Limit::default();
        let unit = text_of(entries, "unit");
        if is_true(entries, "unlimited") {
            if unit.is_some() {
                self.fault(&node.place, Problem::Exclusive { keys: vec!["unit", "unlimited"] });
            }
            limit.lines.push("unlimited: true".to_owned());
        } else {
            limit.rate = self.rate(node, entries, unit.as_deref());
            limit.lines.extend(limit.rate.map(|(requests, word, _)| format!("rate: {requests}/{word}")));
        }
        limit.lines.extend(text_of(entries, "name").map(|name| format!("name: {}", quoted(&name))));
        let replaces = items(entries, "replaces").iter().filter_map(|item| text_of(section(item), "name"));
        let replaces: Vec<String> = replaces.map(|name| quoted(&name)).collect();
        if !replaces.is_empty() {
            limit.lines.push(format!("replaces: [{}]", replaces.join(", ")));
        }
        limit
    }

    fn rate(
        &mut self,
        node: &Node,
        entries: &[Entry],
        unit: Option<&str>,
    ) -> Option<(u64, &'static str, u64)> {
        let Some(unit) = unit else {
            self.fault(&node.place, Problem::Missing { key: "unit" });
            return None;
        };
        let known = UNITS.into_iter().find(|(theirs, ..)| theirs.eq_ignore_ascii_case(unit));
        if known.is_none() {
            let text = unit.chars().take(80).flat_map(char::escape_debug).collect();
            self.fault(
                &node.place,
                Problem::NotA {
                    text,
                    expected: "a unit: `second`, `minute`, `hour`, `day`, `week`, `month`, `year`",
                },
            );
        }
        let requests = text_of(entries, "requests_per_unit").unwrap_or_else(|| "0".to_owned());
        let Ok(requests) = requests.parse::<u32>() else {
            let text = requests.chars().take(80).flat_map(char::escape_debug).collect();
            self.fault(&node.place, Problem::NotA { text, expected: "a number of requests" });
            return None;
        };
        known.map(|(_, word, seconds)| (u64::from(requests), word, seconds))
    }

    /// The one thing that a rule of theirs can't mean here.
    fn windows_differ(&mut self, place: &Place, key: &str, (requests, word, seconds): (u64, &str, u64)) {
        if requests == 0 {
            return;
        }
        let each_ms = seconds * 1000 / requests;
        let each = match each_ms {
            0 => "more than one a millisecond".to_owned(),
            1..1000 => format!("one each {each_ms} ms"),
            _ => format!("one each {} s", each_ms / 1000),
        };
        self.remarks.push(Remark {
            place: place.clone(),
            what: format!("`{key}` {requests}/{word}"),
            why: format!("a fixed window lets up to {} through around its edge", requests * 2),
            remedy: format!("here it is {requests} at once, then {each}"),
        });
    }

    fn lost(&mut self, entries: &[Entry]) {
        for (key, why) in [
            ("detailed_metric", "metrics have no series a client"),
            ("value_to_metric", "metrics have no series a client"),
            ("metadata", "answers say tenant and limit in their own metadata"),
        ] {
            if let Some(entry) = entries.iter().find(|entry| entry.key == key) {
                self.remarks.push(Remark {
                    place: entry.key_place.clone(),
                    what: format!("`{key}`"),
                    why: why.to_owned(),
                    remedy: "it is left out".to_owned(),
                });
            }
        }
    }

    /// The entries of a section; what isn't known there is refused there too.
    fn entries<'n>(&mut self, node: &'n Node, known: &'static [&'static str]) -> &'n [Entry] {
        let entries = section(node);
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            self.fault(&entry.key_place, Problem::UnknownKey { key: entry.key.clone(), known });
        }
        entries
    }

    fn fault(&mut self, place: &Place, problem: Problem) {
        self.faults.push(Fault { place: place.clone(), problem });
    }

    fn line(&mut self, indent: usize, text: &str) {
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.out += text;
        self.out.push('\n');
    }
}

fn section(node: &Node) -> &[Entry] {
    match &node.value {
        Value::Section(entries) => entries,
        _ => &[],
    }
}

fn find<'n>(entries: &'n [Entry], key: &str) -> Option<&'n Node> {
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
}

fn items<'n>(entries: &'n [Entry], key: &str) -> &'n [Node] {
    match find(entries, key).map(|node| &node.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

fn text_of(entries: &[Entry], key: &str) -> Option<String> {
    match &find(entries, key)?.value {
        Value::Text(text) | Value::Variable(text) | Value::Number(text) => Some(text.clone()),
        Value::Flag(flag) => Some(flag.to_string()),
        Value::Null | Value::List(_) | Value::Section(_) => None,
    }
}

fn is_true(entries: &[Entry], key: &str) -> bool {
    matches!(find(entries, key).map(|node| &node.value), Some(Value::Flag(true)))
}

/// As JSON writes it, which YAML reads.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
