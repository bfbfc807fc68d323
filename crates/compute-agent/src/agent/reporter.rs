//! Reports outcomes to any conductor, until one has made them durable.

use godwit_rpc::enrolment::Report;
use godwit_rpc::refusal::{CallError, Refusal};
use tracing::{Instrument as _, info, info_span, warn};

use super::conductors::Conductors;
use super::shared::Shared;
use crate::journal::{Entry, RecordedOutcome};

/// Runs until it is dropped.
pub(super) async fn report_outcomes(shared: &Shared, conductors: &Conductors) {
    let mut attempts = 0;
    loop {
        let recorded = shared.outcome_recorded.notified();
        let unreported = shared.journal.select(Entry::is_unreported);
        let outstanding = &shared.metrics.unreported;
        outstanding.set(i64::try_from(unreported.len()).unwrap_or(i64::MAX));
        let mut all = true;
        for entry in unreported {
            if report_one(shared, conductors, &entry).await {
                outstanding.dec();
            } else {
                all = false;
            }
        }
        if all {
            attempts = 0;
            recorded.await;
        } else {
            shared.metrics.conductor_failed("report");
            tokio::time::sleep(conductors.pause(attempts)).await;
            attempts = attempts.saturating_add(1);
        }
    }
}

/// Was it taken?
async fn report_one(shared: &Shared, conductors: &Conductors, entry: &Entry) -> bool {
    let Some(recorded) = &entry.outcome else {
        return true;
    };
    let report = report(shared, entry, recorded);
    let migration = report.migration;
    let span = info_span!("report", %migration);
    godwit_telemetry::continue_from(&span, entry.trace);
    let told = conductors.ask(|conductor| {
        let report = report.clone();
        async move { conductor.report(report).await }
    });
    match told.instrument(span).await {
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
        if let Some(recorded) = &mut entry.outcome {
            recorded.acknowledged = true;
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

fn report(shared: &Shared, entry: &Entry, recorded: &RecordedOutcome) -> Report {
    Report {
        host: shared.host.clone(),
        migration: entry.what.migration,
        sequence: entry.rank.sequence,
        ended: recorded.ended.clone(),
        at: recorded.at,
    }
}
