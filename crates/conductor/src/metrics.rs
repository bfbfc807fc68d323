//! What this conductor counts. Labels are words of a fixed set, or versions, and never ids.

use std::collections::BTreeSet;
use std::time::Duration;

use godwit_core::effect::Effect;
use godwit_core::failure::Failure;
use godwit_core::plan::{PlanKind, PlanState};
use godwit_core::power::PowerAction;
use godwit_core::status::MigrationStatus;
use godwit_core::time::Timestamp;
use godwit_store::{MigrationRecord, PlanRecord};
use godwit_telemetry::exemplars::TracedHistograms;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Registry, register_gauge_vec_with_registry as ages, register_gauge_with_registry as age,
    register_histogram_vec_with_registry as histograms,
    register_histogram_with_registry as histogram,
    register_int_counter_vec_with_registry as counters,
    register_int_counter_with_registry as counter, register_int_gauge_vec_with_registry as gauges,
    register_int_gauge_with_registry as gauge,
};

use crate::maintenance::MaintenanceMetrics;

/// The outcome of an effect whose lease ended first.
pub(crate) const LOST: &str = "lost";

/// Seconds that a status can last: from a quick check to a day in the queue.
const STATUS_SECONDS: &[f64] = &[
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0,
    86_400.0,
];
/// Seconds that a guest can stand still.
const DOWNTIME_SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Seconds that making a plan can take: from one server to a rolling maintenance of everything.
const PLAN_SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];
const MIB: f64 = 1_048_576.0;

mod runs;

pub(crate) use self::runs::OfRuns;

pub(crate) struct Metrics {
    pub(crate) migrations: IntGaugeVec,
    pub(crate) overdue: IntGaugeVec,
    pub(crate) ended: IntCounterVec,
    failed: IntCounterVec,
    status_seconds: TracedHistograms,
    pub(crate) queue_length: IntGauge,
    pub(crate) queue_age: Gauge,
    pub(crate) links_taken: GaugeVec,
    pub(crate) links_carry: GaugeVec,
    downtime: Histogram,
    bytes: Histogram,
    throughput: Histogram,
    pub(crate) effects: IntGaugeVec,
    pub(crate) effects_age: Gauge,
    effect_seconds: TracedHistograms,
    pub(crate) leases: IntGauge,
    pub(crate) agents: IntGaugeVec,
    pub(crate) services: IntGaugeVec,
    pub(crate) discrepancies: IntGaugeVec,
    /// By the kind of reader, whoever it is that knows.
    pub(crate) delivery_age: GaugeVec,
    pub(crate) pool: IntGaugeVec,
    plans: IntCounterVec,
    plan_seconds: HistogramVec,
    plan_blockers: IntCounterVec,
    refusals: IntCounter,
    mismatches: IntCounterVec,
    pub(crate) runs: OfRuns,
    pub(crate) maintenance: MaintenanceMetrics,
    read_at: Gauge,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            migrations: gauges!(
                "godwit_migrations",
                "Migrations that have not ended.",
                &["type", "status"],
                registry
            )?,
            overdue: gauges!(
                "godwit_migrations_overdue",
                "Migrations that have not ended though a deadline of theirs has passed.",
                &["type"],
                registry
            )?,
            ended: counters!(
                "godwit_migrations_ended_total",
                "Migrations that this conductor saw end.",
                &["type", "status"],
                registry
            )?,
            failed: counters!(
                "godwit_migrations_failed_total",
                "Migrations that this conductor saw fail, by the code of the reason.",
                &["type", "code"],
                registry
            )?,
            status_seconds: TracedHistograms::new(
                histograms!(
                    "godwit_migration_status_seconds",
                    "How long migrations stayed in a status before they left it.",
                    &["status"],
                    STATUS_SECONDS.to_vec(),
                    registry
                )?,
                STATUS_SECONDS,
            ),
            queue_length: gauge!(
                "godwit_queue_length",
                "Migrations waiting for slots.",
                registry
            )?,
            queue_age: age!(
                "godwit_queue_oldest_seconds",
                "How long the first in the queue has been waiting.",
                registry
            )?,
            links_taken: ages!(
                "godwit_link_taken_bytes_per_second",
                "What live migrations take of the links that they use, where their speed is known.",
                &["role"],
                registry
            )?,
            links_carry: ages!(
                "godwit_link_budget_bytes_per_second",
                "What the links carry that live migrations use, where their speed is known.",
                &["role"],
                registry
            )?,
            downtime: histogram!(
                "godwit_migration_downtime_seconds",
                "How long guests of completed migrations stood still.",
                DOWNTIME_SECONDS.to_vec(),
                registry
            )?,
            bytes: histogram!(
                "godwit_migration_bytes",
                "What completed migrations transferred, memory and disks.",
                prometheus::exponential_buckets(MIB, 4.0, 12)?,
                registry
            )?,
            throughput: histogram!(
                "godwit_migration_bytes_per_second",
                "What completed migrations transferred, by the time they were running.",
                prometheus::exponential_buckets(MIB, 2.0, 14)?,
                registry
            )?,
            effects: gauges!(
                "godwit_effects_outstanding",
                "Effects that are asked for and not done.",
                &["effect"],
                registry
            )?,
            effects_age: age!(
                "godwit_effects_oldest_seconds",
                "How long ago the oldest effect that is neither done nor a move being followed was \
                 asked for.",
                registry
            )?,
            effect_seconds: effect_seconds(registry)?,
            leases: gauge!(
                "godwit_leases_held",
                "Effects that this conductor performs at the moment.",
                registry
            )?,
            agents: gauges!(
                "godwit_agents",
                "Agents: up, down, or silent in a cluster that is not managed.",
                &["state"],
                registry
            )?,
            services: gauges!(
                "godwit_services",
                "Agents and conductors: up, down or forced_down, enabled or disabled.",
                &["binary", "state", "status", "version"],
                registry
            )?,
            discrepancies: gauges!(
                "godwit_discrepancies_open",
                "Open questions between the records and the hypervisors.",
                &["kind"],
                registry
            )?,
            delivery_age: ages!(
                "godwit_event_delivery_oldest_seconds",
                "How long the oldest event that a kind of reader has not taken has been waiting: \
                 webhooks or notifications.",
                &["reader"],
                registry
            )?,
            pool: gauges!(
                "godwit_conductor_database_connections",
                "The conductor's connections to the database.",
                &["state"],
                registry
            )?,
            plans: counters!(
                "godwit_plan_outcomes_total",
                "Plans that this conductor made, gave up or let expire, by the state that they came to.",
                &["state"],
                registry
            )?,
            plan_seconds: histograms!(
                "godwit_plan_making_seconds",
                "How long making plans took, reading the inventory included.",
                &["type"],
                PLAN_SECONDS.to_vec(),
                registry
            )?,
            plan_blockers: counters!(
                "godwit_plan_blockers_total",
                "Servers that plans were not able to move, once for each code of a reason.",
                &["code"],
                registry
            )?,
            refusals: counter!(
                "godwit_conductor_database_refusals_total",
                "Calls of the conductor that got no connection to the database in time.",
                registry
            )?,
            mismatches: counters!(
                "godwit_verdict_mismatch_total",
                "Hosts that were suitable by what was known of them, and refused when they were asked.",
                &["code"],
                registry
            )?,
            runs: OfRuns::register(registry)?,
            maintenance: MaintenanceMetrics::register(registry)?,
            read_at: age!(
                "godwit_figures_timestamp_seconds",
                "When this conductor last read its gauges from the database.",
                registry
            )?,
        })
    }

    /// A host that was to be suitable refused.
    pub(crate) fn refused(&self, failure: &Failure) {
        let labels = [failure.code.as_str()];
        self.mismatches.with_label_values(&labels).inc();
    }

    /// A plan of this kind was made, or found not to be possible.
    pub(crate) fn plan_took(&self, kind: PlanKind, took: Duration) {
        let labels = [kind.as_str()];
        let histogram = self.plan_seconds.with_label_values(&labels);
        histogram.observe(seconds(took));
    }

    /// It was written.
    pub(crate) fn plan_made(&self, plan: &PlanRecord) {
        self.plan_ended(plan.plan.state);
        for blocked in &plan.blocked {
            let codes: BTreeSet<_> = blocked.reasons.iter().map(|it| it.code).collect();
            for code in codes {
                let labels = [code.as_str()];
                self.plan_blockers.with_label_values(&labels).inc();
            }
        }
    }

    /// It came to this state.
    pub(crate) fn plan_ended(&self, state: PlanState) {
        let labels = [state.as_str()];
        self.plans.with_label_values(&labels).inc();
    }

    pub(crate) fn stepped(&self, before: &MigrationRecord, after: &MigrationRecord) {
        let (from, to) = (before.migration.status(), after.migration.status());
        if from == to {
            return;
        }
        let lasted = seconds(after.status_since.since(before.status_since));
        self.status_seconds.observe(&[from.as_str()], lasted);
        if to.is_terminal() {
            self.ended
                .with_label_values(&[after.migration.kind.as_str(), to.as_str()])
                .inc();
        }
        if matches!(to, MigrationStatus::Failed | MigrationStatus::Error) {
            let failure = after.migration.failure.as_ref();
            let code = failure.map_or("none", |failure| failure.code.as_str());
            self.failed
                .with_label_values(&[after.migration.kind.as_str(), code])
                .inc();
        }
        if to == MigrationStatus::Completed {
            self.completed(after);
        }
    }

    fn completed(&self, record: &MigrationRecord) {
        let progress = &record.progress;
        if let Some(milliseconds) = progress.downtime_ms {
            self.downtime.observe(float(milliseconds) / 1_000.0);
        }
        let Some(memory) = progress.memory else {
            return;
        };
        let disk = progress.disk.map_or(0, |disk| disk.processed);
        let bytes = float(memory.processed.saturating_add(disk));
        self.bytes.observe(bytes);
        if let (Some(started), Some(ended)) = (record.started_at, record.ended_at) {
            let took = seconds(ended.since(started));
            if took > 0.0 {
                self.throughput.observe(bytes / took);
            }
        }
    }

    /// So many calls have been refused by the pool since the process began.
    pub(crate) fn refusals_are(&self, refused: u64) {
        self.refusals
            .inc_by(refused.saturating_sub(self.refusals.get()));
    }

    /// The gauges are those of this moment.
    pub(crate) fn gauges_read(&self, at: Timestamp) {
        self.read_at.set(float(at.as_micros()) / 1_000_000.0);
    }

    /// An effect was performed, or not to the end.
    pub(crate) fn effect_ended(&self, verb: &str, outcome: &str, took: Duration) {
        self.effect_seconds.observe(&[verb, outcome], seconds(took));
    }
}

fn effect_seconds(registry: &Registry) -> prometheus::Result<TracedHistograms> {
    let histograms = histograms!(
        "godwit_effect_seconds",
        "How long performing an effect took; outcome is done, again or lost.",
        &["effect", "outcome"],
        prometheus::DEFAULT_BUCKETS.to_vec(),
        registry
    )?;
    // There from the beginning, so that the first that is lost is seen as an increase.
    let effects = Effect::ALL.iter().map(|effect| effect.as_str());
    let actions = PowerAction::ALL.iter().map(|action| action.as_str());
    for verb in effects.chain(actions) {
        histograms.with_label_values(&[verb, LOST]);
    }
    Ok(TracedHistograms::new(
        histograms,
        prometheus::DEFAULT_BUCKETS,
    ))
}

fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no figure here needs its last digits"
)]
fn float(number: i64) -> f64 {
    number as f64
}
