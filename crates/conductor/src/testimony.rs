//! Both hypervisors asked about one guest, for [`godwit_core::recovery::judge`].

use std::time::Duration;

use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::recovery::{Sighting, Witness};
use godwit_rpc::refusal::CallError;
use godwit_store::{MigrationRecord, StoreError};
use tokio::time::Instant;
use tracing::info;

use crate::context::{AskError, Context};

/// How long a host that was declared dead may go on answering.
const DYING: Duration = Duration::from_secs(3);

/// How often it is asked meanwhile.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How long a host may take to answer at all. One without power swallows every packet, and whoever
/// asks it holds up a guest.
const ANSWER: Duration = Duration::from_secs(2);

/// What the two sides of a move say of its guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Testimony {
    pub(crate) source: Witness,
    pub(crate) destination: Witness,
}

impl Testimony {
    /// For the log and for discrepancies.
    pub(crate) fn describe(self) -> String {
        let Self {
            source,
            destination,
        } = self;
        let told = |witness| match witness {
            Witness::Says(sighting) => format!("says {sighting:?}"),
            Witness::DeclaredDead => "is declared dead".to_owned(),
        };
        let (source, destination) = (told(source), told(destination));
        format!("the source {source}, the destination {destination}")
    }

    /// The side that did not answer; the source, if neither did.
    pub(crate) fn silent(self, record: &MigrationRecord) -> Option<&HostName> {
        let migration = &record.migration;
        if self.source.is_silent() {
            Some(&migration.source_compute)
        } else if self.destination.is_silent() {
            migration.destination()
        } else {
            None
        }
    }
}

/// Asks both sides at once.
pub(crate) async fn hear(
    ctx: &Context,
    server: ServerUuid,
    source: &HostName,
    destination: &HostName,
) -> Result<Testimony, StoreError> {
    let (source, destination) = tokio::try_join!(
        witness(ctx, source, server),
        witness(ctx, destination, server)
    )?;
    Ok(Testimony {
        source,
        destination,
    })
}

/// What is known of `server` at `host`: what it says, or that it is dead.
pub(crate) async fn witness(
    ctx: &Context,
    host: &HostName,
    server: ServerUuid,
) -> Result<Witness, StoreError> {
    if is_dead(ctx, host).await? {
        return Ok(Witness::DeclaredDead);
    }
    Ok(Witness::Says(ask(ctx, host, server).await?))
}

/// Has its operator declared `host` dead, and does it not answer?
pub(crate) async fn is_dead(ctx: &Context, host: &HostName) -> Result<bool, StoreError> {
    Ok(is_declared_dead(ctx, host).await? && !answers_now(ctx, host).await?)
}

/// Has its operator declared `host` dead?
pub(crate) async fn is_declared_dead(ctx: &Context, host: &HostName) -> Result<bool, StoreError> {
    ctx.store.host_is_declared_dead(host).await
}

/// What `host` says of `server`; [`Sighting::Unreachable`] when it does not answer.
async fn ask(ctx: &Context, host: &HostName, server: ServerUuid) -> Result<Sighting, StoreError> {
    let asked = async {
        let call = |error| AskError::Call(host.clone(), error);
        ctx.agent(host).await?.inventory().await.map_err(call)
    };
    match asked.await {
        Ok(inventory) => {
            let mut domains = inventory.domains.into_iter();
            let domain = domains.find(|domain| domain.server == server);
            Ok(domain.map_or(Sighting::Absent, |domain| domain.sighting))
        }
        Err(AskError::Store(error)) => Err(error),
        Err(error) => {
            info!(%host, error = %explain(&error), "a witness is silent");
            Ok(Sighting::Unreachable)
        }
    }
}

/// Does `host` answer at all?
///
/// One that its operator declared dead may still be dying: a fence takes longer than the request
/// that follows. So it is asked again for a while.
pub(crate) async fn answers(ctx: &Context, host: &HostName) -> Result<bool, StoreError> {
    let end = Instant::now() + DYING;
    while answers_now(ctx, host).await? {
        if !is_declared_dead(ctx, host).await? || Instant::now() >= end {
            return Ok(true);
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
    Ok(false)
}

/// Does `host` answer now? An agent that refuses is as alive as one that tells.
pub(crate) async fn answers_now(ctx: &Context, host: &HostName) -> Result<bool, StoreError> {
    let asked = async {
        let call = |error| AskError::Call(host.clone(), error);
        ctx.agent(host).await?.facts().await.map_err(call)
    };
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(Ok(_) | Err(AskError::Call(_, CallError::Refused(_)))) => Ok(true),
        Ok(Err(AskError::Store(error))) => Err(error),
        Ok(Err(AskError::Unknown(_) | AskError::Call(..))) | Err(_) => Ok(false),
    }
}

/// An error with its causes in one line.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
