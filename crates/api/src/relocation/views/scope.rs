//! A zone, pod or cluster.

use godwit_core::host::scope::{ScopeKind, Topology};
use godwit_store::Scope;
use serde::Serialize;

use super::allocation::AllocationView;
use super::management::ManagementView;
use crate::relocation::visibility::Visibility;

/// The fields, in their order.
pub const FIELDS: &[&str] = &[
    "scope",
    "name",
    "zone",
    "pod",
    "hosts",
    "allocation",
    "management",
];

#[derive(Debug, Serialize)]
pub struct ScopeView<'a> {
    scope: ScopeKind,
    name: &'a str,
    zone: &'a str,
    pod: Option<&'a str>,
    hosts: i64,
    allocation: AllocationView<'a>,
    /// Of clusters only.
    management: Option<ManagementView<'a>>,
}

impl<'a> ScopeView<'a> {
    pub fn new(scope: &'a Scope, sees: Visibility<'_>) -> Self {
        Self {
            scope: scope.kind,
            name: &scope.name,
            zone: &scope.topology.zone,
            pod: scope.topology.pod.as_deref(),
            hosts: scope.hosts,
            allocation: AllocationView::of_scope(scope, sees),
            management: scope
                .management
                .as_ref()
                .map(|it| ManagementView::new(it, sees)),
        }
    }
}

/// Where a host belongs.
#[derive(Debug, Serialize)]
pub struct TopologyView<'a> {
    zone: &'a str,
    pod: Option<&'a str>,
    cluster: Option<&'a str>,
}

impl<'a> TopologyView<'a> {
    pub fn new(topology: &'a Topology) -> Self {
        Self {
            zone: &topology.zone,
            pod: topology.pod.as_deref(),
            cluster: topology.cluster.as_deref(),
        }
    }
}
