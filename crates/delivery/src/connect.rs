//! Where connections to receivers are made: the one place that refuses an
//! address which a tenant must not reach, and that goes by a proxy.

use crate::Target;
use crate::http::OneShot;
use crate::outgoing::{Guard, NamedBy, Outgoing, Proxy, Refused, ResolveError};
use crate::tls::{TlsSettings, TlsSettingsError, system_roots};
use crate::wire::Wire;
use http::Uri;
use hyper_rustls::{DefaultServerNameResolver, FixedServerNameResolver, HttpsConnector, ResolveServerName};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use std::collections::HashMap;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tower::util::BoxCloneSyncService;
use tower::{ServiceExt, service_fn};

/// Idle connections kept for each host, so that the next message finds one warm.
const IDLE_PER_HOST_MAX: usize = 8;
/// Below the minute after which common load balancers close an idle connection.
const IDLE_MAX: Duration = Duration::from_secs(50);
/// An answer whose head is longer is an error.
const ANSWER_HEAD_BYTES_MAX: usize = 32 * 1024;
/// Ways with settings of their own whose connections are kept warm.
const WAYS_MAX: usize = 256;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;
/// Anything that makes a [`Wire`] to an address, TLS aside.
pub(crate) type Dial = BoxCloneSyncService<Uri, Wire, BoxError>;
/// HTTP/1.1 over connections that stay warm between messages.
pub(crate) type Client = hyper_util::client::legacy::Client<HttpsConnector<Dial>, OneShot>;
type Tcp = HttpConnector<BoxCloneSyncService<Name, std::vec::IntoIter<SocketAddr>, ResolveError>>;

/// What of a receiver's settings says how its server is reached; those who say
/// the same share connections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Way {
    /// Unset for the operator's.
    pub(crate) proxy: Option<Arc<Proxy>>,
    pub(crate) tls: TlsSettings,
}

/// All connections to receivers.
pub(crate) struct Connections {
    guard: Guard,
    proxy: Option<Arc<Proxy>>,
    roots: Arc<RootCertStore>,
    /// For settings that say nothing, which most do.
    usual: Client,
    own: Mutex<Own>,
}

#[derive(Default)]
struct Own {
    clients: HashMap<Way, (Client, u64)>,
    uses: u64,
}

impl Connections {
    /// Loads the system's trusted certificates; connects nowhere yet.
    pub(crate) fn new(outgoing: Outgoing) -> Result<Self, TlsSettingsError> {
        let guard = Guard::new(&outgoing.allow);
        let roots = system_roots();
        let usual = client(&guard, outgoing.proxy.clone(), &TlsSettings::default(), &roots)?;
        Ok(Self { guard, proxy: outgoing.proxy, roots, usual, own: Mutex::default() })
    }

    /// For connections that are not HTTP.
    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// For connections that are not HTTP.
    pub(crate) fn roots(&self) -> &Arc<RootCertStore> {
        &self.roots
    }

    /// The proxy that a request goes by, if any.
    pub(crate) fn proxy<'s>(&'s self, way: &'s Way, uri: &Uri) -> Option<&'s Target> {
        way.proxy.as_ref().or(self.proxy.as_ref())?.between(uri)
    }

    /// The client whose connections go that way.
    pub(crate) fn client(&self, way: &Way) -> Result<Client, TlsSettingsError> {
        if *way == Way::default() {
            return Ok(self.usual.clone());
        }
        let mut own = self.own();
        own.uses += 1;
        let use_number = own.uses;
        if let Some((client, last_use)) = own.clients.get_mut(way) {
            *last_use = use_number;
            return Ok(client.clone());
        }
        let proxy = way.proxy.clone().or_else(|| self.proxy.clone());
        let made = client(&self.guard, proxy, &way.tls, &self.roots)?;
        own.keep(way.clone(), made.clone());
        Ok(made)
    }

    fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Own {
    /// In place of the one that was used longest ago, where there are many.
    fn keep(&mut self, way: Way, client: Client) {
        if self.clients.len() >= WAYS_MAX {
            let oldest = self.clients.iter().min_by_key(|(_, (_, last_use))| *last_use);
            if let Some(oldest) = oldest.map(|(way, _)| way.clone()) {
                self.clients.remove(&oldest);
            }
        }
        self.clients.insert(way, (client, self.uses));
    }
}

fn client(
    guard: &Guard,
    proxy: Option<Arc<Proxy>>,
    tls: &TlsSettings,
    roots: &Arc<RootCertStore>,
) -> Result<Client, TlsSettingsError> {
    let dialler = Dialler {
        guarded: tcp(guard.clone()),
        open: tcp(Guard::open()),
        guard: guard.clone(),
        proxy,
        // A proxy is known by what the system trusts: `tls_config` speaks of the receiver.
        proxy_tls: Arc::new(TlsSettings::default().client_config(roots)?),
    };
    let dial = service_fn(move |uri: Uri| {
        let dialler = dialler.clone();
        async move { dialler.dial(uri).await }
    });
    let dial = BoxCloneSyncService::new(dial);
    Ok(pooled(dial, Arc::new(tls.client_config(roots)?), name_resolver(tls)?))
}

fn name_resolver(tls: &TlsSettings) -> Result<Arc<dyn ResolveServerName + Send + Sync>, TlsSettingsError> {
    Ok(match tls.name()? {
        Some(name) => Arc::new(FixedServerNameResolver::new(name)),
        None => Arc::new(DefaultServerNameResolver::default()),
    })
}

pub(crate) fn pooled(
    dial: Dial,
    tls: Arc<ClientConfig>,
    names: Arc<dyn ResolveServerName + Send + Sync>,
) -> Client {
    hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .http1_max_buf_size(ANSWER_HEAD_BYTES_MAX)
        .build(HttpsConnector::new(dial, tls, false, names))
}

/// Connects to what its guard lets pass of a name's addresses, and to no
/// others: between the look-up and the connection nothing can change.
fn tcp(guard: Guard) -> Tcp {
    let resolver = service_fn(move |name: Name| {
        let guard = guard.clone();
        async move { guard.resolve(name.as_str(), 0).await.map(Vec::into_iter) }
    });
    let mut tcp = HttpConnector::new_with_resolver(BoxCloneSyncService::new(resolver));
    tcp.enforce_http(false);
    // A message is one small write: waiting to fill a segment only delays it.
    tcp.set_nodelay(true);
    tcp
}

type ToProxy = BoxCloneSyncService<Uri, Wire, NoProxyThere>;

/// Beside what is wrong there: `Box<dyn Error>` is no error itself.
#[derive(Debug, thiserror::Error)]
#[error("the proxy can't be reached")]
struct NoProxyThere(#[source] BoxError);

#[derive(Clone)]
struct Dialler {
    guard: Guard,
    guarded: Tcp,
    open: Tcp,
    proxy: Option<Arc<Proxy>>,
    proxy_tls: Arc<ClientConfig>,
}

impl Dialler {
    async fn dial(self, uri: Uri) -> Result<Wire, BoxError> {
        // Addresses are never looked up, so that the resolver's filter doesn't see them; and behind
        // a proxy nothing is looked up here.
        self.guard.check_host(uri.host().unwrap_or_default())?;
        let proxy = self.proxy.clone();
        let between = proxy.as_ref().and_then(|proxy| Some((proxy, proxy.between(&uri)?)));
        let Some((proxy, target)) = between else {
            return Ok(Wire::direct(self.guarded.oneshot(uri).await?));
        };
        let to_proxy = self.proxy_connector(proxy, target)?;
        if uri.scheme_str() == Some("https") {
            let tunnel = Tunnel::new(target.uri().clone(), to_proxy);
            let tunnel = tunnel.with_headers(proxy.tunnel_headers(target));
            return Ok(Wire::direct(tunnel.oneshot(uri).await?));
        }
        Ok(Wire::proxied(to_proxy.oneshot(target.uri().clone()).await?))
    }

    fn proxy_connector(self, proxy: &Proxy, target: &Target) -> Result<ToProxy, Refused> {
        let tcp = match proxy.named_by {
            NamedBy::Operator => self.open,
            NamedBy::Tenant => {
                self.guard.check_host(target.uri().host().unwrap_or_default())?;
                self.guarded
            }
        };
        let connector = HttpsConnector::from((tcp, self.proxy_tls));
        Ok(BoxCloneSyncService::new(connector.map_response(Wire::direct).map_err(NoProxyThere)))
    }
}
