//! The API with a long history against the API with an ordinary one: what a request costs must
//! not depend on how much has ended long ago.

use anyhow::Result;

use crate::Effort;
use crate::api::{Engine, Pair, Service};
use crate::fleet;
use crate::table::Table;
use crate::tokens::Tokens;

/// A hundred times the ordinary history.
const MANY: u64 = 100 * fleet::MIGRATIONS;
/// Connections at one time.
const CONNECTIONS: u32 = 16;

/// Measures on both databases.
pub(crate) async fn measure(effort: Effort) -> Result<Table> {
    let mut table = Table::new(
        "The API: 1,000,000 migrations against 10,000, 16 connections",
        &[
            "GET",
            "database",
            "of the short history",
            "requests/s",
            "short/s",
            "p50 ms",
            "p99 ms",
        ],
    );
    for engine in Engine::ALL {
        let long = Service::start(engine, MANY, &Tokens::Jwt).await?;
        let short = Service::start(engine, fleet::MIGRATIONS, &Tokens::Jwt).await?;
        for (ours, other) in long.cases.iter().zip(&short.cases) {
            let pair = Pair {
                ours: long.asked_for(ours, CONNECTIONS),
                other: short.asked_for(other, CONNECTIONS),
            };
            let rounds = pair.run(long.directory(), effort).await?;
            let mut cells = vec![ours.name.to_owned(), engine.name().to_owned()];
            cells.extend(rounds.cells());
            table.row(cells);
        }
        long.stop().await?;
        short.stop().await?;
    }
    Ok(table)
}
