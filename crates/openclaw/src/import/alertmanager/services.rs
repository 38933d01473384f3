//! The sections of the services that Alertmanager tells.

use super::keys::Kind::*;
use super::keys::Rule::*;
use super::keys::{HTTP, Keys, TLS};
use super::verify::shown;

fn word(text: &str, words: &[&str]) -> Result<(), String> {
    if words.contains(&text) {
        return Ok(());
    }
    let known: Vec<String> =
        words.iter().filter(|word| !word.is_empty()).map(|word| format!("`{word}`")).collect();
    Err(format!("`{}` is not one of {}", shown(text), known.join(", ")))
}

fn responder(text: &str) -> Result<(), String> {
    if text.contains("{{") {
        return Ok(());
    }
    word(&text.to_lowercase(), &["team", "teams", "user", "escalation", "schedule"])
}

fn telegram_mode(text: &str) -> Result<(), String> {
    word(text, &["", "Markdown", "MarkdownV2", "HTML"])
}

fn jira_type(text: &str) -> Result<(), String> {
    word(text, &["", "auto", "cloud", "datacenter"])
}

fn wechat_type(text: &str) -> Result<(), String> {
    word(text, &["", "text", "markdown"])
}

fn thread_date(text: &str) -> Result<(), String> {
    word(text, &["", "none", "daily"])
}

pub(super) static SIGV4: Keys = Keys {
    keys: &[
        ("region", Text),
        ("access_key", Text),
        ("secret_key", Text),
        ("profile", Text),
        ("role_arn", Text),
        ("external_id", Text),
        ("use_fips_sts_endpoint", Flag),
        ("service_name", Text),
    ],
    rules: &[],
};

pub(super) static WEBEX: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("api_url", Url),
        ("message", Text),
        ("room_id", Text),
    ],
    rules: &[Needed("room_id")],
};

pub(super) static DISCORD: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("webhook_url", SecretUrl),
        ("webhook_url_file", Text),
        ("content", Text),
        ("title", Text),
        ("message", Text),
        ("username", Text),
        ("avatar_url", Text),
    ],
    rules: &[OneOf(&["webhook_url", "webhook_url_file"]), AtMostOne(&["webhook_url", "webhook_url_file"])],
};

pub(super) static EMAIL: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("to", Text),
        ("from", Text),
        ("hello", Text),
        ("smarthost", HostPort),
        ("auth_username", Text),
        ("auth_password", Text),
        ("auth_password_file", Text),
        ("auth_secret", Text),
        ("auth_secret_file", Text),
        ("auth_identity", Text),
        ("headers", TextMap),
        ("html", Text),
        ("text", Text),
        ("require_tls", Flag),
        ("tls_config", Section(&TLS)),
        ("force_implicit_tls", Flag),
        ("threading", Section(&THREADING)),
    ],
    rules: &[
        Needed("to"),
        OrGlobal(&["smarthost"], &["smtp_smarthost"]),
        OrGlobal(&["from"], &["smtp_from"]),
    ],
};

pub(super) static THREADING: Keys =
    Keys { keys: &[("enabled", Flag), ("thread_by_date", Formed(thread_date))], rules: &[] };

pub(super) static PAGERDUTY: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("service_key", Text),
        ("service_key_file", Text),
        ("routing_key", Text),
        ("routing_key_file", Text),
        ("url", Url),
        ("client", Text),
        ("client_url", Text),
        ("description", Text),
        ("details", Anything),
        ("images", Sections(&PAGERDUTY_IMAGE)),
        ("links", Sections(&PAGERDUTY_LINK)),
        ("source", Text),
        ("severity", Text),
        ("class", Text),
        ("component", Text),
        ("group", Text),
        ("timeout", GoDuration),
    ],
    rules: &[
        OneOf(&["service_key", "service_key_file", "routing_key", "routing_key_file"]),
        AtMostOne(&["routing_key", "routing_key_file"]),
        AtMostOne(&["service_key", "service_key_file"]),
    ],
};

pub(super) static PAGERDUTY_LINK: Keys = Keys { keys: &[("href", Text), ("text", Text)], rules: &[] };

pub(super) static PAGERDUTY_IMAGE: Keys =
    Keys { keys: &[("src", Text), ("alt", Text), ("href", Text)], rules: &[] };

pub(super) static SLACK_ACTION: Keys = Keys {
    keys: &[
        ("type", Text),
        ("text", Text),
        ("url", Text),
        ("style", Text),
        ("name", Text),
        ("value", Text),
        ("confirm", Section(&SLACK_CONFIRM)),
    ],
    rules: &[Needed("type"), Needed("text"), OneOf(&["url", "name"])],
};

pub(super) static SLACK_CONFIRM: Keys = Keys {
    keys: &[("text", Text), ("title", Text), ("ok_text", Text), ("dismiss_text", Text)],
    rules: &[Needed("text")],
};

pub(super) static SLACK_FIELD: Keys = Keys {
    keys: &[("title", Text), ("value", Text), ("short", Flag)],
    rules: &[Needed("title"), Needed("value")],
};

pub(super) static SLACK: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("api_url", SecretUrl),
        ("api_url_file", Text),
        ("app_token", Text),
        ("app_token_file", Text),
        ("app_url", Url),
        ("channel", Text),
        ("username", Text),
        ("color", Text),
        ("title", Text),
        ("title_link", Text),
        ("pretext", Text),
        ("text", Text),
        ("message_text", Text),
        ("fields", Sections(&SLACK_FIELD)),
        ("short_fields", Flag),
        ("footer", Text),
        ("fallback", Text),
        ("callback_id", Text),
        ("icon_emoji", Text),
        ("icon_url", Text),
        ("image_url", Text),
        ("thumb_url", Text),
        ("link_names", Flag),
        ("mrkdwn_in", Texts),
        ("actions", Sections(&SLACK_ACTION)),
        ("timeout", GoDuration),
        ("update_message", Flag),
    ],
    rules: &[
        AtMostOne(&["api_url", "api_url_file"]),
        AtMostOne(&["app_token", "app_token_file"]),
        AtMostOne(&["api_url", "app_token"]),
        AtMostOne(&["api_url", "app_token_file"]),
        AtMostOne(&["api_url_file", "app_token"]),
        AtMostOne(&["api_url_file", "app_token_file"]),
        OrGlobal(
            &["api_url", "api_url_file", "app_token", "app_token_file"],
            &["slack_api_url", "slack_api_url_file", "slack_app_token", "slack_app_token_file"],
        ),
    ],
};

pub(super) static INCIDENTIO: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("url", Url),
        ("url_file", Text),
        ("alert_source_token", Text),
        ("alert_source_token_file", Text),
        ("max_alerts", Count),
        ("timeout", GoDuration),
    ],
    rules: &[
        OneOf(&["url", "url_file"]),
        AtMostOne(&["url", "url_file"]),
        AtMostOne(&["alert_source_token", "alert_source_token_file"]),
        OneOf(&["alert_source_token", "alert_source_token_file", "http_config"]),
    ],
};

pub(super) static WEBHOOK: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("url", TemplateUrl),
        ("url_file", Text),
        ("max_alerts", Count),
        ("timeout", GoDuration),
    ],
    rules: &[OneOf(&["url", "url_file"]), AtMostOne(&["url", "url_file"])],
};

pub(super) static WECHAT: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("api_secret", Text),
        ("api_secret_file", Text),
        ("corp_id", Text),
        ("message", Text),
        ("api_url", Url),
        ("to_user", Text),
        ("to_party", Text),
        ("to_tag", Text),
        ("agent_id", Text),
        ("message_type", Formed(wechat_type)),
    ],
    rules: &[
        AtMostOne(&["api_secret", "api_secret_file"]),
        OrGlobal(&["api_secret", "api_secret_file"], &["wechat_api_secret", "wechat_api_secret_file"]),
        OrGlobal(&["corp_id"], &["wechat_api_corp_id"]),
    ],
};

pub(super) static OPSGENIE: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("api_key", Text),
        ("api_key_file", Text),
        ("api_url", Url),
        ("message", Text),
        ("description", Text),
        ("source", Text),
        ("details", TextMap),
        ("entity", Text),
        ("responders", Sections(&OPSGENIE_RESPONDER)),
        ("actions", Text),
        ("tags", Text),
        ("note", Text),
        ("priority", Text),
        ("update_alerts", Flag),
    ],
    rules: &[
        AtMostOne(&["api_key", "api_key_file"]),
        OrGlobal(&["api_key", "api_key_file"], &["opsgenie_api_key", "opsgenie_api_key_file"]),
    ],
};

pub(super) static OPSGENIE_RESPONDER: Keys = Keys {
    keys: &[("id", Text), ("name", Text), ("username", Text), ("type", Formed(responder))],
    rules: &[OneOf(&["id", "name", "username"])],
};

pub(super) static VICTOROPS: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("api_key", Text),
        ("api_key_file", Text),
        ("api_url", Url),
        ("routing_key", Text),
        ("message_type", Text),
        ("state_message", Text),
        ("entity_display_name", Text),
        ("monitoring_tool", Text),
        ("custom_fields", TextMap),
    ],
    rules: &[
        Needed("routing_key"),
        AtMostOne(&["api_key", "api_key_file"]),
        OrGlobal(&["api_key", "api_key_file"], &["victorops_api_key", "victorops_api_key_file"]),
    ],
};

pub(super) static PUSHOVER: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("user_key", Text),
        ("user_key_file", Text),
        ("token", Text),
        ("token_file", Text),
        ("title", Text),
        ("message", Text),
        ("url", Text),
        ("url_title", Text),
        ("device", Text),
        ("sound", Text),
        ("priority", Text),
        ("retry", GoDuration),
        ("expire", GoDuration),
        ("ttl", GoDuration),
        ("html", Flag),
        ("monospace", Flag),
    ],
    rules: &[
        OneOf(&["user_key", "user_key_file"]),
        AtMostOne(&["user_key", "user_key_file"]),
        OneOf(&["token", "token_file"]),
        AtMostOne(&["token", "token_file"]),
        AtMostOne(&["html", "monospace"]),
    ],
};

pub(super) static SNS: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("api_url", Text),
        ("sigv4", Section(&SIGV4)),
        ("topic_arn", Text),
        ("phone_number", Text),
        ("target_arn", Text),
        ("subject", Text),
        ("message", Text),
        ("attributes", TextMap),
        ("use_aws_http_client", Flag),
    ],
    rules: &[OneOf(&["topic_arn", "target_arn", "phone_number"])],
};

pub(super) static TELEGRAM: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("api_url", Url),
        ("bot_token", Text),
        ("bot_token_file", Text),
        ("chat_id", Whole),
        ("chat_id_file", Text),
        ("message_thread_id", Whole),
        ("message", Text),
        ("disable_notifications", Flag),
        ("parse_mode", Formed(telegram_mode)),
    ],
    rules: &[
        AtMostOne(&["bot_token", "bot_token_file"]),
        OneOf(&["chat_id", "chat_id_file"]),
        AtMostOne(&["chat_id", "chat_id_file"]),
        OrGlobal(&["bot_token", "bot_token_file"], &["telegram_bot_token", "telegram_bot_token_file"]),
    ],
};

pub(super) static MSTEAMS: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("webhook_url", SecretUrl),
        ("webhook_url_file", Text),
        ("title", Text),
        ("summary", Text),
        ("text", Text),
    ],
    rules: &[OneOf(&["webhook_url", "webhook_url_file"]), AtMostOne(&["webhook_url", "webhook_url_file"])],
};

pub(super) static MSTEAMSV2: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("webhook_url", SecretUrl),
        ("webhook_url_file", Text),
        ("title", Text),
        ("text", Text),
    ],
    rules: &[OneOf(&["webhook_url", "webhook_url_file"]), AtMostOne(&["webhook_url", "webhook_url_file"])],
};

pub(super) static JIRA: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("api_url", Url),
        ("api_type", Formed(jira_type)),
        ("project", Text),
        ("summary", Anything),
        ("description", Anything),
        ("labels", Texts),
        ("priority", Text),
        ("issue_type", Text),
        ("reopen_transition", Text),
        ("resolve_transition", Text),
        ("wont_fix_resolution", Text),
        ("reopen_duration", Duration),
        ("fields", Anything),
    ],
    rules: &[Needed("project"), Needed("issue_type"), OrGlobal(&["api_url"], &["jira_api_url"])],
};

pub(super) static ROCKETCHAT: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("api_url", Url),
        ("token_id", Text),
        ("token_id_file", Text),
        ("token", Text),
        ("token_file", Text),
        ("channel", Text),
        ("color", Text),
        ("title", Text),
        ("title_link", Text),
        ("text", Text),
        ("fields", Anything),
        ("short_fields", Flag),
        ("emoji", Text),
        ("icon_url", Text),
        ("image_url", Text),
        ("thumb_url", Text),
        ("link_names", Flag),
        ("actions", Anything),
    ],
    rules: &[
        AtMostOne(&["token", "token_file"]),
        AtMostOne(&["token_id", "token_id_file"]),
        OrGlobal(&["token", "token_file"], &["rocketchat_token", "rocketchat_token_file"]),
        OrGlobal(&["token_id", "token_id_file"], &["rocketchat_token_id", "rocketchat_token_id_file"]),
    ],
};

pub(super) static MATTERMOST_PRIORITY: Keys = Keys {
    keys: &[("priority", Text), ("requested_ack", Flag), ("persistent_notifications", Flag)],
    rules: &[],
};

pub(super) static MATTERMOST_PROPS: Keys = Keys { keys: &[("card", Text)], rules: &[] };

pub(super) static MATTERMOST_FIELD: Keys = Keys {
    keys: &[("title", Text), ("value", Text), ("short", Flag)],
    rules: &[Needed("title"), Needed("value")],
};

pub(super) static MATTERMOST_ATTACHMENT: Keys = Keys {
    keys: &[
        ("fallback", Text),
        ("color", Text),
        ("pretext", Text),
        ("text", Text),
        ("author_name", Text),
        ("author_link", Text),
        ("author_icon", Text),
        ("title", Text),
        ("title_link", Text),
        ("fields", Sections(&MATTERMOST_FIELD)),
        ("thumb_url", Text),
        ("footer", Text),
        ("footer_icon", Text),
        ("image_url", Text),
    ],
    rules: &[],
};

pub(super) static MATTERMOST: Keys = Keys {
    keys: &[
        ("send_resolved", Flag),
        ("http_config", Section(&HTTP)),
        ("webhook_url", SecretUrl),
        ("webhook_url_file", Text),
        ("channel", Text),
        ("username", Text),
        ("text", Text),
        ("icon_url", Text),
        ("icon_emoji", Text),
        ("attachments", Sections(&MATTERMOST_ATTACHMENT)),
        ("type", Text),
        ("props", Section(&MATTERMOST_PROPS)),
        ("priority", Section(&MATTERMOST_PRIORITY)),
    ],
    rules: &[
        AtMostOne(&["webhook_url", "webhook_url_file"]),
        OrGlobal(
            &["webhook_url", "webhook_url_file"],
            &["mattermost_webhook_url", "mattermost_webhook_url_file"],
        ),
    ],
};
