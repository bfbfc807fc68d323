//! Servers of groups, which are kept together or apart.

use super::*;
use crate::fleet::Group;
use crate::table::{GroupNo, Number};

fn grouped(fleet: Fleet, policy: Policy, members: &[usize]) -> Fleet {
    let (hosts, mut servers, _) = fleet.into_parts();
    for member in members {
        servers[*member].group = Some(GroupNo::new(0));
    }
    let group = Group {
        id: "66666666-0000-4000-8000-000000000000".parse().unwrap(),
        name: "web".to_owned(),
        policy,
        max_server_per_host: None,
    };
    Fleet::new(hosts, servers, vec![group]).unwrap()
}

#[test]
fn groups_hold_at_every_moment() {
    // The member on host-1 leaves for host-2 before the other one comes.
    let fleet = grouped(
        fleet(&[16, 16, 16], &[(0, 4), (1, 4)]),
        Policy::AntiAffinity,
        &[0, 1],
    );
    let ids = ids(&fleet);
    let wish = Wish::ReturnHome {
        homes: vec![(ids[0], name("host-1")), (ids[1], name("host-2"))],
    };
    let plan = planned(&fleet, &wish, &Options::default());
    let second = plan
        .operations
        .rows()
        .iter()
        .find(|it| it.server == ids[0])
        .unwrap();
    assert_eq!(second.after.len(), 1);
}

#[test]
fn a_group_that_keeps_together_is_blocked_unless_best_effort_is_enough() {
    let fleet = grouped(
        fleet(&[16, 16, 16], &[(0, 4), (0, 4)]),
        Policy::Affinity,
        &[0, 1],
    );
    let wish = Wish::Host {
        host: name("host-0"),
    };
    let strict = planned(&fleet, &wish, &Options::default());
    assert!(
        strict
            .blocked
            .iter()
            .all(|it| it.reasons[0].code == ReasonCode::Affinity)
    );
    let options = Options {
        affinity: crate::plan::Affinity::BestEffort,
        ..Options::default()
    };
    let plan = planned(&fleet, &wish, &options);
    let to: Vec<_> = plan
        .operations
        .rows()
        .iter()
        .map(|it| it.destination.clone())
        .collect();
    assert_eq!(to.len(), 2);
    assert_eq!(to[0], to[1]);
}
