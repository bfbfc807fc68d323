//! Where servers go, and what is said when they cannot.

use godwit_compute_agent::drivers::simulated::{Fault, Step};
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::MigrationUuid;
use godwit_core::migration::{BlockMigration, LiveRequest};
use godwit_core::server::VmState;
use godwit_core::status::MigrationStatus as Status;
use godwit_core::time::Clock;
use godwit_store::{ServiceChange, ServiceStatus};
use serde_json::json;

use crate::cluster::*;

fn forced(destination: usize) -> LiveRequest {
    LiveRequest {
        forced: true,
        ..to(destination)
    }
}

/// It ends in `error` with this text, the server is as it was, and the log has the reason.
async fn assert_not_placed(cluster: &Cluster, uuid: MigrationUuid, text: &str, reason: &str) {
    let record = cluster.ends(uuid).await;
    assert_eq!(record.migration.status(), Status::Error);
    let failure = record.migration.failure.unwrap();
    assert_eq!(failure.message, text);
    assert!(failure.code.is_precheck(), "{failure:?}");
    let log = cluster.log(uuid).await;
    assert!(log.iter().any(|line| line.contains(reason)), "{log:#?}");
    assert_eq!(cluster.server(1).await.vm_state, VmState::Active);
    cluster.is_sound().await;
}

async fn no_host_fits(made: Made, request: LiveRequest, reason: &str) {
    let cluster = made.start().await;
    let uuid = cluster.begin(1, request).await.unwrap();
    assert_not_placed(&cluster, uuid, NO_VALID_HOST, reason).await;
}

on_both! {
    async fn a_named_host_is_taken_even_if_another_is_emptier(made: Made) {
        let cluster = made.with_hosts(&[1, 3, 0]).start().await;
        let uuid = cluster.begin(1, to(2)).await.unwrap();
        let record = cluster.ends(uuid).await;
        assert_eq!(record.migration.destination(), Some(&host(2)));
        assert_eq!(record.migration.status(), Status::Completed);
        cluster.is_sound().await;
    }

    async fn the_emptiest_host_is_taken(made: Made) {
        let cluster = made.with_hosts(&[1, 3, 1]).start().await;
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        assert_eq!(cluster.ends(uuid).await.migration.destination(), Some(&host(3)));
        cluster.is_sound().await;
    }

    async fn a_host_that_refuses_is_skipped_with_its_reason(made: Made) {
        let cluster = made.with_hosts(&[1, 0, 1]).start().await;
        let refusal = Failure::new(FailureCode::PreCheck, "Migration pre-check error: moody.");
        cluster.fabric.inject(&host(2), Step::CheckDestination, Fault::Fail(refusal));
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        let record = cluster.ends(uuid).await;
        assert_eq!(record.migration.destination(), Some(&host(3)));
        let log = cluster.log(uuid).await;
        assert!(log.iter().any(|line| line.contains("moody")), "{log:#?}");
        cluster.is_sound().await;
    }

    async fn refusals_are_limited_by_configuration(made: Made) {
        let mut made = made.with_hosts(&[1, 0, 0]);
        made.config.migrate_max_retries = Some(0);
        let cluster = made.start().await;
        let refusal = Failure::new(FailureCode::PreCheck, "Migration pre-check error: moody.");
        for number in [2, 3] {
            let fault = Fault::Fail(refusal.clone());
            cluster.fabric.inject(&host(number), Step::CheckDestination, fault);
        }
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        let text = format!(
            "Exceeded maximum number of retries. Exceeded max scheduling retries 0 for instance \
             {} during live migration",
            server(1)
        );
        assert_not_placed(&cluster, uuid, &text, "moody").await;
    }

    async fn no_room_for_memory(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.host(2).memory_bytes = GIB / 2;
        no_host_fits(made, anywhere(), "512 MiB of memory are free, 1024 are needed").await;
    }

    async fn what_would_have_made_a_host_do_is_written_down(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        let known = cluster.store.host_find(&host(2)).await.unwrap().unwrap();
        let disable = ServiceChange {
            status: Some(ServiceStatus::Disabled { reason: None }),
            forced_down: None,
            note: asked("req-disable", SystemClock.now()),
        };
        let fine = |_: &_, _: &_| Ok::<_, ()>(());
        cluster.store.service_update(known.service.uuid, disable, fine).await.unwrap();
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        assert_eq!(cluster.ends(uuid).await.migration.status(), Status::Error);
        let log = cluster.store.migration_events(uuid, 0).await.unwrap();
        let detail = &log.last().unwrap().detail;
        let name = host(2).to_string();
        let enable = json!({"method": "PUT", "path": "/v2.1/os-services/enable",
            "body": {"host": name, "binary": "nova-compute"}});
        assert_eq!(detail["fix"]["changes"][0]["request"], enable);
        let evidence = json!({"host": name, "scopes": [{"scope": "host", "name": name}]});
        assert_eq!(detail["rejected"][1]["reasons"][0]["evidence"], evidence);
        cluster.is_sound().await;
    }

    async fn no_room_for_disks(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.guest(1).disks[0].pool = None;
        made.guest(1).disks[0].allocated_bytes = 5 * GIB;
        made.host(2).disk_bytes = 4 * GIB;
        no_host_fits(made, anywhere(), "4 GiB of disk are free, 5 are needed").await;
    }

    async fn storage_out_of_reach(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.host(2).pools.clear();
        let request = LiveRequest { block_migration: BlockMigration::No, ..anywhere() };
        no_host_fits(made, request, "storage shared is not reachable").await;
    }

    async fn another_processor(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.guest(1).cpu_features = vec!["avx512f".to_owned()];
        no_host_fits(made, to(2), "the processors have no avx512f").await;
    }

    async fn an_older_hypervisor(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.host(2).hypervisor_version -= 1;
        no_host_fits(made, anywhere(), "hypervisor-too-old").await;
    }

    async fn the_server_s_own_host(made: Made) {
        no_host_fits(made.with_hosts(&[1, 0]), to(1), "the server is on this host").await;
    }

    async fn forced_ends_are_named(made: Made) {
        let mut made = made.with_hosts(&[1, 0, 0]);
        made.host(2).memory_bytes = GIB;
        made.guest(1).cpu_features = vec!["avx512f".to_owned()];
        let cluster = made.start().await;
        let id = server(1);
        for (destination, text) in [
            (1, format!("Unable to migrate instance ({id}) to current host (host-1).")),
            (
                2,
                format!(
                    "Migration pre-check error: Unable to migrate {id} to host-2: Lack of \
                     memory(host:1024 <= instance:1024)"
                ),
            ),
            (
                3,
                "Unacceptable CPU info: CPU doesn't have compatibility. The host has no avx512f."
                    .to_owned(),
            ),
            (9, "Compute service of host-9 is unavailable at this time.".to_owned()),
        ] {
            let uuid = cluster.begin(1, forced(destination)).await.unwrap();
            assert_not_placed(&cluster, uuid, &text, "not_placed").await;
        }
    }

    async fn a_server_that_is_off_cannot_be_moved_live(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        cluster
            .fabric
            .set_power(server(1), godwit_compute_agent::drivers::simulated::Power::Off);
        godwit_test_support::wait_for("the power state", PATIENCE, async || {
            let off = cluster.server(1).await.power_state == godwit_core::server::PowerState::Shutdown;
            Ok(off.then_some(()))
        })
        .await
        .unwrap();
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        let record = cluster.ends(uuid).await;
        assert_eq!(
            record.migration.failure.as_ref().unwrap().message,
            format!(
                "Instance {} in power_state shutdown. Cannot live migrate while the instance is in \
                 this state.",
                server(1)
            )
        );
        assert_eq!(record.migration.status(), Status::Error);
    }

    async fn room_is_given_away_once(made: Made) {
        let mut made = made.with_hosts(&[4, 0]);
        // Room for two of the four.
        made.host(2).memory_bytes = 2 * GIB;
        let cluster = made.start().await;
        let mut all = Vec::new();
        for number in 1..=4 {
            all.push(cluster.begin(number, anywhere()).await.unwrap());
        }
        let mut completed = 0;
        for uuid in all {
            let record = cluster.ends(uuid).await;
            match record.migration.status() {
                Status::Completed => completed += 1,
                status => assert_eq!(status, Status::Error),
            }
        }
        assert_eq!(completed, 2);
        cluster.is_sound().await;
    }
}
