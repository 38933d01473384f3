//! Which addresses are not of the public Internet, and why.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is none to send a tenant's messages to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    Unspecified,
    Loopback,
    Private,
    LinkLocal,
    SharedByProvider,
    Multicast,
    Documentation,
    Benchmark,
    Reserved,
    /// Public by its number, and the cloud's own beside each machine in it.
    Platform,
    /// No name and no address that a resolver and a proxy would read alike.
    Odd,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "the unspecified address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::SharedByProvider => "an address shared behind a provider's NAT",
            Self::Multicast => "a multicast address",
            Self::Documentation => "an address for documentation",
            Self::Benchmark => "an address for benchmarks",
            Self::Reserved => "a reserved address",
            Self::Platform => "an address of the cloud's own platform",
            Self::Odd => "no proper host",
        })
    }
}

type Block<A> = (A, u8, Rule);

const V4: [Block<Ipv4Addr>; 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, Rule::Unspecified),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Rule::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Rule::SharedByProvider),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Rule::Loopback),
    // Azure's: guest agent, health probes and name service of every machine.
    (Ipv4Addr::new(168, 63, 129, 16), 32, Rule::Platform),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Rule::LinkLocal),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Rule::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Rule::Reserved),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Rule::Documentation),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Rule::Reserved),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Rule::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Rule::Benchmark),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Rule::Documentation),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Rule::Documentation),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Rule::Multicast),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Rule::Reserved),
    (Ipv4Addr::BROADCAST, 32, Rule::Reserved),
];

/// What is not `2000::/3` is no address of the Internet at all; these say more,
/// or stand within it.
const V6: [Block<Ipv6Addr>; 10] = [
    (Ipv6Addr::UNSPECIFIED, 128, Rule::Unspecified),
    (Ipv6Addr::LOCALHOST, 128, Rule::Loopback),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Rule::Private),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, Rule::Private),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Rule::LinkLocal),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Rule::Multicast),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Rule::Private),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Rule::Documentation),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Rule::Documentation),
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48, Rule::Benchmark),
];

/// Why it is refused; `None` for an address of the public Internet.
pub(crate) fn rule(address: IpAddr) -> Option<Rule> {
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

fn v4(address: Ipv4Addr) -> Option<Rule> {
    let is_of = |(base, bits, _): &&Block<Ipv4Addr>| (base.to_bits() ^ address.to_bits()) >> (32 - bits) == 0;
    V4.iter().find(is_of).map(|(.., rule)| *rule)
}

fn v6(address: Ipv6Addr) -> Option<Rule> {
    let is_of =
        |(base, bits, _): &&Block<Ipv6Addr>| (base.to_bits() ^ address.to_bits()) >> (128 - bits) == 0;
    if let Some((.., rule)) = V6.iter().find(is_of) {
        return Some(*rule);
    }
    let inner = embedded(address);
    if inner.is_empty() && address.segments()[0] & 0xe000 != 0x2000 {
        return Some(Rule::Reserved);
    }
    inner.into_iter().find_map(v4)
}

/// IPv4 addresses that packets to this one may end at.
pub(crate) fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = address.segments();
    let pair = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match [a, b, c, d, e, f] {
        // Compatible and mapped.
        [0, 0, 0, 0, 0, 0 | 0xffff] => vec![pair(high, low)],
        // Translated, NAT64.
        [0, 0, 0, 0, 0xffff, 0] | [0x64, 0xff9b, 0, 0, 0, 0] => vec![pair(high, low)],
        // 6to4.
        [0x2002, ..] => vec![pair(b, c)],
        // Teredo: its server, and its client with each bit turned.
        [0x2001, 0, ..] => vec![pair(c, d), pair(!high, !low)],
        // ISATAP.
        [.., 0 | 0x200, 0x5efe] => vec![pair(high, low)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, want: Option<Rule>) {
        assert_eq!(rule(text.parse().unwrap()), want, "{text}");
    }

    #[test]
    fn the_ends_of_each_range() {
        for (first, last, before, after, want) in [
            ("0.0.0.0", "0.255.255.255", None, Some("1.0.0.0"), Rule::Unspecified),
            ("10.0.0.0", "10.255.255.255", Some("9.255.255.255"), Some("11.0.0.0"), Rule::Private),
            (
                "100.64.0.0",
                "100.127.255.255",
                Some("100.63.255.255"),
                Some("100.128.0.0"),
                Rule::SharedByProvider,
            ),
            ("127.0.0.0", "127.255.255.255", Some("126.255.255.255"), Some("128.0.0.0"), Rule::Loopback),
            ("169.254.0.0", "169.254.255.255", Some("169.253.255.255"), Some("169.255.0.0"), Rule::LinkLocal),
            ("172.16.0.0", "172.31.255.255", Some("172.15.255.255"), Some("172.32.0.0"), Rule::Private),
            ("192.168.0.0", "192.168.255.255", Some("192.167.255.255"), Some("192.169.0.0"), Rule::Private),
            ("198.18.0.0", "198.19.255.255", Some("198.17.255.255"), Some("198.20.0.0"), Rule::Benchmark),
            ("224.0.0.0", "239.255.255.255", Some("223.255.255.255"), None, Rule::Multicast),
            ("240.0.0.0", "255.255.255.255", None, None, Rule::Reserved),
            ("168.63.129.16", "168.63.129.16", Some("168.63.129.15"), Some("168.63.129.17"), Rule::Platform),
            ("fc00::", "fdff:ffff::", None, None, Rule::Private),
            ("fe80::", "febf:ffff::", None, None, Rule::LinkLocal),
            ("ff00::", "ffff::", None, None, Rule::Multicast),
            (
                "2001:db8::",
                "2001:db8:ffff::",
                Some("2001:db7:ffff::"),
                Some("2001:db9::"),
                Rule::Documentation,
            ),
        ] {
            check(first, Some(want));
            check(last, Some(want));
            [before, after].into_iter().flatten().for_each(|outside| check(outside, None));
        }
    }

    #[test]
    fn an_address_within_another() {
        for outer in [
            "::ffff:10.0.0.5",
            "::10.0.0.5",
            "64:ff9b::10.0.0.5",
            "2002:a00:5::1",
            "2001:0:a00:5::1",
            "2001:0:808:808:0:0:f5ff:fffa",
            "2a00::5efe:10.0.0.5",
            "::ffff:0:10.0.0.5",
        ] {
            check(outer, Some(Rule::Private));
        }
        check("::ffff:169.254.169.254", Some(Rule::LinkLocal));
        check("::ffff:168.63.129.16", Some(Rule::Platform));
        check("::ffff:8.8.8.8", None);
        check("64:ff9b::8.8.8.8", None);
        check("::1", Some(Rule::Loopback));
        check("::", Some(Rule::Unspecified));
        for text in ["2606:4700::1111", "2a00:1450:4001::8a", "8.8.8.8", "2001:4860:4860::8888"] {
            check(text, None);
        }
        for text in ["4000::1", "100::1", "5f00::1", "1::"] {
            check(text, Some(Rule::Reserved));
        }
    }

    proptest! {
        /// No way of writing an IPv4 address as another makes it reachable.
        #[test]
        fn refused_whatever_it_is_written_within(bits: u32) {
            let inner = Ipv4Addr::from_bits(bits);
            let [high, low] = [(bits >> 16) as u16, bits as u16];
            for outer in [
                inner.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 0x808, 0x808, 0, 0, !high, !low),
            ] {
                prop_assert_eq!(rule(outer.into()), rule(inner.into()), "{}", outer);
            }
            let ours = rule(inner.into()).is_some();
            let theirs = inner.is_private() || inner.is_loopback() || inner.is_link_local()
                || inner.is_multicast() || inner.is_broadcast() || inner.is_documentation() || inner.is_unspecified();
            prop_assert!(ours || !theirs, "the standard library knows more of {}", inner);
        }
    }
}
