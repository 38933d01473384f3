//! Slack's interactions: what a click on one of our buttons sends.

use super::{Deed, Fault, ID_BYTES_MAX, What, by, key};
use openclaw_alert::Feedback;
use serde::Deserialize;

/// What begins the `action_id` of each of our buttons.
const PREFIX: &str = "openclaw_";

/// Buttons of one request; Slack sends one.
const ACTIONS_MAX: usize = 25;

/// Bytes of an address for replies.
const URL_BYTES_MAX: usize = 2048;

/// Bytes of the text by which Slack sees that an address answers.
const CHALLENGE_BYTES_MAX: usize = 1024;

/// What Slack says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interaction {
    /// It wants to see that the address answers: with this text.
    Verification(String),
    /// Somebody clicked one of our buttons.
    Click(Click),
    /// Nothing for us.
    Other,
}

/// A click on one of our buttons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// What it means.
    pub deed: Deed,
    /// Slack's own name of the click; empty where it has none.
    pub trigger_id: String,
    /// Where the person can be answered, for half an hour.
    pub response_url: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    challenge: Option<String>,
    user: Option<User>,
    actions: Option<Vec<Action>>,
    response_url: Option<String>,
    trigger_id: Option<String>,
}

#[derive(Deserialize, Default)]
struct User {
    id: Option<String>,
    username: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    action_id: Option<String>,
    value: Option<String>,
}

/// Reads an interaction: a form with one field `payload`, or JSON.
///
/// # Errors
/// Not in Slack's form.
pub fn decode(content_type: Option<&str>, body: &[u8]) -> Result<Interaction, Fault> {
    let is_json = content_type.is_some_and(|given| given.starts_with("application/json"));
    let payload: Payload = if is_json { json(body)? } else { json(form(body)?.as_bytes())? };
    match payload.kind.as_str() {
        "url_verification" => verification(payload.challenge),
        "block_actions" => click(payload),
        _ => Ok(Interaction::Other),
    }
}

fn json(body: &[u8]) -> Result<Payload, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::at("", error.to_string()))
}

fn form(body: &[u8]) -> Result<String, Fault> {
    let mut fields = form_urlencoded::parse(body);
    let payload = fields.find(|(name, _)| name == "payload");
    let missing = || Fault::at("", "the form must have a field `payload`");
    payload.map(|(_, value)| value.into_owned()).ok_or_else(missing)
}

fn verification(challenge: Option<String>) -> Result<Interaction, Fault> {
    let challenge = challenge.filter(|text| !text.is_empty() && text.len() <= CHALLENGE_BYTES_MAX);
    let missing = || Fault::at("/challenge", format!("must have 1 to {CHALLENGE_BYTES_MAX} bytes"));
    challenge.map(Interaction::Verification).ok_or_else(missing)
}

fn click(payload: Payload) -> Result<Interaction, Fault> {
    let actions = payload.actions.unwrap_or_default();
    let ours = actions.into_iter().take(ACTIONS_MAX).find_map(|action| Some((meaning(&action)?, action)));
    let Some((what, action)) = ours else { return Ok(Interaction::Other) };
    let user = payload.user.unwrap_or_default();
    let name = [user.username, user.name, user.id].into_iter().flatten().find(|name| !name.is_empty());
    let deed = Deed {
        key: key("/actions/0/value", &action.value.unwrap_or_default())?,
        what,
        by: by(&name.unwrap_or_default(), "Slack"),
        note: String::new(),
    };
    let trigger_id = payload.trigger_id.filter(|id| id.len() <= ID_BYTES_MAX).unwrap_or_default();
    let response_url = payload.response_url.filter(|url| url.len() <= URL_BYTES_MAX);
    Ok(Interaction::Click(Click { deed, trigger_id, response_url }))
}

fn meaning(action: &Action) -> Option<What> {
    match action.action_id.as_deref()?.strip_prefix(PREFIX)? {
        "silence" => Some(What::Silenced),
        name => Feedback::from_name(name).map(What::Judged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// As Slack's documentation shows one, shortened.
    fn documented(action_id: &str) -> Value {
        json!({
            "type": "block_actions",
            "team": { "id": "T9TK3CUKW", "domain": "example" },
            "user": { "id": "UA8RXUSPL", "username": "jtorrance", "name": "jtorrance", "team_id": "T9TK3CUKW" },
            "api_app_id": "AABA1ABCD",
            "token": "9s8d9as89d8as9d8as989",
            "container": { "type": "message", "message_ts": "1548261231.000200", "channel_id": "CBR2V3XEX" },
            "trigger_id": "12321423423.333649436676.d8c1bb837935619ccad0f624c448ffb3",
            "channel": { "id": "CBR2V3XEX", "name": "review-updates" },
            "message": { "bot_id": "BAH5CA16Z", "type": "message", "ts": "1548261231.000200" },
            "response_url": "https://hooks.slack.com/actions/AABA1ABCD/1232321423432/D09sSasdasdAS9091209",
            "actions": [{
                "action_id": action_id,
                "block_id": "=qXel",
                "text": { "type": "plain_text", "text": "View", "emoji": true },
                "value": "a1b2c3d4e5f60718071000000000002a",
                "type": "button",
                "action_ts": "1548426417.840180"
            }]
        })
    }

    fn posted(payload: &Value) -> Result<Interaction, Fault> {
        let body: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &payload.to_string())
            .finish();
        decode(Some("application/x-www-form-urlencoded"), body.as_bytes())
    }

    #[test]
    fn each_button_has_its_meaning() {
        for (action_id, want) in [
            ("openclaw_ack", Some(What::Judged(Feedback::Ack))),
            ("openclaw_resolve", Some(What::Judged(Feedback::Resolve))),
            ("openclaw_dismiss", Some(What::Judged(Feedback::Dismiss))),
            ("openclaw_escalate", Some(What::Judged(Feedback::Escalate))),
            ("openclaw_silence", Some(What::Silenced)),
            ("openclaw_", None),
            ("openclaw_open", None),
            ("ack", None),
        ] {
            let click = match posted(&documented(action_id)).unwrap() {
                Interaction::Click(click) => Some(click),
                Interaction::Other => None,
                Interaction::Verification(_) => panic!("{action_id}"),
            };
            assert_eq!(click.as_ref().map(|click| click.deed.what), want, "{action_id}");
            if let Some(Click { deed, trigger_id, response_url }) = click {
                assert_eq!(deed.key, "a1b2c3d4e5f60718071000000000002a");
                assert_eq!(deed.by, "jtorrance in Slack");
                assert_eq!(trigger_id, "12321423423.333649436676.d8c1bb837935619ccad0f624c448ffb3");
                assert!(response_url.unwrap().starts_with("https://hooks.slack.com/actions/"));
            }
        }
    }

    #[test]
    fn who_has_no_name_goes_by_their_id() {
        let mut payload = documented("openclaw_ack");
        payload["user"] = json!({ "id": "UA8RXUSPL", "username": "" });
        let Ok(Interaction::Click(click)) = posted(&payload) else { panic!() };
        assert_eq!(click.deed.by, "UA8RXUSPL in Slack");
        payload.as_object_mut().unwrap().remove("user");
        let Ok(Interaction::Click(click)) = posted(&payload) else { panic!() };
        assert_eq!(click.deed.by, "somebody in Slack");
    }

    #[test]
    fn slack_may_see_that_the_address_answers() {
        let body = br#"{"type":"url_verification","token":"x","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}"#;
        let want = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P".to_owned();
        assert_eq!(
            decode(Some("application/json; charset=utf-8"), body),
            Ok(Interaction::Verification(want))
        );
    }

    #[test]
    fn what_is_not_ours_is_no_fault() {
        for payload in [
            json!({ "type": "view_submission", "view": {} }),
            json!({ "type": "block_actions" }),
            json!({ "type": "block_actions", "actions": [{}] }),
        ] {
            assert_eq!(posted(&payload), Ok(Interaction::Other), "{payload}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let mut no_value = documented("openclaw_ack");
        no_value["actions"][0].as_object_mut().unwrap().remove("value");
        let long = json!({ "type": "url_verification", "challenge": "x".repeat(5000) });
        for (result, pointer) in [
            (posted(&no_value), "/actions/0/value"),
            (posted(&long), "/challenge"),
            (posted(&json!({ "type": "url_verification" })), "/challenge"),
            (posted(&json!([])), ""),
            (decode(None, b"payload=%7B"), ""),
            (decode(None, b"ssl_check=1"), ""),
            (decode(None, b""), ""),
        ] {
            assert_eq!(result.unwrap_err().pointer, pointer);
        }
    }
}
