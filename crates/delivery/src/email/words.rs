//! Our own words in a mail, to read as text and as HTML: what fires first and
//! the higher score before the lower, as people read from the top.

use crate::group::{View, by_urgency};
use crate::headline::{push_score, push_subject, state};
use crate::template::escaped;
use crate::text::{as_it_is, is_web, push_clipped, push_clipped_lines};
use crate::words::Words;
use openclaw_alert::{Labels, Notification, NotificationKind, Status, Timestamp, Zoned};

const ALERTS_MAX: usize = 50;
const NAME_UNITS_MAX: usize = 200;
const SUMMARY_UNITS_MAX: usize = 2000;
const LABELS_MAX: usize = 32;
const LABEL_UNITS_MAX: usize = 300;
const URL_UNITS_MAX: usize = 2000;
const NOTE_UNITS_MAX: usize = 500;

/// An alert as a mail shows it.
struct Section {
    heading: String,
    summary: String,
    labels: Vec<String>,
    links: Vec<(&'static str, String)>,
}

/// The text part.
pub(super) fn text(notification: &Notification, words: &Words<'_>, note: Option<&str>) -> String {
    let (sections, left_out) = sections(notification);
    let mut out = format!("{}\n{}\n", title(notification), score(notification));
    for line in about(notification, note) {
        out.push_str(&format!("{line}\n"));
    }
    for section in &sections {
        out.push_str(&format!("\n{}\n", section.heading));
        if !section.summary.is_empty() {
            out.push_str(&format!("{}\n", section.summary));
        }
        section.labels.iter().for_each(|label| out.push_str(&format!("  {label}\n")));
        section.links.iter().for_each(|(name, url)| out.push_str(&format!("{name}: {url}\n")));
    }
    out.push_str(&format!("\n{}\n", footer(notification, left_out)));
    if let Some(url) = web(&format!("{}/console", words.external_url)) {
        out.push_str(&format!("{url}\n"));
    }
    out
}

/// The HTML part: no script, no picture, nothing that is fetched.
pub(super) fn html(notification: &Notification, words: &Words<'_>, note: Option<&str>) -> String {
    let (sections, left_out) = sections(notification);
    let mut out = String::from(
        "<!DOCTYPE html><html><body style=\"font-family:sans-serif;font-size:14px;color:#222\">",
    );
    let colour = colour(notification);
    out.push_str(&format!(
        "<h2 style=\"font-size:18px;border-left:6px solid {colour};padding-left:10px\">{}</h2><p>{}</p>",
        escaped(&title(notification)),
        escaped(&score(notification))
    ));
    for line in about(notification, note) {
        out.push_str(&format!("<p>{}</p>", escaped(&line)));
    }
    sections.iter().for_each(|section| push_section(&mut out, section));
    out.push_str(&format!("<p style=\"color:#666\">{}", escaped(&footer(notification, left_out))));
    if let Some(url) = web(&format!("{}/console", words.external_url)) {
        out.push_str(&format!(" · <a href=\"{}\">OpenClaw</a>", escaped(&url)));
    }
    out.push_str("</p></body></html>");
    out
}

fn push_section(out: &mut String, section: &Section) {
    out.push_str(&format!(
        "<h3 style=\"font-size:15px;margin-bottom:4px\">{}</h3>",
        escaped(&section.heading)
    ));
    if !section.summary.is_empty() {
        let summary = escaped(&section.summary).replace('\n', "<br>");
        out.push_str(&format!("<p style=\"margin:4px 0\">{summary}</p>"));
    }
    let code = |label: &String| format!("<code>{}</code>", escaped(label));
    let labels: Vec<String> = section.labels.iter().map(code).collect();
    let link = |(name, url): &(&str, String)| format!("<a href=\"{}\">{name}</a>", escaped(url));
    let links: Vec<String> = section.links.iter().map(link).collect();
    for line in [labels.join(" "), links.join(" · ")].into_iter().filter(|line| !line.is_empty()) {
        out.push_str(&format!("<p style=\"margin:4px 0\">{line}</p>"));
    }
}

fn colour(notification: &Notification) -> &'static str {
    match (notification.kind, notification.status()) {
        (NotificationKind::Digest, _) => "#7a7f87",
        (NotificationKind::Page, Status::Firing) => "#c4302b",
        (NotificationKind::Page, Status::Resolved) => "#2e8b57",
    }
}

fn title(notification: &Notification) -> String {
    let mut out = state(notification);
    out.push(' ');
    push_subject(&mut out, notification, as_it_is);
    out
}

fn score(notification: &Notification) -> String {
    let mut out = String::new();
    push_score(&mut out, notification);
    out[..1].make_ascii_uppercase();
    out
}

/// Who is on call, and what went wrong with the owner's own words.
fn about(notification: &Notification, note: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(person) = &notification.on_call {
        lines.push(clipped("On call: ", person, NAME_UNITS_MAX));
    }
    if let Some(note) = note {
        lines.push(clipped("", note, NOTE_UNITS_MAX));
    }
    lines
}

fn footer(notification: &Notification, left_out: usize) -> String {
    let more = if left_out > 0 { format!("{left_out} more not shown · ") } else { String::new() };
    format!("{more}{} · {}", notification.tenant, notification.reason.text())
}

/// The alerts that are shown, and how many are not.
fn sections(notification: &Notification) -> (Vec<Section>, usize) {
    let views = by_urgency(notification);
    let group = Labels::from_encoded(&notification.group_labels);
    let shown: Vec<_> = views.iter().take(ALERTS_MAX).map(|view| section(view, group)).collect();
    let left_out = views.len() - shown.len();
    (shown, left_out)
}

fn section(view: &View<'_>, group: Labels<'_>) -> Section {
    let mut summary = String::new();
    push_clipped_lines(&mut summary, view.told().unwrap_or_default(), SUMMARY_UNITS_MAX);
    let labels = view
        .own_labels(group)
        .take(LABELS_MAX)
        .map(|(name, value)| clipped("", &format!("{name}={value}"), LABEL_UNITS_MAX));
    Section {
        heading: heading(view),
        summary,
        labels: labels.collect(),
        links: view.links().filter_map(|(url, name)| Some((name, web(url)?))).collect(),
    }
}

fn heading(view: &View<'_>) -> String {
    let (state, since) = view.state();
    let name = clipped(&format!("{state}: "), view.name(), NAME_UNITS_MAX);
    format!("{name} · score {:.2} · since {}", view.alert.score.value(), time(since.at))
}

/// To the second, in UTC.
pub(super) fn time(at: Timestamp) -> String {
    let mut out = Vec::new();
    Zoned::utc(at).write_rfc3339(&mut out, 0);
    String::from_utf8_lossy(&out).into_owned()
}

fn clipped(start: &str, text: &str, units_max: usize) -> String {
    let mut out = start.to_owned();
    push_clipped(&mut out, text, units_max, as_it_is);
    out
}

/// Only what is a web address as a whole.
fn web(url: &str) -> Option<String> {
    let is_quoted = url.contains(['<', '>', '"']);
    (is_web(url) && !is_quoted && url.len() <= URL_UNITS_MAX).then(|| url.to_owned())
}
