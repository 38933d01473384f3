//! What the settings make of one alert.

use openclaw_alert::{Labels, Matcher, Timestamp, display_list};
use openclaw_pipeline::{Digest, RatingMode, TenantSettings};
use openclaw_routing::{GroupBy, InhibitRule, Route, Unmet, Verdict, group_key, group_labels};
use serde_json::{Value, json};

/// An alert and what becomes of it.
pub(super) struct Tested<'a> {
    pub(super) settings: &'a TenantSettings,
    pub(super) labels: Labels<'a>,
    pub(super) score: Option<f32>,
    pub(super) now: Timestamp,
    /// Every route that was looked at, in the order of the tree.
    pub(super) seen: Vec<(&'a Route, Verdict<'a>)>,
    /// The routes that take it.
    pub(super) taken: Vec<&'a Route>,
    /// Set when it waits for the digest instead.
    pub(super) digest: Option<&'a Digest>,
}

impl<'a> Tested<'a> {
    pub(super) fn new(
        settings: &'a TenantSettings,
        labels: Labels<'a>,
        score: Option<f32>,
        now: Timestamp,
    ) -> Self {
        let counts = matches!(settings.rating.mode, RatingMode::Enforce(_));
        let counted = score.filter(|_| counts);
        let tree = &settings.routing.tree;
        let taken: Vec<&Route> =
            tree.find(labels, counted).into_iter().map(|route| -> &Route { route }).collect();
        let digest = counted.and_then(|score| digest(settings, labels, score, &taken));
        Self { settings, labels, score, now, seen: tree.explain(labels, counted), taken, digest }
    }

    /// Who is told, in the order of their routes.
    pub(super) fn receivers(&self) -> Vec<&str> {
        match self.digest {
            Some(digest) => vec![&digest.receiver],
            None => self.taken.iter().map(|route| &*route.receiver).collect(),
        }
    }

    /// What came of a route; `None` when it was not looked at.
    pub(super) fn verdict(&self, route: &Route) -> Option<Verdict<'a>> {
        self.seen.iter().find(|(seen, _)| std::ptr::eq(*seen, route)).map(|(_, verdict)| *verdict)
    }

    pub(super) fn is_taken(&self, route: &Route) -> bool {
        self.taken.iter().any(|taken| std::ptr::eq(*taken, route))
    }

    /// Why a route takes the alert or doesn't.
    pub(super) fn reason(&self, route: &Route) -> String {
        if self.is_taken(route) {
            return "takes it".to_owned();
        }
        match self.verdict(route) {
            None => "not looked at".to_owned(),
            Some(Verdict::Taken) => "takes it".to_owned(),
            Some(Verdict::Passed) => "a route below takes it".to_owned(),
            Some(Verdict::Unmet(unmet)) => self.unmet(unmet),
        }
    }

    fn unmet(&self, unmet: Unmet<'_>) -> String {
        match unmet {
            Unmet::Matcher(matcher) => match self.labels.get(matcher.name()) {
                "" => format!("no `{}`", matcher.name()),
                value => format!("`{}` is {value:?}", matcher.name()),
            },
            Unmet::MinScore(least) => format!("the score is below {least}"),
            Unmet::MaxScore(below) => format!("the score is not below {below}"),
        }
    }

    /// The group that the alert joins by a route, as messages name it.
    pub(super) fn group_key(&self, route: &Route) -> String {
        let mut labels = Vec::new();
        group_labels(&route.group_by, self.labels, &mut labels);
        group_key(&route.key, Labels::from_encoded(&labels))
    }

    /// Rules that hold the alert back while what they name fires.
    pub(super) fn inhibit_rules(&self) -> impl Iterator<Item = &'a InhibitRule> {
        let meets = |matchers: &[Matcher]| matchers.iter().all(|matcher| matcher.matches(self.labels));
        let rules = self.settings.routing.inhibit_rules.iter();
        rules.filter(move |rule| meets(&rule.targets))
    }

    /// The labels that a source must have for a rule to hold this alert.
    pub(super) fn source(&self, rule: &InhibitRule) -> String {
        let equal = rule.equal.iter().map(|name| format!("{name}={:?}", self.labels.get(name)));
        let parts: Vec<_> = rule.sources.iter().map(ToString::to_string).chain(equal).collect();
        format!("{{{}}}", parts.join(", "))
    }

    /// What the score does, in words.
    pub(super) fn score_effect(&self) -> String {
        let rating = &self.settings.rating;
        match (&rating.mode, self.score, self.digest) {
            (RatingMode::Observe, ..) => {
                "the tenant observes scores: they are shown and change nothing".to_owned()
            }
            (RatingMode::Enforce(_), None, _) => {
                "the tenant enforces scores: `--score` shows what one does".to_owned()
            }
            (_, Some(score), Some(digest)) => format!(
                "{score} is below the threshold {}: it waits for the digest to `{}`",
                rating.threshold, digest.receiver
            ),
            (_, Some(score), None) if score >= rating.threshold => {
                format!("{score} reaches the threshold {}: it pages", rating.threshold)
            }
            (_, Some(score), None) => {
                format!("{score} is below the threshold {}, but it always pages", rating.threshold)
            }
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let route = |route: &Route| {
            json!({
                "key": &*route.key,
                "receiver": &*route.receiver,
                "depth": route.depth,
                "taken": self.is_taken(route),
                "lookedAt": self.verdict(route).is_some(),
                "reason": self.reason(route),
            })
        };
        let tree = &self.settings.routing.tree;
        let escalations = |route: &Route| {
            let step = |step: &Route| {
                let after = step.escalates_after.unwrap_or_default();
                json!({ "receiver": &*step.receiver, "afterSeconds": after.as_secs() })
            };
            tree.escalations(route).map(step).collect::<Vec<_>>()
        };
        let group = |route: &&Route| {
            json!({
                "route": &*route.key,
                "receiver": &*route.receiver,
                "groupKey": self.group_key(route),
                "groupBy": group_by(&route.group_by),
                "groupWaitSeconds": route.group_wait.as_secs_f64(),
                "groupIntervalSeconds": route.group_interval.as_secs_f64(),
                "repeatIntervalSeconds": route.repeat_interval.as_secs_f64(),
                "mutedBy": route.muted_by(self.now).iter().map(|name| &**name).collect::<Vec<_>>(),
                "escalations": escalations(route),
            })
        };
        let rule = |rule: &InhibitRule| json!({ "sources": display_list(&rule.sources), "equal": rule.equal, "while": self.source(rule) });
        json!({
            "receivers": self.receivers(),
            "routes": tree.iter().map(route).collect::<Vec<_>>(),
            "groups": self.taken.iter().map(group).collect::<Vec<_>>(),
            "digest": self.digest.map(|digest| json!({
                "receiver": &*digest.receiver,
                "next": digest.schedule.next_after(self.now).to_string(),
            })),
            "inhibitedWhile": self.inhibit_rules().map(rule).collect::<Vec<_>>(),
            "score": self.score,
            "scoreEffect": self.score_effect(),
        })
    }
}

/// `...` or the labels' names.
pub(super) fn group_by(group_by: &GroupBy) -> Vec<&str> {
    match group_by {
        GroupBy::All => vec!["..."],
        GroupBy::Labels(names) => names.iter().map(String::as_str).collect(),
    }
}

/// The digest that takes the alert, as the service decides it.
fn digest<'a>(
    settings: &'a TenantSettings,
    labels: Labels<'_>,
    score: f32,
    routes: &[&Route],
) -> Option<&'a Digest> {
    let rating = &settings.rating;
    let RatingMode::Enforce(digest) = &rating.mode else { return None };
    let always_pages = rating.never_digest.iter().any(|matcher| matcher.matches(labels));
    let is_wanted = routes.iter().any(|route| route.max_score.is_some());
    (score < rating.threshold && !always_pages && !is_wanted).then_some(digest)
}
