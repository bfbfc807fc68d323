//! Refusals, into and out of a gRPC status.

use prost::Message as _;
use tonic::{Code, Status};

use super::{Native, Refusal, parsed, proto, required};
use crate::proto::error_detail::{self as detail, Refusal as Wire};

impl Native for Refusal {
    type Wire = proto::ErrorDetail;

    fn to_wire(self) -> proto::ErrorDetail {
        let refusal = match self {
            Self::Stale { newest } => Wire::Stale(newest.to_wire()),
            Self::NoJob => Wire::NoJob(().to_wire()),
            Self::TooLate => Wire::TooLate(().to_wire()),
            Self::UnknownServer(server) => Wire::UnknownServer(server.to_string()),
            Self::UnknownMigration(migration) => Wire::UnknownMigration(migration.to_string()),
            Self::Failed(failure) => Wire::Failed(failure.to_wire()),
            Self::Incompatible { ours, theirs } => Wire::Incompatible(detail::Incompatible {
                ours: ours.to_string(),
                theirs: theirs.to_string(),
            }),
            Self::Forbidden(reason) => Wire::Forbidden(reason),
            Self::Unavailable(reason) => Wire::Unavailable(reason),
            Self::Malformed { field, problem } => {
                Wire::Malformed(detail::Malformed { field, problem })
            }
        };
        proto::ErrorDetail {
            refusal: Some(refusal),
        }
    }

    fn from_wire(wire: proto::ErrorDetail) -> Result<Self, Self> {
        Ok(match required("refusal", wire.refusal)? {
            Wire::Stale(newest) => Self::Stale {
                newest: Native::from_wire(newest)?,
            },
            Wire::NoJob(proto::Empty {}) => Self::NoJob,
            Wire::TooLate(proto::Empty {}) => Self::TooLate,
            Wire::UnknownServer(server) => Self::UnknownServer(parsed("unknown_server", &server)?),
            Wire::UnknownMigration(migration) => {
                Self::UnknownMigration(parsed("unknown_migration", &migration)?)
            }
            Wire::Failed(failure) => Self::Failed(Native::from_wire(failure)?),
            Wire::Incompatible(versions) => Self::Incompatible {
                ours: parsed("ours", &versions.ours)?,
                theirs: parsed("theirs", &versions.theirs)?,
            },
            Wire::Forbidden(reason) => Self::Forbidden(reason),
            Wire::Unavailable(reason) => Self::Unavailable(reason),
            Wire::Malformed(detail::Malformed { field, problem }) => {
                Self::Malformed { field, problem }
            }
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
        let detail = refusal.to_wire().encode_to_vec();
        Self::with_details(code, message, detail.into())
    }
}

/// The refusal that a status carries; `None` when it is not one of ours.
pub(crate) fn refusal_of(status: &Status) -> Option<Refusal> {
    if status.details().is_empty() {
        return None;
    }
    let detail = proto::ErrorDetail::decode(status.details()).ok()?;
    Refusal::from_wire(detail).ok()
}
