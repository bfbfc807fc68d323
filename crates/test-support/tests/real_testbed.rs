//! The testbed itself, on real parts: it migrates guests, proves it, and leaves nothing behind.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use godwit_test_support::testbed::{Copied, Guest, GuestSpec, Migration, Options, Storage, Testbed};
use godwit_test_support::wait_for_blocking;

const DEADLINE: Duration = Duration::from_secs(60);

/// What a testbed could leave on the machine: links, namespaces, mounts and processes.
fn traces(of: &Testbed) -> BTreeSet<String> {
    let number = of.gateway().octets()[2];
    let directory = of.directory().to_string_lossy().into_owned();
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let named = |line: &&str| {
        line.contains(&format!("gwt{number}:"))
            || line.contains(&format!("gwt{number}-"))
            || line.contains(&directory)
    };
    let everything = [
        output("ip", &["-o", "link"]),
        output("ip", &["netns"]),
        output("ps", &["-eo", "args"]),
        std::fs::read_to_string("/proc/self/mounts").unwrap(),
    ];
    everything.iter().flat_map(|text| text.lines()).filter(named).map(String::from).collect()
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
    let [source, destination] = testbed.hosts() else { unreachable!("there are two hosts") };

    let since = Instant::now();
    let shared = start(&testbed, GuestSpec::new("shared"))?;
    lap("guest ready", since);
    let local = GuestSpec { storage: Storage::Local, ..GuestSpec::new("local") };
    let local = start(&testbed, local)?;

    let since = Instant::now();
    source.migrate("shared", destination, Migration::default())?;
    lap("migration, shared storage", since);
    let copied = Some(Copied::Incremental);
    testbed.make_copy_target(&local, destination, Copied::Incremental)?;
    let since = Instant::now();
    source.migrate("local", destination, Migration { copied, ..Migration::default() })?;
    lap("migration, copied storage", since);

    for guest in [&shared, &local] {
        testbed.await_scan(guest, destination, DEADLINE)?;
        testbed.verify(guest, &[source, destination])?;
        assert_eq!(destination.domain_state(guest.name())?.as_deref(), Some("running"));
    }
    assert_eq!(source.domains()?, []);
    assert_eq!(source.emulators()?, []);

    let since = Instant::now();
    let directory = testbed.directory().to_owned();
    assert_ne!(traces(&testbed), BTreeSet::new());
    let number = testbed.gateway();
    drop(testbed);
    lap("down", since);
    assert!(!directory.exists());
    eprintln!("{took:?} {number}");
    Ok(())
}
