//! What the operator says of connections to receivers.

use super::problem::Problem;
use super::read::{At, Context, Field, Scalar, scalar_schema, section};
use super::secret::SecretText;
use super::values::Text;
use openclaw_delivery::{NamedBy, Network, NoProxy, Outgoing, Proxy, Target};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;

const NETWORKS_MAX: usize = 256;

section! {
    /// Connections to receivers. Tenants reach the public Internet and what is listed here.
    OutgoingSection {
        /// Networks that tenants may reach too, such as `10.20.0.0/16`. Default: this machine alone, and only while `listen.http` is on loopback; otherwise none.
        allow: Vec<At<NetworkText>>,
        /// A proxy for receivers that name none of their own, `http://` or `https://`; kept as a secret.
        proxy_url: SecretText,
        /// Names, addresses and networks that are reached without it, with commas.
        no_proxy: Text,
    }
}

/// A range of addresses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NetworkText(Network);

impl Scalar for NetworkText {
    const EXPECTED: &'static str = "a network such as `10.0.0.0/8`";

    fn parse(text: &str) -> Result<Self, Problem> {
        Ok(Self(text.parse::<Network>()?))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "examples": ["10.20.0.0/16"] })
    }
}

scalar_schema!(NetworkText);

pub(super) fn checked(field: Field<OutgoingSection>, http: SocketAddr, cx: &mut Context<'_>) -> Outgoing {
    let usual = if http.ip().is_loopback() { Outgoing::with_loopback() } else { Outgoing::default() };
    let Some(At { value, place }) = field.into_set() else { return usual };
    let allow = value.allow.into_set().map_or(usual.allow, |set| {
        if set.value.len() > NETWORKS_MAX {
            cx.fault(&set.place, Problem::TooMany { what: "networks", most: NETWORKS_MAX });
        }
        set.value.iter().map(|network| network.value.0).collect()
    });
    let no_proxy = value.no_proxy.into_set();
    let proxy = value.proxy_url.into_set();
    if proxy.is_none() && no_proxy.is_some() {
        cx.fault(&place, Problem::Missing { key: "proxy_url" });
    }
    let target = proxy.and_then(|proxy| cx.keep(&proxy.place, Target::parse(&proxy.value.0)));
    let proxy = target.map(|target| {
        let no_proxy = no_proxy.map(|text| NoProxy::parse(&text.value.0)).unwrap_or_default();
        Arc::new(Proxy { no_proxy, ..Proxy::new(target, NamedBy::Operator) })
    });
    Outgoing { allow, proxy }
}
