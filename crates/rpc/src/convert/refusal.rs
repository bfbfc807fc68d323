//! Refusals, into and out of a gRPC status.

use prost::Message;
use tonic::{Code, Status};

use super::{parsed, required};
use crate::command::Rank;
use crate::proto;
use crate::proto::error_detail::{self as detail, Refusal as Wire};
use crate::refusal::Refusal;

impl From<Refusal> for proto::ErrorDetail {
    fn from(refusal: Refusal) -> Self {
        let refusal = match refusal {
            Refusal::Stale { newest } => Wire::Stale(detail::Stale {
                newest_sequence: newest.sequence,
                newest_epoch: newest.epoch,
            }),
            Refusal::NoJob => Wire::NoJob(detail::NoJob {}),
            Refusal::TooLate => Wire::TooLate(detail::TooLate {}),
            Refusal::UnknownServer(server) => Wire::UnknownServer(detail::UnknownServer {
                server_uuid: server.to_string(),
            }),
            Refusal::UnknownMigration(migration) => {
                Wire::UnknownMigration(detail::UnknownMigration {
                    migration_uuid: migration.to_string(),
                })
            }
            Refusal::Failed(failure) => Wire::Failed(failure.into()),
            Refusal::Incompatible { ours, theirs } => Wire::Incompatible(detail::Incompatible {
                ours: ours.to_string(),
                theirs: theirs.to_string(),
            }),
            Refusal::Forbidden(reason) => Wire::Forbidden(detail::Forbidden { reason }),
            Refusal::Unavailable(reason) => Wire::Unavailable(detail::Unavailable { reason }),
            Refusal::Malformed { field, problem } => {
                Wire::Malformed(detail::Malformed { field, problem })
            }
        };
        Self {
            refusal: Some(refusal),
        }
    }
}

impl TryFrom<proto::ErrorDetail> for Refusal {
    type Error = Self;

    fn try_from(detail: proto::ErrorDetail) -> Result<Self, Self> {
        Ok(match required("refusal", detail.refusal)? {
            Wire::Stale(stale) => Self::Stale {
                newest: Rank {
                    sequence: stale.newest_sequence,
                    epoch: stale.newest_epoch,
                },
            },
            Wire::NoJob(detail::NoJob {}) => Self::NoJob,
            Wire::TooLate(detail::TooLate {}) => Self::TooLate,
            Wire::UnknownServer(unknown) => {
                Self::UnknownServer(parsed("server_uuid", &unknown.server_uuid)?)
            }
            Wire::UnknownMigration(unknown) => {
                Self::UnknownMigration(parsed("migration_uuid", &unknown.migration_uuid)?)
            }
            Wire::Failed(failure) => Self::Failed(failure.into()),
            Wire::Incompatible(versions) => Self::Incompatible {
                ours: parsed("ours", &versions.ours)?,
                theirs: parsed("theirs", &versions.theirs)?,
            },
            Wire::Forbidden(forbidden) => Self::Forbidden(forbidden.reason),
            Wire::Unavailable(unavailable) => Self::Unavailable(unavailable.reason),
            Wire::Malformed(malformed) => Self::Malformed {
                field: malformed.field,
                problem: malformed.problem,
            },
        })
    }
}

const fn code(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::Stale { .. } => Code::Aborted,
        Refusal::NoJob | Refusal::TooLate | Refusal::Failed(_) | Refusal::Incompatible { .. } => {
            Code::FailedPrecondition
        }
        Refusal::UnknownServer(_) | Refusal::UnknownMigration(_) => Code::NotFound,
        Refusal::Forbidden(_) => Code::PermissionDenied,
        Refusal::Unavailable(_) => Code::Unavailable,
        Refusal::Malformed { .. } => Code::InvalidArgument,
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let (code, message) = (code(&refusal), refusal.to_string());
        let detail = proto::ErrorDetail::from(refusal).encode_to_vec();
        Self::with_details(code, message, detail.into())
    }
}

/// The refusal that a status carries; `None` when it is not one of ours.
pub(crate) fn refusal_of(status: &Status) -> Option<Refusal> {
    if status.details().is_empty() {
        return None;
    }
    let detail = proto::ErrorDetail::decode(status.details()).ok()?;
    Refusal::try_from(detail).ok()
}
