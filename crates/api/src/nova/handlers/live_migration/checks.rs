//! What a server must be like to be live-migrated.

use godwit_core::server::VmState;
use godwit_store::Server;

use super::super::preconditions::{States, flavor};
use super::ACTION;
use crate::nova::error::ApiError;

/// What texts about its flavor call the action.
const OPERATION: &str = "live-migration";

/// Where a virtual TPM keeps its secret so that it can move.
const PORTABLE_SECRET: &str = "host";

pub(super) static STATES: States = States {
    action: ACTION,
    vm: &[VmState::Active, VmState::Paused],
    busy: false,
};

/// Is there anything about it that no live migration supports?
pub(super) fn supported(server: &Server) -> Result<(), ApiError> {
    flavor::without_accelerators(server)?;
    flavor::without_tpm(server, OPERATION, Some(PORTABLE_SECRET))?;
    flavor::without_encryption(server, OPERATION)
}
