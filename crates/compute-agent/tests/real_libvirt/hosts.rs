//! The driver on the hosts of a testbed, as an agent there would have it.
//!
//! A driver has to live where its libvirt does: it opens libvirt's socket, and makes disks in the
//! host's own directories. So each gets a runtime whose threads have entered the host's
//! namespaces, and [`Inside`] hands every call over to it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use async_trait::async_trait;
use godwit_compute_agent::driver::{
    Driver, DriverError, DriverStateStore, Job, JobState, PowerOff, PowerOn,
};
use godwit_compute_agent::drivers::libvirt::{LibvirtConfig, LibvirtDriver, SharedStorage};
use godwit_compute_agent::holds::{HoldPoint, Holds};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_rpc::command::{
    CheckBoot, CheckDestination, CheckSource, ForceMeans, Movable, Receiver, Side,
};
use godwit_rpc::domain::Domain;
use godwit_rpc::facts::HostFacts;
use godwit_test_support::testbed::{Host, Testbed};
use nix::sched::{CloneFlags, setns, unshare};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// A driver inside its host.
pub(crate) struct Inside {
    driver: Arc<LibvirtDriver>,
    runtime: Handle,
    // Ends the runtime's thread when dropped.
    _stop: oneshot::Sender<()>,
}

/// How a host of the testbed is configured.
pub(crate) fn config(testbed: &Testbed, host: &Host) -> LibvirtConfig {
    LibvirtConfig {
        move_uri: Some(format!("qemu+tcp://{}/system", host.name())),
        move_data_uri: Some(format!("tcp://{}", host.address())),
        address: Some(host.address().into()),
        instances: testbed.instances(),
        shared_storage: vec![SharedStorage {
            id: "shared".into(),
            path: testbed.shared().to_str().expect("ASCII").into(),
        }],
        keepalive_seconds: 1,
        call_timeout_seconds: 20,
        // The guest program knows no ACPI, and is powered off by force.
        power_off_seconds: 1,
        ..LibvirtConfig::default()
    }
}

impl Inside {
    /// A driver on `host`.
    pub(crate) fn new(
        host: &Host,
        config: LibvirtConfig,
        holds: BTreeMap<HoldPoint, PathBuf>,
    ) -> Result<Self> {
        let name = HostName::new(host.name())?;
        let holder = std::fs::read_to_string(host.directory().join("holder.pid"))?;
        let namespace = |kind| {
            let path = format!("/proc/{}/ns/{kind}", holder.trim());
            File::open(&path).with_context(|| path)
        };
        let (mount, network) = (namespace("mnt")?, namespace("net")?);
        let (made, driver) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            let enter = || -> Result<_> {
                // A thread that shares its root directory with others cannot change it alone.
                unshare(CloneFlags::CLONE_FS)?;
                setns(&network, CloneFlags::CLONE_NEWNET)?;
                setns(&mount, CloneFlags::CLONE_NEWNS)?;
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(1)
                    .enable_all()
                    .build()?;
                let driver = LibvirtDriver::new(name, config, Holds::new(holds))?;
                Ok((runtime, driver))
            };
            match enter() {
                Ok((runtime, driver)) => {
                    let _ = made.send(Ok((Arc::new(driver), runtime.handle().clone())));
                    let _ = runtime.block_on(stopped);
                    runtime.shutdown_background();
                }
                Err(error) => drop(made.send(Err(error))),
            }
        });
        let (driver, runtime) = driver.recv().context("entering the host")??;
        Ok(Self {
            driver,
            runtime,
            _stop: stop,
        })
    }
}

/// Calls a method of the driver on a thread of its host; the arguments are moved there.
macro_rules! inside {
    ($self:ident . $method:ident ( $($argument:ident),* )) => {{
        let driver = Arc::clone(&$self.driver);
        $(let $argument = $argument.clone();)*
        let call = $self.runtime.spawn(async move { driver.$method($(&$argument),*).await });
        call.await.expect("the driver does not panic")
    }};
}

#[async_trait]
impl Driver for Inside {
    async fn facts(&self) -> Result<HostFacts, DriverError> {
        inside!(self.facts())
    }

    async fn domains(&self) -> Result<Vec<Domain>, DriverError> {
        inside!(self.domains())
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.driver.changes()
    }

    async fn check_source(&self, check: &CheckSource) -> Result<Movable, DriverError> {
        inside!(self.check_source(check))
    }

    async fn check_destination(&self, check: &CheckDestination) -> Result<(), DriverError> {
        inside!(self.check_destination(check))
    }

    async fn prepare(
        &self,
        job: &Job,
        guest: &Domain,
        cancel: &CancellationToken,
    ) -> Result<Receiver, DriverError> {
        inside!(self.prepare(job, guest, cancel))
    }

    async fn start(
        &self,
        job: &Job,
        receiver: &Receiver,
        cancel: &CancellationToken,
    ) -> Result<(), DriverError> {
        inside!(self.start(job, receiver, cancel))
    }

    async fn progress(&self, job: &Job) -> Result<JobState, DriverError> {
        inside!(self.progress(job))
    }

    async fn force_complete(&self, job: &Job) -> Result<ForceMeans, DriverError> {
        inside!(self.force_complete(job))
    }

    async fn abort(&self, job: &Job) -> Result<(), DriverError> {
        inside!(self.abort(job))
    }

    async fn finish(&self, job: &Job, side: Side) -> Result<(), DriverError> {
        let (driver, job) = (Arc::clone(&self.driver), job.clone());
        let call = self
            .runtime
            .spawn(async move { driver.finish(&job, side).await });
        call.await.expect("the driver does not panic")
    }

    async fn roll_back(&self, job: &Job, side: Side, resume: bool) -> Result<(), DriverError> {
        let (driver, job) = (Arc::clone(&self.driver), job.clone());
        let call = self
            .runtime
            .spawn(async move { driver.roll_back(&job, side, resume).await });
        call.await.expect("the driver does not panic")
    }

    async fn check_boot(&self, check: &CheckBoot) -> Result<(), DriverError> {
        inside!(self.check_boot(check))
    }

    async fn boot(&self, job: &Job, definition: &str, power_on: bool) -> Result<(), DriverError> {
        let (driver, job) = (Arc::clone(&self.driver), job.clone());
        let definition = definition.to_owned();
        let call = self
            .runtime
            .spawn(async move { driver.boot(&job, &definition, power_on).await });
        call.await.expect("the driver does not panic")
    }

    async fn withdraw(&self, job: &Job, side: Side) -> Result<(), DriverError> {
        let (driver, job) = (Arc::clone(&self.driver), job.clone());
        let call = self
            .runtime
            .spawn(async move { driver.withdraw(&job, side).await });
        call.await.expect("the driver does not panic")
    }

    async fn execution(&self, server: ServerUuid) -> Result<Option<i64>, DriverError> {
        let driver = Arc::clone(&self.driver);
        let call = self
            .runtime
            .spawn(async move { driver.execution(server).await });
        call.await.expect("the driver does not panic")
    }

    async fn power_off(&self, server: ServerUuid, how: PowerOff) -> Result<(), DriverError> {
        let driver = Arc::clone(&self.driver);
        let call = self
            .runtime
            .spawn(async move { driver.power_off(server, how).await });
        call.await.expect("the driver does not panic")
    }

    async fn power_on(&self, server: ServerUuid, how: PowerOn) -> Result<(), DriverError> {
        let driver = Arc::clone(&self.driver);
        let call = self
            .runtime
            .spawn(async move { driver.power_on(server, how).await });
        call.await.expect("the driver does not panic")
    }
}

/// A page of a journal in memory. It outlives drivers, as an agent's outlives processes.
#[derive(Default)]
pub(crate) struct Page(Mutex<Option<serde_json::Value>>);

#[async_trait]
impl DriverStateStore for Page {
    fn read(&self) -> Option<serde_json::Value> {
        self.0.lock().expect("nobody panics with it").clone()
    }

    async fn write(&self, page: serde_json::Value) -> Result<(), DriverError> {
        *self.0.lock().expect("nobody panics with it") = Some(page);
        Ok(())
    }
}
