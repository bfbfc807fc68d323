//! Everything at once: aborts, forces, second requests and completions, in any order.
//!
//! The interleavings are random, and the seeds are fixed: what fails prints its round.

use std::time::Duration;

use godwit_core::event::Event;
use godwit_core::ids::MigrationUuid;
use godwit_core::status::MigrationStatus as Status;
use godwit_store::BeginError;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::cluster::*;

const ROUNDS: u64 = 25;
const GUESTS: usize = 4;

/// Does something to a server, after a moment. A pause of random length is what makes an
/// interleaving; nothing is concluded from it.
async fn nudge(cluster: &Cluster, number: usize, first: MigrationUuid, rng: &mut StdRng) {
    let pause = Duration::from_micros(rng.random_range(0..60_000));
    let deed = rng.random_range(0..3);
    tokio::time::sleep(pause).await;
    match deed {
        0 => drop(cluster.ask(first, Event::AbortRequested).await),
        1 => drop(cluster.ask(first, Event::ForceCompleteRequested).await),
        _ => match cluster.begin(number, anywhere()).await {
            Ok(_) | Err(BeginError::NotFree) => {}
            Err(error) => panic!("{error:?}"),
        },
    }
}

/// One server: a first request, and four deeds that race with it and with each other.
async fn one(cluster: &Cluster, number: usize, mut rng: StdRng) {
    let first = match cluster.begin(number, anywhere()).await {
        Ok(first) => first,
        Err(error) => panic!("{error:?}"),
    };
    let mut others: [StdRng; 4] = std::array::from_fn(|_| StdRng::from_rng(&mut rng));
    let [a, b, c, d] = &mut others;
    tokio::join!(
        nudge(cluster, number, first, a),
        nudge(cluster, number, first, b),
        nudge(cluster, number, first, c),
        nudge(cluster, number, first, d),
    );
}

async fn all_have_ended(cluster: &Cluster, round: u64) {
    let ended = godwit_test_support::wait_for("all to end", PATIENCE, async || {
        let unfinished = cluster.store.migrations_unfinished().await?;
        anyhow::ensure!(unfinished.is_empty(), "{unfinished:#?}");
        Ok(Some(()))
    });
    if let Err(error) = ended.await {
        panic!("round {round}: {error:?}");
    }
}

on_both! {
    async fn of_everything_against_everything(made: Made) {
        let mut made = made.with_hosts(&[GUESTS, 0, 0]);
        made.conductors = 2;
        made.config.slots.per_source = 2;
        // Guests that take a while, so that there is something to race with; those that would
        // never end are ended by their time-out.
        for number in 1..=GUESTS {
            made.guest(number).memory_bytes = 2 * GIB;
            made.guest(number).dirty_bytes_per_second = 400 * MIB;
        }
        made.never_converges(1);
        made.config.time_limits.completion_per_gib = Duration::from_secs(1);
        let cluster = made.start().await;
        let mut ends = std::collections::BTreeMap::new();
        for round in 0..ROUNDS {
            let seed = |number: usize| StdRng::seed_from_u64(round * 100 + number as u64);
            tokio::join!(
                one(&cluster, 1, seed(1)),
                one(&cluster, 2, seed(2)),
                one(&cluster, 3, seed(3)),
                one(&cluster, 4, seed(4)),
            );
            all_have_ended(&cluster, round).await;
            cluster.is_sound().await;
        }
        let filter = godwit_store::MigrationFilter::default();
        let all = cluster.store.migration_list(&filter, godwit_store::Paging::Unpaged).await;
        for record in all.unwrap() {
            *ends.entry(record.status().unwrap().to_owned()).or_insert(0) += 1;
        }
        // A race in which one side always wins tests nothing.
        for status in [Status::Completed, Status::Cancelled] {
            assert!(ends.get(status.as_str()).is_some_and(|count| *count > 5), "{ends:?}");
        }
        assert!(!ends.contains_key("error"), "{ends:?}");
    }
}
