use godwit_core::ids::HostName;

use super::*;
use crate::generate;
use crate::lint::lint;

fn drain() -> Wish {
    Wish::Host {
        host: HostName::new("host-0").unwrap(),
    }
}

#[test]
fn a_drain_moves_everybody_once_and_says_how_long_it_takes() {
    let fleet = generate::drain(1, generate::link(10, 10)).unwrap();
    let plan = make(&fleet, &drain(), &Options::default()).unwrap();
    assert_eq!(plan.state, PlanState::Ready);
    assert_eq!(plan.operations.len(), 40);
    assert_eq!(lint(&fleet, &drain(), &Options::default(), &plan), []);
    let Estimate { low, mid, high } = plan.makespan_seconds;
    assert!(low <= mid && mid <= high && high.is_finite());
    assert!(plan.lower_bound_seconds > 0.0 && plan.lower_bound_seconds <= mid);
    for operation in plan.operations.rows() {
        let estimate = operation.estimates.downtime_seconds;
        assert!(estimate.mid > 0.0 && estimate.mid <= 0.31, "{estimate:?}");
    }
}

#[test]
fn a_plan_that_is_not_whole_is_aborted_unless_it_may_be_partial() {
    let (mut hosts, servers, groups) = generate::drain(1, generate::link(10, 10))
        .unwrap()
        .into_parts();
    for host in hosts.iter_mut().skip(2) {
        host.host.disable();
    }
    let fleet = Fleet::new(hosts, servers, groups).unwrap();
    let plan = make(&fleet, &drain(), &Options::default()).unwrap();
    assert_eq!((plan.state, plan.operations.len()), (PlanState::Aborted, 0));
    assert!(plan.blocked.iter().all(|it| !it.reasons.is_empty()));
    let options = Options {
        allow_partial: true,
        ..Options::default()
    };
    let partial = make(&fleet, &drain(), &options).unwrap();
    assert_eq!(partial.state, PlanState::Ready);
    assert_eq!(partial.operations.len() + partial.blocked.len(), 40);
    assert!(!partial.operations.is_empty() && !partial.blocked.is_empty());
    assert_eq!(lint(&fleet, &drain(), &options, &partial), []);
}

#[test]
fn the_same_fleet_and_wish_are_the_same_plan() {
    let fleet = generate::fleet(3, 30, 200, generate::link(25, 10)).unwrap();
    let wish = Wish::Rolling {
        hosts: fleet
            .hosts()
            .iter()
            .map(|(_, it)| it.host.name.clone())
            .collect(),
        max_unavailable: 2,
    };
    let made = || make(&fleet, &wish, &Options::default()).unwrap();
    assert_eq!(made(), made());
}
