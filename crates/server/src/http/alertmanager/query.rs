//! The parameters of listings.

use super::refusal::Refusal;
use http::StatusCode;
use openclaw_alert::{Labels, Matcher};
use regex::Regex;

/// Conditions in one request.
const FILTERS_MAX: usize = 64;

/// Which alerts and groups are asked for. What isn't said is as Alertmanager
/// has it: everything.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) active: bool,
    pub(super) silenced: bool,
    pub(super) inhibited: bool,
    pub(super) unprocessed: bool,
    pub(super) muted: bool,
    /// Silences that have ended, and those still to come.
    pub(super) expired: bool,
    pub(super) pending: bool,
    pub(super) filters: Vec<Matcher>,
    receiver: Option<Regex>,
}

impl Query {
    /// Reads the part of a target after its `?`. Parameters that are not known,
    /// such as `receiver_matchers` of newer versions, change nothing.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Refusal> {
        let mut parsed = Self {
            active: true,
            silenced: true,
            inhibited: true,
            unprocessed: true,
            muted: true,
            expired: true,
            pending: true,
            filters: Vec::new(),
            receiver: None,
        };
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            parsed.take(&name, &value)?;
        }
        Ok(parsed)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let refuse = |said: String| Err(Refusal::Text(StatusCode::BAD_REQUEST, said));
        match name {
            "active" => self.active = is_true(value),
            "silenced" => self.silenced = is_true(value),
            "inhibited" => self.inhibited = is_true(value),
            "unprocessed" => self.unprocessed = is_true(value),
            "muted" => self.muted = is_true(value),
            "expired" => self.expired = is_true(value),
            "pending" => self.pending = is_true(value),
            "filter" if self.filters.len() == FILTERS_MAX => {
                return refuse(format!("more than {FILTERS_MAX} filters"));
            }
            "filter" => match Matcher::parse(value) {
                Ok(matcher) => self.filters.push(matcher),
                Err(error) => return refuse(format!("bad matcher format: {}", error.text)),
            },
            "receiver" if value.is_empty() => self.receiver = None,
            "receiver" => match openclaw_alert::anchored(value) {
                Ok(regex) => self.receiver = Some(regex),
                Err(error) => return refuse(format!("failed to parse receiver param: {error}")),
            },
            _ => {}
        }
        Ok(())
    }

    /// Whether a label set meets all filters.
    pub(super) fn matches(&self, labels: Labels<'_>) -> bool {
        self.filters.iter().all(|matcher| matcher.matches(labels))
    }

    /// Whether a receiver is asked for.
    pub(super) fn wants_receiver(&self, name: &str) -> bool {
        self.receiver.as_ref().is_none_or(|regex| regex.is_match(name))
    }

    /// Whether alerts at these receivers are asked for.
    pub(super) fn wants_one_of(&self, receivers: &[&str]) -> bool {
        self.receiver.is_none() || receivers.iter().any(|name| self.wants_receiver(name))
    }
}

/// As go-openapi reads bools: what is none is false, and no text is no word on
/// the matter.
fn is_true(value: &str) -> bool {
    const TRUE: [&str; 10] = ["true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"];
    value.is_empty() || TRUE.iter().any(|word| word.eq_ignore_ascii_case(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_alert::LabelsBuilder;

    #[test]
    fn bools_are_read_as_alertmanager_reads_them() {
        for (text, want) in
            [("", true), ("true", true), ("T", true), ("1", true), ("zz", false), ("2", false), ("0", false)]
        {
            let query = Query::parse(Some(&format!("silenced={text}&active=false"))).unwrap();
            assert_eq!((query.silenced, query.active, query.muted), (want, false, true), "{text}");
        }
        // The later of two counts.
        assert!(Query::parse(Some("active=false&active=1")).unwrap().active);
    }

    #[test]
    fn filters_and_receivers() {
        let query = "filter=a%3D%22b%22&filter=c%21%3Dd&receiver=o.s&receiver_matchers=x&unknown";
        let query = Query::parse(Some(query)).unwrap();
        let matches = |pairs: &[(&str, &str)]| {
            let encoded = LabelsBuilder::encode(pairs.iter().copied());
            query.matches(Labels::from_encoded(&encoded))
        };
        assert!(matches(&[("a", "b")]) && matches(&[("a", "b"), ("c", "e")]));
        assert!(!matches(&[("a", "b"), ("c", "d")]) && !matches(&[]));
        assert!(query.wants_receiver("ops") && !query.wants_receiver("ops2"));
        assert!(query.wants_one_of(&["x", "obs"]) && !query.wants_one_of(&[]));
        assert!(Query::parse(None).unwrap().wants_one_of(&[]));
        assert!(Query::parse(Some("receiver=")).unwrap().wants_one_of(&[]));
    }

    #[test]
    fn what_is_no_filter_is_refused_in_alertmanagers_words() {
        for (query, want) in [
            ("filter=bad%7B", "bad matcher format: bad{"),
            ("filter=", "bad matcher format: "),
            ("receiver=(", "failed to parse receiver param: "),
            (&"filter=a%3Db&".repeat(FILTERS_MAX + 1), "more than 64 filters"),
        ] {
            match Query::parse(Some(query)) {
                Err(Refusal::Text(StatusCode::BAD_REQUEST, said)) => {
                    assert!(said.starts_with(want), "{said}");
                }
                other => panic!("{query}: {other:?}"),
            }
        }
    }
}
