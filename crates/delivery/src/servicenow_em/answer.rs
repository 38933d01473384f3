//! What Event Management's answers mean.

use crate::http::Answer;
use crate::outcome::{of_status, retry, told};
use openclaw_alert::SendOutcome;
use serde_json::Value;

/// The verdict of one call.
pub(super) fn judge(host: &str, answer: &Answer) -> SendOutcome {
    match of_status(host, answer) {
        SendOutcome::Delivered { .. } if is_taken(answer) => SendOutcome::DELIVERED,
        SendOutcome::Delivered { .. } => {
            let told = told(host, answer.status);
            let detail = format!(
                "{told}, but not as Event Management does: check `instance_url`, and that it is awake"
            );
            retry(answer, true, detail)
        }
        SendOutcome::Never { detail } => SendOutcome::Never {
            detail: match answer.status.as_u16() {
                401 => format!("{detail}: it doesn't take the credentials"),
                403 => format!("{detail}: the user needs the role `evt_mgmt_integration`"),
                404 => format!("{detail}: check `instance_url`, and that Event Management is there"),
                _ => detail,
            },
        },
        by_status => by_status,
    }
}

/// Something, and no error; a page for people is neither.
fn is_taken(answer: &Answer) -> bool {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let has_error = said.get("error").is_some_and(|error| !error.is_null() && error != "");
    said.as_object().is_some_and(|said| !said.is_empty()) && !has_error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, want: &str) {
        let found = match judge("x.example", &Answer::sample(status, body)) {
            SendOutcome::Delivered { .. } => "delivered".to_owned(),
            SendOutcome::Retry { ambiguous: true, .. } => "ambiguous".to_owned(),
            SendOutcome::Retry { .. } => "retry".to_owned(),
            SendOutcome::Never { detail } => detail,
        };
        assert_eq!(found.replace("`x.example` answered ", ""), want, "{status} {body}");
    }

    #[test]
    fn documented_answers() {
        check(200, r#"{"result":{"Default Bulk Endpoint":"1 events were inserted"}}"#, "delivered");
        check(201, r#"{"records":[{"__status":"success"}]}"#, "delivered");
        for lie in ["", "<html>", "{}", "[]", r#"{"error":{"message":"x"},"status":"failure"}"#] {
            check(200, lie, "ambiguous");
        }
        check(401, "", "401 Unauthorized: it doesn't take the credentials");
        check(403, "", "403 Forbidden: the user needs the role `evt_mgmt_integration`");
        check(404, "", "404 Not Found: check `instance_url`, and that Event Management is there");
        check(400, "", "400 Bad Request");
        check(429, "", "retry");
        check(500, "", "ambiguous");
    }
}
