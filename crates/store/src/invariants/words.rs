//! Words that are none.
//!
//! No table refuses them, so that a new word changes no table. Whoever reads such a row fails, and
//! these queries name it. The words are core's, so they are written nowhere else.

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::effect::{Effect, PlanEffect, RunEffect, SubjectKind};
use godwit_core::event_type::EventKind;
use godwit_core::failure::FailureCode;
use godwit_core::host::maintenance;
use godwit_core::migration::{Intent, Settling, StorageMode};
use godwit_core::plan::options::{Priority, ReturnHome};
use godwit_core::plan::{PlanKind, PlanState};
use godwit_core::power::PowerAction;
use godwit_core::recovery::Sighting;
use godwit_core::run::{OperationKind, OperationState, RunState};
use godwit_core::server::{PowerState, TaskState, VmState};
use godwit_core::server_group::Policy;
use godwit_core::slots::SlotRole;
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::webhook::DeliveryState;

use crate::columns::sighting_word;
use crate::dialect::words;
use crate::effects::EffectOutcome;
use crate::server_groups::Origin;
use crate::{LockedBy, ServiceBinary};

/// The words of a type, as a list in SQL.
macro_rules! words_of {
    ($words:ty) => {
        words(<$words>::ALL.iter().map(|word| word.as_str()))
    };
}

/// A table, and what names a row of it.
#[derive(Clone, Copy)]
struct Table(&'static str, &'static str);

const SERVICES: Table = Table("services", "'service ' || host");
const SERVERS: Table = Table("servers", "'server ' || uuid");
const SIGHTINGS: Table = Table("sightings", "'server ' || server_uuid || ' on ' || host");
const MIGRATIONS: Table = Table("migrations", "'migration ' || uuid");
const SLOTS: Table = Table(
    "slots",
    "'slot of migration ' || CAST(migration_id AS TEXT)",
);
const EFFECTS: Table = Table("effects", "'effect ' || CAST(id AS TEXT)");
const EVENTS: Table = Table("events", "'event ' || CAST(id AS TEXT)");
const DISCREPANCIES: Table = Table("discrepancies", "'discrepancy ' || CAST(id AS TEXT)");
const GROUPS: Table = Table("server_groups", "'server group ' || uuid");
const MEMBERS: Table = Table("server_group_members", "'member ' || server_uuid");
const PLANS: Table = Table("plans", "'plan ' || uuid");
const OPERATIONS: Table = Table("operations", "'operation ' || uuid");
const RUNS: Table = Table("runs", "'run ' || uuid");
const REVISIONS: Table = Table("run_revisions", "'revision ' || CAST(id AS TEXT)");
const MAINTENANCES: Table = Table("maintenances", "'the maintenance of ' || host");
const DELIVERIES: Table = Table("webhook_deliveries", "'delivery ' || uuid");

/// A query for the rows of a table that have something else in a column than is listed.
fn unknown(table: Table, column: &str, known: &str) -> String {
    unknown_of(table, "TRUE", column, known)
}

/// [`unknown`], of the rows that meet a condition.
fn unknown_of(Table(table, row): Table, condition: &str, column: &str, known: &str) -> String {
    format!(
        "SELECT {row} || ' has the {column} ''' || CAST(\"{column}\" AS TEXT)
                || ''', and there is none' AS what
         FROM {table} WHERE {condition} AND \"{column}\" NOT IN ({known})"
    )
}

/// One query for all columns of words.
pub(super) fn query() -> String {
    let power_states: Vec<String> = PowerState::ALL
        .iter()
        .map(|state| state.as_i32().to_string())
        .collect();
    let power_states = power_states.join(", ");
    let sightings = words(
        Sighting::ALL
            .iter()
            .map(|sighting| sighting_word(*sighting)),
    );
    let of = |kind: SubjectKind| format!("subject_kind = '{kind}'");
    let of_migration = of(SubjectKind::Migration);
    let statuses = words_of!(MigrationStatus);
    let columns = [
        unknown(SERVICES, "binary", &words_of!(ServiceBinary)),
        unknown(SERVERS, "vm_state", &words_of!(VmState)),
        unknown(SERVERS, "task_state", &words_of!(TaskState)),
        unknown(SERVERS, "power_state", &power_states),
        unknown(SERVERS, "locked_by", &words_of!(LockedBy)),
        unknown(SIGHTINGS, "sighting", &sightings),
        unknown(SIGHTINGS, "power_state", &power_states),
        unknown(MIGRATIONS, "migration_type", &words_of!(MigrationKind)),
        unknown(MIGRATIONS, "status", &statuses),
        unknown(MIGRATIONS, "intent", &words_of!(Intent)),
        unknown(MIGRATIONS, "settling", &words_of!(Settling)),
        unknown(MIGRATIONS, "storage", &words_of!(StorageMode)),
        unknown(MIGRATIONS, "failure_code", &words_of!(FailureCode)),
        unknown(SLOTS, "role", &words_of!(SlotRole)),
        unknown(EFFECTS, "subject_kind", &words_of!(SubjectKind)),
        unknown_of(EFFECTS, &of_migration, "effect", &words_of!(Effect)),
        unknown_of(
            EFFECTS,
            &of(SubjectKind::Server),
            "effect",
            &words_of!(PowerAction),
        ),
        unknown_of(
            EFFECTS,
            &of(SubjectKind::Plan),
            "effect",
            &words_of!(PlanEffect),
        ),
        unknown_of(
            EFFECTS,
            &of(SubjectKind::Run),
            "effect",
            &words_of!(RunEffect),
        ),
        unknown(PLANS, "kind", &words_of!(PlanKind)),
        unknown(PLANS, "state", &words_of!(PlanState)),
        unknown(PLANS, "failure_code", &words_of!(FailureCode)),
        unknown(OPERATIONS, "kind", &words_of!(OperationKind)),
        unknown(OPERATIONS, "carried_out_as", &words_of!(OperationKind)),
        unknown(OPERATIONS, "state", &words_of!(OperationState)),
        unknown(OPERATIONS, "failure_code", &words_of!(FailureCode)),
        unknown(RUNS, "kind", &words_of!(PlanKind)),
        unknown(RUNS, "state", &words_of!(RunState)),
        unknown(RUNS, "priority", &words_of!(Priority)),
        unknown(REVISIONS, "failure_code", &words_of!(FailureCode)),
        unknown(MAINTENANCES, "state", &words_of!(maintenance::State)),
        unknown(MAINTENANCES, "return_home", &words_of!(ReturnHome)),
        unknown(EFFECTS, "outcome", &words_of!(EffectOutcome)),
        unknown(EVENTS, "subject_kind", &words_of!(EventKind)),
        unknown_of(EVENTS, &of_migration, "from_status", &statuses),
        unknown_of(EVENTS, &of_migration, "to_status", &statuses),
        unknown(DISCREPANCIES, "kind", &words_of!(DiscrepancyKind)),
        unknown(GROUPS, "policy", &words_of!(Policy)),
        unknown(MEMBERS, "origin", &words_of!(Origin)),
        unknown(DELIVERIES, "state", &words_of!(DeliveryState)),
    ];
    columns.join(" UNION ALL ")
}

/// A query for migrations whose status has ended while they have not, or the other way round.
pub(super) fn end_and_status() -> String {
    let ended = MigrationStatus::ALL
        .iter()
        .filter(|status| status.has_ended())
        .map(|status| status.as_str());
    let ended = words(ended);
    format!(
        "SELECT 'migration ' || uuid || ' is ' || status
                || CASE WHEN ended_at IS NULL THEN ' without' ELSE ' with' END
                || ' a time of its end' AS what
         FROM migrations WHERE (ended_at IS NOT NULL) <> (status IN ({ended}))"
    )
}
