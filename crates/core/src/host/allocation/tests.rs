use proptest::prelude::*;

use super::*;
use crate::fixtures::{host, noon};
use crate::host::maintenance::{Holder, State};
use crate::plan::options::{Immovable, ReturnHome};

fn enabled() -> Switch {
    Switch::first(AllocationState::Enabled, noon())
}

fn disabled(reason: &str) -> Switch {
    let state = AllocationState::Disabled;
    enabled().set(state, Some(reason), "anna", noon()).unwrap()
}

fn held(state: State) -> Maintenance {
    let holder = Holder {
        holder: "kernel".to_owned(),
        reason: Some("A new kernel.".to_owned()),
        by: "bert".to_owned(),
        since: noon(),
        deadline: None,
        immovable: Immovable::Wait,
        return_home: ReturnHome::Never,
    };
    Maintenance {
        state,
        holders: vec![holder],
        ..Maintenance::none(noon())
    }
}

fn above<'a>(scope: Scope, switch: &'a Switch) -> Above<'a> {
    Above {
        scope,
        name: "x",
        switch,
    }
}

#[test]
fn what_is_above_a_host_holds_for_it_and_every_reason_is_told_from_the_widest_on() {
    let (on, off) = (enabled(), disabled("no power"));
    let above = [
        above(Scope::Cluster, &off),
        above(Scope::Pod, &on),
        above(Scope::Zone, &off),
    ];
    let maintenance = held(State::Entering);
    let allocation = Allocation::of(&host("h"), &disabled("fan"), &above, &maintenance);
    let told: Vec<_> = allocation
        .because
        .iter()
        .map(|it| it.scope.as_str())
        .collect();
    assert_eq!(told, ["zone", "cluster", "host", "maintenance"]);
    assert_eq!(allocation.effective, AllocationState::Disabled);
    assert_eq!(allocation.reason.as_deref(), Some("fan"));
}

#[test]
fn a_host_in_maintenance_or_on_its_way_there_receives_nothing() {
    for state in State::ALL.iter().copied() {
        let allocation = Allocation::of(&host("h"), &enabled(), &[], &held(state));
        let free = matches!(state, State::None | State::Leaving);
        assert_eq!(allocation.permits_arrivals(), free, "{state}");
        assert_eq!(
            allocation.state,
            AllocationState::Enabled,
            "the switch stands apart"
        );
    }
}

#[test]
fn novas_service_shows_the_maintenance_until_the_operator_disables_it() {
    let maintenance = held(State::InMaintenance);
    let of = |switch: &Switch, maintenance: &Maintenance| {
        let allocation = Allocation::of(&host("h"), switch, &[], maintenance);
        let (state, reason) = allocation.service();
        (state, reason.map(str::to_owned))
    };
    let off = AllocationState::Disabled;
    let kernel = Some("A new kernel.".to_owned());
    assert_eq!(of(&enabled(), &maintenance), (off, kernel));
    assert_eq!(
        of(&disabled("fan"), &maintenance),
        (off, Some("fan".to_owned()))
    );
    let free = Maintenance::none(noon());
    assert_eq!(of(&enabled(), &free), (AllocationState::Enabled, None));
}

#[test]
fn what_is_disabled_above_does_not_show_in_novas_service() {
    let off = disabled("no power");
    let above = [above(Scope::Zone, &off)];
    let allocation = Allocation::of(&host("h"), &enabled(), &above, &Maintenance::none(noon()));
    assert_eq!(allocation.service(), (AllocationState::Enabled, None));
    assert!(!allocation.permits_arrivals());
}

#[test]
fn whoever_disables_says_why_and_whoever_enables_need_not() {
    for empty in [None, Some(""), Some("  ")] {
        let set = |state| enabled().set(state, empty, "anna", noon());
        assert_eq!(set(AllocationState::Disabled), Err(ReasonMissing));
        assert!(set(AllocationState::Enabled).is_ok());
    }
}

#[test]
fn a_new_reason_for_what_is_disabled_does_not_make_it_disabled_for_less_long() {
    let later = noon().plus(std::time::Duration::from_secs(60));
    let first = disabled("fan");
    let again = first
        .set(AllocationState::Disabled, Some("disk"), "bert", later)
        .unwrap();
    assert_eq!(
        (again.since, again.reason.as_deref()),
        (noon(), Some("disk"))
    );
    let on = again
        .set(AllocationState::Enabled, None, "bert", later)
        .unwrap();
    assert_eq!((on.since, on.reason), (later, None));
}

#[test]
fn a_cluster_is_managed_again_only_once_it_is_reconciled() {
    use Management as M;
    use ManagementEvent as E;
    for state in M::ALL.iter().copied() {
        for event in E::ALL.iter().copied() {
            let Ok((next, effect)) = state.step(event) else {
                assert_eq!(event, E::Reconciled);
                continue;
            };
            if next == M::Managed && state != M::Managed {
                assert_eq!((state, event), (M::Reconciling, E::Reconciled));
            }
            if event == E::Unmanaged {
                assert_eq!(next, M::Unmanaged);
            }
            let begins = next == M::Reconciling && state != M::Reconciling;
            assert_eq!(effect.is_some(), begins, "{state} {event}");
            assert_eq!(next.permits_moves(), next == M::Managed);
        }
    }
}

/// As lxd's issue 17170 has it: two hosts that are emptied at the same time send each other theirs.
#[test]
fn two_hosts_that_are_being_emptied_never_send_each_other_anything() {
    let states = State::ALL.iter().copied();
    for (one, two) in states
        .clone()
        .flat_map(|one| states.clone().map(move |two| (one, two)))
    {
        let of = |name, state| {
            let allocation = Allocation::of(&host(name), &enabled(), &[], &held(state));
            (host(name), (allocation, Management::Managed))
        };
        let hosts = BTreeMap::from([of("one", one), of("two", two), of("three", State::None)]);
        let destinations = destinations(&hosts);
        let empties =
            |state| matches!(state, State::Entering | State::Empty | State::InMaintenance);
        assert_eq!(destinations.contains(&host("one")), !empties(one));
        assert_eq!(destinations.contains(&host("two")), !empties(two));
        assert!(destinations.contains(&host("three")));
    }
}

proptest! {
    #[test]
    fn a_host_is_enabled_exactly_if_nothing_disables_it(
        off in prop::collection::vec(any::<bool>(), 4),
        state in prop::sample::select(State::ALL),
    ) {
        let switch = |off: bool| if off { disabled("why") } else { enabled() };
        let switches: Vec<_> = off.iter().map(|off| switch(*off)).collect();
        let scopes = [Scope::Zone, Scope::Pod, Scope::Cluster];
        let above: Vec<_> = scopes.into_iter().zip(&switches).map(|(scope, it)| above(scope, it)).collect();
        let maintenance = held(state);
        let allocation = Allocation::of(&host("h"), &switches[3], &above, &maintenance);
        let count = off.iter().filter(|off| **off).count() + usize::from(maintenance.forbids_arrivals());
        prop_assert_eq!(allocation.because.len(), count);
        prop_assert_eq!(allocation.permits_arrivals(), count == 0);
        let read = serde_json::to_string(&allocation).unwrap();
        prop_assert_eq!(serde_json::from_str::<Allocation>(&read).unwrap(), allocation);
    }
}
