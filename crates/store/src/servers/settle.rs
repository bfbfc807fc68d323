//! What moves do to servers.
//!
//! Each change also makes of the sightings what it proves, until the hosts are heard again.

use diesel::prelude::*;
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::migration::{Migration, Request};
use godwit_core::recovery::Sighting;
use godwit_core::server::{PowerState, TaskState, VmState};
use godwit_core::status::MigrationKind;
use godwit_core::time::Timestamp;
use godwit_core::transition::ServerChange;

use super::{Fault, Server, sightings};
use crate::StoreError;
use crate::aggregates::zones;
use crate::columns::{instant, json, text};
use crate::connection::Database;
use crate::schema::{hosts, servers};

/// What a cold move does to a server.
const RESIZING: [TaskState; 6] = [
    TaskState::ResizePrep,
    TaskState::ResizeMigrating,
    TaskState::ResizeMigrated,
    TaskState::ResizeFinish,
    TaskState::ResizeReverting,
    TaskState::ResizeConfirming,
];

/// What an evacuation does to a server.
const REBUILDING: [TaskState; 3] = [
    TaskState::Rebuilding,
    TaskState::RebuildBlockDeviceMapping,
    TaskState::RebuildSpawning,
];

/// A move begins.
pub(crate) fn set_task(
    connection: &mut Database,
    server: ServerUuid,
    task: TaskState,
    at: Timestamp,
) -> Result<(), StoreError> {
    diesel::update(servers::table)
        .filter(servers::uuid.eq(text(server)))
        .set((
            servers::task_state.eq(task.as_str()),
            servers::progress.eq(0),
            servers::updated_at.eq(instant(at)),
            servers::generation.eq(servers::generation + 1),
        ))
        .execute(connection)?;
    Ok(())
}

/// A move that had powered a server off is over, and did not get to start it: the record says
/// again what it said before that move, which is what the next one goes by.
pub(crate) fn give_back_power(
    connection: &mut Database,
    server: ServerUuid,
    was: VmState,
) -> Result<PowerState, StoreError> {
    let power = power_of(was);
    diesel::update(servers::table)
        .filter(servers::uuid.eq(text(server)))
        .set(servers::power_state.eq(i64::from(power.as_i32())))
        .execute(connection)?;
    Ok(power)
}

/// A host has nothing of a server any more. What it said before does not count, nor does what it
/// may be saying now.
pub(crate) fn has_left(
    connection: &mut Database,
    server: ServerUuid,
    host: &HostName,
    at: Timestamp,
) -> Result<(), StoreError> {
    sightings::forget(connection, server, host)?;
    diesel::update(servers::table)
        .filter(servers::uuid.eq(text(server)))
        .set(servers::settled_at.eq(instant(at)))
        .execute(connection)?;
    Ok(())
}

/// Writes what a transition means for the server.
pub(crate) fn settle(
    connection: &mut Database,
    server: &Server,
    next: &Migration,
    change: ServerChange,
    at: Timestamp,
) -> Result<(), StoreError> {
    let case = Case { server, next, at };
    match change {
        ServerChange::StaysAtSource => {
            case.come_to_rest(connection, case.others_task())?;
            sightings::came_to_rest(connection, server.uuid, &next.source_compute, at)
        }
        ServerChange::MovesToDestination => {
            case.come_to_rest(connection, case.others_task())?;
            case.move_to_destination(connection)?;
            sightings::forget(connection, server.uuid, &next.source_compute)?;
            case.executes_at_destination(connection)
        }
        ServerChange::IsLost => {
            case.come_to_rest(connection, case.others_task())?;
            case.be(connection, server.vm_state, PowerState::NoState)?;
            case.fail(connection, "The guest runs nowhere.")?;
            // The destination was last seen to execute it, and does not any more.
            sightings::forget_everywhere(connection, server.uuid)
        }
        ServerChange::Task(task) => case.go_on(connection, task),
        ServerChange::GoesToDestination(task) => {
            case.go_on(connection, task)?;
            case.move_to_destination(connection)?;
            case.be(connection, server.vm_state, PowerState::Shutdown)?;
            case.seen(connection, &next.source_compute, PowerState::Shutdown)
        }
        ServerChange::AwaitsConfirmation => {
            let power = power_of(case.was());
            case.come_to_rest(connection, None)?;
            case.be(connection, VmState::Resized, power)?;
            case.seen(connection, &next.source_compute, PowerState::Shutdown)?;
            case.seen_at_destination(connection, power)
        }
        ServerChange::IsConfirmed => {
            let state = match server.power_state {
                PowerState::Shutdown | PowerState::Crashed => VmState::Stopped,
                PowerState::NoState
                | PowerState::Running
                | PowerState::Paused
                | PowerState::Suspended => VmState::Active,
            };
            case.come_to_rest(connection, None)?;
            case.be(connection, state, server.power_state)?;
            sightings::forget(connection, server.uuid, &next.source_compute)
        }
        ServerChange::GoesToSource => {
            case.move_to(connection, &next.source_compute, None)?;
            case.be(connection, server.vm_state, PowerState::Shutdown)?;
            if let Some(destination) = &next.dest_compute {
                sightings::forget(connection, server.uuid, destination)?;
            }
            case.seen(connection, &next.source_compute, PowerState::Shutdown)
        }
        ServerChange::ReturnsToSource(state) => {
            case.come_to_rest(connection, None)?;
            case.move_to(connection, &next.source_compute, None)?;
            case.be(connection, state, power_of(state))?;
            case.seen(connection, &next.source_compute, power_of(state))
        }
        ServerChange::IsRebuilt(state) => {
            case.come_to_rest(connection, None)?;
            case.move_to_destination(connection)?;
            case.be(connection, state, power_of(state))?;
            case.forgive(connection)?;
            // What a dead host last said is no sign of life.
            sightings::forget(connection, server.uuid, &next.source_compute)?;
            case.seen_at_destination(connection, power_of(state))
        }
        ServerChange::IsBroken => {
            case.come_to_rest(connection, None)?;
            if case.was() == VmState::Stopped {
                // The next evacuation finds `error`, and must not start it.
                case.be(connection, server.vm_state, PowerState::Shutdown)?;
            }
            case.fail(connection, "The server could not be rebuilt.")
        }
    }
}

/// What the hypervisor says of a server that is this, as far as moves go.
const fn power_of(state: VmState) -> PowerState {
    match state {
        VmState::Stopped => PowerState::Shutdown,
        VmState::Paused => PowerState::Paused,
        VmState::Suspended => PowerState::Suspended,
        VmState::Active
        | VmState::Building
        | VmState::Rescued
        | VmState::Resized
        | VmState::SoftDeleted
        | VmState::Deleted
        | VmState::Error
        | VmState::Shelved
        | VmState::ShelvedOffloaded => PowerState::Running,
    }
}

/// How a host sees a guest of which the hypervisor says this.
const fn sighting_of(power: PowerState) -> Sighting {
    match power {
        PowerState::Shutdown | PowerState::Crashed | PowerState::Suspended => Sighting::Inactive,
        PowerState::NoState | PowerState::Running | PowerState::Paused => Sighting::Executing,
    }
}

/// A server, and the migration that changes it.
struct Case<'a> {
    server: &'a Server,
    next: &'a Migration,
    at: Timestamp,
}

impl Case<'_> {
    /// The task, unless it is one of those that moves set: somebody else's stays.
    fn others_task(&self) -> Option<TaskState> {
        let ours = |task: &TaskState| match self.next.kind {
            MigrationKind::LiveMigration => *task == TaskState::Migrating,
            MigrationKind::Migration | MigrationKind::Resize => RESIZING.contains(task),
            MigrationKind::Evacuation => REBUILDING.contains(task),
        };
        self.server.task_state.filter(|task| !ours(task))
    }

    /// What the server was when the move began.
    const fn was(&self) -> VmState {
        match &self.next.request {
            Request::Live(_) => self.server.vm_state,
            Request::Cold(request) => request.was,
            Request::Evacuation(request) => request.was,
        }
    }

    fn go_on(&self, connection: &mut Database, task: TaskState) -> Result<(), StoreError> {
        diesel::update(servers::table.find(self.server.id))
            .set((
                servers::task_state.eq(task.as_str()),
                servers::updated_at.eq(instant(self.at)),
                servers::generation.eq(servers::generation + 1),
            ))
            .execute(connection)?;
        Ok(())
    }

    fn come_to_rest(
        &self,
        connection: &mut Database,
        task: Option<TaskState>,
    ) -> Result<(), StoreError> {
        diesel::update(servers::table.find(self.server.id))
            .set((
                servers::task_state.eq(task.map(TaskState::as_str)),
                servers::progress.eq(0),
                servers::updated_at.eq(instant(self.at)),
                servers::settled_at.eq(instant(self.at)),
                servers::generation.eq(servers::generation + 1),
            ))
            .execute(connection)?;
        Ok(())
    }

    fn be(
        &self,
        connection: &mut Database,
        state: VmState,
        power: PowerState,
    ) -> Result<(), StoreError> {
        diesel::update(servers::table.find(self.server.id))
            .set((
                servers::vm_state.eq(state.as_str()),
                servers::power_state.eq(i64::from(power.as_i32())),
            ))
            .execute(connection)?;
        Ok(())
    }

    fn move_to_destination(&self, connection: &mut Database) -> Result<(), StoreError> {
        match &self.next.dest_compute {
            Some(host) => self.move_to(connection, host, self.next.dest_node.as_deref()),
            None => Ok(()),
        }
    }

    /// Host, node and zone go together. `node`: where it is known better than from the host.
    fn move_to(
        &self,
        connection: &mut Database,
        host: &HostName,
        node: Option<&str>,
    ) -> Result<(), StoreError> {
        let zone = zones::of_host(connection, host)?;
        let of_host: Option<String> = hosts::table
            .filter(hosts::name.eq(host.as_str()))
            .select(hosts::node)
            .first(connection)
            .optional()?;
        let was_there = self.server.host.as_ref() == Some(host);
        let kept = self.server.node.as_deref().filter(|_| was_there);
        let zone = zone.as_ref().or(self.server.availability_zone.as_ref());
        diesel::update(servers::table.find(self.server.id))
            .set((
                servers::host.eq(host.as_str()),
                servers::node.eq(node.or(kept).or(of_host.as_deref())),
                servers::availability_zone.eq(zone),
                servers::updated_at.eq(instant(self.at)),
            ))
            .execute(connection)?;
        Ok(())
    }

    fn seen(
        &self,
        connection: &mut Database,
        host: &HostName,
        power: PowerState,
    ) -> Result<(), StoreError> {
        let said = (sighting_of(power), power);
        sightings::put(connection, self.server.uuid, host, said, self.at)
    }

    fn seen_at_destination(
        &self,
        connection: &mut Database,
        power: PowerState,
    ) -> Result<(), StoreError> {
        match &self.next.dest_compute {
            Some(host) => self.seen(connection, host, power),
            None => Ok(()),
        }
    }

    /// A guest that moved live executes, even if its user paused it.
    fn executes_at_destination(&self, connection: &mut Database) -> Result<(), StoreError> {
        let Some(host) = &self.next.dest_compute else {
            return Ok(());
        };
        let said = (Sighting::Executing, self.server.power_state);
        sightings::put(connection, self.server.uuid, host, said, self.at)
    }

    fn fail(&self, connection: &mut Database, otherwise: &str) -> Result<(), StoreError> {
        let message = match &self.next.failure {
            Some(failure) => failure.message.clone(),
            None => otherwise.to_owned(),
        };
        let fault = Fault {
            code: 500,
            message,
            details: None,
            created: self.at,
        };
        diesel::update(servers::table.find(self.server.id))
            .set((
                servers::vm_state.eq(VmState::Error.as_str()),
                servers::fault.eq(json(&fault)),
            ))
            .execute(connection)?;
        Ok(())
    }

    fn forgive(&self, connection: &mut Database) -> Result<(), StoreError> {
        diesel::update(servers::table.find(self.server.id))
            .set(servers::fault.eq(None::<String>))
            .execute(connection)?;
        Ok(())
    }
}
