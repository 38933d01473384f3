//! How bad an alert is, for tools with a word or a number of their own for it.

use crate::group::View;

/// From the sender's word, or from the score where it gives none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Critical,
    Error,
    Warning,
    Info,
}

/// Words in any case: Prometheus' usual ones, syslog's and ticket systems'.
const WORDS: [(&str, Severity); 22] = [
    ("critical", Severity::Critical),
    ("page", Severity::Critical),
    ("crit", Severity::Critical),
    ("fatal", Severity::Critical),
    ("emergency", Severity::Critical),
    ("disaster", Severity::Critical),
    ("error", Severity::Error),
    ("err", Severity::Error),
    ("high", Severity::Error),
    ("major", Severity::Error),
    ("warning", Severity::Warning),
    ("warn", Severity::Warning),
    ("medium", Severity::Warning),
    ("moderate", Severity::Warning),
    ("minor", Severity::Warning),
    ("info", Severity::Info),
    ("information", Severity::Info),
    ("informational", Severity::Info),
    ("notice", Severity::Info),
    ("low", Severity::Info),
    ("none", Severity::Info),
    ("debug", Severity::Info),
];

impl Severity {
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        let word = word.trim();
        WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, severity)| *severity)
    }

    pub(crate) fn of_score(score: f32) -> Self {
        match score {
            0.9.. => Self::Critical,
            0.75.. => Self::Error,
            0.5.. => Self::Warning,
            _ => Self::Info,
        }
    }

    /// The label `severity` counts first: it is what people have set.
    pub(crate) fn of(view: &View<'_>) -> Self {
        let word = view.content.labels.get("severity");
        Self::of_word(word).unwrap_or_else(|| Self::of_score(view.alert.score.value()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{alert, page, score};
    use crate::group::ordered;

    #[test]
    fn the_label_counts_before_the_score() {
        let of = |severity: &str, logit: f32| {
            let mut alert = alert(&[("alertname", "A"), ("severity", severity)], &[]);
            alert.score = score([logit, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
            Severity::of(&ordered(&page(vec![alert]))[0])
        };
        assert_eq!(of("PAGE", -9.0), Severity::Critical);
        assert_eq!(of(" warn ", 9.0), Severity::Warning);
        assert_eq!(of("P1", 9.0), Severity::Critical);
        assert_eq!(of("", 1.5), Severity::Error);
        assert_eq!(of("", 0.1), Severity::Warning);
        assert_eq!(of("", f32::NAN), Severity::Info);
    }
}
