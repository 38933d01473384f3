//! Keeps tenants' messages out of networks that are not theirs to reach.

use super::address::{Rule, embedded, rule};
use super::network::Network;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// What the operator lets tenants reach beyond the public Internet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    allow: Arc<[Network]>,
}

/// An address that a tenant must not reach. Says by which rule and not which
/// address it is: what a name leads to inside is not the tenant's to learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{rule} is refused: the operator can list its network in `outgoing.allow`")]
pub(crate) struct Refused {
    rule: Rule,
}

/// A name that gave nothing to connect to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the name can't be resolved: {0}")]
    Unknown(#[from] std::io::Error),
    #[error("the name has no address")]
    Empty,
}

impl Guard {
    pub(crate) fn new(allow: &[Network]) -> Self {
        Self { allow: allow.into() }
    }

    /// For what the operator named.
    pub(crate) fn open() -> Self {
        Self::new(&Network::ALL)
    }

    /// Whether a connection to `address` may be made.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Refused> {
        match rule(address) {
            Some(rule) if !self.is_allowed(address) => Err(Refused { rule }),
            _ => Ok(()),
        }
    }

    /// As written, or by the addresses within it.
    fn is_allowed(&self, address: IpAddr) -> bool {
        let listed = |address: IpAddr| self.allow.iter().any(|network| network.contains(address));
        let inner = match address {
            IpAddr::V4(_) => Vec::new(),
            IpAddr::V6(address) => embedded(address),
        };
        listed(address)
            || (!inner.is_empty()
                && inner.into_iter().all(|inner| listed(inner.into()) || rule(inner.into()).is_none()))
    }

    /// What a host says without being looked up: an address in any of the forms
    /// that resolvers read as one, or this machine's own name.
    pub(crate) fn check_host(&self, host: &str) -> Result<(), Refused> {
        let name = host.strip_suffix('.').unwrap_or(host);
        let lower = name.to_ascii_lowercase();
        if lower == "localhost" || lower.ends_with(".localhost") {
            return self.check(Ipv4Addr::LOCALHOST.into());
        }
        match literal(&lower) {
            Literal::Address(address) => self.check(address),
            Literal::None => Ok(()),
            Literal::Odd => Err(Refused { rule: Rule::Odd }),
        }
    }

    /// The addresses of a name that may be connected to.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        let plain = host.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<SocketAddr> = tokio::net::lookup_host((plain, port)).await?.collect();
        self.filter(found)
    }

    fn filter(&self, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ResolveError> {
        let mut last = ResolveError::Empty;
        let mut passed = Vec::new();
        for address in found {
            match self.check(address.ip()) {
                Ok(()) => passed.push(address),
                Err(refused) => last = refused.into(),
            }
        }
        if passed.is_empty() { Err(last) } else { Ok(passed) }
    }
}

enum Literal {
    Address(IpAddr),
    /// A name.
    None,
    /// Neither: what one program would take for a name, another for an address.
    Odd,
}

fn literal(host: &str) -> Literal {
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']').and_then(|inner| inner.parse().ok());
        return address.map_or(Literal::Odd, Literal::Address);
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_plain) {
        return Literal::Odd;
    }
    let last = host.rsplit('.').next().unwrap_or(host);
    let is_digits = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits && number(last).is_none() {
        return Literal::None;
    }
    c_address(host).map_or(Literal::Odd, |address| Literal::Address(address.into()))
}

/// As C's `inet_aton` reads it: one to four numbers, decimal, octal or
/// hexadecimal, the last of which fills what is left.
fn c_address(host: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 32 - 8 * leading.len() as u32;
    if last.checked_shr(room).unwrap_or(0) != 0 {
        return None;
    }
    let high = leading.iter().enumerate().map(|(index, part)| part << (24 - 8 * index)).sum::<u32>();
    Some(Ipv4Addr::from_bits(high | last))
}

fn number(text: &str) -> Option<u32> {
    let is_empty_or_signed = |digits: &str| digits.is_empty() || digits.starts_with(['+', '-']);
    let (digits, radix) = match text.strip_prefix("0x") {
        Some("") => return Some(0),
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    if is_empty_or_signed(digits) { None } else { u32::from_str_radix(digits, radix).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn guard(allow: &[&str]) -> Guard {
        Guard::new(&allow.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn odd_forms_of_an_address_are_that_address() {
        let closed = Guard::default();
        for (host, want) in [
            ("127.0.0.1", "a loopback address"),
            ("127.1", "a loopback address"),
            ("0x7f.1", "a loopback address"),
            ("0X7F.0.0.1", "a loopback address"),
            ("2130706433", "a loopback address"),
            ("017700000001", "a loopback address"),
            ("0177.0.0.01", "a loopback address"),
            ("0x7f000001", "a loopback address"),
            ("127.0.0.1.", "a loopback address"),
            ("10.65535", "a private address"),
            ("192.168.1", "a private address"),
            ("0", "the unspecified address"),
            ("0x", "the unspecified address"),
            ("[::ffff:10.0.0.1]", "a private address"),
            ("[::]", "the unspecified address"),
            ("[::1]", "a loopback address"),
            ("169.254.169.254", "a link-local address"),
            ("localhost", "a loopback address"),
            ("LocalHost.", "a loopback address"),
            ("a.localhost", "a loopback address"),
            ("[fe80::1%25eth0]", "no proper host"),
            ("[::1", "no proper host"),
            ("1.2.3.4.5", "no proper host"),
            ("256.1.1.1", "no proper host"),
            ("10.0.0.08", "no proper host"),
            ("4294967296", "no proper host"),
            ("%31%30.0.0.1", "no proper host"),
            ("", "no proper host"),
        ] {
            let refused = closed.check_host(host).expect_err(host);
            assert!(refused.to_string().starts_with(want), "{host}: {refused}");
            assert!(refused.to_string().contains("`outgoing.allow`"));
        }
        for host in
            ["8.8.8.8", "hooks.slack.example", "1e100.net", "0x7f.example", "a.b-c.1a", "[2606:4700::1111]"]
        {
            assert_eq!(closed.check_host(host), Ok(()), "{host}");
        }
    }

    #[test]
    fn what_the_operator_lists_is_reachable_and_nothing_beside_it() {
        let guard = guard(&["10.1.0.0/16", "fd00::/8"]);
        for (host, allowed) in [
            ("10.1.2.3", true),
            ("[::ffff:10.1.2.3]", true),
            ("[64:ff9b::10.1.2.3]", true),
            ("[2002:a01:203::1]", true),
            ("10.2.2.3", false),
            ("[::ffff:10.2.2.3]", false),
            ("[fd12::1]", true),
            ("[fc12::1]", false),
            ("127.0.0.1", false),
            ("localhost", false),
        ] {
            assert_eq!(guard.check_host(host).is_ok(), allowed, "{host}");
        }
        assert!(Guard::open().check("169.254.169.254".parse().unwrap()).is_ok());
    }

    #[test]
    fn of_many_addresses_only_the_public_ones_are_left() {
        let at = |text: &str| SocketAddr::new(text.parse().unwrap(), 443);
        let mixed = ["10.0.0.1", "8.8.8.8", "::1", "2606:4700::1111"].map(at).to_vec();
        let left = Guard::default().filter(mixed).unwrap();
        assert_eq!(left, ["8.8.8.8", "2606:4700::1111"].map(at));
        let none = Guard::default().filter(vec![at("10.0.0.1"), at("127.0.0.1")]);
        assert!(matches!(none, Err(ResolveError::Refused(_))));
        assert!(matches!(Guard::default().filter(Vec::new()), Err(ResolveError::Empty)));
    }

    #[tokio::test]
    async fn names_are_filtered_after_they_are_looked_up() {
        let error = Guard::default().resolve("localhost", 80).await.unwrap_err();
        assert!(matches!(error, ResolveError::Refused(_)), "{error}");
        assert!(!Guard::open().resolve("localhost", 80).await.unwrap().is_empty());
        // The system's own reading of the forms that `check_host` knows.
        for host in ["0x7f.1", "2130706433", "017700000001", "127.1"] {
            let found = Guard::open().resolve(host, 80).await.unwrap();
            assert!(found.iter().all(|address| address.ip().is_loopback()), "{host}: {found:?}");
        }
    }

    proptest! {
        #[test]
        fn any_way_to_write_an_address_is_read(bits: u32, parts in 1_usize..=4, radixes: [u8; 4]) {
            // Written as `inet_aton` wants it, from the address itself.
            let octets = Ipv4Addr::from_bits(bits).octets();
            let rest = bits & u32::MAX.checked_shr(8 * (parts as u32 - 1)).unwrap_or(0);
            let leading = octets[..parts - 1].iter().map(|octet| u32::from(*octet));
            let write = |(value, radix): (u32, u8)| match radix % 3 {
                0 => format!("{value}"),
                1 => format!("0{value:o}"),
                _ => format!("0x{value:x}"),
            };
            let text: Vec<String> = leading.chain([rest]).zip(radixes).map(write).collect();
            prop_assert_eq!(c_address(&text.join(".")), Some(Ipv4Addr::from_bits(bits)));
        }
    }
}
