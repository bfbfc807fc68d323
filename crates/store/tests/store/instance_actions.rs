//! Instance actions: who asked for what, what each step says, and pages of them.

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::server::{TaskState, VmState};
use godwit_store::{
    ActionListError, ActionPage, CommitNote, InstanceAction, Lock, LockedBy, ServerChangeError,
};

use crate::bench::{Bench, anybody, asked, at, migration, placed, server};

async fn actions(bench: &Bench, page: ActionPage) -> Vec<InstanceAction> {
    bench
        .store
        .instance_action_list(server(1), &page)
        .await
        .unwrap()
}

async fn names(bench: &Bench, page: ActionPage) -> Vec<String> {
    actions(bench, page)
        .await
        .into_iter()
        .map(|it| it.action)
        .collect()
}

/// The steps of what a request asked for, in the order of time, with how they ended.
async fn steps(bench: &Bench, request_id: &str) -> Vec<(String, Option<String>)> {
    let found = bench
        .store
        .instance_action_find(server(1), request_id)
        .await
        .unwrap()
        .unwrap();
    let mut steps = bench.store.instance_action_events(found.id).await.unwrap();
    steps.reverse();
    steps.into_iter().map(|it| (it.event, it.result)).collect()
}

on_both! {
    async fn a_lock_is_one_action(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        let lock = async |by, reason: Option<&str>, request, second| {
            let reason = reason.map(str::to_owned);
            bench.store.server_lock(server(1), by, reason, asked(request, at(second))).await.unwrap()
        };
        assert!(lock(LockedBy::Owner, Some("why"), "req-1", 5).await);
        let by = |by, reason: &str| Some(Lock { by, reason: Some(reason.to_owned()) });
        let locked = bench.server(1).await;
        assert_eq!((locked.lock, locked.updated_at), (by(LockedBy::Owner, "why"), Some(at(5))));
        assert!(lock(LockedBy::Owner, Some("again"), "req-2", 6).await);
        assert_eq!(bench.server(1).await.lock, by(LockedBy::Owner, "why"), "it is locked already");
        assert!(lock(LockedBy::Admin, None, "req-3", 7).await);
        assert_eq!(bench.server(1).await.lock, by(LockedBy::Admin, "why"));

        let refused = bench.store.server_unlock(server(1), asked("req-4", at(8)), |server| {
            Err::<(), _>(server.lock.clone())
        });
        let refused = refused.await.unwrap_err();
        assert!(matches!(refused, ServerChangeError::Refused(Some(_))), "{refused:?}");
        let unlock = |request, second| {
            bench.store.server_unlock(server(1), asked(request, at(second)), anybody)
        };
        unlock("req-5", 9).await.unwrap();
        assert_eq!(bench.server(1).await.lock, None);
        unlock("req-6", 10).await.unwrap();

        assert_eq!(names(&bench, ActionPage::default()).await, ["unlock", "unlock", "lock", "lock"]);
        let success = Some("Success".to_owned());
        assert_eq!(steps(&bench, "req-3").await, [("api_lock".to_owned(), success.clone())]);
        assert_eq!(steps(&bench, "req-5").await, [("api_unlock".to_owned(), success)]);
        let found = bench.store.instance_action_find(server(1), "req-1").await.unwrap().unwrap();
        assert_eq!(found.user_id.as_deref(), Some("admin"));
        assert_eq!(found.project_id.as_deref(), Some("admin-project"));
        assert_eq!((found.start_time, found.created_at), (Some(at(5)), at(5)));
        assert_eq!((found.finish_time, found.message), (None, None));
        let none = bench.store.instance_action_find(server(1), "req-2").await.unwrap();
        assert_eq!(none, None, "nothing was done");
        let elsewhere = bench.store.instance_action_find(server(2), "req-1").await.unwrap();
        assert_eq!(elsewhere, None);
        let odd = bench.store.instance_action_find(server(1), "\0").await.unwrap();
        assert_eq!(odd, None);
        let nobody = bench.store.server_lock(server(9), LockedBy::Owner, None, asked("r", at(9)));
        assert!(!nobody.await.unwrap());
        bench.assert_sound().await;
    }

    async fn a_reset_changes_the_server_and_nothing_else(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        bench.drive(1, [placed("b"), Event::Admitted, Event::Prepared]).await;
        let before = bench.record(1).await;
        let note = asked("req-2", at(30));
        assert!(bench.store.server_reset_state(server(1), VmState::Error, note).await.unwrap());
        let reset = bench.server(1).await;
        assert_eq!((reset.vm_state, reset.task_state), (VmState::Error, None));
        assert_eq!(bench.record(1).await, before);
        assert_eq!(steps(&bench, "req-2").await, [], "Nova writes no steps of it");
        bench.assert_sound().await;
        bench.drive(1, [Event::HandedOver, Event::Finished { clean: true }]).await;
        assert_eq!(bench.server(1).await.vm_state, VmState::Error, "an operator said so");
        bench.assert_sound().await;
        let nobody = bench.store.server_reset_state(server(9), VmState::Active, asked("r", at(9)));
        assert!(!nobody.await.unwrap());
    }

    async fn a_migration_tells_its_steps(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        assert_eq!(names(&bench, ActionPage::default()).await, ["live-migration"]);
        let conductor = "conductor_live_migrate_instance".to_owned();
        assert_eq!(steps(&bench, "req-1").await, [(conductor.clone(), None)], "under way");
        let refused = Failure::new(FailureCode::NoValidHost, "No valid host was found.");
        bench.drive(1, [Event::NotPlaced(refused.clone())]).await;
        let error = Some("Error".to_owned());
        assert_eq!(steps(&bench, "req-1").await, [(conductor, error.clone())]);
        let found = actions(&bench, ActionPage::default()).await.remove(0);
        assert_eq!((found.message, found.updated_at), (error, Some(at(20))));
        let step = bench.store.instance_action_events(found.id).await.unwrap().remove(0);
        assert_eq!((step.start_time, step.finish_time), (Some(at(10)), Some(at(20))));
        assert!(step.details.unwrap().contains(&refused.message));
        assert_eq!(bench.server(1).await.task_state, None::<TaskState>);
    }

    async fn a_move_that_went_well_has_each_step_once(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        let found = actions(&bench, ActionPage::default()).await.remove(0);
        assert_eq!(found.updated_at, Some(at(10)));
        bench.drive(1, [placed("b"), Event::Admitted, Event::Prepared]).await;
        bench.drive(1, [Event::HandedOver, Event::Finished { clean: true }]).await;
        let mut steps = steps(&bench, "req-1").await;
        steps.sort_unstable();
        let expected = [
            "compute_check_can_live_migrate_destination",
            "compute_check_can_live_migrate_source",
            "compute_live_migration",
            "compute_post_live_migration_at_destination",
            "compute_pre_live_migration",
            "conductor_live_migrate_instance",
        ];
        let success = Some("Success".to_owned());
        assert_eq!(steps, expected.map(|step| (step.to_owned(), success.clone())));
        let found = actions(&bench, ActionPage::default()).await.remove(0);
        assert_eq!((found.message, found.updated_at), (None, Some(at(20))));
        let steps = bench.store.instance_action_events(found.id).await.unwrap();
        assert!(steps.iter().all(|it| it.start_time <= it.finish_time), "{steps:#?}");
    }

    async fn a_request_to_a_migration_is_an_action_of_its_own(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.begin(1).await;
        bench.drive(1, [placed("b"), Event::Admitted, Event::Prepared]).await;
        let note = CommitNote::requested(asked("req-2", at(30)));
        bench.apply(1, Event::AbortRequested, note).await.unwrap();
        let expected = ["live_migration_cancel", "live-migration"];
        assert_eq!(names(&bench, ActionPage::default()).await, expected);
        let events = bench.store.migration_events(migration(1), 0).await.unwrap();
        let last = events.last().unwrap();
        assert_eq!((last.actor.as_str(), last.request_id.as_deref()), ("api", Some("req-2")));
        bench.drive(1, [Event::MoveCancelled, Event::RolledBack { clean: true }]).await;
        let mut all = steps(&bench, "req-1").await;
        all.extend(steps(&bench, "req-2").await);
        assert!(all.iter().all(|(_, result)| result.is_some()), "none is left open: {all:?}");
        bench.assert_sound().await;
    }

    async fn pages_follow_each_other(bench: Bench) {
        bench.fleet(&[("a", 2)]).await;
        for (second, request) in [(5, "req-a"), (6, "req-b"), (6, "req-c"), (7, "req-d")] {
            let note = asked(request, at(second));
            bench.store.server_reset_state(server(1), VmState::Active, note).await.unwrap();
        }
        let lock = asked("req-e", at(8));
        bench.store.server_lock(server(1), LockedBy::Admin, None, lock).await.unwrap();
        let requests = async |page| {
            let found = actions(&bench, page).await;
            found.into_iter().filter_map(|it| it.request_id).collect::<Vec<_>>()
        };
        let all = ActionPage::default();
        assert_eq!(requests(all.clone()).await, ["req-e", "req-d", "req-c", "req-b", "req-a"]);
        let after = |marker: &str, limit| ActionPage {
            marker: Some(marker.to_owned()),
            limit: Some(limit),
            ..ActionPage::default()
        };
        assert_eq!(requests(after("req-d", 2)).await, ["req-c", "req-b"]);
        assert_eq!(requests(after("req-c", 9)).await, ["req-b", "req-a"]);
        assert_eq!(requests(ActionPage { limit: Some(1), ..all.clone() }).await, ["req-e"]);
        let since = ActionPage { changes_since: Some(at(8)), ..all.clone() };
        assert_eq!(requests(since).await, ["req-e"], "what never changed does not count");
        let before = ActionPage { changes_before: Some(at(7)), ..all };
        assert_eq!(requests(before).await, Vec::<String>::new());
        for marker in ["req-z", "\0"] {
            let lost = bench.store.instance_action_list(server(1), &after(marker, 1)).await;
            assert!(matches!(lost, Err(ActionListError::MarkerNotFound(_))), "{lost:?}");
        }
        let other = bench.store.instance_action_list(server(2), &after("req-a", 1)).await;
        assert!(matches!(other, Err(ActionListError::MarkerNotFound(_))), "another server's");
    }

    async fn actions_outlive_their_server(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        let note = asked("req-1", at(5));
        bench.store.server_reset_state(server(1), VmState::Active, note).await.unwrap();
        bench.sql("UPDATE servers SET deleted_at = created_at, vm_state = 'deleted'");
        assert_eq!(bench.store.server_find(server(1)).await.unwrap(), None);
        let find = async |project| {
            let found = bench.store.server_find_deleted_too(server(1), project).await.unwrap();
            found.map(|it| it.uuid)
        };
        assert_eq!((find(None).await, find(Some("demo")).await), (Some(server(1)), Some(server(1))));
        assert_eq!(find(Some("lab")).await, None, "another project's");
        assert_eq!(names(&bench, ActionPage::default()).await, ["resetState"]);
    }
}
