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

/// The same networks, where one stream of the one that moves use was seen to achieve `seen`.
pub fn as_seen(links: &[Link], seen: Option<u64>) -> Vec<Link> {
    let mut links = links.to_vec();
    let used = of_moves(&links).map(|used| used.name.clone());
    for link in &mut links {
        if seen.is_some() && Some(&link.name) == used.as_ref() {
            link.stream_bytes_per_second = seen;
        }
    }
    links
}

/// By which part of the difference a lower rate than the known one lowers it: one guest that was sent
/// slowly for reasons of its own says little.
const LOWERED_BY: u64 = 4;

/// What is known of the rate that one stream achieves, at the source and at the destination of a
/// move whose stream was seen to achieve `seen`. `alone`: it had both links for itself.
///
/// A rate that was seen shows what both hosts can do at least. A lower one shows what they can do at
/// most where nobody else used their links; it is put down to the destination, as what leaves one
/// host goes to many.
pub fn learn(known: [Option<u64>; 2], seen: u64, alone: bool) -> [Option<u64>; 2] {
    if seen == 0 {
        return known;
    }
    let [source, destination] = known.map(|known| match known {
        Some(rate) => Some(rate.max(seen)),
        None => alone.then_some(seen),
    });
    match (known, destination) {
        ([Some(one), Some(_)], Some(other)) if alone && seen < one.min(other) => {
            let lowered = other - (other - seen) / LOWERED_BY;
            [source, Some(lowered)]
        }
        _ => [source, destination],
    }
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

    #[test]
    fn what_was_seen_is_of_the_network_that_moves_use() {
        let all = [
            link("eth0", LinkRole::Management),
            link("eth2", LinkRole::Migration),
        ];
        assert_eq!(as_seen(&all, None), all);
        let rates = as_seen(&all, Some(5))
            .into_iter()
            .map(|it| it.stream_bytes_per_second);
        assert_eq!(rates.collect::<Vec<_>>(), [None, Some(5)]);
    }

    #[test]
    fn what_was_seen_first_is_believed_and_only_of_a_stream_that_was_alone() {
        assert_eq!(learn([None, None], 30, true), [Some(30), Some(30)]);
        assert_eq!(learn([None, None], 30, false), [None, None]);
        assert_eq!(learn([Some(90), None], 30, true), [Some(90), Some(30)]);
        assert_eq!(learn([Some(20), None], 30, false), [Some(30), None]);
        assert_eq!(learn([None, Some(20)], 0, true), [None, Some(20)]);
    }

    #[test]
    fn a_faster_stream_shows_what_both_hosts_can_do() {
        for alone in [true, false] {
            assert_eq!(learn([Some(20), Some(90)], 30, alone), [Some(30), Some(90)]);
        }
    }

    #[test]
    fn a_slower_one_lowers_what_is_known_of_its_destination_by_little() {
        assert_eq!(learn([Some(90), Some(80)], 40, true), [Some(90), Some(70)]);
        assert_eq!(learn([Some(90), Some(80)], 40, false), [Some(90), Some(80)]);
        // What the slower one of both is known for was seen.
        assert_eq!(learn([Some(40), Some(80)], 40, true), [Some(40), Some(80)]);
    }
}
