//! Guests run on while they are moved: nobody is powered off, or paused before the last of its memory
//! crosses, unless somebody has asked for that.

use anyhow::{Context as _, ensure};
use godwit_compute_agent::drivers::simulated::Disturbed;
use godwit_core::ids::ServerUuid;
use godwit_core::migration::Intent;
use godwit_core::plan::options::Immovable;
use godwit_core::run::OperationKind;
use godwit_core::status::MigrationKind;
use godwit_store::{ActionPage, MigrationFilter, MigrationPage, RunFilter, RunPage};

use crate::cluster::Cluster;

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
        let forced = migrations
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
            operations: true,
        };
        for run in self.store.run_list(&RunFilter::default(), page).await? {
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
