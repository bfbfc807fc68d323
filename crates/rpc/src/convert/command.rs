//! Commands.

use super::{parsed, read, timestamp, words};
use crate::command::{
    Boot, CheckBoot, CheckDestination, CheckSource, Command, ForceMeans, Movable, Move, MoveKind,
    Power, Powered, Prepare, Rank, RollBack, Start, Withdraw,
};
use crate::proto;
use crate::refusal::Refusal;

impl From<Command> for proto::Command {
    fn from(command: Command) -> Self {
        let what = command.what;
        Self {
            migration_uuid: what.migration.to_string(),
            sequence: command.rank.sequence,
            lease_epoch: command.rank.epoch,
            server_uuid: what.server.to_string(),
            source: what.source.into(),
            destination: what.destination.into(),
            storage: words::send(what.storage),
            request_id: command.request_id,
            kind: words::send(what.kind),
        }
    }
}

impl TryFrom<proto::Command> for Command {
    type Error = Refusal;

    fn try_from(command: proto::Command) -> Result<Self, Refusal> {
        Ok(Self {
            what: Move {
                migration: parsed("migration_uuid", &command.migration_uuid)?,
                kind: words::read_or(MoveKind::Live, "kind", command.kind)?,
                server: parsed("server_uuid", &command.server_uuid)?,
                source: parsed("source", &command.source)?,
                destination: parsed("destination", &command.destination)?,
                storage: words::read("storage", command.storage)?,
            },
            rank: Rank {
                sequence: command.sequence,
                epoch: command.lease_epoch,
            },
            request_id: command.request_id,
        })
    }
}

impl From<CheckSource> for proto::CheckSourceRequest {
    fn from(check: CheckSource) -> Self {
        Self {
            migration_uuid: check.migration.to_string(),
            server_uuid: check.server.to_string(),
            block_migration: words::send(check.block_migration),
            destination: Some(check.destination.into()),
            kind: words::send(check.kind),
        }
    }
}

impl TryFrom<proto::CheckSourceRequest> for CheckSource {
    type Error = Refusal;

    fn try_from(check: proto::CheckSourceRequest) -> Result<Self, Refusal> {
        Ok(Self {
            migration: parsed("migration_uuid", &check.migration_uuid)?,
            server: parsed("server_uuid", &check.server_uuid)?,
            kind: words::read_or(MoveKind::Live, "kind", check.kind)?,
            block_migration: words::read("block_migration", check.block_migration)?,
            destination: read("destination", check.destination)?,
        })
    }
}

impl From<Movable> for proto::CheckSourceReply {
    fn from(movable: Movable) -> Self {
        Self {
            guest: Some(movable.guest.into()),
            storage: words::send(movable.storage),
        }
    }
}

impl TryFrom<proto::CheckSourceReply> for Movable {
    type Error = Refusal;

    fn try_from(reply: proto::CheckSourceReply) -> Result<Self, Refusal> {
        Ok(Self {
            guest: read("guest", reply.guest)?,
            storage: words::read("storage", reply.storage)?,
        })
    }
}

impl From<CheckDestination> for proto::CheckDestinationRequest {
    fn from(check: CheckDestination) -> Self {
        Self {
            migration_uuid: check.migration.to_string(),
            guest: Some(check.guest.into()),
            source: Some(check.source.into()),
            storage: words::send(check.storage),
            disk_over_commit: check.disk_over_commit,
        }
    }
}

impl TryFrom<proto::CheckDestinationRequest> for CheckDestination {
    type Error = Refusal;

    fn try_from(check: proto::CheckDestinationRequest) -> Result<Self, Refusal> {
        Ok(Self {
            migration: parsed("migration_uuid", &check.migration_uuid)?,
            guest: read("guest", check.guest)?,
            source: read("source", check.source)?,
            storage: words::read("storage", check.storage)?,
            disk_over_commit: check.disk_over_commit,
        })
    }
}

impl From<Prepare> for proto::PrepareRequest {
    fn from(prepare: Prepare) -> Self {
        Self {
            command: Some(prepare.command.into()),
            guest: Some(prepare.guest.into()),
        }
    }
}

impl TryFrom<proto::PrepareRequest> for Prepare {
    type Error = Refusal;

    fn try_from(prepare: proto::PrepareRequest) -> Result<Self, Refusal> {
        Ok(Self {
            command: read("command", prepare.command)?,
            guest: read("guest", prepare.guest)?,
        })
    }
}

impl From<Start> for proto::StartRequest {
    fn from(start: Start) -> Self {
        Self {
            command: Some(start.command.into()),
            destination: Some(start.destination.into()),
        }
    }
}

impl TryFrom<proto::StartRequest> for Start {
    type Error = Refusal;

    fn try_from(start: proto::StartRequest) -> Result<Self, Refusal> {
        Ok(Self {
            command: read("command", start.command)?,
            destination: read("destination", start.destination)?,
        })
    }
}

impl From<RollBack> for proto::RollBackRequest {
    fn from(roll_back: RollBack) -> Self {
        Self {
            command: Some(roll_back.command.into()),
            resume: roll_back.resume,
        }
    }
}

impl TryFrom<proto::RollBackRequest> for RollBack {
    type Error = Refusal;

    fn try_from(roll_back: proto::RollBackRequest) -> Result<Self, Refusal> {
        Ok(Self {
            command: read("command", roll_back.command)?,
            resume: roll_back.resume,
        })
    }
}

impl From<CheckBoot> for proto::CheckBootRequest {
    fn from(check: CheckBoot) -> Self {
        Self {
            migration_uuid: check.migration.to_string(),
            server_uuid: check.server.to_string(),
            definition: check.definition,
        }
    }
}

impl TryFrom<proto::CheckBootRequest> for CheckBoot {
    type Error = Refusal;

    fn try_from(check: proto::CheckBootRequest) -> Result<Self, Refusal> {
        Ok(Self {
            migration: parsed("migration_uuid", &check.migration_uuid)?,
            server: parsed("server_uuid", &check.server_uuid)?,
            definition: check.definition,
        })
    }
}

impl From<Boot> for proto::BootRequest {
    fn from(boot: Boot) -> Self {
        Self {
            command: Some(boot.command.into()),
            definition: boot.definition,
            power_on: boot.power_on,
        }
    }
}

impl TryFrom<proto::BootRequest> for Boot {
    type Error = Refusal;

    fn try_from(boot: proto::BootRequest) -> Result<Self, Refusal> {
        Ok(Self {
            command: read("command", boot.command)?,
            definition: boot.definition,
            power_on: boot.power_on,
        })
    }
}

impl From<Withdraw> for proto::WithdrawRequest {
    fn from(withdraw: Withdraw) -> Self {
        Self {
            command: Some(withdraw.command.into()),
            began_at_micros: withdraw.began_at.as_micros(),
        }
    }
}

impl TryFrom<proto::WithdrawRequest> for Withdraw {
    type Error = Refusal;

    fn try_from(withdraw: proto::WithdrawRequest) -> Result<Self, Refusal> {
        Ok(Self {
            command: read("command", withdraw.command)?,
            began_at: timestamp("began_at", withdraw.began_at_micros)?,
        })
    }
}

impl From<Power> for proto::PowerRequest {
    fn from(power: Power) -> Self {
        Self {
            server_uuid: power.server.to_string(),
            sequence: power.rank.sequence,
            lease_epoch: power.rank.epoch,
            action: words::send(power.action),
            request_id: power.request_id,
        }
    }
}

impl TryFrom<proto::PowerRequest> for Power {
    type Error = Refusal;

    fn try_from(power: proto::PowerRequest) -> Result<Self, Refusal> {
        Ok(Self {
            server: parsed("server_uuid", &power.server_uuid)?,
            action: words::read("action", power.action)?,
            rank: Rank {
                sequence: power.sequence,
                epoch: power.lease_epoch,
            },
            request_id: power.request_id,
        })
    }
}

impl From<Powered> for proto::PowerReply {
    fn from(powered: Powered) -> Self {
        Self {
            power_state: words::send(powered.power_state),
            failure: powered.failure.map(Into::into),
        }
    }
}

impl TryFrom<proto::PowerReply> for Powered {
    type Error = Refusal;

    fn try_from(reply: proto::PowerReply) -> Result<Self, Refusal> {
        Ok(Self {
            power_state: words::read("power_state", reply.power_state)?,
            failure: reply.failure.map(Into::into),
        })
    }
}

macro_rules! bare_commands {
    ($($request:ident),+) => {$(
        impl From<Command> for proto::$request {
            fn from(command: Command) -> Self {
                Self { command: Some(command.into()) }
            }
        }

        impl TryFrom<proto::$request> for Command {
            type Error = Refusal;
            fn try_from(request: proto::$request) -> Result<Self, Refusal> {
                read("command", request.command)
            }
        }
    )+};
}

bare_commands!(AbortRequest, ForceCompleteRequest, FinishRequest);

impl From<ForceMeans> for proto::ForceCompleteReply {
    fn from(means: ForceMeans) -> Self {
        Self {
            means: words::send(means),
        }
    }
}

impl TryFrom<proto::ForceCompleteReply> for ForceMeans {
    type Error = Refusal;

    fn try_from(reply: proto::ForceCompleteReply) -> Result<Self, Refusal> {
        words::read("means", reply.means)
    }
}
