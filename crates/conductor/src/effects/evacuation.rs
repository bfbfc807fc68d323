//! Evacuation: the guest is started anew, because its host is dead.

pub(super) mod boot;
pub(super) mod withdraw;
