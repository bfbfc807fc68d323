//! Which addresses may be called on somebody's behalf: those of the public network, and those that
//! an operator names. Else whoever has a webhook could knock at every door in here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The networks that may be called though they are not public.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Networks(Vec<(IpAddr, u8)>);

impl Networks {
    /// Reads `ADDRESS/BITS` each; an error is the text that is none.
    pub(crate) fn parse(texts: &[String]) -> Result<Self, String> {
        let network = |text: &String| {
            let (address, bits) = text.split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits: u8 = bits.parse().ok().filter(|bits| *bits <= most)?;
            Some((address, bits))
        };
        let networks = texts.iter().map(|it| network(it).ok_or_else(|| it.clone()));
        Ok(Self(networks.collect::<Result<_, _>>()?))
    }

    /// May this address be called?
    pub(crate) fn allow(&self, address: IpAddr) -> bool {
        // An IPv4 address may come in the clothes of an IPv6 one.
        let address = address.to_canonical();
        is_public(address) || self.0.iter().any(|it| has(*it, address))
    }
}

fn has((network, bits): (IpAddr, u8), address: IpAddr) -> bool {
    let same = |one: u128, other: u128, width: u8| {
        let behind = u32::from(width - bits);
        one.checked_shr(behind).unwrap_or(0) == other.checked_shr(behind).unwrap_or(0)
    };
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            same(network.to_bits().into(), address.to_bits().into(), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            same(network.to_bits(), address.to_bits(), 128)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// Is it an address that anybody in the world may call?
fn is_public(address: IpAddr) -> bool {
    const V4: [(Ipv4Addr, u8); 13] = [
        (Ipv4Addr::new(0, 0, 0, 0), 8),
        (Ipv4Addr::new(10, 0, 0, 0), 8),
        (Ipv4Addr::new(100, 64, 0, 0), 10),
        (Ipv4Addr::new(127, 0, 0, 0), 8),
        (Ipv4Addr::new(169, 254, 0, 0), 16),
        (Ipv4Addr::new(172, 16, 0, 0), 12),
        (Ipv4Addr::new(192, 0, 0, 0), 24),
        (Ipv4Addr::new(192, 0, 2, 0), 24),
        (Ipv4Addr::new(192, 168, 0, 0), 16),
        (Ipv4Addr::new(198, 18, 0, 0), 15),
        (Ipv4Addr::new(198, 51, 100, 0), 24),
        (Ipv4Addr::new(203, 0, 113, 0), 24),
        // Many at a time, and none at all.
        (Ipv4Addr::new(224, 0, 0, 0), 3),
    ];
    // All that is given out, but what leads to IPv4 addresses or is for examples.
    const GLOBAL: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
    const V6: [(Ipv6Addr, u8); 3] = [
        (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
        (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
        (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    ];
    let among_v6 = |(network, bits): (Ipv6Addr, u8)| has((network.into(), bits), address);
    match address {
        IpAddr::V4(_) => !V4
            .iter()
            .any(|(it, bits)| has(((*it).into(), *bits), address)),
        IpAddr::V6(_) => among_v6(GLOBAL) && !V6.iter().any(|it| among_v6(*it)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(networks: &[&str], address: &str) -> bool {
        let texts: Vec<String> = networks.iter().map(|it| (*it).to_owned()).collect();
        Networks::parse(&texts)
            .unwrap()
            .allow(address.parse().unwrap())
    }

    #[test]
    fn what_is_public() {
        for public in [
            "1.1.1.1",
            "172.32.0.1",
            "8.8.8.8",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
        ] {
            assert!(allow(&[], public), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.1.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
        ] {
            assert!(!allow(&[], private), "{private}");
        }
    }

    #[test]
    fn what_an_operator_names() {
        let loopback = ["127.0.0.0/8", "::1/128"];
        assert!(allow(&loopback, "127.0.0.1") && allow(&loopback, "::1"));
        assert!(allow(&loopback, "::ffff:127.0.0.1"));
        assert!(!allow(&loopback, "10.0.0.1") && !allow(&loopback, "::2"));
        assert!(allow(&["0.0.0.0/0"], "10.0.0.1") && !allow(&["0.0.0.0/0"], "::1"));
        assert!(allow(&["::/0"], "fe80::1"));
        for bad in [
            "",
            "127.0.0.1",
            "127.0.0.0/33",
            "::/129",
            "x/8",
            "127.0.0.0/x",
        ] {
            assert_eq!(Networks::parse(&[bad.to_owned()]), Err(bad.to_owned()));
        }
    }
}
