//! What a conductor shows of itself: metrics, the event log, its row among the services.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use godwit_compute_agent::drivers::simulated::{Fault, Step};
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::status::MigrationStatus as Status;
use godwit_test_support::wait_for;
use prometheus::proto::MetricFamily;

use crate::cluster::*;

/// Every series of a conductor as `name{label="value",…}`, with its value; histograms with their
/// count.
fn series(cluster: &Cluster) -> BTreeMap<String, f64> {
    let of = |family: &MetricFamily| {
        let name = family.name().to_owned();
        family
            .get_metric()
            .iter()
            .map(|metric| {
                let labels: Vec<_> = metric
                    .get_label()
                    .iter()
                    .map(|label| format!("{}=\"{}\"", label.name(), label.value()))
                    .collect();
                let histogram = metric.get_histogram().get_sample_count();
                let value = if histogram > 0 {
                    f64::from(u32::try_from(histogram).unwrap())
                } else {
                    metric.get_gauge().get_value() + metric.get_counter().get_value()
                };
                (format!("{name}{{{}}}", labels.join(",")), value)
            })
            .collect::<Vec<_>>()
    };
    cluster.registry.gather().iter().flat_map(of).collect()
}

pub(crate) async fn shows(cluster: &Cluster, wanted: &[(&str, f64)]) {
    wait_for("the metrics", PATIENCE, async || {
        let seen = series(cluster);
        for (name, value) in wanted {
            ensure!(seen.get(*name) == Some(value), "{name}: {seen:#?}");
        }
        Ok(Some(()))
    })
    .await
    .unwrap();
}

on_both! {
    async fn an_agent_that_refuses_what_facts_allow_is_counted(made: Made) {
        let mut made = made.with_hosts(&[2, 0, 0]);
        // What a guest needs of processors is known beforehand, and nobody is asked in vain.
        made.guest(2).cpu_features = vec!["avx512f".to_owned()];
        made.host(2).cpu_features.push("avx512f".to_owned());
        let cluster = made.start().await;
        let unseen = Failure::new(FailureCode::CpuIncompatible, "It has other microcode.");
        cluster.fabric.inject(&host(2), Step::CheckDestination, Fault::Fail(unseen));
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        let record = cluster.ends(uuid).await;
        assert_eq!(record.migration.destination(), Some(&host(3)));
        let other = cluster.begin(2, anywhere()).await.unwrap();
        let record = cluster.ends(other).await;
        assert_eq!(record.migration.destination(), Some(&host(2)));
        let counted: Vec<_> = series(&cluster)
            .into_iter()
            .filter(|(name, _)| name.starts_with("godwit_verdict_mismatch_total"))
            .collect();
        let code = FailureCode::CpuIncompatible.as_str();
        let expected = format!("godwit_verdict_mismatch_total{{code=\"{code}\"}}");
        assert_eq!(counted, [(expected, 1.0)]);
    }

    async fn metrics_tell_what_goes_on(made: Made) {
        let mut made = made.with_hosts(&[3, 0]);
        made.config.slots.per_source = 1;
        made.never_converges(1);
        let mut cluster = made.start().await;
        let busy = cluster.begin(1, anywhere()).await.unwrap();
        cluster.reaches(busy, Status::Running).await;
        let waiting = cluster.begin(2, anywhere()).await.unwrap();
        shows(&cluster, &[
            ("godwit_migrations{status=\"running\",type=\"live-migration\"}", 1.0),
            ("godwit_migrations{status=\"queued\",type=\"live-migration\"}", 1.0),
            ("godwit_queue_length{}", 1.0),
            ("godwit_effects_outstanding{effect=\"watch\"}", 1.0),
            ("godwit_agents{state=\"up\"}", 2.0),
            ("godwit_agents{state=\"down\"}", 0.0),
            ("godwit_leases_held{}", 1.0),
            ("godwit_event_delivery_oldest_seconds{reader=\"webhooks\"}", 0.0),
        ])
        .await;
        assert!(series(&cluster)["godwit_figures_timestamp_seconds{}"] > 0.0);
        assert!(series(&cluster)["godwit_queue_oldest_seconds{}"] > 0.0);

        cluster.ask(busy, godwit_core::event::Event::AbortRequested).await;
        cluster.ends(busy).await;
        cluster.ends(waiting).await;
        shows(&cluster, &[
            ("godwit_migrations_ended_total{status=\"cancelled\",type=\"live-migration\"}", 1.0),
            ("godwit_migrations_ended_total{status=\"completed\",type=\"live-migration\"}", 1.0),
            ("godwit_migration_status_seconds{status=\"running\"}", 2.0),
            ("godwit_migration_status_seconds{status=\"queued\"}", 2.0),
            ("godwit_migration_downtime_seconds{}", 1.0),
            ("godwit_migration_bytes{}", 1.0),
            ("godwit_migration_bytes_per_second{}", 1.0),
            ("godwit_queue_length{}", 0.0),
        ])
        .await;
        for name in series(&cluster).keys() {
            let words = name.split(['"', '{', '}', ',', '=']);
            let looks_like_an_id = |word: &str| word.len() == 36 && word.contains('-');
            assert!(!words.into_iter().any(looks_like_an_id), "{name}");
        }

        cluster.kill_agent(&host(2));
        shows(&cluster, &[
            ("godwit_agents{state=\"up\"}", 1.0),
            ("godwit_agents{state=\"down\"}", 1.0),
        ])
        .await;
    }

    async fn a_move_is_followed_by_one_holder_for_as_long_as_it_lasts(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.never_converges(1);
        // Long enough to be renewed in time on a slow machine.
        made.config.lease = Duration::from_secs(2);
        let cluster = made.start().await;
        let uuid = cluster.begin(1, anywhere()).await.unwrap();
        let started = cluster.reaches(uuid, Status::Running).await.status_since;
        wait_for("several leases to pass", PATIENCE, async || {
            let seen = cluster.record(uuid).await.updated_at.unwrap();
            Ok((seen.since(started) > 4 * cluster.config.lease).then_some(()))
        })
        .await
        .unwrap();
        let all = series(&cluster);
        let watch = "effect_seconds{effect=\"watch\"";
        let ended = all.iter().find(|(name, count)| name.contains(watch) && **count > 0.0);
        assert_eq!(ended, None, "the first watch goes on");
        cluster.ask(uuid, godwit_core::event::Event::AbortRequested).await;
        cluster.ends(uuid).await;
        cluster.is_sound().await;
    }

    async fn a_guest_moved_by_hand_is_followed(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.fabric.carry(server(1), &host(2));
        wait_for("the record to follow", PATIENCE, async || {
            let recorded = cluster.server(1).await.host;
            ensure!(recorded == Some(host(2)), "{recorded:?}");
            Ok(Some(()))
        })
        .await
        .unwrap();
        cluster.is_sound().await;
        // And it can be moved from there.
        let uuid = cluster.begin(1, to(1)).await.unwrap();
        assert_eq!(cluster.ends(uuid).await.migration.status(), Status::Completed);
        cluster.is_sound().await;
    }
}
