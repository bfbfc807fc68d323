//! What actions ask of a server before they touch it, in Nova's words.
//!
//! Each handler calls them in Nova's order, which decides which of two refusals a request gets;
//! what may change meanwhile it asks once more inside the transaction.

use godwit_core::server::{TaskState, VmState};
use godwit_store::Server;

use crate::nova::error::ApiError;

/// A lock keeps everybody out but administrators.
pub(super) fn unlocked(server: &Server, admin: bool) -> Result<(), ApiError> {
    if server.lock.is_some() && !admin {
        return Err(ApiError::locked(server.uuid));
    }
    Ok(())
}

/// The states in which an action makes sense.
#[derive(Debug)]
pub(super) struct States {
    /// What the server's texts call it.
    pub(super) action: &'static str,
    /// What the server may be.
    pub(super) vm: &'static [VmState],
    /// May something be done to the server already?
    pub(super) busy: bool,
}

impl States {
    /// The same of a server that nobody locked: asked once for the answer, and once more inside
    /// the transaction.
    pub(super) fn check_unlocked(&self, server: &Server, admin: bool) -> Result<(), ApiError> {
        unlocked(server, admin)?;
        self.check(server)
    }

    /// Refuses unless `server` is in one of them, and once ran.
    pub(super) fn check(&self, server: &Server) -> Result<(), ApiError> {
        let wrong = |attribute, value| {
            let action = self.action;
            Err(ApiError::wrong_state(server.uuid, action, attribute, value))
        };
        if !self.vm.contains(&server.vm_state) {
            return wrong("vm_state", Some(server.vm_state.as_str()));
        }
        if let Some(task) = server.task_state.filter(|_| !self.busy) {
            return wrong("task_state", Some(TaskState::as_str(task)));
        }
        if server.launched_at.is_none() {
            return wrong("launched_at", None);
        }
        Ok(())
    }
}

/// What a flavor asks of the hardware that cannot come along. Only what flavors say is known;
/// shares, ports and image properties are not recorded.
pub(super) mod flavor {
    use godwit_store::Server;

    use crate::nova::error::ApiError;

    fn spec<'a>(server: &'a Server, name: &str) -> Option<&'a str> {
        server.flavor.extra_specs.get(name).map(String::as_str)
    }

    fn refuse(operation: &str, what: &str, server: &Server) -> Result<(), ApiError> {
        let uuid = server.uuid;
        Err(ApiError::BadRequest(format!(
            "Operation '{operation}' not supported for {what}-enabled instance ({uuid})."
        )))
    }

    pub(in super::super) fn without_accelerators(server: &Server) -> Result<(), ApiError> {
        if spec(server, "accel:device_profile").is_none() {
            return Ok(());
        }
        let text = "Feature not supported with instances that have accelerators.";
        Err(ApiError::BadRequest(text.to_owned()))
    }

    /// Refuses a virtual TPM, unless its secret is where `portable` says that it comes along.
    pub(in super::super) fn without_tpm(
        server: &Server,
        operation: &str,
        portable: Option<&str>,
    ) -> Result<(), ApiError> {
        let secret = spec(server, "hw:tpm_secret_security");
        if spec(server, "hw:tpm_version").is_none() || secret.is_some() && secret == portable {
            return Ok(());
        }
        refuse(operation, "vTPM", server)
    }

    pub(in super::super) fn without_encryption(
        server: &Server,
        operation: &str,
    ) -> Result<(), ApiError> {
        let encrypted = spec(server, "hw:mem_encryption");
        if !encrypted.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(());
        }
        refuse(operation, "SEV", server)
    }
}
