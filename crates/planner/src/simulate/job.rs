//! A plan's operations as the simulation runs them.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::Conditions;
use crate::fleet::Fleet;
use crate::order;
use crate::plan::{OperationKind, Plan};
use crate::precopy::{Guest, PREPARE_SECONDS};
use crate::table::{HostNo, Number};

/// What powering a guest off or on takes.
const POWER_SECONDS: f64 = 5.0;

#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) source: HostNo,
    /// The source, for what stays there.
    pub(super) destination: HostNo,
    pub(super) guest: Guest,
    pub(super) believed: Guest,
    /// What its stream carries at most.
    pub(super) limit: f64,
    pub(super) prepare_seconds: f64,
    /// Does the guest execute while it moves?
    pub(super) live: bool,
    pub(super) pause_allowed: f64,
    pub(super) after: Vec<usize>,
    pub(super) after_done: Option<HostNo>,
    /// Which of a rolling maintenance's hosts it empties.
    pub(super) stage: Option<usize>,
    /// Longest first, with what waits for it; in microseconds.
    pub(super) weight: Reverse<u64>,
    /// The places in the plan's constraints that limit it.
    pub(super) limits: Vec<usize>,
}

pub(super) fn jobs(fleet: &Fleet, plan: &Plan, conditions: &Conditions) -> Vec<Job> {
    let stages = plan
        .rolling
        .iter()
        .flat_map(|it| it.hosts.iter().enumerate());
    let stages: HashMap<_, _> = stages
        .filter_map(|(stage, host)| Some((fleet.host_no(host)?, stage)))
        .collect();
    let mut limits: HashMap<_, Vec<usize>> = HashMap::new();
    for (at, constraint) in plan.constraints.iter().enumerate() {
        if constraint.limit().is_some() {
            for server in constraint.servers() {
                limits.entry(server).or_default().push(at);
            }
        }
    }
    let operations = plan.operations.rows().iter().enumerate();
    let jobs = operations.filter_map(|(at, operation)| {
        let source = fleet.host_no(&operation.source)?;
        let server = fleet.server_no(operation.server)?;
        let destination = operation.destination.as_ref();
        let destination = destination.map_or(Some(source), |it| fleet.host_no(it))?;
        let limit = fleet.stream_limit(source, destination) * conditions.link_share.min(1.0);
        let mut believed = fleet.guest(server, source, destination);
        match operation.kind {
            OperationKind::Live => {}
            OperationKind::Cold => {
                believed.bytes -= believed.memory;
                believed.dirty = 0.0;
            }
            OperationKind::Evacuate
            | OperationKind::Storage
            | OperationKind::Shutdown
            | OperationKind::Start => {
                believed.bytes = 0.0;
                believed.dirty = 0.0;
            }
        }
        let factor = conditions.dirty_factors.get(at).copied();
        let factor = factor.unwrap_or(conditions.dirty_factor);
        let live = operation.kind == OperationKind::Live;
        let seconds = believed
            .alone(limit)
            .map_or(f64::MAX, |alone| alone.seconds);
        let power = match operation.kind {
            OperationKind::Live | OperationKind::Evacuate | OperationKind::Storage => 0.0,
            OperationKind::Cold | OperationKind::Shutdown | OperationKind::Start => POWER_SECONDS,
        };
        Some(Job {
            source,
            destination,
            guest: Guest {
                dirty: believed.dirty * factor,
                ..believed
            },
            believed,
            limit,
            prepare_seconds: PREPARE_SECONDS + power,
            live,
            pause_allowed: order::pause_allowed(&believed, limit),
            after: operation.after.iter().map(|it| it.at()).collect(),
            after_done: operation
                .after_done
                .as_ref()
                .and_then(|it| fleet.host_no(it)),
            stage: stages.get(&source).copied(),
            weight: Reverse((seconds * 1e6) as u64),
            limits: limits.get(&operation.server).cloned().unwrap_or_default(),
        })
    });
    weigh(jobs.collect())
}

/// Adds to each the heaviest that waits for it.
fn weigh(mut jobs: Vec<Job>) -> Vec<Job> {
    let mut weights: Vec<u64> = jobs.iter().map(|job| job.weight.0).collect();
    let after: Vec<&[usize]> = jobs.iter().map(|job| job.after.as_slice()).collect();
    order::weigh(&mut weights, &after, (PREPARE_SECONDS * 1e6) as u64);
    for (job, weight) in jobs.iter_mut().zip(weights) {
        job.weight.0 = weight;
    }
    jobs
}
