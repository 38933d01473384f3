//! A report for people.

use super::gate::{Gate, Report, Verdict};
use crate::evaluate::Page;

impl Report {
    /// As one page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut page = Page::new(&self.model);
        page.text(&match self.failed().count() {
            0 => "Every gate that could be asked passed.".to_owned(),
            failed => format!("{failed} gates fail: it is not to be published."),
        });
        let rows: Vec<Vec<String>> = self.gates.iter().map(row).collect();
        page.table(&["gate", "result", "measured", "bound", "what is measured"], &rows);
        if let Some(worlds) = &self.worlds {
            worlds.show(&mut page);
        }
        page.finish()
    }
}

fn row(gate: &Gate) -> Vec<String> {
    let word = match gate.verdict() {
        Verdict::Passed => "passed",
        Verdict::Failed => "FAILED",
        Verdict::LeftOut => "left out",
    };
    let value = gate.value.map_or_else(String::new, |value| format!("{value:.4}"));
    let note = gate.left_out.as_ref().unwrap_or(&gate.measures);
    vec![gate.name.clone(), word.to_owned(), value, gate.bound.to_string(), note.clone()]
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
        assert!(html.contains("no telemetry &amp; none") && !html.contains("<script"));
    }
}
