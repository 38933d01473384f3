//! What `GET /api/v1/alerts` asks for, and the search for it, newest first.

use super::alerts::alert_json;
use super::problem::Problem;
use crate::host::Unavailable;
use crate::tenants::TenantHandle;
use openclaw_alert::{EpisodeId, Matcher, TenantName, Timestamp};
use openclaw_pipeline::{AlertView, Partition, Phase};
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use std::str::FromStr;

/// Alerts in one page.
const PAGE_MAX: usize = 500;

/// Where not said.
const PAGE: usize = 50;

/// Alerts looked at for one page: a search that finds little gives a cursor to
/// go on from instead of holding its partition up.
const LOOKS_MAX: usize = 20_000;

/// Alerts looked at under one lock.
const LOOKS_AT_ONCE: usize = 500;

/// Conditions in one request.
const FILTERS_MAX: usize = 64;

/// Bytes of text to search for.
const TEXT_BYTES_MAX: usize = 256;

/// Which alerts are asked for.
#[derive(Debug)]
pub(super) struct Search {
    limit: usize,
    after: Option<EpisodeId>,
    states: Vec<Phase>,
    filters: Vec<Matcher>,
    text: Option<Regex>,
    receiver: Option<Regex>,
    min_score: f32,
    max_score: f32,
    silenced: Option<bool>,
    inhibited: Option<bool>,
}

/// Alerts that were found.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) alerts: Vec<Value>,
    /// The alert after which to go on; `None` at the end.
    pub(super) next: Option<EpisodeId>,
}

impl Search {
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut search = Self {
            limit: PAGE,
            after: None,
            states: Vec::new(),
            filters: Vec::new(),
            text: None,
            receiver: None,
            min_score: 0.0,
            max_score: 1.0,
            silenced: None,
            inhibited: None,
        };
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            search.take(&name, &value).map_err(|fault| Problem::parameter(&name, fault))?;
        }
        Ok(search)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
                self.limit = limit.ok_or_else(|| format!("must be 1 to {PAGE_MAX}"))?;
            }
            "after" => {
                let id = EpisodeId::from_str(value).map_err(|error| format!("is no alert id: {error}"))?;
                self.after = Some(id);
            }
            "state" => self.states = value.split(',').map(state).collect::<Result<_, _>>()?,
            "filter" if self.filters.len() == FILTERS_MAX => {
                return Err(format!("is given more than {FILTERS_MAX} times"));
            }
            "filter" => self.filters.push(Matcher::parse(value).map_err(|error| error.to_string())?),
            "q" => self.text = text(value)?,
            "receiver" => {
                let regex = openclaw_alert::anchored(value).map_err(|error| error.to_string())?;
                self.receiver = Some(regex);
            }
            "min_score" => self.min_score = score(value)?,
            "max_score" => self.max_score = score(value)?,
            "silenced" => self.silenced = Some(yes_or_no(value)?),
            "inhibited" => self.inhibited = Some(yes_or_no(value)?),
            _ => {
                return Err("is not known: use `limit`, `after`, `state`, `filter`, `q`, `receiver`, \
                     `min_score`, `max_score`, `silenced` or `inhibited`"
                    .to_owned());
            }
        }
        Ok(())
    }

    /// Finds a page.
    pub(super) async fn run(&self, handle: &TenantHandle) -> Result<Page, Unavailable> {
        let mut scan = Scan { search: self, at: self.after, looks: 0, page: Page::default() };
        while handle.read(|partition, tenant, now| scan.go_on(partition, tenant, now)).await? {}
        Ok(scan.page)
    }

    fn wants(&self, alert: &AlertView<'_>) -> bool {
        let score = alert.score.value();
        let has_text = |text: &Regex| {
            let pairs = alert.content.labels.iter().chain(alert.content.annotations.iter());
            pairs.into_iter().any(|(_, value)| text.is_match(value))
        };
        (self.states.is_empty() || self.states.contains(&alert.phase))
            && (self.min_score..=self.max_score).contains(&score)
            && self
                .receiver
                .as_ref()
                .is_none_or(|regex| alert.receivers.iter().any(|name| regex.is_match(name)))
            && self.filters.iter().all(|matcher| matcher.matches(alert.content.labels))
            && self.text.as_ref().is_none_or(has_text)
    }
}

struct Scan<'s> {
    search: &'s Search,
    /// The alert that was looked at last.
    at: Option<EpisodeId>,
    looks: usize,
    page: Page,
}

impl Scan<'_> {
    /// Looks at some more alerts; gives false when the page is done.
    fn go_on(&mut self, partition: &Partition, tenant: &TenantName, now: Timestamp) -> bool {
        let before = self.at.map(|id| id.offset);
        let mut left = LOOKS_AT_ONCE;
        let mut alerts = partition.newest(tenant, before);
        loop {
            if self.page.alerts.len() == self.search.limit || self.looks == LOOKS_MAX {
                self.page.next = self.at.filter(|_| alerts.next().is_some());
                return false;
            }
            if left == 0 {
                return true;
            }
            let Some(alert) = alerts.next() else { return false };
            (self.at, self.looks, left) = (Some(alert.id), self.looks + 1, left - 1);
            self.look_at(partition, tenant, now, &alert);
        }
    }

    fn look_at(&mut self, partition: &Partition, tenant: &TenantName, now: Timestamp, alert: &AlertView<'_>) {
        if !self.search.wants(alert) {
            return;
        }
        let held = partition.suppression(tenant, alert, now);
        let Search { silenced, inhibited, .. } = *self.search;
        if silenced.is_none_or(|wanted| wanted != held.silenced_by.is_empty())
            && inhibited.is_none_or(|wanted| wanted != held.inhibited_by.is_empty())
        {
            self.page.alerts.push(alert_json(alert, &held));
        }
    }
}

fn state(name: &str) -> Result<Phase, String> {
    match name {
        "waiting" => Ok(Phase::Waiting),
        "firing" => Ok(Phase::Firing),
        "resolved" => Ok(Phase::Resolved),
        _ => Err("must be one or more of `waiting`, `firing`, `resolved`, with commas between".to_owned()),
    }
}

/// Text anywhere in a value, in upper or lower case.
fn text(wanted: &str) -> Result<Option<Regex>, String> {
    if wanted.is_empty() {
        return Ok(None);
    }
    if wanted.len() > TEXT_BYTES_MAX {
        return Err(format!("is longer than {TEXT_BYTES_MAX} bytes"));
    }
    let regex = RegexBuilder::new(&regex::escape(wanted)).case_insensitive(true).build();
    regex.map(Some).map_err(|error| error.to_string())
}

fn score(text: &str) -> Result<f32, String> {
    let score = text.parse().ok().filter(|score| (0.0..=1.0).contains(score));
    score.ok_or_else(|| "must be a number from 0 to 1".to_owned())
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "must be `true` or `false`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    #[test]
    fn each_bad_parameter_is_named() {
        for (query, name) in [
            ("limit=0", "limit"),
            ("limit=501", "limit"),
            ("limit=x", "limit"),
            ("after=al_", "after"),
            ("state=firing,gone", "state"),
            ("state=", "state"),
            ("filter=bad%7B", "filter"),
            ("receiver=(", "receiver"),
            ("min_score=NaN", "min_score"),
            ("max_score=1.1", "max_score"),
            ("silenced=maybe", "silenced"),
            ("Limit=5", "Limit"),
            (&format!("q={}", "x".repeat(TEXT_BYTES_MAX + 1)), "q"),
            (&"filter=a%3Db&".repeat(FILTERS_MAX + 1), "filter"),
        ] {
            let problem = Search::parse(Some(query)).unwrap_err();
            let text = format!("{problem:?}");
            assert!(text.contains(&format!("`{name}` ")), "{query}: {text}");
            assert_eq!(problem.into_response().status(), 400);
        }
    }

    #[test]
    fn what_is_not_said_is_everything() {
        let search = Search::parse(None).unwrap();
        assert_eq!((search.limit, search.min_score, search.max_score), (PAGE, 0.0, 1.0));
        assert!(search.states.is_empty() && search.text.is_none() && search.after.is_none());
        let search = Search::parse(Some("q=&state=firing,waiting&q=A.b")).unwrap();
        assert!(search.text.is_some_and(|text| text.is_match("xa.By") && !text.is_match("acb")));
    }
}
