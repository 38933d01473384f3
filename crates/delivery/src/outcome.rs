//! What an answer means.

use crate::http::Answer;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use openclaw_alert::{SendOutcome, Timestamp};
use std::time::{Duration, UNIX_EPOCH};

/// A receiver that asks for more is asked again after this all the same.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What the status alone says; for kinds whose answers have nothing more to say.
pub(crate) fn of_status(host: &str, answer: &Answer) -> SendOutcome {
    let status = answer.status;
    let told = told(host, status);
    match status.as_u16() {
        200..=299 => SendOutcome::DELIVERED,
        300..=399 => SendOutcome::Never {
            detail: format!("{told}: redirects are not followed, set the final address"),
        },
        408 | 425 | 429 => retry(answer, false, told),
        503 if answer.retry_after.is_some() => retry(answer, false, told),
        500..=599 => retry(answer, true, told),
        _ => SendOutcome::Never { detail: told },
    }
}

/// A retry, after what the answer asked for.
pub(crate) fn retry(answer: &Answer, ambiguous: bool, detail: String) -> SendOutcome {
    SendOutcome::Retry { after: answer.retry_after, ambiguous, detail }
}

/// Of a send whose earlier calls were taken: whatever became of the last one,
/// the receiver knows of the message, and its end has to be told.
pub(crate) fn told_in_part(outcome: SendOutcome) -> SendOutcome {
    match outcome {
        SendOutcome::Retry { after, detail, .. } => SendOutcome::Retry { after, ambiguous: true, detail },
        other => other,
    }
}

/// Who answered what. The body stays out: servers like to repeat the address in it.
pub(crate) fn told(host: &str, status: StatusCode) -> String {
    format!("`{host}` answered {status}")
}

/// `Retry-After` in either of its forms, bounded; a date gone by is now.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let span = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        until(text, now)?
    };
    Some(span.min(RETRY_AFTER_MAX))
}

fn until(http_date: &str, now: Timestamp) -> Option<Duration> {
    let date = httpdate::parse_http_date(http_date).ok()?;
    let since_1970 = date.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_secs(0).plus(since_1970).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    /// 2026-11-22T12:00:00Z, a Sunday.
    const NOW: Timestamp = Timestamp::from_secs(1_795_348_800);

    #[test]
    fn retry_after_has_two_forms_and_a_bound() {
        for (text, want) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(86_400)),
            ("90000", Some(86_400)),
            ("Sun, 22 Nov 2026 12:01:30 GMT", Some(90)),
            ("Sunday, 22-Nov-26 12:01:30 GMT", Some(90)),
            ("Sun Nov 22 12:01:30 2026", Some(90)),
            ("Sun, 22 Nov 2026 11:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(86_400)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            assert_eq!(retry_after(&headers, NOW), want.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), NOW), None);
    }

    fn said(status: u16, after_s: Option<u64>) -> &'static str {
        let answer = Answer { retry_after: after_s.map(Duration::from_secs), ..Answer::sample(status, "") };
        match of_status("hooks.example", &answer) {
            SendOutcome::Untried { .. } => unreachable!(),
            SendOutcome::Delivered { .. } => "delivered",
            SendOutcome::Never { .. } => "never",
            SendOutcome::Retry { after, ambiguous, .. } => {
                assert_eq!(after, answer.retry_after);
                if ambiguous { "ambiguous" } else { "retry" }
            }
        }
    }

    #[test]
    fn every_status_has_its_meaning() {
        for status in 100..=999 {
            let want = match status {
                200..=299 => "delivered",
                408 | 425 | 429 => "retry",
                500..=599 => "ambiguous",
                _ => "never",
            };
            assert_eq!(said(status, None), want, "{status}");
        }
        assert_eq!(said(503, Some(1)), "retry");
        assert_eq!(said(500, Some(1)), "ambiguous");
        assert_eq!(said(429, Some(1)), "retry");
    }
}
