//! A cold move's destination starts the guest.
//!
//! The source has said that the guest is off, and it is asked again right before the command:
//! only a source that answers so lets the guest be started.

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::recovery::ColdVerdict;
use godwit_rpc::command::Boot;

use super::judge;
use crate::effects::boot::{not_booted, send};
use crate::effects::performer::{Performed, Performer};

pub(in crate::effects) async fn perform(performer: &Performer<'_>) -> Performed {
    let heard = performer.hear().await?;
    match judge(performer, heard)? {
        ColdVerdict::GoAhead => {}
        ColdVerdict::RunsAtSource => {
            let text = format!(
                "The server was started on {} meanwhile.",
                performer.source()
            );
            return not_booted(performer, Failure::new(FailureCode::BootFailed, text)).await;
        }
        ColdVerdict::Stopped
        | ColdVerdict::Interrupted
        | ColdVerdict::Nowhere
        | ColdVerdict::Wait => return Err(performer.wait(heard).await),
    }
    let boot = Boot {
        command: performer.command()?,
        definition: None,
        power_on: performer.ran(),
    };
    match send(performer, boot).await? {
        Some(failure) => not_booted(performer, failure).await,
        None => Ok(()),
    }
}
