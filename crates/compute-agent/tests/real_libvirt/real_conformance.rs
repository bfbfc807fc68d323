//! What every driver has to pass, on real hosts.

use std::sync::Arc;

use async_trait::async_trait;
use godwit_compute_agent::conformance::{Fixture, Harness, HarnessError, HostFault, Setup};
use godwit_compute_agent::driver::Driver;
use godwit_compute_agent::drivers::libvirt::LibvirtConfig;
use godwit_core::ids::ServerUuid;
use godwit_rpc::command::Side;
use godwit_test_support::testbed::{GuestSpec, Host, Load, Options, Storage, Testbed};

use crate::faults::die_at_handover;
use crate::fixture::{MoveTest, SOON};
use crate::hosts::{Inside, config};

godwit_compute_agent::conformance_tests!(
    #[tokio::test]
    Libvirt
);

struct Libvirt;

struct Real {
    test: MoveTest,
    source: Arc<Inside>,
    destination: Arc<Inside>,
    setup: Setup,
}

fn configured(setup: Setup, config: &mut LibvirtConfig) {
    config.permit_post_copy = setup.post_copy;
    if setup.busy {
        config.bandwidth_mib = 4;
    }
}

#[async_trait]
impl Harness for Libvirt {
    async fn set_up(&self, setup: Setup) -> Result<Box<dyn Fixture>, HarnessError> {
        let load = if setup.busy {
            Load::default().dirtying(8)
        } else {
            Load::default()
        };
        let storage = if setup.local_disk {
            Storage::Local
        } else {
            Storage::Shared
        };
        let spec = GuestSpec {
            load,
            storage,
            ..GuestSpec::new("vm")
        };
        let testbed = Testbed::temporary(Options::default())?;
        if setup.local_disk {
            // A disk of their own, so that nobody else changes how much room there is.
            for host in testbed.hosts() {
                host.limit_instances(96 << 20)?;
            }
        }
        let test = MoveTest::on(testbed, spec, |config| configured(setup, config), [].into())?;
        Ok(Box::new(Real {
            source: Arc::clone(&test.source),
            destination: Arc::clone(&test.destination),
            test,
            setup,
        }))
    }
}

#[async_trait]
impl Fixture for Real {
    fn server(&self) -> ServerUuid {
        self.test.server()
    }

    fn driver(&self, side: Side) -> Arc<dyn Driver> {
        match side {
            Side::Source => Arc::clone(&self.source) as Arc<dyn Driver>,
            Side::Destination => Arc::clone(&self.destination) as Arc<dyn Driver>,
        }
    }

    async fn restart_agent(&mut self) -> Result<(), HarnessError> {
        let host = self.test.from();
        let mut config = config(&self.test.testbed, host);
        configured(self.setup, &mut config);
        self.source = Arc::new(Inside::new(host, config, [].into())?);
        Ok(())
    }

    async fn pause_guest(&self) -> Result<(), HarnessError> {
        self.test
            .from()
            .virsh(["suspend", self.test.guest.name()])?;
        Ok(())
    }

    async fn power_off_guest(&self) -> Result<(), HarnessError> {
        self.test
            .from()
            .virsh(["destroy", self.test.guest.name()])?;
        Ok(())
    }

    async fn inject(&self, fault: HostFault) -> Result<bool, HarnessError> {
        let (from, to) = (self.test.from(), self.test.to());
        match fault {
            HostFault::CutLink => to.set_connected(false)?,
            HostFault::HealLink => to.set_connected(true)?,
            HostFault::KillIncoming => to.kill_guest(self.test.guest.name())?,
            HostFault::RestartService => {
                from.kill_libvirtd()?;
                from.start_libvirtd()?;
            }
            HostFault::LosePower => self.test.lose_source()?,
            HostFault::ReturnPower => from.start_libvirtd()?,
            HostFault::RestartServiceAtHandover => {
                // The destination's libvirt dies too, before it hears that all is there.
                die_at_handover(&self.test, || to.kill_libvirtd())
                    .and_then(|()| to.start_libvirtd())
                    .and_then(|()| from.start_libvirtd())
                    .map_err(|error| format!("{error:#}"))?;
            }
        }
        Ok(true)
    }

    async fn verify(&self, side: Side) -> Result<(), HarnessError> {
        let (from, to) = (self.test.from(), self.test.to());
        let (path, here): (&[&Host], _) = match side {
            Side::Source => (&[from], from),
            Side::Destination => (&[from, to], to),
        };
        let (testbed, guest) = (&self.test.testbed, &self.test.guest);
        let now = testbed.await_scan(guest, here, SOON)?;
        if now.boot > 1 {
            testbed.verify_restarted(guest, here)?;
        } else {
            testbed.verify(guest, path)?;
        }
        Ok(())
    }
}
