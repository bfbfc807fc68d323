//! What the table promises, over every step of the walk.

use super::*;

#[test]
fn the_walk_visits_every_state_and_every_event_is_good_for_something() {
    let mut states = BTreeSet::new();
    let mut good = BTreeSet::new();
    for_each_transition(|before, event, _| {
        states.insert(before.state);
        good.insert(event.name());
    });
    assert_eq!(states, State::ALL.iter().copied().collect());
    assert_eq!(good, Event::NAMES.iter().copied().collect());
}

#[test]
fn a_host_is_held_exactly_while_nothing_may_arrive() {
    for_each_transition(|_, event, Transition { next, .. }| {
        assert_eq!(
            next.forbids_arrivals(),
            !next.holders.is_empty(),
            "{event:?}"
        );
    });
}

#[test]
fn it_is_safe_to_reboot_only_after_two_inventories_that_show_nothing() {
    for_each_transition(|_, event, Transition { next, .. }| {
        if !next.safe_to_reboot() {
            return;
        }
        let evidence = &next.evidence;
        assert_eq!(next.state, State::InMaintenance);
        assert_eq!(evidence.placements_in_flight, 0, "{event:?}");
        assert_eq!(evidence.inventories.len(), 2);
        for inventory in &evidence.inventories {
            assert!(inventory.executing.is_empty());
            assert!(inventory.began_at > evidence.counts_after);
        }
        assert!(next.work.is_none() && next.blockers().next().is_none());
    });
}

#[test]
fn a_dead_agent_makes_nothing_safe() {
    for_each_transition(|_, event, Transition { next, .. }| {
        if *event == Event::AgentDied {
            assert!(!next.safe_to_reboot());
            let again = step(next, &seen(LATE, &[]), run(5), at(LATE + 2))
                .unwrap()
                .next;
            assert!(
                !again.safe_to_reboot(),
                "what was seen before it died is void"
            );
        }
    });
}

#[test]
fn a_skipped_guest_that_executes_is_never_safe() {
    let mut skipped = 0;
    for_each_transition(|_, _, Transition { next, .. }| {
        let executing = |it: &Inventory| it.executing.contains(&guest());
        if next.evidence.inventories.iter().any(executing) {
            assert!(!next.safe_to_reboot());
            skipped += usize::from(next.state == State::InMaintenance);
        }
    });
    assert!(skipped > 0, "with a skipped guest it gets into maintenance");
}

/// As cloudstack's 2493 has it: maintenance entered with servers still on it.
#[test]
fn in_maintenance_nothing_is_there_but_what_was_skipped() {
    for_each_transition(|_, event, Transition { next, .. }| {
        if next.state == State::InMaintenance {
            assert!(next.work.is_none() && next.next.is_none(), "{event:?}");
            assert!(next.blockers().next().is_none());
            let last = next
                .evidence
                .last()
                .into_iter()
                .flat_map(|it| &it.executing);
            for executing in last {
                assert_eq!(next.left.get(executing), Some(&Left::Skipped));
            }
        }
    });
}

#[test]
fn a_host_is_empty_only_if_its_last_inventory_shows_that() {
    for_each_transition(|_, event, Transition { next, .. }| {
        if next.state == State::Empty {
            assert!(
                next.evidence.last().unwrap().executing.is_empty(),
                "{event:?}"
            );
        }
    });
}

/// As cloudstack's 11286, 3720, 3707 and 12045 have it: maintenance stops servers.
#[test]
fn servers_are_shut_down_only_if_every_holder_asked_for_it() {
    for_each_transition(|_, _, Transition { next, .. }| {
        if next.immovable() == Immovable::ShutdownRestart {
            let mut said = next.holders.iter().map(|it| it.immovable);
            assert!(said.all(|it| it == Immovable::ShutdownRestart));
            assert!(!next.holders.is_empty());
        }
    });
}

/// As kubevirt's 9585 has it: leaving does not cancel the drain.
#[test]
fn whoever_leaves_cancels_what_empties_the_host() {
    for_each_transition(|before, _, Transition { next, effects }| {
        let leaves = before.forbids_arrivals() && !next.forbids_arrivals();
        let works = before.work.iter().chain(&before.beside);
        for work in works.filter(|work| leaves && !work.cancelling) {
            assert!(effects.contains(&Effect::CancelRun(work.run)));
            assert_eq!(next.state, State::Leaving);
        }
    });
}

/// As kubevirt's 4557 has it: double migration in one drain.
#[test]
fn one_run_works_for_a_host_at_a_time_and_each_is_asked_for_once() {
    for_each_transition(|before, event, Transition { next, effects }| {
        let made = effects.iter().filter_map(|effect| match effect {
            Effect::MakePlan(run) | Effect::PlanReturn(run) => Some(*run),
            Effect::CancelRun(_) => None,
        });
        let made: Vec<_> = made.collect();
        assert!(made.len() <= 1, "{event:?}");
        if let Some(run) = made.first() {
            assert_eq!(next.work.map(|work| work.run), Some(*run));
            let ended = matches!(event, Event::RunEnded { .. });
            assert!(before.work.is_none() || ended, "{before:?} {event:?}");
        }
        assert!(next.work.is_some() || next.next.is_none() && next.beside.is_empty());
    });
}

#[test]
fn a_run_is_cancelled_once() {
    for_each_transition(|before, event, Transition { next, effects }| {
        let cancelled = effects
            .iter()
            .filter(|it| matches!(it, Effect::CancelRun(_)));
        let cancelling = |it: &Maintenance| -> BTreeSet<RunUuid> {
            let works = it.work.iter().chain(&it.beside);
            let works = works.filter(|work| work.cancelling);
            works.map(|work| work.run).collect()
        };
        let (was, is) = (cancelling(before), cancelling(next));
        let begun = is.difference(&was).count();
        assert_eq!(cancelled.count(), begun, "{before:?} {event:?}");
    });
}

#[test]
fn what_was_shut_down_is_started_again_before_the_host_is_free() {
    for_each_transition(|before, event, Transition { next, .. }| {
        let gone = matches!(event, Event::NoLongerShutDown(_));
        if before.shut_down().next().is_some() && !gone {
            let off = |left: &BTreeMap<_, _>| left.values().any(|why| *why == Left::ShutDown);
            let started = matches!(event, Event::RunEnded { left, .. } if !off(left));
            assert!(started || next.state != State::None, "{before:?} {event:?}");
        }
    });
}

#[test]
fn every_wait_for_a_blocker_has_its_next_try() {
    for_each_transition(|_, event, Transition { next, .. }| {
        let waits = next.work.is_none();
        let blocked = waits
            && next.forbids_arrivals()
            && next.cancelled_by.is_none()
            && next.blockers().next().is_some();
        assert_eq!(
            next.retry_at.is_some(),
            blocked || next.retry_at.is_some() && waits
        );
        assert!(!blocked || next.retry_at.is_some(), "{event:?}");
    });
}

/// Whatever has happened: when its runs end, the host is free.
#[test]
fn a_host_that_nobody_holds_any_more_gets_free() {
    for_each_transition(|_, event, transition| {
        let mut leaving = transition.next.clone();
        for round in 0..6 {
            if leaving.state != State::Leaving {
                break;
            }
            // Or for those that were shut down, and are started by somebody.
            let Some(work) = leaving.work else {
                assert!(leaving.shut_down().next().is_some());
                let started = Event::NoLongerShutDown(guest());
                leaving = step(&leaving, &started, run(10), at(LATE + 2))
                    .unwrap()
                    .next;
                continue;
            };
            let ended = Event::RunEnded {
                run: work.run,
                left: BTreeMap::new(),
                cancelled_by: None,
            };
            leaving = step(&leaving, &ended, run(10 + round), at(LATE + 2))
                .unwrap()
                .next;
        }
        assert_ne!(leaving.state, State::Leaving, "{event:?}");
    });
}

#[test]
fn nobody_releases_what_they_do_not_hold() {
    walk(|before, event, outcome| {
        if let Event::Released { holder, .. } = event {
            let holds = before.holders.iter().any(|it| it.holder == *holder);
            let unknown = matches!(outcome, Err(Rejected::HolderUnknown(_)));
            assert_eq!(unknown, !holds);
        }
    });
}

#[test]
fn a_server_that_leaves_asks_for_nothing_and_does_not_end_a_maintenance() {
    for_each_transition(|before, event, Transition { next, effects }| {
        if matches!(event, Event::ServerLeft { .. }) {
            assert_eq!(*effects, []);
            let was = before.state == State::InMaintenance;
            assert!(!was || next.state == State::InMaintenance, "{before:?}");
        }
    });
}

#[test]
fn whoever_waits_for_a_start_has_a_next_try_or_was_cancelled() {
    for_each_transition(|_, event, Transition { next, .. }| {
        if next.state == State::Leaving && next.work.is_none() {
            assert!(next.shut_down().next().is_some(), "{event:?}");
            assert_eq!(next.retry_at.is_some(), next.cancelled_by.is_none());
            assert_eq!(next.obstacles().count(), next.left.len());
        }
    });
}

#[test]
fn what_was_cancelled_is_shown_until_somebody_asks_for_it_again() {
    for_each_transition(|before, event, Transition { next, effects }| {
        if next.cancelled_by.is_some() {
            assert!(next.work.is_none() && next.retry_at.is_none(), "{event:?}");
        }
        let begins = |it: &Effect| matches!(it, Effect::MakePlan(_) | Effect::PlanReturn(_));
        if before.cancelled_by.is_some() && effects.iter().any(begins) {
            let asked = matches!(event, Event::Held { .. } | Event::Released { .. });
            assert!(asked, "{before:?} {event:?}");
        }
    });
}
