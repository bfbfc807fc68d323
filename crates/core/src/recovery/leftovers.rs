//! What becomes of the things that an ended move has left on a host where the guest does not
//! belong.
//!
//! A move may end without one of its hosts: it is declared dead, or silent for too long, or
//! another move takes over. What is left there stays an open discrepancy until the host has been
//! heard and is clean. Nothing is removed that may be the last of the guest, and of two that
//! execute only the source of a move that handed its guest over gives up its own.

use super::{Sighting, Witness};
use crate::migration::StorageMode;
use crate::status::MigrationKind;

/// As which end of the move the host took part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum End {
    /// The guest came from here.
    Source,
    /// The guest was to go here, or went here.
    Destination,
}

/// What is known of a leftover and of the guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leftover {
    /// Of what kind of move.
    pub kind: MigrationKind,
    /// How its disks were to travel.
    pub storage: StorageMode,
    /// On which of its ends.
    pub end: End,
    /// What that host says of the guest.
    pub here: Sighting,
    /// What the host where the server is recorded says of it.
    pub home: Witness,
}

/// What is to be done about it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Remedy {
    /// Nothing is left here.
    Clean,
    /// The source of a move that went well forgets the guest.
    Finish,
    /// The destination of a move that did not begin to execute the guest clears its preparation.
    RollBack,
    /// The host powers off what it has of the guest, and forgets it.
    Withdraw,
    /// Not now, or never by itself: an operator has to look.
    Leave,
}

/// Says what becomes of `leftover`. Total; a test walks it.
pub const fn remedy(leftover: Leftover) -> Remedy {
    let executes_at_home = leftover.home.executes();
    let is_home = executes_at_home || matches!(leftover.home, Witness::Says(Sighting::Inactive));
    match leftover.end {
        End::Source => match leftover.here {
            // What was copied away may be there without it, and the agent remembers the move.
            Sighting::Absent | Sighting::Inactive | Sighting::HandedOver if is_home => {
                of_source(leftover.kind)
            }
            // The definition alone, or what stands still: the disks are shared, and the record
            // knows the guest.
            Sighting::Absent | Sighting::Inactive | Sighting::HandedOver
                if matches!(leftover.home, Witness::DeclaredDead)
                    && matches!(leftover.storage, StorageMode::Shared) =>
            {
                of_source(leftover.kind)
            }
            Sighting::Executing if executes_at_home => match leftover.kind {
                MigrationKind::LiveMigration | MigrationKind::Evacuation => Remedy::Withdraw,
                MigrationKind::Migration | MigrationKind::Resize => Remedy::Leave,
            },
            Sighting::Absent
            | Sighting::Inactive
            | Sighting::HandedOver
            | Sighting::Executing
            | Sighting::Moving
            | Sighting::Incoming
            | Sighting::Unreachable => Remedy::Leave,
        },
        End::Destination => match (leftover.here, leftover.kind) {
            // What was made for it may be there without it.
            (
                Sighting::Absent | Sighting::Incoming,
                MigrationKind::LiveMigration | MigrationKind::Migration | MigrationKind::Resize,
            ) => Remedy::RollBack,
            (Sighting::Absent, MigrationKind::Evacuation) => Remedy::Clean,
            (
                Sighting::Inactive,
                MigrationKind::Migration | MigrationKind::Resize | MigrationKind::Evacuation,
            ) => Remedy::Withdraw,
            (
                Sighting::Inactive
                | Sighting::Incoming
                | Sighting::Executing
                | Sighting::Moving
                | Sighting::HandedOver
                | Sighting::Unreachable,
                MigrationKind::LiveMigration
                | MigrationKind::Migration
                | MigrationKind::Resize
                | MigrationKind::Evacuation,
            ) => Remedy::Leave,
        },
    }
}

const fn of_source(kind: MigrationKind) -> Remedy {
    match kind {
        MigrationKind::LiveMigration | MigrationKind::Migration | MigrationKind::Resize => {
            Remedy::Finish
        }
        MigrationKind::Evacuation => Remedy::Withdraw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> impl Iterator<Item = (Leftover, Remedy)> {
        let ends = [End::Source, End::Destination];
        MigrationKind::ALL.iter().flat_map(move |kind| {
            ends.into_iter().flat_map(move |end| {
                StorageMode::ALL.iter().flat_map(move |storage| {
                    Sighting::ALL.iter().flat_map(move |here| {
                        Witness::all().map(move |home| {
                            let leftover = Leftover {
                                kind: *kind,
                                storage: *storage,
                                end,
                                here: *here,
                                home,
                            };
                            (leftover, remedy(leftover))
                        })
                    })
                })
            })
        })
    }

    #[test]
    fn what_executes_is_stopped_only_at_the_source_of_a_guest_that_executes_at_home() {
        for (leftover, remedy) in everything() {
            let runs = matches!(leftover.here, Sighting::Executing | Sighting::Moving);
            if runs && remedy != Remedy::Leave {
                assert_eq!(remedy, Remedy::Withdraw, "{leftover:?}");
                assert_eq!(leftover.end, End::Source, "{leftover:?}");
                assert!(leftover.home.executes(), "{leftover:?}");
            }
        }
    }

    #[test]
    fn nothing_is_removed_at_a_source_that_may_be_the_last_of_the_guest() {
        for (leftover, remedy) in everything() {
            let removed = !matches!(remedy, Remedy::Leave | Remedy::Clean);
            if leftover.end == End::Source && removed {
                let known = leftover.home.executes()
                    || leftover.home == Witness::Says(Sighting::Inactive)
                    || (leftover.home == Witness::DeclaredDead
                        && leftover.storage == StorageMode::Shared);
                assert!(known, "{leftover:?}");
            }
        }
    }

    #[test]
    fn a_host_that_cannot_be_judged_is_left_alone() {
        for (leftover, remedy) in everything() {
            if leftover.here == Sighting::Unreachable {
                assert_eq!(remedy, Remedy::Leave);
            }
        }
    }
}
