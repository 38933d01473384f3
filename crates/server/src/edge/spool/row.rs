//! One observation on its way to the upstream.

use crate::limits::Observation;
use openclaw_alert::{TenantName, Timestamp};
use std::time::Duration;

/// Longest name of a client that the upstream takes.
pub(super) const CLIENT_BYTES_MAX: usize = 256;
/// A longer answer is a mistake of units, and refused there.
const LATENCY_MAX: Duration = Duration::from_secs(86_400);

/// How one request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) tenant: TenantName,
    pub(super) client: Box<str>,
    /// Since 1970.
    pub(super) at_nanos: u64,
    pub(super) latency_us: u64,
    pub(super) status: u16,
}

impl Row {
    /// Nothing where the upstream would refuse it.
    pub(super) fn new(tenant: &TenantName, observation: &Observation<'_>, at_nanos: u64) -> Option<Self> {
        let client = std::str::from_utf8(observation.client).ok()?;
        let is_named = (1..=CLIENT_BYTES_MAX).contains(&client.len());
        let is_status = matches!(observation.status, 0 | 100..=599);
        (is_named && is_status).then(|| Self {
            tenant: tenant.clone(),
            client: client.into(),
            at_nanos,
            latency_us: whole_us(observation.latency.min(LATENCY_MAX)),
            status: observation.status,
        })
    }

    /// Appends a line of JSON.
    pub(super) fn write_line(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"client_id\":");
        // A text can't fail to be written into memory.
        let _ = serde_json::to_writer(&mut *out, &*self.client);
        out.extend_from_slice(b",\"timestamp\":\"");
        let at = Timestamp::from_nanos(i64::try_from(self.at_nanos).unwrap_or(i64::MAX));
        at.write_rfc3339(out, 9);
        let (whole_ms, rest_us) = (self.latency_us / 1000, self.latency_us % 1000);
        let rest =
            format!("\",\"response_time_ms\":{whole_ms}.{rest_us:03},\"status_code\":{}}}\n", self.status);
        out.extend_from_slice(rest.as_bytes());
    }
}

/// To the nearest: what came as milliseconds with a fraction is a little less
/// or more by now.
fn whole_us(latency: Duration) -> u64 {
    ((latency.as_nanos() + 500) / 1000) as u64
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use openclaw_sources::decode_observations;
    use proptest::prelude::*;

    /// Any that the upstream takes.
    pub(in crate::edge::spool) fn rows() -> impl Strategy<Value = Row> {
        let client = prop_oneof!["[a-c]", "\\PC{1,60}", any::<String>()];
        let status = prop_oneof![Just(0_u16), 100..=599_u16];
        let at = 0..=i64::MAX as u64;
        (0..3_u8, client, at, 0..=86_400_000_000_u64, status).prop_filter_map(
            "a client's name has 1 to 256 bytes",
            |(tenant, client, at_nanos, latency_us, status)| {
                let tenant = TenantName::new(&format!("t{tenant}")).unwrap();
                let latency = Duration::from_micros(latency_us);
                let observation = Observation { client: client.as_bytes(), status, latency };
                Row::new(&tenant, &observation, at_nanos)
            },
        )
    }

    proptest! {
        /// What is written is read by the upstream as it was, without a fault.
        #[test]
        fn the_upstream_reads_what_is_sent(rows in prop::collection::vec(rows(), 1..20)) {
            let mut body = Vec::new();
            rows.iter().for_each(|row| row.write_line(&mut body));
            let read = decode_observations("application/x-ndjson", &body).unwrap();
            prop_assert!(read.rejected.is_empty(), "{:?}", read.rejected);
            prop_assert_eq!(read.rows.len(), rows.len());
            for (read, row) in read.rows.iter().zip(&rows) {
                prop_assert_eq!(&*read.client, &*row.client);
                prop_assert_eq!(read.at.nanos() as u64, row.at_nanos);
                prop_assert_eq!(read.status, row.status);
                prop_assert_eq!(read.response_ms, (row.latency_us as f64 / 1e3) as f32);
            }
        }
    }

    #[test]
    fn whole_milliseconds_stay_whole() {
        for ms in 0..5000_u16 {
            let came = Duration::from_secs_f32(f32::from(ms) / 1e3);
            assert_eq!(whole_us(came), u64::from(ms) * 1000);
        }
    }

    #[test]
    fn what_the_upstream_would_refuse_is_no_row() {
        let tenant = TenantName::new("acme").unwrap();
        let row = |client: &[u8], status| {
            Row::new(&tenant, &Observation { client, status, latency: Duration::MAX }, 0)
        };
        assert_eq!(row(b"c", 200).unwrap().latency_us, 86_400_000_000);
        for (client, status) in
            [(&b""[..], 200), (&[b'c'; 257], 200), (b"\xff", 200), (b"c", 600), (b"c", 99)]
        {
            assert_eq!(row(client, status), None);
        }
    }
}
