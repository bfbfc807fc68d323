use godwit_core::ids::{HostName, ServerUuid};

use super::*;
use crate::fleet::Link;
use crate::generate;
use crate::plan::{Constraint, Options, Wish, make};

const OTHERS: [Policy; 6] = [
    Policy::Fixed(1),
    Policy::Fixed(2),
    Policy::Fixed(5),
    Policy::Fixed(8),
    Policy::Batches(10),
    Policy::OneTransfer,
];

fn drain(seed: u64, link: Link, constraints: Vec<Constraint>) -> (Fleet, Plan) {
    let fleet = generate::drain(seed, link).unwrap();
    let wish = Wish::Host {
        host: HostName::new("host-0").unwrap(),
    };
    let options = Options {
        allow_partial: true,
        constraints,
        ..Options::default()
    };
    let plan = make(&fleet, &wish, &options).unwrap();
    (fleet, plan)
}

fn ratio(fleet: &Fleet, plan: &Plan, policy: Policy) -> f64 {
    let outcome = simulate(fleet, plan, policy, &Conditions::default());
    outcome.makespan_seconds / plan.lower_bound_seconds
}

fn of(mut values: Vec<f64>, hundredths: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * hundredths / 100]
}

#[test]
fn our_order_is_near_the_bound_and_behind_no_other() {
    for (gbit, stream) in [(10, 10), (10, 3), (25, 10), (25, 3), (100, 10), (100, 3)] {
        let link = generate::link(gbit, stream);
        let (mut ours, mut others) = (Vec::new(), vec![Vec::new(); OTHERS.len()]);
        for seed in 0..8 {
            let (fleet, plan) = drain(seed, link, Vec::new());
            ours.push(ratio(&fleet, &plan, Policy::Budgets));
            for (ratios, policy) in others.iter_mut().zip(OTHERS) {
                ratios.push(ratio(&fleet, &plan, policy));
            }
        }
        let median = of(ours.clone(), 50);
        println!(
            "{gbit} Gbit/s, {stream} a stream: {median:.3}, worst {:.3}",
            of(ours.clone(), 100)
        );
        assert!(ours.iter().all(|it| *it >= 1.0 - 1e-9), "{ours:?}");
        assert!(median <= 1.10 && of(ours.clone(), 100) <= 1.5, "{ours:?}");
        for (ratios, policy) in others.into_iter().zip(OTHERS) {
            println!("    {policy:?}: {:.3}", of(ratios.clone(), 50));
            assert!(median <= of(ratios, 50) * 1.001, "{policy:?}");
        }
    }
}

#[test]
fn what_conductors_do_is_never_behind_one_at_a_time() {
    for (gbit, stream) in [(10, 10), (10, 3), (25, 10), (100, 10)] {
        let link = generate::link(gbit, stream);
        let (mut ours, mut others) = (Vec::new(), Vec::new());
        for seed in 0..8 {
            let (fleet, plan) = drain(seed, link, Vec::new());
            ours.push(ratio(&fleet, &plan, Policy::Executed));
            others.push(ratio(&fleet, &plan, Policy::Fixed(1)));
        }
        println!(
            "{gbit} Gbit/s, {stream} a stream: {:.3}, one at a time {:.3}",
            of(ours.clone(), 50),
            of(others.clone(), 50)
        );
        assert!(ours.iter().all(|it| *it >= 1.0 - 1e-9), "{ours:?}");
        for (ours, other) in ours.into_iter().zip(others) {
            assert!(ours <= other * 1.001, "{ours} is more than {other}");
        }
    }
}

#[test]
fn pauses_are_as_short_as_alone_and_nobody_stalls() {
    let mut pauses = Vec::new();
    for (gbit, stream) in [(10, 10), (10, 3), (25, 10), (100, 3)] {
        for seed in 0..5 {
            let (fleet, plan) = drain(seed, generate::link(gbit, stream), Vec::new());
            let outcome = simulate(&fleet, &plan, Policy::Budgets, &Conditions::default());
            for operation in plan.operations.rows() {
                let course = outcome.courses[operation.id];
                assert!(!course.stalled);
                let server = fleet.server_no(operation.server).unwrap();
                let of = |host: &_| fleet.host_no(host).unwrap();
                let to = operation.destination.as_ref().unwrap();
                let guest = fleet.guest(server, of(&operation.source), of(to));
                let alone = guest.alone(stream as f64 * 125e6).unwrap();
                pauses.push(course.downtime_seconds / alone.pause_seconds.max(0.001));
            }
        }
    }
    assert!(of(pauses.clone(), 95) <= 1.1, "{}", of(pauses, 95));
}

#[test]
fn wrong_beliefs_cost_little() {
    let mut ratios = Vec::new();
    for seed in 0..10 {
        let (fleet, plan) = drain(seed, generate::link(10, 10), Vec::new());
        let mut random = fastrand::Rng::with_seed(seed);
        let factor = |_| 4_f64.powf(random.f64() * 2.0 - 1.0);
        let factors: Vec<_> = plan.operations.numbers().map(factor).collect();
        let conditions = Conditions {
            link_share: 0.6,
            dirty_factors: factors.clone(),
            ..Conditions::default()
        };
        let outcome = simulate(&fleet, &plan, Policy::Budgets, &conditions);
        // The bound of what is really there.
        let (mut hosts, mut servers, groups) = fleet.into_parts();
        for host in &mut hosts {
            host.link.bytes_per_second = host.link.bytes_per_second * 6 / 10;
        }
        let mut converge = true;
        for (operation, factor) in plan.operations.rows().iter().zip(factors) {
            let mut all = servers.iter_mut();
            let server = all.find(|it| it.need.server == operation.server).unwrap();
            let dirty = server.dirty_bytes_per_second.unwrap() as f64 * factor;
            converge &= dirty < 0.6 * 1.25e9;
            server.dirty_bytes_per_second = Some(dirty as u64);
        }
        if !converge {
            continue;
        }
        let fleet = Fleet::new(hosts, servers, groups).unwrap();
        let wish = Wish::Host {
            host: HostName::new("host-0").unwrap(),
        };
        let bound = make(&fleet, &wish, &Options::default())
            .unwrap()
            .lower_bound_seconds;
        ratios.push(outcome.makespan_seconds / bound);
    }
    assert!(ratios.len() >= 5);
    assert!(of(ratios.clone(), 50) <= 1.3, "{ratios:?}");
}

#[test]
fn servers_that_may_not_move_together_do_not() {
    let ids = |fleet: &Fleet| -> Vec<_> {
        let servers = fleet.servers().iter().take(12);
        servers.map(|(_, it)| it.need.server).collect()
    };
    let named = ids(&generate::drain(5, generate::link(100, 10)).unwrap());
    let constraints = vec![
        Constraint::NotTogether(named[..6].to_vec()),
        Constraint::AtMost(2, named[6..].to_vec()),
    ];
    let (fleet, plan) = drain(5, generate::link(100, 10), constraints);
    for policy in [Policy::Budgets, Policy::Executed] {
        no_more_together(&fleet, &plan, policy, &named);
    }
}

fn no_more_together(fleet: &Fleet, plan: &Plan, policy: Policy, named: &[ServerUuid]) {
    let outcome = simulate(fleet, plan, policy, &Conditions::default());
    assert!(outcome.makespan_seconds.is_finite());
    for (servers, most) in [(&named[..6], 1), (&named[6..], 2)] {
        let of = plan
            .operations
            .rows()
            .iter()
            .filter(|it| servers.contains(&it.server));
        let courses: Vec<_> = of.map(|it| outcome.courses[it.id]).collect();
        for course in &courses {
            let at = course.began_at;
            let together = courses
                .iter()
                .filter(|it| it.began_at <= at && at < it.ended_at);
            assert!(together.count() <= most);
        }
    }
}

#[test]
fn what_waits_begins_after_what_it_waits_for() {
    let fleet = generate::fleet(9, 20, 120, generate::link(10, 3)).unwrap();
    let hosts: Vec<_> = fleet
        .hosts()
        .iter()
        .map(|(_, it)| it.host.name.clone())
        .collect();
    let wish = Wish::Rolling {
        hosts,
        max_unavailable: 2,
    };
    let plan = make(&fleet, &wish, &Options::default()).unwrap();
    for policy in OTHERS
        .into_iter()
        .chain([Policy::Budgets, Policy::Executed])
    {
        let outcome = simulate(&fleet, &plan, policy, &Conditions::default());
        assert!(outcome.makespan_seconds.is_finite(), "{policy:?}");
        for operation in plan.operations.rows() {
            let began = outcome.courses[operation.id].began_at;
            for earlier in &operation.after {
                assert!(outcome.courses[*earlier].ended_at <= began);
            }
        }
    }
}
