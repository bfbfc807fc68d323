//! Powering servers off and on: what is asked of them, what becomes of it, and nothing else.
//!
//! While an action is under way its server has the action's task, and an effect in the outbox.
//! Whoever takes the task away, be it an operator who resets the state or an evacuation, needs no
//! more than that: an effect that its server no longer waits for is not performed.

use diesel::prelude::*;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::instance_action::ActionResult;
use godwit_core::power::{self, Outcome, PowerAction};
use godwit_core::server::ServerPatch;
use godwit_core::status::MigrationStatus;
use godwit_core::time::Timestamp;

use super::{Server, load_locked, write_patch};
use crate::columns::text;
use crate::connection::Database;
use crate::effects::ClaimedOfServer;
use crate::schema::migrations;
use crate::{
    ActionNote, BeginError, ChangeNote, Store, StoreError, discrepancies, effects,
    instance_actions, maintenance,
};

/// An action to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NewPower {
    pub server: ServerUuid,
    pub action: PowerAction,
    pub note: ActionNote,
}

/// What whoever performs an action has to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PowerStart {
    /// Where the server is.
    pub host: HostName,
    /// The HTTP request behind it.
    pub request_id: Option<String>,
    /// Another host is seen to have the guest, too.
    pub seen_elsewhere: bool,
}

pub(crate) fn begin<E>(
    connection: &mut Database,
    new: &NewPower,
    check: impl Fn(&Server) -> Result<(), E>,
) -> Result<(), BeginError<E>> {
    let NewPower {
        server,
        action,
        note,
    } = new;
    let held = match action.starts_guest() {
        true => maintenance::lock_of_server(connection, *server)?,
        false => None,
    };
    // Every migration begins with this lock, so none begins before this is over.
    let server = load_locked(connection, *server)?.ok_or(BeginError::NoSuchServer)?;
    check(&server).map_err(BeginError::Refused)?;
    let unfinished = unfinished(connection, server.uuid)?;
    let patch = power::begin(*action, &server.state(), unfinished);
    let patch = patch.map_err(|_| BeginError::NotFree)?;
    supersede_power(connection, &server, "A reboot took over.", note.at)?;
    effects::insert_of_server(connection, server.id, *action, note.trace, note.at)?;
    write_patch(connection, &server, &patch, note.at)?;
    instance_actions::began(connection, server.uuid, action.instance_action(), note)?;
    match action.starts_guest() {
        true => maintenance::guest_starts(connection, held, &server, &ChangeNote::requested(note)),
        false => Ok(()),
    }
}

/// How a server's migration stands that is not over. Nobody works on one that was imported.
pub(crate) fn unfinished(
    connection: &mut Database,
    server: ServerUuid,
) -> Result<Option<MigrationStatus>, StoreError> {
    Ok(migrations::table
        .filter(migrations::instance_uuid.eq(text(server)))
        .filter(migrations::ended_at.is_null())
        .filter(migrations::imported.eq(false))
        .select(migrations::status)
        .first(connection)
        .optional()?)
}

/// Drops what is asked of a server's power and not done. Whoever asked is told why.
pub(crate) fn supersede_power(
    connection: &mut Database,
    server: &Server,
    why: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    for (action, asked_at) in effects::supersede_of_server(connection, server.id, at)? {
        fail_step(connection, server, (action, asked_at), why, at)?;
    }
    Ok(())
}

/// The step of an action has failed, whether it was begun or not.
fn fail_step(
    connection: &mut Database,
    server: &Server,
    (action, asked_at): (PowerAction, Timestamp),
    why: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let name = action.instance_action();
    let found = instance_actions::asked_at(connection, server.uuid, name, asked_at)?;
    let Some((id, _)) = found else {
        return Ok(());
    };
    let failed = (ActionResult::Error, Some(why));
    let step = (server.host.as_ref(), None);
    instance_actions::start(connection, id, action.event(), step, at)?;
    instance_actions::finish(connection, id, action.event(), failed, at)
}

/// The server of an effect, locked, unless it no longer waits for it; then the effect is done.
fn load_waiting(
    connection: &mut Database,
    claimed: ClaimedOfServer,
    at: Timestamp,
) -> Result<Option<Server>, StoreError> {
    let (uuid, action) = claimed.subject;
    let server = load_locked(connection, uuid)?;
    if !effects::is_held(connection, claimed.lease)? {
        return Ok(None);
    }
    let Some(server) = server else {
        effects::done(connection, claimed.lease, at)?;
        return Ok(None);
    };
    if action.is_wanted(server.task_state) {
        return Ok(Some(server));
    }
    let asked = (action, claimed.created_at);
    let why = "The server's state was changed meanwhile.";
    fail_step(connection, &server, asked, why, at)?;
    effects::done(connection, claimed.lease, at)?;
    Ok(None)
}

fn start(
    connection: &mut Database,
    claimed: ClaimedOfServer,
    at: Timestamp,
) -> Result<Option<PowerStart>, StoreError> {
    let Some(server) = load_waiting(connection, claimed, at)? else {
        return Ok(None);
    };
    let (_, action) = claimed.subject;
    let Some(host) = server.host.clone() else {
        let why = Failure::new(FailureCode::HypervisorError, "The server is on no host.");
        conclude(connection, claimed, &Outcome::Unknown(why), at)?;
        return Ok(None);
    };
    if server.task_state != Some(action.task_at_host()) {
        let patch = ServerPatch::begun(&server.state(), action.task_at_host());
        write_patch(connection, &server, &patch, at)?;
    }
    let name = action.instance_action();
    let found = instance_actions::asked_at(connection, server.uuid, name, claimed.created_at)?;
    if let Some((id, _)) = &found {
        instance_actions::start(connection, *id, action.event(), (Some(&host), None), at)?;
    }
    Ok(Some(PowerStart {
        host,
        request_id: found.and_then(|(_, request_id)| request_id),
        seen_elsewhere: discrepancies::seen_elsewhere(connection, server.uuid)?,
    }))
}

fn conclude(
    connection: &mut Database,
    claimed: ClaimedOfServer,
    outcome: &Outcome,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let Some(server) = load_waiting(connection, claimed, at)? else {
        return Ok(false);
    };
    let (_, action) = claimed.subject;
    let ending = power::end(action, server.vm_state, outcome);
    write_patch(connection, &server, &ending.patch(&server.state()), at)?;
    let asked = (action, claimed.created_at);
    match &ending.failure {
        Some(failure) => fail_step(connection, &server, asked, &failure.message, at)?,
        None => {
            let name = action.instance_action();
            let found = instance_actions::asked_at(connection, server.uuid, name, asked.1)?;
            if let Some((id, _)) = found {
                let done = (ActionResult::Success, None);
                instance_actions::finish(connection, id, action.event(), done, at)?;
            }
        }
    }
    effects::done(connection, claimed.lease, at)
}

impl Store {
    /// Begins an action: in one transaction the server gets its task, and the instance action and
    /// the effect appear. When this returns `Ok`, all of it is durable.
    ///
    /// `check` sees the server as it is inside the transaction; what [`power::begin`] says comes
    /// after it. What was asked of the server's power before and is not done, is dropped: only a
    /// hard reboot comes that far.
    pub async fn power_begin<E: Send + 'static>(
        &self,
        new: NewPower,
        check: impl Fn(&Server) -> Result<(), E> + Send + 'static,
    ) -> Result<(), BeginError<E>> {
        self.write(move |connection| begin(connection, &new, &check))
            .await
    }

    /// Its host is about to be asked: the server's task says so, and the step of its instance
    /// action begins. `None` if the lease is lost, or the server no longer waits for it; then the
    /// effect is done.
    pub async fn power_start(
        &self,
        claimed: ClaimedOfServer,
        at: Timestamp,
    ) -> Result<Option<PowerStart>, StoreError> {
        self.write(move |connection| start(connection, claimed, at))
            .await
    }

    /// It is over: in one transaction the effect is done, the server has no task and is what
    /// [`power::end`] says, and the instance action has its result. `false`, and nothing but the
    /// effect is changed, if the lease is lost or the server no longer waits for it.
    pub async fn power_conclude(
        &self,
        claimed: ClaimedOfServer,
        outcome: Outcome,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| conclude(connection, claimed, &outcome, at))
            .await
    }
}
