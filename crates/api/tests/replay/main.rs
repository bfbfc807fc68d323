//! What a real Nova answered, and what Godwit answers to the same.
//!
//! `tests/contract` holds exchanges that were recorded from a Nova, and the rows that were in its
//! database. Here the rows are imported as an operator imports them, and every request is sent
//! once more, in order. An answer has to be Nova's, or `known-differences.md` says why it is not:
//! what is listed and does not differ is as wrong as what differs and is not listed.
//!
//! With `GODWIT_REPLAY_REPORT=FILE`, all differences are written there as well. With
//! `GODWIT_CONTRACT=DIRECTORY`, another recording is replayed: a directory like
//! `tests/contract`.

mod answer;
mod difference;
mod exchange;
mod known;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use godwit_test_support::postgres::TempPostgres;

use crate::difference::{Difference, differences};
use crate::known::Known;
use crate::stage::Stage;

#[tokio::test]
async fn on_sqlite() {
    let directory = godwit_test_support::database_directory().unwrap();
    replay(|n| format!("sqlite://{}/{n}.db", directory.path().display())).await;
}

#[tokio::test]
async fn on_postgres() {
    let server = TempPostgres::shared().unwrap();
    replay(|_| server.create_database().unwrap()).await;
}

/// Replays every recording on a database of its own, whose URL `database` makes.
async fn replay(database: impl Fn(usize) -> String) {
    let mut found = BTreeMap::new();
    let (mut all, mut told) = (0, String::new());
    for (n, exchanges) in exchange::recordings().iter().enumerate() {
        let stage = Stage::set(&database(n)).await;
        for exchange in exchanges {
            let answer = stage.ask(exchange).await;
            let differs = differences(&exchange.response, &answer);
            tell(&mut told, exchange, &differs);
            let what: BTreeSet<String> = differs.into_iter().map(|it| it.what).collect();
            if !what.is_empty() {
                found.insert(exchange.n, what);
            }
        }
        all += exchanges.len();
    }
    let different = found.len();
    println!(
        "{all} exchanges: {} identical, {different} different",
        all - different
    );
    if let Ok(file) = std::env::var("GODWIT_REPLAY_REPORT") {
        std::fs::write(file, &told).unwrap();
    }
    let wrong = Known::listed().judge(&found);
    assert!(wrong.is_empty(), "{}\n\n{told}", wrong.join("\n"));
}

fn tell(told: &mut String, exchange: &exchange::Exchange, differs: &[Difference]) {
    if differs.is_empty() {
        return;
    }
    let _ = writeln!(told, "{exchange}");
    for difference in differs {
        let _ = writeln!(told, "    {difference}");
    }
}
