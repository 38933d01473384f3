//! A report for people: one page, nothing fetched, no script.

use super::gate::{Gate, Report, Verdict};
use crate::evaluate::closed::{ClosedReport, Estimate, TrialFigures};
use std::fmt::{self, Display, Formatter, Write as _};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:72em;color:#222}\
table{border-collapse:collapse;margin:1em 0}td,th{padding:.3em .8em;border-bottom:1px solid #ddd;text-align:left}\
td.n{text-align:right;font-variant-numeric:tabular-nums}.passed{color:#176117}.failed{color:#b00020;font-weight:600}\
.left{color:#777}tr.served td{background:#f2f7ff}svg{display:block;margin:.5em 0}";

impl Report {
    /// As one page.
    #[must_use]
    pub fn to_html(&self) -> String {
        Page(self).to_string()
    }
}

struct Page<'r>(&'r Report);

impl Display for Page<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        let model = Text(&report.model);
        let failed = report.failed().count();
        write!(f, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{model}</title>")?;
        write!(f, "<style>{STYLE}</style><h1>{model}</h1>")?;
        match failed {
            0 => f.write_str("<p class=\"passed\">Every gate that could be asked passed.</p>")?,
            failed => write!(f, "<p class=\"failed\">{failed} gates fail: it is not to be published.</p>")?,
        }
        f.write_str("<table><tr><th>gate<th>result<th>measured<th>bound<th>what is measured")?;
        report.gates.iter().try_for_each(|gate| row(f, gate))?;
        f.write_str("</table>")?;
        report.worlds.iter().try_for_each(|worlds| simulated(f, worlds))?;
        f.write_str("</html>\n")
    }
}

fn row(f: &mut Formatter<'_>, gate: &Gate) -> fmt::Result {
    let (class, word) = match gate.verdict() {
        Verdict::Passed => ("passed", "passed"),
        Verdict::Failed => ("failed", "failed"),
        Verdict::LeftOut => ("left", "left out"),
    };
    let value = gate.value.map_or_else(String::new, |value| format!("{value:.4}"));
    let note = gate.left_out.as_deref().unwrap_or(&gate.measures);
    write!(f, "<tr><td>{}<td class=\"{class}\">{word}<td class=\"n\">{value}", Text(&gate.name))?;
    write!(f, "<td>{}<td>{}", gate.bound, Text(note))
}

fn simulated(f: &mut Formatter<'_>, report: &ClosedReport) -> fmt::Result {
    write!(
        f,
        "<h2>Simulated worlds</h2><p>{} recorded clients, {} worlds, means with 95&nbsp;% intervals, in percent.",
        report.clients, report.worlds
    )?;
    for trial in &report.trials {
        write!(f, "<h3>{}</h3>{}", Text(trial.trial), Plot(trial))?;
        f.write_str("<table><tr><th>limiter")?;
        report.names.iter().try_for_each(|name| write!(f, "<th>{}", Text(name)))?;
        for limiter in &trial.limiters {
            let class = if limiter.limiter.starts_with("served") { " class=\"served\"" } else { "" };
            write!(f, "<tr{class}><td>{}", Text(&limiter.limiter))?;
            for Estimate { mean, within } in limiter.figures {
                write!(f, "<td class=\"n\">{mean:.2} ±{within:.2}")?;
            }
        }
        f.write_str("</table>")?;
    }
    Ok(())
}

/// Refused against abuse let through: near the lower left corner is best.
struct Plot<'t>(&'t TrialFigures);

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const MARGIN: f64 = 40.0;

impl Display for Plot<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let points = self.0.limiters.iter().map(|row| (row, row.figures[2].mean, row.figures[0].mean));
        let most = points.clone().map(|(.., refused)| refused).fold(1.0, f64::max);
        write!(
            f,
            "<svg width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"refused against abuse let through\">"
        )?;
        let (bottom, right) = (HEIGHT - MARGIN, WIDTH - MARGIN);
        write!(f, "<path d=\"M{MARGIN} 10V{bottom}H{right}\" fill=\"none\" stroke=\"#999\"/>")?;
        write!(
            f,
            "<text x=\"{MARGIN}\" y=\"{}\" font-size=\"12\">abuse let through, 0 to 100 %</text>",
            HEIGHT - 12.0
        )?;
        write!(f, "<text x=\"4\" y=\"10\" font-size=\"12\">refused, to {most:.1} %</text>")?;
        for (row, abuse, refused) in points {
            let x = MARGIN + abuse.clamp(0.0, 100.0) / 100.0 * (right - MARGIN);
            let y = bottom - refused / most * (bottom - 20.0);
            let colour = if row.limiter.starts_with("served") { "#1560bd" } else { "#888" };
            write!(
                f,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"><title>{}: {refused:.1} % refused, {abuse:.1} % of abuse let through</title></circle>",
                Text(&row.limiter)
            )?;
        }
        f.write_str("</svg>")
    }
}

/// Text that can't be taken for markup.
struct Text<'t>(&'t str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|sign| match sign {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            sign => f.write_char(sign),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::gate::Bound;
    use super::*;

    #[test]
    fn a_page_says_what_fails_and_runs_nothing() {
        let gates = vec![
            Gate::measured("drift of <b>", "PSI", 0.5, Bound::AtMost(0.25)),
            Gate::left_out("pinball", "loss", Bound::AtMost(1.0), "no telemetry & none"),
        ];
        let html = Report { model: "model-20260101".into(), gates, worlds: None }.to_html();
        assert!(html.contains("1 gates fail") && html.contains("drift of &lt;b&gt;"), "{html}");
        assert!(
            html.contains("no telemetry &amp; none") && !html.contains("<script") && !html.contains("http")
        );
    }
}
