//! Inventories: what is adopted, followed, and left as an open question.

use std::collections::BTreeMap;

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::recovery::Sighting;
use godwit_core::server::{PowerState, VmState};
use godwit_store::{MovedByHand, Observation};

use crate::bench::{Bench, ROOM, at, host, placed, running, server, sighted};

async fn open(bench: &Bench) -> Vec<DiscrepancyKind> {
    let open = bench.store.discrepancy_list_open().await.unwrap();
    open.into_iter().map(|it| it.subject.kind).collect()
}

fn kinds(found: &[godwit_store::Discrepancy]) -> Vec<DiscrepancyKind> {
    found.iter().map(|it| it.subject.kind).collect()
}

on_both! {
    async fn any_domain_is_a_server(bench: Bench) {
        bench.host("a").await;
        let mut quiet = sighted(2, Sighting::Inactive);
        quiet.owner.created_at = None;
        let domains = vec![running(1), quiet, sighted(3, Sighting::Incoming)];
        let observation = bench.hears("a", at(5), domains.clone()).await;
        assert_eq!(observation.adopted, [server(1), server(2)], "3 lives elsewhere");
        assert_eq!(observation.opened, []);

        let found = bench.server(1).await;
        assert_eq!((found.name.as_str(), found.hostname.as_str()), ("vm-1", "vm-1"));
        assert_eq!(found.instance_name, "instance-00000001");
        assert_eq!((found.project_id.as_str(), found.user_id.as_str()), ("demo", "member"));
        assert_eq!((found.host, found.node.as_deref()), (Some(host("a")), Some("a.example.org")));
        assert_eq!(found.availability_zone.as_deref(), Some("zone-of-a"));
        assert_eq!((found.vm_state, found.task_state), (VmState::Active, None));
        assert_eq!((found.power_state, found.progress), (PowerState::Running, 0));
        assert_eq!((found.room, found.lock, found.fault), (ROOM, None, None));
        let hardware = bench.hardware(1).await;
        assert_eq!((hardware.disks, hardware.cpu), (running(1).disks, running(1).cpu));
        assert_eq!((found.image_ref.as_deref(), found.metadata), (Some("image-1"), BTreeMap::new()));
        assert_eq!((found.created_at, found.launched_at), (at(-101), Some(at(-101))));
        assert_eq!((found.updated_at, found.deleted_at), (None, None));
        let off = bench.server(2).await;
        assert_eq!((off.vm_state, off.created_at), (VmState::Stopped, at(5)));
        bench.assert_sound().await;

        let again = bench.hears("a", at(6), domains).await;
        assert_eq!(again, Observation::default(), "nothing new");
        assert_eq!(bench.server(1).await.updated_at, None);
    }

    async fn descriptions_follow_the_hypervisor(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        let mut paused = running(1);
        paused.power_state = PowerState::Paused;
        paused.room.memory_mb = 4096;
        bench.hears("a", at(2), vec![paused]).await;
        let found = bench.server(1).await;
        assert_eq!((found.vm_state, found.power_state), (VmState::Paused, PowerState::Paused));
        assert_eq!((found.room.memory_mb, found.updated_at), (4096, Some(at(2))));
        assert_eq!(found.generation, 1, "an observation is no change of its own");

        let mut fuller = running(1);
        fuller.power_state = PowerState::Paused;
        fuller.room.memory_mb = 4096;
        fuller.disks[0].allocated_bytes += 1;
        bench.hears("a", at(3), vec![fuller.clone()]).await;
        let (found, disks) = (bench.server(1).await, bench.hardware(1).await.disks);
        assert_eq!((disks, found.updated_at), (fuller.disks, Some(at(2))));

        bench.hears("a", at(4), vec![sighted(1, Sighting::Inactive)]).await;
        assert_eq!(bench.server(1).await.vm_state, VmState::Stopped);
        bench.sql("UPDATE servers SET vm_state = 'error'");
        bench.hears("a", at(5), vec![running(1)]).await;
        let found = bench.server(1).await;
        assert_eq!((found.vm_state, found.power_state), (VmState::Error, PowerState::Running));
        bench.assert_sound().await;
    }

    async fn a_guest_moved_by_hand_is_followed(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        // The new host is heard first: the old one may still execute the guest.
        let first = bench.hears("b", at(5), vec![running(1)]).await;
        assert_eq!(kinds(&first.opened), [DiscrepancyKind::SeenTwice]);
        assert_eq!(bench.server(1).await.host, Some(host("a")), "nobody guesses");
        bench.assert_sound().await;

        let second = bench.hears("a", at(6), Vec::new()).await;
        let moved = MovedByHand { server: server(1), from: Some(host("a")), to: host("b") };
        assert_eq!(second.moved_by_hand, [moved]);
        assert_eq!(kinds(&second.closed), [DiscrepancyKind::SeenTwice]);
        let found = bench.server(1).await;
        assert_eq!((found.host, found.node.as_deref()), (Some(host("b")), Some("b.example.org")));
        assert_eq!((found.generation, found.updated_at), (2, Some(at(6))));
        assert_eq!(open(&bench).await, []);
        bench.assert_sound().await;

        // The other way round the only discrepancy is that nobody has it.
        let first = bench.hears("b", at(7), Vec::new()).await;
        assert_eq!(kinds(&first.opened), [DiscrepancyKind::SeenNowhere]);
        bench.assert_sound().await;
        let second = bench.hears("a", at(8), vec![running(1)]).await;
        assert_eq!(second.moved_by_hand.len(), 1);
        assert_eq!(kinds(&second.closed), [DiscrepancyKind::SeenNowhere]);
        bench.assert_sound().await;
    }

    async fn a_guest_that_its_host_does_not_have_has_no_power_state(bench: Bench) {
        use PowerState::{NoState, Running};
        bench.fleet(&[("a", 1), ("b", 0), ("c", 0)]).await;
        let gone = bench.hears("a", at(5), Vec::new()).await;
        assert_eq!(kinds(&gone.opened), [DiscrepancyKind::SeenNowhere]);
        let found = bench.server(1).await;
        assert_eq!((found.vm_state, found.power_state), (VmState::Active, NoState));
        assert_eq!((found.task_state, found.updated_at), (None, Some(at(5))));
        bench.hears("a", at(6), Vec::new()).await;
        assert_eq!(bench.server(1).await.updated_at, Some(at(5)), "once is enough");
        bench.assert_sound().await;

        bench.hears("a", at(7), vec![running(1)]).await;
        assert_eq!(bench.server(1).await.power_state, Running, "it was seen again");
        assert_eq!(open(&bench).await, []);

        // Two others have it, shut off: which of them is right, nobody can say.
        bench.hears("b", at(8), vec![sighted(1, Sighting::Inactive)]).await;
        assert_eq!(bench.server(1).await.power_state, Running, "its host has it");
        bench.hears("c", at(8), vec![sighted(1, Sighting::Inactive)]).await;
        bench.hears("a", at(9), Vec::new()).await;
        let found = bench.server(1).await;
        assert_eq!((found.host, found.power_state), (Some(host("a")), NoState));
        // One of them gives it up: the record follows to the other, and says what that one says.
        bench.hears("b", at(10), Vec::new()).await;
        let found = bench.server(1).await;
        assert_eq!((found.host, found.power_state), (Some(host("c")), PowerState::Shutdown));
        bench.assert_sound().await;
    }

    async fn what_somebody_is_just_moving_is_not_missing(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.hears("b", at(5), vec![sighted(1, Sighting::Incoming)]).await;
        bench.hears("a", at(6), Vec::new()).await;
        assert_eq!(bench.server(1).await.power_state, PowerState::Running);
        let moved = bench.hears("b", at(7), vec![running(1)]).await;
        assert_eq!(moved.moved_by_hand.len(), 1);
        assert_eq!(bench.server(1).await.power_state, PowerState::Running);
        bench.assert_sound().await;
    }

    async fn leftovers_are_questions_until_they_are_gone(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        let first = bench.hears("b", at(5), vec![sighted(1, Sighting::Inactive)]).await;
        assert_eq!(kinds(&first.opened), [DiscrepancyKind::SeenElsewhere]);
        let again = bench.hears("b", at(6), vec![sighted(1, Sighting::Inactive)]).await;
        assert_eq!(again.opened, []);
        bench.assert_sound().await;
        let gone = bench.hears("b", at(7), Vec::new()).await;
        assert_eq!(kinds(&gone.closed), [DiscrepancyKind::SeenElsewhere]);
        bench.assert_sound().await;
    }

    async fn a_silent_home_may_still_execute_it(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0), ("c", 0)]).await;
        bench.begin(1).await;
        bench.drive(1, [
            placed("c"),
            godwit_core::event::Event::Admitted,
            godwit_core::event::Event::Prepared,
            godwit_core::event::Event::HandedOver,
            godwit_core::event::Event::Finished { clean: true },
        ]).await;
        // c has not been heard since the server came to it.
        let seen = bench.hears("b", at(30), vec![running(1)]).await;
        assert_eq!(kinds(&seen.opened), [DiscrepancyKind::SeenTwice]);
        assert_eq!(bench.server(1).await.host, Some(host("c")));
    }

    async fn migrations_alone_decide_about_their_servers(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        let before = bench.server(1).await;
        let seen = bench.hears("b", at(11), vec![running(1)]).await;
        assert_eq!(seen, Observation::default());
        let seen = bench.hears("a", at(11), vec![sighted(1, Sighting::HandedOver)]).await;
        assert_eq!(seen, Observation::default());
        assert_eq!(bench.server(1).await, before);
        let sightings = bench.store.sightings(server(1)).await.unwrap();
        let said: Vec<_> = sightings.iter().map(|it| (it.host.as_str(), it.sighting)).collect();
        assert_eq!(said, [("a", Sighting::HandedOver), ("b", Sighting::Executing)]);
        assert_eq!((sightings[1].at, sightings[1].power_state), (at(11), PowerState::Running));
    }

    async fn an_older_inventory_is_no_news(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        bench.hears("a", at(9), vec![running(1), running(2)]).await;
        let old = bench.hears("a", at(8), Vec::new()).await;
        assert_eq!(old, Observation::default());
        assert_eq!(bench.store.sightings(server(2)).await.unwrap().len(), 1);
        bench.assert_sound().await;
    }

    async fn deleted_servers_stay_deleted(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        bench.sql("UPDATE servers SET deleted_at = created_at, vm_state = 'deleted'");
        let seen = bench.hears("a", at(9), vec![running(1)]).await;
        assert_eq!(seen, Observation::default());
        assert_eq!(bench.store.server_find(server(1)).await.unwrap(), None);
        bench.assert_sound().await;
    }
}
