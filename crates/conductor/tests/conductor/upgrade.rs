//! Two releases: one that needs the database alone, while agents and their guests go on; and hosts of
//! both that move guests among each other.

use godwit_compute_agent::holds::HoldPoint;
use godwit_core::event::Event;
use godwit_core::status::MigrationStatus as Status;
use godwit_rpc::version::{RPC_VERSION, Speaks};

use crate::cluster::*;
use crate::ends::progressed_beyond;
use crate::released::{LAST, as_released, upgrade};

/// What the release before this one speaks. The first of a major version has none that works with it;
/// then what the next one will: of two neighbours each has to get along with the other.
fn neighbour() -> Speaks {
    let mut version = RPC_VERSION;
    version.minor = version.minor.checked_sub(1).unwrap_or(1);
    Speaks {
        version,
        ..Speaks::default()
    }
}

on_both! {
    async fn hosts_of_two_releases_move_guests_among_each_other(made: Made) {
        let mut made = made.with_hosts(&[3, 0]);
        made.never_converges(3);
        made.speaks.insert(host(2), neighbour());
        let mut cluster = made.start().await;
        let known = cluster.store.host_find(&host(2)).await.unwrap().unwrap();
        assert_eq!(known.agent.rpc_version, neighbour().version.to_string());
        let there = cluster.begin(1, to(2)).await.unwrap();
        assert_eq!(cluster.ends(there).await.migration.status(), Status::Completed);
        let back = cluster.begin(1, to(1)).await.unwrap();
        assert_eq!(cluster.ends(back).await.migration.status(), Status::Completed);
        let cold = cluster.begin_cold(2).await.unwrap();
        cluster.reaches(cold, Status::Finished).await;
        assert!(cluster.ask(cold, Event::ConfirmRequested).await);
        assert_eq!(cluster.ends(cold).await.migration.status(), Status::Confirmed);

        // In the middle of a move its source's agent becomes one of the other release.
        let running = cluster.begin(3, to(2)).await.unwrap();
        // It says so once the agent is told to begin; one that dies before it has begun has no move.
        progressed_beyond(&cluster, running, 0).await;
        cluster.kill_agent(&host(1));
        cluster.speaks.insert(host(1), neighbour());
        cluster.start_agent(&host(1));
        assert!(cluster.ask(running, Event::ForceCompleteRequested).await);
        let ended = cluster.ends(running).await;
        let log = cluster.log(running).await;
        assert_eq!(ended.migration.status(), Status::Completed, "{ended:?}\n{log:#?}");
        cluster.is_sound().await;
    }

    async fn what_is_under_way_goes_on(made: Made) {
        let mut made = made.with_hosts(&[4, 0, 1]);
        made.never_converges(1);
        let mut cluster = made.start().await;
        cluster.die(3);
        cluster.declare_dead(3, true).await;
        let evacuated = cluster.evacuate_when_free(5).await;
        cluster.reaches(evacuated, Status::Done).await;
        let cold = cluster.begin_cold(2).await.unwrap();
        cluster.reaches(cold, Status::Finished).await;
        let running = cluster.begin(1, to(2)).await.unwrap();
        cluster.reaches(running, Status::Running).await;
        cluster.hold(&host(2), HoldPoint::BeforePrepare);
        let preparing = cluster.begin(3, to(2)).await.unwrap();
        cluster.reaches(preparing, Status::Preparing).await;
        cluster.kill_conductor(1);
        let accepted = cluster.begin(4, to(2)).await.unwrap();
        assert!(cluster.ask(running, Event::AbortRequested).await);

        let url = as_released(&cluster.url, LAST);
        cluster.store = upgrade(&url).await;
        cluster.url = url;
        assert_eq!(cluster.record(accepted).await.migration.status(), Status::Accepted);
        cluster.start_conductor(1);
        cluster.release(&host(2), HoldPoint::BeforePrepare);
        assert_eq!(cluster.ends(running).await.migration.status(), Status::Cancelled);
        assert_eq!(cluster.ends(preparing).await.migration.status(), Status::Completed);
        assert_eq!(cluster.ends(accepted).await.migration.status(), Status::Completed);
        assert!(cluster.ask(cold, Event::ConfirmRequested).await);
        assert_eq!(cluster.ends(cold).await.migration.status(), Status::Confirmed);
        cluster.come_back(3);
        cluster.declare_dead(3, false).await;
        assert_eq!(cluster.ends(evacuated).await.migration.status(), Status::Completed);
        cluster.is_sound().await;
    }
}
