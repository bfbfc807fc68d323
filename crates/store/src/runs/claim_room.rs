//! Room for a run: all that it needs is claimed when it begins, or nothing.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use godwit_core::ids::{HostName, OperationUuid, RunUuid, ServerUuid};
use godwit_core::plan::PlanKind;
use godwit_core::plan::options::Priority;
use godwit_core::resources::{AllocationRatios, Resources};
use godwit_core::run::priority::{Waiting, compare};
use godwit_core::run::room::{Claimant, Decision, Others, Room, Waits, waiting_for};
use godwit_core::run::{Event, OperationKind, Rolling, RunState};
use godwit_core::time::Timestamp;

use super::claims::{self, Held};
use super::operation::write_size;
use super::row::LockedRun;
use super::write::write;
use super::{RunPart, RunRecord, RunStepError, no_room};
use crate::columns::{Json, instants, json, text};
use crate::connection::Database;
use crate::dialect::locks::{Alone, alone};
use crate::error::TransactionError;
use crate::hosts::loads_of;
use crate::prepared::Prepare as _;
use crate::schema::{plans, runs};
use crate::{ChangeNote, Store, StoreError, dialect, reservations};

/// What became of a run that wants to begin.
#[derive(Clone, PartialEq, Debug)]
pub enum RoomAnswer {
    /// It has begun: it has all the room that it needs.
    Claimed(Box<RunRecord>),
    /// It has nothing, until one of these has ended or begun.
    WaitsFor(BTreeSet<RunUuid>),
    /// It has ended, as these hosts have not enough, whoever else ends.
    Refused(Box<RunRecord>),
}

/// Where an operation goes instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewDestination {
    /// Which host.
    pub host: HostName,
    /// What it may give in all, overcommitment included.
    pub capacity: Resources,
    /// What the server takes there.
    pub size: Resources,
    /// What the operation is from now on.
    pub kind: OperationKind,
}

/// An operation does not get room at another destination.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// There is too little.
    #[error("{0} has no room for it")]
    NoRoom(HostName),
    /// The run did not accept it.
    #[error(transparent)]
    Step(#[from] RunStepError),
}

impl From<StoreError> for RoomError {
    fn from(error: StoreError) -> Self {
        Self::Step(RunStepError::Store(error))
    }
}

impl TransactionError for RoomError {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Step(error) => error.store_error(),
            Self::NoRoom(_) => None,
        }
    }
}

/// What no server, migration or run has of these hosts, which are locked.
fn free(
    connection: &mut Database,
    capacity: &BTreeMap<HostName, Resources>,
) -> Result<BTreeMap<HostName, Resources>, StoreError> {
    let hosts: Vec<&HostName> = capacity.keys().collect();
    let taken = reservations::taken_of_some(connection, &hosts)?;
    let free = capacity.iter().map(|(host, capacity)| {
        let taken = taken.get(host.as_str()).copied().unwrap_or_default();
        (host.clone(), capacity.less(taken.in_all()))
    });
    Ok(free.collect())
}

const SHARED: &str = "SELECT r.uuid AS run, theirs.server_uuid AS server
         FROM operations AS own
         JOIN operations AS theirs ON theirs.server_uuid = own.server_uuid
              AND theirs.ended_at IS NULL AND theirs.state IN ('waiting', 'running')
         JOIN runs AS r ON r.plan_id = theirs.plan_id
         WHERE own.plan_id = $1 AND theirs.plan_id <> $1 AND r.ended_at IS NULL";

/// Of the servers of a run those that each other run has still to move.
fn servers(
    connection: &mut Database,
    run: &RunRecord,
) -> Result<BTreeMap<RunUuid, BTreeSet<ServerUuid>>, StoreError> {
    #[derive(QueryableByName)]
    struct Shared {
        #[diesel(sql_type = Text)]
        run: RunUuid,
        #[diesel(sql_type = Text)]
        server: ServerUuid,
    }
    let shared: Vec<Shared> = sql_query(SHARED)
        .bind::<BigInt, _>(run.plan_id)
        .prepared()
        .load(connection)?;
    let mut servers: BTreeMap<RunUuid, BTreeSet<ServerUuid>> = BTreeMap::new();
    for Shared { run, server } in shared {
        servers.entry(run).or_default().insert(server);
    }
    Ok(servers)
}

/// What is read of each run that has not ended, but for the one that wants to begin.
#[derive(Queryable)]
struct Other {
    run: RunUuid,
    state: RunState,
    planned: bool,
    kind: PlanKind,
    host: Option<HostName>,
    priority: Priority,
    since: Timestamp,
    rolling: Option<Json<Rolling>>,
    waits_for: Json<BTreeSet<RunUuid>>,
    wanted: Json<Held>,
}

impl Other {
    fn load_all(connection: &mut Database, run: &RunRecord) -> Result<Vec<Self>, StoreError> {
        Ok(runs::table
            .inner_join(plans::table)
            .filter(runs::ended_at.is_null())
            .filter(runs::id.ne(run.id))
            .order(runs::id)
            .select((
                runs::uuid,
                runs::state,
                runs::planned,
                runs::kind,
                runs::host,
                runs::priority,
                runs::created_at,
                runs::rolling,
                runs::waits_for,
                plans::room,
            ))
            .load(connection)?)
    }

    fn waits(&self) -> bool {
        self.state == RunState::Pending
    }

    fn order(&self, now: Timestamp) -> Waiting<RunUuid> {
        place(self.run, (self.kind, self.priority), self.since, now)
    }
}

/// Does it bring guests home only when nobody else waits?
fn is_idle(kind: PlanKind, priority: Priority) -> bool {
    kind == PlanKind::ReturnHome && priority == Priority::Rebalance
}

/// One that lets all others go first does not age: it would come to be before those it waits for.
fn place(
    run: RunUuid,
    (kind, priority): (PlanKind, Priority),
    since: Timestamp,
    now: Timestamp,
) -> Waiting<RunUuid> {
    Waiting {
        queue: run,
        goes_on: false,
        priority,
        since: if is_idle(kind, priority) { now } else { since },
        served: 0,
    }
}

/// Whom each of them waits for. A run of many hosts that has begun waits for those that work for one
/// of them: that empty it once more, or bring its guests home. So it may wait for `run`.
fn waits(run: &RunRecord, others: &[Other]) -> Waits {
    let of_hosts = others.iter().map(|it| (it.run, it.host.as_ref()));
    let of_hosts = of_hosts.chain([(run.uuid, run.host.as_ref())]);
    let of_hosts: Vec<(RunUuid, Option<&HostName>)> = of_hosts.collect();
    let of = |it: &Other| -> BTreeSet<RunUuid> {
        let rolling = it.rolling.as_ref().filter(|_| !it.waits());
        let unavailable = rolling.into_iter().flat_map(|it| it.0.unavailable());
        let ways =
            unavailable.flat_map(|of| of_hosts.iter().filter(move |(_, host)| *host == Some(of)));
        let pending = it.waits_for.0.iter().filter(|_| it.waits());
        ways.map(|(run, _)| *run).chain(pending.copied()).collect()
    };
    others.iter().map(|it| (it.run, of(it))).collect()
}

/// The other runs, as `run` sees them that wants to begin.
fn others(
    connection: &mut Database,
    run: &RunRecord,
    of_runs: BTreeMap<RunUuid, Held>,
    now: Timestamp,
) -> Result<Others, StoreError> {
    let rows = Other::load_all(connection, run)?;
    let of_host = run.host.is_some();
    let behind = of_host.then(|| waiting_for(run.uuid, &waits(run, &rows)));
    let mut held = claims::with_migrations(claims::of_all(connection)?, of_runs);
    let mut servers = servers(connection, run)?;
    let idle = is_idle(run.run.kind, run.priority);
    let own = place(run.uuid, (run.run.kind, run.priority), run.created_at, now);
    let mut seen = Others::default();
    for other in rows {
        if idle && other.waits() && other.priority < run.priority {
            seen.first.insert(other.run);
        }
        let is_before = compare(&other.order(now), &own, now) == Ordering::Less;
        let (waits, planned) = (other.waits(), other.planned);
        let hosts = match waits {
            true => other.wanted.0,
            false => held.remove(&other.run).unwrap_or_default(),
        };
        let servers = servers.remove(&other.run).unwrap_or_default();
        let claimant = Claimant {
            run: other.run,
            room: Room { hosts, servers },
        };
        if !waits {
            seen.holding.push(claimant);
        } else if planned && is_before {
            seen.ahead.push(claimant);
        }
    }
    if let Some(behind) = behind {
        seen.let_pass(&behind);
    }
    Ok(seen)
}

fn claim_room(
    connection: &mut Database,
    uuid: RunUuid,
    capacity: &BTreeMap<HostName, Resources>,
    note: &ChangeNote,
) -> Result<RoomAnswer, RunStepError> {
    alone(connection, Alone::ClaimsRoom).map_err(StoreError::from)?;
    let locked = LockedRun::load(connection, uuid)?.ok_or(RunStepError::NotFound)?;
    let run = &locked.0;
    let room = room_of(connection, run)?;
    let names: Vec<&str> = room.hosts.keys().map(HostName::as_str).collect();
    dialect::lock_hosts(connection, &names).map_err(StoreError::from)?;
    let wanted = |(host, _): &(&HostName, &Resources)| room.hosts.contains_key(*host);
    let capacity = capacity.iter().filter(wanted);
    let capacity = capacity.map(|(host, it)| (host.clone(), *it)).collect();
    // Of what is given back meanwhile too much is counted that way: as held, and as free. It is refused
    // to nobody for that.
    let claims::OfMigrations { of_runs, of_none } = claims::of_migrations(connection)?;
    let others = others(connection, run, of_runs, note.at)?;
    let free = free(connection, &capacity)?;
    let times = (run.short_since, note.at);
    let decision = match run.run.state == RunState::Pending && run.planned {
        true => {
            others
                .decide(&room, &free)
                .or_later(&room, (&free, &of_none), &others.holding, times)
        }
        // Core says what is wrong with that.
        false => Decision::Claim,
    };
    match decision {
        Decision::Claim if !run.planned => Ok(RoomAnswer::WaitsFor(BTreeSet::new())),
        Decision::Claim => {
            let id = run.id;
            let LockedRun(run) = write(connection, locked, &Event::RoomClaimed, None, note)?;
            for (host, wanted) in positive(&room).filter(|_| run.run.ended_at.is_none()) {
                claims::put(connection, id, (host, wanted), note.at)?;
            }
            Ok(RoomAnswer::Claimed(Box::new(run)))
        }
        Decision::WaitFor(others) => {
            wait_for(connection, run, &others, None)?;
            Ok(RoomAnswer::WaitsFor(others))
        }
        Decision::Later(_) => {
            let others = BTreeSet::new();
            let since = run.short_since.unwrap_or(note.at);
            wait_for(connection, run, &others, Some(since))?;
            Ok(RoomAnswer::WaitsFor(others))
        }
        Decision::Refuse(hosts) => {
            let refused = Event::RoomRefused(no_room(hosts));
            let LockedRun(run) = write(connection, locked, &refused, None, note)?;
            Ok(RoomAnswer::Refused(Box::new(run)))
        }
    }
}

/// What the run needs.
fn room_of(connection: &mut Database, run: &RunRecord) -> Result<Room, StoreError> {
    let Json(hosts): Json<Held> = plans::table
        .find(run.plan_id)
        .select(plans::room)
        .first(connection)?;
    Ok(Room {
        hosts,
        servers: run.run.operations.iter().map(|it| it.server).collect(),
    })
}

/// What of it is to be claimed: less than nothing is not.
fn positive(room: &Room) -> impl Iterator<Item = (&HostName, Resources)> {
    let claimed = room.hosts.iter().map(|(host, wanted)| {
        let wanted = Resources {
            vcpus: wanted.vcpus.max(0),
            memory_mb: wanted.memory_mb.max(0),
            disk_gb: wanted.disk_gb.max(0),
        };
        (host, wanted)
    });
    claimed.filter(|(_, wanted)| *wanted != Resources::default())
}

/// It decides nothing, and so is no step.
fn wait_for(
    connection: &mut Database,
    run: &RunRecord,
    others: &BTreeSet<RunUuid>,
    short_since: Option<Timestamp>,
) -> Result<(), StoreError> {
    if others.iter().eq(&run.waits_for) && run.short_since == short_since {
        return Ok(());
    }
    diesel::update(runs::table.find(run.id))
        .set((
            runs::waits_for.eq(json(others)),
            runs::short_since.eq(instants(short_since)),
        ))
        .prepared()
        .execute(connection)?;
    Ok(())
}

fn revise(
    connection: &mut Database,
    (run, operation): (RunUuid, OperationUuid),
    to: &NewDestination,
    note: &ChangeNote,
) -> Result<RunPart, RoomError> {
    let (kind, capacity, size) = (to.kind, to.capacity, to.size);
    let to = &to.host;
    let event = Event::OperationRevised(operation, to.to_string(), kind);
    let locked = LockedRun::load_part(connection, run, std::slice::from_ref(&event))?;
    let mut locked = locked.ok_or(RunStepError::NotFound)?;
    let since = locked.0.run.generation;
    // With those that the step locks, as hosts are locked in their order.
    let known = locked.0.run.operation(operation);
    let ends = known.map(|it| [it.source.as_str(), it.destination.as_str()]);
    let names: Vec<&str> = ends.into_iter().flatten().chain([to.as_str()]).collect();
    dialect::lock_hosts(connection, &names).map_err(StoreError::from)?;
    let capacities = BTreeMap::from([(to.clone(), capacity)]);
    let left = free(connection, &capacities)?
        .remove(to)
        .unwrap_or_default();
    if !size.fits(left) {
        return Err(RoomError::NoRoom(to.clone()));
    }
    // What is kept and taken over later is what it takes there.
    write_size(connection, operation, size)?;
    let mut planned = locked.0.operations.iter_mut().map(|it| &mut it.planned);
    if let Some(planned) = planned.find(|it| it.id == operation) {
        planned.size = size;
    }
    let LockedRun(record) = write(connection, locked, &event, None, note)?;
    let held = claims::of_run(connection, record.id, &BTreeSet::from([to.as_str()]))?;
    let held = held.get(to).copied().unwrap_or_default();
    claims::put(connection, record.id, (to, held.plus(size)), note.at)?;
    Ok(RunPart::new(since, record))
}

impl Store {
    /// Claims all the room that a run needs, which begins then, or nothing, and says for whom it
    /// waits. `capacity` is what each host may give in all, overcommitment included; one that is not
    /// there has nothing to give.
    pub async fn run_claim_room(
        &self,
        uuid: RunUuid,
        capacity: BTreeMap<HostName, Resources>,
        note: ChangeNote,
    ) -> Result<RoomAnswer, RunStepError> {
        self.write(move |connection| claim_room(connection, uuid, &capacity, &note))
            .await
    }

    /// Sends an operation that waits to another host, where room is claimed for it.
    ///
    /// # Errors
    /// There is no room, or the run does not accept it.
    pub async fn operation_revise(
        &self,
        run: RunUuid,
        operation: OperationUuid,
        to: NewDestination,
        note: ChangeNote,
    ) -> Result<RunPart, RoomError> {
        self.write(move |connection| revise(connection, (run, operation), &to, &note))
            .await
    }

    /// What the hosts may give in all where a run needs room, those of them that there are.
    pub async fn run_capacity(
        &self,
        run: RunUuid,
        ratios: AllocationRatios,
    ) -> Result<BTreeMap<HostName, Resources>, StoreError> {
        self.read(move |connection| {
            let room: Option<Json<Held>> = runs::table
                .inner_join(plans::table)
                .filter(runs::uuid.eq(text(run)))
                .select(plans::room)
                .first(connection)
                .optional()?;
            let named = room.map(|it| it.0).unwrap_or_default();
            let named: Vec<&HostName> = named.keys().collect();
            let hosts = loads_of(connection, &named)?.into_iter();
            let capacity = hosts.map(|it| {
                let facts = it.host.facts;
                (facts.name.clone(), ratios.capacity(facts.resources()))
            });
            Ok(capacity.collect())
        })
        .await
    }

    /// Runs that wait for room, those first that were asked for first.
    pub async fn runs_pending(&self) -> Result<Vec<RunUuid>, StoreError> {
        self.read(|connection| {
            Ok(runs::table
                .filter(runs::ended_at.is_null())
                .filter(runs::state.eq(RunState::Pending.as_str()))
                .filter(runs::planned.eq(true))
                .order(runs::id)
                .select(runs::uuid)
                .load(connection)?)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::query_plan;

    #[tokio::test]
    async fn whose_servers_a_run_wants_is_found_by_its_own() {
        let (_directory, mut connection) = query_plan::empty().await;
        let plan = query_plan::explain(&mut connection, SHARED);
        let by_server = "operations_open (server_uuid=?)";
        assert!(plan.iter().any(|it| it.contains(by_server)), "{plan:?}");
    }
}
