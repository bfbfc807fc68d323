//! So many things at one time: what waits keeps nothing else from being done.

use std::num::NonZeroUsize;

use godwit_compute_agent::holds::HoldPoint;
use godwit_core::run::RunState;

use crate::cluster::*;
use crate::planned::*;

const ONE: NonZeroUsize = NonZeroUsize::MIN;

on_both! {
    /// They wait for each other's server, and for a move that has to be followed.
    async fn runs_that_wait_keep_no_move_from_being_followed_and_no_run_from_being_driven(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.config.watches_at_once = ONE;
        made.config.runs_at_once = ONE;
        made.config.actions_at_once = ONE;
        let cluster = made.start().await;
        cluster.hold(&host(1), HoldPoint::BeforeHandover);
        let first = cluster.run(Wanted::of(vec![moves(1, (1, 2))])).await;
        moves_now(&cluster, first, 0).await;
        let back = cluster.run(Wanted::of(vec![moves(1, (2, 1))])).await;
        cluster.run_reaches(back, "it to wait", |it| it.waits_for == [first]).await;
        let again = cluster.run(Wanted::of(vec![moves(1, (1, 2))])).await;
        cluster.run_reaches(again, "it to wait", |it| it.waits_for.contains(&back)).await;
        cluster.release(&host(1), HoldPoint::BeforeHandover);
        for run in [first, back, again] {
            let record = cluster.run_ends(run).await;
            assert_eq!(record.run.state, RunState::Completed, "{:#?}", record.run);
        }
        assert!(cluster.is_on(1, 2).await);
        cluster.is_sound().await;
    }
}
