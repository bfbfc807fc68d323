//! Runs beside one another, and those that somebody cancels.

use super::*;

fn joins(number: u128, immovable: Immovable) -> Event {
    Event::Held {
        holder: holder("run", immovable),
        guests: BTreeSet::new(),
        placements_in_flight: 0,
        run: Some(run(number)),
    }
}

/// As kubevirt's 4557 has it: double migration in one drain.
#[test]
fn a_run_that_joins_a_blocked_host_is_its_run_and_no_other_is_made_beside_it() {
    let story = Story::entered(Immovable::ShutdownRestart)
        .ends(&[(guest(), Left::Blocked)])
        .then(joins(900, Immovable::ShutdownRestart))
        .asks_for(&[])
        .is(State::Entering);
    assert_eq!(story.maintenance.run(), Some(run(900)));
    assert_eq!(story.maintenance.retry_at, None);
    story
        .then(held("a", Immovable::ShutdownRestart))
        .asks_for(&[])
        .ended(run(900), &[(guest(), Left::ShutDown)], None)
        .sees(&[])
        .sees(&[])
        .is(State::InMaintenance)
        .then(released("run", ReturnHome::Never))
        .then(released("a", ReturnHome::Never))
        .asks_for(&["plan_return"]);
}

#[test]
fn what_a_run_shuts_down_beside_another_one_is_started_again() {
    for first in [900, 20] {
        let mut story = Story::entered(Immovable::ShutdownRestart);
        let own = story.maintenance.work.unwrap().run;
        story = story
            .then(joins(900, Immovable::ShutdownRestart))
            .asks_for(&[])
            .then(joins(900, Immovable::ShutdownRestart));
        assert_eq!(story.maintenance.beside.len(), 1, "it is known once");
        let ends = |story: Story, joined: bool| match joined {
            true => story.ended(run(900), &[(guest(), Left::ShutDown)], None),
            false => story.ended(own, &[(guest(), Left::Blocked)], None),
        };
        story = ends(story, first == 900).asks_for(&[]);
        assert_eq!(story.maintenance.retry_at, None, "somebody is at it");
        story = ends(story, first != 900).asks_for(&[]);
        assert!(story.maintenance.work.is_none());
        assert!(story.maintenance.shut_down().eq([guest()]));
    }
}

#[test]
fn whoever_joins_in_maintenance_says_what_comes_of_it_first() {
    Story::in_maintenance()
        .then(joins(900, Immovable::Wait))
        .asks_for(&[])
        .safe(false)
        .ended(run(900), &[], None)
        .is(State::InMaintenance)
        .safe(true);
}

#[test]
fn whoever_joins_with_another_wish_has_the_host_planned_anew_when_both_have_ended() {
    let story = Story::entered(Immovable::Skip).then(joins(900, Immovable::Wait));
    let story = story.asks_for(&["cancel_run"]).ends(&[]).asks_for(&[]);
    assert_eq!(story.maintenance.work.unwrap().run, run(900));
    story.ended(run(900), &[], None).asks_for(&["make_plan"]);
}

#[test]
fn whoever_leaves_waits_for_all_that_is_under_way() {
    Story::entered(Immovable::ShutdownRestart)
        .then(joins(900, Immovable::ShutdownRestart))
        .then(released("a", ReturnHome::Never))
        .asks_for(&[])
        .then(released("run", ReturnHome::Never))
        .asks_for(&["cancel_run", "cancel_run"])
        .ends(&[])
        .is(State::Leaving)
        .ended(run(900), &[(guest(), Left::ShutDown)], None)
        .asks_for(&["plan_return"]);
}

#[test]
fn what_somebody_cancels_does_not_begin_again_until_somebody_asks_for_it() {
    let cancelled = || {
        Story::entered(Immovable::Wait)
            .cancelled(&[(guest(), Left::Blocked)])
            .asks_for(&[])
            .is(State::Entering)
            .obstacles(&[guest()])
    };
    let story = cancelled();
    assert_eq!(story.maintenance.retry_at, None);
    assert_eq!(story.maintenance.cancelled_by.as_deref(), Some("bob"));
    let other: ServerUuid = uuid::Uuid::from_u128(2).into();
    let story = story
        .sees(&[guest(), other])
        .asks_for(&[])
        .obstacles(&[guest(), other]);
    let story = story
        .then(held("b", Immovable::Skip))
        .asks_for(&["make_plan"]);
    assert_eq!(story.maintenance.cancelled_by, None);
    cancelled()
        .then(held("a", Immovable::Wait))
        .asks_for(&["make_plan"]);
    cancelled()
        .then(joins(900, Immovable::Wait))
        .asks_for(&[])
        .then(Event::ServerLeft {
            server: guest(),
            by_maintenance: true,
        })
        .ended(run(900), &[], None)
        .sees(&[])
        .sees(&[])
        .is(State::InMaintenance);
}

#[test]
fn a_holder_who_leaves_asks_for_nothing_that_somebody_has_cancelled() {
    Story::entered(Immovable::Skip)
        .then(held("b", Immovable::Skip))
        .then(held("c", Immovable::Wait))
        .ends(&[])
        .cancelled(&[(guest(), Left::Blocked)])
        .then(released("c", ReturnHome::Never))
        .asks_for(&[])
        .obstacles(&[guest()]);
}

#[test]
fn a_cancelled_host_that_is_emptied_by_hand_gets_into_maintenance() {
    let story = Story::entered(Immovable::Wait)
        .cancelled(&[(guest(), Left::Blocked)])
        .then(Event::ServerLeft {
            server: guest(),
            by_maintenance: false,
        })
        .sees(&[])
        .sees(&[])
        .is(State::InMaintenance)
        .safe(true);
    assert_eq!(story.maintenance.cancelled_by, None);
    story.sees(&[guest()]).asks_for(&["make_plan"]);
}

#[test]
fn what_the_maintenance_cancels_is_nobodys_wish() {
    let story = Story::entered(Immovable::ShutdownRestart).then(held("b", Immovable::Wait));
    story
        .cancelled(&[(guest(), Left::Blocked)])
        .asks_for(&["make_plan"]);
}

#[test]
fn a_cancelled_way_home_waits_for_whoever_starts_what_is_off() {
    let shut_down = [(guest(), Left::ShutDown)];
    let story = Story::entered(Immovable::ShutdownRestart)
        .ends(&shut_down)
        .then(released("a", ReturnHome::Never))
        .cancelled(&shut_down)
        .asks_for(&[])
        .is(State::Leaving)
        .obstacles(&[guest()]);
    assert_eq!(story.maintenance.retry_at, None);
    story.then(Event::NoLongerShutDown(guest())).is(State::None);
}
