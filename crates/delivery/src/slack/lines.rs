//! Slack's markup: lines about alerts, in which no text of a stranger is
//! markup.

use crate::group::View;
use crate::headline::{push_score, push_subject, state};
use crate::text::{is_web, push_clipped, units};
use openclaw_alert::{Labels, Notification, Zoned};

pub(super) const SUMMARY_UNITS_MAX: usize = 500;
pub(super) const NAME_UNITS_MAX: usize = 120;
pub(super) const LABELS_MAX: usize = 8;
const LABEL_UNITS_MAX: usize = 100;
pub(super) const URL_UNITS_MAX: usize = 400;

/// One line that also serves as the notification on a phone.
pub(super) fn title(notification: &Notification) -> String {
    let mut out = format!("*{}* ", state(notification));
    push_subject(&mut out, notification, escape);
    out.push_str(" · ");
    push_score(&mut out, notification);
    if let Some(person) = &notification.on_call {
        out.push_str("\nOn call: ");
        push_clipped(&mut out, person, NAME_UNITS_MAX, escape);
    }
    out
}

/// An alert.
pub(super) fn section(view: &View<'_>, group: Labels<'_>) -> String {
    let mut out = heading(view);
    if let Some(text) = view.told() {
        out.push('\n');
        push_clipped(&mut out, text, SUMMARY_UNITS_MAX, escape);
    }
    push_labels(&mut out, view, group);
    push_links(&mut out, view);
    out
}

fn heading(view: &View<'_>) -> String {
    let (state, since) = view.state();
    let mut out = format!("{state}: *");
    push_clipped(&mut out, view.name(), NAME_UNITS_MAX, escape);
    out.push_str(&format!("* · score {:.2} · since {}", view.alert.score.value(), date(since)));
    out
}

/// Shown in each reader's own time zone.
pub(super) fn date(time: Zoned) -> String {
    let mut fallback = Vec::new();
    Zoned::utc(time.at).write_rfc3339(&mut fallback, 0);
    let fallback = String::from_utf8_lossy(&fallback);
    format!("<!date^{}^{{date_short_pretty}} {{time_secs}}|{fallback}>", time.at.secs())
}

/// Those that the title doesn't say already.
fn push_labels(out: &mut String, view: &View<'_>, group: Labels<'_>) {
    for (index, (name, value)) in view.own_labels(group).take(LABELS_MAX).enumerate() {
        out.push_str(if index == 0 { "\n`" } else { " `" });
        push_clipped(out, &format!("{name}={value}"), LABEL_UNITS_MAX, escape_code);
        out.push('`');
    }
}

fn push_links(out: &mut String, view: &View<'_>) {
    let links: Vec<_> = view.links().filter_map(|(url, name)| link(url, name)).collect();
    if !links.is_empty() {
        out.push('\n');
        out.push_str(&links.join(" · "));
    }
}

/// Only what is a web address; one that is too long is left out, since a part of it leads nowhere.
fn link(url: &str, name: &str) -> Option<String> {
    let escaped = url.replace('&', "&amp;").replace('<', "%3C").replace('>', "%3E").replace('|', "%7C");
    (is_web(url) && units(&escaped) <= URL_UNITS_MAX).then(|| format!("<{escaped}|{name}>"))
}

/// What was left out, and where it came from.
pub(super) fn footer(notification: &Notification, left_out: usize, external_url: &str) -> String {
    let mut out = match left_out {
        0 => String::new(),
        more => format!("{more} more not shown · "),
    };
    out.push_str(&format!("{} · {}", notification.tenant, notification.reason.text()));
    if let Some(link) = link(external_url, "OpenClaw") {
        out.push_str(" · ");
        out.push_str(&link);
    }
    out
}

/// Slack's three control characters; mentions and links start with one of them.
pub(super) fn escape(char: char) -> Option<&'static str> {
    match char {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

/// Inside of backticks, which have no escape.
fn escape_code(char: char) -> Option<&'static str> {
    if char == '`' { Some("'") } else { escape(char) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_become_links() {
        for bad in ["", "javascript:x", "http://a b", "http://a\n", &format!("http://{}", "x".repeat(400))] {
            assert_eq!(link(bad, "n"), None, "{bad}");
        }
        let odd = link("https://x/?a=<b>&c|d", "n").unwrap();
        assert_eq!(odd, "<https://x/?a=%3Cb%3E&amp;c%7Cd|n>");
    }
}
