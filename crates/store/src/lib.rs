//! Everything durable: hosts, servers, migrations, plans and runs, their event log and their outbox, on
//! SQLite or PostgreSQL behind one [`Store`].
//!
//! A migration changes in exactly one way, [`Store::migration_step`]: in one transaction its
//! row is loaded and locked, [`godwit_core::transition::step`] says what follows from an
//! event, and all of it is written: the row, a line in the event log, effects in the outbox,
//! claims and slots, the server. What is answered after that survives any crash.
//!
//! Time and uuids are arguments here; the store reads no clock and makes no ids.

#![warn(missing_docs)]

mod aggregates;
mod among;
mod change_note;
mod columns;
mod connection;
mod dialect;
mod discrepancies;
mod effects;
mod error;
mod events;
mod figures;
mod flavors;
mod gather;
mod group_commit;
mod hosts;
mod hypervisors;
mod idempotency;
mod import;
mod instance_actions;
mod invariants;
mod links;
mod listed;
mod location;
mod maintenance;
mod migrations;
mod notifications;
mod open;
mod plans;
mod pool;
mod prepared;
mod repairs;
mod reservations;
mod restored;
mod runs;
mod schema;
mod schema_version;
mod scopes;
mod server_groups;
mod servers;
mod services;
mod snapshot;
mod store;
mod usage;
mod webhooks;
mod work;

pub use aggregates::{Aggregate, AggregateChange, AggregateError, AggregateUse, NewAggregate};
pub use change_note::{ChangeNote, Message};
pub use discrepancies::Discrepancy;
pub use effects::{
    Claimed, ClaimedOfMigration, ClaimedOfPlan, ClaimedOfRun, ClaimedOfServer, Lease,
};
pub use error::StoreError;
pub use events::{
    Actor, EventPage, EventQuery, EventReadError, EventSubject, EventTypes, LoggedEvent,
    MigrationEvent, PositionedEvent, ServiceState, SubjectEvent,
};
pub use figures::Figures;
pub use flavors::{Flavor, FlavorSpec};
pub use hosts::{AgentFacts, Host, HostFacts, HostLoad, HostRegistration, StoragePool};
pub use hypervisors::{
    HostUsage, HostedServer, Hypervisor, HypervisorKey, HypervisorListError, HypervisorPage,
};
pub use idempotency::{IdempotencyKey, KeptAnswer, KeptRequest, KeyedRequest, KeyedWrite};
pub use import::{Dump, DumpError, ImportError, ImportReport, Skipped, TableReport};
pub use instance_actions::{
    ActionListError, ActionNote, ActionPage, InstanceAction, InstanceActionEvent,
};
pub use invariants::Violation;
pub use links::{BegunByRun, Guest, HostLink, UnderWay};
pub use listed::Listed;
pub use maintenance::{
    FreshIds, Hold, LeftReasons, MaintenanceChange, MaintenanceError, MaintenanceProgress,
    MaintenanceRecord, MaintenanceRequestError, Sighted,
};
pub use migrations::*;
pub use notifications::NotificationCursor;
pub use open::{OpenError, PoolState, StoreOptions};
pub use plans::{
    Blocked, InventoryGroup, InventoryMove, InventoryScope, InventoryServer, NewPlan, NotMade,
    PlanCreateError, PlanDeleteError, PlanDetail, PlanFilter, PlanInventory, PlanMade, PlanPage,
    PlanRecord, PlanStepError, PlannedOperation,
};
pub use repairs::RepairOffer;
pub use reservations::{HeldClaim, Slot};
pub use restored::{Restored, Restoring};
pub use runs::{
    NewDestination, NewRun, OfRun, OperationBeginError, OperationRecord, OperationStart,
    PlanRunError, RoomAnswer, RoomError, RunFilter, RunPage, RunPart, RunProgress, RunRecord,
    RunStep, RunStepError, RunVersion, RunningOperation,
};
pub use scopes::{
    AllocationChange, ManagementChange, NewTopology, Placing, Scope, ScopeError, TopologyError,
};
pub use server_groups::{MembershipError, NewServerGroup, ServerGroup};
pub use servers::*;
pub use services::{
    ConductorBeat, Fencing, Service, ServiceBinary, ServiceChange, ServiceError, ServiceKey,
    ServiceStatus, ServiceUse,
};
pub use snapshot::Snapshot;
pub use store::Store;
pub use usage::{ProjectUsage, ServerUsage, UsageListError, UsagePeriod};
pub use webhooks::{ClaimedDelivery, Delivery, NewDelivery, NewWebhook, Webhook};
