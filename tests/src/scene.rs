//! What scenarios have in common: a guest, its story, and the oracle's verdict.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use godwit_test_support::testbed::{Guest, GuestSpec, Host};
use godwit_test_support::wait_for_blocking;

use crate::deployment::Deployment;
use crate::sdk::{Migration, Sdk, openstack};

/// How long anything may take that a scenario waits for.
pub const DEADLINE: Duration = Duration::from_secs(150);
/// After a crash everything has to go on within this.
pub const RECOVERY: Duration = Duration::from_secs(30);

/// A deployment, a client, and who looks at both.
#[derive(Debug)]
pub struct Scene {
    /// Everything that runs.
    pub deployment: Deployment,
    /// An administrator's connection.
    pub sdk: Sdk,
}

impl Scene {
    /// Brings one up.
    ///
    /// # Errors
    /// As [`Deployment::temporary`].
    pub fn set(options: &crate::deployment::Options) -> Result<Self> {
        let deployment = Deployment::temporary(options)?;
        let sdk = deployment.sdk("admin")?;
        Ok(Self { deployment, sdk })
    }

    /// Host number `index`, from 0.
    pub fn host(&self, index: usize) -> &Host {
        &self.deployment.testbed().hosts()[index]
    }

    /// Starts a guest on a host, and waits until Godwit knows it.
    ///
    /// # Errors
    /// It does not start, or is not adopted.
    pub fn guest(&mut self, host: usize, spec: GuestSpec) -> Result<Guest> {
        let testbed = self.deployment.testbed();
        let at = &testbed.hosts()[host];
        let guest = testbed.create_guest(at, spec)?;
        testbed.await_line(&guest, at, DEADLINE, |_| true)?;
        let (uuid, name) = (guest.uuid.to_string(), at.name());
        wait_for_blocking("the guest to be adopted", DEADLINE, || {
            let server = self.sdk.server(&uuid)?;
            ensure!(server.status == "ACTIVE", "it is {}", server.status);
            let recorded = server.compute_host.as_deref();
            ensure!(recorded == Some(name.as_str()), "it is on {recorded:?}");
            Ok(Some(()))
        })?;
        Ok(guest)
    }

    /// Waits until the newest migration of a guest has this status, and returns it.
    ///
    /// # Errors
    /// It has not before the deadline, or ended otherwise.
    pub fn await_status(&mut self, guest: &Guest, status: &str) -> Result<Migration> {
        self.await_status_within(guest, status, DEADLINE)
    }

    /// [`Scene::await_status`] with a deadline of its own.
    ///
    /// # Errors
    /// As there.
    pub fn await_status_within(
        &mut self,
        guest: &Guest,
        status: &str,
        deadline: Duration,
    ) -> Result<Migration> {
        const ENDS: [&str; 6] = [
            "completed",
            "cancelled",
            "failed",
            "error",
            "confirmed",
            "reverted",
        ];
        let uuid = guest.uuid.to_string();
        let what = format!("the migration of {} to be {status}", guest.name());
        let found = wait_for_blocking(&what, deadline, || {
            let migration = self.sdk.newest_migration(&uuid)?;
            if migration.status == status {
                return Ok(Some(Ok(migration)));
            }
            if ENDS.contains(&migration.status.as_str()) {
                return Ok(Some(Err(migration.status)));
            }
            bail!("it is {}", migration.status)
        });
        let told = match found {
            Ok(Ok(migration)) => return Ok(migration),
            Ok(Err(ended)) => anyhow::anyhow!("it ended as {ended} instead of {status}"),
            Err(error) => error,
        };
        let stories = self.deployment.stories(&uuid).unwrap_or_default();
        let story: String = stories.iter().map(crate::story::Story::tell).collect();
        let logs = self.deployment.logs();
        Err(told.context(format!("its story:\n{story}\n{logs}")))
    }

    /// Waits until a server is of this status, on this host, with nothing being done to it.
    ///
    /// # Errors
    /// It is not before the deadline.
    pub fn await_server(&mut self, guest: &Guest, status: &str, host: usize) -> Result<()> {
        let (uuid, home) = (guest.uuid.to_string(), self.host(host).name());
        wait_for_blocking("the record to be right", DEADLINE, || {
            let server = self.sdk.server(&uuid)?;
            ensure!(server.status == status, "it is {}", server.status);
            let recorded = server.compute_host.as_deref();
            ensure!(
                recorded == Some(home.as_str()),
                "it is on {recorded:?}, not on {home}"
            );
            ensure!(server.task_state.is_none(), "it is {:?}", server.task_state);
            Ok(Some(()))
        })
    }

    /// Proves that all is as it should be once a guest has settled on the last host of `path`:
    /// the record says so, libvirt says so, no other host has anything of it, the oracle has seen
    /// one guest all the time that counted on and found no wrong page, and every promise holds.
    ///
    /// # Errors
    /// Something of this is not so.
    pub fn prove(&mut self, guest: &Guest, path: &[usize]) -> Result<()> {
        let Some(&last) = path.last() else {
            bail!("a guest is somewhere")
        };
        self.await_server(guest, "ACTIVE", last)?;
        self.only_on(guest, last, "running")?;
        let testbed = self.deployment.testbed();
        let hosts: Vec<&Host> = path.iter().map(|&index| &testbed.hosts()[index]).collect();
        testbed.await_scan(guest, hosts[hosts.len() - 1], DEADLINE)?;
        testbed.verify(guest, &hosts)?;
        self.deployment.check_invariants()
    }

    /// The same of a guest that was powered off and on again on the way: at any time one copy
    /// of it ran at most, and now it counts on `host`.
    ///
    /// # Errors
    /// Something of this is not so.
    pub fn prove_restarted(&mut self, guest: &Guest, host: usize) -> Result<()> {
        self.await_server(guest, "ACTIVE", host)?;
        self.only_on(guest, host, "running")?;
        self.counts_on(guest, host)?;
        self.deployment.check_invariants()
    }

    /// The same of a guest that is off.
    ///
    /// # Errors
    /// Something of this is not so.
    pub fn prove_off(&mut self, guest: &Guest, host: usize) -> Result<()> {
        self.await_server(guest, "SHUTOFF", host)?;
        self.only_on(guest, host, "shut off")?;
        self.runs_nowhere(guest)?;
        self.deployment.check_invariants()
    }

    /// The guest counts on `host`, and whenever it ran it ran alone.
    ///
    /// # Errors
    /// It does not.
    pub fn counts_on(&self, guest: &Guest, host: usize) -> Result<()> {
        let testbed = self.deployment.testbed();
        testbed.await_scan(guest, self.host(host), DEADLINE)?;
        testbed.verify_restarted(guest, self.host(host)).map(drop)
    }

    /// No host has an emulator of the guest.
    ///
    /// # Errors
    /// One has.
    pub fn runs_nowhere(&self, guest: &Guest) -> Result<()> {
        for host in self.deployment.testbed().hosts() {
            let emulators = host.emulators()?;
            let runs = emulators.iter().any(|(name, _)| name == guest.name());
            ensure!(!runs, "an emulator of it runs on {}", host.name());
        }
        Ok(())
    }

    /// libvirt on `home` has the guest in this state, and no other host has anything of it.
    fn only_on(&self, guest: &Guest, home: usize, wanted: &str) -> Result<()> {
        for (index, host) in self.deployment.testbed().hosts().iter().enumerate() {
            let state = host.domain_state(guest.name())?;
            if index == home {
                let name = host.name();
                ensure!(
                    state.as_deref() == Some(wanted),
                    "on {name} it is {state:?}"
                );
                continue;
            }
            ensure!(state.is_none(), "{} still has it, {state:?}", host.name());
            let emulators = host.emulators()?;
            let stray = emulators.iter().any(|(name, _)| name == guest.name());
            ensure!(!stray, "an emulator of it still runs on {}", host.name());
        }
        Ok(())
    }

    /// A host dies: its agent, its libvirt and everything that runs there.
    ///
    /// # Errors
    /// Something survives.
    pub fn lose_host(&self, index: usize) -> Result<()> {
        let host = self.host(index);
        self.deployment.agents()[index].kill9()?;
        host.kill_libvirtd()?;
        for (name, _) in host.emulators()? {
            host.kill_guest(&name)?;
        }
        Ok(())
    }

    /// An operator says that a host is dead, or takes that back.
    ///
    /// # Errors
    /// The request was refused.
    pub fn declare_dead(&self, index: usize, dead: bool) -> Result<()> {
        let state = if dead { "--down" } else { "--up" };
        let host = self.host(index).name();
        let arguments = ["compute", "service", "set", state, &host, "nova-compute"];
        openstack(&self.deployment.clouds(), "admin", &arguments).map(drop)
    }

    /// The host is there again, with what it had on its disks.
    ///
    /// # Errors
    /// It does not start.
    pub fn host_returns(&self, index: usize) -> Result<()> {
        self.host(index).start_libvirtd()?;
        self.deployment.agents()[index].start()
    }

    /// Moves a guest once more, to prove that whatever happened left nothing in the way.
    ///
    /// # Errors
    /// It does not complete.
    pub fn next_migration_works(&mut self, guest: &Guest, to: usize) -> Result<()> {
        let host = self.host(to).name();
        self.sdk
            .live_migrate(&guest.uuid.to_string(), Some(&host))?;
        self.await_status(guest, "completed").map(drop)
    }
}

/// Who dies in the middle of a move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Victim {
    Conductor,
    Api,
    SourceAgent,
    DestinationAgent,
    SourceLibvirtd,
}

impl Victim {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Conductor,
        Self::Api,
        Self::SourceAgent,
        Self::DestinationAgent,
        Self::SourceLibvirtd,
    ];

    /// Kills it, and starts it again. Host number `source`, from 0, is where the move began.
    ///
    /// # Errors
    /// It survives, or does not start.
    pub fn kill_and_restart(self, scene: &Scene, source: usize) -> Result<()> {
        let deployment = &scene.deployment;
        let role = match self {
            Self::Conductor => &deployment.conductors()[0],
            Self::Api => deployment.api(),
            Self::SourceAgent => &deployment.agents()[source],
            Self::DestinationAgent => &deployment.agents()[1 - source],
            Self::SourceLibvirtd => {
                scene.host(source).kill_libvirtd()?;
                return scene.host(source).start_libvirtd();
            }
        };
        role.kill9()?;
        ensure!(!role.runs(), "{} survived", role.name());
        role.start()
    }
}
