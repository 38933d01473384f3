//! What all connections share.

use super::access_log::AccessLogs;
use super::proto::FILES;
use super::proto::envoy::service::accesslog::v3::access_log_service_server::AccessLogServiceServer;
use super::standing::STRANGERS_MAX;
use super::status::Refusal;
use crate::auth::{Denied, Peer};
use crate::http::tls::Tls;
use crate::http::{Core, Room, Stage, reached};
use crate::limits::TenantLimits;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use openclaw_alert::TenantName;
use openclaw_state::Scope;
use std::sync::Arc;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;

/// Bytes of a message that tonic decodes; Envoy sends access logs from 16 KiB
/// on.
pub(super) const MESSAGE_BYTES_MAX: usize = 1 << 20;

const RATE_LIMIT: &str = "envoy.service.ratelimit.v3.RateLimitService";
const ACCESS_LOG: &str = "envoy.service.accesslog.v3.AccessLogService";

/// What a connection is served by.
pub(crate) struct Front {
    pub(super) app: Arc<Core>,
    pub(super) routes: Routes,
    /// Without it connections are plain.
    pub(crate) tls: Option<Arc<Tls>>,
    health: HealthReporter,
    /// Connections on which nobody has shown a credential.
    pub(super) strangers: Room,
}

impl Front {
    pub(crate) fn new(app: Arc<Core>, tls: Option<Arc<Tls>>) -> Self {
        let (health, server) = tonic_health::server::health_reporter();
        Self { routes: routes(&app, server), app, tls, health, strangers: Room::new(STRANGERS_MAX) }
    }

    /// Runs for the life of the server: what health says.
    pub(crate) async fn keep_health(self: Arc<Self>, mut stage: watch::Receiver<Stage>) {
        while *stage.borrow() < Stage::Closed {
            self.say(ServingStatus::Serving).await;
            told(&mut stage).await;
            self.say(ServingStatus::NotServing).await;
            // Until the doors are closed who was to follow may go away, and all
            // is as before. An error means that the sender is gone.
            let is_over = |stage: &Stage| *stage == Stage::Open || *stage >= Stage::Closed;
            if stage.wait_for(is_over).await.is_err() {
                return;
            }
        }
    }

    async fn say(&self, status: ServingStatus) {
        for service in ["", RATE_LIMIT, ACCESS_LOG] {
            self.health.set_service_status(service, status).await;
        }
    }

    /// Whose limits a call is about.
    ///
    /// # Errors
    /// Where the credential isn't good for that; whoever shows none may be let
    /// in all the same, by the settings.
    pub(super) fn admit(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Admitted, Refusal> {
        match &self.app.anonymous_tenant {
            Some(tenant) if peer.is_none() && !headers.contains_key(AUTHORIZATION) => {
                self.app.auth.check_anonymous(headers, tenant)?;
                Ok(Admitted { tenant: self.limits_of(tenant)?, is_known: false })
            }
            _ => Ok(Admitted { tenant: self.admit_known(headers, peer)?, is_known: true }),
        }
    }

    /// [`Front::admit`] of those alone who show a credential.
    fn admit_known(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Arc<TenantLimits>, Refusal> {
        let caller = self.app.auth.check(headers, None, peer)?;
        self.limits_of(caller.tenant_for(Scope::Limit)?)
    }

    fn limits_of(&self, tenant: &TenantName) -> Result<Arc<TenantLimits>, Refusal> {
        self.app.limits.of(tenant).ok_or_else(|| Denied::Tenant.into())
    }
}

/// A call that is answered.
pub(super) struct Admitted {
    /// Whose limits it is about.
    pub(super) tenant: Arc<TenantLimits>,
    /// Whether by a credential, and not because the settings let anybody in.
    pub(super) is_known: bool,
}

/// What a call without end was let in by. Credentials are taken back and
/// settings change meanwhile.
#[derive(Clone)]
pub(super) struct Admission {
    pub(super) front: Arc<Front>,
    pub(super) headers: HeaderMap,
    pub(super) peer: Option<Arc<Peer>>,
}

impl Admission {
    /// Whose it is, as it is now. Strangers teach nobody, whatever they may ask.
    pub(super) fn tenant(&self) -> Result<Arc<TenantLimits>, Refusal> {
        self.front.admit_known(&self.headers, self.peer.as_deref())
    }
}

fn routes(app: &Arc<Core>, health: HealthServer<impl Health>) -> Routes {
    let logs = AccessLogServiceServer::new(AccessLogs::new(Arc::clone(app)));
    let mut routes = Routes::new(logs.max_decoding_message_size(MESSAGE_BYTES_MAX)).add_service(health);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILES)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // What is registered is part of the program: it is whole, as a test shows.
    if let (Ok(v1), Ok(v1alpha)) = (reflection().build_v1(), reflection().build_v1alpha()) {
        routes = routes.add_service(v1).add_service(v1alpha);
    }
    routes.prepare()
}

/// Comes back when connections are to end.
pub(super) async fn told(stage: &mut watch::Receiver<Stage>) {
    reached(stage, Stage::Leaving).await;
}
