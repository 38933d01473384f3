//! What PagerDuty's answers mean: a 202 is a yes only with `success` in it.

use crate::http::Answer;
use crate::outcome::{of_status, retry, told};
use openclaw_alert::SendOutcome;
use serde_json::Value;

/// The verdict of one event.
pub(super) fn judge(host: &str, answer: &Answer) -> SendOutcome {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let told = told(host, answer.status);
    match of_status(host, answer) {
        SendOutcome::Delivered { .. } => match said["status"].as_str() {
            Some("success") => SendOutcome::DELIVERED,
            Some(_) => SendOutcome::Never { detail: format!("{told}, but not with PagerDuty's `success`") },
            // Something else answers in its place, for now or for good.
            None => retry(answer, true, format!("{told}, but not as PagerDuty does: check `url`")),
        },
        // Its words may repeat the key, so that only the field's name is told.
        SendOutcome::Never { detail } if said.to_string().contains("routing_key") => {
            SendOutcome::Never { detail: format!("{detail}: it doesn't take the `routing_key`") }
        }
        by_status => by_status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, want: &str) {
        let found = match judge("events.example", &Answer::sample(status, body)) {
            SendOutcome::Delivered { .. } => "delivered".to_owned(),
            SendOutcome::Retry { ambiguous: true, detail, .. } => format!("ambiguous {detail}"),
            SendOutcome::Retry { detail, .. } => format!("retry {detail}"),
            SendOutcome::Never { detail } => format!("never {detail}"),
        };
        assert_eq!(found.replace("`events.example` answered ", ""), want, "{status} {body}");
    }

    #[test]
    fn documented_answers() {
        check(202, r#"{"status":"success","message":"Event processed","dedup_key":"k"}"#, "delivered");
        let bad_key = r#"{"status":"invalid event","message":"Event object is invalid",
            "errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}"#;
        check(400, bad_key, "never 400 Bad Request: it doesn't take the `routing_key`");
        check(
            400,
            r#"{"status":"invalid event","errors":["'payload.severity' is invalid"]}"#,
            "never 400 Bad Request",
        );
        check(413, "", "never 413 Payload Too Large");
        check(
            429,
            r#"{"status":"throttle exceeded","message":"Requests are arriving too quickly"}"#,
            "retry 429 Too Many Requests",
        );
        check(500, "", "ambiguous 500 Internal Server Error");
        check(503, "<html>", "ambiguous 503 Service Unavailable");
    }

    #[test]
    fn other_success_is_none() {
        check(202, r#"{"status":"invalid event"}"#, "never 202 Accepted, but not with PagerDuty's `success`");
        for lie in ["", "ok", "<html>sign in</html>", "{}", "[]", r#"{"status":1}"#] {
            check(200, lie, "ambiguous 200 OK, but not as PagerDuty does: check `url`");
        }
    }
}
