use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fixtures::noon;
use crate::plan::options::{Constraint, Fallback, Priority};

fn server(number: u128) -> ServerUuid {
    uuid::Uuid::from_u128(number).into()
}

fn wanted(body: serde_json::Value) -> Result<Target, Vec<Invalid>> {
    serde_json::from_value::<Wanted>(body).unwrap().target()
}

fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

#[test]
fn each_form_of_a_request_asks_for_its_type_of_plan() {
    let (one, two) = (server(1), server(2));
    for (body, kind) in [
        (json!({"servers": [one]}), PlanKind::Server),
        (
            json!({"servers": [one], "destination": "h"}),
            PlanKind::Server,
        ),
        (json!({"servers": [one, two]}), PlanKind::Servers),
        (json!({"host": "h"}), PlanKind::Host),
        (
            json!({"host": "h", "enter_maintenance": true}),
            PlanKind::Maintenance,
        ),
        (
            json!({"hosts": ["h", "i"], "max_unavailable": 1}),
            PlanKind::Rolling,
        ),
        (json!({"pool": "p", "to": "q"}), PlanKind::Pool),
    ] {
        assert_eq!(wanted(body.clone()).map(|it| it.kind()), Ok(kind), "{body}");
    }
}

#[test]
fn a_request_that_cannot_be_meant_is_refused_with_the_place_that_is_wrong() {
    let (one, two) = (server(1), server(2));
    for (body, pointer) in [
        (json!({}), ""),
        (json!({"servers": [one], "host": "h"}), ""),
        (json!({"servers": []}), "/servers"),
        (json!({"servers": [one, two, one]}), "/servers/2"),
        (json!({"hosts": ["h", "h"]}), "/hosts/1"),
        (json!({"hosts": []}), "/hosts"),
        (
            json!({"hosts": ["h"], "max_unavailable": 0}),
            "/max_unavailable",
        ),
        (
            json!({"host": "h", "max_unavailable": 2}),
            "/max_unavailable",
        ),
        (
            json!({"servers": [one], "enter_maintenance": true}),
            "/enter_maintenance",
        ),
        (
            json!({"servers": [one, two], "destination": "h"}),
            "/destination",
        ),
        (json!({"host": "h", "destination": "i"}), "/destination"),
        (json!({"pool": "p"}), "/to"),
        (json!({"pool": "p", "to": "p"}), "/to"),
        (json!({"servers": [one], "to": "p"}), "/to"),
    ] {
        let wrong = wanted(body.clone()).unwrap_err();
        assert_eq!(wrong[0].pointer, pointer, "{body}");
    }
}

#[test]
fn a_destination_for_many_has_a_code_of_its_own() {
    let wrong = wanted(json!({"servers": [server(1), server(2)], "destination": "h"}));
    assert_eq!(
        wrong.unwrap_err()[0].code.as_str(),
        "destination-needs-one-server"
    );
    assert!(wanted(json!({"servers": [server(1)], "destination": "h"})).is_ok());
}

#[test]
fn options_have_their_documented_defaults_and_words() {
    let options: Options = serde_json::from_value(json!({})).unwrap();
    assert_eq!(options, Options::default());
    let shown = serde_json::to_value(&options).unwrap();
    assert_eq!(shown["fallback"], "none");
    assert_eq!(shown["affinity"], "strict");
    assert_eq!(shown["immovable"], "wait");
    assert_eq!(shown["return_home"], "never");
    assert_eq!(shown["valid_seconds"], 600);
    assert_eq!(shown["allow_partial"], false);
    assert!(serde_json::from_value::<Options>(json!({"fallbacks": "cold"})).is_err());
    let read = json!({"fallback": "cold", "priority": "emergency"});
    let read: Options = serde_json::from_value(read).unwrap();
    assert_eq!(
        (read.fallback, read.priority),
        (Fallback::Cold, Some(Priority::Emergency))
    );
}

#[test]
fn constraints_are_read_as_the_interface_writes_them() {
    let (one, two) = (server(1), server(2));
    let written = json!([
        {"before": [one, two]}, {"not_together": [one, two]}, {"at_most": [1, [one, two]]}
    ]);
    let read: Vec<Constraint> = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(
        read,
        [
            Constraint::Before(one, two),
            Constraint::NotTogether(vec![one, two]),
            Constraint::AtMost(1, vec![one, two]),
        ]
    );
    assert_eq!(serde_json::to_value(read).unwrap(), written);
}

fn pointers(options: &Options, target: &Target) -> Vec<String> {
    let servers = BTreeSet::from([server(1), server(2), server(3)]);
    let checked = options.check(target, &servers, noon());
    let wrong = checked.err().unwrap_or_default();
    wrong.into_iter().map(|it| it.pointer).collect()
}

#[test]
fn an_option_that_cannot_be_meant_is_refused_with_its_place() {
    let drain = Target::Host(host("h"));
    let entering = Target::Maintenance(host("h"));
    let with = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options
    };
    assert_eq!(pointers(&Options::default(), &drain), [""; 0]);
    for (options, pointer) in [
        (with(|it| it.valid_seconds = 0), "/valid_seconds"),
        (with(|it| it.valid_seconds = u32::MAX), "/valid_seconds"),
        (with(|it| it.deadline = Some(noon())), "/deadline"),
        (with(|it| it.retain_until = Some(noon())), "/retain_until"),
        (
            with(|it| {
                it.retain_until = Some(noon().plus(Duration::from_secs(1)));
                it.source_data = Some(SourceData::Delete);
            }),
            "/retain_until",
        ),
        (with(|it| it.holder = Some(String::new())), "/holder"),
        (with(|it| it.holder = Some("x".repeat(256))), "/holder"),
        (
            with(|it| it.holder = Some("run:mine".to_owned())),
            "/holder",
        ),
        (
            with(|it| it.immovable = Immovable::ShutdownRestart),
            "/immovable",
        ),
        (with(|it| it.return_home = ReturnHome::Now), "/return_home"),
    ] {
        assert_eq!(pointers(&options, &drain), [pointer]);
    }
    let returns = with(|it| {
        it.immovable = Immovable::ShutdownRestart;
        it.return_home = ReturnHome::Idle;
    });
    assert_eq!(pointers(&returns, &entering), [""; 0]);
}

#[test]
fn a_constraint_that_cannot_be_kept_to_is_refused() {
    let (one, two, three) = (server(1), server(2), server(3));
    let before = Constraint::Before;
    for (constraints, pointer) in [
        (vec![before(one, server(9))], "/constraints/0"),
        (vec![before(one, one)], "/constraints/0"),
        (
            vec![before(one, two), Constraint::NotTogether(vec![one])],
            "/constraints/1",
        ),
        (
            vec![Constraint::AtMost(0, vec![one, two])],
            "/constraints/0",
        ),
        (
            vec![Constraint::AtMost(1, vec![one, two, two])],
            "/constraints/0",
        ),
        (
            vec![before(one, two), before(two, three), before(three, one)],
            "/constraints",
        ),
    ] {
        let options = Options {
            constraints,
            ..Options::default()
        };
        let target = Target::Host(host("h"));
        assert_eq!(
            pointers(&options, &target),
            [pointer],
            "{:?}",
            options.constraints
        );
    }
}

proptest! {
    /// Pairs that follow the numbers can be kept to; one that leads back makes a cycle.
    #[test]
    fn a_cycle_is_found_wherever_it_is(
        pairs in prop::collection::vec((0..20_u8, 1..20_u8), 1..40),
        back in any::<prop::sample::Index>(),
    ) {
        let forward = || pairs.iter().map(|(from, by)| (*from, from + by));
        prop_assert!(constraints::in_cycles(forward()).is_empty());
        let (from, to) = forward().nth(back.index(pairs.len())).unwrap();
        let cycle = constraints::in_cycles(forward().chain([(to, from)]));
        prop_assert!(cycle.contains(&from) && cycle.contains(&to));
    }
}

#[test]
fn hosts_take_turns_as_they_were_planned() {
    let hosts = |names: &[&str]| Target::Rolling {
        hosts: names.iter().map(|it| host(it)).collect(),
        max_unavailable: 2,
    };
    let order = ["c", "x", "a"].map(str::to_owned);
    assert_eq!(
        hosts(&["a", "b", "c"]).in_turns(&order),
        hosts(&["c", "a", "b"])
    );
    assert_eq!(hosts(&["b", "a"]).in_turns(&[]), hosts(&["b", "a"]));
    let one = Target::Host(host("a"));
    assert_eq!(one.in_turns(&order), one);
}
