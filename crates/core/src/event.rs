//! What can happen to a migration: requests, reports of agents, an operator's word, the clock.

use std::time::Duration;

use crate::failure::Failure;
use crate::migration::{Limits, Placement};

/// One happening. [`crate::transition::step`] says what follows from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A user asked for an abort.
    AbortRequested,
    /// A user asked to get it over with.
    ForceCompleteRequested,
    /// A destination was found and both sides' pre-checks passed; the limits from here on.
    Placed(Placement, Limits),
    /// No destination, for the given reason.
    NotPlaced(Failure),
    /// Slots at source and destination are free, and are taken with this event.
    Admitted,
    /// An abort was performed before anything had begun.
    CancelledUnstarted,
    /// The destination is ready.
    Prepared,
    /// The destination could not be made ready (or was told to stop).
    NotPrepared(Failure),
    /// The guest now executes at the destination, memory follows.
    PostCopyStarted,
    /// The source reports that the guest was handed over.
    HandedOver,
    /// The move ended on an abort; the guest executes at the source.
    MoveCancelled,
    /// The move failed; the guest executes at the source.
    MoveFailed(Failure),
    /// The guest executes nowhere, and nobody may guess.
    GuestLost(Failure),
    /// The destination has the guest. The source is clean, or has been declared dead or given up
    /// on, and is cleaned later.
    Finished {
        /// Nothing is left over at the source.
        clean: bool,
    },
    /// The source has the guest, or has died with it. The destination is clean, or has been
    /// declared dead or given up on, and is cleaned later.
    RolledBack {
        /// Nothing is left over at the destination.
        clean: bool,
    },
    /// Both hosts were asked, and the guest executes at the destination and nowhere else, though
    /// the move was being undone.
    FoundAtDestination,
    /// Cold: the guest is off at its source, and all that it needs is at the destination.
    SourceStopped,
    /// The destination has the guest, and started it if it ran.
    Booted,
    /// The destination does not run the guest, and will not.
    NotBooted(Failure),
    /// Somebody confirmed a cold move.
    ConfirmRequested,
    /// Somebody wants a cold move undone.
    RevertRequested,
    /// The host that was to give the guest up has done so.
    Withdrawn,
    /// An evacuation's source answers.
    SourceReturned,
    /// An evacuation's source is silent, and nobody has declared it dead: there is no proof that
    /// it does not execute the guest. For so long may somebody bring that proof.
    SourceSilent(Failure, Duration),
    /// The source's operator has declared it dead ([`crate::recovery::Witness::DeclaredDead`]).
    SourceDied(Failure),
    /// The destination's operator has declared it dead.
    DestinationDied(Failure),
    /// Another migration of the server takes over, for the given reason.
    Superseded(Failure),
    /// The row's deadline is behind us.
    DeadlinePassed,
}

/// One list for both, so that whoever lists every event can be held to it.
macro_rules! names {
    ($($event:pat => $name:literal,)+) => {
        impl Event {
            /// The name of every event.
            pub const NAMES: &'static [&'static str] = &[$($name,)+];

            /// The event's name in the event log.
            pub const fn name(&self) -> &'static str {
                match self { $($event => $name,)+ }
            }
        }
    };
}

names! {
    Self::AbortRequested => "abort_requested",
    Self::ForceCompleteRequested => "force_complete_requested",
    Self::Placed(..) => "placed",
    Self::NotPlaced(_) => "not_placed",
    Self::Admitted => "admitted",
    Self::CancelledUnstarted => "cancelled_unstarted",
    Self::Prepared => "prepared",
    Self::NotPrepared(_) => "not_prepared",
    Self::PostCopyStarted => "post_copy_started",
    Self::HandedOver => "handed_over",
    Self::MoveCancelled => "move_cancelled",
    Self::MoveFailed(_) => "move_failed",
    Self::GuestLost(_) => "guest_lost",
    Self::Finished { .. } => "finished",
    Self::RolledBack { .. } => "rolled_back",
    Self::FoundAtDestination => "found_at_destination",
    Self::SourceStopped => "source_stopped",
    Self::Booted => "booted",
    Self::NotBooted(_) => "not_booted",
    Self::ConfirmRequested => "confirm_requested",
    Self::RevertRequested => "revert_requested",
    Self::Withdrawn => "withdrawn",
    Self::SourceReturned => "source_returned",
    Self::SourceSilent(..) => "source_silent",
    Self::SourceDied(_) => "source_died",
    Self::DestinationDied(_) => "destination_died",
    Self::Superseded(_) => "superseded",
    Self::DeadlinePassed => "deadline_passed",
}
