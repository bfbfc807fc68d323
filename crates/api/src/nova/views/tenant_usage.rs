//! What projects used over a time, in hours.

use godwit_core::ids::ServerUuid;
use godwit_core::time::Timestamp;
use godwit_store::ServerUsage;
use serde::Serialize;

use super::{Gated, Micros};

/// The time that is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Period {
    pub from: Timestamp,
    pub until: Timestamp,
    /// Now, up to which servers that go on are counted as up.
    pub now: Timestamp,
}

#[derive(Debug, Serialize)]
pub struct ProjectUsageView<'a> {
    tenant_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_usages: Gated<Vec<ServerUsageView<'a>>>,
    total_local_gb_usage: f64,
    total_vcpus_usage: f64,
    total_memory_mb_usage: f64,
    total_hours: f64,
    start: Micros,
    stop: Micros,
}

#[derive(Clone, Debug, Serialize)]
struct ServerUsageView<'a> {
    hours: f64,
    flavor: &'a str,
    instance_id: ServerUuid,
    name: &'a str,
    tenant_id: &'a str,
    memory_mb: i64,
    local_gb: i64,
    vcpus: i64,
    started_at: Micros,
    ended_at: Option<Micros>,
    state: &'static str,
    /// Seconds since it began, within the time that is looked at or not.
    uptime: u64,
}

impl<'a> ServerUsageView<'a> {
    fn new(usage: &'a ServerUsage, period: Period) -> Self {
        let begin = usage.launched_at.max(period.from);
        let end = usage
            .ended_at
            .map_or(period.until, |it| it.min(period.until));
        let until = usage.ended_at.unwrap_or(period.now);
        Self {
            hours: end.since(begin).as_secs_f64() / 3600.0,
            flavor: &usage.flavor,
            instance_id: usage.uuid,
            name: &usage.name,
            tenant_id: &usage.project_id,
            memory_mb: usage.memory_mb,
            local_gb: usage.local_gb,
            vcpus: usage.vcpus,
            started_at: Micros(usage.launched_at),
            ended_at: usage.ended_at.map(Micros),
            state: match usage.ended_at {
                Some(_) => "terminated",
                None => usage.vm_state.as_str(),
            },
            uptime: until.since(usage.launched_at).as_secs(),
        }
    }
}

impl<'a> ProjectUsageView<'a> {
    /// One for each project, from servers in the order of their projects.
    pub fn list(usages: &'a [ServerUsage], period: Period, detailed: bool) -> Vec<Self> {
        let of_projects = usages.chunk_by(|one, next| one.project_id == next.project_id);
        of_projects
            .filter_map(|usages| Self::new(usages, period, detailed))
            .collect()
    }

    fn new(usages: &'a [ServerUsage], period: Period, detailed: bool) -> Option<Self> {
        let tenant_id = &usages.first()?.project_id;
        let views: Vec<_> = usages
            .iter()
            .map(|usage| ServerUsageView::new(usage, period))
            .collect();
        let total = |amount: fn(&ServerUsageView<'_>) -> i64| {
            // Sizes are far below what this cannot hold exactly.
            let used = |view: &ServerUsageView<'_>| amount(view) as f64 * view.hours;
            views.iter().map(used).sum()
        };
        Some(Self {
            tenant_id,
            total_local_gb_usage: total(|view| view.local_gb),
            total_vcpus_usage: total(|view| view.vcpus),
            total_memory_mb_usage: total(|view| view.memory_mb),
            total_hours: total(|_| 1),
            start: Micros(period.from),
            stop: Micros(period.until),
            server_usages: detailed.then_some(views),
        })
    }
}

/// Something, or `{}`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum OrNothing<T> {
    Something(T),
    Nothing {},
}
