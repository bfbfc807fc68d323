//! What was changed of a plan while it was carried out.

use diesel::prelude::*;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::OperationUuid;
use godwit_core::run::Revision;
use godwit_core::time::Timestamp;

use crate::StoreError;
use crate::columns::{instant, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::run_revisions;

/// Operation, from, to, why, when.
type Row = (
    OperationUuid,
    String,
    String,
    Option<FailureCode>,
    Option<String>,
    Timestamp,
);

/// Those of a run, in their order.
pub(super) fn of_run(connection: &mut Database, run: i64) -> Result<Vec<Revision>, StoreError> {
    let rows: Vec<Row> = run_revisions::table
        .filter(run_revisions::run_id.eq(run))
        .order(run_revisions::id)
        .select((
            run_revisions::operation_uuid,
            run_revisions::old_destination,
            run_revisions::new_destination,
            run_revisions::failure_code,
            run_revisions::failure_message,
            run_revisions::at,
        ))
        .load(connection)?;
    let revision = |(operation, from, to, code, message, at): Row| Revision {
        operation,
        from,
        to,
        because: code
            .zip(message)
            .map(|(code, message)| Failure { code, message }),
        at,
    };
    Ok(rows.into_iter().map(revision).collect())
}

pub(super) fn append(
    connection: &mut Database,
    run: i64,
    revisions: &[Revision],
) -> Result<(), StoreError> {
    for it in revisions {
        let because = it.because.as_ref();
        diesel::insert_into(run_revisions::table)
            .values((
                run_revisions::run_id.eq(run),
                run_revisions::operation_uuid.eq(text(it.operation)),
                run_revisions::old_destination.eq(&it.from),
                run_revisions::new_destination.eq(&it.to),
                run_revisions::failure_code.eq(because.map(|it| it.code.as_str())),
                run_revisions::failure_message.eq(because.map(|it| &it.message)),
                run_revisions::at.eq(instant(it.at)),
            ))
            .prepared()
            .execute(connection)?;
    }
    Ok(())
}
