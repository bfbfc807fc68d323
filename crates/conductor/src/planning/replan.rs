//! Single operations of a run, held against the fleet as it is now: is the destination still
//! suitable, and which other one would be?
//!
//! It is the checker that places servers, so what is called suitable here is accepted there, unless
//! something comes in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use godwit_core::ids::{HostName, OperationUuid, ServerUuid};
use godwit_core::migration::{ColdRequest, EvacuationRequest, LiveRequest, Request};
use godwit_core::plan::options::{Affinity, Fallback};
use godwit_core::reason::{Evidence, Reason, ReasonCode};
use godwit_core::resources::Resources;
use godwit_core::run::{Operation, OperationKind, OperationState, Run};
use godwit_core::server_group::{Member, Policy};
use godwit_planner::candidates::candidates;
use godwit_planner::inventory::{Host, Need, Target};
use godwit_store::{InventoryScope, InventoryServer, NewDestination, PlanRecord, RunRecord};

use crate::context::Context;
use crate::effects::Retry;
use crate::fleet::{Fleet, Fleets};
use crate::testimony::explain;

mod choose;

use self::choose::{choose, why_not_replaced};

/// What comes of looking for another destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Replanned {
    To(NewDestination),
    /// Nothing else is suitable: why not, each reason once.
    Nowhere(Vec<Reason>),
}

/// Looks for another destination for an operation that has not begun, within what the plan was asked
/// for. Hosts that it was sent to before are not tried again.
pub(crate) async fn replan(
    ctx: &Arc<Context>,
    run: &RunRecord,
    plan: &PlanRecord,
    operation: OperationUuid,
) -> Result<Replanned, Retry> {
    let Some(operation) = run.run.operation(operation) else {
        return Ok(Replanned::Nowhere(vec![unknown_operation()]));
    };
    if let Some(reason) = why_not_replaced(&plan.target, &run.run, operation) {
        return Ok(Replanned::Nowhere(vec![reason]));
    }
    let look = match Look::at(ctx, run, operation, Far::Everywhere).await? {
        Ok(look) => look,
        Err(reason) => return Ok(Replanned::Nowhere(vec![reason])),
    };
    let mut need = look.need.clone();
    let ends = |host: &Host| look.need.never_ends(host).is_none();
    if run.run.fallback == Fallback::Cold {
        need.stream = None;
    }
    let chosen = choose(
        &look.fleet.hosts(None),
        &need,
        (&plan.target, &run.run),
        operation,
        ends,
    );
    Ok(match chosen {
        Ok(best) => Replanned::To(best),
        Err(reasons) => Replanned::Nowhere(reasons),
    })
}

/// What is against an operation's beginning now, as far as its server and its destination go;
/// nothing: it is suitable. What the run holds there counts as free.
pub(crate) async fn check(
    ctx: &Arc<Context>,
    run: &RunRecord,
    operation: OperationUuid,
) -> Result<Vec<Reason>, Retry> {
    let Some(operation) = run.run.operation(operation) else {
        return Ok(vec![unknown_operation()]);
    };
    let look = match Look::at(ctx, run, operation, Far::Destination).await? {
        Ok(look) => look,
        Err(reason) => return Ok(vec![reason]),
    };
    if let Some(reason) = look.moved_away(run, operation) {
        return Ok(vec![reason]);
    }
    if !operation.kind.moves_server() {
        return Ok(Vec::new());
    }
    let held = ctx.store.run_holds(run.uuid).await?;
    Ok(against(
        &look.fleet.hosts(None),
        &look.need,
        operation,
        &held,
    ))
}

/// What is against an operation's destination, where its run holds this.
fn against(
    hosts: &[Host],
    need: &Need,
    operation: &Operation,
    held: &BTreeMap<HostName, Resources>,
) -> Vec<Reason> {
    let to = operation.destination.as_str();
    let Some(mut host) = hosts.iter().find(|it| it.name.as_str() == to).cloned() else {
        return vec![unknown_host(to)];
    };
    let held = held.get(&host.name).copied().unwrap_or_default();
    let own = held.least(need.room_at(&host.pools));
    host.used = host.used.less(own);
    let (_, rejected) = candidates(&[host], need, &Target::Any);
    rejected.into_iter().flat_map(|it| it.reasons).collect()
}

/// How far is looked.
#[derive(Clone, Copy)]
enum Far {
    /// At the host that the server is on, and the one that it is to go to.
    Destination,
    Everywhere,
}

async fn load(
    ctx: &Arc<Context>,
    far: Far,
    (source, operation): (&HostName, &Operation),
) -> Result<Arc<Fleet>, Retry> {
    let destination = HostName::new(operation.destination.as_str());
    if let (Far::Destination, Ok(destination)) = (far, destination) {
        let two = [source.clone(), destination];
        let fleet = Fleet::load_two(&ctx.store, two, ctx.basis()).await?;
        return Ok(Arc::new(fleet));
    }
    let fleet = Fleets::load(ctx).await;
    fleet.map_err(|error| Retry::because(explain(&*error)))
}

/// The fleet, and what an operation's server needs of a host.
struct Look {
    fleet: Arc<Fleet>,
    need: Need,
}

impl Look {
    async fn at(
        ctx: &Arc<Context>,
        run: &RunRecord,
        operation: &Operation,
        far: Far,
    ) -> Result<Result<Self, Reason>, Retry> {
        let scope = InventoryScope {
            servers: [operation.server].into(),
            hosts: Some(BTreeSet::new()),
            ..InventoryScope::default()
        };
        let inventory = ctx.store.plan_inventory(scope).await?;
        let mut servers = inventory.servers.iter();
        let Some(it) = servers.find(|it| it.server.uuid == operation.server) else {
            let text = "the server was deleted";
            return Ok(Err(Reason::new(ReasonCode::Deleted, text)));
        };
        let Some(source) = &it.server.host else {
            let text = "the server is on no host";
            return Ok(Err(Reason::new(ReasonCode::Unknown, text)));
        };
        let fleet = load(ctx, far, (source, operation)).await?;
        let request = request(operation.kind, it);
        let mut need = fleet.need(&it.server, &it.hardware, source, &request);
        need.group = ctx.store.server_group_membership(operation.server).await?;
        let mates = inventory.servers.iter().map(|it| it.server.uuid);
        need.bind_by(run.options.affinity);
        join_planned(&mut need, &run.run, operation, &mates.collect());
        Ok(Ok(Self { fleet, need }))
    }

    /// Somebody else has moved the server from where it was to be taken. Where an earlier operation
    /// of the run has, that is where it was to be brought, or was brought instead.
    fn moved_away(&self, run: &RunRecord, operation: &Operation) -> Option<Reason> {
        let mut earlier = run.run.operations.iter();
        let moved = earlier.any(|it| {
            it.server == operation.server
                && it.state == OperationState::Completed
                && it.kind.moves_server()
        });
        let here = &self.need.source;
        if moved || here.as_str() == operation.source {
            return None;
        }
        let text = format!("the server is on {here}, no longer on {}", operation.source);
        let evidence = Evidence::Host { host: here.clone() };
        Some(Reason::new(ReasonCode::Refused, text).shown_by(evidence))
    }
}

/// As whoever carries it out asks for it.
fn request(kind: OperationKind, it: &InventoryServer) -> Request {
    let was = it.server.vm_state;
    match kind {
        OperationKind::Live
        | OperationKind::Storage
        | OperationKind::Shutdown
        | OperationKind::Start => Request::Live(LiveRequest::of_plan()),
        OperationKind::Cold => Request::Cold(ColdRequest {
            host: None,
            was,
            affinity: Affinity::Strict,
        }),
        OperationKind::Evacuate => Request::Evacuation(EvacuationRequest {
            host: None,
            forced: false,
            was,
            end_stopped: false,
            affinity: Affinity::Strict,
        }),
    }
}

/// Where a group keeps apart, its servers count where the same run is still to bring them as well.
fn join_planned(need: &mut Need, run: &Run, operation: &Operation, mates: &BTreeSet<ServerUuid>) {
    let Some(group) = &mut need.group else { return };
    match group.policy {
        Policy::AntiAffinity | Policy::SoftAntiAffinity => {}
        Policy::Affinity | Policy::SoftAffinity => return,
    }
    let open = run.operations.iter().filter(|it| {
        it.server != operation.server
            && mates.contains(&it.server)
            && it.state == OperationState::Waiting
            && it.kind.moves_server()
    });
    let planned = open.filter_map(|it| HostName::new(it.destination.as_str()).ok());
    group.others.extend(planned.map(|host| Member {
        host: Some(host),
        moving: None,
    }));
}

fn unknown_operation() -> Reason {
    Reason::new(ReasonCode::Unknown, "the run has no such operation")
}

fn unknown_host(host: &str) -> Reason {
    Reason::new(ReasonCode::Unknown, format!("there is no host {host}"))
}

#[cfg(test)]
mod tests;
