//! Envoy's access logs: what has become of those who were let on.

use super::front::Admission;
use super::proto::envoy::config::core::v3::address::Address;
use super::proto::envoy::data::accesslog::v3::{AccessLogCommon, HttpAccessLogEntry, ResponseFlags};
use super::proto::envoy::service::accesslog::v3::access_log_service_server::AccessLogService;
use super::proto::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use super::proto::envoy::service::accesslog::v3::{StreamAccessLogsMessage, StreamAccessLogsResponse};
use crate::http::Core;
use crate::limits::{Observation, TenantLimits};
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status, Streaming};

/// Where Envoy says who a client is, unless its address must do.
const CLIENT_TAG: &str = "openclaw.client";
const CLIENT_HEADER: &str = "x-client-id";

/// Envoy's kinds of entries that stand for a request as a whole: where it
/// doesn't say, and at the end. Others are of requests under way.
const WHOLE: [i32; 2] = [0, 6];

pub(super) struct AccessLogs {
    app: Arc<Core>,
}

impl AccessLogs {
    pub(super) fn new(app: Arc<Core>) -> Self {
        Self { app }
    }

    fn take(&self, tenant: &TenantLimits, message: &StreamAccessLogsMessage) {
        let Some(LogEntries::HttpLogs(logs)) = &message.log_entries else { return };
        let now_nanos = self.app.limits.now_nanos();
        let mut taken = 0;
        for observation in logs.log_entry.iter().filter_map(observation) {
            self.app.limits.observe(tenant, &observation, now_nanos);
            taken += 1;
        }
        self.app.metrics.access_logs.came(&tenant.name, taken, logs.log_entry.len() - taken);
    }
}

#[tonic::async_trait]
impl AccessLogService for AccessLogs {
    async fn stream_access_logs(
        &self,
        request: Request<Streaming<StreamAccessLogsMessage>>,
    ) -> Result<Response<StreamAccessLogsResponse>, Status> {
        let admission = request.extensions().get::<Admission>().cloned();
        let admission = admission.ok_or_else(|| Status::unauthenticated("a live key is needed"))?;
        let mut messages = request.into_inner();
        while let Some(message) = messages.message().await? {
            self.take(&*admission.tenant()?, &message);
        }
        Ok(Response::new(StreamAccessLogsResponse {}))
    }
}

/// What an entry says of its client; nothing where it says nothing of a whole
/// request, or the client went away before there was an answer.
fn observation(entry: &HttpAccessLogEntry) -> Option<Observation<'_>> {
    let common = entry.common_properties.as_ref()?;
    if !WHOLE.contains(&common.access_log_type) {
        return None;
    }
    let said = entry.response.as_ref().and_then(|response| response.response_code);
    let status = match common.response_flags.as_ref().is_some_and(is_of_backend) {
        true => said.filter(|status| *status >= 500).or(Some(503)),
        false => said.filter(|status| *status > 0),
    };
    Some(Observation {
        client: client(entry, common)?.as_bytes(),
        status: u16::try_from(status?).ok()?,
        latency: latency(common),
    })
}

fn client<'e>(entry: &'e HttpAccessLogEntry, common: &'e AccessLogCommon) -> Option<&'e str> {
    let headers = entry.request.as_ref().map(|request| &request.request_headers);
    let named = common.custom_tags.get(CLIENT_TAG).or_else(|| headers?.get(CLIENT_HEADER));
    let address = || match common.downstream_remote_address.as_ref()?.address.as_ref()? {
        Address::SocketAddress(socket) => Some(&socket.address),
    };
    named.or_else(address).map(String::as_str).filter(|client| !client.is_empty())
}

/// How long the backend took to begin its answer, or else the whole.
fn latency(common: &AccessLogCommon) -> Duration {
    let backend = common.time_to_first_upstream_rx_byte.zip(common.time_to_first_upstream_tx_byte);
    let span = |duration: prost_types::Duration| Duration::try_from(duration).unwrap_or_default();
    let whole = || common.duration.or(common.time_to_last_downstream_tx_byte).map_or(Duration::ZERO, span);
    backend.map_or_else(whole, |(first, asked)| span(first).saturating_sub(span(asked)))
}

/// Whether Envoy says that the fault is the backend's.
fn is_of_backend(flags: &ResponseFlags) -> bool {
    flags.no_healthy_upstream
        || flags.upstream_request_timeout
        || flags.upstream_remote_reset
        || flags.upstream_connection_failure
        || flags.upstream_connection_termination
        || flags.upstream_overflow
        || flags.upstream_retry_limit_exceeded
        || flags.upstream_protocol_error
}

#[cfg(test)]
#[path = "access_log_tests.rs"]
mod tests;
