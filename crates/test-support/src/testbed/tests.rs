//! What only the inside of the module can arrange.

use std::process::Command;

use super::*;

#[test]
fn real_testbed_of_a_killed_process_is_swept_away() -> Result<()> {
    let testbed = Testbed::temporary(Options {
        hosts: 1,
        lock_manager: false,
    })?;
    let directory = testbed.directory().to_owned();
    let network = testbed.network;
    let state = State::load(&directory)?;

    // While it runs, its owner is a process like ours: nobody may touch its testbed.
    let mut owner = Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .spawn()?;
    State {
        owner: Owner::of(owner.id()),
        ..state
    }
    .save(&directory)?;
    sweep();
    assert!(Network::existing().contains(&network));
    assert!(testbed.hosts()[0].libvirtd_pid().is_ok());

    owner.kill()?;
    owner.wait()?;
    std::mem::forget(testbed);
    sweep();
    assert!(!Network::existing().contains(&network));
    assert!(!directory.exists());
    Ok(())
}

#[test]
fn real_testbed_is_kept_and_taken_down_by_others() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("hosts");
    Testbed::up(
        &path,
        Options {
            hosts: 3,
            lock_manager: false,
        },
    )?
    .keep()?;
    Testbed::up(&path, Options::default()).unwrap_err();

    let opened = Testbed::open(&path)?;
    let network = opened.network;
    assert_eq!(opened.hosts().len(), 3);
    let hostname = opened.hosts()[2].command("hostname").output()?;
    assert_eq!(String::from_utf8(hostname.stdout)?, "host-3\n");
    drop(opened);
    assert!(Network::existing().contains(&network));

    Testbed::down(&path)?;
    assert!(!Network::existing().contains(&network));
    assert!(!path.exists());
    Testbed::down(&path).unwrap_err();
    Ok(())
}
