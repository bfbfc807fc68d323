//! What a move has come to, from libvirt's call, its events and one look at the domain.
//!
//! A pure function, because everything hangs on it: a success is said only on libvirt's word, a
//! failure only of a guest that was seen at its source, and the rest is "nobody knows here".

use std::fmt;

use godwit_core::failure::{Failure, FailureCode};
use virt::error::{Error, ErrorNumber};

use super::connection::number;
use super::observation::{MoveSeen, Observation};
use super::outgoing::{Call, Known};
use super::sys::{DomainState, JobStatistics, Stopped};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum MoveStatus {
    Moving {
        /// Its figures, if there are any at this moment.
        figures: Option<JobStatistics>,
        /// Does the guest execute at the destination?
        post_copy: bool,
    },
    /// libvirt says that the guest executes at the destination.
    HandedOver,
    /// The guest is at its source as it was, after an abort (`None`) or a failure.
    Stayed(Option<Failure>),
    /// The same, once a pause of ours is lifted that came when the move had just ended.
    StayedPaused(Option<Failure>),
    /// Both sides have to be asked.
    Unknown,
}

/// Says what `known` and `seen` (`None`: no such domain) mean.
pub(super) fn move_status(
    known: &Known,
    seen: Option<Observation>,
    paused_by_move: bool,
) -> MoveStatus {
    if known.call == Call::HandedOver {
        return MoveStatus::HandedOver;
    }
    let Some(Observation { state, movement }) = seen else {
        return gone(known);
    };
    // Post-copy broke: the destination executes the guest, or has died with it. What libvirt
    // calls the job's figures then stands still.
    let post_copy_failed = state == DomainState::Paused(Stopped::PostCopyFailed);
    if post_copy_failed && known.call != Call::UnderWay {
        return MoveStatus::Unknown;
    }
    let source_stopped = post_copy_failed || state == DomainState::Paused(Stopped::PostCopy);
    if let MoveSeen::Outgoing(figures) = movement {
        return MoveStatus::Moving {
            figures: Some(figures),
            post_copy: known.post_copy || source_stopped,
        };
    }
    let why = match &known.call {
        // Between two steps of libvirt's there is a moment without a job.
        Call::UnderWay => {
            return MoveStatus::Moving {
                figures: None,
                post_copy: known.post_copy || source_stopped,
            };
        }
        Call::Cancelled => None,
        Call::Failed(_) | Call::Unheard(_) | Call::NotOurs if known.abort_asked => None,
        Call::Failed(failure) | Call::Unheard(failure) => Some(failure.clone()),
        Call::NotOurs => Some(Failure::new(
            FailureCode::Interrupted,
            "The migration job ended while its agent was away; the guest stayed.",
        )),
        Call::HandedOver => return MoveStatus::HandedOver,
    };
    let heard = matches!(known.call, Call::Cancelled | Call::Failed(_));
    match state {
        DomainState::Running | DomainState::Asleep => MoveStatus::Stayed(why),
        DomainState::Paused(Stopped::Otherwise) if !paused_by_move => MoveStatus::Stayed(why),
        DomainState::Paused(Stopped::Otherwise) if heard => MoveStatus::StayedPaused(why),
        DomainState::Off | DomainState::Saved => gone(known),
        DomainState::Paused(_) | DomainState::Crashed | DomainState::Unknown => MoveStatus::Unknown,
    }
}

/// The domain is not in memory any more.
fn gone(known: &Known) -> MoveStatus {
    match (&known.call, known.completed) {
        // The call is about to return, and says why.
        (Call::UnderWay, _) => MoveStatus::Moving {
            figures: None,
            post_copy: known.post_copy,
        },
        (_, Some(_)) => MoveStatus::HandedOver,
        (_, None) => MoveStatus::Unknown,
    }
}

/// What the error of libvirt's call means. `heard`: libvirt itself said so; otherwise it went
/// away under the call, and nothing is known of the guest.
pub(super) fn call_failed(error: &Error, heard: bool) -> Call {
    let text = error.message();
    let failure = |code| Failure::new(code, Sentence(text).to_string());
    if !heard {
        let message = [
            "The source's libvirt went away during the move: ",
            text,
            ".",
        ]
        .concat();
        return Call::Unheard(Failure::new(FailureCode::Interrupted, message));
    }
    match number(error) {
        Some(ErrorNumber::OperationAborted) => Call::Cancelled,
        // Finished over there, and nobody confirmed it here.
        Some(ErrorNumber::MigrateFinishOk) => Call::Unheard(failure(FailureCode::HypervisorError)),
        Some(ErrorNumber::CpuIncompatible) => Call::Failed(failure(FailureCode::CpuIncompatible)),
        _ if text.contains("No space left on device") => {
            Call::Failed(failure(FailureCode::DestinationFull))
        }
        _ if lost_the_other_host(text) => Call::Failed(failure(FailureCode::LinkLost)),
        _ => Call::Failed(failure(FailureCode::HypervisorError)),
    }
}

/// libvirt's and the system's words for a destination that cannot be reached; without a number
/// of their own as well.
fn lost_the_other_host(text: &str) -> bool {
    [
        "Lost connection to destination host",
        "client socket is closed",
        "received hangup",
        "no response to keepalive",
        "Connection timed out",
        "Connection refused",
        "No route to host",
        "Network is unreachable",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// libvirt's text as one: capitalised, with a full stop.
struct Sentence<'a>(&'a str);

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.trim().trim_end_matches('.');
        let mut letters = text.chars();
        if let Some(first) = letters.next() {
            write!(f, "{}{}.", first.to_uppercase(), letters.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
