//! Whole maintenances, told from the beginning.

use super::*;

mod beside;

/// What has happened to a host, and what was asked for in the last step.
struct Story {
    maintenance: Maintenance,
    effects: Vec<Effect>,
    clock: u64,
}

impl Story {
    fn begins() -> Self {
        Self {
            maintenance: Maintenance::none(noon()),
            effects: Vec::new(),
            clock: 0,
        }
    }

    fn then(mut self, event: Event) -> Self {
        self.clock += 10;
        let fresh = run(u128::from(self.clock));
        let transition = step(&self.maintenance, &event, fresh, at(self.clock)).unwrap();
        self.maintenance = transition.next;
        self.effects = transition.effects;
        self
    }

    /// The hypervisor is asked, and answers at once.
    fn sees(self, executing: &[ServerUuid]) -> Self {
        let now = self.clock + 10;
        self.then(seen(now, executing))
    }

    fn ends(self, left: &[(ServerUuid, Left)]) -> Self {
        let run = self.maintenance.work.unwrap().run;
        self.ended(run, left, None)
    }

    fn ended(self, run: RunUuid, left: &[(ServerUuid, Left)], cancelled_by: Option<&str>) -> Self {
        self.then(Event::RunEnded {
            run,
            left: left.iter().copied().collect(),
            cancelled_by: cancelled_by.map(str::to_owned),
        })
    }

    /// Somebody cancels the run under way.
    fn cancelled(self, left: &[(ServerUuid, Left)]) -> Self {
        let run = self.maintenance.work.unwrap().run;
        self.ended(run, left, Some("bob"))
    }

    fn obstacles(self, expected: &[ServerUuid]) -> Self {
        let obstacles: Vec<_> = self.maintenance.obstacles().collect();
        assert_eq!(obstacles, expected);
        self
    }

    fn is(self, state: State) -> Self {
        assert_eq!(self.maintenance.state, state);
        self
    }

    fn asks_for(self, effects: &[&str]) -> Self {
        let asked: Vec<_> = self.effects.iter().map(|effect| effect.name()).collect();
        assert_eq!(asked, effects);
        self
    }

    fn safe(self, safe: bool) -> Self {
        assert_eq!(self.maintenance.safe_to_reboot(), safe);
        self
    }

    fn entered(immovable: Immovable) -> Self {
        Self::begins()
            .then(held("a", immovable))
            .asks_for(&["make_plan"])
            .is(State::Entering)
    }

    fn in_maintenance() -> Self {
        Self::entered(Immovable::Wait)
            .ends(&[])
            .sees(&[])
            .sees(&[])
            .is(State::InMaintenance)
    }
}

/// As harvester's 8856 and 2539 have it: empty, and not said to be.
#[test]
fn a_host_is_drained_and_said_to_be_safe_after_two_looks() {
    Story::entered(Immovable::Wait)
        .sees(&[guest()])
        .is(State::Entering)
        .sees(&[])
        .is(State::Empty)
        .safe(false)
        .ends(&[])
        .is(State::Empty)
        .sees(&[])
        .is(State::InMaintenance)
        .safe(true);
}

/// As radar's 1785 has it: "drained" when requests were accepted, not when the host was empty.
#[test]
fn a_run_that_has_ended_does_not_make_a_host_empty() {
    Story::entered(Immovable::Wait)
        .ends(&[])
        .is(State::Entering)
        .safe(false);
}

#[test]
fn the_same_answer_twice_is_one_look() {
    let story = Story::entered(Immovable::Wait).ends(&[]).sees(&[]);
    let answered = story.clock;
    story
        .then(seen(answered, &[]))
        .is(State::Empty)
        .safe(false)
        .sees(&[])
        .safe(true);
}

/// As harvester's 5306 has it: a host with one immovable server loops for ever.
#[test]
fn a_blocker_is_tried_again_less_and_less_often() {
    let mut story = Story::entered(Immovable::Wait).ends(&[(guest(), Left::Blocked)]);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let due = story.maintenance.retry_at.unwrap();
        pauses.push(due.since(at(story.clock)).as_secs());
        let early = step(
            &story.maintenance,
            &Event::RetryDue,
            run(0),
            at(story.clock),
        );
        assert_eq!(early, Err(Rejected::TooEarly));
        story.clock = due.since(noon()).as_secs();
        story = story.then(Event::RetryDue).asks_for(&["make_plan"]);
        story = story
            .ends(&[(guest(), Left::Blocked)])
            .asks_for(&[])
            .is(State::Entering);
    }
    assert_eq!(pauses, [60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]);
}

#[test]
fn a_blocker_that_somebody_moves_blocks_no_longer() {
    Story::entered(Immovable::Wait)
        .ends(&[(guest(), Left::Blocked)])
        .then(Event::ServerLeft {
            server: guest(),
            by_maintenance: false,
        })
        .asks_for(&[])
        .sees(&[])
        .sees(&[])
        .is(State::InMaintenance)
        .safe(true);
}

#[test]
fn nothing_new_starts_after_the_deadline() {
    let mut holder = holder("a", Immovable::Wait);
    holder.deadline = Some(at(15));
    let story = Story::begins().then(Event::Held {
        holder,
        guests: BTreeSet::new(),
        placements_in_flight: 0,
        run: None,
    });
    let story = story.ends(&[(guest(), Left::Blocked)]).is(State::Entering);
    assert_eq!(story.maintenance.retry_at, None);
    story
        .then(held("a", Immovable::Wait))
        .asks_for(&["make_plan"]);
}

#[test]
fn a_skipped_guest_lets_the_host_into_maintenance_and_keeps_it_unsafe() {
    Story::entered(Immovable::Skip)
        .ends(&[(guest(), Left::Skipped)])
        .sees(&[guest()])
        .sees(&[guest()])
        .is(State::InMaintenance)
        .safe(false)
        .then(held("a", Immovable::ShutdownRestart))
        .asks_for(&["make_plan"])
        .is(State::Entering)
        .ends(&[(guest(), Left::ShutDown)])
        .sees(&[])
        .sees(&[])
        .safe(true)
        .then(released("a", ReturnHome::Never))
        .asks_for(&["plan_return"])
        .is(State::Leaving);
}

#[test]
fn who_was_shut_down_is_started_and_nobody_brought_back_who_is_not_to_return() {
    let leaves = |return_home| {
        Story::entered(Immovable::ShutdownRestart)
            .ends(&[(guest(), Left::ShutDown)])
            .sees(&[])
            .then(released("a", return_home))
            .asks_for(&["plan_return"])
            .maintenance
    };
    let back = BTreeSet::from([guest()]);
    assert_eq!(leaves(ReturnHome::Now).returning(), back);
    let stays = leaves(ReturnHome::Never);
    assert_eq!(stays.returning(), BTreeSet::new());
    assert_eq!(stays.home, back, "somebody may want it later");
    assert!(stays.shut_down().eq([guest()]));
}

#[test]
fn a_skipped_guest_that_does_not_run_keeps_the_host_unsafe_until_it_has_left() {
    Story::entered(Immovable::Skip)
        .ends(&[(guest(), Left::Skipped)])
        .sees(&[])
        .sees(&[])
        .is(State::InMaintenance)
        .safe(false)
        .then(Event::ServerLeft {
            server: guest(),
            by_maintenance: false,
        })
        .safe(true);
}

#[test]
fn a_skipped_guest_that_leaves_is_not_planned_for_and_the_host_is_looked_at_anew() {
    Story::entered(Immovable::Skip)
        .ends(&[(guest(), Left::Skipped)])
        .sees(&[guest()])
        .sees(&[guest()])
        .then(Event::ServerLeft {
            server: guest(),
            by_maintenance: false,
        })
        .asks_for(&[])
        .is(State::InMaintenance)
        .safe(false)
        .sees(&[])
        .safe(false)
        .sees(&[])
        .safe(true);
}

#[test]
fn nothing_is_shut_down_once_somebody_holds_the_host_who_has_not_asked_for_it_or_nobody_does() {
    let permits = |story: &Story| story.maintenance.permits_shutdown();
    let story = Story::entered(Immovable::ShutdownRestart);
    assert!(permits(&story));
    let story = story.then(held("b", Immovable::Skip));
    assert!(!permits(&story));
    let story = story.then(released("b", ReturnHome::Never));
    assert!(permits(&story));
    assert!(!permits(&story.then(released("a", ReturnHome::Never))));
}

#[test]
fn whoever_was_told_of_a_run_that_is_still_to_begin_finds_it() {
    let story = Story::entered(Immovable::ShutdownRestart).then(held("b", Immovable::Wait));
    let told = story.maintenance.run();
    let story = story
        .then(held("b", Immovable::Skip))
        .then(held("b", Immovable::Wait));
    assert_eq!(story.maintenance.run(), told);
    let story = story.ends(&[]).asks_for(&["make_plan"]);
    assert_eq!(story.maintenance.run(), told);
}

#[test]
fn a_rebooted_host_is_still_in_maintenance_and_seen_anew() {
    Story::in_maintenance()
        .safe(true)
        .then(Event::AgentDied)
        .is(State::InMaintenance)
        .safe(false)
        .sees(&[])
        .safe(false)
        .sees(&[])
        .safe(true);
}

#[test]
fn a_guest_that_comes_up_in_maintenance_is_moved_once_and_never_in_a_loop() {
    let mut story = Story::in_maintenance().sees(&[guest()]);
    story = story
        .asks_for(&["make_plan"])
        .is(State::Entering)
        .safe(false);
    story = story.ends(&[]);
    for _ in 0..5 {
        story = story.sees(&[guest()]).asks_for(&[]).is(State::Entering);
    }
    assert!(story.maintenance.retry_at.is_some());
}

#[test]
fn what_was_seen_before_the_last_arrival_proves_nothing() {
    Story::entered(Immovable::Wait)
        .ends(&[])
        .sees(&[])
        .then(Event::PlacementsChanged(1))
        .is(State::Entering)
        .sees(&[])
        .is(State::Entering)
        .then(Event::PlacementsChanged(0))
        .is(State::Entering)
        .sees(&[])
        .safe(false)
        .sees(&[])
        .safe(true);
}

#[test]
fn a_host_stays_held_until_the_last_holder_releases_it() {
    let story = Story::in_maintenance()
        .then(held("b", Immovable::Wait))
        .is(State::InMaintenance)
        .asks_for(&[])
        .then(released("a", ReturnHome::Now))
        .is(State::InMaintenance)
        .asks_for(&[])
        .then(released("b", ReturnHome::Now))
        .is(State::Leaving)
        .asks_for(&["plan_return"]);
    story.ends(&[]).is(State::None);
}

#[test]
fn nobody_returns_who_need_not() {
    Story::in_maintenance()
        .then(released("a", ReturnHome::Never))
        .asks_for(&[])
        .is(State::None);
}

#[test]
fn whom_somebody_has_moved_since_is_at_home_elsewhere() {
    let moved = |by_maintenance| Event::ServerLeft {
        server: guest(),
        by_maintenance,
    };
    let by_run = Story::entered(Immovable::Wait).then(moved(true));
    assert!(by_run.maintenance.home.contains(&guest()));
    let by_user = by_run.then(moved(false));
    assert!(!by_user.maintenance.home.contains(&guest()));
}

/// As lxd's 15877 has it: restore during evacuation.
#[test]
fn released_on_its_way_in_it_first_cancels_and_then_brings_back() {
    let story = Story::entered(Immovable::Wait).then(released("a", ReturnHome::Now));
    let story = story.asks_for(&["cancel_run"]).is(State::Leaving);
    let way_home = story.maintenance.run();
    let story = story
        .ends(&[])
        .asks_for(&["plan_return"])
        .is(State::Leaving);
    assert_eq!(
        story.maintenance.run(),
        way_home,
        "whoever released it was told which run"
    );
    story.ends(&[]).is(State::None);
}

#[test]
fn held_on_its_way_out_it_cancels_the_way_home_and_enters_again() {
    Story::in_maintenance()
        .then(released("a", ReturnHome::Now))
        .then(held("b", Immovable::Wait))
        .asks_for(&["cancel_run"])
        .is(State::Entering)
        .safe(false)
        .ends(&[])
        .asks_for(&["make_plan"])
        .is(State::Entering);
}

#[test]
fn a_run_that_empties_the_host_anyway_is_not_made_again() {
    let by_run = Event::Held {
        holder: holder("run:1", Immovable::Wait),
        guests: BTreeSet::from([guest()]),
        placements_in_flight: 0,
        run: Some(run(7)),
    };
    let story = Story::begins()
        .then(by_run)
        .asks_for(&[])
        .is(State::Entering);
    assert_eq!(story.maintenance.run(), Some(run(7)));
    story.ends(&[]).sees(&[]).sees(&[]).safe(true);
}

#[test]
fn a_more_careful_holder_ends_what_a_bolder_one_began() {
    Story::entered(Immovable::ShutdownRestart)
        .then(held("b", Immovable::Wait))
        .asks_for(&["cancel_run"])
        .ends(&[])
        .asks_for(&["make_plan"]);
}

#[test]
fn what_is_seen_is_told_only_where_it_changes_what_is_shown() {
    let mut now = LATE;
    let mut told = |before: &Maintenance, event: Event| {
        now += 1;
        let transition = step(before, &event, run(9), at(now)).unwrap();
        (transition.is_told(before, &event), transition.next)
    };
    let none = Maintenance::none(noon());
    let (is_told, entering) = told(&none, held("a", Immovable::Wait));
    assert!(is_told);
    let (is_told, entering) = told(&entering, seen(LATE + 2, &[guest()]));
    assert!(!is_told, "it is still there");
    let (is_told, empty) = told(&entering, seen(LATE + 3, &[]));
    assert_eq!((is_told, empty.state), (true, State::Empty));
    assert!(!told(&empty, seen(LATE + 4, &[])).0, "its run goes on");
    assert!(told(&empty, Event::AgentDied).0, "nothing counts any more");
    assert!(told(&empty, held("a", Immovable::Wait)).0);
}

#[test]
fn a_plan_for_it_is_made_as_its_holders_say() {
    let mut one = holder("a", Immovable::ShutdownRestart);
    one.deadline = Some(at(50));
    let mut other = holder("b", Immovable::Skip);
    other.deadline = Some(at(60));
    other.reason = Some("a new kernel".to_owned());
    let maintenance = Maintenance {
        holders: vec![one, other],
        ..Maintenance::none(noon())
    };
    let options = maintenance.plan_options();
    assert_eq!(options.immovable, Immovable::Skip);
    assert_eq!(options.deadline, Some(at(60)));
    assert_eq!(options.reason.as_deref(), Some("a new kernel"));
}

#[test]
fn what_was_shut_down_is_tried_again_until_it_is_started_and_seen_to_be_in_the_way() {
    let shut_down = [(guest(), Left::ShutDown)];
    let mut story = Story::entered(Immovable::ShutdownRestart)
        .ends(&shut_down)
        .sees(&[])
        .then(released("a", ReturnHome::Never))
        .asks_for(&["plan_return"])
        .obstacles(&[]);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        story = story
            .ends(&shut_down)
            .asks_for(&[])
            .is(State::Leaving)
            .obstacles(&[guest()]);
        let due = story.maintenance.retry_at.unwrap();
        pauses.push(due.since(at(story.clock)).as_secs());
        let now = at(story.clock);
        let early = step(&story.maintenance, &Event::RetryDue, run(0), now);
        assert_eq!(early, Err(Rejected::TooEarly));
        story.clock = due.since(noon()).as_secs();
        story = story
            .then(Event::RetryDue)
            .asks_for(&["plan_return"])
            .obstacles(&[guest()]);
    }
    assert_eq!(pauses, [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
    story.ends(&[]).is(State::None);
}

#[test]
fn a_host_that_is_held_and_left_again_still_knows_whom_it_has_shut_down() {
    let shut_down = [(guest(), Left::ShutDown)];
    let story = Story::entered(Immovable::ShutdownRestart)
        .ends(&shut_down)
        .then(released("a", ReturnHome::Never))
        .ends(&shut_down)
        .then(held("b", Immovable::Wait))
        .ends(&[]);
    assert!(story.maintenance.shut_down().eq([guest()]));
    story
        .then(released("b", ReturnHome::Never))
        .asks_for(&["plan_return"])
        .is(State::Leaving);
}

#[test]
fn whom_somebody_else_starts_need_not_be_started_again() {
    let shut_down = [(guest(), Left::ShutDown)];
    let left = || {
        Story::entered(Immovable::ShutdownRestart)
            .ends(&shut_down)
            .then(released("a", ReturnHome::Never))
    };
    let runs = || Event::NoLongerShutDown(guest());
    left().ends(&shut_down).then(runs()).is(State::None);
    left()
        .then(runs())
        .is(State::Leaving)
        .ends(&[])
        .is(State::None);
    let before = Story::entered(Immovable::ShutdownRestart).ends(&shut_down);
    before
        .then(runs())
        .then(released("a", ReturnHome::Never))
        .asks_for(&[])
        .is(State::None);
}

#[test]
fn what_cannot_return_stays_where_it_is_also_when_a_start_is_tried_again() {
    let other: ServerUuid = uuid::Uuid::from_u128(2).into();
    let mut story = Story::entered(Immovable::ShutdownRestart)
        .ends(&[(other, Left::ShutDown)])
        .then(released("a", ReturnHome::Now));
    assert_eq!(story.maintenance.returning(), [guest()].into());
    story = story.ends(&[(other, Left::ShutDown)]);
    assert_eq!(story.maintenance.returning(), BTreeSet::new());
}

#[test]
fn whoever_arrives_while_a_host_is_left_is_at_home_there_when_it_is_held_again() {
    let other: ServerUuid = uuid::Uuid::from_u128(2).into();
    let again = Event::Held {
        holder: holder("b", Immovable::Wait),
        guests: [other].into(),
        placements_in_flight: 0,
        run: None,
    };
    let story = Story::in_maintenance()
        .then(released("a", ReturnHome::Now))
        .then(again);
    assert_eq!(story.maintenance.home, [guest(), other].into());
}

#[test]
fn a_host_is_called_safe_only_as_long_as_what_it_said_is_fresh() {
    let safe = Story::in_maintenance().maintenance;
    let seen_at = safe.evidence.seen_at().unwrap();
    assert!(safe.is_safe_at(seen_at) && safe.is_safe_at(seen_at.plus(SAFE_FOR)));
    let late = seen_at.plus(SAFE_FOR + Duration::from_secs(1));
    assert!(!safe.is_safe_at(late), "nobody may be asking any more");
    assert!(safe.safe_to_reboot(), "whoever was told so may be at it");
    assert!(!Maintenance::none(noon()).is_safe_at(noon()));
}

#[test]
fn servers_that_are_in_no_hurry_return_behind_all_others() {
    let priority = |return_home| {
        let story = Story::in_maintenance().then(released("a", return_home));
        story.maintenance.plan_options().priority
    };
    assert_eq!(priority(ReturnHome::Idle), Some(Priority::Rebalance));
    assert_eq!(priority(ReturnHome::Now), None);
    let held = Story::entered(Immovable::Wait).maintenance;
    assert_eq!(held.plan_options().priority, None);
}
