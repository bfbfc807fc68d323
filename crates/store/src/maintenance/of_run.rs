//! What runs say to the maintenance of hosts: of what they leave, and that they have ended.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use godwit_core::effect::SubjectKind;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::host::maintenance::{Event, Holder, Left, Purpose, holder_of, left};
use godwit_core::ids::{HostName, PlanUuid, RunUuid, ServerUuid};
use godwit_core::plan::options::{Immovable, Options, ReturnHome};
use godwit_core::run::{self, Run};

use super::row::LockedMaintenance;
use super::step::{Hold, hold};
use super::write::write;
use super::{FreshIds, LeftReasons, MaintenanceError, MaintenanceRecord, reasons};
use crate::columns::{Json, text};
use crate::connection::Database;
use crate::plans::Blocked;
use crate::runs::{self, LockedRun, RunRecord, RunStepError};
use crate::schema::{events, plans, runs as runs_table, servers};
use crate::{ChangeNote, Store, StoreError, effects};

/// Locks the maintenance that the run of a plan works for, if one does: before the plan, as
/// everybody locks.
pub(crate) fn lock_of_plan(
    connection: &mut Database,
    plan: PlanUuid,
) -> Result<Option<(RunUuid, LockedMaintenance)>, StoreError> {
    let found: Option<(RunUuid, Option<HostName>)> = runs_table::table
        .inner_join(plans::table)
        .filter(plans::uuid.eq(text(plan)))
        .select((runs_table::uuid, runs_table::host))
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
    let beside = (fresh, Some(reasons::of_blocked(blocked)));
    match write(connection, locked, &event, beside, &note) {
        Err(MaintenanceError::Store(error)) => Err(error),
        // It brings servers back, or nobody holds the host any more.
        Ok(_) | Err(MaintenanceError::Rejected(_) | MaintenanceError::NotYet) => Ok(()),
    }
}

/// Those that are on this host.
fn on_host(connection: &mut Database, host: &HostName) -> Result<BTreeSet<ServerUuid>, StoreError> {
    let here: Vec<ServerUuid> = servers::table
        .filter(servers::host.eq(host.as_str()))
        .filter(servers::deleted_at.is_null())
        .select(servers::uuid)
        .load(connection)?;
    Ok(here.into_iter().collect())
}

/// Who wanted a run to end that works for a host; `None`: nobody. Whoever wants a run of many hosts to
/// end says nothing of one of them.
fn cancelled_by(
    connection: &mut Database,
    run: &RunRecord,
    host: &HostName,
) -> Result<Option<String>, StoreError> {
    if run.run.cancel_requested_at.is_none() || run.host.as_ref() != Some(host) {
        return Ok(None);
    }
    let asked: Option<Option<String>> = events::table
        .filter(events::subject_kind.eq(SubjectKind::Run.as_str()))
        .filter(events::subject_id.eq(run.id))
        .filter(events::name.eq(CANCEL.name()))
        .order(events::sequence)
        .select(events::user_id)
        .first(connection)
        .optional()?;
    let nobody_knows = || "somebody".to_owned();
    Ok(Some(asked.flatten().unwrap_or_else(nobody_knows)))
}

const CANCEL: run::Event = run::Event::CancelRequested {
    abort_running: false,
};

/// What a run has come to on a host.
struct Ended {
    run: Run,
    /// What its plan left out; of a plan of several hosts, only what is there.
    blocked: Vec<Blocked>,
    /// As its plan was made.
    immovable: Immovable,
    /// Why that was not made.
    not_planned: Option<Failure>,
    cancelled_by: Option<String>,
    /// What is on the host.
    here: BTreeSet<ServerUuid>,
}

impl Ended {
    fn load(
        connection: &mut Database,
        uuid: RunUuid,
        host: &HostName,
    ) -> Result<Option<Self>, StoreError> {
        let Some(LockedRun(record)) = LockedRun::load(connection, uuid)? else {
            return Ok(None);
        };
        type Row = (
            Json<Vec<Blocked>>,
            Json<Options>,
            Option<FailureCode>,
            Option<String>,
        );
        let (Json(mut blocked), Json(options), code, text): Row = plans::table
            .find(record.plan_id)
            .select((
                plans::blocked,
                plans::options,
                plans::failure_code,
                plans::failure_message,
            ))
            .first(connection)?;
        let here = on_host(connection, host)?;
        if record.run.rolling.is_some() {
            blocked.retain(|it| here.contains(&it.server));
        }
        Ok(Some(Self {
            blocked,
            immovable: options.immovable,
            not_planned: code.zip(text).map(|(code, text)| Failure::new(code, text)),
            cancelled_by: cancelled_by(connection, &record, host)?,
            run: record.run,
            here,
        }))
    }

    /// The servers that are left, and why.
    fn left_of(
        &self,
        host: &HostName,
        it: &MaintenanceRecord,
        purpose: Purpose,
    ) -> BTreeMap<ServerUuid, Left> {
        if purpose == Purpose::Returning {
            return left::of_returning(&self.run, it.maintenance.shut_down());
        }
        let blocked = self.blocked.iter().map(|it| it.server);
        let mut left = left::of_emptying(&self.run, host, blocked, self.immovable);
        // Nobody tries them again, whether they were planned for by then or not.
        if self.cancelled_by.is_some() {
            for server in &self.here {
                left.entry(*server).or_insert(Left::Blocked);
            }
        }
        left
    }
}

/// Tells a host's maintenance that a run has ended its part of it, if it still waits for that.
pub(super) fn end(
    connection: &mut Database,
    locked: LockedMaintenance,
    run: RunUuid,
    fresh: FreshIds,
    note: &ChangeNote,
) -> Result<LockedMaintenance, MaintenanceError> {
    let host = locked.0.host.clone();
    let work = locked.0.maintenance.work.filter(|work| work.run == run);
    let purpose = work.map_or(Purpose::Emptying, |work| work.purpose);
    let (mut left, mut reasons) = (BTreeMap::new(), LeftReasons::new());
    let mut cancelled_by = None;
    if let Some(ended) = Ended::load(connection, run, &host)? {
        left = ended.left_of(&host, &locked.0, purpose);
        reasons = reasons::of_run(&ended.run, &ended.blocked);
        let known = (ended.cancelled_by.as_deref(), ended.not_planned.as_ref());
        reasons::complete(&mut reasons, left.keys().copied(), purpose, known);
        cancelled_by = ended.cancelled_by;
    }
    let event = Event::RunEnded {
        run,
        left,
        cancelled_by,
    };
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
    let host: Option<Option<HostName>> = runs_table::table
        .filter(runs_table::uuid.eq(text(run)))
        .filter(runs_table::ended_at.is_not_null())
        .select(runs_table::host)
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

/// Holds a host for a run, unless that has ended or is done with the host by now. What was held for it
/// and was released by somebody is not held again.
fn hold_by_run(
    connection: &mut Database,
    host: &HostName,
    (run, wanted): (RunUuid, &Hold),
    fresh: FreshIds,
    note: &ChangeNote,
) -> Result<MaintenanceRecord, MaintenanceError> {
    let LockedMaintenance(before) = LockedMaintenance::load_or_begin(connection, host, note.at)?;
    let wants = |it: &LockedRun| {
        let rolling = it.0.run.rolling.as_ref();
        it.0.run.ended_at.is_none() && rolling.is_some_and(|it| it.is_to_hold(host))
    };
    let Some(locked) = LockedRun::load(connection, run)?.filter(wants) else {
        return Ok(before);
    };
    let event = run::Event::HostHeld(host.clone());
    match runs::write(connection, locked, &event, None, note) {
        Ok(_) => hold(connection, host, wanted, fresh, note),
        Err(RunStepError::Store(error)) => Err(error.into()),
        // It is not to be held.
        Err(RunStepError::NotFound | RunStepError::Refused(_) | RunStepError::Rejected(_)) => {
            Ok(before)
        }
    }
}

impl Store {
    /// A run of many hosts holds one of them, which it empties itself, as its plan was asked to, and
    /// knows of it in the same transaction. Held once more, nothing is new; nothing happens either
    /// where the run has ended, or is done with the host, by now. The lease of `note` is not ended: a
    /// run may hold several.
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
        self.write(move |connection| hold_by_run(connection, &host, (run, &wanted), fresh, &note))
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
