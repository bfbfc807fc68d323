//! Documents: what rows look like to a caller, one file a resource.
//!
//! A view is built in one constructor from (row, version, visibility), and borrows from the
//! row. A field that a version or a caller does not get is [`Gated::Absent`]; that is not the
//! same as null.

pub mod aggregate;
pub mod availability_zone;
pub mod extension;
pub mod flavor;
mod host_id;
pub mod hypervisor;
pub mod instance_action;
pub mod limits;
pub mod migration;
pub mod quota;
pub mod server;
pub mod server_group;
pub mod server_migration;
pub mod service;
pub mod tenant_usage;
pub mod version;
pub mod volume_attachment;

use serde::{Serialize, Serializer};

pub use self::host_id::HostIds;
use crate::http::timestamps::Micros;
use crate::nova::links::NextLink;
use crate::nova::microversion::{Microversion, milestone};

/// A field that may be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gated<T> {
    /// The document does not have it.
    Absent,
    Present(T),
}

impl<T> Gated<T> {
    /// There only when `open`.
    pub fn when(open: bool, value: T) -> Self {
        if open {
            Self::Present(value)
        } else {
            Self::Absent
        }
    }

    /// There only when `open`, and made only then.
    pub fn when_with(open: bool, value: impl FnOnce() -> T) -> Self {
        if open {
            Self::Present(value())
        } else {
            Self::Absent
        }
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<T: Serialize> Serialize for Gated<T> {
    /// Fields are skipped where they are absent; the null is for those that forgot to.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent => to.serialize_none(),
            Self::Present(value) => value.serialize(to),
        }
    }
}

/// The link to the next page: there only where there is one.
pub type Next = Option<[NextLink; 1]>;
