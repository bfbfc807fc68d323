//! Stop, start and reboot: a server's effects.
//!
//! The host does it, and its word is the end. A host that gives none is asked until the deadline,
//! or until an operator declares it dead; then the server's task ends all the same, and what the
//! guest does is for the next inventory to say.

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::power::Outcome;
use godwit_core::server::PowerState;
use godwit_rpc::command::{Power, Powered, Rank};
use godwit_rpc::refusal::{CallError, Refusal};
use godwit_store::{ClaimedOfServer, PowerStart};
use tracing::{Span, info};

use super::performer::OUTDATED;
use super::{Performed, Retry};
use crate::context::{AskError, Context};
use crate::testimony::explain;

/// Performs it, as far as the server still waits for it.
pub(super) async fn perform(ctx: &Context, claimed: ClaimedOfServer) -> Performed {
    let started = ctx.store.power_start(claimed, ctx.now());
    let Some(start) = started.await? else {
        return Ok(());
    };
    Span::current().record("request_id", start.request_id.as_deref());
    let outcome = match refused(ctx, claimed, &start).await? {
        Some(failure) => Outcome::Unknown(failure),
        None => match ask(ctx, claimed, &start).await {
            Ok(outcome) => outcome,
            Err(retry) if is_overdue(ctx, claimed) => {
                info!(reason = retry.reason, "its deadline has passed");
                Outcome::Unknown(claimed.subject.1.overdue())
            }
            Err(retry) => return Err(retry),
        },
    };
    let concluded = ctx
        .store
        .power_conclude(claimed, outcome.clone(), ctx.now());
    if concluded.await? {
        info!(host = %start.host, ?outcome, "a server's power action ended");
    }
    Ok(())
}

fn is_overdue(ctx: &Context, claimed: ClaimedOfServer) -> bool {
    ctx.now().since(claimed.created_at) >= ctx.config.time_limits.power
}

/// Why the host is not even asked.
async fn refused(
    ctx: &Context,
    claimed: ClaimedOfServer,
    start: &PowerStart,
) -> Result<Option<Failure>, Retry> {
    let (_, action) = claimed.subject;
    if is_overdue(ctx, claimed) {
        return Ok(Some(action.overdue()));
    }
    if start.seen_elsewhere && action.starts_guest() {
        let text = "Another host is seen to have the server, too.";
        return Ok(Some(Failure::new(FailureCode::HypervisorError, text)));
    }
    let host = ctx.store.host_find(&start.host).await?;
    if host.is_some_and(|host| host.service.forced_down) {
        let text = format!("{} was declared dead.", start.host);
        let code = FailureCode::ComputeServiceUnavailable;
        return Ok(Some(Failure::new(code, text)));
    }
    Ok(None)
}

/// Asks the host. What cannot pass is an outcome.
async fn ask(
    ctx: &Context,
    claimed: ClaimedOfServer,
    start: &PowerStart,
) -> Result<Outcome, Retry> {
    let (server, action) = claimed.subject;
    let rank = Rank {
        sequence: claimed.sequence,
        epoch: claimed.lease.epoch,
    };
    let power = Power {
        server,
        action,
        rank,
        request_id: start.request_id.clone(),
    };
    let agent = match ctx.agent(&start.host).await {
        Ok(agent) => agent,
        Err(error @ AskError::Unknown(_)) => {
            let code = FailureCode::ComputeServiceUnavailable;
            return Ok(Outcome::Unknown(Failure::new(code, error.to_string())));
        }
        Err(error @ (AskError::Call(..) | AskError::Store(_))) => return Err(error.into()),
    };
    let failed = |text: String| {
        let failure = Failure::new(FailureCode::HypervisorError, text);
        Ok(Outcome::Unknown(failure))
    };
    match agent.power(power).await {
        Ok(Powered {
            power_state,
            failure: None,
        }) => Ok(Outcome::Done(power_state)),
        Ok(Powered {
            power_state,
            failure: Some(failure),
        }) => Ok(Outcome::Failed(failure, power_state)),
        Err(CallError::Refused(Refusal::UnknownServer(server))) => Ok(Outcome::Failed(
            Failure::new(
                FailureCode::HypervisorError,
                format!("Instance {server} could not be found."),
            ),
            PowerState::NoState,
        )),
        Err(CallError::Refused(Refusal::Stale { newest })) if newest.sequence > rank.sequence => {
            failed(OUTDATED.to_owned())
        }
        Err(CallError::Refused(Refusal::Failed(failure))) => Ok(Outcome::Unknown(failure)),
        Err(CallError::Refused(Refusal::Incompatible { .. })) => failed(format!(
            "The agent of {} is too old to power servers off and on.",
            start.host
        )),
        Err(
            error @ CallError::Refused(
                Refusal::Forbidden(_)
                | Refusal::Malformed { .. }
                | Refusal::NoJob
                | Refusal::TooLate
                | Refusal::UnknownMigration(_),
            ),
        ) => failed(explain(&error)),
        Err(
            error @ (CallError::Refused(Refusal::Stale { .. } | Refusal::Unavailable(_))
            | CallError::Overdue(_)
            | CallError::Unreachable(_)
            | CallError::Protocol(_)),
        ) => Err(error.into()),
    }
}
