//! The parts of a server's document that have rules of their own.

use std::collections::BTreeMap;

use godwit_store::{Fault, Flavor, Launch, Server, Service, Volume};
use serde::Serialize;

use super::super::Gated;
use super::super::service::{Liveness, State};
use super::ServerVisibility;
use crate::http::timestamps::Seconds;
use crate::nova::links::{Link, Links, To};
use crate::nova::microversion::{Microversion, milestone};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum HostStatus {
    #[serde(rename = "UP")]
    Up,
    /// Somebody said that it is dead.
    #[serde(rename = "DOWN")]
    Down,
    /// It takes no new servers.
    #[serde(rename = "MAINTENANCE")]
    Maintenance,
    /// It gave no sign of life.
    #[serde(rename = "UNKNOWN")]
    Unknown,
    #[serde(rename = "")]
    NoHost,
}

impl HostStatus {
    /// How the host of a service is; a server's host without one is not known.
    pub fn of(service: Option<&Service>, liveness: Liveness) -> Self {
        match service {
            None => Self::Unknown,
            Some(service) if service.forced_down => Self::Down,
            Some(service) if service.disabled => Self::Maintenance,
            Some(service) if State::of(service, liveness) == State::Up => Self::Up,
            Some(_) => Self::Unknown,
        }
    }
}

pub(super) fn shows_progress(status: &str) -> bool {
    const STATUSES: [&str; 6] = [
        "ACTIVE",
        "BUILD",
        "REBUILD",
        "RESIZE",
        "VERIFY_RESIZE",
        "MIGRATING",
    ];
    STATUSES.contains(&status)
}

pub(super) fn shows_fault(status: &str) -> bool {
    matches!(status, "ERROR" | "DELETED")
}

#[derive(Debug, Serialize)]
pub(super) struct FaultView<'a> {
    code: i32,
    created: Seconds,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Gated<&'a str>,
}

impl<'a> FaultView<'a> {
    pub(super) fn new(fault: &'a Fault, admin: bool) -> Self {
        let details = fault
            .details
            .as_deref()
            .filter(|_| admin || fault.code != 500);
        Self {
            code: fault.code,
            created: Seconds(fault.created),
            message: &fault.message,
            details,
        }
    }
}

/// A reference once, embedded later.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum FlavorField<'a> {
    Reference {
        id: &'a str,
        links: [Link<'a>; 1],
    },
    Embedded {
        vcpus: i64,
        ram: i64,
        disk: i64,
        ephemeral: i64,
        swap: i64,
        original_name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        extra_specs: Gated<&'a BTreeMap<String, String>>,
    },
}

impl<'a> FlavorField<'a> {
    pub(super) fn new(flavor: &'a Flavor, visibility: ServerVisibility, links: &'a Links) -> Self {
        if visibility.version < milestone::EMBEDDED_FLAVOR {
            let id = flavor.flavorid.as_str();
            return Self::Reference {
                id,
                links: [links.bookmark_link(To::Flavor(id))],
            };
        }
        Self::Embedded {
            vcpus: flavor.spec.vcpus,
            ram: flavor.spec.memory_mb,
            disk: flavor.spec.root_gb,
            ephemeral: flavor.spec.ephemeral_gb,
            swap: flavor.spec.swap_mb,
            original_name: &flavor.spec.name,
            extra_specs: visibility.extra_specs.then_some(&flavor.extra_specs),
        }
    }
}

/// A volume attached to the server.
#[derive(Debug, Serialize)]
pub(super) struct VolumeView<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_on_termination: Gated<bool>,
}

impl<'a> VolumeView<'a> {
    pub(super) fn list(launch: &'a Launch, version: Microversion) -> Vec<Self> {
        let fate = |volume: &Volume| {
            let known = version >= milestone::EXTENDED_ATTRIBUTES;
            known.then_some(volume.delete_on_termination)
        };
        let view = |volume: &'a Volume| Self {
            id: &volume.id,
            delete_on_termination: fate(volume),
        };
        launch.volumes.iter().map(view).collect()
    }
}

/// An empty string where there is no image.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ImageField<'a> {
    None(&'static str),
    Reference {
        id: &'a str,
        links: [Link<'a>; 1],
        #[serde(skip_serializing_if = "Option::is_none")]
        properties: Gated<&'a BTreeMap<String, String>>,
    },
}

impl<'a> ImageField<'a> {
    pub(super) fn new(server: &'a Server, visibility: ServerVisibility, links: &'a Links) -> Self {
        let Some(id) = server.image_ref.as_deref() else {
            return Self::None("");
        };
        let known = visibility.version >= milestone::IMAGE_PROPERTIES;
        let properties = known.then_some(&server.launch.image_properties);
        Self::Reference {
            id,
            links: [links.bookmark_link(To::Image(id))],
            properties,
        }
    }
}
