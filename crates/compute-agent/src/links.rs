//! The networks of a host: what its operator says of them, and what the system knows.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use godwit_core::host::link::{Link, LinkRole};
use serde::{Deserialize, Serialize};

/// Where Linux describes the interfaces of a host.
const INTERFACES: &str = "/sys/class/net";
/// The longest name of an interface, by Linux's `IFNAMSIZ`.
const LONGEST_NAME: usize = 15;

/// A network of the host, as its operator describes it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// The host's interface, such as `eth1`.
    pub name: String,
    /// What it is there for.
    pub role: LinkRole,
    /// The host's address there. Of the network for migrations: where other hosts send memory
    /// and disks to.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// What it carries in each direction. `None`: what the system says of the interface.
    #[serde(default)]
    pub bytes_per_second: Option<u64>,
    /// What one stream achieves, as somebody measured it.
    #[serde(default)]
    pub stream_bytes_per_second: Option<u64>,
}

/// Why a list of networks makes no sense.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LinkError {
    #[error("links: {0:?} is no name of an interface, or is there twice")]
    Name(String),
    #[error("links: {0} carries nothing")]
    NoRate(String),
    #[error("links: both {0} and {1} are for migrations, and moves use one")]
    TwoForMigrations(String, String),
}

/// Refuses what can be known to be wrong without asking anybody.
pub fn check(links: &[LinkConfig]) -> Result<(), LinkError> {
    let mut names = BTreeSet::new();
    for link in links {
        let name = &link.name;
        let is_name = (1..=LONGEST_NAME).contains(&name.len())
            && !name.contains(|letter: char| letter == '/' || letter.is_whitespace())
            && !matches!(name.as_str(), "." | "..");
        if !is_name || !names.insert(name) {
            return Err(LinkError::Name(name.clone()));
        }
        if [link.bytes_per_second, link.stream_bytes_per_second].contains(&Some(0)) {
            return Err(LinkError::NoRate(name.clone()));
        }
    }
    let mut migration = links.iter().filter(|it| it.role == LinkRole::Migration);
    match (migration.next(), migration.next()) {
        (Some(one), Some(other)) => Err(LinkError::TwoForMigrations(
            one.name.clone(),
            other.name.clone(),
        )),
        _ => Ok(()),
    }
}

/// The address at which moves come in, where they have a network of their own.
pub fn migration_address(links: &[LinkConfig]) -> Option<IpAddr> {
    let migration = links.iter().find(|it| it.role == LinkRole::Migration);
    migration?.address
}

/// What the host reports of its networks. No stream is said to exceed `stream_limit`, which the
/// driver sets of itself. Reads files that the kernel answers at once.
pub fn observe(links: &[LinkConfig], stream_limit: Option<u64>) -> Vec<Link> {
    observe_in(Path::new(INTERFACES), links, stream_limit)
}

fn observe_in(interfaces: &Path, links: &[LinkConfig], stream_limit: Option<u64>) -> Vec<Link> {
    let observed = links.iter().map(|link| Link {
        name: link.name.clone(),
        role: link.role,
        bytes_per_second: link
            .bytes_per_second
            .or_else(|| bytes_per_second(&interfaces.join(&link.name))),
        stream_bytes_per_second: match link.role {
            LinkRole::Migration | LinkRole::Management => {
                [link.stream_bytes_per_second, stream_limit]
                    .into_iter()
                    .flatten()
                    .min()
            }
            LinkRole::Storage => link.stream_bytes_per_second,
        },
    });
    observed.collect()
}

/// What the driver of an interface says that it carries. One that is down, or virtual, has no speed:
/// -1, or an error.
fn bytes_per_second(interface: &Path) -> Option<u64> {
    const BYTES_PER_MEGABIT: u64 = 125_000;
    let megabits = std::fs::read_to_string(interface.join("speed")).ok()?;
    let megabits: u64 = megabits.trim().parse().ok()?;
    // A driver that does not know may say so as a number without sign.
    let known = (1..u64::from(u32::MAX)).contains(&megabits);
    known.then(|| megabits.saturating_mul(BYTES_PER_MEGABIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, role: LinkRole) -> LinkConfig {
        LinkConfig {
            name: name.to_owned(),
            role,
            address: None,
            bytes_per_second: None,
            stream_bytes_per_second: None,
        }
    }

    #[test]
    fn what_nobody_says_the_system_is_asked() {
        let interfaces = tempfile::tempdir().unwrap();
        for (name, speed) in [
            ("eth0", "10000\n"),
            ("eth1", "-1\n"),
            ("eth2", "4294967295\n"),
        ] {
            let interface = interfaces.path().join(name);
            std::fs::create_dir(&interface).unwrap();
            std::fs::write(interface.join("speed"), speed).unwrap();
        }
        let mut links = ["eth0", "eth1", "eth2", "absent"]
            .map(|name| link(name, LinkRole::Storage))
            .to_vec();
        links.push(LinkConfig {
            bytes_per_second: Some(7),
            ..link("eth0", LinkRole::Migration)
        });
        let seen: Vec<_> = observe_in(interfaces.path(), &links, None)
            .into_iter()
            .map(|link| link.bytes_per_second)
            .collect();
        assert_eq!(seen, [Some(1_250_000_000), None, None, None, Some(7)]);
    }

    #[test]
    fn no_stream_of_a_move_exceeds_what_the_driver_lets_one_send() {
        let measured = |role| LinkConfig {
            stream_bytes_per_second: Some(400),
            ..link("eth0", role)
        };
        let stream = |link: LinkConfig, limit| {
            let mut seen = observe_in(Path::new("/absent"), &[link], limit).into_iter();
            seen.next().unwrap().stream_bytes_per_second
        };
        assert_eq!(stream(measured(LinkRole::Migration), None), Some(400));
        assert_eq!(stream(measured(LinkRole::Migration), Some(300)), Some(300));
        assert_eq!(stream(measured(LinkRole::Storage), Some(300)), Some(400));
        assert_eq!(
            stream(link("eth0", LinkRole::Management), Some(300)),
            Some(300)
        );
        assert_eq!(stream(link("eth0", LinkRole::Management), None), None);
    }

    #[test]
    fn contradictions_are_named() {
        let good = [
            link("eth0", LinkRole::Management),
            link("bond0.7", LinkRole::Migration),
        ];
        assert_eq!(check(&good), Ok(()));
        for bad in ["", "a/b", "..", "two words", "longer-than-15-x"] {
            let links = [link(bad, LinkRole::Storage)];
            assert_eq!(check(&links), Err(LinkError::Name(bad.to_owned())), "{bad}");
        }
        let twice = [
            link("eth0", LinkRole::Management),
            link("eth0", LinkRole::Storage),
        ];
        assert_eq!(check(&twice), Err(LinkError::Name("eth0".to_owned())));
        let two = ["eth0", "eth1"].map(|name| link(name, LinkRole::Migration));
        let named = LinkError::TwoForMigrations("eth0".to_owned(), "eth1".to_owned());
        assert_eq!(check(&two), Err(named));
        let nothing = LinkConfig {
            bytes_per_second: Some(0),
            ..link("eth0", LinkRole::Storage)
        };
        assert_eq!(check(&[nothing]), Err(LinkError::NoRate("eth0".to_owned())));
    }

    #[test]
    fn moves_come_in_where_migrations_have_a_network() {
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        let at = |role| LinkConfig {
            address: Some(address),
            ..link("eth1", role)
        };
        assert_eq!(migration_address(&[at(LinkRole::Migration)]), Some(address));
        for links in [
            vec![],
            vec![at(LinkRole::Management)],
            vec![link("eth1", LinkRole::Migration)],
        ] {
            assert_eq!(migration_address(&links), None);
        }
    }
}
