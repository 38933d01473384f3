//! Rows, given to the upstream: a request a tenant, since a request is for one.

use super::row::Row;
use crate::auth::TENANT_HEADER;
use futures_util::StreamExt as _;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use openclaw_alert::TenantName;
use openclaw_delivery::{FetchError, Poster};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// For a whole answer.
const ANSWER: Duration = Duration::from_secs(10);
/// What proxies commonly take.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Tenants at a time.
const REQUESTS_MAX: usize = 4;
/// What is told of an answer.
const SAID_CHARS_MAX: usize = 200;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Why rows were not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Unanswered(#[from] FetchError),
    #[error("`{host}` answered {status}: {said}")]
    Answered { host: String, status: StatusCode, said: String },
}

impl Fault {
    /// Whether the same rows would be refused again; whatever another key,
    /// another address or time can mend is tried again.
    fn is_final(&self) -> bool {
        match self {
            Self::Unanswered(_) => false,
            Self::Answered { status, .. } => {
                status.is_client_error() && !matches!(status.as_u16(), 401 | 404 | 405 | 408 | 425 | 429)
            }
        }
    }
}

/// What has come of rows.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) taken: u64,
    pub(super) refused: u64,
    /// To be sent again, in their order.
    pub(super) left: Vec<Row>,
    /// The last that went wrong.
    pub(super) fault: Option<Fault>,
}

/// Who takes observations.
pub(super) struct Upstream {
    poster: Poster,
}

/// A tenant's rows by their index, in their order.
type OfTenant<'r> = (&'r TenantName, Vec<usize>);

impl Upstream {
    pub(super) fn new(poster: Poster) -> Self {
        Self { poster }
    }

    /// Sends each row once, unless nobody answers.
    pub(super) async fn send(&self, rows: &[Row]) -> Sent {
        let is_away = AtomicBool::new(false);
        let of_tenants = by_tenant(rows);
        let sending = of_tenants.iter().map(|of_tenant| self.send_tenant(rows, of_tenant, &is_away));
        let mut sending = stream::iter(sending.collect::<Vec<_>>()).buffer_unordered(REQUESTS_MAX);
        let (mut sent, mut left) = (Sent::default(), Vec::new());
        while let Some((one, mut its_left)) = sending.next().await {
            sent.taken += one.taken;
            sent.refused += one.refused;
            sent.fault = one.fault.or(sent.fault);
            left.append(&mut its_left);
        }
        left.sort_unstable();
        sent.left = left.into_iter().map(|index| rows[index].clone()).collect();
        sent
    }

    /// In their order: after one request that must be repeated, none.
    async fn send_tenant(
        &self,
        rows: &[Row],
        (tenant, indexes): &OfTenant<'_>,
        is_away: &AtomicBool,
    ) -> (Sent, Vec<usize>) {
        let (mut sent, mut rest) = (Sent::default(), &indexes[..]);
        while !rest.is_empty() && !is_away.load(Ordering::Relaxed) {
            let (body, count) = body(rows, rest);
            match self.post(tenant, body).await {
                Ok(()) => sent.taken += count as u64,
                Err(fault) if fault.is_final() => {
                    sent.refused += count as u64;
                    sent.fault = Some(fault);
                }
                Err(fault) => {
                    is_away.fetch_or(matches!(fault, Fault::Unanswered(_)), Ordering::Relaxed);
                    sent.fault = Some(fault);
                    break;
                }
            }
            rest = &rest[count..];
        }
        (sent, rest.to_vec())
    }

    async fn post(&self, tenant: &TenantName, body: Vec<u8>) -> Result<(), Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        // A tenant's name always fits.
        if let Ok(name) = HeaderValue::from_str(tenant.as_str()) {
            headers.insert(TENANT_HEADER, name);
        }
        let posted = self.poster.post(headers, body, Instant::now() + ANSWER).await?;
        if posted.status.is_success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&posted.body);
        let said = text.chars().take(SAID_CHARS_MAX).flat_map(char::escape_debug).collect();
        Err(Fault::Answered { host: self.poster.host().to_owned(), status: posted.status, said })
    }
}

fn by_tenant(rows: &[Row]) -> Vec<OfTenant<'_>> {
    let (mut places, mut found) = (HashMap::new(), Vec::<OfTenant<'_>>::new());
    for (index, row) in rows.iter().enumerate() {
        let place = *places.entry(&row.tenant).or_insert(found.len());
        if place == found.len() {
            found.push((&row.tenant, Vec::new()));
        }
        found[place].1.push(index);
    }
    found
}

/// The first of these rows, as many as a body holds.
fn body(rows: &[Row], indexes: &[usize]) -> (Vec<u8>, usize) {
    let mut body = Vec::new();
    for (count, index) in indexes.iter().enumerate() {
        let before = body.len();
        rows[*index].write_line(&mut body);
        if body.len() > BODY_BYTES_MAX && count > 0 {
            body.truncate(before);
            return (body, count);
        }
    }
    (body, indexes.len())
}

/// Exponential with full jitter, after so many failures in a row; `random` is
/// from 0 to 1.
pub(super) fn backoff(failures: u32, random: f64) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    let doubled = FIRST_WAIT.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
    doubled.min(LONGEST_WAIT).mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(tenant: &str, client: &str) -> Row {
        let tenant = TenantName::new(tenant).unwrap();
        Row {
            tenant,
            client: client.into(),
            at_nanos: 1_769_850_000_000_000_000,
            latency_us: 12_500,
            status: 200,
        }
    }

    #[test]
    fn a_request_is_of_one_tenant_and_in_order() {
        let rows = [row("a", "1"), row("b", "2"), row("a", "3")];
        let found = by_tenant(&rows);
        let told: Vec<_> = found.iter().map(|(tenant, indexes)| (tenant.as_str(), &indexes[..])).collect();
        assert_eq!(told, [("a", &[0, 2][..]), ("b", &[1])]);
        let (body, count) = body(&rows, &found[0].1);
        assert_eq!(count, 2);
        insta::assert_snapshot!(String::from_utf8(body).unwrap(), @r#"
        {"client_id":"1","timestamp":"2026-01-31T09:00:00.000000000Z","response_time_ms":12.500,"status_code":200}
        {"client_id":"3","timestamp":"2026-01-31T09:00:00.000000000Z","response_time_ms":12.500,"status_code":200}
        "#);
    }

    #[test]
    fn bodies_are_bounded_and_hold_every_row_once() {
        let rows = vec![row("a", &"\u{1}".repeat(256)); 5000];
        let indexes: Vec<usize> = (0..rows.len()).collect();
        let (mut rest, mut bodies) = (&indexes[..], 0);
        while !rest.is_empty() {
            let (body, count) = body(&rows, rest);
            assert!(body.len() <= BODY_BYTES_MAX && count > 0);
            assert_eq!(body.iter().filter(|byte| **byte == b'\n').count(), count);
            rest = &rest[count..];
            bodies += 1;
        }
        assert_eq!(bodies, 8);
    }

    #[test]
    fn waits_double_from_a_second_to_a_minute() {
        let most: Vec<_> = (0..9).map(|failures| backoff(failures, 1.0).as_secs()).collect();
        assert_eq!(most, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff(u32::MAX, 0.5), Duration::from_secs(30));
        assert_eq!(backoff(5, 0.0), Duration::ZERO);
    }

    #[test]
    fn what_another_key_or_time_can_mend_is_tried_again() {
        let is_final = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            Fault::Answered { host: String::new(), status, said: String::new() }.is_final()
        };
        assert!([400, 403, 413, 422].into_iter().all(is_final));
        assert!(![301, 401, 404, 408, 429, 500, 501, 502, 503].into_iter().any(is_final));
    }
}
