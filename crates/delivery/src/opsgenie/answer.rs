//! What Opsgenie's answers mean: a 202 is a yes only with a request's id in it.

use crate::http::Answer;
use crate::outcome::{of_status, retry, told};
use openclaw_alert::SendOutcome;
use serde_json::Value;

/// The verdict of one request.
pub(super) fn judge(host: &str, answer: &Answer) -> SendOutcome {
    match of_status(host, answer) {
        SendOutcome::Delivered { .. } if is_queued(answer) => SendOutcome::DELIVERED,
        // Something else answers in its place, for now or for good.
        SendOutcome::Delivered { .. } => {
            let told = told(host, answer.status);
            retry(answer, true, format!("{told}, but not as Opsgenie does: check `api_url`"))
        }
        SendOutcome::Never { detail } => SendOutcome::Never {
            detail: match answer.status.as_u16() {
                401 | 403 => format!("{detail}: the `api_key` is not one of an API integration that is on"),
                402 => format!("{detail}: the account's plan doesn't allow it"),
                404 => format!("{detail}: check `api_url`"),
                _ => detail,
            },
        },
        by_status => by_status,
    }
}

fn is_queued(answer: &Answer) -> bool {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    said["requestId"].is_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, want: &str) {
        let found = match judge("api.example", &Answer::sample(status, body)) {
            SendOutcome::Delivered { .. } => "delivered".to_owned(),
            SendOutcome::Retry { ambiguous: true, detail, .. } => format!("ambiguous {detail}"),
            SendOutcome::Retry { detail, .. } => format!("retry {detail}"),
            SendOutcome::Never { detail } => format!("never {detail}"),
        };
        assert_eq!(found.replace("`api.example` answered ", ""), want, "{status} {body}");
    }

    #[test]
    fn documented_answers() {
        let queued = r#"{"result":"Request will be processed","took":0.302,"requestId":"43a29c5c"}"#;
        check(202, queued, "delivered");
        check(400, r#"{"message":"Request body is not processable"}"#, "never 400 Bad Request");
        let key = "the `api_key` is not one of an API integration that is on";
        check(401, r#"{"message":"Could not authenticate"}"#, &format!("never 401 Unauthorized: {key}"));
        check(402, "", "never 402 Payment Required: the account's plan doesn't allow it");
        check(403, "", &format!("never 403 Forbidden: {key}"));
        check(404, "", "never 404 Not Found: check `api_url`");
        check(
            422,
            r#"{"message":"Request body is not processable","errors":{"message":"is empty"}}"#,
            "never 422 Unprocessable Entity",
        );
        check(429, r#"{"message":"You are making too many requests!"}"#, "retry 429 Too Many Requests");
        check(500, "", "ambiguous 500 Internal Server Error");
        for lie in ["", "ok", "<html>", r#"{"result":"x"}"#] {
            check(200, lie, "ambiguous 200 OK, but not as Opsgenie does: check `api_url`");
        }
    }
}
