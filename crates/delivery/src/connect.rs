//! Where connections to receivers are made: the one place to refuse an address
//! that a tenant must not reach.

use crate::http::OneShot;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;

/// Idle connections kept for each host, so that the next message finds one warm.
const IDLE_PER_HOST_MAX: usize = 8;
/// Below the minute after which common load balancers close an idle connection.
const IDLE_MAX: Duration = Duration::from_secs(50);
/// An answer whose head is longer is an error.
const ANSWER_HEAD_BYTES_MAX: usize = 32 * 1024;

/// Plain or TLS, as the address says.
pub(crate) type Connector = HttpsConnector<HttpConnector>;

pub(crate) fn connector() -> Result<Connector, rustls::Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // A message is one small write: waiting to fill a segment only delays it.
    tcp.set_nodelay(true);
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls()?).https_or_http();
    Ok(builder.enable_http1().wrap_connector(tcp))
}

/// HTTP/1.1 over connections that stay warm between messages.
pub(crate) fn pooled<C: Connect + Clone>(connector: C) -> Client<C, OneShot> {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .http1_max_buf_size(ANSWER_HEAD_BYTES_MAX)
        .build(connector)
}

fn tls() -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?;
    let trusted = builder.clone().with_native_roots().unwrap_or_else(|error| {
        // Receivers on plain HTTP still work, and each send over TLS will say what it misses.
        tracing::warn!(%error, "no trusted certificates: install `ca-certificates` or set `SSL_CERT_FILE`");
        builder.with_root_certificates(RootCertStore::empty())
    });
    Ok(trusted.with_no_client_auth())
}
