//! The two text formats that scrapers ask for.

use std::fmt::Write as _;

/// Which text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/openmetrics-text`
    OpenMetrics,
    /// `text/plain; version=0.0.4`
    Classic,
}

impl Format {
    /// What an `Accept` header asks for.
    pub(crate) fn from_accept(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Classic,
        }
    }

    /// Its media type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// From OpenMetrics, as the library writes it. The classic format names a
    /// counter with its `_total`, and has neither units nor an end mark.
    pub(super) fn finish(self, text: String) -> String {
        if self == Self::OpenMetrics {
            return text;
        }
        let mut out = String::with_capacity(text.len());
        let mut help = None;
        for line in text.lines() {
            if line == "# EOF" || line.starts_with("# UNIT ") {
                continue;
            }
            if let Some(rest) = line.strip_prefix("# HELP ") {
                help = rest.split_once(' ');
                continue;
            }
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                let suffix = if kind == "counter" { "_total" } else { "" };
                if let Some((_, text)) = help.take() {
                    let _ = writeln!(out, "# HELP {name}{suffix} {text}");
                }
                let _ = writeln!(out, "# TYPE {name}{suffix} {kind}");
                continue;
            }
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

/// The lines of one tenant, with the comments of their families.
pub(crate) fn only_tenant(text: &str, tenant: &str) -> String {
    let label = format!("tenant=\"{tenant}\"");
    let mine = |line: &&str| line.starts_with('#') || line.contains(&label);
    text.lines().filter(mine).fold(String::new(), |mut out, line| {
        out.push_str(line);
        out.push('\n');
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classic_names_counters_whole() {
        let open =
            "# HELP a_b Help.\n# TYPE a_b counter\n# UNIT a_b bytes\na_b_total{tenant=\"x\"} 1\n# EOF\n";
        let want = "# HELP a_b_total Help.\n# TYPE a_b_total counter\na_b_total{tenant=\"x\"} 1\n";
        assert_eq!(Format::Classic.finish(open.to_owned()), want);
        assert!(!only_tenant(want, "y").contains(" 1"));
    }
}
