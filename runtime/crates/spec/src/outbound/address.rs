//! What kind of address an address is.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What lies behind an address, by the ranges that the registries have set apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// The internet.
    Public,
    /// This machine.
    Loopback,
    /// A network of one's own: `10/8`, `172.16/12`, `192.168/16`.
    Private,
    /// The next cable: `169.254/16`, `fe80::/10`.
    LinkLocal,
    /// Behind a carrier's translation: `100.64/10`.
    Shared,
    /// IPv6's networks of one's own: `fc00::/7`, and the old `fec0::/10`.
    UniqueLocal,
    /// Many at once.
    Multicast,
    /// A cloud's metadata service, which hands out credentials.
    Metadata,
    /// No host at all: `0/8`, broadcast, documentation, benchmarks, what is reserved.
    Reserved,
}

/// Services that hand out a machine's credentials: AWS, Google, Azure and others; ECS; Alibaba; Oracle; Azure's wire server.
const METADATA_V4: [Ipv4Addr; 5] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// The same by IPv6: AWS, Google.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

impl AddressKind {
    /// The kind of an address. One that carries another within itself (mapped, translated, tunnelled) is what it carries.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => v4(address),
            IpAddr::V6(address) => carried(address).map_or_else(|| v6(address), v4),
        }
    }
}

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Loopback => "an address of this machine",
            Self::Private => "an address of a private network",
            Self::LinkLocal => "a link-local address",
            Self::Shared => "an address behind a carrier's translation",
            Self::UniqueLocal => "a unique local address",
            Self::Multicast => "a multicast address",
            Self::Metadata => "the address of a metadata service",
            Self::Reserved => "a reserved address",
        })
    }
}

fn v4(address: Ipv4Addr) -> AddressKind {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        _ if METADATA_V4.contains(&address) => AddressKind::Metadata,
        (127, ..) => AddressKind::Loopback,
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => AddressKind::Private,
        (169, 254, _) => AddressKind::LinkLocal,
        (100, 64..=127, _) => AddressKind::Shared,
        (224..=239, ..) => AddressKind::Multicast,
        // "This network", protocol assignments, documentation, 6to4's relays, benchmarks, the future.
        (0, ..)
        | (192, 0, 0 | 2)
        | (192, 88, 99)
        | (198, 18..=19, _)
        | (198, 51, 100)
        | (203, 0, 113)
        | (240.., ..) => AddressKind::Reserved,
        _ => AddressKind::Public,
    }
}

fn v6(address: Ipv6Addr) -> AddressKind {
    let [first, second, ..] = address.segments();
    match first {
        _ if METADATA_V6.contains(&address) => AddressKind::Metadata,
        _ if address.is_loopback() => AddressKind::Loopback,
        0xfc00..=0xfdff | 0xfec0..=0xfeff => AddressKind::UniqueLocal,
        0xfe80..=0xfebf => AddressKind::LinkLocal,
        0xff00.. => AddressKind::Multicast,
        // Documentation, and protocol assignments: Teredo, benchmarks, ORCHID.
        0x2001 if second == 0xdb8 || second < 0x200 => AddressKind::Reserved,
        0x3fff if second < 0x1000 => AddressKind::Reserved,
        // All that is handed out so far.
        0x2000..=0x3fff => AddressKind::Public,
        _ => AddressKind::Reserved,
    }
}

/// The IPv4 address that an IPv6 address stands for: NAT64 (`64:ff9b::/96`), 6to4 (`2002::/16`), and the old compatible form.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let joined = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match (a, b) {
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => Some(joined(g, h)),
        (0x2002, _) => Some(joined(b, c)),
        (0, 0) if [c, d, e, f] == [0; 4] && !address.is_loopback() && !address.is_unspecified() => Some(joined(g, h)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_that_is_not_the_internet_is_known() {
        use AddressKind as K;
        let kinds = [
            (
                K::Public,
                &["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.255.255", "2606:4700::1111", "64:ff9b::1.1.1.1"][..],
            ),
            (
                K::Loopback,
                &["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"],
            ),
            (
                K::Private,
                &["10.0.0.0", "172.16.0.1", "172.31.255.255", "192.168.1.1", "::ffff:192.168.1.1", "::10.0.0.1"],
            ),
            (K::LinkLocal, &["169.254.1.1", "fe80::1", "febf::1"]),
            (K::Shared, &["100.64.0.1", "100.127.255.255"]),
            (K::UniqueLocal, &["fc00::1", "fdff::1", "fec0::1"]),
            (K::Multicast, &["224.0.0.1", "239.255.255.255", "ff02::1"]),
            (
                K::Metadata,
                &["169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "::ffff:169.254.169.254"],
            ),
            (
                K::Reserved,
                &["0.0.0.0", "0.1.2.3", "192.0.2.1", "198.18.0.1", "255.255.255.255", "240.0.0.1", "::", "100::1"],
            ),
            (K::Reserved, &["2001:db8::1", "2001::1", "3fff::1", "64:ff9b:1::1", "4000::1"]),
        ];
        for (kind, addresses) in kinds {
            for address in addresses {
                assert_eq!(AddressKind::of(address.parse().unwrap()), kind, "{address}");
            }
        }
    }
}
