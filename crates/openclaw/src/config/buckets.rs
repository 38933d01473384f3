//! How replicas share rate limits.

use super::problem::Problem;
use super::read::{At, Context, Field, NothingToSet, section};
use super::secret::SecretText;
use super::tls::{self, TlsSection};
use super::values::{Count, Text};
use openclaw_server::{RedisOptions, SharesOptions};

const REPLICAS_MAX: u32 = 1024;
const PREFIX_BYTES_MAX: usize = 64;

section! {
    /// How replicas share rate limits.
    BucketsSection {
        /// Not at all.
        in_process: NothingToSet,
        /// Through Redis, which also says who the replicas are.
        redis: RedisSection,
    }
}

section! {
    /// A Redis that all replicas reach.
    RedisSection {
        /// `redis://HOST[:PORT][/DATABASE]`, or `rediss://…` for TLS.
        url: Text,
        /// A user of its ACL. Default: the default one.
        user: Text,
        /// The user's password.
        password: SecretText,
        /// With `rediss://`: how the server is known, and how we are known to it.
        tls: TlsSection,
        /// What all names in Redis start with; each group of replicas has its own. Default `openclaw`.
        prefix: Text,
        /// How many replicas there are, for as long as Redis has not been reached since the start. Default 1: then this replica takes every limit for its own alone.
        replicas: Count,
    }
}

/// How limits are shared; nothing where they are not.
pub(super) fn checked(buckets: BucketsSection, cx: &mut Context<'_>) -> Option<SharesOptions> {
    let At { value: redis, place } = buckets.redis.into_set()?;
    let url = redis.url.required("url", &place, cx);
    let has_tls = redis.tls.as_set().map(|tls| tls.place.clone());
    let tls = tls::checked(redis.tls, cx).map(|tls| tls.value);
    let prefix = prefix(redis.prefix, cx);
    let replicas = replicas(redis.replicas, cx);
    let url = url?;
    let address = cx.keep(&url.place, Address::parse(&url.value.0))?;
    if let Some(place) = has_tls.filter(|_| !address.is_tls) {
        cx.fault(&place, Problem::RedisTlsWithoutTls);
    }
    Some(SharesOptions {
        redis: RedisOptions {
            host: address.host,
            port: address.port,
            tls: address.is_tls.then(|| tls.unwrap_or_default()),
            user: redis.user.into_value().map(|user| user.0),
            password: redis.password.into_value().map(|password| password.0),
            database: address.database,
        },
        prefix,
        replicas,
    })
}

/// Braces would be read by a cluster.
fn prefix(field: Field<Text>, cx: &mut Context<'_>) -> String {
    let Some(At { value: Text(prefix), place }) = field.into_set() else { return "openclaw".to_owned() };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if prefix.len() > PREFIX_BYTES_MAX || !prefix.bytes().all(is_plain) {
        cx.fault(&place, Problem::RedisPrefix { prefix: prefix.escape_debug().to_string() });
    }
    prefix
}

fn replicas(field: Field<Count>, cx: &mut Context<'_>) -> u32 {
    let Some(At { value: Count(count), place }) = field.into_set() else { return 1 };
    let in_bounds = u32::try_from(count).ok().filter(|count| (1..=REPLICAS_MAX).contains(count));
    in_bounds.unwrap_or_else(|| {
        let (least, most) = ("1".to_owned(), REPLICAS_MAX.to_string());
        cx.fault(&place, Problem::OutOfRange { key: "replicas", least, most });
        1
    })
}

#[derive(Debug, PartialEq, Eq)]
struct Address {
    is_tls: bool,
    host: String,
    port: u16,
    database: u32,
}

impl Address {
    fn parse(url: &str) -> Result<Self, Problem> {
        let (is_tls, rest) = match (url.strip_prefix("redis://"), url.strip_prefix("rediss://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(Problem::RedisUrl),
        };
        if rest.contains('@') {
            return Err(Problem::RedisUrlWithPassword);
        }
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let database = if database.is_empty() { Some(0) } else { database.parse().ok() };
        let authority: http::uri::Authority = authority.parse().map_err(|_| Problem::RedisUrl)?;
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => Some(6379),
            _ => authority.port_u16(),
        };
        // An address of IPv6 is in brackets here, and only here.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let (Some(port), Some(database), false) = (port, database, host.is_empty()) else {
            return Err(Problem::RedisUrl);
        };
        Ok(Self { is_tls, host, port, database })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let address = |url| {
            let Address { is_tls, host, port, database } = Address::parse(url).unwrap();
            format!("{is_tls} {host} {port} {database}")
        };
        assert_eq!(address("redis://cache"), "false cache 6379 0");
        assert_eq!(address("rediss://cache.internal:6380/2"), "true cache.internal 6380 2");
        assert_eq!(address("redis://[::1]:7000/"), "false ::1 7000 0");
        for wrong in [
            "cache:6379",
            "http://cache",
            "redis://",
            "redis://cache:x",
            "redis://cache/x",
            "redis://cache:99999",
        ] {
            assert!(matches!(Address::parse(wrong), Err(Problem::RedisUrl)), "{wrong}");
        }
        let with_password = Address::parse("redis://:s3cret@cache");
        assert!(matches!(with_password, Err(Problem::RedisUrlWithPassword)));
    }
}
