//! What a server must be like to be live-migrated.

use godwit_core::server::{TaskState, VmState};
use godwit_store::Server;

use super::ACTION;
use crate::error::ApiError;

/// Is there anything about it that no live migration supports? Only what its flavor says is
/// known here; shares, ports and image properties are not recorded.
pub(super) fn supported(server: &Server) -> Result<(), ApiError> {
    let spec = |name: &str| server.flavor.extra_specs.get(name).map(String::as_str);
    let refuse = |text: String| Err(ApiError::BadRequest(text));
    let enabled = |what: &str| {
        let uuid = server.uuid;
        format!("Operation 'live-migration' not supported for {what}-enabled instance ({uuid}).")
    };
    if spec("accel:device_profile").is_some() {
        return refuse("Feature not supported with instances that have accelerators.".to_owned());
    }
    if spec("hw:tpm_version").is_some() && spec("hw:tpm_secret_security") != Some("host") {
        return refuse(enabled("vTPM"));
    }
    if spec("hw:mem_encryption").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return refuse(enabled("SEV"));
    }
    Ok(())
}

/// Lock and states; asked once for the answer, and once more inside the transaction.
pub(super) fn state(server: &Server, admin: bool) -> Result<(), ApiError> {
    if server.lock.is_some() && !admin {
        return Err(ApiError::locked(server.uuid));
    }
    let wrong =
        |attribute, value| Err(ApiError::wrong_state(server.uuid, ACTION, attribute, value));
    if !matches!(server.vm_state, VmState::Active | VmState::Paused) {
        return wrong("vm_state", Some(server.vm_state.as_str()));
    }
    if let Some(task) = server.task_state {
        return wrong("task_state", Some(TaskState::as_str(task)));
    }
    if server.launched_at.is_none() {
        return wrong("launched_at", None);
    }
    Ok(())
}
