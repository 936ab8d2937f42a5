//! Which addresses of the network may be asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A host that leads to where nobody but the operator may send the server. Which address it leads to is not told: it
/// would show the names of the operator's network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a public address; if it is a private one, the operator can allow those with \
     --allow-private-addresses (MUISTI_ALLOW_PRIVATE_ADDRESSES)"
)]
pub(super) struct NotPublic(pub(super) String);

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// To the public internet.
    Public,
    /// To this machine or its networks.
    Private,
    /// To what nobody has a reason to name: a cloud's metadata, everyone in a network, nobody.
    Special,
}

/// Resolves names to addresses that may be asked, or not at all: a name with one address that may not be is suspicious
/// as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    pub(super) private_too: bool,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let private_too = self.private_too;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !found.iter().all(|address| allowed(address.ip(), private_too)) {
                return Err(NotPublic(name.as_str().to_owned()).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether the host, as a URL writes it, may be asked as far as can be told without resolving it.
pub(super) fn may_be_asked(host: &str, private_too: bool) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) => allowed(address, private_too),
        Err(_) => {
            let name = bare.strip_suffix('.').unwrap_or(bare);
            private_too || !(name == "localhost" || name.ends_with(".localhost"))
        }
    }
}

fn allowed(address: IpAddr, private_too: bool) -> bool {
    match reach(address) {
        Reach::Public => true,
        Reach::Private => private_too,
        Reach::Special => false,
    }
}

fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => reach_v4(inner),
            None => reach_v6(address),
        },
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        // The metadata services of Alibaba and Oracle lie in ranges that are otherwise private or reserved.
        [100, 100, 100, 200] => Reach::Special,
        [10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Reach::Private,
        // This network, link-local with the metadata of most clouds, protocol assignments, documentation, the old
        // relays, benchmarks, multicast and reserved.
        [0, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [224..=255, ..] => Reach::Special,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    match address.segments() {
        // Amazon's metadata service.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] => Reach::Special,
        [0, 0, 0, 0, 0, 0, 0, 1] | [0xfc00..=0xfdff, ..] => Reach::Private,
        // Protocol assignments with Teredo, and documentation.
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Reach::Special,
        // All that is given out for the public internet.
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Special,
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, behind NAT64 or 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x0064, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(of(high, low))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_may_be_asked() {
        for host in [
            "1.1.1.1",
            "100.63.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "[2606:4700::1111]",
            "[::ffff:1.1.1.1]",
            "[64:ff9b::101:101]",
            "example.com",
            "localhost.example.com",
        ] {
            assert!(may_be_asked(host, false), "{host}");
        }
    }

    #[test]
    fn private_addresses_may_be_asked_only_when_allowed() {
        for host in [
            "127.0.0.1",
            "127.255.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "[::1]",
            "[fc00::1]",
            "[fdff::1]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:c0a8:101::1]",
            "localhost",
            "localhost.",
            "db.localhost",
        ] {
            assert!(!may_be_asked(host, false), "{host}");
            assert!(may_be_asked(host, true), "{host}");
        }
    }

    #[test]
    fn special_addresses_are_never_asked() {
        for host in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "100.100.100.200",
            "192.0.0.192",
            "192.0.2.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::7f00:1]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[fd00:ec2::254]",
            "[::ffff:169.254.169.254]",
            "[64:ff9b::a9fe:a9fe]",
            "[2001::1]",
            "[2001:db8::1]",
        ] {
            assert!(!may_be_asked(host, true), "{host}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused() {
        let resolve = |private_too| Checked { private_too }.resolve("localhost".parse().unwrap());
        assert!(resolve(false).await.err().unwrap().downcast_ref::<NotPublic>().is_some());
        assert!(resolve(true).await.unwrap().next().unwrap().ip().is_loopback());
    }
}
