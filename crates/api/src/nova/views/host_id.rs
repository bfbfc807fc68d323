//! How a host is shown to those who may not know its name.

use sha2::{Digest, Sha224};

/// The SHA-224 of project and host: tells what a project has on one host from what it has on
/// another, without naming them. Nothing where there is no host.
pub(super) fn host_id(project_id: &str, host: Option<&str>) -> String {
    let Some(host) = host else {
        return String::new();
    };
    let mut hash = Sha224::new();
    hash.update(project_id.as_bytes());
    hash.update(host.as_bytes());
    hex::encode(hash.finalize())
}
