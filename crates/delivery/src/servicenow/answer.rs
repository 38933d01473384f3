//! What the instance's answers mean.

use super::record::{FIELDS, Incident, is_sys_id, text};
use crate::http::Answer;
use crate::outcome::{of_status, retry, told};
use openclaw_alert::SendOutcome;
use serde_json::Value;

/// What ServiceNow says of what isn't there or may not be seen.
const NO_RECORD: &str = "No Record found";

/// What a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Create,
    Update,
}

/// The row that `field` singles out. An instance may leave out a condition
/// that it doesn't understand and show other rows, so that each is compared.
pub(super) fn found(
    host: &str,
    answer: &Answer,
    field: &str,
    value: &str,
) -> Result<Option<Incident>, SendOutcome> {
    match of_status(host, answer) {
        SendOutcome::Delivered { .. } => {
            let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let Some(rows) = rows(&said["result"]) else {
                let told = told(host, answer.status);
                // Asleep or in front of a sign-in page: nothing has been done.
                let detail =
                    format!("{told}, but not with records: check `instance_url`, and that it is awake");
                return Err(retry(answer, false, detail));
            };
            let row = rows.iter().find(|row| text(&row[field]) == value);
            Ok(row.and_then(Incident::read))
        }
        // Version 1 says so of an empty list, all say so of a record; any
        // other 404 is from somewhere else.
        SendOutcome::Never { .. } if answer.status.as_u16() == 404 && says_no_record(answer) => Ok(None),
        SendOutcome::Retry { after, detail, .. } => {
            Err(SendOutcome::Retry { after, ambiguous: false, detail })
        }
        never => Err(with_remedy(never, answer)),
    }
}

/// A list of records, or the one that was asked for by its address.
fn rows(result: &Value) -> Option<&[Value]> {
    match result {
        Value::Array(rows) => Some(rows),
        Value::Object(_) if result.get("sys_id").is_some() => Some(std::slice::from_ref(result)),
        _ => None,
    }
}

fn says_no_record(answer: &Answer) -> bool {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    text(&said["error"]["message"]).eq_ignore_ascii_case(NO_RECORD)
}

/// It was opened, and may be open still: neither an end nor another incident
/// can be told before somebody has looked.
pub(super) fn unseen(host: &str, receipt: &str) -> SendOutcome {
    let name = receipt.split_once('/').map_or(
        receipt,
        |(sys_id, number)| {
            if number.is_empty() { sys_id } else { number }
        },
    );
    let detail =
        format!("`{host}` doesn't show the incident `{name}`: check the user's role and `instance_url`");
    SendOutcome::Retry { after: None, ambiguous: false, detail }
}

/// The verdict of a change.
pub(super) fn changed(host: &str, answer: &Answer, change: Change) -> SendOutcome {
    match of_status(host, answer) {
        SendOutcome::Delivered { .. } => match incident(answer) {
            Some(incident) => SendOutcome::Delivered { receipt: Some(incident.receipt()) },
            None => {
                let told = told(host, answer.status);
                retry(answer, true, format!("{told}, but not with a record: check `instance_url`"))
            }
        },
        // It was there a moment ago.
        SendOutcome::Never { detail } if answer.status.as_u16() == 404 && change == Change::Update => {
            retry(answer, false, format!("{detail}: the incident has gone"))
        }
        never @ SendOutcome::Never { .. } => with_remedy(never, answer),
        later => later,
    }
}

/// From the body or, where an instance gives none, from `Location`.
fn incident(answer: &Answer) -> Option<Incident> {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    Incident::read(&said["result"]).or_else(|| {
        let sys_id = answer.header("location")?.split('?').next()?.rsplit('/').next()?;
        let row = serde_json::json!({ "sys_id": sys_id });
        (answer.status.as_u16() == 201 && is_sys_id(sys_id)).then(|| Incident::read(&row))?
    })
}

/// Words of the instance that say what to mend; the rest of what it says may
/// hold what must not be shown.
fn with_remedy(outcome: SendOutcome, answer: &Answer) -> SendOutcome {
    let SendOutcome::Never { detail } = outcome else { return outcome };
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let error = format!("{} {}", text(&said["error"]["message"]), text(&said["error"]["detail"]));
    let remedy = match answer.status.as_u16() {
        _ if error.contains("Data Policy") => {
            "a data policy asks for fields that are empty: add them to `fields`, or set `close_code` and `close_notes`"
        }
        _ if error.contains("Invalid table") => "it has no such `table`",
        401 => "it doesn't take the credentials",
        403 => "the user needs the role `itil` or `sn_incident_write`",
        404 => "check `instance_url` and `table`",
        _ => return SendOutcome::Never { detail },
    };
    SendOutcome::Never { detail: format!("{detail}: {remedy}") }
}

/// What is asked for in each call.
pub(super) fn parameters(is_input: bool, display_values: bool) -> Vec<(&'static str, &'static str)> {
    let mut pairs = vec![
        ("sysparm_fields", FIELDS),
        ("sysparm_display_value", "false"),
        ("sysparm_exclude_reference_link", "true"),
    ];
    if is_input && display_values {
        pairs.push(("sysparm_input_display_value", "true"));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header::LOCATION};

    const ROW: &str =
        r#"{"sys_id":"9d385017c611228701d22104cc95c371","number":"INC1","state":"1","correlation_id":"k"}"#;

    fn told(outcome: &SendOutcome) -> String {
        let text = match outcome {
            SendOutcome::Untried { .. } => unreachable!(),
            SendOutcome::Delivered { receipt } => format!("delivered {}", receipt.as_deref().unwrap_or("-")),
            SendOutcome::Retry { ambiguous: true, detail, .. } => format!("ambiguous {detail}"),
            SendOutcome::Retry { detail, .. } => format!("retry {detail}"),
            SendOutcome::Never { detail } => format!("never {detail}"),
        };
        text.replace("`x.example` answered ", "")
    }

    fn search(status: u16, body: &str) -> String {
        match found("x.example", &Answer::sample(status, body), "correlation_id", "k") {
            Ok(found) => found.map_or("none".to_owned(), |incident| incident.number),
            Err(outcome) => told(&outcome),
        }
    }

    #[test]
    fn a_search_finds_ours_or_nothing() {
        assert_eq!(search(200, &format!("{{\"result\":[{ROW}]}}")), "INC1");
        assert_eq!(search(200, r#"{"result":[]}"#), "none");
        let other = ROW.replace("\"k\"", "\"other\"");
        assert_eq!(search(200, &format!("{{\"result\":[{other}]}}")), "none");
        assert_eq!(search(200, &format!("{{\"result\":[{other},{ROW}]}}")), "INC1");
        let no_record = r#"{"error":{"message":"No Record found","detail":"Record doesn't exist or ACL restricts the record retrieval"},"status":"failure"}"#;
        assert_eq!(search(404, no_record), "none");
        let elsewhere =
            r#"{"error":{"message":"Requested URI does not represent any resource","detail":null}}"#;
        for body in ["", "<html>not found</html>", "[]", elsewhere] {
            assert_eq!(search(404, body), "never 404 Not Found: check `instance_url` and `table`", "{body}");
        }
        assert_eq!(search(200, &format!("{{\"result\":{ROW}}}")), "INC1", "by its own address");
        assert_eq!(search(200, &format!("{{\"result\":{other}}}")), "none");
        let asleep = "retry 200 OK, but not with records: check `instance_url`, and that it is awake";
        for lie in ["", "<html>", "{}", r#"{"result":{}}"#, "[]", "ok"] {
            assert_eq!(search(200, lie), asleep, "{lie}");
        }
    }

    #[test]
    fn a_search_that_fails_has_changed_nothing() {
        assert_eq!(search(500, ""), "retry 500 Internal Server Error");
        assert_eq!(search(429, ""), "retry 429 Too Many Requests");
        let refused = r#"{"error":{"message":"User Not Authenticated","detail":"Required to provide Auth information"},"status":"failure"}"#;
        assert_eq!(search(401, refused), "never 401 Unauthorized: it doesn't take the credentials");
        let invalid = r#"{"error":{"message":"Invalid table incidents","detail":null},"status":"failure"}"#;
        assert_eq!(search(400, invalid), "never 400 Bad Request: it has no such `table`");
        assert_eq!(search(302, ""), "never 302 Found: redirects are not followed, set the final address");
    }

    fn change(status: u16, body: &str, change: Change) -> String {
        told(&changed("x.example", &Answer::sample(status, body), change))
    }

    #[test]
    fn a_change_is_a_record_that_comes_back() {
        let whole = format!("{{\"result\":{ROW}}}");
        let receipt = "delivered 9d385017c611228701d22104cc95c371/INC1";
        assert_eq!(change(201, &whole, Change::Create), receipt);
        assert_eq!(change(200, &whole, Change::Update), receipt);
        for lie in ["", "<html>", "{}", r#"{"result":[]}"#, r#"{"result":{"sys_id":"a/b"}}"#] {
            let want = "ambiguous 200 OK, but not with a record: check `instance_url`";
            assert_eq!(change(200, lie, Change::Create), want, "{lie}");
        }
        let mut bare = Answer::sample(201, "");
        let location = "https://x.example/api/now/table/incident/9d385017c611228701d22104cc95c371";
        bare.headers.insert(LOCATION, HeaderValue::from_static(location));
        let outcome = changed("x.example", &bare, Change::Create);
        assert_eq!(told(&outcome), "delivered 9d385017c611228701d22104cc95c371/");
    }

    #[test]
    fn documented_errors() {
        let policy = r#"{"error":{"message":"Operation Failed","detail":"Error: Data Policy Exception: Following fields are mandatory: Resolution code"},"status":"failure"}"#;
        let remedy = "a data policy asks for fields that are empty: add them to `fields`, or set `close_code` and `close_notes`";
        assert_eq!(change(403, policy, Change::Update), format!("never 403 Forbidden: {remedy}"));
        assert_eq!(
            change(
                403,
                r#"{"error":{"message":"Operation Failed","detail":"ACL Exception"}}"#,
                Change::Create
            ),
            "never 403 Forbidden: the user needs the role `itil` or `sn_incident_write`"
        );
        assert_eq!(change(404, "", Change::Create), "never 404 Not Found: check `instance_url` and `table`");
        assert_eq!(change(404, "", Change::Update), "retry 404 Not Found: the incident has gone");
        assert_eq!(change(400, "", Change::Create), "never 400 Bad Request");
        assert_eq!(change(500, "", Change::Create), "ambiguous 500 Internal Server Error");
        assert_eq!(change(429, "", Change::Create), "retry 429 Too Many Requests");
    }
}
