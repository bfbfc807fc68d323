//! The events of plans, runs and maintenance, and what they mean.

pub(super) const OF_PLANS: &[(&str, &str)] = &[
    ("requested", "Somebody asked for it; it is durable."),
    (
        "made",
        "It is made: ready, or aborted as some of its servers are blocked.",
    ),
    ("not_made", "It cannot be made; the detail says why."),
    ("run_begun", "It is run."),
    (
        "deadline_passed",
        "It was not made in time, or not run in time.",
    ),
    ("deleted", "Somebody deleted it."),
];

pub(super) const OF_RUNS: &[(&str, &str)] = &[
    ("requested", "Somebody asked for it; it is durable."),
    ("room_claimed", "All the room that it needs is claimed."),
    (
        "room_refused",
        "It needs room that there is not, whoever else ends, or its plan was not made.",
    ),
    ("operation_begun", "An operation began."),
    (
        "operation_refused",
        "An operation was to begin, and what it rests on had changed.",
    ),
    (
        "operation_unneeded",
        "An operation had nothing to do, or its server was gone.",
    ),
    (
        "operation_ended",
        "What an operation had started has ended.",
    ),
    (
        "operation_revised",
        "An operation goes elsewhere, or goes in another way.",
    ),
    (
        "operation_not_revised",
        "There is nowhere else for an operation.",
    ),
    ("cancel_requested", "Somebody asked for its cancellation."),
    ("skip_requested", "Somebody wants an operation left out."),
    (
        "deadline_passed",
        "Its deadline has passed; nothing new starts.",
    ),
    ("host_held", "A host that it empties is held for it."),
    (
        "host_released",
        "A host that was held for it was released by somebody.",
    ),
    ("host_ready", "A host that it empties is in maintenance."),
    ("host_done", "Somebody is done with a host."),
    ("host_returned", "A host has its guests again."),
];

/// Of what is seen and counted only what changes something that is shown.
pub(super) const OF_MAINTENANCE: &[(&str, &str)] = &[
    ("held", "Somebody holds the host, or changes how."),
    ("released", "A holder released it."),
    (
        "planned",
        "The run that empties it is planned; the detail says which servers it leaves.",
    ),
    ("run_ended", "The run that works for it has ended."),
    ("seen", "What its hypervisor shows changed its state."),
    (
        "placements_changed",
        "Fewer or more placements may still lead a guest here, which changed its state.",
    ),
    (
        "agent_died",
        "Its agent is dead, or was for a while, which changed its state.",
    ),
    (
        "server_left",
        "A server that it waited for is here no longer.",
    ),
    (
        "no_longer_shut_down",
        "A server that was shut down for it runs again, or is deleted.",
    ),
    (
        "retry_due",
        "Its blockers are tried again, or servers that were not started again.",
    ),
];
