//! How far a run is.

use godwit_core::plan::Estimate;
use godwit_core::run::{Operation, Progress, RunState};
use godwit_store::{MigrationRecord, RunProgress, RunRecord, RunningOperation};

use crate::context::Context;
use crate::effects::Retry;

/// Writes how far it is by now, if that is anything new.
pub(super) async fn write(ctx: &Context, record: &mut RunRecord) -> Result<(), Retry> {
    if record.run.state == RunState::Pending {
        return Ok(());
    }
    let running = ctx.store.operations_running(Some(record.uuid)).await?;
    let percent_of = |operation: &Operation| {
        let running = running.iter().find(|it| it.operation == operation.id);
        running.map_or(0, percent)
    };
    let progress = record
        .run
        .progress
        .after(&record.run.operations, record.run.others, percent_of);
    let eta = record.makespan.map(|it| left_of(it, progress));
    if progress == record.run.progress && eta == record.eta {
        return Ok(());
    }
    let at = RunProgress {
        run: record.uuid,
        progress,
        eta,
    };
    ctx.store.run_progress(at).await?;
    record.run.progress = progress;
    record.eta = eta;
    Ok(())
}

/// What is left of the time that it was to take. It never grows, as the percentage never falls.
fn left_of(makespan: Estimate, progress: Progress) -> Estimate {
    let left = 1.0 - f64::from(progress.percent()) / 100.0;
    Estimate {
        low: makespan.low * left,
        mid: makespan.mid * left,
        high: makespan.high * left,
    }
}

/// How much of what it moves has arrived, in whole per cent.
fn percent(running: &RunningOperation) -> u8 {
    running.migration.as_ref().map_or(0, arrived)
}

fn arrived(migration: &MigrationRecord) -> u8 {
    let progress = migration.progress;
    let amounts = || [progress.memory, progress.disk].into_iter().flatten();
    let total: i64 = amounts().map(|it| it.total.max(0)).sum();
    let left: i64 = amounts().map(|it| it.remaining.max(0)).sum();
    let done = total.saturating_sub(left).max(0).saturating_mul(100);
    let percent = done.checked_div(total).unwrap_or(0);
    u8::try_from(percent).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use godwit_core::run::Progress;

    use super::*;

    #[test]
    fn the_time_that_is_left_shrinks_with_what_is_done() {
        let makespan = Estimate {
            low: 80.0,
            mid: 100.0,
            high: 200.0,
        };
        let at = |percent| left_of(makespan, Progress::NONE.raised_to(percent)).mid;
        assert_eq!([at(0), at(25), at(50)], [100.0, 75.0, 50.0]);
    }
}
