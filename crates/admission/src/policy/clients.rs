//! Clients by name, by how their names begin, and by address.

use core::net::IpAddr;
use std::collections::HashSet;

/// A list of clients.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClientList {
    names: HashSet<Box<[u8]>>,
    beginnings: Vec<Box<[u8]>>,
    networks: Vec<Network>,
}

/// Why a client can't be listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientPatternError {
    /// Nobody is called so.
    #[error("a client's name is 1 to 256 bytes long")]
    Length,
    /// `*` stands elsewhere.
    #[error("`{text}`: `*` stands for the rest of a name, so it must be its last character")]
    Star {
        /// As written.
        text: String,
    },
    /// More bits than an address has.
    #[error("`{text}`: the prefix of such a network is 0 to {most}")]
    Prefix {
        /// As written.
        text: String,
        /// An address's bits.
        most: u8,
    },
}

/// Addresses of which the first bits are the same; IPv4 mapped into IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    bits: u128,
    prefix: u32,
}

impl ClientList {
    /// Adds a name, a name's beginning (`bot-*`), an address or a network
    /// (`10.0.0.0/8`).
    ///
    /// # Errors
    /// Nothing is added.
    pub fn add(&mut self, text: &str) -> Result<(), ClientPatternError> {
        if text.is_empty() || text.len() > 256 {
            return Err(ClientPatternError::Length);
        }
        let (name, has_star) = text.strip_suffix('*').map_or((text, false), |name| (name, true));
        if name.contains('*') {
            return Err(ClientPatternError::Star { text: text.to_owned() });
        }
        match Network::parse(text)? {
            Some(network) => self.networks.push(network),
            None if has_star => self.beginnings.push(name.as_bytes().into()),
            None => _ = self.names.insert(name.as_bytes().into()),
        }
        Ok(())
    }

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.beginnings.is_empty() && self.networks.is_empty()
    }

    /// Whether a client is in it.
    #[must_use]
    pub fn holds(&self, client: &[u8]) -> bool {
        self.names.contains(client)
            || self.beginnings.iter().any(|beginning| client.starts_with(beginning))
            || (!self.networks.is_empty() && self.has_network_of(client))
    }

    fn has_network_of(&self, client: &[u8]) -> bool {
        let address = str::from_utf8(client).ok().and_then(|text| text.parse().ok());
        address.is_some_and(|address| self.networks.iter().any(|network| network.holds(bits(address))))
    }
}

impl Network {
    /// None where it is no address.
    fn parse(text: &str) -> Result<Option<Self>, ClientPatternError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(at, prefix)| (at, Some(prefix)));
        let Ok(address) = address.parse::<IpAddr>() else { return Ok(None) };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let read = |text: &str| text.parse().ok().filter(|prefix| *prefix <= most);
        let prefix = prefix.map_or(Some(most), read);
        let prefix = prefix.ok_or_else(|| ClientPatternError::Prefix { text: text.to_owned(), most })?;
        Ok(Some(Self { bits: bits(address), prefix: u32::from(prefix) + 128 - u32::from(most) }))
    }

    fn holds(self, bits: u128) -> bool {
        // A shift by all bits is none.
        (self.bits ^ bits).checked_shr(128 - self.prefix).unwrap_or(0) == 0
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
    .to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(patterns: &[&str]) -> ClientList {
        let mut list = ClientList::default();
        patterns.iter().for_each(|pattern| list.add(pattern).unwrap());
        list
    }

    #[test]
    fn names_beginnings_and_networks() {
        let list = list(&["alice", "bot-*", "10.1.0.0/16", "192.0.2.7", "2001:db8::/32", "a/b"]);
        for known in
            ["alice", "bot-", "bot-7", "10.1.255.255", "::ffff:10.1.2.3", "192.0.2.7", "2001:DB8::1", "a/b"]
        {
            assert!(list.holds(known.as_bytes()), "{known}");
        }
        for other in ["Alice", "alic", "bot", "10.2.0.0", "192.0.2.8", "2001:db9::1", "a", "", "10.1.0.0/16"]
        {
            assert!(!list.holds(other.as_bytes()), "{other}");
        }
        assert!(!list.holds(b"\xff\xfe"));
    }

    #[test]
    fn everyone_and_every_address() {
        assert!(list(&["*"]).holds(b"anybody"));
        let all = list(&["0.0.0.0/0"]);
        assert!(all.holds(b"203.0.113.9") && !all.holds(b"2001:db8::1") && !all.holds(b"bob"));
        assert!(list(&["::/0"]).holds(b"203.0.113.9"));
        assert!(!ClientList::default().holds(b""));
    }

    #[test]
    fn what_cannot_be_listed() {
        let error = |text: &str| ClientList::default().add(text).unwrap_err();
        assert_eq!(error(""), ClientPatternError::Length);
        assert_eq!(error(&"x".repeat(257)), ClientPatternError::Length);
        assert_eq!(error("a*b"), ClientPatternError::Star { text: "a*b".to_owned() });
        assert_eq!(
            error("10.0.0.0/33"),
            ClientPatternError::Prefix { text: "10.0.0.0/33".to_owned(), most: 32 }
        );
        assert_eq!(error("::/x"), ClientPatternError::Prefix { text: "::/x".to_owned(), most: 128 });
    }
}
