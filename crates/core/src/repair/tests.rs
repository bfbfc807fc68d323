//! What may be repaired, and above all what may not.

use proptest::prelude::*;

use super::*;

fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

fn word(name: &str, standing: HostStanding, sighting: Sighting) -> HostWord {
    let power = match sighting {
        Sighting::Inactive => PowerState::Shutdown,
        _ => PowerState::Running,
    };
    HostWord {
        host: host(name),
        standing,
        sighting,
        power,
    }
}

fn records(vm_state: VmState, standing: HostStanding, words: Vec<HostWord>) -> ServerRecords {
    ServerRecords {
        vm_state,
        task_state: None,
        home: Some((host("home"), standing)),
        migrates: false,
        words,
    }
}

#[test]
fn a_stale_task_is_cleared_unless_somebody_may_work_on_it() {
    let mut it = records(VmState::Active, HostStanding::Up, vec![]);
    it.task_state = Some(TaskState::Migrating);
    assert_eq!(judge(&it), Ok(Repair::ClearTask(TaskState::Migrating)));
    it.task_state = Some(TaskState::PoweringOff);
    judge(&it).expect_err("who works on it is not on record");
    it.task_state = Some(TaskState::Migrating);
    it.migrates = true;
    judge(&it).expect_err("the migration will end it");
}

#[test]
fn the_record_follows_to_the_one_living_host() {
    use HostStanding::{DeclaredDead, Removed, Silent, Up};
    use Sighting::{Executing, Inactive, Incoming, Moving};
    let judged = |standing, words| judge(&records(VmState::Error, standing, words));
    let away = word("away", Up, Executing);
    for dead in [DeclaredDead, Removed] {
        // The last word of a dead host does not count.
        let last = word("home", dead, Executing);
        let follow = Ok(Repair::Follow(host("away")));
        assert_eq!(judged(dead, vec![last.clone(), away.clone()]), follow);
        let leftover = word("third", Up, Inactive);
        assert_eq!(judged(dead, vec![away.clone(), leftover]), follow);
        let buried = word("third", DeclaredDead, Executing);
        assert_eq!(judged(dead, vec![away.clone(), buried]), follow);
        for third in [
            word("third", Silent, Executing),
            word("third", Up, Incoming),
        ] {
            judged(dead, vec![away.clone(), third]).unwrap_err();
        }
        judged(dead, vec![last]).unwrap_err();
        judged(dead, vec![word("away", Silent, Executing)]).unwrap_err();
        judged(dead, vec![word("away", Up, Moving)]).unwrap_err();
        judged(dead, vec![word("away", Up, Inactive)]).unwrap_err();
    }
    // A host that lives, or is only silent, may execute it.
    for home in [Up, Silent] {
        judged(home, vec![away.clone()]).unwrap_err();
    }
}

#[test]
fn an_error_ends_where_the_guest_is_seen_to_run() {
    use HostStanding::{DeclaredDead, Silent, Up};
    use Sighting::{Executing, Inactive, Moving};
    let judged = |standing, words| judge(&records(VmState::Error, standing, words));
    let there = word("home", Up, Executing);
    assert_eq!(
        judged(Up, vec![there.clone()]),
        Ok(Repair::Recover(VmState::Active))
    );
    let paused = HostWord {
        power: PowerState::Paused,
        ..there.clone()
    };
    assert_eq!(
        judged(Up, vec![paused]),
        Ok(Repair::Recover(VmState::Paused))
    );
    let buried = word("away", DeclaredDead, Executing);
    judged(Up, vec![there.clone(), buried]).unwrap();
    judged(Up, vec![there.clone(), word("away", Silent, Executing)]).unwrap_err();
    judged(Silent, vec![there.clone()]).unwrap_err();
    judged(Up, vec![word("home", Up, Inactive)]).unwrap_err();
    judged(Up, vec![word("home", Up, Moving)]).unwrap_err();
    judged(Up, vec![]).unwrap_err();
    judge(&records(VmState::Active, Up, vec![there])).unwrap_err();
}

fn any_records() -> impl Strategy<Value = ServerRecords> {
    let standing = || {
        proptest::sample::select(vec![
            HostStanding::Up,
            HostStanding::Silent,
            HostStanding::DeclaredDead,
            HostStanding::Removed,
        ])
    };
    let said = (
        standing(),
        proptest::option::of(proptest::sample::select(Sighting::ALL)),
    );
    (
        proptest::sample::select(VmState::ALL),
        proptest::option::weighted(0.2, proptest::sample::select(TaskState::ALL)),
        proptest::bool::weighted(0.1),
        said.clone(),
        said.clone(),
        said,
    )
        .prop_map(|(vm_state, task_state, migrates, home, away, third)| {
            let said = [("home", home), ("away", away), ("third", third)];
            let words = said
                .into_iter()
                .filter_map(|(name, (standing, sighting))| Some(word(name, standing, sighting?)));
            ServerRecords {
                task_state,
                migrates,
                ..records(vm_state, home.0, words.collect())
            }
        })
}

proptest! {
    #[test]
    fn no_repair_says_that_a_guest_is_where_another_may_be_too(it in any_records()) {
        let living = |word: &&HostWord| {
            matches!(word.standing, HostStanding::Up | HostStanding::Silent)
                && !matches!(word.sighting, Sighting::Absent | Sighting::Inactive)
        };
        let living: Vec<&HostName> = it.words.iter().filter(living).map(|it| &it.host).collect();
        match judge(&it) {
            Ok(Repair::ClearTask(_)) => prop_assert!(!it.migrates),
            Ok(Repair::Follow(to)) => {
                prop_assert!(!it.migrates && it.task_state.is_none());
                let home = it.home.clone().unwrap();
                prop_assert!(matches!(home.1, HostStanding::DeclaredDead | HostStanding::Removed));
                prop_assert_eq!(living, [&to]);
            }
            Ok(Repair::Recover(_)) => {
                prop_assert!(!it.migrates && it.task_state.is_none());
                prop_assert_eq!(it.vm_state, VmState::Error);
                prop_assert_eq!(living, [&host("home")]);
            }
            Err(why) => prop_assert!(!why.is_empty()),
        }
    }
}

#[test]
fn what_is_about_something_gone_is_moot_and_nothing_else() {
    use HostStanding as H;
    for kind in DiscrepancyKind::ALL.iter().copied() {
        for host in [None, Some(H::Up), Some(H::Silent), Some(H::DeclaredDead)] {
            for migrates in [None, Some(true), Some(false)] {
                let of_progress = [DiscrepancyKind::Overdue, DiscrepancyKind::HostSilent];
                let over = migrates == Some(false) && of_progress.contains(&kind);
                let why = moot(kind, false, host, migrates);
                assert_eq!(why.is_some(), over, "{kind} {host:?} {migrates:?}");
                assert!(moot(kind, true, host, migrates).is_some(), "{kind}");
                assert!(moot(kind, false, Some(H::Removed), migrates).is_some());
            }
        }
    }
}
