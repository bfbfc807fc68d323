//! `kill -9` of every process, in `preparing` and in `running`: within 30 s of its restart every
//! migration has ended or moves again, the guest runs once, where the record says, and the next
//! migration works.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Result, bail, ensure};
use godwit_test_support::testbed::{Guest, GuestSpec, Load};
use godwit_test_support::wait_for_blocking;
use serde_json::json;
use system_tests::deployment::Options;
use system_tests::scene::{DEADLINE, RECOVERY, Scene, Victim};

/// Where the guest has been, so far.
struct Course {
    guest: Guest,
    path: Vec<usize>,
}

impl Course {
    fn here(&self) -> usize {
        *self.path.last().unwrap_or(&0)
    }
}

/// After the crash: the migration has ended or moves again in time, and then it ends.
fn recovers(scene: &mut Scene, course: &mut Course, hold: &Path) -> Result<()> {
    let uuid = course.guest.uuid.to_string();
    let _ = fs::remove_file(hold);
    let before = wait_for_blocking("the migration to go on", RECOVERY, || {
        let migration = scene.sdk.newest_migration(&uuid)?;
        let stories = scene.deployment.stories(&uuid)?;
        let ended = stories[0].record.migration.status().is_terminal();
        let moved = scene.sdk.in_progress(&uuid)?;
        let bytes = moved.first().and_then(|it| it.memory_processed_bytes);
        if ended {
            return Ok(Some(migration.status));
        }
        match bytes {
            Some(bytes) if bytes > 0 && migration.status == "running" => Ok(Some(migration.status)),
            bytes => bail!("it is {} with {bytes:?} bytes", migration.status),
        }
    })?;
    if before == "running" {
        let id = scene.sdk.newest_migration(&uuid)?.id;
        // It may end by itself at this moment; either is an end.
        let _ = scene.sdk.force_complete(&uuid, id);
    }
    let ended = wait_for_blocking("the migration to end", DEADLINE, || {
        let stories = scene.deployment.stories(&uuid)?;
        let status = stories[0].record.migration.status();
        ensure!(status.is_terminal(), "{}", stories[0].tell());
        Ok(Some(status.as_str()))
    })?;
    match ended {
        "completed" => course.path.push(1 - course.here()),
        "failed" | "cancelled" | "error" => {}
        other => bail!("it ended as {other}"),
    }
    let path = course.path.clone();
    scene.prove(&course.guest, &path)
}

/// The next one works, and brings the guest back to where the scenario begins.
fn moves_again(scene: &mut Scene, course: &mut Course) -> Result<()> {
    let to = 1 - course.here();
    let uuid = course.guest.uuid.to_string();
    scene.sdk.live_migrate(&uuid, None)?;
    let migration = scene.await_status(&course.guest, "running")?;
    let _ = scene.sdk.force_complete(&uuid, migration.id);
    scene.await_status(&course.guest, "completed")?;
    course.path.push(to);
    let path = course.path.clone();
    scene.prove(&course.guest, &path)
}

fn crash_each(in_status: &str, held: bool) -> Result<()> {
    let holds = tempfile::tempdir()?;
    let hold = holds.path().join("prepared");
    let agent = json!({
        "libvirt": {"bandwidth_mib": 8, "permit_post_copy": false},
        "holds": {"prepared": hold},
    });
    let mut scene = Scene::set(&Options {
        agent,
        ..Options::default()
    })?;
    let busy = GuestSpec {
        load: Load::default().dirtying(16),
        ..GuestSpec::new("survivor")
    };
    let guest = scene.guest(0, busy)?;
    let mut course = Course {
        guest,
        path: vec![0],
    };
    for victim in Victim::ALL {
        eprintln!("--- {victim:?} in {in_status}");
        if held {
            File::create(&hold)?;
        }
        let uuid = course.guest.uuid.to_string();
        scene.sdk.live_migrate(&uuid, None)?;
        scene.await_status(&course.guest, in_status)?;
        victim.kill_and_restart(&scene, course.here())?;
        let result = recovers(&mut scene, &mut course, &hold)
            .and_then(|()| moves_again(&mut scene, &mut course));
        result.map_err(|error| error.context(format!("{victim:?} was killed in {in_status}")))?;
    }
    Ok(())
}

#[test]
fn real_crash_of_every_process_while_preparing() -> Result<()> {
    crash_each("preparing", true)
}

#[test]
fn real_crash_of_every_process_while_running() -> Result<()> {
    crash_each("running", false)
}
