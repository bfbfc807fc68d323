use godwit_core::ids::HostName;
use godwit_core::plan::Options;
use godwit_core::plan::options::Immovable;
use godwit_core::run::Run;
use godwit_facts::planning::{Homes, Wanted};
use godwit_planner::generate;
use godwit_planner::plan::make;
use uuid::Uuid;

use super::*;

fn host(number: usize) -> HostName {
    HostName::new(format!("host-{number}")).unwrap()
}

fn made(fleet: &Fleet, target: &Target, options: &Options, homes: &Homes) -> PlanMade {
    let wanted = Wanted {
        target,
        options,
        homes,
    };
    let asked = wanted.ask(fleet).unwrap();
    let wish = asked.wish.as_ref().unwrap();
    let plan = make(fleet, wish, &asked.options).unwrap();
    let mut last = 0;
    written(fleet, target, &asked, Some(plan), || {
        last += 1;
        OperationUuid(Uuid::from_u128(last))
    })
}

/// Whatever the planner makes of a rolling maintenance, core takes for a run.
#[test]
fn every_rolling_plan_can_be_run_in_its_turns() {
    let (mut waits, mut stopped) = (0, 0);
    for seed in 0..24 {
        let mut parts = generate::fleet(seed, 12, 60, generate::link(10, 10))
            .unwrap()
            .into_parts();
        // Nobody else takes part: these cannot move.
        for server in parts.1.iter_mut().filter(|_| seed % 2 == 0).step_by(9) {
            server.need.room.memory_mb = 400_000;
        }
        let fleet = Fleet::new(parts.0, parts.1, parts.2).unwrap();
        let target = Target::Rolling {
            hosts: (0..8).map(host).collect(),
            max_unavailable: 1 + u32::try_from(seed % 3).unwrap(),
        };
        let options = Options {
            immovable: Immovable::ShutdownRestart,
            allow_partial: true,
            ..Options::default()
        };
        let made = made(&fleet, &target, &options, &Homes::default());
        let operations = made.operations.iter().map(PlannedOperation::waiting);
        let run = Run::of_plan(
            &target.in_turns(&made.sources),
            &options,
            operations.collect(),
            made.blocked.len(),
        );
        let run = run.unwrap_or_else(|circle| panic!("{seed}: {circle}"));
        let turns = run.rolling.unwrap().hosts.into_iter();
        let turns: Vec<_> = turns.map(|it| it.host.to_string()).collect();
        assert_eq!(turns, made.sources);
        waits += made
            .operations
            .iter()
            .filter(|it| it.after_done.is_some())
            .count();
        let kinds = made.operations.iter().map(|it| it.kind);
        // The maintenance of each host starts again what was stopped for it.
        assert!(kinds.clone().all(|it| it != OperationKind::Start));
        stopped += kinds.filter(|it| *it == OperationKind::Shutdown).count();
    }
    assert!(waits > 0 && stopped > 0, "{waits} {stopped}");
}

#[test]
fn what_was_shut_down_is_started_on_the_way_home_and_the_rest_returns() {
    let mut parts = generate::fleet(5, 10, 60, generate::link(10, 10))
        .unwrap()
        .into_parts();
    let of = |on: &HostName, parts: &(_, Vec<godwit_planner::fleet::FleetServer>, _)| {
        let mut here = parts.1.iter().filter(|it| it.need.source == *on);
        here.next().unwrap().need.server
    };
    let (off, away) = (of(&host(0), &parts), of(&host(1), &parts));
    for server in &mut parts.1 {
        server.group = None;
        server.running = server.need.server != off;
    }
    let fleet = Fleet::new(parts.0, parts.1, parts.2).unwrap();
    let homes = Homes {
        home: [off, away].into(),
        shut_down: [off, away].into(),
    };
    let target = Target::ReturnHome(host(0));
    let made = made(&fleet, &target, &Options::default(), &homes);
    let kinds: Vec<_> = made
        .operations
        .iter()
        .map(|it| (it.kind, it.server, it.destination.as_str()))
        .collect();
    // One that runs is not started, wherever it is.
    let expected = [
        (OperationKind::Live, away, "host-0"),
        (OperationKind::Start, off, "host-0"),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(made.sources, ["host-1"]);
    assert!(!made.room.contains_key(&host(1)) && made.room.contains_key(&host(0)));
}

#[test]
fn causes_name_operations_by_their_ids() {
    let ids: Table<OperationNo, OperationUuid> = [1, 2]
        .map(|it| OperationUuid(Uuid::from_u128(it)))
        .to_vec()
        .into();
    let numbers: Vec<OperationNo> = ids.numbers().collect();
    let freed = because(
        &Cause::RoomIsFreed {
            by: numbers.clone(),
        },
        &ids,
    );
    assert_eq!(
        freed,
        json!({"code": "room_is_freed", "by": [ids[numbers[0]], ids[numbers[1]]]})
    );
    assert_eq!(
        because(&Cause::HostIsEmptied, &ids),
        json!({"code": "host_is_emptied"})
    );
}
