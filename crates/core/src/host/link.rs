//! The networks that a host is on.

use serde::{Deserialize, Serialize};

use crate::words;

words!(
    /// What a network is there for.
    LinkRole, "role of a link", {
        /// What moves send of guests: memory, and disks that are copied.
        Migration = "migration",
        /// What conductors, agents and hypervisors say to each other.
        Management = "management",
        /// What guests write to and read from storage that hosts share.
        Storage = "storage",
    }
);

/// A network that a host is on, as its agent reports it. Rates are those of one direction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Link {
    /// The host's interface, such as `eth1`.
    pub name: String,
    /// What it is there for.
    pub role: LinkRole,
    /// What it carries; `None`: nobody has said, and the system does not know.
    pub bytes_per_second: Option<u64>,
    /// What one stream achieves there, as measured; `None`: nobody has.
    pub stream_bytes_per_second: Option<u64>,
}

/// The network that moves use: the one for migrations, or else the one that management uses.
pub fn of_moves(links: &[Link]) -> Option<&Link> {
    let with = |role| links.iter().find(move |link| link.role == role);
    with(LinkRole::Migration).or_else(|| with(LinkRole::Management))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, role: LinkRole) -> Link {
        Link {
            name: name.to_owned(),
            role,
            bytes_per_second: None,
            stream_bytes_per_second: None,
        }
    }

    #[test]
    fn moves_use_the_network_for_migrations_and_never_that_of_storage() {
        let all = [
            link("eth0", LinkRole::Management),
            link("eth1", LinkRole::Storage),
            link("eth2", LinkRole::Migration),
        ];
        let used = |links: &[Link]| of_moves(links).map(|link| link.name.clone());
        assert_eq!(used(&all).as_deref(), Some("eth2"));
        assert_eq!(used(&all[..2]).as_deref(), Some("eth0"));
        assert_eq!(used(&all[1..2]), None);
    }
}
