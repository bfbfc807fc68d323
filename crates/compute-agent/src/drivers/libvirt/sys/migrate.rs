//! The call that moves a guest.

use std::ffi::CString;

use virt::domain::Domain;
use virt::error::Error;
use virt::sys;

use super::params::{Params, check};

/// Moves `domain` to the host that libvirt reaches as `destination`, and returns when the
/// move has ended. Give it a thread and a connection of its own: a move lasts for as long as
/// it lasts.
pub(crate) fn migrate(
    domain: &Domain,
    destination: &str,
    flags: u32,
    mut params: Params,
) -> Result<(), Error> {
    let destination = CString::new(destination)?;
    let (list, length) = params.as_raw();
    // SAFETY: `domain` keeps its C object alive; `destination` and `params`, which owns the
    // list, live until the call returns, and libvirt only reads them.
    check(unsafe {
        sys::virDomainMigrateToURI3(domain.as_ptr(), destination.as_ptr(), list, length, flags)
    })
}
