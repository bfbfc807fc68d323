//! Roll back: the guest is on its source; the destination is cleaned, the source confirms.

use godwit_rpc::command::RollBack;
use godwit_rpc::refusal::Refusal;

use super::performer::{Performed, Performer, Retry};

pub(super) async fn clean_destination(performer: &Performer<'_>) -> Performed {
    let roll_back = RollBack {
        command: performer.command()?,
        resume: false,
    };
    let destination = performer.destination_agent().await?;
    let cleaned = performer.told(destination.roll_back(roll_back).await)?;
    cleaned
        .map_err(|refusal| Retry::because(format!("the destination cannot be cleaned: {refusal}")))
}

/// The source did not confirm the guest.
pub(super) enum NotRestored {
    Retry(Retry),
    Refused(Refusal),
}

impl<E: Into<Retry>> From<E> for NotRestored {
    fn from(error: E) -> Self {
        Self::Retry(error.into())
    }
}

pub(super) async fn restore_source(
    performer: &Performer<'_>,
    resume: bool,
) -> Result<(), NotRestored> {
    let command = performer.command()?;
    let source = performer.source_agent().await?;
    let restored = source.roll_back(RollBack { command, resume }).await;
    performer.told(restored)?.map_err(NotRestored::Refused)
}
