//! Alertmanager's configuration into a tenant's file.
//!
//! `verify` gives Alertmanager's own verdict, from the tables in `keys` and
//! `services`; `convert`, `receivers` and `templates` write what is carried
//! over into `out`, and leave the rest as comments and [`Remark`]s.

mod chats;
mod convert;
mod keys;
mod out;
mod receivers;
mod services;
mod source;
mod templates;
#[cfg(test)]
mod tests;
mod tickets;
mod verify;

use crate::config::{self, Environment, Faults, Place};
use convert::Converter;
use openclaw_alert::TenantName;
use out::{Line, Out};
use source::Source;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Something that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remark {
    pub(crate) place: Place,
    pub(crate) what: String,
    pub(crate) why: String,
    pub(crate) remedy: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}; {}", self.place, self.what, self.why, self.remedy)
    }
}

/// A tenant's file, and what is not as it was.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) text: String,
    pub(crate) remarks: Vec<Remark>,
}

/// Translates `file`.
///
/// # Errors
/// What Alertmanager would refuse too, and what our own check does.
pub(crate) fn import(file: &Path, tenant: &TenantName) -> Result<Imported, Faults> {
    let file: Arc<Path> = file.into();
    let text = config::read_text(&file)?;
    let source = Source::parse(&text, &file)?;
    Faults::or_else(verify::faults(&source), Some(()))?;
    // A file named without a folder lies in this one.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut converter = Converter::new(&source, folder);
    let mut lines = vec![
        Line::Comment(format!("Settings of the tenant `{tenant}`, from an Alertmanager's.")),
        Line::Pair("tenant".to_owned(), Out::Text(tenant.to_string())),
    ];
    lines.extend(converter.file());
    let Converter { mut remarks, refusals, .. } = converter;
    Faults::or_else(refusals, Some(()))?;
    remarks.sort_by(|a, b| a.place.cmp_in_file(&b.place));
    let text = out::print(&lines);
    config::check_tenant_text(&text, tenant, &Environment::default())?;
    Ok(Imported { text, remarks })
}

/// Reads Go's durations: `10s`, `1.5h`, `1m30s`; a number alone counts
/// nanoseconds.
fn go_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1.0),
        ("us", 1e3),
        ("µs", 1e3),
        ("μs", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 60e9),
        ("h", 3600e9),
    ];
    if let Ok(nanos) = text.parse::<u64>() {
        return Some(Duration::from_nanos(nanos));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let length = after.find(|char: char| char.is_ascii_digit() || char == '.').unwrap_or(after.len());
        let (_, factor) = UNITS.iter().find(|(unit, _)| *unit == &after[..length])?;
        nanos += number * factor;
        rest = &after[length..];
    }
    (!text.is_empty() && nanos < 9.2e18).then(|| Duration::from_nanos(nanos as u64))
}
