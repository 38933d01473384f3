//! A range of addresses, as operators write it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// An address with the number of its leading bits that count: `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Text that is no range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no network: write it as `10.0.0.0/8`, `fd00::/8` or a single address")]
pub struct NetworkError {
    /// As given, cut.
    pub text: String,
}

impl Network {
    /// Every address of IPv4 and of IPv6.
    pub(crate) const ALL: [Self; 2] = [
        Self { address: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), bits: 0 },
        Self { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), bits: 0 },
    ];
    /// This machine itself.
    pub(crate) const LOOPBACK: [Self; 2] = [
        Self { address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), bits: 8 },
        Self { address: IpAddr::V6(Ipv6Addr::LOCALHOST), bits: 128 },
    ];

    /// Whether `address` is of it. An IPv4 address is never of an IPv6 range.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, other, width) = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits().into(), other.to_bits().into(), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        let dropped: u32 = width - u32::from(self.bits);
        let differing: u128 = own ^ other;
        differing.checked_shr(dropped).unwrap_or(0) == 0
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let error = || NetworkError { text: text.chars().take(80).flat_map(char::escape_debug).collect() };
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, bits)| (a, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().map_err(|_| error())?
            }
            Some(_) => return Err(error()),
            None => width,
        };
        if bits > width { Err(error()) } else { Ok(Self { address, bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_operators_write() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32", "fd00::/8", "::/0", "::1/128"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert_eq!("10.1.2.3".parse::<Network>().unwrap().to_string(), "10.1.2.3/32");
        for text in
            ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "host/8", "10.0.0.0/8/8"]
        {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    /// Bit by bit, from the left.
    fn slow(a: &[u8], b: &[u8], bits: u8) -> bool {
        let bit = |bytes: &[u8], index: usize| bytes[index / 8] >> (7 - index % 8) & 1;
        (0..usize::from(bits)).all(|index| bit(a, index) == bit(b, index))
    }

    proptest! {
        #[test]
        fn contains_is_equal_leading_bits(own: [u8; 16], flip in 0_usize..128, bits in 0_u8..=128) {
            let mut other = own;
            other[flip / 8] ^= 1 << (7 - flip % 8);
            let network = Network { address: own.into(), bits };
            prop_assert!(network.contains(own.into()));
            prop_assert_eq!(network.contains(other.into()), slow(&own, &other, bits));
            let [v4, v4_other] = [own, other].map(|bytes| [bytes[0], bytes[1], bytes[2], bytes[3]]);
            let network = Network { address: v4.into(), bits: bits.min(32) };
            prop_assert_eq!(network.contains(v4_other.into()), slow(&v4, &v4_other, bits.min(32)));
            prop_assert!(!network.contains(own.into()));
        }
    }
}
