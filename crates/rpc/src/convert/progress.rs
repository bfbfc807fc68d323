//! Moves under way and their ends.

use std::time::Duration;

use godwit_core::failure::{Failure, FailureCode};

use super::{millis, read, read_some, required};
use crate::progress::{Amounts, Ended, Outcome, Progress, WatchEvent};
use crate::proto;
use crate::proto::{ended, watch_event};
use crate::refusal::Refusal;

impl From<Failure> for proto::Failure {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code.as_str().to_owned(),
            message: failure.message,
        }
    }
}

/// A code that a newer agent invented must not keep an outcome from being heard: it is a
/// hypervisor's error, and the text says the rest.
impl From<proto::Failure> for Failure {
    fn from(failure: proto::Failure) -> Self {
        match failure.code.parse() {
            Ok(code) => Self::new(code, failure.message),
            Err(_) => Self::new(
                FailureCode::HypervisorError,
                format!("{}: {}", failure.code, failure.message),
            ),
        }
    }
}

impl From<Amounts> for proto::Amounts {
    fn from(amounts: Amounts) -> Self {
        Self {
            total_bytes: amounts.total,
            processed_bytes: amounts.processed,
            remaining_bytes: amounts.remaining,
        }
    }
}

impl From<proto::Amounts> for Amounts {
    fn from(amounts: proto::Amounts) -> Self {
        Self {
            total: amounts.total_bytes,
            processed: amounts.processed_bytes,
            remaining: amounts.remaining_bytes,
        }
    }
}

impl From<Progress> for proto::Progress {
    fn from(progress: Progress) -> Self {
        Self {
            memory: Some(progress.memory.into()),
            disk: progress.disk.map(proto::Amounts::from),
            dirty_bytes_per_second: progress.dirty_rate,
            bytes_per_second: progress.throughput,
            downtime_ms: progress.downtime.map(millis),
            iteration: progress.iteration,
        }
    }
}

impl TryFrom<proto::Progress> for Progress {
    type Error = Refusal;

    fn try_from(progress: proto::Progress) -> Result<Self, Refusal> {
        Ok(Self {
            memory: required("memory", progress.memory)?.into(),
            disk: progress.disk.map(Amounts::from),
            dirty_rate: progress.dirty_bytes_per_second,
            throughput: progress.bytes_per_second,
            downtime: progress.downtime_ms.map(Duration::from_millis),
            iteration: progress.iteration,
        })
    }
}

impl From<Ended> for proto::Ended {
    fn from(end: Ended) -> Self {
        let outcome = match end.outcome {
            Outcome::HandedOver => ended::Outcome::HandedOver(ended::HandedOver {}),
            Outcome::Stopped => ended::Outcome::Stopped(ended::Stopped {}),
            Outcome::Cancelled => ended::Outcome::Cancelled(ended::Cancelled {}),
            Outcome::Failed(failure) => ended::Outcome::Failed(failure.into()),
            Outcome::Lost(failure) => ended::Outcome::Lost(failure.into()),
        };
        Self {
            outcome: Some(outcome),
            progress: end.progress.map(proto::Progress::from),
        }
    }
}

impl TryFrom<proto::Ended> for Ended {
    type Error = Refusal;

    fn try_from(end: proto::Ended) -> Result<Self, Refusal> {
        let outcome = match required("outcome", end.outcome)? {
            ended::Outcome::HandedOver(ended::HandedOver {}) => Outcome::HandedOver,
            ended::Outcome::Stopped(ended::Stopped {}) => Outcome::Stopped,
            ended::Outcome::Cancelled(ended::Cancelled {}) => Outcome::Cancelled,
            ended::Outcome::Failed(failure) => Outcome::Failed(failure.into()),
            ended::Outcome::Lost(failure) => Outcome::Lost(failure.into()),
        };
        Ok(Self {
            outcome,
            progress: read_some(end.progress)?,
        })
    }
}

impl From<WatchEvent> for proto::WatchEvent {
    fn from(event: WatchEvent) -> Self {
        use watch_event::{Event, PostCopyStarted, Unknown};
        let event = match event {
            WatchEvent::Progress(progress) => Event::Progress(progress.into()),
            WatchEvent::PostCopyStarted => Event::PostCopyStarted(PostCopyStarted {}),
            WatchEvent::Ended(ended) => Event::Ended(ended.into()),
            WatchEvent::Unknown => Event::Unknown(Unknown {}),
        };
        Self { event: Some(event) }
    }
}

impl TryFrom<proto::WatchEvent> for WatchEvent {
    type Error = Refusal;

    fn try_from(event: proto::WatchEvent) -> Result<Self, Refusal> {
        use watch_event::{Event, PostCopyStarted, Unknown};
        Ok(match required("event", event.event)? {
            Event::Progress(progress) => Self::Progress(read("progress", Some(progress))?),
            Event::PostCopyStarted(PostCopyStarted {}) => Self::PostCopyStarted,
            Event::Ended(ended) => Self::Ended(read("ended", Some(ended))?),
            Event::Unknown(Unknown {}) => Self::Unknown,
        })
    }
}
