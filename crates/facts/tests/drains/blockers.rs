//! What keeps servers from leaving a host.

use fastrand::Rng;
use godwit_core::host::management::Unmanaged;
use godwit_core::migration::BlockMigration;
use godwit_planner::fleet::{FleetHost, FleetServer};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Blocker {
    OthersAreFull,
    OthersAreDisabled,
    OthersAreHeld,
    OthersAreUnmanaged,
    OthersAreSilent,
    OthersAreOlder,
    OthersAreOfAnotherKind,
    OthersAreOfAnotherArchitecture,
    OthersReachNoPool,
    DisksAreNotToBeCopied,
    NothingElseIsThere,
    ServerIsInUse,
    ServerIsOff,
    ServerNeverConverges,
}

pub(crate) const BLOCKERS: [Blocker; 14] = [
    Blocker::OthersAreFull,
    Blocker::OthersAreDisabled,
    Blocker::OthersAreHeld,
    Blocker::OthersAreUnmanaged,
    Blocker::OthersAreSilent,
    Blocker::OthersAreOlder,
    Blocker::OthersAreOfAnotherKind,
    Blocker::OthersAreOfAnotherArchitecture,
    Blocker::OthersReachNoPool,
    Blocker::DisksAreNotToBeCopied,
    Blocker::NothingElseIsThere,
    Blocker::ServerIsInUse,
    Blocker::ServerIsOff,
    Blocker::ServerNeverConverges,
];

impl Blocker {
    /// Puts it in the way; `hosts` are all, the one to be emptied first, and `guests` those on it.
    pub(crate) fn apply(
        self,
        random: &mut Rng,
        hosts: &mut Vec<FleetHost>,
        guests: &mut [&mut FleetServer],
    ) {
        // Mostly some others are fine.
        let all = random.u8(0..4) == 0;
        let one = (!guests.is_empty()).then(|| random.usize(0..guests.len()));
        let mut others = Vec::new();
        for (at, host) in hosts.iter_mut().enumerate().skip(1) {
            if all || at % 2 == 1 {
                others.push(&mut host.host);
            }
        }
        let each = others.into_iter();
        match (self, one) {
            (Self::OthersAreFull, _) => {
                each.for_each(|it| it.capacity.memory_mb = it.used.memory_mb + 1)
            }
            (Self::OthersAreDisabled, _) => each.for_each(|it| it.disable()),
            (Self::OthersAreHeld, _) => each.for_each(|it| it.holders.push("somebody".to_owned())),
            (Self::OthersAreUnmanaged, _) => each.for_each(|it| {
                it.unmanaged = Some(Unmanaged {
                    cluster: "cluster-2".to_owned(),
                    reconciling: false,
                });
            }),
            (Self::OthersAreSilent, _) => each.for_each(|it| it.up = false),
            (Self::OthersAreOlder, _) => each.for_each(|it| it.hypervisor_version -= 1_000),
            (Self::OthersAreOfAnotherKind, _) => {
                each.for_each(|it| it.hypervisor_type = "xen".to_owned())
            }
            (Self::OthersAreOfAnotherArchitecture, _) => {
                each.for_each(|it| it.arch = "aarch64".to_owned())
            }
            (Self::OthersReachNoPool, _) => each.for_each(|it| it.pools.clear()),
            (Self::NothingElseIsThere, _) => hosts.truncate(1),
            (_, None) => {}
            (Self::DisksAreNotToBeCopied, Some(at)) => {
                guests[at].need.local_disks = true;
                guests[at].need.block_migration = BlockMigration::No;
            }
            (Self::ServerIsInUse, Some(at)) => {
                guests[at].moving_to = Some(guests[at].need.source.clone());
            }
            (Self::ServerIsOff, Some(at)) => guests[at].running = false,
            (Self::ServerNeverConverges, Some(at)) => {
                guests[at].dirty_bytes_per_second = Some(100 << 30);
            }
        }
    }
}
