//! A receiver's own proxy.

use super::fault::Place;
use super::problem::Problem;
use super::read::{At, Context, Field, Named};
use super::secret::SecretText;
use super::values::{Flag, Text};
use openclaw_delivery::{NamedBy, NoProxy, Proxy, Secret, Target, proxy_header};

const HEADERS_MAX: usize = 64;

/// The keys of `http_config` that speak of it.
pub(super) struct ProxyFields {
    pub(super) url: Field<SecretText>,
    pub(super) no_proxy: Field<Text>,
    pub(super) from_environment: Field<Flag>,
    pub(super) connect_header: Field<Named<Vec<At<SecretText>>>>,
}

pub(super) fn checked(fields: ProxyFields, section: &Place, cx: &mut Context<'_>) -> Option<Proxy> {
    let from_environment = fields.from_environment.into_value().is_some_and(|flag| flag.0);
    let (url, no_proxy) = (fields.url.into_set(), fields.no_proxy.into_set());
    if from_environment && (url.is_some() || no_proxy.is_some()) {
        cx.fault(section, Problem::Exclusive { keys: vec!["proxy_from_environment", "proxy_url"] });
        return None;
    }
    if let Some(set) = no_proxy.as_ref().filter(|_| url.is_none()) {
        cx.fault(&set.place, Problem::WithoutProxy { key: "no_proxy" });
    }
    let proxy = if from_environment {
        environments(section, cx)
    } else {
        url.and_then(|url| own(&url, no_proxy, cx))
    };
    let connect_header = fields.connect_header.into_set();
    if let Some(set) = connect_header.as_ref().filter(|_| proxy.is_none()) {
        cx.fault(&set.place, Problem::WithoutProxy { key: "proxy_connect_header" });
    }
    let mut proxy = proxy?;
    for (name, values) in connect_header.map(|set| set.value.0).unwrap_or_default() {
        for value in values {
            proxy.connect_headers.extend(cx.keep(&name.place, proxy_header(&name.value, &value.value.0)));
        }
    }
    if proxy.connect_headers.len() > HEADERS_MAX {
        cx.fault(section, Problem::TooMany { what: "headers", most: HEADERS_MAX });
    }
    Some(proxy)
}

fn own(url: &At<SecretText>, no_proxy: Option<At<Text>>, cx: &mut Context<'_>) -> Option<Proxy> {
    let target = cx.keep(&url.place, Target::parse(&url.value.0))?;
    let no_proxy = no_proxy.map(|text| NoProxy::parse(&text.value.0)).unwrap_or_default();
    Some(Proxy { no_proxy, ..Proxy::new(target, NamedBy::Tenant) })
}

/// The operator's word, since the environment is the service's.
fn environments(section: &Place, cx: &mut Context<'_>) -> Option<Proxy> {
    let [http, https, no_proxy] = cx.environment.proxies().map(|text| text.map(str::to_owned));
    let mut target = |text: Option<String>| cx.keep(section, Target::parse(&Secret::new(text?)));
    let (http, https) = (target(http), target(https));
    let no_proxy = NoProxy::parse(&no_proxy.unwrap_or_default());
    Some(Proxy { http, https, no_proxy, connect_headers: Vec::new(), named_by: NamedBy::Operator })
}
