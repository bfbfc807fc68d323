//! Tells outcomes to any conductor, until one has made them durable.

use godwit_rpc::enrolment::Report;
use godwit_rpc::refusal::{CallError, Refusal};
use tracing::{info, warn};

use super::conductors::Conductors;
use super::shared::Shared;
use crate::journal::{Entry, Verdict};

/// Runs until it is dropped.
pub(super) async fn tell(shared: &Shared, conductors: &Conductors) {
    let mut attempts = 0;
    loop {
        let told = shared.told.notified();
        let untold = shared.journal.select(Entry::is_untold);
        shared
            .metrics
            .untold
            .set(i64::try_from(untold.len()).unwrap_or(i64::MAX));
        let mut all = true;
        for entry in untold {
            all &= tell_one(shared, conductors, &entry).await;
        }
        if all {
            attempts = 0;
            told.await;
        } else {
            shared.metrics.conductor_failed("report");
            tokio::time::sleep(conductors.pause(attempts)).await;
            attempts = attempts.saturating_add(1);
        }
    }
}

/// Was it taken?
async fn tell_one(shared: &Shared, conductors: &Conductors, entry: &Entry) -> bool {
    let Some(verdict) = &entry.verdict else {
        return true;
    };
    let report = report(shared, entry, verdict);
    let migration = report.migration;
    match conductors
        .ask(|conductor| {
            let report = report.clone();
            async move { conductor.report(report).await }
        })
        .await
    {
        None => return false,
        Some(Ok(())) => info!(%migration, "a conductor knows the outcome"),
        Some(Err(CallError::Refused(
            refusal @ (Refusal::UnknownMigration(_) | Refusal::Forbidden(_)),
        ))) => warn!(%migration, %refusal, "no conductor wants to know the outcome"),
        Some(Err(error)) => {
            warn!(%migration, %error, "the outcome was not taken");
            return false;
        }
    }
    let acknowledge = |entry: &mut Entry| {
        if let Some(verdict) = &mut entry.verdict {
            verdict.acknowledged = true;
        }
    };
    let written = shared
        .journal
        .amend(migration, shared.now(), acknowledge)
        .await;
    if let Err(error) = &written {
        warn!(%migration, %error, "the acknowledgement cannot be written down");
    }
    written.is_ok()
}

fn report(shared: &Shared, entry: &Entry, verdict: &Verdict) -> Report {
    Report {
        host: shared.host.clone(),
        migration: entry.what.migration,
        sequence: entry.rank.sequence,
        ended: verdict.ended.clone(),
        at: verdict.at,
    }
}
