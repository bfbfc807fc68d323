//! What agents tell.

use std::time::Duration;

use godwit_core::ids::MigrationUuid;

use super::{millis, parsed, read, read_some, timestamp};
use crate::enrolment::{Heard, Heartbeat, Registered, Registration, Report};
use crate::proto;
use crate::refusal::Refusal;
use crate::version::Speaks;

impl From<Speaks> for proto::HelloReply {
    fn from(speaks: Speaks) -> Self {
        Self {
            rpc_version: speaks.version.to_string(),
            capabilities: speaks.capabilities.into_iter().collect(),
        }
    }
}

impl From<Registration> for proto::RegisterRequest {
    fn from(registration: Registration) -> Self {
        Self {
            agent_address: registration.agent_address,
            boot_id: registration.boot_id.to_string(),
            inventory: Some(registration.inventory.into()),
            rpc_version: registration.rpc_version.to_string(),
            capabilities: registration.capabilities,
            unsettled: texts(&registration.unsettled),
        }
    }
}

impl TryFrom<proto::RegisterRequest> for Registration {
    type Error = Refusal;

    fn try_from(request: proto::RegisterRequest) -> Result<Self, Refusal> {
        Ok(Self {
            agent_address: request.agent_address,
            boot_id: parsed("boot_id", &request.boot_id)?,
            inventory: read("inventory", request.inventory)?,
            rpc_version: parsed("rpc_version", &request.rpc_version)?,
            capabilities: request.capabilities,
            unsettled: uuids("unsettled", &request.unsettled)?,
        })
    }
}

impl From<Registered> for proto::RegisterReply {
    fn from(registered: Registered) -> Self {
        Self {
            unfinished: texts(&registered.unfinished),
            heartbeat_interval_ms: millis(registered.heartbeat_interval),
            completed: texts(&registered.completed),
        }
    }
}

impl TryFrom<proto::RegisterReply> for Registered {
    type Error = Refusal;

    fn try_from(reply: proto::RegisterReply) -> Result<Self, Refusal> {
        Ok(Self {
            unfinished: uuids("unfinished", &reply.unfinished)?,
            completed: uuids("completed", &reply.completed)?,
            heartbeat_interval: Duration::from_millis(reply.heartbeat_interval_ms),
        })
    }
}

fn texts(migrations: &[MigrationUuid]) -> Vec<String> {
    migrations.iter().map(ToString::to_string).collect()
}

fn uuids(field: &'static str, texts: &[String]) -> Result<Vec<MigrationUuid>, Refusal> {
    texts.iter().map(|text| parsed(field, text)).collect()
}

impl From<Heartbeat> for proto::HeartbeatRequest {
    fn from(heartbeat: Heartbeat) -> Self {
        Self {
            host: heartbeat.host.into(),
            boot_id: heartbeat.boot_id.to_string(),
            inventory: heartbeat.inventory.map(proto::Inventory::from),
        }
    }
}

impl TryFrom<proto::HeartbeatRequest> for Heartbeat {
    type Error = Refusal;

    fn try_from(request: proto::HeartbeatRequest) -> Result<Self, Refusal> {
        Ok(Self {
            host: parsed("host", &request.host)?,
            boot_id: parsed("boot_id", &request.boot_id)?,
            inventory: read_some(request.inventory)?,
        })
    }
}

impl From<Heard> for proto::HeartbeatReply {
    fn from(heard: Heard) -> Self {
        Self {
            registered: heard.registered,
        }
    }
}

impl From<proto::HeartbeatReply> for Heard {
    fn from(reply: proto::HeartbeatReply) -> Self {
        Self {
            registered: reply.registered,
        }
    }
}

impl From<Report> for proto::ReportRequest {
    fn from(report: Report) -> Self {
        Self {
            host: report.host.into(),
            migration_uuid: report.migration.to_string(),
            sequence: report.sequence,
            ended: Some(report.ended.into()),
            at_micros: report.at.as_micros(),
        }
    }
}

impl TryFrom<proto::ReportRequest> for Report {
    type Error = Refusal;

    fn try_from(request: proto::ReportRequest) -> Result<Self, Refusal> {
        Ok(Self {
            host: parsed("host", &request.host)?,
            migration: parsed("migration_uuid", &request.migration_uuid)?,
            sequence: request.sequence,
            ended: read("ended", request.ended)?,
            at: timestamp("at", request.at_micros)?,
        })
    }
}
