use super::*;

/// May the guest have executed here since the move began?
fn may_execute(witness: Witness) -> bool {
    match witness {
        Witness::Says(
            Sighting::Unreachable | Sighting::Executing | Sighting::Moving | Sighting::HandedOver,
        )
        // It executes nothing any more, but it may have.
        | Witness::DeclaredDead => true,
        Witness::Says(Sighting::Absent | Sighting::Inactive | Sighting::Incoming) => false,
    }
}

fn everything() -> impl Iterator<Item = (Phase, Witness, Witness, Verdict)> {
    Phase::ALL.iter().copied().flat_map(|phase| {
        Witness::all().flat_map(move |source| {
            Witness::all().map(move |destination| {
                (
                    phase,
                    source,
                    destination,
                    judge(phase, source, destination),
                )
            })
        })
    })
}

#[test]
fn the_source_is_resumed_only_when_the_destination_never_executed() {
    for (phase, source, destination, verdict) in everything() {
        if verdict == Verdict::ResumeAtSource {
            let told = format!("{phase:?} {source:?} {destination:?}");
            assert!(!may_execute(destination), "{told}");
            assert!(
                !matches!(phase, Phase::PostCopy | Phase::Finishing { .. }),
                "{told}"
            );
        }
    }
}

#[test]
fn a_silent_host_never_ends_a_move() {
    for (phase, source, destination, verdict) in everything() {
        let moving = source == Witness::Says(Sighting::Moving);
        if source.is_silent() || (destination.is_silent() && !moving) {
            let told = format!("{phase:?} {source:?} {destination:?}");
            assert_eq!(verdict, Verdict::Wait, "{told}");
        }
    }
}

#[test]
fn a_verdict_never_denies_an_executing_guest() {
    for (phase, source, destination, verdict) in everything() {
        let allowed: &[Verdict] = match (source.executes(), destination.executes()) {
            (true, true) => &[Verdict::Twice],
            (true, false) => &[Verdict::StillMoving, Verdict::AtSource, Verdict::Wait],
            (false, true) => &[Verdict::AtDestination, Verdict::Wait],
            (false, false) => &[
                Verdict::AtSource,
                Verdict::AtDestination,
                Verdict::DiedAtSource,
                Verdict::ResumeAtSource,
                Verdict::Nowhere,
                Verdict::Wait,
            ],
        };
        assert!(
            allowed.contains(&verdict),
            "{phase:?} {source:?} {destination:?}: {verdict:?}"
        );
    }
}

#[test]
fn nobody_is_lost_while_a_host_is_silent_or_holds_the_guest() {
    for (_, source, destination, verdict) in everything() {
        if verdict == Verdict::Nowhere {
            assert!(!destination.executes() && !destination.is_silent());
            assert!(!source.executes() && !source.is_silent());
        }
    }
}

#[test]
fn what_a_living_host_executes_outweighs_a_dead_one() {
    for (phase, source, destination, verdict) in everything() {
        let told = format!("{phase:?} {source:?} {destination:?}");
        if source == Witness::DeclaredDead && destination.executes() {
            assert_eq!(verdict, Verdict::AtDestination, "{told}");
        }
        let before = !matches!(phase, Phase::PostCopy | Phase::Finishing { .. });
        if destination == Witness::DeclaredDead
            && source == Witness::Says(Sighting::Executing)
            && before
        {
            assert_eq!(verdict, Verdict::AtSource, "{told}");
        }
    }
}

#[test]
fn a_guest_is_found_at_its_destination_only_if_it_can_be_there() {
    for (phase, source, destination, verdict) in everything() {
        if verdict == Verdict::AtDestination && !destination.executes() {
            let told = format!("{phase:?} {source:?} {destination:?}");
            assert_eq!(destination, Witness::DeclaredDead, "{told}");
            assert!(!source.executes(), "{told}");
        }
    }
}
