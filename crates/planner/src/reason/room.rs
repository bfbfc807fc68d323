//! What a host is short of.

use godwit_core::ids::HostName;
use godwit_core::reason::{Change, ChangeKind};
use godwit_core::resources::Resources;
use serde_json::json;

use super::{Evidence, Reason, ReasonCode, change};

/// What of a host's capacity is too little for what is needed, with so much in use.
pub fn short_of(
    host: &HostName,
    capacity: Resources,
    used: Resources,
    needed: Resources,
) -> Vec<Reason> {
    let amounts = Amount::ALL.into_iter();
    let short = amounts.filter_map(|it| short(host, (capacity, used, needed), it));
    short.collect()
}

/// The same of one amount. A host that is over-full of something still takes servers that need none
/// of it.
pub(crate) fn short(
    host: &HostName,
    (capacity, used, needed): (Resources, Resources, Resources),
    amount: Amount,
) -> Option<Reason> {
    let (free, needed) = (amount.of(capacity.less(used)), amount.of(needed));
    if needed <= 0 || free >= needed {
        return None;
    }
    let (kind, what) = amount.words();
    let (code, evidence) = amount.lack(needed, free);
    let text = format!("{free} {what} are free, {needed} are needed");
    let reason = Reason::new(code, text).shown_by(evidence);
    // What is larger than the host does not fit an empty one either.
    if needed > amount.of(capacity) {
        return Some(reason);
    }
    let (text, to_free) = freed(host, kind, what, (free, needed));
    Some(reason.fixed_by(text, to_free))
}

/// What a host may be short of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Amount {
    Vcpus,
    Memory,
    Disk,
}

impl Amount {
    pub(crate) const ALL: [Self; 3] = [Self::Vcpus, Self::Memory, Self::Disk];

    pub(crate) const fn of(self, room: Resources) -> i64 {
        match self {
            Self::Vcpus => room.vcpus,
            Self::Memory => room.memory_mb,
            Self::Disk => room.disk_gb,
        }
    }

    pub(crate) const fn words(self) -> (ChangeKind, &'static str) {
        match self {
            Self::Vcpus => (ChangeKind::FreeVcpus, "vcpus"),
            Self::Memory => (ChangeKind::FreeMemory, "MiB of memory"),
            Self::Disk => (ChangeKind::FreeDisk, "GiB of disk"),
        }
    }

    const fn lack(self, needed: i64, free: i64) -> (ReasonCode, Evidence) {
        match self {
            Self::Vcpus => {
                let (needed_vcpus, free_vcpus) = (needed, free);
                let evidence = Evidence::Vcpus {
                    needed_vcpus,
                    free_vcpus,
                };
                (ReasonCode::Vcpus, evidence)
            }
            Self::Memory => {
                let (needed_mib, free_mib) = (needed, free);
                let evidence = Evidence::Memory {
                    needed_mib,
                    free_mib,
                };
                (ReasonCode::Memory, evidence)
            }
            Self::Disk => {
                let (needed_gib, free_gib) = (needed, free);
                let evidence = Evidence::Disk {
                    needed_gib,
                    free_gib,
                };
                (ReasonCode::Disk, evidence)
            }
        }
    }
}

/// As much of a host becomes free.
pub(crate) fn freed(
    host: &HostName,
    kind: ChangeKind,
    what: &str,
    (free, needed): (i64, i64),
) -> (String, Change) {
    let more = needed.saturating_sub(free);
    let to_free = change(kind, host, json!(free), json!(needed));
    (format!("Free {more} {what} on {host}."), to_free)
}
