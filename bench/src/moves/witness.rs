//! When QEMU really began to send: libvirt's own events, heard past Godwit.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use godwit_core::time::{Clock as _, Timestamp};
use godwit_test_support::testbed::{Guest, Host};
use godwit_test_support::wait_for_blocking;

use crate::clock::SystemClock;

const PATIENCE: Duration = Duration::from_secs(10);

/// When passes over a guest's memory began, on any host: virsh's line of each.
type Passes = Arc<Mutex<Vec<(Timestamp, String)>>>;

/// Hears the libvirt of each host.
pub(super) struct Witness {
    ears: Vec<Child>,
    passes: Passes,
}

impl Witness {
    /// Hears these hosts' libvirts.
    pub(super) fn of(hosts: &[Host]) -> Result<Self> {
        let mut witness = Self {
            ears: Vec::new(),
            passes: Passes::default(),
        };
        for host in hosts {
            witness.hear(host)?;
        }
        Ok(witness)
    }

    fn hear(&mut self, host: &Host) -> Result<()> {
        let mut ear = host
            .command("virsh")
            .args(["--connect", "qemu:///system", "event", "--loop"])
            .args(["--event", "migration-iteration"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = ear.stdout.take().context("its standard output")?;
        self.ears.push(ear);
        let passes = Arc::clone(&self.passes);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                lock(&passes).push((SystemClock.now(), line));
            }
        });
        Ok(())
    }

    /// When memory of a guest first flowed after `begin`. Its move is over.
    pub(super) fn flow_after(&self, guest: &Guest, begin: Timestamp) -> Result<Timestamp> {
        let named = format!("'{}'", guest.name());
        wait_for_blocking("the first pass to be told", PATIENCE, || {
            let passes = lock(&self.passes);
            let mut of_it = passes
                .iter()
                .filter(|(at, line)| *at >= begin && line.contains(&named));
            Ok(of_it.next().map(|(at, _)| *at))
        })
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        for ear in &mut self.ears {
            let _ = ear.kill();
            let _ = ear.wait();
        }
    }
}

fn lock(passes: &Passes) -> MutexGuard<'_, Vec<(Timestamp, String)>> {
    passes.lock().unwrap_or_else(PoisonError::into_inner)
}
