//! Which addresses are on the public internet.
//!
//! Source: IANA's registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890 and what came after); for the
//! forms of IPv6 that hold an IPv4 address RFC 4291 (mapped, compatible), 3056 (6to4), 4380 (Teredo), 5214 (ISATAP),
//! 6052 and 8215 (NAT64).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Why an address is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPublic {
    /// `0.0.0.0/8`, `::`.
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16`.
    Private,
    /// `fc00::/7`.
    UniqueLocal,
    /// `100.64.0.0/10`: a provider's own network.
    SharedAddress,
    /// `169.254.0.0/16`, `fe80::/10`; most clouds' metadata services are here.
    LinkLocal,
    /// A cloud's metadata service among addresses that look public.
    Metadata,
    /// `192.0.2.0/24` and its like.
    Documentation,
    /// `198.18.0.0/15`, `2001:2::/48`.
    Benchmarking,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// Set aside for other uses, or for none yet.
    Reserved,
}

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "an unspecified address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::UniqueLocal => "a unique local address",
            Self::SharedAddress => "an address of a provider's own network",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a cloud's metadata service",
            Self::Documentation => "an address of documentation",
            Self::Benchmarking => "an address of benchmarks",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Reserved => "a reserved address",
        })
    }
}

/// Whether an address is public; of an IPv6 address that holds an IPv4 address, whether that is.
///
/// # Errors
/// What it is instead.
pub fn judge(address: IpAddr) -> Result<(), NotPublic> {
    match address {
        IpAddr::V4(address) => judge_v4(address),
        IpAddr::V6(address) => judge_v6(address),
    }
}

fn judge_v4(address: Ipv4Addr) -> Result<(), NotPublic> {
    use NotPublic as N;
    Err(match address.octets() {
        [0, ..] => N::Unspecified,
        [10, ..] | [172, 16..32, ..] | [192, 168, ..] => N::Private,
        [100, 64..128, ..] => N::SharedAddress,
        [127, ..] => N::Loopback,
        [169, 254, ..] => N::LinkLocal,
        [168, 63, 129, 16] => N::Metadata, // Azure's, the same in every network
        [192, 0, 0, _] | [192, 88, 99, _] => N::Reserved,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => N::Documentation,
        [198, 18 | 19, ..] => N::Benchmarking,
        [224..240, ..] => N::Multicast,
        [255, 255, 255, 255] => N::Broadcast,
        [240..=255, ..] => N::Reserved,
        _ => return Ok(()),
    })
}

fn judge_v6(address: Ipv6Addr) -> Result<(), NotPublic> {
    use NotPublic as N;
    if address == Ipv6Addr::UNSPECIFIED {
        return Err(N::Unspecified);
    }
    if address == Ipv6Addr::LOCALHOST {
        return Err(N::Loopback);
    }
    for embedded in embedded(address) {
        judge_v4(embedded)?;
    }
    Err(match address.segments() {
        // Mapped, compatible and NAT64: what they hold was judged, and is all that they are.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => return Ok(()),
        [0xfe80..=0xfebf, ..] => N::LinkLocal,
        [0xfc00..=0xfdff, ..] => N::UniqueLocal,
        [0xfec0..=0xfeff, ..] => N::Private, // site-local, of old
        [0xff00..=0xffff, ..] => N::Multicast,
        [0x2001, 2, 0, ..] => N::Benchmarking,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => N::Documentation,
        [0x2001, 0, ..] => return Ok(()), // Teredo, judged
        [0x2001, 0..0x200, ..] => N::Reserved,
        [0x2000..=0x3fff, ..] => return Ok(()),
        _ => N::Reserved, // nothing else is given out
    })
}

/// The IPv4 addresses that packets to this one end up at, or pass.
fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    let mut found = Vec::new();
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            found.push(v4(high, low));
        }
        [0x2002, high, low, ..] => found.push(v4(high, low)),
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            found.extend([v4(high, low), v4(!client_high, !client_low)]);
        }
        _ => {}
    }
    if let [_, _, _, _, 0 | 0x200, 0x5efe, high, low] = address.segments() {
        found.push(v4(high, low)); // ISATAP, in any network
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Result<(), NotPublic> {
        judge(text.parse().unwrap())
    }

    #[test]
    fn every_kind_at_its_edges() {
        use NotPublic as N;
        for (kind, addresses) in [
            (N::Unspecified, &["0.0.0.0", "0.255.255.255", "::"][..]),
            (N::Loopback, &["127.0.0.1", "127.255.255.255", "::1"]),
            (N::Private, &["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.1"]),
            (N::UniqueLocal, &["fc00::", "fd00:ec2::254", "fd20:ce::254", "fdff::1"]),
            (N::SharedAddress, &["100.64.0.0", "100.100.100.200", "100.127.255.255"]),
            (N::LinkLocal, &["169.254.0.0", "169.254.169.254", "169.254.255.255", "fe80::1", "febf::1"]),
            (N::Metadata, &["168.63.129.16"]),
            (N::Documentation, &["192.0.2.1", "198.51.100.7", "203.0.113.255", "2001:db8::1", "3fff:fff::1"]),
            (N::Benchmarking, &["198.18.0.0", "198.19.255.255", "2001:2::1"]),
            (N::Multicast, &["224.0.0.1", "239.255.255.255", "ff02::1"]),
            (N::Broadcast, &["255.255.255.255"]),
            (N::Reserved, &["192.0.0.192", "192.88.99.1", "240.0.0.1", "255.255.255.254", "2001:20::1"]),
            (N::Reserved, &["64:ff9b:1::1", "100::1", "5f00::1", "4000::1", "1fff::1", "::ffff:0:1.1.1.1"]),
        ] {
            for address in addresses {
                assert_eq!(of(address), Err(kind), "{address}");
            }
        }
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "168.63.129.15",
            "2606:4700::1111",
            "2001:200::1",
            "2a00::1",
            "3ffe::1",
        ] {
            assert_eq!(of(public), Ok(()), "{public}");
        }
    }

    #[test]
    fn what_ipv6_holds_is_judged() {
        for (address, expected) in [
            ("::ffff:127.0.0.1", Err(NotPublic::Loopback)),
            ("::ffff:8.8.8.8", Ok(())),
            ("::10.0.0.1", Err(NotPublic::Private)),
            ("64:ff9b::169.254.169.254", Err(NotPublic::LinkLocal)),
            ("64:ff9b::8.8.8.8", Ok(())),
            ("2002:7f00:1::", Err(NotPublic::Loopback)),
            ("2002:808:808::1", Ok(())),
            // Teredo: server 8.8.8.8, client 127.0.0.1 with its bits turned round; and the other way.
            ("2001:0:808:808:0:0:80ff:fffe", Err(NotPublic::Loopback)),
            ("2001:0:a00:1:0:0:f7f7:f7f7", Err(NotPublic::Private)),
            ("2001:0:808:808:0:0:f7f7:f7f7", Ok(())),
            ("2a00::5efe:192.168.1.1", Err(NotPublic::Private)),
            ("2a00::200:5efe:192.168.1.1", Err(NotPublic::Private)),
        ] {
            assert_eq!(of(address), expected, "{address}");
        }
    }

    proptest! {
        #[test]
        fn a_form_of_ipv6_is_never_better_than_what_it_holds(bits: u32, site: u32) {
            let address = Ipv4Addr::from(bits);
            let expected = judge(address.into());
            let (high, low) = ((bits >> 16) as u16, bits as u16);
            for form in [
                address.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, site as u16, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 0x808, 0x808, 0, site as u16, !high, !low),
                Ipv6Addr::new(0x2a00, site as u16, 0, 0, 0, 0x5efe, high, low),
            ] {
                prop_assert_eq!(judge(form.into()), expected, "{}", form);
            }
        }

        #[test]
        fn v4_agrees_with_the_standard_library(bits: u32) {
            let a = Ipv4Addr::from(bits);
            let known = a.is_private() || a.is_loopback() || a.is_link_local() || a.is_multicast()
                || a.is_broadcast() || a.is_documentation() || a.is_unspecified();
            prop_assert!(!known || judge(a.into()).is_err(), "{}", a);
        }
    }
}
