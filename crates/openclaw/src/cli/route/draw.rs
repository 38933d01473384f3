//! A tested alert for people: the tree with its path lit, then what follows.

use super::verdict::{Tested, group_by};
use crate::cli::{CliError, Ui};
use crate::config::format_duration;
use openclaw_alert::display_list;
use openclaw_routing::{Route, Verdict};

pub(super) fn print(tested: &Tested<'_>, ui: &mut Ui) -> Result<(), CliError> {
    tree(tested, ui)?;
    ui.line("")?;
    ui.line(format_args!("receivers: {}", tested.receivers().join(",")))?;
    ui.line(format_args!("score: {}", tested.score_effect()))?;
    match tested.digest {
        Some(digest) => {
            ui.line(format_args!("digest: next at {}", digest.schedule.next_after(tested.now)))?;
        }
        None => tested.taken.iter().try_for_each(|route| group(tested, route, ui))?,
    }
    for rule in tested.inhibit_rules() {
        ui.line(format_args!("not told while an alert fires that has {}", tested.source(rule)))?;
    }
    Ok(())
}

fn tree(tested: &Tested<'_>, ui: &mut Ui) -> Result<(), CliError> {
    let routes: Vec<&Route> = tested.settings.routing.tree.iter().collect();
    let heads: Vec<String> = (0..routes.len()).map(|at| head(&routes, at)).collect();
    let width = heads.iter().map(|head| head.chars().count()).max().unwrap_or(0);
    let receivers = routes.iter().map(|route| route.receiver.chars().count()).max().unwrap_or(0);
    for (route, head) in routes.iter().zip(&heads) {
        let mark = mark(tested, route);
        let receiver = &route.receiver;
        let reason = tested.reason(route);
        let line = format!("{mark} {head:<width$}  {receiver:<receivers$}  {reason}");
        ui.line(paint(mark, &line, ui.is_terminal()))?;
    }
    Ok(())
}

/// The branches in front of a route, and what it asks for.
fn head(routes: &[&Route], at: usize) -> String {
    let root = routes[0].depth;
    let depth = routes[at].depth - root;
    let mut text = String::new();
    for level in 1..=depth {
        let goes_on = has_sibling_below(routes, at, root + level);
        text += match (level == depth, goes_on) {
            (true, true) => "├─ ",
            (true, false) => "└─ ",
            (false, true) => "│  ",
            (false, false) => "   ",
        };
    }
    text + &asks(routes[at])
}

/// Whether another route of this level follows below the same parent.
fn has_sibling_below(routes: &[&Route], at: usize, depth: usize) -> bool {
    let after = routes[at + 1..].iter().map(|route| route.depth);
    after.take_while(|&below| below >= depth).any(|below| below == depth)
}

fn asks(route: &Route) -> String {
    let mut text = display_list(&route.matchers);
    if let Some(least) = route.min_score {
        text += &format!(" score≥{least}");
    }
    if let Some(below) = route.max_score {
        text += &format!(" score<{below}");
    }
    if route.continues {
        text += " continue";
    }
    text
}

/// Legible without colours too.
fn mark(tested: &Tested<'_>, route: &Route) -> char {
    if tested.is_taken(route) {
        return '●';
    }
    match tested.verdict(route) {
        Some(Verdict::Passed | Verdict::Taken) => '○',
        Some(Verdict::Unmet(_)) => '✗',
        None => '·',
    }
}

fn paint(mark: char, line: &str, is_terminal: bool) -> String {
    let colour = match mark {
        '●' => "1;32",
        '○' => "32",
        _ => "2",
    };
    if is_terminal { format!("\u{1b}[{colour}m{line}\u{1b}[0m") } else { line.to_owned() }
}

fn group(tested: &Tested<'_>, route: &Route, ui: &mut Ui) -> Result<(), CliError> {
    ui.line(format_args!("group at `{}`: {}", route.receiver, tested.group_key(route)))?;
    ui.line(format_args!(
        "  by [{}], wait {}, interval {}, repeat {}",
        group_by(&route.group_by).join(", "),
        format_duration(route.group_wait),
        format_duration(route.group_interval),
        format_duration(route.repeat_interval),
    ))?;
    let muted_by = route.muted_by(tested.now);
    if !muted_by.is_empty() {
        ui.line(format_args!("  muted now by {}", muted_by.join(", ")))?;
    }
    for step in tested.settings.routing.tree.escalations(route) {
        let after = format_duration(step.escalates_after.unwrap_or_default());
        ui.line(format_args!("  not acknowledged after {after}: `{}` is told", step.receiver))?;
    }
    Ok(())
}
