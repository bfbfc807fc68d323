//! What every driver has to pass, on real hosts.

use std::sync::Arc;

use async_trait::async_trait;
use godwit_compute_agent::conformance::{Harness, Mishap, Scenery, Trouble, Wish};
use godwit_compute_agent::driver::Driver;
use godwit_compute_agent::drivers::libvirt::LibvirtConfig;
use godwit_core::ids::ServerUuid;
use godwit_rpc::command::Side;
use godwit_test_support::testbed::{GuestSpec, Host, Load, Options, Storage, Testbed};

use crate::faults::die_at_handover;
use crate::hosts::{Inside, config};
use crate::scene::{SOON, Scene};

godwit_compute_agent::conformance_tests!(
    #[tokio::test]
    Libvirt
);

struct Libvirt;

struct Real {
    scene: Scene,
    source: Arc<Inside>,
    destination: Arc<Inside>,
    wish: Wish,
}

fn configured(wish: Wish, config: &mut LibvirtConfig) {
    config.permit_post_copy = wish.post_copy;
    if wish.busy {
        config.bandwidth_mib = 4;
    }
}

#[async_trait]
impl Harness for Libvirt {
    async fn set_up(&self, wish: Wish) -> Result<Box<dyn Scenery>, Trouble> {
        let load = if wish.busy {
            Load::default().dirtying(8)
        } else {
            Load::default()
        };
        let storage = if wish.local_disk {
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
        if wish.local_disk {
            // A disk of their own, so that nobody else changes how much room there is.
            for host in testbed.hosts() {
                host.limit_instances(96 << 20)?;
            }
        }
        let scene = Scene::on(testbed, spec, |config| configured(wish, config), [].into())?;
        Ok(Box::new(Real {
            source: Arc::clone(&scene.source),
            destination: Arc::clone(&scene.destination),
            scene,
            wish,
        }))
    }
}

#[async_trait]
impl Scenery for Real {
    fn server(&self) -> ServerUuid {
        self.scene.server()
    }

    fn driver(&self, side: Side) -> Arc<dyn Driver> {
        match side {
            Side::Source => Arc::clone(&self.source) as Arc<dyn Driver>,
            Side::Destination => Arc::clone(&self.destination) as Arc<dyn Driver>,
        }
    }

    async fn restart_agent(&mut self) -> Result<(), Trouble> {
        let host = self.scene.from();
        let mut config = config(&self.scene.testbed, host);
        configured(self.wish, &mut config);
        self.source = Arc::new(Inside::new(host, config, [].into())?);
        Ok(())
    }

    async fn pause_guest(&self) -> Result<(), Trouble> {
        self.scene
            .from()
            .virsh(["suspend", self.scene.guest.name()])?;
        Ok(())
    }

    async fn power_off_guest(&self) -> Result<(), Trouble> {
        self.scene
            .from()
            .virsh(["destroy", self.scene.guest.name()])?;
        Ok(())
    }

    async fn befall(&self, mishap: Mishap) -> Result<bool, Trouble> {
        let (from, to) = (self.scene.from(), self.scene.to());
        match mishap {
            Mishap::CutLink => to.set_connected(false)?,
            Mishap::HealLink => to.set_connected(true)?,
            Mishap::KillIncoming => to.kill_guest(self.scene.guest.name())?,
            Mishap::RestartService => {
                from.kill_libvirtd()?;
                from.start_libvirtd()?;
            }
            Mishap::LosePower => self.scene.lose_source()?,
            Mishap::ReturnPower => from.start_libvirtd()?,
            Mishap::RestartServiceAtHandover => {
                // The destination's libvirt dies too, before it hears that all is there.
                die_at_handover(&self.scene, || to.kill_libvirtd())
                    .and_then(|()| to.start_libvirtd())
                    .and_then(|()| from.start_libvirtd())
                    .map_err(|error| format!("{error:#}"))?;
            }
        }
        Ok(true)
    }

    async fn verify(&self, side: Side) -> Result<(), Trouble> {
        let (from, to) = (self.scene.from(), self.scene.to());
        let (path, here): (&[&Host], _) = match side {
            Side::Source => (&[from], from),
            Side::Destination => (&[from, to], to),
        };
        let (testbed, guest) = (&self.scene.testbed, &self.scene.guest);
        let now = testbed.await_scan(guest, here, SOON)?;
        if now.boot > 1 {
            testbed.verify_restarted(guest, here)?;
        } else {
            testbed.verify(guest, path)?;
        }
        Ok(())
    }
}
