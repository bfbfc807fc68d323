//! Operations that begin, each together with what it starts.

use std::collections::BTreeSet;

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{MigrationUuid, OperationUuid};
use godwit_core::migration::{Limits, Request};
use godwit_core::plan::options::Priority;
use godwit_core::power::PowerAction;
use godwit_core::run::order::startable;
use godwit_core::run::{Event, Operation, OperationKind};
use godwit_store::{
    ActionNote, BeginError, NewMigration, NewPower, OperationBeginError, OperationStart, RunPart,
    RunRecord, RunStepError, Server,
};
use tracing::{info, warn};

use super::applied;
use super::candidates::{candidates, links, read_guests};
use super::check::{Readiness, check, elsewhere, gone, in_use, request};
use super::drive::{Changed, Driver};
use super::queues::{Candidate, choose};
use crate::context::Context;
use crate::effects::Retry;

/// Operations of one run that begin before anything else is looked at.
const AT_ONCE: usize = 16;
/// How often others are considered, where all that were chosen find their servers in use.
const ROUNDS: usize = 4;

/// What became of an operation that was to begin.
enum Begun {
    /// It runs, or it was refused; the run has become this.
    Written(Box<RunPart>),
    /// Its server is in use, or its hosts have not been heard yet.
    NotYet(Failure),
    /// The run is not what it was.
    Changed,
}

/// Begins what may begin and fits on its links; `None`: nothing.
pub(super) async fn some(
    driver: &mut Driver<'_>,
    record: &RunRecord,
) -> Result<Option<Changed>, Retry> {
    let ctx = driver.ctx;
    let mut later = BTreeSet::new();
    for _ in 0..ROUNDS {
        let mut candidates = candidates(record, &later);
        if candidates.all.is_empty() {
            // Whoever was in use the last time, and is not now, is waited for anew.
            driver.busy.retain(|id, _| later.contains(id));
            ctx.queues.publish(driver.run, Vec::new());
            return Ok(None);
        }
        let mut chosen = next(driver, record.priority, &mut candidates.need_links).await?;
        ctx.queues.publish(driver.run, candidates.need_links);
        chosen.extend(candidates.need_none.into_iter().take(AT_ONCE));
        // All together they have to keep to the constraints, too.
        let mut begin = startable(&record.run, |it| chosen.contains(&it.id));
        begin.sort_by_key(|id| chosen.iter().position(|it| it == id));
        if begin.is_empty() {
            return Ok(None);
        }
        let mut next: Option<RunPart> = None;
        for id in begin {
            match begin_one(driver, record, id).await? {
                Begun::Written(part) => {
                    next = Some(match next.take() {
                        Some(earlier) => earlier.then(*part),
                        None => *part,
                    });
                }
                Begun::NotYet(_) => {
                    later.insert(id);
                }
                Begun::Changed => return Ok(Some(Changed::Otherwise)),
            }
        }
        if let Some(next) = next {
            return Ok(Some(Changed::part(next)));
        }
    }
    Ok(None)
}

/// Those that begin of what needs a part of links.
async fn next(
    driver: &Driver<'_>,
    priority: Priority,
    waiting: &mut [Candidate],
) -> Result<Vec<OperationUuid>, Retry> {
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let ctx = driver.ctx;
    read_guests(ctx, waiting).await?;
    let others = ctx.queues.of_others(driver.run);
    let links = links(ctx, priority, &[waiting, &others]).await?;
    Ok(choose(waiting, &others, &links, ctx.now(), AT_ONCE))
}

async fn begin_one(
    driver: &mut Driver<'_>,
    record: &RunRecord,
    id: OperationUuid,
) -> Result<Begun, Retry> {
    let Some(operation) = record.run.operation(id) else {
        return Ok(Begun::Changed);
    };
    let begun = match check(driver.ctx, record, operation).await? {
        Readiness::Ready(server) => start(driver, operation, &server).await?,
        Readiness::NotYet(why) => Begun::NotYet(why),
        Readiness::Unfit(failure) => refuse(driver, operation, failure).await?,
        Readiness::Unneeded(gone) => {
            apply(driver, Event::OperationUnneeded(operation.id, gone)).await?
        }
    };
    let Begun::NotYet(why) = begun else {
        driver.busy.remove(&id);
        return Ok(begun);
    };
    let now = driver.ctx.now();
    let since = *driver.busy.entry(id).or_insert(now);
    if now.since(since) < driver.ctx.config.time_limits.accepted {
        return Ok(Begun::NotYet(why));
    }
    driver.busy.remove(&id);
    refuse(driver, operation, why).await
}

/// It is not to begin as things are: the run decides what becomes of it.
async fn refuse(
    driver: &Driver<'_>,
    operation: &Operation,
    failure: Failure,
) -> Result<Begun, Retry> {
    info!(run = %driver.run, operation = %operation.id, %failure, "an operation is not begun");
    apply(driver, Event::OperationRefused(operation.id, failure)).await
}

async fn apply(driver: &Driver<'_>, event: Event) -> Result<Begun, Retry> {
    let store = &driver.ctx.store;
    let written = store.run_apply_part(driver.run, event, driver.note()).await;
    let next = applied(written)?;
    Ok(next.map_or(Begun::Changed, |next| Begun::Written(Box::new(next))))
}

/// Its server is not where it was seen a moment before.
struct Elsewhere;

/// Begins it.
async fn start(
    driver: &Driver<'_>,
    operation: &Operation,
    server: &Server,
) -> Result<Begun, Retry> {
    let Some(start) = what(driver, operation, server) else {
        let text = format!("{} is no host's name.", operation.destination);
        let failure = Failure::new(FailureCode::NoValidHost, text);
        return refuse(driver, operation, failure).await;
    };
    let seen = server.host.clone();
    let is_there = move |server: &Server| match server.host == seen {
        true => Ok(()),
        false => Err(Elsewhere),
    };
    let (store, id) = (&driver.ctx.store, operation.id);
    let begun = store.operation_begin(driver.run, id, start, is_there, driver.note());
    match begun.await {
        Ok(record) => {
            driver.ctx.wake.wake();
            Ok(Begun::Written(Box::new(record)))
        }
        Err(error) => not_begun(driver, operation, error).await,
    }
}

async fn not_begun(
    driver: &Driver<'_>,
    operation: &Operation,
    error: OperationBeginError<Elsewhere>,
) -> Result<Begun, Retry> {
    let failure = match error {
        OperationBeginError::Step(RunStepError::Store(error))
        | OperationBeginError::Start(BeginError::Store(error)) => return Err(error.into()),
        OperationBeginError::Step(
            RunStepError::NotFound | RunStepError::Rejected(_) | RunStepError::Refused(_),
        ) => return Ok(Begun::Changed),
        OperationBeginError::Start(BeginError::NotFree) => return Ok(Begun::NotYet(in_use())),
        // Whoever holds its host may release it.
        OperationBeginError::Start(error @ BeginError::InMaintenance) => {
            let failure = Failure::new(FailureCode::PowerState, error.to_string());
            return Ok(Begun::NotYet(failure));
        }
        OperationBeginError::Start(BeginError::NoSuchServer) => gone(),
        OperationBeginError::Start(BeginError::Refused(Elsewhere)) => elsewhere(operation),
        OperationBeginError::ShutdownForbidden(host) => {
            let text = format!("Not everybody who holds {host} has asked for shutdowns.");
            Failure::new(FailureCode::PowerState, text)
        }
        error @ OperationBeginError::Otherwise(_) => {
            warn!(run = %driver.run, %error, "an operation could not begin");
            Failure::new(FailureCode::Superseded, error.to_string())
        }
    };
    refuse(driver, operation, failure).await
}

/// What it starts, as whoever asks for it by itself would; `None`: its destination is no host.
fn what(driver: &Driver<'_>, operation: &Operation, server: &Server) -> Option<OperationStart> {
    match operation.kind {
        OperationKind::Live | OperationKind::Cold | OperationKind::Evacuate => {
            let start = match request(operation, server, driver.affinity)? {
                Request::Live(it) => OperationStart::Live(migration(driver, operation, it)),
                Request::Cold(it) => OperationStart::Cold(migration(driver, operation, it)),
                Request::Evacuation(it) => {
                    OperationStart::Evacuation(migration(driver, operation, it))
                }
            };
            Some(start)
        }
        OperationKind::Shutdown => Some(power(driver, operation, PowerAction::Stop)),
        OperationKind::Start => Some(power(driver, operation, PowerAction::Start)),
        OperationKind::Storage => Some(OperationStart::Nothing),
    }
}

/// Each has a request id of its own, as instance actions are found by it.
fn request_id(ctx: &Context) -> String {
    format!("req-{}", (ctx.ids)())
}

fn migration<R>(driver: &Driver<'_>, operation: &Operation, request: R) -> NewMigration<R> {
    let ctx = driver.ctx;
    NewMigration {
        uuid: MigrationUuid((ctx.ids)()),
        server: operation.server,
        request,
        limits: Limits {
            accepted: ctx.config.time_limits.accepted,
            ..Limits::default()
        },
        user_id: driver.by.user.clone(),
        project_id: driver.by.project.clone(),
        request_id: Some(request_id(ctx)),
        trace: driver.trace,
        at: ctx.now(),
    }
}

fn power(driver: &Driver<'_>, operation: &Operation, action: PowerAction) -> OperationStart {
    let ctx = driver.ctx;
    OperationStart::Power(NewPower {
        server: operation.server,
        action,
        note: ActionNote {
            request_id: request_id(ctx),
            user_id: driver.by.user.clone(),
            project_id: driver.by.project.clone(),
            trace: driver.trace,
            at: ctx.now(),
        },
    })
}
