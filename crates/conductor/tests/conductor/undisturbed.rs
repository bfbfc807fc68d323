//! Guests run on while they are moved: nobody is powered off, or paused before the last of its memory
//! crosses, unless somebody has asked for that.

use anyhow::{Context as _, ensure};
use godwit_compute_agent::driver::{Driver as _, PowerOff};
use godwit_compute_agent::drivers::simulated::{Disturbed, Power};
use godwit_compute_agent::holds::Holds;
use godwit_core::event::Event;
use godwit_core::ids::ServerUuid;
use godwit_core::migration::{Intent, TimeoutAction};
use godwit_core::plan::options::Immovable;
use godwit_core::run::OperationKind;
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_store::{ActionPage, MigrationFilter, MigrationPage, RunFilter, RunPage};

use crate::cluster::*;

/// More than there are of anything in one test.
const ALL: i64 = 10_000;

impl Cluster {
    /// Whatever the simulated hypervisors have done to this guest beside moving it was asked for.
    pub(crate) async fn is_undisturbed(&self, server: ServerUuid) -> anyhow::Result<()> {
        let Disturbed { stops, pauses } = self.fabric.disturbed(server);
        if stops == 0 && pauses == 0 {
            return Ok(());
        }
        let filter = MigrationFilter {
            server: Some(server),
            ..MigrationFilter::default()
        };
        let page = MigrationPage {
            limit: ALL,
            after: None,
            timeline: false,
        };
        let migrations = self.store.migration_detail_list(&filter, page).await?;
        let migrations: Vec<_> = migrations
            .into_iter()
            .map(|it| it.record.migration)
            .collect();
        let late = self.config.time_limits.timeout_action == TimeoutAction::ForceComplete;
        let forced = late
            || migrations
                .iter()
                .any(|it| it.intent == Some(Intent::ForceComplete));
        ensure!(
            pauses == 0 || forced,
            "{server} was paused, and nobody forced it"
        );
        let cold = migrations
            .iter()
            .any(|it| it.kind != MigrationKind::LiveMigration);
        let actions = self
            .store
            .instance_action_list(server, &ActionPage::default())
            .await?;
        let power = actions
            .iter()
            .any(|it| it.action == "stop" || it.action == "reboot");
        ensure!(
            stops == 0 || cold || power,
            "{server} was stopped, and nobody wanted it off"
        );
        self.is_shut_down_as_asked(server).await
    }

    /// Runs shut down only for those who asked for it.
    async fn is_shut_down_as_asked(&self, server: ServerUuid) -> anyhow::Result<()> {
        let page = RunPage {
            limit: ALL,
            after: None,
            operations: Some(usize::MAX),
        };
        let runs = self.store.run_list(&RunFilter::default(), page).await?;
        for run in runs.items {
            let shuts_down = |it: &&godwit_core::run::Operation| {
                it.server == server && it.kind == OperationKind::Shutdown && it.attempts > 0
            };
            if run.run.operations.iter().find(shuts_down).is_none() {
                continue;
            }
            let plan = self
                .store
                .plan_find(run.plan, None)
                .await?
                .context("its plan")?;
            let immovable = plan.record.options.immovable;
            ensure!(
                immovable == Immovable::ShutdownRestart,
                "{server} was shut down by {}",
                run.uuid
            );
        }
        Ok(())
    }
}

on_both! {
    async fn what_is_done_to_guests_is_noticed_where_nobody_asked_for_it(made: Made) {
        let mut made = made.with_hosts(&[3, 0]);
        made.host(1).post_copy = false;
        made.never_converges(2);
        let cluster = made.start().await;
        let moved = cluster.begin(1, to(2)).await.unwrap();
        cluster.ends(moved).await;
        assert_eq!(cluster.fabric.disturbed(server(1)), Disturbed::default(), "a move is none");
        let forced = cluster.begin(2, to(2)).await.unwrap();
        cluster.reaches(forced, MigrationStatus::Running).await;
        assert!(cluster.ask(forced, Event::ForceCompleteRequested).await);
        cluster.ends(forced).await;
        assert_eq!(cluster.fabric.disturbed(server(2)), Disturbed { stops: 0, pauses: 1 });
        cluster.is_undisturbed(server(2)).await.unwrap();
        let driver = cluster.fabric.driver(&host(1), Holds::default()).unwrap();
        driver.power_off(server(3), PowerOff::Forced).await.unwrap();
        let noticed = cluster.is_undisturbed(server(3)).await.unwrap_err();
        assert!(noticed.to_string().contains("nobody wanted it off"), "{noticed}");
        cluster.fabric.set_power(server(3), Power::On);
    }
}
