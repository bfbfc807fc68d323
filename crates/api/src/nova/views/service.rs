//! A service (`contract: actions.md §9`).

use std::fmt;
use std::time::Duration;

use godwit_core::ids::HostName;
use godwit_core::time::Timestamp;
use godwit_store::Service;
use serde::Serialize;
use uuid::Uuid;

use super::{Gated, Micros, Microversion, milestone};

/// Is it to be used?
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Enabled,
    Disabled,
}

impl Status {
    pub fn of(service: &Service) -> Self {
        match service.disabled {
            true => Self::Disabled,
            false => Self::Enabled,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Up,
    /// No, or nobody heard of it.
    Down,
}

/// What tells whether a service counts as up.
#[derive(Clone, Copy, Debug)]
pub struct Liveness {
    pub now: Timestamp,
    /// How long a service may be silent.
    pub down_time: Duration,
}

impl State {
    pub fn of(service: &Service, liveness: Liveness) -> Self {
        match service.is_up(liveness.now, liveness.down_time) {
            true => Self::Up,
            false => Self::Down,
        }
    }
}

/// An id: a number once, a uuid later.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum Id {
    /// Below 2.53.
    Number(i64),
    /// From 2.53 on.
    Uuid(Uuid),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Uuid(uuid) => uuid.fmt(f),
        }
    }
}

impl Id {
    /// Whichever of the two `version` knows.
    pub fn in_version(version: Microversion, number: i64, uuid: Uuid) -> Self {
        if version >= milestone::UUID_IDS {
            Self::Uuid(uuid)
        } else {
            Self::Number(number)
        }
    }
}

#[derive(Debug, Serialize)]
pub struct ServiceView<'a> {
    binary: &'static str,
    host: &'a HostName,
    id: Id,
    zone: &'a str,
    status: Status,
    state: State,
    updated_at: Option<Micros>,
    disabled_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forced_down: Gated<bool>,
}

impl<'a> ServiceView<'a> {
    pub fn new(service: &'a Service, version: Microversion, liveness: Liveness) -> Self {
        Self {
            binary: service.binary.as_str(),
            host: &service.host,
            id: Id::in_version(version, service.id, service.uuid),
            zone: &service.zone,
            status: Status::of(service),
            state: State::of(service, liveness),
            updated_at: service.updated_at.map(Micros),
            disabled_reason: service.disabled_reason.as_deref(),
            forced_down: (version >= milestone::FORCED_DOWN).then_some(service.forced_down),
        }
    }
}

/// What a verb did to a service, in the words of the versions that named services by host.
#[derive(Debug, Serialize)]
pub struct ServiceChanged<'a> {
    host: &'a HostName,
    binary: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Gated<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_reason: Gated<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forced_down: Gated<bool>,
}

impl<'a> ServiceChanged<'a> {
    /// It was enabled or disabled; the reason only where one was given just now.
    pub fn status(service: &'a Service) -> Self {
        let reason = service.disabled_reason.as_deref();
        Self {
            host: &service.host,
            binary: service.binary.as_str(),
            status: Some(Status::of(service)),
            disabled_reason: reason,
            forced_down: None,
        }
    }

    /// It was declared dead, or no longer.
    pub fn forced_down(service: &'a Service) -> Self {
        Self {
            status: None,
            disabled_reason: None,
            forced_down: Some(service.forced_down),
            ..Self::status(service)
        }
    }
}
