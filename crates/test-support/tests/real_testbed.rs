//! The testbed itself, on real parts: it migrates guests, proves it, and leaves nothing behind.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use godwit_test_support::testbed::{
    Copied, Guest, GuestSpec, Migration, Options, Storage, Testbed,
};

const DEADLINE: Duration = Duration::from_secs(60);

/// What testbed `number` in `directory` shows of itself on this machine: links, namespaces,
/// mounts and processes.
fn traces(number: u8, directory: &Path) -> Result<BTreeSet<String>> {
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output()?;
        anyhow::Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let everything = [
        output("ip", &["-o", "link"])?,
        output("ip", &["netns"])?,
        output("ps", &["-eo", "args"])?,
        std::fs::read_to_string("/proc/self/mounts")?,
    ];
    let directory = directory.to_string_lossy();
    let names = [
        format!("gwt{number}:"),
        format!("gwt{number}-"),
        directory.into_owned(),
    ];
    let ours = |line: &&str| names.iter().any(|name| line.contains(name));
    let lines = everything.iter().flat_map(|text| text.lines());
    Ok(lines.filter(ours).map(String::from).collect())
}

fn start(testbed: &Testbed, spec: GuestSpec) -> Result<Guest> {
    let source = &testbed.hosts()[0];
    let guest = testbed.create_guest(source, spec)?;
    testbed.await_line(&guest, source, DEADLINE, |_| true)?;
    Ok(guest)
}

#[test]
fn real_guest_migrates_on_shared_and_with_copied_storage() -> Result<()> {
    let began = Instant::now();
    let mut took = Vec::new();
    let mut lap = |what, since: Instant| took.push((what, since.elapsed()));

    let testbed = Testbed::temporary(Options::default())?;
    lap("hosts up", began);
    let [source, destination] = testbed.hosts() else {
        unreachable!("there are two hosts")
    };

    let since = Instant::now();
    let shared = start(&testbed, GuestSpec::new("shared"))?;
    lap("guest ready", since);
    let local = GuestSpec {
        storage: Storage::Local,
        ..GuestSpec::new("local")
    };
    let local = start(&testbed, local)?;

    let since = Instant::now();
    source.migrate("shared", destination, Migration::default())?;
    lap("migration, shared storage", since);
    let copied = Some(Copied::Incremental);
    testbed.make_copy_target(&local, destination, Copied::Incremental)?;
    let since = Instant::now();
    source.migrate(
        "local",
        destination,
        Migration {
            copied,
            ..Migration::default()
        },
    )?;
    lap("migration, copied storage", since);

    for guest in [&shared, &local] {
        testbed.await_scan(guest, destination, DEADLINE)?;
        testbed.verify(guest, &[source, destination])?;
        assert_eq!(
            destination.domain_state(guest.name())?.as_deref(),
            Some("running")
        );
    }
    assert_eq!(source.domains()?, []);
    assert_eq!(source.emulators()?, []);

    let (number, directory) = (
        testbed.gateway().octets()[2],
        testbed.directory().to_owned(),
    );
    assert_ne!(traces(number, &directory)?, BTreeSet::new());
    let since = Instant::now();
    drop(testbed);
    lap("down", since);
    assert_eq!(traces(number, &directory)?, BTreeSet::new());
    assert!(!directory.exists());
    for (what, time) in took {
        eprintln!("{what}: {} ms", time.as_millis());
    }
    Ok(())
}
