//! Which addresses are the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// In a private network: allowed where the operator allows private networks.
    Private,
    /// In the range for benchmarks, which some proxies answer with.
    Benchmark,
    /// An IPv6 unique local address.
    UniqueLocal,
    /// This machine.
    Loopback,
    /// The service that hands a cloud machine its credentials. Never allowed with its network.
    Metadata,
    /// Nobody's address: multicast, reserved, for documentation. Never allowed.
    Special,
}

impl Refused {
    /// In words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Private => "an address of a private network",
            Self::Benchmark => "an address of the range for benchmarks",
            Self::UniqueLocal => "a unique local address",
            Self::Loopback => "this machine",
            Self::Metadata => "the metadata service of a cloud",
            Self::Special => "an address of nobody",
        }
    }
}

/// Why an address is not one of the public internet; nothing if it is.
///
/// An IPv6 address that stands for an IPv4 address is judged as that one.
pub fn judge(address: IpAddr) -> Option<Refused> {
    match address {
        IpAddr::V4(address) => judge_v4(address),
        IpAddr::V6(address) => judge_v6(address),
    }
}

/// A network: an address in it, and how many bits all its addresses share.
type Network<Address> = (Address, u32);

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const fn v6(first: u16, second: u16, third: u16) -> Ipv6Addr {
    Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0)
}

/// Clouds hand out credentials here.
const METADATA_V4: [Ipv4Addr; 4] =
    [v4(169, 254, 169, 254), v4(169, 254, 170, 2), v4(100, 100, 100, 200), v4(192, 0, 0, 192)];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

const LOCAL_V4: &[(Network<Ipv4Addr>, Refused)] = &[
    ((v4(127, 0, 0, 0), 8), Refused::Loopback),
    // Systems take it for themselves.
    ((v4(0, 0, 0, 0), 8), Refused::Loopback),
    ((v4(10, 0, 0, 0), 8), Refused::Private),
    ((v4(172, 16, 0, 0), 12), Refused::Private),
    ((v4(192, 168, 0, 0), 16), Refused::Private),
    // Shared by a carrier's customers.
    ((v4(100, 64, 0, 0), 10), Refused::Private),
    // Link-local.
    ((v4(169, 254, 0, 0), 16), Refused::Private),
    ((v4(198, 18, 0, 0), 15), Refused::Benchmark),
    // Protocols, documentation, an old relay, multicast, reserved.
    ((v4(192, 0, 0, 0), 24), Refused::Special),
    ((v4(192, 0, 2, 0), 24), Refused::Special),
    ((v4(192, 88, 99, 0), 24), Refused::Special),
    ((v4(198, 51, 100, 0), 24), Refused::Special),
    ((v4(203, 0, 113, 0), 24), Refused::Special),
    ((v4(224, 0, 0, 0), 3), Refused::Special),
];

const LOCAL_V6: &[(Network<Ipv6Addr>, Refused)] = &[
    // Link-local, and what was meant to be site-local.
    ((v6(0xfe80, 0, 0), 10), Refused::Private),
    ((v6(0xfec0, 0, 0), 10), Refused::Private),
    ((v6(0xfc00, 0, 0), 7), Refused::UniqueLocal),
    // A network's own translation into IPv4.
    ((v6(0x64, 0xff9b, 1), 48), Refused::Private),
    // Tunnels, benchmarks and identifiers, then documentation: inside the public range.
    ((v6(0x2001, 0, 0), 23), Refused::Special),
    ((v6(0x2001, 0xdb8, 0), 32), Refused::Special),
    ((v6(0x3fff, 0, 0), 20), Refused::Special),
];

/// All public addresses so far.
const PUBLIC_V6: Network<Ipv6Addr> = (v6(0x2000, 0, 0), 3);

fn judge_v4(address: Ipv4Addr) -> Option<Refused> {
    if METADATA_V4.contains(&address) {
        return Some(Refused::Metadata);
    }
    let within = |(network, bits): Network<Ipv4Addr>| {
        let mask = u32::MAX << (32 - bits);
        (u32::from(address) ^ u32::from(network)) & mask == 0
    };
    LOCAL_V4.iter().find(|(network, _)| within(*network)).map(|(_, refused)| *refused)
}

fn judge_v6(address: Ipv6Addr) -> Option<Refused> {
    if address == METADATA_V6 {
        return Some(Refused::Metadata);
    }
    if address == Ipv6Addr::LOCALHOST || address == Ipv6Addr::UNSPECIFIED {
        return Some(Refused::Loopback);
    }
    if let Some(plain) = plain_v4(address) {
        return judge_v4(plain);
    }
    let within = |(network, bits): Network<Ipv6Addr>| {
        let mask = u128::MAX << (128 - bits);
        (u128::from(address) ^ u128::from(network)) & mask == 0
    };
    let local = LOCAL_V6.iter().find(|(network, _)| within(*network)).map(|(_, refused)| *refused);
    local.or_else(|| (!within(PUBLIC_V6)).then_some(Refused::Special))
}

/// The IPv4 address that an IPv6 address stands for: mapped (both ways), compatible, translated on
/// the way, or tunnelled.
fn plain_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bytes = address.octets();
    let at = |start: usize| {
        let four: Option<[u8; 4]> = bytes.get(start..start + 4)?.try_into().ok();
        four.map(Ipv4Addr::from)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, _, _]
        | [0, 0, 0, 0, 0xffff, 0, _, _]
        | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => at(12),
        [0x2002, ..] => at(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Option<Refused> {
        judge(text.parse().unwrap())
    }

    #[test]
    fn known_addresses_are_judged() {
        for (text, expected) in [
            ("1.1.1.1", None),
            ("93.184.216.34", None),
            ("172.15.255.255", None),
            ("172.32.0.1", None),
            ("100.63.255.255", None),
            ("2606:4700::1111", None),
            ("2a00:1450:4001::200e", None),
            ("127.0.0.1", Some(Refused::Loopback)),
            ("127.255.0.9", Some(Refused::Loopback)),
            ("0.0.0.0", Some(Refused::Loopback)),
            ("10.1.2.3", Some(Refused::Private)),
            ("172.16.0.1", Some(Refused::Private)),
            ("172.31.255.255", Some(Refused::Private)),
            ("192.168.1.1", Some(Refused::Private)),
            ("100.64.0.1", Some(Refused::Private)),
            ("100.127.255.255", Some(Refused::Private)),
            ("169.254.1.1", Some(Refused::Private)),
            ("169.254.169.254", Some(Refused::Metadata)),
            ("100.100.100.200", Some(Refused::Metadata)),
            ("fd00:ec2::254", Some(Refused::Metadata)),
            ("198.18.0.1", Some(Refused::Benchmark)),
            ("198.19.255.255", Some(Refused::Benchmark)),
            ("192.0.2.1", Some(Refused::Special)),
            ("224.0.0.1", Some(Refused::Special)),
            ("255.255.255.255", Some(Refused::Special)),
            ("::1", Some(Refused::Loopback)),
            ("::", Some(Refused::Loopback)),
            ("fe80::1", Some(Refused::Private)),
            ("fec0::1", Some(Refused::Private)),
            ("fc00::1", Some(Refused::UniqueLocal)),
            ("fdff::1", Some(Refused::UniqueLocal)),
            ("ff02::1", Some(Refused::Special)),
            ("2001:db8::1", Some(Refused::Special)),
            ("2001::1", Some(Refused::Special)),
            ("100::1", Some(Refused::Special)),
            ("4000::1", Some(Refused::Special)),
            ("::ffff:127.0.0.1", Some(Refused::Loopback)),
            ("::ffff:169.254.169.254", Some(Refused::Metadata)),
            ("::ffff:8.8.8.8", None),
            ("::127.0.0.1", Some(Refused::Loopback)),
            ("::2", Some(Refused::Loopback)),
            ("64:ff9b::10.0.0.1", Some(Refused::Private)),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b:1::1", Some(Refused::Private)),
            ("2002:7f00:1::", Some(Refused::Loopback)),
            ("2002:c0a8:101::", Some(Refused::Private)),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_address_in_other_clothes_is_the_same_address(bits: u32, rest: u16) {
            let v4 = Ipv4Addr::from(bits);
            let plain = judge(IpAddr::V4(v4));
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let clothes = [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, rest, rest, 0, 0, rest),
            ];
            for v6 in clothes {
                prop_assert_eq!(judge(IpAddr::V6(v6)), plain, "{}", v6);
            }
        }

        #[test]
        fn what_the_standard_library_calls_local_is_refused(bits: u32, wide: u128) {
            let v4 = Ipv4Addr::from(bits);
            if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified() {
                prop_assert!(judge(IpAddr::V4(v4)).is_some(), "{}", v4);
            }
            let v6 = Ipv6Addr::from(wide);
            if v6.is_loopback() || v6.is_multicast() || v6.is_unique_local() || v6.is_unicast_link_local() {
                prop_assert!(judge(IpAddr::V6(v6)).is_some(), "{}", v6);
            }
        }

        #[test]
        fn every_address_of_a_local_network_is_refused(low: u32, network in prop::sample::select(vec![
            ("10.0.0.0", 8u32), ("127.0.0.0", 8), ("172.16.0.0", 12), ("192.168.0.0", 16),
            ("169.254.0.0", 16), ("100.64.0.0", 10), ("224.0.0.0", 4), ("0.0.0.0", 8),
        ])) {
            let base = u32::from(network.0.parse::<Ipv4Addr>().unwrap());
            let address = Ipv4Addr::from(base | (low & (u32::MAX >> network.1)));
            prop_assert!(judge(IpAddr::V4(address)).is_some(), "{}", address);
        }
    }
}
