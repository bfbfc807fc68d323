//! Messages that are one of several.

use godwit_core::failure::{Failure, FailureCode};

use super::{Field, Native, Refusal, proto, required};
use crate::command::ForceMeans;
use crate::progress::{Ended, Outcome, WatchEvent};
use crate::proto::{ended, watch_event};

/// A code that a newer agent invented must not keep an outcome from being heard: it is a
/// hypervisor's error, and the text says the rest.
impl Native for Failure {
    type Wire = proto::Failure;

    fn to_wire(self) -> proto::Failure {
        proto::Failure {
            code: self.code.as_str().to_owned(),
            message: self.message,
        }
    }

    fn from_wire(wire: proto::Failure) -> Result<Self, Refusal> {
        Ok(match wire.code.parse() {
            Ok(code) => Self::new(code, wire.message),
            Err(_) => Self::new(
                FailureCode::HypervisorError,
                format!("{}: {}", wire.code, wire.message),
            ),
        })
    }
}

impl Native for ForceMeans {
    type Wire = proto::Forced;

    fn to_wire(self) -> proto::Forced {
        let means = Field::<i32>::send(self);
        proto::Forced { means }
    }

    fn from_wire(wire: proto::Forced) -> Result<Self, Refusal> {
        Field::<i32>::read("means", wire.means)
    }
}

impl Native for Ended {
    type Wire = proto::Ended;

    fn to_wire(self) -> proto::Ended {
        use ended::Outcome as Wire;
        let outcome = match self.outcome {
            Outcome::HandedOver => Wire::HandedOver(().to_wire()),
            Outcome::Stopped => Wire::Stopped(().to_wire()),
            Outcome::Cancelled => Wire::Cancelled(().to_wire()),
            Outcome::Failed(failure) => Wire::Failed(failure.to_wire()),
            Outcome::Lost(failure) => Wire::Lost(failure.to_wire()),
        };
        proto::Ended {
            outcome: Some(outcome),
            progress: Field::send(self.progress),
        }
    }

    fn from_wire(wire: proto::Ended) -> Result<Self, Refusal> {
        use ended::Outcome as Wire;
        let outcome = match required("outcome", wire.outcome)? {
            Wire::HandedOver(proto::Empty {}) => Outcome::HandedOver,
            Wire::Stopped(proto::Empty {}) => Outcome::Stopped,
            Wire::Cancelled(proto::Empty {}) => Outcome::Cancelled,
            Wire::Failed(failure) => Outcome::Failed(Native::from_wire(failure)?),
            Wire::Lost(failure) => Outcome::Lost(Native::from_wire(failure)?),
        };
        Ok(Self {
            outcome,
            progress: Field::read("progress", wire.progress)?,
        })
    }
}

impl Native for WatchEvent {
    type Wire = proto::WatchEvent;

    fn to_wire(self) -> proto::WatchEvent {
        use watch_event::Event as Wire;
        let event = match self {
            Self::Progress(progress) => Wire::Progress(progress.to_wire()),
            Self::PostCopyStarted => Wire::PostCopyStarted(().to_wire()),
            Self::Ended(ended) => Wire::Ended(ended.to_wire()),
            Self::Unknown => Wire::Unknown(().to_wire()),
        };
        proto::WatchEvent { event: Some(event) }
    }

    fn from_wire(wire: proto::WatchEvent) -> Result<Self, Refusal> {
        use watch_event::Event as Wire;
        Ok(match required("event", wire.event)? {
            Wire::Progress(progress) => Self::Progress(Native::from_wire(progress)?),
            Wire::PostCopyStarted(proto::Empty {}) => Self::PostCopyStarted,
            Wire::Ended(ended) => Self::Ended(Native::from_wire(ended)?),
            Wire::Unknown(proto::Empty {}) => Self::Unknown,
        })
    }
}
