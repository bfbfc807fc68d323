//! The same move by libvirt's own call, as `virsh` makes it.

use anyhow::Result;
use godwit_core::time::Clock as _;
use godwit_test_support::testbed::{Guest, Host, Migration};

use super::Move;
use super::witness::Witness;
use crate::clock::SystemClock;

/// Moves a guest from one host to the other, and returns when libvirt does.
pub(super) fn migrate(guest: &Guest, from: &Host, to: &Host, witness: &Witness) -> Result<Move> {
    let how = Migration {
        post_copy: true,
        ..Migration::default()
    };
    let begin = SystemClock.now();
    from.migrate(guest.name(), to, how)?;
    let whole = SystemClock.now().since(begin);
    let flowing = witness.flow_after(guest, begin)?.since(begin);
    Ok(Move {
        running: flowing,
        flowing,
        whole,
    })
}
