//! What Teams' answers mean. A flow fails after it has answered, so a yes is
//! only that the flow was started; the older connectors say no with a 200.

use crate::http::Answer;
use crate::outcome::{of_status, retry, told};
use openclaw_alert::SendOutcome;

const FAILURE: &str = "Webhook message delivery failed with error";
const STATUS: &str = "returned HTTP error ";

pub(super) fn judge(host: &str, answer: &Answer) -> SendOutcome {
    let outcome = of_status(host, answer);
    let body = String::from_utf8_lossy(&answer.body);
    if !matches!(outcome, SendOutcome::Delivered { .. }) || !body.contains(FAILURE) {
        return outcome;
    }
    let told = told(host, answer.status);
    match status_in(&body) {
        Some(status @ (408 | 425 | 429)) => retry(answer, false, format!("{told}, and {status} in the body")),
        Some(status @ 400..=499) => {
            SendOutcome::Never { detail: format!("{told}, and {status} in the body") }
        }
        Some(status) => retry(answer, true, format!("{told}, and {status} in the body")),
        None => retry(answer, true, format!("{told}, and a failure in the body")),
    }
}

fn status_in(body: &str) -> Option<u16> {
    let (_, rest) = body.split_once(STATUS)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, want: &str) {
        let found = match judge("x.logic.azure.example", &Answer::sample(status, body)) {
            SendOutcome::Untried { .. } => unreachable!(),
            SendOutcome::Delivered { .. } => "delivered".to_owned(),
            SendOutcome::Retry { ambiguous, detail, .. } => {
                format!("{} {detail}", if ambiguous { "ambiguous" } else { "retry" })
            }
            SendOutcome::Never { detail } => format!("never {detail}"),
        };
        assert_eq!(found.replace("`x.logic.azure.example` answered ", ""), want, "{status} {body}");
    }

    #[test]
    fn a_200_may_be_a_no() {
        let failed = |code: &str| {
            format!(
                "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {code} with ContextId tcid=0,server=hunter2"
            )
        };
        check(202, "", "delivered");
        check(200, "1", "delivered");
        check(200, &failed("429"), "retry 200 OK, and 429 in the body");
        check(200, &failed("413"), "never 200 OK, and 413 in the body");
        check(200, &failed("503"), "ambiguous 200 OK, and 503 in the body");
        check(200, &failed("99999999"), "ambiguous 200 OK, and a failure in the body");
        check(200, FAILURE, "ambiguous 200 OK, and a failure in the body");
        check(429, "", "retry 429 Too Many Requests");
        check(401, "hunter2", "never 401 Unauthorized");
        check(404, "hunter2", "never 404 Not Found");
        check(502, "hunter2", "ambiguous 502 Bad Gateway");
    }
}
