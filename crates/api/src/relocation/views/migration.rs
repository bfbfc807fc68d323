//! A migration: everything that Nova's record has, and what else is known of it.

use godwit_core::ids::{MigrationUuid, RunUuid, ServerUuid};
use godwit_core::migration::Intent;
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Timestamp;
use godwit_store::{Amounts, HeldClaim, MigrationDetail};
use serde::Serialize;

use super::event::LineView;
use super::fence::FenceProofView;
use super::reason::{ReasonView, reasons};
use crate::relocation::visibility::Visibility;

/// The fields, in their order.
pub const FIELDS: &[&str] = &[
    "uuid",
    "id",
    "server",
    "instance_uuid",
    "project",
    "kind",
    "migration_type",
    "status",
    "phase",
    "intent",
    "reasons",
    "source_compute",
    "source_node",
    "dest_compute",
    "dest_node",
    "dest_host",
    "old_instance_type_id",
    "new_instance_type_id",
    "user_id",
    "project_id",
    "memory_total_bytes",
    "memory_processed_bytes",
    "memory_remaining_bytes",
    "disk_total_bytes",
    "disk_processed_bytes",
    "disk_remaining_bytes",
    "bytes",
    "dirty_bytes_per_second",
    "throughput_bytes_per_second",
    "downtime_seconds",
    "claims",
    "deadline",
    "run",
    "fence_proof",
    "created_at",
    "updated_at",
    "started_at",
    "ended_at",
    "timeline",
];

/// What a kind is called here.
pub const fn kind(kind: MigrationKind) -> &'static str {
    match kind {
        MigrationKind::LiveMigration => "live",
        MigrationKind::Migration => "cold",
        MigrationKind::Resize => "resize",
        MigrationKind::Evacuation => "evacuate",
    }
}

#[derive(Debug, Serialize)]
pub struct MigrationView<'a> {
    uuid: MigrationUuid,
    id: i64,
    server: ServerUuid,
    /// Nova's name for the server.
    instance_uuid: ServerUuid,
    /// Whose server it is.
    project: Option<&'a str>,
    kind: &'static str,
    migration_type: MigrationKind,
    status: MigrationStatus,
    phase: &'static str,
    intent: Option<Intent>,
    reasons: Vec<ReasonView>,
    source_compute: Option<String>,
    source_node: Option<&'a str>,
    dest_compute: Option<String>,
    dest_node: Option<&'a str>,
    dest_host: Option<&'a str>,
    old_instance_type_id: Option<i64>,
    new_instance_type_id: Option<i64>,
    /// Who asked for it, and in which project, which need not be the server's.
    user_id: Option<&'a str>,
    project_id: Option<&'a str>,
    memory_total_bytes: Option<i64>,
    memory_processed_bytes: Option<i64>,
    memory_remaining_bytes: Option<i64>,
    disk_total_bytes: Option<i64>,
    disk_processed_bytes: Option<i64>,
    disk_remaining_bytes: Option<i64>,
    /// What it has sent, memory and disks together.
    bytes: Option<i64>,
    dirty_bytes_per_second: Option<i64>,
    throughput_bytes_per_second: Option<i64>,
    downtime_seconds: Option<f64>,
    claims: Vec<ClaimView>,
    deadline: Option<Timestamp>,
    /// The run whose operation has started it.
    run: Option<RunUuid>,
    /// How it is known that an evacuation's source is dead.
    fence_proof: Option<FenceProofView<'a>>,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    timeline: Vec<LineView<'a>>,
}

/// Room that is held at a destination.
#[derive(Debug, Serialize)]
pub struct ClaimView {
    host: Option<String>,
    vcpus: i64,
    memory_mib: i64,
    disk_gib: i64,
}

impl ClaimView {
    fn new(claim: &HeldClaim, owner: Option<&str>, sees: Visibility<'_>) -> Self {
        Self {
            host: sees.host(owner, claim.host.as_str()),
            vcpus: claim.room.vcpus,
            memory_mib: claim.room.memory_mb,
            disk_gib: claim.room.disk_gb,
        }
    }
}

impl<'a> MigrationView<'a> {
    pub fn new(detail: &'a MigrationDetail, sees: Visibility<'_>) -> Self {
        let record = &detail.record;
        let (migration, progress) = (&record.migration, record.progress);
        let owner = detail.server_project_id.as_deref();
        let requester = record.project_id.as_deref();
        let sent = [progress.memory, progress.disk].into_iter().flatten();
        let lines = detail.timeline.iter();
        Self {
            uuid: migration.uuid,
            id: record.id,
            server: migration.server,
            instance_uuid: migration.server,
            project: owner,
            kind: kind(migration.kind),
            migration_type: migration.kind,
            status: migration.status(),
            phase: migration.phase.name(),
            intent: migration.intent,
            reasons: reasons(detail, sees),
            source_compute: sees.host(owner, migration.source_compute.as_str()),
            source_node: sees.of_hosts(record.source_node.as_deref()),
            dest_compute: record
                .dest_compute
                .as_ref()
                .and_then(|host| sees.host(owner, host.as_str())),
            dest_node: sees.of_hosts(record.dest_node.as_deref()),
            dest_host: sees.of_hosts(record.dest_host.as_deref()),
            old_instance_type_id: record.old_flavor_id,
            new_instance_type_id: record.new_flavor_id,
            user_id: sees.of_project(requester, record.user_id.as_deref()),
            project_id: sees.of_project(requester, requester),
            memory_total_bytes: progress.memory.map(|it| it.total),
            memory_processed_bytes: progress.memory.map(|it| it.processed),
            memory_remaining_bytes: progress.memory.map(|it| it.remaining),
            disk_total_bytes: progress.disk.map(|it| it.total),
            disk_processed_bytes: progress.disk.map(|it| it.processed),
            disk_remaining_bytes: progress.disk.map(|it| it.remaining),
            bytes: sent
                .map(|amounts: Amounts| amounts.processed)
                .reduce(i64::saturating_add),
            dirty_bytes_per_second: progress.dirty_rate,
            throughput_bytes_per_second: progress.throughput,
            downtime_seconds: progress.downtime_ms.map(|ms| ms as f64 / 1_000.0),
            claims: detail
                .claims
                .iter()
                .map(|claim| ClaimView::new(claim, owner, sees))
                .collect(),
            deadline: migration.deadline,
            // It may be another project's.
            run: detail
                .run
                .as_ref()
                .filter(|it| {
                    sees.project
                        .is_none_or(|own| it.project.as_deref() == Some(own))
                })
                .map(|it| it.run),
            fence_proof: detail
                .fence_proof
                .as_ref()
                .map(|proof| FenceProofView::new(proof, owner, sees)),
            created_at: record.created_at,
            updated_at: record.updated_at,
            started_at: record.started_at,
            ended_at: record.ended_at,
            timeline: lines.map(|line| LineView::new(line, owner, sees)).collect(),
        }
    }
}
