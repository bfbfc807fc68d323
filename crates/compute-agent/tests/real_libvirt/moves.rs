//! Moves that work.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use godwit_compute_agent::driver::{Driver, JobState};
use godwit_core::migration::{BlockMigration, StorageMode};
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use godwit_rpc::facts::HostFacts;
use godwit_rpc::progress::Outcome;
use godwit_test_support::testbed::{GuestSpec, NovaMetadata, Storage};
use uuid::Uuid;

use crate::fixture::MoveTest;

fn local(name: &str) -> GuestSpec {
    GuestSpec {
        storage: Storage::Local,
        ..GuestSpec::new(name)
    }
}

#[tokio::test]
async fn real_guest_moves_on_shared_storage() -> Result<()> {
    let nova = NovaMetadata {
        name: "web".into(),
        flavor: "m1.tiny".into(),
        user: ("alice".into(), Uuid::from_u128(1)),
        project: ("demo".into(), Uuid::from_u128(2)),
    };
    let spec = GuestSpec {
        nova: Some(nova),
        ..GuestSpec::new("vm")
    };
    let test = MoveTest::new(spec, |_| ())?;

    let facts = test.source.facts().await?;
    assert_eq!(facts.hypervisor_type, "QEMU");
    assert_eq!(facts.node, "host-1");
    let there = test.destination.facts().await?;
    let ids = |facts: &HostFacts| {
        facts
            .pools
            .iter()
            .map(|pool| pool.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&facts), ids(&there), "both hosts see the same storage");
    assert_eq!(facts.pools.len(), 1);
    let domains = test.source.domains().await?;
    let guest = domains.first().context("a domain is a server")?;
    assert_eq!(
        (guest.display_name.as_str(), guest.domain_name.as_str()),
        ("web", "vm")
    );
    assert_eq!(guest.owner.project_name.as_deref(), Some("demo"));
    assert_eq!(
        guest.flavor.as_ref().context("Nova wrote it")?.name,
        "m1.tiny"
    );
    assert_eq!(
        (guest.sighting, guest.power_state),
        (Sighting::Executing, PowerState::Running)
    );
    let mut changes = test.destination.changes();
    changes.mark_unchanged();

    let since = Instant::now();
    let planned = test.start_move(BlockMigration::Auto).await?;
    let begun = since.elapsed();
    assert_eq!(planned.storage(), StorageMode::Shared);
    let ended = test.end(&planned).await?;
    println!(
        "begun after {begun:?}, ended after {:?}: {ended:?}",
        since.elapsed()
    );
    assert_eq!(ended.outcome, Outcome::HandedOver);
    let figures = ended.progress.context("libvirt tells the final figures")?;
    assert!(
        figures.memory.processed > 0 && figures.downtime.is_some(),
        "{figures:?}"
    );
    assert_eq!(figures.disk, None);
    assert!(changes.has_changed()?, "a guest that came is a change");

    test.finish(&planned).await?;
    assert_eq!(test.sighted(&test.destination).await?, Sighting::Executing);
    assert_eq!(test.sighted(&test.source).await?, Sighting::Absent);
    // Everything may come again.
    test.finish_both(&planned).await?;
    let after = test.source.progress(&planned.source_job).await?;
    assert_eq!(after, JobState::NoJob);
    Ok(())
}

#[tokio::test]
async fn real_linked_clone_is_copied_and_stays_one() -> Result<()> {
    let test = MoveTest::new(local("vm"), |_| ())?;
    let planned = test.start_move(BlockMigration::Auto).await?;
    assert_eq!(planned.storage(), StorageMode::Copied);
    let ended = test.end(&planned).await?;
    println!("{ended:?}");
    assert_eq!(ended.outcome, Outcome::HandedOver);
    let disk = ended
        .progress
        .context("figures")?
        .disk
        .context("a disk was copied")?;
    assert!(disk.total > 0 && disk.processed > 0, "{disk:?}");
    test.finish(&planned).await?;

    let path = test.guest.disk.to_str().context("ASCII")?;
    let info = test
        .to()
        .command("qemu-img")
        .args(["info", "-U", path])
        .output()?;
    let info = String::from_utf8(info.stdout)?;
    assert!(
        info.contains("backing file:") && info.contains("_base/"),
        "{info}"
    );
    let left = test.from().command("ls").arg(path).output()?;
    ensure!(!left.status.success(), "the source's disk is still there");
    Ok(())
}
