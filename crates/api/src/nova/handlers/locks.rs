//! `lock` and `unlock`: who holds a server against its users (`contract: actions.md §5`).
//!
//! There are two kinds of holders: somebody of the server's own project, and everybody else.
//! Whoever is of the other kind than the holder needs a rule of its own to unlock.

use godwit_store::{LockedBy, Server, ServerChangeError};

use super::{Answer, ApiError, Reply, milestone, rules};
use crate::nova::call::{Allowed, Call};

pub async fn lock(call: &Call) -> Answer {
    let found = call.server().await?.with_user();
    let server = found.allow(call, rules::LOCK)?.resource;
    let reason = call.body["locked_reason"]
        .as_str()
        .filter(|_| call.version >= milestone::LOCKED_REASON);
    let (store, kind) = (&call.state.store, kind(call, &server));
    let reason = reason.map(str::to_owned);
    let locked = store.server_lock(server.uuid, kind, reason, call.note());
    if locked.await? {
        Ok(Reply::accepted())
    } else {
        Err(call.no_such_server())
    }
}

pub async fn unlock(call: &Call) -> Answer {
    let Allowed {
        resource: server,
        target,
    } = call.server().await?.allow(call, rules::UNLOCK)?;
    let unlocked = match release(call, &server, Some(kind(call, &server))).await {
        Err(ServerChangeError::Refused(HeldByOther)) => {
            call.caller.enforce(rules::UNLOCK_OVERRIDE, &target)?;
            release(call, &server, None).await
        }
        decided => decided,
    };
    match unlocked {
        Ok(()) => Ok(Reply::accepted()),
        Err(ServerChangeError::NoSuchServer) => Err(call.no_such_server()),
        Err(ServerChangeError::Store(error)) => Err(error.into()),
        Err(ServerChangeError::Refused(HeldByOther)) => {
            Err(ApiError::denied(rules::UNLOCK_OVERRIDE))
        }
    }
}

/// Somebody of the other kind holds the lock.
struct HeldByOther;

/// Unlocks what `kind` may unlock; `None`: whoever holds it.
async fn release(
    call: &Call,
    server: &Server,
    kind: Option<LockedBy>,
) -> Result<(), ServerChangeError<HeldByOther>> {
    let check = move |server: &Server| match (&server.lock, kind) {
        (Some(lock), Some(kind)) if lock.by != kind => Err(HeldByOther),
        _ => Ok(()),
    };
    let store = &call.state.store;
    store.server_unlock(server.uuid, call.note(), check).await
}

/// The kind that the caller is of. Administrators of the server's own project are its owners.
fn kind(call: &Call, server: &Server) -> LockedBy {
    if call.caller.project_id() == Some(&server.project_id) {
        LockedBy::Owner
    } else {
        LockedBy::Admin
    }
}
