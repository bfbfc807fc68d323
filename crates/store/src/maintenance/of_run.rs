//! What runs say to the maintenance of hosts: of what they leave, and that they have ended.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use godwit_core::host::maintenance::{Event, Holder, Left, Purpose, holder_of, left};
use godwit_core::ids::{HostName, PlanUuid, RunUuid, ServerUuid};
use godwit_core::plan::options::{Immovable, Options, ReturnHome};
use godwit_core::reason::WrittenReason;
use godwit_core::run::{OperationState, Run};

use super::row::LockedMaintenance;
use super::step::{Hold, hold};
use super::write::write;
use super::{FreshIds, LeftReasons, MaintenanceError, MaintenanceRecord};
use crate::columns::{Json, text};
use crate::connection::Database;
use crate::plans::Blocked;
use crate::runs::LockedRun;
use crate::schema::{plans, runs, servers};
use crate::{ChangeNote, Store, StoreError, effects};

/// Locks the maintenance that the run of a plan works for, if one does: before the plan, as
/// everybody locks.
pub(crate) fn lock_of_plan(
    connection: &mut Database,
    plan: PlanUuid,
) -> Result<Option<(RunUuid, LockedMaintenance)>, StoreError> {
    let found: Option<(RunUuid, Option<HostName>)> = runs::table
        .inner_join(plans::table)
        .filter(plans::uuid.eq(text(plan)))
        .select((runs::uuid, runs::host))
        .first(connection)
        .optional()?;
    let Some((run, Some(host))) = found else {
        return Ok(None);
    };
    let locked = LockedMaintenance::load(connection, &host)?;
    Ok(locked.map(|locked| (run, locked)))
}

/// The plan of the run that works for a host is ready, and leaves these.
pub(crate) fn planned(
    connection: &mut Database,
    (run, locked): (RunUuid, LockedMaintenance),
    blocked: &[Blocked],
    note: &ChangeNote,
) -> Result<(), StoreError> {
    let immovable = locked.0.maintenance.immovable();
    let event = Event::Planned {
        run,
        left: left::of_plan(blocked.iter().map(|it| it.server), immovable),
    };
    let note = ChangeNote {
        performed: None,
        message: None,
        ..note.clone()
    };
    // What is planned asks for no other run.
    let fresh = FreshIds {
        plan: PlanUuid(run.0),
        run,
    };
    let beside = (fresh, Some(reasons_of(blocked)));
    match write(connection, locked, &event, beside, &note) {
        Err(MaintenanceError::Store(error)) => Err(error),
        // It brings servers back, or nobody holds the host any more.
        Ok(_) | Err(MaintenanceError::Rejected(_) | MaintenanceError::NotYet) => Ok(()),
    }
}

fn reasons_of(blocked: &[Blocked]) -> LeftReasons {
    let reasons = blocked.iter().map(|it| (it.server, it.reasons.clone()));
    reasons.collect()
}

/// Why operations failed, beside why servers were blocked.
fn reasons(run: &Run, blocked: &[Blocked]) -> LeftReasons {
    use godwit_core::reason::Reason;
    let failed = run.operations.iter().filter_map(|it| {
        let completed = it.state == OperationState::Completed;
        let failure = it.failure.as_ref().filter(|_| !completed)?;
        let reason = WrittenReason::from(&Reason::from(failure));
        Some((it.server, vec![reason]))
    });
    let mut reasons = reasons_of(blocked);
    reasons.extend(failed);
    reasons
}

/// Those that are on this host.
fn on_host(
    connection: &mut Database,
    blocked: Vec<Blocked>,
    host: &HostName,
) -> Result<Vec<Blocked>, StoreError> {
    let here: Vec<ServerUuid> = servers::table
        .filter(servers::host.eq(host.as_str()))
        .filter(servers::deleted_at.is_null())
        .select(servers::uuid)
        .load(connection)?;
    let here: BTreeSet<ServerUuid> = here.into_iter().collect();
    let blocked = blocked.into_iter();
    Ok(blocked.filter(|it| here.contains(&it.server)).collect())
}

/// What a run has come to, and what its plan left out.
struct Ended {
    run: Run,
    blocked: Vec<Blocked>,
    /// As its plan was made.
    immovable: Immovable,
}

impl Ended {
    /// What it has come to on `host`: of the servers that the plan of several hosts left out, only
    /// those that are there.
    fn load(
        connection: &mut Database,
        uuid: RunUuid,
        host: &HostName,
    ) -> Result<Option<Self>, StoreError> {
        let Some(LockedRun(record)) = LockedRun::load(connection, uuid)? else {
            return Ok(None);
        };
        let (Json(blocked), Json(options)): (Json<Vec<Blocked>>, Json<Options>) = plans::table
            .find(record.plan_id)
            .select((plans::blocked, plans::options))
            .first(connection)?;
        let blocked = match record.run.rolling {
            Some(_) => on_host(connection, blocked, host)?,
            None => blocked,
        };
        Ok(Some(Self {
            run: record.run,
            blocked,
            immovable: options.immovable,
        }))
    }

    fn left_of(
        &self,
        host: &HostName,
        it: &MaintenanceRecord,
        run: RunUuid,
    ) -> BTreeMap<ServerUuid, Left> {
        let work = it.maintenance.work.filter(|work| work.run == run);
        let purpose = work.map_or(Purpose::Emptying, |work| work.purpose);
        let blocked = self.blocked.iter().map(|it| it.server);
        match purpose {
            Purpose::Emptying => left::of_emptying(&self.run, host, blocked, self.immovable),
            Purpose::Returning => left::of_returning(&self.run, it.maintenance.shut_down()),
        }
    }
}

/// Tells a host's maintenance that a run has ended its part of it, if it still waits for that.
fn end(
    connection: &mut Database,
    locked: LockedMaintenance,
    run: RunUuid,
    fresh: FreshIds,
    note: &ChangeNote,
) -> Result<LockedMaintenance, MaintenanceError> {
    let host = locked.0.host.clone();
    let ended = Ended::load(connection, run, &host)?;
    let (left, reasons) = match ended {
        Some(it) => (
            it.left_of(&host, &locked.0, run),
            reasons(&it.run, &it.blocked),
        ),
        None => (BTreeMap::new(), LeftReasons::new()),
    };
    let event = Event::RunEnded { run, left };
    match write(connection, locked, &event, (fresh, Some(reasons)), note) {
        Err(MaintenanceError::Rejected(_)) => {
            let gone = || StoreError::Corrupt("a maintenance is gone while it is locked".into());
            Ok(LockedMaintenance::load(connection, &host)?.ok_or_else(gone)?)
        }
        written => written,
    }
}

fn report_end(
    connection: &mut Database,
    run: RunUuid,
    fresh: FreshIds,
    note: &ChangeNote,
) -> Result<Option<MaintenanceRecord>, MaintenanceError> {
    let host: Option<Option<HostName>> = runs::table
        .filter(runs::uuid.eq(text(run)))
        .filter(runs::ended_at.is_not_null())
        .select(runs::host)
        .first(connection)
        .optional()
        .map_err(StoreError::from)?;
    let locked = match host.flatten() {
        Some(host) => LockedMaintenance::load(connection, &host)?,
        None => None,
    };
    let after = match locked {
        Some(locked) => Some(end(connection, locked, run, fresh, note)?.0),
        None => None,
    };
    if let Some(lease) = note.performed {
        effects::done(connection, lease, note.at)?;
    }
    Ok(after)
}

/// Its part ends, whatever others hold the host for.
fn release(
    connection: &mut Database,
    (run, host): (RunUuid, &HostName),
    return_home: ReturnHome,
    [fresh, other]: [FreshIds; 2],
    note: &ChangeNote,
) -> Result<Option<MaintenanceRecord>, MaintenanceError> {
    let Some(locked) = LockedMaintenance::load(connection, host)? else {
        return Ok(None);
    };
    let locked = end(connection, locked, run, fresh, note)?;
    let event = Event::Released {
        holder: holder_of(run),
        return_home,
    };
    match write(connection, locked, &event, (other, None), note) {
        Ok(LockedMaintenance(record)) => Ok(Some(record)),
        // It has released it already.
        Err(MaintenanceError::Rejected(_)) => {
            Ok(LockedMaintenance::load(connection, host)?.map(|it| it.0))
        }
        Err(error) => Err(error),
    }
}

impl Store {
    /// A run of many hosts holds one of them, which it empties itself, as its plan was asked to.
    /// Held once more, nothing is new. The lease of `note` is not ended: a run may hold several.
    pub async fn maintenance_hold_by_run(
        &self,
        (run, host): (RunUuid, HostName),
        options: &Options,
        fresh: FreshIds,
        note: ChangeNote,
    ) -> Result<MaintenanceRecord, MaintenanceError> {
        let wanted = Hold {
            holder: Holder {
                holder: holder_of(run),
                reason: options.reason.clone(),
                by: note.by.user.clone().unwrap_or_else(|| holder_of(run)),
                since: note.at,
                deadline: options.deadline,
                immovable: options.immovable,
                return_home: options.return_home,
            },
            run: Some(run),
        };
        let note = ChangeNote {
            performed: None,
            ..note
        };
        self.write(move |connection| hold(connection, &host, &wanted, fresh, &note))
            .await
    }

    /// Tells the maintenance of one of a run's hosts that the run has ended its part there, with what
    /// it has left; the lease of `note` is not ended. Said once more, nothing is new. `None`: nobody
    /// ever held the host.
    pub async fn maintenance_end_part(
        &self,
        (run, host): (RunUuid, HostName),
        fresh: FreshIds,
        note: ChangeNote,
    ) -> Result<Option<MaintenanceRecord>, MaintenanceError> {
        let note = ChangeNote {
            performed: None,
            ..note
        };
        self.write(
            move |connection| match LockedMaintenance::load(connection, &host)? {
                Some(locked) => Ok(Some(end(connection, locked, run, fresh, &note)?.0)),
                None => Ok(None),
            },
        )
        .await
    }

    /// A run of many hosts releases one that it has held. What it has left there is said before,
    /// and done no more than once; the lease of `note` is not ended. `None`: nobody ever held it.
    pub async fn maintenance_release_by_run(
        &self,
        (run, host): (RunUuid, HostName),
        return_home: ReturnHome,
        fresh: [FreshIds; 2],
        note: ChangeNote,
    ) -> Result<Option<MaintenanceRecord>, MaintenanceError> {
        let note = ChangeNote {
            performed: None,
            ..note
        };
        self.write(move |connection| release(connection, (run, &host), return_home, fresh, &note))
            .await
    }

    /// Tells the maintenance that a run works for that it has ended, with what it has left: what
    /// [`godwit_core::effect::RunEffect::ReportEnd`] asks for. `None`: it works for none.
    pub async fn maintenance_report_end(
        &self,
        run: RunUuid,
        fresh: FreshIds,
        note: ChangeNote,
    ) -> Result<Option<MaintenanceRecord>, MaintenanceError> {
        self.write(move |connection| report_end(connection, run, fresh, &note))
            .await
    }
}
