//! Where an integration sends to, without the credential that opens the door:
//! with another credential it is the same integration, at another place it is
//! another one.

use super::slack::APP_URL;
use super::{opsgenie, pagerduty};
use openclaw_alert::fnv1a;
use openclaw_delivery::telegram::Bot;
use serde_json::Value as Json;

/// A hash of the place of an integration's settings.
pub(super) fn of(section: &Json) -> u64 {
    let text = |key: &str| section.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
    if section.get("bot_token").is_some() {
        return chat(section);
    }
    let channel = text("channel");
    if let Some(place) = ticket_tool(&text) {
        return fnv1a(&[place.as_bytes()]);
    }
    let url = text("url").or(text("webhook_url"));
    let place = match (url, text("app_token"), text("api_url"), channel) {
        (Some(url), ..) => address(url),
        (None, Some(_), ..) => address(text("app_url").unwrap_or(APP_URL)),
        (None, None, Some(url), Some(_)) => workspace(url),
        (None, None, Some(url), None) => address(url),
        (None, None, None, _) => text("to").map_or_else(|| section.to_string(), |to| format!("mailto:{to}")),
    };
    fnv1a(&[place.as_bytes(), channel.unwrap_or_default().as_bytes()])
}

/// A tool that keeps incidents: the table of an instance, an account, or the
/// service that a routing key names. What was opened with another key is closed
/// with that one.
fn ticket_tool<'t>(text: &impl Fn(&str) -> Option<&'t str>) -> Option<String> {
    if let Some(instance) = text("instance_url") {
        return Some(format!("{} {}", address(instance), text("table").unwrap_or("incident")));
    }
    if let Some(key) = text("routing_key") {
        return Some(format!("{} {key}", address(text("url").unwrap_or(pagerduty::URL))));
    }
    text("api_key").map(|_| address(text("api_url").unwrap_or(opsgenie::API_URL)))
}

/// A Telegram chat or a topic of it, whichever bot speaks there.
fn chat(section: &Json) -> u64 {
    let api = section.get("api_url").and_then(Json::as_str).unwrap_or(Bot::API_URL);
    let word = |key: &str| match section.get(key) {
        Some(Json::String(text)) => text.clone(),
        other => other.unwrap_or(&Json::Null).to_string(),
    };
    fnv1a(&[address(api).as_bytes(), word("chat_id").as_bytes(), word("message_thread_id").as_bytes()])
}

/// Scheme, host, port and path; neither `user:password@` nor the query. A
/// template is its own place.
fn address(url: &str) -> String {
    let Some((server, path)) = split(url) else { return url.to_owned() };
    format!("{server}{path}")
}

/// Of an incoming webhook that is told its channel: the server and, at Slack,
/// the workspace. The rest of the path is the credential: it belongs to whoever
/// made the webhook, not to the channel.
fn workspace(url: &str) -> String {
    let Some((server, path)) = split(url) else { return url.to_owned() };
    let kept = match path.split('/').collect::<Vec<_>>().as_slice() {
        ["", "services", team, _, ..] => format!("/services/{team}"),
        _ => path.rsplit_once('/').map_or_else(String::new, |(kept, _)| kept.to_owned()),
    };
    format!("{server}{kept}")
}

/// `https://host:port`, as it would be compared, and the path.
fn split(url: &str) -> Option<(String, &str)> {
    if url.contains("{{") || url.contains("{%") {
        return None;
    }
    let (scheme, rest) = url.split_once("://")?;
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let scheme = scheme.to_ascii_lowercase();
    let usual = if scheme == "http" { ":80" } else { ":443" };
    let host = host.strip_suffix(usual).unwrap_or(&host);
    Some((format!("{scheme}://{host}"), if path.is_empty() { "/" } else { path }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Each list is one place, and no two lists are.
    #[test]
    fn a_credential_is_no_part_of_a_place() {
        let slack = |url: &str, channel: &str| json!({ "api_url": url, "channel": channel });
        let hook = |url: &str| json!({ "url": url });
        let (one, two) =
            ("https://hooks.slack.com/services/T1/B1/x", "https://hooks.slack.com/services/T1/B2/y");
        let places = [
            vec![
                hook("https://a.example/x"),
                hook("https://A.example:443/x?token=1"),
                hook("https://me:secret@a.example/x#y"),
                json!({ "url": "https://a.example/x", "http_config": { "bearer_token": "t" } }),
            ],
            vec![hook("https://a.example/y")],
            vec![hook("http://a.example/x"), hook("http://a.example:80/x?@/")],
            vec![hook("https://a.example:8443/x")],
            vec![hook("https://a.example"), hook("https://a.example/?token=1")],
            vec![hook("https://b.example/x")],
            vec![hook("https://a.example/{{ Status }}?a")],
            vec![hook("https://a.example/{{ Status }}?b")],
            vec![slack(one, "#a"), slack(two, "#a")],
            vec![slack(one, "#b"), slack(two, "#b")],
            vec![slack("https://hooks.slack.com/services/T2/B1/x", "#a")],
            vec![json!({ "api_url": one }), slack(one, "")],
            vec![json!({ "api_url": two })],
            vec![slack("https://chat.example/hooks/x", "a"), slack("https://chat.example/hooks/y", "a")],
            vec![
                json!({ "app_token": "x", "channel": "#a" }),
                json!({ "app_token": "y", "channel": "#a", "app_url": APP_URL }),
            ],
            vec![json!({ "app_token": "x", "channel": "#b" })],
            vec![
                json!({ "routing_key": "a" }),
                json!({ "routing_key": "a", "url": pagerduty::URL, "severity": "x" }),
            ],
            vec![json!({ "routing_key": "b" })],
            vec![json!({ "api_key": "a" }), json!({ "api_key": "b", "api_url": opsgenie::API_URL })],
            vec![json!({ "api_key": "a", "api_url": "https://api.eu.opsgenie.com/" })],
            vec![
                json!({ "instance_url": "https://x.service-now.com", "api_key": "a" }),
                json!({ "instance_url": "https://x.service-now.com/", "username": "a", "table": "incident" }),
            ],
            vec![json!({ "instance_url": "https://x.service-now.com", "table": "u_incident" })],
            vec![json!({ "to": "a@b.example", "auth_password": "x" }), json!({ "to": "a@b.example" })],
            vec![json!({ "to": "c@b.example" })],
            vec![
                json!({ "bot_token": "1:x", "chat_id": -5 }),
                json!({ "bot_token": "2:y", "chat_id": "-5", "api_url": Bot::API_URL }),
            ],
            vec![json!({ "bot_token": "1:x", "chat_id": -6 })],
            vec![json!({ "bot_token": "1:x", "chat_id": -5, "message_thread_id": 7 })],
            vec![json!({ "bot_token": "1:x", "chat_id": -5, "api_url": "https://t.example" })],
            vec![
                json!({ "webhook_url": "https://flow.example/workflows/1?sig=x" }),
                json!({ "webhook_url": "https://flow.example/workflows/1?sig=y" }),
            ],
            vec![json!({ "webhook_url": "https://flow.example/workflows/2?sig=x" })],
        ];
        let hashes: Vec<Vec<u64>> = places.iter().map(|same| same.iter().map(of).collect()).collect();
        for (at, same) in hashes.iter().enumerate() {
            assert!(same.iter().all(|hash| *hash == same[0]), "{:?}", places[at]);
            let others = hashes[..at].iter().position(|other| other[0] == same[0]);
            assert_eq!(others, None, "{:?}", places[at]);
        }
    }
}
