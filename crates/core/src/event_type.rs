//! The types of events, as readers of the stream name them: the kind of the subject, a point, and
//! what happened. One table, by which the API filters and documents.

mod runs;

use self::runs::{OF_MAINTENANCE, OF_PLANS, OF_RUNS};
use crate::discrepancy::DiscrepancyEvent;
use crate::host::event::{HostEvent, ScopeEvent};
use crate::status::words;

/// The kinds of subjects that events have, or will have.
pub const KINDS: &[&str] = &[
    "migration",
    "relocation",
    "plan",
    "run",
    "host",
    "maintenance",
    "discrepancy",
];

words!(
    /// What an event is about.
    EventKind, "kind of events", {
        /// A migration.
        Migration = "migration",
        /// A host, by its name, or a zone, pod or cluster of hosts.
        Host = "host",
        /// A discrepancy.
        Discrepancy = "discrepancy",
        /// A plan.
        Plan = "plan",
        /// A run of a plan.
        Run = "run",
        /// The maintenance of a host, by the host's name.
        Maintenance = "maintenance",
    }
);

impl EventKind {
    /// Is it about hosts before anything else, and so only for those who may see them?
    pub const fn is_of_hosts(self) -> bool {
        match self {
            Self::Migration | Self::Plan | Self::Run => false,
            Self::Host | Self::Discrepancy | Self::Maintenance => true,
        }
    }

    /// The type of its event of this name.
    pub fn event_type(self, name: &str) -> String {
        format!("{self}.{name}")
    }
}

/// A type of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventType {
    /// What it is about.
    pub kind: EventKind,
    /// What happened, such as `placed`.
    pub event: &'static str,
    /// What it means; a sentence.
    pub meaning: &'static str,
}

impl EventType {
    /// Such as `migration.placed`.
    pub fn name(&self) -> String {
        self.kind.event_type(self.event)
    }
}

/// Every type that there is, in the order of the documentation.
pub fn all() -> impl Iterator<Item = EventType> {
    let of = |kind, event, meaning| EventType {
        kind,
        event,
        meaning,
    };
    let listed = move |kind, list: &'static [(&'static str, &'static str)]| {
        list.iter().map(move |it| of(kind, it.0, it.1))
    };
    let migrations = listed(EventKind::Migration, OF_MIGRATIONS);
    let runs = listed(EventKind::Plan, OF_PLANS)
        .chain(listed(EventKind::Run, OF_RUNS))
        .chain(listed(EventKind::Maintenance, OF_MAINTENANCE));
    let hosts = HostEvent::ALL.iter();
    let hosts = hosts.map(move |it| of(EventKind::Host, it.as_str(), it.meaning()));
    let scopes = ScopeEvent::ALL.iter();
    let scopes = scopes.map(move |it| of(EventKind::Host, it.as_str(), it.meaning()));
    let discrepancies = DiscrepancyEvent::ALL.iter();
    let discrepancies =
        discrepancies.map(move |it| of(EventKind::Discrepancy, it.as_str(), it.meaning()));
    migrations
        .chain(hosts)
        .chain(scopes)
        .chain(discrepancies)
        .chain(runs)
}

/// The events of migrations, and what they mean.
const OF_MIGRATIONS: &[(&str, &str)] = &[
    ("requested", "Somebody asked for it; it is durable."),
    (
        "abort_requested",
        "Somebody asked for an abort. The hypervisor may be faster.",
    ),
    (
        "force_complete_requested",
        "Somebody asked to get it over with.",
    ),
    ("placed", "A destination was found, and both sides agreed."),
    ("not_placed", "There is no destination."),
    (
        "admitted",
        "Slots at source and destination were free, and are taken.",
    ),
    (
        "cancelled_unstarted",
        "It was aborted before anything had begun.",
    ),
    ("prepared", "The destination is ready."),
    ("not_prepared", "The destination could not be made ready."),
    (
        "post_copy_started",
        "The guest executes at the destination, its memory follows.",
    ),
    ("handed_over", "The source handed the guest over."),
    (
        "move_cancelled",
        "The move ended on an abort; the guest executes at the source.",
    ),
    (
        "move_failed",
        "The move failed; the guest executes at the source.",
    ),
    (
        "guest_lost",
        "The guest executes nowhere, and nobody may guess.",
    ),
    ("finished", "The destination has the guest."),
    ("rolled_back", "The source has the guest."),
    (
        "found_at_destination",
        "The guest was found at the destination while the move was being undone.",
    ),
    (
        "source_stopped",
        "The guest is off at its source, and all that it needs is at the destination.",
    ),
    (
        "booted",
        "The destination has the guest, and started it if it ran.",
    ),
    (
        "not_booted",
        "The destination does not run the guest, and will not.",
    ),
    ("confirm_requested", "Somebody confirmed a cold move."),
    ("revert_requested", "Somebody wants a cold move undone."),
    (
        "withdrawn",
        "The host that was to give the guest up has done so.",
    ),
    ("source_returned", "The source of an evacuation answers."),
    (
        "source_silent",
        "The source of an evacuation is silent, and nobody has declared it dead.",
    ),
    ("source_died", "The source was declared dead."),
    ("destination_died", "The destination was declared dead."),
    ("superseded", "Another migration of the server took over."),
    (
        "deadline_passed",
        "It stayed in its phase for longer than it may.",
    ),
    (
        "forced",
        "It is being got over with; the detail says by which means.",
    ),
    (
        "force_refused",
        "It cannot be got over with; the detail says why.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::event::Event;
    use crate::host::maintenance;
    use crate::{plan, run};

    #[test]
    fn every_event_of_a_migration_has_its_type() {
        let remarks = ["requested", "forced", "force_refused"];
        let logged: BTreeSet<&str> = Event::NAMES.iter().copied().chain(remarks).collect();
        let listed: BTreeSet<&str> = OF_MIGRATIONS.iter().map(|it| it.0).collect();
        assert_eq!(listed, logged);
    }

    #[test]
    fn every_event_of_a_plan_a_run_and_a_maintenance_has_its_type() {
        let names = |list: &[(&'static str, &str)]| list.iter().map(|it| it.0).collect();
        let listed: BTreeSet<&str> = names(OF_PLANS);
        let remarks = ["requested", "deleted"];
        let logged = plan::Event::NAMES.iter().copied().chain(remarks);
        assert_eq!(listed, logged.collect());
        let listed: BTreeSet<&str> = names(OF_RUNS);
        let logged = run::Event::NAMES.iter().copied().chain(["requested"]);
        assert_eq!(listed, logged.collect());
        let listed: BTreeSet<&str> = names(OF_MAINTENANCE);
        assert_eq!(listed, maintenance::Event::NAMES.iter().copied().collect());
    }

    #[test]
    fn every_type_is_there_once_is_of_a_kind_and_says_what_it_means() {
        let mut names = BTreeSet::new();
        for it in all() {
            let name = it.name();
            assert!(KINDS.contains(&it.kind.as_str()), "{name}");
            assert!(it.meaning.ends_with('.'), "{name}");
            assert!(names.insert(name.clone()), "{name} is there twice");
        }
        assert!(names.contains("migration.placed") && names.contains("host.down"));
        assert!(names.contains("discrepancy.closed"));
    }
}
