//! How a host is shown to those who may not know its name.

use std::cell::RefCell;
use std::collections::HashMap;

use sha2::{Digest, Sha224};

/// The ids in one answer. A list is mostly about few projects on few hosts, and to hash those
/// for every server anew would cost more than to write it.
#[derive(Default)]
pub struct HostIds<'a>(RefCell<HashMap<(&'a str, &'a str), String>>);

impl<'a> HostIds<'a> {
    pub(super) fn of(&self, project_id: &'a str, host: Option<&'a str>) -> String {
        let Some(name) = host else {
            return host_id(project_id, host);
        };
        let mut made = self.0.borrow_mut();
        let made = made.entry((project_id, name));
        made.or_insert_with(|| host_id(project_id, host)).clone()
    }
}

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
