//! How far runs are, between their steps.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use godwit_core::ids::RunUuid;
use godwit_core::plan::Estimate;
use godwit_core::run::Progress;

use crate::columns::{json, text};
use crate::prepared::Prepare as _;
use crate::{Store, StoreError};

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RunProgress {
    /// Which run.
    pub run: RunUuid,
    /// As far as its operations are by now.
    pub progress: Progress,
    /// For how long it goes on, in seconds.
    pub eta: Option<Estimate>,
}

impl Store {
    /// Writes how far a run is. What it was before is never undone, and what has ended stays as it is;
    /// `false`: it has.
    pub async fn run_progress(&self, at: RunProgress) -> Result<bool, StoreError> {
        self.write_statement(move |connection| {
            let written = sql_query(
                "UPDATE runs SET eta = $1, percent = CASE WHEN percent < $2 THEN $2 ELSE percent END
                 WHERE uuid = $3 AND ended_at IS NULL",
            )
            .bind::<Nullable<Text>, _>(at.eta.as_ref().map(json))
            .bind::<BigInt, _>(i64::from(Progress::NONE.raised_to(at.progress.percent()).percent()))
            .bind::<Text, _>(text(at.run))
            .prepared()
            .execute(connection)?;
            Ok(written == 1)
        })
        .await
    }
}
