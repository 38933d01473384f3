//! How a receiver's server is spoken to: Alertmanager's `http_config`.

use super::problem::Problem;
use super::proxy::{self, ProxyFields};
use super::read::{At, Context, Field, Later, Named, section};
use super::secret::{SecretText, either};
use super::tls::{self, TlsSection};
use super::values::{Flag, Text};
use openclaw_delivery::{HttpConfig, Secret};

section! {
    /// How a server is spoken to. At most one of `basic_auth`, `authorization`, `bearer_token` and `bearer_token_file`.
    HttpSection {
        /// A user and a password.
        basic_auth: BasicAuthSection,
        /// The `Authorization` header.
        authorization: AuthorizationSection,
        /// A bearer token; `authorization` says the same.
        bearer_token: SecretText,
        /// The file of a bearer token.
        bearer_token_file: Text,
        /// Headers by name.
        http_headers: Named<HeaderSection>,
        /// Redirects are never followed, so that no server leads messages elsewhere: only `false` can be said.
        follow_redirects: Flag,
        /// Taken and without effect: HTTP/1.1 is spoken.
        enable_http2: Flag,
        /// How the server is known, and how we are known to it.
        tls_config: TlsSection,
        /// A proxy, `http://` or `https://`, in place of the operator's; kept as a secret.
        proxy_url: SecretText,
        /// Names, addresses and networks that are reached without the proxy, with commas.
        no_proxy: Text,
        /// The service's own `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in place of `proxy_url`. Default `false`.
        proxy_from_environment: Flag,
        /// Headers for the proxy, with each tunnel.
        proxy_connect_header: Named<Vec<At<SecretText>>>,
        #[schemars(skip)]
        oauth2: Later,
    }
}

section! {
    /// A user and a password.
    BasicAuthSection {
        /// The user.
        username: SecretText,
        /// The file of the user's name.
        username_file: Text,
        /// The password.
        password: SecretText,
        /// The file of the password.
        password_file: Text,
    }
}

section! {
    /// The `Authorization` header.
    AuthorizationSection {
        /// The scheme. Default `Bearer`.
        r#type as "type": Text,
        /// What follows the scheme.
        credentials: SecretText,
        /// The file of what follows the scheme.
        credentials_file: Text,
    }
}

section! {
    /// The values of a header.
    HeaderSection {
        /// Values that anyone may see.
        values: Vec<At<SecretText>>,
        /// Values that are secret.
        secrets: Vec<At<SecretText>>,
        /// Files of values.
        files: Vec<At<Text>>,
    }
}

pub(super) fn checked(field: Field<HttpSection>, cx: &mut Context<'_>) -> HttpConfig {
    let mut config = HttpConfig::default();
    let Some(At { value, place }) = field.into_set() else { return config };
    if let Some(set) = value.follow_redirects.as_set().filter(|set| set.value.0) {
        cx.fault(&set.place, Problem::Redirects);
    }
    if let Some(tls) = tls::checked(value.tls_config, cx) {
        let set = config.set_tls(tls.value);
        cx.keep(&tls.place, set);
    }
    let proxy = ProxyFields {
        url: value.proxy_url,
        no_proxy: value.no_proxy,
        from_environment: value.proxy_from_environment,
        connect_header: value.proxy_connect_header,
    };
    if let Some(proxy) = proxy::checked(proxy, &place, cx) {
        config.set_proxy(proxy);
    }
    let bearer =
        either(["bearer_token", "bearer_token_file"], value.bearer_token, value.bearer_token_file, cx);
    let authorization = value.authorization.into_set();
    let basic = value.basic_auth.into_set();
    if [bearer.is_some(), authorization.is_some(), basic.is_some()].into_iter().filter(|set| *set).count() > 1
    {
        let keys = vec!["basic_auth", "authorization", "bearer_token"];
        cx.fault(&place, Problem::Exclusive { keys });
        return config;
    }
    if let Some(token) = bearer {
        let set = config.set_authorization("Bearer", &token.value.0);
        cx.keep(&token.place, set);
    }
    if let Some(section) = authorization {
        authorize(section, &mut config, cx);
    }
    if let Some(section) = basic {
        basic_auth(section, &mut config, cx);
    }
    for (name, header) in value.http_headers.into_value().map(|named| named.0).unwrap_or_default() {
        add_header(&name, header, &mut config, cx);
    }
    config
}

fn authorize(section: At<AuthorizationSection>, config: &mut HttpConfig, cx: &mut Context<'_>) {
    let At { value, place } = section;
    let scheme = value.r#type.into_value().map_or_else(|| "Bearer".to_owned(), |text| text.0);
    let keys = ["credentials", "credentials_file"];
    if value.credentials.is_absent() && value.credentials_file.is_absent() {
        cx.fault(&place, Problem::OneNeeded { keys: keys.to_vec() });
    }
    if let Some(credentials) = either(keys, value.credentials, value.credentials_file, cx) {
        let set = config.set_authorization(&scheme, &credentials.value.0);
        cx.keep(&credentials.place, set);
    }
}

fn basic_auth(section: At<BasicAuthSection>, config: &mut HttpConfig, cx: &mut Context<'_>) {
    let At { value, place } = section;
    let user = either(["username", "username_file"], value.username, value.username_file, cx);
    let password = either(["password", "password_file"], value.password, value.password_file, cx);
    let user = user.map_or_else(String::new, |user| user.value.0.expose().to_owned());
    let password = password.map_or_else(|| Secret::new(String::new()), |password| password.value.0);
    let set = config.set_basic_auth(&user, &password);
    cx.keep(&place, set);
}

fn add_header(name: &At<String>, header: HeaderSection, config: &mut HttpConfig, cx: &mut Context<'_>) {
    let plain = header.values.into_value().unwrap_or_default();
    let secret = header.secrets.into_value().unwrap_or_default();
    let files = header.files.into_value().unwrap_or_default();
    let fetched =
        files.into_iter().filter_map(|file| either(["values", "files"], Field::Absent, Field::Set(file), cx));
    let fetched: Vec<_> = fetched.collect();
    for value in plain.into_iter().chain(secret).chain(fetched) {
        let added = config.add_header(&name.value, &value.value.0);
        cx.keep(&name.place, added);
    }
}
