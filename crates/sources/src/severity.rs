//! Others' words for how bad it is, in ours.

/// Our words, worst first.
pub(crate) const WORDS: [&str; 4] = ["critical", "error", "warning", "info"];

/// Others' words with ours, in lower case: Prometheus' usual ones, syslog's,
/// Nagios', Zabbix' and ticket systems'.
const THEIRS: [(&str, &str); 36] = [
    ("critical", "critical"),
    ("crit", "critical"),
    ("page", "critical"),
    ("fatal", "critical"),
    ("emergency", "critical"),
    ("emerg", "critical"),
    ("alert", "critical"),
    ("disaster", "critical"),
    ("blocker", "critical"),
    ("highest", "critical"),
    ("urgent", "critical"),
    ("error", "error"),
    ("err", "error"),
    ("high", "error"),
    ("major", "error"),
    ("failure", "error"),
    ("warning", "warning"),
    ("warn", "warning"),
    ("medium", "warning"),
    ("moderate", "warning"),
    ("average", "warning"),
    ("minor", "warning"),
    ("ticket", "warning"),
    ("info", "info"),
    ("information", "info"),
    ("informational", "info"),
    ("notice", "info"),
    ("low", "info"),
    ("none", "info"),
    ("debug", "info"),
    ("trace", "info"),
    ("lowest", "info"),
    ("ok", "info"),
    ("normal", "info"),
    ("success", "info"),
    ("unknown", "warning"),
];

/// Ours for a word or a numbered severity (`P1`, `sev2`, `3`).
pub(crate) fn ours(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let word = THEIRS.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(text));
    word.map(|(_, ours)| *ours).or_else(|| numbered(text))
}

fn numbered(text: &str) -> Option<&'static str> {
    let digit_at = text.find(|letter: char| letter.is_ascii_digit())?;
    let prefix = text[..digit_at].trim_end_matches(['-', '_', ' ']);
    if !["", "p", "s", "sev", "severity"].iter().any(|known| known.eq_ignore_ascii_case(prefix)) {
        return None;
    }
    match &text[digit_at..] {
        "0" | "1" => Some("critical"),
        "2" => Some("error"),
        "3" => Some("warning"),
        "4" | "5" => Some("info"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers() {
        for (theirs, want) in [
            ("Critical", Some("critical")),
            (" P1 ", Some("critical")),
            ("sev-2", Some("error")),
            ("3", Some("warning")),
            ("P5", Some("info")),
            ("p12", None),
            ("purple", None),
            ("", None),
        ] {
            assert_eq!(ours(theirs), want, "{theirs}");
        }
        assert!(WORDS.iter().all(|word| ours(word) == Some(word)));
    }
}
