//! The way from one release to the next, with this one at both ends: that the way can be gone.
//! `scripts/soak upgrade` goes it from another release's binary.

use anyhow::Result;
use system_tests::process::godwit;
use system_tests::upgrade::upgrade;

#[test]
fn real_processes_are_replaced_one_after_the_other() -> Result<()> {
    let binary = godwit()?;
    upgrade(&binary, &binary)
}
