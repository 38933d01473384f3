//! What two settings made of the same alerts, side by side.

use super::Span;
use super::play::{Outcome, Played};
use super::recorded::Recorded;
use crate::cli::{CliError, Ui};
use crate::config::format_duration;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Missed alerts that are printed for people; JSON has all.
const SHOWN: usize = 20;

/// Everything that is told.
pub(super) struct Report<'a> {
    recorded: &'a Recorded,
    span: Span,
    old: &'a Played,
    new: Option<&'a Played>,
    /// Told by the old settings' pages and never by the new ones', the highest
    /// score first.
    missed: Vec<(&'a Outcome, &'a Outcome)>,
}

impl<'a> Report<'a> {
    pub(super) fn new(recorded: &'a Recorded, span: Span, old: &'a Played, new: Option<&'a Played>) -> Self {
        let pair = |(key, was): (_, &'a Outcome)| Some((was, new?.alerts.get(key)?));
        let mut missed: Vec<_> = old.alerts.iter().filter_map(pair).collect();
        missed.retain(|(was, is)| was.paged_at.is_some() && is.paged_at.is_none());
        missed.sort_by(|(a, _), (b, _)| b.score.total_cmp(&a.score));
        Self { recorded, span, old, new, missed }
    }

    pub(super) fn json(&self) -> Value {
        let missed = |(was, is): &(&Outcome, &Outcome)| {
            json!({
                "alertname": was.name,
                "score": was.score,
                "arrivedAt": was.arrived_at.to_string(),
                "digested": is.is_digested,
            })
        };
        json!({
            "since": self.span.since.to_string(),
            "until": self.span.until.to_string(),
            "recordedAlerts": self.recorded.episodes,
            "alerts": self.old.alerts.len(),
            "old": side(self.old),
            "new": self.new.map(side),
            "pagesSaved": self.new.map(|new| self.old.pages() as i64 - new.pages() as i64),
            "missed": self.new.map(|_| self.missed.iter().map(missed).collect::<Vec<_>>()),
        })
    }

    pub(super) fn print(&self, ui: &mut Ui) -> Result<(), CliError> {
        let Span { since, until } = self.span;
        ui.line(format_args!("{} alerts from {since} to {until}", self.old.alerts.len()))?;
        let sides: Vec<&Played> = [Some(self.old), self.new].into_iter().flatten().collect();
        let row = |name: &str, value: &dyn Fn(&Played) -> String| {
            let cells = sides.iter().map(|side| value(side));
            [name.to_owned()].into_iter().chain(cells).collect::<Vec<_>>()
        };
        let mut table =
            vec![["", "OLD", "NEW"][..=sides.len()].iter().map(|head| (*head).to_owned()).collect()];
        table.push(row("pages", &|side| side.pages().to_string()));
        let receivers: BTreeSet<_> = sides.iter().flat_map(|side| side.pages.keys()).collect();
        for receiver in receivers {
            let pages = |side: &Played| side.pages.get(receiver).copied().unwrap_or_default().to_string();
            table.push(row(&format!("  to `{receiver}`"), &pages));
        }
        table.push(row("digests", &|side| side.digests.to_string()));
        table.push(row("alerts paged", &|side| paged(side).to_string()));
        for (name, part) in [("first page, median", 0.5), ("first page, 95 %", 0.95)] {
            table.push(row(name, &|side| delay(side, part).map_or("-".to_owned(), format_duration)));
        }
        ui.table(&table)?;
        self.new.map_or(Ok(()), |new| self.print_difference(new, ui))
    }

    fn print_difference(&self, new: &Played, ui: &mut Ui) -> Result<(), CliError> {
        let saved = self.old.pages() as i64 - new.pages() as i64;
        ui.line(format_args!("pages saved: {saved}"))?;
        ui.line(format_args!("alerts missed: {}", self.missed.len()))?;
        for (was, is) in self.missed.iter().take(SHOWN) {
            let end = if is.is_digested { "in the digest" } else { "not told" };
            ui.line(format_args!("  {:.2}  {}  {}  {end}", was.score, was.arrived_at, was.name))?;
        }
        match self.missed.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => ui.line(format_args!("  and {more} more: `--output json` has all")),
        }
    }
}

fn side(side: &Played) -> Value {
    let seconds = |part| delay(side, part).map(|delay| delay.as_secs_f64());
    let receivers = side.pages.iter().map(|(name, pages)| (name.to_string(), json!(pages)));
    json!({
        "pages": side.pages(),
        "pagesByReceiver": receivers.collect::<serde_json::Map<_, _>>(),
        "digests": side.digests,
        "alertsPaged": paged(side),
        "firstPageSeconds": { "p50": seconds(0.5), "p95": seconds(0.95), "max": seconds(1.0) },
    })
}

fn paged(side: &Played) -> usize {
    side.alerts.values().filter(|alert| alert.paged_at.is_some()).count()
}

/// How long after their arrival this part of the alerts that paged had done so.
fn delay(side: &Played, part: f64) -> Option<Duration> {
    let delay = |alert: &Outcome| alert.paged_at.map(|at| at.since(alert.arrived_at));
    let mut delays: Vec<_> = side.alerts.values().filter_map(delay).collect();
    delays.sort_unstable();
    let last = delays.len().checked_sub(1)?;
    let delay = delays[(last as f64 * part).round() as usize];
    // To the second, which is what people wait in.
    Some(Duration::from_secs(delay.as_secs()))
}
