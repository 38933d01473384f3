//! Annotations of silences that mean something to us: what they name has to
//! exist, or the silence would hold nothing, or everything.

use openclaw_routing::NamedIntervals;
use std::sync::Arc;

const PREFIX: &str = "openclaw/";

/// # Errors
/// Says what is wrong, and what would do.
pub(super) fn check(
    annotations: &[(Box<str>, Box<str>)],
    receivers: &[&str],
    intervals: &[Arc<NamedIntervals>],
) -> Result<(), String> {
    let known = Known { receivers, intervals };
    let mine = annotations.iter().filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value)));
    for (name, value) in mine {
        known.check(name, value).map_err(|fault| format!("invalid silence: {fault}"))?;
    }
    Ok(())
}

/// What the settings have.
struct Known<'a> {
    receivers: &'a [&'a str],
    intervals: &'a [Arc<NamedIntervals>],
}

impl Known<'_> {
    fn check(&self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "until" if value == "resolved" => Ok(()),
            "until" => Err(format!("annotation `openclaw/until` is `{}`: use `resolved`", shown(value))),
            "receivers" => self.check_receivers(value),
            "during" => self.check_interval(value),
            other => Err(format!(
                "annotation `openclaw/{}` means nothing: use `openclaw/until`, `openclaw/receivers` or `openclaw/during`",
                shown(other)
            )),
        }
    }

    fn check_receivers(&self, value: &str) -> Result<(), String> {
        let mut names = value.split(',').map(str::trim).filter(|name| !name.is_empty()).peekable();
        let known = || list(self.receivers.iter().copied(), "the settings have none");
        if names.peek().is_none() {
            return Err(format!("annotation `openclaw/receivers` names nobody: {}", known()));
        }
        match names.find(|name| !self.receivers.contains(name)) {
            Some(name) => Err(format!(
                "annotation `openclaw/receivers` names `{}`, no receiver of the settings: {}",
                shown(name),
                known()
            )),
            None => Ok(()),
        }
    }

    fn check_interval(&self, name: &str) -> Result<(), String> {
        if self.intervals.iter().any(|interval| *interval.name == *name) {
            return Ok(());
        }
        let known = self.intervals.iter().map(|interval| &*interval.name);
        let known = list(known, "the settings have none, add it to `time_intervals`");
        let name = shown(name);
        Err(format!("annotation `openclaw/during` names `{name}`, no time interval of the settings: {known}"))
    }
}

/// A stranger's text, as much as an answer should have of it.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

fn list<'n>(names: impl Iterator<Item = &'n str>, none: &str) -> String {
    const SHOWN: usize = 20;
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => none.to_owned(),
        1..=SHOWN => format!("use one of {}", names.join(", ")),
        more => format!("use one of {} and {} more", names[..SHOWN].join(", "), more - SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fault(name: &str, value: &str) -> String {
        let night = NamedIntervals { name: "night".into(), intervals: Vec::new() };
        let given = [(name.into(), value.into())];
        check(&given, &["ops", "db"], &[Arc::new(night)]).err().unwrap_or_default()
    }

    #[test]
    fn what_a_silence_names_has_to_exist() {
        for (name, value, want) in [
            ("ticket", "OPS-1", ""),
            ("openclaw/until", "resolved", ""),
            ("openclaw/receivers", "ops, db,", ""),
            ("openclaw/during", "night", ""),
            (
                "openclaw/until",
                "tomorrow",
                "invalid silence: annotation `openclaw/until` is `tomorrow`: use `resolved`",
            ),
            (
                "openclaw/receivers",
                "ops,who",
                "invalid silence: annotation `openclaw/receivers` names `who`, no receiver of the settings: use one of `ops`, `db`",
            ),
            (
                "openclaw/receivers",
                " ,",
                "invalid silence: annotation `openclaw/receivers` names nobody: use one of `ops`, `db`",
            ),
            (
                "openclaw/during",
                "day",
                "invalid silence: annotation `openclaw/during` names `day`, no time interval of the settings: use one of `night`",
            ),
            (
                "openclaw/unless",
                "x",
                "invalid silence: annotation `openclaw/unless` means nothing: use `openclaw/until`, `openclaw/receivers` or `openclaw/during`",
            ),
        ] {
            assert_eq!(fault(name, value), want);
        }
    }
}
