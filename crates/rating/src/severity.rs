//! The sender's own word for how bad it is.

use openclaw_alert::Labels;

/// Severity as senders write it, in any of the labels in [`LABELS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Critical,
    Error,
    Warning,
    Info,
    None,
    /// No such label, or a word that is not known.
    Unknown,
}

/// Labels that hold a severity; the first with a known word counts.
const LABELS: [&str; 3] = ["severity", "priority", "level"];

/// Words that mean a severity, in any case. Syslog's, Prometheus' usual ones,
/// Nagios', Zabbix' and ticket systems'.
const WORDS: [(&str, Severity); 32] = [
    ("critical", Severity::Critical),
    ("warning", Severity::Warning),
    ("info", Severity::Info),
    ("error", Severity::Error),
    ("page", Severity::Critical),
    ("none", Severity::None),
    ("crit", Severity::Critical),
    ("fatal", Severity::Critical),
    ("emergency", Severity::Critical),
    ("emerg", Severity::Critical),
    ("alert", Severity::Critical),
    ("disaster", Severity::Critical),
    ("blocker", Severity::Critical),
    ("highest", Severity::Critical),
    ("urgent", Severity::Critical),
    ("err", Severity::Error),
    ("high", Severity::Error),
    ("major", Severity::Error),
    ("warn", Severity::Warning),
    ("medium", Severity::Warning),
    ("moderate", Severity::Warning),
    ("average", Severity::Warning),
    ("minor", Severity::Warning),
    ("ticket", Severity::Warning),
    ("information", Severity::Info),
    ("informational", Severity::Info),
    ("notice", Severity::Info),
    ("low", Severity::Info),
    ("debug", Severity::None),
    ("trace", Severity::None),
    ("lowest", Severity::None),
    ("ok", Severity::None),
];

/// What may stand before the digit of a numbered severity: `P1`, `sev2`, `3`.
const NUMBER_PREFIXES: [&str; 5] = ["", "p", "s", "sev", "severity"];

impl Severity {
    pub(crate) const COUNT: usize = 6;

    /// The severity of a label set, and the text that said so.
    pub(crate) fn of<'a>(labels: &Labels<'a>) -> (Self, &'a str) {
        let mut texts = [""; LABELS.len()];
        for (name, value) in labels.iter() {
            if let Some(at) = LABELS.iter().position(|label| *label == name) {
                texts[at] = value;
            }
        }
        let known = texts.iter().find_map(|text| Some((Self::parse(text)?, *text)));
        known.unwrap_or((Severity::Unknown, ""))
    }

    fn parse(text: &str) -> Option<Self> {
        let word = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        word.map(|(_, severity)| *severity).or_else(|| Self::from_numbered(text))
    }

    /// `P1`, `sev-2`, `3`, and ServiceNow's `3 - Moderate`.
    fn from_numbered(text: &str) -> Option<Self> {
        let digit_at = text.find(|letter: char| letter.is_ascii_digit())?;
        let prefix = text[..digit_at].trim_end_matches(['-', '_', ' ']);
        let (digit, rest) = text[digit_at..].split_at(1);
        let known = NUMBER_PREFIXES.iter().any(|known| known.eq_ignore_ascii_case(prefix));
        if !known || !(rest.is_empty() || rest.starts_with([' ', '-', ':'])) {
            return None;
        }
        match digit {
            "0" | "1" => Some(Severity::Critical),
            "2" => Some(Severity::Error),
            "3" => Some(Severity::Warning),
            "4" => Some(Severity::Info),
            "5" => Some(Severity::None),
            _ => None,
        }
    }

    /// Log odds that an alert of this severity needs a person, beside those
    /// of a warning.
    pub(crate) fn prior_logit(self) -> f32 {
        match self {
            Severity::Critical => 2.0,
            Severity::Error => 1.0,
            Severity::Warning => 0.0,
            Severity::Info => -1.75,
            Severity::None => -2.2,
            Severity::Unknown => -0.2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_alert::LabelsBuilder;

    fn severity(pairs: &[(&str, &str)]) -> Severity {
        let bytes = LabelsBuilder::encode(pairs.iter().copied());
        Severity::of(&Labels::from_encoded(&bytes)).0
    }

    #[test]
    fn words_and_numbers() {
        for (text, want) in [
            ("critical", Severity::Critical),
            ("Page", Severity::Critical),
            ("P1", Severity::Critical),
            ("sev-1", Severity::Critical),
            ("1 - Critical", Severity::Critical),
            ("2", Severity::Error),
            ("ERROR", Severity::Error),
            ("3 - Moderate", Severity::Warning),
            ("p4", Severity::Info),
            ("5", Severity::None),
            ("none", Severity::None),
            ("", Severity::Unknown),
            ("6", Severity::Unknown),
            ("10", Severity::Unknown),
            ("x1", Severity::Unknown),
            ("1é", Severity::Unknown),
            ("purple", Severity::Unknown),
        ] {
            assert_eq!(severity(&[("severity", text)]), want, "{text}");
        }
    }

    #[test]
    fn the_first_label_with_a_known_word_counts() {
        assert_eq!(severity(&[("priority", "P1"), ("severity", "info")]), Severity::Info);
        assert_eq!(severity(&[("priority", "P1"), ("severity", "purple")]), Severity::Critical);
        assert_eq!(severity(&[("level", "warn")]), Severity::Warning);
    }
}
