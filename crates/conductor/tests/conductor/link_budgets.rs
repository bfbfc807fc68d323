//! Links of known speed: as few moves at a time as fill them, whoever begins these.

use godwit_core::event::Event;
use godwit_core::ids::RunUuid;
use godwit_core::plan::Estimate;
use godwit_core::plan::options::Priority;
use godwit_core::run::{OperationState as Is, RunState};
use godwit_core::status::MigrationStatus as Status;
use godwit_store::{RunRecord, UnderWay};
use godwit_test_support::wait_for;

use crate::cluster::*;
use crate::planned::*;

/// What was seen of moves until all had ended.
#[derive(Default)]
struct Seen {
    /// Most at one time.
    most: usize,
    /// Most that they took of one link at one time, in bytes a second.
    taken: i64,
}

fn taken_of(moves: &[UnderWay], end: impl Fn(&UnderWay) -> bool) -> i64 {
    let here = moves.iter().filter(|it| end(it));
    here.map(|it| it.taken.unwrap()).sum()
}

async fn until_all_have_ended(cluster: &Cluster) -> Seen {
    let mut seen = Seen::default();
    wait_for("everything to end", PATIENCE, async || {
        let moves = cluster.store.moves_under_way().await?;
        seen.most = seen.most.max(moves.len());
        for number in 1..=8 {
            let sent = taken_of(&moves, |it| it.source == host(number));
            let received = taken_of(&moves, |it| it.destination == host(number));
            seen.taken = seen.taken.max(sent).max(received);
        }
        let unfinished = cluster.store.migrations_unfinished().await?;
        Ok(unfinished.is_empty().then_some(()))
    })
    .await
    .unwrap();
    seen
}

fn millions(bytes: i64) -> i64 {
    bytes / 1_000_000
}

/// Of a run, the places of its operations in the order of their beginning.
fn begun(record: &RunRecord) -> Vec<usize> {
    let times = record.operations.iter().map(|it| it.started_at.unwrap());
    let mut begun: Vec<_> = times.enumerate().map(|(place, at)| (at, place)).collect();
    begun.sort();
    begun.into_iter().map(|(_, place)| place).collect()
}

on_both! {
    async fn as_few_move_at_a_time_as_fill_the_link(made: Made) {
        let mut made = made.with_hosts(&[6, 0, 0, 0, 0, 0, 0]);
        made.links_are(300, 100);
        let cluster = made.start().await;
        for number in 1..=6 {
            cluster.begin(number, to(number + 1)).await.unwrap();
        }
        let seen = until_all_have_ended(&cluster).await;
        assert_eq!((seen.most, millions(seen.taken)), (3, 300));
        for number in 1..=6 {
            assert!(cluster.is_on(number, number + 1).await);
        }
        cluster.is_sound().await;
    }

    async fn a_stream_that_fills_the_link_has_it_for_itself(made: Made) {
        let mut made = made.with_hosts(&[3, 0, 0]);
        made.links_are(300, 300);
        let cluster = made.start().await;
        for number in 1..=3 {
            cluster.begin(number, anywhere()).await.unwrap();
        }
        let seen = until_all_have_ended(&cluster).await;
        assert_eq!((seen.most, millions(seen.taken)), (1, 300));
        cluster.is_sound().await;
    }

    async fn a_destination_receives_no_more_than_its_link_carries(made: Made) {
        let mut made = made.with_hosts(&[1, 1, 1, 1, 0]);
        made.links_are(200, 100);
        let cluster = made.start().await;
        for number in 1..=4 {
            cluster.begin(number, to(5)).await.unwrap();
        }
        let seen = until_all_have_ended(&cluster).await;
        assert_eq!((seen.most, millions(seen.taken)), (2, 200));
        cluster.is_sound().await;
    }

    async fn conductors_share_the_budgets_of_links(made: Made) {
        let mut made = made.with_hosts(&[8, 0, 0, 0]);
        made.conductors = 3;
        made.links_are(300, 100);
        let cluster = made.start().await;
        for number in 1..=8 {
            cluster.begin(number, anywhere()).await.unwrap();
        }
        let seen = until_all_have_ended(&cluster).await;
        assert!(seen.most >= 2 && seen.most <= 3, "{}", seen.most);
        assert!(millions(seen.taken) <= 300, "{}", seen.taken);
        cluster.is_sound().await;
    }

    async fn no_more_move_than_there_are_streams_allowed(made: Made) {
        let mut made = made.with_hosts(&[4, 0]);
        made.links_are(400, 100);
        made.config.link_budgets.streams = 2;
        let cluster = made.start().await;
        for number in 1..=4 {
            cluster.begin(number, anywhere()).await.unwrap();
        }
        assert_eq!(until_all_have_ended(&cluster).await.most, 2);
        cluster.is_sound().await;
    }

    async fn what_a_stream_achieves_is_remembered(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.links_are(300, 100);
        let cluster = made.start().await;
        let known = async |number| {
            let known = cluster.store.host_find(&host(number)).await.unwrap().unwrap();
            known.stream_bytes_per_second
        };
        assert_eq!((known(1).await, known(2).await), (None, None));
        let moved = cluster.begin(1, anywhere()).await.unwrap();
        assert_eq!(cluster.ends(moved).await.migration.status(), Status::Completed);
        assert_eq!((known(1).await, known(2).await), (Some(100_000_000), Some(100_000_000)));
        cluster.is_sound().await;
    }

    /// Six of 1 to 6 GiB, three at a time: the long ones first, and each that ends is followed by the
    /// longest that is left.
    async fn the_long_ones_of_a_run_go_first(made: Made) {
        let mut made = made.with_hosts(&[6, 0, 0, 0, 0, 0, 0]);
        made.links_are(300, 100);
        let mut all = Vec::new();
        for number in 1..=6 {
            made.guest(number).memory_bytes = number as u64 * GIB;
            let mut it = moves(number, (1, number + 1));
            let mid = 11.0 * number as f64;
            it.estimates.seconds = Estimate { low: mid, mid, high: mid };
            all.push(it);
        }
        let cluster = made.start().await;
        let run = cluster.run(Wanted::of(all)).await;
        let seen = until_all_have_ended_of(&cluster, run).await;
        assert_eq!(seen.most, 3);
        let record = cluster.run_ends(run).await;
        assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        assert_eq!(begun(&record), [5, 4, 3, 2, 1, 0]);
        cluster.is_sound().await;
    }

    /// One of a user's moves fills the link, and four others wait for its end.
    async fn a_long_queue_of_users_does_not_keep_an_emergency_waiting(made: Made) {
        let mut made = made.with_hosts(&[6, 0, 0]);
        made.links_are(100, 100);
        made.never_converges(1);
        let cluster = made.start().await;
        let busy = cluster.begin(1, to(2)).await.unwrap();
        cluster.reaches(busy, Status::Running).await;
        let mut users = Vec::new();
        for number in 2..=5 {
            users.push(cluster.begin(number, to(2)).await.unwrap());
        }
        let mut wanted = Wanted::of(vec![moves(6, (1, 3))]);
        wanted.options.priority = Some(Priority::Emergency);
        let run = cluster.run(wanted).await;
        let record = cluster.run_reaches(run, "it to begin", |it| runs(it, 0)).await;
        let emergency = record.run.operations[0].migration.unwrap();
        cluster.reaches(emergency, Status::Queued).await;
        cluster.ask(busy, Event::AbortRequested).await;
        let record = cluster.run_ends(run).await;
        assert_eq!(states(&record), [Is::Completed]);
        let began = async |uuid| cluster.record(uuid).await.started_at.unwrap();
        for uuid in users {
            assert_eq!(cluster.ends(uuid).await.migration.status(), Status::Completed);
            assert!(began(emergency).await < began(uuid).await);
        }
        cluster.is_sound().await;
    }
}

async fn until_all_have_ended_of(cluster: &Cluster, run: RunUuid) -> Seen {
    cluster
        .run_reaches(run, "it to begin", |it| {
            it.run.state == RunState::Running && runs(it, 5)
        })
        .await;
    let mut seen = Seen::default();
    wait_for("the run to end", PATIENCE, async || {
        seen.most = seen.most.max(cluster.store.moves_under_way().await?.len());
        let record = cluster.run_record(run).await;
        Ok(record.run.ended_at.map(|_| ()))
    })
    .await
    .unwrap();
    seen
}
