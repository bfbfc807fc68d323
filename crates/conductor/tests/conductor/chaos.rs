//! Anything dies at any time, while servers move.
//!
//! The order is random and the seeds are fixed. Whatever it was, everything ends, and is sound.

use std::time::{Duration, Instant};

use anyhow::ensure;
use godwit_core::event::Event;
use godwit_core::status::MigrationStatus as Status;
use godwit_store::BeginError;
use godwit_test_support::wait_for;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::cluster::*;
use crate::ends::progressed_beyond;

const ROUNDS: u64 = 10;
const GUESTS: usize = 6;
/// What an operator is promised after a restart.
const PROMISED: Duration = Duration::from_secs(30);

/// Kills somebody, and starts it again.
fn strike(cluster: &mut Cluster, rng: &mut StdRng) {
    match rng.random_range(0..5) {
        0 | 1 => {
            let number = rng.random_range(1..=2);
            cluster.kill_conductor(number);
            cluster.start_conductor(number);
        }
        number => {
            let name = host(number - 1);
            cluster.kill_agent(&name);
            cluster.start_agent(&name);
        }
    }
}

/// Lets a moment of random length pass: what makes an order. Nothing is concluded from it.
async fn a_moment(rng: &mut StdRng) {
    tokio::time::sleep(Duration::from_micros(rng.random_range(0..80_000))).await;
}

on_both! {
    async fn whoever_dies_comes_back_and_everything_ends(made: Made) {
        let mut made = made.with_hosts(&[GUESTS, 0, 0]);
        made.conductors = 2;
        made.config.slots.per_source = 3;
        made.config.time_limits.completion_per_gib = Duration::from_secs(1);
        for number in 1..=GUESTS {
            made.guest(number).memory_bytes = 4 * GIB;
        }
        made.never_converges(1);
        let mut cluster = made.start().await;
        for round in 0..ROUNDS {
            let mut rng = StdRng::seed_from_u64(round);
            for number in 1..=GUESTS {
                match cluster.begin(number, anywhere()).await {
                    Ok(uuid) => {
                        if rng.random_range(0..4) == 0 {
                            a_moment(&mut rng).await;
                            cluster.ask(uuid, Event::AbortRequested).await;
                        }
                    }
                    Err(BeginError::NotFree) => {}
                    Err(error) => panic!("{error:?}"),
                }
                if rng.random_range(0..2) == 0 {
                    a_moment(&mut rng).await;
                    strike(&mut cluster, &mut rng);
                }
            }
            let ended = wait_for("all to end", PATIENCE, async || {
                let unfinished = cluster.store.migrations_unfinished().await?;
                ensure!(unfinished.is_empty(), "{unfinished:#?}");
                Ok(Some(()))
            });
            if let Err(error) = ended.await {
                panic!("round {round}: {error:?}");
            }
            cluster.all_are_up().await;
            cluster.is_sound().await;
        }
    }

    async fn with_the_default_pace_everything_goes_on_soon_after_a_restart(made: Made) {
        let mut made = made.with_hosts(&[1, 1, 0]);
        let quick = std::mem::take(&mut made.config);
        made.config.slots = quick.slots;
        made.pace = Default::default();
        made.never_converges(1);
        made.guest(2).memory_bytes = 16 * GIB;
        let mut cluster = made.start().await;
        let busy = cluster.begin(1, to(3)).await.unwrap();
        let quiet = cluster.begin(2, to(3)).await.unwrap();
        // A kill ends a move that has not certainly begun.
        for migration in [busy, quiet] {
            progressed_beyond(&cluster, migration, 0).await;
        }
        cluster.kill_conductor(1);
        for number in 1..=3 {
            cluster.kill_agent(&host(number));
        }
        let restarted = Instant::now();
        for number in 1..=3 {
            cluster.start_agent(&host(number));
        }
        cluster.start_conductor(1);
        let before = cluster.record(busy).await.progress.memory.unwrap();
        progressed_beyond(&cluster, busy, before.processed).await;
        assert_eq!(cluster.ends(quiet).await.migration.status(), Status::Completed);
        assert!(restarted.elapsed() < PROMISED, "{:?}", restarted.elapsed());
        cluster.ask(busy, Event::AbortRequested).await;
        assert_eq!(cluster.ends(busy).await.migration.status(), Status::Cancelled);
    }
}
