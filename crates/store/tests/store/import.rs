//! What a Nova left, brought along: whole, once, or not at all.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use godwit_core::server::{TaskState, VmState};
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_store::{
    Dump, DumpError, ImportError, ImportReport, LockedBy, MigrationFilter, MigrationRecord, Paging,
    ServiceBinary, TableReport, Volume,
};
use serde_json::json;

use crate::bench::{Bench, at, host, migration, new_migration, registration, server};
use crate::nova::{Nova, instance, moving, node, row, service};

fn table<'a>(report: &'a ImportReport, name: &str) -> &'a TableReport {
    report.tables.iter().find(|it| it.table == name).unwrap()
}

/// Brought along, here already, left out.
fn counts(report: &ImportReport, name: &str) -> (u64, u64, u64) {
    let table = table(report, name);
    let skipped = table.skipped.values().map(|it| it.rows).sum();
    (table.brought, table.present, skipped)
}

async fn import(bench: &Bench, nova: &Nova) -> Result<ImportReport, ImportError> {
    bench.store.import(nova.dump(), at(0)).await
}

async fn records(bench: &Bench) -> Vec<MigrationRecord> {
    bench.store.migrations_unfinished().await.unwrap()
}

on_both! {
    async fn rows_keep_what_nova_said(bench: Bench) {
        let nova = Nova::new();
        nova.write("flavors", &[json!({"created_at": "2026-11-01T00:00:00", "updated_at": null,
            "name": "m1.five", "id": 5, "memory_mb": 512, "vcpus": 2, "swap": 64,
            "flavorid": "five", "root_gb": 10, "ephemeral_gb": 2})]);
        let said = |key: &str, value: &str| json!({"created_at": null, "updated_at": null,
            "deleted": 0, "instance_uuid": server(1), "key": key, "value": value});
        nova.write("instance_system_metadata", &[said("image_architecture", "x86_64"),
            said("image_min_ram", "0"), said("owner_user_name", "admin"),
            said("locked_reason", "mine")]);
        nova.write("block_device_mapping", &[
            json!({"instance_uuid": server(1), "volume_id": "v-1", "delete_on_termination": true,
                "device_name": "/dev/vdb", "tag": "data", "attachment_id": "a-1", "uuid": "m-1"}),
            json!({"instance_uuid": server(1), "volume_id": null}),
            json!({"instance_uuid": server(1), "volume_id": "v-2", "deleted": 9}),
        ]);
        nova.write("tags", &[]);
        let report = import(&bench, &nova).await.unwrap();
        assert_eq!(report.brought(), 3 + 1 + 2 + 1 + 1, "{report:#?}");
        assert_eq!(report.unread, ["tags.jsonl"]);

        let services = bench.store.service_list().await.unwrap();
        let shown: Vec<_> = services.iter().map(|it| (it.id, it.binary, it.zone.as_str())).collect();
        assert_eq!(shown, [(1, ServiceBinary::Scheduler, "internal"),
            (3, ServiceBinary::Compute, "nova"), (4, ServiceBinary::Compute, "nova")]);

        let found = bench.store.host_find(&host("h1")).await.unwrap().unwrap();
        assert_eq!((found.id, found.service.id, found.facts.local_free_gb), (1, 3, -5));
        assert_eq!((found.facts.arch.as_str(), found.facts.vcpus), ("x86_64", 8));

        let server = bench.server(1).await;
        assert_eq!((server.id, server.name.as_str()), (10, "Servér"));
        assert_eq!(server.instance_name, "instance-0000000a");
        assert_eq!((server.vm_state, server.task_state), (VmState::Active, Some(TaskState::Migrating)));
        assert_eq!((server.progress, server.config_drive), (100, true));
        assert_eq!(server.image_ref, None, "an empty name is none");
        assert_eq!(server.updated_at.unwrap().to_string(), "2026-11-01T00:00:05.250000Z");
        let lock = server.lock.unwrap();
        assert_eq!((lock.by, lock.reason.as_deref()), (LockedBy::Owner, Some("mine")));
        assert_eq!((server.flavor.id, server.flavor.flavorid.as_str()), (5, "five"));
        assert_eq!((server.room.memory_mb, server.room.disk_gb), (512, 12));
        let launch = server.launch;
        assert_eq!(launch.root_device_name.as_deref(), Some("/dev/vda"));
        assert_eq!(launch.access_ipv4.as_deref(), Some("192.0.2.9"));
        assert!(launch.auto_disk_config);
        let properties: Vec<_> = launch.image_properties.into_iter().collect();
        assert_eq!(properties, [("architecture".to_owned(), "x86_64".to_owned())]);
        let text = |text: &str| Some(text.to_owned());
        let volume = Volume {
            id: "v-1".to_owned(),
            delete_on_termination: true,
            device: text("/dev/vdb"),
            tag: text("data"),
            attachment_id: text("a-1"),
            mapping_uuid: text("m-1"),
        };
        assert_eq!(launch.volumes, [volume]);

        let [record] = records(&bench).await.try_into().unwrap();
        assert_eq!((record.id, record.imported), (20, true));
        assert_eq!(record.migration.kind, MigrationKind::LiveMigration);
        assert_eq!(record.migration.status(), MigrationStatus::Running);
        assert_eq!((record.migration.deadline, record.migration.effect_sequence), (None, 0));
        let shown = (&record.migration.placement, &record.dest_compute);
        assert_eq!(shown, (&None, &Some(host("h2"))), "nobody knows how its disks were to move");
        assert_eq!(record.progress.memory.unwrap().remaining, 60);
        assert_eq!((record.updated_at, record.ended_at), (None, None));
        bench.assert_sound().await;
    }

    async fn a_second_import_brings_only_what_is_new(bench: Bench) {
        let nova = Nova::new();
        import(&bench, &nova).await.unwrap();
        let before = (bench.server(1).await, records(&bench).await);
        let report = import(&bench, &nova).await.unwrap();
        assert_eq!(report.brought(), 0, "{report:#?}");
        assert_eq!(counts(&report, "services"), (0, 3, 1));
        assert_eq!((bench.server(1).await, records(&bench).await), before);

        // Since then Nova went on; what is here stays, what is new comes.
        nova.write("migrations", &[moving(20, 1, "completed"), moving(21, 2, "error")]);
        let report = import(&bench, &nova).await.unwrap();
        assert_eq!(counts(&report, "migrations"), (1, 1, 0));
        assert_eq!(records(&bench).await, before.1);
    }

    async fn numbers_go_on_after_those_that_were_brought(bench: Bench) {
        let nova = Nova::new();
        import(&bench, &nova).await.unwrap();
        bench.host("h3").await;
        let found = bench.store.host_find(&host("h3")).await.unwrap().unwrap();
        assert_eq!((found.id, found.service.id), (3, 5));
        bench.sql("UPDATE servers SET task_state = NULL");
        let new = new_migration(1, at(10));
        let new = godwit_store::NewLiveMigration { uuid: migration(9), ..new };
        let begun = bench.store
            .server_begin_live_migration(new, crate::bench::anybody).await.unwrap();
        assert_eq!(begun.id, 21, "an imported migration that never ended is in nobody's way");
    }

    async fn what_cannot_come_is_counted_with_its_reason(bench: Bench) {
        let nova = Nova::new();
        nova.write("instances", &[
            instance(10, 1),
            row(instance(11, 2), json!({"vm_state": "dancing"})),
            row(instance(12, 3), json!({"hidden": 1})),
            row(instance(13, 4), json!({"uuid": null})),
            row(instance(14, 5), json!({"deleted": 14, "deleted_at": "2026-11-02T00:00:00",
                "vm_state": "deleted"})),
        ]);
        nova.write("migrations", &[
            row(moving(20, 1, "error"), json!({"source_compute": null})),
            moving(21, 2, "migrated"),
            moving(22, 3, "migrated"),
            row(moving(23, 4, "confirmed"), json!({"migration_type": null,
                "new_instance_type_id": 6})),
        ]);
        let report = import(&bench, &nova).await.unwrap();
        assert_eq!(counts(&report, "instances"), (2, 0, 3));
        assert!(bench.store.server_find(server(5)).await.unwrap().is_none(), "it is deleted");
        let migrations = table(&report, "migrations");
        let skipped = &migrations.skipped["its status is not Nova's"];
        assert_eq!((skipped.rows, skipped.line, skipped.example.as_str()), (2, 2, "migrated"));
        let listed = bench.store
            .migration_list(&MigrationFilter::default(), Paging::Unpaged).await.unwrap();
        let kinds: Vec<_> = listed.iter().map(|it| (it.id, it.migration_type())).collect();
        assert_eq!(kinds, [(23, Some("resize"))], "the type follows from the flavors");
        bench.assert_sound().await;
    }

    async fn an_enrolled_host_speaks_for_itself(bench: Bench) {
        bench.host("h2").await;
        let before = bench.store.host_find(&host("h2")).await.unwrap().unwrap();
        let nova = Nova::new();
        let later = at(3600);
        // Its row took a number that Nova gave to another service.
        let clash = bench.store.import(nova.dump(), later).await.unwrap_err();
        assert!(matches!(clash, ImportError::Clash { line: 1, id: 1, .. }), "{clash}");
        nova.write("services", &[service(13, "h1", "nova-compute"), service(14, "h2", "nova-compute")]);
        nova.write("compute_nodes", &[node(11, "h1"), node(12, "h2")]);
        let report = bench.store.import(nova.dump(), later).await.unwrap();
        assert_eq!(counts(&report, "services"), (1, 0, 1));
        assert_eq!(counts(&report, "compute_nodes"), (1, 0, 1));
        assert_eq!(bench.store.host_find(&host("h2")).await.unwrap().unwrap(), before);

        // And an imported one does so once it has an agent.
        bench.store.host_register(registration("h1", later)).await.unwrap();
        let enrolled = bench.store.host_find(&host("h1")).await.unwrap().unwrap();
        assert_eq!((enrolled.id, enrolled.service.id, enrolled.facts.vcpus), (11, 13, 20));
    }

    async fn nothing_is_imported_while_somebody_is_at_work(bench: Bench) {
        bench.host("alive").await;
        let nova = Nova::new();
        let refused = bench.store.import(nova.dump(), at(59)).await.unwrap_err();
        assert!(matches!(refused, ImportError::InUse { seconds: 59, .. }), "{refused}");
        assert!(refused.to_string().contains("nova-compute on alive"), "{refused}");
        assert!(records(&bench).await.is_empty());
    }

    async fn a_bad_line_leaves_nothing_behind(bench: Bench) {
        let nova = Nova::new();
        let good = moving(20, 1, "error").to_string();
        for (bad, says) in [
            ("{\"id\": 5", "migrations.jsonl:3: column"),
            ("[]", "migrations.jsonl:3: column"),
            ("{\"id\": \"five\"}", "migrations.jsonl:3: column"),
            ("{\"id\": 5, \"created_at\": \"yesterday\", \"updated_at\": null}", "is no instant"),
            ("{\"uuid\": \"\\u0000\"}", "migrations.jsonl:3: a NUL"),
        ] {
            nova.write_text("migrations", &format!("{good}\n\n{bad}\n"));
            let error = import(&bench, &nova).await.unwrap_err();
            assert!(matches!(error, ImportError::Dump(DumpError::NotARow { line: 3, .. })), "{error}");
            assert!(error.to_string().contains(says), "{error}");
            assert!(bench.store.service_list().await.unwrap().is_empty(), "all or nothing");
        }
    }

    async fn two_things_cannot_have_one_id(bench: Bench) {
        let nova = Nova::new();
        nova.write("migrations", &[moving(20, 1, "error"), moving(21, 2, "error"),
            moving(20, 3, "error")]);
        let clash = import(&bench, &nova).await.unwrap_err();
        assert!(matches!(clash, ImportError::Clash { line: 3, id: 20, .. }), "{clash}");
        assert!(bench.store.service_list().await.unwrap().is_empty(), "all or nothing");
        // The same row twice is one row, and one thing under two ids is known by the first.
        nova.write("migrations", &[moving(20, 1, "error"), moving(20, 1, "error"),
            moving(21, 1, "error")]);
        let report = import(&bench, &nova).await.unwrap();
        assert_eq!(counts(&report, "migrations"), (1, 1, 1));
    }

    async fn a_line_without_end_is_refused(bench: Bench) {
        let nova = Nova::new();
        let row = moving(20, 1, "error").to_string();
        let endless = format!("{{\"status\": \"{}", "x".repeat(17 << 20));
        nova.write_text("migrations", &format!("{row}\n{endless}"));
        let error = import(&bench, &nova).await.unwrap_err();
        let says = "migrations.jsonl:2: longer than 16777216 bytes";
        assert!(error.to_string().ends_with(says), "{error}");
        assert!(bench.store.service_list().await.unwrap().is_empty(), "all or nothing");
    }

    async fn packed_files_are_read_and_torn_ones_refused(bench: Bench) {
        let nova = Nova::new();
        let rows: String = (0..3000).map(|n| format!("{}\n", moving(100 + n, 100 + n as u128, "error")))
            .collect();
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(rows.as_bytes()).unwrap();
        let packed = packer.finish().unwrap();
        std::fs::remove_file(nova.path().join("migrations.jsonl")).unwrap();
        let file = nova.path().join("migrations.jsonl.gz");
        std::fs::write(&file, &packed[..packed.len() / 2]).unwrap();
        let torn = import(&bench, &nova).await.unwrap_err();
        assert!(matches!(torn, ImportError::Dump(DumpError::Unreadable { .. })), "{torn}");
        assert!(torn.to_string().contains("migrations.jsonl.gz:"), "{torn}");
        std::fs::write(&file, &packed).unwrap();
        let report = import(&bench, &nova).await.unwrap();
        assert_eq!(counts(&report, "migrations"), (3000, 0, 0));
    }
}

#[test]
fn a_dump_has_each_table_once() {
    let nova = Nova::new();
    std::fs::write(nova.path().join("instances.jsonl.gz"), "").unwrap();
    let twice = Dump::open(nova.path()).unwrap_err();
    assert!(matches!(twice, DumpError::Twice { .. }), "{twice}");
    std::fs::remove_file(nova.path().join("migrations.jsonl")).unwrap();
    std::fs::remove_file(nova.path().join("instances.jsonl.gz")).unwrap();
    let missing = Dump::open(nova.path()).unwrap_err();
    assert!(
        missing
            .to_string()
            .ends_with("neither migrations.jsonl nor migrations.jsonl.gz")
    );
}
