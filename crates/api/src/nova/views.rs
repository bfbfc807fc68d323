//! Documents: what rows look like to a caller, one file a resource.
//!
//! A view is built in one constructor from (row, version, visibility), and borrows from the
//! row. A field that a version or a caller does not get is [`Gated`].

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

pub use self::host_id::HostIds;
use crate::http::timestamps::Micros;
use crate::nova::links::NextLink;
use crate::nova::microversion::{Microversion, milestone};

/// A field that the document may not have. That is not the same as null, which is a `None` in it.
pub type Gated<T> = Option<T>;

/// The link to the next page: there only where there is one.
pub type Next = Option<[NextLink; 1]>;
