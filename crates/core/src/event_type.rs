//! The types of events, as readers of the stream name them: the kind of the subject, a point, and
//! what happened. One table, by which the API filters and documents.

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

/// A type of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventType {
    /// Such as `migration.placed`.
    pub name: &'static str,
    /// What it means; a sentence.
    pub meaning: &'static str,
}

macro_rules! event_types {
    ($($name:literal: $meaning:literal,)+) => {
        /// Every type that there is, in the order of the documentation.
        pub const EVENT_TYPES: &[EventType] =
            &[$(EventType { name: $name, meaning: $meaning },)+];
    };
}

event_types! {
    "migration.requested": "Somebody asked for it; it is durable.",
    "migration.abort_requested": "Somebody asked for an abort. The hypervisor may be faster.",
    "migration.force_complete_requested": "Somebody asked to get it over with.",
    "migration.placed": "A destination was found, and both sides agreed.",
    "migration.not_placed": "There is no destination.",
    "migration.admitted": "Slots at source and destination were free, and are taken.",
    "migration.cancelled_unstarted": "It was aborted before anything had begun.",
    "migration.prepared": "The destination is ready.",
    "migration.not_prepared": "The destination could not be made ready.",
    "migration.post_copy_started": "The guest executes at the destination, its memory follows.",
    "migration.handed_over": "The source handed the guest over.",
    "migration.move_cancelled": "The move ended on an abort; the guest executes at the source.",
    "migration.move_failed": "The move failed; the guest executes at the source.",
    "migration.guest_lost": "The guest executes nowhere, and nobody may guess.",
    "migration.finished": "The destination has the guest.",
    "migration.rolled_back": "The source has the guest.",
    "migration.found_at_destination": "The guest was found at the destination while the move was being undone.",
    "migration.source_stopped": "The guest is off at its source, and all that it needs is at the destination.",
    "migration.booted": "The destination has the guest, and started it if it ran.",
    "migration.not_booted": "The destination does not run the guest, and will not.",
    "migration.confirm_requested": "Somebody confirmed a cold move.",
    "migration.revert_requested": "Somebody wants a cold move undone.",
    "migration.withdrawn": "The host that was to give the guest up has done so.",
    "migration.source_returned": "The source of an evacuation answers.",
    "migration.source_silent": "The source of an evacuation is silent, and nobody has declared it dead.",
    "migration.source_died": "The source was declared dead.",
    "migration.destination_died": "The destination was declared dead.",
    "migration.superseded": "Another migration of the server took over.",
    "migration.deadline_passed": "It stayed in its phase for longer than it may.",
    "migration.forced": "It is being got over with; the detail says by which means.",
    "migration.force_refused": "It cannot be got over with; the detail says why.",
}

/// The type of a line in a migration's log.
pub fn of_migration(name: &str) -> String {
    format!("migration.{name}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::event::Event;

    #[test]
    fn every_event_of_a_migration_has_its_type() {
        let remarks = ["requested", "forced", "force_refused"];
        let logged = Event::NAMES.iter().copied().chain(remarks);
        let logged: BTreeSet<String> = logged.map(of_migration).collect();
        let listed: BTreeSet<String> = EVENT_TYPES.iter().map(|it| it.name.to_owned()).collect();
        assert_eq!(listed, logged);
        assert_eq!(EVENT_TYPES.len(), listed.len(), "each once");
    }

    #[test]
    fn every_type_is_of_a_kind_and_says_what_it_means() {
        for EventType { name, meaning } in EVENT_TYPES {
            let kind = name.split('.').next().unwrap();
            assert!(KINDS.contains(&kind) && meaning.ends_with('.'), "{name}");
        }
    }
}
