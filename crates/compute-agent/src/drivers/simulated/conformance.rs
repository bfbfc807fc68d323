//! The conformance suite on simulated hosts.

use std::sync::Arc;

use async_trait::async_trait;
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::recovery::Sighting;
use godwit_rpc::command::Side;
use godwit_test_support::fleet::rpc::owner;
use godwit_test_support::fleet::{MIB, SERVER};

use super::{Fabric, Fleet, GuestSpec, HostSpec, Power};
use crate::conformance::{Fixture, Harness, HarnessError, HostFault, Setup};
use crate::driver::Driver;
use crate::holds::Holds;

struct InMemory;

struct Hosts {
    fabric: Fabric,
    drivers: [Arc<dyn Driver>; 2],
}

fn host(side: Side) -> HostName {
    HostName::new(side.as_str()).unwrap()
}

#[async_trait]
impl Harness for InMemory {
    async fn set_up(&self, setup: Setup) -> Result<Box<dyn Fixture>, HarnessError> {
        let hosts = [Side::Source, Side::Destination].map(|side| HostSpec {
            link_bytes_per_second: 100 * MIB,
            post_copy: setup.post_copy,
            ..HostSpec::new(host(side))
        });
        let mut guest = GuestSpec::new(SERVER, "vm", owner(), host(Side::Source));
        if setup.busy {
            guest.dirty_bytes_per_second = 200 * MIB;
            guest.working_set_bytes = guest.memory_bytes / 2;
        }
        if setup.local_disk {
            guest.disks[0].pool = None;
        }
        let fleet = Fleet {
            hosts: hosts.to_vec(),
            guests: vec![guest],
            pools: Vec::new(),
        };
        let fabric = Fabric::new(fleet, 1.0);
        let drivers = [Side::Source, Side::Destination].map(|side| driver(&fabric, side));
        Ok(Box::new(Hosts { fabric, drivers }))
    }
}

fn driver(fabric: &Fabric, side: Side) -> Arc<dyn Driver> {
    Arc::new(fabric.driver(&host(side), Holds::default()).unwrap())
}

#[async_trait]
impl Fixture for Hosts {
    fn server(&self) -> ServerUuid {
        SERVER
    }

    fn driver(&self, side: Side) -> Arc<dyn Driver> {
        let [source, destination] = &self.drivers;
        Arc::clone(match side {
            Side::Source => source,
            Side::Destination => destination,
        })
    }

    async fn restart_agent(&mut self) -> Result<(), HarnessError> {
        self.drivers[0] = driver(&self.fabric, Side::Source);
        Ok(())
    }

    async fn pause_guest(&self) -> Result<(), HarnessError> {
        self.fabric.set_power(SERVER, Power::Paused);
        Ok(())
    }

    async fn power_off_guest(&self) -> Result<(), HarnessError> {
        self.fabric.set_power(SERVER, Power::Off);
        Ok(())
    }

    async fn inject(&self, fault: HostFault) -> Result<bool, HarnessError> {
        match fault {
            HostFault::CutLink => self.fabric.connect(&host(Side::Destination), false),
            HostFault::HealLink => self.fabric.connect(&host(Side::Destination), true),
            HostFault::KillIncoming => self.fabric.kill_incoming(SERVER),
            HostFault::RestartService => self.fabric.interrupt(SERVER),
            HostFault::LosePower => self.fabric.power(&host(Side::Source), false),
            HostFault::ReturnPower => self.fabric.power(&host(Side::Source), true),
            HostFault::RestartServiceAtHandover => self.fabric.interrupt_at_handover(SERVER),
        }
        Ok(true)
    }

    async fn verify(&self, side: Side) -> Result<(), HarnessError> {
        let truth = self.fabric.whereabouts(SERVER);
        if truth != Some(host(side)) {
            return Err(format!("the guest is at {truth:?}").into());
        }
        for driver in &self.drivers {
            let domains = driver.domains().await?;
            let stray = domains
                .iter()
                .find(|domain| domain.sighting != Sighting::Executing);
            if let Some(stray) = stray {
                return Err(format!("{stray:?} is left over").into());
            }
        }
        Ok(())
    }
}

crate::conformance_tests!(
    #[tokio::test(start_paused = true)]
    InMemory
);
