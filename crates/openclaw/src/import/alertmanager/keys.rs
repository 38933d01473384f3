//! What Alertmanager's settings may hold: the keys of each section, what each
//! takes, and which go together. Those of 0.31 and 0.34 both.

use super::services::*;
use Kind::*;
use Rule::*;
use openclaw_routing::{DayOfMonthRange, Location, MinuteOfDay, MonthRange, WeekdayRange, YearRange};
use std::fmt::Display;
use std::str::FromStr;

/// The keys of a section.
pub(super) struct Keys {
    pub(super) keys: &'static [(&'static str, Kind)],
    pub(super) rules: &'static [Rule],
}

/// What a key takes.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Texts,
    TextMap,
    /// Text by classic label name.
    ClassicMap,
    /// Patterns by classic label name.
    Regexes,
    Matchers,
    Flag,
    Count,
    Whole,
    Number,
    Duration,
    GoDuration,
    Url,
    SecretUrl,
    TemplateUrl,
    HostPort,
    Headers,
    /// Text with a form of its own.
    Formed(fn(&str) -> Result<(), String>),
    /// A list of such.
    AllFormed(fn(&str) -> Result<(), String>),
    Section(&'static Keys),
    Sections(&'static Keys),
    Anything,
}

/// What must or may not stand together.
pub(super) enum Rule {
    Needed(&'static str),
    OneOf(&'static [&'static str]),
    AtMostOne(&'static [&'static str]),
    /// One of the first here, or one of the second under `global`.
    OrGlobal(&'static [&'static str], &'static [&'static str]),
    /// `start_time` before `end_time`.
    Times,
}

impl Keys {
    pub(super) fn kind(&self, key: &str) -> Option<Kind> {
        self.keys.iter().find(|(name, _)| *name == key).map(|(_, kind)| *kind)
    }
}

fn formed<T>(text: &str) -> Result<(), String>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse::<T>().map(|_| ()).map_err(|error| error.to_string())
}

pub(super) static FILE: Keys = Keys {
    keys: &[
        ("global", Section(&GLOBAL)),
        ("route", Section(&ROUTE)),
        ("inhibit_rules", Sections(&INHIBIT_RULE)),
        ("receivers", Sections(&RECEIVER)),
        ("templates", Texts),
        ("mute_time_intervals", Sections(&INTERVALS)),
        ("time_intervals", Sections(&INTERVALS)),
        ("tracing", Section(&TRACING)),
        ("event_recorder", Anything),
    ],
    rules: &[Needed("route")],
};

static INTERVALS: Keys =
    Keys { keys: &[("name", Text), ("time_intervals", Sections(&INTERVAL))], rules: &[Needed("name")] };

static INTERVAL: Keys = Keys {
    keys: &[
        ("times", Sections(&TIMES)),
        ("weekdays", AllFormed(formed::<WeekdayRange>)),
        ("days_of_month", AllFormed(formed::<DayOfMonthRange>)),
        ("months", AllFormed(formed::<MonthRange>)),
        ("years", AllFormed(formed::<YearRange>)),
        ("location", Formed(formed::<Location>)),
    ],
    rules: &[],
};

static TIMES: Keys = Keys {
    keys: &[("start_time", Formed(formed::<MinuteOfDay>)), ("end_time", Formed(formed::<MinuteOfDay>))],
    rules: &[Needed("start_time"), Needed("end_time"), Times],
};

pub(super) static GLOBAL: Keys = Keys {
    keys: &[
        ("resolve_timeout", Duration),
        ("http_config", Section(&HTTP)),
        ("jira_api_url", Url),
        ("smtp_from", Text),
        ("smtp_hello", Text),
        ("smtp_smarthost", HostPort),
        ("smtp_auth_username", Text),
        ("smtp_auth_password", Text),
        ("smtp_auth_password_file", Text),
        ("smtp_auth_secret", Text),
        ("smtp_auth_secret_file", Text),
        ("smtp_auth_identity", Text),
        ("smtp_require_tls", Flag),
        ("smtp_tls_config", Section(&TLS)),
        ("smtp_force_implicit_tls", Flag),
        ("slack_api_url", SecretUrl),
        ("slack_api_url_file", Text),
        ("slack_app_token", Text),
        ("slack_app_token_file", Text),
        ("slack_app_url", Url),
        ("pagerduty_url", Url),
        ("opsgenie_api_url", Url),
        ("opsgenie_api_key", Text),
        ("opsgenie_api_key_file", Text),
        ("wechat_api_url", Url),
        ("wechat_api_secret", Text),
        ("wechat_api_secret_file", Text),
        ("wechat_api_corp_id", Text),
        ("victorops_api_url", Url),
        ("victorops_api_key", Text),
        ("victorops_api_key_file", Text),
        ("telegram_api_url", Url),
        ("telegram_bot_token", Text),
        ("telegram_bot_token_file", Text),
        ("webex_api_url", Url),
        ("rocketchat_api_url", Url),
        ("rocketchat_token", Text),
        ("rocketchat_token_file", Text),
        ("rocketchat_token_id", Text),
        ("rocketchat_token_id_file", Text),
        ("mattermost_webhook_url", SecretUrl),
        ("mattermost_webhook_url_file", Text),
    ],
    rules: &[
        AtMostOne(&["slack_api_url", "slack_api_url_file"]),
        AtMostOne(&["slack_app_token", "slack_app_token_file"]),
        AtMostOne(&["opsgenie_api_key", "opsgenie_api_key_file"]),
        AtMostOne(&["victorops_api_key", "victorops_api_key_file"]),
        AtMostOne(&["telegram_bot_token", "telegram_bot_token_file"]),
        AtMostOne(&["smtp_auth_password", "smtp_auth_password_file"]),
        AtMostOne(&["smtp_auth_secret", "smtp_auth_secret_file"]),
        AtMostOne(&["wechat_api_secret", "wechat_api_secret_file"]),
        AtMostOne(&["rocketchat_token", "rocketchat_token_file"]),
        AtMostOne(&["rocketchat_token_id", "rocketchat_token_id_file"]),
        AtMostOne(&["mattermost_webhook_url", "mattermost_webhook_url_file"]),
    ],
};

pub(super) static ROUTE: Keys = Keys {
    keys: &[
        ("receiver", Text),
        ("group_by", Texts),
        ("match", ClassicMap),
        ("match_re", Regexes),
        ("matchers", Matchers),
        ("mute_time_intervals", Texts),
        ("active_time_intervals", Texts),
        ("continue", Flag),
        ("routes", Sections(&ROUTE)),
        ("group_wait", Duration),
        ("group_interval", Duration),
        ("repeat_interval", Duration),
        ("labels", TextMap),
    ],
    rules: &[],
};

pub(super) static INHIBIT_RULE: Keys = Keys {
    keys: &[
        ("name", Text),
        ("source_match", ClassicMap),
        ("source_match_re", Regexes),
        ("source_matchers", Matchers),
        ("target_match", ClassicMap),
        ("target_match_re", Regexes),
        ("target_matchers", Matchers),
        ("equal", Texts),
    ],
    rules: &[],
};

pub(super) static RECEIVER: Keys = Keys {
    keys: &[
        ("name", Text),
        ("discord_configs", Sections(&DISCORD)),
        ("email_configs", Sections(&EMAIL)),
        ("incidentio_configs", Sections(&INCIDENTIO)),
        ("pagerduty_configs", Sections(&PAGERDUTY)),
        ("slack_configs", Sections(&SLACK)),
        ("webhook_configs", Sections(&WEBHOOK)),
        ("opsgenie_configs", Sections(&OPSGENIE)),
        ("wechat_configs", Sections(&WECHAT)),
        ("pushover_configs", Sections(&PUSHOVER)),
        ("victorops_configs", Sections(&VICTOROPS)),
        ("sns_configs", Sections(&SNS)),
        ("telegram_configs", Sections(&TELEGRAM)),
        ("webex_configs", Sections(&WEBEX)),
        ("msteams_configs", Sections(&MSTEAMS)),
        ("msteamsv2_configs", Sections(&MSTEAMSV2)),
        ("jira_configs", Sections(&JIRA)),
        ("rocketchat_configs", Sections(&ROCKETCHAT)),
        ("mattermost_configs", Sections(&MATTERMOST)),
        ("labels", TextMap),
    ],
    rules: &[Needed("name")],
};

pub(super) static HTTP: Keys = Keys {
    keys: &[
        ("basic_auth", Section(&BASIC_AUTH)),
        ("authorization", Section(&AUTHORIZATION)),
        ("oauth2", Section(&OAUTH2)),
        ("bearer_token", Text),
        ("bearer_token_file", Text),
        ("tls_config", Section(&TLS)),
        ("follow_redirects", Flag),
        ("enable_http2", Flag),
        ("proxy_url", Text),
        ("no_proxy", Text),
        ("proxy_from_environment", Flag),
        ("proxy_connect_header", Anything),
        ("http_headers", Headers),
    ],
    rules: &[
        AtMostOne(&["bearer_token", "bearer_token_file"]),
        AtMostOne(&["basic_auth", "oauth2", "bearer_token"]),
        AtMostOne(&["basic_auth", "oauth2", "bearer_token_file"]),
        AtMostOne(&["authorization", "bearer_token"]),
        AtMostOne(&["authorization", "bearer_token_file"]),
        AtMostOne(&["basic_auth", "oauth2", "authorization"]),
    ],
};

pub(super) static BASIC_AUTH: Keys = Keys {
    keys: &[
        ("username", Text),
        ("username_file", Text),
        ("username_ref", Text),
        ("password", Text),
        ("password_file", Text),
        ("password_ref", Text),
    ],
    rules: &[
        AtMostOne(&["username", "username_file", "username_ref"]),
        AtMostOne(&["password", "password_file", "password_ref"]),
    ],
};

pub(super) static AUTHORIZATION: Keys = Keys {
    keys: &[("type", Text), ("credentials", Text), ("credentials_file", Text), ("credentials_ref", Text)],
    rules: &[AtMostOne(&["credentials", "credentials_file", "credentials_ref"])],
};

pub(super) static OAUTH2: Keys = Keys {
    keys: &[
        ("client_id", Text),
        ("client_secret", Text),
        ("client_secret_file", Text),
        ("client_secret_ref", Text),
        ("client_certificate_key_id", Text),
        ("client_certificate_key", Text),
        ("client_certificate_key_file", Text),
        ("client_certificate_key_ref", Text),
        ("grant_type", Text),
        ("signature_algorithm", Text),
        ("iss", Text),
        ("audience", Text),
        ("claims", Anything),
        ("scopes", Texts),
        ("token_url", Text),
        ("endpoint_params", TextMap),
        ("tls_config", Section(&TLS)),
        ("proxy_url", Text),
        ("no_proxy", Text),
        ("proxy_from_environment", Flag),
        ("proxy_connect_header", Anything),
    ],
    rules: &[
        Needed("client_id"),
        Needed("token_url"),
        AtMostOne(&["client_secret", "client_secret_file", "client_secret_ref"]),
    ],
};

pub(super) static TLS: Keys = Keys {
    keys: &[
        ("ca", Text),
        ("cert", Text),
        ("key", Text),
        ("ca_file", Text),
        ("cert_file", Text),
        ("key_file", Text),
        ("ca_ref", Text),
        ("cert_ref", Text),
        ("key_ref", Text),
        ("server_name", Text),
        ("insecure_skip_verify", Flag),
        ("min_version", Text),
        ("max_version", Text),
    ],
    rules: &[
        AtMostOne(&["ca", "ca_file", "ca_ref"]),
        AtMostOne(&["cert", "cert_file", "cert_ref"]),
        AtMostOne(&["key", "key_file", "key_ref"]),
    ],
};

pub(super) static TRACING: Keys = Keys {
    keys: &[
        ("client_type", Text),
        ("endpoint", Text),
        ("sampling_fraction", Number),
        ("insecure", Flag),
        ("tls_config", Section(&TLS)),
        ("headers", Headers),
        ("compression", Text),
        ("timeout", Duration),
    ],
    rules: &[Needed("endpoint")],
};
