//! Proxies between us and receivers.

use super::network::Network;
use crate::Target;
use http::header::PROXY_AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use std::fmt;
use std::net::IpAddr;

/// A proxy for `http://` targets and one for `https://` ones, often the same.
/// `Debug` shows no credential.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// Asked for whole addresses.
    pub http: Option<Target>,
    /// Asked for tunnels.
    pub https: Option<Target>,
    /// What is reached without it.
    pub no_proxy: NoProxy,
    /// Headers of its own for each tunnel.
    pub connect_headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether its address is taken on trust.
    pub named_by: NamedBy,
}

/// Whose word a proxy's address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NamedBy {
    /// It may stand in any network.
    Operator,
    /// It is guarded as a receiver is.
    Tenant,
}

impl Proxy {
    /// The same for everything.
    #[must_use]
    pub fn new(target: Target, named_by: NamedBy) -> Self {
        let (http, https) = (Some(target.clone()), Some(target));
        Self { http, https, no_proxy: NoProxy::default(), connect_headers: Vec::new(), named_by }
    }

    /// The proxy that `uri` is reached by, if any.
    pub(crate) fn between(&self, uri: &Uri) -> Option<&Target> {
        let proxy = if uri.scheme_str() == Some("https") { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.no_proxy.takes(uri))
    }

    /// For the proxy alone: what a request for a tunnel carries.
    pub(crate) fn tunnel_headers(&self, proxy: &Target) -> HeaderMap {
        let mut headers: HeaderMap = self.connect_headers.iter().cloned().collect();
        if let Some(credential) = proxy.authorization() {
            headers.insert(PROXY_AUTHORIZATION, credential.clone());
        }
        headers
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = |target: &Option<Target>| target.as_ref().map(|target| target.host().to_owned());
        f.debug_struct("Proxy")
            .field("http", &host(&self.http))
            .field("https", &host(&self.https))
            .field("named_by", &self.named_by)
            .finish_non_exhaustive()
    }
}

/// Hosts that are reached without the proxy, as Go reads `NO_PROXY`: names with
/// all below them (`.name` for only those), addresses, networks, each with a
/// port or without, or `*`. This machine itself never is behind a proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct NoProxy {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Entry {
    All,
    Network(Network),
    Address(IpAddr, Option<u16>),
    /// With a dot before it; whether the name itself counts too.
    Domain {
        suffix: String,
        itself: bool,
        port: Option<u16>,
    },
}

impl NoProxy {
    /// Reads a list with commas; empty entries count for nothing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self { entries: text.split(',').filter_map(|entry| Entry::parse(entry.trim())).collect() }
    }

    fn takes(&self, uri: &Uri) -> bool {
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let is_this_machine = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        is_this_machine || self.entries.iter().any(|entry| entry.takes(&host, address, port))
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        if text == "*" {
            return Some(Self::All);
        }
        if text.contains('/') {
            return text.parse().ok().map(Self::Network);
        }
        if let Ok(address) = text.parse() {
            return Some(Self::Address(address, None));
        }
        let (host, port) = match text.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            Some((host, Ok(port))) => (host, Some(port)),
            _ => (text.as_str(), None),
        };
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            return Some(Self::Address(address, port));
        }
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let itself = !host.starts_with('.');
        let suffix = if itself { format!(".{host}") } else { host.to_owned() };
        (suffix.len() > 1).then_some(Self::Domain { suffix, itself, port })
    }

    fn takes(&self, host: &str, address: Option<IpAddr>, at: u16) -> bool {
        match self {
            Self::All => true,
            Self::Network(network) => address.is_some_and(|address| network.contains(address)),
            Self::Address(own, port) => address == Some(*own) && port.is_none_or(|port| port == at),
            Self::Domain { suffix, itself, port } => {
                let is_of = host.ends_with(suffix.as_str()) || (*itself && host == &suffix[1..]);
                is_of && port.is_none_or(|port| port == at)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    fn proxy(no_proxy: &str) -> Proxy {
        let target = Target::parse(&Secret::new("http://me:hunter2@proxy.example:3128")).unwrap();
        Proxy { no_proxy: NoProxy::parse(no_proxy), ..Proxy::new(target, NamedBy::Tenant) }
    }

    #[test]
    fn no_proxy_is_read_as_go_does() {
        for (no_proxy, uri, direct) in [
            ("", "http://a.example/", false),
            ("", "http://localhost:8080/", true),
            ("", "http://127.0.0.2/", true),
            ("", "http://[::1]/", true),
            ("*", "https://a.example/", true),
            ("a.example", "https://A.example/", true),
            ("a.example", "https://b.a.example/", true),
            ("a.example", "https://ba.example/", false),
            (".a.example", "https://a.example/", false),
            (".a.example", "https://b.a.example/", true),
            ("*.a.example", "https://b.a.example/", true),
            ("*.a.example", "https://a.example/", false),
            ("a.example:8443", "https://a.example:8443/", true),
            ("a.example:8443", "https://a.example/", false),
            ("a.example:443", "https://a.example/", true),
            ("a.example:80", "http://a.example/", true),
            (" x , 10.0.0.0/8 ,", "http://10.1.2.3/", true),
            ("10.0.0.0/8", "http://11.1.2.3/", false),
            ("10.0.0.1", "http://10.0.0.1:99/", true),
            ("10.0.0.1:80", "http://10.0.0.1:99/", false),
            ("[fd00::1]:80", "http://[fd00::1]/", true),
            ("fd00::1", "http://[fd00::1]/", true),
            ("fd00::/8", "http://[fd00::1]/", true),
            (",.,", "http://a.example/", false),
        ] {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(proxy(no_proxy).between(&uri).is_none(), direct, "{no_proxy} {uri}");
        }
    }

    #[test]
    fn the_credential_is_the_proxys_alone() {
        let proxy = proxy("");
        let target = proxy.https.as_ref().unwrap();
        assert_eq!(proxy.tunnel_headers(target)[PROXY_AUTHORIZATION], "Basic bWU6aHVudGVyMg==");
        assert!(!format!("{proxy:?}").contains("hunter2"));
        let http_only = Proxy { https: None, ..proxy };
        assert!(http_only.between(&"https://a.example".parse().unwrap()).is_none());
    }
}
