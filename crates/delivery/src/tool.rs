//! Tools in which people act on what they are told: the secret that signs what
//! these send back, and where they may be answered.

use crate::slack::Way;
use crate::{Integration, Secret, Target};

/// A tool that signs what it sends back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Buttons of messages.
    Slack,
    /// Webhooks, version 3.
    PagerDuty,
}

/// Domains that are Slack's.
const SLACK: [&str; 2] = ["slack.com", "slack-gov.com"];

impl Integration {
    /// The secret that signs what people do with its messages, where it is
    /// this tool's.
    #[must_use]
    pub fn signing_secret(&self, tool: Tool) -> Option<&Secret> {
        match (self, tool) {
            (Self::Slack(slack), Tool::Slack) => slack.signing_secret(),
            (Self::PagerDuty(service), Tool::PagerDuty) => service.webhook_secret.as_ref(),
            _ => None,
        }
    }

    /// Whether somebody who pressed a button may be answered at this address:
    /// one of Slack's own, or of the server that stands in its place in the
    /// settings.
    #[must_use]
    pub fn answers_at(&self, address: &Target) -> bool {
        let Self::Slack(slack) = self else { return false };
        let Way::App(app) = &slack.way else { return false };
        is_slack(address) || app.is_at(address)
    }
}

fn is_slack(address: &Target) -> bool {
    let host = address.host();
    let is_below =
        |domain: &&str| host.strip_suffix(*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    address.uri().scheme_str() == Some("https") && SLACK.iter().any(is_below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slack::{App, Settings};
    use crate::template::TemplateSet;

    fn target(url: &str) -> Target {
        Target::parse(&Secret::new(url)).unwrap()
    }

    fn slack(app_url: &str) -> Integration {
        let channel = TemplateSet::default().template("#ops").unwrap();
        let mut app = App::new(&target(app_url), Secret::new("xoxb-1"), channel).unwrap();
        app.signing_secret = Some(Secret::new("s3cret"));
        Integration::Slack(Settings::by(Way::App(app)))
    }

    #[test]
    fn a_secret_is_one_tools() {
        let slack = slack(App::URL);
        assert_eq!(slack.signing_secret(Tool::Slack), Some(&Secret::new("s3cret")));
        assert_eq!(slack.signing_secret(Tool::PagerDuty), None);
        let url = target("https://events.pagerduty.com/v2/enqueue");
        let mut service = crate::pagerduty::Settings::new(url, Secret::new("key"));
        service.webhook_secret = Some(Secret::new("s3cret"));
        let service = Integration::PagerDuty(service);
        assert_eq!(service.signing_secret(Tool::PagerDuty), Some(&Secret::new("s3cret")));
        assert_eq!(service.signing_secret(Tool::Slack), None);
    }

    #[test]
    fn people_are_answered_at_slack_alone() {
        let (slack, own) = (slack(App::URL), slack("http://127.0.0.1:9000/api/"));
        for url in [
            "https://hooks.slack.com/actions/T/1/x",
            "https://hooks.slack-gov.com/actions/T/1/x",
            "https://slack.com/x",
        ] {
            assert!(slack.answers_at(&target(url)) && own.answers_at(&target(url)), "{url}");
        }
        for url in [
            "http://hooks.slack.com/actions/T/1/x",
            "https://hooks.slack.com:8443/actions/T/1/x",
            "https://evilslack.com/",
            "https://slack.com.evil.example/",
            "https://hooks.slack.com@evil.example/",
            "https://evil.example/slack.com",
            "https://169.254.169.254/",
            "http://127.0.0.1:9001/reply",
            "https://127.0.0.1:9000/reply",
        ] {
            assert!(!slack.answers_at(&target(url)) && !own.answers_at(&target(url)), "{url}");
        }
        assert!(own.answers_at(&target("http://127.0.0.1:9000/reply")));
        assert!(!slack.answers_at(&target("http://127.0.0.1:9000/reply")));
    }
}
